//! The long form: `ip=<client>:<peer>:<gateway>:<netmask>:<hostname>:<device>:<method>[:<tail>]`.
//!
//! Field 2 is a point-to-point peer, as dracut and systemd read it; the kernel's boot server has no use here, and
//! [`crate::config::BootConfig::server`] keeps it for those who look for it.
//!
//! A client without netmask gets the full length, /32 or /128: that claims no neighbour that is not one, and the
//! gateway is still reached. A guess by address class (kernel, NetworkManager) takes a network of up to 16 million
//! foreign addresses for local.

use core::net::IpAddr;

use super::argument::{Argument, Fault};
use super::divergence::{self, Form};
use super::fields::Field;
use super::hostname;
use super::ip;
use super::method::{self, Family, Methods};
use super::reading::Reading;
use super::tail::{self, Tail};
use super::values::{self, Address};
use crate::config::{AddressConfig, LinkRef, RouteConfig, Said};
use crate::value::{Mac, Mtu, Prefix};

/// Names of the first fields, for messages.
const LABELS: [&str; 7] = [
    "field 1 (client)",
    "field 2 (peer)",
    "field 3 (gateway)",
    "field 4 (netmask)",
    "field 5 (hostname)",
    "field 6 (device)",
    "field 7 (method)",
];

/// Most fields: seven, two name servers, one time server.
const MAX_FIELDS: usize = 10;

/// The address part, checked.
struct Static<'a> {
    client: IpAddr,
    prefix: Prefix,
    peer: Option<Address<'a>>,
    /// No length was written anywhere.
    guessed: bool,
}

/// Reads the fields of `value`.
pub(super) fn parse<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
    value: Field<'a>,
    mut fields: Vec<Field<'a>>,
    family: Family,
) -> Result<(), Fault> {
    ip::join_mac(value, &mut fields, 5);
    ip::join_mac(value, &mut fields, 8);
    let end = value.slice(value.text.len(), value.text.len());
    let at = |i: usize| fields.get(i).copied().unwrap_or(end);
    let [client, peer, gateway, mask, name, device, method] = core::array::from_fn(at);

    if lacks_brackets(&fields) {
        let fix = "write each IPv6 address in brackets: [2001:db8::7]";
        return Err(argument.error(value, "an IPv6 address without brackets", fix));
    }
    let address = address(argument, [client, peer, mask], family)?;
    let server = values::address(argument, peer, LABELS[1])?
        .filter(|peer| peer.len.is_none())
        .map(|peer| peer.ip);
    let next_hop = next_hop(argument, gateway, address.as_ref(), family)?;
    let mut methods = method::parse(argument, method, family)?;
    let link = match device.is_empty() {
        false => values::device(argument, device, LABELS[5])?,
        true if address.is_some() => LinkRef::Primary,
        true => LinkRef::EveryPhysical,
    };

    // From here on nothing costs the whole argument.
    if method.is_empty() && address.is_none() {
        methods = ip::default_method(reading, argument, method, family);
    }
    warn(
        reading,
        argument,
        [client, peer, gateway, mask, device, method],
        &address,
        next_hop,
        &methods,
    );
    if matches!(link, LinkRef::Mac(_)) {
        divergence::warn(reading, argument, device, &divergence::MAC_DEVICE);
    }
    host_name(reading, argument, name);
    let settings = settings(
        reading,
        argument,
        value,
        fields.get(7..).unwrap_or_default(),
        &link,
    );
    let whole = if device.is_empty() { value } else { device };
    ip::configure(reading, argument, whole, &link, &methods, settings);
    if let Some(address) = &address {
        insert(reading, argument, &link, address);
    }
    if let Some(IpAddr::V4(server)) = server {
        reading.document.boot.server = Some(Said::new(server, argument.origin()));
    }
    if let Some(gateway) = next_hop {
        reading.document.routes.push(RouteConfig::new(
            Some(link),
            None,
            Some(gateway),
            argument.origin(),
        ));
    }
    Ok(())
}

/// `fe80::2:…` or `:2001:db8::1:…` without brackets leave far more fields than the form has.
fn lacks_brackets(fields: &[Field<'_>]) -> bool {
    let group = |f: &&Field<'_>| {
        (3..=4).contains(&f.text.len())
            && f.text.bytes().all(|b| b.is_ascii_hexdigit())
            && f.text.bytes().any(|b| b.is_ascii_alphabetic())
    };
    fields.len() > MAX_FIELDS && fields.iter().take(6).any(|f| group(&f))
}

/// Fields 1, 2 and 4: `None` when no client was given.
fn address<'a>(
    argument: &Argument<'a>,
    [client, peer, mask]: [Field<'a>; 3],
    family: Family,
) -> Result<Option<Static<'a>>, Fault> {
    let Some(found) = values::address(argument, client, LABELS[0])? else {
        return Ok(None);
    };
    if family == Family::V6 && found.ip.is_ipv4() {
        return Err(argument.error(
            client,
            "field 1 (client) is an IPv4 address",
            "write ip= for IPv4",
        ));
    }
    let peer_address = values::address(argument, peer, LABELS[1])?;
    if peer_address.is_some_and(|peer| peer.ip.is_ipv4() != found.ip.is_ipv4()) {
        let message = "field 2 (peer) is of another address family than the client";
        return Err(argument.error(peer, message, "write an address of the client's family"));
    }
    let written = match mask.unbracketed().text {
        "" | "0.0.0.0" => None,
        _ => Some(values::prefix_len(argument, mask, found.ip, LABELS[3])?),
    };
    if let (Some((len, _)), Some(written)) = (found.len, written)
        && len != written
    {
        let message = format!("field 4 (netmask) says /{written} and field 1 says /{len}");
        return Err(argument.error(mask, message, "leave field 4 empty"));
    }
    // As in ip-address(8): a length written with the peer is the length of the pair.
    let len = peer_address
        .and_then(|peer| peer.len)
        .or(found.len)
        .map(|(len, _)| len)
        .or(written);
    Ok(Some(Static {
        client: found.ip,
        prefix: len.map_or(Prefix::host(found.ip), |len| values::prefix(found.ip, len)),
        peer: peer_address,
        guessed: len.is_none(),
    }))
}

fn next_hop(
    argument: &Argument<'_>,
    field: Field<'_>,
    address: Option<&Static<'_>>,
    family: Family,
) -> Result<Option<IpAddr>, Fault> {
    let Some(gateway) = values::host_address(argument, field, LABELS[2])? else {
        return Ok(None);
    };
    let wanted = match address {
        Some(address) => address.client.is_ipv4(),
        None if family == Family::V6 => false,
        None => gateway.is_ipv4(),
    };
    if gateway.is_ipv4() == wanted {
        Ok(Some(gateway))
    } else {
        let message = "field 3 (gateway) is of another address family than the client";
        let fix = "write one ip= for each family";
        Err(argument.error(field, message, fix))
    }
}

/// The divergences and notes of the first seven fields.
fn warn<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
    [client, peer, gateway, mask, device, method]: [Field<'a>; 6],
    address: &Option<Static<'_>>,
    next_hop: Option<IpAddr>,
    methods: &Methods,
) {
    if let Some(found) = divergence::of_method(method, methods, Form::Long) {
        divergence::warn(reading, argument, method, found);
    }
    let Some(address) = address else {
        if !mask.is_empty() {
            let warning = argument.warning(
                mask,
                "a netmask without a client address",
                "remove it, or write field 1",
            );
            reading.report(warning, "the netmask is not used");
        }
        if methods.off && method.text != "static" && !device.is_empty() {
            divergence::warn(reading, argument, method, &divergence::OFF_WITHOUT_CLIENT);
        }
        return;
    };
    if address.guessed {
        let place = if mask.is_empty() { client } else { mask };
        let family = match address.client {
            IpAddr::V4(_) => &divergence::EMPTY_MASK,
            IpAddr::V6(_) => &divergence::EMPTY_MASK_V6,
        };
        divergence::warn(reading, argument, place, family);
    } else if mask.is_empty() && client.text.contains('/') {
        divergence::warn(reading, argument, client, &divergence::CLIENT_LENGTH);
    }
    match address.peer {
        Some(Address { len: Some(_), .. }) => {
            divergence::warn(reading, argument, peer, &divergence::PEER_LENGTH);
        }
        Some(_) => divergence::warn(reading, argument, peer, &divergence::PEER),
        None => {}
    }
    if !methods.list.is_empty() {
        divergence::warn(reading, argument, method, &divergence::STATIC_AND_METHOD);
    } else if !methods.off {
        divergence::warn(reading, argument, method, &divergence::STATIC_EMPTY_METHOD);
    }
    let Some(next_hop) = next_hop else { return };
    let pair = address
        .peer
        .map(|peer| values::prefix(peer.ip, address.prefix.len()));
    let link_local = matches!(next_hop, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let near =
        address.prefix.contains(next_hop) || pair.is_some_and(|pair| pair.contains(next_hop));
    if !near && !address.guessed && !link_local {
        let message = format!("field 3 (gateway) is outside {}", address.prefix.network());
        let note = argument.note(gateway, message);
        reading.report(
            note,
            "a route to the gateway on this link is added; the kernel's own ip= refuses it",
        );
    }
}

fn host_name(reading: &mut Reading<'_>, argument: &Argument<'_>, field: Field<'_>) {
    if field.is_empty() {
        return;
    }
    let name = match hostname::read(argument, field, "field 5 (hostname): ") {
        Ok(name) => name,
        Err(fault) => {
            let effect = "this host name is not set; the rest of this argument applies";
            return reading.report(fault, effect);
        }
    };
    let said = Said::new(name, argument.origin());
    let other =
        |(rank, known): &(u8, Said<_>)| *rank == hostname::IP_FIELD && known.value != said.value;
    if reading.hostnames.iter().any(other) {
        divergence::warn(reading, argument, field, &divergence::TWO_HOSTNAMES);
    }
    reading.hostnames.push((hostname::IP_FIELD, said));
}

/// The tail: MTU and hardware address, or servers.
fn settings(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    value: Field<'_>,
    fields: &[Field<'_>],
    link: &LinkRef,
) -> (Option<Mtu>, Option<Mac>) {
    match tail::kind(fields) {
        Tail::Servers => {
            tail::servers(reading, argument, fields);
            if let Some(surplus) = fields.get(3) {
                let past = value.slice(value.text.len(), value.text.len());
                tail::surplus(reading, argument, value.between(*surplus, past), 10);
            }
            (None, None)
        }
        Tail::Link => {
            let (mac, surplus) = tail::mac_field(value, fields, 1);
            let mac = mac.filter(|field| !field.is_empty());
            let mtu = fields.first().copied().filter(|field| !field.is_empty());
            let (mtu, set) = tail::link_settings(reading, argument, [mtu, mac], 8);
            if let Some(surplus) = surplus {
                tail::surplus(reading, argument, surplus, 9);
            }
            if let (LinkRef::EveryPhysical, Some(_), Some(field)) = (link, set, mac) {
                let fix = "write the device in field 6";
                let error = argument.error(field, "one hardware address for every link", fix);
                reading.report(
                    error,
                    "the hardware addresses stay as they are; the rest of this argument applies",
                );
                return (mtu, None);
            }
            (mtu, set)
        }
    }
}

fn insert(reading: &mut Reading<'_>, argument: &Argument<'_>, link: &LinkRef, found: &Static<'_>) {
    reading.document.addresses.push(AddressConfig {
        peer: found.peer.map(|peer| peer.ip),
        ..AddressConfig::new(link.clone(), found.prefix, argument.origin())
    });
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
    fn ipv4() {
        let full = "up eth0, addr eth0 192.0.2.2/24, route eth0 default via 192.0.2.1";
        check(
            "ip=192.0.2.2::192.0.2.1:255.255.255.0:web1:eth0:none",
            &format!("{full}, host web1"),
        );
        check("ip=192.0.2.2::192.0.2.1:24::eth0:off", full);
        check("ip=192.0.2.2/24::192.0.2.1:::eth0:none", full);
        check("ip=192.0.2.2/24::192.0.2.1:255.255.255.0::eth0:none", full);
        check("ip=192.0.2.2::192.0.2.1:24::eth0:static", full);
        check("ip=192.0.2.2::192.0.2.1:24::eth0:", full);
        check("ip=192.0.2.2::192.0.2.1:24::eth0", full);
        check(
            "ip=192.0.2.2::0.0.0.0:24::eth0:none",
            "up eth0, addr eth0 192.0.2.2/24",
        );
        check(
            "ip=192.0.2.2::192.0.2.1:24",
            "up primary, addr primary 192.0.2.2/24, route primary default via 192.0.2.1",
        );
        check(
            "ip=192.0.2.2::192.0.2.1:24::52:54:00:12:34:00:none",
            "up 52:54:00:12:34:00, addr 52:54:00:12:34:00 192.0.2.2/24, route 52:54:00:12:34:00 default via 192.0.2.1",
        );
        check(
            "ip=192.0.2.2:::::eth0:none",
            "up eth0, addr eth0 192.0.2.2/32",
        );
        check(
            "ip=192.0.2.2:::0.0.0.0::eth0:none",
            "up eth0, addr eth0 192.0.2.2/32",
        );
    }

    #[test]
    fn ipv6() {
        let full = "up eth0, addr eth0 2001:db8::2/64, route eth0 default via 2001:db8::1";
        check("ip=[2001:db8::2]::[2001:db8::1]:64::eth0:none", full);
        check("ip=[2001:db8::2]/64::[2001:db8::1]:::eth0:none", full);
        check("ip=[2001:db8::2/64]::[2001:db8::1]:::eth0:none", full);
        check("ip6=[2001:db8::2]::[2001:db8::1]:64::eth0:none", full);
        check(
            "ip=[2001:db8::2]::[2001:db8::1]:[ffff:ffff:ffff:ffff::]::eth0:none",
            full,
        );
        check(
            "ip=[2001:db8::2]:::::eth0:none",
            "up eth0, addr eth0 2001:db8::2/128",
        );
    }

    #[test]
    fn peers() {
        check(
            "ip=192.0.2.11:192.0.2.10/31::::eth0:none",
            "up eth0, addr eth0 192.0.2.11/31 peer 192.0.2.10",
        );
        check(
            "ip=192.0.2.11:192.0.2.10::32::eth0:none",
            "up eth0, addr eth0 192.0.2.11/32 peer 192.0.2.10, server 192.0.2.10",
        );
    }

    #[test]
    fn without_an_address() {
        check("ip=:::::eth0:dhcp", "up eth0, op eth0 Dhcp4");
        check("ip=::::::any", "op * Any");
        check("ip=::::::ibft", "op * Ibft");
        check("ip=::::web1:eth0:dhcp", "up eth0, op eth0 Dhcp4, host web1");
        check(
            "ip=0.0.0.0::::web1:eth0:dhcp",
            "up eth0, op eth0 Dhcp4, host web1",
        );
        check("ip=:::::eth0:off", "up eth0");
        check("ip=:::::eth0", "up eth0, op eth0 Dhcp4");
        check(
            "ip=:192.0.2.9::::eth0:dhcp",
            "up eth0, op eth0 Dhcp4, server 192.0.2.9",
        );
    }

    #[test]
    fn both() {
        check(
            "ip=192.0.2.2:::24::eth0:dhcp",
            "up eth0, addr eth0 192.0.2.2/24, op eth0 Dhcp4",
        );
    }

    #[test]
    fn tails() {
        let with = |tail: &str| summary(&format!("ip=192.0.2.2:::24::eth0:off{tail}"));
        let base = "up eth0, addr eth0 192.0.2.2/24";
        assert_eq!(with(""), base);
        assert_eq!(with(":"), base);
        assert_eq!(with("::"), base);
        assert_eq!(with(":::"), base);
        assert_eq!(with(":1400"), "up eth0 mtu 1400, addr eth0 192.0.2.2/24");
        assert_eq!(
            with(":1400:52:54:00:12:34:ff"),
            "up eth0 mtu 1400 mac 52:54:00:12:34:ff, addr eth0 192.0.2.2/24"
        );
        assert_eq!(
            with("::52-54-00-12-34-ff"),
            "up eth0 mac 52:54:00:12:34:ff, addr eth0 192.0.2.2/24"
        );
        assert_eq!(with(":192.0.2.53"), format!("{base}, dns 192.0.2.53"));
        assert_eq!(
            with(":192.0.2.53:[2001:db8::53]"),
            format!("{base}, dns 192.0.2.53, dns 2001:db8::53")
        );
        assert_eq!(with("::192.0.2.53"), format!("{base}, dns 192.0.2.53"));
        assert_eq!(
            with(":0.0.0.0:192.0.2.53"),
            format!("{base}, dns 192.0.2.53")
        );
        assert_eq!(
            with(":192.0.2.53::192.0.2.123"),
            format!("{base}, dns 192.0.2.53, ntp 192.0.2.123")
        );
        assert_eq!(with(":::192.0.2.123"), format!("{base}, ntp 192.0.2.123"));
        assert_eq!(
            with(":192.0.2.53::ntp.example"),
            format!("{base}, dns 192.0.2.53, ntp ntp.example")
        );
    }

    #[test]
    fn a_bad_tail_costs_only_itself() {
        #[track_caller]
        fn check(tail: &str, message: &str, more: &str) {
            let text = format!("ip=192.0.2.2:::24::eth0:off{tail}");
            assert_eq!(errors(&text), [message], "{text}");
            let expect = format!("up eth0, addr eth0 192.0.2.2/24{more}");
            assert_eq!(summary(&text), expect, "{text}");
        }
        check(
            ":0",
            "ip=: field 8 (mtu): an MTU is a number of bytes from 68 to 65536",
            "",
        );
        check(
            ":-1",
            "ip=: field 8 (name server or mtu) is not an IP address",
            "",
        );
        check(
            ":foo:192.0.2.53",
            "ip=: field 8 (name server or mtu) is not an IP address",
            ", dns 192.0.2.53",
        );
        check(
            ":192.0.2.53:foo",
            "ip=: field 9 (name server) is not an IP address",
            ", dns 192.0.2.53",
        );
        check(
            "::52:54:00",
            "ip=: field 9 (mac) is not a hardware address",
            "",
        );
        check(
            ":192.0.2.53:::x",
            "ip=: more than 10 fields",
            ", dns 192.0.2.53",
        );
    }

    #[test]
    fn a_bad_field_costs_the_argument_and_no_other() {
        #[track_caller]
        fn check(value: &str, message: &str, caret: &str) {
            let text = format!("ip={value} ip=eth2:dhcp");
            let (_, diagnostics) = super::super::parse(&text, "x");
            let fault = diagnostics.first().expect("a diagnostic");
            let place = fault.place.as_ref().unwrap();
            assert_eq!(fault.message, format!("ip=: {message}"), "{value}");
            assert_eq!(
                place.text.get(place.caret.start..place.caret.end),
                Some(caret),
                "{value}"
            );
            let effect = "this ip= is ignored; the other argument still applies";
            assert_eq!(fault.effect.as_deref(), Some(effect), "{value}");
            assert_eq!(summary(&text), "up eth2, op eth2 Dhcp4", "{value}");
        }
        check(
            "10.0.0.2::10.0.0.1:255.0.255.0:web1:eth0:none",
            "field 4 (netmask) has a hole: its one bits must all be in front",
            "255.0.255.0",
        );
        check(
            "10.0.0:::24::eth0:none",
            "field 1 (client) is not an IP address",
            "10.0.0",
        );
        check(
            "10.0.0.2:::255.255.255::eth0:none",
            "field 4 (netmask) is neither a netmask nor a prefix length",
            "255.255.255",
        );
        check(
            "10.0.0.2:::33::eth0:none",
            "field 4 (netmask) is neither a netmask nor a prefix length",
            "33",
        );
        check(
            "10.0.0.2:::0::eth0:none",
            "field 4 (netmask) is neither a netmask nor a prefix length",
            "0",
        );
        check(
            "10.0.0.2::gw:24::eth0:none",
            "field 3 (gateway) is not an IP address",
            "gw",
        );
        check(
            "10.0.0.2:peer::24::eth0:none",
            "field 2 (peer) is not an IP address",
            "peer",
        );
        check(
            "10.0.0.2::[2001:db8::1]:24::eth0:none",
            "field 3 (gateway) is of another address family than the client",
            "[2001:db8::1]",
        );
        check(
            "10.0.0.2:[2001:db8::1]::24::eth0:none",
            "field 2 (peer) is of another address family than the client",
            "[2001:db8::1]",
        );
        check(
            "10.0.0.2/24:::255.255.0.0::eth0:none",
            "field 4 (netmask) says /16 and field 1 says /24",
            "255.255.0.0",
        );
        check(
            "10.0.0.2:::24::eth/0:none",
            "field 6 (device) is not a link name",
            "eth/0",
        );
        check(
            "10.0.0.2:::24::eth0:nnoe",
            "\"nnoe\" is not a method",
            "nnoe",
        );
        check(
            "10.0.0.2:::24::eth0:rarp",
            "rarp is not supported: no BOOTP, no RARP",
            "rarp",
        );
        check(
            "[2001:db8::2]:::255.255.255.0::eth0:none",
            "field 4 (netmask): the netmask is of the other address family",
            "255.255.255.0",
        );
    }

    #[test]
    fn ip6_takes_no_ipv4() {
        assert_eq!(
            errors("ip6=192.0.2.2:::24::eth0:none"),
            ["ip6=: field 1 (client) is an IPv4 address"]
        );
        assert_eq!(summary("ip6=192.0.2.2:::24::eth0:none"), "");
    }

    #[test]
    fn a_bad_host_name_costs_only_the_name() {
        let text = "ip=192.0.2.2:::24:under_score:eth0:none";
        assert_eq!(summary(text), "up eth0, addr eth0 192.0.2.2/24");
        assert_eq!(errors(text).len(), 1);
    }

    #[test]
    fn a_gateway_outside_the_network_is_kept() {
        let text = "ip=192.0.2.2::198.51.100.1:255.255.255.255::eth0:none";
        check(
            text,
            "up eth0, addr eth0 192.0.2.2/32, route eth0 default via 198.51.100.1",
        );
    }
}
