//! Rules that match so often and no more, that are told to the log, and that name services.

use std::net::IpAddr;

use tests::traffic::policy::{Action, Default, Outcome, Policy, Protocol, Question, Rule, Service};

use super::matrix::agrees;
use super::stage::{POD_TCP, Stage, markers, on_stage, own};

/// Somebody listens at all of them.
const PORTS: &[u16] = &[22, 53, 54, 81, 82, 83, 5000, 6443, 6444, 7946];

/// How often a limited rule matches: the next one is let in a day later, so no clock has a part in it.
const TIMES: u32 = 3;

const EVERYBODY: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Of both families.
const SOURCES: [&str; 8] = [
    "10.1.2.3",
    "2001:db8:aa::1",
    "192.0.2.7",
    "2001:db8:bb::7",
    "203.0.113.77",
    "2001:db8:cc::77",
    "10.1.2.4",
    "2001:db8:aa::2",
];

fn tcp(name: &str, port: u16, from: &[&str]) -> Rule {
    Rule::new(name, Protocol::Tcp, &[(port, port)], from)
}

fn policy() -> Policy {
    let mut policy = Policy::new(Default::Block);
    policy.rules.extend(markers());
    policy
        .rule(tcp("four-alone", 81, &["0.0.0.0/0"]).limited(TIMES))
        .rule(tcp("both", 82, &EVERYBODY).limited(TIMES))
        .rule(tcp("pod", POD_TCP.0, &EVERYBODY).limited(TIMES).logged())
        .rule(Rule::of("members", &[Service::Metallb], &EVERYBODY).limited(TIMES))
        // What comes behind the limit is told so by the next rule.
        .rule(
            tcp("few", 83, &EVERYBODY)
                .does(Action::Accept)
                .limited(TIMES),
        )
        .rule(tcp("no-more", 83, &EVERYBODY).does(Action::Reject))
        .rule(
            Rule::new(
                "told",
                Protocol::Udp,
                &[(5000, 5000)],
                &["10.0.0.0/8", "::/0"],
            )
            .logged(),
        )
        .rule(tcp("told-not", 22, &EVERYBODY).does(Action::Drop).logged())
        .rule(Rule::of(
            "cluster",
            &[Service::KubernetesApi, Service::Dns],
            &["10.0.0.0/8", "2001:db8:aa::/48"],
        ))
}

fn question(source: &str, protocol: Protocol, number: u16) -> Question {
    let source: IpAddr = source.parse().unwrap();
    Question {
        link: "eth1".to_owned(),
        source,
        destination: own(source),
        protocol,
        number,
    }
}

/// Asks all of them: so many are let in, and all others meet with `rest`.
#[track_caller]
fn let_in(stage: &mut Stage<'_>, questions: &[Question], times: usize, rest: Outcome) {
    let found = stage.prober.ask(questions);
    let accepted = found.iter().filter(|one| **one == Outcome::Accepted);
    let others = found.iter().filter(|one| **one == rest);
    let counts = (accepted.count(), others.count());
    assert_eq!(
        counts,
        (times, questions.len() - times),
        "{questions:?}: {found:?}\n{}",
        super::stage::nft("list table inet init-net")
    );
}

#[test]
fn so_often_and_no_more() {
    use Protocol::{Tcp, Udp};
    on_stage("firewall-limits", policy(), PORTS, |stage| {
        let times = TIMES as usize;
        let four: Vec<Question> = SOURCES
            .iter()
            .filter(|source| !source.contains(':'))
            .chain(&["10.1.2.5", "10.1.2.6"])
            .map(|source| question(source, Tcp, 81))
            .collect();
        let all = |protocol, port| SOURCES.map(|source| question(source, protocol, port));
        // One bucket for both families, before DNAT, and for both protocols.
        let cases = [
            (four, Outcome::Dropped),
            (all(Tcp, 82).into(), Outcome::Dropped),
            (all(Tcp, POD_TCP.0).into(), Outcome::Dropped),
            ([all(Udp, 7946), all(Tcp, 7946)].concat(), Outcome::Dropped),
            (all(Tcp, 83).into(), Outcome::Rejected),
        ];
        for (questions, rest) in &cases {
            let_in(stage, questions, times, *rest);
            let_in(stage, questions, 0, *rest);
        }
    });
}

#[test]
fn told_to_the_log_and_by_service() {
    on_stage("firewall-services", policy(), PORTS, |stage| {
        let mut questions = Vec::new();
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for port in [22, 53, 54, 5000, 6443, 6444] {
                questions.extend(SOURCES.map(|source| question(source, protocol, port)));
            }
        }
        let counts = agrees(stage, &policy(), &questions);
        assert!(
            counts[&Outcome::Accepted] > 15 && counts[&Outcome::Dropped] > 40,
            "{counts:?}"
        );
    });
}
