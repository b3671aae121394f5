//! The table as nft(8) sees it: what `plan` prints is its language, and what is in the kernel is what was asked for.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use tests::traffic::policy::{Default, Policy, Protocol, Rule};

use super::stage::{Stage, documents, markers, nft, on_stage};

/// Without what has been counted.
const OURS: &str = "-s list table inet init-net";

fn policy() -> Policy {
    let ssh = ["10.0.0.0/8 - 10.66.0.0/16", "2001:db8:aa::/48"];
    let mut policy = Policy::new(Default::Block);
    policy.rules.extend(markers());
    policy
        .rule(Rule::new(
            "ssh-and-agents",
            Protocol::Tcp,
            &[(22, 22), (9100, 9110)],
            &ssh,
        ))
        .rule(Rule::new(
            "everybody",
            Protocol::Tcp,
            &[(443, 443)],
            &["0.0.0.0/0", "::/0"],
        ))
        .rule(Rule::new(
            "last",
            Protocol::Udp,
            &[(65_000, 65_535)],
            &["192.0.2.1/32"],
        ))
}

/// What `plan` prints for this policy, between the markers of the one command that is about the firewall.
#[track_caller]
fn printed(stage: &Stage<'_>, policy: &Policy) -> String {
    let file = stage.machine.lab.folder().join("next.yaml");
    fs::write(&file, documents(policy)).unwrap();
    let ran = stage
        .machine
        .run(&["plan", "--config", file.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{}{}", ran.output, ran.errors);
    let (_, text) = ran.output.split_once("<<'EOF'\n").expect("a text for nft");
    let (text, _) = text.split_once("\nEOF").expect("its end");
    text.to_owned()
}

/// nft(8) reads `text`.
#[track_caller]
fn reads(arguments: &[&str], text: &str) {
    let mut nft = Command::new("nft");
    nft.args(arguments).arg("-f").arg("-");
    let mut child = nft
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
}

/// The kernel's number of our table: another one has another.
#[track_caller]
fn handle() -> String {
    let tables = nft("-a list tables");
    let ours = tables.lines().find(|line| line.contains("inet init-net"));
    ours.expect("our table").to_owned()
}

#[test]
fn nft_reads_what_plan_prints_and_lists_what_was_asked_for() {
    on_stage(
        "firewall-text",
        Policy::new(Default::Accept),
        &[22],
        |stage| {
            let text = printed(stage, &policy());
            reads(&["-c"], &text);
            stage.apply(&policy());
            let ours = nft(OURS);
            for line in [
                "type filter hook input priority mangle + 10; policy drop;",
                "type filter hook prerouting priority dstnat - 10; policy accept;",
                "ct state established,related counter accept",
                "tcp dport 443",
                "comment \"ssh-and-agents\"",
                "comment \"everybody\"",
                "comment \"last\"",
                "192.0.2.1",
                "65000-65535",
            ] {
                assert!(ours.contains(line), "{line}:\n{ours}");
            }
            // The printed text loaded by nft itself makes the same table.
            reads(&[], &text);
            let handle = handle();
            assert_eq!(nft(OURS), ours);
            // And what nft made is no other table to us than what we made: nobody replaces it.
            assert_eq!(stage.machine.plan(), serde_json::json!([]));
            stage.machine.reconcile();
            assert_eq!(stage.machine.plan(), serde_json::json!([]));
            assert_eq!(self::handle(), handle, "it is still the one that nft made");
        },
    );
}

#[test]
fn a_table_that_is_no_longer_asked_for_goes() {
    on_stage("firewall-gone", policy(), &[22], |stage| {
        assert!(nft("list tables").contains("inet init-net"));
        stage.apply(&Policy::new(Default::Accept));
        let tables = nft("list tables");
        assert!(
            !tables.contains("init-net") && tables.contains("ip guests"),
            "{tables}"
        );
    });
}
