//! Whole compilations of documents built by hand: each merge rule and each cross check.

mod dynamic;
mod vips;

use super::*;
use crate::config::expression::Expression;
use crate::config::{
    AddressConfig, AliasConfig, AutoHostname, AutoMethod, DefaultAction, DeviceSelector,
    ElectionConfig, EthernetConfig, FirewallRuleConfig, KindConfig, LinkConfig, LinkRef,
    NextHopConfig, OperatorConfig, ProbeConfig, RouteConfig, RuleConfig, Said, SysctlConfig,
    VipConfig,
};
use crate::state::{LinkSpec, MasterSpec, OperatorKind, iff};
use crate::value::{
    BondOptions, BridgeOptions, BridgePortOptions, Duration, EthernetOptions, LinkName, Mtu,
    Origin, ProbeTarget, Protocol, RouteKind, RouteTable, RuleAction, Secret, VipApi, VipProvider,
    VlanId,
};

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn link(text: &str) -> LinkRef {
    LinkRef::Name(name(text))
}

fn at(place: &str) -> Origin {
    Origin::new("test", place, None)
}

/// lo, and cards eth0 to eth3 with carrier.
fn machine() -> BTreeMap<u32, LinkStatus> {
    let mut links = BTreeMap::new();
    let mut lo = LinkStatus::new(1, name("lo"));
    lo.hw_type = crate::state::arphrd::LOOPBACK;
    links.insert(1, lo);
    for number in 0..4_u8 {
        let index = u32::from(number) + 2;
        let mut card = LinkStatus::new(index, name(&format!("eth{number}")));
        card.flags = iff::LOWER_UP;
        card.permanent_addr = Some(format!("52:54:00:12:34:0{number}").parse().unwrap());
        card.hardware_addr = card.permanent_addr;
        card.driver = Some("virtio_net".into());
        links.insert(index, card);
    }
    links
}

fn document(layer: Layer) -> Document {
    Document {
        // Nothing here is about links of which nothing is said.
        default_dhcp: Some(Said::new(false, at("test"))),
        ..Document::empty(layer, "test")
    }
}

fn config(build: impl FnOnce(&mut Document)) -> Document {
    let mut document = document(Layer::Configuration);
    build(&mut document);
    document
}

fn of(text: &str, place: &str, kind: Option<KindConfig>) -> LinkConfig {
    LinkConfig {
        kind,
        ..LinkConfig::new(link(text), at(place))
    }
}

fn vlan(parent: &str, id: &str) -> Option<KindConfig> {
    Some(KindConfig::Vlan {
        parent: link(parent),
        id: id.parse::<VlanId>().unwrap(),
        protocol: None,
    })
}

fn bond(members: &[&str]) -> Option<KindConfig> {
    Some(KindConfig::Bond {
        members: members.iter().map(|member| link(member)).collect(),
        options: BondOptions::default(),
        primary: None,
    })
}

fn bridge(members: &[&str]) -> Option<KindConfig> {
    Some(KindConfig::Bridge {
        members: members.iter().map(|member| link(member)).collect(),
        options: BridgeOptions::default(),
        vlans: None,
    })
}

fn vrf(members: &[&str], table: &str) -> Option<KindConfig> {
    Some(KindConfig::Vrf {
        members: members.iter().map(|member| link(member)).collect(),
        table: table.parse().unwrap(),
    })
}

fn address(on: &str, text: &str) -> AddressConfig {
    AddressConfig::new(link(on), text.parse().unwrap(), at(text))
}

fn route(on: Option<&str>, to: Option<&str>, via: Option<&str>) -> RouteConfig {
    let to = to.map(|to| to.parse().unwrap());
    let via = via.map(|via| via.parse().unwrap());
    RouteConfig::new(on.map(link), to, via, at("route"))
}

fn mtu(bytes: u32) -> Option<Mtu> {
    Some(bytes.try_into().unwrap())
}

fn run(documents: &[Document]) -> Compiled {
    compile(documents, &machine())
}

/// Severity and rule of every diagnostic.
fn faults(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics
        .iter()
        .map(|fault| format!("{:?}: {}", fault.severity, fault.message))
        .collect()
}

#[track_caller]
fn good(documents: &[Document]) -> Desired {
    let (desired, diagnostics) = run(documents);
    assert_eq!(faults(&diagnostics), Vec::<String>::new());
    desired
}

#[track_caller]
fn bad(documents: &[Document], expect: &[&str]) -> Desired {
    let (desired, diagnostics) = run(documents);
    assert_eq!(faults(&diagnostics), expect);
    desired
}

fn spec<'a>(desired: &'a Desired, text: &str) -> &'a LinkSpec {
    &desired.links[&name(text)]
}

/// `bond0[0] br0`: masters and places.
fn master(desired: &Desired, text: &str) -> String {
    match &spec(desired, text).master {
        Some(MasterSpec::Bond(slave)) => format!("{}[{}]", slave.master_name, slave.slave_index),
        Some(other) => other.name().to_string(),
        None => "none".to_owned(),
    }
}

#[test]
fn absent_is_not_false_and_a_higher_layer_turns_a_link_off() {
    let mut low = document(Layer::Platform);
    low.links.push(LinkConfig {
        up: Some(true),
        mtu: mtu(9000),
        multicast: Some(true),
        ..of("eth0", "low", None)
    });
    let high = config(|d| {
        d.links.push(LinkConfig {
            up: Some(false),
            multicast: Some(false),
            ..of("eth0", "high", None)
        });
        d.addresses.push(address("eth0", "192.0.2.2/24"));
    });
    let desired = good(&[high, low]);
    let eth0 = spec(&desired, "eth0");
    assert_eq!(
        (eth0.up, eth0.mtu, eth0.multicast),
        (Some(false), mtu(9000), Some(false))
    );
    assert_eq!(
        (eth0.layer, &eth0.origin),
        (Layer::Configuration, &at("high"))
    );
    assert_eq!(eth0.overrode, [at("low")]);
    let lines: Vec<String> = eth0
        .fields
        .iter()
        .map(|f| format!("{} {} {:?}", f.field, f.origin, f.overrode))
        .collect();
    assert_eq!(
        lines,
        [
            "up test high [test low]",
            "multicast test high [test low]",
            "mtu test low []"
        ]
    );
}

#[test]
fn lines_of_one_layer_refine_each_other() {
    let desired = good(&[config(|d| {
        d.links.push(LinkConfig {
            mtu: mtu(1400),
            port: BridgePortOptions {
                cost: Some(5),
                hairpin: Some(true),
                ..BridgePortOptions::default()
            },
            ..of("eth0", "one", None)
        });
        d.links.push(LinkConfig {
            mac: Some("52:54:00:00:00:09".parse().unwrap()),
            port: BridgePortOptions {
                cost: Some(7),
                ..BridgePortOptions::default()
            },
            ..of("eth0", "two", None)
        });
    })]);
    let eth0 = spec(&desired, "eth0");
    assert_eq!(eth0.mtu, mtu(1400));
    assert!(eth0.hardware_addr.is_some() && eth0.up == Some(true) && !eth0.logical);
    assert_eq!(
        (eth0.bridge_port.cost, eth0.bridge_port.hairpin),
        (Some(7), Some(true))
    );
    assert_eq!(eth0.overrode, [at("one")]);
}

#[test]
fn a_kind_of_a_higher_layer_stands_whole() {
    let mut low = document(Layer::Cmdline);
    low.links.push(of("x0", "low", bond(&["eth0", "eth1"])));
    let desired = good(&[
        low,
        config(|d| d.links.push(of("x0", "high", bridge(&["eth1", "eth2"])))),
    ]);
    assert_eq!(spec(&desired, "x0").kind.name(), "bridge");
    assert_eq!(spec(&desired, "x0").overrode, [at("low")]);
    assert!(!desired.links.contains_key(&name("eth0")));
    assert_eq!(
        (master(&desired, "eth1"), master(&desired, "eth2")),
        ("x0".into(), "x0".into())
    );
}

#[test]
fn members_are_up_in_order_and_carry_nothing() {
    let documents = [config(|d| {
        d.links
            .push(of("bond0", "bond", bond(&["eth1", "eth0", "eth1"])));
        d.links.push(of("bond0.7", "vlan", vlan("bond0", "7")));
        d.addresses.push(address("bond0.7", "192.0.2.2/24"));
        d.addresses.push(address("eth0", "192.0.2.3/24"));
        d.operators.push(OperatorConfig::new(
            link("eth1"),
            AutoMethod::Dhcp4,
            at("dhcp"),
        ));
    })];
    let desired = bad(
        &documents,
        &[
            "Error: eth1 is a member of bond0 and carries no addresses itself",
            "Error: eth0 is a member of bond0 and carries no addresses itself",
        ],
    );
    assert_eq!(
        (master(&desired, "eth1"), master(&desired, "eth0")),
        ("bond0[0]".into(), "bond0[1]".into())
    );
    for up in ["eth0", "eth1", "bond0", "bond0.7"] {
        assert_eq!(spec(&desired, up).up, Some(true), "{up}");
    }
    assert!(spec(&desired, "bond0").logical && !spec(&desired, "eth0").logical);
    assert_eq!((desired.addresses.len(), desired.operators.len()), (1, 0));
}

#[test]
fn what_a_lower_layer_ran_on_a_member_gives_way() {
    let mut cmdline = document(Layer::Cmdline);
    cmdline.operators.push(OperatorConfig::new(
        link("eth0"),
        AutoMethod::Dhcp4,
        at("ip="),
    ));
    let desired = bad(
        &[
            cmdline,
            config(|d| d.links.push(of("bond0", "bond", bond(&["eth0"])))),
        ],
        &["Note: eth0 is a member of bond0 and carries no addresses itself"],
    );
    assert!(desired.operators.is_empty());
    // Members of a VRF carry addresses.
    let vrf = config(|d| {
        d.links.push(of("blue", "vrf", vrf(&["eth0"], "120")));
        d.addresses.push(address("eth0", "192.0.2.2/24"));
    });
    assert_eq!(good(&[vrf]).addresses.len(), 1);
}

#[test]
fn one_master_for_each() {
    let documents = [config(|d| {
        d.links.push(of("zbond", "one", bond(&["eth0"])));
        d.links.push(of("abr", "two", bridge(&["eth0", "eth1"])));
    })];
    let desired = bad(
        &documents,
        &["Error: eth0 is in two masters, zbond and abr"],
    );
    assert_eq!(
        (master(&desired, "eth0"), master(&desired, "eth1")),
        ("zbond[0]".into(), "abr".into())
    );
    // A higher layer takes a member over without a word, and remembers from whom.
    let mut low = document(Layer::Platform);
    low.links.push(of("bond0", "low", bond(&["eth0", "eth1"])));
    let high = config(|d| {
        d.links.push(of("br0", "bridge", bridge(&[])));
        d.links.push(LinkConfig {
            bridge: Some(link("br0")),
            ..of("eth0", "port", None)
        });
    });
    let desired = good(&[low, high]);
    assert_eq!(
        (master(&desired, "eth0"), master(&desired, "eth1")),
        ("br0".into(), "bond0[1]".into())
    );
    assert_eq!(spec(&desired, "eth0").overrode, [at("low")]);
}

#[test]
fn a_primary_is_a_member_and_one_link() {
    let with = |primary: LinkRef| {
        config(|d| {
            d.links.push(of(
                "bond0",
                "bond",
                Some(KindConfig::Bond {
                    members: vec![link("eth0"), link("eth1")],
                    options: BondOptions::default(),
                    primary: Some(primary),
                }),
            ));
        })
    };
    let primary = |desired: &Desired| match &spec(desired, "bond0").kind {
        crate::state::KindSpec::Bond { primary, options } => {
            assert_eq!(options.miimon, Some(defaults::BOND_MIIMON));
            primary.clone()
        }
        _ => None,
    };
    assert_eq!(primary(&good(&[with(link("eth1"))])), Some(name("eth1")));
    let rule = "Error: bond0: its primary eth2 is not one of its members";
    assert_eq!(primary(&bad(&[with(link("eth2"))], &[rule])), None);
    let virtio = LinkRef::Selector(DeviceSelector {
        driver: Some("virtio*".into()),
        ..DeviceSelector::default()
    });
    bad(&[with(virtio)], &["Error: bond0: 4 links fit its primary"]);
}

#[test]
fn circles_and_towers_are_left_out_whole() {
    let circle = config(|d| {
        d.links.push(of("br0", "bridge", bridge(&["v5", "eth0"])));
        d.links.push(of("v5", "vlan", vlan("br0", "5")));
        d.links.push(of("v6", "other", vlan("eth1", "6")));
    });
    let desired = bad(
        &[circle],
        &["Error: links stand on each other: br0 on v5 on br0"],
    );
    let left: Vec<&str> = desired.links.keys().map(LinkName::as_str).collect();
    assert_eq!(left, ["eth1", "lo", "v6"]);
    bad(
        &[config(|d| d.links.push(of("v5", "vlan", vlan("v5", "5"))))],
        &["Error: links stand on each other: v5 on v5"],
    );
    let tower = config(|d| {
        for level in 1..=9 {
            let parent = if level == 1 {
                "eth0".to_owned()
            } else {
                format!("v{}", level - 1)
            };
            d.links
                .push(of(&format!("v{level}"), "tower", vlan(&parent, "5")));
        }
    });
    let rule = "Error: v8 stands on 8 links, which is more than the kernel allows";
    let desired = bad(&[tower], &[rule]);
    assert!(desired.links.contains_key(&name("v7")) && !desired.links.contains_key(&name("v8")));
}

#[test]
fn parents_and_members_may_come_later() {
    let documents = [config(|d| {
        d.links.push(of("v5", "vlan", vlan("eth9", "5")));
        d.links.push(of("bond0", "bond", bond(&["eth8", "eth0"])));
        d.addresses.push(address("eth7", "192.0.2.2/24"));
    })];
    let desired = bad(
        &documents,
        &[
            "Warning: there is no link eth9, which v5 stands on",
            "Warning: there is no link eth8, a member of bond0",
            "Warning: there is no link eth7",
        ],
    );
    assert!(spec(&desired, "v5").logical);
    assert_eq!(spec(&desired, "eth9").up, Some(true));
}

#[test]
fn vlans_of_a_card_without_a_name_are_named_after_it() {
    let below = |parent: LinkRef, id: &str| LinkRef::Vlan {
        parent: Box::new(parent),
        id: id.parse().unwrap(),
    };
    let made = |parent: LinkRef, id: &str| LinkConfig {
        kind: Some(KindConfig::Vlan {
            parent: parent.clone(),
            id: id.parse().unwrap(),
            protocol: None,
        }),
        ..LinkConfig::new(below(parent, id), at("vlan"))
    };
    let card = LinkRef::Mac("52:54:00:12:34:02".parse().unwrap());
    let absent = LinkRef::Mac("52:54:00:12:34:99".parse().unwrap());
    let desired = good(&[config(|d| {
        d.links.push(made(below(card.clone(), "5"), "6"));
        d.links.push(made(card.clone(), "5"));
        d.links.push(made(absent, "5"));
        for id in ["5", "7"] {
            let link = below(card.clone(), id);
            let method = AutoMethod::Dhcp4;
            d.operators
                .push(OperatorConfig::new(link, method, at("operator")));
        }
        d.links.push(made(card.clone(), "7"));
        let link = below(card.clone(), "5");
        let address = "192.0.2.8/24".parse().unwrap();
        d.addresses
            .push(AddressConfig::new(link, address, at("address")));
    })]);
    let parents: Vec<(&str, &str)> = desired
        .links
        .values()
        .filter_map(|link| match &link.kind {
            crate::state::KindSpec::Vlan { parent, .. } => {
                Some((link.name.as_str(), parent.as_str()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        parents,
        [
            ("eth2.5", "eth2"),
            ("eth2.5.6", "eth2.5"),
            ("eth2.7", "eth2")
        ]
    );
    let metrics: Vec<u32> = desired
        .operators
        .values()
        .map(|operator| operator.route_metric)
        .collect();
    assert!(
        metrics.len() == 2 && metrics[0] != metrics[1],
        "{metrics:?}"
    );
    assert!(
        desired
            .addresses
            .values()
            .any(|address| address.link_name.as_str() == "eth2.5")
    );
}

#[test]
fn vlans_that_collide_or_are_hidden() {
    let documents = [config(|d| {
        d.links.push(of("b", "first", vlan("eth0", "5")));
        d.links.push(of("a", "second", vlan("eth0", "5")));
        d.links.push(of("bond0", "bond", bond(&["eth1"])));
        d.links.push(of("c", "hidden", vlan("eth1", "5")));
    })];
    let desired = bad(
        &documents,
        &[
            "Error: a: b has VLAN 5 of eth0 already",
            "Warning: c stands on eth1, a member of bond0",
        ],
    );
    assert!(!desired.links.contains_key(&name("a")) && desired.links.contains_key(&name("b")));
}

#[test]
fn mtu_of_children_and_of_ipv6() {
    let child = |parent_mtu| {
        config(|d| {
            d.links.push(LinkConfig {
                mtu: parent_mtu,
                ..of("eth0", "parent", None)
            });
            d.links.push(LinkConfig {
                mtu: mtu(9000),
                ..of("v5", "child", vlan("eth0", "5"))
            });
            d.links.push(of("v6", "between", vlan("v5", "6")));
            d.links.push(LinkConfig {
                mtu: mtu(9000),
                ..of("v7", "top", vlan("v6", "7"))
            });
        })
    };
    assert_eq!(spec(&good(&[child(mtu(9000))]), "v7").mtu, mtu(9000));
    let desired = bad(
        &[child(None)],
        &[
            "Warning: v5: an MTU of 9000 is above the 1500 of eth0, which it stands on",
            "Warning: v7: an MTU of 9000 is above the 1500 of v6, which it stands on",
        ],
    );
    assert_eq!(
        (spec(&desired, "v5").mtu, spec(&desired, "v7").mtu),
        (None, None)
    );
    let small = config(|d| {
        d.links.push(LinkConfig {
            mtu: mtu(1000),
            ..of("eth0", "small", None)
        });
        d.addresses.push(address("eth0", "192.0.2.2/24"));
        d.addresses.push(address("eth0", "2001:db8::2/64"));
    });
    let desired = bad(
        &[small],
        &["Warning: eth0: IPv6 needs an MTU of at least 1280, this one is 1000"],
    );
    assert_eq!(desired.addresses.len(), 1);
}

#[test]
fn what_is_there_twice() {
    let documents = [config(|d| {
        d.links.push(of("blue", "one", vrf(&["eth2"], "120")));
        d.links.push(of("red", "two", vrf(&[], "120")));
        d.addresses.push(address("eth0", "192.0.2.2/24"));
        d.addresses.push(address("eth1", "192.0.2.2/25"));
        d.addresses.push(address("eth2", "192.0.2.2/24"));
    })];
    bad(
        &documents,
        &[
            "Warning: the VRFs blue and red have the same table 120",
            "Warning: 192.0.2.2 is on eth0 and on eth1",
        ],
    );
}

#[test]
fn both_ends_of_a_veth() {
    let end = |peer: &str| Some(KindConfig::Veth { peer: name(peer) });
    let desired = good(&[config(|d| {
        d.links.push(of("a", "a", end("b")));
        d.links.push(of("b", "b", end("a")));
    })]);
    assert!(spec(&desired, "a").logical && spec(&desired, "b").logical);
    let half = config(|d| {
        d.links.push(of("a", "a", end("b")));
        d.links.push(of("br0", "br0", bridge(&["a"])));
    });
    let desired = bad(
        &[half],
        &["Error: a: its other end b is not a veth that names a"],
    );
    assert!(!desired.links.contains_key(&name("a")));
}

#[test]
fn a_card_is_not_made() {
    let desired = bad(
        &[config(|d| {
            d.links.push(of("eth0", "dummy", Some(KindConfig::Dummy)))
        })],
        &["Error: eth0 is there and cannot be made"],
    );
    assert!(!desired.links.contains_key(&name("eth0")));
}

#[test]
fn routes_of_a_vrf_are_in_its_table() {
    let desired = good(&[config(|d| {
        d.links.push(of("blue", "vrf", vrf(&["eth0"], "120")));
        d.addresses.push(address("eth0", "192.0.2.2/24"));
        d.routes.push(route(None, None, Some("192.0.2.1")));
        d.routes.push(RouteConfig {
            table: Some(RouteTable::MAIN),
            ..route(Some("eth0"), Some("198.51.100.0/24"), Some("192.0.2.1"))
        });
    })]);
    let tables: Vec<String> = desired.routes.keys().map(ToString::to_string).collect();
    assert_eq!(
        tables,
        [
            "120/inet4/192.0.2.1//1024",
            "inet4/192.0.2.1/198.51.100.0/24/1024"
        ]
    );
}

#[test]
fn routes_of_every_type() {
    let hop = |via: &str, on: Option<&str>| NextHopConfig {
        gateway: Some(via.parse().unwrap()),
        link: on.map(link),
        weight: 1,
    };
    let nowhere = |to: &str| RouteConfig {
        kind: Some(RouteKind::Blackhole),
        ..route(None, Some(to), None)
    };
    let desired = good(&[config(|d| {
        d.addresses.push(address("eth0", "192.0.2.2/24"));
        d.addresses.push(address("eth1", "203.0.113.2/24"));
        d.routes.push(RouteConfig {
            next_hops: vec![hop("192.0.2.1", None), hop("10.0.0.1", Some("eth1"))],
            ..route(None, Some("198.51.100.0/24"), None)
        });
        d.routes.push(nowhere("10.0.0.0/8"));
        d.routes.push(nowhere("2001:db8::/32"));
        d.routes.push(RouteConfig {
            on_link: Some(true),
            ..route(Some("eth1"), None, Some("10.9.9.9"))
        });
        d.routes
            .push(route(Some("eth0"), Some("239.0.0.0/8"), None));
    })]);
    let lines: Vec<String> = desired
        .routes
        .values()
        .map(|r| {
            let links: Vec<&str> = r
                .out_link_name
                .iter()
                .chain(r.next_hops.iter().map(|hop| &hop.out_link_name))
                .map(LinkName::as_str)
                .collect();
            let dst = r.dst.map_or("default".to_owned(), |dst| dst.to_string());
            format!("{} {dst} {} {}", r.kind, links.join(","), r.scope.word())
        })
        .collect();
    assert_eq!(
        lines,
        [
            "unicast default eth1 global",
            "blackhole 10.0.0.0/8  global",
            // To the next hop that no network of eth1 holds.
            "unicast 10.0.0.1/32 eth1 link",
            "unicast 198.51.100.0/24 eth0,eth1 global",
            "multicast 239.0.0.0/8 eth0 link",
            "blackhole 2001:db8::/32 lo global",
        ]
    );
}

fn rule(priority: u32, src: Option<&str>, dst: Option<&str>) -> RuleConfig {
    RuleConfig {
        priority,
        src: src.map(|text| text.parse().unwrap()),
        dst: dst.map(|text| text.parse().unwrap()),
        action: RuleAction::Unicast,
        table: RouteTable::new(100),
        iif_name: None,
        oif_name: None,
        fw_mark: None,
        fw_mask: None,
        suppress_prefix_length: None,
        origin: at(&priority.to_string()),
    }
}

#[test]
fn rules_of_families_and_layers() {
    let mut low = document(Layer::Platform);
    low.rules.push(rule(1500, Some("10.0.0.0/8"), None));
    let high = config(|d| {
        d.rules.push(rule(1500, Some("192.0.2.7/24"), None));
        d.rules.push(RuleConfig {
            fw_mark: Some(1),
            ..rule(20, None, None)
        });
        d.rules.push(rule(30, None, Some("2001:db8::/32")));
        d.rules.push(rule(30, Some("2001:db8::/32"), None));
        d.rules
            .push(rule(40, Some("10.0.0.0/8"), Some("2001:db8::/32")));
        d.rules.push(RuleConfig {
            table: None,
            ..rule(50, None, None)
        });
        d.rules.push(RuleConfig {
            table: None,
            action: RuleAction::Prohibit,
            ..rule(60, Some("10.0.0.0/8"), None)
        });
    });
    let desired = bad(
        &[low, high],
        &[
            "Warning: two rules with priority 30",
            "Error: source and destination of the rule are of two address families",
            "Error: rule 50: no table to look up",
        ],
    );
    let ids: Vec<String> = desired.rules.keys().map(ToString::to_string).collect();
    assert_eq!(
        ids,
        [
            "inet4/00020",
            "inet4/00060",
            "inet4/01500",
            "inet6/00020",
            "inet6/00030"
        ]
    );
    let won = desired
        .rules
        .values()
        .find(|rule| rule.priority == 1500)
        .unwrap();
    assert_eq!(won.src, Some("192.0.2.0/24".parse().unwrap()));
    assert_eq!(won.overrode, [at("1500")]);
    assert!(
        desired
            .rules
            .values()
            .any(|rule| rule.priority == 20 && rule.fw_mask == u32::MAX)
    );
}

#[test]
fn settings_of_cards_merge_field_by_field() {
    let options = |rx, tx| {
        let mut options = EthernetOptions::default();
        (options.rings.rx, options.rings.tx) = (rx, tx);
        options.features.insert("rx-gro-hw".into(), rx.is_some());
        options
    };
    let with = |layer, place: &str, options| {
        let mut document = document(layer);
        let (link, origin) = (link("eth0"), at(place));
        document.ethernet.push(EthernetConfig {
            link,
            options,
            origin,
        });
        document
    };
    let low = with(Layer::Platform, "low", options(Some(1), Some(2)));
    let desired = good(&[
        with(Layer::Configuration, "high", options(None, Some(3))),
        low,
    ]);
    let spec = &desired.ethernet[&name("eth0")];
    assert_eq!(
        (spec.options.rings.rx, spec.options.rings.tx),
        (Some(1), Some(3))
    );
    assert!(!spec.options.features["rx-gro-hw"]);
    assert_eq!(spec.origin, at("high"));
}

fn sysctls(desired: &Desired) -> Vec<String> {
    let said = |spec: &&crate::state::SysctlSpec| spec.kept;
    let line = |spec: &crate::state::SysctlSpec| format!("{}={}", spec.key, spec.value);
    desired.sysctls.values().filter(said).map(line).collect()
}

#[test]
fn parameters_of_links_and_by_key() {
    let parameter = |key: &str, value: &str| SysctlConfig {
        key: key.parse().unwrap(),
        value: value.into(),
        origin: at(key),
    };
    let documents = [config(|d| {
        let mut config = of("eth0", "link", None);
        config.settings.forwarding = Some(true);
        config.settings.ipv6 = Some(true);
        config.settings.rp_filter = Some(2);
        d.links.push(config);
        d.links.push(of("eth1", "link", None));
        d.sysctls
            .push(parameter("net.ipv4.conf.eth0.rp_filter", "1"));
        d.sysctls
            .push(parameter("net.ipv4.conf.all.send_redirects", "1"));
        d.sysctls.push(parameter("vm.swappiness", "1"));
    })];
    let desired = bad(
        &documents,
        &["Note: vm.swappiness is no parameter of the network"],
    );
    assert_eq!(
        sysctls(&desired),
        [
            "net.ipv4.conf.all.send_redirects=1",
            "net.ipv4.conf.eth0.forwarding=1",
            "net.ipv4.conf.eth0.rp_filter=1",
            "net.ipv6.conf.eth0.disable_ipv6=0",
            "net.ipv6.conf.eth0.forwarding=1",
        ]
    );
    let baseline = |key: &str| desired.sysctls.contains_key(&key.parse().unwrap());
    assert!(baseline("net.ipv6.conf.eth0.accept_ra"), "it forwards");
    assert!(!baseline("net.ipv6.conf.eth1.accept_ra") && baseline("net.ipv4.conf.eth1.arp_notify"));
    assert!(
        !baseline("net.ipv4.conf.eth2.arp_notify"),
        "nothing is said of it"
    );
    assert!(!baseline("net.ipv4.ip_forward"), "it is in no cluster");
}

#[test]
fn routers_count_on_a_bond_that_forwards() {
    let (line, _) = crate::config::cmdline::parse("bond=bond0:eth0 ip=bond0:auto6", "cmdline");
    let forwards = config(|d| {
        d.sysctls.push(SysctlConfig {
            key: "net.ipv6.conf.all.forwarding".parse().unwrap(),
            value: "1".into(),
            origin: at("key"),
        });
    });
    let value = |documents: &[Document]| {
        let key = "net.ipv6.conf.bond0.accept_ra".parse().unwrap();
        let spec = good(documents).sysctls.get(&key).cloned();
        spec.map(|spec| spec.value)
    };
    assert_eq!(value(std::slice::from_ref(&line)), None);
    assert_eq!(value(&[line, forwards]).as_deref(), Some("2"));
}

#[test]
fn a_machine_of_a_cluster_forwards() {
    let desired = good(&[config(|d| {
        let pods = Said::new("10.244.0.0/16".parse().unwrap(), at("pods"));
        d.cluster.pod_subnets.push(pods);
    })]);
    let forward = &desired.sysctls[&"net.ipv4.ip_forward".parse().unwrap()];
    assert_eq!((forward.value.as_str(), forward.kept), ("1", false));
    assert!(desired.firewall.is_none());
}

fn alias(name: &str, numbered: bool, matches: &str) -> AliasConfig {
    AliasConfig {
        name: name.into(),
        numbered,
        matches: Expression::parse(matches).unwrap(),
        origin: at(name),
    }
}

#[test]
fn aliases_are_names() {
    let documents = [config(|d| {
        d.aliases
            .push(alias("net", true, "link.driver == \"virtio_net\""));
        d.aliases.push(alias(
            "up",
            false,
            "mac(link.permanent_addr) == \"52:54:00:12:34:02\"",
        ));
        d.aliases
            .push(alias("any", false, "link.driver == \"virtio_net\""));
        d.aliases
            .push(alias("none", false, "link.driver == \"ice\""));
        d.links.push(of("v5", "vlan", vlan("net1", "5")));
        d.addresses.push(address("net0", "192.0.2.2/24"));
    })];
    let desired = bad(
        &documents,
        &[
            "Error: 4 links fit the alias any",
            "Warning: no link of this machine fits the alias none",
            "Warning: no link of this machine fits the alias up",
        ],
    );
    let given: Vec<String> = desired
        .aliases
        .values()
        .map(|spec| format!("{}={}", spec.link_name, spec.alias))
        .collect();
    assert_eq!(given, ["eth0=net0", "eth1=net1", "eth2=net2", "eth3=net3"]);
    assert_eq!(spec(&desired, "v5").kind.parent(), Some(&name("eth1")));
    assert_eq!(desired.addresses.keys().next().unwrap().link, name("eth0"));
    // A real name beats an alias.
    bad(
        &[config(|d| {
            d.aliases.push(alias("eth1", false, "link.index == 2"))
        })],
        &["Error: alias eth1: a link has that name"],
    );
}

#[test]
fn selectors_mean_every_link_that_fits() {
    let selector = |driver: &str| {
        LinkRef::Selector(DeviceSelector {
            driver: Some(driver.into()),
            ..DeviceSelector::default()
        })
    };
    let documents = [config(|d| {
        d.links.push(of(
            "bond0",
            "bond",
            Some(KindConfig::Bond {
                members: vec![selector("virtio*")],
                options: BondOptions::default(),
                primary: None,
            }),
        ));
        d.links.push(LinkConfig::new(selector("ice"), at("ice")));
    })];
    let desired = bad(
        &documents,
        &["Warning: no link of this machine fits the selector"],
    );
    assert_eq!(master(&desired, "eth3"), "bond0[3]");
    let all = config(|d| {
        let mut config =
            AddressConfig::new(selector("virtio*"), "fe80::1/64".parse().unwrap(), at("a"));
        config.no_dad = Some(true);
        d.addresses.push(config);
    });
    assert_eq!(good(&[all]).addresses.len(), 4);
}

#[test]
fn a_name_is_made_up_only_when_there_is_none() {
    let auto = |identity: Option<&str>| {
        config(|d| {
            d.auto_hostname = Some(Said::new(AutoHostname::Stable, at("auto")));
            d.identity = identity.map(|text| Said::new(text.to_owned(), at("uuid")));
        })
    };
    let made = good(&[auto(Some("a"))]).hostname.unwrap();
    assert!(made.hostname.starts_with("node-") && made.layer == Layer::Default);
    assert_ne!(
        good(&[auto(None)]).hostname.unwrap().hostname,
        made.hostname
    );
    let mut lease = document(Layer::Operator);
    lease
        .hostnames
        .push(Said::new("web1".parse().unwrap(), at("option 12")));
    assert_eq!(
        good(&[auto(Some("a")), lease]).hostname.unwrap().hostname,
        "web1"
    );
}

#[test]
fn what_later_stages_run_is_there_and_says_so() {
    let documents = [config(|d| {
        d.operators.push(OperatorConfig::new(
            link("eth0"),
            AutoMethod::Dhcp6,
            at("dhcp6"),
        ));
        d.vips.push(VipConfig {
            address: "192.0.2.250".parse().unwrap(),
            link: link("eth0"),
            provider: VipProvider::HCloud(VipApi {
                api_token: Secret::new("hunter2"),
                endpoint: None,
                metadata_endpoint: None,
                ca: None,
            }),
            election: ElectionConfig::Vrrp(Default::default()),
            check: None,
            bootstrap: None,
            control_plane_only: true,
            origin: at("vip"),
        });
        d.probes.push(ProbeConfig {
            name: "api".into(),
            interval: None,
            failure_threshold: Some(3),
            timeout: Some(Duration::from_secs(2)),
            target: ProbeTarget::Tcp {
                host: "2001:db8::1".into(),
                port: 443,
            },
            origin: at("probe"),
        });
        d.firewall.default_action = Some(Said::new(DefaultAction::Block, at("block")));
        d.firewall.rules.push(FirewallRuleConfig {
            name: "ssh".into(),
            action: None,
            interfaces: Vec::new(),
            protocol: Some(Protocol::Tcp),
            ports: Vec::new(),
            services: Vec::new(),
            icmp_types: Vec::new(),
            ingress: Vec::new(),
            egress: Vec::new(),
            limit: None,
            log: None,
            origin: at("ssh"),
        });
    })];
    let desired = bad(
        &documents,
        &[
            "Warning: the networks of clouds carry no multicast: the machines cannot hear each other",
            "Warning: rule ssh can never match: it has no ingress",
        ],
    );
    let operator = &desired.operators[&(name("eth0"), OperatorKind::Dhcp6)];
    assert_eq!(operator.client_identifier[..4], [0, 3, 0, 1]);
    assert_eq!(
        desired.probes["api"].target.to_string(),
        "tcp:[2001:db8::1]:443"
    );
    assert!(!desired.firewall.as_ref().unwrap().accept_by_default);
    let text = serde_json::to_string(&desired).unwrap();
    assert!(text.contains("(hidden)") && !text.contains("hunter2"));
}

#[test]
fn a_bond_identifies_itself_by_its_first_member() {
    let desired = good(&[config(|d| {
        d.links.push(of("bond0", "bond", bond(&["eth2", "eth0"])));
        d.links.push(of("bond0.7", "vlan", vlan("bond0", "7")));
        d.operators.push(OperatorConfig::new(
            link("bond0.7"),
            AutoMethod::Dhcp4,
            at("dhcp"),
        ));
    })]);
    let operator = &desired.operators[&(name("bond0.7"), OperatorKind::Dhcp4)];
    assert_eq!(
        operator.client_identifier,
        [1, 0x52, 0x54, 0, 0x12, 0x34, 2]
    );
}

#[test]
fn the_result_is_the_same_once_its_links_are_there() {
    let documents = [config(|d| {
        d.links.push(of("bond0", "bond", bond(&["eth1", "eth0"])));
        d.operators.push(OperatorConfig::new(
            link("bond0"),
            AutoMethod::Dhcp4,
            at("dhcp"),
        ));
        d.operators.push(OperatorConfig::new(
            LinkRef::EveryPhysical,
            AutoMethod::Dhcp4,
            at("all"),
        ));
    })];
    let before = good(&documents);
    let mut links = machine();
    let mut made = LinkStatus::new(9, name("bond0"));
    made.kind = "bond".into();
    made.hardware_addr = links[&3].permanent_addr;
    links.insert(9, made);
    for index in [2, 3] {
        let card = links.get_mut(&index).unwrap();
        card.master_index = 9;
        card.hardware_addr = Some("52:54:00:12:34:01".parse().unwrap());
    }
    assert_eq!(compile(&documents, &links).0, before);
}

#[test]
fn thousands_of_links_and_routes_take_milliseconds() {
    let documents = [config(|d| {
        for id in 1..=4000_u32 {
            let vid = id.to_string();
            d.links
                .push(of(&format!("v{id}"), "vlan", vlan("eth0", &vid)));
            d.addresses.push(address(
                &format!("v{id}"),
                &format!("10.{}.{}.2/24", id / 256, id % 256),
            ));
        }
        for n in 0..10_000_u32 {
            let gateway = format!("10.{}.{}.1", (n % 4000 + 1) / 256, (n % 4000 + 1) % 256);
            let to = format!("172.{}.{}.0/24", 16 + n / 256, n % 256);
            d.routes.push(route(None, Some(&to), Some(&gateway)));
        }
    })];
    let started = crate::sys::clock::now();
    let desired = good(&documents);
    let took = crate::sys::clock::now().saturating_since(started);
    assert_eq!((desired.links.len(), desired.routes.len()), (4002, 10_000));
    // Unoptimised and on a busy machine; a walk over all links for each of them takes minutes.
    assert!(took < Duration::from_secs(10), "{took:?}");
    println!("{took:?}");
}

/// Accelerated networking: the virtual function below a synthetic card has its hardware address and, here, the lower
/// index. It is neither what that address means nor a link of which nothing is said.
#[test]
fn a_virtual_function_below_its_card_is_left_alone() {
    let mut links = machine();
    let mac = "00:0d:3a:aa:bb:cc".parse().unwrap();
    for (index, driver, master) in [(2, "mlx5_core", 3), (3, "hv_netvsc", 0)] {
        let link = links.get_mut(&index).unwrap();
        link.hardware_addr = Some(mac);
        link.permanent_addr = Some(mac);
        link.driver = Some(driver.into());
        link.master_index = master;
    }
    let mut said = Document::empty(Layer::Platform, "test");
    said.addresses.push(AddressConfig::new(
        LinkRef::Mac(mac),
        "192.0.2.7/24".parse().unwrap(),
        at("test"),
    ));
    let (desired, _) = compile(&[said], &links);
    let of: Vec<&str> = desired
        .addresses
        .values()
        .map(|spec| spec.link_name.as_str())
        .collect();
    assert!(of.contains(&"eth1") && !of.contains(&"eth0"), "{of:?}");
    let runs = |name: &str| {
        desired
            .operators
            .keys()
            .any(|(link, _)| link.as_str() == name)
    };
    assert!(runs("eth2") && !runs("eth0"));
}
