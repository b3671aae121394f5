//! What is in force without a rule: what a machine needs to have addresses, neighbours and connections at all.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lower::{family_is, protocol_is, rule};
use super::ranges;
use super::sets::{Sets, is};
use crate::state::nft::{DEFAULT_ACTION, Datum, Field, Limit, Match, Rule, Test, Verdict, ct};
use crate::state::{Family, FirewallSpec, IngressSpec, PodsToHostSpec};
use crate::value::{LinkName, LinkPattern, PortRange, Prefix, Protocol};

/// Links of which everything is let in (the field's): loopback, and the two tunnels whose peers are known by their keys.
const TRUSTED: [&str; 3] = ["lo", "siderolink", "kubespan"];

/// ICMP messages a second, of each family, that no rule is about: the monitors of a large site, each of which sends one a
/// second, are answered, and a flood is not. Flows that conntrack knows are not counted, nor is what a host cannot do without.
const ICMP_RATE: u64 = 50;

/// ICMP messages at once: a second's worth.
const ICMP_BURST: u32 = 50;

/// IPPROTO_IGMP and the protocol of VRRP (RFC 9568 §5.1.1.4).
const IGMP: u8 = 2;
const VRRP: u8 = 112;

/// RTN_LOCAL, include/uapi/linux/rtnetlink.h.
const RTN_LOCAL: u32 = 2;

/// `fe80::/10`.
const LINK_LOCAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

/// What is on a trusted link.
pub(super) fn trusted(spec: &FirewallSpec, field: Field, sets: &mut Sets) -> Vec<Rule> {
    let field_s = TRUSTED
        .into_iter()
        .filter_map(|name| name.parse::<LinkName>().ok());
    let mut links: Vec<LinkPattern> = field_s.map(LinkPattern::from).collect();
    links.extend(spec.trusted_links.iter().cloned());
    let matches = sets.links(field, &links, "trusted");
    let rules = matches.into_iter();
    rules
        .map(|link| rule(vec![link], Verdict::Accept, "trusted links"))
        .collect()
}

/// What no host can do without: never limited, and before conntrack is asked, which calls some of it invalid (RFC 4890
/// §4.4.1; RFC 792 for IPv4).
pub(super) fn neighbours(sets: &mut Sets) -> Vec<Rule> {
    let mut icmp6 = |types: &[(u8, u8)], hops: Option<u8>, name: &str, comment: &str| {
        let mut matches = vec![family_is(Family::Inet6), protocol_is(Protocol::Icmpv6)];
        matches.push(sets.icmp_types(Family::Inet6, types, name));
        // Who is further away than the next router cannot have it (RFC 4861 §6.1, RFC 2710 §3, RFC 4286 §3).
        matches.extend(
            hops.map(|hops| is(Field::HopLimit(Family::Inet6), Test::Eq(Datum::byte(hops)))),
        );
        rule(matches, Verdict::Accept, comment)
    };
    // Neighbours and routers, the inverse of it (RFC 3122), and certificates (SEND, RFC 3971).
    let discovery = icmp6(
        &[(133, 136), (141, 142), (148, 149)],
        Some(255),
        "neighbours",
        "neighbour discovery",
    );
    // Listeners, and multicast routers (RFC 4286).
    let listeners = icmp6(
        &[(130, 132), (143, 143), (151, 153)],
        Some(1),
        "listeners",
        "multicast listeners",
    );
    let too_big = icmp6(&[(2, 2)], None, "too-big", "packet too big");
    let v4 = Family::Inet4;
    let needed = vec![
        family_is(v4),
        protocol_is(Protocol::Icmp),
        is(Field::IcmpType(v4), Test::Eq(Datum::byte(3))),
        is(Field::IcmpCode(v4), Test::Eq(Datum::byte(4))),
    ];
    let igmp = vec![
        family_is(v4),
        is(Field::L4Proto, Test::Eq(Datum::byte(IGMP))),
        network(Field::Daddr(v4), Ipv4Addr::new(224, 0, 0, 0).into(), 4),
    ];
    vec![
        discovery,
        listeners,
        too_big,
        rule(needed, Verdict::Accept, "fragmentation needed"),
        rule(igmp, Verdict::Accept, "multicast listeners"),
    ]
}

/// What belongs to a connection that was let through.
pub(super) fn established() -> Rule {
    let state = Test::AnyOf(ct::ESTABLISHED | ct::RELATED);
    rule(
        vec![is(Field::CtState, state)],
        Verdict::Accept,
        "established connections",
    )
}

/// What belongs to none and begins none.
pub(super) fn invalid() -> Rule {
    let state = Test::AnyOf(ct::INVALID);
    rule(
        vec![is(Field::CtState, state)],
        Verdict::Drop,
        "invalid packets",
    )
}

/// What is TCP or UDP, and let in without a rule; in both chains.
pub(super) fn services(spec: &FirewallSpec, sets: &mut Sets) -> Vec<Rule> {
    // A server answers a renewal after T2 to an address that it was not asked at: conntrack does not know the answer.
    let mut dhcp4 = vec![family_is(Family::Inet4), protocol_is(Protocol::Udp)];
    dhcp4.push(is(Field::Sport, Test::Eq(Datum::port(67))));
    dhcp4.push(is(Field::Dport, Test::Eq(Datum::port(68))));
    // A client asks from its link-local address and is answered there (RFC 8415 §18.2, §18.3.10), by a server that may answer
    // from any address of its own. No router passes such a packet on.
    let mut dhcp6 = vec![family_is(Family::Inet6), protocol_is(Protocol::Udp)];
    dhcp6.push(is(Field::Dport, Test::Eq(Datum::port(546))));
    let (address, len) = LINK_LOCAL;
    dhcp6.push(network(Field::Daddr(Family::Inet6), address.into(), len));
    let mut rules = vec![
        rule(dhcp4, Verdict::Accept, "DHCP replies"),
        rule(dhcp6, Verdict::Accept, "DHCP replies"),
    ];
    rules.extend(cluster(spec, sets));
    rules
}

/// What pods and services send to each other and to this machine.
fn cluster(spec: &FirewallSpec, sets: &mut Sets) -> Vec<Rule> {
    let mut rules = Vec::new();
    for family in [Family::Inet4, Family::Inet6] {
        let inside = |field, sets: &mut Sets, prefixes: &[Prefix], name: &str| {
            let subnets: Vec<IngressSpec> = prefixes.iter().map(|subnet| whole(*subnet)).collect();
            let ranges = ranges::of(&subnets, family)?;
            Some(sets.addresses(field, family, &ranges, false, name))
        };
        let own = &spec.cluster_subnets;
        let from = inside(Field::Saddr(family), sets, own, "cluster");
        let to = inside(Field::Daddr(family), sets, own, "cluster");
        if let (Some(from), Some(to)) = (from, to) {
            let matches = vec![family_is(family), from, to];
            rules.push(rule(matches, Verdict::Accept, "pods and services"));
        }
        let Some(PodsToHostSpec { subnets, ports }) = &spec.pods_to_host else {
            continue;
        };
        let Some(from) = inside(Field::Saddr(family), sets, subnets, "pods") else {
            continue;
        };
        let Some(ports) = ports else {
            let matches = vec![family_is(family), from];
            rules.push(rule(matches, Verdict::Accept, "pods to this machine"));
            continue;
        };
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let own = ports.iter().filter(|port| port.protocol == protocol);
            let own: Vec<PortRange> = own.map(|port| port.ports).collect();
            if own.is_empty() {
                continue;
            }
            let mut matches = vec![protocol_is(protocol)];
            let merged = crate::state::merged_ports(own);
            if !merged.is_empty() {
                matches.push(sets.ports(&merged, &format!("pods-{protocol}")));
            }
            matches.extend([family_is(family), from.clone()]);
            rules.push(rule(matches, Verdict::Accept, "pods to this machine"));
        }
    }
    rules
}

/// VRRP: to its group from anybody on the link, or from the peers alone and then to this machine, too (RFC 9568 §5.1.1.3:
/// who is on the link has the hop limit).
pub(super) fn vrrp(spec: &FirewallSpec, sets: &mut Sets) -> Vec<Rule> {
    let Some(vrrp) = &spec.vrrp else {
        return Vec::new();
    };
    let peers: Vec<IngressSpec> = vrrp.peers.iter().map(|peer| whole(*peer)).collect();
    let mut rules = Vec::new();
    for (family, group) in [
        (Family::Inet4, IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18))),
        (
            Family::Inet6,
            IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
        ),
    ] {
        let mut matches = vec![
            family_is(family),
            is(Field::L4Proto, Test::Eq(Datum::byte(VRRP))),
            is(Field::HopLimit(family), Test::Eq(Datum::byte(255))),
        ];
        if peers.is_empty() {
            matches.push(is(Field::Daddr(family), Test::Eq(Datum::address(group))));
        } else if let Some(ranges) = ranges::of(&peers, family) {
            let from = Field::Saddr(family);
            matches.push(sets.addresses(from, family, &ranges, false, "vrrp-peers"));
        } else {
            continue;
        }
        rules.push(rule(matches, Verdict::Accept, "VRRP"));
    }
    rules
}

/// VRRP that this machine sends.
pub(super) fn vrrp_out(spec: &FirewallSpec) -> Option<Rule> {
    spec.vrrp.as_ref()?;
    let matches = vec![is(Field::L4Proto, Test::Eq(Datum::byte(VRRP)))];
    Some(rule(matches, Verdict::Accept, "VRRP"))
}

/// What tells strangers the clock and the netmask (CVE-1999-0524).
pub(super) fn curious(sets: &mut Sets) -> Rule {
    let family = Family::Inet4;
    let types = sets.icmp_types(family, &[(13, 14), (17, 18)], "curious");
    let matches = vec![family_is(family), protocol_is(Protocol::Icmp), types];
    rule(matches, Verdict::Drop, "ICMP timestamps and masks")
}

/// All other ICMP, so much of it.
pub(super) fn messages() -> Vec<Rule> {
    let limited = |family, protocol, comment| Rule {
        limit: Some(Limit {
            rate: ICMP_RATE,
            unit: 1,
            burst: ICMP_BURST,
        }),
        ..rule(
            vec![family_is(family), protocol_is(protocol)],
            Verdict::Accept,
            comment,
        )
    };
    vec![
        limited(Family::Inet4, Protocol::Icmp, "ICMP"),
        limited(Family::Inet6, Protocol::Icmpv6, "ICMPv6"),
    ]
}

/// What is not for this machine, or for many, is none of the business of the chain before routing.
pub(super) fn elsewhere() -> Rule {
    let other = Test::Ne(Datum::word(RTN_LOCAL));
    // An address of a link in a VRF is known by the link alone, one of another link by all links together.
    let matches = vec![
        is(Field::DaddrType, other),
        is(Field::DaddrTypeByIif, other),
    ];
    rule(matches, Verdict::Accept, "not for this machine")
}

/// That a packet is for an address of this machine.
pub(super) fn is_local() -> Match {
    is(Field::DaddrType, Test::Eq(Datum::word(RTN_LOCAL)))
}

/// That the chain before routing saw a packet with this destination: one that was for elsewhere until NAT, it did not judge.
pub(super) fn is_as_sent() -> Match {
    is(Field::CtStatus, Test::NoneOf(ct::DNAT))
}

/// What begins a connection that nothing let in: dropped where its port is still the one it was sent to.
pub(super) fn unwanted() -> Vec<Rule> {
    let begins = |protocol| {
        let matches = vec![protocol_is(protocol), super::lower::is_new()];
        rule(matches, Verdict::Drop, DEFAULT_ACTION)
    };
    vec![begins(Protocol::Tcp), begins(Protocol::Udp)]
}

/// What goes out so that this machine gets its addresses, and reaches its pods.
pub(super) fn outgoing(spec: &FirewallSpec, sets: &mut Sets) -> Vec<Rule> {
    let request = |family, port| {
        let matches = vec![
            family_is(family),
            protocol_is(Protocol::Udp),
            is(Field::Dport, Test::Eq(Datum::port(port))),
        ];
        rule(matches, Verdict::Accept, "DHCP requests")
    };
    let mut rules = vec![request(Family::Inet4, 67), request(Family::Inet6, 547)];
    let subnets: Vec<IngressSpec> = spec.cluster_subnets.iter().map(|s| whole(*s)).collect();
    for family in [Family::Inet4, Family::Inet6] {
        if let Some(ranges) = ranges::of(&subnets, family) {
            let to = sets.addresses(Field::Daddr(family), family, &ranges, false, "cluster");
            let matches = vec![family_is(family), to];
            rules.push(rule(matches, Verdict::Accept, "pods and services"));
        }
    }
    rules
}

fn whole(subnet: Prefix) -> IngressSpec {
    IngressSpec {
        subnet,
        except: None,
    }
}

/// That an address is in a network, whose length is right.
fn network(field: Field, address: IpAddr, len: u8) -> Match {
    let prefix = Prefix::new(address, len).unwrap_or(Prefix::host(address));
    is(field, Test::Inside(prefix))
}
