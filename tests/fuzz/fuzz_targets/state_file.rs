//! Any bytes as the state file of this boot: refused or believed, never a panic, and what is believed can be gone on from.

#![no_main]

use init_net::config::cmdline;
use init_net::run::core::{Core, Doubt, Event};
use init_net::run::state_file::StateFile;
use init_net::value::{Instant, Rng};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(state) = StateFile::parse(bytes, "b") else {
        return;
    };
    assert_eq!(StateFile::parse(&state.render(), "b").as_ref(), Ok(&state));
    let (document, _) = cmdline::parse(&state.cmdline, "x");
    let now = Instant::from_secs(1);
    let mut core = Core::new(vec![document], state.leases, Rng::new(1), now);
    core.inherit(state.fetched, state.names, state.owned, state.verified, state.timeline);
    let _ = core.step(Event::Observed(Box::default(), Doubt::EVERYTHING), now);
    let _ = core.step(Event::Tick, Instant::from_secs(1_000_000));
});
