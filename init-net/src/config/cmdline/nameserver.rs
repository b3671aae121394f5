//! `nameserver=<address>`, repeatable.

use super::argument::{Argument, Fault};
use super::reading::Reading;
use super::{tail, values};

/// Reads one `nameserver=`; IPv6 with or without brackets.
pub(super) fn parse(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let field = argument.required()?;
    if let Some((_, rest)) = field.split_once(',') {
        let fix = "write nameserver= once for each";
        return Err(argument.error(rest, "one address, not a list", fix));
    }
    match values::host_address(argument, field, "the name server")? {
        Some(ip) => {
            tail::name_server(reading, argument, ip);
            Ok(())
        }
        None => Err(argument.error(field, "the name server is empty", "write an address")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, summary};

    #[test]
    fn addresses() {
        assert_eq!(
            summary(
                "nameserver=192.0.2.53 nameserver=[2001:db8::53] nameserver=2001:db8::54 nameserver=192.0.2.53"
            ),
            "dns 192.0.2.53, dns 2001:db8::53, dns 2001:db8::54"
        );
    }

    #[test]
    fn malformed() {
        #[track_caller]
        fn check(value: &str, message: &str) {
            let text = format!("nameserver={value} nameserver=192.0.2.53");
            assert_eq!(errors(&text), [format!("nameserver=: {message}")], "{text}");
            assert_eq!(summary(&text), "dns 192.0.2.53", "{text}");
        }
        check("", "a value is missing");
        check("ns.example", "the name server is not an IP address");
        check("192.0.2.1,192.0.2.2", "one address, not a list");
        check("0.0.0.0", "the name server is empty");
        check("192.0.2.1/24", "the name server has no prefix length");
        check("fe80::1%eth0", "the name server is not an IP address");
    }
}
