//! [`Seat`]: what every client knows of its link, and [`Place`]: what was found of it.

use core::net::{IpAddr, Ipv6Addr};

use super::advice::Advice;
use crate::run::core::Effect;
use crate::state::{AddressStatus, Family, LinkAt, LinkStatus, Observed, OperatorSpec};
use crate::value::{Instant, Mac};

/// Kinds of links that have the hardware address of the link below; a macvlan has in the mode `passthru`.
const SHARING: [&str; 3] = ["vlan", "ipvlan", "macvlan"];

/// A client's link and orders.
pub(super) struct Seat {
    /// What it is to do.
    pub(super) spec: OperatorSpec,
    pub(super) link: LinkAt,
    /// Current hardware address.
    pub(super) mac: Mac,
    /// What the link is recognised by after a hand-off.
    pub(super) permanent: Mac,
    /// It lies on another link and has that one's hardware address, as VLANs do.
    pub(super) shares_mac: bool,
    pub(super) started: Instant,
    /// It can send.
    pub(super) sends: bool,
    /// The state that was logged last.
    pub(super) last_state: &'static str,
}

impl Seat {
    /// `None`: a link without a hardware address has no client.
    pub(super) fn new(
        spec: &OperatorSpec,
        link: &LinkStatus,
        sends: bool,
        now: Instant,
    ) -> Option<Self> {
        Some(Self {
            spec: spec.clone(),
            link: LinkAt {
                index: link.index,
                name: link.name.clone(),
            },
            mac: link.hardware_addr?,
            permanent: link.stable_mac()?,
            shares_mac: SHARING.contains(&link.kind.as_str()),
            started: now,
            sends,
            last_state: "",
        })
    }

    /// Answers whether the link has another hardware address than before: its client is to begin anew, as answers to the
    /// old one do not arrive.
    pub(super) fn follow(&mut self, spec: &OperatorSpec, link: &LinkStatus) -> bool {
        self.spec = spec.clone();
        self.link.name = link.name.clone();
        let mac = link.hardware_addr.unwrap_or(self.mac);
        let permanent = link.stable_mac().unwrap_or(self.permanent);
        let is_new = (mac, permanent) != (self.mac, self.permanent);
        (self.mac, self.permanent) = (mac, permanent);
        is_new
    }

    /// `dhcp4/eth0`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.spec.operator, self.link.name)
    }

    pub(super) fn log(&self, level: log::Level, text: &str, effects: &mut Vec<Effect>) {
        effects.push(Effect::Log(level, format!("{}: {text}", self.name())));
    }
}

/// A link as it was found.
pub(super) struct Place<'a> {
    pub(super) link: &'a LinkStatus,
    observed: &'a Observed,
    /// What its routers say of DHCPv6.
    pub(super) advice: Advice,
}

impl<'a> Place<'a> {
    pub(super) fn new(link: &'a LinkStatus, observed: &'a Observed, advice: Advice) -> Self {
        Self {
            link,
            observed,
            advice,
        }
    }

    /// Whether frames can be sent.
    pub(super) fn has_carrier(&self) -> bool {
        self.link.is_up() && self.link.has_carrier()
    }

    /// Whether the kernel has IPv6: loopback has it then, before any other link.
    pub(super) fn has_ipv6(&self) -> bool {
        let addresses = self.observed.addresses.iter();
        let mut families = addresses.map(|status| status.family);
        families.any(|family| family == Family::Inet6)
    }

    /// A link-local address that has passed duplicate address detection.
    pub(super) fn link_local(&self) -> Option<Ipv6Addr> {
        self.addresses()
            .filter(|(_, status)| status.is_usable())
            .map(|(address, _)| address)
            .find(Ipv6Addr::is_unicast_link_local)
    }

    /// Addresses that somebody else on the link has (RFC 4862 §5.4.5).
    pub(super) fn duplicates(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.addresses()
            .filter(|(_, status)| status.flags & AddressStatus::DADFAILED != 0)
            .map(|(address, _)| address)
    }

    fn addresses(&self) -> impl Iterator<Item = (Ipv6Addr, &'a AddressStatus)> {
        let index = self.link.index;
        let here = self.observed.addresses.iter();
        let here = here.filter(move |status| status.link_index == index);
        here.filter_map(|status| match status.address.address() {
            IpAddr::V6(address) => Some((address, status)),
            IpAddr::V4(_) => None,
        })
    }
}
