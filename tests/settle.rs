//! What is desired, made real: looks, plans and applies until nothing is left to do.

use init_net::plan::plan;
use init_net::run::apply::apply;
use init_net::run::kernel::Kernel;
use init_net::run::observe::observe_all;
use init_net::state::{Desired, Observed};
use init_net::value::{Instant, Layer, Origin};

/// The time of every look.
pub const AT: Instant = Instant::from_secs(1000);

/// Rounds until a plan must be empty; what depends on what takes two or three.
const ROUNDS: usize = 6;

/// What the kernel has, as far as `desired` asks.
pub fn look(desired: &Desired) -> Observed {
    observe_all(&mut Kernel::open().unwrap(), desired, AT).unwrap()
}

/// What is left to do, an op a line.
pub fn text(desired: &Desired) -> Vec<String> {
    let ops = plan(desired, &look(desired));
    ops.iter().map(ToString::to_string).collect()
}

/// Every op that it took. Fails when one fails, or when the last plan is not empty.
#[track_caller]
pub fn settle(desired: &Desired) -> Vec<String> {
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

/// Where what a test wants is said.
pub fn origin() -> (Layer, Origin) {
    (Layer::Configuration, Origin::builtin("test"))
}
