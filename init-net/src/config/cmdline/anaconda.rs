//! The installer's form: `ip=<address>` with `netmask= gateway= ksdevice= mtu=` in arguments of their own.

use super::argument::{Argument, Fault};
use super::divergence;
use super::method::{Family, Methods};
use super::reading::Reading;
use super::values::{self, Address};
use super::{ip, tail};
use crate::config::{AddressConfig, LinkRef, RouteConfig};
use crate::value::Prefix;

/// The pieces, until all arguments are seen. A piece said twice counts as said last.
#[derive(Default)]
pub(super) struct Anaconda<'a> {
    /// Each `ip=<address>`.
    pub(super) addresses: Vec<(Argument<'a>, Family)>,
    /// `netmask=`.
    pub(super) netmask: Option<Argument<'a>>,
    /// `gateway=`.
    pub(super) gateway: Option<Argument<'a>>,
    /// `ksdevice=`.
    pub(super) device: Option<Argument<'a>>,
    /// `mtu=`.
    pub(super) mtu: Option<Argument<'a>>,
}

/// Puts the addresses into the document.
pub(super) fn finish(reading: &mut Reading<'_>) {
    let pieces = core::mem::take(&mut reading.anaconda);
    if pieces.addresses.is_empty() {
        let unused = [
            &pieces.netmask,
            &pieces.gateway,
            &pieces.device,
            &pieces.mtu,
        ];
        for argument in unused.into_iter().flatten() {
            let note = argument.note(
                argument.word.key,
                "belongs to ip=<address>, which is not said",
            );
            reading.report(note, "it is not used");
        }
    }
    for (argument, family) in &pieces.addresses {
        if let Err(fault) = address(reading, argument, &pieces, *family) {
            reading.unsettle(argument, fault);
        }
    }
}

fn address<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
    pieces: &Anaconda<'a>,
    family: Family,
) -> Result<(), Fault> {
    let field = argument.value();
    let Some(Address { ip, len }) = values::address(argument, field, "the address")? else {
        return Err(argument.error(field, "the address is empty", "write dhcp, or an address"));
    };
    if family == Family::V6 && ip.is_ipv4() {
        return Err(argument.error(field, "an IPv4 address", "write ip= for IPv4"));
    }
    let mask = match &pieces.netmask {
        Some(mask) => Some(values::prefix_len(
            mask,
            mask.required()?,
            ip,
            "the netmask",
        )?),
        None => len.map(|(len, _)| len),
    };
    let link = match &pieces.device {
        Some(device) => self::device(device)?,
        None => LinkRef::Primary,
    };
    if mask.is_none() {
        divergence::warn(reading, argument, field, &divergence::EMPTY_MASK);
    }
    divergence::warn(reading, argument, field, &divergence::ANACONDA);
    let mtu = pieces.mtu.as_ref().and_then(|piece| {
        let read = piece
            .required()
            .and_then(|field| values::mtu(piece, field, "the MTU"));
        tail::kept(reading, read, "the MTU stays as it is; the address applies")
    });
    let gateway = pieces.gateway.as_ref().and_then(|piece| {
        let read = piece
            .required()
            .and_then(|field| values::host_address(piece, field, "the gateway"));
        tail::kept(
            reading,
            read,
            "no default route from it; the address applies",
        )
        .flatten()
    });
    ip::configure(
        reading,
        argument,
        field,
        &link,
        &Methods::default(),
        (mtu, None),
    );
    reading.document.addresses.push(AddressConfig::new(
        link.clone(),
        mask.map_or(Prefix::host(ip), |len| values::prefix(ip, len)),
        argument.origin(),
    ));
    if let (Some(gateway), Some(piece)) = (
        gateway.filter(|g| g.is_ipv4() == ip.is_ipv4()),
        &pieces.gateway,
    ) {
        reading.document.routes.push(RouteConfig::new(
            Some(link),
            None,
            Some(gateway),
            piece.origin(),
        ));
    }
    Ok(())
}

/// `bootif`, `link` (the first with carrier), a hardware address, or a name.
fn device(argument: &Argument<'_>) -> Result<LinkRef, Fault> {
    let field = argument.required()?;
    match field.text {
        "bootif" | "BOOTIF" | "link" => Ok(LinkRef::Primary),
        "ibft" => Err(argument.error(
            field,
            "links of the iBFT are not supported",
            "write the link's name",
        )),
        _ => values::device(argument, field, "the device"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, messages, summary};

    #[test]
    fn pieces_in_any_order() {
        assert_eq!(
            summary(
                "gateway=192.0.2.1 ip=192.0.2.9 ksdevice=eth2 netmask=255.255.255.0 mtu=1400 hostname=web1 nameserver=192.0.2.53"
            ),
            "up eth2 mtu 1400, addr eth2 192.0.2.9/24, route eth2 default via 192.0.2.1, dns 192.0.2.53, host web1"
        );
        assert_eq!(
            summary("ip=192.0.2.9/24 ksdevice=link"),
            "up primary, addr primary 192.0.2.9/24"
        );
        assert_eq!(
            summary("ip=[2001:db8::9]/64 ksdevice=bootif"),
            "up primary, addr primary 2001:db8::9/64"
        );
        assert_eq!(
            summary("ip=192.0.2.9 netmask=24 ksdevice=52:54:00:12:34:00"),
            "up 52:54:00:12:34:00, addr 52:54:00:12:34:00 192.0.2.9/24"
        );
        assert_eq!(
            summary("ip=192.0.2.9"),
            "up primary, addr primary 192.0.2.9/32"
        );
    }

    #[test]
    fn malformed() {
        #[track_caller]
        fn check(text: &str, message: &str, expect: &str) {
            assert_eq!(errors(text), [message], "{text}");
            assert_eq!(summary(text), expect, "{text}");
        }
        check("ip=10.0.0", "ip=: the address is not an IP address", "");
        check("ip=0.0.0.0", "ip=: the address is empty", "");
        check(
            "ip=192.0.2.9 netmask=255.0.255.0",
            "netmask=: the netmask has a hole: its one bits must all be in front",
            "",
        );
        check(
            "ip=192.0.2.9 ksdevice=ibft",
            "ksdevice=: links of the iBFT are not supported",
            "",
        );
        check(
            "ip=192.0.2.9/24 gateway=x",
            "gateway=: the gateway is not an IP address",
            "up primary, addr primary 192.0.2.9/24",
        );
        check(
            "ip=192.0.2.9/24 mtu=1",
            "mtu=: the MTU: an MTU is a number of bytes from 68 to 65536",
            "up primary, addr primary 192.0.2.9/24",
        );
        check("ip6=192.0.2.9/24", "ip6=: an IPv4 address", "");
    }

    #[test]
    fn pieces_without_an_address_are_told() {
        assert_eq!(
            messages("gateway=192.0.2.1"),
            ["gateway=: belongs to ip=<address>, which is not said"]
        );
    }
}
