//! [`NameServer`]: whom to ask for names.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// Port of every server.
const PORT: u16 = 53;

impl NameServer {
    /// One that somebody on `link` told of.
    pub fn on_link(address: Ipv6Addr, link: &LinkName) -> Self {
        Self {
            address: IpAddr::V6(address),
            zone: address.is_unicast_link_local().then(|| link.clone()),
        }
    }

    /// Where to send a question; `index`: of a link. `None`: its link is not there.
    pub fn socket_addr(&self, index: impl FnOnce(&LinkName) -> Option<u32>) -> Option<SocketAddr> {
        match (self.address, &self.zone) {
            (IpAddr::V6(address), Some(zone)) => {
                let scope = index(zone)?;
                Some(SocketAddrV6::new(address, PORT, 0, scope).into())
            }
            (address, _) => Some(SocketAddr::new(address, PORT)),
        }
    }
}

impl FromStr for NameServer {
    type Err = &'static str;

    /// `192.0.2.53`, `2001:db8::53`, `fe80::1%eth0`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "expected an IP address; fe80::1%eth0 where it is link-local";
        let (address, zone) = match text.split_once('%') {
            Some((address, zone)) => (address, Some(zone.parse().map_err(|_| FORM)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| FORM)?;
        Ok(Self { address, zone })
    }
}

impl<'de> Deserialize<'de> for NameServer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `eth0` is link 2, and there is no other.
    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let server: NameServer = text.parse().unwrap();
        assert_eq!(server.to_string(), text);
        let to = server.socket_addr(|link| (link.as_str() == "eth0").then_some(2));
        assert_eq!(to.map(|to| to.to_string()).as_deref(), expect);
    }

    #[test]
    fn where_to_ask() {
        check("192.0.2.53", Some("192.0.2.53:53"));
        check("2001:db8::53", Some("[2001:db8::53]:53"));
        check("fe80::1%eth0", Some("[fe80::1%2]:53"));
        check("fe80::1%eth9", None);
        assert!("fe80::1%".parse::<NameServer>().is_err());
        assert!("eth0".parse::<NameServer>().is_err());
    }
}
