//! `dhcpclass=`, `rd.net.dhcp.vendor-class=` and `rd.net.dhcp.client-id=`: what DHCPv4 says of this machine.

use super::argument::{Argument, Fault};
use super::fields::Field;
use super::reading::{Reading, set};
use super::values;
use crate::config::{AutoMethod, ClientId, LinkRef};

/// Longest option (RFC 2132 §2), bytes.
const MAX_OPTION: usize = 255;

/// The vendor class of every DHCPv4 client.
pub(super) fn vendor_class(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
) -> Result<(), Fault> {
    let field = argument.required()?;
    if field.text.len() > MAX_OPTION || field.text.chars().any(char::is_control) {
        let fix = format!("write at most {MAX_OPTION} bytes of plain text");
        return Err(argument.error(field, "not a vendor class", fix));
    }
    let twice = set(
        &mut reading.document.boot.vendor_class,
        field.text.to_owned(),
        argument,
    );
    reading.said(twice);
    Ok(())
}

/// `<link>:<hex>-<hex>-…` or `<link>:@<text>`: option 61 of one link.
pub(super) fn client_id(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let value = argument.required()?;
    let fix = "write <link>:01-52-54-00-12-34-56, or <link>:@<text>";
    let split = values_of(value);
    let Some((link, id)) = split else {
        return Err(argument.error(value, "the identifier is missing", fix));
    };
    let link = values::device(argument, link, "field 1 (link)")?;
    let bytes = match id.text.strip_prefix('@') {
        // RFC 2132 §9.14: type 0 is anything but a hardware address.
        Some(text) => Some([&[0], text.as_bytes()].concat()),
        None => hexadecimal(id.text),
    };
    match bytes {
        Some(bytes) if (2..=MAX_OPTION).contains(&bytes.len()) => {
            let ids = &mut reading.document.boot.client_ids;
            ids.retain(|known| known.link != link);
            ids.push(ClientId {
                link,
                bytes,
                origin: argument.origin(),
            });
            Ok(())
        }
        _ => Err(argument.error(id, "not a client identifier of 2 to 255 bytes", fix)),
    }
}

/// The link may be a hardware address with colons, so the last colon separates; a text after `@` may hold colons too.
fn values_of(value: Field<'_>) -> Option<(Field<'_>, Field<'_>)> {
    let at = value.text.find(":@").or_else(|| value.text.rfind(':'))?;
    Some((value.slice(0, at), value.slice(at + 1, value.text.len())))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let octet = |group: &str| {
        let good = (1..=2).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_hexdigit());
        good.then(|| u8::from_str_radix(group, 16).ok()).flatten()
    };
    text.split(['-', ':']).map(octet).collect()
}

/// Hands both to the operators that the command line itself asks for; `compile` does so for the default ones.
pub(super) fn finish(reading: &mut Reading<'_>) {
    let boot = &reading.document.boot;
    for operator in &mut reading.document.operators {
        if !matches!(
            operator.method,
            AutoMethod::Dhcp4 | AutoMethod::SingleDhcp4 | AutoMethod::Any
        ) {
            continue;
        }
        operator.vendor_class = boot.vendor_class.as_ref().map(|said| said.value.clone());
        let own = boot
            .client_ids
            .iter()
            .find(|id| id.link == operator.link && operator.link != LinkRef::EveryPhysical);
        if let Some(own) = own {
            operator.client_id = Some(own.bytes.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{errors, summary};

    #[test]
    fn vendor_class() {
        let class = |text: &str| parse(text, "x").0.operators[0].vendor_class.clone();
        assert_eq!(class("dhcpclass=pxe ip=dhcp").as_deref(), Some("pxe"));
        assert_eq!(
            class("ip=eth0:dhcp rd.net.dhcp.vendor-class=\"a b\"").as_deref(),
            Some("a b")
        );
        assert_eq!(errors("dhcpclass=").len(), 1);
        assert_eq!(errors(&format!("dhcpclass={}", "x".repeat(256))).len(), 1);
    }

    #[test]
    fn client_identifier() {
        assert_eq!(
            summary("rd.net.dhcp.client-id=eth0:01-52-54-00 ip=eth0:dhcp"),
            "up eth0, op eth0 Dhcp4 id [1, 82, 84, 0]"
        );
        assert_eq!(
            summary("ip=eth0:dhcp rd.net.dhcp.client-id=eth0:@a:b"),
            "up eth0, op eth0 Dhcp4 id [0, 97, 58, 98]"
        );
        let ids = parse("rd.net.dhcp.client-id=eth0:01-02", "x")
            .0
            .boot
            .client_ids;
        assert_eq!(ids[0].bytes, [1, 2]);
        for bad in [
            "eth0",
            "eth0:",
            "eth0:@",
            "eth0:zz-1",
            "eth0:1",
            "a/b:01-02",
        ] {
            assert_eq!(
                errors(&format!("rd.net.dhcp.client-id={bad}")).len(),
                1,
                "{bad}"
            );
        }
    }
}
