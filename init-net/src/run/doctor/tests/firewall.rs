//! Our own firewall: whether it is the one that should be, and whom it cuts off.

use super::*;
use crate::config::machine;
use crate::state::nft::TableStatus;
use crate::sys::listening::Listener;
use crate::value::Protocol;

const BLOCK: &str = "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n";

/// One more rule, about this port.
fn rule(name: &str, port: &str, more: &str) -> String {
    format!(
        "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: {name}\nportSelector:\n  \
         ports: [{port}]\n  protocol: tcp\n{more}\n"
    )
}

/// Puts the firewall of `config` in force.
fn filter(scene: &mut Scene, config: &str) {
    let documents = [machine::parse(config, "test").0];
    let (desired, _) = crate::compile::compile(&documents, &Default::default());
    let spec = desired.firewall.expect("a firewall");
    let table = spec.wanted().expect("a table");
    scene.observed.firewall = Some(TableStatus {
        table: (**table).clone(),
        counters: Vec::new(),
        elements: Vec::new(),
        foreign: false,
    });
    let wanted = serde_json::to_value(&spec).unwrap();
    scene.wanted.firewall = vec![serde_json::from_value(wanted).unwrap()];
}

fn listens(scene: &mut Scene, protocol: Protocol, port: u16, address: &str) {
    scene.listeners.push(Listener {
        protocol,
        port,
        address: address.parse().unwrap(),
    });
}

/// Somebody listens on TCP port 8080 behind the firewall of `config`; what is found says `expect`.
#[track_caller]
fn web(config: &str, address: &str, expect: Option<&str>) {
    let part = expect.map(|by| format!("listened on and nobody reaches it: {by}"));
    let found: Vec<_> = part
        .iter()
        .map(|part| (Warning, "firewall", "tcp/8080", part.as_str()))
        .collect();
    check(
        |scene| {
            filter(scene, config);
            listens(scene, Protocol::Tcp, 8080, address);
        },
        &found,
    );
}

#[test]
fn who_listens_and_is_not_reached() {
    let default = Some("default action of chain prerouting");
    web(BLOCK, "0.0.0.0", default);
    web(BLOCK, "::", default);
    web(BLOCK, "192.0.2.7", default);
    web(BLOCK, "127.0.0.1", None);
    let with = |more: &str| format!("{BLOCK}{}", rule("web", "8080", more));
    web(&with("ingress: [{subnet: 10.0.0.0/8}]"), "0.0.0.0", None);
    // Of the other family alone, which a socket for all addresses takes, and one for an address does not.
    web(&with("ingress: [{subnet: 10.0.0.0/8}]"), "::", None);
    let v6 = with("ingress: [{subnet: '2001:db8::/32'}]");
    web(&v6, "192.0.2.7", default);
    // By a link that there is, and by one that there is not.
    web(&with("action: accept\ninterfaces: [eth0]"), "0.0.0.0", None);
    let elsewhere = with("action: accept\ninterfaces: [eth7]");
    web(&elsewhere, "0.0.0.0", default);
    let limited = "action: accept\ninterfaces: [eth0, lo]\nlimit: {rate: 10/second}\n\
                   ingress: [{subnet: 10.0.0.0/8}, {subnet: '2001:db8::/32'}]";
    web(&with(limited), "0.0.0.0", None);
}

#[test]
fn a_rule_that_drops_is_named() {
    let open = BLOCK.replace("block", "accept");
    let with = |more: &str| format!("{open}{}", rule("no-web", "8080", more));
    web(&with("action: drop"), "0.0.0.0", Some("rule no-web"));
    web(&with("action: reject"), "0.0.0.0", Some("rule no-web"));
    let some = "action: drop\ningress: [{subnet: 10.0.0.0/8}]";
    web(&with(some), "0.0.0.0", None);
    // The first match decides.
    let first = rule(
        "web",
        "8080",
        "ingress: [{subnet: 10.0.0.0/8}]\naction: accept",
    );
    let both = format!("{open}{first}{}", rule("no-web", "8080", "action: drop"));
    web(&both, "0.0.0.0", None);
}

#[test]
fn what_the_base_set_lets_in_and_what_is_not_filtered() {
    check(
        |scene| {
            filter(scene, BLOCK);
            listens(scene, Protocol::Udp, 68, "0.0.0.0");
        },
        &[],
    );
    check(|scene| listens(scene, Protocol::Tcp, 8080, "0.0.0.0"), &[]);
    let mut scene = healthy();
    filter(&mut scene, BLOCK);
    let text = judge(&scene).to_string();
    assert!(
        text.contains("ours is in force; no rules of others"),
        "{text}"
    );
}

#[test]
fn management_is_an_error() {
    let managed = BLOCK.replace("ingress: block", "ingress: block\nmanagement: [50000]");
    let blocked = [(
        Error,
        "firewall",
        "tcp/50000",
        "declared for management, and blocked: default action",
    )];
    check(|scene| filter(scene, &managed), &blocked);
    // Once, although somebody listens.
    check(
        |scene| {
            filter(scene, &managed);
            listens(scene, Protocol::Tcp, 50_000, "::");
        },
        &blocked,
    );
    let allowed = rule("api", "50000", "ingress: [{subnet: 10.0.0.0/8}]");
    check(|scene| filter(scene, &format!("{managed}{allowed}")), &[]);
}

#[test]
fn another_table_than_the_desired_one() {
    let replaces = || Some("nft -f - <<'EOF'".to_owned());
    check(
        |scene| scene.firewall_op = replaces(),
        &[(
            Error,
            "firewall",
            "inet init-net",
            "desired, and not in force",
        )],
    );
    check(
        |scene| {
            filter(scene, BLOCK);
            scene.firewall_op = replaces();
        },
        &[(
            Error,
            "firewall",
            "inet init-net",
            "not the one that is desired",
        )],
    );
    check(
        |scene| {
            filter(scene, BLOCK);
            scene.firewall_op = Some("nft delete table inet init-net".into());
        },
        &[(Error, "firewall", "inet init-net", "no source says so")],
    );
}
