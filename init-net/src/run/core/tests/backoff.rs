//! Ops that fail: they are tried again when it is time, and cost nothing until then.

use super::*;

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
