//! [`Advice`]: what the routers of a link say of DHCPv6, and what follows for its client.

use crate::proto::ndisc::Router;
use crate::state::Dhcp6Start;

/// What the routers of a link say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Advice {
    /// One says M: addresses come from DHCPv6.
    pub(super) managed: bool,
    /// One says O: other facts come from DHCPv6.
    pub(super) other: bool,
    /// One has a prefix in which hosts give themselves addresses.
    pub(super) autonomous: bool,
    /// A router has spoken, or it was waited for in vain.
    pub(super) answered: bool,
}

impl Advice {
    pub(super) fn of(routers: &[Router], answered: bool) -> Self {
        Self {
            managed: routers.iter().any(|router| router.managed),
            other: routers.iter().any(|router| router.other),
            autonomous: routers
                .iter()
                .flat_map(|router| &router.prefixes)
                .any(|timed| timed.value.autonomous),
            answered,
        }
    }

    /// Whether a client with that order is to run, and for a lease (`true`) or for facts only.
    pub(super) fn client(self, start: Dhcp6Start) -> Option<bool> {
        match start {
            Dhcp6Start::Always => Some(true),
            Dhcp6Start::Advertised | Dhcp6Start::Fallback if self.managed => Some(true),
            // Nobody gives addresses otherwise.
            Dhcp6Start::Fallback if self.answered && !self.autonomous => Some(true),
            Dhcp6Start::Advertised | Dhcp6Start::Fallback => self.other.then_some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(flags: &str, expect: [Option<bool>; 3]) {
        let advice = Advice {
            managed: flags.contains('M'),
            other: flags.contains('O'),
            autonomous: flags.contains('A'),
            answered: flags.contains('!'),
        };
        let all = [
            Dhcp6Start::Always,
            Dhcp6Start::Advertised,
            Dhcp6Start::Fallback,
        ];
        assert_eq!(all.map(|start| advice.client(start)), expect, "{flags}");
    }

    #[test]
    fn who_runs_when() {
        let (lease, facts) = (Some(true), Some(false));
        check("", [lease, None, None]);
        check("!", [lease, None, lease]);
        check("!A", [lease, None, None]);
        check("!O", [lease, facts, lease]);
        check("!AO", [lease, facts, facts]);
        check("!AOM", [lease, lease, lease]);
        check("!M", [lease, lease, lease]);
    }
}
