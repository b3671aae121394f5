//! Routers and DHCPv6: who starts what, what follows from it, and what goes over to the next stage.

use core::net::IpAddr;

use super::*;
use crate::proto::ndisc::tests::{domains, packet, route, servers};
use crate::state::Scope;
use crate::value::{RouteKind, RouteMetrics, RouteTable};

/// Flags of an advertisement.
const MANAGED: u8 = 0x80;
const OTHER: u8 = 0x40;

const ROUTER: &str = "fe80::1";
const LEASED: &str = "eth0/2001:db8::7/128";

/// DHCPv6 message types (RFC 8415 §7.3).
const SOLICIT: u8 = 1;
const INFORMATION_REQUEST: u8 = 11;

/// RTPROT_KERNEL and RTPROT_RA.
const KERNEL: u8 = 2;
const RA: u8 = 9;

pub(super) fn address(index: u32, link: &str, address: &str, flags: u32) -> AddressStatus {
    let address: crate::value::Prefix = address.parse().unwrap();
    let scope = match address.address() {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Scope::Link,
        IpAddr::V6(ip) if ip.is_loopback() => Scope::Host,
        _ => Scope::Global,
    };
    AddressStatus {
        address,
        peer: None,
        broadcast: None,
        link_index: index,
        link_name: link.parse().unwrap(),
        family: Family::Inet6,
        scope,
        flags,
        priority: 0,
        protocol: KERNEL,
        valid_until: None,
        preferred_until: None,
    }
}

impl Machine {
    /// A machine with IPv6, whose first link has its link-local address.
    fn with_ipv6(line: &str) -> Self {
        let mut machine = Self::new(line);
        machine.kernel.addresses = vec![
            address(1, "lo", "::1/128", 0),
            address(2, "eth0", "fe80::5054:ff:fe00:2/64", 0),
        ];
        machine
    }

    /// A router that answers solicitations with this.
    fn routed(mut self, flags: u8, options: &[Vec<u8>]) -> Self {
        self.router = Some(packet(ROUTER, flags, 1800, options));
        self
    }

    /// What the kernel makes of an advertisement with a prefix: an address and a default route.
    fn autoconfigure(&mut self) {
        let own = address(2, "eth0", "2001:db8:1::7/64", 0);
        self.kernel.addresses.push(own);
        self.kernel.routes.push(RouteStatus {
            family: Family::Inet6,
            dst: None,
            src: None,
            gateway: ROUTER.parse().ok(),
            out_link_index: 2,
            out_link_name: "eth0".parse().ok(),
            table: RouteTable::MAIN,
            priority: 1024,
            scope: Scope::Global,
            kind: RouteKind::Unicast,
            protocol: RA,
            flags: 0,
            mtu: None,
            metrics: RouteMetrics::default(),
            next_hops: Vec::new(),
        });
        // A default route rings, whosever it is.
        self.queue
            .push_back(Event::Changed(Doubt::ADDRESSES | Doubt::FOREIGN_ROUTES));
    }

    /// An advertisement that nobody asked for.
    fn advertise(&mut self, flags: u8, options: &[Vec<u8>]) {
        self.queue.push_back(Event::Advertisement {
            index: 2,
            packet: packet(ROUTER, flags, 1800, options),
        });
    }

    fn resolvers(&self) -> Vec<String> {
        let resolver = self.core.desired().resolver.as_ref();
        let servers = resolver.into_iter().flat_map(|spec| &spec.name_servers);
        servers.map(ToString::to_string).collect()
    }

    /// The same machine with the core of the next stage.
    fn handed_over(self, line: &str) -> Self {
        let (document, _) = cmdline::parse(line, "test");
        let leases = serde_json::to_string(&self.core.leases()).unwrap();
        let leases = serde_json::from_str(&leases).unwrap();
        let mut next = Self::new(line);
        next.core = Core::new(vec![document], leases, Rng::new(2), self.now);
        (next.now, next.kernel) = (self.now, self.kernel);
        next
    }
}

/// A server's answer to a DHCPv6 message, by hand (RFC 8415 §16): 2001:db8::7 for 100 s, name server 2001:db8::53.
pub(super) fn serve6(message: &[u8]) -> Option<Vec<u8>> {
    let mut options: Vec<(u16, &[u8])> = Vec::new();
    let mut rest = &message[4..];
    while let [a, b, c, d, tail @ ..] = rest {
        let (code, length) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        let (value, behind) = tail.split_at(length.into());
        options.push((code, value));
        rest = behind;
    }
    let find = |code: u16| options.iter().find(|(found, _)| *found == code);
    let mut reply = vec![7];
    reply.extend(&message[1..4]);
    let mut put = |code: u16, value: &[u8]| {
        reply.extend(code.to_be_bytes());
        reply.extend((value.len() as u16).to_be_bytes());
        reply.extend(value);
    };
    put(1, find(1)?.1);
    put(2, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    put(
        23,
        &"2001:db8::53"
            .parse::<core::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    if let Some((_, association)) = find(3) {
        let mut value = association[..4].to_vec();
        value.extend([0, 0, 0, 50, 0, 0, 0, 80, 0, 5, 0, 24]);
        value.extend(
            "2001:db8::7"
                .parse::<core::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        );
        value.extend([0, 0, 0, 100, 0, 0, 0, 100]);
        put(3, &value);
    }
    // Rapid commit, when it is offered.
    if let Some((code, _)) = find(14) {
        put(*code, &[]);
    }
    Some(reply)
}

#[test]
fn name_servers_of_a_router_come_and_go() {
    let both = servers(600, "2001:db8::53 2001:db8::54");
    let options = [both, domains(600, "example.org")];
    let mut machine = Machine::with_ipv6("").routed(0, &options);
    machine.run(1);
    assert_eq!(machine.resolvers(), ["2001:db8::53", "2001:db8::54"]);
    let resolver = machine.core.desired().resolver.as_ref().unwrap();
    assert_eq!(resolver.search_domains, ["example.org"]);
    assert_eq!(
        resolver.origins[0].to_string(),
        "ra/eth0 router fe80::1, option 25"
    );
    machine.advertise(0, &[servers(0, "2001:db8::53")]);
    machine.run(1);
    assert_eq!(machine.resolvers(), ["2001:db8::54"]);
    machine.router = None;
    machine.run(600);
    assert_eq!(machine.resolvers(), [""; 0]);
}

/// With a link-local name server and no other, the name in a URL is asked of that one, by its link.
#[test]
fn a_name_is_asked_of_a_link_local_server() {
    let line = "initnet.config=http://config.example/c";
    let mut machine = Machine::with_ipv6(line).routed(0, &[servers(600, "fe80::53")]);
    machine.autoconfigure();
    machine.run(5);
    assert_eq!(machine.resolvers(), ["fe80::53%eth0"]);
    let server = machine.queried.first().map(ToString::to_string);
    assert_eq!(server.as_deref(), Some("[fe80::53%2]:53"));
}

#[test]
fn flags_of_a_router_start_dhcpv6() {
    let mut machine = Machine::with_ipv6("").routed(0, &[]);
    machine.run(30);
    assert_eq!(machine.sent6, [0; 0], "nobody says so");
    assert_eq!(machine.solicited, 1);

    let mut machine = Machine::with_ipv6("").routed(OTHER, &[]);
    machine.run(30);
    assert_eq!(machine.sent6, [INFORMATION_REQUEST]);
    assert_eq!(machine.resolvers(), ["2001:db8::53"]);
    // Then the router wants more.
    machine.advertise(OTHER | MANAGED, &[]);
    machine.run(1);
    assert_eq!(machine.sent6[1], SOLICIT);
    assert!(machine.addresses().contains(&LEASED.to_owned()));

    let mut machine = Machine::with_ipv6("").routed(MANAGED, &[]);
    machine.run(30);
    assert_eq!(machine.sent6, [SOLICIT]);
    assert!(machine.addresses().contains(&LEASED.to_owned()));
    // A lease outlives the flag: renewed at 50 s of 100.
    machine.advertise(0, &[]);
    machine.run(120);
    assert!(machine.addresses().contains(&LEASED.to_owned()));
    assert_eq!(machine.tried(" del "), 0, "{:?}", machine.done);
}

#[test]
fn a_lease_outlives_its_flag_over_a_hand_over() {
    let mut machine = Machine::with_ipv6("").routed(MANAGED, &[]);
    machine.run(5);
    machine.advertise(OTHER, &[]);
    machine.run(1);
    let mut machine = machine.handed_over("");
    machine.run(5);
    assert!(machine.addresses().contains(&LEASED.to_owned()));
    assert_eq!((&machine.sent6[..], machine.tried(" del ")), (&[][..], 0));
}

#[test]
fn facts_end_with_the_flag_that_they_came_by() {
    let mut machine = Machine::with_ipv6("").routed(OTHER, &[]);
    machine.run(5);
    assert_eq!(machine.resolvers(), ["2001:db8::53"]);
    let mut machine = machine.handed_over("");
    machine.run(5);
    assert_eq!(machine.resolvers(), ["2001:db8::53"]);
    machine.advertise(0, &[]);
    machine.run(1);
    assert_eq!(machine.resolvers(), [""; 0]);
}

#[test]
fn dhcpv6_waits_for_a_link_local_address() {
    let mut machine = Machine::with_ipv6("ip=eth0:dhcp6");
    machine.kernel.addresses[1].flags = AddressStatus::TENTATIVE;
    machine.run(5);
    assert_eq!(machine.sent6, [0; 0]);
    let readiness = machine.core.readiness();
    assert!(!readiness.local, "and the boot waits with it");
    assert!(
        readiness.missing.contains(&"lease on eth0".to_owned()),
        "{readiness:?}"
    );
    machine.kernel.addresses[1].flags = 0;
    machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
    let (reason, _) = machine.boot();
    assert_eq!(reason, "ready", "a lease and no router");
    assert_eq!(machine.sent6, [SOLICIT]);
}

#[test]
fn a_duplicate_is_declined() {
    let mut machine = Machine::with_ipv6("ip=eth0:dhcp6");
    machine.run(5);
    let leased = |a: &&mut AddressStatus| a.address.to_string() == "2001:db8::7/128";
    let found = machine.kernel.addresses.iter_mut().find(leased).unwrap();
    found.flags = AddressStatus::DADFAILED;
    machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
    machine.run(1);
    const DECLINE: u8 = 9;
    assert_eq!(
        machine.sent6[..2],
        [SOLICIT, DECLINE],
        "{:?}",
        machine.sent6
    );
}

/// Without a router DHCPv6 gives addresses, after the 4 s in which one would have answered; with one whose prefix lets
/// hosts give themselves addresses it does not.
#[test]
fn either_of_the_two() {
    let mut machine = Machine::with_ipv6("ip=eth0:either6");
    machine.run(3);
    assert_eq!(machine.sent6, [0; 0]);
    assert_eq!(machine.boot().0, "ready");
    assert!(machine.addresses().contains(&LEASED.to_owned()));

    let prefix = crate::proto::ndisc::tests::prefix("2001:db8:1::/64", 0xc0, 3600, 3600);
    let mut machine = Machine::with_ipv6("ip=eth0:either6").routed(0, &[prefix]);
    machine.run(30);
    assert_eq!(machine.sent6, [0; 0]);
    machine.autoconfigure();
    assert_eq!(machine.boot().0, "ready");
}

#[test]
fn an_ipv6_only_network_makes_a_boot_ready() {
    for line in ["", "ip=eth0:on", "ip=eth0:auto6"] {
        let options = [servers(600, "2001:db8::53")];
        let mut machine = Machine::with_ipv6(line).routed(0, &options);
        machine.run(1);
        assert_eq!(machine.core.verdict(machine.now), Verdict::Wait, "{line}");
        machine.autoconfigure();
        let (reason, when) = machine.boot();
        assert_eq!((reason, when < 2_000), ("ready", true), "{line}: {when}");
        assert_eq!(machine.resolvers(), ["2001:db8::53"], "{line}");
    }
}

#[test]
fn what_is_missing_has_a_name() {
    let mut machine = Machine::with_ipv6("ip=eth0:auto6");
    machine.run(1);
    let missing = machine.core.readiness().missing;
    assert!(
        missing.contains(&"router on eth0".to_owned()),
        "{missing:?}"
    );
    let mut machine = Machine::with_ipv6("ip=eth0:link6");
    machine.run(1);
    assert_eq!(machine.solicited, 0, "no more than the link-local address");
}

#[test]
fn a_route_of_a_router_lives_as_long_as_it_says() {
    let options = [route(2, "2001:db8:9::/48", 1, 60), route(1, "::/0", 1, 60)];
    let mut machine = Machine::with_ipv6("").routed(0, &options);
    machine.run(1);
    assert_eq!(machine.kernel.routes.len(), 1, "everywhere is the kernel's");
    let made = &machine.kernel.routes[0];
    assert_eq!(made.dst.unwrap().to_string(), "2001:db8:9::/48");
    assert_eq!(made.gateway, ROUTER.parse().ok());
    assert_eq!(
        made.metrics.preference,
        Some(crate::value::RoutePreference::High)
    );
    machine.run(58);
    assert_eq!(machine.kernel.routes.len(), 1);
    machine.run(3);
    assert_eq!(machine.kernel.routes.len(), 0);
}

#[test]
fn nothing_is_asked_again_after_the_hand_over() {
    let options = [
        servers(600, "2001:db8::54"),
        route(2, "2001:db8:9::/48", 0, 600),
    ];
    let mut first = Machine::with_ipv6("").routed(MANAGED, &options);
    first.run(10);
    assert_eq!(first.sent6, [SOLICIT]);
    let servers = first.resolvers();
    assert_eq!(servers.len(), 2);
    let mut second = first.handed_over("");
    second.run(20);
    assert_eq!(second.resolvers(), servers);
    assert_eq!(second.done, [], "nothing to change");
    assert_eq!((second.solicited, &second.sent6[..]), (0, &[][..]));
    assert!(
        second.listened.contains(&2),
        "what routers say next is heard"
    );
    // And it is renewed where it was left.
    second.run(60);
    assert!(second.addresses().contains(&LEASED.to_owned()));
    assert!(!second.sent6.contains(&SOLICIT), "{:?}", second.sent6);
}

#[test]
fn a_machine_without_ipv6_asks_no_router() {
    let mut machine = Machine::new("");
    machine.run(10);
    assert_eq!(machine.solicited, 0);
}
