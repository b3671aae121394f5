//! Static addresses from the kernel command line.

use crate::bench::Bench;
use crate::bench::ROUTER;

#[test]
fn static_v4_from_ip() {
    let bench = Bench::new("static-v4-from-ip");
    let dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let facts = bench.boot(
        "ip=10.77.0.20::10.77.0.1:255.255.255.0:web1:eth0:none nameserver=10.77.0.1 \
         rd.route=198.51.100.0/24:10.77.0.2:eth0",
    );
    facts.has("wait", "0");
    facts.has("address", "eth0 inet 10.77.0.20/24");
    facts.has("route", "default via 10.77.0.1 dev eth0");
    facts.has("route", "198.51.100.0/24 via 10.77.0.2 dev eth0");
    facts.has("hostname", "web1");
    facts.has("resolv", "nameserver 10.77.0.1");
    facts.has("reach", &format!("{ROUTER} 0"));
    let discovers = dnsmasq.count("DHCPDISCOVER");
    assert_eq!(
        discovers, 0,
        "a link with ip= and autoconf none asks nobody"
    );
}
