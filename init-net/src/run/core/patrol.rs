//! A look now and then at what rings no bell: keys and peers of WireGuard, parameters that somebody changes through another
//! mount of /proc or that the kernel changes by itself, routes of others that stand in for a desired one, and whatever the
//! shell could not subscribe to. A machine that wants
//! none of it is never woken for it.

use super::{Core, Doubt};
use crate::state::{Desired, KindSpec, Unsaid};
use crate::value::{Duration, Instant};

/// From one such look to the next, when the core is awake by then for another reason.
const PERIOD: Duration = Duration::from_secs(30);

/// It is woken for it this much later: until then it shares the wake-up of a timer or a notice.
const SLACK: Duration = Duration::from_secs(10);

/// What has to be looked at, and when it was.
#[derive(Default)]
pub(super) struct Patrol {
    /// Parts that are desired and do not ring.
    silent: Doubt,
    /// Parts that would ring, and cannot on this machine.
    unheard: Doubt,
    /// A route of others is one of them.
    routes: bool,
    last: Option<Instant>,
}

impl Patrol {
    /// Takes in what is desired.
    pub(super) fn follow(&mut self, desired: &Desired) {
        let mut links = desired.links.values();
        let settings = links.any(|link| matches!(link.kind, KindSpec::Wireguard(_)))
            || desired.sysctls.values().any(|spec| spec.kept)
            || !desired.ethernet.is_empty();
        self.silent = Doubt::default();
        if settings {
            self.silent |= Doubt::SETTINGS;
        }
        if !desired.files.is_empty() && self.unheard.has(Doubt::FILES) {
            self.silent |= Doubt::FILES;
        }
        let firewall = desired.firewall.is_some() || desired.unsaid_firewall != Unsaid::Remove;
        if firewall && self.unheard.has(Doubt::FIREWALL) {
            self.silent |= Doubt::FIREWALL;
        }
    }

    /// Takes in whether a route of others matters that does not ring.
    pub(super) fn follow_routes(&mut self, silent: bool) {
        self.routes = silent;
    }

    /// What does not ring and is to be looked at.
    fn doubt(&self) -> Doubt {
        if self.routes {
            self.silent | Doubt::FOREIGN_ROUTES
        } else {
            self.silent
        }
    }

    /// A look has been had, for whatever reason.
    pub(super) fn looked(&mut self, of: Doubt, now: Instant) {
        if of.has(self.doubt()) {
            self.last = Some(now);
        }
    }

    /// What to look at now.
    pub(super) fn due(&mut self, now: Instant) -> Option<Doubt> {
        let due = self.next(PERIOD)? <= now;
        due.then(|| {
            self.last = Some(now);
            self.doubt()
        })
    }

    /// When to be woken for it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next(PERIOD + SLACK)
    }

    fn next(&self, after: Duration) -> Option<Instant> {
        let last = self.last.filter(|_| self.doubt() != Doubt::default())?;
        Some(last + after)
    }
}

impl Core {
    /// The shell cannot hear of changes of `part`: it is looked at now and then. Answers whether that is news.
    pub fn unheard(&mut self, part: Doubt) -> bool {
        let news = !self.patrol.unheard.has(part);
        self.patrol.unheard |= part;
        self.patrol.follow(&self.desired);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::LinkSpec;
    use crate::value::{Layer, Origin, WireguardOptions};

    const START: Instant = Instant::from_secs(100);

    fn at(secs: u64) -> Instant {
        START + Duration::from_secs(secs)
    }

    #[test]
    fn only_who_wants_what_does_not_ring_is_woken() {
        let mut patrol = Patrol::default();
        patrol.follow(&Desired::default());
        patrol.looked(Doubt::EVERYTHING, START);
        assert_eq!(patrol.deadline(), None);
        assert_eq!(patrol.due(at(1000)), None);
        let mut link = LinkSpec::new("wg0".parse().unwrap(), Layer::Default, Origin::builtin(""));
        link.kind = KindSpec::Wireguard(WireguardOptions::default());
        let desired = Desired {
            links: [(link.name.clone(), link)].into(),
            ..Desired::default()
        };
        patrol.follow(&desired);
        patrol.looked(Doubt::EVERYTHING, START);
        assert_eq!(patrol.deadline(), Some(at(40)));
        assert_eq!(patrol.due(at(29)), None);
        // Awake for something else.
        assert_eq!(patrol.due(at(31)), Some(Doubt::SETTINGS));
        assert_eq!(patrol.deadline(), Some(at(71)));
        // Looked at for another reason; another part does not count.
        patrol.looked(Doubt::LINKS, at(65));
        patrol.looked(Doubt::SETTINGS, at(60));
        assert_eq!(patrol.deadline(), Some(at(100)));
    }
}
