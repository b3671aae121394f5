//! Named sets and their elements, and back.
//!
//! A set of single values is a hash. Ranges of one value are a tree of starts and ends, where an end is the first value that
//! is outside. Ranges of concatenations have both ends in one element.

use super::super::attribute::attributes;
use super::buffer::Buffer;
use super::expression::{self, Expression};
use super::user_data::{self, ByteOrder};
use super::{DATA_VALUE, LIST_ELEMENT, number, text};
use crate::state::nft::{Counter, Datum, Element, KeyType, MAX_DATUM, Set};

/// NFTA_SET_*.
mod nfta {
    pub const TABLE: u16 = 1;
    pub const NAME: u16 = 2;
    pub const FLAGS: u16 = 3;
    pub const KEY_TYPE: u16 = 4;
    pub const KEY_LEN: u16 = 5;
    pub const DATA_TYPE: u16 = 6;
    pub const DESCRIPTION: u16 = 9;
    pub const ID: u16 = 10;
    pub const TIMEOUT: u16 = 11;
    pub const USER_DATA: u16 = 13;
    pub const EXPRESSION: u16 = 17;
    pub const EXPRESSIONS: u16 = 18;
}

/// NFTA_SET_DESC_CONCAT, and NFTA_SET_FIELD_LEN in that: bytes, whatever its comment says.
const CONCAT: u16 = 2;
const FIELD_LEN: u16 = 1;

/// NFT_SET_INTERVAL, NFT_SET_CONCAT.
const INTERVAL: u32 = 4;
const CONCATENATION: u32 = 0x80;

/// NFTA_SET_ELEM_LIST_*.
pub(super) mod list {
    pub const TABLE: u16 = 1;
    pub const SET: u16 = 2;
    pub const ELEMENTS: u16 = 3;
}

/// NFTA_SET_ELEM_*.
mod element {
    pub const KEY: u16 = 1;
    pub const FLAGS: u16 = 3;
    pub const TIMEOUT: u16 = 4;
    pub const USER_DATA: u16 = 6;
    pub const EXPRESSION: u16 = 7;
    pub const KEY_END: u16 = 10;
    pub const EXPRESSIONS: u16 = 11;
}

/// NFT_SET_ELEM_INTERVAL_END.
const END: u32 = 1;

/// Bits of one type in the type of a concatenation (TYPE_BITS of nft(8)).
const TYPE_BITS: u32 = 6;

/// Elements of one message stop here, bytes: the list's length has 16 bits, and one element is below 400 bytes.
const MAX_ELEMENTS: usize = 32 << 10;

/// Everything of a set but its elements. `id` is its number in the batch.
pub(super) fn put(buffer: &mut Buffer, table: &str, wanted: &Set, id: u32) {
    let concat = wanted.key.len() > 1;
    let mut flags = 0;
    if wanted.interval {
        flags |= INTERVAL;
        if concat {
            flags |= CONCATENATION;
        }
    }
    let kinds = wanted.key.iter();
    let kind = kinds.fold(0, |all, one| all << TYPE_BITS | one.number());
    let length = match wanted.key[..] {
        [one] => one.len(),
        _ => wanted.key.iter().map(|one| padded(*one)).sum(),
    };
    buffer.put_text(nfta::TABLE, table);
    buffer.put_text(nfta::NAME, &wanted.name);
    buffer.put_number(nfta::FLAGS, flags);
    buffer.put_number(nfta::KEY_TYPE, kind);
    buffer.put_number(nfta::KEY_LEN, u32::try_from(length).unwrap_or(u32::MAX));
    buffer.put_number(nfta::ID, id);
    if flags & CONCATENATION != 0 {
        buffer.nest(nfta::DESCRIPTION, |b| {
            b.nest(CONCAT, |b| {
                for one in &wanted.key {
                    let length = u32::try_from(one.len()).unwrap_or(u32::MAX);
                    b.nest(LIST_ELEMENT, |b| b.put_number(FIELD_LEN, length));
                }
            });
        });
    }
    let order = match wanted.key[..] {
        [KeyType::Ifname] => ByteOrder::Host,
        [_] => ByteOrder::Network,
        _ => ByteOrder::Mixed,
    };
    user_data::put_key_order(buffer, nfta::USER_DATA, order);
    if wanted.counter {
        Expression::Counter(Counter::default()).put_as(buffer, nfta::EXPRESSION);
    }
}

/// Length of a part of a concatenation in registers, bytes.
fn padded(kind: KeyType) -> usize {
    kind.len().next_multiple_of(4)
}

/// As many of `elements` as one message takes, at least one of them; where they count, from `counters` on. Answers how many.
pub(super) fn put_elements(
    buffer: &mut Buffer,
    table: &str,
    wanted: &Set,
    elements: &[Element],
    counters: &[Counter],
) -> usize {
    let mut counted = counters.iter().filter(|_| wanted.counter);
    let mut taken = 0;
    buffer.put_text(list::TABLE, table);
    buffer.put_text(list::SET, &wanted.name);
    buffer.nest(list::ELEMENTS, |b| {
        for one in elements {
            if taken > 0 && b.message_len() > MAX_ELEMENTS {
                break;
            }
            put_element(b, wanted, one, counted.next().copied().unwrap_or_default());
            taken += 1;
        }
    });
    taken
}

fn put_element(buffer: &mut Buffer, wanted: &Set, one: &Element, counter: Counter) {
    let tree = wanted.interval && wanted.key.len() == 1;
    let end = after(&one.last);
    buffer.nest(LIST_ELEMENT, |b| {
        put_key(b, element::KEY, &one.first);
        if wanted.interval && !tree {
            put_key(b, element::KEY_END, &one.last);
        }
        let open = tree && end.is_none();
        user_data::put(b, element::USER_DATA, one.comment.as_deref(), open);
        // Of its own accord it starts at nothing.
        if counter != Counter::default() {
            Expression::Counter(counter).put_as(b, element::EXPRESSION);
        }
    });
    if let Some(end) = end.filter(|_| tree) {
        buffer.nest(LIST_ELEMENT, |b| {
            put_key(b, element::KEY, &end);
            b.put_number(element::FLAGS, END);
        });
    }
}

fn put_key(buffer: &mut Buffer, kind: u16, key: &Datum) {
    buffer.nest(kind, |b| b.put(DATA_VALUE, key.bytes()));
}

/// The next higher value; `None`: this is the highest.
fn after(key: &Datum) -> Option<Datum> {
    step(key, u8::MAX, 0, |byte| byte + 1)
}

/// The next lower value; `None`: this is the lowest.
fn before(key: &Datum) -> Option<Datum> {
    step(key, 0, u8::MAX, |byte| byte - 1)
}

/// Counts by one: bytes that are `full` from the end on become `empty`, and the one before them takes a step.
fn step(key: &Datum, full: u8, empty: u8, next: impl Fn(u8) -> u8) -> Option<Datum> {
    let mut bytes = [0; MAX_DATUM];
    let bytes = bytes.get_mut(..key.bytes().len())?;
    bytes.copy_from_slice(key.bytes());
    for byte in bytes.iter_mut().rev() {
        if *byte == full {
            *byte = empty;
        } else {
            *byte = next(*byte);
            return Datum::new(bytes);
        }
    }
    None
}

/// Reads a message about a set, without its elements. `None`: nothing that this program makes.
pub(super) fn read(body: &[u8]) -> Option<Set> {
    let (mut name, mut flags, mut kind, mut counter, mut strange) = (None, 0, 0, false, false);
    for (attribute, value) in attributes(body) {
        match attribute {
            nfta::NAME => name = text(value).map(str::to_owned),
            nfta::FLAGS => flags = number(value)?,
            nfta::KEY_TYPE => kind = number(value)?,
            nfta::DATA_TYPE | nfta::TIMEOUT => strange = true,
            nfta::EXPRESSION => counter |= is_counter(value)?,
            nfta::EXPRESSIONS => {
                let all: Vec<_> = attributes(value).collect();
                let [(_, one)] = all[..] else {
                    return None;
                };
                counter |= is_counter(one)?;
            }
            _ => {}
        }
    }
    let mut key = Vec::new();
    while kind > 0 {
        key.push(KeyType::from_number(kind & ((1 << TYPE_BITS) - 1))?);
        kind >>= TYPE_BITS;
    }
    key.reverse();
    let interval = flags & INTERVAL != 0;
    let known = match key.len() {
        0 => return None,
        1 => INTERVAL,
        _ => INTERVAL | CONCATENATION,
    };
    let fits = flags & !known == 0 && (key.len() == 1 || interval == (flags & CONCATENATION != 0));
    (fits && !strange).then_some(Set {
        name: name?,
        key,
        interval,
        counter,
        elements: Vec::new(),
    })
}

/// `None`: an expression that is none.
fn is_counter(value: &[u8]) -> Option<bool> {
    matches!(expression::read(value), Ok(Expression::Counter(_))).then_some(true)
}

/// Collects the elements of a set.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// Start or single value, its end where it has one of its own, its comment; and what it has counted, where it does.
    found: Vec<(Element, Option<Counter>)>,
    /// First values that are outside.
    ends: Vec<Datum>,
    /// Something that this program does not make.
    pub(super) foreign: bool,
}

impl Elements {
    /// Takes a message about some of them.
    pub(super) fn take(&mut self, body: &[u8]) {
        for (kind, value) in attributes(body) {
            if kind == list::ELEMENTS {
                for (_, one) in attributes(value) {
                    self.foreign |= self.take_one(one).is_none();
                }
            }
        }
    }

    fn take_one(&mut self, body: &[u8]) -> Option<()> {
        let (mut first, mut last, mut flags, mut comment) = (None, None, 0, None);
        let mut counter = None;
        for (kind, value) in attributes(body) {
            match kind {
                element::KEY => first = key(value),
                element::KEY_END => last = key(value),
                element::FLAGS => flags = number(value)?,
                element::USER_DATA => comment = user_data::comment(value),
                element::EXPRESSION => match expression::read(value) {
                    Ok(Expression::Counter(counted)) => counter = Some(counted),
                    _ => return None,
                },
                element::TIMEOUT | element::EXPRESSIONS => return None,
                _ => {}
            }
        }
        let first = first?;
        match flags {
            0 => {
                let found = Element {
                    first,
                    last: last.unwrap_or(first),
                    comment: comment.map(String::into_boxed_str),
                };
                self.found.push((found, counter));
            }
            END => self.ends.push(first),
            _ => return None,
        }
        Some(())
    }

    /// The elements of `set`, in order, and what they have counted; that is nothing where the set does not count.
    pub(super) fn into_elements(mut self, set: &Set) -> (Vec<Element>, Vec<Counter>) {
        self.found.sort_by_key(|(one, _)| (one.first, one.last));
        if set.interval && set.key.len() == 1 {
            self.ends.sort();
            let mut ends = self.ends.iter().peekable();
            for (one, _) in &mut self.found {
                // An end at or before its start is that of another, or the one that nft(8) puts before all.
                while ends.next_if(|end| **end <= one.first).is_some() {}
                let end = ends.peek();
                let highest = Datum::new(&[u8::MAX; MAX_DATUM][..one.first.bytes().len()]);
                one.last = end.map_or(highest, |end| before(end)).unwrap_or(one.first);
            }
        }
        let (elements, counters): (Vec<_>, Vec<_>) = self.found.into_iter().unzip();
        let counters = counters.into_iter().filter(|_| set.counter);
        (elements, counters.map(Option::unwrap_or_default).collect())
    }

    /// Whether an element counts.
    pub(super) fn is_counting(&self) -> bool {
        self.found.iter().any(|(_, counter)| counter.is_some())
    }
}

/// Whether an element only says where the one before it ends.
pub(super) fn is_end(body: &[u8]) -> bool {
    let mut flags = attributes(body).filter(|(kind, _)| *kind == element::FLAGS);
    flags.next().and_then(|(_, value)| number(value)) == Some(END)
}

fn key(value: &[u8]) -> Option<Datum> {
    let mut inner = attributes(value).filter(|(kind, _)| *kind == DATA_VALUE);
    inner.next().and_then(|(_, bytes)| Datum::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_over_their_bytes() {
        let of = |bytes: &[u8]| Datum::new(bytes).unwrap();
        assert_eq!(after(&of(&[10, 255, 255])), Some(of(&[11, 0, 0])));
        assert_eq!(after(&of(&[255, 255])), None);
        assert_eq!(before(&of(&[11, 0, 0])), Some(of(&[10, 255, 255])));
        assert_eq!(before(&of(&[0, 0])), None);
    }
}
