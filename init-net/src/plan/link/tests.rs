//! Links against the model kernel: it refuses nothing of a plan, and what is not ours stays as it is.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{model, plan};
use crate::state::{
    BondSlave, Desired, KindSpec, LinkSpec, LinkStatus, MasterSpec, OUR_GROUP, Observed, Slave,
};
use crate::value::{
    BondMode, BondOptions, BridgeOptions, BridgePortOptions, BridgeVlan, FailOverMac, LacpRate,
    Layer, LinkName, MacvlanMode, Origin, RouteTable, VlanProtocol, VxlanOptions, WireguardOptions,
};

/// Rounds from anything to anything of these tests.
const MAX_ROUNDS: usize = 8;

/// A bridge that a CNI made, with its port: never touched.
const FOREIGN: [u32; 2] = [10, 11];

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn spec(text: &str, kind: KindSpec) -> LinkSpec {
    LinkSpec {
        up: Some(true),
        kind,
        ..LinkSpec::new(name(text), Layer::Configuration, Origin::builtin(""))
    }
}

fn machine() -> Observed {
    let card = |index, text: &str| LinkStatus::new(index, name(text));
    let bridge = LinkStatus {
        kind: "bridge".to_owned(),
        ..card(10, "cni0")
    };
    let pod = LinkStatus {
        kind: "veth".to_owned(),
        master_index: 10,
        slave_kind: "bridge".to_owned(),
        bridge_port: Some(BridgePortOptions::default()),
        ..card(11, "pod0")
    };
    let links = [
        card(1, "eth0"),
        card(2, "eth1"),
        card(3, "eth2"),
        bridge,
        pod,
    ];
    Observed {
        links: links.into_iter().map(|link| (link.index, link)).collect(),
        ..Observed::default()
    }
}

/// Applies plans until one is empty; every op of each must be taken.
#[track_caller]
fn settle(have: &mut Observed, want: &Desired) -> Vec<String> {
    let mut done = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let ops = plan(want, have);
        if ops.is_empty() {
            return done;
        }
        for op in ops {
            if let Err(errno) = model::change(have, &op) {
                panic!("{op}: error {errno}; after {done:#?}");
            }
            done.push(op.to_string());
        }
    }
    panic!("still not there after {done:#?}");
}

fn desired(specs: impl IntoIterator<Item = LinkSpec>) -> Desired {
    Desired {
        links: specs.into_iter().map(|s| (s.name.clone(), s)).collect(),
        ..Desired::default()
    }
}

fn member(text: &str, bond: &str, slave_index: u32) -> LinkSpec {
    LinkSpec {
        master: Some(MasterSpec::Bond(BondSlave {
            master_name: name(bond),
            slave_index,
        })),
        ..spec(text, KindSpec::Found)
    }
}

fn vlan(text: &str, parent: &str, id: u16) -> LinkSpec {
    let kind = KindSpec::Vlan {
        parent: name(parent),
        id: id.try_into().unwrap(),
        protocol: VlanProtocol::Dot1Q,
    };
    spec(text, kind)
}

fn bond(text: &str, options: BondOptions) -> LinkSpec {
    let kind = KindSpec::Bond {
        options,
        primary: None,
    };
    spec(text, kind)
}

fn mode(mode: BondMode) -> BondOptions {
    BondOptions {
        mode: Some(mode),
        ..BondOptions::default()
    }
}

#[test]
fn a_vlan_on_a_bond_of_two_cards() {
    let mut have = machine();
    have.links.get_mut(&1).unwrap().flags |= crate::state::iff::UP;
    let set = |options| {
        desired([
            bond("bond0", options),
            member("eth0", "bond0", 1),
            member("eth1", "bond0", 0),
            vlan("a.5", "bond0", 5),
        ])
    };
    assert_eq!(
        settle(&mut have, &set(mode(BondMode::ActiveBackup))).join("\n"),
        "\
ip link add name bond0 group 73 up type bond mode active-backup
ip link set dev eth0 down
ip link add link bond0 name a.5 group 73 up type vlan proto 802.1q id 5
ip link set dev eth1 master bond0 group 73
ip link set dev eth0 master bond0 group 73
ip link set dev eth1 up
ip link set dev eth0 up"
    );
    assert_eq!(
        settle(&mut have, &set(mode(BondMode::Lacp))).join("\n"),
        "\
ip link set dev eth0 nomaster group 73
ip link set dev eth1 nomaster group 73
ip link set dev bond0 down
ip link set dev bond0 type bond mode 802.3ad
ip link set dev bond0 up
ip link set dev eth1 master bond0 group 73
ip link set dev eth0 master bond0 group 73
ip link set dev eth1 up
ip link set dev eth0 up"
    );
    // A parent takes its children along; cards are let go and lose the mark.
    assert_eq!(
        settle(&mut have, &Desired::default()).join("\n"),
        "\
ip link del dev bond0 type bond
ip link set dev eth0 nomaster group 0
ip link set dev eth1 nomaster group 0"
    );
}

#[test]
fn a_member_of_others_keeps_a_bond_from_being_emptied() {
    let mut have = machine();
    settle(
        &mut have,
        &desired([
            bond("bond0", mode(BondMode::ActiveBackup)),
            member("eth0", "bond0", 0),
        ]),
    );
    let index = have
        .links
        .values()
        .find(|l| l.kind == "bond")
        .unwrap()
        .index;
    let eth2 = have.links.get_mut(&3).unwrap();
    eth2.master_index = index;
    let want = desired([
        bond("bond0", mode(BondMode::Lacp)),
        member("eth0", "bond0", 0),
    ]);
    let ops: Vec<String> = plan(&want, &have).iter().map(ToString::to_string).collect();
    assert_eq!(ops, ["ip link set dev bond0 type bond mode 802.3ad"]);
}

#[test]
fn what_others_made_is_in_the_way_and_stays() {
    let have = machine();
    let want = desired([spec("cni0", KindSpec::Dummy), vlan("eth1", "eth0", 3)]);
    let ops: Vec<String> = plan(&want, &have).iter().map(ToString::to_string).collect();
    assert_eq!(
        ops,
        [
            "ip link add name cni0 group 73 up type dummy",
            "ip link add link eth0 name eth1 group 73 type vlan proto 802.1q id 3",
        ]
    );
}

/// Which master each of the cards and the dummy is in: none, bond0, bond1, br0, the VRF.
type Masters = [u8; 4];

prop_compose! {
    fn any_desired()(
        bonds in any::<[Option<(u8, u8)>; 2]>(),
        bridge in proptest::option::of((any::<bool>(), 1u32..3, 1u16..4)),
        vrf in proptest::option::of(100u32..102),
        dummy in any::<bool>(),
        masters in any::<Masters>(),
        vlans in proptest::collection::vec(proptest::option::of((0u8..5, 1u16..3, 0u8..3)), 2),
        pair in proptest::option::of(0u8..2),
        macvlan in proptest::option::of(0usize..4),
        vxlan in proptest::option::of((1u32..3, 1u8..3)),
        wireguard in any::<bool>(),
        up in any::<[bool; 3]>(),
        mtu in proptest::option::of(prop_oneof![Just(1500u32), Just(9000)]),
    ) -> Desired {
        let mut specs: BTreeMap<LinkName, LinkSpec> = BTreeMap::new();
        let mut add = |spec: LinkSpec| { specs.insert(spec.name.clone(), spec); };
        for (index, options) in bonds.iter().enumerate() {
            let Some((mode, rest)) = options else { continue };
            let options = BondOptions {
                mode: BondMode::ALL.get(usize::from(mode % 8)).copied(),
                miimon: (rest & 1 != 0).then_some(100),
                updelay: (rest & 2 != 0).then_some(250),
                lacp_rate: (rest & 4 != 0).then_some(LacpRate::Fast),
                fail_over_mac: (rest & 8 != 0).then_some(FailOverMac::Follow),
                ..BondOptions::default()
            };
            let primary = (rest & 16 != 0).then(|| name("eth0"));
            let kind = KindSpec::Bond { options, primary };
            let mtu = mtu.filter(|_| index == 0).map(|mtu| mtu.try_into().unwrap());
            add(LinkSpec { mtu, ..spec(&format!("bond{index}"), kind) });
        }
        let tag = |id: u16| BridgeVlan { id: id.try_into().unwrap(), pvid: id == 1, untagged: true };
        if let Some((stp, hello, vid)) = bridge {
            let options = BridgeOptions {
                stp: Some(stp),
                hello_time: Some(hello * 100),
                ..BridgeOptions::default()
            };
            let vlans = stp.then(|| vec![tag(vid)]);
            add(spec("br0", KindSpec::Bridge { options, vlans }));
        }
        if let Some(table) = vrf {
            add(spec("blue", KindSpec::Vrf { table: RouteTable::new(table).unwrap() }));
        }
        for (index, master) in masters.into_iter().enumerate() {
            let text = ["eth0", "eth1", "eth2", "d0"][index];
            if text == "d0" && !dummy {
                continue;
            }
            let kind = if text == "d0" { KindSpec::Dummy } else { KindSpec::Found };
            let slave = |master: &str| Slave { master_name: name(master) };
            let in_bond = |master: &str| {
                let slave_index = u32::from(master.ends_with('1'));
                MasterSpec::Bond(BondSlave { master_name: name(master), slave_index })
            };
            let master = match master % 6 {
                0 => Some(in_bond("bond0")),
                1 => Some(in_bond("bond1")),
                2 => Some(MasterSpec::Bridge(slave("br0"))),
                3 => Some(MasterSpec::Vrf(slave("blue"))),
                _ => None,
            };
            let port = matches!(master, Some(MasterSpec::Bridge(_)));
            add(LinkSpec {
                up: up.get(index).copied().map(Some).unwrap_or(Some(true)),
                bridge_port: BridgePortOptions {
                    cost: port.then_some(u32::from(masters[0]) + 1),
                    ..BridgePortOptions::default()
                },
                bridge_vlans: port.then(|| vec![tag(2), tag(3)]),
                master,
                ..spec(text, kind)
            });
        }
        for (index, options) in vlans.into_iter().enumerate() {
            let Some((parent, id, master)) = options else { continue };
            let text = ["v1", "v2"][index];
            let parent = ["eth0", "bond0", "d0", "bond1", "v1"][usize::from(parent)];
            if parent == text {
                continue;
            }
            let slave = |master: &str| Slave { master_name: name(master) };
            let master = match master {
                0 => Some(MasterSpec::Bridge(slave("br0"))),
                1 => Some(MasterSpec::Vrf(slave("blue"))),
                _ => None,
            };
            add(LinkSpec { master, ..vlan(text, parent, id) });
        }
        if let Some(last) = pair {
            let other = ["leg-b", "leg-c"][usize::from(last)];
            add(spec("leg-a", KindSpec::Veth { peer: name(other) }));
            add(spec(other, KindSpec::Veth { peer: name("leg-a") }));
        }
        if let Some(mode) = macvlan {
            let mode = MacvlanMode::ALL.get(mode).copied();
            add(spec("m0", KindSpec::Macvlan { parent: name("eth2"), mode }));
        }
        if let Some((vni, last)) = vxlan {
            let remote = format!("192.0.2.{last}").parse().ok();
            let options = VxlanOptions { vni, remote, ..VxlanOptions::default() };
            add(spec("x0", KindSpec::Vxlan { parent: Some(name("eth1")), options }));
        }
        if wireguard {
            add(spec("wg0", KindSpec::Wireguard(WireguardOptions::default())));
        }
        desired(specs.into_values())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// DESIGN invariants 2 and 3, for links: from anything to anything and back, in a bounded number of rounds, every op
    /// taken; nothing of others is touched, and in the end nothing of ours is left.
    #[test]
    fn any_links_become_any_others(first in any_desired(), second in any_desired()) {
        let mut have = machine();
        let foreign = |have: &Observed| FOREIGN.map(|index| have.links[&index].clone());
        let before = foreign(&have);
        for want in [&first, &second, &first] {
            settle(&mut have, want);
            prop_assert_eq!(&foreign(&have), &before);
            for (name, spec) in &want.links {
                let Some(master) = spec.master.as_ref().map(MasterSpec::name) else { continue };
                let (Some(link), Some(master)) = (have.link(name), have.link(master)) else { continue };
                prop_assert_eq!(link.master_index, master.index, "{} is in its master", name);
            }
        }
        settle(&mut have, &Desired::default());
        prop_assert_eq!(have.links.len(), 5);
        for link in have.links.values() {
            prop_assert!(link.group != OUR_GROUP);
            prop_assert_eq!(link.master_index != 0, link.index == 11);
        }
    }
}
