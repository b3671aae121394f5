//! `rd.route=<network>/<length>:<gateway>[:<link>]`; for IPv6 `[<network>/<length>]:[<gateway>]`.

use core::net::IpAddr;

use super::argument::{Argument, Fault};
use super::divergence;
use super::fields::Field;
use super::reading::Reading;
use super::values;
use crate::config::RouteConfig;
use crate::value::Prefix;

/// How it is written.
const FORM: &str = "write <network>/<length>:<gateway>[:<link>]";

/// Reads one `rd.route=`.
pub(super) fn parse<'a>(reading: &mut Reading<'a>, argument: &Argument<'a>) -> Result<(), Fault> {
    let value = argument.required()?;
    if let Some(bracket) = value.lone_bracket() {
        return Err(argument.error(bracket, "a bracket without its partner", FORM));
    }
    let fields = value.split(b':');
    let end = value.slice(value.text.len(), value.text.len());
    let (network, gateway, link) = match *fields.as_slice() {
        [network] => (network, end, end),
        [network, gateway] => (network, gateway, end),
        [network, gateway, link] => (network, gateway, link),
        _ => {
            let fix = "write [<network>/<length>]:[<gateway>][:<link>] for IPv6";
            return Err(argument.error(value, "more than 3 fields", fix));
        }
    };
    let destination = destination(reading, argument, network)?;
    let hop = values::host_address(argument, gateway, "field 2 (gateway)")?;
    if let (Some(destination), Some(hop)) = (destination, hop)
        && destination.is_ipv4() != hop.is_ipv4()
    {
        let message = "field 2 (gateway) is of another address family than the network";
        return Err(argument.error(gateway, message, "write an address of its family"));
    }
    let out = match link.is_empty() {
        true => None,
        false => Some(values::device(argument, link, "field 3 (link)")?),
    };
    match (hop, &out) {
        (None, None) => {
            return Err(argument.error(value, "neither gateway nor link", FORM));
        }
        (None, Some(_)) if destination.is_none() => {
            return Err(argument.error(network, "a default route without gateway", FORM));
        }
        (Some(_), None) => {
            divergence::warn(reading, argument, value, &divergence::ROUTE_EVERYWHERE)
        }
        (_, Some(_)) => {}
    }
    if network.text.starts_with('[') && !network.text.ends_with(']') {
        divergence::warn(reading, argument, network, &divergence::ROUTE_BRACKETS);
    }
    reading.document.routes.push(RouteConfig::new(
        out,
        // Of a default route the gateway says the family; without one the network has to.
        destination.filter(|network| !(network.is_default() && hop.is_some())),
        hop,
        argument.origin(),
    ));
    Ok(())
}

/// The network; `None` where it is `default`. Host bits are cut off and told.
fn destination(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    field: Field<'_>,
) -> Result<Option<Prefix>, Fault> {
    let whole = field.unbracketed();
    if whole.text == "default" {
        return Ok(None);
    }
    let Some((ip, len)) = whole.split_once('/') else {
        return Err(argument.error(field, "field 1 (network) has no prefix length", FORM));
    };
    let ip = ip.unbracketed();
    let Ok(address) = ip.text.parse::<IpAddr>() else {
        // The length may be anything yet; the longest right one is a netmask.
        let short = short_form(ip.text).filter(|_| len.text.len() <= "255.255.255.255".len());
        let fix = match short {
            Some(full) => format!("write {full}/{}", len.text),
            None => FORM.to_owned(),
        };
        return Err(argument.error(ip, "field 1 (network) is not an IP address", fix));
    };
    let len = match (address.is_unspecified(), len.text) {
        (true, "0" | "0.0.0.0" | "::") => 0,
        _ => values::prefix_len(argument, len, address, "field 1 (length)")?,
    };
    let prefix = values::prefix(address, len);
    let network = prefix.network();
    if network != prefix {
        let warning = argument.warning(
            ip,
            format!("{prefix} has host bits"),
            format!("write {network}"),
        );
        reading.report(warning, format!("the route to {network} is set"));
    }
    Ok(Some(network))
}

/// `10` or `10.1` of ip-route(8), written out.
fn short_form(text: &str) -> Option<String> {
    let count = text.split('.').count();
    let octets = text.split('.').all(|part| part.parse::<u8>().is_ok());
    (octets && count < 4 && text.len() < 12).then(|| format!("{text}{}", ".0".repeat(4 - count)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, messages, summary};

    #[test]
    fn forms() {
        #[track_caller]
        fn check(value: &str, expect: &str) {
            let text = format!("rd.route={value}");
            assert_eq!(summary(&text), expect, "{text}");
            assert_eq!(errors(&text), Vec::<String>::new());
        }
        check("10.0.0.0/8:192.0.2.1", "route ? 10.0.0.0/8 via 192.0.2.1");
        check(
            "10.0.0.0/8:192.0.2.1:eth0",
            "route eth0 10.0.0.0/8 via 192.0.2.1",
        );
        check(
            "10.0.0.0/255.0.0.0:192.0.2.1:eth0",
            "route eth0 10.0.0.0/8 via 192.0.2.1",
        );
        check("10.0.0.0/8::eth0", "route eth0 10.0.0.0/8");
        check(
            "[2001:db8:3::/48]:[2001:db8::1]:eth0",
            "route eth0 2001:db8:3::/48 via 2001:db8::1",
        );
        check(
            "[2001:db8:3::]/48:[2001:db8::1]:eth0",
            "route eth0 2001:db8:3::/48 via 2001:db8::1",
        );
        check("[2001:db8:3::/48]::eth0", "route eth0 2001:db8:3::/48");
        check("default:192.0.2.1:eth0", "route eth0 default via 192.0.2.1");
        check(
            "0.0.0.0/0:192.0.2.1:eth0",
            "route eth0 default via 192.0.2.1",
        );
        check(
            "[::/0]:[2001:db8::1]:eth0",
            "route eth0 default via 2001:db8::1",
        );
        check("[::]/0::eth0", "route eth0 ::/0");
        check("10.0.0.7/8::eth0", "route eth0 10.0.0.0/8");
        check(
            "10.0.0.0/8::52-54-00-12-34-00",
            "route 52:54:00:12:34:00 10.0.0.0/8",
        );
    }

    #[test]
    fn a_length_behind_the_brackets_is_told() {
        let found = messages("rd.route=[2001:db8:3::]/48:[2001:db8::1]:eth0");
        assert!(found[0].contains("behind the brackets"), "{found:?}");
    }

    #[test]
    fn host_bits_are_told() {
        assert_eq!(
            messages("rd.route=10.0.0.7/8::eth0"),
            ["rd.route=: 10.0.0.7/8 has host bits"]
        );
    }

    #[test]
    fn malformed() {
        #[track_caller]
        fn check(value: &str, message: &str) {
            let text = format!("rd.route={value}");
            assert_eq!(errors(&text), [format!("rd.route=: {message}")], "{text}");
            assert_eq!(summary(&text), "", "{text}");
        }
        check("", "a value is missing");
        check(
            "10.0.0.0:192.0.2.1",
            "field 1 (network) has no prefix length",
        );
        check("10/8:192.0.2.1", "field 1 (network) is not an IP address");
        check(
            "10.0.0.0/33:192.0.2.1",
            "field 1 (length) is neither a netmask nor a prefix length",
        );
        check("10.0.0.0/8:gw", "field 2 (gateway) is not an IP address");
        check("10.0.0.0/8", "neither gateway nor link");
        check("10.0.0.0/8:", "neither gateway nor link");
        check(
            "10.0.0.0/8:[2001:db8::1]",
            "field 2 (gateway) is of another address family than the network",
        );
        check(
            "10.0.0.0/8:192.0.2.1/24",
            "field 2 (gateway) has no prefix length",
        );
        check(
            "10.0.0.0/8:192.0.2.1:eth/0",
            "field 3 (link) is not a link name",
        );
        check("10.0.0.0/8:192.0.2.1:eth0:x", "more than 3 fields");
        check("2001:db8::/32:2001:db8::1", "more than 3 fields");
        check("[2001:db8::/32:x", "a bracket without its partner");
        check("default::eth0", "a default route without gateway");
    }
}
