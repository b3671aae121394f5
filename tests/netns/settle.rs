//! What is desired, made real: looks, plans and applies until nothing is left to do, and lets ip(8) and ethtool(8) judge.

mod card;
mod parameter;
mod route;
mod rule;
mod wireguard;

use init_net::plan::plan;
use init_net::run::apply::apply;
use init_net::run::kernel::Kernel;
use init_net::run::observe::observe_all;
use init_net::state::{Desired, Observed};
use init_net::value::{Instant, Layer, Origin};

const AT: Instant = Instant::from_secs(1000);

/// Rounds until the plan is empty; what depends on what takes two or three.
const ROUNDS: usize = 5;

fn look(desired: &Desired) -> Observed {
    observe_all(&mut Kernel::open().unwrap(), desired, AT).unwrap()
}

fn text(desired: &Desired) -> Vec<String> {
    let ops = plan(desired, &look(desired));
    ops.iter().map(ToString::to_string).collect()
}

/// Every op that it took. Fails when one fails, or when the last plan is not empty.
#[track_caller]
fn settle(desired: &Desired) -> Vec<String> {
    let mut kernel = Kernel::open().unwrap();
    let mut done = Vec::new();
    for _ in 0..ROUNDS {
        let observed = observe_all(&mut kernel, desired, AT).unwrap();
        let ops = plan(desired, &observed);
        if ops.is_empty() {
            return done;
        }
        for outcome in apply(&mut kernel, ops) {
            if let Err((_, error)) = &outcome.result {
                panic!("{}: {error}", outcome.op);
            }
            done.push(outcome.op.to_string());
        }
    }
    panic!("not settled: {:#?}, still {:#?}", done, text(desired));
}

fn origin() -> (Layer, Origin) {
    (Layer::Configuration, Origin::builtin("test"))
}
