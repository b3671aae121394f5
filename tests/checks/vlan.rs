//! VLANs: in stacks, with their MTUs, and as many as fit on one link.

use init_net::plan::plan;
use init_net::state::{Desired, KindSpec, LinkSpec};
use init_net::value::VlanProtocol;
use tests::link::{DATA, desired, is_there, made, settle_links, settles, shows, vlan};
use tests::namespace::in_namespace;
use tests::settle::look;

pub fn vlans_stack_and_come_with_their_parents() {
    in_namespace(|| {
        let outer = |id| made("outer", vlan("d0", id, VlanProtocol::Dot1Ad));
        let inner = || LinkSpec {
            mtu: Some(1400.try_into().unwrap()),
            ..made("inner", vlan("outer", 7, VlanProtocol::Dot1Q))
        };
        let d0 = || made("d0", KindSpec::Dummy);
        settles(
            &[inner(), outer(5), d0()],
            "ip link add name d0 group 73 up type dummy\n\
             ip link add link d0 name outer group 73 up type vlan proto 802.1ad id 5\n\
             ip link add link outer name inner mtu 1400 group 73 up type vlan proto 802.1q id 7",
        );
        shows("outer", &format!("{DATA}/protocol"), "802.1ad");
        shows("inner", &format!("{DATA}/id"), 7);
        shows("inner", "/link", "outer");
        settles(
            &[inner(), outer(6), d0()],
            "ip link del dev outer type vlan  # made again: another tag\n\
             ip link add link d0 name outer group 73 up type vlan proto 802.1ad id 6\n\
             ip link add link outer name inner mtu 1400 group 73 up type vlan proto 802.1q id 7",
        );
        settles(
            &[d0(), made("inner", vlan("d0", 7, VlanProtocol::Dot1Q))],
            "ip link del dev outer type vlan\n\
             ip link add link d0 name inner group 73 up type vlan proto 802.1q id 7",
        );
        settles(&[], "ip link del dev d0 type dummy");
        assert!(!is_there("inner"));
    });
}

pub fn mtu_goes_from_the_bottom_up() {
    in_namespace(|| {
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
        settle_links(&set(1500, 1400));
        settles(
            &set(9000, 8000),
            "ip link set dev z0 mtu 9000\nip link set dev a0 mtu 8000",
        );
        settles(
            &set(1300, 1300),
            "ip link set dev z0 mtu 1300\nip link set dev a0 mtu 1300",
        );
    });
}

pub fn four_thousand_vlans() {
    in_namespace(|| {
        let mut specs = vec![made("d0", KindSpec::Dummy)];
        specs.extend(
            (1..=4000).map(|id| made(&format!("v{id}"), vlan("d0", id, VlanProtocol::Dot1Q))),
        );
        assert_eq!(settle_links(&specs).len(), 4001);
        assert_eq!(look(&Desired::default()).links.len(), 4002);
        let all = desired(&specs);
        let look = look(&Desired::default());
        assert!(plan(&all, &look).is_empty());
        settles(&[], "ip link del dev d0 type dummy");
    });
}
