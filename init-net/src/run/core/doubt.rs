//! [`Doubt`]: which parts of the last look may no longer be true. Only those are dumped again.

use core::ops::{BitOr, BitOrAssign};

use super::{Core, Outcome};
use crate::state::{OUR_PROTOCOL, Observed, Op, RouteStatus};
use crate::wire::{self, event::Bell};

/// Parts of [`Observed`]. The host name is none: it is one system call, and part of every look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubt(u16);

impl Doubt {
    /// Routes of ours.
    pub const ROUTES: Self = Self(1);
    /// Addresses.
    pub const ADDRESSES: Self = Self(2);
    /// Links, and addresses, which carry their names.
    pub const LINKS: Self = Self(4 | Self::ADDRESSES.0);
    /// Rules.
    pub const RULES: Self = Self(8);
    /// Files: nothing rings for those.
    pub const FILES: Self = Self(16);
    /// Kernel parameters, network cards, keys and peers. Of those only some parameters ring.
    pub const SETTINGS: Self = Self(32);
    /// Routes of others, as far as they concern us ([`Slots`](crate::plan::Slots)): looked at only when something points
    /// there, for there may be a hundred thousand that do not, and the kernel shows all or none.
    pub const FOREIGN_ROUTES: Self = Self(64 | Self::ROUTES.0);
    /// Those that do not concern us as well: for who asks.
    pub const ALL_ROUTES: Self = Self(128 | Self::FOREIGN_ROUTES.0);
    /// Our table in nf_tables.
    pub const FIREWALL: Self = Self(256);
    /// All that is compared: the first look, notices that were lost, an op that failed against what was seen.
    pub const EVERYTHING: Self = Self(
        Self::LINKS.0
            | Self::FOREIGN_ROUTES.0
            | Self::RULES.0
            | Self::FILES.0
            | Self::SETTINGS.0
            | Self::FIREWALL.0,
    );

    /// Whether all of `part` is in doubt.
    pub fn has(self, part: Self) -> bool {
        self.0 & part.0 == part.0
    }

    /// All but what makes up `part`.
    pub(super) fn without(self, part: Self) -> Self {
        Self(self.0 & !part.0)
    }

    /// What an op leaves in doubt.
    pub(super) fn after(outcome: &Outcome) -> Self {
        if outcome.result.is_err() {
            return Self::EVERYTHING;
        }
        match outcome.op {
            Op::LinkAdd(_)
            | Op::LinkDel { .. }
            | Op::LinkSetKind { .. }
            | Op::LinkSetMaster { .. }
            | Op::LinkSetPort { .. }
            | Op::BridgeVlanAdd { .. }
            | Op::BridgeVlanDel { .. }
            | Op::LinkSetUp { .. }
            | Op::LinkSetMulticast { .. }
            | Op::LinkRename { .. }
            | Op::LinkSetAlias { .. }
            | Op::LinkSetMtu { .. }
            | Op::LinkSetMac { .. } => Self::LINKS,
            Op::AddressReplace(_) | Op::AddressDel { .. } => Self::ADDRESSES,
            Op::RouteAdd(_) | Op::RouteReplace(_) | Op::RouteDel(_) => Self::ROUTES,
            Op::RuleAdd(_) | Op::RuleDel(_) => Self::RULES,
            Op::WriteFile(_) => Self::FILES,
            Op::Firewall(_) => Self::FIREWALL,
            // One parameter may change others: `all` those of each link.
            Op::Wireguard(_) | Op::Ethernet(_) | Op::SetSysctl { .. } => Self::SETTINGS,
            Op::SetHostname { .. } => Self::default(),
        }
    }

    /// Completes a look at the parts in doubt with what an older one saw of the others.
    pub(super) fn complete(self, look: &mut Observed, older: Observed) {
        if !self.has(Self::LINKS) {
            look.links = older.links;
            look.bridge_vlans = older.bridge_vlans;
        }
        if !self.has(Self::ADDRESSES) {
            look.addresses = older.addresses;
        }
        if !self.has(Self::ROUTES) {
            look.routes = older.routes;
        } else if !self.has(Self::FOREIGN_ROUTES) {
            let foreign = older.routes.into_iter();
            look.routes
                .extend(foreign.filter(|route| route.protocol != OUR_PROTOCOL));
        }
        if self.has(Self::LINKS) && !self.has(Self::FOREIGN_ROUTES) {
            wire::name_links(&look.links, &mut [], &mut look.routes);
        }
        if !self.has(Self::RULES) {
            look.rules = older.rules;
        }
        if !self.has(Self::FILES) {
            look.files = older.files;
        }
        if !self.has(Self::SETTINGS) {
            look.wireguard = older.wireguard;
            look.ethernet = older.ethernet;
            look.sysctls = older.sysctls;
        }
        if !self.has(Self::FIREWALL) {
            look.firewall = older.firewall;
            look.generation = older.generation;
        }
    }
}

impl BitOrAssign for Doubt {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitOr for Doubt {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Core {
    /// What `bell` leaves in doubt of what was seen last. The kernel says nothing of IPv4 routes that go with a link
    /// (`fib_sync_down_dev`, net/ipv4/fib_semantics.c) or with the address that is their source (`fib_sync_down_addr`);
    /// links that no route of ours leads through cost no look at routes.
    pub fn doubt(&self, bell: &Bell) -> Doubt {
        let mut doubt = Doubt::default();
        for (rang, part) in [
            (bell.links, Doubt::LINKS),
            (bell.addresses, Doubt::ADDRESSES),
            (bell.addresses_gone, Doubt::ROUTES),
            (bell.routes, Doubt::ROUTES),
            (bell.defaults, Doubt::FOREIGN_ROUTES),
            (bell.rules, Doubt::RULES),
            (bell.settings, Doubt::SETTINGS),
            (bell.overrun, Doubt::EVERYTHING),
        ] {
            if rang {
                doubt |= part;
            }
        }
        if bell.down.is_empty() && bell.replaced.is_empty() {
            return self.worth_a_look(doubt);
        }
        let seen = self.observed.iter().flat_map(|seen| &seen.routes);
        for route in seen {
            let length = route.dst.map_or(0, |dst| dst.len());
            let lost = bell.replaced.contains(&(route.family, length)) || goes_with(route, bell);
            if lost && route.protocol == OUR_PROTOCOL {
                doubt |= Doubt::ROUTES;
            } else if lost {
                doubt |= Doubt::FOREIGN_ROUTES;
            }
        }
        self.worth_a_look(doubt)
    }
}

/// Whether one of its links was down.
fn goes_with(route: &RouteStatus, bell: &Bell) -> bool {
    let mut hops = route.next_hops.iter();
    bell.down.may_have(route.out_link_index)
        || hops.any(|hop| bell.down.may_have(hop.out_link_index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Family, Scope, iff};
    use crate::value::{Instant, Rng, RouteKind, RouteMetrics, RouteTable};

    /// A notification: RTM_* and flags in its header, and what follows.
    fn notice(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let length = 16 + body.len() as u32;
        let mut message = length.to_ne_bytes().to_vec();
        message.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
        message.extend([0; 8]);
        message.extend(body);
        message
    }

    /// RTM_NEWLINK.
    fn link(index: u32, up: bool) -> Vec<u8> {
        let flags = if up { iff::UP } else { 0 };
        let words = [0, index, flags, 0].map(u32::to_ne_bytes);
        notice(16, 0, &words.concat())
    }

    /// RTM_DELADDR or RTM_NEWADDR.
    fn address(gone: bool, scope: u8) -> Vec<u8> {
        notice(
            if gone { 21 } else { 20 },
            0,
            &[10, 64, 0, scope, 2, 0, 0, 0],
        )
    }

    /// RTM_NEWROUTE in the main table.
    fn route(protocol: u8, length: u8, replaces: bool) -> Vec<u8> {
        let body = [2, length, 0, 0, 254, protocol, 0, 1, 0, 0, 0, 0];
        notice(24, if replaces { 0x100 } else { 0 }, &body)
    }

    /// A core that saw a route of ours out of link 2, and a default route of others out of link 3.
    fn core() -> Core {
        let now = Instant::from_secs(1);
        let mut core = Core::new(Vec::new(), Default::default(), Rng::new(1), now);
        let to = |dst: Option<&str>, link, protocol| RouteStatus {
            family: Family::Inet4,
            dst: dst.map(|dst| dst.parse().unwrap()),
            src: None,
            gateway: None,
            out_link_index: link,
            out_link_name: None,
            table: RouteTable::MAIN,
            priority: 0,
            scope: Scope::Global,
            kind: RouteKind::Unicast,
            protocol,
            flags: 0,
            mtu: None,
            metrics: RouteMetrics::default(),
            next_hops: Vec::new(),
        };
        core.observed = Some(Observed {
            routes: vec![to(Some("10.6.0.0/16"), 2, OUR_PROTOCOL), to(None, 3, 16)],
            ..Observed::default()
        });
        core
    }

    #[track_caller]
    fn check(datagrams: &[Vec<u8>], expect: Doubt) {
        let mut bell = Bell::default();
        datagrams.iter().for_each(|datagram| bell.receive(datagram));
        assert_eq!(core().doubt(&bell), expect);
    }

    #[test]
    fn a_notice_doubts_what_the_kernel_changes_with_it_in_silence() {
        let (ours, foreign) = (Doubt::ROUTES, Doubt::FOREIGN_ROUTES);
        check(&[], Doubt::default());
        check(&[link(2, true)], Doubt::LINKS);
        check(&[link(2, false)], Doubt::LINKS | ours);
        // It is up again by the time that anybody looks.
        let bounce = [link(2, false), link(2, true)];
        check(&bounce, Doubt::LINKS | ours);
        check(&[link(3, false)], Doubt::LINKS | foreign);
        check(&[link(9, false)], Doubt::LINKS);
        // More than are told apart.
        let many: Vec<_> = (100..200).map(|index| link(index, false)).collect();
        check(&many, Doubt::LINKS | foreign);
        check(&[address(false, 0)], Doubt::ADDRESSES);
        check(&[address(true, 0)], Doubt::ADDRESSES | ours);
        check(&[address(true, 253)], Doubt::ADDRESSES);
        check(&[route(OUR_PROTOCOL, 24, false)], ours);
        check(&[route(186, 0, false)], foreign);
        check(&[route(186, 24, true)], Doubt::default());
        check(&[route(186, 16, true)], ours);
    }
}
