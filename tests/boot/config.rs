//! A machine config by URL, and its pin.

use qemu::peer::HttpServer;
use qemu::peer::http::Route;

use crate::bench::ADDRESS;
use crate::bench::Bench;
use crate::bench::Facts;

const CONFIG: &str = "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: edge-17\n";

/// sha256 of [`CONFIG`].
const SHA256: &str = "7fb39c773c24a54ecc28d66cbea0cddb9d5b3685dfd06146c183877007bd3470";

fn boot(name: &str, sha256: &str) -> (Facts, usize) {
    let bench = Bench::new(name);
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    // Not there at first, as a server that is still starting.
    let routes = vec![Route::get("/config.yaml", CONFIG).fails_first(1)];
    let server = HttpServer::start(&bench.lab, "10.77.0.1:8080", routes).unwrap();
    let facts = bench.boot(&format!(
        "initnet.config=http://10.77.0.1:8080/config.yaml initnet.config.sha256={sha256}"
    ));
    (facts, server.log().count("GET /config.yaml 200"))
}

#[test]
fn a_config_with_the_right_sha256_is_applied() {
    let (facts, fetched) = boot("config-right-sha256", SHA256);
    facts.has("wait", "0");
    facts.has("hostname", "edge-17");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    assert_eq!(fetched, 1);
}

#[test]
fn a_config_with_a_wrong_sha256_is_refused_and_the_boot_goes_on() {
    let (facts, fetched) = boot("config-wrong-sha256", &"0".repeat(64));
    facts.has("wait", "0");
    facts.lacks("hostname", "edge-17");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    assert!(fetched >= 1);
    let report = facts.kind("report").concat();
    assert!(report.contains("sha256"), "the report says why: {report}");
}
