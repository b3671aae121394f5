//! Looks for the metadata service: its first request goes out on every link that could reach it.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeMap;

use super::Local;
use super::talk::{self, Chosen};
use crate::compile::defaults;
use crate::config::platform::{self, Answer, Ask, Bodies, Known, Provider, Session};
use crate::config::{AddressConfig, Document, LinkRef};
use crate::proto::http::{Fetch, FetchError, Response, Url};
use crate::run::core::{Around, Via};
use crate::state::{Family, LinkStatus, Observed, Scope};
use crate::value::{Instant, Layer, Origin, Prefix, Rng, RouteTable};

/// Prefix length of IPv4 link-local addresses (RFC 3927 §2.1).
const LINK_LOCAL_LEN: u8 = 16;

/// The search.
pub(super) struct Probing {
    session: Option<Session>,
    provider: &'static dyn Provider,
    /// Made on every candidate until one answers.
    probe: Ask,
    /// Candidates that it went to, by key.
    probed: BTreeMap<String, Chosen>,
    failed: usize,
    /// When the whole search is given up; from the first request on.
    deadline: Option<Instant>,
}

/// What an answer means.
pub(super) enum Heard {
    /// The service is there.
    Service(Chosen, Answer),
    /// The last candidate has not answered: nobody is there.
    Nobody,
    /// Others may still answer.
    NotYet,
}

impl Probing {
    pub(super) fn new(session: Session, probe: Ask) -> Self {
        Self {
            provider: session.provider(),
            session: Some(session),
            probe,
            probed: BTreeMap::new(),
            failed: 0,
            deadline: None,
        }
    }

    /// The request by which the service shows that it is there.
    pub(super) fn probe(&self) -> &Ask {
        &self.probe
    }

    /// The conversation, which goes on elsewhere.
    pub(super) fn take_session(&mut self) -> Session {
        let provider = self.provider;
        self.session
            .take()
            .unwrap_or_else(|| Session::new(provider, Bodies::new()))
    }

    /// Probes every link that could reach the service and has not been tried.
    pub(super) fn requests(
        &mut self,
        local: &Local,
        around: Around<'_>,
        now: Instant,
    ) -> Vec<(String, Fetch)> {
        let known = Known {
            bodies: local.bodies(self.provider),
            leases: around.leases.to_vec(),
        };
        let observed = around.observed;
        let mut requests = Vec::new();
        for link in observed
            .links
            .values()
            .filter(|link| link.name.as_str() != "lo" && link.is_up() && link.has_carrier())
        {
            for base in platform::base_urls(self.provider, &known, &link.name) {
                let key = format!("{} {base}", link.name);
                if self.probed.contains_key(&key) || !reaches(observed, link, &base) {
                    continue;
                }
                let deadline = *self.deadline.get_or_insert(now + defaults::FETCH_TIMEOUT);
                let chosen = Chosen {
                    via: via(observed, link, &base),
                    base,
                    link: Some(link.name.clone()),
                };
                match talk::fetch(&self.probe, &chosen, deadline, now) {
                    Ok(fetch) => requests.push((key.clone(), fetch)),
                    Err(_) => self.failed += 1,
                }
                self.probed.insert(key, chosen);
            }
        }
        requests
    }

    /// Whether no candidate is left that could answer.
    pub(super) fn is_over(&self) -> bool {
        !self.probed.is_empty() && self.failed >= self.probed.len()
    }

    pub(super) fn answer(&mut self, key: &str, answer: Result<Response, FetchError>) -> Heard {
        let Some(chosen) = self.probed.get(key) else {
            return Heard::NotYet;
        };
        match talk::answer_of(answer) {
            // The source is asked again later, on the links of then.
            Answer::Unreachable => {
                self.failed += 1;
                match self.is_over() {
                    true => Heard::Nobody,
                    false => Heard::NotYet,
                }
            }
            // Any answer at all is the service's: a status is for the provider to judge.
            said => Heard::Service(chosen.clone(), said),
        }
    }
}

/// Whether `link` has an address from which the service at `base` can be asked: a link-local one answers a link-local
/// address, any other needs one that is routed to.
fn reaches(observed: &Observed, link: &LinkStatus, base: &str) -> bool {
    let usable = observed
        .addresses
        .iter()
        .filter(|address| address.link_index == link.index && address.is_usable());
    let service = base
        .parse::<Url>()
        .ok()
        .and_then(|url| url.host().address());
    let mut usable = usable.filter(|address| address.scope != Scope::Host);
    match service {
        Some(IpAddr::V4(_)) => usable.any(|address| address.address.is_ipv4()),
        Some(IpAddr::V6(service)) if service.is_unicast_link_local() => {
            usable.any(|address| !address.address.is_ipv4())
        }
        Some(IpAddr::V6(_)) => {
            usable.any(|address| !address.address.is_ipv4() && address.scope == Scope::Global)
        }
        None => usable.any(|address| address.scope == Scope::Global),
    }
}

/// The way to an IPv4 link-local service out of `link`: the longest route that leads there.
fn via(observed: &Observed, link: &LinkStatus, base: &str) -> Option<Via> {
    let url: Url = base.parse().ok()?;
    let IpAddr::V4(service) = url.host().address()? else {
        return None;
    };
    if !service.is_link_local() {
        return None;
    }
    let routes = observed
        .routes
        .iter()
        .filter(|route| route.out_link_index == link.index && route.table == RouteTable::MAIN);
    let leads = routes.filter(|route| match &route.dst {
        Some(dst) => dst.contains(IpAddr::V4(service)),
        None => {
            route.gateway.is_none_or(|gateway| gateway.is_ipv4()) && route.family == Family::Inet4
        }
    });
    let best = leads.max_by_key(|route| {
        let len = route.dst.map_or(0, |dst| dst.len());
        (len, core::cmp::Reverse(route.priority))
    })?;
    Some(Via {
        service,
        mac: link.stable_mac()?,
        gateway: match best.gateway {
            Some(IpAddr::V4(gateway)) => Some(gateway),
            _ => None,
        },
    })
}

/// A random address of RFC 3927 §2.1 on the first link: not the first and the last 256, which are reserved, nor the one
/// where services are.
pub(super) fn link_local(provider: &dyn Provider, rng: &mut Rng) -> Document {
    let source = format!("{} bootstrap", provider.name());
    let mut document = Document::empty(Layer::Default, source.as_str());
    let byte = |value: u64| u8::try_from(value).unwrap_or(1);
    let third = match byte(1 + rng.below(254)) {
        169 => 168,
        third => third,
    };
    let address = Ipv4Addr::new(169, 254, third, byte(1 + rng.below(254)));
    if let Ok(address) = Prefix::new(address.into(), LINK_LOCAL_LEN) {
        let origin = Origin::new(source.as_str(), "no DHCP there", None);
        let config = AddressConfig::new(LinkRef::Primary, address, origin);
        document.addresses.push(config);
    }
    document
}
