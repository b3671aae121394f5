//! [`NameServer`]: whom to ask for names.

use core::fmt;
use core::net::IpAddr;

use serde::{Serialize, Serializer};

use super::LinkName;

/// The address of a name server; a link-local one with its link, as resolv.conf(5) of glibc and musl takes it:
/// `fe80::1%eth0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its address.
    pub address: IpAddr,
    /// The link that it is on; `None`: where the routes lead.
    pub zone: Option<LinkName>,
}

impl From<IpAddr> for NameServer {
    fn from(address: IpAddr) -> Self {
        Self {
            address,
            zone: None,
        }
    }
}

impl PartialEq<IpAddr> for NameServer {
    fn eq(&self, address: &IpAddr) -> bool {
        self.zone.is_none() && self.address == *address
    }
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(link) => write!(f, "{}%{link}", self.address),
            None => self.address.fmt(f),
        }
    }
}

impl Serialize for NameServer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
