//! What this machine says.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Advertisement, Item, LEAVING, Path, Transmit, Vrrp, frame};
use crate::value::Instant;

/// Advertisements of a farewell: one may be lost.
const FAREWELLS: usize = 2;

impl Vrrp {
    /// Tells the others that the address is gone.
    pub(super) fn say_farewell(&mut self, now: Instant) {
        for _ in 0..FAREWELLS {
            self.advertise(LEAVING, now);
        }
    }

    /// Sends an advertisement to all that it is for.
    pub(super) fn advertise(&mut self, priority: u8, now: Instant) {
        let Some(local) = self.local else { return };
        let advertisement = Advertisement {
            version: self.settings.version,
            vrid: self.settings.vrid,
            priority,
            interval: self.settings.interval,
            addresses: self.addresses(local.source),
        };
        let path = |to| Path {
            from: local.source,
            to,
        };
        let form = self.settings.checksum;
        if self.settings.peers.is_empty() {
            let message = advertisement.encode(path(frame::group(local.source)), form);
            let frame = frame::multicast(local.source, &message);
            self.push_item(Item::Message(Transmit::Frame(frame)), now);
            return;
        }
        for to in self.settings.peers.clone() {
            let message = Transmit::Datagram {
                from: local.source,
                to,
                ttl: frame::TTL,
                payload: advertisement.encode(path(to), form),
            };
            self.push_item(Item::Message(message), now);
        }
    }

    /// What an advertisement lists. Over IPv6 a link-local address stands first (RFC 9568 §5.2.9): that of the virtual router,
    /// from its hardware address (§7.3), which needs not be there. Peers of a cloud may speak the other family, in which the shared
    /// address has no form (over IPv4) or a mapped one (RFC 4291 §2.5.5.2): what stands for it is the same on all machines.
    pub(super) fn addresses(&self, source: IpAddr) -> Vec<IpAddr> {
        let ip = match (source, self.settings.ip) {
            (IpAddr::V4(_), IpAddr::V6(_)) => Ipv4Addr::UNSPECIFIED.into(),
            (IpAddr::V6(_), IpAddr::V4(v4)) => v4.to_ipv6_mapped().into(),
            (_, ip) => ip,
        };
        match ip {
            IpAddr::V6(v6) if !v6.is_unicast_link_local() => {
                let last = 0x0200 | u16::from(self.settings.vrid);
                let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x0200, 0x5eff, 0xfe00, last);
                vec![router.into(), ip]
            }
            _ => vec![ip],
        }
    }
}
