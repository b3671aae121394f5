//! What the routers of a link say, as a [`Document`] of the operator layer: name servers, search domains and routes.
//!
//! Addresses of their prefixes, default routes and the MTU for IPv6 are the kernel's, which hears the same advertisements.
//! Routes to more than everywhere (RFC 4191) are not: the kernel takes only those as long as `accept_ra_rt_info_max_plen`
//! says, which is 0 unless somebody sets it. Made here, they carry our mark, their origin and the metric of the operator.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Diagnostic, Document, LinkRef, RouteConfig, Said, Severity};
use crate::proto::ndisc::{AdvertisedRoute, Router};
use crate::state::OperatorSpec;
use crate::value::{Layer, Origin, Prefix, RouteMetrics, RoutePreference};

/// Route information, RFC 4191 §2.3.
const ROUTE: &str = "option 24";
/// Recursive DNS server, RFC 8106 §5.1.
const SERVER: &str = "option 25";
/// DNS search list, RFC 8106 §5.2.
const DOMAIN: &str = "option 31";

/// What `routers` say on the link of `operator`, less what the operator was told to ignore.
pub fn document(routers: &[Router], operator: &OperatorSpec) -> (Document, Vec<Diagnostic>) {
    let source: Arc<str> = format!("{}/{}", operator.operator, operator.link_name).into();
    let mut document = Document::empty(Layer::Operator, Arc::clone(&source));
    let mut diagnostics = Vec::new();
    let origin = |router: &Router, option: &str| {
        let place = format!("router {}, {option}", router.address);
        Origin::new(Arc::clone(&source), place, None)
    };
    let mut routers: Vec<&Router> = routers.iter().collect();
    // Of equal preference, the one that was found first.
    routers.sort_by_key(|router| core::cmp::Reverse(rank(router.preference)));
    if !operator.ignore_routes {
        for (destination, (router, route)) in best_routes(&routers) {
            document.routes.push(RouteConfig {
                metric: Some(operator.route_metric),
                metrics: RouteMetrics {
                    preference: Some(route.preference),
                    ..RouteMetrics::default()
                },
                ..RouteConfig::new(
                    Some(LinkRef::Name(operator.link_name.clone())),
                    Some(destination),
                    Some(IpAddr::V6(router.address)),
                    origin(router, ROUTE),
                )
            });
        }
    }
    if !operator.ignore_dns {
        let mut domains = Vec::new();
        for router in routers {
            for server in router.servers.iter().map(|timed| timed.value) {
                if server.is_unicast_link_local() {
                    diagnostics.push(without_a_zone(&source, server));
                    continue;
                }
                let said = Said::new(IpAddr::V6(server), origin(router, SERVER));
                document.nameservers.push(said);
            }
            let names = router.domains.iter();
            domains
                .extend(names.map(|timed| Said::new(timed.value.clone(), origin(router, DOMAIN))));
        }
        document.search_domains = Some(domains).filter(|domains| !domains.is_empty());
    }
    (document, diagnostics)
}

/// One route to each destination, that of the highest preference: the kernel keeps two of one metric as one route with two
/// next hops, which is not what different preferences mean. Everywhere is the kernel's, whatever the option.
fn best_routes<'a>(routers: &[&'a Router]) -> BTreeMap<Prefix, (&'a Router, AdvertisedRoute)> {
    let mut best: BTreeMap<Prefix, (&Router, AdvertisedRoute)> = BTreeMap::new();
    for router in routers {
        for route in router.routes.iter().map(|timed| timed.value) {
            let better = |(_, old): &(&Router, AdvertisedRoute)| {
                rank(route.preference) > rank(old.preference)
            };
            let destination = route.destination;
            if !destination.is_default() && best.get(&destination).is_none_or(better) {
                best.insert(destination, (router, route));
            }
        }
    }
    best
}

fn rank(preference: RoutePreference) -> u8 {
    match preference {
        RoutePreference::Low => 0,
        RoutePreference::Medium => 1,
        RoutePreference::High => 2,
    }
}

fn without_a_zone(source: &str, server: Ipv6Addr) -> Diagnostic {
    let message = format!("{source}: name server {server} is reached only through its link");
    Diagnostic::new(Severity::Note, message).with_effect("it is left out")
}
