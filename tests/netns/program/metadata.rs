//! Configuration that comes over the network.

use std::fs;
use std::process::Command;

use qemu::peer::http::{HttpServer, Route};
use qemu::process;
use serde_json::Value;

use super::machine::{Machine, addresses, on_machine};
use crate::namespace::ip;

const CONFIG: &str = "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
addresses:
  - address: 10.50.0.1/24
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname: from-url
";

/// The digest as `initnet.config.sha256=` wants it, from a program that is not ours.
fn sha256(machine: &Machine, text: &str) -> String {
    let file = machine.lab.folder().join("digested");
    fs::write(&file, text).unwrap();
    let line = process::run(Command::new("sha256sum").arg(file)).expect("sha256sum(1)");
    line.split(' ').next().expect("a digest").to_owned()
}

#[test]
fn a_machine_config_comes_by_url_and_is_pinned() {
    on_machine("config-url", |machine| {
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        let http = HttpServer::start(
            &machine.lab,
            "10.77.0.1:8080",
            vec![Route::get("/52-54-00-00-00-10.yaml", CONFIG).fails_first(1)],
        )
        .unwrap();
        let right = sha256(machine, CONFIG);
        let ran = machine.boot_alone(&format!(
            "ip=eth0:dhcp initnet.config=http://10.77.0.1:8080/52-54-00-00-00-10.yaml \
             initnet.config.sha256={right}"
        ));
        assert_eq!(ran.code, 0, "{}", ran.errors);
        assert_eq!(http.requests().len(), 2, "a 503 is asked again");
        let all: Vec<String> = addresses("eth0").into_iter().map(|(a, _)| a).collect();
        assert!(all.contains(&"10.50.0.1/24".to_owned()), "{all:?}");
        assert_eq!(nix::unistd::gethostname().unwrap(), "from-url");
        assert!(
            ip("route show default").contains("via 10.77.0.1"),
            "the lease as well"
        );
    });
}

#[test]
fn a_machine_config_with_another_digest_is_refused() {
    on_machine("config-pin", |machine| {
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        let http = HttpServer::start(
            &machine.lab,
            "10.77.0.1:8080",
            vec![Route::get("/config", CONFIG)],
        )
        .unwrap();
        let wrong = sha256(machine, "something else");
        let ran = machine.boot_alone(&format!(
            "ip=eth0:dhcp initnet.config=http://10.77.0.1:8080/config initnet.config.sha256={wrong}"
        ));
        assert_eq!(ran.code, 0, "the boot goes on: {}", ran.errors);
        assert_eq!(http.requests().len(), 1);
        assert!(!ip("address show dev eth0").contains("10.50.0.1"));
        let report = machine.report();
        let diagnostics = report["diagnostics"].to_string();
        assert!(diagnostics.contains("sha256"), "{report}");
    });
}

/// `compile --platform` against a service in the machine's own network; the desired state.
#[track_caller]
fn compiled(machine: &Machine, platform: &str, url: &str) -> Value {
    // A cable between namespaces is no card; here it is one.
    let mut links = machine.get("links");
    links.iter_mut().for_each(|link| link["kind"] = "".into());
    let observed = machine.lab.folder().join("links.json");
    fs::write(&observed, Value::Array(links).to_string()).unwrap();
    let ran = machine.run(&[
        "compile",
        "--observed",
        observed.to_str().unwrap(),
        "--platform",
        platform,
        "--metadata-url",
        url,
        "-o",
        "json",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.errors);
    serde_json::from_str(&ran.output).unwrap()
}

#[test]
fn the_metadata_of_hcloud_compiles_without_a_boot() {
    on_machine("hcloud", |machine| {
        ip("link set eth0 up");
        ip("address add 10.77.0.9/24 dev eth0");
        let network = "\
version: 1
config:
  - type: physical
    name: eth0
    mac_address: 52:54:00:00:00:10
    subnets:
      - type: static
        address: 2001:db8:7::1/64
        gateway: fe80::1
";
        let key =
            |name: &str, body: &str| Route::get(&format!("/hetzner/v1/metadata/{name}"), body);
        let routes = vec![
            key("instance-id", "4711"),
            key("hostname", "box1"),
            key("public-ipv4", "198.51.100.7"),
            key("network-config", network),
        ];
        let _http = HttpServer::start(&machine.lab, "10.77.0.1:8080", routes).unwrap();
        let desired = compiled(machine, "hcloud", "http://10.77.0.1:8080");
        assert_eq!(desired["hostnames"][0]["hostname"], "box1");
        assert_eq!(desired["hostnames"][0]["layer"], "platform");
        let addresses = desired["addresses"].as_array().unwrap();
        let v6 = addresses
            .iter()
            .find(|a| a["address"] == "2001:db8:7::1/64");
        assert_eq!(v6.unwrap()["linkName"], "eth0", "{desired}");
        assert!(
            desired["externalIPs"].to_string().contains("198.51.100.7"),
            "{desired}"
        );
    });
}
