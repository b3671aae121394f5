//! A table as the text that nft(8) reads, close to what `nft list table` prints.
//!
//! What nft(8) adds by itself is left out: `ip saddr` says that a packet is IPv4, `tcp dport` that it is TCP.

use core::fmt::{self, Display, Formatter};

use super::value_text::{Priority, Value, element_value, joined, protocol_name, quoted};
use super::{
    Base, Chain, Element, Field, KeyType, Match, Rule, Set, TABLE, Table, Test, Verdict, ct,
};
use crate::state::Family;

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet {TABLE} {{")?;
        for (at, set) in self.sets.iter().enumerate() {
            gap(f, at)?;
            write_set(f, set)?;
        }
        for (at, chain) in self.chains.iter().enumerate() {
            gap(f, at + self.sets.len())?;
            write_chain(f, chain)?;
        }
        f.write_str("}")
    }
}

fn gap(f: &mut Formatter<'_>, at: usize) -> fmt::Result {
    f.write_str(if at == 0 { "" } else { "\n" })
}

fn write_set(f: &mut Formatter<'_>, set: &Set) -> fmt::Result {
    writeln!(f, "\tset {} {{", set.name)?;
    writeln!(f, "\t\ttype {}", joined(" . ", &set.key))?;
    if set.interval {
        writeln!(f, "\t\tflags interval")?;
    }
    if set.counter {
        writeln!(f, "\t\tcounter")?;
    }
    let noted = set.counter || set.elements.iter().any(|element| element.comment.is_some());
    let a_line = match (noted, set.key.as_slice()) {
        (false, [KeyType::Ipv4Addr | KeyType::InetService]) => 3,
        _ => 1,
    };
    for (at, element) in set.elements.iter().enumerate() {
        f.write_str(match at {
            0 => "\t\telements = { ",
            _ if at % a_line == 0 => ",\n\t\t\t     ",
            _ => ", ",
        })?;
        write_element(f, set, element)?;
    }
    f.write_str(if set.elements.is_empty() { "" } else { " }\n" })?;
    writeln!(f, "\t}}")
}

fn write_element(f: &mut Formatter<'_>, set: &Set, element: &Element) -> fmt::Result {
    element_value(f, &set.key, element)?;
    if set.counter {
        f.write_str(" counter")?;
    }
    match &element.comment {
        Some(comment) => write!(f, " comment {}", quoted(comment)),
        None => Ok(()),
    }
}

/// An element of a set, as it stands among the others: `10.0.0.0/8 . tcp . 22 counter comment "ssh"`.
pub struct ElementText<'s>(pub &'s Set, pub &'s Element);

impl Display for ElementText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_element(f, self.0, self.1)
    }
}

/// The same without what it is called: `10.0.0.0/8 . tcp . 22`.
pub struct ElementValue<'s>(pub &'s Set, pub &'s Element);

impl Display for ElementValue<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        element_value(f, &self.0.key, self.1)
    }
}

/// What a rule matches, and how often: `tcp dport 22 limit rate 5/second burst 5 packets`. Empty: everything.
pub struct MatchText<'r>(pub &'r Rule);

impl Display for MatchText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut space = "";
        let matches = &self.0.matches;
        for (at, found) in matches.iter().enumerate() {
            let rest = matches.get(at + 1..).unwrap_or_default();
            let before = matches.get(..at).unwrap_or_default();
            if !is_implied(found, rest) {
                f.write_str(space)?;
                write_match(f, found, protocol(before))?;
                space = " ";
            }
        }
        if let Some(limit) = self.0.limit {
            let unit = match limit.unit {
                1 => "second",
                60 => "minute",
                3600 => "hour",
                _ => "day",
            };
            let (rate, burst) = (limit.rate, limit.burst);
            write!(f, "{space}limit rate {rate}/{unit} burst {burst} packets")?;
        }
        Ok(())
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Reject(how) => write!(f, "reject with {how}"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Return => f.write_str("return"),
            Self::Continue => f.write_str("continue"),
        }
    }
}

fn write_chain(f: &mut Formatter<'_>, chain: &Chain) -> fmt::Result {
    writeln!(f, "\tchain {} {{", chain.name)?;
    if let Some(Base {
        hook,
        priority,
        policy,
    }) = chain.base
    {
        let priority = Priority(hook, priority);
        writeln!(
            f,
            "\t\ttype filter hook {hook} priority {priority}; policy {policy};"
        )?;
    }
    for rule in &chain.rules {
        writeln!(f, "\t\t{rule}")?;
    }
    writeln!(f, "\t}}")
}

impl Display for Rule {
    /// One line, as it stands in a chain.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.matches.iter().any(|m| matches!(m, Match::Foreign(_))) {
            f.write_str("# ")?;
        }
        let matched = MatchText(self).to_string();
        let mut space = if matched.is_empty() { "" } else { " " };
        f.write_str(&matched)?;
        if self.counter {
            write!(f, "{space}counter")?;
            space = " ";
        }
        if let Some(log) = &self.log {
            write!(f, "{space}log prefix {} level info", quoted(&log.prefix))?;
            space = " ";
        }
        if self.verdict != Verdict::Continue {
            write!(f, "{space}{}", self.verdict)?;
        }
        match &self.comment {
            Some(comment) => write!(f, " comment {}", quoted(comment)),
            None => Ok(()),
        }
    }
}

/// The protocol that matches before have asked for.
fn protocol(before: &[Match]) -> Option<u8> {
    before.iter().rev().find_map(|found| match found {
        Match::Is {
            field: Field::L4Proto,
            test: Test::Eq(datum),
        } => datum.bytes().first().copied(),
        Match::Is { .. } | Match::In { .. } | Match::Foreign(_) => None,
    })
}

/// The fields of a match.
fn fields(found: &Match) -> &[Field] {
    match found {
        Match::Is { field, .. } => core::slice::from_ref(field),
        Match::In { fields, .. } => fields,
        Match::Foreign(_) => &[],
    }
}

/// Whether the match after it says the same by the name of its field. nft(8) asks where the field is compared, so that a later
/// one would make another order of it.
fn is_implied(found: &Match, rest: &[Match]) -> bool {
    let Match::Is {
        field,
        test: Test::Eq(datum),
    } = found
    else {
        return false;
    };
    let number = datum.bytes().first().copied().unwrap_or_default();
    let mut later = rest.first().into_iter().flat_map(fields);
    match field {
        Field::NfProto => {
            later.any(|later| family(*later).is_some_and(|f| family_number(f) == number))
        }
        Field::L4Proto => later.any(|later| match later {
            Field::Sport | Field::Dport => port_header(Some(number)) != "th",
            Field::IcmpType(family) | Field::IcmpCode(family) => icmp_number(*family) == number,
            _ => false,
        }),
        _ => false,
    }
}

/// The family whose header a field is in.
const fn family(field: Field) -> Option<Family> {
    match field {
        Field::Saddr(family) | Field::Daddr(family) | Field::HopLimit(family) => Some(family),
        Field::Iifname
        | Field::Oifname
        | Field::NfProto
        | Field::L4Proto
        | Field::CtState
        | Field::CtStatus
        | Field::Sport
        | Field::Dport
        | Field::IcmpType(_)
        | Field::IcmpCode(_)
        | Field::DaddrType
        | Field::DaddrTypeByIif => None,
    }
}

/// NFPROTO_IPV4, NFPROTO_IPV6.
const fn family_number(family: Family) -> u8 {
    match family {
        Family::Inet4 => 2,
        Family::Inet6 => 10,
    }
}

/// IPPROTO_ICMP, IPPROTO_ICMPV6.
const fn icmp_number(family: Family) -> u8 {
    match family {
        Family::Inet4 => 1,
        Family::Inet6 => 58,
    }
}

/// The header that ports are in.
fn port_header(protocol: Option<u8>) -> &'static str {
    match protocol {
        Some(6) => "tcp",
        Some(17) => "udp",
        Some(_) | None => "th",
    }
}

fn write_match(f: &mut Formatter<'_>, found: &Match, protocol: Option<u8>) -> fmt::Result {
    match found {
        Match::Is { field, test } => {
            write_field(f, *field, protocol)?;
            write_test(f, *field, test)
        }
        Match::In { fields, set, not } => {
            for (at, field) in fields.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { " . " })?;
                write_field(f, *field, protocol)?;
            }
            write!(f, "{} @{set}", if *not { " !=" } else { "" })
        }
        Match::Foreign(text) => write!(f, "{}", text.replace(char::is_control, "?")),
    }
}

fn write_field(f: &mut Formatter<'_>, field: Field, protocol: Option<u8>) -> fmt::Result {
    let ip = |family| match family {
        Family::Inet4 => "ip",
        Family::Inet6 => "ip6",
    };
    let icmp = |family| match family {
        Family::Inet4 => "icmp",
        Family::Inet6 => "icmpv6",
    };
    match field {
        Field::Iifname => f.write_str("iifname"),
        Field::Oifname => f.write_str("oifname"),
        Field::NfProto => f.write_str("meta nfproto"),
        Field::L4Proto => f.write_str("meta l4proto"),
        Field::CtState => f.write_str("ct state"),
        Field::CtStatus => f.write_str("ct status"),
        Field::Saddr(family) => write!(f, "{} saddr", ip(family)),
        Field::Daddr(family) => write!(f, "{} daddr", ip(family)),
        Field::HopLimit(Family::Inet4) => f.write_str("ip ttl"),
        Field::HopLimit(Family::Inet6) => f.write_str("ip6 hoplimit"),
        Field::Sport => write!(f, "{} sport", port_header(protocol)),
        Field::Dport => write!(f, "{} dport", port_header(protocol)),
        Field::IcmpType(family) => write!(f, "{} type", icmp(family)),
        Field::IcmpCode(family) => write!(f, "{} code", icmp(family)),
        Field::DaddrType => f.write_str("fib daddr type"),
        Field::DaddrTypeByIif => f.write_str("fib daddr . iif type"),
    }
}

fn write_test(f: &mut Formatter<'_>, field: Field, test: &Test) -> fmt::Result {
    let value = |datum| Value { field, datum };
    match test {
        Test::Eq(datum) if field == Field::L4Proto => write!(f, " {}", protocol_name(datum)),
        Test::Eq(datum) => write!(f, " {}", value(datum)),
        Test::Ne(datum) => write!(f, " != {}", value(datum)),
        Test::Between(first, last) => write!(f, " {:#}-{:#}", value(first), value(last)),
        Test::Outside(first, last) => write!(f, " != {:#}-{:#}", value(first), value(last)),
        Test::Inside(prefix) => write!(f, " {prefix}"),
        Test::NotInside(prefix) => write!(f, " != {prefix}"),
        Test::AnyOf(bits) => match bit_names(field, *bits) {
            Some(names) => write!(f, " {names}"),
            None => write!(f, " & {bits} != 0"),
        },
        Test::NoneOf(bits) => match bit_names(field, *bits) {
            Some(names) => write!(f, " ! {names}"),
            None => write!(f, " & {bits} == 0"),
        },
    }
}

/// Names of bits, where all of them have one.
fn bit_names(field: Field, bits: u32) -> Option<String> {
    match (field, bits) {
        (Field::CtState, _) => Some(super::value_text::states(bits)),
        (Field::CtStatus, ct::DNAT) => Some("dnat".to_owned()),
        _ => None,
    }
}
