//! What happened lately: a ring of typed events.

use std::collections::VecDeque;

use serde::Serialize;

use crate::value::Moment;

/// Events that are kept. A boot has a few dozen, a link that flaps two a flap; 256 of them are some 60 KiB.
const MAX_EVENTS: usize = 256;

/// Longest text of an event, characters: an op is one line.
const MAX_TEXT: usize = 256;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A link came.
    LinkAdded,
    /// A link is gone.
    LinkRemoved,
    /// A link was set up.
    LinkUp,
    /// A link was set down.
    LinkDown,
    /// A link that is up got a carrier.
    CarrierUp,
    /// It lost it.
    CarrierDown,
    /// An address is there.
    AddressAdded,
    /// An address is gone.
    AddressRemoved,
    /// A client has a lease that it had not.
    LeaseBound,
    /// The lease goes on, or says something else.
    LeaseRenewed,
    /// The lease is gone.
    LeaseLost,
    /// What somebody else changed is as declared again.
    Repaired,
    /// An op fails, or fails in another way.
    OpFailed,
    /// An op that failed was done.
    OpRecovered,
    /// Other sources count.
    ConfigApplied,
    /// Another host has an address of ours.
    Conflict,
    /// This machine has a shared address now.
    VipGained,
    /// It has it no more.
    VipLost,
    /// Something is wrong with a shared address.
    VipTrouble,
    /// A level of readiness was reached.
    LevelReached,
    /// A level of readiness was lost.
    LevelLost,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Happening {
    /// Counts up from 1; one that is missing was dropped.
    pub seq: u64,
    /// When.
    #[serde(flatten)]
    pub at: Moment,
    /// What.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// Of which resource: kind and id, `links/eth0`.
    pub resource: String,
    /// For people.
    pub text: String,
}

/// The last [`MAX_EVENTS`] of them.
#[derive(Debug, Default)]
pub struct Ring {
    events: VecDeque<Happening>,
    count: u64,
}

impl Ring {
    /// Adds one; the oldest goes when the ring is full.
    pub fn push(&mut self, at: Moment, kind: EventKind, resource: String, text: &str) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.count += 1;
        self.events.push_back(Happening {
            seq: self.count,
            at,
            kind,
            resource,
            text: text.chars().take(MAX_TEXT).collect(),
        });
    }

    /// Those that are kept, the oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Happening> {
        self.events.iter()
    }

    /// How many there have been.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How many are kept no longer.
    pub fn dropped(&self) -> u64 {
        self.count - self.events.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_the_numbers_tell() {
        let mut ring = Ring::default();
        for number in 0..MAX_EVENTS + 3 {
            let resource = format!("links/eth{number}");
            ring.push(
                Moment::default(),
                EventKind::LinkAdded,
                resource,
                &"x".repeat(MAX_TEXT * 2),
            );
        }
        assert_eq!(ring.events().count(), MAX_EVENTS);
        assert_eq!(ring.dropped(), 3);
        let first = ring.events().next().unwrap();
        assert_eq!((first.seq, first.resource.as_str()), (4, "links/eth3"));
        assert_eq!(first.text.len(), MAX_TEXT);
        assert_eq!(ring.count(), MAX_EVENTS as u64 + 3);
    }
}
