//! The firewall: one op replaces the whole table where it is not what it should be, or removes it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::state::nft::{Chain, Counter, Element, KeyType, Rule, Set, Table, TableStatus};
use crate::state::{Desired, FirewallOp, Observed, Op, Unsaid};

pub(super) fn plan(desired: &Desired, observed: &Observed, ops: &mut Vec<Op>) {
    if desired.firewall.is_none() && desired.unsaid_firewall == Unsaid::Leave {
        return;
    }
    let wanted = desired.table();
    let there = observed.firewall.as_ref();
    let right = match (wanted, there) {
        (None, None) => true,
        (Some(table), Some(there)) => !there.foreign && there.table == **table,
        (None, Some(_)) | (Some(_), None) => false,
    };
    if !right {
        ops.push(Op::Firewall(FirewallOp {
            table: wanted.map(Arc::clone),
            counters: wanted.map_or_else(Vec::new, |table| carried(table, there)),
            elements: wanted.map_or_else(Vec::new, |table| carried_elements(table, there)),
            generation: observed.generation,
        }));
    }
}

/// What the rules of `table` have counted in the table that is there. A rule is the same as one of the same chain with the
/// same comment; of several such, the first is the first.
fn carried(table: &Table, there: Option<&TableStatus>) -> Vec<Vec<Counter>> {
    let mut counted: BTreeMap<Key<'_>, Counter> = BTreeMap::new();
    if let Some(there) = there {
        for (chain, counters) in there.table.chains.iter().zip(&there.counters) {
            for (key, counter) in keys(chain).zip(counters) {
                counted.insert(key, *counter);
            }
        }
    }
    let count = |key: Key<'_>| counted.get(&key).copied().unwrap_or_default();
    let chains = table.chains.iter();
    chains
        .map(|chain| keys(chain).map(count).collect())
        .collect()
}

/// What the elements of `table` have counted in the table that is there. An element is the same as one of a set with the same
/// key that has the same values and the same comment: the names of sets change with the rules around them.
fn carried_elements(table: &Table, there: Option<&TableStatus>) -> Vec<Vec<Counter>> {
    let mut counted: HashMap<(&[KeyType], &Element), Counter> = HashMap::new();
    if let Some(there) = there {
        for (set, counters) in there.table.sets.iter().zip(&there.elements) {
            for (element, counter) in set.elements.iter().zip(counters) {
                counted.insert((&set.key, element), *counter);
            }
        }
    }
    let of_set = |set: &Set| {
        let elements = set.elements.iter().filter(|_| set.counter);
        let count = |element| counted.get(&(&set.key[..], element)).copied();
        elements
            .map(|element| count(element).unwrap_or_default())
            .collect()
    };
    table.sets.iter().map(of_set).collect()
}

/// Name of the chain, comment, and how many with the same comment stand before.
type Key<'a> = (&'a str, Option<&'a str>, usize);

/// What tells each rule of a chain from the others, in their order.
fn keys(chain: &Chain) -> impl Iterator<Item = Key<'_>> {
    let mut before: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    chain.rules.iter().map(move |Rule { comment, .. }| {
        let comment = comment.as_deref();
        let nth = before.entry(comment).or_default();
        *nth += 1;
        (chain.name.as_str(), comment, *nth)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{forecast, plan};
    use super::*;
    use crate::state::FirewallSpec;
    use crate::state::nft::{Datum, Verdict};
    use crate::value::Origin;

    fn rule(comment: &str) -> Rule {
        Rule {
            matches: Vec::new(),
            limit: None,
            counter: true,
            log: None,
            verdict: Verdict::Accept,
            comment: (!comment.is_empty()).then(|| comment.to_owned()),
        }
    }

    /// `ingress: a b; prerouting: c`: chains with the comments of their rules, `-` for none.
    fn table(text: &str) -> Arc<Table> {
        let chains = text.split(';').filter_map(|chain| chain.split_once(':'));
        let chains = chains.map(|(name, rules)| Chain {
            name: name.trim().to_owned(),
            base: None,
            rules: rules
                .split_whitespace()
                .map(|comment| rule(comment.trim_start_matches('-')))
                .collect(),
        });
        Arc::new(Table {
            sets: Vec::new(),
            chains: chains.collect(),
        })
    }

    fn wants(table: Arc<Table>) -> Desired {
        Desired {
            firewall: Some(FirewallSpec {
                table,
                ..FirewallSpec::closed(Origin::builtin(""))
            }),
            ..Desired::default()
        }
    }

    fn has(table: &Arc<Table>) -> Observed {
        // The n-th rule has counted n packets.
        let mut n = 0;
        let mut next = |_: &Rule| {
            n += 1;
            Counter {
                packets: n,
                bytes: 100 * n,
            }
        };
        let counters = table.chains.iter();
        let counters = counters.map(|chain| chain.rules.iter().map(&mut next).collect());
        Observed {
            firewall: Some(TableStatus {
                table: Table::clone(table),
                counters: counters.collect(),
                elements: Vec::new(),
                foreign: false,
            }),
            generation: Some(7),
            ..Observed::default()
        }
    }

    /// The one op, or none.
    fn op(desired: &Desired, observed: &Observed) -> Option<FirewallOp> {
        match &plan(desired, observed)[..] {
            [] => None,
            [Op::Firewall(op)] => Some(op.clone()),
            others => panic!("{others:?}"),
        }
    }

    /// Packets that the rules of `new` start with where `old` is there.
    #[track_caller]
    fn check_carried(old: &str, new: &str, expect: &[&[u64]]) {
        let op = op(&wants(table(new)), &has(&table(old))).unwrap();
        let packets: Vec<Vec<u64>> = op
            .counters
            .iter()
            .map(|chain| chain.iter().map(|counter| counter.packets).collect())
            .collect();
        assert_eq!(packets, expect);
        assert_eq!(op.generation, Some(7));
    }

    #[test]
    fn counters_go_with_the_rules() {
        check_carried("in: a b c", "in: c a d", &[&[3, 1, 0]]);
        // By chain, and the n-th of a name is the n-th.
        check_carried(
            "in: a a; out: a",
            "out: a a; in: a x a a",
            &[&[3, 0], &[1, 0, 2, 0]],
        );
        check_carried("in: - a -", "in: a - - -", &[&[2, 1, 3, 0]]);
    }

    /// A set of elements that count: `a1 b2` are values with names.
    fn counting(name: &str, text: &str) -> Set {
        let element = |word: &str| {
            let (comment, value) = word.split_at(1);
            let datum = Datum::port(value.parse().unwrap());
            Element {
                first: datum,
                last: datum,
                comment: Some(comment.into()),
            }
        };
        Set {
            name: name.to_owned(),
            key: vec![KeyType::InetService],
            interval: true,
            counter: true,
            elements: text.split_whitespace().map(element).collect(),
        }
    }

    #[test]
    fn counters_go_with_the_elements() {
        let with = |sets: Vec<Set>| {
            let chains = table("in: x").chains.clone();
            Arc::new(Table { sets, chains })
        };
        let old = with(vec![counting("old", "a1 b2"), counting("other", "c3")]);
        let mut state = has(&old);
        let counter = |packets| Counter { packets, bytes: 7 };
        let there = state.firewall.as_mut().unwrap();
        there.elements = vec![vec![counter(1), counter(2)], vec![counter(3)]];
        // In a set with another name; but no other rule's, and no other value's.
        let mut silent = counting("silent", "a1");
        silent.counter = false;
        let new = with(vec![counting("new", "c3 a1 x2 b5"), silent]);
        let op = op(&wants(new), &state).unwrap();
        let none = Counter::default();
        assert_eq!(
            op.elements,
            [vec![counter(3), counter(1), none, none], vec![]]
        );
    }

    #[test]
    fn equal_is_left_and_foreign_is_not() {
        let base = table("in: a b");
        let mut observed = has(&base);
        assert_eq!(op(&wants(base.clone()), &observed), None);
        observed.firewall.as_mut().unwrap().foreign = true;
        let replaced = op(&wants(base.clone()), &observed).unwrap();
        assert_eq!(replaced.table, Some(base));
        assert_eq!(replaced.counters[0][1].packets, 2);
    }

    #[test]
    fn what_nobody_says_goes_and_what_is_not_known_stays() {
        let (there, other) = (table("in: a"), table("in: b"));
        let mut desired = Desired::default();
        assert_eq!(op(&desired, &Observed::default()), None);
        assert_eq!(op(&desired, &has(&there)).unwrap().table, None);
        // A table without chains is none.
        assert_eq!(op(&wants(table("")), &has(&there)).unwrap().table, None);
        desired.unsaid_firewall = Unsaid::Leave;
        assert_eq!(op(&desired, &has(&there)), None);
        assert_eq!(op(&desired, &Observed::default()), None);
        desired.unsaid_firewall = Unsaid::Keep(there.clone());
        assert_eq!(op(&desired, &has(&there)), None);
        assert_eq!(op(&desired, &has(&other)).unwrap().table, Some(there));
    }

    proptest! {
        #[test]
        fn the_second_plan_is_empty(old in "(in: [abc-]( [abc-]){0,4})?", new in "(in: [abc-]( [abc-]){0,4})?") {
            let mut state = has(&table(&old));
            if old.is_empty() {
                state.firewall = None;
            }
            let desired = wants(table(&new));
            for op in plan(&desired, &state) {
                forecast::change(&mut state, &op).unwrap();
            }
            prop_assert!(plan(&desired, &state).is_empty());
        }
    }
}
