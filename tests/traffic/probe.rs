//! Packets that ask, and what became of each. "No answer" is no guess by time: behind each batch goes a marker that is surely
//! let in, by the same way; when its answer is there, whatever else had an answer has had it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use qemu::Deadline;
use qemu::traffic::{Body, Packet, Stranger, icmp, tcp};

use super::listener::{FENCE, MARKER};
use super::policy::{Outcome, Protocol, Question};

/// Questions at a time: fewer than a queue on the way holds.
const BATCH: usize = 64;

/// For what takes microseconds; it says that a marker was lost, not that it was slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first source port, and the first identifier of echoes: each question has its own, so that none belongs to the
/// connection of another.
const FIRST: u16 = 1024;

/// A place that markers ask for as well: an address of the machine, and its ports that lead there.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    /// From where it surely is let in.
    pub source: IpAddr,
    /// Of the machine.
    pub destination: IpAddr,
    /// Leads to [`MARKER`].
    pub marker: u16,
    /// Leads to [`FENCE`].
    pub fence: u16,
}

impl Post {
    /// The machine itself.
    pub fn new(source: &str, destination: &str) -> Self {
        Self {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            marker: MARKER,
            fence: FENCE,
        }
    }
}

/// Who asks.
pub struct Prober {
    /// By the machine's name of the link at the other end.
    strangers: Vec<(String, Stranger)>,
    posts: Vec<Post>,
    next: u16,
}

/// The identity of a question in its answer: the protocol, who asked by which port or identifier.
type Key = (u8, IpAddr, u16);

impl Prober {
    /// Asks through these links; answers come at any of them.
    pub fn new(strangers: Vec<(String, Stranger)>, posts: Vec<Post>) -> Self {
        stay();
        Self {
            strangers,
            posts,
            next: FIRST,
        }
    }

    /// What becomes of each.
    #[track_caller]
    pub fn ask(&mut self, questions: &[Question]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(questions.len());
        for batch in questions.chunks(BATCH) {
            outcomes.extend(self.batch(batch));
        }
        outcomes
    }

    /// Lets the machine learn the neighbours behind these addresses, so that no question waits for that.
    #[track_caller]
    pub fn greet(&mut self) {
        self.settle(&mut HashMap::new());
    }

    #[track_caller]
    fn batch(&mut self, questions: &[Question]) -> Vec<Outcome> {
        let mut open: HashMap<Key, Option<Outcome>> = HashMap::new();
        let mut keys = Vec::new();
        for question in questions {
            let number = self.number();
            let packet = packet(question, number);
            let stranger = self
                .strangers
                .iter()
                .find(|(link, _)| *link == question.link);
            let (_, stranger) = stranger.unwrap_or_else(|| panic!("nobody is at {question:?}"));
            assert!(stranger.send(&packet), "the cable of {question:?}");
            let key = (protocol(question.protocol), question.source, number);
            open.insert(key, None);
            keys.push(key);
        }
        self.settle(&mut open);
        keys.iter()
            .map(|key| open[key].unwrap_or(Outcome::Dropped))
            .collect()
    }

    /// Waits for all answers on the way: those of the kernel first, and then those of who listens.
    #[track_caller]
    fn settle(&mut self, open: &mut HashMap<Key, Option<Outcome>>) {
        for is_fence in [false, true] {
            let mut missing = HashMap::new();
            // Behind each way in.
            for at in 0..self.strangers.len() {
                for post in self.posts.clone() {
                    let number = self.number();
                    let packet = if is_fence {
                        Packet::datagram(
                            post.source,
                            number,
                            post.destination,
                            post.fence,
                            *b"fence",
                        )
                    } else {
                        Packet::syn(post.source, number, post.destination, post.marker, 1)
                    };
                    let (_, stranger) = &self.strangers[at];
                    assert!(stranger.send(&packet), "the cable of a marker");
                    let protocol = protocol(if is_fence {
                        Protocol::Udp
                    } else {
                        Protocol::Tcp
                    });
                    missing.insert((protocol, post.source, number), packet);
                }
            }
            let deadline = Deadline::after(PATIENCE);
            while !missing.is_empty() {
                let answer = self.next(deadline);
                let Some((key, outcome)) = answer else {
                    panic!("no answer to a marker: {missing:?}");
                };
                if missing.remove(&key).is_some() {
                    assert_eq!(outcome, Outcome::Accepted, "a marker");
                }
                if let Some(found) = open.get_mut(&key) {
                    *found = Some(outcome);
                }
            }
        }
    }

    /// The next packet at any end that answers something, and what it says about that.
    fn next(&mut self, deadline: Deadline) -> Option<(Key, Outcome)> {
        /// One end is waited at for so long before the others are looked at.
        const TURN: Duration = Duration::from_millis(2);
        loop {
            for (_, stranger) in &mut self.strangers {
                while let Some(packet) = stranger.take() {
                    if let Some((key, outcome)) = meaning(&packet) {
                        if outcome == Outcome::Accepted
                            && let Some(reset) = packet.reset()
                        {
                            // The listener's queue does not fill up with what is half open.
                            stranger.send(&reset);
                        }
                        return Some((key, outcome));
                    }
                }
            }
            deadline.remaining()?;
            let (_, first) = self.strangers.first_mut()?;
            first.wait(Deadline::after(TURN));
        }
    }

    fn number(&mut self) -> u16 {
        let number = self.next;
        self.next = number.checked_add(1).unwrap_or(FIRST);
        number
    }
}

/// Keeps the calling thread on one processor: what it sends goes through one queue, in order.
pub(super) fn stay() {
    let mut processors = CpuSet::new();
    processors.set(0).unwrap();
    // Where that is not allowed, there is one processor.
    let _ = sched_setaffinity(Pid::from_raw(0), &processors);
}

fn protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Icmp => 1,
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Icmpv6 => 58,
    }
}

/// The packet that asks.
fn packet(question: &Question, number: u16) -> Packet {
    let Question {
        source,
        destination,
        ..
    } = *question;
    match question.protocol {
        Protocol::Tcp => Packet::syn(source, number, destination, question.number, 1),
        Protocol::Udp => Packet::datagram(source, number, destination, question.number, *b"who"),
        Protocol::Icmp | Protocol::Icmpv6 => {
            let kind = u8::try_from(question.number).unwrap();
            let mut data = [number.to_be_bytes(), [0, 1]].concat();
            if kind == icmp::TIMESTAMP {
                data.resize(16, 0);
            }
            let body = Body::Icmp {
                kind,
                code: 0,
                data,
            };
            Packet::new(source, destination, body)
        }
    }
}

/// Which question a packet answers, and how.
fn meaning(packet: &Packet) -> Option<(Key, Outcome)> {
    if let Some(quoted) = packet.quoted() {
        return Some((key_of_question(&quoted)?, Outcome::Rejected));
    }
    let asker = packet.destination;
    match &packet.body {
        Body::Tcp { to, flags, .. } => {
            let outcome = if flags & tcp::RST != 0 {
                Outcome::Rejected
            } else if *flags == tcp::SYN | tcp::ACK {
                Outcome::Accepted
            } else {
                return None;
            };
            Some(((6, asker, *to), outcome))
        }
        Body::Udp { to, .. } => Some(((17, asker, *to), Outcome::Accepted)),
        Body::Icmp { kind, data, .. } => {
            let protocol = match (asker, *kind) {
                (IpAddr::V4(_), icmp::ECHO_REPLY | icmp::TIMESTAMP_REPLY) => 1,
                (IpAddr::V6(_), icmp::ECHO_REPLY6) => 58,
                _ => return None,
            };
            Some(((protocol, asker, identifier(data)?), Outcome::Accepted))
        }
        Body::Other { .. } => None,
    }
}

fn key_of_question(packet: &Packet) -> Option<Key> {
    let source = packet.source;
    Some(match &packet.body {
        Body::Tcp { from, .. } => (6, source, *from),
        Body::Udp { from, .. } => (17, source, *from),
        Body::Icmp { data, .. } => {
            let protocol = if source.is_ipv4() { 1 } else { 58 };
            (protocol, source, identifier(data)?)
        }
        Body::Other { .. } => return None,
    })
}

fn identifier(data: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(data.get(..2)?.try_into().ok()?))
}
