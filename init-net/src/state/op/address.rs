//! Changes of addresses.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use super::super::{OUR_PROTOCOL, Scope};
use super::LinkAt;
use crate::value::Prefix;

/// The address of [`super::Op::AddressReplace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressOp {
    /// On which link.
    pub link: LinkAt,
    /// Which.
    pub address: Prefix,
    /// Point-to-point peer.
    pub peer: Option<IpAddr>,
    /// IPv4 broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// Scope.
    pub scope: Scope,
    /// Metric of the connected route.
    pub priority: Option<u32>,
    /// Seconds left; `None`: for ever.
    pub valid_secs: Option<u32>,
    /// Seconds left as a source of new connections; `None`: as long as it is valid.
    pub preferred_secs: Option<u32>,
    /// IFA_F_NOPREFIXROUTE.
    pub no_prefix_route: bool,
    /// IFA_F_NODAD.
    pub no_dad: bool,
    /// Whether it is there already: prints as `change` instead of `add`.
    pub present: bool,
}

impl AddressOp {
    /// `address` on `link`, global and for ever.
    pub const fn new(link: LinkAt, address: Prefix) -> Self {
        Self {
            link,
            address,
            peer: None,
            broadcast: None,
            scope: Scope::Global,
            priority: None,
            valid_secs: None,
            preferred_secs: None,
            no_prefix_route: false,
            no_dad: false,
            present: false,
        }
    }
}

impl fmt::Display for AddressOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.present { "change" } else { "add" };
        write!(f, "ip addr {verb} ")?;
        with_peer(self.address, self.peer, f)?;
        super::option(f, "brd", self.broadcast)?;
        write!(f, " dev {}", self.link.name)?;
        if self.scope != Scope::Global {
            write!(f, " scope {}", self.scope.word())?;
        }
        super::option(f, "metric", self.priority)?;
        if self.no_dad {
            f.write_str(" nodad")?;
        }
        if self.no_prefix_route {
            f.write_str(" noprefixroute")?;
        }
        write!(f, " proto {OUR_PROTOCOL}")?;
        let preferred = self.preferred_secs.or(self.valid_secs);
        match (self.valid_secs, preferred) {
            (None, None) => Ok(()),
            (valid, preferred) => {
                let time = |secs: Option<u32>| {
                    secs.map_or_else(|| "forever".to_owned(), |secs| secs.to_string())
                };
                write!(
                    f,
                    " valid_lft {} preferred_lft {}",
                    time(valid),
                    time(preferred)
                )
            }
        }
    }
}

/// `ip addr del …`.
pub(super) fn deletion(
    link: &LinkAt,
    address: Prefix,
    peer: Option<IpAddr>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    f.write_str("ip addr del ")?;
    with_peer(address, peer, f)?;
    write!(f, " dev {}", link.name)
}

fn with_peer(address: Prefix, peer: Option<IpAddr>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match peer {
        Some(peer) => write!(f, "{} peer {peer}/{}", address.address(), address.len()),
        None => write!(f, "{address}"),
    }
}
