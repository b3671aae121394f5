//! Links on links on cards: the combinations that people trip over, with traffic through them.

use qemu::peer::Dnsmasq;

use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

/// A third card's hardware address.
const MAC3: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 3];

/// The lab's end of a VLAN: on the bridge, with this address.
fn vlan_of_the_lab(bench: &Bench, id: u16, address: &str) {
    let lan = bench.lab.namespace();
    let name = format!("lan.{id}");
    lan.ip(&format!("link add link lan name {name} type vlan id {id}"))
        .unwrap();
    lan.ip(&format!("address add {address} dev {name}"))
        .unwrap();
    lan.ip(&format!("link set {name} up")).unwrap();
}

/// Of the bond no monitor is said: without one it would never notice a cable.
const VLAN_ON_BOND: &str = "\
apiVersion: v1alpha1
kind: DHCPv4Config
name: storage
---
apiVersion: v1alpha1
kind: VLANConfig
name: storage
parent: bond0
vlanID: 100
mtu: 1400
---
apiVersion: v1alpha1
kind: BondConfig
name: bond0
links: [eth0, eth1]
bondMode: active-backup
primary: eth0
";

on_both_kernels!(a_vlan_on_a_bond_of_two_cards_gets_its_lease_and_keeps_it_over_one_cable);
fn a_vlan_on_a_bond_of_two_cards_gets_its_lease_and_keeps_it_over_one_cable(bench: Bench) {
    bench.second_port();
    vlan_of_the_lab(&bench, 100, "10.78.0.1/24");
    let dnsmasq = Dnsmasq::builder("lan.100")
        .range("10.78.0.50", "10.78.0.99", "1h")
        .start(&bench.lab)
        .unwrap();
    let vm = bench.machine(VLAN_ON_BOND);
    let vm = vm.nic("port0", MAC).nic("port1", MAC2);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.ready("routable");
    guest.settles();

    let bond = guest.link("bond0").at("/linkinfo/info_data");
    bond.is("/mode", "active-backup");
    bond.is("/active_slave", "eth0");
    bond.is("/miimon", 100);
    let vlan = guest.link("storage");
    vlan.is("/link", "bond0");
    vlan.is("/linkinfo/info_data/id", 100);
    guest
        .addresses("storage")
        .one("family=inet prefixlen=24 dynamic=true");
    guest
        .routes("-4")
        .one("dst=default gateway=10.78.0.1 dev=storage");
    // Nothing but the VLAN asks for an address.
    for link in ["bond0", "eth0", "eth1"] {
        guest.addresses(link).none("family=inet");
    }
    guest.ping("10.78.0.1");

    let before = guest.addresses("storage").one("family=inet");
    let bond = "ip -d -j link show dev bond0";
    let active = "/0/linkinfo/info_data/active_slave";
    guest.vm.set_carrier(0, false).unwrap();
    guest.until(bond, active, "eth1");
    guest.ping("10.78.0.1");
    guest.link("eth0").is("/master", "bond0");
    guest.vm.set_carrier(0, true).unwrap();
    guest.until(bond, active, "eth0");
    guest.ping("10.78.0.1");
    let after = guest.addresses("storage").one("family=inet");
    assert_eq!(after.get("/local"), before.get("/local"));
    guest.settles();
    assert_eq!(dnsmasq.count("DHCPDISCOVER"), 1, "one lease for all of it");
}

const BRIDGE_AND_VRF: &str = "\
apiVersion: v1alpha1
kind: BridgeConfig
name: br0
links: [up.20]
addresses:
  - address: 10.79.0.2/24
---
apiVersion: v1alpha1
kind: VLANConfig
name: up.20
parent: eth0
vlanID: 20
---
apiVersion: v1alpha1
kind: VRFConfig
name: vrf-red
table: 300
links: [bond0]
---
apiVersion: v1alpha1
kind: BondConfig
name: bond0
links: [eth1, eth2]
bondMode: active-backup
miimon: 100
addresses:
  - address: 10.80.0.2/24
routes:
  - gateway: 10.80.0.1
";

on_both_kernels!(a_bridge_on_a_vlan_and_a_vrf_with_a_bond_inside);
fn a_bridge_on_a_vlan_and_a_vrf_with_a_bond_inside(bench: Bench) {
    bench.second_port();
    bench.port("port2");
    vlan_of_the_lab(&bench, 20, "10.79.0.1/24");
    let lan = bench.lab.namespace();
    lan.ip("address add 10.80.0.1/24 dev lan").unwrap();
    let vm = bench
        .machine(BRIDGE_AND_VRF)
        .cmdline("initnet.wait=links")
        .nic("port0", MAC)
        .nic("port1", MAC2)
        .nic("port2", MAC3);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.settles();

    guest.link("up.20").is("/link", "eth0");
    guest.link("up.20").is("/master", "br0");
    guest.addresses("br0").one("local=10.79.0.2");
    guest.until("ip -j link show dev br0", "/0/operstate", "UP");
    guest.ping("10.79.0.1");

    guest.link("bond0").is("/master", "vrf-red");
    guest.link("eth1").is("/master", "bond0");
    guest.link("eth2").is("/master", "bond0");
    guest.link("vrf-red").is("/operstate", "UP");
    let routes = guest.routes("-4");
    routes.one("dst=default gateway=10.80.0.1 dev=bond0 table=300 protocol=73");
    routes.one("dst=10.80.0.0/24 dev=bond0 table=300");
    routes.none("dst=default table=254");
    routes.none("dst=10.80.0.0/24 table=254");
    guest.run("ping -c 1 -W 10 -I vrf-red 10.77.0.1");
    guest.run("! ping -c 1 -W 1 10.77.0.1");

    // The bond leaves the domain: its routes are those of the main table again.
    let config = BRIDGE_AND_VRF.replace("links: [bond0]", "links: []");
    let before = guest.indexes();
    guest.becomes(&config);
    assert_eq!(guest.indexes(), before);
    guest.link("bond0").lacks("/master");
    let routes = guest.routes("-4");
    routes.one("dst=default gateway=10.80.0.1 dev=bond0 table=254 protocol=73");
    routes.none("dst=default table=300");
    guest.ping("10.77.0.1");
}

const LATE: &str = "\
apiVersion: v1alpha1
kind: VLANConfig
name: storage
parent: eth2
vlanID: 20
addresses:
  - address: 10.79.0.2/24
routes:
  - destination: 10.70.0.0/16
    gateway: 10.79.0.1
---
apiVersion: v1alpha1
kind: BondConfig
name: bond0
links: [eth0, eth1]
bondMode: active-backup
primary: eth1
miimon: 100
addresses:
  - address: 10.77.0.20/24
";

on_both_kernels!(a_parent_and_a_member_that_appear_late);
fn a_parent_and_a_member_that_appear_late(bench: Bench) {
    bench.second_port();
    bench.port("port2");
    vlan_of_the_lab(&bench, 20, "10.79.0.1/24");
    let vm = bench.machine(LATE).cmdline("initnet.wait=links");
    let vm = vm.nic("port0", MAC).start(&bench.lab).unwrap();
    let mut guest = Guest::of(vm);
    guest.settles();
    guest.link("eth0").is("/master", "bond0");
    guest.ping("10.77.0.1");
    assert!(!guest.indexes().contains_key("storage"));

    guest.vm.plug("port1", MAC2).unwrap();
    let bond = "ip -d -j link show dev bond0";
    // The preferred one takes over as soon as it is there.
    guest.until(bond, "/0/linkinfo/info_data/active_slave", "eth1");
    guest.link("eth1").is("/master", "bond0");
    guest.ping("10.77.0.1");

    guest.vm.plug("port2", MAC3).unwrap();
    let vlan = "ip -j address show dev storage";
    guest.until(vlan, "/0/operstate", "UP");
    guest.settles();
    guest.addresses("storage").one("local=10.79.0.2");
    guest
        .routes("-4")
        .one("dst=10.70.0.0/16 gateway=10.79.0.1 dev=storage");
    guest.ping("10.79.0.1");
}
