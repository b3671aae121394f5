//! cloud-init network-config version 1: `{version: 1, config: [{type: physical, …}, …]}`.

use core::net::IpAddr;

use crate::config::machine::tree::{self, Mark, Node};
use crate::config::{
    AddressConfig, AutoMethod, Diagnostic, Document, LinkConfig, LinkRef, OperatorConfig, Place,
    RouteConfig, Said, Severity,
};
use crate::value::{Hostname, LinkName, Mac, Origin, Prefix, Span, prefix_len_from_netmask};

/// Most entries that are read.
const MAX_ENTRIES: usize = 256;

/// Most subnets of an entry, routes of a subnet, and so on.
const MAX_ITEMS: usize = 4096;

/// Most faults that are told.
const MAX_DIAGNOSTICS: usize = 64;

/// Longest line that is shown with a fault, bytes.
const MAX_LINE: usize = 400;

/// Adds what `text`, called `source`, says to `out`.
pub fn parse(text: &str, source: &str, out: &mut Document) -> Vec<Diagnostic> {
    let (documents, faults) = tree::parse(text);
    let mut reader = V1 {
        source,
        text,
        out,
        diagnostics: Vec::new(),
    };
    for fault in faults {
        reader.warn(fault.mark, &fault.message);
    }
    if let Some(root) = documents.first().filter(|root| !root.is_null()) {
        reader.root(root.at("network").unwrap_or(root));
    }
    reader.diagnostics
}

struct V1<'a> {
    source: &'a str,
    text: &'a str,
    out: &'a mut Document,
    diagnostics: Vec<Diagnostic>,
}

impl V1<'_> {
    fn root(&mut self, root: &Node) {
        // A server without any public interface has an empty list here instead of a mapping.
        if root.items().is_empty() {
            return;
        }
        match root.at("version").and_then(Node::text) {
            Some("1") => {}
            Some(_) | None => {
                return self.warn(root.mark, "network-config: only version 1 is read here");
            }
        }
        let Some(entries) = root.at("config") else {
            return;
        };
        for entry in entries.items().iter().take(MAX_ENTRIES) {
            match entry.at("type").and_then(Node::text) {
                Some("physical") => self.physical(entry),
                Some("nameserver") => self.nameserver(entry),
                Some("route") => self.route(entry, None),
                Some("loopback") => {}
                Some("bond" | "bridge" | "vlan" | "infiniband") => {
                    let message = "network-config: entries of this type are not applied yet";
                    self.report(Severity::Note, entry.mark, message);
                }
                Some(_) | None => self.warn(entry.mark, "network-config: unknown type of entry"),
            }
        }
    }

    fn physical(&mut self, entry: &Node) {
        let mac = entry.at("mac_address").and_then(Node::text);
        let name = entry.at("name").and_then(Node::text);
        let link = match (mac.map(str::parse::<Mac>), name.map(str::parse::<LinkName>)) {
            (Some(Ok(mac)), _) => LinkRef::Mac(mac),
            (None, Some(Ok(name))) => LinkRef::Name(name),
            (Some(Err(_)), _) => {
                return self.warn(entry.mark, "mac_address is no hardware address");
            }
            (None, Some(Err(_)) | None) => {
                return self.warn(entry.mark, "neither mac_address nor a usable name");
            }
        };
        let mut config = LinkConfig::new(link.clone(), self.origin(entry.mark));
        config.up = Some(true);
        if let Some(mtu) = entry.at("mtu") {
            config.mtu = mtu.text().and_then(|text| text.parse().ok());
            if config.mtu.is_none() {
                self.warn(mtu.mark, "mtu is no MTU");
            }
        }
        self.out.links.push(config);
        for subnet in list(entry, "subnets") {
            self.subnet(subnet, &link);
        }
    }

    fn subnet(&mut self, subnet: &Node, link: &LinkRef) {
        let flag = |key| subnet.at(key).and_then(Node::truth);
        let methods: &[AutoMethod] = match subnet.at("type").and_then(Node::text) {
            // The flags are Hetzner's; without them dhcp is DHCPv4.
            Some("dhcp") => match (flag("ipv4"), flag("ipv6")) {
                (Some(true) | None, Some(true)) if flag("ipv4").is_some() => {
                    &[AutoMethod::Dhcp4, AutoMethod::Dhcp6]
                }
                (Some(false) | None, Some(true)) => &[AutoMethod::Dhcp6],
                _ => &[AutoMethod::Dhcp4],
            },
            Some("dhcp4") => &[AutoMethod::Dhcp4],
            Some("dhcp6" | "ipv6_dhcpv6-stateful") => &[AutoMethod::Dhcp6],
            Some("ipv6_slaac" | "ipv6_dhcpv6-stateless") => &[AutoMethod::Auto6],
            Some("link-local") => &[AutoMethod::LinkLocal6],
            Some("static" | "static4" | "static6") => {
                self.address(subnet, link);
                &[]
            }
            Some("manual") => &[],
            Some(_) | None => return self.warn(subnet.mark, "unknown type of subnet"),
        };
        let metric = number(subnet.at("metric"));
        for method in methods {
            let origin = self.origin(subnet.mark);
            let mut operator = OperatorConfig::new(link.clone(), *method, origin);
            operator.metric = metric;
            self.out.operators.push(operator);
        }
        for route in list(subnet, "routes") {
            self.route(route, Some(link));
        }
        self.servers(list(subnet, "dns_nameservers"));
        self.domains(list(subnet, "dns_search"));
    }

    /// The address of a static subnet, and the default route through its gateway. The family is the address's own:
    /// `static` with an IPv6 address is common.
    fn address(&mut self, subnet: &Node, link: &LinkRef) {
        let Some(node) = subnet.at("address") else {
            return self.warn(subnet.mark, "a static subnet without address");
        };
        let Some(address) = prefix(node.text(), subnet.at("netmask").and_then(Node::text)) else {
            return self.warn(node.mark, "address and netmask are no prefix");
        };
        let metric = number(subnet.at("metric"));
        self.out.addresses.push(AddressConfig::new(
            link.clone(),
            address,
            self.origin(node.mark),
        ));
        let Some(node) = subnet.at("gateway") else {
            return;
        };
        match node.text().map(str::parse::<IpAddr>) {
            Some(Ok(gateway)) if gateway.is_unspecified() => {}
            Some(Ok(gateway)) => self.out.routes.push(RouteConfig {
                metric,
                ..RouteConfig::new(
                    Some(link.clone()),
                    None,
                    Some(gateway),
                    self.origin(node.mark),
                )
            }),
            Some(Err(_)) | None => self.warn(node.mark, "gateway is no IP address"),
        }
    }

    fn route(&mut self, route: &Node, link: Option<&LinkRef>) {
        let to = route.at("destination").or_else(|| route.at("network"));
        let netmask = route.at("netmask").and_then(Node::text);
        let destination = match to {
            None => None,
            Some(node) => match prefix(node.text(), netmask) {
                Some(to) => Some(to.network()),
                None => return self.warn(node.mark, "the destination of a route is no prefix"),
            },
        };
        let gateway = route
            .at("gateway")
            .map(|node| node.text().map(str::parse::<IpAddr>));
        let gateway = match gateway {
            None => None,
            Some(Some(Ok(gateway))) => Some(gateway),
            Some(_) => return self.warn(route.mark, "the gateway of a route is no IP address"),
        };
        if destination.is_none() && gateway.is_none() {
            return self.warn(route.mark, "a route without destination and gateway");
        }
        self.out.routes.push(RouteConfig {
            metric: number(route.at("metric")),
            ..RouteConfig::new(
                link.cloned(),
                destination,
                gateway.filter(|gateway| !gateway.is_unspecified()),
                self.origin(route.mark),
            )
        });
    }

    fn nameserver(&mut self, entry: &Node) {
        self.servers(list(entry, "address"));
        self.domains(list(entry, "search"));
    }

    fn servers(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node.text().map(str::parse::<IpAddr>) {
                Some(Ok(address)) => {
                    let known = self
                        .out
                        .nameservers
                        .iter()
                        .any(|said| said.value == address);
                    if !known {
                        let origin = self.origin(node.mark);
                        let server = Said::new(address.into(), origin);
                        self.out.nameservers.push(server);
                    }
                }
                Some(Err(_)) | None => self.warn(node.mark, "a name server is no IP address"),
            }
        }
    }

    fn domains(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node.text().map(str::parse::<Hostname>) {
                Some(Ok(domain)) => {
                    let said = Said::new(domain, self.origin(node.mark));
                    self.out.search_domains.get_or_insert_default().push(said);
                }
                Some(Err(_)) | None => self.warn(node.mark, "a search domain is no domain name"),
            }
        }
    }

    fn origin(&self, mark: Mark) -> Origin {
        Origin::new(self.source, format!("line {}", mark.line), Some(mark.span))
    }

    fn warn(&mut self, mark: Mark, message: &str) {
        self.report(Severity::Warning, mark, message);
    }

    fn report(&mut self, severity: Severity, mark: Mark, message: &str) {
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            return;
        }
        let line = self.text.lines().nth(mark.line.saturating_sub(1));
        let line = line.filter(|line| line.len() <= MAX_LINE);
        let diagnostic = Diagnostic::new(severity, message)
            .with_place(Place {
                source: self.source.into(),
                position: format!("line {}, column {}", mark.line, mark.column),
                text: line.unwrap_or_default().to_owned(),
                caret: Span::new(mark.column.saturating_sub(1), mark.column),
            })
            .with_effect("this entry is ignored");
        self.diagnostics.push(diagnostic);
    }
}

fn list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    let items = node.at(key).map(Node::items).unwrap_or_default();
    items.get(..MAX_ITEMS).unwrap_or(items)
}

fn number(node: Option<&Node>) -> Option<u32> {
    node?.text()?.parse().ok()
}

/// `address/length`, or `address` with a netmask that is dotted or a length; without both it stands for itself.
fn prefix(address: Option<&str>, netmask: Option<&str>) -> Option<Prefix> {
    let address = address?;
    if address.contains('/') {
        return address.parse().ok();
    }
    let address: IpAddr = address.parse().ok()?;
    match netmask {
        None if address.is_unspecified() => Prefix::new(address, 0).ok(),
        None => Some(Prefix::host(address)),
        Some(mask) => match mask.parse::<IpAddr>() {
            Ok(mask) => Prefix::new(address, prefix_len_from_netmask(mask).ok()?).ok(),
            Err(_) => Prefix::new(address, mask.parse().ok()?).ok(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Layer;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let mut out = Document::empty(Layer::Platform, "test");
        let diagnostics = parse(text, "network-config", &mut out);
        let mut found: Vec<String> = Vec::new();
        for link in &out.links {
            found.push(format!(
                "link {:?} mtu {:?}",
                link.link,
                link.mtu.map(|mtu| mtu.bytes())
            ));
        }
        for address in &out.addresses {
            found.push(format!("address {}", address.address));
        }
        for route in &out.routes {
            found.push(format!(
                "route {:?} via {:?} metric {:?}",
                route.destination, route.gateway, route.metric
            ));
        }
        for operator in &out.operators {
            found.push(format!(
                "{:?} metric {:?}",
                operator.method, operator.metric
            ));
        }
        found.extend(
            out.nameservers
                .iter()
                .map(|said| format!("dns {}", said.value)),
        );
        let domains = out.search_domains.iter().flatten();
        found.extend(domains.map(|said| format!("search {}", said.value)));
        found.extend(
            diagnostics
                .iter()
                .map(|d| format!("{:?}: {}", d.severity, d.message)),
        );
        assert_eq!(found, expect);
    }

    fn physical(subnet: &str) -> String {
        format!("version: 1\nconfig:\n- {{type: physical, name: eth0, subnets: [{subnet}]}}\n")
    }

    const LINK: &str = "link Name(eth0) mtu None";

    #[test]
    fn subnets() {
        check(&physical("{type: dhcp}"), &[LINK, "Dhcp4 metric None"]);
        check(
            &physical("{type: dhcp, ipv4: true, metric: 7}"),
            &[LINK, "Dhcp4 metric Some(7)"],
        );
        check(
            &physical("{type: dhcp, ipv6: true}"),
            &[LINK, "Dhcp6 metric None"],
        );
        check(
            &physical("{type: dhcp, ipv4: true, ipv6: true}"),
            &[LINK, "Dhcp4 metric None", "Dhcp6 metric None"],
        );
        check(
            &physical("{type: ipv6_slaac}"),
            &[LINK, "Auto6 metric None"],
        );
        check(&physical("{type: manual}"), &[LINK]);
        check(
            &physical(
                "{type: static, address: 10.0.0.2, netmask: 255.255.255.0, gateway: 10.0.0.1}",
            ),
            &[
                LINK,
                "address 10.0.0.2/24",
                "route None via Some(10.0.0.1) metric None",
            ],
        );
        check(
            &physical("{type: static, ipv6: true, address: '2001:db8::1/64', gateway: 'fe80::1'}"),
            &[
                LINK,
                "address 2001:db8::1/64",
                "route None via Some(fe80::1) metric None",
            ],
        );
        check(
            &physical(
                "{type: static, address: 10.0.0.2, netmask: '24', dns_nameservers: 10.0.0.3, dns_search: [a.b]}",
            ),
            &[LINK, "address 10.0.0.2/24", "dns 10.0.0.3", "search a.b"],
        );
        check(
            &physical(
                "{type: static, address: 10.0.0.2/24, routes: [{network: 10.8.0.9, netmask: 255.255.0.0, gateway: 10.0.0.9, metric: 3}]}",
            ),
            &[
                LINK,
                "address 10.0.0.2/24",
                "route Some(10.8.0.0/16) via Some(10.0.0.9) metric Some(3)",
            ],
        );
    }

    #[test]
    fn entries() {
        check(
            "network: {version: 1, config: [{type: physical, name: eth9, mac_address: '0A:00:00:00:00:01', mtu: 1450}]}",
            &["link Mac(0a:00:00:00:00:01) mtu Some(1450)"],
        );
        check(
            "{version: 1, config: [{type: nameserver, address: 192.0.2.53, search: a.b}, {type: nameserver, address: [192.0.2.53, '::1']}]}",
            &["dns 192.0.2.53", "dns ::1", "search a.b"],
        );
        check(
            "{version: 1, config: [{type: route, destination: 10.0.0.0/8, gateway: 10.0.0.1}]}",
            &["route Some(10.0.0.0/8) via Some(10.0.0.1) metric None"],
        );
        check("[]", &[]);
        check("", &[]);
        check("null", &[]);
    }

    #[test]
    fn faults_cost_their_entry() {
        check(
            &physical("{type: static, address: 10.0.0.2, netmask: 255.0.255.0}, {type: dhcp4}"),
            &[
                LINK,
                "Dhcp4 metric None",
                "Warning: address and netmask are no prefix",
            ],
        );
        check(
            &physical("{type: static, address: 10.0.0.2/24, gateway: x}"),
            &[
                LINK,
                "address 10.0.0.2/24",
                "Warning: gateway is no IP address",
            ],
        );
        check(
            &physical("{type: odd}"),
            &[LINK, "Warning: unknown type of subnet"],
        );
        check(
            "{version: 1, config: [{type: physical, name: a/b}, {type: physical, mac_address: [1]}, 7]}",
            &[
                "Warning: neither mac_address nor a usable name",
                "Warning: neither mac_address nor a usable name",
                "Warning: network-config: unknown type of entry",
            ],
        );
        check(
            "{version: 1, config: [{type: vlan, name: v}]}",
            &["Note: network-config: entries of this type are not applied yet"],
        );
        check(
            "{version: 2}",
            &["Warning: network-config: only version 1 is read here"],
        );
        check(
            "{version: 1, config: {a: b}}",
            &["Warning: network-config: unknown type of entry"],
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_never_panics(text: String) {
            for text in [text.clone(), format!("{{version: 1, config: [{{type: physical, name: {text}}}]}}")] {
                let mut out = Document::empty(Layer::Platform, "test");
                for diagnostic in parse(&text, "x", &mut out) {
                    let _ = diagnostic.to_string();
                }
            }
        }
    }
}
