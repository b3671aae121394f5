//! [`Doubt`]: which parts of the last look may no longer be true. Only those are dumped again.

use core::ops::BitOrAssign;

use super::Outcome;
use crate::state::{Observed, Op};
use crate::wire::event::Bell;

/// Parts of [`Observed`]. The host name is none: it is one system call, and part of every look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubt(u8);

impl Doubt {
    /// Routes.
    pub const ROUTES: Self = Self(1);
    /// Addresses, and the routes that come and go with them without a notice (`fib_sync_down_addr`,
    /// net/ipv4/fib_semantics.c).
    pub const ADDRESSES: Self = Self(2 | Self::ROUTES.0);
    /// Links, and everything that is on them or carries their names; IPv4 says nothing of the routes that go with a link
    /// (`fib_sync_down_dev`).
    pub const LINKS: Self = Self(4 | Self::ADDRESSES.0);
    /// Rules.
    pub const RULES: Self = Self(8);
    /// Files: nothing rings for those.
    pub const FILES: Self = Self(16);
    /// Kernel parameters, network cards, keys and peers. Of those only some parameters ring.
    pub const SETTINGS: Self = Self(32);
    /// All of it: the first look, notices that were lost, an op that failed against what was seen.
    pub const EVERYTHING: Self =
        Self(Self::LINKS.0 | Self::RULES.0 | Self::FILES.0 | Self::SETTINGS.0);

    /// Whether all of `part` is in doubt.
    pub fn has(self, part: Self) -> bool {
        self.0 & part.0 == part.0
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
    }
}

impl BitOrAssign for Doubt {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl From<Bell> for Doubt {
    fn from(bell: Bell) -> Self {
        let parts = [
            (bell.links, Self::LINKS),
            (bell.addresses, Self::ADDRESSES),
            (bell.routes, Self::ROUTES),
            (bell.rules, Self::RULES),
            (bell.settings, Self::SETTINGS),
            (bell.overrun, Self::EVERYTHING),
        ];
        let mut doubt = Self::default();
        for (_, part) in parts.into_iter().filter(|(rang, _)| *rang) {
            doubt |= part;
        }
        doubt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ring: impl Fn(&mut Bell), expect: &[Doubt]) {
        let mut bell = Bell::default();
        ring(&mut bell);
        let parts = [
            Doubt::LINKS,
            Doubt::ADDRESSES,
            Doubt::ROUTES,
            Doubt::RULES,
            Doubt::FILES,
            Doubt::SETTINGS,
        ];
        let doubt = Doubt::from(bell);
        let found: Vec<Doubt> = parts.into_iter().filter(|part| doubt.has(*part)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn a_notice_doubts_what_the_kernel_changes_with_it_in_silence() {
        let [links, addresses, routes] = [Doubt::LINKS, Doubt::ADDRESSES, Doubt::ROUTES];
        check(|_| {}, &[]);
        check(|bell| bell.links = true, &[links, addresses, routes]);
        check(|bell| bell.addresses = true, &[addresses, routes]);
        check(|bell| bell.routes = true, &[routes]);
        check(|bell| bell.rules = true, &[Doubt::RULES]);
        check(|bell| bell.settings = true, &[Doubt::SETTINGS]);
        let [rules, files, settings] = [Doubt::RULES, Doubt::FILES, Doubt::SETTINGS];
        let all = [links, addresses, routes, rules, files, settings];
        check(|bell| bell.overrun = true, &all);
    }
}
