//! Links on and in links of other kinds, and kinds that only need to be there.

use init_net::state::{KindSpec, LinkSpec, MasterSpec};
use init_net::value::{
    BondMode, BondOptions, BridgeOptions, BridgeVlan, IpvlanMode, RouteTable, VlanProtocol,
    WireguardOptions,
};
use tests::link::{
    DATA, bond, bridge, found, in_bond, in_bridge, made, name, settle_links, settles, shows, slave,
    vlan,
};
use tests::namespace::{in_namespace, ip, ip_json};

pub fn a_vlan_on_a_bond_in_a_bridge_and_a_vrf_settle() {
    in_namespace(|| {
        ip("link add m1 type dummy");
        ip("link add m2 type dummy");
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
        settle_links(&set(BondMode::ActiveBackup, 100));
        shows("a.6", "/master", "blue");
        shows("bond0.5", "/master", "br0");
        settle_links(&set(BondMode::BalanceXor, 100));
        shows("m2", "/master", "bond0");
        settle_links(&set(BondMode::BalanceXor, 101));
        shows("blue", &format!("{DATA}/table"), 101);
        shows("a.6", "/master", "blue");
        // From one master into another.
        let moved = [
            made("br1", bridge(BridgeOptions::default())),
            in_bridge(made("bond0", mode(BondMode::BalanceXor)), "br1"),
        ];
        settle_links(&moved);
        shows("bond0", "/master", "br1");
        settle_links(&[]);
        assert_eq!(ip_json("link show").len(), 3);
    });
}

pub fn vlans_of_ports_and_of_the_bridge() {
    in_namespace(|| {
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
        settle_links(&set(
            vec![tag(1, true, true), tag(9, false, false)],
            vec![tag(7, true, true), tag(8, false, false)],
        ));
        settles(
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
        settle_links(&set(
            vec![tag(1, true, true)],
            (1..=4094).map(|id| tag(id, false, false)).collect(),
        ));
    });
}

pub fn ipvlan_and_wireguard() {
    in_namespace(|| {
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
            &set(IpvlanMode::L2),
            "ip link add name d0 group 73 up type dummy\n\
             ip link add name wg0 group 73 type wireguard\n\
             ip link add link d0 name ipv0 group 73 up type ipvlan mode l2\n\
             ip link set dev wg0 up",
        );
        settles(
            &set(IpvlanMode::L3),
            "ip link set dev ipv0 type ipvlan mode l3",
        );
        settle_links(&[]);
        assert_eq!(ip_json("link show").len(), 1);
    });
}
