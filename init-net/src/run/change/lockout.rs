//! Who would be locked out by a firewall: flows that the one in force lets through and the next one does not. Judged as new
//! connections: what is established goes on, and does not come back when it breaks.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::platform::{Known, PLATFORMS, base_urls};
use crate::plan::forecast::packet::{Destination, Outcome, Packet, Payload, decide};
use crate::proto::http::Url;
use crate::run::reachable::{ANYWHERE, Lenient, any_link, edges};
use crate::state::nft::{Table, ct};
use crate::state::{Desired, OUR_GROUP, Observed, OperatorKind, Scope};
use crate::value::{LinkName, Protocol};

/// Links by which others are tried to come in.
const MAX_LINKS: usize = 16;

/// An address of a link, as every one has it.
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

/// Where clouds have their metadata service of which nothing else is known.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Ports of DHCPv4 and DHCPv6, client and server (RFC 2131 §4.1, RFC 8415 §7.2).
const DHCP4: (u16, u16) = (68, 67);
const DHCP6: (u16, u16) = (546, 547);

/// `ff02::1:2`, all servers and relay agents of DHCPv6 (RFC 8415 §7.1).
const DHCP6_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// Something that people count on, packet by packet.
struct Flow {
    what: String,
    packets: Vec<Packet>,
}

/// What a command is for, and how it came here.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// What sshd(8) says of the connection that it came in on: client and server.
    pub session: Option<(SocketAddr, SocketAddr)>,
    /// Metadata services that are asked.
    pub metadata: Vec<SocketAddr>,
}

/// Where the service of `platform` is; empty without one. `url` is asked instead, or as well.
pub fn metadata(platform: Option<&str>, url: Option<&str>) -> Vec<SocketAddr> {
    let found = platform.and_then(|name| PLATFORMS.iter().find(|known| known.name == name));
    let provider = found.and_then(|platform| platform.provider);
    let bases = provider
        .zip(any_link())
        .map(|(provider, zone)| base_urls(provider, &Known::default(), &zone));
    let mut bases = bases.unwrap_or_default();
    bases.extend(url.map(str::to_owned));
    // Of a name nobody knows here which address it has.
    let server = |base: &String| {
        let url: Url = base.parse().ok()?;
        Some(SocketAddr::new(url.host().address()?, url.port()))
    };
    let mut servers: Vec<SocketAddr> = bases.iter().filter_map(server).collect();
    if found.is_some_and(|platform| platform.provider.is_none()) {
        servers.push(SocketAddr::new(METADATA.into(), 80));
    }
    servers
}

/// What goes through by `before` and would not by `desired`, packet by packet, in words.
pub fn cut(
    before: Option<&Table>,
    desired: &Desired,
    observed: &Observed,
    around: &Around,
) -> Vec<String> {
    let Some(spec) = &desired.firewall else {
        return Vec::new();
    };
    let Some(after) = spec.wanted() else {
        return Vec::new();
    };
    let through = |packet: &Packet| decide(after, packet).outcome == Outcome::Accept;
    let was_through = |packet: &Packet| {
        before.is_none_or(|table| decide(table, packet).outcome == Outcome::Accept)
    };
    let is_cut = |packet: &Packet| was_through(packet) && !through(packet);
    let mut cut = Vec::new();
    if let Some((client, server)) = around.session {
        let link = link_of(observed, server.ip());
        if is_cut(&incoming(client, server, TCP, link)) {
            cut.push(format!(
                "this session: {} to port {}",
                client.ip(),
                server.port()
            ));
        }
    }
    let gate = around.session.is_none().then(|| Gate {
        before: before.map(Lenient::new),
        after: Lenient::new(after),
        ways: ways(desired, observed),
    });
    for port in &spec.management {
        let protocol = port.protocol;
        let mut edges = edges(before.into_iter().chain([&**after]), port.ports).into_iter();
        // From who manages it now, or else from whoever it may be.
        let (found, from) = match (around.session, &gate) {
            (Some((client, server)), _) => {
                let link = link_of(observed, server.ip());
                let asks = |number| {
                    let (from, to) = (
                        SocketAddr::new(client.ip(), 49_152),
                        SocketAddr::new(server.ip(), number),
                    );
                    incoming(from, to, protocol.number(), link.clone())
                };
                let found = edges.find(|number| is_cut(&asks(*number)));
                (found, format!("from {}", client.ip()))
            }
            (None, Some(gate)) => {
                let found = edges.find(|number| gate.shuts(protocol, *number));
                (
                    found,
                    "from everywhere: no sender gets in any more".to_owned(),
                )
            }
            (None, None) => (None, String::new()),
        };
        if let Some(number) = found {
            let of = match port.ports.first() == port.ports.last() {
                true => String::new(),
                false => format!(" of {}", port.ports),
            };
            cut.push(format!("management: port {number}{of} {protocol} {from}"));
        }
    }
    let flows = flows(desired, observed, &around.metadata).into_iter();
    let flows = flows.filter(|flow| flow.packets.iter().any(is_cut));
    cut.extend(flows.map(|flow| flow.what));
    cut
}

/// By which links others come, and to which addresses.
type Ways = (Vec<LinkName>, Vec<IpAddr>);

/// The rules as whoever may most meets them.
struct Gate {
    /// `None`: there are none yet.
    before: Option<Lenient>,
    after: Lenient,
    ways: Ways,
}

impl Gate {
    /// Whether somebody got in, and nobody does any more.
    fn shuts(&self, protocol: Protocol, port: u16) -> bool {
        let (links, addresses) = &self.ways;
        let is_shut = |table: &Lenient| table.blocked(protocol, port, addresses, links).is_some();
        !self.before.as_ref().is_some_and(is_shut) && is_shut(&self.after)
    }
}

fn flows(desired: &Desired, observed: &Observed, metadata: &[SocketAddr]) -> Vec<Flow> {
    let mut flows = Vec::new();
    let (_, own) = own(desired, observed);
    for server in metadata {
        let mut same = own.iter().filter(|own| own.is_ipv4() == server.is_ipv4());
        let from = match (same.next(), server.ip()) {
            (Some(own), _) => *own,
            (None, IpAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            // Every link has an address of its own for this one.
            (None, IpAddr::V6(to)) if to.is_unicast_link_local() => LINK_LOCAL.into(),
            // Nobody asks there.
            (None, IpAddr::V6(_)) => continue,
        };
        let asks = outgoing(SocketAddr::new(from, 49_152), *server, TCP);
        let what = format!("the metadata service of the platform, {server}");
        flows.push(Flow {
            what,
            packets: vec![answer(&asks), asks],
        });
    }
    for operator in desired.operators.values() {
        let link = Some(operator.link_name.clone());
        let (name, packets) = match operator.operator {
            OperatorKind::Dhcp4 => ("DHCP", dhcp4(link)),
            OperatorKind::Dhcp6 => ("DHCPv6", dhcp6(link)),
            OperatorKind::Router => continue,
        };
        let what = format!("{name} on {}", operator.link_name);
        flows.push(Flow { what, packets });
    }
    flows
}

/// Our links that others come by, and the addresses there; of pods and services none, and no link that somebody else made and
/// no source names.
fn own(desired: &Desired, observed: &Observed) -> Ways {
    let named = |name: &LinkName| {
        desired.links.values().any(|link| link.name == *name)
            || desired
                .addresses
                .values()
                .any(|address| address.link_name == *name)
            || desired
                .operators
                .values()
                .any(|operator| operator.link_name == *name)
    };
    let is_ours = |index: u32, name: &LinkName| {
        let link = observed.links.get(&index);
        named(name) || link.is_some_and(|link| link.is_physical() || link.group == OUR_GROUP)
    };
    let inside = |address: IpAddr| {
        let spec = desired.firewall.as_ref();
        let mut subnets = spec.iter().flat_map(|spec| &spec.cluster_subnets);
        subnets.any(|subnet| subnet.contains(address))
    };
    let (mut links, mut addresses) = (Vec::new(), Vec::new());
    for status in &observed.addresses {
        let (own, link) = (status.address.address(), &status.link_name);
        if own.is_loopback() || status.scope != Scope::Global || inside(own) {
            continue;
        }
        if is_ours(status.link_index, link) {
            addresses.push(own);
            if !links.contains(link) {
                links.push(link.clone());
            }
        }
    }
    (links, addresses)
}

/// The ways in that are tried: where nothing of ours is there yet, any at all.
fn ways(desired: &Desired, observed: &Observed) -> Ways {
    let (mut links, mut addresses) = own(desired, observed);
    if addresses.is_empty() {
        addresses.extend(ANYWHERE);
    }
    // Loopback is declared, too, and trusted: nobody else comes in by it.
    let declared = desired.links.keys().filter(|name| name.as_str() != "lo");
    links.extend(declared.cloned());
    links.extend(any_link());
    links.truncate(MAX_LINKS);
    (links, addresses)
}

/// The link that has the address.
fn link_of(observed: &Observed, address: IpAddr) -> Option<LinkName> {
    let mut all = observed.addresses.iter();
    let found = all.find(|status| status.address.address() == address)?;
    Some(found.link_name.clone())
}

/// The first packet of a connection to this machine.
fn incoming(from: SocketAddr, to: SocketAddr, protocol: u8, link: Option<LinkName>) -> Packet {
    Packet {
        // Without one it would be a packet of our own.
        in_link: link.or_else(any_link),
        out_link: None,
        src: from.ip(),
        dst: to.ip(),
        protocol,
        payload: Payload::Ports(from.port(), to.port()),
        hop_limit: 64,
        ct_state: ct::NEW,
        destination: Destination::Local,
        translated: false,
        over_limit: false,
    }
}

/// The first packet of a connection from this machine.
fn outgoing(from: SocketAddr, to: SocketAddr, protocol: u8) -> Packet {
    Packet {
        in_link: None,
        out_link: any_link(),
        destination: Destination::Unicast,
        ..incoming(from, to, protocol, None)
    }
}

/// The answer to a packet of ours.
fn answer(asks: &Packet) -> Packet {
    let payload = match asks.payload {
        Payload::Ports(from, to) => Payload::Ports(to, from),
        other => other,
    };
    Packet {
        in_link: asks.out_link.clone(),
        out_link: None,
        src: asks.dst,
        dst: asks.src,
        payload,
        ct_state: ct::ESTABLISHED,
        destination: Destination::Local,
        ..asks.clone()
    }
}

/// A request to everybody, which packet sockets send past the firewall and a renewal does not, and the answer to nobody yet.
fn dhcp4(link: Option<LinkName>) -> Vec<Packet> {
    let (client, server) = DHCP4;
    let everybody = SocketAddr::new(Ipv4Addr::BROADCAST.into(), client);
    let server = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), server);
    let offer = Packet {
        destination: Destination::Broadcast,
        ..incoming(server, everybody, UDP, link.clone())
    };
    let own = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 2).into(), client);
    let renewal = Packet {
        out_link: link,
        ..outgoing(own, server, UDP)
    };
    vec![offer, answer(&renewal), renewal]
}

fn dhcp6(link: Option<LinkName>) -> Vec<Packet> {
    let (client, server) = DHCP6;
    let own = SocketAddr::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2).into(), client);
    let solicit = Packet {
        out_link: link.clone(),
        destination: Destination::Multicast,
        ..outgoing(own, SocketAddr::new(DHCP6_SERVERS.into(), server), UDP)
    };
    let from = SocketAddr::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(), server);
    vec![solicit, incoming(from, own, UDP, link)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{cmdline, machine};

    const DENY: &str = "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n";

    fn session() -> Around {
        let end = |text: &str| text.parse().unwrap();
        Around {
            session: Some((end("203.0.113.7:50123"), end("198.51.100.2:22"))),
            metadata: metadata(Some("aws"), None),
        }
    }

    fn desired(config: &str, line: &str) -> Desired {
        let documents = [
            machine::parse(config, "test").0,
            cmdline::parse(line, "line").0,
        ];
        crate::compile::compile(&documents, &Default::default()).0
    }

    /// What going from one configuration to another cuts.
    #[track_caller]
    fn check(before: &str, after: &str, expect: &[&str]) {
        let line = "ip=eth0:dhcp initnet.ignore=lo";
        let before = desired(before, line);
        let before = before.firewall.as_ref().and_then(|spec| spec.wanted());
        let found = cut(
            before.map(|t| &**t),
            &desired(after, line),
            &Observed::default(),
            &session(),
        );
        assert_eq!(found, expect);
    }

    fn rule(port: u16, subnet: &str) -> String {
        format!(
            "{DENY}---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: r\nportSelector:\n  \
             ports: [{port}]\n  protocol: tcp\ningress:\n  - subnet: {subnet}\n"
        )
    }

    #[test]
    fn the_session_is_judged_as_a_new_connection() {
        let cut = ["this session: 203.0.113.7 to port 22"];
        check("", DENY, &cut);
        check("", &rule(22, "203.0.113.0/24"), &[]);
        check("", &rule(22, "10.0.0.0/8"), &cut);
        // It was closed already: nothing is cut.
        check(DENY, &rule(80, "0.0.0.0/0"), &[]);
        check(DENY, "", &[]);
    }

    #[test]
    fn management_and_egress() {
        let managed =
            rule(22, "0.0.0.0/0").replace("ingress: block", "ingress: block\nmanagement: [50000]");
        check(
            "",
            &managed,
            &["management: port 50000 tcp from 203.0.113.7"],
        );
        let out = rule(22, "0.0.0.0/0").replace("ingress: block", "ingress: accept\negress: block");
        let found = |metadata: Vec<SocketAddr>, observed: &Observed| {
            let around = Around {
                session: None,
                metadata,
            };
            let mut cut = cut(None, &desired(&out, "ip=eth0:dhcp"), observed, &around);
            cut.retain(|what| what.contains("metadata"));
            cut
        };
        let v4 = "the metadata service of the platform, 169.254.169.254:80";
        // Without an IPv6 address nobody asks there.
        let mut observed = Observed::default();
        assert_eq!(found(metadata(Some("aws"), None), &observed), [v4]);
        assert_eq!(found(metadata(Some("vultr"), None), &observed), [v4]);
        let near = "the metadata service of the platform, [fe80::a9fe:a9fe]:80";
        assert_eq!(found(metadata(Some("hcloud"), None), &observed), [v4, near]);
        let other = "the metadata service of the platform, 10.0.0.5:8080";
        let url = Some("http://10.0.0.5:8080/x");
        assert_eq!(found(metadata(None, url), &observed), [other]);
        assert_eq!(found(metadata(Some("aws"), url), &observed), [v4, other]);
        assert_eq!(metadata(None, Some("http://meta.example/")), []);
        observed.addresses = vec![address("eth0", 2, "2001:db8::7/64")];
        let far = "the metadata service of the platform, [fd00:ec2::254]:80";
        assert_eq!(found(metadata(Some("aws"), None), &observed), [v4, far]);
    }

    fn address(link: &str, index: u32, prefix: &str) -> crate::state::AddressStatus {
        let address: crate::value::Prefix = prefix.parse().unwrap();
        crate::state::AddressStatus {
            address,
            peer: None,
            broadcast: None,
            link_index: index,
            link_name: link.parse().unwrap(),
            family: crate::state::Family::of(address.address()),
            scope: Scope::Global,
            flags: 0,
            priority: 0,
            protocol: 0,
            valid_until: None,
            preferred_until: None,
        }
    }

    const MANAGED: &str = "ingress: block\nmanagement: [5000-5010]";

    #[test]
    fn a_range_is_judged_at_its_edges() {
        let ssh = |rules: &str| {
            let rules = format!("{}{rules}", rule(22, "0.0.0.0/0"));
            rules.replace("ingress: block", MANAGED)
        };
        let more = |name: &str, ports: &str, subnet: &str| {
            let rule = rule(22, subnet).replace(DENY, "");
            rule.replace("[22]", &format!("[{ports}]"))
                .replace("name: r", &format!("name: {name}"))
        };
        let whole = more("whole", "5000-5010", "0.0.0.0/0");
        let cut = |port: u16| format!("management: port {port} of 5000-5010 tcp from 203.0.113.7");
        let hole = more("low", "5000-5003", "0.0.0.0/0") + &more("high", "5006-5010", "0.0.0.0/0");
        check(&ssh(&whole), &ssh(&hole), &[&cut(5004)]);
        check("", &ssh(&hole), &[&cut(5004)]);
        // Packet by packet: what one end had lost before hides nothing of the other.
        let low = more("low", "5000-5003", "0.0.0.0/0");
        check(&ssh(&low), &ssh(""), &[&cut(5000)]);
        check(&ssh(&hole), &ssh(&hole), &[]);
    }

    #[test]
    fn without_a_session_somebody_who_gets_in_is_enough() {
        let cut = |rules: &str| {
            let after = rules.replace("ingress: block", MANAGED);
            // The second is a pod's, and its link somebody else's.
            let observed = Observed {
                addresses: vec![
                    address("eth0", 2, "10.1.0.2/24"),
                    address("cni0", 3, "10.244.0.1/24"),
                ],
                ..Observed::default()
            };
            cut(
                None,
                &desired(&after, "ip=eth0:dhcp"),
                &observed,
                &Around::default(),
            )
        };
        let shut =
            "management: port 5000 of 5000-5010 tcp from everywhere: no sender gets in any more";
        assert_eq!(cut(DENY), [shut]);
        let from =
            |subnet: &str, more: &str| rule(22, subnet).replace("[22]", "[5000-5010]") + more;
        // Not the neighbour of an address of ours.
        assert!(cut(&from("192.0.2.0/24", "")).is_empty());
        assert!(cut(&from("192.0.2.0/24", "interfaces: [eth0]\n")).is_empty());
        // Nobody of the network comes in by a link of others.
        assert_eq!(cut(&from("192.0.2.0/24", "interfaces: [cni0]\n")), [shut]);
    }
}
