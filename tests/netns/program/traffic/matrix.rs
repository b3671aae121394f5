//! Source × port × protocol × family × default action × own actions: what becomes of a packet is what the config means.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};

use tests::traffic::policy::{Action, Default, Outcome, Policy, Protocol, Question, Rule, net};

use super::stage::{POD_V4, POD_V6, Stage, markers, on_stage, own};

/// In, at the edge of, and outside of what the rules name.
const SOURCES: [&str; 26] = [
    "9.255.255.255",
    "10.0.0.0",
    "10.1.2.3",
    "10.65.255.255",
    "10.66.0.0",
    "10.66.255.255",
    "10.67.0.0",
    "10.255.255.255",
    "11.0.0.0",
    "192.0.2.7",
    "192.0.2.128",
    "192.0.3.0",
    "203.0.113.77",
    "10.244.9.2",
    "2001:db8:a9:ffff:ffff:ffff:ffff:ffff",
    "2001:db8:aa::",
    "2001:db8:aa:65:ffff:ffff:ffff:ffff",
    "2001:db8:aa:66::",
    "2001:db8:aa:66:ffff:ffff:ffff:ffff",
    "2001:db8:aa:67::",
    "2001:db8:aa:ffff:ffff:ffff:ffff:ffff",
    "2001:db8:ab::",
    "2001:db8:bb::7",
    "2001:db8:cc::77",
    "fd00:10:244:9::2",
    "fd00:10:96::1",
];

/// In, at the edge of, and outside of what the rules name; both protocols of each.
const PORTS: &[u16] = &[
    1, 22, 23, 53, 80, 81, 82, 443, 5000, 5001, 5002, 5003, 9099, 9100, 9105, 9110, 9111, 30_079,
    30_080, 30_081, 30_082, 65_535,
];

fn tcp(name: &str, ports: &[(u16, u16)], ingress: &[&str]) -> Rule {
    Rule::new(name, Protocol::Tcp, ports, ingress)
}

fn udp(name: &str, ports: &[(u16, u16)], ingress: &[&str]) -> Rule {
    Rule::new(name, Protocol::Udp, ports, ingress)
}

/// Rules of the field's own form.
fn plain(default: Default) -> Policy {
    let mut policy = Policy::new(default);
    if default == Default::Block {
        policy.rules.extend(markers());
    }
    policy
        .rule(tcp(
            "ssh-and-agents",
            &[(22, 22), (9100, 9110)],
            &[
                "10.0.0.0/8 - 10.66.0.0/16",
                "2001:db8:aa::/48 - 2001:db8:aa:66::/64",
            ],
        ))
        .rule(udp(
            "names",
            &[(53, 53), (5000, 5002)],
            &["192.0.2.0/25", "2001:db8:bb::/48"],
        ))
        .rule(tcp(
            "node-port",
            &[(30_080, 30_080)],
            &["203.0.113.0/24", "2001:db8:cc::/48"],
        ))
        .rule(udp(
            "node-port-udp",
            &[(30_080, 30_082)],
            &["10.0.0.0/8", "2001:db8:cc::/48"],
        ))
        .rule(tcp("everybody", &[(443, 443)], &["0.0.0.0/0", "::/0"]))
        .rule(tcp("four-alone", &[(80, 80)], &["0.0.0.0/0"]))
        .rule(tcp("six-alone", &[(81, 81)], &["2001:db8:aa::/48"]))
        .rule(tcp(
            "last-port",
            &[(65_535, 65_535)],
            &["10.0.0.0/9", "10.128.0.0/9"],
        ))
        // What one entry excepts is not let in by another.
        .rule(tcp(
            "excepted",
            &[(82, 82)],
            &["10.0.0.0/8 - 10.66.0.0/16", "10.66.0.0/24"],
        ))
}

/// Rules with actions: the first that matches decides.
fn actions(default: Default) -> Policy {
    let mut policy = Policy::new(default);
    policy
        .rules
        .extend(markers().map(|rule| rule.does(Action::Accept)));
    policy
        .rule(tcp("one-not", &[(22, 22)], &["10.1.0.0/16"]).does(Action::Reject))
        .rule(tcp("others", &[(1, 443)], &["10.0.0.0/8", "2001:db8:aa::/48"]).does(Action::Accept))
        .rule(udp("names-not", &[(53, 53)], &["0.0.0.0/0", "::/0"]).does(Action::Reject))
        .rule(
            udp("second-link", &[(5000, 5003)], &["0.0.0.0/0", "::/0"])
                .does(Action::Accept)
                .at(&["eth2"]),
        )
        .rule(
            tcp("links", &[(9099, 9111)], &["192.0.2.0/24"])
                .does(Action::Accept)
                .at(&["eth1", "bond*"]),
        )
        .rule(
            tcp("some-links", &[(9099, 9111)], &["0.0.0.0/0", "::/0"])
                .does(Action::Drop)
                .at(&["eth*"]),
        )
        .rule(tcp("node-port-not", &[(30_080, 30_080)], &["203.0.113.0/24"]).does(Action::Reject))
        .rule(tcp("node-ports", &[(30_000, 32_767)], &["0.0.0.0/1", "::/0"]).does(Action::Accept))
        .rule(
            udp(
                "node-ports-not",
                &[(30_000, 32_767)],
                &["10.0.0.0/8", "2001:db8:aa::/48"],
            )
            .does(Action::Drop),
        )
}

/// Every source to every port by both protocols through these links.
fn questions(links: &[&str]) -> Vec<Question> {
    let mut all = Vec::new();
    for link in links {
        for source in SOURCES {
            let source: IpAddr = source.parse().unwrap();
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                all.extend(PORTS.iter().map(|port| Question {
                    link: (*link).to_owned(),
                    source,
                    destination: own(source),
                    protocol,
                    number: *port,
                }));
            }
        }
    }
    all
}

/// Asks all of them; how many there were of each outcome. Fails with every question whose outcome is another than what the
/// policy means.
#[track_caller]
pub(super) fn agrees(
    stage: &mut Stage<'_>,
    policy: &Policy,
    questions: &[Question],
) -> BTreeMap<Outcome, usize> {
    let found = stage.prober.ask(questions);
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for (question, found) in questions.iter().zip(found) {
        let meant = policy.ingress(question);
        if found != meant {
            wrong.push(format!("{question:?}: {found:?}, and {meant:?} is meant"));
        }
        *counts.entry(found).or_insert(0) += 1;
    }
    wrong.truncate(20);
    assert!(
        wrong.is_empty(),
        "{}\n{}\n{}",
        wrong.join("\n"),
        policy.documents(),
        super::stage::nft("list ruleset"),
    );
    eprintln!("{} packets: {counts:?}", questions.len());
    counts
}

/// The stage itself: nothing is between it and who listens.
#[test]
fn without_a_firewall_everybody_is_let_in() {
    let policy = Policy::new(Default::Accept);
    on_stage("firewall-none", policy.clone(), PORTS, move |stage| {
        assert!(!super::stage::nft("list ruleset").contains("init-net"));
        let counts = agrees(stage, &policy, &questions(&["eth1", "eth2"]));
        assert_eq!(counts.len(), 1, "{counts:?}");
    });
}

#[test]
fn the_fields_own_rules() {
    on_stage("firewall-plain", plain(Default::Block), PORTS, |stage| {
        let counts = agrees(stage, &plain(Default::Block), &questions(&["eth1"]));
        assert!(
            counts[&Outcome::Accepted] > 100 && counts[&Outcome::Dropped] > 100,
            "{counts:?}"
        );
        let accepting = plain(Default::Accept);
        stage.apply(&accepting);
        let counts = agrees(stage, &accepting, &questions(&["eth1"]));
        assert!(
            counts[&Outcome::Accepted] > 100 && counts[&Outcome::Dropped] > 100,
            "{counts:?}"
        );
    });
}

#[test]
fn rules_with_actions() {
    on_stage(
        "firewall-actions",
        actions(Default::Block),
        PORTS,
        |stage| {
            let links = ["eth1", "eth2"];
            for default in [Default::Block, Default::Accept] {
                let policy = actions(default);
                stage.apply(&policy);
                let counts = agrees(stage, &policy, &questions(&links));
                assert!(
                    counts.values().all(|count| *count > 20) && counts.len() == 3,
                    "{counts:?}"
                );
            }
        },
    );
}

#[test]
fn pods_and_services() {
    let policy = |default| Policy {
        cluster: vec![net("10.244.0.0/16"), net("fd00:10::/32")],
        ..plain(default)
    };
    on_stage(
        "firewall-pods",
        policy(Default::Block),
        PORTS,
        move |stage| {
            let policy = policy(Default::Block);
            let outside = questions(&["eth1"]);
            // To where pods find this machine.
            let inside = outside.iter().cloned().map(|question| {
                let own = if question.source.is_ipv4() {
                    POD_V4
                } else {
                    POD_V6
                };
                Question {
                    destination: own.parse().unwrap(),
                    ..question
                }
            });
            let inside: Vec<_> = inside.collect();
            agrees(stage, &policy, &outside);
            agrees(stage, &policy, &inside);
        },
    );
}

/// Few enough at a time for what a machine that blocks answers at once.
const ECHOES: usize = 40;

#[test]
fn types_of_icmp() {
    use Protocol::{Icmp, Icmpv6};
    let policy = |default| {
        let mut policy = Policy::new(default);
        policy
            .rules
            .extend(markers().map(|rule| rule.does(Action::Accept)));
        policy
            .rule(
                Rule::new("no-time", Icmp, &[], &["0.0.0.0/0"])
                    .types(&[13])
                    .does(Action::Drop),
            )
            .rule(
                Rule::new("ten-reject", Icmp, &[], &["10.0.0.0/8 - 10.66.0.0/16"])
                    .types(&[8])
                    .does(Action::Reject),
            )
            .rule(
                Rule::new("second-link", Icmp, &[], &["192.0.2.0/24"])
                    .at(&["eth2"])
                    .does(Action::Drop),
            )
            .rule(
                Rule::new(
                    "six",
                    Icmpv6,
                    &[],
                    &["2001:db8:aa::/48 - 2001:db8:aa:66::/64"],
                )
                .types(&[128])
                .does(Action::Drop),
            )
    };
    on_stage(
        "firewall-icmp",
        policy(Default::Block),
        PORTS,
        move |stage| {
            let mut questions = Vec::new();
            for link in ["eth1", "eth2"] {
                for source in SOURCES {
                    let source: IpAddr = source.parse().unwrap();
                    let kinds: &[u16] = if source.is_ipv4() { &[8, 13] } else { &[128] };
                    questions.extend(kinds.iter().map(|kind| Question {
                        link: link.to_owned(),
                        source,
                        destination: own(source),
                        protocol: if source.is_ipv4() { Icmp } else { Icmpv6 },
                        number: *kind,
                    }));
                }
            }
            for default in [Default::Block, Default::Accept] {
                let policy = policy(default);
                let mut counts = BTreeMap::new();
                for (at, some) in questions.chunks(ECHOES).enumerate() {
                    // A table in the place of another has full buckets: one with a rule that none of these is about.
                    let port = 7000 + at as u16;
                    let more = tcp("other", &[(port, port)], &["192.0.2.1/32"]);
                    let policy = policy.clone().rule(more.does(Action::Accept));
                    stage.apply(&policy);
                    for (outcome, count) in agrees(stage, &policy, some) {
                        *counts.entry(outcome).or_insert(0) += count;
                    }
                }
                assert!(counts.len() == 3, "{counts:?}");
            }
        },
    );
}

/// What this machine sends itself, to each destination and port.
#[test]
fn what_goes_out() {
    let mut policy = Policy::new(Default::Accept);
    policy.egress = Some(Default::Block);
    let to = |name: &str, protocol, ports: &[(u16, u16)], nets: &[&str], action| {
        Rule::new(name, protocol, ports, &[]).to(nets).does(action)
    };
    let policy = policy
        .rule(to(
            "not-these",
            Protocol::Udp,
            &[(53, 53)],
            &["10.66.0.0/16"],
            Action::Drop,
        ))
        .rule(to(
            "refused",
            Protocol::Udp,
            &[(5000, 5000)],
            &["10.0.0.0/8", "2001:db8:aa::/48"],
            Action::Reject,
        ))
        .rule(to(
            "names",
            Protocol::Udp,
            &[(53, 53), (5001, 5002)],
            &["10.0.0.0/8", "2001:db8:aa::/48 - 2001:db8:aa:66::/64"],
            Action::Accept,
        ));
    on_stage("firewall-egress", policy.clone(), PORTS, move |stage| {
        let mut wrong = Vec::new();
        let mut counts = BTreeMap::new();
        for destination in SOURCES {
            let destination: IpAddr = destination.parse().unwrap();
            for port in PORTS {
                let question = Question {
                    link: "eth1".to_owned(),
                    source: own(destination),
                    destination,
                    protocol: Protocol::Udp,
                    number: *port,
                };
                let found = sent(&question);
                let meant = policy.goes_out(&question);
                *counts.entry(found).or_insert(0) += 1;
                if found != meant {
                    wrong.push(format!("{question:?}: {found:?}, and {meant:?} is meant"));
                }
            }
        }
        wrong.truncate(20);
        assert!(
            wrong.is_empty(),
            "{}\n{}",
            wrong.join("\n"),
            super::stage::nft("list ruleset")
        );
        assert!(counts.len() == 3, "{counts:?}");
        // What came in is answered.
        let question = Question {
            link: "eth1".to_owned(),
            source: "203.0.113.77".parse().unwrap(),
            destination: super::stage::V4.parse().unwrap(),
            protocol: Protocol::Tcp,
            number: 443,
        };
        assert_eq!(stage.prober.ask(&[question]), [Outcome::Accepted]);
    });
}

/// What becomes of a datagram of this machine: who sends one that is dropped is refused by the kernel itself, and who sends
/// one that is rejected is told so afterwards.
fn sent(question: &Question) -> Outcome {
    let socket = UdpSocket::bind((question.source, 0)).unwrap();
    socket
        .connect((question.destination, question.number))
        .unwrap();
    match socket.send(b"out") {
        Ok(_) => Outcome::Accepted,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            // A rejection is an error of the socket as well.
            match socket.take_error().unwrap() {
                Some(_) => Outcome::Rejected,
                None => Outcome::Dropped,
            }
        }
        Err(error) => panic!("{question:?}: {error}"),
    }
}
