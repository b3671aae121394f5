//! DHCPv4 against a real server, and against one that does what real servers do on bad days.

use std::net::Ipv4Addr;
use std::time::Duration;

use qemu::peer::DhcpServer;
use qemu::peer::dhcp::Message;
use qemu::peer::dhcp::Reply;
use qemu::peer::dhcp::message_type;

use crate::bench::ADDRESS;
use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::ROUTER;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const OFFERED: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 60);

/// The whole lease of a well-behaved server, with gateway and DNS.
fn answers(message: &Message) -> Vec<Reply> {
    let reply = match message.kind {
        message_type::DISCOVER => Reply::offer(OFFERED, SERVER),
        message_type::REQUEST => Reply::ack(OFFERED, SERVER),
        _ => return Vec::new(),
    };
    let server = SERVER.octets();
    vec![reply.option(3, &server).option(6, &server)]
}

#[test]
fn dhcp_by_default_with_nothing_said() {
    let bench = Bench::new("dhcp-by-default");
    let dnsmasq = bench
        .dhcp()
        .argument("--domain=lab.example".into())
        .option(12, "node7")
        .option(26, "1400")
        .start(&bench.lab)
        .unwrap();
    let facts = bench.boot("");
    facts.has("wait", "0");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("route", "default via 10.77.0.1 dev eth0");
    facts.has("resolv", "nameserver 10.77.0.1");
    facts.has("resolv", "search lab.example");
    facts.has("hostname", "node7");
    facts.has("link", "eth0: mtu 1400");
    facts.has("reach", &format!("{ROUTER} 0"));
    assert_eq!(dnsmasq.count("DHCPACK"), 1);
}

#[test]
fn narrow_prefix_off_subnet_gateway_and_classless_routes() {
    let bench = Bench::new("dhcp-narrow-prefix");
    // Option 121 beats 3 (RFC 3442): the gateway of option 3 is a wrong one on purpose.
    let dnsmasq = bench
        .dhcp()
        .option(1, "255.255.255.255")
        .option(3, "10.77.0.99")
        .option(121, "0.0.0.0/0,10.77.0.1,198.51.100.0/24,10.77.0.2")
        .start(&bench.lab)
        .unwrap();
    let facts = bench.boot("");
    facts.has("wait", "0");
    facts.has("address", &format!("eth0 inet {ADDRESS}/32"));
    facts.has("route", "default via 10.77.0.1 dev eth0");
    facts.has("route", "198.51.100.0/24 via 10.77.0.2 dev eth0");
    facts.lacks("route", "via 10.77.0.99");
    facts.has("reach", &format!("{ROUTER} 0"));
    assert_eq!(dnsmasq.count("DHCPACK"), 1);
}

#[test]
fn narrow_prefix_with_a_plain_router_option() {
    let bench = Bench::new("dhcp-plain-router");
    let server = DhcpServer::start(&bench.lab, "lan", |message| {
        let replies = answers(message).into_iter();
        replies.map(|reply| reply.option(1, &[255; 4])).collect()
    })
    .unwrap();
    let facts = bench.boot("");
    facts.has("wait", "0");
    facts.has("address", "eth0 inet 10.77.0.60/32");
    facts.has("route", "default via 10.77.0.1 dev eth0");
    facts.has("reach", &format!("{ROUTER} 0"));
    // More than one where the machine was too busy to hear the answer in time.
    assert!(server.count(message_type::REQUEST) >= 1);
}

#[test]
fn rapid_commit_takes_two_packets() {
    let bench = Bench::new("dhcp-rapid-commit");
    let dnsmasq = bench.dhcp().rapid_commit().start(&bench.lab).unwrap();
    let facts = bench.boot("");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("reach", &format!("{ROUTER} 0"));
    assert_eq!(dnsmasq.count("DHCPACK"), 1);
    assert_eq!(dnsmasq.count("DHCPOFFER"), 0);
    assert_eq!(dnsmasq.count("DHCPREQUEST"), 0);
}

#[test]
fn a_server_that_answers_late() {
    let bench = Bench::new("dhcp-late-server");
    let mut discovers = 0;
    let server = DhcpServer::start(&bench.lab, "lan", move |message| {
        discovers += usize::from(message.kind == message_type::DISCOVER);
        // Nothing for the first, and what comes then comes late: a relay behind a switch that has just woken up.
        if discovers < 2 {
            return Vec::new();
        }
        let delay = match message.kind {
            message_type::DISCOVER => Duration::from_secs(2),
            _ => Duration::from_millis(700),
        };
        let replies = answers(message).into_iter();
        replies.map(|reply| reply.after(delay)).collect()
    })
    .unwrap();
    let facts = bench.boot("");
    facts.has("wait", "0");
    facts.has("address", "eth0 inet 10.77.0.60/24");
    facts.has("reach", &format!("{ROUTER} 0"));
    assert!(server.count(message_type::DISCOVER) >= 2);
    assert_eq!(server.count(message_type::DECLINE), 0);
}

#[test]
fn a_server_that_naks_first() {
    let bench = Bench::new("dhcp-nak-first");
    let mut naks = 2;
    let server = DhcpServer::start(&bench.lab, "lan", move |message| {
        if message.kind == message_type::REQUEST && naks > 0 {
            naks -= 1;
            return vec![Reply::nak(SERVER)];
        }
        answers(message)
    })
    .unwrap();
    let facts = bench.boot("");
    facts.has("wait", "0");
    facts.has("address", "eth0 inet 10.77.0.60/24");
    // RFC 2131 §4.4.1: a NAK in REQUESTING starts again with a DISCOVER.
    assert!(server.count(message_type::DISCOVER) >= 3);
    assert_eq!(server.count(message_type::REQUEST), 3);
    // Whoever it is to the server stays the same through all of it.
    let messages = server.messages();
    let identities = messages.iter().map(|message| {
        let hardware = message.chaddr.get(..6).unwrap();
        assert_eq!(hardware, MAC);
        message.option(61)
    });
    let mut identities: Vec<_> = identities.collect();
    identities.dedup();
    assert_eq!(identities.len(), 1, "one client identifier: {identities:?}");
}
