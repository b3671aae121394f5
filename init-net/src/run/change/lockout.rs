//! Who would be locked out by a firewall: flows that the one in force lets through and the next one does not. Judged as new
//! connections: what is established goes on, and does not come back when it breaks.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::plan::forecast::packet::{Destination, Outcome, Packet, Payload, decide};
use crate::state::nft::{Table, ct};
use crate::state::{Desired, Observed, OperatorKind};
use crate::value::LinkName;

/// Where the clouds have their metadata service.
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

/// What goes through by `before` and would not by `desired`, in words. `session`: what sshd(8) says of the connection that
/// the command came in on. `platform`: a metadata service is asked.
pub fn cut(
    before: Option<&Table>,
    desired: &Desired,
    observed: &Observed,
    session: Option<&str>,
    platform: bool,
) -> Vec<String> {
    let Some(spec) = &desired.firewall else {
        return Vec::new();
    };
    let after = spec.wanted().map(|table| &**table);
    let passes = |table: Option<&Table>, flow: &Flow| {
        let through =
            |packet| table.is_none_or(|table| decide(table, packet).outcome == Outcome::Accept);
        flow.packets.iter().all(through)
    };
    flows(desired, observed, session, platform)
        .into_iter()
        .filter(|flow| passes(before, flow) && !passes(after, flow))
        .map(|flow| flow.what)
        .collect()
}

fn flows(
    desired: &Desired,
    observed: &Observed,
    session: Option<&str>,
    platform: bool,
) -> Vec<Flow> {
    let mut flows = Vec::new();
    let session = session.and_then(connection);
    if let Some((client, server)) = session {
        let what = format!("this session: {} to port {}", client.ip(), server.port());
        let packets = vec![incoming(
            client,
            server,
            TCP,
            link_of(observed, server.ip()),
        )];
        flows.push(Flow { what, packets });
    }
    for port in desired.firewall.iter().flat_map(|spec| &spec.management) {
        let what = format!("management: port {} {}", port.ports, port.protocol);
        // From who manages it now, or else from the networks that the machine is in.
        let peers: Vec<(IpAddr, IpAddr)> = match session {
            Some((client, server)) => vec![(client.ip(), server.ip())],
            None => neighbours(observed),
        };
        for (peer, own) in peers {
            let packets = [port.ports.first(), port.ports.last()].map(|number| {
                let (peer, own) = (SocketAddr::new(peer, 49_152), SocketAddr::new(own, number));
                incoming(
                    peer,
                    own,
                    port.protocol.number(),
                    link_of(observed, own.ip()),
                )
            });
            let what = format!("{what} from {peer}");
            let packets = packets.into();
            flows.push(Flow { what, packets });
        }
    }
    if platform {
        let mut own = neighbours(observed).into_iter().map(|(_, own)| own);
        let own = own
            .find(IpAddr::is_ipv4)
            .unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let server = SocketAddr::new(METADATA.into(), 80);
        let asks = outgoing(SocketAddr::new(own, 49_152), server, TCP);
        let what = "the metadata service of the platform".to_owned();
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

/// `client port server port`.
fn connection(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = text.split_whitespace();
    let mut next = || {
        let address: IpAddr = words.next()?.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(
            address.to_canonical(),
            words.next()?.parse().ok()?,
        ))
    };
    Some((next()?, next()?))
}

/// For each address of the machine that others reach: somebody of its network, and the address.
fn neighbours(observed: &Observed) -> Vec<(IpAddr, IpAddr)> {
    let mut found = Vec::new();
    for status in &observed.addresses {
        let own = status.address.address();
        let peer = match own {
            IpAddr::V4(own) => IpAddr::V4(Ipv4Addr::from_bits(own.to_bits() ^ 1)),
            IpAddr::V6(own) => IpAddr::V6(Ipv6Addr::from_bits(own.to_bits() ^ 1)),
        };
        if !own.is_loopback() && status.scope == crate::state::Scope::Global {
            found.push((peer, own));
        }
    }
    found
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

/// A link of which no rule speaks.
fn any_link() -> Option<LinkName> {
    "any".parse().ok()
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
        let session = Some("203.0.113.7 50123 198.51.100.2 22");
        let found = cut(
            before.map(|t| &**t),
            &desired(after, line),
            &Observed::default(),
            session,
            true,
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
        let found = "the metadata service of the platform";
        let line = "ip=eth0:dhcp";
        let all = cut(None, &desired(&out, line), &Observed::default(), None, true);
        assert!(all.iter().any(|what| what == found), "{all:?}");
    }

    #[test]
    fn what_sshd_says_is_read() {
        assert!(connection("fe80::1%eth0 1 ::ffff:10.0.0.1 22").is_some());
        assert_eq!(connection("x 1 y 2"), None);
        assert_eq!(connection(""), None);
    }
}
