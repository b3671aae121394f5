//! [`Search`]: the largest packet that arrives: first what the link takes, alone; only if that is lost, a few rounds of
//! many sizes at once.

/// Sizes that links and tunnels of the field have, bytes; between them the next rounds look.
const USUAL: [u16; 14] = [
    84, 576, 1280, 1380, 1400, 1420, 1450, 1472, 1480, 1492, 1500, 4000, 8000, 9000,
];

/// Sizes of a later round.
const STEPS: u16 = 16;

/// One packet alone, the usual sizes, and four rounds of 16, after which 9,000 bytes of difference are one byte.
pub const MAX_ROUNDS: u8 = 6;

/// Sizes are packets with their IP header, bytes.
#[derive(Clone, Debug)]
pub struct Search {
    /// What the link takes.
    most: u16,
    /// The largest that arrived, 0: none yet.
    passes: u16,
    /// The smallest, above that, that did not.
    fails: u16,
    /// This round's sizes, rising, and whether they arrived.
    round: Vec<(u16, bool)>,
    rounds: u8,
}

impl Search {
    /// Up to the MTU of the link. That goes alone: a router that limits echo requests drops the last of a burst.
    pub fn new(most: u16) -> Self {
        Self {
            most,
            passes: 0,
            fails: most.saturating_add(1),
            round: vec![(most, false)],
            rounds: 1,
        }
    }

    /// The sizes of this round that have not arrived yet, the largest first: it says most.
    pub fn open(&self) -> impl Iterator<Item = u16> {
        let open = self.round.iter().rev().filter(|(_, arrived)| !arrived);
        open.map(|(size, _)| *size)
    }

    /// A packet of `size` bytes arrived.
    pub fn arrived(&mut self, size: u16) {
        for entry in self.round.iter_mut().filter(|entry| entry.0 == size) {
            entry.1 = true;
        }
    }

    /// The largest of this round arrived, or all did: no reason to wait.
    pub fn is_settled(&self) -> bool {
        self.round.last().is_none_or(|(_, arrived)| *arrived)
    }

    /// Takes this round as it is and starts the next; `false`: there is nothing more to learn.
    pub fn next_round(&mut self) -> bool {
        let arrived = self.round.iter().filter(|(_, arrived)| *arrived);
        self.passes = arrived.map(|(size, _)| *size).fold(self.passes, u16::max);
        let above = self.round.iter().map(|(size, _)| *size);
        self.fails = above
            .filter(|size| *size > self.passes)
            .fold(self.fails, u16::min);
        let gap = self.fails.saturating_sub(self.passes);
        let silent = self.passes == 0 && self.rounds > 1;
        if silent || gap <= 1 || self.rounds == MAX_ROUNDS {
            return false;
        }
        let step = gap.div_ceil(STEPS).max(1);
        let next: Vec<u16> = match self.passes {
            0 => USUAL.into(),
            passes => (1..STEPS)
                .map(|n| passes.saturating_add(n.saturating_mul(step)))
                .collect(),
        };
        let next = next.into_iter().filter(|size| *size < self.fails);
        self.round = next.map(|size| (size, false)).collect();
        self.rounds += 1;
        true
    }

    /// The largest that arrived; 0: none did.
    pub fn largest(&self) -> u16 {
        let arrived = self.round.iter().filter(|(_, arrived)| *arrived);
        let now = arrived.map(|(size, _)| *size).max().unwrap_or(0);
        now.max(self.passes)
    }

    /// What the link takes.
    pub fn most(&self) -> u16 {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches on a path of `mtu` bytes; what was found, in how many rounds.
    fn search(link: u16, mtu: u16) -> (u16, u8) {
        let mut search = Search::new(link);
        loop {
            let passing: Vec<u16> = search.open().filter(|size| *size <= mtu).collect();
            passing.into_iter().for_each(|size| search.arrived(size));
            if !search.next_round() {
                return (search.largest(), search.rounds);
            }
        }
    }

    #[test]
    fn every_mtu_is_found_to_the_byte() {
        assert_eq!(search(1500, 1500), (1500, 1));
        assert_eq!(search(1500, 0), (0, 2), "silence is not searched");
        for mtu in 84..=1500 {
            let (found, rounds) = search(1500, mtu);
            assert_eq!(found, mtu);
            assert!(rounds <= 5, "{mtu}: {rounds}");
        }
        for mtu in [84, 1500, 1501, 4001, 7777, 8999, 9000, 9216] {
            assert_eq!(search(9216, mtu).0, mtu);
        }
        assert_eq!(search(65535, 40_000).0, 40_000);
    }

    #[test]
    fn what_arrived_late_or_alone_counts() {
        let mut search = Search::new(1500);
        let first: Vec<u16> = search.open().collect();
        assert_eq!(first, [1500], "the largest goes alone");
        assert!(!search.is_settled());
        search.arrived(1500);
        assert!(search.is_settled());
        assert_eq!(search.largest(), 1500);
        assert!(!search.next_round(), "nothing to search");
        let mut search = Search::new(1500);
        assert!(search.next_round());
        assert_eq!(search.open().next(), Some(1492), "the largest goes first");
        search.arrived(1492);
        assert!(search.is_settled(), "smaller ones were lost, which happens");
    }
}
