//! `HostnameConfig`.

use super::{Kind, Role};
use crate::config::machine::record::Record;
use crate::config::machine::scalar::Names;
use crate::config::machine::source::Source;
use crate::config::{AutoHostname, Document};
use crate::value::Hostname;

keys! {
    /// The machine's name, or how to make one up.
    pub struct HostnameKeys("HostnameConfig") {
        /// The name, with or without its domain.
        "hostname" hostname: Hostname,
        /// Whether a name is made up where no source gives one.
        "auto" auto: AutoHostname,
    }
}

impl Names for AutoHostname {
    const NAMES: &'static [(&'static str, Self)] = &[("stable", Self::Stable), ("off", Self::Off)];
}

impl Kind for HostnameKeys {
    const ROLE: Role = Role::Other;

    fn apply(mut self, source: &Source<'_>, out: &mut Document) {
        if self.hostname.is_none() && self.auto.is_none() && !self.is_partial() {
            let rule = "hostname or auto must be given";
            self.refuse(source, &self.hostname, rule, None);
        }
        if self.hostname.is_some() && self.auto.as_deref().copied() == Some(AutoHostname::Stable) {
            let rule = "auto: stable stands beside hostname";
            self.refuse_value(source, &self.auto, rule, Some("keep one of them"));
            self.auto = None;
        }
        out.hostnames
            .extend(self.hostname.map(|name| name.said(source)));
        out.auto_hostname = self.auto.map(|auto| auto.said(source));
    }
}
