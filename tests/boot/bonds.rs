//! Bonds: every option as said, options changed under running members, LACP between two machines, cables that flap.

use qemu::Vm;

use crate::bench::Bench;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

const BONDS: &str = include_str!("configs/bonds.yaml");

on_both_kernels!(every_option_of_a_bond);
fn every_option_of_a_bond(bench: Bench) {
    let vm = bench.machine(BONDS).cmdline("initnet.wait=links");
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.settles();
    active_backup(&mut guest);
    lacp(&mut guest);
    arp_monitor(&mut guest);
    balancing(&mut guest);
    members_stay_while_options_change(&mut guest);
    a_mode_changes_under_the_bond(&mut guest);
}

fn active_backup(guest: &mut Guest) {
    let bond = guest.link_once("backup", "UP");
    bond.is("/linkinfo/info_kind", "bond");
    bond.is("/address", "02:00:00:00:0b:01");
    bond.is("/mtu", 1400);
    let data = bond.at("/linkinfo/info_data");
    for (option, value) in [
        ("miimon", 100),
        ("updelay", 200),
        ("downdelay", 300),
        ("peer_notify_delay", 400),
        ("resend_igmp", 3),
        ("num_peer_notif", 5),
        ("all_slaves_active", 1),
        ("min_links", 1),
        ("arp_missed_max", 7),
    ] {
        data.is(&format!("/{option}"), value);
    }
    for (option, value) in [
        ("mode", "active-backup"),
        ("primary", "two"),
        ("active_slave", "two"),
        ("primary_reselect", "better"),
        ("fail_over_mac", "follow"),
    ] {
        data.is(&format!("/{option}"), value);
    }
    for member in ["one", "two"] {
        let member = guest.link(member);
        member.is("/master", "backup");
        member.is("/linkinfo/info_slave_kind", "bond");
        member.is("/linkinfo/info_slave_data/mii_status", "UP");
        member.is("/mtu", 1400);
    }
    guest.addresses("backup").one("local=10.1.0.1");
}

fn lacp(guest: &mut Guest) {
    let data = guest.link("lacp").at("/linkinfo/info_data");
    for (option, value) in [
        ("mode", "802.3ad"),
        ("xmit_hash_policy", "layer3+4"),
        ("ad_lacp_rate", "fast"),
        ("ad_lacp_active", "off"),
        ("ad_select", "bandwidth"),
        ("ad_actor_system", "02:11:22:33:44:55"),
    ] {
        data.is(&format!("/{option}"), value);
    }
    data.is("/ad_actor_sys_prio", 100);
    data.is("/ad_user_port_key", 77);
    data.is("/min_links", 2);
    guest.link("three").is("/master", "lacp");
    guest.link("four").is("/master", "lacp");
}

fn arp_monitor(guest: &mut Guest) {
    let data = guest.link("arp").at("/linkinfo/info_data");
    data.is("/miimon", 0);
    data.is("/arp_interval", 500);
    data.is("/arp_ip_target/0", "10.0.0.1");
    data.is("/arp_ip_target/1", "10.0.0.2");
    data.is("/ns_ip6_target/0", "fe80::1");
    data.is("/arp_validate", "filter_active");
    data.is("/arp_all_targets", "all");
    data.is("/arp_missed_max", 4);
}

fn balancing(guest: &mut Guest) {
    let turns = guest.link("turns").at("/linkinfo/info_data");
    turns.is("/mode", "balance-rr");
    turns.is("/packets_per_slave", 3);
    let load = guest.link("load").at("/linkinfo/info_data");
    load.is("/mode", "balance-tlb");
    load.is("/tlb_dynamic_lb", 0);
    load.is("/lp_interval", 7);
}

/// What is changed in [`BONDS`] while the members stay where they are.
const IN_PLACE: [(&str, &str); 10] = [
    ("downdelay: 300", "downdelay: 500"),
    ("primary: two", "primary: one"),
    ("resendIGMP: 3", "resendIGMP: 4"),
    ("minLinks: 2", "minLinks: 1"),
    ("xmitHashPolicy: layer3+4", "xmitHashPolicy: layer2+3"),
    ("adSelect: bandwidth", "adSelect: count"),
    (
        "arpIpTargets: [10.0.0.1, 10.0.0.2]",
        "arpIpTargets: [10.0.0.2, 10.0.0.3]",
    ),
    ("nsIp6Targets: [fe80::1]", "nsIp6Targets: [fe80::2]"),
    ("packetsPerSlave: 3", "packetsPerSlave: 4"),
    ("lpInterval: 7", "lpInterval: 8"),
];

fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(BONDS.to_owned(), |config, (from, to)| {
        assert!(config.contains(from), "{from} is in the config");
        config.replace(from, to)
    })
}

fn members_stay_while_options_change(guest: &mut Guest) {
    let before = guest.indexes();
    guest.run("ip monitor link > /tmp/monitor 2>&1 & echo $! > /tmp/monitor.pid; usleep 300000");
    guest.becomes(&changed(&IN_PLACE));
    let monitor = guest.run("kill $(cat /tmp/monitor.pid); cat /tmp/monitor");

    assert_eq!(guest.indexes(), before, "every bond is the one that it was");
    let of = |name: &str| {
        let name = format!(": {name}: ");
        monitor.lines().filter(move |line| line.contains(&name))
    };
    // The kernel takes adSelect only while the bond is down, and nobody answers the other's ARP. These two stay up.
    for name in ["backup", "turns"] {
        let down = of(name).find(|line| line.contains("state DOWN"));
        assert_eq!(down, None, "in:\n{monitor}");
    }
    for name in ["one", "two", "three", "four", "five", "six", "seven"] {
        let alone = of(name).find(|line| !line.contains(" master "));
        assert_eq!(alone, None, "in:\n{monitor}");
    }

    let backup = guest.link("backup").at("/linkinfo/info_data");
    backup.is("/downdelay", 500);
    backup.is("/primary", "one");
    backup.is("/resend_igmp", 4);
    let lacp = guest.link("lacp").at("/linkinfo/info_data");
    lacp.is("/min_links", 1);
    lacp.is("/xmit_hash_policy", "layer2+3");
    lacp.is("/ad_select", "count");
    let arp = guest.link("arp").at("/linkinfo/info_data");
    arp.is("/arp_ip_target/0", "10.0.0.2");
    arp.is("/arp_ip_target/1", "10.0.0.3");
    arp.is("/ns_ip6_target/0", "fe80::2");
    guest
        .link("turns")
        .is("/linkinfo/info_data/packets_per_slave", 4);
    guest.link("load").is("/linkinfo/info_data/lp_interval", 8);
}

/// The kernel changes a mode only while the bond has no members: they go and come, the bond with its address stays.
fn a_mode_changes_under_the_bond(guest: &mut Guest) {
    let before = guest.indexes();
    let change = ("bondMode: balance-rr", "bondMode: balance-xor");
    guest.becomes(&changed(&[change, ("packetsPerSlave: 3\n", "")]));
    assert_eq!(guest.indexes(), before);
    let bond = guest.link("turns").at("/linkinfo/info_data");
    bond.is("/mode", "balance-xor");
    guest.link("six").is("/master", "turns");
}

/// One of two machines whose cards are wired one to one.
const LACP: &str = "\
apiVersion: v1alpha1
kind: BondConfig
name: bond0
links: [eth0, eth1]
bondMode: 802.3ad
miimon: 100
updelay: 100
downdelay: 100
lacpRate: fast
xmitHashPolicy: layer3+4
minLinks: 1
addresses:
  - address: 10.88.0.1/24
";

const BOND: &str = "ip -d -j link show dev bond0";
const PORTS: &str = "/0/linkinfo/info_data/ad_info/num_ports";

on_both_kernels!(two_machines_agree_by_lacp_and_carry_on_over_one_cable);
fn two_machines_agree_by_lacp_and_carry_on_over_one_cable(bench: Bench) {
    let lan = bench.lab.namespace();
    lan.cable("cable0", ["one0", "two0"]).unwrap();
    lan.cable("cable1", ["one1", "two1"]).unwrap();
    let start = |name: &str, last: u8| -> Vm {
        let mac = |card| [0x52, 0x54, 0, 0x77, card, last];
        let config = LACP.replace("10.88.0.1", &format!("10.88.0.{last}"));
        let vm = bench.machine(&config).cmdline("initnet.wait=links");
        vm.name(name)
            .nic(&format!("{name}0"), mac(0))
            .nic(&format!("{name}1"), mac(1))
            .start(&bench.lab)
            .unwrap()
    };
    let (one, two) = (start("one", 1), start("two", 2));
    let (mut one, mut two) = (Guest::of(one), Guest::of(two));

    let partner = two.link("bond0").at("/address").to_string();
    one.until(BOND, PORTS, 2);
    two.until(BOND, PORTS, 2);
    let info = one
        .link("bond0")
        .at("/linkinfo/info_data/ad_info/partner_mac");
    assert_eq!(info.to_string().lines().last(), partner.lines().last());
    for card in ["eth0", "eth1"] {
        let member = one.link(card);
        member.is("/master", "bond0");
        member.is("/group", "73");
    }
    distributes(&mut one);
    one.settles();
    two.settles();
    one.ping("10.88.0.2");
    two.ping("10.88.0.1");

    // A cable comes out and goes in again.
    let index = one.indexes()["bond0"];
    one.vm.set_carrier(0, false).unwrap();
    one.until(BOND, PORTS, 1);
    let member = one.link("eth0");
    member.is("/master", "bond0");
    one.ping("10.88.0.2");
    one.settles();
    one.vm.set_carrier(0, true).unwrap();
    one.until(BOND, PORTS, 2);
    distributes(&mut one);
    one.ping("10.88.0.2");
    one.settles();
    assert_eq!(one.indexes()["bond0"], index);
}

/// Both members take part: a port is counted a moment before it is used.
fn distributes(guest: &mut Guest) {
    for card in ["eth0", "eth1"] {
        let question = format!("ip -d -j link show dev {card}");
        guest.until(&question, "/0/linkinfo/info_slave_data/state", "ACTIVE");
    }
}
