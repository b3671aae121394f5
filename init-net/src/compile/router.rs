//! What the routers of a link say, as a [`Document`] of the operator layer: name servers, search domains and routes.
//!
//! Addresses of their prefixes, default routes and the MTU for IPv6 are the kernel's, which hears the same advertisements.
//! Routes to more than everywhere (RFC 4191) are not: the kernel takes only those as long as `accept_ra_rt_info_max_plen`
//! says, which is 0 unless somebody sets it. Made here, they carry our mark, their origin and the metric of the operator.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Document, LinkRef, RouteConfig, Said};
use crate::proto::ndisc::{AdvertisedRoute, Router};
use crate::state::OperatorSpec;
use crate::value::{Layer, NameServer, Origin, Prefix, RouteMetrics, RoutePreference};

/// Of a default router, RFC 4861 §4.2.
const LIFETIME: &str = "router lifetime";
/// Route information, RFC 4191 §2.3.
const ROUTE: &str = "option 24";
/// Recursive DNS server, RFC 8106 §5.1.
const SERVER: &str = "option 25";
/// DNS search list, RFC 8106 §5.2.
const DOMAIN: &str = "option 31";

/// What `routers` say on the link of `operator`, less what the operator was told to ignore.
pub fn document(routers: &[Router], operator: &OperatorSpec) -> Document {
    let source: Arc<str> = format!("{}/{}", operator.operator, operator.link_name).into();
    let mut document = Document::empty(Layer::Operator, Arc::clone(&source));
    let origin = |router: &Router, option: &str| {
        let place = format!("router {}, {option}", router.address);
        Origin::new(Arc::clone(&source), place, None)
    };
    let mut routers: Vec<&Router> = routers.iter().collect();
    // Of equal preference, the one that was found first.
    routers.sort_by_key(|router| core::cmp::Reverse(rank(router.preference)));
    if !operator.ignore_routes {
        let route = default_route(&routers, operator, |router| origin(router, LIFETIME));
        document.routes.extend(route);
        for (destination, (router, route)) in best_routes(&routers) {
            document.routes.push(RouteConfig {
                metric: Some(operator.route_metric),
                table: operator.route_table,
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
    let mut domains = Vec::new();
    for router in routers {
        if !operator.ignore_dns {
            for address in router.servers.iter().map(|timed| timed.value) {
                let server = NameServer::on_link(address, &operator.link_name);
                let said = Said::new(server, origin(router, SERVER));
                document.nameservers.push(said);
            }
        }
        if !operator.ignore_domains {
            let names = router.domains.iter();
            domains
                .extend(names.map(|timed| Said::new(timed.value.clone(), origin(router, DOMAIN))));
        }
    }
    document.search_domains = Some(domains).filter(|domains| !domains.is_empty());
    document
}

/// The route to everywhere is ours where the operator has a table of its own: the kernel, which is told to make none then,
/// knows of the main table alone. The routers come best first.
fn default_route(
    routers: &[&Router],
    operator: &OperatorSpec,
    origin: impl Fn(&Router) -> Origin,
) -> Option<RouteConfig> {
    operator.route_table?;
    let router = routers
        .iter()
        .find(|router| router.default_until.is_some())?;
    Some(RouteConfig {
        metric: Some(operator.route_metric),
        table: operator.route_table,
        ..RouteConfig::new(
            Some(LinkRef::Name(operator.link_name.clone())),
            None,
            Some(IpAddr::V6(router.address)),
            origin(router),
        )
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Machine as _;
    use crate::proto::ndisc::Ndisc;
    use crate::proto::ndisc::tests::{domains, packet, route, servers};
    use crate::state::OperatorKind;
    use crate::value::Instant;

    /// Preferences in the flags of an advertisement (RFC 4191 §2.2).
    const MEDIUM: u8 = 0;
    const HIGH: u8 = 1 << 3;

    /// Advertisements of `fe80::1`, `fe80::2`… as one line for each thing that follows from them.
    fn read(said: &[(u8, &[Vec<u8>])], change: impl FnOnce(&mut OperatorSpec)) -> Vec<String> {
        let mut machine = Ndisc::new([2, 0, 0, 0, 0, 1], Instant::BOOT);
        for (number, (flags, options)) in (1..).zip(said) {
            let source = format!("fe80::{number}");
            machine.receive(&packet(&source, *flags, 1800, options), Instant::BOOT);
        }
        let mut operator = crate::compile::lease::tests::operator();
        operator.operator = OperatorKind::Router;
        change(&mut operator);
        let document = document(machine.routers(), &operator);
        assert_eq!(
            (document.layer, &*document.source),
            (Layer::Operator, "ra/eth0")
        );
        let routes = document.routes.iter().map(|route| {
            assert_eq!(route.metric, Some(1024));
            let (to, via) = (route.destination.unwrap(), route.gateway.unwrap());
            format!("{to} via {via} {}", route.metrics.preference.unwrap())
        });
        let servers = document.nameservers.iter();
        let servers = servers.map(|said| format!("{} {}", said.value, said.origin.place));
        let domains = document.search_domains.iter().flatten();
        let domains = domains.map(|said| format!("{} {}", said.value, said.origin.place));
        routes.chain(servers).chain(domains).collect()
    }

    #[test]
    fn the_preferred_router_comes_first() {
        let one = [servers(60, "2001:db8::1"), domains(60, "one.example")];
        let two = [servers(60, "2001:db8::2"), domains(60, "two.example")];
        let expect = [
            "2001:db8::2 router fe80::2, option 25",
            "2001:db8::1 router fe80::1, option 25",
            "two.example router fe80::2, option 31",
            "one.example router fe80::1, option 31",
        ];
        assert_eq!(read(&[(MEDIUM, &one), (HIGH, &two)], |_| {}), expect);
    }

    #[test]
    fn one_route_to_each_destination() {
        // The preference of a route is its own, not that of its router.
        let one = [route(2, "2001:db8:9::/48", 1, 60), route(1, "::/0", 0, 60)];
        let two = [
            route(2, "2001:db8:9::/48", 0, 60),
            route(2, "2001:db8:a::/48", 3, 60),
        ];
        let expect = [
            "2001:db8:9::/48 via fe80::1 high",
            "2001:db8:a::/48 via fe80::2 low",
        ];
        assert_eq!(read(&[(MEDIUM, &one), (HIGH, &two)], |_| {}), expect);
        // Also where the better route was heard first.
        assert_eq!(read(&[(MEDIUM, &one), (MEDIUM, &two)], |_| {}), expect);
    }

    #[test]
    fn a_table_of_its_own_has_the_default_route() {
        let mut machine = Ndisc::new([2, 0, 0, 0, 0, 1], Instant::BOOT);
        for (source, flags) in [("fe80::1", MEDIUM), ("fe80::2", HIGH)] {
            machine.receive(&packet(source, flags, 1800, &[]), Instant::BOOT);
        }
        let mut operator = crate::compile::lease::tests::operator();
        operator.operator = OperatorKind::Router;
        assert!(document(machine.routers(), &operator).routes.is_empty());
        operator.route_table = "101".parse().ok();
        let document = document(machine.routers(), &operator);
        let [route] = document.routes.as_slice() else {
            panic!("{:?}", document.routes);
        };
        assert_eq!(route.gateway, Some("fe80::2".parse().unwrap()));
        assert_eq!(
            (route.destination, route.table),
            (None, operator.route_table)
        );
    }

    #[test]
    fn what_is_ignored() {
        let all = [
            servers(60, "2001:db8::1"),
            domains(60, "one.example"),
            route(2, "2001:db8:9::/48", 1, 60),
        ];
        let less = |operator: &mut OperatorSpec| {
            (operator.ignore_dns, operator.ignore_routes) = (true, true);
            operator.ignore_domains = true;
        };
        assert_eq!(read(&[(MEDIUM, &all)], less), [""; 0]);
        let no_domains = |operator: &mut OperatorSpec| operator.ignore_domains = true;
        let (server, route) = (
            "2001:db8::1 router fe80::1, option 25",
            "2001:db8:9::/48 via fe80::1 high",
        );
        assert_eq!(read(&[(MEDIUM, &all)], no_domains), [route, server]);
        let local = [servers(60, "fe80::53")];
        let expect = ["fe80::53%eth0 router fe80::1, option 25"];
        assert_eq!(read(&[(MEDIUM, &local)], |_| {}), expect);
    }
}
