//! The life of a lease on bad days: cables, sleep, servers that go away. The model's lease is 100 s, T1 50 s, T2 87.5 s.

use super::*;

const HOUR: u64 = 3600;
const LEASED: [&str; 1] = ["eth0/10.0.0.2/24"];

/// A machine 10 s after it got its lease.
fn bound() -> Machine {
    let mut machine = Machine::new("ip=eth0:dhcp").with(Server::Grants);
    machine.boot();
    machine.run(10);
    assert_eq!(machine.addresses(), LEASED);
    machine.sent.clear();
    machine
}

impl Machine {
    /// The machine sleeps: CLOCK_BOOTTIME goes on, nothing runs, the timer is due when it wakes.
    fn sleep(&mut self, secs: u64) {
        self.now = self.now + Duration::from_secs(secs);
        self.queue.push_back(Event::Tick);
    }
}

#[test]
fn a_cable_that_comes_back_in_time_costs_nothing() {
    let mut machine = bound();
    machine.cable(2, false);
    machine.run(70);
    assert_eq!(machine.addresses(), LEASED);
    assert_eq!(machine.gateways(), ["10.0.0.254"]);
    assert!(machine.sent.is_empty(), "T1 has passed, nobody could hear");
    machine.cable(2, true);
    machine.run(1);
    assert_eq!(machine.sent, [3], "confirmed at once, in one message");
    assert_eq!(machine.tried(" del "), 0, "{:?}", machine.done);
    assert_eq!(machine.addresses(), LEASED);
    // The confirmed lease counts from the confirmation.
    machine.sent.clear();
    machine.run(48);
    assert!(machine.sent.is_empty());
    machine.run(4);
    assert_eq!(machine.sent, [3]);
}

#[test]
fn a_cable_that_stays_away_ends_the_lease_when_it_is_over() {
    let mut machine = bound();
    machine.cable(2, false);
    machine.run(88);
    assert_eq!(machine.addresses(), LEASED);
    machine.run(3);
    assert!(machine.addresses().is_empty() && machine.gateways().is_empty());
    machine.run(HOUR);
    assert!(machine.sent.is_empty());
    machine.cable(2, true);
    machine.run(1);
    assert_eq!(machine.sent, [1, 3]);
    assert_eq!(machine.addresses(), LEASED);
}

#[test]
fn another_network_behind_the_cable_says_so() {
    let mut machine = bound();
    machine.cable(2, false);
    machine.run(5);
    machine.server = Server::Refuses;
    machine.cable(2, true);
    machine.run(1);
    assert!(machine.addresses().is_empty(), "{:?}", machine.sent);
    machine.server = Server::Grants;
    machine.run(70);
    assert_eq!(machine.addresses(), LEASED);
}

#[test]
fn a_supervisor_that_starts_without_a_cable_asks_when_it_is_back() {
    let first = bound();
    let (document, _) = cmdline::parse("ip=eth0:dhcp", "test");
    let mut second = Machine::new("ip=eth0:dhcp").with(Server::Grants);
    second.core = Core::new(vec![document], first.core.leases(), Rng::new(2), first.now);
    (second.now, second.kernel) = (first.now, first.kernel);
    second.cable(2, false);
    second.run(60);
    assert!(second.sent.is_empty(), "T1 has passed, nobody could hear");
    assert_eq!(second.addresses(), LEASED);
    second.cable(2, true);
    second.run(1);
    assert_eq!(second.sent, [3]);
    assert_eq!(second.tried(" del "), 0);
}

/// A machine that sleeps for `secs` 10 s into its lease: the messages in the second after it woke.
fn wakes_after(secs: u64) -> Machine {
    let mut machine = bound();
    machine.sleep(secs);
    machine.run(1);
    machine
}

#[test]
fn sleep_within_the_lease_is_followed_by_a_renewal() {
    // Before T1, after it, after T2.
    for (secs, sent) in [(30, &[][..]), (50, &[3]), (85, &[3])] {
        let machine = wakes_after(secs);
        assert_eq!(machine.sent, sent, "{secs} s");
        assert_eq!(machine.addresses(), LEASED);
        assert_eq!(machine.tried(" del "), 0, "{secs} s: {:?}", machine.done);
    }
}

#[test]
fn sleep_longer_than_the_lease_is_followed_by_a_new_one() {
    for secs in [91, HOUR, 1000 * HOUR, 20 * 365 * 24 * HOUR] {
        let mut machine = wakes_after(secs);
        assert_eq!(machine.sent, [1, 3], "{secs} s");
        assert_eq!(machine.addresses(), LEASED);
        assert_eq!(machine.gateways(), ["10.0.0.254"]);
        // And this one is kept.
        machine.run(60);
        assert_eq!(machine.sent, [1, 3, 3]);
    }
}

#[test]
fn the_kernel_may_tell_of_the_end_before_the_clock_does() {
    // Notices of the addresses that went are read before the timer.
    let mut machine = bound();
    machine.now = machine.now + Duration::from_secs(HOUR);
    let now = machine.now;
    let ended = |a: &AddressStatus| a.valid_until.is_none_or(|until| until > now);
    machine.kernel.addresses.retain(ended);
    machine.kernel.routes.clear();
    machine.queue.push_back(Event::Changed(Doubt::EVERYTHING));
    machine.run(1);
    assert_eq!(machine.sent, [1, 3]);
    assert_eq!(machine.addresses(), LEASED);
    assert_eq!(machine.gateways(), ["10.0.0.254"]);
    assert!(machine.core.failures().is_empty());
}

#[test]
fn a_server_that_is_gone_is_asked_by_everyone_then_looked_for() {
    let mut machine = bound();
    machine.server = Server::Silent;
    machine.run(89);
    // Unicast from T1, broadcast from T2, all of them requests.
    assert!((2..=8).contains(&machine.sent.len()), "{:?}", machine.sent);
    assert!(machine.sent.iter().all(|kind| *kind == 3));
    assert_eq!(machine.addresses(), LEASED, "held to the end");
    machine.sent.clear();
    machine.run(2);
    assert!(machine.addresses().is_empty() && machine.gateways().is_empty());
    assert!(machine.sent.iter().all(|kind| *kind == 1));
    // A day without anybody: asked at least every 65 s, and no more than that.
    machine.sent.clear();
    machine.run(24 * HOUR);
    assert!(machine.sent.iter().all(|kind| *kind == 1));
    let least = 24 * HOUR as usize / 66;
    assert!(
        (least..least + 60).contains(&machine.sent.len()),
        "{}",
        machine.sent.len()
    );
    machine.server = Server::Grants;
    machine.run(66);
    assert_eq!(machine.addresses(), LEASED);
    assert_eq!(machine.gateways(), ["10.0.0.254"]);
    assert!(machine.core.failures().is_empty());
}

#[test]
fn a_lease_is_not_of_the_other_link_with_its_address() {
    let first = bound();
    let (document, _) = cmdline::parse("ip=eth1:dhcp", "test");
    let mut second = Machine::new("ip=eth1:dhcp").with(Server::Grants);
    second.core = Core::new(vec![document], first.core.leases(), Rng::new(2), first.now);
    second.now = first.now;
    // As a VLAN of eth0 has it.
    let shared = second.kernel.links[&2].hardware_addr;
    second.kernel.links.get_mut(&3).unwrap().hardware_addr = shared;
    second.cables.insert(3);
    second.run(5);
    assert_eq!(second.sent[..1], [1], "asked for one of its own");
}

#[test]
fn another_hardware_address_is_told_to_the_server() {
    let mut machine = bound();
    let mac = "02:00:00:00:00:99".parse().ok();
    let link = machine.kernel.links.get_mut(&2).unwrap();
    // As of a card, which is known by the address that stays.
    link.permanent_addr = link.hardware_addr;
    link.hardware_addr = mac;
    machine.queue.push_back(Event::Changed(Doubt::EVERYTHING));
    machine.run(1);
    assert_eq!(machine.sent, [3], "answers to the old one do not arrive");
    assert_eq!(machine.addresses(), LEASED);
    assert_eq!(machine.tried(" del "), 0, "{:?}", machine.done);
}
