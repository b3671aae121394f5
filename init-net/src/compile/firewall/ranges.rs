//! Networks as ranges of addresses of one family: what is in a list of subnets and not in their exceptions.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::state::nft::Datum;
use crate::state::{Family, IngressSpec};
use crate::value::Prefix;

/// From the first to the last address, both included; IPv4 in the low 32 bits.
pub(super) type Range = (u128, u128);

/// The last address of a family.
const fn last(family: Family) -> u128 {
    match family {
        Family::Inet4 => u32::MAX as u128,
        Family::Inet6 => u128::MAX,
    }
}

/// The addresses of a network.
fn range(prefix: Prefix) -> Range {
    let (address, bits) = match prefix.network().address() {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let host = bits - u32::from(prefix.len());
    let mask = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
    (address, address | mask)
}

/// What of `family` is in one of the subnets and in no exception of any: sorted, apart from each other and not adjacent.
/// `None`: no subnet is of that family.
pub(super) fn of(subnets: &[IngressSpec], family: Family) -> Option<Vec<Range>> {
    let v4 = family == Family::Inet4;
    let own = |prefix: &Prefix| prefix.is_ipv4() == v4;
    let includes = subnets.iter().map(|from| from.subnet).filter(own);
    let excludes = subnets.iter().filter_map(|from| from.except).filter(own);
    let includes = merged(includes.map(range).collect());
    (!includes.is_empty()).then(|| minus(&includes, &merged(excludes.map(range).collect())))
}

/// Sorted; what overlaps or is adjacent is one.
pub(super) fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut whole: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, end) in ranges {
        match whole.last_mut() {
            Some((_, before)) if first <= before.saturating_add(1) => *before = end.max(*before),
            Some(_) | None => whole.push((first, end)),
        }
    }
    whole
}

/// What is in `includes` and not in `excludes`; both are merged.
fn minus(includes: &[Range], excludes: &[Range]) -> Vec<Range> {
    let mut rest = Vec::with_capacity(includes.len());
    let mut at = 0;
    for (first, end) in includes {
        let mut first = *first;
        // Exceptions before this range are before all that follow.
        while excludes.get(at).is_some_and(|(_, hole)| *hole < first) {
            at += 1;
        }
        let inside = excludes.iter().skip(at);
        let mut open = true;
        for (from, to) in inside.take_while(|(from, _)| from <= end) {
            if *from > first {
                rest.push((first, from - 1));
            }
            if to >= end {
                open = false;
                break;
            }
            first = first.max(to + 1);
        }
        if open {
            rest.push((first, *end));
        }
    }
    rest
}

/// All of the family.
pub(super) const fn all(family: Family) -> Range {
    (0, last(family))
}

/// Whether `ranges` is all of the family.
pub(super) fn is_everything(ranges: &[Range], family: Family) -> bool {
    ranges == [all(family)]
}

/// An address of a family.
pub(super) fn address(bits: u128, family: Family) -> IpAddr {
    match family {
        // Ranges of IPv4 never leave the low 32 bits.
        Family::Inet4 => Ipv4Addr::from_bits(bits as u32).into(),
        Family::Inet6 => Ipv6Addr::from_bits(bits).into(),
    }
}

/// An address as nf_tables compares it.
pub(super) fn datum(bits: u128, family: Family) -> Datum {
    Datum::address(address(bits, family))
}

/// The one network that is this range.
pub(super) fn prefix((first, end): Range, family: Family) -> Option<Prefix> {
    let width = match family {
        Family::Inet4 => 32,
        Family::Inet6 => 128,
    };
    let host = 128 - (first ^ end).leading_zeros();
    let mask = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
    let whole = first & mask == 0 && end & mask == mask;
    let len = u8::try_from(width - host).ok()?;
    whole.then(|| Prefix::new(address(first, family), len).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(subnets: &[(&str, Option<&str>)]) -> Vec<IngressSpec> {
        let subnets = subnets.iter().map(|(subnet, except)| IngressSpec {
            subnet: subnet.parse().unwrap(),
            except: except.map(|except| except.parse().unwrap()),
        });
        subnets.collect()
    }

    #[track_caller]
    fn check(subnets: &[(&str, Option<&str>)], family: Family, expect: Option<&str>) {
        let shown = of(&from(subnets), family).map(|ranges| {
            let shown = ranges.into_iter().map(|range| match prefix(range, family) {
                Some(prefix) => prefix.to_string(),
                None => format!("{}-{}", address(range.0, family), address(range.1, family)),
            });
            shown.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(shown.as_deref(), expect);
    }

    #[test]
    fn subnets_less_their_exceptions() {
        use Family::{Inet4, Inet6};
        check(&[("10.0.0.0/8", None)], Inet4, Some("10.0.0.0/8"));
        check(&[("10.0.0.0/8", None)], Inet6, None);
        check(
            &[
                ("10.0.0.0/25", None),
                ("10.0.0.128/25", None),
                ("10.0.0.7/32", None),
            ],
            Inet4,
            Some("10.0.0.0/24"),
        );
        check(
            &[("10.0.0.0/24", Some("10.0.0.64/26"))],
            Inet4,
            Some("10.0.0.0/26 10.0.0.128/25"),
        );
        // An exception counts for all subnets, as in the field.
        check(
            &[("10.0.0.0/24", Some("10.0.0.0/25")), ("10.0.0.0/26", None)],
            Inet4,
            Some("10.0.0.128/25"),
        );
        check(&[("10.0.0.0/8", Some("10.0.0.0/8"))], Inet4, Some(""));
        check(
            &[("0.0.0.0/0", Some("255.255.255.255/32"))],
            Inet4,
            Some("0.0.0.0-255.255.255.254"),
        );
        check(
            &[("0.0.0.0/0", Some("0.0.0.0/32"))],
            Inet4,
            Some("0.0.0.1-255.255.255.255"),
        );
        check(&[("::/0", Some("8000::/1"))], Inet6, Some("::/1"));
        check(&[("::/1", None), ("8000::/1", None)], Inet6, Some("::/0"));
    }

    #[test]
    fn everything_is_known() {
        let all = of(
            &from(&[("0.0.0.0/1", None), ("128.0.0.0/1", None)]),
            Family::Inet4,
        );
        assert!(is_everything(&all.unwrap(), Family::Inet4));
        let most = of(&from(&[("::/0", Some("::1/128"))]), Family::Inet6);
        assert!(!is_everything(&most.unwrap(), Family::Inet6));
    }
}
