//! Changes that are caught: `apply --confirm-within`, `confirm`, `rollback`, SIGHUP, probes.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use qemu::peer::http::{HttpServer, Route};
use serde_json::Value;

use super::machine::{Machine, Ran, on_machine};

const BAKED_IN: &str = "/etc/init-net/machine.yaml";
const HOME: &str = "10.77.0.20/24";

/// A machine config with this address, and a probe of the lab's web server.
fn config(address: &str) -> String {
    format!(
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\naddresses:\n  - address: {address}\n\
         ---\napiVersion: v1alpha1\nkind: HTTPProbeConfig\nname: web\ninterval: 200ms\n\
         timeout: 5s\nurl: http://10.77.0.1:8080/ok\n"
    )
}

/// A machine that has booted with [`HOME`] of its image.
fn with_home(name: &'static str, test: impl FnOnce(&Machine) + Send + 'static) {
    on_machine(name, |machine| {
        fs::create_dir_all(Path::new(BAKED_IN).parent().unwrap()).unwrap();
        fs::write(BAKED_IN, config(HOME)).unwrap();
        machine.boot("initnet.wait=local");
        machine.answers();
        has(machine, HOME);
        test(machine);
    });
}

/// Waits until `eth0` has this IPv4 address alone.
#[track_caller]
fn has(machine: &Machine, address: &str) {
    machine.until(address, || {
        let all = super::machine::addresses("eth0");
        (all.len() == 1 && all[0].0 == address).then_some(())
    });
}

/// `apply` of a config with this address.
fn apply(machine: &Machine, address: &str, arguments: &[&str]) -> Ran {
    let file = machine.lab.folder().join("applied.yaml");
    fs::write(&file, config(address)).unwrap();
    let file = file.to_str().unwrap();
    machine.run(&[&["apply", "--config", file], arguments].concat())
}

#[track_caller]
fn applied(machine: &Machine, address: &str, arguments: &[&str]) {
    let ran = apply(machine, address, arguments);
    assert_eq!(ran.code, 0, "{}", ran.errors);
}

#[track_caller]
fn fails(ran: &Ran, with: &str) {
    assert_eq!(ran.code, 1, "{}", ran.output);
    assert!(ran.errors.contains(with), "{}", ran.errors);
}

fn status(machine: &Machine) -> Value {
    machine.get("status")[0].clone()
}

fn web(machine: &Machine) -> HttpServer {
    HttpServer::start(&machine.lab, "10.77.0.1:8080", vec![Route::get("/ok", "")]).unwrap()
}

#[test]
fn a_change_that_cuts_the_machine_off_goes_back_by_itself() {
    with_home("change-back", |machine| {
        applied(machine, "10.99.0.5/24", &["--confirm-within", "2s"]);
        machine.until("the way back", || {
            machine
                .log()
                .contains("the change was not confirmed in time")
                .then_some(())
        });
        has(machine, HOME);
        let status = status(machine);
        assert_eq!(status["secondsLeft"], Value::Null);
        assert_eq!(status["change"], "went back: nobody confirmed it");
        fails(&machine.run(&["confirm"]), "no change waits");
        fails(&machine.run(&["rollback"]), "no earlier sources");
    });
}

#[test]
fn a_change_of_which_nobody_would_know_when_it_goes_back_is_refused() {
    with_home("change-unsaved", |machine| {
        // Nothing can be put in place of a folder that is not empty.
        let state = Path::new("/run/init-net/state.json");
        machine.until("the state file", || state.exists().then_some(()));
        fs::remove_file(state).unwrap();
        fs::create_dir_all(state.join("in the way")).unwrap();
        let ran = apply(machine, "10.77.0.21/24", &["--confirm-within", "1h"]);
        fails(&ran, "nothing is applied");
        machine.reconcile();
        has(machine, HOME);
        assert_eq!(status(machine)["secondsLeft"], Value::Null);
        fails(&machine.run(&["rollback"]), "no earlier sources");
        // The supervisor tries on.
        fs::remove_dir_all(state).unwrap();
        machine.until("the state file", || state.is_file().then_some(()));
        applied(machine, "10.77.0.21/24", &["--confirm-within", "1h"]);
        has(machine, "10.77.0.21/24");
    });
}

#[test]
fn a_change_that_is_confirmed_stays_until_it_is_rolled_back() {
    with_home("change-stays", |machine| {
        applied(machine, "10.77.0.21/24", &["--confirm-within", "1h"]);
        has(machine, "10.77.0.21/24");
        assert!(status(machine)["secondsLeft"].as_u64() > Some(3000));
        assert!(machine.report()["change"]["deadline"].is_u64());

        // One at a time, unless it is to be replaced; what was never confirmed is nothing to go back to.
        let ran = apply(machine, "10.77.0.22/24", &["--confirm-within", "1h"]);
        fails(&ran, "apply with --replace");
        has(machine, "10.77.0.21/24");
        let replace = ["--confirm-within", "1h", "--replace"];
        applied(machine, "10.77.0.23/24", &replace);
        has(machine, "10.77.0.23/24");

        // Nor do the files come back meanwhile.
        machine.signal(Signal::SIGHUP);
        machine.until("the refusal", || {
            machine
                .log()
                .contains("reload refused: a change waits for its confirmation")
                .then_some(())
        });
        has(machine, "10.77.0.23/24");

        assert_eq!(machine.run(&["confirm"]).code, 0);
        assert_eq!(status(machine)["secondsLeft"], Value::Null);
        machine.signal(Signal::SIGKILL);
        let _supervisor = machine.supervise();
        has(machine, "10.77.0.23/24");
        assert_eq!(machine.run(&["rollback"]).code, 0);
        has(machine, HOME);
        assert_eq!(
            status(machine)["change"],
            "rolled back",
            "{}",
            machine.log()
        );
    });
}

#[test]
fn a_supervisor_that_is_killed_does_not_forget_that_a_change_waits() {
    with_home("change-killed", |machine| {
        applied(machine, "10.77.0.21/24", &["--confirm-within", "1h"]);
        machine.signal(Signal::SIGKILL);
        let supervisor = machine.supervise();
        assert!(status(machine)["secondsLeft"].as_u64() > Some(3000));
        has(machine, "10.77.0.21/24");
        let replace = ["--confirm-within", "3s", "--replace"];
        applied(machine, "10.77.0.22/24", &replace);
        machine.signal(Signal::SIGKILL);
        drop(supervisor);
        let _supervisor = machine.supervise();
        has(machine, HOME);
    });
}

#[test]
fn files_with_errors_are_not_reloaded() {
    with_home("change-reload", |machine| {
        fs::write(
            BAKED_IN,
            config("10.77.0.21/24").replace("addresses", "adresses"),
        )
        .unwrap();
        machine.signal(Signal::SIGHUP);
        machine.until("the refusal", || {
            machine
                .log()
                .contains("reload refused: the files have errors")
                .then_some(())
        });
        assert!(machine.log().contains("did you mean addresses?"));
        machine.reconcile();
        assert_eq!(machine.plan(), serde_json::json!([]));
        has(machine, HOME);
        fs::write(BAKED_IN, config("10.77.0.21/24")).unwrap();
        machine.signal(Signal::SIGHUP);
        has(machine, "10.77.0.21/24");
    });
}

#[test]
fn sources_that_make_errors_on_this_machine_are_not_applied() {
    with_home("change-refused", |machine| {
        let file = machine.lab.folder().join("circle.yaml");
        let vlan = |name: &str, parent: &str| {
            format!(
                "apiVersion: v1alpha1\nkind: VLANConfig\nname: {name}\nvlanID: 7\nparent: {parent}\n"
            )
        };
        fs::write(
            &file,
            [vlan("a.7", "b.7"), vlan("b.7", "a.7")].join("---\n"),
        )
        .unwrap();
        let ran = machine.run(&["apply", "--config", file.to_str().unwrap()]);
        fails(&ran, "nothing is applied: the sources have errors");
        has(machine, HOME);
    });
}

#[test]
fn probes_confirm_a_change_that_works_and_no_other() {
    with_home("change-probes", |machine| {
        let server = web(machine);
        let by_probe = ["--confirm-within", "1h", "--confirm-by-probe"];
        applied(machine, "10.77.0.21/24", &by_probe);
        machine.until("the confirmation", || {
            (status(machine)["change"] == "confirmed by every probe").then_some(())
        });
        assert_eq!(machine.get("probes")[0]["success"], true);
        let online = ["wait", "--level", "online", "--timeout", "60s"];
        assert_eq!(machine.run(&online).code, 0);
        assert!(server.requests().iter().all(|r| r.path == "/ok"));

        let soon = ["--confirm-within", "3s", "--confirm-by-probe"];
        applied(machine, "10.99.0.5/24", &soon);
        has(machine, "10.77.0.21/24");
        let ended = status(machine)["change"].as_str().unwrap().to_owned();
        assert!(ended.starts_with("went back: probe web"), "{ended}");

        let file = machine.lab.folder().join("bare.yaml");
        fs::write(&file, config(HOME).split("---").next().unwrap()).unwrap();
        let file = file.to_str().unwrap();
        let ran = machine.run(&[&["apply", "--config", file][..], &by_probe].concat());
        fails(&ran, "no probe is configured");
    });
}

#[test]
fn a_probe_says_what_it_met() {
    with_home("probes", |machine| {
        let probe = |machine: &Machine, success: bool, error: &str| {
            machine.until(error, || {
                let probe = machine.get("probes")[0].clone();
                (probe["success"] == success && probe["lastError"] == error).then_some(())
            });
        };
        probe(machine, false, "Connection refused (os error 111)");
        let ran = machine.run(&["wait", "--level", "online", "--timeout", "0s"]);
        fails(&ran, "probe web: Connection refused");
        let server = HttpServer::start(
            &machine.lab,
            "10.77.0.1:8080",
            vec![Route::get("/ok", "").fails_first(3)],
        );
        let server = server.unwrap();
        machine.until("an answer", || {
            (!server.requests().is_empty()).then_some(())
        });
        probe(machine, true, "");
        assert!(server.requests().len() > 3, "a 503 is a failure");
        drop(server);
        probe(machine, false, "Connection refused (os error 111)");
    });
}

#[test]
fn what_fails_is_told_to_who_applies() {
    with_home("change-fails", |machine| {
        let file = machine.lab.folder().join("refused.yaml");
        let refused = "---\napiVersion: v1alpha1\nkind: SysctlConfig\nparams:\n  \
                       net.ipv4.conf.eth0.rp_filter: nonsense\n";
        fs::write(&file, config("10.77.0.21/24") + refused).unwrap();
        let ran = machine.run(&["apply", "--config", file.to_str().unwrap()]);
        fails(&ran, "net.ipv4.conf.eth0.rp_filter");
        has(machine, "10.77.0.21/24");
    });
}
