//! The older form: one document with `machine` and `cluster`. Of it `machine.network` and `machine.time` are read.

use core::net::IpAddr;

use super::kinds::{link, static_host, time_sync};
use super::reader::Reader;
use super::source::Source;
use super::tree::Node;
use crate::config::{
    AddressConfig, AutoMethod, Document, LinkConfig, LinkRef, OperatorConfig, Said,
};
use crate::value::{Hostname, LinkName, Prefix};

/// Reads the document `node`; everything that is not about the network is left alone.
pub fn read(source: &Source<'_>, node: &Node, out: &mut Document) {
    let Some(machine) = node.at("machine") else {
        return;
    };
    if let Some(network) = machine.at("network")
        && let Some(reader) = Reader::new(source, network, "machine.network")
    {
        read_network(reader, out);
    }
    if let Some(time) = machine.at("time")
        && let Some(mut reader) = Reader::new(source, time, "machine.time")
    {
        time_sync::servers(&mut reader, out);
        reader.later("disabled");
        reader.later("bootTimeout");
        reader.finish();
    }
}

fn read_network(mut reader: Reader<'_>, out: &mut Document) {
    out.hostnames
        .extend(reader.optional::<Hostname>("hostname"));
    let servers = reader.scalars::<IpAddr>("nameservers").unwrap_or_default();
    out.nameservers.extend(servers);
    if let Some(domains) = reader.scalars::<Hostname>("searchDomains") {
        out.search_domains = Some(domains);
    }
    reader.later("disableSearchDomain");
    for mut entry in reader.mappings("extraHostEntries", "host entry") {
        let address = entry.required::<IpAddr>("ip").map(|said| said.value);
        static_host::row(&mut entry, "aliases", address, out);
        entry.finish();
    }
    for interface in reader.mappings("interfaces", "interface") {
        read_interface(interface, out);
    }
    reader.later("kubespan");
    reader.finish();
}

/// Keys of an interface that later parts of the configuration will read.
const LATER: [&str; 9] = [
    "deviceSelector",
    "dummy",
    "bond",
    "bridge",
    "bridgePort",
    "vlans",
    "wireguard",
    "vip",
    "cidr",
];

fn read_interface(mut reader: Reader<'_>, out: &mut Document) {
    for key in LATER {
        reader.later(key);
    }
    let name = if reader.node("deviceSelector").is_some() {
        reader.optional::<LinkName>("interface")
    } else {
        reader.required::<LinkName>("interface")
    };
    let known = [
        "ignore",
        "mtu",
        "addresses",
        "routes",
        "dhcp",
        "dhcpOptions",
    ];
    let Some(name) = name else {
        for key in known {
            reader.node(key);
        }
        reader.finish();
        return;
    };
    let link = LinkRef::Name(name.value.clone());
    if reader
        .optional::<bool>("ignore")
        .is_some_and(|said| said.value)
    {
        // The link is left alone whatever else is said of it, so none of it is checked either.
        out.ignored_links.push(Said::new(name.value, name.origin));
        return;
    }
    let mut config = LinkConfig::new(link.clone(), reader.origin());
    config.mtu = link::mtu(&mut reader);
    out.links.push(config);
    for said in reader.scalars::<String>("addresses").unwrap_or_default() {
        match parse_address(&said.value) {
            Some(address) => {
                out.addresses
                    .push(AddressConfig::new(link.clone(), address, said.origin))
            }
            None => reader.refuse("addresses", "an address is written 192.0.2.1/24", None),
        }
    }
    for route in reader.mappings("routes", "route") {
        link::route(route, "network", &link, out);
    }
    let dhcp = reader
        .optional::<bool>("dhcp")
        .is_some_and(|said| said.value);
    let mut families = (true, false);
    let mut metric = None;
    if let Some(mut options) = reader.mapping("dhcpOptions", "dhcpOptions") {
        metric = options
            .optional::<u32>("routeMetric")
            .map(|said| said.value);
        let said = |said: Option<Said<bool>>, default| said.map_or(default, |said| said.value);
        families = (
            said(options.optional("ipv4"), true),
            said(options.optional("ipv6"), false),
        );
        options.later("duidv6");
        options.finish();
    }
    let methods = [
        (families.0, AutoMethod::Dhcp4),
        (families.1, AutoMethod::Dhcp6),
    ];
    for (wanted, method) in methods {
        if dhcp && wanted {
            let mut operator = OperatorConfig::new(link.clone(), method, reader.origin());
            // 0 stands for "not said" in this form.
            operator.metric = metric.filter(|metric| *metric != 0);
            out.operators.push(operator);
        }
    }
    reader.finish();
}

/// With a prefix length, or a bare address that stands for itself alone.
fn parse_address(text: &str) -> Option<Prefix> {
    let bare = || text.parse().ok().map(Prefix::host);
    text.parse().ok().or_else(bare)
}
