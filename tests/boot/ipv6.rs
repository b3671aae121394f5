//! A network without IPv4: no DHCPv4 server, a real radvd.

use qemu::peer::Radvd;

use crate::bench::Bench;

/// The router's end of the LAN, without duplicate address detection: it is there first.
fn router(bench: &Bench, config: &str) -> Radvd {
    let lan = bench.lab.namespace();
    for line in [
        "link set lan addrgenmode none",
        "-6 address flush dev lan",
        "address add fe80::1/64 dev lan nodad",
        "address add 2001:db8:77::1/64 dev lan nodad",
    ] {
        lan.ip(line).unwrap();
    }
    Radvd::start(&bench.lab, config).unwrap()
}

#[test]
fn ipv6_only_with_nothing_said() {
    let bench = Bench::new("ipv6-only");
    let _router = router(
        &bench,
        "interface lan {
            AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 1800;
            prefix 2001:db8:77::/64 { AdvOnLink on; AdvAutonomous on; };
            RDNSS 2001:db8:77::1 { AdvRDNSSLifetime 1200; };
            DNSSL lab.example { AdvDNSSLLifetime 1200; };
            route 2001:db8:99::/48 { AdvRouteLifetime 600; };
        };",
    );
    let script = "ready\nip -6 -o address show | say v6address\nip -6 route show | say v6route\n\
                  ping -6 -c 1 -W 10 2001:db8:77::1 > /dev/null\necho \"@ v6reach $?\"\n\
                  tables\npoweroff -f\n";
    let vm = bench.guest(script).nic("port0", crate::bench::MAC);
    let facts = crate::bench::Facts::of(vm.start(&bench.lab).unwrap());
    facts.has("wait", "0");
    facts.has("resolv", "nameserver 2001:db8:77::1");
    facts.has("resolv", "search lab.example");
    facts.has("v6route", "default via fe80::1 dev eth0");
    facts.has("v6route", "2001:db8:99::/48 via fe80::1 dev eth0");
    facts.has("v6reach", "0");
    facts.lacks("address", "eth0 inet");
    // Ready for its own reason, and not because the time was over.
    let report = facts.kind("report").join("\n");
    assert!(report.contains("\"ready\""), "{report}");
}
