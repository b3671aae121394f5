//! `TimeSyncConfig`.

use core::net::IpAddr;

use serde_json::{Value as Json, json};

use super::{Kind, Role};
use crate::config::machine::record::{At, Items, Record as _};
use crate::config::machine::scalar::{Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, Said};
use crate::value::{Duration, Hostname};

keys! {
    /// Where the time comes from.
    pub struct TimeSyncKeys("TimeSyncConfig") {
        /// Whether the clock is set at all.
        "enabled" enabled: bool,
        /// How long the boot waits for the time; 0 waits for ever.
        later "bootTimeout": Duration,
        /// From servers.
        "ntp" ntp: NtpKeys,
        /// From clocks of the machine.
        "ptp" ptp: PtpKeys,
    }
}

keys! {
    /// Time servers.
    pub struct NtpKeys("ntp") {
        /// The servers: addresses or names.
        "servers" servers: Vec<At<TimeServer>>,
        /// Whether they prove who they are (RFC 8915).
        "useNTS" use_nts: bool,
    }
}

keys! {
    /// Precision clocks.
    pub struct PtpKeys("ptp") {
        /// Their devices, such as `/dev/ptp0`.
        later "devices": Vec<String>,
    }
}

/// An NTP server.
#[derive(Clone, Debug)]
pub struct TimeServer(String);

impl Scalar for TimeServer {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        if text.parse::<IpAddr>().is_ok() || text.parse::<Hostname>().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err("a time server is an IP address or a host name".into())
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "description": "An address or a host name."})
    }
}

impl Kind for TimeSyncKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        if let (Some(_), Some(_)) = (&self.ntp, &self.ptp) {
            let rule = "ntp and ptp exclude each other";
            self.refuse_value(source, &self.ptp, rule, Some("keep one of them"));
        }
        let enabled = self.enabled.is_none_or(|enabled| enabled.value);
        if let Some(ntp) = self.ntp {
            ntp.value.check(source);
            if enabled {
                servers(ntp.value.servers, source, out);
            }
        }
    }
}

impl NtpKeys {
    /// A certificate is for a name.
    fn check(&self, source: &Source<'_>) {
        if !self.use_nts.is_some_and(|said| said.value) {
            return;
        }
        let servers = self.servers.iter().flat_map(|list| &list.value);
        for server in servers.filter(|server| server.0.parse::<IpAddr>().is_ok()) {
            let rule = "with useNTS a server is a name, not an address";
            self.refuse_value(source, server, rule, None);
        }
        let why = "whoever sets the clock gets the names alone";
        self.idle(source, &self.use_nts, "useNTS", why);
    }
}

/// The servers of a list, here or in the older form.
pub fn servers(list: impl Items<Item = At<TimeServer>>, source: &Source<'_>, out: &mut Document) {
    for At { value, mark } in list.items() {
        out.time_servers
            .push(Said::new(value.0, source.origin(mark)));
    }
}
