//! Every kind of link, from a plan to what ip(8) shows: made, changed in place, made again, taken away, and after each the
//! plan is empty. Kinds whose modules a machine rarely has loaded are tested in guests; here they are ignored.

use init_net::plan::plan;
use init_net::run::kernel::Kernel;
use init_net::run::observe::observe_all;
use init_net::state::{
    BondSlave, Desired, KindSpec, LinkSpec, MasterSpec, OUR_GROUP, Observed, Slave,
};
use init_net::value::{
    AdSelect, ArpValidate, BondMode, BondOptions, BridgeOptions, BridgePortOptions, BridgeVlan,
    FailOverMac, IpvlanMode, LacpRate, Layer, LinkName, MacvlanMode, Origin, VlanProtocol,
    VxlanOptions, WireguardOptions, XmitHashPolicy,
};
use serde_json::Value;

use super::*;

/// Rounds until a plan must be empty: more than any of these tests needs.
const MAX_ROUNDS: usize = 6;

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn found(text: &str) -> LinkSpec {
    LinkSpec {
        up: Some(true),
        ..LinkSpec::new(name(text), Layer::Configuration, Origin::builtin(""))
    }
}

fn made(text: &str, kind: KindSpec) -> LinkSpec {
    LinkSpec {
        logical: true,
        kind,
        ..found(text)
    }
}

fn bond(options: BondOptions) -> KindSpec {
    KindSpec::Bond {
        options,
        primary: None,
    }
}

fn bridge(options: BridgeOptions) -> KindSpec {
    KindSpec::Bridge {
        options,
        vlans: None,
    }
}

fn vlan(parent: &str, id: u16, protocol: VlanProtocol) -> KindSpec {
    KindSpec::Vlan {
        parent: name(parent),
        id: id.try_into().unwrap(),
        protocol,
    }
}

fn slave(master: &str) -> Slave {
    Slave {
        master_name: name(master),
    }
}

fn in_bond(member: LinkSpec, bond: &str, slave_index: u32) -> LinkSpec {
    LinkSpec {
        master: Some(MasterSpec::Bond(BondSlave {
            master_name: name(bond),
            slave_index,
        })),
        ..member
    }
}

fn in_bridge(port: LinkSpec, bridge: &str) -> LinkSpec {
    LinkSpec {
        master: Some(MasterSpec::Bridge(slave(bridge))),
        ..port
    }
}

fn desired(specs: &[LinkSpec]) -> Desired {
    Desired {
        links: specs.iter().map(|s| (s.name.clone(), s.clone())).collect(),
        ..Desired::default()
    }
}

fn look(desired: &Desired) -> Observed {
    observe_all(&mut Kernel::open().unwrap(), desired, AT).unwrap()
}

/// Applies plans until one is empty: everything that was done.
#[track_caller]
fn settle(kernel: &mut Rtnetlink, specs: &[LinkSpec]) -> Vec<String> {
    let desired = desired(specs);
    let mut done = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let ops = plan(&desired, &look(&desired));
        if ops.is_empty() {
            return done;
        }
        for (op, result) in ops.iter().zip(kernel.apply(&ops)) {
            result.unwrap_or_else(|error| panic!("{op}: {error}; after {done:#?}"));
        }
        done.extend(ops.iter().map(ToString::to_string));
    }
    panic!("still not there after {done:#?}");
}

/// Settles, and says what was done, a line each.
#[track_caller]
fn settles(kernel: &mut Rtnetlink, specs: &[LinkSpec], expect: &str) {
    assert_eq!(settle(kernel, specs).join("\n"), expect.trim());
}

/// A value of `ip -d -j link show dev NAME`, by JSON pointer.
#[track_caller]
fn shows(link: &str, pointer: &str, expect: impl Into<Value>) {
    let shown = ip_json(&format!("-d link show dev {link}"));
    let value = shown[0].pointer(pointer).unwrap_or(&Value::Null);
    assert_eq!(*value, expect.into(), "{pointer} of {:#}", shown[0]);
}

fn is_there(link: &str) -> bool {
    let shown = ip_json("link show");
    shown.iter().any(|shown| shown["ifname"] == link)
}

const DATA: &str = "/linkinfo/info_data";

#[test]
fn a_pair_is_made_once_and_goes_as_one() {
    in_namespace(|| {
        let mut kernel = open();
        let end = |here: &str, there: &str| made(here, KindSpec::Veth { peer: name(there) });
        let pair = [end("leg-a", "leg-b"), end("leg-b", "leg-a")];
        settles(
            &mut kernel,
            &pair,
            "ip link add name leg-a group 73 up type veth peer name leg-b group 73\n\
             ip link set dev leg-b up",
        );
        shows("leg-a", "/link", "leg-b");
        shows("leg-b", "/group", OUR_GROUP.to_string());
        // The other end has another name now, and takes this one with it.
        let other = [end("leg-a", "leg-c"), end("leg-c", "leg-a")];
        settles(
            &mut kernel,
            &other,
            "ip link del dev leg-a type veth  # made again: another peer\n\
             ip link add name leg-a group 73 up type veth peer name leg-c group 73\n\
             ip link set dev leg-c up",
        );
        settles(&mut kernel, &[], "ip link del dev leg-a type veth");
        assert!(!is_there("leg-c"));
    });
}

#[test]
fn an_end_in_another_namespace_is_left_there() {
    in_namespace(|| {
        let mut kernel = open();
        let end = |here: &str, there: &str| made(here, KindSpec::Veth { peer: name(there) });
        let pair = [end("leg-a", "leg-b"), end("leg-b", "leg-a")];
        settle(&mut kernel, &pair);
        let mut child = std::process::Command::new("unshare")
            .args(["-n", "sleep", "60"])
            .spawn()
            .unwrap();
        // The namespace is there once it is another than ours.
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        while namespace(&child.id().to_string()) == namespace("thread-self") {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        ip(&format!("link set leg-b netns {}", child.id()));
        assert_eq!(
            links(&mut kernel)
                .values()
                .find(|l| l.kind == "veth")
                .unwrap()
                .link_index,
            0
        );
        settles(&mut kernel, &pair, "");
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn a_bridge_changes_in_place_and_its_ports_with_it() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        let options = BridgeOptions {
            stp: Some(true),
            priority: Some(4096),
            forward_delay: Some(401),
            hello_time: Some(150),
            max_age: Some(1200),
            ageing_time: Some(9000),
            multicast_snooping: Some(false),
            group_forward_mask: Some(8),
            ..BridgeOptions::default()
        };
        let port = |cost| LinkSpec {
            bridge_port: BridgePortOptions {
                cost: Some(cost),
                priority: Some(5),
                hairpin: Some(true),
                isolated: Some(true),
                learning: Some(false),
                ..BridgePortOptions::default()
            },
            ..in_bridge(found("eth0"), "br0")
        };
        settles(
            &mut kernel,
            &[made("br0", bridge(options.clone())), port(7)],
            "ip link add name br0 group 73 up type bridge forward_delay 401 hello_time 150 \
             max_age 1200 ageing_time 9000 stp_state 1 priority 4096 group_fwd_mask 8 mcast_snooping 0\n\
             ip link set dev eth0 master br0 group 0\n\
             ip link set dev eth0 type bridge_slave cost 7 priority 5 hairpin on learning off isolated on",
        );
        shows("br0", &format!("{DATA}/stp_state"), 1);
        shows("br0", &format!("{DATA}/hello_time"), 150);
        shows("eth0", "/linkinfo/info_slave_data/cost", 7);
        shows("eth0", "/linkinfo/info_slave_data/hairpin", true);
        let bridge_index = links(&mut kernel)
            .values()
            .find(|l| l.kind == "bridge")
            .unwrap()
            .index;
        let less = BridgeOptions {
            stp: Some(false),
            hello_time: Some(200),
            ..options
        };
        settles(
            &mut kernel,
            &[made("br0", bridge(less)), port(9)],
            "ip link set dev br0 type bridge hello_time 200 stp_state 0\n\
             ip link set dev eth0 type bridge_slave cost 9",
        );
        assert!(
            links(&mut kernel).contains_key(&bridge_index),
            "not made again"
        );
        settles(
            &mut kernel,
            &[found("eth0")],
            "ip link del dev br0 type bridge",
        );
    });
}

#[test]
fn macvlan_and_vxlan_change_where_the_kernel_lets_them() {
    in_namespace(|| {
        cable();
        let mut kernel = open();
        let mac = |mode| {
            made(
                "mac0",
                KindSpec::Macvlan {
                    parent: name("eth0"),
                    mode: Some(mode),
                },
            )
        };
        let vx = |vni, remote: &str| {
            made(
                "vx0",
                KindSpec::Vxlan {
                    parent: Some(name("eth0")),
                    options: VxlanOptions {
                        vni,
                        local: Some("192.0.2.1".parse().unwrap()),
                        remote: Some(remote.parse().unwrap()),
                        port: Some(4789),
                        learning: Some(false),
                        ttl: Some(9),
                    },
                },
            )
        };
        settles(
            &mut kernel,
            &[mac(MacvlanMode::Vepa), vx(7, "192.0.2.2")],
            "ip link add link eth0 name mac0 group 73 up type macvlan mode vepa\n\
             ip link add name vx0 group 73 up type vxlan id 7 remote 192.0.2.2 local 192.0.2.1 \
             dstport 4789 ttl 9 nolearning dev eth0",
        );
        shows("mac0", &format!("{DATA}/mode"), "vepa");
        shows("vx0", &format!("{DATA}/port"), 4789);
        shows("vx0", &format!("{DATA}/link"), "eth0");
        settles(
            &mut kernel,
            &[mac(MacvlanMode::Bridge), vx(7, "192.0.2.3")],
            "ip link set dev mac0 type macvlan mode bridge\n\
             ip link set dev vx0 type vxlan id 7 remote 192.0.2.3",
        );
        shows("vx0", &format!("{DATA}/remote"), "192.0.2.3");
        shows("vx0", &format!("{DATA}/local"), "192.0.2.1");
        settles(
            &mut kernel,
            &[mac(MacvlanMode::Passthru), vx(8, "192.0.2.3")],
            "ip link del dev mac0 type macvlan  # made again: passthru is for life\n\
             ip link del dev vx0 type vxlan  # made again: another network identifier\n\
             ip link add link eth0 name mac0 group 73 up type macvlan mode passthru\n\
             ip link add name vx0 group 73 up type vxlan id 8 remote 192.0.2.3 local 192.0.2.1 \
             dstport 4789 ttl 9 nolearning dev eth0",
        );
    });
}

#[test]
fn links_of_others_are_adopted_or_in_the_way_and_never_deleted() {
    in_namespace(|| {
        cable();
        ip("link add br0 type bridge");
        ip("link add cni0 type bridge");
        ip("link add pod0 type veth peer name pod1");
        ip("link set pod1 master br0");
        let mut kernel = open();
        let want = bridge(BridgeOptions {
            stp: Some(true),
            ..BridgeOptions::default()
        });
        settles(
            &mut kernel,
            &[made("br0", want)],
            "ip link set dev br0 type bridge stp_state 1\nip link set dev br0 up",
        );
        shows("pod1", "/master", "br0");
        settles(&mut kernel, &[], "");
        // A bridge where a macvlan is wanted: said at every try.
        let kind = KindSpec::Macvlan {
            parent: name("eth0"),
            mode: None,
        };
        let wanted = desired(&[made("br0", kind)]);
        let ops = plan(&wanted, &look(&wanted));
        assert_eq!(ops.len(), 1);
        refused(&mut kernel, ops[0].clone(), 17, "");
        assert!(is_there("br0") && is_there("cni0"));
    });
}

#[test]
#[ignore = "needs 8021q and dummy"]
fn vlans_stack_and_come_with_their_parents() {
    in_namespace(|| {
        let mut kernel = open();
        let outer = |id| made("outer", vlan("d0", id, VlanProtocol::Dot1Ad));
        let inner = || LinkSpec {
            mtu: Some(1400.try_into().unwrap()),
            ..made("inner", vlan("outer", 7, VlanProtocol::Dot1Q))
        };
        let d0 = || made("d0", KindSpec::Dummy);
        settles(
            &mut kernel,
            &[inner(), outer(5), d0()],
            "ip link add name d0 group 73 up type dummy\n\
             ip link add link d0 name outer group 73 up type vlan proto 802.1ad id 5\n\
             ip link add link outer name inner mtu 1400 group 73 up type vlan proto 802.1q id 7",
        );
        shows("outer", &format!("{DATA}/protocol"), "802.1ad");
        shows("inner", &format!("{DATA}/id"), 7);
        shows("inner", "/link", "outer");
        settles(
            &mut kernel,
            &[inner(), outer(6), d0()],
            "ip link del dev outer type vlan  # made again: another tag\n\
             ip link add link d0 name outer group 73 up type vlan proto 802.1ad id 6\n\
             ip link add link outer name inner mtu 1400 group 73 up type vlan proto 802.1q id 7",
        );
        settles(
            &mut kernel,
            &[d0(), made("inner", vlan("d0", 7, VlanProtocol::Dot1Q))],
            "ip link del dev outer type vlan\n\
             ip link add link d0 name inner group 73 up type vlan proto 802.1q id 7",
        );
        settles(&mut kernel, &[], "ip link del dev d0 type dummy");
        assert!(!is_there("inner"));
    });
}

#[test]
#[ignore = "needs 8021q and dummy"]
fn mtu_goes_from_the_bottom_up() {
    in_namespace(|| {
        let mut kernel = open();
        let mtu = |spec, mtu: u32| LinkSpec {
            mtu: Some(mtu.try_into().unwrap()),
            ..spec
        };
        let set = |below, above| {
            [
                mtu(made("z0", KindSpec::Dummy), below),
                mtu(made("a0", vlan("z0", 5, VlanProtocol::Dot1Q)), above),
            ]
        };
        settle(&mut kernel, &set(1500, 1400));
        settles(
            &mut kernel,
            &set(9000, 8000),
            "ip link set dev z0 mtu 9000\nip link set dev a0 mtu 8000",
        );
        settles(
            &mut kernel,
            &set(1300, 1300),
            "ip link set dev z0 mtu 1300\nip link set dev a0 mtu 1300",
        );
    });
}

#[test]
#[ignore = "needs bonding and dummy"]
fn a_bond_changes_with_as_little_as_the_driver_asks_for() {
    in_namespace(|| {
        ip("link add m1 type dummy");
        ip("link add m2 type dummy");
        ip("link set m1 up");
        let mut kernel = open();
        let set = |options: BondOptions, primary: Option<&str>| {
            let kind = KindSpec::Bond {
                options,
                primary: primary.map(name),
            };
            [
                made("bond0", kind),
                in_bond(found("m1"), "bond0", 1),
                in_bond(found("m2"), "bond0", 0),
            ]
        };
        let options = BondOptions {
            mode: Some(BondMode::ActiveBackup),
            miimon: Some(100),
            updelay: Some(250),
            downdelay: Some(200),
            peer_notif_delay: Some(300),
            use_carrier: Some(true),
            fail_over_mac: Some(FailOverMac::None),
            resend_igmp: Some(3),
            min_links: Some(1),
            lp_interval: Some(2),
            num_peer_notif: Some(4),
            all_slaves_active: Some(true),
            missed_max: Some(3),
            // None of these in this mode.
            lacp_rate: Some(LacpRate::Fast),
            packets_per_slave: Some(2),
            tlb_dynamic_lb: Some(false),
            ..BondOptions::default()
        };
        settles(
            &mut kernel,
            &set(options.clone(), Some("m1")),
            "ip link add name bond0 group 73 up type bond mode active-backup miimon 100 updelay 200 \
             downdelay 200 peer_notify_delay 300 use_carrier 1 fail_over_mac none resend_igmp 3 \
             num_grat_arp 4 all_slaves_active 1 min_links 1 lp_interval 2 arp_missed_max 3\n\
             ip link set dev m1 down\n\
             ip link set dev m2 master bond0 group 0\n\
             ip link set dev m1 master bond0 group 0\n\
             ip link set dev m2 up\n\
             ip link set dev m1 up\n\
             ip link set dev bond0 type bond primary m1",
        );
        shows("bond0", &format!("{DATA}/primary"), "m1");
        shows("bond0", &format!("{DATA}/updelay"), 200);
        shows("m2", "/master", "bond0");
        // In place, nobody is touched.
        let faster = BondOptions {
            miimon: Some(50),
            ..options.clone()
        };
        settles(
            &mut kernel,
            &set(faster.clone(), Some("m2")),
            "ip link set dev bond0 type bond miimon 50 updelay 250 downdelay 200 \
             peer_notify_delay 300 primary m2",
        );
        // Only without members. The driver knows the preferred one again by its name.
        let follow = BondOptions {
            fail_over_mac: Some(FailOverMac::Active),
            ..faster
        };
        settles(
            &mut kernel,
            &set(follow, Some("m2")),
            "ip link set dev m1 nomaster group 0\n\
             ip link set dev m2 nomaster group 0\n\
             ip link set dev bond0 type bond fail_over_mac active\n\
             ip link set dev m2 master bond0 group 0\n\
             ip link set dev m1 master bond0 group 0\n\
             ip link set dev m2 up\n\
             ip link set dev m1 up",
        );
        // A new mode.
        let lacp = |lacp_rate| BondOptions {
            mode: Some(BondMode::Lacp),
            miimon: Some(100),
            lacp_rate: Some(lacp_rate),
            ad_select: Some(AdSelect::Bandwidth),
            ad_actor_sys_prio: Some(77),
            ad_user_port_key: Some(9),
            ad_actor_system: Some("02:00:00:00:00:07".parse().unwrap()),
            xmit_hash_policy: Some(XmitHashPolicy::Layer34),
            ..BondOptions::default()
        };
        settle(&mut kernel, &set(lacp(LacpRate::Fast), None));
        shows("bond0", &format!("{DATA}/mode"), "802.3ad");
        shows("bond0", &format!("{DATA}/ad_lacp_rate"), "fast");
        shows("bond0", &format!("{DATA}/ad_user_port_key"), 9);
        shows("m1", "/master", "bond0");
        settles(
            &mut kernel,
            &set(lacp(LacpRate::Slow), None),
            "ip link set dev bond0 down\n\
             ip link set dev bond0 type bond lacp_rate slow\n\
             ip link set dev bond0 up",
        );
        settles(&mut kernel, &[], "ip link del dev bond0 type bond");
        assert!(is_there("m1"));
    });
}

#[test]
#[ignore = "needs bonding and dummy"]
fn every_option_of_every_mode_is_read_back() {
    in_namespace(|| {
        let mut kernel = open();
        for mode in BondMode::ALL {
            let arp = mode.has_arp_monitor();
            let options = BondOptions {
                mode: Some(*mode),
                miimon: (!arp).then_some(100),
                arp_interval: Some(200),
                arp_ip_targets: Some(vec![
                    "192.0.2.1".parse().unwrap(),
                    "192.0.2.2".parse().unwrap(),
                ]),
                ns_ip6_targets: Some(vec!["2001:db8::1".parse().unwrap()]),
                arp_validate: Some(ArpValidate::None),
                lacp_rate: Some(LacpRate::Fast),
                ad_select: Some(AdSelect::Count),
                packets_per_slave: Some(3),
                tlb_dynamic_lb: Some(false),
                missed_max: Some(5),
                xmit_hash_policy: Some(XmitHashPolicy::Encap34),
                updelay: Some(100),
                ..BondOptions::default()
            };
            let set = [
                made("bond0", bond(options)),
                in_bond(made("d1", KindSpec::Dummy), "bond0", 0),
            ];
            settle(&mut kernel, &set);
            shows("bond0", &format!("{DATA}/mode"), mode.name());
            shows("d1", "/master", "bond0");
        }
        // And back, with the other monitor.
        let quiet = BondOptions {
            mode: Some(BondMode::ActiveBackup),
            miimon: Some(100),
            arp_ip_targets: Some(Vec::new()),
            ..BondOptions::default()
        };
        settle(&mut kernel, &[made("bond0", bond(quiet))]);
    });
}

#[test]
#[ignore = "needs 8021q, bonding, dummy, vrf"]
fn a_vlan_on_a_bond_in_a_bridge_and_a_vrf_settle() {
    in_namespace(|| {
        ip("link add m1 type dummy");
        ip("link add m2 type dummy");
        let mut kernel = open();
        let mode = |mode| {
            bond(BondOptions {
                mode: Some(mode),
                miimon: Some(100),
                ..BondOptions::default()
            })
        };
        let mtu = |mtu: u32, spec| LinkSpec {
            mtu: Some(mtu.try_into().unwrap()),
            ..spec
        };
        let vrf = |table: u32| KindSpec::Vrf {
            table: RouteTable::new(table).unwrap(),
        };
        let in_vrf = |spec| LinkSpec {
            master: Some(MasterSpec::Vrf(slave("blue"))),
            ..spec
        };
        let set = |bonding, table| {
            [
                mtu(9000, made("bond0", mode(bonding))),
                in_bond(mtu(9000, found("m1")), "bond0", 0),
                in_bond(found("m2"), "bond0", 1),
                in_bridge(
                    mtu(8000, made("bond0.5", vlan("bond0", 5, VlanProtocol::Dot1Q))),
                    "br0",
                ),
                mtu(8000, made("br0", bridge(BridgeOptions::default()))),
                in_vrf(mtu(7000, made("a.6", vlan("br0", 6, VlanProtocol::Dot1Q)))),
                made("blue", vrf(table)),
            ]
        };
        settle(&mut kernel, &set(BondMode::ActiveBackup, 100));
        shows("a.6", "/master", "blue");
        shows("bond0.5", "/master", "br0");
        settle(&mut kernel, &set(BondMode::BalanceXor, 100));
        shows("m2", "/master", "bond0");
        settle(&mut kernel, &set(BondMode::BalanceXor, 101));
        shows("blue", &format!("{DATA}/table"), 101);
        shows("a.6", "/master", "blue");
        // From one master into another.
        let moved = [
            made("br1", bridge(BridgeOptions::default())),
            in_bridge(made("bond0", mode(BondMode::BalanceXor)), "br1"),
        ];
        settle(&mut kernel, &moved);
        shows("bond0", "/master", "br1");
        settle(&mut kernel, &[]);
        assert_eq!(ip_json("link show").len(), 3);
    });
}

#[test]
#[ignore = "needs vlan filtering and dummy"]
fn vlans_of_ports_and_of_the_bridge() {
    in_namespace(|| {
        let mut kernel = open();
        let tag = |id: u16, pvid, untagged| BridgeVlan {
            id: id.try_into().unwrap(),
            pvid,
            untagged,
        };
        let set = |own: Vec<BridgeVlan>, port: Vec<BridgeVlan>| {
            let kind = KindSpec::Bridge {
                options: BridgeOptions {
                    vlan_filtering: Some(true),
                    vlan_protocol: Some(VlanProtocol::Dot1Q),
                    default_pvid: Some(1),
                    multicast_querier: Some(true),
                    ..BridgeOptions::default()
                },
                vlans: Some(own),
            };
            let port = LinkSpec {
                bridge_vlans: Some(port),
                ..in_bridge(made("d0", KindSpec::Dummy), "br0")
            };
            [made("br0", kind), port]
        };
        settle(
            &mut kernel,
            &set(
                vec![tag(1, true, true), tag(9, false, false)],
                vec![tag(7, true, true), tag(8, false, false)],
            ),
        );
        settles(
            &mut kernel,
            &set(
                vec![tag(9, true, true)],
                (8..=4000)
                    .map(|id| tag(id, id == 8, false))
                    .take(3)
                    .collect(),
            ),
            "bridge vlan add dev br0 vid 9 pvid untagged self\n\
             bridge vlan del dev br0 vid 1 self\n\
             bridge vlan add dev d0 vid 8 pvid\n\
             bridge vlan add dev d0 vid 9\n\
             bridge vlan add dev d0 vid 10\n\
             bridge vlan del dev d0 vid 7",
        );
        // All there are: they come as runs.
        settle(
            &mut kernel,
            &set(
                vec![tag(1, true, true)],
                (1..=4094).map(|id| tag(id, false, false)).collect(),
            ),
        );
    });
}

#[test]
#[ignore = "needs ipvlan, wireguard, dummy"]
fn ipvlan_and_wireguard() {
    in_namespace(|| {
        let mut kernel = open();
        let set = |mode| {
            [
                made("d0", KindSpec::Dummy),
                made(
                    "ipv0",
                    KindSpec::Ipvlan {
                        parent: name("d0"),
                        mode: Some(mode),
                    },
                ),
                made("wg0", KindSpec::Wireguard(WireguardOptions::default())),
            ]
        };
        settles(
            &mut kernel,
            &set(IpvlanMode::L2),
            "ip link add name d0 group 73 up type dummy\n\
             ip link add name wg0 group 73 type wireguard\n\
             ip link add link d0 name ipv0 group 73 up type ipvlan mode l2\n\
             ip link set dev wg0 up",
        );
        settles(
            &mut kernel,
            &set(IpvlanMode::L3),
            "ip link set dev ipv0 type ipvlan mode l3",
        );
        settle(&mut kernel, &[]);
        assert_eq!(ip_json("link show").len(), 1);
    });
}

#[test]
#[ignore = "needs 8021q and dummy"]
fn four_thousand_vlans() {
    in_namespace(|| {
        let mut kernel = open();
        let mut specs = vec![made("d0", KindSpec::Dummy)];
        specs.extend(
            (1..=4000).map(|id| made(&format!("v{id}"), vlan("d0", id, VlanProtocol::Dot1Q))),
        );
        let start = std::time::Instant::now();
        assert_eq!(settle(&mut kernel, &specs).len(), 4001);
        eprintln!("4,000 VLANs: {:?}", start.elapsed());
        assert_eq!(links(&mut kernel).len(), 4002);
        let all = desired(&specs);
        let look = look(&Desired::default());
        let start = std::time::Instant::now();
        assert!(plan(&all, &look).is_empty());
        eprintln!("an empty plan of them: {:?}", start.elapsed());
        let start = std::time::Instant::now();
        settles(&mut kernel, &[], "ip link del dev d0 type dummy");
        eprintln!("away: {:?}", start.elapsed());
    });
}

/// Two network cards, `eth0` and `eth1`, that cannot be made here.
#[test]
#[ignore = "needs bonding, 8021q and a machine with nothing on its cards"]
fn cards_join_and_leave_and_keep_nothing_of_it() {
    let mut kernel = open();
    let cards = |bond: &str| {
        [
            in_bond(found("eth0"), bond, 0),
            in_bond(found("eth1"), bond, 1),
        ]
    };
    let options = |mode| {
        bond(BondOptions {
            mode: Some(mode),
            miimon: Some(100),
            ..BondOptions::default()
        })
    };
    let mut set = Vec::from(cards("bond7"));
    set.push(made("bond7", options(BondMode::ActiveBackup)));
    set.push(made("v7", vlan("bond7", 7, VlanProtocol::Dot1Q)));
    settle(&mut kernel, &set);
    shows("eth0", "/group", OUR_GROUP.to_string());
    set[2] = made("bond7", options(BondMode::Lacp));
    settle(&mut kernel, &set);
    shows("eth1", "/master", "bond7");
    // Into another one, and out again.
    let mut other = Vec::from(cards("bond8"));
    other.push(made("bond8", options(BondMode::ActiveBackup)));
    settle(&mut kernel, &other);
    shows("eth1", "/master", "bond8");
    settle(&mut kernel, &[found("eth0"), found("eth1")]);
    shows("eth0", "/group", "default");
    shows("eth0", "/master", Value::Null);
    assert!(!is_there("bond7") && !is_there("bond8") && !is_there("v7"));
    settles(&mut kernel, &[], "");
}
