//! Nobody is locked out by accident: the guard of `apply` and `rollback` where a supervisor keeps the machine.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use qemu::peer::http::{HttpServer, Route};

use super::firewall::{CONFIG, booted, table};
use super::machine::{Machine, on_machine};

/// What sshd(8) says of the connection that the command came in on.
const SESSION: &str = "10.88.0.9 50000 10.88.0.2 22";

/// The guard's words about it.
const CUT: &str = "this session: 10.88.0.9 to port 22";

/// [`CONFIG`] with another port open instead.
fn without_ssh() -> String {
    let named = CONFIG.replace("name: ssh", "name: web");
    named.replace("[22]", "[80]")
}

/// It was refused, in these words, and nothing has changed since `before`.
#[track_caller]
fn refused(output: &Output, words: &str, before: &Option<String>) {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(words), "{errors}");
    assert_eq!(&table(), before);
}

/// `init-net ARGUMENTS` of a session, with `input`.
fn typed(machine: &Machine, arguments: &[&str], input: &str) -> Output {
    let mut command = machine.command(arguments);
    command
        .env("SSH_CONNECTION", SESSION)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn what_comes_by_stdin_is_guarded() {
    on_machine("guard-stdin", |machine| {
        booted(machine, CONFIG);
        let before = table();
        let output = typed(machine, &["apply", "--config", "-"], &without_ssh());
        refused(&output, CUT, &before);
        let forced = ["apply", "--config", "-", "--force"];
        let output = typed(machine, &forced, &without_ssh());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(table().unwrap().contains("\"web\""), "{:?}", table());
    });
}

#[test]
fn the_way_back_is_guarded() {
    on_machine("guard-rollback", |machine| {
        booted(machine, &without_ssh());
        let output = typed(machine, &["apply", "--config", "-"], CONFIG);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let before = table();
        refused(&typed(machine, &["rollback"], ""), CUT, &before);
        let output = typed(machine, &["rollback", "--force"], "");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(table().unwrap().contains("\"web\""), "{:?}", table());
    });
}

#[test]
fn a_session_that_sudo_hides_is_found() {
    on_machine("guard-sudo", |machine| {
        booted(machine, CONFIG);
        fs::write("/tmp/other.yaml", without_ssh()).unwrap();
        let before = table();
        // The shell of the session; what it starts has none of its environment.
        let apply = machine.command(&[]).get_program().to_owned();
        let shell = |more: &str| {
            let line = format!("env -i \"$0\" apply --config /tmp/other.yaml {more}; exit $?");
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(line).arg(&apply);
            shell.env("SSH_CONNECTION", SESSION).output().unwrap()
        };
        refused(&shell(""), CUT, &before);
        let output = shell("--force");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    });
}

#[test]
fn the_platform_of_the_supervisor_counts() {
    on_machine("guard-platform", |machine| {
        let service = "address add 169.254.169.254/32 dev lan";
        machine.lab.namespace().ip(service).unwrap();
        let key =
            |name: &str, body: &str| Route::get(&format!("/hetzner/v1/metadata/{name}"), body);
        let routes = vec![
            key("instance-id", "4711"),
            key("hostname", "box1"),
            key("network-config", "version: 1\nconfig: []\n"),
        ];
        let _http = HttpServer::start(&machine.lab, "169.254.169.254:80", routes).unwrap();
        machine.boot("ip=10.77.0.9::10.77.0.1:24::eth0:none initnet.platform=hcloud");
        machine.answers();
        machine.until("the metadata", || {
            let rows = machine.get("metadata");
            rows[0].get("platform").map(drop)
        });
        let block = "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\n\
                     ingress: accept\negress: block\n";
        let before = table();
        let line = "ip=10.77.0.9::10.77.0.1:24::eth0:none";
        let apply = ["apply", "--cmdline", line, "--config", "-"];
        let mut child = machine.command(&apply);
        child.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(block.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        refused(&output, "the metadata service of the platform", &before);
    });
}
