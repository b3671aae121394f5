//! Bonds: every mode and option, and what a change of one takes.

use init_net::state::KindSpec;
use init_net::value::{
    AdSelect, ArpValidate, BondMode, BondOptions, FailOverMac, LacpRate, XmitHashPolicy,
};
use tests::link::{DATA, bond, found, in_bond, is_there, made, name, settle_links, settles, shows};
use tests::namespace::{in_namespace, ip};

pub fn a_bond_changes_with_as_little_as_the_driver_asks_for() {
    in_namespace(|| {
        ip("link add m1 type dummy");
        ip("link add m2 type dummy");
        ip("link set m1 up");
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
        settle_links(&set(lacp(LacpRate::Fast), None));
        shows("bond0", &format!("{DATA}/mode"), "802.3ad");
        shows("bond0", &format!("{DATA}/ad_lacp_rate"), "fast");
        shows("bond0", &format!("{DATA}/ad_user_port_key"), 9);
        shows("m1", "/master", "bond0");
        settles(
            &set(lacp(LacpRate::Slow), None),
            "ip link set dev bond0 down\n\
             ip link set dev bond0 type bond lacp_rate slow\n\
             ip link set dev bond0 up",
        );
        settles(&[], "ip link del dev bond0 type bond");
        assert!(is_there("m1"));
    });
}

pub fn every_option_of_every_mode_is_read_back() {
    in_namespace(|| {
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
            settle_links(&set);
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
        settle_links(&[made("bond0", bond(quiet))]);
    });
}
