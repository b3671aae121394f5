//! A machine config in the image, and guests that are asked while they run, on both kernels.

use crate::bench::ADDRESS;
use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

const STATIC: &str = "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
addresses:
  - address: 10.77.0.20/24
routes:
  - gateway: 10.77.0.1
";

on_both_kernels!(a_static_address_answers_another_guest);
fn a_static_address_answers_another_guest(bench: Bench) {
    bench.second_port();
    let one = bench.machine(STATIC).name("one").nic("port0", MAC);
    let one = one.start(&bench.lab).unwrap();
    let two = STATIC.replace("10.77.0.20", "10.77.0.21");
    let two = bench.machine(&two).name("two").nic("port1", MAC2);
    let two = two.start(&bench.lab).unwrap();
    let (mut one, mut two) = (Guest::of(one), Guest::of(two));

    one.ready("routable");
    one.addresses("eth0")
        .one("family=inet local=10.77.0.20 prefixlen=24");
    one.routes("-4")
        .one("dst=default gateway=10.77.0.1 dev=eth0");
    two.ready("routable");
    two.ping("10.77.0.20");

    one.apply(&STATIC.replace("10.77.0.20", "10.77.0.22"));
    one.addresses("eth0").one("local=10.77.0.22");
    one.addresses("eth0").none("local=10.77.0.20");
    two.ping("10.77.0.22");
}

on_both_kernels!(a_card_that_appears_late_gets_a_lease);
fn a_card_that_appears_late_gets_a_lease(bench: Bench) {
    let dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let vm = bench.machine("").start(&bench.lab).unwrap();
    let mut guest = Guest::of(vm);
    guest.ask("ip -j link").none("ifname=eth0");
    assert_eq!(dnsmasq.count("DHCPDISCOVER"), 0);

    guest.vm.plug("port0", MAC).unwrap();
    guest.ready("routable");
    guest.addresses("eth0").one(&format!(
        "family=inet local={ADDRESS} prefixlen=24 dynamic=true"
    ));
    guest.ping("10.77.0.1");
}

on_both_kernels!(a_cable_that_flaps_keeps_the_address);
fn a_cable_that_flaps_keeps_the_address(bench: Bench) {
    let vm = bench.machine(STATIC).nic("port0", MAC);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.ready("routable");
    let link = "ip -j link show dev eth0";
    guest.until(link, "/0/operstate", "UP");

    guest.vm.set_carrier(0, false).unwrap();
    guest.until(link, "/0/operstate", "DOWN");
    guest.vm.set_carrier(0, true).unwrap();
    guest.until(link, "/0/operstate", "UP");
    guest.addresses("eth0").one("local=10.77.0.20");
    guest.routes("-4").one("dst=default gateway=10.77.0.1");
    guest.ping("10.77.0.1");
}

on_both_kernels!(a_guest_has_every_kind_of_link_and_the_tools);
fn a_guest_has_every_kind_of_link_and_the_tools(bench: Bench) {
    let mut guest = Guest::of(bench.machine("").start(&bench.lab).unwrap());
    for module in qemu::guest::LINK_MODULES {
        let parameters = if module == "bonding" {
            "max_bonds=0"
        } else {
            ""
        };
        guest.run(&format!("modprobe {module} {parameters}"));
    }
    guest.ask("ip -j link").none("ifname=bond0");
    guest.run(
        "ip link add br0 type bridge vlan_filtering 1 && ip link add d0 type dummy\n\
         ip link set d0 master br0 && bridge vlan add dev d0 vid 7 && ip link add wg0 type wireguard\n\
         ip link add link d0 d0.5 type vlan id 5 protocol 802.1ad && ethtool -k d0 && ip rule add table 9",
    );
    let vlan = guest.link("d0.5");
    vlan.is("/linkinfo/info_kind", "vlan");
    vlan.is("/linkinfo/info_data/protocol", "802.1ad");
    let vlans = guest.bridge_vlans();
    vlans.one("ifname=d0").at("/vlans").one("vlan=7");
    guest.wireguard().one("interface=wg0 listen_port=0");
    guest.rules("-4").one("table=9");
}

/// The lab's own: what a bond of the config will be tested against.
#[test]
fn two_bonds_find_each_other_over_cables() {
    let bench = Bench::new("two-bonds-over-cables");
    let lan = bench.lab.namespace();
    lan.cable("cable0", ["one0", "two0"]).unwrap();
    lan.cable("cable1", ["one1", "two1"]).unwrap();
    let start = |name: &str, last: u8| {
        let mac = |card| [0x52, 0x54, 0, 0x77, card, last];
        let vm = bench
            .machine("")
            .cmdline("initnet.ignore=eth0 initnet.ignore=eth1");
        let vm = vm
            .name(name)
            .nic(&format!("{name}0"), mac(0))
            .nic(&format!("{name}1"), mac(1));
        vm.start(&bench.lab).unwrap()
    };
    let (one, two) = (start("one", 1), start("two", 2));
    let mut guests = [Guest::of(one), Guest::of(two)];
    for guest in &mut guests {
        guest.run(
            "modprobe bonding max_bonds=0 && modprobe af_packet\n\
             ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast\n\
             for card in eth0 eth1; do\n\
                 ip link set $card down && ip link set $card master bond0\n\
             done\n\
             ip link set bond0 up",
        );
    }
    let [one, two] = &mut guests;
    let bond = "ip -d -j link show dev bond0";
    let ad_info = "/0/linkinfo/info_data/ad_info";
    let other = two.ask(bond);
    let other = other.get("/0/address").unwrap().clone();
    one.until(bond, &format!("{ad_info}/partner_mac"), other);
    // Both members in one aggregate: neither cable leads anywhere else.
    one.until(bond, &format!("{ad_info}/num_ports"), 2);
}
