//! The older form: one document with `machine` and `cluster`. Of it `machine.network` and `machine.time` are read.

use core::net::IpAddr;

use serde_json::{Value as Json, json};

use super::kinds::link::{self, ViaKeys};
use super::kinds::static_host;
use super::kinds::time_sync::{self, TimeServer};
use super::record::{Any, At, Items as _, Record, Scope, Shape, Table, read_top};
use super::scalar::{MtuOrKept, Scalar, Wrong};
use super::schema::Schemas;
use super::source::Source;
use super::tree::Node;
use crate::config::{AddressConfig, AutoMethod, Document, LinkConfig, LinkRef, OperatorConfig};
use crate::value::{Duration, Hostname, LinkName, Origin, Prefix};

keys! {
    /// The older form: the whole of a machine in one document.
    pub struct LegacyKeys("document") open {
        /// The machine.
        "machine" machine: MachineKeys,
    }
}

keys! {
    /// The machine: what is not about its network is accepted and left alone.
    pub struct MachineKeys("machine") open {
        /// The network.
        "network" network: NetworkKeys,
        /// Where the time comes from.
        "time" time: TimeKeys,
        /// Kernel parameters: those below `net.` are ours.
        "sysctls" sysctls: Table<String>,
    }
}

keys! {
    /// The network.
    pub struct NetworkKeys("machine.network") {
        /// The machine's name.
        "hostname" hostname: Hostname,
        /// The name servers, the first one asked first.
        "nameservers" nameservers: Vec<At<IpAddr>>,
        /// Where names without a dot are looked for.
        "searchDomains" search_domains: Vec<At<Hostname>>,
        /// Whether the machine's own domain is not searched.
        later "disableSearchDomain": bool,
        /// Rows of `/etc/hosts`.
        "extraHostEntries" extra_host_entries: Vec<HostKeys>,
        /// The links.
        "interfaces" interfaces: Vec<Interface>,
        /// A mesh of all machines of the cluster.
        later "kubespan": Any,
    }
}

keys! {
    /// Where the time comes from.
    pub struct TimeKeys("machine.time") {
        /// The servers: addresses or names.
        "servers" servers: Vec<At<TimeServer>>,
        /// Whether the clock is left alone.
        later "disabled": bool,
        /// How long the boot waits for the time; 0 waits for ever.
        later "bootTimeout": Duration,
    }
}

keys! {
    /// One row of `/etc/hosts`.
    pub struct HostKeys("host entry") {
        /// The address.
        required "ip" ip: IpAddr,
        /// Its names, at least one.
        "aliases" aliases: Vec<At<Hostname>>,
    }
}

keys! {
    /// One link.
    pub struct InterfaceKeys("interface") {
        /// The link; or `deviceSelector`.
        "interface" interface: LinkName,
        /// Whether the link is left alone, whatever else is said of it.
        later "ignore": bool,
        /// The link, by what it is.
        "deviceSelector" device_selector: Any,
        /// The addresses of the link.
        "addresses" addresses: Vec<At<LinkAddress>>,
        /// One address.
        later "cidr": Any,
        /// The routes out of the link.
        "routes" routes: Vec<NetworkRouteKeys>,
        /// The largest packet.
        "mtu" mtu: MtuOrKept,
        /// Whether DHCP runs on the link.
        "dhcp" dhcp: bool,
        /// How DHCP runs on the link.
        "dhcpOptions" dhcp_options: DhcpOptionKeys,
        /// Makes the link a dummy.
        later "dummy": Any,
        /// Makes the link a bond.
        later "bond": Any,
        /// Makes the link a bridge.
        later "bridge": Any,
        /// The link as the port of a bridge.
        later "bridgePort": Any,
        /// VLANs on the link.
        later "vlans": Any,
        /// Makes the link a WireGuard one.
        later "wireguard": Any,
        /// An address that moves between machines.
        later "vip": Any,
    }
}

keys! {
    /// A link that is left alone.
    pub struct IgnoredKeys("interface") open {
        /// The link.
        required "interface" interface: LinkName,
    }
}

keys! {
    /// How DHCP runs on a link.
    pub struct DhcpOptionKeys("dhcpOptions") {
        /// The metric of the routes of the lease; 0 leaves the usual one.
        "routeMetric" route_metric: u32,
        /// Whether DHCPv4 runs; true unless said otherwise.
        "ipv4" ipv4: bool,
        /// Whether DHCPv6 runs; false unless said otherwise.
        "ipv6" ipv6: bool,
        /// What the DHCPv6 client calls itself.
        later "duidv6": String,
    }
}

keys! {
    /// One route of a link.
    pub struct NetworkRouteKeys("route") whole {
        /// Where to; without it the default route of the gateway's family.
        "network" network: Prefix,
        ..via: ViaKeys,
    }
}

/// With a prefix length, or a bare address that stands for itself alone.
#[derive(Clone, Copy, Debug)]
pub struct LinkAddress(Prefix);

impl Scalar for LinkAddress {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let bare = || text.parse().ok().map(Prefix::host);
        let address = text.parse().ok().or_else(bare).map(Self);
        address.ok_or_else(|| "an address is written 192.0.2.1/24".into())
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"})
    }
}

/// One link of the older form.
#[derive(Clone, Debug)]
pub enum Interface {
    /// Left alone whatever else is said of it, so none of that is checked either.
    Ignored(IgnoredKeys),
    /// Set up. Boxed: it has many keys.
    Used(Box<InterfaceKeys>),
}

impl Shape for Interface {
    fn read(scope: &Scope<'_>, _key: &'static str, node: &Node) -> Option<Self> {
        if node.at("ignore").and_then(Node::truth) == Some(true) {
            scope.record(node).map(Self::Ignored)
        } else {
            scope.record(node).map(Box::new).map(Self::Used)
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({
            "if": {"required": ["ignore"], "properties": {"ignore": {"const": true}}},
            "then": IgnoredKeys::schema(schemas),
            "else": InterfaceKeys::schema(schemas),
        })
    }
}

/// Reads the document `node`; everything that is not about the network is left alone.
pub fn read(source: &Source<'_>, node: &Node, out: &mut Document) {
    let Some(machine) = read_top::<LegacyKeys>(source, node).and_then(|keys| keys.machine) else {
        return;
    };
    let machine = machine.value;
    if let Some(sysctls) = &machine.sysctls {
        let ours = |(name, _): &&(At<String>, At<String>)| name.starts_with("net.");
        if let Some((name, _)) = sysctls.0.iter().find(ours) {
            machine.later(source, name, "sysctls: net.*");
        }
    }
    if let Some(network) = machine.network {
        network.value.apply(source, out);
    }
    if let Some(time) = machine.time {
        time_sync::servers(time.value.servers, source, out);
    }
}

impl NetworkKeys {
    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let hostname = self.hostname.map(|name| name.said(source));
        out.hostnames.extend(hostname);
        let servers = self.nameservers.items().map(|server| server.said(source));
        out.nameservers.extend(servers);
        if let Some(domains) = self.search_domains {
            let domains = domains.value.into_iter();
            out.search_domains = Some(domains.map(|domain| domain.said(source)).collect());
        }
        for entry in self.extra_host_entries.items() {
            static_host::row(&entry, entry.ip.value, &entry.aliases, source, out);
        }
        for interface in self.interfaces.items() {
            match interface {
                Interface::Ignored(keys) => out.ignored_links.push(keys.interface.said(source)),
                Interface::Used(keys) => keys.apply(source, out),
            }
        }
    }
}

impl InterfaceKeys {
    fn apply(self, source: &Source<'_>, out: &mut Document) {
        if self.device_selector.is_some() {
            self.later(source, &self.device_selector, "deviceSelector");
        }
        let origin = self.origin(source);
        let Some(name) = &self.interface else {
            if self.device_selector.is_none() && !self.is_partial() {
                self.refuse(source, &self.interface, "interface must be given", None);
            }
            return;
        };
        let link = LinkRef::Name(name.value.clone());
        self.operators(&link, &origin, out);
        let mut config = LinkConfig::new(link.clone(), origin);
        config.mtu = link::mtu(self.mtu);
        out.links.push(config);
        for address in self.addresses.items() {
            let origin = source.origin(address.mark);
            out.addresses
                .push(AddressConfig::new(link.clone(), address.value.0, origin));
        }
        for route in self.routes.items() {
            route.via.apply(route.network, &link, source, out);
        }
    }

    /// The clients that run on `link`.
    fn operators(&self, link: &LinkRef, origin: &Origin, out: &mut Document) {
        let options = self.dhcp_options.as_ref();
        let said = |value: Option<At<bool>>, default| value.map_or(default, |said| said.value);
        let methods = [
            (
                options.is_none_or(|options| said(options.ipv4, true)),
                AutoMethod::Dhcp4,
            ),
            (
                options.is_some_and(|options| said(options.ipv6, false)),
                AutoMethod::Dhcp6,
            ),
        ];
        for (wanted, method) in methods {
            if wanted && said(self.dhcp, false) {
                let mut operator = OperatorConfig::new(link.clone(), method, origin.clone());
                // 0 stands for "not said" in this form.
                let metric = options.and_then(|options| options.route_metric);
                operator.metric = metric.map(|said| said.value).filter(|metric| *metric != 0);
                out.operators.push(operator);
            }
        }
    }
}
