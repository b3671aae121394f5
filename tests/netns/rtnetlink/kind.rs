//! Kinds of links that every machine has, from a plan to what ip(8) shows: made, changed in place, made again, taken away,
//! and after each the plan is empty. Those whose modules a machine rarely has loaded are in `checks`, for guests.

use init_net::plan::plan;
use init_net::state::{KindSpec, LinkSpec, OUR_GROUP};
use init_net::value::{BridgeOptions, BridgePortOptions, MacvlanMode, VxlanOptions};
use tests::link::{
    DATA, bridge, desired, found, in_bridge, is_there, made, name, settle_links, settles, shows,
};
use tests::settle::look;

use super::*;

#[test]
fn a_pair_is_made_once_and_goes_as_one() {
    in_namespace(|| {
        let end = |here: &str, there: &str| made(here, KindSpec::Veth { peer: name(there) });
        let pair = [end("leg-a", "leg-b"), end("leg-b", "leg-a")];
        settles(
            &pair,
            "ip link add name leg-a group 73 up type veth peer name leg-b group 73\n\
             ip link set dev leg-b up",
        );
        shows("leg-a", "/link", "leg-b");
        shows("leg-b", "/group", OUR_GROUP.to_string());
        // The other end has another name now, and takes this one with it.
        let other = [end("leg-a", "leg-c"), end("leg-c", "leg-a")];
        settles(
            &other,
            "ip link del dev leg-a type veth  # made again: another peer\n\
             ip link add name leg-a group 73 up type veth peer name leg-c group 73\n\
             ip link set dev leg-c up",
        );
        settles(&[], "ip link del dev leg-a type veth");
        assert!(!is_there("leg-c"));
    });
}

#[test]
fn an_end_in_another_namespace_is_left_there() {
    in_namespace(|| {
        let mut kernel = open();
        let end = |here: &str, there: &str| made(here, KindSpec::Veth { peer: name(there) });
        let pair = [end("leg-a", "leg-b"), end("leg-b", "leg-a")];
        settle_links(&pair);
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
        settles(&pair, "");
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
            &[made("br0", bridge(less)), port(9)],
            "ip link set dev br0 type bridge hello_time 200 stp_state 0\n\
             ip link set dev eth0 type bridge_slave cost 9",
        );
        assert!(
            links(&mut kernel).contains_key(&bridge_index),
            "not made again"
        );
        settles(&[found("eth0")], "ip link del dev br0 type bridge");
    });
}

#[test]
fn macvlan_and_vxlan_change_where_the_kernel_lets_them() {
    in_namespace(|| {
        cable();
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
            &[mac(MacvlanMode::Vepa), vx(7, "192.0.2.2")],
            "ip link add link eth0 name mac0 group 73 up type macvlan mode vepa\n\
             ip link add name vx0 group 73 up type vxlan id 7 remote 192.0.2.2 local 192.0.2.1 \
             dstport 4789 ttl 9 nolearning dev eth0",
        );
        shows("mac0", &format!("{DATA}/mode"), "vepa");
        shows("vx0", &format!("{DATA}/port"), 4789);
        shows("vx0", &format!("{DATA}/link"), "eth0");
        settles(
            &[mac(MacvlanMode::Bridge), vx(7, "192.0.2.3")],
            "ip link set dev mac0 type macvlan mode bridge\n\
             ip link set dev vx0 type vxlan id 7 remote 192.0.2.3",
        );
        shows("vx0", &format!("{DATA}/remote"), "192.0.2.3");
        shows("vx0", &format!("{DATA}/local"), "192.0.2.1");
        settles(
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
            &[made("br0", want)],
            "ip link set dev br0 type bridge stp_state 1\nip link set dev br0 up",
        );
        shows("pod1", "/master", "br0");
        settles(&[], "");
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
