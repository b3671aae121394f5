//! What a DHCPv6 server granted or told, as a [`Document`] of the operator layer: every value with the option that said it.

use core::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::config::{AddressConfig, Diagnostic, Document, LinkRef, RouteConfig, Said, Severity};
use crate::proto::dhcp6::{DelegatedPrefix, Facts, Lease};
use crate::state::{DelegateSpec, OperatorSpec};
use crate::value::{Layer, NameServer, Origin, Prefix, RouteKind};

/// Length of the network that a link gets of a delegated prefix (RFC 4291 §2.5.1: hosts make addresses in a /64).
const LINK_LENGTH: u8 = 64;

/// Shortest delegated prefix that is believed: what a registry gives a whole provider (RFC 6177 has /48 to /64 for a site).
/// A shorter one, `2000::/3`, is a server that would turn off the IPv6 of this machine: what no link has leads nowhere.
const SHORTEST_PREFIX: u8 = 32;

/// Metric of the route that leads nowhere: behind every other of its length, or a delegated /64 would not reach the link
/// that has all of it.
const UNREACHABLE_METRIC: u32 = 1 << 30;

/// What `lease` says on the link of `operator` and on those it delegates to, less what the operator was told to ignore.
pub fn of_lease(lease: &Lease, operator: &OperatorSpec) -> (Document, Vec<Diagnostic>) {
    let mut fact = Fact::new(operator);
    fact.addresses(lease);
    for delegated in &lease.prefixes {
        fact.prefix(delegated);
    }
    fact.told(&lease.facts);
    (fact.document, fact.diagnostics)
}

/// What a server told without a lease.
pub fn of_information(facts: &Facts, operator: &OperatorSpec) -> (Document, Vec<Diagnostic>) {
    let mut fact = Fact::new(operator);
    fact.told(facts);
    (fact.document, fact.diagnostics)
}

/// The document in the making.
struct Fact<'a> {
    operator: &'a OperatorSpec,
    document: Document,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Fact<'a> {
    fn new(operator: &'a OperatorSpec) -> Self {
        let source = format!("{}/{}", operator.operator, operator.link_name);
        Self {
            operator,
            document: Document::empty(Layer::Operator, source),
            diagnostics: Vec::new(),
        }
    }

    fn origin(&self, place: &str) -> Origin {
        Origin::new(Arc::clone(&self.document.source), place, None)
    }

    /// As /128 without a route: DHCPv6 says nothing of what else is on the link, router advertisements do (RFC 5942 §4).
    fn addresses(&mut self, lease: &Lease) {
        for leased in &lease.addresses {
            let link = LinkRef::Name(self.operator.link_name.clone());
            let address = Prefix::host(IpAddr::V6(leased.address));
            self.document.addresses.push(AddressConfig {
                valid_until: leased.valid_until,
                preferred_until: leased.preferred_until,
                no_prefix_route: Some(true),
                ..AddressConfig::new(link, address, self.origin("IA_NA"))
            });
        }
    }

    /// Each link gets its /64 and the address ::1 in it. What no link has leads nowhere (RFC 7084 §4.2 WPD-5): packets to
    /// it would go back and forth between the router above and this one.
    fn prefix(&mut self, delegated: &DelegatedPrefix) {
        if delegated.prefix.len() < SHORTEST_PREFIX {
            let fault = too_much(&self.document.source, delegated.prefix);
            self.diagnostics.push(fault);
            return;
        }
        let delegates: &[DelegateSpec] = &self.operator.dhcp6.delegate;
        for delegate in delegates {
            let Some(network) = part(delegated.prefix, delegate.subnet) else {
                self.diagnostics
                    .push(beyond(&self.document.source, delegated.prefix, delegate));
                continue;
            };
            let link = LinkRef::Name(delegate.link_name.clone());
            self.document.addresses.push(AddressConfig {
                valid_until: delegated.valid_until,
                preferred_until: delegated.preferred_until,
                ..AddressConfig::new(link, network, self.origin("IA_PD"))
            });
        }
        self.document.routes.push(RouteConfig {
            kind: Some(RouteKind::Unreachable),
            metric: Some(UNREACHABLE_METRIC),
            ..RouteConfig::new(None, Some(delegated.prefix), None, self.origin("IA_PD"))
        });
    }

    fn told(&mut self, facts: &Facts) {
        if !self.operator.ignore_dns {
            for server in &facts.dns {
                let server = NameServer::on_link(*server, &self.operator.link_name);
                let said = Said::new(server, self.origin("option 23"));
                self.document.nameservers.push(said);
            }
        }
        if !self.operator.ignore_domains {
            let domains = facts.search.iter();
            let domains: Vec<_> = domains
                .map(|domain| Said::new(domain.clone(), self.origin("option 24")))
                .collect();
            self.document.search_domains = Some(domains).filter(|domains| !domains.is_empty());
        }
        if let Some(hostname) = &facts.hostname
            && !self.operator.ignore_hostname
        {
            let said = Said::new(hostname.clone(), self.origin("option 39"));
            self.document.hostnames.push(said);
        }
        if self.operator.ignore_ntp {
            return;
        }
        let addresses = facts.ntp.iter().map(ToString::to_string);
        let names = facts.ntp_names.iter().map(ToString::to_string);
        for server in addresses.chain(names) {
            let said = Said::new(server, self.origin("option 56"));
            self.document.time_servers.push(said);
        }
    }
}

/// The first address of the `subnet`-th /64 of `prefix`, with that length; `None`: it has fewer.
fn part(prefix: Prefix, subnet: u32) -> Option<Prefix> {
    let IpAddr::V6(network) = prefix.address() else {
        return None;
    };
    let bits = LINK_LENGTH.checked_sub(prefix.len())?;
    let fits = subnet.checked_shr(bits.into()).unwrap_or(0) == 0;
    let first = network.to_bits() | u128::from(subnet) << LINK_LENGTH | 1;
    fits.then(|| Prefix::new(IpAddr::V6(Ipv6Addr::from_bits(first)), LINK_LENGTH).ok())?
}

fn beyond(source: &str, prefix: Prefix, delegate: &DelegateSpec) -> Diagnostic {
    let message = format!(
        "{source}: {prefix} has no /64 with number {} for {}",
        delegate.subnet, delegate.link_name
    );
    Diagnostic::new(Severity::Error, message)
        .with_fix("choose a lower subnet, or ask for more with prefixHint")
        .with_effect(format!("{} gets no address of it", delegate.link_name))
}

fn too_much(source: &str, prefix: Prefix) -> Diagnostic {
    let message = format!("{source}: {prefix} is more than a site is given");
    Diagnostic::new(Severity::Warning, message)
        .with_fix(format!(
            "let the server delegate /{SHORTEST_PREFIX} or less"
        ))
        .with_effect("no link gets an address of it, and nothing is routed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::dhcp6::LeasedAddress;
    use crate::state::OperatorKind;
    use crate::value::Instant;

    #[track_caller]
    fn check(prefix: &str, subnet: u32, expect: Option<&str>) {
        let found = part(prefix.parse().unwrap(), subnet);
        assert_eq!(found.map(|part| part.to_string()).as_deref(), expect);
    }

    #[test]
    fn parts_of_a_prefix() {
        check("2001:db8:1200::/40", 0, Some("2001:db8:1200::1/64"));
        check("2001:db8:0:ff00::/56", 7, Some("2001:db8:0:ff07::1/64"));
        check("2001:db8:0:ff00::/56", 255, Some("2001:db8:0:ffff::1/64"));
        check("2001:db8:0:ff00::/56", 256, None);
        check("2001:db8:0:1::/64", 0, Some("2001:db8:0:1::1/64"));
        check("2001:db8:0:1::/64", 1, None);
        check("2001:db8::/72", 0, None);
    }

    /// One line for each thing that follows from the lease.
    fn read(lease: &Lease, change: impl FnOnce(&mut OperatorSpec)) -> Vec<String> {
        let mut operator = crate::compile::lease::tests::operator();
        operator.operator = OperatorKind::Dhcp6;
        change(&mut operator);
        let (document, faults) = of_lease(lease, &operator);
        assert_eq!(
            (document.layer, &*document.source),
            (Layer::Operator, "dhcp6/eth0")
        );
        let addresses = document.addresses.iter().map(|address| {
            let LinkRef::Name(link) = &address.link else {
                panic!("{:?}", address.link);
            };
            let ends = [address.preferred_until, address.valid_until];
            let [preferred, valid] =
                ends.map(|end| end.map_or("ever".into(), |end| end.to_string()));
            let alone = address.no_prefix_route == Some(true);
            format!("{link} {} {preferred} {valid} {alone}", address.address)
        });
        let routes = document.routes.iter();
        let routes = routes.map(|route| {
            assert!(
                route.metric > Some(operator.route_metric),
                "the last choice"
            );
            format!("{} {}", route.kind.unwrap(), route.destination.unwrap())
        });
        let servers = document
            .nameservers
            .iter()
            .map(|said| format!("dns {}", said.value));
        let domains = document.search_domains.iter().flatten();
        let domains = domains.map(|said| format!("search {}", said.value));
        let names = document
            .hostnames
            .iter()
            .map(|said| format!("name {}", said.value));
        let times = document
            .time_servers
            .iter()
            .map(|said| format!("ntp {}", said.value));
        let faults = faults.into_iter().map(|fault| fault.message);
        let lines = addresses.chain(routes).chain(servers).chain(domains);
        lines.chain(names).chain(times).chain(faults).collect()
    }

    fn lease() -> Lease {
        let facts = Facts {
            dns: vec!["2001:db8::53".parse().unwrap()],
            search: vec!["lab.example".parse().unwrap()],
            ntp: vec!["2001:db8::123".parse().unwrap()],
            ntp_names: vec!["time.example".parse().unwrap()],
            hostname: "web1".parse().ok(),
        };
        Lease {
            duid: vec![1],
            iaid: 1,
            server_duid: vec![2],
            acquired_at: Instant::BOOT,
            renew_at: None,
            rebind_at: None,
            addresses: vec![LeasedAddress {
                address: "2001:db8::7".parse().unwrap(),
                preferred_until: Some(Instant::from_secs(50)),
                valid_until: Some(Instant::from_secs(100)),
            }],
            prefixes: Vec::new(),
            facts,
        }
    }

    #[test]
    fn everything_that_was_granted() {
        let expect = [
            "eth0 2001:db8::7/128 50.000s 100.000s true",
            "dns 2001:db8::53",
            "search lab.example",
            "name web1",
            "ntp 2001:db8::123",
            "ntp time.example",
        ];
        assert_eq!(read(&lease(), |_| {}), expect);
        let less = |operator: &mut OperatorSpec| {
            (operator.ignore_dns, operator.ignore_hostname) = (true, true);
            operator.ignore_domains = true;
        };
        assert_eq!(read(&lease(), less), [expect[0], expect[4], expect[5]]);
        let mut local = lease();
        local.facts.dns = vec!["fe80::53".parse().unwrap()];
        assert_eq!(read(&local, |_| {})[1], "dns fe80::53%eth0");
    }

    #[test]
    fn a_prefix_goes_to_links() {
        let lease = Lease {
            addresses: Vec::new(),
            prefixes: vec![DelegatedPrefix {
                prefix: "2001:db8:0:ff00::/56".parse().unwrap(),
                preferred_until: None,
                valid_until: Some(Instant::from_secs(100)),
            }],
            facts: Facts::default(),
            ..lease()
        };
        let delegate = |link: &str, subnet| DelegateSpec {
            link_name: link.parse().unwrap(),
            subnet,
        };
        let orders = |operator: &mut OperatorSpec| {
            operator.dhcp6.delegate = vec![delegate("lan0", 1), delegate("lan1", 256)];
        };
        let expect = [
            "lan0 2001:db8:0:ff01::1/64 ever 100.000s false",
            "unreachable 2001:db8:0:ff00::/56",
            "dhcp6/eth0: 2001:db8:0:ff00::/56 has no /64 with number 256 for lan1",
        ];
        assert_eq!(read(&lease, orders), expect);
        assert_eq!(read(&lease, |_| {}), [expect[1]]);
        let mut lease = lease;
        lease.prefixes[0].prefix = "2000::/3".parse().unwrap();
        assert_eq!(
            read(&lease, orders),
            ["dhcp6/eth0: 2000::/3 is more than a site is given"]
        );
    }
}
