//! What of addresses and ports is taken already: whether two rules match the same packet, without a comparison of each with
//! each.

use std::collections::{BTreeMap, HashMap};

use super::ranges::Range;
use super::runs::Piece;
use crate::state::Family;
use crate::value::{PortRange, Protocol};

/// A network: its family, how many bits of it are those of hosts, and the others.
type Block = (Family, u32, u128);

/// The networks that a range is made of.
fn blocks(family: Family, (mut first, last): Range) -> impl Iterator<Item = Block> {
    let mut open = true;
    core::iter::from_fn(move || {
        if !open {
            return None;
        }
        let room = match (last - first).checked_add(1) {
            Some(size) => size.ilog2(),
            None => u128::BITS,
        };
        let host = first.trailing_zeros().min(room);
        let block = (family, host, start(first, host));
        let size = 1_u128.checked_shl(host).unwrap_or(0);
        open = first | size.wrapping_sub(1) != last;
        first = first.wrapping_add(size);
        Some(block)
    })
}

/// An address without the bits of the host.
fn start(address: u128, host: u32) -> u128 {
    address.checked_shr(host).unwrap_or(0)
}

/// How many bits of hosts the networks of each family have: few different numbers, as people write them.
pub(super) fn hosts<'p>(pieces: impl Iterator<Item = &'p [Piece]>) -> [Vec<u32>; 2] {
    let mut hosts = [Vec::new(), Vec::new()];
    for piece in pieces.flatten() {
        for (family, host, _) in blocks(piece.family, piece.addresses) {
            let [v4, v6] = &mut hosts;
            let own = match family {
                Family::Inet4 => v4,
                Family::Inet6 => v6,
            };
            if let Err(at) = own.binary_search(&host) {
                own.insert(at, host);
            }
        }
    }
    hosts
}

/// What the rules of a run match: for each network in question the ports that are taken of it. A question takes as many looks
/// as networks have lengths, and not as there are rules.
pub(super) struct Space<'h> {
    hosts: &'h [Vec<u32>; 2],
    taken: HashMap<(Protocol, Block), Taken>,
}

/// Ports of a network.
#[derive(Default)]
struct Taken {
    /// Of all of it.
    whole: Ports,
    /// Of some part of it.
    part: Ports,
}

impl<'h> Space<'h> {
    pub fn new(hosts: &'h [Vec<u32>; 2]) -> Self {
        Self {
            hosts,
            taken: HashMap::new(),
        }
    }

    /// The networks in question that `block` is inside of, and itself.
    fn around(&self, (family, host, network): Block) -> impl Iterator<Item = Block> + use<'h> {
        let [v4, v6] = self.hosts;
        let hosts = match family {
            Family::Inet4 => v4,
            Family::Inet6 => v6,
        };
        let wider = hosts.iter().filter(move |wider| **wider >= host);
        wider.map(move |wider| (family, *wider, start(network, wider - host)))
    }

    /// Whether something of `piece` is taken.
    pub fn meets(&self, piece: &Piece) -> bool {
        let taken = |block| self.taken.get(&(piece.protocol, block));
        blocks(piece.family, piece.addresses).any(|block| {
            taken(block).is_some_and(|taken| taken.part.meets(piece.ports))
                || self
                    .around(block)
                    .any(|around| taken(around).is_some_and(|taken| taken.whole.meets(piece.ports)))
        })
    }

    pub fn add(&mut self, piece: &Piece) {
        for block in blocks(piece.family, piece.addresses) {
            for around in self.around(block) {
                let taken = self.taken.entry((piece.protocol, around)).or_default();
                taken.part.add(piece.ports);
                if around == block {
                    taken.whole.add(piece.ports);
                }
            }
        }
    }
}

/// Ranges of ports, apart from each other, the last by the first.
#[derive(Default)]
struct Ports(BTreeMap<u16, u16>);

impl Ports {
    fn meets(&self, range: PortRange) -> bool {
        let before = self.0.range(..=range.last()).next_back();
        before.is_some_and(|(_, last)| *last >= range.first())
    }

    fn add(&mut self, range: PortRange) {
        let (mut first, mut last) = (range.first(), range.last());
        while let Some((from, to)) = self.0.range(..=last).next_back() {
            if *to < first {
                break;
            }
            (first, last) = (first.min(*from), last.max(*to));
            let from = *from;
            self.0.remove(&from);
        }
        self.0.insert(first, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Rng;

    #[test]
    fn a_range_is_its_networks() {
        let check = |range, expect: &[(u32, u128)]| {
            let found =
                blocks(Family::Inet6, range).map(|(_, host, start)| (host, start << (host % 128)));
            assert_eq!(found.collect::<Vec<_>>(), expect);
        };
        check((0, u128::MAX), &[(128, 0)]);
        check((6, 16), &[(1, 6), (3, 8), (0, 16)]);
        check(
            (u128::MAX - 2, u128::MAX),
            &[(0, u128::MAX - 2), (1, u128::MAX - 1)],
        );
        check((7, 7), &[(0, 7)]);
    }

    /// Few addresses and ports, so that many meet.
    fn piece(rng: &mut Rng) -> Piece {
        let mut range = |most: u64| {
            let (a, b) = (rng.below(most), rng.below(most));
            match rng.below(2) {
                0 => (a, a),
                _ => (a.min(b), a.max(b)),
            }
        };
        let (first, last) = range(64);
        let (low, high) = range(12);
        Piece {
            family: [Family::Inet4, Family::Inet6][rng.below(2) as usize],
            protocol: [Protocol::Tcp, Protocol::Udp][rng.below(2) as usize],
            addresses: (first.into(), last.into()),
            ports: PortRange::new(low as u16, high as u16).unwrap(),
        }
    }

    fn overlap(a: &Piece, b: &Piece) -> bool {
        (a.family, a.protocol) == (b.family, b.protocol)
            && a.addresses.0 <= b.addresses.1
            && b.addresses.0 <= a.addresses.1
            && a.ports.first() <= b.ports.last()
            && b.ports.first() <= a.ports.last()
    }

    #[test]
    fn it_says_what_a_comparison_of_each_with_each_says() {
        for seed in 0..500 {
            let rng = &mut Rng::new(seed);
            let pieces: Vec<Piece> = (0..40).map(|_| piece(rng)).collect();
            let hosts = hosts([&pieces[..]].into_iter());
            let mut space = Space::new(&hosts);
            let mut taken: Vec<Piece> = Vec::new();
            for piece in pieces {
                let expect = taken.iter().any(|other| overlap(other, &piece));
                assert_eq!(space.meets(&piece), expect, "{seed}: {piece:?} {taken:?}");
                if !expect {
                    space.add(&piece);
                    taken.push(piece);
                }
            }
        }
    }
}
