//! Addresses, routes and links that the command line declares.

use std::fs;

use super::machine::{addresses, on_machine};
use crate::namespace::{ip, ip_json};

/// `boot_alone`, which must get ready, and after which nothing is left to do.
#[track_caller]
fn boots(machine: &super::machine::Machine, cmdline: &str) {
    let ran = machine.boot_alone(cmdline);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    let plan = machine.run(&["plan", "--cmdline", cmdline]);
    assert_eq!(
        (plan.code, plan.output.as_str()),
        (0, ""),
        "the second plan is empty"
    );
}

fn names(link: &str) -> Vec<String> {
    addresses(link)
        .into_iter()
        .map(|(address, _)| address)
        .collect()
}

#[test]
fn one_line_says_it_all() {
    on_machine("static", |machine| {
        boots(
            machine,
            "ip=10.0.0.2::10.0.0.1:24:host1:eth0:none nameserver=10.0.0.53 rd.route=10.60.0.0/16:10.0.0.9:eth0",
        );
        assert_eq!(names("eth0"), ["10.0.0.2/24"]);
        let details = &addresses("eth0")[0].1;
        assert_eq!(details["valid_life_time"], u32::MAX, "for ever");
        let shown = ip("-N route");
        assert!(
            shown.contains("default via 10.0.0.1 dev eth0 proto 73"),
            "{shown}"
        );
        assert!(
            shown.contains("10.60.0.0/16 via 10.0.0.9 dev eth0 proto 73"),
            "{shown}"
        );
        let file = |path| fs::read_to_string(path).unwrap();
        assert!(file("/etc/resolv.conf").contains("nameserver 10.0.0.53\n"));
        assert_eq!(file("/etc/hostname"), "host1\n");
        assert!(file("/etc/hosts").contains("10.0.0.2"));
        assert!(file("/run/net-eth0.conf").contains("PROTO='none'\n"));
        assert_eq!(nix::unistd::gethostname().unwrap(), "host1");
        assert_eq!(machine.report()["reason"], "ready");
    });
}

#[test]
fn a_gateway_outside_of_the_prefix_is_reached_on_the_link() {
    on_machine("off-subnet", |machine| {
        boots(machine, "ip=10.0.0.2::172.31.1.1:32::eth0:none");
        assert_eq!(names("eth0"), ["10.0.0.2/32"]);
        let shown = ip("route");
        assert!(shown.contains("default via 172.31.1.1 dev eth0"), "{shown}");
        assert!(ip("route get 192.0.2.1").contains("via 172.31.1.1 dev eth0"));
    });
}

#[test]
fn two_links_each_get_theirs() {
    on_machine("two-links", |machine| {
        machine.cable("eth1", "52:54:00:00:00:11", "lan");
        boots(
            machine,
            "ip=10.0.0.2:::24::eth0:none ip=10.1.0.2:::24::eth1:none",
        );
        assert_eq!(names("eth0"), ["10.0.0.2/24"]);
        assert_eq!(names("eth1"), ["10.1.0.2/24"]);
        assert_eq!(ip("route show default"), "");
    });
}

#[test]
fn a_tail_gives_mtu_and_hardware_address() {
    on_machine("tail", |machine| {
        boots(
            machine,
            "ip=10.0.0.2:::24::eth0:none:1420:52:54:00:aa:bb:cc",
        );
        let link = &ip_json("link show eth0")[0];
        assert_eq!(link["mtu"], 1420);
        assert_eq!(link["address"], "52:54:00:aa:bb:cc");
    });
}

#[test]
fn a_foreign_route_in_the_way_costs_only_the_one_route() {
    on_machine("conflict", |machine| {
        ip("link set eth0 up");
        ip("address add 10.0.0.99/24 dev eth0");
        ip("route add 10.60.0.0/16 via 10.0.0.50 proto static metric 1024");
        let cmdline = "ip=10.0.0.2::10.0.0.1:24:host1:eth0:none rd.route=10.60.0.0/16:10.0.0.9:eth0 \
            rd.route=10.61.0.0/16:10.0.0.9:eth0 nameserver=10.0.0.53 initnet.timeout=2";
        machine.boot_alone(cmdline);
        let report = machine.report();
        let failures = report["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 1, "{failures:?}");
        let (op, error) = (failures[0]["op"].as_str(), failures[0]["error"].as_str());
        assert!(
            op.unwrap()
                .starts_with("ip route add 10.60.0.0/16 via 10.0.0.9"),
            "{op:?}"
        );
        assert!(error.unwrap().contains("File exists"), "{error:?}");
        let shown = ip("route");
        assert!(
            shown.contains("10.60.0.0/16 via 10.0.0.50 dev eth0 proto static"),
            "{shown}"
        );
        assert!(shown.contains("10.61.0.0/16 via 10.0.0.9"), "{shown}");
        assert!(shown.contains("default via 10.0.0.1"), "{shown}");
        assert_eq!(nix::unistd::gethostname().unwrap(), "host1");
        assert_eq!(report["readiness"]["routable"], true, "{report}");
    });
}

#[test]
fn plan_shows_and_apply_does() {
    on_machine("apply", |machine| {
        let cmdline = "ip=10.0.0.2::10.0.0.1:24:host1:eth0:none nameserver=10.0.0.53";
        let sources = |command| [command, "--cmdline", cmdline];
        let plan = machine.run(&sources("plan"));
        assert_eq!(plan.code, 2, "{}", plan.errors);
        assert!(
            plan.output.contains("ip link set dev eth0 up\n"),
            "{}",
            plan.output
        );
        assert!(names("eth0").is_empty(), "a plan does nothing");
        let first = machine.run(&sources("apply"));
        assert_eq!(first.code, 0, "{}", first.errors);
        assert!(
            first.output.contains("ip addr add 10.0.0.2/24 "),
            "{}",
            first.output
        );
        assert_eq!(names("eth0"), ["10.0.0.2/24"]);
        for command in ["plan", "apply"] {
            let second = machine.run(&sources(command));
            assert_eq!((second.code, second.output.as_str()), (0, ""));
        }
        // What is no longer said is withdrawn.
        let ran = machine.run(&["apply", "--cmdline", "ip=10.0.0.3:::24::eth0:none"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        assert_eq!(names("eth0"), ["10.0.0.3/24"]);
        assert_eq!(ip("route show default"), "");
    });
}
