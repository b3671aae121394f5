//! `LinkConfig`, and the keys that every kind of link shares.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::machine::reader::Reader;
use crate::config::{AddressConfig, Document, LinkConfig, LinkRef, RouteConfig};
use crate::value::{LinkName, Mtu, Prefix, RouteTable};

/// Settings of a link that exists, or that something else makes.
pub fn read(mut reader: Reader<'_>, out: &mut Document) {
    if let Some(name) = reader.required::<LinkName>("name") {
        shared(&mut reader, LinkRef::Name(name.value), out);
    } else {
        for key in ["up", "mtu", "multicast", "addresses", "routes"] {
            reader.node(key);
        }
    }
    reader.finish();
}

/// `up`, `mtu`, `addresses`, `routes`: in every kind of link.
pub fn shared(reader: &mut Reader<'_>, link: LinkRef, out: &mut Document) {
    let mut config = LinkConfig::new(link.clone(), reader.origin());
    config.up = reader.value::<bool>("up");
    config.mtu = mtu(reader);
    reader.later("multicast");
    out.links.push(config);
    for mut item in reader.mappings("addresses", "address") {
        item = item.all_or_nothing();
        let address = item.required::<Prefix>("address");
        let priority = item.optional::<u32>("routePriority");
        if let Some(address) = &address
            && address.value.address().is_unspecified()
        {
            item.refuse(
                "address",
                "0.0.0.0 and :: are not addresses of a link",
                None,
            );
        }
        if item.finish()
            && let Some(address) = address
        {
            out.addresses.push(AddressConfig {
                priority: priority.map(|said| said.value),
                ..AddressConfig::new(link.clone(), address.value, address.origin)
            });
        }
    }
    for item in reader.mappings("routes", "route") {
        route(item, "destination", &link, out);
    }
}

/// `mtu`, where 0 leaves what is there.
pub fn mtu(reader: &mut Reader<'_>) -> Option<Mtu> {
    let zero = reader
        .node("mtu")
        .is_some_and(|node| node.text() == Some("0"));
    if zero {
        None
    } else {
        reader.value::<Mtu>("mtu")
    }
}

/// One route, whose destination is at `destination` (`network` in the older form).
pub fn route(reader: Reader<'_>, destination: &'static str, link: &LinkRef, out: &mut Document) {
    let mut reader = reader.all_or_nothing();
    let mut to = reader.value::<Prefix>(destination);
    let gateway = reader.value::<IpAddr>("gateway");
    let source = reader.value::<IpAddr>("source");
    let metric = reader.value::<u32>("metric");
    let table = reader.value::<RouteTable>("table");
    let mtu = mtu(&mut reader);
    if gateway.is_some_and(|address| address.is_unspecified()) {
        reader.refuse(
            "gateway",
            "a gateway is not 0.0.0.0 or ::",
            Some("leave it out for an on-link route"),
        );
    }
    if source.is_some_and(|address| address.is_unspecified()) {
        reader.refuse("source", "a source is not 0.0.0.0 or ::", None);
    }
    let v4 = [
        to.map(|to| to.is_ipv4()),
        gateway.map(|g| g.is_ipv4()),
        source.map(|s| s.is_ipv4()),
    ];
    if v4.contains(&Some(true)) && v4.contains(&Some(false)) {
        reader.refuse(
            destination,
            "destination, gateway and source are of one family",
            None,
        );
    }
    if to.is_none() && gateway.is_none() {
        // The default route through the device; with nothing that tells the family, IPv4.
        let any: IpAddr = match source {
            Some(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            Some(IpAddr::V4(_)) | None => Ipv4Addr::UNSPECIFIED.into(),
        };
        to = Prefix::new(any, 0).ok();
    }
    let origin = reader.origin();
    if reader.finish() {
        out.routes.push(RouteConfig {
            source,
            metric,
            table,
            mtu,
            ..RouteConfig::new(Some(link.clone()), to, gateway, origin)
        });
    }
}
