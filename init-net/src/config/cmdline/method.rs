//! The methods of `ip=`: `dhcp`, `on`, `auto6`…, in lists, and the kernel's `dhcp,<type>,<client id>`.

use super::argument::{Argument, Fault, quoted};
use super::fields::Field;
use crate::config::AutoMethod;
use crate::config::nearest::nearest;

/// Whether `ip=` or `ip6=` was written: the second speaks of IPv6 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    V6,
}

/// What a method field asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Methods {
    /// In the order said; empty: nothing dynamic.
    pub(super) list: Vec<AutoMethod>,
    /// `off`, `none` or `static` was written.
    pub(super) off: bool,
    /// DHCPv4 option 61, type byte first.
    pub(super) client_id: Option<Vec<u8>>,
}

/// Longest client identifier with its type byte (RFC 2132 §9.14: one option), bytes.
const MAX_CLIENT_ID: usize = 255;

/// Names of the methods, and the aliases of NetworkManager (`auto fw`) and klibc (`static`).
const KNOWN: [(&str, Option<AutoMethod>); 15] = [
    ("dhcp", Some(AutoMethod::Dhcp4)),
    ("single-dhcp", Some(AutoMethod::SingleDhcp4)),
    ("on", Some(AutoMethod::Any)),
    ("any", Some(AutoMethod::Any)),
    ("auto", Some(AutoMethod::Any)),
    ("dhcp6", Some(AutoMethod::Dhcp6)),
    ("auto6", Some(AutoMethod::Auto6)),
    ("either6", Some(AutoMethod::Either6)),
    ("link6", Some(AutoMethod::LinkLocal6)),
    ("link-local", Some(AutoMethod::LinkLocal6)),
    ("ibft", Some(AutoMethod::Ibft)),
    ("fw", Some(AutoMethod::Ibft)),
    ("off", None),
    ("none", None),
    ("static", None),
];

/// Protocols that the kernel can and nobody serves any more.
const DEAD: [&str; 3] = ["bootp", "rarp", "both"];

fn known(text: &str) -> Option<Option<AutoMethod>> {
    KNOWN
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, method)| *method)
}

/// Whether `field` begins with the name of a method.
pub(super) fn is_method(field: Field<'_>) -> bool {
    let first = field.text.split(',').next().unwrap_or_default();
    known(first).is_some() || DEAD.contains(&first)
}

/// Reads a method field. Empty: no method was said, neither `off` nor anything else.
pub(super) fn parse(
    argument: &Argument<'_>,
    field: Field<'_>,
    family: Family,
) -> Result<Methods, Fault> {
    let mut methods = Methods::default();
    if field.is_empty() {
        return Ok(methods);
    }
    let pieces = field.split(b',');
    let mut pieces = pieces.iter();
    while let Some(piece) = pieces.next() {
        let Some(method) = known(piece.text) else {
            return Err(unknown(argument, *piece));
        };
        let Some(method) = method else {
            if field.text != piece.text {
                return Err(argument.error(
                    *piece,
                    format!("{} cannot stand in a list", piece.text),
                    "write it alone, or leave it out",
                ));
            }
            methods.off = true;
            continue;
        };
        let method = in_family(method, family);
        if !methods.list.contains(&method) {
            methods.list.push(method);
        }
        // ip=dhcp,<type>,<identifier>: the identifier may hold anything, commas too (net/ipv4/ipconfig.c).
        if let ("dhcp", Some(kind)) = (piece.text, pieces.as_slice().first())
            && kind.text.starts_with(|c: char| c.is_ascii_digit())
        {
            methods.client_id = Some(client_id(argument, field, *kind)?);
            break;
        }
    }
    Ok(methods)
}

fn in_family(method: AutoMethod, family: Family) -> AutoMethod {
    match (family, method) {
        (Family::V6, AutoMethod::Dhcp4 | AutoMethod::SingleDhcp4) => AutoMethod::Dhcp6,
        (Family::V6, AutoMethod::Any) => AutoMethod::Auto6,
        _ => method,
    }
}

fn client_id(argument: &Argument<'_>, field: Field<'_>, kind: Field<'_>) -> Result<Vec<u8>, Fault> {
    let Ok(number) = kind.text.parse::<u8>() else {
        return Err(argument.error(
            kind,
            "the type of a client identifier is a number from 0 to 255",
            "write dhcp,1,<identifier>",
        ));
    };
    let identifier = field.slice(kind.end() + 1 - field.start, field.text.len());
    let fix = "write dhcp,<type>,<identifier>";
    if identifier.is_empty() {
        return Err(argument.error(kind, "the client identifier is missing", fix));
    }
    if identifier.text.len() >= MAX_CLIENT_ID {
        return Err(argument.error(identifier, "the client identifier is above 254 bytes", fix));
    }
    let mut id = vec![number];
    id.extend_from_slice(identifier.text.as_bytes());
    Ok(id)
}

fn unknown(argument: &Argument<'_>, field: Field<'_>) -> Fault {
    if DEAD.contains(&field.text) {
        let message = format!("{} is not supported: no BOOTP, no RARP", field.text);
        return argument.error(field, message, "write dhcp");
    }
    let fix = match nearest(field.text, KNOWN.iter().map(|(name, _)| *name)) {
        Some(name) => format!("did you mean {name}?"),
        None => {
            "write one of dhcp, on, any, dhcp6, auto6, either6, link6, single-dhcp, ibft, off, none"
                .to_owned()
        }
    };
    let message = if field.is_empty() {
        "a method is missing".to_owned()
    } else {
        format!("{} is not a method", quoted(field.text))
    };
    argument.error(field, message, fix)
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    #[track_caller]
    fn check_in(family: Family, text: &str, expect: Result<&str, &str>) {
        let text = format!("ip={text}");
        let argument = Argument::new(words(&text)[0], "x".into());
        let found = parse(&argument, argument.value(), family)
            .map(|methods| {
                let mut found = format!("{:?}", methods.list);
                if methods.off {
                    found.push_str(" off");
                }
                if let Some(id) = methods.client_id {
                    found.push_str(&format!(" id {id:?}"));
                }
                found
            })
            .map_err(|fault| format!("{}; {}", fault.message, fault.fix.unwrap()));
        assert_eq!(found.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        check_in(Family::Any, text, expect);
    }

    #[test]
    fn methods() {
        check("", Ok("[]"));
        check("dhcp", Ok("[Dhcp4]"));
        check("on", Ok("[Any]"));
        check("any", Ok("[Any]"));
        check("auto", Ok("[Any]"));
        check("dhcp,dhcp6", Ok("[Dhcp4, Dhcp6]"));
        check("dhcp,dhcp", Ok("[Dhcp4]"));
        check("auto6", Ok("[Auto6]"));
        check("either6", Ok("[Either6]"));
        check("link6", Ok("[LinkLocal6]"));
        check("link-local", Ok("[LinkLocal6]"));
        check("single-dhcp", Ok("[SingleDhcp4]"));
        check("ibft", Ok("[Ibft]"));
        check("off", Ok("[] off"));
        check("none", Ok("[] off"));
    }

    #[test]
    fn methods_of_ip6() {
        check_in(Family::V6, "dhcp", Ok("[Dhcp6]"));
        check_in(Family::V6, "on", Ok("[Auto6]"));
        check_in(Family::V6, "link6", Ok("[LinkLocal6]"));
    }

    #[test]
    fn client_identifiers() {
        check("dhcp,1,ab", Ok("[Dhcp4] id [1, 97, 98]"));
        check("dhcp,0,a,b", Ok("[Dhcp4] id [0, 97, 44, 98]"));
        check(
            "dhcp,1",
            Err("ip=: the client identifier is missing; write dhcp,<type>,<identifier>"),
        );
        check(
            "dhcp,256,x",
            Err(
                "ip=: the type of a client identifier is a number from 0 to 255; write dhcp,1,<identifier>",
            ),
        );
    }

    #[test]
    fn bad_methods() {
        check(
            "dchp",
            Err("ip=: \"dchp\" is not a method; did you mean dhcp?"),
        );
        check(
            "bootp",
            Err("ip=: bootp is not supported: no BOOTP, no RARP; write dhcp"),
        );
        check(
            "rarp",
            Err("ip=: rarp is not supported: no BOOTP, no RARP; write dhcp"),
        );
        check(
            "dhcp,off",
            Err("ip=: off cannot stand in a list; write it alone, or leave it out"),
        );
        check(
            "dhcp,",
            Err(
                "ip=: a method is missing; write one of dhcp, on, any, dhcp6, auto6, either6, link6, single-dhcp, ibft, off, none",
            ),
        );
    }
}
