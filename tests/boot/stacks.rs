//! Links on links on cards: the combinations that people trip over, with traffic through them.

use crate::bench::ADDRESS;
use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::ROUTER;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

/// A third card's hardware address.
const MAC3: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 3];

/// A machine between the lab's LAN and a trunk on which the LAN is VLAN 100; it can be asked itself at 10.77.0.2.
const SWITCH: &str = "\
apiVersion: v1alpha1
kind: BridgeConfig
name: br0
links: [eth0.100, eth1]
addresses:
  - address: 10.77.0.2/24
---
apiVersion: v1alpha1
kind: VLANConfig
name: eth0.100
parent: eth0
vlanID: 100
";

/// The guest with [`SWITCH`], and `trunk` to put cards on.
fn switch(bench: &Bench) -> Guest {
    let lan = bench.lab.namespace();
    lan.bridge("trunk", &[]).unwrap();
    lan.tap("trunk0", "trunk").unwrap();
    bench.port("access0");
    let mac = |card| [0x52, 0x54, 0, 0x77, 1, card];
    let vm = bench.machine(SWITCH).cmdline("initnet.wait=links");
    let vm = vm
        .name("switch")
        .nic("trunk0", mac(0))
        .nic("access0", mac(1));
    Guest::of(vm.start(&bench.lab).unwrap())
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

on_both_kernels!(a_vlan_on_a_bond_gets_its_lease_through_a_bridge_on_a_vlan);
fn a_vlan_on_a_bond_gets_its_lease_through_a_bridge_on_a_vlan(bench: Bench) {
    let dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let mut switch = switch(&bench);
    let lan = bench.lab.namespace();
    lan.tap("trunk1", "trunk").unwrap();
    lan.tap("trunk2", "trunk").unwrap();
    let vm = bench.machine(VLAN_ON_BOND);
    let vm = vm.name("machine").nic("trunk1", MAC).nic("trunk2", MAC2);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.ready("routable");

    switch.settles();
    switch.link("eth0.100").is("/link", "eth0");
    switch.link("eth0.100").is("/master", "br0");
    switch.link("eth1").is("/master", "br0");
    switch.addresses("br0").one("local=10.77.0.2");
    switch.ping(ROUTER);

    guest.settles();
    let bond = guest.link("bond0").at("/linkinfo/info_data");
    bond.is("/mode", "active-backup");
    bond.is("/active_slave", "eth0");
    bond.is("/miimon", 100);
    let vlan = guest.link("storage");
    vlan.is("/link", "bond0");
    vlan.is("/linkinfo/info_data/id", 100);
    let leased = format!("family=inet local={ADDRESS} prefixlen=24 dynamic=true");
    guest.addresses("storage").one(&leased);
    guest
        .routes("-4")
        .one("dst=default gateway=10.77.0.1 dev=storage");
    // Nothing but the VLAN asks for an address.
    for link in ["bond0", "eth0", "eth1"] {
        guest.addresses(link).none("family=inet");
    }
    guest.ping(ROUTER);
    guest.ping("10.77.0.2");

    let index = guest.indexes()["storage"];
    let bond = "ip -d -j link show dev bond0";
    let active = "/0/linkinfo/info_data/active_slave";
    guest.vm.set_carrier(0, false).unwrap();
    guest.until(bond, active, "eth1");
    guest.ping(ROUTER);
    guest.link("eth0").is("/master", "bond0");
    guest.vm.set_carrier(0, true).unwrap();
    guest.until(bond, active, "eth0");
    guest.ping(ROUTER);
    guest.addresses("storage").one(&leased);
    assert_eq!(guest.indexes()["storage"], index);
    guest.settles();
    assert_eq!(
        dnsmasq.exchanges("DHCPDISCOVER"),
        1,
        "one lease for all of it"
    );
}

const BOND_IN_VRF: &str = "\
apiVersion: v1alpha1
kind: VRFConfig
name: vrf-red
table: 300
links: [bond0]
---
apiVersion: v1alpha1
kind: BondConfig
name: bond0
links: [eth0, eth1]
bondMode: active-backup
miimon: 100
addresses:
  - address: 10.80.0.2/24
routes:
  - gateway: 10.80.0.1
";

on_both_kernels!(a_vrf_with_a_bond_inside);
fn a_vrf_with_a_bond_inside(bench: Bench) {
    bench.second_port();
    let lan = bench.lab.namespace();
    lan.ip("address add 10.80.0.1/24 dev lan").unwrap();
    let vm = bench.machine(BOND_IN_VRF).cmdline("initnet.wait=links");
    let vm = vm.nic("port0", MAC).nic("port1", MAC2);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.settles();

    guest.link("bond0").is("/master", "vrf-red");
    guest.link("eth0").is("/master", "bond0");
    guest.link("eth1").is("/master", "bond0");
    guest.link_once("vrf-red", "UP");
    let routes = guest.routes("-4");
    routes.one("dst=default gateway=10.80.0.1 dev=bond0 table=300 protocol=73");
    routes.one("dst=10.80.0.0/24 dev=bond0 table=300");
    routes.none("dst=default table=254");
    routes.none("dst=10.80.0.0/24 table=254");
    guest.run("ping -c 1 -W 10 -I vrf-red 10.77.0.1");
    guest.run("! ping -c 1 -W 1 10.77.0.1");

    // The bond leaves the domain: its routes are those of the main table again.
    let config = BOND_IN_VRF.replace("links: [bond0]", "links: []");
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
}
