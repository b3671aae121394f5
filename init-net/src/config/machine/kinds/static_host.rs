//! `StaticHostConfig`.

use core::net::IpAddr;

use super::{Kind, Role};
use crate::config::machine::record::{At, Items as _, Record};
use crate::config::machine::source::Source;
use crate::config::{Document, HostEntry};
use crate::value::Hostname;

keys! {
    /// One row of `/etc/hosts`.
    pub struct StaticHostKeys("StaticHostConfig") {
        /// The address.
        required "name" address: IpAddr,
        /// Its names, at least one.
        "hostnames" hostnames: Vec<At<Hostname>>,
    }
}

impl Kind for StaticHostKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        row(&self, self.address.value, &self.hostnames, source, out);
    }
}

/// `address` and its `names`, which stand in `record`.
pub fn row(
    record: &impl Record,
    address: IpAddr,
    names: &Option<At<Vec<At<Hostname>>>>,
    source: &Source<'_>,
    out: &mut Document,
) {
    let valid: Vec<Hostname> = names.clone().items().map(|name| name.value).collect();
    if valid.is_empty() {
        return record.refuse(source, names, "at least one host name must be given", None);
    }
    out.hosts.push(HostEntry {
        address,
        names: valid,
        origin: record.origin(source),
    });
}
