//! Version 1.

use super::check;

/// One physical entry with these subnets.
fn physical(subnets: &str) -> String {
    format!("version: 1\nconfig:\n- {{type: physical, name: eth0, subnets: [{subnets}]}}\n")
}

const LINK: &str = "link eth0 up";

#[test]
fn subnets() {
    #[track_caller]
    fn same(subnet: &str, expect: &[&str]) {
        check(&physical(subnet), &[&[LINK], expect].concat());
    }
    for (kind, expect) in [
        ("dhcp", "Dhcp4 on eth0"),
        ("dhcp4", "Dhcp4 on eth0"),
        ("dhcp6", "Dhcp6 on eth0"),
        ("ipv6_slaac", "Auto6 on eth0"),
        ("ipv6_dhcpv6-stateless", "Auto6 on eth0"),
        ("ipv6_dhcpv6-stateful", "Dhcp6 on eth0"),
        ("link-local", "LinkLocal6 on eth0"),
    ] {
        same(&format!("{{type: {kind}}}"), &[expect]);
    }
    same("{type: manual}", &[]);
    same(
        "{type: dhcp, ipv4: true, metric: '7'}",
        &["Dhcp4 on eth0 metric 7"],
    );
    same("{type: dhcp, ipv6: true}", &["Dhcp6 on eth0"]);
    same("{type: dhcp, ipv4: no, ipv6: 'yes'}", &["Dhcp6 on eth0"]);
    same(
        "{type: dhcp, ipv4: true, ipv6: true}",
        &["Dhcp4 on eth0", "Dhcp6 on eth0"],
    );
    same(
        "{type: static, address: 10.0.0.2, netmask: 255.255.255.0, gateway: 10.0.0.1, metric: 9}",
        &[
            "address 10.0.0.2/24 on eth0",
            "route default via 10.0.0.1 on eth0 metric 9",
        ],
    );
    for netmask in ["24", "'24'", "255.255.255.0"] {
        same(
            &format!("{{type: static4, address: 10.0.0.2, netmask: {netmask}}}"),
            &["address 10.0.0.2/24 on eth0"],
        );
    }
    same(
        "{type: static, address: 10.0.0.2/255.255.0.0}",
        &["address 10.0.0.2/16 on eth0"],
    );
    same(
        "{type: static, address: 10.0.0.2}",
        &["address 10.0.0.2/32 on eth0"],
    );
    same(
        "{type: static6, address: '2001:db8::1', netmask: 'ffff:ffff::'}",
        &["address 2001:db8::1/32 on eth0"],
    );
    same(
        "{type: static, address: 10.0.0.2/24, gateway: 0.0.0.0}",
        &["address 10.0.0.2/24 on eth0"],
    );
    same(
        "{type: static, address: 10.0.0.2/24, dns_nameservers: 10.0.0.3, dns_search: a.b c.d}",
        &[
            "address 10.0.0.2/24 on eth0",
            "dns 10.0.0.3",
            "search a.b",
            "search c.d",
        ],
    );
    same(
        "{type: dhcp4, dns_nameservers: [10.0.0.3, 'fe80::1%eth0'], dns_search: [a.b]}",
        &[
            "Dhcp4 on eth0",
            "dns 10.0.0.3",
            "dns fe80::1%eth0",
            "search a.b",
        ],
    );
    same(
        "{type: dhcp4, control: manual}",
        &["Note: network-config: control: manual waits for somebody to start it"],
    );
}

#[test]
fn routes_of_subnets() {
    #[track_caller]
    fn same(route: &str, expect: &str) {
        let subnet = format!("{{type: static, address: 10.0.0.2/24, routes: [{route}]}}");
        check(
            &physical(&subnet),
            &[LINK, "address 10.0.0.2/24 on eth0", expect],
        );
    }
    same(
        "{network: 10.8.0.9, netmask: 255.255.0.0, gateway: 10.0.0.9, metric: 3}",
        "route 10.8.0.0/16 via 10.0.0.9 on eth0 metric 3",
    );
    same(
        "{destination: 10.8.0.0/16, gateway: 10.0.0.9}",
        "route 10.8.0.0/16 via 10.0.0.9 on eth0",
    );
    same(
        "{network: 10.8.0.0, netmask: 16}",
        "route 10.8.0.0/16 on eth0",
    );
    same(
        "{network: 0.0.0.0, gateway: 10.0.0.9}",
        "route 0.0.0.0/0 via 10.0.0.9 on eth0",
    );
    same(
        "{network: '::', netmask: '::', gateway: 'fe80::1'}",
        "route ::/0 via fe80::1 on eth0",
    );
    same(
        "{destination: default, gateway: 10.0.0.9}",
        "route default via 10.0.0.9 on eth0",
    );
    same("{gateway: 10.0.0.9}", "route default via 10.0.0.9 on eth0");
    same(
        "{destination: 10.8.0.0/16, gateway: 'fe80::1'}",
        "Warning: network-config: destination and gateway are of two address families",
    );
    same(
        "{metric: 3}",
        "Warning: network-config: a route without destination and gateway",
    );
    same(
        "{destination: 10.8.0.0/16, gateway: x}",
        "Warning: network-config: gateway is not what it should be",
    );
}

/// A router that somebody wrote down makes those that advertise themselves superfluous, unless they are asked.
#[test]
fn routers() {
    let routed = "{type: static6, address: '2001:db8::2/64', gateway: 'fe80::1'}";
    let rest = [
        "address 2001:db8::2/64 on eth0",
        "route default via fe80::1 on eth0",
    ];
    let with = |link: &'static str, more: &[&'static str]| [&[link], &rest[..], more].concat();
    check(&physical(routed), &with("link eth0 up accept_ra 0", &[]));
    check(
        &physical(&format!("{routed}, {{type: ipv6_slaac}}")),
        &with(LINK, &["Auto6 on eth0"]),
    );
    check(
        &physical(&format!("{routed}, {{type: dhcp, ipv6: true}}")),
        &with(LINK, &["Dhcp6 on eth0"]),
    );
    let said = |accepts: &str| {
        format!(
            "version: 1\nconfig: [{{type: physical, name: eth0, accept-ra: {accepts}, subnets: [{routed}]}}]"
        )
    };
    check(&said("true"), &with("link eth0 up accept_ra 1", &[]));
    check(&said("'no'"), &with("link eth0 up accept_ra 0", &[]));
}

#[test]
fn entries() {
    check(
        "network: {version: 1, config: [{type: physical, name: eth9, mac_address: '0A:00:00:00:00:01', mtu: 1450}]}",
        &["link 0a:00:00:00:00:01 up mtu 1450"],
    );
    check(
        "{\"version\": 1, \"config\": [{\"type\": \"physical\", \"name\": \"eth9\", \"mtu\": null}]}",
        &["link eth9 up"],
    );
    check(
        "{version: '1', config: [{type: nameserver, address: 192.0.2.53, search: a.b}, {type: nameserver, address: [192.0.2.53, '::1']}]}",
        &["dns 192.0.2.53", "dns ::1", "search a.b"],
    );
    check(
        "{version: 1, config: [{type: route, destination: 10.0.0.0/8, gateway: 10.0.0.1}]}",
        &["route 10.0.0.0/8 via 10.0.0.1"],
    );
    check(
        "{version: 1, config: [{type: loopback, name: lo, subnets: [{type: loopback}, {type: static, address: 192.0.2.1/32}]}]}",
        &["address 192.0.2.1/32 on lo"],
    );
    check(
        "{version: 1, config: [{type: infiniband, name: ib0, mac_address: '0a:00:00:00:00:01', subnets: [{type: dhcp4}]}]}",
        &[
            "link [addr *:0a:00:00:??:??:00:00:01] up",
            "Dhcp4 on [addr *:0a:00:00:??:??:00:00:01]",
        ],
    );
    check("[]", &[]);
    check("", &[]);
    check("null", &[]);
    check("{network: {config: disabled}}", &[]);
}

/// Bonds and VLANs follow the card that the hardware address means, wherever it stands in the list.
#[test]
fn links_on_links() {
    let cards = "{type: physical, name: eth0, mac_address: '0a:00:00:00:00:01'}, {type: physical, name: eth1}";
    check(
        &format!(
            "{{version: 1, config: [{{type: bond, name: bond0, mac_address: '0a:00:00:00:00:09', mtu: 9000, bond_interfaces: [eth0, eth1], params: {{bond-mode: 1, bond-primary: eth0}}, subnets: [{{type: dhcp}}]}}, {cards}, {{type: vlan, name: bond0.5, vlan_link: bond0, vlan_id: 5, mtu: 1400}}, {{type: vlan, name: v6, vlan_link: eth0, vlan_id: '6', mac_address: '0a:00:00:00:00:06'}}]}}"
        ),
        &[
            "link bond0 up mtu 9000 mac 0a:00:00:00:00:09 bond(0a:00:00:00:00:01 eth1; mode=active-backup; primary 0a:00:00:00:00:01)",
            "link 0a:00:00:00:00:01 up",
            "link eth1 up",
            "link bond0.5 up mtu 1400 vlan(bond0 5)",
            "link v6 up mac 0a:00:00:00:00:06 vlan(0a:00:00:00:00:01 6)",
            "Dhcp4 on bond0",
        ],
    );
    check(
        "{version: 1, config: [{type: bond, name: b, params: {bond-slaves: eth0 eth1}}]}",
        &["link b up bond(eth0 eth1; )"],
    );
    check(
        "{version: 1, config: [{type: vlan, name: a-name-that-is-too-long, vlan_link: eth0, vlan_id: 5}]}",
        &[
            "link eth0.5 up vlan(eth0 5)",
            "Note: network-config: the name is none of a link: it is called by its parent and tag",
        ],
    );
}

/// What the text describes and cannot say is not the card that has the name by chance.
#[test]
fn names_of_what_is_damaged() {
    check(
        "{version: 1, config: [{type: physical, name: eth0, mac_address: zz}, {type: bond, name: b, bond_interfaces: [eth0, eth1]}, {type: vlan, name: v, vlan_link: eth0, vlan_id: 5}]}",
        &[
            "link b up bond(eth1; )",
            "Warning: network-config: mac_address is no hardware address",
            "Warning: network-config: a member is no usable link",
            "Warning: network-config: vlan_link is no usable link",
        ],
    );
}

#[test]
fn bridges() {
    check(
        "{version: 1, config: [{type: physical, name: a, mac_address: '0a:00:00:00:00:01'}, {type: bridge, name: br0, bridge_interfaces: [a, eth1], params: {bridge_stp: 'off', bridge_fd: 0, bridge_hello: 2, bridge_maxage: 20, bridge_ageing: 300, bridge_bridgeprio: 22, bridge_pathcost: [a 50, 'eth1 75'], bridge_portprio: 'eth1 28', bridge_waitport: 0, bridge_hw: '0a:00:00:00:00:09'}}]}",
        &[
            "link 0a:00:00:00:00:01 up",
            "link br0 up mac 0a:00:00:00:00:09 bridge(0a:00:00:00:00:01 eth1; ageingTime=30000 forwardDelay=0 helloTime=200 maxAge=2000 priority=22 stp=false)",
            "link 0a:00:00:00:00:01 port(cost=50)",
            "link eth1 port(cost=75)",
            "link eth1 port(priority=28)",
        ],
    );
    check(
        "{version: 1, config: [{type: bridge, name: br0, params: {bridge_ports: eth0 eth1, bridge_stp: true, bridge_fd: 1, bridge_portprio: eth0 64}}]}",
        &[
            "link br0 up bridge(eth0 eth1; stp=true)",
            "Warning: network-config: bridge_fd is no time from 2 to 30 seconds",
            "Warning: network-config: bridge_portprio is no port with its number",
        ],
    );
    check(
        "{version: 1, config: [{type: bridge, name: br0}]}",
        &["link br0 up bridge(; )"],
    );
}

#[test]
fn faults_cost_their_entry() {
    check(
        &physical("{type: static, address: 10.0.0.2, netmask: 255.0.255.0}, {type: dhcp4}"),
        &[
            LINK,
            "Dhcp4 on eth0",
            "Warning: network-config: address and netmask are no prefix",
        ],
    );
    check(
        &physical("{type: static, address: 10.0.0.2/24, gateway: x}"),
        &[
            LINK,
            "address 10.0.0.2/24 on eth0",
            "Warning: network-config: gateway is not what it should be",
        ],
    );
    check(
        &physical("{type: odd}"),
        &[LINK, "Warning: network-config: unknown type of subnet"],
    );
    check(
        &physical("{type: static}"),
        &[
            LINK,
            "Warning: network-config: a static subnet without address",
        ],
    );
    check(
        "{version: 1, config: [{type: physical, name: a/b}, {type: physical, mac_address: [1]}, 7]}",
        &[
            "Warning: network-config: neither mac_address nor a usable name",
            "Warning: network-config: mac_address is no hardware address",
            "Warning: network-config: unknown type of entry",
        ],
    );
    for (entry, fault) in [
        ("type: vlan, name: v", "a vlan without vlan_link"),
        (
            "type: vlan, name: v, vlan_link: eth0",
            "a vlan without vlan_id",
        ),
        (
            "type: vlan, name: v, vlan_link: eth0, vlan_id: 4095",
            "vlan_id is not what it should be",
        ),
        (
            "type: vlan, name: v, vlan_link: [a], vlan_id: 4",
            "vlan_link is no usable link",
        ),
        ("type: bond, name: b", "a bond without members"),
        (
            "type: bond, name: b/b, bond_interfaces: [eth0]",
            "the name is none of a link",
        ),
        ("type: bridge", "the name is none of a link"),
        ("type: [physical]", "unknown type of entry"),
    ] {
        let fault = format!("Warning: network-config: {fault}");
        check(&format!("{{version: 1, config: [{{{entry}}}]}}"), &[&fault]);
    }
    check(
        "{version: 1, config: [{type: physical, name: e, mtu: 12}]}",
        &[
            "link e up",
            "Warning: network-config: mtu is not what it should be",
        ],
    );
}

#[test]
fn versions() {
    for (text, fault) in [
        ("{version: 0, config: []}", "this version is not known"),
        ("{version: 3}", "this version is not known"),
        ("{version: [1]}", "the version is missing"),
        ("{config: [{type: physical}]}", "the version is missing"),
        ("network: {ethernets: {}}", "the version is missing"),
        ("just text", "the version is missing"),
    ] {
        check(text, &[&format!("Error: network-config: {fault}")]);
    }
}
