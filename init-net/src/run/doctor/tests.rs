//! The judges, as tables: a healthy machine, one thing broken, the finding that names it.

mod firewall;
mod vips;

use serde_json::{Value, json};

use super::probe::{Gateway, OnlineAnswer, Owned, PathAnswer, Server, ServerAnswer};
use super::scene::{Scene, Supervisor, key};
use super::{Examination, Finding, Severity, judge};
use crate::proto::dns::Verdict;
use crate::run::core::{Readiness, Timeline};
use crate::run::report::{Failure, Report};
use crate::run::wanted::{KINDS, Wanted};
use crate::state::{
    AddressStatus, Desired, Family, KindStatus, LinkStatus, OUR_PROTOCOL, RouteStatus, Scope, iff,
};
use crate::sys::port::PortState;
use crate::value::{BondMode, BondOptions, Instant, LinkName, RouteKind, RouteMetrics, RouteTable};
use crate::wire::nf_chains::BaseChain;

fn link(index: u32, name: &str) -> LinkStatus {
    LinkStatus {
        flags: iff::UP | iff::LOWER_UP,
        hardware_addr: format!("02:00:00:00:00:{index:02x}").parse().ok(),
        operational_state: "up".into(),
        ..LinkStatus::new(index, name.parse().unwrap())
    }
}

fn address(index: u32, name: &str, prefix: &str) -> AddressStatus {
    let address: crate::value::Prefix = prefix.parse().unwrap();
    AddressStatus {
        address,
        peer: None,
        broadcast: None,
        link_index: index,
        link_name: name.parse().unwrap(),
        family: Family::of(address.address()),
        scope: Scope::Global,
        flags: 0,
        priority: 0,
        protocol: OUR_PROTOCOL,
        valid_until: None,
        preferred_until: None,
    }
}

fn route(index: u32, name: &str, dst: &str, gateway: &str, priority: u32) -> RouteStatus {
    RouteStatus {
        family: Family::Inet4,
        dst: dst.parse().ok(),
        src: None,
        gateway: gateway.parse().ok(),
        out_link_index: index,
        out_link_name: name.parse().ok(),
        table: RouteTable::MAIN,
        priority,
        scope: Scope::Global,
        kind: RouteKind::Unicast,
        protocol: match gateway {
            "" => 2,
            _ => OUR_PROTOCOL,
        },
        flags: 0,
        mtu: None,
        metrics: RouteMetrics::default(),
        next_hops: Vec::new(),
    }
}

/// What `get` says of the desired side of the machine below.
fn wanted() -> [Vec<Value>; KINDS.len()] {
    let origin = json!({ "layer": "cmdline", "origin": "cmdline, argument 1" });
    let with = |mut value: Value| {
        let (target, more) = (value.as_object_mut().unwrap(), origin.as_object().unwrap());
        target.extend(more.clone());
        value
    };
    [
        vec![with(
            json!({ "id": "eth0", "name": "eth0", "logical": false, "up": true, "kind": "" }),
        )],
        vec![with(
            json!({ "id": "eth0/192.0.2.7/24", "address": "192.0.2.7/24",
            "linkName": "eth0", "family": "inet4", "scope": "global" }),
        )],
        vec![with(
            json!({ "id": "inet4/192.0.2.1//1024", "family": "inet4", "dst": "", "src": "",
            "gateway": "192.0.2.1", "outLinkName": "eth0", "table": "main", "priority": 1024,
            "scope": "global", "type": "unicast" }),
        )],
        vec![],
        vec![],
        vec![with(
            json!({ "id": "resolvers", "nameServers": ["192.0.2.53"], "searchDomains": [] }),
        )],
        vec![with(
            json!({ "id": "hostname", "hostname": "web1", "domainname": "" }),
        )],
        vec![],
        vec![],
        vec![],
    ]
}

/// A machine with nothing wrong.
fn healthy() -> Scene {
    let mut scene = Scene {
        wanted: Wanted::new(wanted()),
        supervisor: Supervisor::Runs,
        ..Scene::default()
    };
    let observed = &mut scene.observed;
    observed.at = Instant::from_secs(1000);
    observed.hostname = Some("web1".into());
    let lo = LinkStatus {
        flags: iff::UP | iff::LOWER_UP | iff::LOOPBACK,
        ..link(1, "lo")
    };
    observed.links = [(1, lo), (2, link(2, "eth0"))].into();
    observed.addresses = vec![address(2, "eth0", "192.0.2.7/24")];
    observed.routes = vec![
        route(2, "eth0", "192.0.2.0/24", "", 0),
        route(2, "eth0", "", "192.0.2.1", 1024),
    ];
    scene.resolv_conf.text = Some("nameserver 192.0.2.53\n".into());
    let answers = &mut scene.answers;
    answers.gateways = vec![Gateway {
        link: eth0(),
        address: "192.0.2.1".parse().unwrap(),
        answered: true,
    }];
    answers.owned = vec![Owned {
        link: eth0(),
        address: "192.0.2.7".parse().unwrap(),
        rival: None,
    }];
    answers.servers = vec![server("192.0.2.53", ServerAnswer::Answered(Verdict::Works))];
    answers.paths = vec![path(1500, None, true)];
    scene
}

fn eth0() -> LinkName {
    "eth0".parse().unwrap()
}

fn server(address: &str, answer: ServerAnswer) -> Server {
    Server {
        address: address.parse().unwrap(),
        answer,
    }
}

fn path(largest: u16, told_by: Option<&str>, is_gateway: bool) -> PathAnswer {
    PathAnswer {
        link: eth0(),
        address: "192.0.2.1".parse().unwrap(),
        is_gateway,
        link_mtu: 1500,
        largest,
        told_by: told_by.map(|router| router.parse().unwrap()),
        error: None,
    }
}

/// Findings that are no "ok".
fn faults(examination: &Examination) -> Vec<&Finding> {
    let all = examination.findings.iter();
    all.filter(|finding| finding.severity > Severity::Ok)
        .collect()
}

/// Breaks a healthy machine; `expect` is severity, check, id and a part of the problem of everything that is found.
#[track_caller]
fn check(breaks: impl FnOnce(&mut Scene), expect: &[(Severity, &str, &str, &str)]) {
    let mut scene = healthy();
    breaks(&mut scene);
    let examination = judge(&scene);
    let text = examination.to_string();
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    let found = faults(&examination);
    assert_eq!(found.len(), expect.len(), "{text}");
    for (severity, check, id, part) in expect {
        let hit = found.iter().any(|finding| {
            finding.severity == *severity
                && finding.check == *check
                && finding.id == *id
                && finding.problem.contains(part)
        });
        assert!(hit, "{severity:?} {check} {id} {part} in\n{text}");
    }
    // Whatever is wrong says why, and what to do.
    for finding in found.iter().filter(|f| f.severity > Severity::Note) {
        assert!(
            !finding.why.is_empty() && !finding.fix.is_empty(),
            "{finding}"
        );
    }
    let errors = expect
        .iter()
        .any(|(severity, ..)| *severity == Severity::Error);
    assert_eq!(examination.healthy, !errors, "{text}");
}

use Severity::{Error, Note, Warning};

#[test]
fn a_healthy_machine_has_a_line_for_each_check() {
    check(|_| {}, &[]);
    let examination = judge(&healthy());
    assert_eq!(examination.findings.len(), 9);
    assert_eq!(
        examination.to_string(),
        "\
ok       system    the supervisor runs, the host name is web1
ok       links     up with carrier: eth0
ok       addresses 1 global address, nobody else has it
ok       routes    default via 192.0.2.1 dev eth0, which answers
ok       dns       answers come from 192.0.2.53
ok       path      1500 bytes reach 192.0.2.1
ok       online    not asked (--online HOST:PORT)
ok       vips      none is declared
ok       firewall  no rules of others
0 errors, 0 warnings"
    );
}

#[test]
fn links() {
    fn eth(scene: &mut Scene) -> &mut LinkStatus {
        scene.observed.links.get_mut(&2).unwrap()
    }
    check(
        |scene| {
            eth(scene).name = "eth1".parse().unwrap();
            scene.wanted.addresses.clear();
            scene.wanted.routes.clear();
        },
        &[(Error, "links", "eth0", "declared, and not there")],
    );
    check(
        |scene| eth(scene).flags = iff::LOWER_UP,
        &[
            (Error, "links", "eth0", "declared up, and down"),
            (Error, "links", "links", "no link is up"),
        ],
    );
    check(
        |scene| eth(scene).flags = iff::UP,
        &[
            (Error, "links", "eth0", "no carrier"),
            (Error, "links", "links", "no link is up"),
        ],
    );
    check(
        |scene| {
            scene.wanted.links[0].mtu = Some(9000);
        },
        &[(Error, "links", "eth0", "MTU 1500, declared 9000")],
    );
    check(
        |scene| eth(scene).card.full_duplex = Some(false),
        &[(Warning, "links", "eth0", "half duplex")],
    );
    check(
        |scene| {
            let twin = LinkStatus {
                hardware_addr: eth(scene).hardware_addr,
                ..link(3, "eth1")
            };
            scene.observed.links.insert(3, twin);
        },
        &[(Warning, "links", "eth0", "has the hardware address of eth1")],
    );
    check(
        |scene| {
            let vlan = LinkStatus {
                kind: "vlan".into(),
                link_index: 2,
                mtu: 9000,
                ..link(3, "storage")
            };
            scene.observed.links.insert(3, vlan);
        },
        &[(
            Error,
            "links",
            "storage",
            "MTU 9000, above the 1500 of eth0",
        )],
    );
    // DHCP on every card is a try: one without a cable is no fault.
    check(
        |scene| {
            scene.observed.links.insert(
                3,
                LinkStatus {
                    flags: iff::UP,
                    ..link(3, "eth1")
                },
            );
            let spec = json!({ "name": "eth1", "up": true, "kind": "", "layer": "default" });
            scene
                .wanted
                .links
                .push(serde_json::from_value(spec).unwrap());
        },
        &[(Note, "links", "eth1", "no carrier")],
    );
}

/// A bond of eth0 and eth1 beside the address.
fn bonded(scene: &mut Scene, mode: BondMode, active_index: u32) {
    let bond = LinkStatus {
        kind: "bond".into(),
        kind_data: Some(KindStatus::Bond {
            options: BondOptions {
                mode: Some(mode),
                ..BondOptions::default()
            },
            primary_index: 0,
            active_index,
        }),
        ..link(9, "bond0")
    };
    let links = &mut scene.observed.links;
    links.insert(9, bond);
    for (index, name) in [(3, "eth1"), (4, "eth2")] {
        let member = LinkStatus {
            master_index: 9,
            ..link(index, name)
        };
        links.insert(index, member);
    }
}

#[test]
fn bonds_and_bridges() {
    check(|scene| bonded(scene, BondMode::ActiveBackup, 3), &[]);
    check(
        |scene| bonded(scene, BondMode::ActiveBackup, 0),
        &[(Error, "links", "bond0", "no member is active")],
    );
    check(
        |scene| {
            bonded(scene, BondMode::ActiveBackup, 3);
            let spec = json!({ "name": "eth0", "up": true, "kind": "", "layer": "configuration",
                "bondSlave": { "masterName": "bond0", "slaveIndex": 0 } });
            scene
                .wanted
                .links
                .push(serde_json::from_value(spec).unwrap());
        },
        &[(Error, "links", "eth0", "declared a member of bond0")],
    );
    check(
        |scene| {
            bonded(scene, BondMode::Lacp, 0);
            scene.partners.insert(9, "00:00:00:00:00:00".into());
        },
        &[(Error, "links", "bond0", "no LACP partner")],
    );
    check(
        |scene| {
            bonded(scene, BondMode::BalanceRr, 0);
            for (index, speed) in [(3, 1000), (4, 100)] {
                let member = scene.observed.links.get_mut(&index).unwrap();
                member.card.speed_mbit = Some(speed);
            }
        },
        &[(Warning, "links", "bond0", "eth1 1000, eth2 100 Mbit/s")],
    );
    check(
        |scene| scene.ports = [(2, PortState::Blocking)].into(),
        &[(Warning, "links", "eth0", "blocked by spanning tree")],
    );
    check(
        |scene| scene.ports = [(2, PortState::Learning)].into(),
        &[(Note, "links", "eth0", "still holds it back")],
    );
}

#[test]
fn addresses() {
    fn first(scene: &mut Scene) -> &mut AddressStatus {
        &mut scene.observed.addresses[0]
    }
    let id = "eth0/192.0.2.7/24";
    check(
        |scene| scene.observed.addresses.clear(),
        &[(Error, "addresses", id, "declared, and not there")],
    );
    check(
        |scene| first(scene).flags = AddressStatus::DADFAILED | AddressStatus::TENTATIVE,
        &[(Error, "addresses", id, "another host has this address")],
    );
    check(
        |scene| first(scene).flags = AddressStatus::TENTATIVE,
        &[(Warning, "addresses", id, "tentative")],
    );
    check(
        |scene| scene.answers.owned[0].rival = "52:54:00:00:00:66".parse().ok(),
        &[(Error, "addresses", "eth0/192.0.2.7", "52:54:00:00:00:66")],
    );
    check(
        |scene| {
            scene.observed.links.insert(3, link(3, "eth1"));
            scene
                .observed
                .addresses
                .push(address(3, "eth1", "192.0.2.8/24"));
        },
        &[(Warning, "addresses", id, "the same network is on eth1")],
    );
    for (left, severity) in [(60, Error), (3600, Warning)] {
        check(
            |scene| {
                scene.supervisor = Supervisor::None;
                first(scene).valid_until = Some(Instant::from_secs(1000 + left));
            },
            &[(severity, "addresses", id, "nobody renews it")],
        );
    }
    for (state, severity, part) in [
        ("selecting", Error, "no DHCP server answers"),
        ("rebinding", Warning, "it ends in 10 min"),
        ("declining", Warning, "is in use"),
    ] {
        check(
            |scene| {
                let lease = json!({ "id": "dhcp4/eth0", "state": state,
                    "expiresAt": Instant::from_secs(1600) });
                scene
                    .wanted
                    .leases
                    .push(serde_json::from_value(lease).unwrap());
            },
            &[(severity, "addresses", "dhcp4/eth0", part)],
        );
    }
}

#[test]
fn routes() {
    fn default(scene: &mut Scene) -> &mut RouteStatus {
        scene.observed.routes.last_mut().unwrap()
    }
    let declared = "inet4/192.0.2.1//1024";
    check(
        |scene| drop(scene.observed.routes.pop()),
        &[
            (Error, "routes", declared, "the declared route to default"),
            (Error, "routes", "default", "no default route"),
        ],
    );
    // A machine for one network may be meant so.
    check(
        |scene| {
            scene.observed.routes.pop();
            scene.wanted.routes.clear();
        },
        &[(Warning, "routes", "default", "no default route")],
    );
    check(
        |scene| {
            let foreign = RouteStatus {
                protocol: 16,
                ..route(2, "eth0", "", "192.0.2.254", 100)
            };
            scene.observed.routes.push(foreign);
        },
        &[(
            Error,
            "routes",
            "inet4/192.0.2.254//100",
            "(a DHCP client) stands before ours",
        )],
    );
    check(
        |scene| {
            let same = route(2, "eth0", "", "192.0.2.254", 1024);
            scene.observed.routes.push(same);
        },
        &[(
            Warning,
            "routes",
            declared,
            "two default routes with metric 1024",
        )],
    );
    check(
        |scene| drop(scene.observed.routes.remove(0)),
        &[(Error, "routes", declared, "is in no network of eth0")],
    );
    check(
        |scene| {
            scene.observed.routes.remove(0);
            default(scene).flags = 4;
        },
        &[],
    );
    check(
        |scene| scene.answers.gateways[0].answered = false,
        &[(Error, "routes", "eth0/192.0.2.1", "does not answer ARP")],
    );
    check(
        |scene| {
            scene.observed.links.insert(3, link(3, "eth1"));
            let routes = &mut scene.observed.routes;
            routes.push(route(3, "eth1", "198.51.100.0/24", "", 0));
            routes.push(route(3, "eth1", "", "198.51.100.1", 2048));
            let key = key("ipv4", "eth1", "rp_filter").unwrap();
            scene.sysctls.insert(key, "1".into());
        },
        &[(Warning, "routes", "eth1", "strict reverse path filter")],
    );
    check(
        |scene| {
            scene
                .answers
                .unasked
                .push(("eth0/192.0.2.1".into(), "no".into()))
        },
        &[(Note, "routes", "eth0/192.0.2.1", "not asked: no")],
    );
}

#[test]
fn a_missing_route_says_what_keeps_it_away() {
    let why = |breaks: &dyn Fn(&mut Scene)| {
        let mut scene = healthy();
        scene.observed.routes.pop();
        breaks(&mut scene);
        let examination = judge(&scene);
        let found = faults(&examination);
        let route = found.iter().find(|f| f.problem.contains("declared route"));
        route.unwrap().why.clone()
    };
    assert!(why(&|_| {}).contains("somebody removed it"));
    assert!(why(&|scene| drop(scene.observed.routes.pop())).contains("in no network"));
    assert!(why(&|scene| scene.observed.links.get_mut(&2).unwrap().flags = 0).contains("down"));
    assert!(
        why(&|scene| {
            scene.report = Some(report(&[(
                "ip route add default via 192.0.2.1",
                "No such process",
            )]));
        })
        .contains("No such process")
    );
}

fn report(failures: &[(&str, &str)]) -> Report {
    Report {
        version: 1,
        phase: "supervise".into(),
        readiness: Readiness::default(),
        reason: None,
        config: None,
        change: None,
        timeline: Timeline::default(),
        diagnostics: Vec::new(),
        failures: failures
            .iter()
            .map(|(op, error)| Failure {
                op: (*op).into(),
                error: (*error).into(),
            })
            .collect(),
        conflicts: Vec::new(),
        desired: (&Desired::default()).into(),
    }
}

#[test]
fn names() {
    let conf = "/etc/resolv.conf";
    let answers =
        |scene: &mut Scene, answer: ServerAnswer| scene.answers.servers[0].answer = answer;
    for (answer, severity, part) in [
        (ServerAnswer::Silent, Error, "does not answer"),
        (ServerAnswer::Closed, Error, "nothing listens"),
        (ServerAnswer::Answered(Verdict::Fails), Error, "SERVFAIL"),
        (ServerAnswer::Answered(Verdict::Refuses), Warning, "refuses"),
        (ServerAnswer::NoWay("unreachable".into()), Error, "no way"),
    ] {
        check(
            |scene| answers(scene, answer),
            &[(severity, "dns", "192.0.2.53", part)],
        );
    }
    // Another one that works makes it a matter of time.
    check(
        |scene| {
            answers(scene, ServerAnswer::Silent);
            let works = ServerAnswer::Answered(Verdict::Works);
            scene.answers.servers.push(server("192.0.2.54", works));
        },
        &[(Warning, "dns", "192.0.2.53", "does not answer")],
    );
    check(
        |scene| {
            scene.resolv_conf.text = None;
            scene.resolv_conf.link = Some("/run/gone".into());
        },
        &[(Error, "dns", conf, "leads to /run/gone")],
    );
    check(
        |scene| scene.resolv_conf.text = None,
        &[(Error, "dns", conf, "is not there")],
    );
    check(
        |scene| scene.resolv_conf.text = Some("nameserver 127.0.0.53\n".into()),
        &[(
            Warning,
            "dns",
            conf,
            "names 127.0.0.53, declared: 192.0.2.53",
        )],
    );
    // A link-local one has its link with it, declared, in the file and in the question.
    check(
        |scene| {
            let local = "fe80::53%eth0".parse().unwrap();
            scene.wanted.resolvers[0].name_servers = vec![local];
            scene.resolv_conf.text = Some("nameserver fe80::53%eth0\n".into());
            let silent = ServerAnswer::Silent;
            scene.answers.servers = vec![server("fe80::53%eth0", silent)];
        },
        &[(Error, "dns", "fe80::53%eth0", "does not answer")],
    );
    check(
        |scene| {
            scene.wanted.resolvers.clear();
            scene.resolv_conf.text = Some("# nothing\n".into());
        },
        &[(Warning, "dns", conf, "no name server is known")],
    );
    check(
        |scene| {
            let list = "nameserver 192.0.2.53\nsearch a b c d e f g\n";
            scene.resolv_conf.text = Some(list.into());
        },
        &[(Warning, "dns", conf, "7 domains")],
    );
}

#[test]
fn paths() {
    let with = |answer: PathAnswer| move |scene: &mut Scene| scene.answers.paths = vec![answer];
    let (id, vanish) = (
        "192.0.2.1",
        "1400 bytes is the largest packet that arrives; eth0 has 1500",
    );
    check(
        with(path(1400, None, false)),
        &[(Error, "path", id, vanish)],
    );
    check(
        with(path(1400, Some("192.0.2.9"), false)),
        &[(Note, "path", id, vanish)],
    );
    // A gateway is no router on the way: nobody could say "too big" in time.
    check(with(path(1400, None, true)), &[(Error, "path", id, vanish)]);
    check(
        with(path(0, None, true)),
        &[(Note, "path", id, "does not answer pings")],
    );
    let refused = PathAnswer {
        error: Some("Operation not permitted".into()),
        ..path(0, None, true)
    };
    check(
        with(refused),
        &[(Note, "path", id, "Operation not permitted")],
    );
}

#[test]
fn online() {
    let with = |answer: OnlineAnswer| {
        move |scene: &mut Scene| scene.answers.online = Some(("example.net:443".into(), answer))
    };
    let id = "example.net:443";
    check(with(OnlineAnswer::Connected), &[]);
    check(
        with(OnlineAnswer::NoName),
        &[(Error, "online", id, "no address")],
    );
    check(
        with(OnlineAnswer::Refused),
        &[(Error, "online", id, "refused")],
    );
    check(
        with(OnlineAnswer::Failed("no answer in time".into())),
        &[(Error, "online", id, "no answer in time")],
    );
}

#[test]
fn firewalls_and_parameters() {
    let chain = |table: &str, hook, drops| BaseChain {
        family: "inet",
        table: table.into(),
        name: "input".into(),
        hook,
        drops,
    };
    let with = |chain| move |scene: &mut Scene| scene.chains = vec![chain];
    check(with(chain("guests", "input", false)), &[]);
    check(with(chain("init-net", "input", true)), &[]);
    let other = |scene: &mut Scene| {
        let ours = chain("init-net", "input", true);
        scene.chains = vec![BaseChain {
            family: "ip",
            ..ours
        }];
    };
    check(
        other,
        &[(Warning, "firewall", "ip init-net input", "not ours")],
    );
    check(with(chain("guests", "forward", true)), &[]);
    check(
        with(chain("guests", "input", true)),
        &[(Warning, "firewall", "inet guests input", "drops at input")],
    );
    check(
        |scene| {
            let spec =
                json!({ "address": "2001:db8::7/64", "linkName": "eth0", "family": "inet6" });
            scene
                .wanted
                .addresses
                .push(serde_json::from_value(spec).unwrap());
            let key = key("ipv6", "eth0", "disable_ipv6").unwrap();
            scene.sysctls.insert(key, "1".into());
        },
        &[
            (Error, "addresses", "eth0/2001:db8::7/64", "not there"),
            (Error, "firewall", "net.ipv6.conf.eth0.disable_ipv6", "is 1"),
        ],
    );
    check(
        |scene| {
            for (parameter, value) in [("forwarding", "1"), ("accept_ra", "1")] {
                let key = key("ipv6", "eth0", parameter).unwrap();
                scene.sysctls.insert(key, value.into());
            }
        },
        &[(
            Warning,
            "firewall",
            "eth0",
            "takes no router advertisements",
        )],
    );
}

#[test]
fn the_machine_itself() {
    check(
        |scene| {
            scene.supervisor = Supervisor::None;
            scene.has_state = true;
        },
        &[(Warning, "system", "supervisor", "does not run")],
    );
    check(
        |scene| scene.supervisor = Supervisor::Silent("busy".into()),
        &[(Error, "system", "supervisor", "does not answer")],
    );
    check(
        |scene| scene.state_refused = Some("from another boot".into()),
        &[(
            Warning,
            "system",
            "/run/init-net/state.json",
            "from another boot",
        )],
    );
    check(
        |scene| scene.report = Some(report(&[("ip link add x type gre", "Not supported")])),
        &[(Error, "system", "ip link add x type gre", "keeps failing")],
    );
    check(
        |scene| scene.observed.hostname = Some("localhost".into()),
        &[(
            Warning,
            "system",
            "hostname",
            "is localhost, declared: web1",
        )],
    );
    check(
        |scene| {
            scene.wanted.hostnames.clear();
            scene.observed.hostname = None;
        },
        &[(
            Warning,
            "system",
            "hostname",
            "no source names this machine",
        )],
    );
}
