//! Whole tables there and back, refusals, and netlink-packet-netfilter as the oracle.

mod merged;
mod random;

use core::net::IpAddr;
use std::sync::Arc;

use netlink_packet_core::{
    NLM_F_ACK, NetlinkBuffer, NetlinkMessage, NetlinkPayload, Parseable as _,
};
use netlink_packet_netfilter::nftables::{
    ExpressionAttribute, ListAttribute, NfTablesMessage, RuleAttribute, RuleMessage,
};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};

use super::buffer::Buffer;
use super::*;
use crate::state::nft::{
    Base, Chain, Counter, Datum, Element, Field, Hook, KeyType, Limit, Log, Match, Policy, Reject,
    Rule, Set, TABLE, Table, TableStatus, Test, Verdict, ct,
};
use crate::state::{Family, FirewallOp};
use crate::value::{Prefix, Rng};
use crate::wire::attribute::{attributes, text_of};
use crate::wire::message::frames;
use crate::wire::{Progress, message};

/// Random tables of one test.
const TABLES: u64 = 200;

fn op(table: Table) -> FirewallOp {
    FirewallOp {
        table: Some(Arc::new(table)),
        counters: Vec::new(),
        elements: Vec::new(),
        generation: None,
    }
}

/// What the elements of sets that count have counted, some of them.
fn counted(table: &Table, rng: &mut Rng) -> Vec<Vec<Counter>> {
    let mut counter = |_: &Element| Counter {
        packets: rng.below(3),
        bytes: rng.below(2) << 40,
    };
    let of_set = |set: &Set| {
        let elements = set.elements.iter().filter(|_| set.counter);
        elements.map(&mut counter).collect()
    };
    table.sets.iter().map(of_set).collect()
}

fn random_op(seed: u64) -> FirewallOp {
    op(random::table(&mut Rng::new(seed)))
}

/// A message with another type, sequence number and body.
fn message(kind: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    let length = 16 + body.len() as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend([kind.to_ne_bytes(), [0; 2]].concat());
    message.extend(seq.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(body);
    message
}

/// What the kernel answers to `part`, once it has taken `batch`: trees and hashes are not in the order of their making.
fn answers(batch: &[u8], part: &Part, table: &Table, seq: u32) -> Vec<Vec<u8>> {
    let wanted = match part {
        Part::Generation => {
            let answer = Buffer::request((kind::NEW_GENERATION, 0), seq, 0, |b| b.put_number(1, 7));
            return vec![answer];
        }
        Part::Table => {
            let answer = Buffer::request((kind::NEW_TABLE, 0), seq, INET, |b| {
                b.put_text(table::NAME, TABLE);
                b.put_number(table::FLAGS, 0);
                b.put_number(table::USE, (table.sets.len() + table.chains.len()) as u32);
            });
            return vec![answer];
        }
        Part::Sets => kind::NEW_SET,
        Part::Elements(_) => kind::NEW_ELEMENTS,
        Part::Chains => kind::NEW_CHAIN,
        Part::Rules => kind::NEW_RULE,
    };
    let mut all: Vec<Vec<u8>> = frames(batch)
        .filter(|frame| frame.kind == wanted)
        .filter(|frame| match part {
            Part::Elements(index) => {
                let name = [table.sets[*index].name.as_bytes(), b"\0"].concat();
                let mut values = attributes(&frame.body[HEADER..]);
                values.any(|(kind, value)| kind == 2 && value == name)
            }
            _ => true,
        })
        .map(|frame| message(frame.kind, seq, frame.body))
        .collect();
    if let Part::Elements(_) = part {
        all.reverse();
    }
    all
}

/// What is read of `answers`, each question ended as the kernel does.
fn read(mut answers: impl FnMut(&Part, u32) -> Vec<Vec<u8>>) -> Result<read::Seen, read::Seen> {
    let mut reading = Reading::default();
    let mut parts = Reading::parts();
    let mut seq = 10;
    while let Some(part) = parts.pop_front() {
        seq += 1;
        reading.ask(&part, seq);
        for datagram in answers(&part, seq) {
            assert_eq!(reading.receive(&datagram), Progress::More);
        }
        let done = message(message::kind::NLMSG_DONE, seq, &[0; 4]);
        assert_eq!(reading.receive(&done), Progress::Done);
        for next in reading.answered(&part, false).into_iter().rev() {
            parts.push_front(next);
        }
    }
    reading.finish()
}

#[test]
fn what_is_written_reads_back() {
    for seed in 0..TABLES {
        let mut op = random_op(seed);
        let table = op.table.clone().unwrap();
        let count = |(index, rule): (usize, &Rule)| Counter {
            packets: if rule.counter { index as u64 + 1 } else { 0 },
            bytes: if rule.counter { 1 << 40 } else { 0 },
        };
        op.counters = Vec::from_iter(table.chains.iter().map(|chain| {
            let rules = chain.rules.iter().enumerate();
            rules.map(count).collect()
        }));
        op.elements = counted(&table, &mut Rng::new(seed));
        let batch = encode(&op, 3).unwrap();
        let seen = read(|part, seq| answers(&batch.bytes, part, &table, seq)).unwrap();
        let expected = TableStatus {
            table: Table::clone(&table),
            counters: op.counters.clone(),
            elements: op.elements.clone(),
            foreign: false,
        };
        assert_eq!(seen, (Some(expected), Some(7)), "{seed}");
    }
}

#[test]
fn what_is_cut_short_or_broken_panics_nowhere() {
    let mut rng = Rng::new(1);
    for seed in 0..20 {
        let op = random_op(seed);
        let table = op.table.clone().unwrap();
        let batch = encode(&op, 3).unwrap();
        for _ in 0..20 {
            let _any = read(|part, seq| {
                let mut all = answers(&batch.bytes, part, &table, seq);
                for answer in &mut all {
                    let at = 16 + rng.below(answer.len() as u64 - 16) as usize;
                    if rng.below(4) > 0 {
                        answer[at] ^= rng.below(256) as u8;
                    } else {
                        answer.truncate(at);
                    }
                }
                all
            });
        }
    }
}

#[test]
fn a_change_during_the_look_is_seen() {
    let op = random_op(1);
    let table = op.table.clone().unwrap();
    let batch = encode(&op, 3).unwrap();
    let mut generation = 7;
    let seen = read(|part, seq| match part {
        Part::Generation => {
            generation += 1;
            vec![Buffer::request((kind::NEW_GENERATION, 0), seq, 0, |b| {
                b.put_number(1, generation);
            })]
        }
        part => answers(&batch.bytes, part, &table, seq),
    });
    assert!(seen.is_err());
    let mut reading = Reading::default();
    reading.ask(&Part::Chains, 1);
    reading.answered(&Part::Chains, true);
    assert_eq!(reading.finish(), Err((None, None)));
}

#[test]
fn no_table_is_an_answer_and_other_refusals_are_none() {
    let mut reading = Reading::default();
    let rest = reading.refused(&Part::Table, 2).unwrap();
    assert_eq!(rest, [Part::Generation]);
    assert_eq!(reading.finish(), Ok((None, None)));
    assert_eq!(Reading::default().refused(&Part::Table, 1), None);
    let mut gone = Reading::default();
    gone.refused(&Part::Elements(0), 2).unwrap();
    assert_eq!(gone.finish(), Err((None, None)));
}

/// As another program reads it.
fn parsed(bytes: &[u8]) -> NetlinkMessage<NetfilterMessage> {
    NetlinkMessage::parse(&NetlinkBuffer::new(&bytes)).unwrap()
}

/// The bytes of every message of a batch.
fn messages(mut batch: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some(length) = batch.get(..4) {
        let length = u32::from_ne_bytes(length.try_into().unwrap()) as usize;
        let (one, rest) = batch.split_at(length);
        all.push(one);
        batch = rest;
    }
    all
}

/// The names of a rule's expressions, as our own reading walks them.
fn names(body: &[u8]) -> Vec<String> {
    let all = attributes(&body[HEADER..]);
    let lists = all.filter(|(kind, _)| *kind == batch::nfta_rule::EXPRESSIONS);
    let elements = lists.flat_map(|(_, list)| attributes(list));
    let names = elements.filter_map(|(_, one)| attributes(one).find(|(kind, _)| *kind == 1));
    names.map(|(_, name)| text_of(name)).collect()
}

/// And as the oracle reads them.
fn read_names(rule: &RuleMessage) -> Vec<String> {
    let mut all = Vec::new();
    for attribute in &rule.attributes {
        let RuleAttribute::Expressions(list) = attribute else {
            continue;
        };
        for one in list {
            let ListAttribute::Element(parts) = one else {
                panic!("{one:?}");
            };
            for part in parts {
                match part {
                    ExpressionAttribute::Name(name) => all.push(name.clone()),
                    ExpressionAttribute::Data(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    all
}

#[test]
fn the_oracle_reads_every_message() {
    for seed in 0..TABLES {
        let op = random_op(seed);
        let table = op.table.clone().unwrap();
        let batch = encode(&op, 3).unwrap();
        let (mut sets, mut chains, mut rules) = (0, 0, 0);
        for bytes in messages(&batch.bytes) {
            let NetlinkPayload::InnerMessage(message) = parsed(bytes).payload else {
                continue;
            };
            let NetfilterMessageInner::NfTables(message) = message.inner else {
                continue;
            };
            match message {
                NfTablesMessage::NewSet(_) => sets += 1,
                NfTablesMessage::NewChain(_) => chains += 1,
                NfTablesMessage::NewRule(rule) => {
                    rules += 1;
                    assert_eq!(read_names(&rule), names(&bytes[16..]));
                }
                _ => {}
            }
        }
        let all: usize = table.chains.iter().map(|chain| chain.rules.len()).sum();
        let expected = (table.sets.len(), table.chains.len(), all);
        assert_eq!((sets, chains, rules), expected);
    }
}

#[test]
fn one_transaction_with_one_acknowledgement() {
    let op = FirewallOp {
        generation: Some(0x0102_0304),
        ..random_op(5)
    };
    let batch = encode(&op, 3).unwrap();
    let all: Vec<_> = frames(&batch.bytes).collect();
    let kinds: Vec<u16> = all.iter().map(|frame| frame.kind).collect();
    let start = [
        kind::BATCH_BEGIN,
        kind::NEW_TABLE,
        kind::DELETE_TABLE,
        kind::NEW_TABLE,
    ];
    assert_eq!(kinds[..4], start);
    assert_eq!(kinds.last(), Some(&kind::BATCH_END));
    // NFNL_BATCH_GENID.
    assert_eq!(all[0].body, [0, 0, 0, 10, 8, 0, 1, 0, 1, 2, 3, 4]);
    let asked = all.iter().filter(|frame| frame.flags & NLM_F_ACK != 0);
    let asked: Vec<u32> = asked.map(|frame| frame.seq).collect();
    assert_eq!(asked, [batch.last_seq() - 1]);
    let numbers: Vec<u32> = all.iter().map(|frame| frame.seq).collect();
    assert_eq!(numbers, Vec::from_iter(3..=batch.last_seq()));
    let gone = FirewallOp {
        table: None,
        counters: Vec::new(),
        elements: Vec::new(),
        generation: None,
    };
    let batch = encode(&gone, u32::MAX - 1).unwrap();
    let kinds: Vec<u16> = frames(&batch.bytes).map(|frame| frame.kind).collect();
    let whole = [
        kind::BATCH_BEGIN,
        kind::NEW_TABLE,
        kind::DELETE_TABLE,
        kind::BATCH_END,
    ];
    assert_eq!(kinds, whole);
    // Over the end of the numbers.
    assert_eq!(batch.last_seq(), 1);
    assert_eq!(batch.receive(&answer(0, 0, None)), Some(Ok(())));
}

/// NLMSG_ERROR to `seq`, capped, about the attribute at `offset`.
fn answer(seq: u32, errno: i32, offset: Option<usize>) -> Vec<u8> {
    let mut body = (-errno).to_ne_bytes().to_vec();
    body.extend([0; 16]);
    if let Some(offset) = offset {
        body.extend([8, 0, 2, 0]);
        body.extend((offset as u32).to_ne_bytes());
    }
    let mut answer = message(message::kind::NLMSG_ERROR, seq, &body);
    // NLM_F_CAPPED, NLM_F_ACK_TLVS.
    answer[6..8].copy_from_slice(&0x300_u16.to_ne_bytes());
    answer
}

/// A table with sets of several messages.
fn large() -> FirewallOp {
    let pair = |i: u32| {
        let at = |offset: u32| {
            let bits = 0x0a00_0000 + i * 4 + offset;
            Datum::address(IpAddr::from(bits.to_be_bytes()))
        };
        (at(0), at(1))
    };
    let element = |i| Element {
        first: pair(i).0,
        last: pair(i).1,
        comment: Some(format!("element {i}").into_boxed_str()),
    };
    let rule = |name: &str, field| Rule {
        matches: vec![Match::Is {
            field,
            test: Test::Eq(Datum::word(2)),
        }],
        limit: None,
        counter: true,
        log: None,
        verdict: Verdict::Accept,
        comment: (!name.is_empty()).then(|| name.to_owned()),
    };
    let chain = |name: &str, rules| Chain {
        name: name.to_owned(),
        base: None,
        rules,
    };
    op(Table {
        sets: vec![Set {
            name: "many".to_owned(),
            key: vec![KeyType::Ipv4Addr],
            interval: true,
            counter: false,
            elements: (0..5000).map(element).collect(),
        }],
        chains: vec![
            chain("first", vec![rule("ssh", Field::CtState)]),
            chain(
                "second",
                vec![rule("", Field::DaddrType), rule("web", Field::CtState)],
            ),
        ],
    })
}

#[track_caller]
fn refused(seq: u32, errno: i32, offset: Option<usize>, words: &str) {
    let op = large();
    let batch = encode(&op, 100).unwrap();
    let objection = batch
        .receive(&answer(seq, errno, offset))
        .unwrap()
        .unwrap_err();
    assert_eq!(objection.about(&op), words);
}

#[test]
fn what_is_refused_is_named() {
    let op = large();
    let batch = encode(&op, 100).unwrap();
    let all: Vec<_> = frames(&batch.bytes).collect();
    let of = |wanted: u16| {
        let found = all.iter().filter(move |frame| frame.kind == wanted);
        Vec::from_iter(found.map(|frame| (frame.seq, frame.body)))
    };
    let place = |(_, body): (u32, &[u8]), text: &[u8]| {
        let mut windows = body.windows(text.len());
        windows.position(|window| window == text).unwrap() + 16
    };
    let no_such = "No such file or directory (os error 2)";
    refused(
        100,
        85,
        None,
        "the batch: the rules are no longer those that this was planned for",
    );
    let absent = "the batch: Operation not supported (os error 95) (the kernel has no nf_tables?)";
    refused(100, 95, None, absent);
    refused(
        101,
        1,
        None,
        "table inet init-net: Operation not permitted (os error 1)",
    );
    let sets = of(kind::NEW_SET);
    refused(
        sets[0].0,
        95,
        None,
        "set many: Operation not supported (os error 95)",
    );
    let elements = of(kind::NEW_ELEMENTS);
    assert!(elements.len() > 2, "{}", elements.len());
    for (_, body) in &elements {
        assert!(body.len() < 40_000, "{}", body.len());
    }
    refused(
        elements[0].0,
        17,
        None,
        "element \"element 0\" of set many: File exists (os error 17)",
    );
    // The attribute around the key of this address.
    let third = place(elements[0], &[10, 0, 0, 12]) - 12;
    refused(
        elements[0].0,
        17,
        Some(third),
        "element \"element 3\" of set many: File exists (os error 17)",
    );
    let chains = of(kind::NEW_CHAIN);
    refused(
        chains[1].0,
        17,
        None,
        "chain second: File exists (os error 17)",
    );
    let rules = of(kind::NEW_RULE);
    refused(
        rules[0].0,
        2,
        None,
        &format!("rule \"ssh\" of chain first: {no_such}"),
    );
    refused(
        rules[1].0,
        2,
        None,
        &format!("rule 1 of chain second: {no_such}"),
    );
    let name = place(rules[1], b"fib\0") - 4;
    let words = format!("rule 1 of chain second: {no_such} (the kernel has no nft_fib_inet?)");
    refused(rules[1].0, 2, Some(name), &words);
    let name = place(rules[2], b"ct\0") - 4;
    let words = format!("rule \"web\" of chain second: {no_such} (the kernel has no nft_ct?)");
    refused(rules[2].0, 2, Some(name), &words);
    refused(
        rules[2].0,
        2,
        Some(1 << 20),
        &format!("rule \"web\" of chain second: {no_such}"),
    );
    // Others' answers, and acknowledgements before the last.
    assert_eq!(batch.receive(&answer(99, 2, None)), None);
    assert_eq!(batch.receive(&answer(100, 0, None)), None);
    assert_eq!(batch.receive(&answer(batch.last_seq() + 1, 2, None)), None);
    assert_eq!(batch.receive(&answer(rules[2].0, 0, None)), Some(Ok(())));
}

#[test]
fn a_kernel_that_is_too_old_is_named() {
    let element = |first: u8| Element {
        first: Datum::new(&[10, 0, 0, first, 0, 1, 0, 0]).unwrap(),
        last: Datum::new(&[10, 0, 0, first, 0, 9, 0, 0]).unwrap(),
        comment: None,
    };
    let op = op(Table {
        sets: vec![Set {
            name: "rules-v4".to_owned(),
            key: vec![KeyType::Ipv4Addr, KeyType::InetService],
            interval: true,
            counter: true,
            elements: (0..3).map(element).collect(),
        }],
        chains: Vec::new(),
    });
    let batch = encode(&op, 100).unwrap();
    let mut all = frames(&batch.bytes);
    let set = all.find(|frame| frame.kind == kind::NEW_SET).unwrap().seq;
    let words = |errno| {
        let answered = batch.receive(&answer(set, errno, None));
        answered.unwrap().unwrap_err().about(&op)
    };
    let old = "(the kernel is older than 5.7?)";
    for (errno, text) in [
        (2, "No such file or directory"),
        (22, "Invalid argument"),
        (95, "Operation not supported"),
    ] {
        assert_eq!(
            words(errno),
            format!("set rules-v4: {text} (os error {errno}) {old}")
        );
    }
    assert!(!words(12).contains(old));
}

#[test]
fn what_is_too_long_has_no_batch() {
    let long = "x".repeat(128);
    let change = |change: &dyn Fn(&mut Table)| {
        let mut table = Table::clone(large().table.as_deref().unwrap());
        change(&mut table);
        encode(&op(table), 1).map(drop)
    };
    let length = Err(crate::wire::WireError::Length);
    assert_eq!(change(&|_| {}), Ok(()));
    assert_eq!(
        change(&|t| t.chains[0].rules[0].comment = Some(long.clone())),
        length
    );
    assert_eq!(
        change(&|t| t.sets[0].elements[7].comment = Some(long.clone().into_boxed_str())),
        length
    );
    let log = Log {
        prefix: long.clone(),
    };
    assert_eq!(
        change(&|t| t.chains[0].rules[0].log = Some(log.clone())),
        length
    );
    assert_eq!(change(&|t| t.chains[0].name = "x".repeat(256)), length);
    assert_eq!(change(&|t| t.sets[0].name = "a\0b".to_owned()), length);
}
