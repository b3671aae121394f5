//! Cables: one that is not plugged in, one that is plugged in late.

use std::time::Duration;

use crate::bench::ADDRESS;
use crate::bench::BOOT;
use crate::bench::Bench;
use crate::bench::Facts;
use crate::bench::MAC;
use crate::bench::MAC2;
use crate::bench::ROUTER;

/// How late the late cable is. Longer than a boot takes, so that the boot has seen the link without carrier.
const LATE: Duration = Duration::from_secs(5);

const SCRIPT: &str = "echo '@ started'\nready 100s\nreach 10.77.0.1\ntables\npoweroff -f\n";

#[test]
fn two_nics_one_without_carrier_no_waiting_for_it() {
    let bench = Bench::new("two-nics-one-carrier");
    bench.second_port();
    let _dnsmasq = bench
        .dhcp()
        .host(MAC2, "10.77.0.56")
        .start(&bench.lab)
        .unwrap();
    // Had the boot waited for eth0, it would have waited longer than the test does.
    let vm = bench
        .guest(SCRIPT)
        .cmdline("initnet.timeout=600s")
        .nic_unplugged("port0", MAC)
        .nic("port1", MAC2)
        .start(&bench.lab)
        .unwrap();
    let facts = Facts::of(vm);
    facts.has("wait", "0");
    facts.has("address", "eth1 inet 10.77.0.56/24");
    facts.lacks("address", "eth0");
    facts.has("route", "default via 10.77.0.1 dev eth1");
    facts.has("reach", &format!("{ROUTER} 0"));
}

#[test]
fn carrier_that_comes_late() {
    let bench = Bench::new("late-carrier");
    let dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let mut vm = bench
        .guest(SCRIPT)
        .nic_unplugged("port0", MAC)
        .start(&bench.lab)
        .unwrap();
    // The boot does not wait for a cable: the payload runs without one.
    vm.wait_for_line("@ started", BOOT).unwrap();
    vm.wait_for_line("@ wait", LATE)
        .expect_err("nothing is routable without a cable");
    assert_eq!(dnsmasq.count("DHCPDISCOVER"), 0);

    vm.set_carrier(0, true).unwrap();
    let facts = Facts::of(vm);
    facts.has("wait", "0");
    facts.has("address", &format!("eth0 inet {ADDRESS}/24"));
    facts.has("reach", &format!("{ROUTER} 0"));
}
