//! Arguments that dracut, systemd, NetworkManager and the kernel read differently: what each does, what we do, and
//! what to write instead so that all agree.
//!
//! `dracut` is its network-legacy module, `networkd` is systemd-network-generator, `NetworkManager` is
//! nm-initrd-generator, `the kernel` is net/ipv4/ipconfig.c.

use super::argument::Argument;
use super::fields::Field;
use super::method::Methods;
use super::reading::Reading;

/// One difference.
#[derive(Debug)]
pub(super) struct Divergence {
    /// What the others do.
    others: &'static str,
    /// What is done here.
    ours: &'static str,
    /// What all read alike; may be empty.
    instead: &'static str,
}

/// Which form of `ip=` a method stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `ip=<method>`.
    OneField,
    /// `ip=<interface>:<method>`.
    Interface,
    /// Field 7 of the long form.
    Long,
}

/// What the others make of a method that was read well.
pub(super) fn of_method(
    field: Field<'_>,
    methods: &Methods,
    form: Form,
) -> Option<&'static Divergence> {
    if methods.client_id.is_some() {
        return Some(&CLIENT_ID);
    }
    if methods.list.len() > 1 {
        return Some(match form {
            Form::Interface => &INTERFACE_LIST,
            Form::OneField | Form::Long => &LIST,
        });
    }
    match (field.text, form) {
        ("dhcp", Form::OneField) => Some(&DHCP),
        ("dhcp6", Form::OneField) => Some(&DHCP6),
        ("single-dhcp", Form::OneField) => Some(&SINGLE_DHCP),
        ("single-dhcp", Form::Interface) => Some(&INTERFACE_SINGLE_DHCP),
        ("link6", Form::Interface) => Some(&INTERFACE_LINK6),
        ("link-local", _) => Some(&LINK_LOCAL),
        ("auto", _) => Some(&AUTO),
        ("static" | "fw", _) => Some(&ALIAS),
        _ => None,
    }
}

/// Reports `divergence` with the caret under `field`.
pub(super) fn warn(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    field: Field<'_>,
    divergence: &Divergence,
) {
    // What nobody else reads at all nobody reads differently; `ip::parse` says so once.
    let alone = match argument.key() {
        "ip6" => Some(IP6),
        "nfsaddrs" => Some(NFSADDRS),
        _ => None,
    };
    if alone.is_some_and(|alone| alone.others != divergence.others) {
        return;
    }
    let warning = argument.warning(field, divergence.others, divergence.instead);
    reading.report(warning, divergence.ours);
}

macro_rules! divergences {
    ($($(#[$doc:meta])* $name:ident: $others:literal, $ours:literal, $instead:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: Divergence = Divergence {
            others: $others,
            ours: $ours,
            instead: $instead,
        };)*

        /// All of them, for the tests.
        #[cfg(test)]
        const ALL: &[Divergence] = &[$($name),*];
    };
}

divergences! {
    /// `ip=dhcp`.
    DHCP: "dracut and networkd run DHCPv4 alone, NetworkManager takes IPv6 as well",
        "DHCPv4 runs on every physical link", "write on where IPv6 is wanted";
    /// `ip=dhcp6`: `strncmp(name, "dhcp", 4)`.
    DHCP6: "a kernel with IP_PNP reads dhcp, the others DHCPv6",
        "DHCPv6 on every physical link", "write <interface>:dhcp6";
    /// `ip=dhcp,dhcp6`.
    LIST: "dracut runs them in turn, NetworkManager waits for both, networkd refuses a list",
        "both run at once", "write on, or one ip= for each method";
    /// `ip=single-dhcp`.
    SINGLE_DHCP: "dracut takes the first answer, NetworkManager reads dhcp, networkd refuses it",
        "the first link that gets a lease keeps it", "write <interface>:dhcp";
    /// `link-local`.
    LINK_LOCAL: "dracut stops the boot, NetworkManager reads auto, networkd (252) refuses it",
        "no more than the IPv6 link-local address is asked for", "write link6";
    /// `ip=auto`.
    AUTO: "NetworkManager reads DHCPv4 and IPv6, dracut stops the boot, networkd refuses it",
        "DHCPv4 and IPv6 by router advertisement", "write on";
    /// `ip=dhcp,<type>,<id>`.
    CLIENT_ID: "the kernel reads a client identifier, networkd refuses it, NetworkManager drops it",
        "DHCPv4 with this client identifier", "write rd.net.dhcp.client-id= for NetworkManager";
    /// `ip=`.
    EMPTY: "the kernel reads an empty value as off, networkd refuses it, NetworkManager ignores it",
        "nothing is said by it: the default network stays", "write ip=off, or leave it out";
    /// `ip6=`.
    IP6: "dracut, networkd and NetworkManager do not know ip6=",
        "it is read as ip=, for IPv6", "write ip= with the address in brackets, or with dhcp6";
    /// `nfsaddrs=`.
    NFSADDRS: "only the kernel and klibc know nfsaddrs=, the old name of ip=",
        "it is read as ip=", "write ip=";
    /// `ip=eth0:link6`.
    INTERFACE_LINK6: "dracut reads client eth0 and peer link6, networkd and NetworkManager the method",
        "no more than the IPv6 link-local address is asked for", "write :::::<interface>:link6";
    /// `ip=eth0:single-dhcp`.
    INTERFACE_SINGLE_DHCP: "dracut reads a client and a peer, networkd refuses it, NetworkManager reads dhcp",
        "DHCPv4 runs on this link", "write <interface>:dhcp";
    /// `ip=eth0:dhcp,dhcp6`.
    INTERFACE_LIST: "dracut reads client and peer, networkd refuses it, NetworkManager reads both",
        "all methods of the list run on this link", "write one ip=<interface>:<method> for each";
    /// A hardware address as the device.
    MAC_DEVICE: "networkd refuses a hardware address as device, dracut and NetworkManager find the link",
        "the physical link with this address is meant", "write the link's name, or add ifname=";
    /// `ip=eth0:dhcp:`.
    TRAILING_COLON: "networkd refuses a colon at the end, dracut and NetworkManager ignore it",
        "the colon is ignored", "remove it";
    /// `ip=192.0.2.9`.
    ANACONDA: "dracut adds gateway= and netmask=, NetworkManager reads auto, networkd refuses it",
        "the address is set, with gateway= netmask= ksdevice= where they are said",
        "write <client>::<gateway>:<netmask>::<interface>:none";
    /// A static address without a netmask.
    EMPTY_MASK: "dracut stops, networkd takes /32, NetworkManager and the kernel guess by class",
        "/32 (IPv6: /128); the gateway gets a route of its own", "write the netmask or prefix length in field 4";
    /// The same for IPv6.
    EMPTY_MASK_V6: "without a length dracut stops, networkd takes /128, NetworkManager /64",
        "/128; the gateway gets a route of its own", "write the prefix length in field 4";
    /// `ip=192.0.2.2/24::…`.
    CLIENT_LENGTH: "dracut and networkd refuse a length in field 1, NetworkManager takes it",
        "the address has this prefix length", "write the length in field 4";
    /// No method and no address.
    EMPTY_METHOD: "without method dracut reads dhcp, NetworkManager adds IPv6, networkd refuses it",
        "DHCP runs on it", "write dhcp, or none for a link without addresses";
    /// No method, with an address.
    STATIC_EMPTY_METHOD: "dracut and networkd refuse an empty method, NetworkManager sets the address",
        "the address is set and nothing else runs", "write none";
    /// `static` of klibc, `fw` of NetworkManager.
    ALIAS: "only klibc knows static, only NetworkManager fw; dracut and networkd refuse them",
        "static is none, fw is ibft", "write none, or ibft";
    /// A peer with a length.
    PEER_LENGTH: "dracut takes a peer with length, networkd refuses it, NetworkManager ignores the peer",
        "the address has this peer, and the peer's prefix length", "write field 2 without length and field 4";
    /// Field 2 without a length.
    PEER: "dracut and networkd read a peer, the kernel a boot server, NetworkManager ignores it",
        "the address has this peer", "leave field 2 empty where no point-to-point link is meant";
    /// A second `ip=` for a link.
    SAME_DEVICE: "said twice: dracut stops, networkd runs the last method, NetworkManager adds up",
        "all that is said of this link applies", "write one ip= for each link";
    /// A client address with a method.
    STATIC_AND_METHOD: "dracut refuses client and method, the kernel asks no server, networkd does both",
        "the address is set and the method runs as well", "write none, or leave field 1 empty";
    /// `none` without a client.
    OFF_WITHOUT_CLIENT: "dracut stops at off and none without a client address, the others go on",
        "the link goes up without an address", "";
    /// Two `ip=` with two host names.
    TWO_HOSTNAMES: "of two host names NetworkManager takes the last",
        "the first one counts", "write it once, or write initnet.hostname=";
    /// `rd.route=` without a link.
    ROUTE_EVERYWHERE: "dracut and networkd set it on each link, NetworkManager on the first or bootdev=",
        "one route, out of the link whose network holds the gateway", "add :<interface>";
    /// `rd.route=[net]/len:[gw]`.
    ROUTE_BRACKETS: "dracut and networkd refuse a length behind the brackets, NetworkManager drops it",
        "the route applies", "write [<network>/<length>]";
    /// Options of `bond=`.
    BOND_OPTIONS: "networkd drops all bond options, dracut and NetworkManager apply them",
        "the options are kept", "";
    /// `bond`, `bridge`, `team` without value.
    BARE_BRIDGE: "without value dracut and NetworkManager make br0 of eth0, networkd refuses it",
        "bridge br0 with member eth0", "write bridge=br0:eth0";
    /// Bare `bond`, or no members.
    BARE_BOND: "without members dracut takes eth0 and eth1, NetworkManager eth0, networkd refuses it",
        "the members are eth0 and eth1", "write bond=<name>:<member>,<member>";
    /// `team=`.
    TEAM: "networkd has no team=, NetworkManager drops the runner, dracut runs teamd",
        "the runner is kept", "write bond=";
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::summary;
    use super::*;
    use crate::config::Severity;

    /// The longest text that still fits a line of 100 columns with `warning: nfsaddrs=: ` before it.
    const MAX_TEXT: usize = 86;

    #[test]
    fn texts_fit_the_line() {
        for divergence in ALL {
            for text in [divergence.others, divergence.ours, divergence.instead] {
                assert!(text.len() <= MAX_TEXT, "{} {text}", text.len());
            }
        }
    }

    #[test]
    fn aliases_and_lengths() {
        check(
            "ip=192.0.2.2/24:::::eth0:none",
            &[(&CLIENT_LENGTH, "192.0.2.2/24")],
            "up eth0, addr eth0 192.0.2.2/24",
        );
        check(
            "ip=[2001:db8::2]:::::eth0:none",
            &[(&EMPTY_MASK_V6, "[2001:db8::2]")],
            "up eth0, addr eth0 2001:db8::2/128",
        );
        check(
            "ip=192.0.2.2:::24::eth0:static",
            &[(&ALIAS, "static")],
            "up eth0, addr eth0 192.0.2.2/24",
        );
        check(
            "ip=192.0.2.2:::24::eth0",
            &[(&STATIC_EMPTY_METHOD, "")],
            "up eth0, addr eth0 192.0.2.2/24",
        );
        check(
            "ip=:::::eth0:",
            &[(&EMPTY_METHOD, "")],
            "up eth0, op eth0 Dhcp4",
        );
        check("ip=eth0:", &[(&EMPTY_METHOD, "")], "up eth0, op eth0 Dhcp4");
        check("ip6=eth0:dhcp:", &[(&IP6, "ip6")], "up eth0, op eth0 Dhcp6");
        check(
            "nfsaddrs=eth0:dhcp:",
            &[(&NFSADDRS, "nfsaddrs")],
            "up eth0, op eth0 Dhcp4",
        );
        check("ip=fw", &[(&ALIAS, "fw")], "op * Ibft");
        check(
            "ip=:::::eth0:dhcp,dhcp6",
            &[(&LIST, "dhcp,dhcp6")],
            "up eth0, op eth0 Dhcp4, op eth0 Dhcp6",
        );
        check(
            "ip=:::::eth0:link-local",
            &[(&LINK_LOCAL, "link-local")],
            "up eth0, op eth0 LinkLocal6",
        );
    }

    /// The argument, the divergences it warns of with their carets, and what we read.
    #[track_caller]
    fn check(text: &str, expect: &[(&Divergence, &str)], ours: &str) {
        let (_, diagnostics) = parse(text, "/proc/cmdline");
        let found: Vec<_> = diagnostics
            .iter()
            .map(|d| {
                assert_eq!(d.severity, Severity::Warning, "{d}");
                let place = d.place.as_ref().unwrap();
                let message = d.message.split_once("=: ").unwrap().1;
                (
                    message,
                    place.text.get(place.caret.start..place.caret.end).unwrap(),
                )
            })
            .collect();
        let expect: Vec<_> = expect.iter().map(|(d, caret)| (d.others, *caret)).collect();
        assert_eq!(found, expect, "{text}");
        assert_eq!(summary(text), ours, "{text}");
    }

    #[test]
    fn row_dhcp() {
        check("ip=dhcp", &[(&DHCP, "dhcp")], "op * Dhcp4");
    }

    #[test]
    fn row_list() {
        check(
            "ip=dhcp,dhcp6",
            &[(&LIST, "dhcp,dhcp6")],
            "op * Dhcp4, op * Dhcp6",
        );
    }

    #[test]
    fn row_single_dhcp() {
        check(
            "ip=single-dhcp",
            &[(&SINGLE_DHCP, "single-dhcp")],
            "op * SingleDhcp4",
        );
    }

    #[test]
    fn row_auto6_is_read_alike() {
        check("ip=auto6", &[], "op * Auto6");
    }

    #[test]
    fn row_link_local() {
        check(
            "ip=link-local",
            &[(&LINK_LOCAL, "link-local")],
            "op * LinkLocal6",
        );
    }

    #[test]
    fn row_interface_link6() {
        check(
            "ip=eth0:link6",
            &[(&INTERFACE_LINK6, "link6")],
            "up eth0, op eth0 LinkLocal6",
        );
    }

    #[test]
    fn row_interface_list() {
        check(
            "ip=eth0:dhcp,dhcp6",
            &[(&INTERFACE_LIST, "dhcp,dhcp6")],
            "up eth0, op eth0 Dhcp4, op eth0 Dhcp6",
        );
    }

    #[test]
    fn row_mac_as_device() {
        check(
            "ip=52-54-00-12-34-00:dhcp",
            &[(&MAC_DEVICE, "52-54-00-12-34-00")],
            "up 52:54:00:12:34:00, op 52:54:00:12:34:00 Dhcp4",
        );
    }

    #[test]
    fn row_trailing_colon() {
        check(
            "ip=eth0:dhcp:",
            &[(&TRAILING_COLON, ":")],
            "up eth0, op eth0 Dhcp4",
        );
    }

    #[test]
    fn row_anaconda() {
        check(
            "ip=192.0.2.9 netmask=255.255.255.0",
            &[(&ANACONDA, "192.0.2.9")],
            "up primary, addr primary 192.0.2.9/24",
        );
    }

    #[test]
    fn row_empty_mask() {
        check(
            "ip=10.0.2.9:::::eth0:none",
            &[(&EMPTY_MASK, "10.0.2.9")],
            "up eth0, addr eth0 10.0.2.9/32",
        );
    }

    #[test]
    fn row_mask_with_a_hole_is_an_error() {
        let (document, diagnostics) = parse("ip=10.0.2.9:::255.0.255.0::eth0:none", "x");
        assert_eq!(diagnostics[0].severity, Severity::Error);
        assert!(document.addresses.is_empty());
    }

    #[test]
    fn row_peer_with_length() {
        check(
            "ip=192.0.2.11:192.0.2.10/31::::eth0:none",
            &[(&PEER_LENGTH, "192.0.2.10/31")],
            "up eth0, addr eth0 192.0.2.11/31 peer 192.0.2.10",
        );
    }

    #[test]
    fn row_same_device() {
        check(
            "ip=eth0:dhcp ip=192.0.2.2:::24::eth0:none",
            &[(&SAME_DEVICE, "eth0")],
            "up eth0, addr eth0 192.0.2.2/24, op eth0 Dhcp4",
        );
    }

    #[test]
    fn row_route_on_link_is_read_alike() {
        check("rd.route=10.0.0.0/8::eth0", &[], "route eth0 10.0.0.0/8");
    }

    #[test]
    fn row_route_without_link() {
        check(
            "rd.route=10.0.0.0/8:192.0.2.1",
            &[(&ROUTE_EVERYWHERE, "10.0.0.0/8:192.0.2.1")],
            "route ? 10.0.0.0/8 via 192.0.2.1",
        );
    }

    #[test]
    fn row_bond_options() {
        check(
            "bond=bond0:eth0,eth1:mode=active-backup,miimon=100:9000",
            &[(&BOND_OPTIONS, "mode=active-backup,miimon=100")],
            "up bond0 mtu 9000 bond(eth0 eth1; miimon=100 mode=active-backup)",
        );
    }

    #[test]
    fn row_bare_bridge() {
        check("bridge", &[(&BARE_BRIDGE, "bridge")], "up br0 bridge(eth0)");
    }

    #[test]
    fn beyond_the_table() {
        check("ip=", &[(&EMPTY, "ip")], "");
        check("ip=dhcp6", &[(&DHCP6, "dhcp6")], "op * Dhcp6");
        check("ip=auto", &[(&AUTO, "auto")], "op * Any");
        check(
            "ip=192.0.2.2:192.0.2.9::24::eth0:none",
            &[(&PEER, "192.0.2.9")],
            "up eth0, addr eth0 192.0.2.2/24 peer 192.0.2.9, server 192.0.2.9",
        );
        check(
            "ip=192.0.2.2:::24::eth0:dhcp",
            &[(&STATIC_AND_METHOD, "dhcp")],
            "up eth0, addr eth0 192.0.2.2/24, op eth0 Dhcp4",
        );
        check(
            "ip=:::::eth0:none",
            &[(&OFF_WITHOUT_CLIENT, "none")],
            "up eth0",
        );
        check(
            "ip=192.0.2.2:::24:a:eth0:none ip=192.0.2.3:::24:b:eth1:none",
            &[(&TWO_HOSTNAMES, "b")],
            "up eth0, up eth1, addr eth0 192.0.2.2/24, addr eth1 192.0.2.3/24, host a, host b",
        );
    }
}
