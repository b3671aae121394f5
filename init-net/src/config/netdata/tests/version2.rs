//! Version 2.

use super::check;

/// One card called `eth0` of which `text` is said.
#[track_caller]
fn card(text: &str, expect: &[&str]) {
    check(
        &format!("{{version: 2, ethernets: {{eth0: {{{text}}}}}}}"),
        expect,
    );
}

/// [`card`], of which nothing is to be said but where it is.
#[track_caller]
fn on_card(text: &str, expect: &[&str]) {
    card(text, &[&["link eth0 up"], expect].concat());
}

#[test]
fn cards() {
    check("{version: 2, ethernets: {eth0: }}", &["link eth0 up"]);
    check(
        "network: {version: 2, renderer: networkd, ethernets: {eth0: {optional: true}}}",
        &["link eth0 up"],
    );
    card(
        "mtu: '1400', macaddress: '0A:00:00:00:00:01'",
        &["link eth0 up mtu 1400 mac 0a:00:00:00:00:01"],
    );
    card("activation-mode: off", &["link eth0 down"]);
    card("accept-ra: no", &["link eth0 up accept_ra 0"]);
    card("accept-ra: 'yes'", &["link eth0 up accept_ra 1"]);
    card("link-local: []", &["link eth0 up addr_gen_mode 1"]);
    card("link-local: [ipv6]", &["link eth0 up"]);
    card(
        "ipv6-address-generation: eui64, ipv6-privacy: true",
        &["link eth0 up addr_gen_mode 0 use_tempaddr 2"],
    );
    on_card(
        "link-local: [ipv4, ipv6]",
        &["Note: network-config: IPv4 addresses of the link alone are not made here"],
    );
    on_card(
        "ipv6-address-token: '::2'",
        &["Note: network-config: addresses are not made of tokens here"],
    );
}

#[test]
fn matches() {
    #[track_caller]
    fn same(text: &str, expect: &str) {
        check(
            &format!("{{version: 2, ethernets: {{any: {{match: {{{text}}}}}}}}}"),
            &[&format!("link {expect} up")],
        );
    }
    same("macaddress: '0A-00-00-00-00-01'", "0a:00:00:00:00:01");
    same("name: 'en*'", "card[name en*]");
    same("driver: virtio_net", "card[drivers virtio_net]");
    same(
        "driver: [ixgbe, 'mlx5*'], name: 'enp[12]s0'",
        "card[name enp[12]s0, drivers ixgbe|mlx5*]",
    );
    same(
        "macaddress: '0a:00:00:00:00:01', driver: hv_netvsc",
        "card[mac 0a:00:00:00:00:01, drivers hv_netvsc]",
    );
    same("", "EveryPhysical");
    for (text, fault) in [
        ("macaddress: zz", "macaddress is no hardware address"),
        ("name: '['", "this is no pattern"),
        ("driver: [a, '[']", "this is no pattern"),
        (
            "path: pci-0, name: a",
            "cards are matched by name, macaddress and driver alone",
        ),
    ] {
        check(
            &format!("{{version: 2, ethernets: {{any: {{dhcp4: true, match: {{{text}}}}}}}}}"),
            &[&format!("Warning: network-config: {fault}")],
        );
    }
}

#[test]
fn given_names() {
    check(
        "{version: 2, ethernets: {a: {match: {name: 'en*'}, set-name: lan0}, b: {match: {macaddress: '0a:00:00:00:00:01'}, set-name: lan1}}}",
        &[
            "link card[name en*] up",
            "link 0a:00:00:00:00:01 up",
            "name lan0 = card[name en*]",
            "name lan1 = 0a:00:00:00:00:01",
        ],
    );
    on_card(
        "set-name: lan0",
        &["Warning: network-config: set-name needs match"],
    );
}

#[test]
fn dynamic() {
    for truth in ["true", "yes", "on", "'yes'", "\"true\"", "True"] {
        on_card(&format!("dhcp4: {truth}"), &["Dhcp4 on eth0"]);
    }
    for truth in ["false", "no", "'no'", "off", "null"] {
        on_card(&format!("dhcp4: {truth}"), &[]);
    }
    on_card(
        "dhcp4: maybe",
        &["Warning: network-config: dhcp4 is neither true nor false"],
    );
    on_card("dhcp6: true", &["Dhcp6 on eth0"]);
    on_card(
        "dhcp4: true, optional: true",
        &["Dhcp4 on eth0 optional=true"],
    );
    on_card(
        "dhcp4: true, dhcp4-overrides: {route-metric: 400, use-dns: 'no', use-domains: route, use-hostname: no, send-hostname: true, hostname: n1, use-mtu: false, use-ntp: false, use-routes: false}",
        &[
            "Dhcp4 on eth0 metric 400 use_dns=false use_domains=false use_mtu=false use_ntp=false ignore_hostname=true ignore_routes=true send_hostname=true hostname n1",
        ],
    );
    on_card(
        "dhcp4: true, dhcp6: true, dhcp6-overrides: {route-metric: 7, use-domains: true}",
        &["Dhcp4 on eth0", "Dhcp6 on eth0 metric 7 use_domains=true"],
    );
    on_card("dhcp4: true, dhcp-identifier: mac", &["Dhcp4 on eth0"]);
    on_card(
        "dhcp4: true, dhcp-identifier: duid",
        &[
            "Dhcp4 on eth0",
            "Note: network-config: a DHCPv4 client tells its hardware address",
        ],
    );
}

#[test]
fn addresses() {
    on_card(
        "addresses: [192.0.2.10/24, {'192.0.2.11/24': {lifetime: 0, label: 'eth0:1'}}, {'2001:db8::1/64': {lifetime: forever}}]",
        &[
            "address 192.0.2.10/24 on eth0",
            "address 192.0.2.11/24 on eth0 deprecated",
            "address 2001:db8::1/64 on eth0",
        ],
    );
    on_card(
        "addresses: 192.0.2.10/24",
        &["address 192.0.2.10/24 on eth0"],
    );
    on_card(
        "addresses: [192.0.2.10]",
        &[
            "address 192.0.2.10/32 on eth0",
            "Note: network-config: an address without length is alone on its link",
        ],
    );
    on_card(
        "addresses: [192.0.2.300/24, 192.0.2.1/33, [], 192.0.2.10/24]",
        &[
            "address 192.0.2.10/24 on eth0",
            "Warning: network-config: an address is none with its length",
            "Warning: network-config: an address is none with its length",
            "Warning: network-config: an address is no text",
        ],
    );
    on_card(
        "gateway4: 192.0.2.1, gateway6: 'fe80::1', nameservers: {addresses: [192.0.2.53, '::1'], search: [a.b, c.d]}",
        &[
            "route default via 192.0.2.1 on eth0",
            "route default via fe80::1 on eth0",
            "dns 192.0.2.53",
            "dns ::1",
            "search a.b",
            "search c.d",
        ],
    );
    on_card(
        "gateway4: '::1'",
        &["Warning: network-config: gateway4 is of the other family"],
    );
    on_card(
        "gateway4: x",
        &["Warning: network-config: gateway4 is not what it should be"],
    );
}

#[test]
fn routes() {
    #[track_caller]
    fn same(route: &str, expect: &str) {
        on_card(&format!("routes: [{{{route}}}]"), &[expect]);
    }
    same(
        "to: default, via: 192.0.2.1",
        "route default via 192.0.2.1 on eth0",
    );
    same("via: 192.0.2.1", "route default via 192.0.2.1 on eth0");
    same(
        "to: 0.0.0.0/0, via: 192.0.2.1, on-link: true, metric: 100",
        "route 0.0.0.0/0 via 192.0.2.1 on eth0 metric 100 onlink=true",
    );
    same(
        "to: '::/0', via: 'fe80::1'",
        "route ::/0 via fe80::1 on eth0",
    );
    same(
        "to: 10.9.9.9, via: 192.0.2.1",
        "route 10.9.9.9/32 via 192.0.2.1 on eth0",
    );
    same("to: 10.9.0.0/16, scope: link", "route 10.9.0.0/16 on eth0");
    same(
        "to: 10.9.0.0/16, type: blackhole",
        "route 10.9.0.0/16 on eth0 blackhole",
    );
    same(
        "to: 10.9.0.0/16, via: 192.0.2.1, table: 101, from: 192.0.2.10, mtu: 1400, congestion-window: 10, advertised-mss: '1300'",
        "route 10.9.0.0/16 via 192.0.2.1 on eth0 table 101 mtu 1400 advmss 1300 initcwnd 10 from 192.0.2.10",
    );
    for table in ["main", "local", "default"] {
        same(
            &format!("via: 192.0.2.1, table: {table}"),
            &format!("route default via 192.0.2.1 on eth0 table {table}"),
        );
    }
    for (route, fault) in [
        (
            "to: 10.0.0.0/33, via: 10.0.0.1",
            "the destination of a route is no prefix",
        ),
        ("to: 10.0.0.0/8, via: x", "via is not what it should be"),
        (
            "to: 10.0.0.0/8, via: 'fe80::1'",
            "destination and gateway are of two address families",
        ),
        ("to: 10.0.0.0/8, table: a", "table is not what it should be"),
        ("to: 10.0.0.0/8, type: odd", "type is not what it should be"),
        (
            "to: 10.0.0.0/8, type: other",
            "type is not what it should be",
        ),
        ("metric: 7", "a route without destination and gateway"),
    ] {
        same(route, &format!("Warning: network-config: {fault}"));
    }
}

#[test]
fn rules() {
    on_card(
        "routing-policy: [{from: 192.0.2.10, table: 101, priority: 50}, {to: 10.0.0.0/8, mark: 7, table: local}, {from: all, table: 7}]",
        &[
            "rule 50 from 192.0.2.10/32 table 101",
            "rule 20001 to 10.0.0.0/8 mark 7 table local",
            "rule 20002 table 7",
        ],
    );
    for (rule, fault) in [
        ("from: 192.0.2.10", "a rule without table"),
        ("from: x, table: 7", "from is no network"),
        (
            "from: 10.0.0.1, table: 7, type-of-service: 8",
            "a rule by type-of-service is not made here",
        ),
        (
            "from: 10.0.0.1, table: 7, mark: x",
            "mark is not what it should be",
        ),
    ] {
        on_card(
            &format!("routing-policy: [{{{rule}}}]"),
            &[&format!("Warning: network-config: {fault}")],
        );
    }
}

/// IDs mean what their definitions match.
#[test]
fn links_on_links() {
    check(
        "{version: 2, ethernets: {a: {match: {macaddress: '0a:00:00:00:00:01'}}, b: {match: {driver: x}}}, bonds: {bond0: {interfaces: [a, b, eth9], macaddress: '0a:00:00:00:00:09', parameters: {mode: active-backup, primary: a}, dhcp4: true}}, vlans: {v7: {id: 7, link: bond0}, v8: {id: 8, link: a, addresses: [10.0.0.1/24]}}}",
        &[
            "link 0a:00:00:00:00:01 up",
            "link card[drivers x] up",
            "link bond0 up mac 0a:00:00:00:00:09 bond(0a:00:00:00:00:01 card[drivers x] eth9; mode=active-backup; primary 0a:00:00:00:00:01)",
            "link v7 up vlan(bond0 7)",
            "link v8 up vlan(0a:00:00:00:00:01 8)",
            "address 10.0.0.1/24 on v8",
            "Dhcp4 on bond0",
        ],
    );
    check(
        "{version: 2, ethernets: {a: {match: {macaddress: '0a:00:00:00:00:01'}}}, bridges: {br0: {interfaces: [a], mtu: 1400, parameters: {stp: yes, forward-delay: 4, hello-time: 2s, max-age: 12, ageing-time: 300, priority: 8192, path-cost: {a: 100}, port-priority: {a: 12}}}}}",
        &[
            "link 0a:00:00:00:00:01 up",
            "link br0 up mtu 1400 bridge(0a:00:00:00:00:01; ageingTime=30000 forwardDelay=400 helloTime=200 maxAge=1200 priority=8192 stp=true)",
            "link 0a:00:00:00:00:01 port(cost=100)",
            "link 0a:00:00:00:00:01 port(priority=12)",
        ],
    );
    check(
        "{version: 2, dummy-devices: {d: {addresses: [192.0.2.1/32]}}, vrfs: {blue: {table: 1000, interfaces: [eth1], routes: [{via: 192.0.2.1}], routing-policy: [{from: 192.0.2.9}]}}}",
        &[
            "link d up dummy",
            "link blue up vrf(eth1; 1000)",
            "address 192.0.2.1/32 on d",
            "route default via 192.0.2.1 on eth1 table 1000",
            "rule 20000 from 192.0.2.9/32 table 1000",
        ],
    );
}

/// A match that is not understood is not the card that has the ID for a name by chance.
#[test]
fn ids_of_what_is_damaged() {
    check(
        "{version: 2, ethernets: {eth0: {match: {macaddress: zz}}}, vlans: {v: {id: 5, link: eth0}}}",
        &[
            "Warning: network-config: macaddress is no hardware address",
            "Warning: network-config: link is no usable link",
        ],
    );
}

#[test]
fn what_is_not_made() {
    for (text, fault) in [
        (
            "wifis: {w: {dhcp4: true}}",
            "Warning: network-config: wifis are not made here",
        ),
        (
            "tunnels: {t: {mode: gre}}",
            "Warning: network-config: tunnels are not made here",
        ),
        (
            "vlans: {v: {id: 0, link: eth0}}",
            "Warning: network-config: id is not what it should be",
        ),
        (
            "vlans: {v: {id: 5}}",
            "Warning: network-config: a vlan without link",
        ),
        (
            "vlans: {v: {link: eth0}}",
            "Warning: network-config: a vlan without id",
        ),
        (
            "vrfs: {v: {interfaces: []}}",
            "Warning: network-config: a vrf without table",
        ),
        (
            "bonds: {b: {interfaces: [eth0], parameters: {mode: trunk}}}",
            "Error: network-config: a mode that bonds do not have",
        ),
        (
            "ethernets: {a/b: {dhcp4: true}}",
            "Warning: network-config: the ID is no name of a link",
        ),
        (
            "ethernets: {a: 7}",
            "Warning: network-config: a definition is no mapping",
        ),
        (
            "ethernets: [a]",
            "Warning: network-config: ethernets is no mapping",
        ),
    ] {
        check(&format!("{{version: 2, {text}}}"), &[fault]);
    }
    check("{version: 2, wifis: {}, tunnels: }", &[]);
    check("{version: 2}", &[]);
}
