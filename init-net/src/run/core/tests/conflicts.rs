//! Who is a rival for an address.

use super::*;
use crate::proto::acd::{Arp, Operation};

/// An answer on eth0 for the address of [`STATIC`], from the host with this last byte.
fn answer(host: u8) -> Event {
    let address = "10.9.0.2".parse().unwrap();
    let arp = Arp {
        operation: Operation::Reply,
        sender_mac: [0x52, 0x54, 0, 0, 0, host],
        sender_ip: address,
        target_mac: [0x52, 0x54, 0, 0, 0, 2],
        target_ip: address,
    };
    Event::Arp {
        index: 2,
        address,
        message: arp.encode().to_vec(),
    }
}

#[test]
fn another_card_of_this_machine_is_no_rival() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    // eth1, which answers for every address of the machine where both are on one network.
    machine.queue.push_back(answer(3));
    machine.run(1);
    assert_eq!(machine.core.rivals(), Vec::<String>::new());
    machine.queue.push_back(answer(0x99));
    machine.run(1);
    assert_eq!(
        machine.core.rivals(),
        ["10.9.0.2 on eth0 is also used by 52:54:00:00:00:99"]
    );
}

#[test]
fn what_is_no_longer_found_free_is_saved() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(10);
    assert_eq!(machine.core.verified(), ["eth0/10.9.0.2"]);
    assert!(machine.core.needs_saving());
    machine.core.saved();
    assert!(!machine.core.needs_saving());
    machine.cable(2, false);
    machine.run(1);
    assert_eq!(machine.core.verified(), Vec::<String>::new());
    assert!(machine.core.needs_saving());
}
