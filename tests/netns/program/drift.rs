//! Changed behind its back, repaired: one row for each kind of thing that a host without further modules has. The others
//! are in `tests/boot/drift.rs`.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::machine::{Machine, on_machine};

const CONFIG: &str = "
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
up: true
mtu: 1400
multicast: true
forwarding: true
addresses: [{address: 10.88.0.2/24}, {address: '2001:db8:88::2/64', noDAD: true}]
routes:
  - {gateway: 10.88.0.1}
  - {destination: 10.9.0.0/16, gateway: 10.88.0.9, mtu: 1300}
  - {destination: 10.10.0.0/16, gateway: 10.88.0.9, table: 1000}
  - {destination: '2001:db8:99::/48', gateway: '2001:db8:88::1'}
  - {destination: 10.66.0.0/16, type: unreachable}
---
apiVersion: v1alpha1
kind: BridgeConfig
name: br0
links: [eth1]
ageingTime: 5m
---
apiVersion: v1alpha1
kind: LinkConfig
name: eth1
up: true
bridgePort: {bridge: br0, cost: 7}
---
apiVersion: v1alpha1
kind: MacvlanConfig
name: mac0
parent: eth0
mode: bridge
hardwareAddr: 52:54:00:00:00:66
addresses: [{address: 10.89.0.2/24}]
---
apiVersion: v1alpha1
kind: RoutingRuleConfig
name: '1500'
src: 10.210.0.0/24
table: '1000'
---
apiVersion: v1alpha1
kind: SysctlConfig
params: {net.ipv4.tcp_keepalive_time: 1234}
---
apiVersion: v1alpha1
kind: EthernetConfig
name: eth0
features: {tx-generic-segmentation: false}
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname: edge-17
";

/// What, the command that breaks it, the command that shows it, and what that shows when it is right.
#[rustfmt::skip]
const ROWS: [(&str, &str, &str, &str); 24] = [
    ("up", "ip link set eth0 down", "ip link show eth0", "state UP"),
    ("mtu", "ip link set eth0 mtu 1280", "ip link show eth0", "mtu 1400"),
    ("multicast", "ip link set eth0 multicast off", "ip link show eth0", ",MULTICAST,"),
    ("mac", "ip link set mac0 address 52:54:00:00:00:77", "ip link show mac0", "52:54:00:00:00:66"),
    ("kind", "ip link set mac0 type macvlan mode vepa", "ip -d link show mac0", "macvlan mode bridge"),
    ("link", "ip link delete mac0", "ip -d address show mac0", "10.89.0.2/24"),
    ("master", "ip link set eth1 nomaster", "ip link show eth1", "master br0"),
    ("bridge", "ip link set br0 type bridge ageing_time 100", "ip -d link show br0", "ageing_time 30000"),
    ("bridge-gone", "ip link delete br0", "ip link show eth1", "master br0"),
    ("port", "ip link set eth1 type bridge_slave cost 100", "ip -d link show eth1", "cost 7 "),
    ("address", "ip address delete 10.88.0.2/24 dev eth0", "ip address show eth0", "10.88.0.2/24"),
    ("address6", "ip address delete 2001:db8:88::2/64 dev eth0", "ip address show eth0", "2001:db8:88::2/64"),
    ("addresses", "ip address flush dev eth0", "ip address show eth0", "10.88.0.2/24"),
    ("default", "ip route delete default", "ip route", "default via 10.88.0.1"),
    ("route", "ip route delete 10.9.0.0/16", "ip route", "10.9.0.0/16 via 10.88.0.9"),
    ("metric", "ip route replace 10.9.0.0/16 via 10.88.0.9 metric 1024 proto 73 mtu 1200", "ip route", "mtu 1300"),
    ("table", "ip route flush table 1000", "ip route show table 1000", "10.10.0.0/16 via 10.88.0.9"),
    ("routes", "ip route flush proto 73", "ip route", "10.9.0.0/16 via 10.88.0.9"),
    ("route6", "ip -6 route delete 2001:db8:99::/48", "ip -6 route", "2001:db8:99::/48 via 2001:db8:88::1"),
    ("nowhere", "ip route delete unreachable 10.66.0.0/16", "ip route", "unreachable 10.66.0.0/16"),
    ("rule", "ip rule delete priority 1500", "ip rule", "from 10.210.0.0/24 lookup 1000"),
    ("parameter", "sysctl -w net.ipv4.tcp_keepalive_time=7", "sysctl net.ipv4.tcp_keepalive_time", "= 1234"),
    ("forwarding", "sysctl -w net.ipv4.conf.eth0.forwarding=0", "sysctl net.ipv4.conf.eth0.forwarding", "= 1"),
    ("card", "ethtool -K eth0 gso on", "ethtool -k eth0", "generic-segmentation-offload: off"),
];

/// What a command prints; nothing where it fails: what it asks for is not there at present.
fn shown(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{line}: {error}"));
    if output.status.success() {
        String::from_utf8(output.stdout).unwrap()
    } else {
        String::new()
    }
}

/// Waits until `line` prints `text` and nothing is left to do.
#[track_caller]
fn whole(machine: &Machine, what: &str, line: &str, text: &str) {
    machine.until(&format!("{what}: {text:?} in {line}"), || {
        let right = shown(line).contains(text) && machine.plan() == json!([]);
        right.then_some(())
    });
}

#[test]
fn every_kind_comes_back() {
    on_machine("drift", |machine| {
        machine.cable("eth1", "52:54:00:00:00:11", "lan");
        fs::create_dir_all("/etc/init-net").unwrap();
        fs::write("/etc/init-net/machine.yaml", CONFIG).unwrap();
        machine.boot("initnet.wait=local");
        machine.answers();
        for (what, change, look, text) in ROWS {
            whole(machine, what, look, text);
            let before = machine.log().lines().count();
            let mut words = change.split_whitespace();
            let status = Command::new(words.next().unwrap()).args(words).output();
            assert!(status.unwrap().status.success(), "{change}");
            // The log has every op: without one nothing was broken, or nothing was repaired.
            machine.until(&format!("{what}: a repair after {change}"), || {
                (machine.log().lines().count() > before).then_some(())
            });
            whole(machine, what, look, text);
        }
        assert_eq!(machine.report()["failures"], json!([]), "{}", machine.log());
        nix::unistd::sethostname("elsewhere").unwrap();
        machine.until("the host name", || {
            (nix::unistd::gethostname().unwrap() == "edge-17").then_some(())
        });
    });
}
