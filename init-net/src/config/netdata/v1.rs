//! cloud-init network-config version 1: `{version: 1, config: [{type: physical, …}, …]}`.

use core::net::IpAddr;

use super::bridge::Names;
use super::openstack::infiniband;
use super::reader::{MAX_LINKS, Reader, destination};
use crate::config::machine::tree::Node;
use crate::config::platform::prefix;
use crate::config::{
    AddressConfig, AutoMethod, KindConfig, LinkConfig, LinkRef, OperatorConfig, RouteConfig,
};
use crate::value::{LinkName, Mac, VlanId};

/// Names of ifupdown.
const BRIDGE: Names = Names {
    stp: "bridge_stp",
    priority: "bridge_bridgeprio",
    forward_delay: "bridge_fd",
    hello_time: "bridge_hello",
    max_age: "bridge_maxage",
    ageing_time: "bridge_ageing",
    path_cost: "bridge_pathcost",
    port_priority: "bridge_portprio",
};

pub(super) fn read(reader: &mut Reader<'_>, root: &Node) {
    let entries = reader.list(root, "config");
    // A bond may stand before its members.
    for entry in entries {
        let is_link = !matches!(text(entry, "type"), None | Some("nameserver" | "route"));
        if let Some(name) = text(entry, "name").filter(|_| is_link) {
            let link = reference(entry);
            reader.links.entry(name.to_owned()).or_insert(link);
        }
    }
    for entry in entries {
        match text(entry, "type") {
            Some("physical" | "infiniband") => reader.card(entry),
            Some("bond") => reader.bond_entry(entry),
            Some("bridge") => reader.bridge_entry(entry),
            Some("vlan") => reader.vlan_entry(entry),
            Some("loopback") => reader.loopback(entry),
            Some("nameserver") => {
                let servers = reader.list(entry, "address");
                reader.servers(servers);
                let domains = reader.list(entry, "search");
                reader.domains(domains);
            }
            Some("route") => reader.listed_route(entry, None),
            Some(_) | None => reader.warn(entry.mark, "unknown type of entry"),
        }
    }
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    let text = node.at(key)?.text()?.trim();
    Some(text).filter(|text| !text.is_empty())
}

/// The link that an entry means: a card by its hardware address, where one is given, all others by name.
fn reference(entry: &Node) -> Option<LinkRef> {
    let named = || text(entry, "name")?.parse().ok().map(LinkRef::Name);
    let mac = text(entry, "mac_address").map(str::parse::<Mac>);
    match (text(entry, "type")?, mac) {
        ("physical", Some(mac)) => mac.ok().map(LinkRef::Mac),
        ("infiniband", Some(mac)) => mac.ok().map(|mac| infiniband(&mac)),
        ("physical" | "infiniband" | "bond" | "bridge", _) => named(),
        ("vlan", _) => named(),
        ("loopback", _) => "lo".parse().ok().map(LinkRef::Name),
        _ => None,
    }
}

impl Reader<'_> {
    fn card(&mut self, entry: &Node) {
        let Some(link) = reference(entry) else {
            let rule = match entry.at("mac_address") {
                Some(_) => "mac_address is no hardware address",
                None => "neither mac_address nor a usable name",
            };
            return self.warn(entry.mark, rule);
        };
        let config = LinkConfig::new(link, self.origin(entry.mark));
        self.finish_entry(entry, config);
    }

    fn bond_entry(&mut self, entry: &Node) {
        let Some(mut config) = self.made(entry) else {
            return;
        };
        let params = self.map(entry, "params");
        let Some((options, primary)) = self.bond_options(params) else {
            return;
        };
        let slaves = params.and_then(|params| {
            let keys = ["bond-slaves", "bond_slaves", "slaves"];
            keys.into_iter().find_map(|key| params.at(key))
        });
        let members = self.members(entry.at("bond_interfaces").or(slaves));
        if members.is_empty() {
            return self.warn(entry.mark, "a bond without members");
        }
        config.mac = self.read(entry, "mac_address");
        config.kind = Some(KindConfig::Bond {
            members,
            options,
            primary,
        });
        self.finish_entry(entry, config);
    }

    fn bridge_entry(&mut self, entry: &Node) {
        let Some(mut config) = self.made(entry) else {
            return;
        };
        let params = self.map(entry, "params");
        let ports = params.and_then(|params| params.at("bridge_ports"));
        let members = self.members(entry.at("bridge_interfaces").or(ports));
        let options = params.map(|params| self.bridge_options(params, &BRIDGE));
        let own = params.and_then(|params| self.read(params, "bridge_hw"));
        config.mac = self.read(entry, "mac_address").or(own);
        config.kind = Some(KindConfig::Bridge {
            members,
            options: options.unwrap_or_default(),
            vlans: None,
        });
        if self.finish_entry(entry, config)
            && let Some(params) = params
        {
            self.bridge_ports(params, &BRIDGE);
        }
    }

    fn vlan_entry(&mut self, entry: &Node) {
        let parent = match entry.at("vlan_link") {
            Some(node) => self.link(node, "vlan_link"),
            None => return self.warn(entry.mark, "a vlan without vlan_link"),
        };
        let Some(id) = self.read::<VlanId>(entry, "vlan_id") else {
            if entry.at("vlan_id").is_none() {
                self.warn(entry.mark, "a vlan without vlan_id");
            }
            return;
        };
        let Some(parent) = parent else { return };
        let link = match text(entry, "name").map(str::parse::<LinkName>) {
            Some(Ok(name)) => LinkRef::Name(name),
            said => {
                if said.is_some() {
                    let rule = "the name is none of a link: it is called by its parent and tag";
                    self.note(entry.mark, rule);
                }
                match &parent {
                    LinkRef::Name(name) => LinkRef::Name(LinkName::of_vlan(name, id)),
                    _ => LinkRef::Vlan {
                        parent: Box::new(parent.clone()),
                        id,
                    },
                }
            }
        };
        let mut config = LinkConfig::new(link, self.origin(entry.mark));
        // Most repeat the address of the link below, which the VLAN has anyway.
        let mac = self.read::<Mac>(entry, "mac_address");
        config.mac = mac.filter(|mac| LinkRef::Mac(*mac) != parent);
        config.kind = Some(KindConfig::Vlan {
            parent,
            id,
            protocol: None,
        });
        self.finish_entry(entry, config);
    }

    /// It is there and up; what else it may have is addresses.
    fn loopback(&mut self, entry: &Node) {
        let Some(link) = reference(entry) else { return };
        for subnet in self.list(entry, "subnets") {
            if subnet.at("address").is_some() {
                self.static_address(subnet, &link);
            }
        }
        self.names_of(entry);
    }

    /// A link that is to be made, by its name.
    fn made(&mut self, entry: &Node) -> Option<LinkConfig> {
        let Some(link) = reference(entry) else {
            self.warn(entry.mark, "the name is none of a link");
            return None;
        };
        Some(LinkConfig::new(link, self.origin(entry.mark)))
    }

    /// Members, in a list or between blanks.
    fn members(&mut self, node: Option<&Node>) -> Vec<LinkRef> {
        let Some(node) = node else {
            return Vec::new();
        };
        let mut members = Vec::new();
        for item in node.items().iter().take(MAX_LINKS) {
            let words = item.text().unwrap_or_default().split_whitespace();
            let words: Vec<&str> = words.filter(|word| *word != "none").collect();
            for word in words {
                match self.named(word) {
                    Some(member) => members.push(member),
                    None => self.warn(item.mark, "a member is no usable link"),
                }
            }
        }
        members.truncate(MAX_LINKS);
        members
    }

    /// Whether the link is kept: with what every link may have.
    fn finish_entry(&mut self, entry: &Node, mut config: LinkConfig) -> bool {
        config.up = Some(true);
        config.mtu = self.read(entry, "mtu");
        let accepts = self.truth(entry, "accept-ra");
        config.settings.accept_ra = match accepts {
            Some(accepts) => Some(u8::from(accepts)),
            None => is_static6(entry).then_some(0),
        };
        let link = config.link.clone();
        if !self.add_link(entry.mark, config) {
            return false;
        }
        for subnet in self.list(entry, "subnets") {
            self.subnet(subnet, &link);
        }
        self.names_of(entry);
        true
    }

    /// Servers and domains of every subnet.
    fn names_of(&mut self, entry: &Node) {
        for subnet in self.list(entry, "subnets") {
            let servers = self.list(subnet, "dns_nameservers");
            self.servers(servers);
            let domains = self.list(subnet, "dns_search");
            self.domains(domains);
        }
    }

    fn subnet(&mut self, subnet: &Node, link: &LinkRef) {
        if text(subnet, "control") == Some("manual") {
            return self.note(
                subnet.mark,
                "control: manual waits for somebody to start it",
            );
        }
        let methods: &[AutoMethod] = match text(subnet, "type") {
            Some("dhcp") => dhcp(subnet),
            Some("dhcp4") => &[AutoMethod::Dhcp4],
            Some("dhcp6" | "ipv6_dhcpv6-stateful") => &[AutoMethod::Dhcp6],
            Some("ipv6_slaac" | "ipv6_dhcpv6-stateless") => &[AutoMethod::Auto6],
            Some("link-local") => &[AutoMethod::LinkLocal6],
            Some("static" | "static4" | "static6") => {
                self.static_address(subnet, link);
                &[]
            }
            Some("manual") => &[],
            Some(_) | None => return self.warn(subnet.mark, "unknown type of subnet"),
        };
        let metric = self.read(subnet, "metric");
        for method in methods {
            let origin = self.origin(subnet.mark);
            let mut operator = OperatorConfig::new(link.clone(), *method, origin);
            operator.metric = metric;
            self.add_operator(subnet.mark, operator);
        }
        for route in self.list(subnet, "routes") {
            self.listed_route(route, Some(link));
        }
    }

    /// The address of a static subnet, and the default route through its gateway. The family is the address's own:
    /// `static` with an IPv6 address is common.
    fn static_address(&mut self, subnet: &Node, link: &LinkRef) {
        let Some(node) = subnet.at("address") else {
            return self.warn(subnet.mark, "a static subnet without address");
        };
        let address = node.text().map(str::trim);
        let Some(address) = address.and_then(|text_| prefix(text_, text(subnet, "netmask"))) else {
            return self.warn(node.mark, "address and netmask are no prefix");
        };
        let config = AddressConfig::new(link.clone(), address, self.origin(node.mark));
        self.add_address(node.mark, config);
        let metric = self.read(subnet, "metric");
        self.default_route(subnet, "gateway", link, metric);
    }

    fn listed_route(&mut self, route: &Node, link: Option<&LinkRef>) {
        let to = route.at("destination").or_else(|| route.at("network"));
        let to = match to {
            None => None,
            Some(node) => {
                let read = node.text().map(str::trim);
                match read.and_then(|to| destination(to, text(route, "netmask"))) {
                    Some(to) => to,
                    None => {
                        return self.warn(node.mark, "the destination of a route is no prefix");
                    }
                }
            }
        };
        let gateway = self.read::<IpAddr>(route, "gateway");
        if gateway.is_none() && route.at("gateway").is_some() {
            return;
        }
        let metric = self.read(route, "metric");
        let config = RouteConfig::new(link.cloned(), to, gateway, self.origin(route.mark));
        self.add_route(route.mark, RouteConfig { metric, ..config });
    }
}

/// The flags are Hetzner's; without them dhcp is DHCPv4.
fn dhcp(subnet: &Node) -> &'static [AutoMethod] {
    let flag = |key| subnet.at(key).and_then(super::reader::truth);
    match (flag("ipv4"), flag("ipv6")) {
        (Some(true), Some(true)) => &[AutoMethod::Dhcp4, AutoMethod::Dhcp6],
        (Some(false) | None, Some(true)) => &[AutoMethod::Dhcp6],
        _ => &[AutoMethod::Dhcp4],
    }
}

/// Whether the link has a router of IPv6 that somebody wrote down, and asks none: what others advertise would be a second
/// one.
fn is_static6(entry: &Node) -> bool {
    let subnets = entry.at("subnets").map(Node::items).unwrap_or_default();
    let asks = |subnet: &Node| match text(subnet, "type") {
        Some("dhcp") => dhcp(subnet).contains(&AutoMethod::Dhcp6),
        Some(name) => name == "dhcp6" || name.starts_with("ipv6_"),
        None => false,
    };
    let routed = |subnet: &Node| {
        let gateway = text(subnet, "gateway").and_then(|text| text.parse::<IpAddr>().ok());
        gateway.is_some_and(|gateway| gateway.is_ipv6() && !gateway.is_unspecified())
            && text(subnet, "type").is_some_and(|name| name.starts_with("static"))
    };
    subnets.iter().any(routed) && !subnets.iter().any(asks)
}
