//! Real network cards, `eth0` and `eth1`, which cannot be made: the machine has them, and nothing on them.

use std::fs::File;
use std::os::fd::AsRawFd;

use init_net::state::OUR_GROUP;
use init_net::value::{BondMode, BondOptions, VlanProtocol};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use tests::link::{bond, found, in_bond, is_there, made, settle_links, settles, shows, vlan};
use tests::namespace::{in_namespace, ip};

/// Where a thread's namespace can be opened.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Runs `check` in a namespace with both cards; the kernel puts them back when it ends.
#[track_caller]
fn with_cards(check: fn()) {
    let home = File::open(NAMESPACE).expect("our own namespace");
    in_namespace(move || {
        let away = File::open(NAMESPACE).expect("our own namespace");
        let path = format!("/proc/{}/fd/{}", std::process::id(), away.as_raw_fd());
        setns(&home, CloneFlags::CLONE_NEWNET).expect("back where the cards are");
        for card in ["eth0", "eth1"] {
            ip(&format!("link set {card} netns {path}"));
        }
        setns(&away, CloneFlags::CLONE_NEWNET).expect("after them");
        check();
    });
}

pub fn cards_join_and_leave_and_keep_nothing_of_it() {
    with_cards(|| {
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
        settle_links(&set);
        shows("eth0", "/group", OUR_GROUP.to_string());
        set[2] = made("bond7", options(BondMode::Lacp));
        settle_links(&set);
        shows("eth1", "/master", "bond7");
        // Into another one, and out again.
        let mut other = Vec::from(cards("bond8"));
        other.push(made("bond8", options(BondMode::ActiveBackup)));
        settle_links(&other);
        shows("eth1", "/master", "bond8");
        settle_links(&[found("eth0"), found("eth1")]);
        shows("eth0", "/group", "default");
        shows("eth0", "/master", Value::Null);
        assert!(!is_there("bond7") && !is_there("bond8") && !is_there("v7"));
        settles(&[], "");
    });
}
