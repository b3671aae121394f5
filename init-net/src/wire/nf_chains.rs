//! The base chains of nf_tables: where they hook in and what becomes of a packet that no rule takes.
//! include/uapi/linux/netfilter/nf_tables.h.

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};

use super::answer::{Exchange, Progress};
use super::attribute::{attributes, text_of};
use super::body::Body;
use super::message::{WireError, frame};
use super::nft::{HEADER, chain, hook, kind, number};

/// NF_DROP, include/uapi/linux/netfilter.h.
const DROP: u32 = 0;

/// NFPROTO_* by the words of nft(8), with the names of their hooks in the kernel's order.
const FAMILIES: [(u8, &str, &[&str]); 6] = [
    (1, "inet", &IP_HOOKS),
    (2, "ip", &IP_HOOKS),
    (3, "arp", &["input", "output", "forward"]),
    (5, "netdev", &["ingress", "egress"]),
    (7, "bridge", &IP_HOOKS),
    (10, "ip6", &IP_HOOKS),
];

const IP_HOOKS: [&str; 6] = [
    "prerouting",
    "input",
    "forward",
    "output",
    "postrouting",
    "ingress",
];

/// Most chains that are kept: a host with a CNI has a few base chains, and many that only jump.
const MAX_CHAINS: usize = 256;

/// A base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseChain {
    /// Family of its table: `inet`, `ip6`.
    pub family: &'static str,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where packets enter it: `input`.
    pub hook: &'static str,
    /// A packet that no rule accepts is dropped.
    pub drops: bool,
}

/// The request for all chains of all families.
pub fn get(seq: u32) -> Result<Vec<u8>, WireError> {
    frame(
        kind::GET_CHAIN,
        NLM_F_REQUEST | NLM_F_DUMP,
        seq,
        &Body::new(&[0; HEADER]),
    )
}

/// Collects the answer to [`get`].
#[derive(Debug)]
pub struct Answer {
    exchange: Exchange,
    /// The base chains so far.
    pub chains: Vec<BaseChain>,
}

impl Answer {
    /// Awaits it.
    pub const fn new(seq: u32) -> Self {
        Self {
            exchange: Exchange::new(seq),
            chains: Vec::new(),
        }
    }

    /// Takes one datagram.
    pub fn receive(&mut self, datagram: &[u8]) -> Progress {
        let chains = &mut self.chains;
        self.exchange.receive(datagram, |message, body| {
            if message == kind::NEW_CHAIN && chains.len() < MAX_CHAINS {
                chains.extend(read(body));
            }
        })
    }
}

/// A base chain; `None`: one that only other chains jump to, or of a family that is newer than this program.
fn read(body: &[u8]) -> Option<BaseChain> {
    let (header, rest) = body.split_first_chunk::<HEADER>()?;
    let (_, family, hooks) = FAMILIES.iter().find(|(number, ..)| *number == header[0])?;
    let (mut table, mut name, mut hook, mut policy) = (None, None, None, None);
    for (kind, value) in attributes(rest) {
        match kind {
            chain::TABLE => table = Some(text_of(value)),
            chain::NAME => name = Some(text_of(value)),
            chain::HOOK => {
                let mut inner = attributes(value);
                hook = inner
                    .find(|(kind, _)| *kind == hook::NUMBER)
                    .and_then(|(_, value)| number(value));
            }
            chain::POLICY => policy = number(value),
            _ => {}
        }
    }
    Some(BaseChain {
        family,
        table: table?,
        name: name?,
        hook: hooks.get(usize::try_from(hook?).ok()?)?,
        drops: policy == Some(DROP),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(family: u8, policy: Option<u32>, hook: Option<u32>) -> Vec<u8> {
        let mut body = Body::new(&[family, 0, 0, 0]);
        body.put_text(chain::TABLE, "guests");
        body.put_text(chain::NAME, "in");
        if let Some(hook) = hook {
            body.nest(chain::HOOK, |nest| {
                nest.put(hook::NUMBER, &hook.to_be_bytes());
                nest.put(2, &0_u32.to_be_bytes());
            });
        }
        if let Some(policy) = policy {
            body.put(chain::POLICY, &policy.to_be_bytes());
        }
        frame(kind::NEW_CHAIN, 0, 7, &body).unwrap()
    }

    #[track_caller]
    fn check(message: &[u8], expect: Option<(&str, &str, bool)>) {
        let mut answer = Answer::new(7);
        assert_eq!(answer.receive(message), Progress::More);
        let found = answer.chains.first().map(|c| (c.family, c.hook, c.drops));
        assert_eq!(found, expect);
        for end in 0..message.len() {
            Answer::new(7).receive(&message[..end]);
        }
    }

    #[test]
    fn base_chains_are_read_and_others_left_out() {
        check(&chain(1, Some(0), Some(1)), Some(("inet", "input", true)));
        check(&chain(10, Some(1), Some(3)), Some(("ip6", "output", false)));
        check(
            &chain(5, Some(0), Some(0)),
            Some(("netdev", "ingress", true)),
        );
        check(&chain(1, None, None), None);
        check(&chain(99, Some(0), Some(1)), None);
        check(&chain(1, Some(0), Some(99)), None);
        check(
            &frame(kind::NEW_CHAIN, 0, 8, &Body::new(&[1, 0, 0, 0])).unwrap(),
            None,
        );
    }

    #[test]
    fn the_list_is_bounded() {
        let one = chain(1, Some(0), Some(1));
        let mut answer = Answer::new(7);
        for _ in 0..MAX_CHAINS + 1 {
            answer.receive(&one);
        }
        assert_eq!(answer.chains.len(), MAX_CHAINS);
    }
}
