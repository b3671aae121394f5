//! Whether the network is there: facts, and exactly what is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Core, firewall};
use crate::compile;
use crate::config::WaitLevel;
use crate::state::{
    AddressStatus, Desired, LinkStatus, Observed, OperatorKind, OperatorSpec, Scope,
};
use crate::value::RouteKind;
use crate::value::{Gather as _, Instant, Layer, LinkName, Prefix, RouteTable, earliest};

/// Which wait levels are reached and what is missing for the next ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// A link other than loopback is up with carrier.
    pub links: bool,
    /// And every desired address that can be there is there.
    pub local: bool,
    /// And there is a default route, where one is to be expected.
    pub routable: bool,
    /// And every probe succeeds; without probes the same as routable.
    #[serde(default)]
    pub online: bool,
    /// Every probe succeeds, or there is none.
    #[serde(default)]
    pub probes: bool,
    /// A usable global address is on some link: what `wait --any` is content with.
    pub any_address: bool,
    /// There is a default route.
    pub default_route: bool,
    /// What is missing, for people and scripts: `carrier on any link`, `lease on eth0`, `default route`.
    pub missing: Vec<String>,
}

impl Readiness {
    /// Whether one link has reached `level`, whatever the others still lack.
    pub fn any(&self, level: WaitLevel) -> bool {
        match level {
            WaitLevel::None => true,
            WaitLevel::Links => self.links,
            WaitLevel::Local => self.any_address,
            WaitLevel::Routable => self.any_address && self.default_route,
            WaitLevel::Online => self.any_address && self.default_route && self.probes,
        }
    }

    /// Whether `level` is reached.
    pub fn reached(&self, level: WaitLevel) -> bool {
        match level {
            WaitLevel::None => true,
            WaitLevel::Links => self.links,
            WaitLevel::Local => self.local,
            WaitLevel::Routable => self.routable,
            WaitLevel::Online => self.online,
        }
    }
}

/// What a boot should do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wait on.
    Wait,
    /// Hand off; `reason` is for machines: `ready`, `timeout`, `no-carrier`, `no-links`,
    /// `nothing-to-wait-for`.
    HandOff {
        /// Why now.
        reason: &'static str,
    },
}

impl Core {
    /// What is there and what is missing.
    pub fn readiness(&self) -> Readiness {
        let mut readiness = Readiness::default();
        let Some(observed) = &self.observed else {
            readiness.missing.push("first look at the machine".into());
            return readiness;
        };
        let missing = &mut readiness.missing;
        readiness.links = carriers(observed) > 0;
        if !readiness.links {
            missing.push("carrier on any link".into());
        }
        let addresses = missing_addresses(&self.desired, observed);
        // Who was named explicitly is waited for; of the default clients any one will do.
        let unbound = self.clients.unbound(&self.desired, observed);
        let needed = |spec: &&&OperatorSpec| spec.layer > Layer::Default && !spec.first_lease_wins;
        let named: Vec<String> = unbound
            .iter()
            .filter(needed)
            .map(|spec| match spec.operator {
                OperatorKind::Dhcp4 | OperatorKind::Dhcp6 => format!("lease on {}", spec.link_name),
                OperatorKind::Router => format!("router on {}", spec.link_name),
            })
            .collect();
        let none_bound =
            self.clients.bound() == 0 && !unbound.is_empty() && global_addresses(observed) == 0;
        readiness.local = readiness.links
            && addresses.is_empty()
            && named.is_empty()
            && !none_bound
            && self.settled
            && !self.stale;
        missing.extend(addresses);
        missing.extend(named);
        if none_bound {
            missing.push("a lease on any link".into());
        }
        // Of the default clients one lease is enough, with a router in it or without.
        let expects_route = (!unbound.is_empty() && self.clients.bound() == 0)
            || self
                .desired
                .routes
                .values()
                .any(|route| route.dst.is_none());
        let has_route = observed.routes.iter().any(|route| {
            route.dst.is_none()
                && route.kind == RouteKind::Unicast
                && route.table == RouteTable::MAIN
        });
        readiness.any_address = global_addresses(observed) > 0;
        readiness.default_route = has_route;
        let anything = has_route || (!expects_route && !self.desired.addresses.is_empty());
        readiness.routable = readiness.local && anything;
        if !anything {
            missing.push("default route".into());
        }
        let failing = self.failing_probes();
        readiness.probes = failing.is_empty();
        readiness.online = readiness.routable && readiness.probes;
        missing.extend(failing);
        missing.extend(self.fetches.waiting());
        missing.extend(self.firewall.refusal.told(&self.desired));
        for (op, error) in self.backoff.failures() {
            missing.push(format!("{op}: {error}"));
        }
        readiness
    }

    /// Why nothing has to be waited for any more: the wait level is reached, or nothing wants links. `None`: it is not so.
    /// How long it took does not count.
    pub fn ready(&self) -> Option<&'static str> {
        if self.settings.wait == WaitLevel::None {
            return Some("nothing-to-wait-for");
        }
        // A source that was named may change everything.
        if self.observed.is_none() || self.fetches.pending() {
            return None;
        }
        if self.readiness().reached(self.settings.wait) && !self.applying {
            return Some("ready");
        }
        let idle = !compile::wants_links(&self.documents) && self.settled && !self.stale;
        idle.then_some("nothing-to-wait-for")
    }

    /// Whether the boot goes on to the hand-off now.
    pub fn verdict(&self, now: Instant) -> Verdict {
        let hand_off = |reason| Verdict::HandOff { reason };
        let elapsed = now.saturating_since(self.started);
        let timeout = self.settings.timeout;
        let timed_out = timeout.is_some_and(|timeout| elapsed >= timeout);
        if self.firewall_is_due(now) && !timed_out {
            return Verdict::Wait;
        }
        if let Some(reason) = self.ready() {
            return hand_off(reason);
        }
        if timed_out {
            return hand_off("timeout");
        }
        let Some(observed) = &self.observed else {
            return Verdict::Wait;
        };
        if self.fetches.pending() {
            // It is waited for, unless nothing can carry it.
            let nothing_carries = carriers(observed) == 0 && self.carrier_is_due(now);
            return if nothing_carries {
                hand_off("no-carrier")
            } else {
                Verdict::Wait
            };
        }
        // Nothing waits for links that are not there or have no carrier: not for ever.
        let used: Vec<&LinkStatus> = self.used_links(observed).collect();
        if !self.carrier_is_due(now) || used.iter().any(|link| link.is_up() && link.has_carrier()) {
            return Verdict::Wait;
        }
        hand_off(if used.is_empty() {
            "no-links"
        } else {
            "no-carrier"
        })
    }

    /// When the verdict can change without an event: never a time that has passed, or the loop would spin.
    pub fn verdict_deadline(&self, now: Instant) -> Option<Instant> {
        let timeout = self.settings.timeout.map(|timeout| self.started + timeout);
        let carrier = self.started + self.settings.carrier_timeout;
        let ahead = |at: Option<Instant>| at.filter(|at| *at > now);
        let firewall = self.started + firewall::PATIENCE;
        let firewall = Some(firewall).filter(|_| self.firewall_is_due(now));
        earliest([ahead(timeout), ahead(Some(carrier)), ahead(firewall)])
    }

    /// Whether a carrier should have come by now.
    fn carrier_is_due(&self, now: Instant) -> bool {
        !self.drivers_loading && now.saturating_since(self.started) >= self.settings.carrier_timeout
    }

    /// The links that something is configured on, as far as they exist.
    fn used_links<'a>(&'a self, observed: &'a Observed) -> impl Iterator<Item = &'a LinkStatus> {
        let operators = self.desired.operators.keys().map(|(link, _)| link);
        let addresses = self.desired.addresses.keys().map(|id| &id.link);
        let used: BTreeSet<&LinkName> = operators.chain(addresses).gather();
        observed
            .links
            .values()
            .filter(move |link| link.name.as_str() != "lo" && used.contains(&link.name))
    }
}

fn carriers(observed: &Observed) -> usize {
    observed
        .links
        .values()
        .filter(|link| link.name.as_str() != "lo" && link.is_up() && link.has_carrier())
        .count()
}

fn global_addresses(observed: &Observed) -> usize {
    let global = |a: &&AddressStatus| a.scope == Scope::Global && a.is_usable();
    observed.addresses.iter().filter(global).count()
}

/// Desired addresses that are not there although their link has carrier. Nothing waits for a link without.
fn missing_addresses(desired: &Desired, observed: &Observed) -> Vec<String> {
    // Asked with every step: thousands of addresses on as many links must not be their square.
    let there: BTreeSet<(u32, Prefix)> = observed
        .addresses
        .iter()
        .map(|a| (a.link_index, a.address))
        .gather();
    let links: BTreeMap<&LinkName, &LinkStatus> = observed
        .links
        .values()
        .map(|link| (&link.name, link))
        .gather();
    let absent = desired.addresses.values().filter(|spec| {
        let own = links.get(&spec.link_name).copied();
        let Some(link) = own.or_else(|| observed.link(&spec.link_name)) else {
            return false;
        };
        let there = there.contains(&(link.index, spec.address));
        link.is_up() && link.has_carrier() && !there
    });
    absent
        .map(|spec| format!("address {} on {}", spec.address, spec.link_name))
        .collect()
}
