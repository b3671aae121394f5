//! Clouds, by mocks of their metadata services on the address the clouds use.

use qemu::peer::HttpServer;
use qemu::peer::http::Route;

use crate::bench::ADDRESS;
use crate::bench::Bench;

const SERVICE: &str = "169.254.169.254:80";

#[test]
fn hcloud_names_the_machine() {
    let bench = Bench::new("metadata-hcloud");
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let network = "version: 1\nconfig:\n- type: physical\n  name: eth0\n  mac_address: \"52:54:00:77:00:01\"\n  \
                   subnets:\n  - type: dhcp\n    ipv4: true\n";
    let metadata = format!(
        "hostname: node-3\ninstance-id: 1234567\npublic-ipv4: 203.0.113.9\nregion: eu-central\n\
         availability-zone: fsn1-dc14\nnetwork-config:\n  {}\npublic-keys: []\n",
        network.trim_end().replace('\n', "\n  ")
    );
    let key = |name: &str, value: &str| Route::get(&format!("/hetzner/v1/metadata/{name}"), value);
    let service = HttpServer::start(
        &bench.lab,
        SERVICE,
        vec![
            Route::get("/hetzner/v1/metadata", metadata),
            key("hostname", "node-3"),
            key("instance-id", "1234567"),
            key("public-ipv4", "203.0.113.9"),
            key("region", "eu-central"),
            key("availability-zone", "fsn1-dc14"),
            key("network-config", network),
            key("private-networks", "[]"),
            Route::get("/hetzner/v1/userdata", ""),
        ],
    )
    .unwrap();
    let facts = bench.boot("initnet.platform=hcloud");
    facts.has("wait", "0");
    facts.has("hostname", "node-3");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    assert!(service.log().count("GET /hetzner/v1/metadata") >= 1);
}

#[test]
fn aws_names_the_machine_with_a_session_token() {
    let bench = Bench::new("metadata-aws");
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let token = "AQAEAlabtokenAQAEA==";
    let key = |name: &str, value: &str| {
        Route::get(&format!("/latest/meta-data/{name}"), value)
            .requires("x-aws-ec2-metadata-token", token)
    };
    let card = "network/interfaces/macs/52:54:00:77:00:01";
    let service = HttpServer::start(
        &bench.lab,
        SERVICE,
        vec![
            Route::put("/latest/api/token", token)
                .requires("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
            key("hostname", "ip-10-77-0-55.eu-central-1.compute.internal"),
            key(
                "local-hostname",
                "ip-10-77-0-55.eu-central-1.compute.internal",
            ),
            key("instance-id", "i-0123456789abcdef0"),
            key("instance-type", "t3.micro"),
            key("placement/region", "eu-central-1"),
            key("placement/availability-zone", "eu-central-1b"),
            key("network/interfaces/macs/", "52:54:00:77:00:01/"),
            key(&format!("{card}/device-number"), "0"),
            key(&format!("{card}/local-ipv4s"), ADDRESS),
        ],
    )
    .unwrap();
    let facts = bench.boot("initnet.platform=aws");
    facts.has("wait", "0");
    facts.has("hostname", "ip-10-77-0-55");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    assert_eq!(service.log().count("PUT /latest/api/token 200"), 1);
    assert_eq!(
        service.log().count(" 401"),
        0,
        "{:?}",
        service.log().lines()
    );
}
