//! Ops that fail: they are tried again when it is time, and cost nothing until then.

use std::collections::BTreeMap;

use super::*;
use crate::run::core::backoff::Backoff;
use crate::state::{LinkAt, OUR_GROUP};

#[test]
fn a_try_that_is_due_in_the_rest_after_a_slow_look_waits_for_its_end() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    machine.refused = Some("route");
    machine.kernel.routes.clear();
    machine.queue.push_back(Event::Changed(Doubt::ROUTES));
    machine.run(0);
    assert!(!machine.core.failures().is_empty());
    // A look of a second on a machine with thousands of links: the rest after it is as long.
    let (asked, taken) = (machine.now, Duration::from_secs(1));
    let effects = machine.core.step(
        Event::Changed(Doubt::LINKS),
        asked + Duration::from_millis(50),
    );
    let [Effect::Observe(doubt)] = effects[..] else {
        panic!("{effects:?}");
    };
    let came = asked + Duration::from_millis(50) + taken;
    let look = Box::new(machine.kernel.clone());
    let effects = machine.core.step(Event::Observed(look, doubt), came);
    let looks = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Observe(_)));
    assert!(!looks, "it rests: {effects:?}");
    let next = machine.core.deadline().unwrap();
    assert!(next > came, "{next} is over at {came}");
}

#[test]
fn what_is_held_for_another_op_is_due_with_it() {
    let (now, later) = (START, START + Duration::from_secs(60));
    let link = LinkAt {
        index: 2,
        name: "eth0".parse().unwrap(),
    };
    let set_up = |up| Op::LinkSetUp {
        link: link.clone(),
        up,
    };
    let rename = Op::LinkRename {
        link: link.clone(),
        name: "lan0".parse().unwrap(),
    };
    let mut backoff = Backoff::default();
    backoff.put_off(&set_up(true), now, "refused");
    backoff.put_off(&rename, later, "refused");
    // By itself a link is set up when that is due.
    let links = BTreeMap::new();
    let mut ops = vec![rename.clone(), set_up(true)];
    backoff.hold(&mut ops, &links, now);
    assert_eq!(ops, [set_up(true)]);
    assert!(backoff.due(now));
    let mut ops = vec![set_up(false), rename, set_up(true)];
    backoff.hold(&mut ops, &links, now);
    assert_eq!(ops, []);
    assert_eq!(backoff.deadline(), Some(later), "nothing rings before");
}

#[test]
fn a_member_that_may_not_leave_is_due_with_its_bond() {
    let (now, later) = (START, START + Duration::from_secs(60));
    let at = |index, name: &str| LinkAt {
        index,
        name: name.parse().unwrap(),
    };
    let leave = Op::LinkSetMaster {
        link: at(3, "eth1"),
        master: None,
        group: OUR_GROUP,
    };
    let rename = Op::LinkRename {
        link: at(9, "bond0"),
        name: "bond1".parse().unwrap(),
    };
    let member = LinkStatus {
        master_index: 9,
        ..card(3, "eth1")
    };
    let mut backoff = Backoff::default();
    backoff.put_off(&leave, now, "refused");
    backoff.put_off(&rename, later, "refused");
    let mut ops = vec![leave, rename];
    backoff.hold(&mut ops, &BTreeMap::from([(3, member)]), now);
    assert_eq!(ops, []);
    assert_eq!(backoff.deadline(), Some(later));
}
