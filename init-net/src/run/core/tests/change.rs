//! Changes that go back by themselves, on the virtual clock.

use super::probes::documents;
use super::*;
use crate::run::core::{Pending, Progress};
use crate::value::Duration;

const LATER: &str = "ip=10.9.0.3::10.9.0.1:24:node1:eth0:none";
const PROBE: &str = "apiVersion: v1alpha1\nkind: TCPProbeConfig\nname: api\nendpoint: 10.9.0.7:443\n\
                     interval: 10s\ntimeout: 1s\n";

/// A machine that has been up for a while, and a change of its address that waits a minute.
fn changed(config: &str, by_probe: bool, peer: Peer) -> Machine {
    let mut machine = Machine::new(STATIC);
    machine.core = Core::new(
        documents(STATIC, config),
        SavedLeases::default(),
        Rng::new(1),
        START,
    );
    machine.peer = Peer::Accepts;
    machine.run(100);
    assert!(machine.addresses().contains(&"eth0/10.9.0.2/24".to_owned()));
    machine.peer = peer;
    let deadline = machine.now + Duration::from_secs(60);
    let pending = Pending { deadline, by_probe };
    machine.core.watch_change(Some(pending), None);
    let event = Event::Documents(documents(LATER, config), Vec::new());
    machine.queue.push_back(event);
    machine
}

/// The supervisor's answer to an ending: the sources before.
fn go_back(machine: &mut Machine, config: &str) {
    let event = Event::Documents(documents(STATIC, config), Vec::new());
    machine.queue.push_back(event);
    machine.run(1);
    assert_eq!(machine.addresses(), ["eth0/10.9.0.2/24"]);
    assert_eq!(machine.core.pending_change(), None);
}

fn status(machine: &mut Machine) -> serde_json::Value {
    machine.replies.clear();
    let kind = "status".to_owned();
    machine.queue.push_back(Event::Request {
        id: 1,
        request: Request::Get { kind },
    });
    machine.run(0);
    let [Reply::Ok(status)] = &machine.replies[..] else {
        panic!("{:?}", machine.replies);
    };
    status[0].clone()
}

#[test]
fn what_nobody_confirms_goes_back_when_its_time_is_over() {
    let mut machine = changed("", false, Peer::Accepts);
    machine.run(59);
    assert_eq!(machine.addresses(), ["eth0/10.9.0.3/24"]);
    assert_eq!(machine.endings, []);
    let status = status(&mut machine);
    assert_eq!(status["secondsLeft"], 1);
    assert_eq!(status["change"], "to be confirmed in 1 s");
    machine.run(2);
    let ending = Ending::Unconfirmed("nobody confirmed it".into());
    assert_eq!(machine.endings, [(160_000, ending)]);
    go_back(&mut machine, "");
    machine.run(3600);
    assert_eq!(machine.endings.len(), 1, "once");
}

#[test]
fn what_is_confirmed_stays() {
    let mut machine = changed("", false, Peer::Accepts);
    machine.run(30);
    machine.core.watch_change(None, Some("confirmed".into()));
    machine.run(3600);
    assert_eq!(machine.endings, []);
    assert_eq!(machine.addresses(), ["eth0/10.9.0.3/24"]);
    assert_eq!(status(&mut machine)["change"], "confirmed");
    assert_eq!(machine.core.deadline(), None);
}

#[test]
fn every_probe_that_succeeds_after_the_change_confirms_it() {
    let mut machine = changed(PROBE, true, Peer::Accepts);
    machine.run(2);
    let [(at, Ending::Confirmed)] = machine.endings[..] else {
        panic!("{:?}", machine.endings);
    };
    assert!(at <= 100_200, "at once: {at}");
    machine.run(3600);
    assert_eq!(machine.endings.len(), 1);
    assert_eq!(machine.addresses(), ["eth0/10.9.0.3/24"]);
}

#[test]
fn a_probe_that_succeeded_before_the_change_confirms_nothing() {
    let mut machine = changed(PROBE, true, Peer::Refuses);
    machine.run(59);
    assert_eq!(machine.endings, []);
    machine.run(2);
    let missing = "probe api: Connection refused (os error 111)".to_owned();
    assert_eq!(machine.endings, [(160_000, Ending::Unconfirmed(missing))]);
    go_back(&mut machine, PROBE);
}

#[test]
fn without_being_asked_a_probe_confirms_nothing() {
    let mut machine = changed(PROBE, false, Peer::Accepts);
    machine.run(61);
    assert!(matches!(
        machine.endings[..],
        [(160_000, Ending::Unconfirmed(_))]
    ));
}

#[test]
fn a_change_whose_time_is_over_when_the_supervisor_starts_goes_back_at_once() {
    let mut machine = Machine::new(LATER);
    machine.core.watch_change(
        Some(Pending {
            deadline: Instant::from_secs(3),
            by_probe: false,
        }),
        None,
    );
    machine.run(1);
    assert!(matches!(machine.endings[..], [(0, Ending::Unconfirmed(_))]));
}

#[test]
fn how_far_a_change_has_come() {
    let ask = |machine: &mut Machine| -> Progress {
        machine.replies.clear();
        machine.queue.push_back(Event::Request {
            id: 1,
            request: Request::Progress,
        });
        machine.run(0);
        let [Reply::Ok(progress)] = &machine.replies[..] else {
            panic!("{:?}", machine.replies);
        };
        serde_json::from_value(progress.clone()).unwrap()
    };
    let mut machine = changed("", false, Peer::Accepts);
    machine.refused = Some("10.9.0.3/24");
    machine.run(0);
    let progress = ask(&mut machine);
    assert!(progress.settled);
    let failing: Vec<_> = progress
        .failing
        .iter()
        .map(|(op, error)| (op.as_str(), error.as_str()))
        .collect();
    assert_eq!(
        failing,
        [("ip addr replace 10.9.0.3/24 dev eth0", "refused")]
    );
    machine.refused = None;
    machine.run(10);
    let expect = Progress {
        settled: true,
        ..Progress::default()
    };
    assert_eq!(ask(&mut machine), expect);
}
