//! Shared addresses in the core: what is done in which order, what stays over a hand-over, what goes.

use super::*;
use crate::config::machine;
use crate::proto::{EtherType, Frame};
use crate::run::core::SavedVip;
use crate::state::{KindStatus, VipState, VipStatus};
use crate::value::Mac;

/// What was sent for a shared address.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Out of the link with that index.
    Frame(u32, Frame),
    /// An advertisement for one peer: to whom, and what follows the IP header.
    Unicast(core::net::IpAddr, Vec<u8>),
}

const VIP: &str = "192.0.2.100";

const STATIC: &str = "ip=192.0.2.1::192.0.2.254:255.255.255.0::eth0:none";

fn config(more: &str) -> String {
    format!(
        "apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: {VIP}\nlink: eth0\npriority: 100\n{more}"
    )
}

/// A machine that has one, and what it had before it began.
fn machine(more: &str, inherited: Option<SavedVip>) -> Machine {
    let mut machine = Machine::new(STATIC);
    let key = format!("eth0/{VIP}");
    let inherited = inherited.map(|saved| (key, saved)).into_iter();
    machine.core.inherit_vips(inherited.collect());
    configure(&mut machine, &config(more));
    machine
}

fn configure(machine: &mut Machine, text: &str) {
    configure_with(machine, STATIC, text);
}

fn configure_with(machine: &mut Machine, line: &str, text: &str) {
    let (line, _) = cmdline::parse(line, "test");
    let mut documents = vec![line];
    if !text.is_empty() {
        let (config, faults) = machine::parse(text, "vip.yaml");
        assert!(faults.is_empty(), "{faults:?}");
        documents.push(config);
    }
    let event = Event::Documents(documents, Vec::new());
    machine.queue.push_back(event);
}

fn has(machine: &Machine) -> bool {
    let mut there = machine.kernel.addresses.iter();
    there.any(|status| status.address.address().to_string() == VIP)
}

/// Advertisements and announcements, with their times: `100` of a priority, `arp` of an announcement.
fn said(machine: &Machine) -> Vec<(u64, String)> {
    let text = |said: &Said| match said {
        Said::Frame(_, frame) if frame.kind == EtherType::Arp => {
            // The sender's address: a question who has it comes from nobody.
            let asks = frame.packet[14..18] == [0; 4];
            if asks { "probe" } else { "arp" }.to_owned()
        }
        Said::Frame(_, frame) => frame.packet[22].to_string(),
        Said::Unicast(_, message) => message[2].to_string(),
    };
    let all = machine.vips.iter();
    all.map(|(at, said)| (*at, text(said))).collect()
}

fn ops(machine: &Machine) -> Vec<(u64, String)> {
    let ops = machine.done.iter().filter(|(_, op)| op.contains(VIP));
    ops.cloned().collect()
}

fn fares(machine: &Machine) -> VipStatus {
    let ip = VIP.parse().unwrap();
    machine.core.vips().statuses()[&("eth0".parse().unwrap(), ip)].clone()
}

fn status(machine: &Machine) -> VipState {
    fares(machine).state
}

fn reason(machine: &Machine) -> String {
    fares(machine).reason
}

#[test]
fn a_machine_alone_takes_the_address_and_keeps_it_alive() {
    let mut machine = machine("", None);
    machine.run(5);
    assert!(has(&machine));
    assert_eq!(status(&machine), VipState::Active);
    let ops = ops(&machine);
    let (won, first) = &ops[0];
    assert_eq!(
        first,
        "ip addr add 192.0.2.100/32 dev eth0 noprefixroute proto 73 valid_lft 3 preferred_lft 0"
    );
    assert!((600..=800).contains(won), "{won}");
    assert!(
        ops[1..]
            .iter()
            .all(|(_, op)| op.starts_with("ip addr change"))
    );
    let times: Vec<u64> = ops.iter().map(|(at, _)| at - won).collect();
    assert_eq!(times, [0, 1000, 2000, 3000, 4000]);
    // The advertisement comes before the address, the neighbours hear of it after.
    let said = said(&machine);
    let at_won: Vec<&str> = said
        .iter()
        .filter(|(at, _)| at == won)
        .map(|(_, what)| what.as_str())
        .collect();
    assert_eq!(at_won[0], "100");
    assert_eq!(at_won[1..], ["arp", "arp"]);
    // What refreshes looks at nothing.
    let looks = machine.looks.len();
    machine.run(10);
    assert_eq!(machine.looks.len(), looks);
    assert!(has(&machine));
}

#[test]
fn an_address_of_a_former_run_is_removed_before_anything_is_said() {
    for (mine, gone) in [(true, true), (false, false)] {
        let mut machine = machine("", None);
        let mut old = super::ipv6::address(2, "eth0", "192.0.2.100/32", 0);
        old.protocol = if mine { OUR_PROTOCOL } else { 0 };
        machine.kernel.addresses.push(old);
        machine.run(0);
        assert_eq!(has(&machine), !gone, "ours: {mine}");
        assert_eq!(machine.vips, []);
        let removed = [(0, "ip addr del 192.0.2.100/32 dev eth0".to_owned())];
        assert_eq!(ops(&machine), if gone { &removed[..] } else { &[] });
    }
}

#[test]
fn an_address_of_a_former_run_that_the_kernel_keeps_is_tried_in_peace() {
    let mut machine = machine("advertInterval: 10s\n", None);
    let mut old = super::ipv6::address(2, "eth0", "192.0.2.100/32", 0);
    old.protocol = OUR_PROTOCOL;
    machine.kernel.addresses.push(old);
    machine.refused = Some("ip addr del 192.0.2.100");
    for _ in 0..50 {
        machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
        let end = machine.now + Duration::from_millis(100);
        machine.run_until(end, |_| false);
    }
    let removals = ops(&machine).into_iter();
    let removals = removals.filter(|(_, op)| op.contains("del")).count();
    assert!((4..=6).contains(&removals), "{removals}");
}

#[test]
fn a_hand_over_loses_nothing() {
    let mut before = machine("", None);
    before.run(2);
    assert!(has(&before));
    let saved = before.core.saved_vips(before.now);
    let saved = saved.get("eth0/192.0.2.100").cloned().unwrap();
    let patience = saved.until.saturating_since(before.now).as_millis();
    assert!((600..=800).contains(&patience), "{patience}");

    // In time: it goes on, and says so at once.
    let mut after = machine("", Some(saved.clone()));
    after.kernel = before.kernel.clone();
    after.now = before.now + Duration::from_millis(300);
    after.run(1);
    assert!(has(&after));
    assert!(
        !ops(&after).iter().any(|(_, op)| op.contains("del")),
        "{:?}",
        ops(&after)
    );
    assert!(
        said(&after).contains(&(2300, "100".into())),
        "{:?}",
        said(&after)
    );

    // Too late: somebody else may have it.
    let mut late = machine("", Some(saved));
    late.kernel = before.kernel.clone();
    late.now = before.now + Duration::from_millis(900);
    late.run(0);
    assert!(!has(&late));
}

#[test]
fn who_ends_well_removes_the_address_before_it_says_so() {
    let mut machine = machine("", None);
    machine.run(2);
    machine.vips.clear();
    machine.done.clear();
    machine.queue.push_back(Event::Stop);
    machine.run(0);
    assert!(!has(&machine));
    let said: Vec<String> = said(&machine).into_iter().map(|(_, what)| what).collect();
    assert_eq!(said[0], "0");
    machine.run(1);
    assert!(machine.core.has_left());
    machine.vips.clear();
    machine.run(10);
    assert_eq!(machine.vips, []);
    assert!(!has(&machine));
}

#[test]
fn an_address_that_is_configured_no_more_goes() {
    let mut machine = machine("", None);
    machine.run(2);
    assert!(has(&machine));
    configure(&mut machine, "");
    machine.run(0);
    assert!(!has(&machine));
    machine.run(2);
    assert!(machine.ears.is_empty());
}

/// Whoever is tried does not answer: what was asked is given up with the document, and with each other one.
#[test]
fn a_check_that_is_configured_no_more_leaves_no_connection() {
    let mut machine = machine("check: {tcp: '192.0.2.9:6443', timeout: 60s}\n", None);
    machine.run(2);
    assert!(has(&machine));
    assert_eq!(machine.open.len(), 1);
    configure(
        &mut machine,
        &config("check: {tcp: '192.0.2.8:6443', timeout: 60s}\n"),
    );
    machine.run(2);
    assert_eq!(machine.open.len(), 1);
    configure(&mut machine, "");
    machine.run(2);
    assert_eq!(machine.open.len(), 0);
}

#[test]
fn without_a_carrier_nobody_has_it() {
    let mut machine = machine("", None);
    machine.run(2);
    assert!(has(&machine));
    machine.cables.clear();
    let eth0 = machine.kernel.links.get_mut(&2).unwrap();
    eth0.flags = iff::UP;
    machine.queue.push_back(Event::Changed(Doubt::LINKS));
    machine.run(0);
    machine.run(1);
    assert!(!has(&machine));
    assert_eq!(status(&machine), VipState::Fault);
}

/// The cluster may be reached by another link.
#[test]
fn nobody_campaigns_for_a_link_without_a_cable() {
    let mut machine = Machine::new(STATIC);
    machine.cables.clear();
    let etcd = "election: etcd\netcd: {endpoints: ['http://198.51.100.1:2379']}\n";
    configure(&mut machine, &config(etcd).replace("priority: 100\n", ""));
    machine.run(5);
    assert_eq!(status(&machine), VipState::Fault);
    assert_eq!(machine.connected, []);
    machine.cables.insert(2);
    machine.kernel.links.get_mut(&2).unwrap().flags = iff::UP | iff::LOWER_UP;
    machine.queue.push_back(Event::Changed(Doubt::LINKS));
    machine.run(1);
    assert_ne!(machine.connected, []);
}

/// Who hears nobody would take the address beside whoever has it.
#[test]
fn a_machine_that_cannot_listen_takes_no_part_until_it_can() {
    let mut machine = machine("", None);
    machine.deaf = true;
    machine.run(20);
    assert!(!has(&machine));
    assert_eq!(status(&machine), VipState::Fault);
    assert_eq!(reason(&machine), "nothing can be heard on the link");
    machine.deaf = false;
    machine.run(10);
    assert!(has(&machine));
    // One that has it gives it up.
    machine.deaf = true;
    machine.run(1);
    assert!(!has(&machine));
    let told =
        format!("vip: this machine has {VIP} on eth0 no more: nothing can be heard on the link");
    assert!(machine.log.contains(&told), "{:?}", machine.log);
}

/// People are told of an address that went with its link, as of any other that was lost.
#[test]
fn without_a_link_nobody_has_it() {
    let mut machine = machine("", None);
    machine.run(2);
    assert!(has(&machine));
    machine.kernel.links.remove(&2);
    machine.kernel.addresses.retain(|a| a.link_index != 2);
    machine
        .queue
        .push_back(Event::Changed(Doubt::LINKS | Doubt::ADDRESSES));
    machine.run(1);
    assert_eq!(status(&machine), VipState::Waiting);
    let lost = "vip: this machine has 192.0.2.100 on eth0 no more: link eth0 is not there";
    assert_eq!(
        machine.log.iter().filter(|line| *line == lost).count(),
        1,
        "{:?}",
        machine.log
    );
}

#[test]
fn what_somebody_takes_away_is_put_back_at_once() {
    let mut machine = machine("", None);
    machine.run(2);
    machine
        .kernel
        .addresses
        .retain(|a| a.address.address().to_string() != VIP);
    machine.vips.clear();
    machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
    machine.run(0);
    let end = machine.now + Duration::from_millis(5);
    machine.run_until(end, |_| false);
    assert!(has(&machine));
    assert!(said(&machine).iter().any(|(_, what)| what == "arp"));
}

/// The kernel has let the address go meanwhile, and another machine has it: nothing brings it back for a moment.
#[test]
fn a_machine_that_stood_still_neither_refreshes_nor_announces() {
    let mut machine = machine("", None);
    machine.run(2);
    assert!(has(&machine));
    machine.done.clear();
    machine.vips.clear();
    // Past the next round of announcements.
    machine.now = machine.now + Duration::from_secs(100);
    machine.queue.push_back(Event::Tick);
    machine.run_until(machine.now, |_| false);
    assert!(!has(&machine));
    let ops: Vec<String> = ops(&machine).into_iter().map(|(_, op)| op).collect();
    assert_eq!(ops, ["ip addr del 192.0.2.100/32 dev eth0"]);
    assert_eq!(machine.vips, []);
}

/// A bond takes the hardware address of its active card where it is told so (`fail_over_mac`).
#[test]
fn neighbours_learn_the_hardware_address_that_the_link_has_now() {
    let mut machine = machine("", None);
    machine.run(2);
    let other: Mac = "52:54:00:00:00:99".parse().unwrap();
    let eth0 = machine.kernel.links.get_mut(&2).unwrap();
    eth0.hardware_addr = Some(other);
    machine.vips.clear();
    machine.queue.push_back(Event::Changed(Doubt::LINKS));
    machine.run(10);
    let said = machine.vips.iter();
    let announced: Vec<Option<Mac>> = said
        .filter_map(|(_, said)| match said {
            Said::Frame(_, frame) if frame.kind == EtherType::Arp => {
                Some(Mac::from_bytes(&frame.packet[8..14]))
            }
            _ => None,
        })
        .collect();
    assert_eq!(announced.len(), 10, "a burst");
    assert!(
        announced.iter().all(|mac| *mac == Some(other)),
        "{announced:?}"
    );
    assert!(has(&machine));
}

/// A selector may be about several links, each with an election of its own.
#[test]
fn one_address_on_two_links_is_no_leftover_of_either() {
    let line = format!("{STATIC} ip=198.51.100.1:::255.255.255.0::eth1:none");
    let mut machine = Machine::new(&line);
    machine.cables.insert(3);
    let on = |link: &str| format!("{{interface: {link}, vip: {{ip: {VIP}}}}}");
    let all = format!("{}, {}", on("eth0"), on("eth1"));
    let text = format!("machine: {{type: controlplane, network: {{interfaces: [{all}]}}}}\n");
    configure_with(&mut machine, &line, &text);
    machine.run(5);
    let there = machine.kernel.addresses.iter();
    let links: Vec<u32> = there
        .filter(|status| status.address.address().to_string() == VIP)
        .map(|status| status.link_index)
        .collect();
    assert_eq!(links.len(), 2, "{:?}", ops(&machine));
    let removed: Vec<_> = ops(&machine)
        .into_iter()
        .filter(|(_, op)| op.contains("del"))
        .collect();
    assert_eq!(removed, []);
    // What the kernel says to the one is nothing to the other.
    machine.refused = Some("192.0.2.100/32 dev eth1");
    machine.run(1);
    assert_eq!(status(&machine), VipState::Active);
}

/// The kernel announces what a bond itself has, not what stands on a bridge of it; switches have to learn the other port.
#[test]
fn another_card_of_a_bond_below_is_announced() {
    let mut machine = machine("", None);
    let bond = |active_index| {
        Some(KindStatus::Bond {
            options: Default::default(),
            primary_index: 0,
            active_index,
        })
    };
    let link = |index, name, below: u32, master: u32, kind_data| LinkStatus {
        link_index: below,
        master_index: master,
        kind_data,
        ..card(index, name)
    };
    // eth0 in the place of a VLAN on a bridge on a bond.
    machine.kernel.links.get_mut(&2).unwrap().link_index = 8;
    let bridge = Some(KindStatus::Bridge(Default::default()));
    for below in [
        link(8, "br0", 0, 0, bridge),
        link(9, "bond0", 0, 8, bond(3)),
    ] {
        machine.kernel.links.insert(below.index, below);
    }
    machine.run(20);
    assert!(has(&machine));
    machine.vips.clear();
    machine.queue.push_back(Event::Changed(Doubt::LINKS));
    machine.run(1);
    let announced = |machine: &Machine| said(machine).iter().any(|(_, what)| what == "arp");
    assert!(!announced(&machine));
    machine.kernel.links.get_mut(&9).unwrap().kind_data = bond(4);
    machine.queue.push_back(Event::Changed(Doubt::LINKS));
    machine.run(1);
    assert!(announced(&machine));
}

/// A leftover of somebody else, with a network: it is no reason to announce at each look.
#[test]
fn the_same_address_of_somebody_else_is_another_one() {
    let mut machine = machine("", None);
    // Between two rounds of the slow announcements.
    machine.run(17);
    let foreign = super::ipv6::address(2, "eth0", "192.0.2.100/24", 0);
    machine.kernel.addresses.insert(0, foreign);
    machine.vips.clear();
    machine.done.clear();
    for _ in 0..5 {
        machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
        machine.run(1);
    }
    assert!(!said(&machine).iter().any(|(_, what)| what == "arp"));
    let refreshed = ops(&machine).into_iter().map(|(_, op)| op);
    let others: Vec<String> = refreshed
        .filter(|op| !op.starts_with("ip addr change"))
        .collect();
    assert_eq!(others, Vec::<String>::new());
}

#[test]
fn an_address_that_the_kernel_refuses_is_left_to_others() {
    let mut machine = machine("", None);
    machine.refused = Some("192.0.2.100/32 dev");
    machine.run(5);
    assert!(!has(&machine));
    // It said that it has it, and took that back.
    let said: Vec<String> = said(&machine).into_iter().map(|(_, what)| what).collect();
    assert_eq!(
        said.iter().filter(|what| *what == "100").count(),
        1,
        "{said:?}"
    );
    assert!(said.contains(&"0".to_owned()), "{said:?}");
    // And it says why, not only that it did.
    let why = "the address was refused: refused";
    assert_eq!(reason(&machine), why);
    let told = format!("vip: this machine has {VIP} on eth0 no more: {why}");
    assert!(machine.log.contains(&told), "{:?}", machine.log);
}

#[test]
fn a_link_that_goes_takes_the_address_along_and_that_is_told() {
    let mut machine = machine("", None);
    machine.run(2);
    let eth0 = machine.kernel.links.remove(&2).unwrap();
    machine.kernel.addresses.clear();
    machine.queue.push_back(Event::Changed(Doubt::EVERYTHING));
    machine.run(1);
    assert_eq!(status(&machine), VipState::Waiting);
    let why = "link eth0 is not there";
    assert_eq!(reason(&machine), why);
    let told = format!("vip: this machine has {VIP} on eth0 no more: {why}");
    let count = machine.log.iter().filter(|line| **line == told).count();
    assert_eq!(count, 1, "{:?}", machine.log);
    // Once the link is back it is no reason any more.
    machine.kernel.links.insert(2, eth0);
    machine.queue.push_back(Event::Changed(Doubt::EVERYTHING));
    machine.run(0);
    let end = machine.now + Duration::from_millis(100);
    machine.run_until(end, |_| false);
    assert_eq!(status(&machine), VipState::Backup);
    assert_eq!(reason(&machine), "");
}

#[test]
fn it_is_never_the_first_address_of_its_link() {
    let mut machine = machine("", None);
    machine.run(2);
    // A lease brings another address, and the old one goes: the kernel adds behind what is there.
    let own = |a: &AddressStatus| a.address.to_string() == "192.0.2.1/24";
    let at = machine.kernel.addresses.iter().position(own).unwrap();
    let address = machine.kernel.addresses.remove(at);
    machine.kernel.addresses.push(address);
    machine.done.clear();
    machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
    let end = machine.now + Duration::from_millis(50);
    machine.run_until(end, |_| false);
    let ops: Vec<String> = ops(&machine).into_iter().map(|(_, op)| op).collect();
    assert_eq!(ops.len(), 2, "{ops:?}");
    assert!(
        ops[0].starts_with("ip addr del") && ops[1].starts_with("ip addr add"),
        "{ops:?}"
    );
    machine.run(5);
    assert!(has(&machine));
}

/// A certificate that is none, of an API: the address is at fault, and says why.
#[test]
fn an_api_that_cannot_be_believed_costs_the_address_alone() {
    let mut machine = Machine::new(STATIC);
    let text = format!(
        "apiVersion: v1alpha1\nkind: HCloudVIPConfig\nname: {VIP}\nlink: eth0\napiToken: hunter2\n\
         ca: '-----BEGIN CERTIFICATE-----'\n"
    );
    configure(&mut machine, &text);
    machine.run(5);
    let statuses = machine.core.vips().statuses();
    let [status] = statuses.values().collect::<Vec<_>>()[..] else {
        panic!("{statuses:?}");
    };
    assert_eq!(status.state, VipState::Fault);
    assert_eq!(status.reason, "hcloud: the CA's certificate is damaged");
    assert!(!has(&machine) && machine.vips.is_empty());
    assert!(
        machine
            .kernel
            .addresses
            .iter()
            .any(|it| it.address.address().to_string() == "192.0.2.1")
    );
}
