//! Values of nf_tables as nft(8) writes them.

use core::fmt::{self, Display, Formatter};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Datum, Element, Field, Hook, KeyType, ct};
use crate::state::Family;
use crate::value::{IcmpName, Icmpv6Name, Prefix};

/// The priority of a chain, by its place beside one that has a name (nft(8), "standard priority names").
pub(super) struct Priority(pub Hook, pub i32);

impl Display for Priority {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        /// Names and the hooks in which they are known.
        const NAMED: [(&str, i32, Option<Hook>); 6] = [
            ("raw", -300, None),
            ("mangle", -150, None),
            ("dstnat", -100, Some(Hook::Prerouting)),
            ("filter", 0, None),
            ("security", 50, None),
            ("srcnat", 100, Some(Hook::Postrouting)),
        ];
        /// As far from a name nft(8) still writes it.
        const NEAR: u32 = 10;
        let Self(hook, priority) = *self;
        let near = NAMED.iter().find(|(_, named, only)| {
            named.abs_diff(priority) <= NEAR && only.is_none_or(|only| only == hook)
        });
        match near {
            Some((name, named, _)) if *named == priority => f.write_str(name),
            Some((name, named, _)) if *named < priority => {
                write!(f, "{name} + {}", priority.abs_diff(*named))
            }
            Some((name, named, _)) => write!(f, "{name} - {}", priority.abs_diff(*named)),
            None => write!(f, "{priority}"),
        }
    }
}

/// A text in quotes. nft(8) knows no escapes: what would end the text, or stand for a variable, is replaced.
pub(super) fn quoted(text: &str) -> String {
    let clean = text.chars().map(|c| match c {
        '"' => '\'',
        '$' | '\\' => '?',
        c if c.is_control() => '?',
        c => c,
    });
    format!("\"{}\"", clean.collect::<String>())
}

/// `a . b`.
pub(super) fn joined<T: Display>(between: &str, parts: &[T]) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    parts.join(between)
}

/// A protocol, by a name that nft(8) itself knows; else as a number.
pub(super) fn protocol_name(datum: &Datum) -> String {
    match datum.bytes() {
        [1] => "icmp".to_owned(),
        [2] => "igmp".to_owned(),
        [6] => "tcp".to_owned(),
        [17] => "udp".to_owned(),
        [58] => "icmpv6".to_owned(),
        [number] => number.to_string(),
        _ => hex(datum.bytes()),
    }
}

/// Bits of `ct state`.
pub(super) fn states(bits: u32) -> String {
    const NAMES: [(u32, &str); 5] = [
        (ct::INVALID, "invalid"),
        (ct::ESTABLISHED, "established"),
        (ct::RELATED, "related"),
        (ct::NEW, "new"),
        (ct::UNTRACKED, "untracked"),
    ];
    let set = NAMES.iter().filter(|(bit, _)| bits & bit != 0);
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    names.join(",")
}

/// What a field is compared with; in the alternate form, which is that of ranges, types of ICMP are numbers.
pub(super) struct Value<'d> {
    pub field: Field,
    pub datum: &'d Datum,
}

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let bytes = self.datum.bytes();
        match (self.field, bytes) {
            (Field::Iifname | Field::Oifname, name) => link(f, name),
            (Field::NfProto, [2]) => f.write_str("ipv4"),
            (Field::NfProto, [10]) => f.write_str("ipv6"),
            (Field::IcmpCode(Family::Inet4), [4]) if !f.alternate() => f.write_str("frag-needed"),
            (Field::IcmpType(family), [number]) if !f.alternate() => icmp(f, family, *number),
            (Field::DaddrType | Field::DaddrTypeByIif | Field::CtState, bytes) => {
                let number = <[u8; 4]>::try_from(bytes).map_or(0, u32::from_ne_bytes);
                match self.field {
                    Field::CtState => f.write_str(&states(number)),
                    _ => address_type(f, number),
                }
            }
            (Field::Saddr(_) | Field::Daddr(_), bytes) => match ip(bytes) {
                Some(address) => write!(f, "{address}"),
                None => f.write_str(&hex(bytes)),
            },
            (_, [number]) => write!(f, "{number}"),
            (_, [high, low]) => write!(f, "{}", u16::from_be_bytes([*high, *low])),
            (_, bytes) => f.write_str(&hex(bytes)),
        }
    }
}

/// An element of a set with this key.
pub(super) fn element_value(
    f: &mut Formatter<'_>,
    key: &[KeyType],
    element: &Element,
) -> fmt::Result {
    let mut at = 0;
    for (part, kind) in key.iter().enumerate() {
        f.write_str(if part == 0 { "" } else { " . " })?;
        let slice = |datum: &Datum| {
            let bytes = datum.bytes().get(at..at + kind.len());
            bytes.and_then(Datum::new)
        };
        match (slice(&element.first), slice(&element.last)) {
            (Some(first), Some(last)) => range(f, *kind, &first, &last)?,
            _ => f.write_str(&hex(element.first.bytes()))?,
        }
        at += kind.len().next_multiple_of(4);
    }
    Ok(())
}

fn range(f: &mut Formatter<'_>, kind: KeyType, first: &Datum, last: &Datum) -> fmt::Result {
    let field = match kind {
        KeyType::Ipv4Addr | KeyType::Ipv6Addr => {
            if let Some(prefix) = prefix(first.bytes(), last.bytes()) {
                return write!(f, "{prefix}");
            }
            Field::Saddr(Family::Inet4)
        }
        KeyType::InetProto if first == last => return f.write_str(&protocol_name(first)),
        KeyType::InetProto => Field::L4Proto,
        KeyType::InetService => Field::Dport,
        KeyType::IcmpType => Field::IcmpType(Family::Inet4),
        KeyType::Icmpv6Type => Field::IcmpType(Family::Inet6),
        KeyType::Ifname => Field::Iifname,
    };
    let value = |datum| Value { field, datum };
    match first == last {
        true => write!(f, "{}", value(first)),
        false => write!(f, "{:#}-{:#}", value(first), value(last)),
    }
}

/// The network of more than one address that these are the ends of.
fn prefix(first: &[u8], last: &[u8]) -> Option<Prefix> {
    let bits = first.len() * 8;
    let differ = |at: usize| {
        let bit = |bytes: &[u8]| bytes.get(at / 8).map(|byte| byte >> (7 - at % 8) & 1);
        bit(first) != bit(last)
    };
    let len = (0..bits).find(|at| differ(*at))?;
    let prefix = Prefix::new(ip(first)?, u8::try_from(len).ok()?).ok()?;
    // All bits behind the length are 0 in the first and 1 in the last.
    let whole = (len..bits).all(differ) && prefix.network() == prefix;
    whole.then_some(prefix)
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

/// A name, or with `*` behind it what names start with. A `*` of a name stands behind `\`.
fn link(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let name: Vec<u8> = bytes
        .iter()
        .copied()
        .take_while(|byte| *byte != 0)
        .collect();
    let name = String::from_utf8_lossy(&name);
    match bytes.len() < 16 {
        true => f.write_str(&quoted(&format!("{name}*"))),
        false => f.write_str(&quoted(&name).replace("*\"", "\\*\"")),
    }
}

fn icmp(f: &mut Formatter<'_>, family: Family, number: u8) -> fmt::Result {
    let name = match family {
        Family::Inet4 => IcmpName::from_number(number).map(IcmpName::name),
        Family::Inet6 => Icmpv6Name::from_number(number).map(Icmpv6Name::name),
    };
    match name {
        Some(name) => f.write_str(name),
        None => write!(f, "{number}"),
    }
}

/// RTN_*, include/uapi/linux/rtnetlink.h.
fn address_type(f: &mut Formatter<'_>, number: u32) -> fmt::Result {
    const NAMES: [&str; 9] = [
        "unspec",
        "unicast",
        "local",
        "broadcast",
        "anycast",
        "multicast",
        "blackhole",
        "unreachable",
        "prohibit",
    ];
    match usize::try_from(number)
        .ok()
        .and_then(|number| NAMES.get(number))
    {
        Some(name) => f.write_str(name),
        None => write!(f, "{number}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{}", digits.concat())
}
