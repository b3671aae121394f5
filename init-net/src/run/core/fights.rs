//! Ops that are done and have to be done again, round after round: somebody undoes them. Each is put off for a while, alone:
//! the rest is repaired meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use super::Effect;
use super::backoff::{Backoff, key};
use crate::state::Op;
use crate::value::{Duration, Gather as _, Instant};

/// Rounds in a row after which ops are counted. Links on links take one a level, at most 8 in any kernel (MAX_NEST_DEV), so
/// that most work is done by then and nothing of it is remembered.
const UNCOUNTED: u32 = 8;

/// How often the same op may be done in one such row beyond those.
const MAX_REPEATS: u32 = 8;

/// Rounds in a row, whatever the ops, before everything rests: nothing converges that slowly.
const MAX_ROUNDS: u32 = 64;

/// The rest: long enough not to burn a core in a fight, short enough to win it eventually.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// The rest of the firewall, which keeps a machine closed: somebody who flushes it in a loop opens it for this long at most,
/// and costs a replacement as often.
pub(super) const FIREWALL_PAUSE: Duration = Duration::from_millis(20);

/// What is told of an op that rests.
const UNDONE: &str = "somebody keeps undoing this";

/// What is done again and again at present.
#[derive(Default)]
pub(super) struct Fights {
    /// Rounds in a row that had something to do.
    rounds: u32,
    /// By key: how often in this row, and whether the log has it. At most what is planned.
    repeats: BTreeMap<String, (u32, bool)>,
}

impl Fights {
    /// Nothing is left to do but what waits. Answers whether there was until now.
    pub(super) fn calm(&mut self) -> bool {
        for (count, _) in self.repeats.values_mut() {
            *count = 0;
        }
        core::mem::take(&mut self.rounds) > 0
    }

    /// An op that is no longer planned is over and done with.
    pub(super) fn forget_all_but(&mut self, planned: &[Op]) {
        if !self.repeats.is_empty() {
            let keys: BTreeSet<String> = planned.iter().map(key).gather();
            self.repeats.retain(|repeated, _| keys.contains(repeated));
        }
    }

    /// Takes out of `ops`, which are about to be done, what was done too often, and puts it off. `true`: everything is to
    /// rest for [`PAUSE`].
    pub(super) fn judge(
        &mut self,
        ops: &mut Vec<Op>,
        backoff: &mut Backoff,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> bool {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            self.calm();
            // Everything rests but the firewall.
            let is_firewall = |op: &Op| matches!(op, Op::Firewall(_));
            if !ops.iter().any(is_firewall) {
                return true;
            }
            for op in ops.iter().filter(|op| !is_firewall(op)) {
                backoff.put_off(op, now + PAUSE, UNDONE);
            }
            ops.retain(is_firewall);
            return false;
        }
        if self.rounds > UNCOUNTED {
            ops.retain(|op| {
                let (count, logged) = self.repeats.entry(key(op)).or_default();
                *count += 1;
                if *count <= MAX_REPEATS {
                    return true;
                }
                *count = 0;
                let pause = match op {
                    Op::Firewall(_) => FIREWALL_PAUSE,
                    _ => PAUSE,
                };
                if !core::mem::replace(logged, true) {
                    let text = format!("{UNDONE}, pausing {pause:?}: {op}");
                    effects.push(Effect::Log(log::Level::Warn, text));
                }
                backoff.put_off(op, now + pause, UNDONE);
                false
            });
        }
        false
    }
}
