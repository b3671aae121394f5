//! What leases and router advertisements may route: everything but what the configuration speaks of.
//!
//! Whoever answers first on a link names routes, and the narrower one wins in the kernel. Without a rule a stranger's
//! option 121 takes a tunnel's traffic out of the tunnel (CVE-2024-3661), and the metadata service with its credentials
//! away from the cloud. A default route is what leases are for and is never refused: whatever else is said is narrower.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};

use super::link::Links;
use super::names::Names;
use crate::config::platform::select;
use crate::config::{Diagnostic, Document, RouteConfig, Severity};
use crate::state::{AddressSpec, Desired, RouteSpec};
use crate::value::{Layer, LinkName, Prefix, RouteTable};

/// Where clouds serve metadata: everywhere, on AWS by IPv6, on Google by IPv6.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Platforms whose own servers send a host route to the metadata service in option 121: on them it leads to the right one,
/// and an isolated OpenStack network has no other way.
const ROUTED_METADATA: [&str; 2] = ["azure", "openstack"];

/// What is protected, and what leads there.
pub(super) struct RoutePolicy {
    /// Networks by table, each with the ways into it.
    networks: BTreeMap<(RouteTable, Prefix), Vec<Way>>,
    /// Lengths that occur among them.
    lengths: BTreeSet<u8>,
    /// Single addresses by table: what each is.
    hosts: BTreeMap<(RouteTable, IpAddr), &'static str>,
    /// What each link's leases may route all the same.
    allowed: BTreeMap<LinkName, Vec<Prefix>>,
    /// The platform's servers may route to the metadata service.
    metadata_is_routed: bool,
    /// Gateways whose own route was refused: what needs them has no way.
    unreachable: BTreeSet<(LinkName, IpAddr)>,
}

/// One way into a network.
struct Way {
    link: Option<LinkName>,
    gateway: Option<IpAddr>,
    kind: WayKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WayKind {
    /// An address of the configuration opens the network.
    Address,
    /// A leased address does: other links keep off it, the link's own lease may divide it.
    Lease,
    /// A route of the configuration leads there.
    Route,
}

impl RoutePolicy {
    /// What `documents` say in other layers than the leases', and the networks of the addresses of `desired`.
    pub(super) fn new(
        documents: &[&Document],
        names: &Names<'_>,
        made: &Links,
        desired: &Desired,
    ) -> Self {
        let mut policy = Self {
            networks: BTreeMap::new(),
            lengths: BTreeSet::new(),
            hosts: METADATA
                .map(|address| ((RouteTable::MAIN, address), "the metadata service"))
                .into(),
            allowed: BTreeMap::new(),
            metadata_is_routed: documents
                .iter()
                .filter_map(|document| select(document.boot.platform.as_ref()?).0)
                .any(|platform| ROUTED_METADATA.contains(&platform.name)),
            unreachable: BTreeSet::new(),
        };
        let table_of = |link: &LinkName| made.vrf_table(link).unwrap_or(RouteTable::MAIN);
        for spec in desired.addresses.values() {
            policy.add_address(spec, table_of(&spec.link_name));
        }
        for document in documents {
            for vip in &document.vips {
                for link in names.resolve(&vip.link) {
                    let host = (table_of(&link), vip.address);
                    policy.hosts.insert(host, "the shared address");
                }
            }
            if document.layer == Layer::Operator {
                continue;
            }
            for config in &document.routes {
                let link = config.link.as_ref();
                let link = link.and_then(|link| names.resolve(link).into_iter().next());
                policy.add_route(config, link, made);
            }
        }
        for (link, endpoint) in made.wireguard_endpoints() {
            let host = (table_of(link), endpoint.ip());
            policy.hosts.insert(host, "the WireGuard endpoint");
        }
        for operator in desired.operators.values() {
            let allowed = policy.allowed.entry(operator.link_name.clone());
            allowed.or_default().extend(&operator.allow_routes);
        }
        policy
    }

    /// The networks that an address opens; a host address opens none.
    fn add_address(&mut self, spec: &AddressSpec, table: RouteTable) {
        let kind = match spec.layer {
            Layer::Operator => WayKind::Lease,
            Layer::Default | Layer::Cmdline | Layer::Platform | Layer::Configuration => {
                WayKind::Address
            }
        };
        let network = spec.address.network();
        let alone = Prefix::host(spec.address.address()).len();
        let opened = (network.len() < alone).then_some(network);
        for network in opened.into_iter().chain(spec.peer.map(Prefix::host)) {
            let way = Way {
                link: Some(spec.link_name.clone()),
                gateway: None,
                kind,
            };
            self.add(table, network, way);
        }
    }

    /// A route of the configuration. A default route is a network only where it leads into a tunnel: there it means "and
    /// nowhere else", whatever table a rule keeps it in.
    fn add_route(&mut self, config: &RouteConfig, link: Option<LinkName>, made: &Links) {
        let hops = config.next_hops.iter().map(|hop| hop.gateway);
        let said = [config.gateway, config.source].into_iter().chain(hops);
        let of_family = said.flatten().next();
        let of_family = of_family.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let network = config
            .destination
            .unwrap_or_else(|| whole_family(of_family));
        let tunnel = link.as_ref().is_some_and(|link| made.is_wireguard(link));
        if network.is_default() && !tunnel {
            return;
        }
        let vrf = link.as_ref().and_then(|link| made.vrf_table(link));
        let table = config.table.or(vrf).unwrap_or(RouteTable::MAIN);
        let tables = BTreeSet::from_iter([Some(table), tunnel.then_some(RouteTable::MAIN)]);
        for table in tables.into_iter().flatten() {
            let way = Way {
                link: link.clone(),
                gateway: config.gateway,
                kind: WayKind::Route,
            };
            self.add(table, network.network(), way);
        }
    }

    fn add(&mut self, table: RouteTable, network: Prefix, way: Way) {
        self.lengths.insert(network.len());
        let ways = self.networks.entry((table, network)).or_default();
        ways.push(way);
    }

    /// Whether the route of a lease or an advertisement may be made; if not, what it would take.
    pub(super) fn judge(&mut self, spec: &RouteSpec) -> Result<(), Box<Diagnostic>> {
        let (Some(dst), Some(link)) = (spec.dst, &spec.out_link_name) else {
            return self.reaches_gateway(spec);
        };
        let allowed = self.allowed.get(link);
        let is_allowed = allowed.is_some_and(|list| list.iter().any(|net| covers(*net, dst)));
        if is_allowed {
            return self.reaches_gateway(spec);
        }
        let network = self.around(spec.table, dst).find_map(|(network, ways)| {
            ways.iter()
                .find(|way| way.is_taken(spec))
                .filter(|_| !ways.iter().any(|way| way.is(spec)))
                .map(|way| way.describe(network))
        });
        let Some(taken) = network.or_else(|| self.host_taken(spec, dst)) else {
            return self.reaches_gateway(spec);
        };
        if spec.gateway.is_none() {
            self.unreachable.insert((link.clone(), dst.address()));
        }
        Err(refusal(spec, dst, link, &taken))
    }

    /// The protected address that `dst` would take: it holds it, and nothing narrower leads there.
    fn host_taken(&self, spec: &RouteSpec, dst: Prefix) -> Option<String> {
        let from = (spec.table, dst.network().address());
        let in_table = self
            .hosts
            .range(from..)
            .take_while(|((table, address), _)| *table == spec.table && dst.contains(*address));
        in_table
            .filter(|((_, address), _)| {
                let routed = self.metadata_is_routed && METADATA.contains(address);
                !(routed && dst == Prefix::host(*address))
            })
            .find(|((table, address), _)| {
                let narrowest = self.around(*table, Prefix::host(*address)).next();
                narrowest.is_none_or(|(network, ways)| {
                    network.len() <= dst.len() && !ways.iter().any(|way| way.is(spec))
                })
            })
            .map(|((_, address), what)| format!("{what} {address}"))
    }

    /// What needs a gateway whose own route was refused is refused as well: the kernel would say no at every try.
    fn reaches_gateway(&self, spec: &RouteSpec) -> Result<(), Box<Diagnostic>> {
        let through = spec.out_link_name.clone().zip(spec.gateway);
        match through.filter(|through| self.unreachable.contains(through)) {
            Some((link, gateway)) => {
                let message = format!("the route to the gateway {gateway} was refused");
                let fault = Diagnostic::new(Severity::Warning, message)
                    .with_place((&spec.origin).into())
                    .with_fix(allow(&link, Prefix::host(gateway)))
                    .with_effect(left_out(spec));
                Err(fault.into())
            }
            None => Ok(()),
        }
    }

    /// Known networks that hold all of `inner`, the narrowest first.
    fn around(
        &self,
        table: RouteTable,
        inner: Prefix,
    ) -> impl Iterator<Item = (Prefix, &Vec<Way>)> {
        let lengths = self.lengths.range(..=inner.len()).rev();
        lengths.filter_map(move |len| {
            let network = Prefix::new(inner.address(), *len).ok()?.network();
            Some((network, self.networks.get(&(table, network))?))
        })
    }
}

impl Way {
    /// Whether `spec` goes the very same way: then it takes nothing.
    fn is(&self, spec: &RouteSpec) -> bool {
        self.link == spec.out_link_name && self.gateway == spec.gateway && spec.next_hops.is_empty()
    }

    /// Whether traffic of this way would go another one with `spec`.
    fn is_taken(&self, spec: &RouteSpec) -> bool {
        match self.kind {
            WayKind::Address | WayKind::Route => !self.is(spec),
            WayKind::Lease => self.link != spec.out_link_name,
        }
    }

    fn describe(&self, network: Prefix) -> String {
        let link = self.link.as_ref();
        let of = link.map_or_else(String::new, |link| format!(" of {link}"));
        match self.kind {
            WayKind::Address => format!("the configured network {network}{of}"),
            WayKind::Lease => format!("the leased network {network}{of}"),
            WayKind::Route => format!("the configured route to {network}"),
        }
    }
}

/// The default destination of the family of an address.
fn whole_family(address: IpAddr) -> Prefix {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Prefix::new(any, 0).unwrap_or_else(|_| Prefix::host(any))
}

fn covers(outer: Prefix, inner: Prefix) -> bool {
    outer.len() <= inner.len() && outer.contains(inner.address())
}

fn refusal(spec: &RouteSpec, dst: Prefix, link: &LinkName, taken: &str) -> Box<Diagnostic> {
    let message = format!("what a network hands out may not take over {taken}");
    let fault = Diagnostic::new(Severity::Warning, message)
        .with_place((&spec.origin).into())
        .with_fix(allow(link, dst))
        .with_effect(left_out(spec));
    fault.into()
}

fn allow(link: &LinkName, dst: Prefix) -> String {
    // DHCPv6 has no routes: what is said of IPv6 comes from routers.
    let kind = if dst.is_ipv4() {
        "DHCPv4Config"
    } else {
        "LinkConfig"
    };
    format!("to trust this network, {kind} of {link}: allowRoutes: [{dst}]")
}

fn left_out(spec: &RouteSpec) -> String {
    let to = spec.dst.map_or("default".into(), |dst| dst.to_string());
    let via = spec.gateway.map(|gateway| format!(" via {gateway}"));
    let via = via.unwrap_or_default();
    format!("the route to {to}{via} is left out, the rest applies")
}

#[cfg(test)]
mod tests;
