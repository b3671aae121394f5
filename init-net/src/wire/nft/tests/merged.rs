//! Comparisons as nft(8) makes them of our text, and what is shown of those that nobody here makes.

use super::super::buffer::Buffer;
use super::super::expression::{Compare, Decision, Expression, Load};
use super::super::rule;
use super::*;

const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

/// What is read of these.
fn read_back(all: &[Expression<'_>]) -> Rule {
    let mut list = Buffer::request((0, 0), 1, INET, |b| all.iter().for_each(|one| one.put(b)));
    rule::read(&list.split_off(16 + HEADER), &[]).0
}

fn loaded(load: Load, bytes: &[u8]) -> [Expression<'static>; 2] {
    let datum = Datum::new(bytes).unwrap();
    [
        Expression::Load(load, 0),
        Expression::Compare(Compare::Eq, datum),
    ]
}

fn payload(base: u32, offset: u32, bytes: &[u8]) -> [Expression<'static>; 2] {
    let len = bytes.len() as u32;
    loaded(Load::Payload { base, offset, len }, bytes)
}

/// `meta nfproto`, `meta l4proto`.
fn of(family: u8, protocol: u8) -> Vec<Expression<'static>> {
    [
        loaded(Load::Meta(15), &[family]),
        loaded(Load::Meta(16), &[protocol]),
    ]
    .concat()
}

#[track_caller]
fn reads(before: Vec<Expression<'static>>, merged: [Expression<'static>; 2], text: &str) {
    let all = [&before[..], &merged[..]].concat();
    let rule = read_back(&all);
    assert_eq!(rule.to_string(), text);
    let before = read_back(&before).matches.len();
    assert_eq!(rule.matches.len(), before + 2, "{rule:?}");
}

#[test]
fn two_fields_that_are_compared_as_one_are_two() {
    let v4 = of(2, 17);
    let text = "meta nfproto ipv4 udp sport 67 udp dport 68";
    reads(v4, payload(TRANSPORT, 0, &[0, 67, 0, 68]), text);
    let text = "meta nfproto ipv4 icmp type destination-unreachable icmp code frag-needed";
    reads(of(2, 1), payload(TRANSPORT, 0, &[3, 4]), text);
    let text = "meta nfproto ipv6 icmpv6 type destination-unreachable icmpv6 code 4";
    reads(of(10, 58), payload(TRANSPORT, 0, &[1, 4]), text);
    let family = loaded(Load::Meta(15), &[2]).to_vec();
    let text = "ip saddr 192.0.2.1 ip daddr 192.0.2.2";
    reads(
        family,
        payload(NETWORK, 12, &[192, 0, 2, 1, 192, 0, 2, 2]),
        text,
    );
}

#[test]
fn what_others_compare_is_shown_in_words() {
    let odd = payload(TRANSPORT, 4, &[0, 67, 0, 68]);
    assert_eq!(read_back(&odd).to_string(), "# cmp eq 0x00430044");
    let accept = Expression::Decide(Decision::Accept);
    let late = [vec![accept], odd.to_vec()].concat();
    assert_eq!(read_back(&late).to_string(), "# @th,32,32 accept");
}
