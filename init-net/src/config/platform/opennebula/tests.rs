//! Text of a context, and what it comes to in one line a value.

use super::*;
use crate::config::OperatorConfig;
use crate::config::platform::tests::fixtures::{check, check_bodies};

#[test]
fn two_nics() {
    check(
        &OpenNebula,
        "opennebula/two-nics",
        "Ok(Config(64 bytes))",
        &[
            "02:00:c0:00:02:0a",
            "02:00:0a:00:00:05 mtu 1450",
            "02:00:c0:00:02:0a has 192.0.2.10/24",
            "02:00:c0:00:02:0a has 2001:db8:7::a/64",
            "02:00:c0:00:02:0a has 192.0.2.11/32",
            "02:00:c0:00:02:0a to all via 192.0.2.1",
            "02:00:c0:00:02:0a to all via 2001:db8:7::1",
            "02:00:c0:00:02:0a to 10.9.0.0/16 via 192.0.2.254 metric 300",
            "02:00:c0:00:02:0a to 10.10.0.0/16 via 192.0.2.253",
            "02:00:c0:00:02:0a to 169.254.16.9/32",
            "02:00:0a:00:00:05 runs Dhcp4 metric 500",
            "02:00:0a:00:00:05 runs Auto6 metric 500",
            "hostname node-7.example.net",
            "dns 192.0.2.53",
            "dns 192.0.2.54",
            "search example.net",
            "search lab.example",
            "instanceId=42",
            "providerId=opennebula://42",
        ],
    );
}

#[test]
fn ipv6_alone() {
    check(
        &OpenNebula,
        "opennebula/ipv6-only",
        "Ok(Absent)",
        &[
            "02:00:00:00:00:07",
            "02:00:00:00:00:07 has 2001:db8:9::7/56",
            "02:00:00:00:00:07 has fd00:9::7/64",
            "02:00:00:00:00:07 to all via fe80::1 metric 50",
            "hostname node9",
            "instanceId=43",
            "providerId=opennebula://43",
        ],
    );
}

#[test]
fn methods_of_ipv6() {
    let text = "ETH0_MAC='02:00:00:00:00:01'\nETH0_METHOD='skip'\nETH0_IP6='2001:db8::1'\n\
                ETH1_MAC='02:00:00:00:00:02'\nETH1_METHOD='dhcp'\nETH1_METRIC='7'\n\
                ETH2_MAC='02:00:00:00:00:03'\nETH2_METHOD='dhcp'\nETH2_IP6='2001:db8::3'\n\
                ETH3_MAC='02:00:00:00:00:04'\nETH3_IP='192.0.2.4'\nETH3_IP6_METHOD='disable'\n\
                ETH3_ALIAS0_IP='192.0.2.5'\nETH3_ALIAS0_DETACH='YES'\nETH3_ALIAS2_IP='192.0.2.6'\nETH3_ALIASx_IP='1'\n";
    check_bodies(
        &OpenNebula,
        &[(FILE, text)],
        "Ok(Absent)",
        &[
            "02:00:00:00:00:01",
            "02:00:00:00:00:02",
            "02:00:00:00:00:03",
            "02:00:00:00:00:04",
            "02:00:00:00:00:01 has 2001:db8::1/64",
            "02:00:00:00:00:03 has 2001:db8::3/64",
            "02:00:00:00:00:04 has 192.0.2.4/24",
            "02:00:00:00:00:04 has 192.0.2.6/32",
            "02:00:00:00:00:02 runs Dhcp4 metric 7",
            "02:00:00:00:00:02 runs Dhcp6 metric 7",
            "02:00:00:00:00:03 runs Dhcp4",
        ],
    );
    let bodies = [(FILE.to_owned(), text.as_bytes().to_vec())].into();
    let document = OpenNebula.parse(&bodies).document;
    let ignores = |run: &OperatorConfig| run.ignore_hostname == Some(true);
    assert!(document.operators.iter().all(ignores));
    let settings = document.links.iter().map(|link| link.settings.ipv6);
    assert_eq!(
        settings.collect::<Vec<_>>(),
        [None, None, None, Some(false)]
    );
}

#[test]
fn hostile_values_cost_themselves() {
    let text = "SET_HOSTNAME='$(reboot)'\nETH0_MAC='zz'\nETH1_MAC='02:00:00:00:00:01'\n\
                ETH1_IP='10.0.0.300'\nETH1_GATEWAY='x'\nETH1_ROUTES='a b c d e f, 10.0.0.0/8 via 10.1.1.1'\n\
                ETH1_DNS='x 192.0.2.1'\nreboot\n";
    check_bodies(
        &OpenNebula,
        &[(FILE, text)],
        "Ok(Absent)",
        &[
            "! opennebula: context.sh has lines that are no variables",
            "! opennebula: context.sh has a ETH0_MAC that is no hardware address",
            "! opennebula: context.sh has a ETH1_IP that is no address with its mask",
            "! opennebula: context.sh has a ETH1_ROUTES that is no list of routes",
            "! opennebula: context.sh has a ETH1_DNS that is no address",
            "02:00:00:00:00:01",
            "02:00:00:00:00:01 to 10.0.0.0/8 via 10.1.1.1",
            "hostname reboot",
            "dns 192.0.2.1",
        ],
    );
}
