//! Routes: is there a way out, is it ours, and does the gateway answer?

use super::finding::Finding;
use super::probe::Gateway;
use super::scene::{Scene, name};
use crate::run::wanted::WantedRoute;
use crate::state::{Family, OUR_PROTOCOL, RouteStatus, Scope};
use crate::value::{RouteKind, RouteTable};

/// RTNH_F_ONLINK, include/uapi/linux/rtnetlink.h.
const ON_LINK: u32 = 4;

/// RTPROT_RA: default routes by router advertisements; several routers in one network are the plan there.
const ROUTER_ADVERTISEMENT: u8 = 9;

/// Most missing routes that are told: the first ones have the reason of all.
const MAX_MISSING: usize = 8;

pub fn fine(scene: &Scene) -> String {
    let best = scene.defaults(Family::Inet4).into_iter();
    let best = best.chain(scene.defaults(Family::Inet6)).next();
    let Some(best) = best else {
        return "what is declared is there".into();
    };
    let link = name(best.out_link_name.as_ref());
    match best.gateway {
        Some(gateway) => format!("default via {gateway} dev {link}, which answers"),
        None => format!("default dev {link}"),
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    let mut found = missing(scene);
    found.extend(no_default(scene));
    for family in [Family::Inet4, Family::Inet6] {
        let defaults = scene.defaults(family);
        found.extend(foreign(&defaults));
        found.extend(equal(&defaults));
        found.extend(defaults.iter().filter_map(|route| off_link(scene, route)));
    }
    found.extend(scene.answers.gateways.iter().filter_map(silent));
    found.extend(reverse_path(scene));
    let unasked = scene.answers.unasked.iter();
    found.extend(unasked.map(|(id, error)| Finding::note(id, format!("not asked: {error}"))));
    found
}

fn id(route: &RouteStatus) -> String {
    crate::run::facts::route_id(route)
}

fn shown(dst: Option<crate::value::Prefix>) -> String {
    dst.map_or_else(|| "default".to_owned(), |dst| dst.to_string())
}

fn missing(scene: &Scene) -> Vec<Finding> {
    let there = |wanted: &&WantedRoute| {
        !scene.observed.routes.iter().any(|route| {
            route.family == wanted.family
                && route.table == wanted.table
                && route.dst == wanted.dst
                && route.priority == metric(wanted)
                && (route.gateway == wanted.gateway || wanted.gateway.is_none())
        })
    };
    let absent = scene.wanted.routes.iter().filter(there);
    absent
        .take(MAX_MISSING)
        .map(|wanted| absence(scene, wanted))
        .collect()
}

/// The metric that the kernel gives it: IPv6 has none of 0 (IP6_RT_PRIO_USER, include/net/ip6_route.h).
fn metric(wanted: &WantedRoute) -> u32 {
    match (wanted.family, wanted.priority) {
        (Family::Inet6, 0) => 1024,
        (_, metric) => metric,
    }
}

fn absence(scene: &Scene, wanted: &WantedRoute) -> Finding {
    let dst = shown(wanted.dst);
    let finding = Finding::error(
        wanted.id.as_str(),
        format!("the declared route to {dst} is not there"),
    );
    let link = wanted.out_link_name.as_ref();
    if let Some(link) = link
        && !scene.live_links().any(|there| there.name == *link)
    {
        return finding
            .why(format!(
                "{link} is down or without carrier: the kernel takes no route by it"
            ))
            .fix(format!("see {link} under links"));
    }
    if let Some(gateway) = wanted.gateway
        && !reaches(scene, gateway, None)
        && wanted.kind == RouteKind::Unicast
    {
        return finding
            .why(format!(
                "its gateway {gateway} is in no network of this machine"
            ))
            .fix("onLink: true of the route, or a prefix of the address that holds the gateway");
    }
    let finding = match scene.failure(&["route", &dst]) {
        Some(words) => finding.why(format!("the kernel refuses it: {words}")),
        None => finding.why("somebody removed it, and nobody put it back"),
    };
    let mut command = format!("ip route add {dst}");
    if let Some(gateway) = wanted.gateway {
        command.push_str(&format!(" via {gateway}"));
    }
    if let Some(link) = link {
        command.push_str(&format!(" dev {link}"));
    }
    finding.fix(format!("{command}, or init-net apply"))
}

/// Whether a route of the kernel's or of anybody leads to `gateway` without another gateway.
fn reaches(scene: &Scene, gateway: core::net::IpAddr, link: Option<u32>) -> bool {
    let on_link = scene.observed.routes.iter().any(|route| {
        route.gateway.is_none()
            && route.next_hops.is_empty()
            && route.kind == RouteKind::Unicast
            && link.is_none_or(|index| index == route.out_link_index)
            && route.dst.is_some_and(|dst| dst.contains(gateway))
    });
    let peer = scene.observed.addresses.iter().any(|address| {
        address.peer == Some(gateway) && link.is_none_or(|index| index == address.link_index)
    });
    on_link || peer || is_link_local(gateway)
}

fn is_link_local(address: core::net::IpAddr) -> bool {
    matches!(address, core::net::IpAddr::V6(a) if a.is_unicast_link_local())
}

fn no_default(scene: &Scene) -> Option<Finding> {
    let families = [Family::Inet4, Family::Inet6];
    if families.iter().any(|f| !scene.defaults(*f).is_empty()) {
        return None;
    }
    let wanted = families.iter().any(|f| scene.wanted.wants_default(*f));
    let has_address = scene.observed.addresses.iter();
    let has_address = has_address.clone().any(|a| a.scope == Scope::Global);
    let fix = match has_address {
        true => "routes: [{gateway: 192.0.2.1}] of the link, or rd.route=, or ip= with a gateway",
        false => "there is no address either: see addresses and links",
    };
    // A machine for one network alone may be meant so.
    Some(
        Finding::error_if(
            wanted || scene.answers.online.is_some(),
            "default",
            "no default route",
        )
        .why("only hosts in the networks of this machine can be reached")
        .fix(fix),
    )
}

/// A default route of somebody else that stands before ours.
fn foreign(defaults: &[&RouteStatus]) -> Option<Finding> {
    let ours = defaults.iter().find(|r| r.protocol == OUR_PROTOCOL)?;
    let theirs = defaults
        .iter()
        .find(|r| r.protocol != OUR_PROTOCOL && r.priority < ours.priority)?;
    let link = name(theirs.out_link_name.as_ref());
    let via = theirs
        .gateway
        .map_or_else(String::new, |g| format!("via {g} "));
    let family = match theirs.family {
        Family::Inet4 => "",
        Family::Inet6 => "-6 ",
    };
    Some(
        Finding::error(
            id(theirs),
            format!(
                "a default route of somebody else ({}) stands before ours",
                origin(theirs.protocol)
            ),
        )
        .why(format!(
            "metric {} by {link} is below the {} of ours by {}: everything leaves that way",
            theirs.priority,
            ours.priority,
            name(ours.out_link_name.as_ref()),
        ))
        .fix(format!(
            "ip {family}route del default {via}dev {link} metric {}, and stop who made it",
            theirs.priority
        )),
    )
}

/// Who makes routes of this protocol, RTPROT_* of rtnetlink.h and rt_protos of iproute2.
fn origin(protocol: u8) -> String {
    match protocol {
        2 => "the kernel".into(),
        3 => "by hand, protocol boot".into(),
        4 => "protocol static".into(),
        9 => "a router advertisement".into(),
        12 => "bird".into(),
        16 => "a DHCP client".into(),
        186 => "BGP".into(),
        other => format!("protocol {other}"),
    }
}

fn equal(defaults: &[&RouteStatus]) -> Option<Finding> {
    let pairs = defaults.windows(2);
    let mut clashes = pairs.filter_map(|pair| match pair {
        [one, other]
            if one.priority == other.priority
                && (one.protocol, other.protocol)
                    != (ROUTER_ADVERTISEMENT, ROUTER_ADVERTISEMENT) =>
        {
            Some((*one, *other))
        }
        _ => None,
    });
    let (one, other) = clashes.next()?;
    let links = [one, other].map(|route| name(route.out_link_name.as_ref()));
    Some(
        Finding::warning(
            id(one),
            format!("two default routes with metric {}", one.priority),
        )
        .why(format!(
            "which of {} and {} is taken depends on the order in which they came",
            links[0], links[1]
        ))
        .fix("another metric: for one of the two"),
    )
}

fn off_link(scene: &Scene, route: &RouteStatus) -> Option<Finding> {
    let gateway = route.gateway?;
    let known = route.flags & ON_LINK != 0
        || !route.next_hops.is_empty()
        || reaches(scene, gateway, Some(route.out_link_index));
    if known {
        return None;
    }
    let link = name(route.out_link_name.as_ref());
    Some(
        Finding::error(
            id(route),
            format!("its gateway {gateway} is in no network of {link}"),
        )
        .why("its network went away: the route stays, and the next change of it will fail")
        .fix("an address whose prefix holds the gateway, or onLink: true of the route"),
    )
}

/// A gateway that does not answer for its address.
fn silent(gateway: &Gateway) -> Option<Finding> {
    if gateway.answered {
        return None;
    }
    let (link, address) = (&gateway.link, gateway.address);
    let asked = match address.is_ipv4() {
        true => "ARP",
        false => "neighbour discovery",
    };
    Some(
        Finding::error(
            format!("{link}/{address}"),
            format!("the gateway does not answer {asked}"),
        )
        .why("nothing beyond this network can be reached")
        .fix(format!(
            "is it on, in this VLAN, and its address right? `tcpdump -ni {link} host {address}`"
        )),
    )
}

/// Strict reverse path filters where packets may come in by the second of two ways.
fn reverse_path(scene: &Scene) -> Vec<Finding> {
    let defaults = scene.defaults(Family::Inet4);
    let Some((best, others)) = defaults.split_first() else {
        return Vec::new();
    };
    let strict = |link: &str| {
        let value = |link| scene.sysctl("ipv4", link, "rp_filter")?.parse::<u8>().ok();
        // The larger of the two counts (ip-sysctl of the kernel).
        value(link).max(value("all")) == Some(1)
    };
    let other = others.iter().find(|route| {
        route.out_link_index != best.out_link_index
            && route.table == RouteTable::MAIN
            && strict(name(route.out_link_name.as_ref()))
    });
    let told =
        other.map(|route| {
            let link = name(route.out_link_name.as_ref());
            let first = name(best.out_link_name.as_ref());
            Finding::warning(link, "strict reverse path filter on a second way out")
            .why(format!(
                "what comes in by {link} from afar is dropped, since answers would leave by {first}"
            ))
            .fix(format!("rpFilter: loose of {link}, or a routing rule by source"))
        });
    told.into_iter().collect()
}
