//! What `get` answers, from a machine made by hand.

use core::net::IpAddr;

use serde_json::json;

use super::*;
use crate::compile::compile;
use crate::config::cmdline;
use crate::run::kinds;
use crate::state::{
    AddressStatus, Family, KindStatus, LinkStatus, NeighborState, NeighborStatus, PeerTraffic,
    Scope, VipState, VipStatus, iff,
};
use crate::sys::ethtool::Card;
use crate::value::{BondOptions, Moment, PublicKey, VlanProtocol, WireguardOptions, WireguardPeer};

const LINE: &str = "ip=192.0.2.2::192.0.2.1:24:web1.example.org:eth0:none nameserver=192.0.2.53 \
                    ip=eth1:dhcp";

fn link(index: u32, name: &str, kind: &str) -> LinkStatus {
    let mut link = LinkStatus::new(index, name.parse().unwrap());
    link.kind = kind.to_owned();
    link.flags = iff::UP | iff::LOWER_UP;
    link.operational_state = "up".to_owned();
    link
}

fn machine() -> Observed {
    let mut bond = link(3, "bond0", "bond");
    bond.kind_data = Some(KindStatus::Bond {
        options: BondOptions::default(),
        primary_index: 0,
        active_index: 2,
    });
    let mut vlan = link(4, "vlan7", "vlan");
    vlan.link_index = 3;
    vlan.kind_data = Some(KindStatus::Vlan {
        id: "7".parse().unwrap(),
        protocol: VlanProtocol::Dot1Q,
    });
    let mut eth0 = link(2, "eth0", "");
    eth0.master_index = 3;
    eth0.alias = Some("uplink".into());
    eth0.card.full_duplex = Some(true);
    let mut veth = link(5, "veth0", "veth");
    veth.link_index = 6;
    let all = [
        eth0,
        bond,
        vlan,
        veth,
        link(6, "veth1", "veth"),
        link(7, "wg0", "wireguard"),
    ];
    let mut observed = Observed {
        links: all.map(|link| (link.index, link)).into(),
        hostname: Some("web1".into()),
        ..Observed::default()
    };
    let mut file = |path: &str, text: &str| {
        observed.files.insert(path.into(), text.as_bytes().to_vec());
    };
    file(
        "/etc/resolv.conf",
        "# hand-made\nnameserver 192.0.2.53\nnameserver 2001:db8::53 # second\nsearch a.example\n\
         domain b.example c\noptions ndots:2 rotate\nnonsense\nnameserver\n",
    );
    file(
        "/etc/hosts",
        "127.0.0.1 localhost\n# 192.0.2.9 no\n192.0.2.2 web1.example.org web1 # x\n127.0.0.1 lo\n",
    );
    observed.addresses.push(AddressStatus {
        address: "192.0.2.2/24".parse().unwrap(),
        peer: None,
        broadcast: None,
        link_index: 2,
        link_name: "eth0".parse().unwrap(),
        family: Family::Inet4,
        scope: Scope::Global,
        flags: 0,
        priority: 0,
        protocol: 73,
        valid_until: None,
        preferred_until: None,
    });
    observed
}

fn sample() -> Sample {
    let key = PublicKey([7; 32]);
    let peer = WireguardPeer {
        public_key: key,
        preshared_key: crate::value::SecretKey::new([9; 32]),
        endpoint: None,
        persistent_keepalive_interval: 25,
        allowed_ips: Vec::new(),
    };
    let device = WireguardOptions {
        private_key: crate::value::SecretKey::new([8; 32]),
        peers: vec![peer],
        ..WireguardOptions::default()
    };
    let traffic = PeerTraffic {
        last_handshake: Some(1_709_251_200),
        received_bytes: 5,
        sent_bytes: 6,
    };
    let card = Card {
        driver_version: None,
        firmware_version: Some("4.2".into()),
        port: Some("Fibre"),
    };
    let router: IpAddr = "192.0.2.1".parse().unwrap();
    Sample {
        neighbors: vec![NeighborStatus {
            address: router,
            family: Family::Inet4,
            link_index: 2,
            link_name: "eth0".parse().unwrap(),
            hardware_addr: "52:54:00:00:00:01".parse().ok(),
            state: NeighborState::Reachable,
            router: false,
            proxy: false,
        }],
        wireguard: [(7, (device, [(key, traffic)].into()))].into(),
        cards: [(2, card)].into(),
        firewall: None,
        ethernet: [(2, Default::default())].into(),
    }
}

/// Asks `ask` of the machine above, with the command line above.
fn facts<T>(observed: &Observed, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
    let (document, _) = cmdline::parse(LINE, "test");
    let (desired, _) = compile(&[document], &observed.links);
    let lease = json!({"id": "dhcp4/eth1", "state": "BOUND", "address": "198.51.100.9/24"});
    ask(&Facts {
        desired: &desired,
        observed,
        leases: &[lease],
        readiness: &Readiness::default(),
        probes: &BTreeMap::new(),
        vips: &BTreeMap::new(),
        standing: &json!({}),
        record: &Record::of_one_look(&desired, observed, Moment::default()),
        sample: &sample(),
        now: Instant::BOOT,
    })
}

#[track_caller]
fn one(kind: &str, id: &str) -> Value {
    facts(&machine(), |facts| {
        let all = facts.get(kind);
        let found = all.iter().find(|resource| resource["id"] == id);
        found.unwrap_or_else(|| panic!("{id} in {all:?}")).clone()
    })
}

#[test]
fn every_kind_is_answered_and_every_resource_has_an_id() {
    facts(&machine(), |facts| {
        for kind in kinds::names() {
            for resource in facts.get(kind) {
                assert!(resource["id"].is_string(), "{kind}: {resource}");
            }
        }
        let filled: Vec<&str> = kinds::names()
            .filter(|kind| !facts.get(kind).is_empty())
            .collect();
        for kind in [
            "links",
            "linkspecs",
            "addresses",
            "addressspecs",
            "routespecs",
            "neighbors",
            "ethernet",
            "aliases",
            "hostname",
            "hostnamespecs",
            "resolvers",
            "resolverspecs",
            "hosts",
            "nodeaddresses",
            "nodeaddressfilters",
            "operators",
            "operatorspecs",
            "leases",
            "status",
            "metadata",
        ] {
            assert!(filled.contains(&kind), "{kind}");
        }
    });
}

#[test]
fn a_link_has_the_names_behind_its_numbers() {
    let eth0 = one("links", "eth0");
    assert_eq!(eth0["masterName"], "bond0");
    assert_eq!(eth0["carrier"], true);
    assert_eq!(eth0["duplex"], "Full");
    assert_eq!(eth0["port"], "Fibre");
    assert_eq!(eth0["firmwareVersion"], "4.2");
    assert_eq!(eth0["state"], "enslaved");
    assert_eq!(one("links", "bond0")["bondMaster"]["activeSlave"], "eth0");
    let vlan = one("links", "vlan7");
    assert_eq!(vlan["parentName"], "bond0");
    assert_eq!(vlan["vlan"], json!({"vid": 7, "protocol": "802.1q"}));
    let veth = one("links", "veth0");
    assert_eq!(veth["veth"]["peerName"], "veth1");
    assert!(veth.get("parentName").is_none());
    assert_eq!(
        one("aliases", "eth0"),
        json!({"id": "eth0", "alias": "uplink"})
    );
}

#[test]
fn peers_of_wireguard_show_their_traffic_and_no_secret() {
    let wireguard = &one("links", "wg0")["wireguard"];
    let peer = &wireguard["peers"][0];
    assert_eq!(peer["lastHandshakeTime"], 1_709_251_200_u64);
    assert_eq!(peer["receiveBytes"], 5);
    assert_eq!(peer["transmitBytes"], 6);
    assert_eq!(wireguard["privateKey"], "(hidden)");
    assert_eq!(peer["presharedKey"], "(hidden)");
}

#[test]
fn what_is_in_force_and_what_is_desired_are_two_things() {
    let resolvers = one("resolvers", "resolvers");
    assert_eq!(
        resolvers,
        json!({"id": "resolvers", "nameServers": ["192.0.2.53", "2001:db8::53"],
            "searchDomains": ["b.example"], "options": ["ndots:2", "rotate"]})
    );
    let spec = one("resolverspecs", "resolvers");
    assert_eq!(spec["nameServers"], json!(["192.0.2.53"]));
    assert_eq!(
        one("hosts", "127.0.0.1")["hostnames"],
        json!(["localhost", "lo"])
    );
    let names = json!(["web1.example.org", "web1"]);
    assert_eq!(one("hosts", "192.0.2.2")["hostnames"], names);
    let hostname = one("hostname", "hostname");
    assert_eq!(hostname["domainname"], "example.org");
    let operator = one("operators", "dhcp4/eth1");
    assert_eq!(operator["state"], "BOUND");
    assert_eq!(operator["leased"], "198.51.100.9/24");
    assert!(one("operatorspecs", "dhcp4/eth1").get("state").is_none());
}

#[test]
fn readiness_flags() {
    let flags = |observed: &Observed, probes: Option<bool>| {
        let (document, _) = cmdline::parse(LINE, "test");
        let (desired, _) = compile(&[document], &observed.links);
        let probes = probes.map(|success| {
            let last_error = String::new();
            let status = ProbeStatus {
                success,
                last_error,
            };
            ("web".to_owned(), status)
        });
        let probes = probes.into_iter().collect();
        let facts = Facts {
            desired: &desired,
            observed,
            leases: &[],
            readiness: &Readiness::default(),
            probes: &probes,
            vips: &BTreeMap::new(),
            standing: &json!({}),
            record: &Record::of_one_look(&desired, observed, Moment::default()),
            sample: &Sample::default(),
            now: Instant::BOOT,
        };
        let status = facts.status();
        [
            "addressReady",
            "connectivityReady",
            "hostnameReady",
            "etcFilesReady",
        ]
        .map(|flag| status[flag] == true)
    };
    let mut observed = machine();
    assert_eq!(flags(&observed, None), [true, false, true, false]);
    assert_eq!(flags(&observed, Some(true)), [true, true, true, false]);
    observed.routes.push(RouteStatus {
        family: Family::Inet6,
        dst: None,
        src: None,
        gateway: None,
        out_link_index: 2,
        out_link_name: None,
        table: crate::value::RouteTable::MAIN,
        priority: 0,
        scope: Scope::Global,
        kind: crate::value::RouteKind::Unicast,
        protocol: 9,
        flags: 0,
        mtu: None,
        metrics: Default::default(),
        next_hops: Vec::new(),
    });
    assert_eq!(flags(&observed, None), [true, true, true, false]);
    assert_eq!(flags(&observed, Some(false)), [true, false, true, false]);
    let (document, _) = cmdline::parse(LINE, "test");
    let (desired, _) = compile(&[document], &observed.links);
    for (path, file) in desired.files {
        observed.files.insert(path, file.content);
    }
    assert_eq!(flags(&observed, None), [true, true, true, true]);
    observed.hostname = Some("other".into());
    observed.links.get_mut(&2).unwrap().operational_state = "down".into();
    assert_eq!(flags(&observed, None), [false, true, false, true]);
    observed.hostname = None;
    assert!(!flags(&observed, None)[2]);
}

/// What is desired of a shared address, how it fares, and whether the kernel has it.
#[test]
fn shared_addresses_tell_how_they_fare_and_no_secret() {
    let config = "apiVersion: v1alpha1\nkind: HCloudVIPConfig\nname: 192.0.2.100\nlink: eth0\napiToken: hunter2\n\
                  vrid: 7\npriority: 120\npeers: [10.0.0.2]\n---\n\
                  apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: 192.0.2.101\nlink: eth0\nvrid: 8\nvirtualMAC: true\n";
    let (document, faults) = crate::config::machine::parse(config, "vip.yaml");
    assert_eq!(faults, []);
    let mut observed = machine();
    let (desired, _) = compile(&[document], &observed.links);
    let mut link = link(9, "vrrp4.8", "macvlan");
    link.link_index = 2;
    observed.links.insert(9, link);
    let here = |index, name: &str| AddressStatus {
        address: "192.0.2.101/32".parse().unwrap(),
        link_index: index,
        link_name: name.parse().unwrap(),
        ..observed.addresses[0].clone()
    };
    let (below, on_its_own) = (here(2, "eth0"), here(9, "vrrp4.8"));
    let status = VipStatus {
        state: VipState::Backup,
        since: Instant::from_secs(3),
        owner: Some("10.0.0.2".into()),
        healthy: None,
        priority: Some(120),
        reason: "outranked".into(),
        promotions: 2,
    };
    let vips = [(("eth0".parse().unwrap(), [192, 0, 2, 100].into()), status)].into();
    let ask = |observed: &Observed, id: &str| {
        let facts = Facts {
            desired: &desired,
            observed,
            leases: &[],
            readiness: &Readiness::default(),
            probes: &BTreeMap::new(),
            vips: &vips,
            standing: &json!({}),
            record: &Record::of_one_look(&desired, observed, Moment::default()),
            sample: &Sample::default(),
            now: Instant::BOOT,
        };
        let all = facts.get("vips");
        let vip = all.iter().find(|vip| vip["ip"] == id).unwrap().clone();
        (vip, facts.explain(id).unwrap())
    };
    let (cloud, explained) = ask(&observed, "192.0.2.100");
    for (field, expect) in [
        ("id", json!("eth0/192.0.2.100")),
        ("state", json!("backup")),
        ("owner", json!("10.0.0.2")),
        ("priority", json!(120)),
        ("reason", json!("outranked")),
        ("promotions", json!(2)),
        ("held", json!(false)),
        ("providerName", json!("hcloud")),
    ] {
        assert_eq!(cloud[field], expect, "{field}");
    }
    assert_eq!(
        explained,
        "vip eth0/192.0.2.100\n  layer: configuration\n  from: vip.yaml line 1\n  \
         elected by: vrrp group 7, priority 120, every 200ms\n  moved by: hcloud\n  \
         state: another machine may have it\n  owner: 10.0.0.2\n  last: outranked"
    );
    assert!(!format!("{cloud} {explained}").contains("hunter2"));
    // Without a supervisor nobody knows but the kernel. On the link below it is not where it belongs.
    for (address, held) in [(below, false), (on_its_own, true)] {
        observed.addresses.push(address);
        let (vip, explained) = ask(&observed, "192.0.2.101");
        assert_eq!(vip["held"], held);
        assert_eq!(vip.get("state"), None);
        assert!(
            explained.ends_with("on: vrrp4.8, which has its hardware address"),
            "{explained}"
        );
    }
}
