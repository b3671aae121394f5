//! [`Timeline`]: what an observer saw, and what follows from it. Pure.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

/// Questions in a row without an answer, after which somebody no longer has the address. One or two may be lost, or answered
/// late on a busy host.
const UNANSWERED: u32 = 3;

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, since the observer began.
    pub at: Duration,
    /// What.
    pub what: Seen,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was asked who has the address.
    Asked,
    /// Somebody has it: an ARP reply, or a neighbour advertisement, for who asked.
    Answer {
        /// Its hardware address.
        mac: [u8; 6],
    },
    /// An echo came back.
    Reply {
        /// From this hardware address.
        mac: [u8; 6],
        /// With this hop limit.
        hops: u8,
    },
    /// Somebody told all neighbours that it has the address.
    Announced {
        /// Its hardware address.
        mac: [u8; 6],
    },
    /// Somebody asks for a neighbour in the name of the address, from which that one learns as well.
    Asks {
        /// Its hardware address.
        mac: [u8; 6],
    },
    /// An advertisement of VRRP for the group.
    Advert {
        /// From this hardware address.
        mac: [u8; 6],
        /// From this address.
        from: IpAddr,
        /// The number of its group.
        vrid: u8,
        /// Its priority; 0: it leaves.
        priority: u8,
    },
    /// The service behind the address answered a client.
    Served {
        /// The machine's name.
        by: String,
    },
    /// The test did something.
    Mark(String),
}

/// A stretch of time in which one machine had the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its first answer.
    pub from: Duration,
    /// Its last answer.
    pub to: Duration,
}

/// What an observer saw, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    events: Vec<Event>,
}

impl Timeline {
    /// Of events in any order.
    pub fn new(mut events: Vec<Event>) -> Self {
        events.sort_by_key(|event| event.at);
        Self { events }
    }

    /// All of it.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// When the test did something, the first time.
    pub fn mark(&self, name: &str) -> Option<Duration> {
        self.first_after(
            Duration::ZERO,
            |seen| matches!(seen, Seen::Mark(mark) if mark == name),
        )
    }

    /// The first thing of a kind from a moment on.
    pub fn first_after(&self, moment: Duration, kind: impl Fn(&Seen) -> bool) -> Option<Duration> {
        let mut events = self.events.iter();
        let found = events.find(|event| event.at >= moment && kind(&event.what));
        found.map(|event| event.at)
    }

    /// The last thing of a kind before a moment.
    pub fn last_before(&self, moment: Duration, kind: impl Fn(&Seen) -> bool) -> Option<Duration> {
        let mut events = self.events.iter().rev();
        let found = events.find(|event| event.at < moment && kind(&event.what));
        found.map(|event| event.at)
    }

    /// The longest time without an echo in a stretch of time: what a client felt. It begins with the last echo before, and ends
    /// with the last echo there is. `None`: none came.
    pub fn longest_gap(&self, time: Range<Duration>) -> Option<Duration> {
        let echo = |seen: &Seen| matches!(seen, Seen::Reply { .. });
        let mut last = self.last_before(time.start, echo).unwrap_or(time.start);
        let events = self.events.iter();
        let inside = events.filter(|event| time.contains(&event.at) && echo(&event.what));
        let gaps = inside.map(|event| event.at - std::mem::replace(&mut last, event.at));
        gaps.max()
    }

    /// The longest time, in a stretch of time, in which no client was served: what those felt who try again. It counts from the
    /// first moment to the last one, whoever was served before or is served later.
    pub fn longest_unserved(&self, time: Range<Duration>) -> Duration {
        let mut last = time.start;
        let mut longest = Duration::ZERO;
        for event in &self.events {
            if time.contains(&event.at) && matches!(event.what, Seen::Served { .. }) {
                longest = longest.max(event.at - std::mem::replace(&mut last, event.at));
            }
        }
        longest.max(time.end.saturating_sub(last))
    }

    /// Who had the address when, in the order in which they got it.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        // Spans that may go on, with the questions since their last answer.
        let mut open: Vec<(usize, u32)> = Vec::new();
        for event in &self.events {
            match &event.what {
                Seen::Asked => {
                    for (_, unanswered) in &mut open {
                        *unanswered += 1;
                    }
                    open.retain(|(_, unanswered)| *unanswered <= UNANSWERED);
                }
                Seen::Answer { mac } => {
                    let known = open.iter_mut().find(|(span, _)| spans[*span].mac == *mac);
                    if let Some((span, unanswered)) = known {
                        *unanswered = 0;
                        spans[*span].to = event.at;
                    } else {
                        open.push((spans.len(), 0));
                        spans.push(Span {
                            mac: *mac,
                            from: event.at,
                            to: event.at,
                        });
                    }
                }
                _ => {}
            }
        }
        spans
    }

    /// The longest stretch, inside a stretch of time, in which two machines had the address.
    pub fn longest_overlap(&self, time: Range<Duration>) -> Duration {
        let spans = self.spans();
        let mut longest = Duration::ZERO;
        for (index, one) in spans.iter().enumerate() {
            let others = spans.iter().skip(index + 1);
            for other in others.filter(|other| other.mac != one.mac) {
                let from = one.from.max(other.from).max(time.start);
                let to = one.to.min(other.to).min(time.end);
                longest = longest.max(to.saturating_sub(from));
            }
        }
        longest
    }

    /// For a person to read: the changes, without each question and answer.
    pub fn story(&self) -> String {
        let mut lines: Vec<(Duration, String)> = Vec::new();
        for span in self.spans() {
            let mac = crate::command::mac_text(span.mac);
            lines.push((span.from, format!("{mac} has the address")));
            lines.push((span.to, format!("{mac} had it last")));
        }
        let mut served = None;
        for event in &self.events {
            let line = match &event.what {
                Seen::Served { by } if served.replace(by) != Some(by) => {
                    format!("{by} serves")
                }
                Seen::Served { .. } => continue,
                Seen::Asked | Seen::Answer { .. } | Seen::Reply { .. } => continue,
                Seen::Asks { mac } => {
                    format!("{} asks in its name", crate::command::mac_text(*mac))
                }
                Seen::Announced { mac } => {
                    format!("{} announces it", crate::command::mac_text(*mac))
                }
                Seen::Advert {
                    from,
                    vrid,
                    priority,
                    ..
                } => format!("{from} advertises group {vrid} with {priority}"),
                Seen::Mark(mark) => format!("== {mark}"),
            };
            lines.push((event.at, line));
        }
        lines.sort_by_key(|(at, _)| *at);
        let lines = lines.iter();
        lines
            .map(|(at, line)| format!("{:9.4} {line}\n", at.as_secs_f64()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const TWO: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Asks each 10 ms until `end`; who has the address (`from..to`) answers 1 ms later, and echoes 2 ms later.
    fn seen(end: u64, owners: &[([u8; 6], u64, u64)]) -> Timeline {
        let mut events = Vec::new();
        for now in (0..end).step_by(10) {
            let mut push = |offset, what| {
                events.push(Event {
                    at: at(now + offset),
                    what,
                });
            };
            push(0, Seen::Asked);
            for (mac, from, to) in owners {
                if (*from..*to).contains(&now) {
                    push(1, Seen::Answer { mac: *mac });
                    push(2, Seen::Reply { mac: *mac, hops: 1 });
                }
            }
        }
        Timeline::new(events)
    }

    #[test]
    fn a_change_of_owner() {
        let timeline = seen(1000, &[(ONE, 0, 300), (TWO, 500, 1000)]);
        let span = |mac, from, to| Span {
            mac,
            from: at(from),
            to: at(to),
        };
        assert_eq!(timeline.spans(), [span(ONE, 1, 291), span(TWO, 501, 991)]);
        assert_eq!(timeline.longest_gap(at(300)..at(1000)), Some(at(210)));
        assert_eq!(timeline.longest_gap(at(0)..at(300)), Some(at(10)));
        assert_eq!(timeline.longest_gap(at(600)..at(1000)), Some(at(10)));
        assert_eq!(timeline.longest_gap(at(300)..at(500)), None);
        assert_eq!(timeline.longest_overlap(at(0)..at(1000)), at(0));
    }

    #[test]
    fn two_owners_and_one_that_comes_back() {
        let timeline = seen(1000, &[(ONE, 0, 400), (TWO, 200, 600), (ONE, 500, 1000)]);
        assert_eq!(timeline.spans().len(), 3);
        // From 201 to 391, and from 501 to 591.
        assert_eq!(timeline.longest_overlap(at(0)..at(1000)), at(190));
        assert_eq!(timeline.longest_overlap(at(450)..at(1000)), at(90));
        assert_eq!(timeline.longest_overlap(at(0)..at(300)), at(99));
    }

    #[test]
    fn clients_that_try_again() {
        let served = [100, 150, 400, 450].map(|now| Event {
            at: at(now),
            what: Seen::Served {
                by: "one".to_owned(),
            },
        });
        let timeline = Timeline::new(served.into());
        for (time, longest) in [
            (100..450, 250),
            (0..120, 100),
            (420..900, 450),
            (160..390, 230),
        ] {
            let unserved = timeline.longest_unserved(at(time.start)..at(time.end));
            assert_eq!(unserved, at(longest), "{time:?}");
        }
    }

    #[test]
    fn what_was_not_asked_was_not_left_unanswered() {
        let mut timeline = seen(1000, &[(ONE, 0, 1000)]);
        // The observer slept.
        let slept = at(300)..at(800);
        timeline.events.retain(|event| !slept.contains(&event.at));
        assert_eq!(timeline.spans().len(), 1);
        // Two answers were lost, then four.
        for (lost, spans) in [(at(300)..at(320), 1), (at(300)..at(340), 2)] {
            let mut timeline = seen(1000, &[(ONE, 0, 1000)]);
            timeline
                .events
                .retain(|event| event.what == Seen::Asked || !lost.contains(&event.at));
            assert_eq!(timeline.spans().len(), spans);
        }
    }
}
