//! Changed behind its back, repaired: what a host lacks the modules for. The other kinds are in
//! `tests/netns/program/drift.rs`.

use crate::bench::Bench;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::on_both_kernels;
use crate::guest::Guest;

/// Keys made for this test.
const PRIVATE: &str = "gLUix7ta5ddjXi2ahX/oPQk3rSx602XGRYCFWFK9R1E=";
const PEER: &str = "yyUepg9T6N1M91/r0QrtvV39bt0wcj56dysDfE2iHxM=";

fn config() -> String {
    format!(
        "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
addresses: [{{address: 10.77.0.10/24}}]
---
apiVersion: v1alpha1
kind: VLANConfig
name: v7
parent: eth0
vlanID: 7
mtu: 1400
addresses: [{{address: 10.78.0.2/24}}]
---
apiVersion: v1alpha1
kind: BondConfig
name: bond0
links: [eth1]
bondMode: active-backup
miimon: 100
addresses: [{{address: 10.79.0.2/24}}]
---
apiVersion: v1alpha1
kind: VethConfig
name: leg0
peer: {{name: leg1}}
bridgePort: {{bridge: br0, vlans: [{{id: 10, pvid: true, untagged: true}}]}}
---
apiVersion: v1alpha1
kind: BridgeConfig
name: br0
vlan: {{filtering: true}}
---
apiVersion: v1alpha1
kind: WireguardConfig
name: wg0
privateKey: {PRIVATE}
listenPort: 51821
peers: [{{publicKey: {PEER}, allowedIPs: [10.60.0.2/32]}}]
addresses: [{{address: 10.60.0.1/24}}]
"
    )
}

on_both_kernels!(what_needs_modules_comes_back);
fn what_needs_modules_comes_back(bench: Bench) {
    bench.second_port();
    let config = config();
    let vm = bench.machine(&config).cmdline("initnet.wait=links");
    let vm = vm.nic("port0", MAC).nic("port1", MAC2);
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    guest.settles();

    let link = |name: &str| format!("ip -d -j link show dev {name}");
    let address = |name: &str| format!("ip -4 -j address show dev {name}");
    let local = "/0/addr_info/0/local";

    guest.run("ip link set v7 mtu 1300");
    guest.until(&link("v7"), "/0/mtu", 1400);
    let before = guest.indexes()["v7"];
    guest.run("ip link delete v7");
    guest.until(&address("v7"), local, "10.78.0.2");
    assert_ne!(guest.indexes()["v7"], before, "it is another one");

    guest.run("echo 500 > /sys/class/net/bond0/bonding/miimon");
    guest.until(&link("bond0"), "/0/linkinfo/info_data/miimon", 100);
    guest.run("ip link set eth1 nomaster");
    guest.until(&link("eth1"), "/0/master", "bond0");
    guest.run("ip link delete bond0");
    guest.until(&address("bond0"), local, "10.79.0.2");
    guest.until(&link("eth1"), "/0/master", "bond0");

    let vlans = "bridge -j vlan show dev leg0";
    guest.run("bridge vlan delete dev leg0 vid 10");
    guest.until(vlans, "/0/vlans/0/vlan", 10);
    guest.run("bridge vlan add dev leg0 vid 20-30");
    let surplus = format!("echo \"[$({vlans} | grep -c '\\\"vlan\\\":20')]\"");
    guest.until(&surplus, "/0", 0);
    guest.run("ip link set br0 type bridge vlan_filtering 0");
    guest.until(&link("br0"), "/0/linkinfo/info_data/vlan_filtering", 1);

    // The kernel does not tell of these: they are looked at now and then.
    guest.run(&format!("wg set wg0 listen-port 9 peer {PEER} remove"));
    let tunnel = "echo \"[\\\"$(wg show wg0 listen-port)\\\", \\\"$(wg show wg0 peers)\\\"]\"";
    guest.until(tunnel, "/1", PEER);
    guest.until(tunnel, "/0", "51821");
    guest.settles();
}
