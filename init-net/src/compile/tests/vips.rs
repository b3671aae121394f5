//! Shared addresses: what follows from what is said, what excludes what, and the links of virtual hardware addresses.

use super::*;
use crate::config::machine;
use crate::state::{KindSpec, VipElection, VipSpec, VrrpElection};

/// A stream of `Layer2VIPConfig`s: address, link and further keys.
fn shared(all: &[(&str, &str, &str)]) -> Vec<Document> {
    let texts = all.iter().map(|(ip, link, more)| {
        format!("apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: {ip}\nlink: {link}\n{more}")
    });
    let text: Vec<String> = texts.collect();
    said(&text.join("---\n"))
}

#[track_caller]
fn said(text: &str) -> Vec<Document> {
    let (document, faults) = machine::parse(text, "vip.yaml");
    assert_eq!(faults, []);
    // Nothing here is about links of which nothing is said.
    vec![document, config(|_| {})]
}

#[track_caller]
fn vip<'a>(desired: &'a Desired, link: &str, ip: &str) -> &'a VipSpec {
    &desired.vips[&(name(link), ip.parse().unwrap())]
}

fn vrrp(vip: &VipSpec) -> &VrrpElection {
    match &vip.election {
        VipElection::Vrrp(election) => election,
        VipElection::Etcd(election) => panic!("{election:?}"),
    }
}

fn ids(desired: &Desired) -> Vec<String> {
    let ids = desired.vips.keys();
    ids.map(|(link, ip)| format!("{link}/{ip}")).collect()
}

/// FNV-1a of the bytes, worked out apart from the program: all versions of it have to find the same number.
#[test]
fn numbers_and_priorities_that_nobody_said() {
    let desired = good(&shared(&[
        ("192.0.2.250", "eth0", ""),
        ("2001:db8::250", "eth1", ""),
        ("10.210.0.100", "eth2", ""),
        ("192.0.2.251", "eth3", "vrid: 255\npriority: 254\n"),
    ]));
    let found = |link, ip| {
        let election = vrrp(vip(&desired, link, ip));
        (election.vrid, election.vrid_derived, election.priority)
    };
    assert_eq!(found("eth0", "192.0.2.250"), (106, true, 150));
    assert_eq!(found("eth1", "2001:db8::250"), (248, true, 160));
    assert_eq!(found("eth2", "10.210.0.100"), (58, true, 170));
    assert_eq!(found("eth3", "192.0.2.251"), (255, false, 254));
}

/// A VLAN on a bond has the hardware address of a card once it is there. The priority is that of the card before, or it would change
/// when the link appears.
#[test]
fn the_priority_does_not_change_when_a_link_is_made() {
    let mut documents = shared(&[
        ("192.0.2.250", "bond0.7", ""),
        ("192.0.2.251", "eth9", ""),
        ("192.0.2.252", "eth3", "priority: 40\n"),
    ]);
    documents.push(config(|d| {
        d.links.push(of("bond0", "b", bond(&["eth2", "eth1"])));
        d.links.push(of("bond0.7", "v", vlan("bond0", "7")));
    }));
    let (desired, _) = run(&documents);
    let priority = |link, ip| vrrp(vip(&desired, link, ip)).priority;
    assert_eq!(priority("bond0.7", "192.0.2.250"), 170, "that of eth2");
    assert_eq!(priority("eth9", "192.0.2.251"), 100, "not known");
    assert_eq!(priority("eth3", "192.0.2.252"), 40);
    assert_eq!(
        vip(&desired, "bond0.7", "192.0.2.250").holder,
        name("bond0.7")
    );
}

#[test]
fn one_number_is_one_group() {
    let same = "vrid: 7\n";
    let documents = shared(&[
        ("192.0.2.1", "eth0", same),
        ("192.0.2.2", "eth0", same),
        ("192.0.2.3", "eth1", same),
        ("2001:db8::1", "eth0", same),
    ]);
    let rule = "Error: 192.0.2.2 has the vrid 7 of 192.0.2.1 (vip.yaml line 1)";
    let desired = bad(&documents, &[rule]);
    assert_eq!(
        ids(&desired),
        ["eth0/192.0.2.1", "eth0/2001:db8::1", "eth1/192.0.2.3"]
    );
}

#[test]
fn a_number_that_was_derived_may_be_taken() {
    // 188, both.
    let documents = shared(&[("192.0.2.56", "eth0", ""), ("192.0.2.128", "eth0", "")]);
    let (desired, faults) = run(&documents);
    assert_eq!(faults.len(), 1);
    let text = &faults[0].message;
    assert!(
        text.ends_with("which was derived from its address"),
        "{text}"
    );
    let fix = faults[0].fix.as_deref();
    assert_eq!(fix, Some("say another vrid, the same on all machines"));
    assert_eq!(desired.vips.len(), 1);
}

/// What the machines speak counts, not what they share.
#[test]
fn a_group_over_the_other_family() {
    let cloud = |ip: &str| {
        format!(
            "apiVersion: v1alpha1\nkind: HCloudVIPConfig\nname: {ip}\nlink: eth0\napiToken: t\nvrid: 7\npeers: [10.0.0.2]\n"
        )
    };
    let text = format!("{}---\n{}", cloud("192.0.2.1"), cloud("2001:db8::1"));
    let desired = bad(
        &said(&text),
        &["Error: 2001:db8::1 has the vrid 7 of 192.0.2.1 (vip.yaml line 1)"],
    );
    assert_eq!(ids(&desired), ["eth0/192.0.2.1"]);
}

#[test]
fn an_address_of_this_machine_alone_is_not_shared() {
    let mut documents = shared(&[("192.0.2.1", "eth0", ""), ("192.0.2.2", "eth0", "")]);
    documents.push(config(|d| {
        d.addresses.push(address("eth1", "192.0.2.1/24"))
    }));
    let rule = "Error: 192.0.2.1 is an address of this machine alone (test 192.0.2.1/24)";
    let desired = bad(&documents, &[rule]);
    assert_eq!(ids(&desired), ["eth0/192.0.2.2"]);
    assert_eq!(desired.addresses.len(), 1);
}

#[test]
fn so_many_and_no_more() {
    let all: Vec<String> = (1..=66).map(|n| format!("192.0.2.{n}")).collect();
    let numbers: Vec<String> = (1..=66).map(|n| format!("vrid: {n}\n")).collect();
    let all = all.iter().zip(&numbers);
    let all: Vec<_> = all
        .map(|(ip, vrid)| (ip.as_str(), "eth0", vrid.as_str()))
        .collect();
    let rule = "Error: a machine shares at most 64 addresses";
    let desired = bad(&shared(&all), &[rule, rule]);
    assert_eq!(desired.vips.len(), 64);
}

#[test]
fn a_worker_takes_no_part() {
    let layer2 = "apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: 192.0.2.1\nlink: eth0\n";
    let worker = said(&format!("machine: {{type: worker}}\n---\n{layer2}"));
    let desired = bad(&worker, &["Note: this machine is a worker"]);
    assert_eq!(ids(&desired), Vec::<String>::new());
    let other = said(&format!("machine: {{type: controlplane}}\n---\n{layer2}"));
    assert_eq!(ids(&good(&other)), ["eth0/192.0.2.1"]);
}

#[test]
fn machines_of_a_cloud_that_cannot_hear_each_other() {
    let cloud = |more: &str| {
        said(&format!(
            "apiVersion: v1alpha1\nkind: HCloudVIPConfig\nname: 192.0.2.1\nlink: eth0\napiToken: t\n{more}"
        ))
    };
    let rule =
        "Warning: the networks of clouds carry no multicast: the machines cannot hear each other";
    // It runs as written nevertheless.
    assert_eq!(ids(&bad(&cloud(""), &[rule])), ["eth0/192.0.2.1"]);
    good(&cloud("peers: [10.0.0.2]\n"));
    good(&cloud(
        "election: etcd\netcd: {endpoints: ['https://10.0.0.2:2379']}\n",
    ));
}

/// Nothing else is said of eth1: without this the address would wait for somebody to bring its link up.
#[test]
fn a_link_that_shares_is_up() {
    let desired = good(&shared(&[("192.0.2.1", "eth1", "")]));
    assert_eq!(spec(&desired, "eth1").up, Some(true));
    let mut documents = shared(&[("192.0.2.1", "eth1", "")]);
    documents.push(config(|d| {
        let mut link = of("eth1", "down", None);
        link.up = Some(false);
        d.links.push(link);
    }));
    assert_eq!(spec(&good(&documents), "eth1").up, Some(false));
}

fn sysctls(desired: &Desired, of: &str) -> Vec<String> {
    let of = |spec: &&crate::state::SysctlSpec| spec.key.segments().any(|part| part == of);
    let all = desired.sysctls.values().filter(of);
    all.map(|spec| {
        let key: Vec<&str> = spec.key.segments().collect();
        format!("{}={}", key.join("/"), spec.value)
    })
    .collect()
}

#[test]
fn a_hardware_address_of_its_own() {
    let own = "vrid: 51\nvirtualMAC: true\n";
    let desired = good(&shared(&[
        ("192.0.2.1", "eth0", own),
        ("2001:db8::1", "eth1", own),
    ]));
    for (link, ip, holder, mac) in [
        ("eth0", "192.0.2.1", "vrrp4.51", "00:00:5e:00:01:33"),
        ("eth1", "2001:db8::1", "vrrp6.51", "00:00:5e:00:02:33"),
    ] {
        assert_eq!(vip(&desired, link, ip).holder, name(holder));
        let made = spec(&desired, holder);
        let kind = KindSpec::Macvlan {
            parent: name(link),
            mode: Some(crate::value::MacvlanMode::Private),
        };
        assert_eq!(made.kind, kind);
        assert_eq!(made.hardware_addr, Some(mac.parse().unwrap()));
        assert_eq!(
            (made.up, made.logical, &made.master),
            (Some(true), true, &None)
        );
        assert_eq!(spec(&desired, link).up, Some(true), "{link}");
    }
    assert_eq!(
        sysctls(&desired, "vrrp4.51"),
        [
            "net/ipv4/conf/vrrp4.51/accept_local=1",
            "net/ipv4/conf/vrrp4.51/arp_ignore=1",
            "net/ipv4/conf/vrrp4.51/rp_filter=0",
            "net/ipv6/conf/vrrp4.51/disable_ipv6=1",
        ]
    );
    assert_eq!(
        sysctls(&desired, "vrrp6.51"),
        [
            "net/ipv4/conf/vrrp6.51/arp_ignore=1",
            "net/ipv6/conf/vrrp6.51/accept_dad=0",
            "net/ipv6/conf/vrrp6.51/accept_ra=0",
            "net/ipv6/conf/vrrp6.51/addr_gen_mode=1",
        ]
    );
    let kept = |link| {
        let all = sysctls(&desired, link).into_iter();
        all.filter(|text| text.contains("/arp_"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        kept("eth0")[..3],
        [
            "net/ipv4/conf/eth0/arp_announce=2",
            "net/ipv4/conf/eth0/arp_filter=1",
            "net/ipv4/conf/eth0/arp_ignore=1"
        ]
    );
    assert_eq!(kept("eth1"), ["net/ipv4/conf/eth1/arp_notify=1"]);
}

#[test]
fn what_a_document_says_of_a_parameter_stays() {
    let mut documents = shared(&[("192.0.2.1", "eth0", "vrid: 51\nvirtualMAC: true\n")]);
    documents.push(config(|d| {
        for (key, value) in [("eth0/arp_ignore", "2"), ("vrrp4.51/rp_filter", "2")] {
            d.sysctls.push(SysctlConfig {
                key: format!("net/ipv4/conf/{key}").parse().unwrap(),
                value: value.into(),
                origin: at("sysctl"),
            });
        }
    }));
    let desired = good(&documents);
    assert!(sysctls(&desired, "eth0").contains(&"net/ipv4/conf/eth0/arp_ignore=2".into()));
    assert!(sysctls(&desired, "vrrp4.51").contains(&"net/ipv4/conf/vrrp4.51/rp_filter=2".into()));
}

/// Routes of a VRF do not lead to a link outside of it.
#[test]
fn in_a_vrf_it_is_in_the_vrf() {
    let mut documents = shared(&[("192.0.2.1", "eth0", "vrid: 51\nvirtualMAC: true\n")]);
    documents.push(config(|d| {
        d.links.push(of("blue", "vrf", vrf(&["eth0"], "100")));
    }));
    let desired = good(&documents);
    let master = spec(&desired, "vrrp4.51").master.as_ref();
    assert!(matches!(master, Some(MasterSpec::Vrf(slave)) if slave.master_name == name("blue")));
}

#[test]
fn links_that_cannot_hold_a_hardware_address() {
    let own = "vrid: 51\nvirtualMAC: true\n";
    let on = |link| shared(&[("192.0.2.1", link, own)]);
    let twice = shared(&[("192.0.2.1", "eth0", own), ("192.0.2.2", "eth1", own)]);
    let rule = "Error: vrrp4.51 has the hardware address of 192.0.2.1 on eth0 already";
    assert_eq!(ids(&bad(&twice, &[rule])), ["eth0/192.0.2.1"]);

    let mut taken = on("eth0");
    taken.push(config(|d| {
        d.links
            .push(of("vrrp4.51", "dummy", Some(KindConfig::Dummy)));
    }));
    let rule = "Error: vrrp4.51 is another link, so it cannot carry 192.0.2.1";
    let desired = bad(&taken, &[rule]);
    assert_eq!(ids(&desired), Vec::<String>::new());
    assert_eq!(spec(&desired, "vrrp4.51").kind, KindSpec::Dummy);

    let mut deep = on("mac0");
    deep.push(config(|d| {
        let kind = KindConfig::Macvlan {
            parent: link("eth0"),
            mode: None,
        };
        d.links.push(of("mac0", "macvlan", Some(kind)));
    }));
    let rule = "Error: mac0 is a macvlan, on which no other one can stand";
    let desired = bad(&deep, &[rule]);
    assert!(!desired.links.contains_key(&name("vrrp4.51")));
}

/// Settings that a document gives to the link stay: only what it is is not theirs to say.
#[test]
fn settings_of_the_link_of_a_hardware_address() {
    let mut documents = shared(&[("192.0.2.1", "eth0", "vrid: 51\nvirtualMAC: true\n")]);
    documents.push(config(|d| {
        let mut said = of("vrrp4.51", "mtu", None);
        said.mtu = mtu(1400);
        d.links.push(said);
    }));
    let desired = good(&documents);
    let made = spec(&desired, "vrrp4.51");
    assert_eq!((made.mtu, made.kind.name()), (mtu(1400), "macvlan"));
}
