//! A DHCPv4 lease as a [`Document`] of the operator layer: every value with the option that said it.

use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::config::{
    AddressConfig, Diagnostic, Document, LinkConfig, LinkRef, RouteConfig, Said, Severity,
};
use crate::proto::dhcp4::{Lease, LeaseRoute};
use crate::state::OperatorSpec;
use crate::value::{Layer, Origin, Prefix};

/// What `lease` says on the link of `operator`, less what the operator was told to ignore.
pub fn document(lease: &Lease, operator: &OperatorSpec) -> (Document, Vec<Diagnostic>) {
    let source = format!("{}/{}", operator.operator, operator.link_name);
    let mut fact = Fact {
        lease,
        operator,
        link: LinkRef::Name(operator.link_name.clone()),
        document: Document::empty(Layer::Operator, source),
        diagnostics: Vec::new(),
    };
    fact.address();
    if !operator.ignore_mtu {
        fact.mtu();
    }
    if !operator.ignore_routes {
        fact.routes();
    }
    fact.resolvers();
    if !operator.ignore_hostname {
        fact.hostname();
    }
    if !operator.ignore_ntp {
        fact.time_servers();
    }
    (fact.document, fact.diagnostics)
}

/// The document in the making.
struct Fact<'a> {
    lease: &'a Lease,
    operator: &'a OperatorSpec,
    link: LinkRef,
    document: Document,
    diagnostics: Vec<Diagnostic>,
}

impl Fact<'_> {
    fn origin(&self, option: u8) -> Origin {
        Origin::new(
            Arc::clone(&self.document.source),
            format!("option {option}"),
            None,
        )
    }

    fn address(&mut self) {
        let address = AddressConfig {
            priority: Some(self.operator.route_metric),
            valid_until: self.lease.expires_at,
            ..AddressConfig::new(
                self.link.clone(),
                self.lease.address,
                Origin::new(Arc::clone(&self.document.source), "yiaddr", None),
            )
        };
        self.document.addresses.push(address);
    }

    fn mtu(&mut self) {
        if let Some(mtu) = self.lease.mtu {
            let mut link = LinkConfig::new(self.link.clone(), self.origin(26));
            link.mtu = Some(mtu);
            self.document.links.push(link);
        }
    }

    /// RFC 3442: with classless routes the router option and option 33 do not count.
    fn routes(&mut self) {
        let lease = self.lease;
        if !lease.classless_routes.is_empty() {
            self.route_list(&lease.classless_routes, 121);
            if !lease.routers.is_empty() && !lease.classless_routes.iter().any(is_default) {
                let message = format!(
                    "{}: option 121 has no default route and overrides option 3 (RFC 3442)",
                    self.document.source
                );
                self.diagnostics.push(
                    Diagnostic::new(Severity::Note, message)
                        .with_effect("no default route from this lease"),
                );
            }
            return;
        }
        self.route_list(&lease.static_routes, 33);
        let Some((first, others)) = lease.routers.split_first() else {
            return;
        };
        let everywhere = Prefix::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        if let Ok(destination) = everywhere {
            let route = LeaseRoute {
                destination,
                gateway: Some(*first),
            };
            self.route_list(&[route], 3);
        }
        if !others.is_empty() {
            // Two default routes of one metric do not stand by each other in the kernel, and it would never move
            // from a router that is silent to the next one.
            self.diagnostics.push(Diagnostic::new(
                Severity::Note,
                format!(
                    "{}: option 3 names {} routers; the first, {first}, is used",
                    self.document.source,
                    lease.routers.len()
                ),
            ));
        }
    }

    /// On-link routes first, so that each gateway can be reached when its route is added.
    fn route_list(&mut self, routes: &[LeaseRoute], option: u8) {
        let (on_link, via): (Vec<&LeaseRoute>, Vec<&LeaseRoute>) =
            routes.iter().partition(|route| route.gateway.is_none());
        for route in on_link {
            self.route(route.destination, None, option);
        }
        for route in via {
            if let Some(gateway) = route.gateway
                && !self.is_on_link(gateway)
            {
                self.route(Prefix::host(IpAddr::V4(gateway)), None, option);
            }
            self.route(route.destination, route.gateway, option);
        }
    }

    /// Whether the leased network or an on-link route leads to `gateway`.
    fn is_on_link(&self, gateway: Ipv4Addr) -> bool {
        let gateway = IpAddr::V4(gateway);
        let mut on_link = self
            .document
            .routes
            .iter()
            .filter(|route| route.gateway.is_none());
        self.lease.address.contains(gateway)
            || on_link.any(|route| route.destination.is_some_and(|net| net.contains(gateway)))
    }

    fn route(&mut self, destination: Prefix, gateway: Option<Ipv4Addr>, option: u8) {
        let route = RouteConfig {
            source: Some(self.lease.address.address()),
            metric: Some(self.operator.route_metric),
            table: self.operator.route_table,
            ..RouteConfig::new(
                Some(self.link.clone()),
                // "None" takes its family from the gateway; without one the family has to be said.
                match gateway {
                    Some(_) if destination.is_default() => None,
                    Some(_) | None => Some(destination),
                },
                gateway.map(IpAddr::V4),
                self.origin(option),
            )
        };
        // The kernel keeps one route per destination and metric: the first one said.
        let to = |route: &RouteConfig| route.destination.filter(|net| !net.is_default());
        let known = self
            .document
            .routes
            .iter()
            .any(|other| to(other) == to(&route));
        if !known {
            self.document.routes.push(route);
        }
    }

    /// Search domains: option 119, else the domain of option 15.
    fn resolvers(&mut self) {
        let lease = self.lease;
        if !self.operator.ignore_dns {
            for server in &lease.dns {
                let said = Said::new(IpAddr::V4(*server).into(), self.origin(6));
                self.document.nameservers.push(said);
            }
        }
        if self.operator.ignore_domains {
            return;
        }
        let domains = match (lease.search.as_slice(), &lease.domain) {
            ([], None) => return,
            ([], Some(domain)) => vec![Said::new(domain.clone(), self.origin(15))],
            (search, _) => search
                .iter()
                .map(|domain| Said::new(domain.clone(), self.origin(119)))
                .collect(),
        };
        self.document.search_domains = Some(domains);
    }

    /// Option 12, with the domain of option 15 when it has none of its own.
    fn hostname(&mut self) {
        let Some(hostname) = &self.lease.hostname else {
            return;
        };
        let full = match (hostname.domain(), &self.lease.domain) {
            (None, Some(domain)) => hostname.with_domain(&domain.to_string()).ok(),
            (Some(_), _) | (None, None) => None,
        };
        let name = full.unwrap_or_else(|| hostname.clone());
        let said = Said::new(name, self.origin(12));
        self.document.hostnames.push(said);
    }

    fn time_servers(&mut self) {
        for server in &self.lease.ntp {
            let said = Said::new(server.to_string(), self.origin(42));
            self.document.time_servers.push(said);
        }
    }
}

fn is_default(route: &LeaseRoute) -> bool {
    route.destination.is_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::state::OperatorKind;
    use crate::value::{Hostname, Instant};

    pub(in crate::compile) fn operator() -> OperatorSpec {
        OperatorSpec {
            operator: OperatorKind::Dhcp4,
            link_name: "eth0".parse().unwrap(),
            route_metric: 1024,
            client_identifier: Vec::new(),
            vendor_class: None,
            ignore_hostname: false,
            ignore_routes: false,
            allow_routes: Vec::new(),
            route_table: None,
            ignore_dns: false,
            ignore_domains: false,
            ignore_mtu: false,
            ignore_ntp: false,
            hostname: None,
            first_lease_wins: false,
            need: Default::default(),
            dhcp6: Default::default(),
            layer: Layer::Default,
            origin: Origin::builtin("dhcp"),
            overrode: Vec::new(),
        }
    }

    fn lease(address: &str) -> Lease {
        Lease {
            address: address.parse().unwrap(),
            server_id: Ipv4Addr::new(10, 0, 0, 1),
            client_id: None,
            acquired_at: Instant::from_secs(0),
            lease_secs: Some(3600),
            renew_at: Some(Instant::from_secs(1800)),
            rebind_at: Some(Instant::from_secs(3150)),
            expires_at: Some(Instant::from_secs(3600)),
            routers: Vec::new(),
            classless_routes: Vec::new(),
            static_routes: Vec::new(),
            dns: Vec::new(),
            search: Vec::new(),
            domain: None,
            hostname: None,
            mtu: None,
            broadcast: None,
            ntp: Vec::new(),
        }
    }

    fn ips(text: &str) -> Vec<Ipv4Addr> {
        text.split_whitespace()
            .map(|ip| ip.parse().unwrap())
            .collect()
    }

    /// `10.0.0.0/8>10.0.0.1`; without `>…`: on-link.
    fn routes(text: &str) -> Vec<LeaseRoute> {
        text.split_whitespace()
            .map(|route| {
                let (destination, gateway) = route.split_once('>').unwrap_or((route, "-"));
                LeaseRoute {
                    destination: destination.parse().unwrap(),
                    gateway: gateway.parse().ok(),
                }
            })
            .collect()
    }

    #[track_caller]
    fn check(address: &str, option3: &str, option33: &str, option121: &str, expect: &[&str]) {
        let lease = Lease {
            routers: ips(option3),
            static_routes: routes(option33),
            classless_routes: routes(option121),
            ..lease(address)
        };
        let (document, _) = document(&lease, &operator());
        let lines: Vec<_> = document
            .routes
            .iter()
            .map(|route| {
                assert_eq!(route.metric, Some(1024));
                assert_eq!(route.source, Some(lease.address.address()));
                assert_eq!(route.link, Some(LinkRef::Name("eth0".parse().unwrap())));
                let destination = route
                    .destination
                    .map_or("default".into(), |d| d.to_string());
                let gateway = route.gateway.map_or("-".into(), |g| g.to_string());
                format!("{destination} {gateway} {}", route.origin)
            })
            .collect();
        assert_eq!(lines, expect);
    }

    #[test]
    fn routes_of_each_option() {
        check("10.0.0.2/24", "", "", "", &[]);
        check(
            "10.0.0.2/24",
            "10.0.0.1",
            "",
            "",
            &["default 10.0.0.1 dhcp4/eth0 option 3"],
        );
        check(
            "10.0.0.2/24",
            "10.0.0.1 10.0.0.9",
            "",
            "",
            &["default 10.0.0.1 dhcp4/eth0 option 3"],
        );
        // A router outside of the network gets a route of its own first.
        check(
            "10.0.0.2/32",
            "10.0.0.1",
            "",
            "",
            &[
                "10.0.0.1/32 - dhcp4/eth0 option 3",
                "default 10.0.0.1 dhcp4/eth0 option 3",
            ],
        );
        check(
            "10.0.0.2/24",
            "10.0.0.1",
            "192.0.2.0/24>10.0.0.9",
            "",
            &[
                "192.0.2.0/24 10.0.0.9 dhcp4/eth0 option 33",
                "default 10.0.0.1 dhcp4/eth0 option 3",
            ],
        );
        // 121 beats 3 and 33, with a default route or without.
        check(
            "10.0.0.2/24",
            "10.0.0.1",
            "192.0.2.0/24>10.0.0.9",
            "0.0.0.0/0>10.0.0.254",
            &["default 10.0.0.254 dhcp4/eth0 option 121"],
        );
        check(
            "10.0.0.2/24",
            "10.0.0.1",
            "",
            "172.16.0.0/12>10.0.0.254",
            &["172.16.0.0/12 10.0.0.254 dhcp4/eth0 option 121"],
        );
    }

    #[test]
    fn gateways_outside_of_the_network() {
        // The on-link route comes later in the option and is enough.
        check(
            "10.0.0.2/32",
            "",
            "",
            "0.0.0.0/0>10.0.0.1 10.0.0.1/32",
            &[
                "10.0.0.1/32 - dhcp4/eth0 option 121",
                "default 10.0.0.1 dhcp4/eth0 option 121",
            ],
        );
        // One route per gateway, however many routes use it.
        check(
            "10.0.0.2/32",
            "",
            "",
            "0.0.0.0/0>172.31.1.1 10.0.0.0/8>172.31.1.1",
            &[
                "172.31.1.1/32 - dhcp4/eth0 option 121",
                "default 172.31.1.1 dhcp4/eth0 option 121",
                "10.0.0.0/8 172.31.1.1 dhcp4/eth0 option 121",
            ],
        );
        check(
            "10.0.0.2/32",
            "",
            "",
            "0.0.0.0/0",
            &["0.0.0.0/0 - dhcp4/eth0 option 121"],
        );
    }

    #[test]
    fn one_route_for_each_destination() {
        check(
            "10.0.0.2/24",
            "",
            "",
            "0.0.0.0/0>10.0.0.1 0.0.0.0/0>10.0.0.9 192.0.2.1/32>10.0.0.1 192.0.2.1/32",
            &[
                "192.0.2.1/32 - dhcp4/eth0 option 121",
                "default 10.0.0.1 dhcp4/eth0 option 121",
            ],
        );
    }

    #[test]
    fn address_and_mtu() {
        let mut lease = lease("10.0.0.2/24");
        lease.mtu = Some(1450.try_into().unwrap());
        let (document, diagnostics) = document(&lease, &operator());
        assert_eq!(document.layer, Layer::Operator);
        assert_eq!(&*document.source, "dhcp4/eth0");
        let address = &document.addresses[0];
        assert_eq!(address.address, lease.address);
        assert_eq!(address.valid_until, lease.expires_at);
        assert_eq!(address.priority, Some(1024));
        assert_eq!(address.origin.to_string(), "dhcp4/eth0 yiaddr");
        assert_eq!(document.links[0].mtu, lease.mtu);
        assert_eq!(document.links[0].origin.to_string(), "dhcp4/eth0 option 26");
        assert!(diagnostics.is_empty());
        lease.expires_at = None;
        assert_eq!(
            super::document(&lease, &operator()).0.addresses[0].valid_until,
            None
        );
    }

    #[track_caller]
    fn check_names(name: &str, domain: &str, search: &str, expect: (&str, &[&str])) {
        let lease = Lease {
            hostname: name.parse().ok(),
            domain: domain.parse().ok(),
            search: search
                .split_whitespace()
                .map(|d| d.parse().unwrap())
                .collect(),
            ..lease("10.0.0.2/24")
        };
        let (document, _) = document(&lease, &operator());
        let hostname = document.hostnames.first().map(|h| h.value.to_string());
        let search: Vec<_> = document
            .search_domains
            .iter()
            .flatten()
            .map(|s| s.value.to_string())
            .collect();
        let search: Vec<_> = search.iter().map(String::as_str).collect();
        assert_eq!(
            (hostname.as_deref().unwrap_or(""), search.as_slice()),
            expect
        );
    }

    #[test]
    fn names() {
        check_names("", "", "", ("", &[]));
        check_names("web1", "", "", ("web1", &[]));
        check_names(
            "web1",
            "corp.example",
            "",
            ("web1.corp.example", &["corp.example"]),
        );
        check_names(
            "web1.lab",
            "corp.example",
            "",
            ("web1.lab", &["corp.example"]),
        );
        check_names(
            "",
            "corp.example",
            "a.example b.example",
            ("", &["a.example", "b.example"]),
        );
    }

    #[test]
    fn what_the_operator_ignores_is_not_there() {
        let lease = Lease {
            routers: ips("10.0.0.1"),
            dns: ips("10.0.0.53"),
            ntp: ips("10.0.0.123"),
            hostname: Some("web1".parse::<Hostname>().unwrap()),
            domain: Some("corp.example".parse().unwrap()),
            ..lease("10.0.0.2/24")
        };
        let (all, _) = document(&lease, &operator());
        assert_eq!(
            (all.routes.len(), all.nameservers.len(), all.hostnames.len()),
            (1, 1, 1)
        );
        assert_eq!(all.time_servers[0].value, "10.0.0.123");
        let less = OperatorSpec {
            ignore_routes: true,
            ignore_dns: true,
            ignore_domains: true,
            ignore_hostname: true,
            ..operator()
        };
        let (document, _) = document(&lease, &less);
        assert!(document.routes.is_empty() && document.nameservers.is_empty());
        assert!(document.hostnames.is_empty() && document.search_domains.is_none());
        assert_eq!(document.addresses.len(), 1);
        assert_eq!(document.time_servers.len(), 1);
        let lease = Lease {
            mtu: Some(1400.try_into().unwrap()),
            ..lease
        };
        let other = OperatorSpec {
            ignore_domains: true,
            ignore_mtu: true,
            ignore_ntp: true,
            route_table: "101".parse().ok(),
            ..operator()
        };
        let (document, _) = super::document(&lease, &other);
        assert!(document.links.is_empty() && document.time_servers.is_empty());
        assert!(document.search_domains.is_none() && document.nameservers.len() == 1);
        assert_eq!(document.routes[0].table, other.route_table);
    }

    #[test]
    fn what_is_left_out_is_said() {
        let lease = Lease {
            routers: ips("10.0.0.1 10.0.0.9"),
            ..lease("10.0.0.2/24")
        };
        assert_eq!(document(&lease, &operator()).1.len(), 1);
        let lease = Lease {
            classless_routes: routes("172.16.0.0/12>10.0.0.1"),
            ..lease
        };
        assert_eq!(document(&lease, &operator()).1.len(), 1);
    }
}
