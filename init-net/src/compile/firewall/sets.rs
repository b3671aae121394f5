//! Named sets: one for each list, shared by all that look the same list up.

use core::hash::{Hash as _, Hasher as _};
use std::collections::HashSet;
use std::collections::hash_map::{DefaultHasher, HashMap};

use super::ranges::{self, Range};
use crate::state::Family;
use crate::state::nft::{Datum, Element, Field, KeyType, Match, Set, Test};
use crate::value::{LinkPattern, PortRange};

/// The sets of a table that is being made.
#[derive(Default)]
pub(super) struct Sets {
    pub sets: Vec<Set>,
    names: HashSet<String>,
    /// By what is in them.
    known: HashMap<u64, Vec<usize>>,
}

impl Sets {
    /// That `field` is one of `ranges`, which are sorted and apart: inline when it is one, else a set named after `name`.
    pub fn addresses(
        &mut self,
        field: Field,
        family: Family,
        ranges: &[Range],
        not: bool,
        name: &str,
    ) -> Match {
        if let [one] = ranges {
            return Match::Is {
                field,
                test: address_test(*one, family, not),
            };
        }
        let (key, suffix) = match family {
            Family::Inet4 => (KeyType::Ipv4Addr, "v4"),
            Family::Inet6 => (KeyType::Ipv6Addr, "v6"),
        };
        let elements = ranges.iter().map(|(first, end)| {
            let datum = |bits| ranges::datum(bits, family);
            element(datum(*first), datum(*end))
        });
        let set = self.set(key, true, elements.collect(), &format!("{name}-{suffix}"));
        let fields = vec![field];
        Match::In { fields, set, not }
    }

    /// That the destination port is one of these.
    pub fn ports(&mut self, ports: &[PortRange], name: &str) -> Match {
        let ends = ports
            .iter()
            .map(|p| (Datum::port(p.first()), Datum::port(p.last())));
        self.either(
            Field::Dport,
            KeyType::InetService,
            ends.collect(),
            &format!("{name}-ports"),
        )
    }

    /// That the type of an ICMP message is one of these.
    pub fn icmp_types(&mut self, family: Family, types: &[(u8, u8)], name: &str) -> Match {
        let key = match family {
            Family::Inet4 => KeyType::IcmpType,
            Family::Inet6 => KeyType::Icmpv6Type,
        };
        let ends = types
            .iter()
            .map(|(a, b)| (Datum::byte(*a), Datum::byte(*b)));
        self.either(
            Field::IcmpType(family),
            key,
            ends.collect(),
            &format!("{name}-types"),
        )
    }

    fn either(
        &mut self,
        field: Field,
        key: KeyType,
        ends: Vec<(Datum, Datum)>,
        name: &str,
    ) -> Match {
        match ends.as_slice() {
            [(first, last)] if first == last => is(field, Test::Eq(*first)),
            [(first, last)] => is(field, Test::Between(*first, *last)),
            _ => {
                let interval = ends.iter().any(|(first, last)| first != last);
                let elements = ends.into_iter().map(|(first, last)| element(first, last));
                let set = self.set(key, interval, elements.collect(), name);
                let fields = vec![field];
                Match::In {
                    fields,
                    set,
                    not: false,
                }
            }
        }
    }

    /// That the link is one of these: one match for all whole names, and one for each start of a name. None: no match.
    pub fn links(&mut self, field: Field, links: &[LinkPattern], name: &str) -> Vec<Match> {
        let mut whole = Vec::new();
        let mut matches = Vec::new();
        for link in links {
            let start = link.start();
            match link.is_open() {
                true => {
                    matches.extend(Datum::new(start.as_bytes()).map(|d| is(field, Test::Eq(d))))
                }
                false => whole.extend(Datum::link(start)),
            }
        }
        whole.sort_unstable();
        whole.dedup();
        if !whole.is_empty() {
            let ends = whole.into_iter().map(|datum| (datum, datum)).collect();
            matches.insert(
                0,
                self.either(field, KeyType::Ifname, ends, &format!("{name}-links")),
            );
        }
        matches
    }

    /// The name of a set of like rules, which nothing else looks up.
    pub fn add(&mut self, set: Set, family: Family) -> String {
        let suffix = match family {
            Family::Inet4 => "v4",
            Family::Inet6 => "v6",
        };
        let name = unique(&mut self.names, &format!("rules-{suffix}"));
        self.sets.push(Set {
            name: name.clone(),
            ..set
        });
        name
    }

    /// The name of a set of these elements.
    fn set(&mut self, key: KeyType, interval: bool, elements: Vec<Element>, name: &str) -> String {
        let mut hasher = DefaultHasher::new();
        for element in &elements {
            (element.first, element.last).hash(&mut hasher);
        }
        let same = self.known.entry(hasher.finish()).or_default();
        let found = same.iter().filter_map(|at| self.sets.get(*at));
        let mut found = found.filter(|set| set.key == [key] && set.elements == elements);
        if let Some(set) = found.next() {
            return set.name.clone();
        }
        same.push(self.sets.len());
        let name = unique(&mut self.names, name);
        self.sets.push(Set {
            name: name.clone(),
            key: vec![key],
            interval,
            counter: false,
            elements,
        });
        name
    }
}

/// A name that nft(8) reads, and that nothing in `taken` has.
pub(super) fn unique(taken: &mut HashSet<String>, name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut clean: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    if !clean.starts_with(|c: char| c.is_ascii_alphabetic()) {
        clean.insert_str(0, "r-");
    }
    let mut name = clean.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{clean}-{number}");
        number += 1;
    }
    name
}

/// That a field is so.
pub(super) const fn is(field: Field, test: Test) -> Match {
    Match::Is { field, test }
}

fn element(first: Datum, last: Datum) -> Element {
    Element {
        first,
        last,
        comment: None,
    }
}

fn address_test(range: Range, family: Family, not: bool) -> Test {
    let datum = |bits| ranges::datum(bits, family);
    let (first, end) = range;
    match (ranges::prefix(range, family), not) {
        _ if first == end && !not => Test::Eq(datum(first)),
        _ if first == end => Test::Ne(datum(first)),
        (Some(prefix), false) => Test::Inside(prefix),
        (Some(prefix), true) => Test::NotInside(prefix),
        (None, false) => Test::Between(datum(first), datum(end)),
        (None, true) => Test::Outside(datum(first), datum(end)),
    }
}
