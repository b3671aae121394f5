//! Probes on the virtual clock.

use super::*;
use crate::config::{Document, machine};
use crate::state::ProbeStatus;

const KEYS: &str =
    "apiVersion: v1alpha1\nkind: TCPProbeConfig\nname: api\nendpoint: 10.9.0.7:443\n";
const WEB: &str =
    "apiVersion: v1alpha1\nkind: HTTPProbeConfig\nname: web\nurl: http://10.9.0.8/ok\n";

/// The documents of a machine with this probe.
pub(super) fn documents(line: &str, config: &str) -> Vec<Document> {
    let (config, faults) = machine::parse(config, "probes.yaml");
    assert_eq!(faults, []);
    vec![cmdline::parse(line, "test").0, config]
}

fn machine(line: &str, config: &str, peer: Peer) -> Machine {
    let mut machine = Machine::new(line);
    let documents = documents(line, config);
    machine.core = Core::new(documents, Default::default(), Rng::new(1), START);
    machine.peer = peer;
    machine
}

#[track_caller]
fn check(machine: &Machine, name: &str, expect: Option<(bool, &str)>) {
    let expect = expect.map(|(success, error)| ProbeStatus {
        success,
        last_error: error.to_owned(),
    });
    assert_eq!(machine.core.probes().get(name).cloned(), expect);
}

/// Tries of connections to `address`, milliseconds since the start.
fn tries(machine: &Machine, address: &str) -> Vec<u64> {
    let address: SocketAddr = address.parse().unwrap();
    let tries = machine.connected.iter().filter(|(_, to)| *to == address);
    tries.map(|(at, _)| *at).collect()
}

#[test]
fn without_probes_nothing_is_due() {
    let mut machine = Machine::new(STATIC);
    machine.run(3600);
    assert_eq!(machine.core.deadline(), None);
    assert!(machine.connected.is_empty());
    let readiness = machine.core.readiness();
    assert!(readiness.online && readiness.probes);
}

#[test]
fn a_probe_runs_at_once_and_then_every_interval() {
    let config = format!("{KEYS}interval: 30s\n");
    let mut machine = machine(STATIC, &config, Peer::Accepts);
    machine.run(65);
    // The second one is for the address that came after the first.
    let all = tries(&machine, "10.9.0.7:443");
    assert_eq!(all, [0, 100, 30_100, 60_100]);
    check(&machine, "api", Some((true, "")));
    assert!(machine.open.is_empty(), "no connection is left open");
}

#[test]
fn online_is_when_every_probe_succeeds() {
    let line = format!("{STATIC} initnet.wait=online");
    let mut machine = machine(&line, &format!("{KEYS}---\n{WEB}"), Peer::Accepts);
    machine.run(5);
    // The connection is there; nobody answers the GET.
    check(&machine, "api", Some((true, "")));
    check(&machine, "web", None);
    let readiness = machine.core.readiness();
    assert!(readiness.routable && !readiness.online);
    assert_eq!(readiness.missing, ["probe web"]);
    assert_eq!(machine.core.verdict(machine.now), Verdict::Wait);
    machine.run(10);
    check(&machine, "web", Some((false, "no answer within 10s")));
    assert_eq!(
        machine.core.readiness().missing,
        ["probe web: no answer within 10s"]
    );
    machine.peer = Peer::Answers("HTTP/1.1 204 No Content\r\n\r\n");
    let (reason, _) = machine.boot();
    assert_eq!(reason, "ready");
    assert!(machine.core.readiness().online);
}

#[test]
fn what_a_web_server_answers() {
    #[track_caller]
    fn answers(text: &'static str, expect: Result<(), &str>) {
        let mut machine = machine(STATIC, WEB, Peer::Answers(text));
        machine.run(5);
        let expect = match expect {
            Ok(()) => (true, ""),
            Err(error) => (false, error),
        };
        check(&machine, "web", Some(expect));
    }
    answers(
        "HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n",
        Ok(()),
    );
    answers(
        "HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\n\r\n",
        Ok(()),
    );
    answers(
        "HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/\r\n\r\n",
        Ok(()),
    );
    answers("HTTP/1.1 399 Odd\r\n\r\n", Ok(()));
    answers("HTTP/1.1 400 Bad Request\r\n\r\n", Err("status 400"));
    answers("HTTP/1.1 503 Busy\r\n\r\n", Err("status 503"));
    answers("SSH-2.0-OpenSSH_9.9\r\n\r\n", Err("the answer is not HTTP"));
}

#[test]
fn so_many_failures_in_a_row_count_as_down() {
    let config = format!("{KEYS}interval: 10s\ntimeout: 2s\nfailureThreshold: 3\n");
    let mut machine = machine(STATIC, &config, Peer::Accepts);
    machine.run(5);
    check(&machine, "api", Some((true, "")));
    machine.peer = Peer::Refuses;
    machine.run(20);
    check(
        &machine,
        "api",
        Some((true, "Connection refused (os error 111)")),
    );
    machine.run(10);
    check(
        &machine,
        "api",
        Some((false, "Connection refused (os error 111)")),
    );
    machine.peer = Peer::Silent;
    machine.run(13);
    check(&machine, "api", Some((false, "no answer within 2s")));
    assert!(machine.open.is_empty(), "a try that is given up is closed");
    machine.peer = Peer::Accepts;
    machine.run(10);
    check(&machine, "api", Some((true, "")));
    // From the start again.
    machine.peer = Peer::Refuses;
    machine.run(20);
    check(
        &machine,
        "api",
        Some((true, "Connection refused (os error 111)")),
    );
}

#[test]
fn https_reads_whom_to_trust_once_and_wants_tls() {
    let config = WEB.replace("http:", "https:");
    let peer = Peer::Answers("HTTP/1.1 400 Bad Request\r\n\r\n");
    let mut machine = machine(STATIC, &config, peer);
    machine.run(60);
    check(&machine, "web", Some((false, "the answer is not TLS")));
    assert!(machine.connected.len() > 1, "{:?}", machine.connected);
    assert_eq!(machine.trust_read, 1);
}

#[test]
fn a_name_without_a_server_to_ask_has_no_address() {
    let config = KEYS.replace("10.9.0.7", "api.example");
    let mut machine = machine(STATIC, &config, Peer::Accepts);
    machine.run(5);
    check(
        &machine,
        "api",
        Some((false, "the host name has no address")),
    );
}

#[test]
fn an_interval_of_nothing_is_not_a_loop() {
    let config = format!("{KEYS}interval: 0s\n");
    let mut machine = machine(STATIC, &config, Peer::Refuses);
    machine.run(10);
    assert!(tries(&machine, "10.9.0.7:443").len() <= 102);
}

#[test]
fn so_many_probes_run_and_the_others_say_so() {
    let all: Vec<String> = (0..70)
        .map(|n| KEYS.replace("name: api", &format!("name: p{n:02}")))
        .collect();
    let mut machine = machine(STATIC, &all.join("---\n"), Peer::Silent);
    machine.run(1);
    assert_eq!(machine.open.len(), 64);
    check(&machine, "p00", None);
    check(
        &machine,
        "p69",
        Some((false, "not tried: at most 64 probes run")),
    );
}
