//! `ip=`, `nfsaddrs=` and `ip6=`: which of its forms was written, and the two short ones.
//!
//! ```text
//! ip=off|none                                                        no default network
//! ip=<method>[,<method>…]                                            on every physical link
//! ip=<address>                                                       anaconda.rs
//! ip=<interface>:<method>[:[<mtu>][:<mac>]]
//! ip=<client>:<peer>:<gateway>:<netmask>:<hostname>:<device>:<method>[:<tail>]     long.rs
//! ```
//!
//! An IPv6 address stands in brackets; a hardware address is written with dashes, or with colons as six fields. All
//! that is said of one link adds up, in whatever number of arguments it is said.

use super::argument::{Argument, Fault};
use super::divergence::{self, Form};
use super::fields::Field;
use super::method::{self, Family, Methods};
use super::reading::Reading;
use super::{long, tail, values};
use crate::config::{AutoMethod, LinkRef, Said};
use crate::value::{Mac, Mtu};

/// Reads one `ip=` of whatever form.
pub(super) fn parse<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
    family: Family,
) -> Result<(), Fault> {
    let Some(value) = argument.word.value else {
        return argument.required().map(|_| ());
    };
    if let Some(bracket) = value.lone_bracket() {
        return Err(argument.error(
            bracket,
            "a bracket without its partner",
            "write an IPv6 address as [2001:db8::7]",
        ));
    }
    match argument.key() {
        "ip6" => divergence::warn(reading, argument, argument.word.key, &divergence::IP6),
        "nfsaddrs" => divergence::warn(reading, argument, argument.word.key, &divergence::NFSADDRS),
        _ => {}
    }
    let mut fields = value.split(b':');
    join_mac(value, &mut fields, 0);
    match *fields.as_slice() {
        [] | [_] => one_field(reading, argument, value, family),
        [first, second, ..] if is_long(first, second, fields.len()) => {
            if first.is_empty() && method::is_method(second) {
                let fix = format!("write {0}=dhcp, or {0}=eth0:dhcp", argument.key());
                return Err(argument.error(value, "field 1 (interface) is empty", fix));
            }
            long::parse(reading, argument, value, fields, family)
        }
        [first, second, ..] => {
            if lacks_brackets(value, first, second) {
                return Err(argument.error(
                    value,
                    "an IPv6 address without brackets",
                    "write each IPv6 address in brackets: [2001:db8::7]",
                ));
            }
            interface(reading, argument, value, fields, family)
        }
    }
}

/// Whether the fields are those of the long form: the first is an address or empty, or only looks like one.
fn is_long(first: Field<'_>, second: Field<'_>, count: usize) -> bool {
    let text = first.text;
    let numeric = text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if text.is_empty() || numeric || text.starts_with('[') || text.contains('/') {
        return true;
    }
    let address = second.is_empty() || second.text.parse::<core::net::Ipv4Addr>().is_ok();
    !values::is_mac(text) && count > 3 && address && !is_hex_group(text)
}

fn is_hex_group(text: &str) -> bool {
    (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `2001:db8::7::…`: groups of hexadecimal digits where a link and a method should be.
fn lacks_brackets(value: Field<'_>, first: Field<'_>, second: Field<'_>) -> bool {
    is_hex_group(first.text)
        && (second.is_empty() || is_hex_group(second.text))
        && !method::is_method(second)
        && value.text.contains("::")
}

/// Makes one field of six two-digit groups at `at`: a hardware address written with colons.
pub(super) fn join_mac<'a>(value: Field<'a>, fields: &mut Vec<Field<'a>>, at: usize) {
    let Some(groups) = fields.get(at..at + 6) else {
        return;
    };
    let octet = |f: &Field<'_>| f.text.len() == 2 && f.text.bytes().all(|b| b.is_ascii_hexdigit());
    if let (true, [first, .., last]) = (groups.iter().all(octet), groups) {
        let joined = value.between(*first, *last);
        fields.splice(at..at + 6, [joined]);
    }
}

/// `ip=<method>`, `ip=off`, `ip=`, or the address of the anaconda form.
fn one_field<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
    value: Field<'a>,
    family: Family,
) -> Result<(), Fault> {
    if value.is_empty() {
        divergence::warn(reading, argument, argument.word.key, &divergence::EMPTY);
        return Ok(());
    }
    let bare = value.text.split('/').next().unwrap_or_default();
    let numeric = bare.contains('.') && bare.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric || value.text.starts_with('[') {
        reading.anaconda.addresses.push((argument.clone(), family));
        return Ok(());
    }
    if !method::is_method(value) && values::is_mac(value.text) {
        let fix = format!("write {}={}:dhcp", argument.key(), value.text);
        return Err(argument.error(value, "the method is missing", fix));
    }
    let methods = method::parse(argument, value, family)?;
    if methods.off {
        if family == Family::V6 {
            let note = argument.note(
                value,
                "understood, not applied: IPv6 alone is not turned off here",
            );
            reading.report(
                note,
                "router advertisements are still taken; use ipv6.disable=1 of the kernel",
            );
        } else {
            reading.document.boot.no_default_network = Some(Said::new(true, argument.origin()));
            reading.off = Some(argument.clone());
        }
        return Ok(());
    }
    if let Some(found) = divergence::of_method(value, &methods, Form::OneField) {
        divergence::warn(reading, argument, value, found);
    }
    let origin = argument.origin();
    for &method in &methods.list {
        reading.operate(
            &LinkRef::EveryPhysical,
            method,
            methods.client_id.as_ref(),
            &origin,
        );
    }
    Ok(())
}

/// `ip=<interface>:<method>[:[<mtu>][:<mac>]]`.
fn interface<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
    value: Field<'a>,
    mut fields: Vec<Field<'a>>,
    family: Family,
) -> Result<(), Fault> {
    join_mac(value, &mut fields, 3);
    let (Some(name), method) = (fields.first().copied(), fields.get(1).copied()) else {
        return argument.required().map(|_| ());
    };
    let method = method.unwrap_or(name);
    let link = values::device(argument, name, "field 1 (interface)")?;
    let mut methods = method::parse(argument, method, family)?;
    if method.is_empty() {
        methods = default_method(reading, argument, method, family);
    }
    let (mac, surplus) = tail::mac_field(value, &fields, 3);
    let mac = mac.filter(|field| !field.is_empty());
    let mtu = fields.get(2).copied().filter(|field| !field.is_empty());
    let settings = tail::link_settings(reading, argument, [mtu, mac], 3);
    if let Some(surplus) = surplus {
        tail::surplus(reading, argument, surplus, 4);
    }
    if matches!(link, LinkRef::Mac(_)) {
        divergence::warn(reading, argument, name, &divergence::MAC_DEVICE);
    }
    if let Some(found) = divergence::of_method(method, &methods, Form::Interface) {
        divergence::warn(reading, argument, method, found);
    }
    if value.text.ends_with(':') && !method.is_empty() {
        let colon = value.slice(value.text.len() - 1, value.text.len());
        divergence::warn(reading, argument, colon, &divergence::TRAILING_COLON);
    }
    configure(reading, argument, name, &link, &methods, settings);
    Ok(())
}

/// No method was written and no address: DHCP, with a word about it.
pub(super) fn default_method(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    field: Field<'_>,
    family: Family,
) -> Methods {
    divergence::warn(reading, argument, field, &divergence::EMPTY_METHOD);
    let method = match family {
        Family::Any => AutoMethod::Dhcp4,
        Family::V6 => AutoMethod::Dhcp6,
    };
    Methods {
        list: vec![method],
        ..Methods::default()
    }
}

/// Puts a link, its settings and its methods into the document.
pub(super) fn configure<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
    field: Field<'a>,
    link: &LinkRef,
    methods: &Methods,
    (mtu, mac): (Option<Mtu>, Option<Mac>),
) {
    if reading.configured.contains(link) {
        if *link != LinkRef::EveryPhysical {
            divergence::warn(reading, argument, field, &divergence::SAME_DEVICE);
        }
    } else {
        reading.configured.push(link.clone());
    }
    let origin = argument.origin();
    reading.bring_up(link, mtu, mac, &origin);
    for &method in &methods.list {
        reading.operate(link, method, methods.client_id.as_ref(), &origin);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, summary};

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(summary(text), expect, "{text}");
        assert_eq!(errors(text), Vec::<String>::new(), "{text}");
    }

    #[test]
    fn one_method_is_for_every_physical_link() {
        check("ip=dhcp", "op * Dhcp4");
        check("ip=on", "op * Any");
        check("ip=any", "op * Any");
        check("ip=auto", "op * Any");
        check("ip=dhcp6", "op * Dhcp6");
        check("ip=auto6", "op * Auto6");
        check("ip=either6", "op * Either6");
        check("ip=link6", "op * LinkLocal6");
        check("ip=link-local", "op * LinkLocal6");
        check("ip=single-dhcp", "op * SingleDhcp4");
        check("ip=ibft", "op * Ibft");
        check("ip=dhcp,dhcp6", "op * Dhcp4, op * Dhcp6");
        check("ip=dhcp ip=dhcp", "op * Dhcp4");
        check("ip=dhcp,1,ab", "op * Dhcp4 id [1, 97, 98]");
        check("nfsaddrs=dhcp", "op * Dhcp4");
        check("ip6=dhcp", "op * Dhcp6");
        check("ip6=on", "op * Auto6");
        check("ip=", "");
    }

    #[test]
    fn off() {
        check("ip=off", "off");
        check("ip=none", "off");
        check("ip6=off", "");
    }

    #[test]
    fn one_interface() {
        check("ip=eth0:dhcp", "up eth0, op eth0 Dhcp4");
        check("ip=eth0:on", "up eth0, op eth0 Any");
        check("ip=eth0:link6", "up eth0, op eth0 LinkLocal6");
        check("ip=eth0:single-dhcp", "up eth0, op eth0 SingleDhcp4");
        check(
            "ip=eth0:dhcp,dhcp6",
            "up eth0, op eth0 Dhcp4, op eth0 Dhcp6",
        );
        check("ip=eth0:off", "up eth0");
        check("ip=eth0:none", "up eth0");
        check("ip=eth0:dhcp:", "up eth0, op eth0 Dhcp4");
        check("ip=eth0:dhcp:9000", "up eth0 mtu 9000, op eth0 Dhcp4");
        check(
            "ip=eth0:dhcp::52-54-00-12-34-ff",
            "up eth0 mac 52:54:00:12:34:ff, op eth0 Dhcp4",
        );
        check(
            "ip=eth0:dhcp:1400:52:54:00:12:34:ff",
            "up eth0 mtu 1400 mac 52:54:00:12:34:ff, op eth0 Dhcp4",
        );
        check(
            "ip=52-54-00-12-34-00:dhcp",
            "up 52:54:00:12:34:00, op 52:54:00:12:34:00 Dhcp4",
        );
        check(
            "ip=52:54:00:12:34:00:dhcp",
            "up 52:54:00:12:34:00, op 52:54:00:12:34:00 Dhcp4",
        );
        check(
            "ip=52:54:00:12:34:00:dhcp:9000:52:54:00:12:34:ff",
            "up 52:54:00:12:34:00 mtu 9000 mac 52:54:00:12:34:ff, op 52:54:00:12:34:00 Dhcp4",
        );
        check("ip=eth0:", "up eth0, op eth0 Dhcp4");
        check("ip6=eth0:dhcp", "up eth0, op eth0 Dhcp6");
    }

    #[test]
    fn methods_of_one_link_add_up() {
        check(
            "ip=eth0:dhcp ip=eth0:auto6",
            "up eth0, op eth0 Dhcp4, op eth0 Auto6",
        );
        check(
            "ip=eth0:dhcp:1400 ip=192.0.2.2::192.0.2.1:24::eth0:none:9000",
            "up eth0 mtu 9000, addr eth0 192.0.2.2/24, route eth0 default via 192.0.2.1, op eth0 Dhcp4",
        );
    }

    #[track_caller]
    fn fails(text: &str, expect: &str, caret: &str) {
        let (document, diagnostics) = super::super::parse(text, "x");
        let fault = diagnostics.first().expect("a diagnostic");
        let place = fault.place.as_ref().unwrap();
        assert_eq!(fault.message, expect, "{text}");
        assert_eq!(
            place.text.get(place.caret.start..place.caret.end),
            Some(caret),
            "{text}"
        );
        assert!(fault.effect.is_some(), "{text}");
        assert_eq!(document.operators.len(), 0, "{text}");
    }

    #[test]
    fn malformed() {
        fails("ip=dchp", "ip=: \"dchp\" is not a method", "dchp");
        fails("ip=eth0", "ip=: \"eth0\" is not a method", "eth0");
        fails("ip=eth0:bogus", "ip=: \"bogus\" is not a method", "bogus");
        fails(
            "ip=eth0:bootp",
            "ip=: bootp is not supported: no BOOTP, no RARP",
            "bootp",
        );
        fails("ip=[2001:db8::2", "ip=: a bracket without its partner", "[");
        fails("ip=:dhcp", "ip=: field 1 (interface) is empty", ":dhcp");
        fails("ip", "ip=: a value is missing", "ip");
        fails(
            "ip=52-54-00-12-34-00",
            "ip=: the method is missing",
            "52-54-00-12-34-00",
        );
        fails(
            "ip=2001:db8::2::2001:db8::1:64::eth0:none",
            "ip=: an IPv6 address without brackets",
            "2001:db8::2::2001:db8::1:64::eth0:none",
        );
        fails(
            "ip=sixteen-bytes-16:dhcp",
            "ip=: field 1 (interface) has more than 15 bytes",
            "sixteen-bytes-16",
        );
    }

    #[test]
    fn a_bad_setting_costs_only_itself() {
        #[track_caller]
        fn check(text: &str, message: &str, expect: &str) {
            assert_eq!(errors(text), [message], "{text}");
            assert_eq!(summary(text), expect, "{text}");
        }
        check(
            "ip=eth0:dhcp:0",
            "ip=: field 3 (mtu): an MTU is a number of bytes from 68 to 65536",
            "up eth0, op eth0 Dhcp4",
        );
        check(
            "ip=eth0:dhcp:1400:52-54-00",
            "ip=: field 4 (mac) is not a hardware address",
            "up eth0 mtu 1400, op eth0 Dhcp4",
        );
        check(
            "ip=eth0:dhcp:1400:52-54-00-12-34-00:x",
            "ip=: more than 4 fields",
            "up eth0 mtu 1400 mac 52:54:00:12:34:00, op eth0 Dhcp4",
        );
    }
}
