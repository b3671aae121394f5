//! What an interface and a VLAN of the older form have both: addresses, routes, DHCP, a shared address.

use serde_json::{Value as Json, json};

use super::ports::Ports;
use super::vip::VipKeys;
use crate::config::machine::kinds::dhcp::Duid;
use crate::config::machine::kinds::link::{self, ViaKeys};
use crate::config::machine::record::{At, Items as _, Placed as _, Record};
use crate::config::machine::scalar::{MtuOrKept, Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{AddressConfig, AutoMethod, Document, LinkRef, OperatorConfig};
use crate::value::{LinkName, Mtu, Origin, Prefix};

keys! {
    /// The addresses of a link and what comes with them.
    pub struct AddressingKeys("interface") {
        /// The addresses of the link.
        "addresses" addresses: Vec<At<LinkAddress>>,
        /// One address; `addresses` has taken its place.
        "cidr" cidr: LinkAddress,
        /// The routes out of the link.
        "routes" routes: Vec<NetworkRouteKeys>,
        /// The largest packet.
        "mtu" mtu: MtuOrKept,
        /// Whether DHCP runs on the link.
        "dhcp" dhcp: bool,
        /// How DHCP runs on the link.
        "dhcpOptions" dhcp_options: DhcpOptionKeys,
        /// An address that moves between machines.
        "vip" vip: VipKeys,
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
        "duidv6" duidv6: HexDuid,
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

/// A DUID as hexadecimal digits, with or without `:` between the bytes.
#[derive(Clone, Debug)]
pub struct HexDuid(Duid);

impl Scalar for HexDuid {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let bare = |text: &str| {
            let digits: Vec<char> = text.chars().collect();
            let pairs: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
            pairs.join(":")
        };
        match text.contains(':') {
            true => Duid::read(node, text).map(Self),
            false => Duid::read(node, &bare(text)).map(Self),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){2,129}$"})
    }
}

impl AddressingKeys {
    /// The MTU that is to be set.
    pub fn mtu(&self) -> Option<Mtu> {
        link::mtu(self.mtu)
    }

    /// What is said of `link`. A port of a bond or bridge has no addresses of its own: `name` is looked for in `ports`.
    pub fn apply(
        self,
        link: &LinkRef,
        name: Option<&LinkName>,
        ports: &Ports,
        worker: bool,
        source: &Source<'_>,
        out: &mut Document,
    ) {
        if let Some((master, mark)) = name.and_then(|name| ports.master(name))
            && self.refuse_on_port(master, mark.line, source)
        {
            return;
        }
        self.run_clients(link, &self.origin(source), out);
        if self.cidr.is_some() && self.addresses.is_some() {
            let rule = "cidr and addresses exclude each other";
            self.refuse_value(source, &self.cidr, rule, Some("move it to addresses"));
        } else if let Some(cidr) = &self.cidr {
            self.warn(source, cidr, "cidr is old", Some("write addresses: [ … ]"));
            out.addresses
                .push(cidr.value.on(link, source.origin(cidr.mark)));
        }
        for address in self.addresses.items() {
            let origin = source.origin(address.mark);
            out.addresses.push(address.value.on(link, origin));
        }
        for route in self.routes.items() {
            if route.network.is_none() && route.via.gateway.is_none() {
                route.refuse(
                    source,
                    &route.network,
                    "network or gateway must be given",
                    None,
                );
            } else {
                route.via.apply(route.network, link, source, out);
            }
        }
        if let Some(vip) = self.vip {
            vip.value.apply(link, worker, source, out);
        }
    }

    /// Reports what a port cannot have, and whether there is any of it.
    fn refuse_on_port(&self, master: &LinkName, line: usize, source: &Source<'_>) -> bool {
        let dhcp = self.dhcp.filter(|dhcp| dhcp.value);
        let found: Vec<_> = [
            ("dhcp", dhcp.place()),
            ("cidr", self.cidr.place()),
            (
                "addresses",
                self.addresses
                    .as_ref()
                    .filter(|list| !list.is_empty())
                    .map(|list| list.mark),
            ),
            ("vip", self.vip.place()),
        ]
        .into_iter()
        .filter_map(|(key, place)| Some((key, place?)))
        .collect();
        for (key, place) in &found {
            let rule = format!("a port of {master} (line {line}) has no {key} of its own");
            self.refuse_value(source, place, &rule, Some(&format!("move it to {master}")));
        }
        !found.is_empty()
    }

    /// The clients that run on `link`.
    fn run_clients(&self, link: &LinkRef, origin: &Origin, out: &mut Document) {
        if !self.dhcp.is_some_and(|dhcp| dhcp.value) {
            return;
        }
        let options = self.dhcp_options.as_ref();
        let said = |value: Option<At<bool>>, default| value.map_or(default, |said| said.value);
        let v4 = options.is_none_or(|options| said(options.ipv4, true));
        let v6 = options.is_some_and(|options| said(options.ipv6, false));
        for (wanted, method) in [(v4, AutoMethod::Dhcp4), (v6, AutoMethod::Dhcp6)] {
            if wanted {
                let mut operator = OperatorConfig::new(link.clone(), method, origin.clone());
                // 0 stands for "not said" in this form.
                let metric = options.and_then(|options| options.route_metric);
                operator.metric = metric.map(|said| said.value).filter(|metric| *metric != 0);
                if method == AutoMethod::Dhcp6 {
                    let duid = options.and_then(|options| options.duidv6.as_ref());
                    operator.duid = duid.map(|duid| duid.value.0.bytes().to_vec());
                }
                out.operators.push(operator);
            }
        }
    }
}

impl LinkAddress {
    fn on(self, link: &LinkRef, origin: Origin) -> AddressConfig {
        AddressConfig::new(link.clone(), self.0, origin)
    }
}
