//! Network arguments of others that have no place here: never dropped in silence.

use super::argument::Argument;
use super::reading::Reading;

/// Key with `_` for `-` (a `.` at the end: everything that begins so), and what to use instead.
const KEYS: [(&str, &str); 21] = [
    ("rd.net.dns", "write nameserver="),
    ("rd.net.dns_backend", "the resolver is the real root's"),
    ("rd.net.dns_resolve_mode", "the resolver is the real root's"),
    ("rd.net.dhcp.dscp", "DHCP is sent with the kernel's default"),
    ("rd.net.", "no argument of this name has a meaning here"),
    ("rd.znet", "channel devices stay as the kernel has them"),
    ("rd.znet_ifname", "channel devices keep the kernel's name"),
    (
        "rd.ethtool",
        "write an EthernetConfig in the machine config",
    ),
    ("rd.iscsi.", "iSCSI and its firmware table are not read"),
    ("rd.nvmf.", "NVMe over fabrics is not set up"),
    ("ib.pkey", "no IPoIB child link is made"),
    (
        "net.ifname_policy",
        "links keep the kernel's name; write ifname=",
    ),
    ("netdog.default_interface", "write ip=<interface>:dhcp"),
    ("network_config", "write initnet.config.inline="),
    ("talos.config.", "this source of a config is not read"),
    (
        "talos.device.settle_time",
        "links are awaited by rd.net.timeout.iflink=",
    ),
    ("talos.environment", "no environment is set"),
    (
        "talos.network.",
        "no argument of this name has a meaning here",
    ),
    ("siderolink.api", "no tunnel is set up"),
    ("rd.bond", "write bond="),
    ("rd.vlan", "write vlan="),
];

/// A note when `key` is one of those.
pub(super) fn note(reading: &mut Reading<'_>, argument: &Argument<'_>, key: &str) {
    let known = KEYS
        .iter()
        .find(|(name, _)| key == *name || name.ends_with('.') && key.starts_with(name));
    if let Some((_, effect)) = known {
        let note = argument.note(
            argument.word.key,
            "a network argument that is not supported",
        );
        reading.report(note, *effect);
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use crate::config::Severity;

    #[test]
    fn told_once_each() {
        for text in [
            "rd.znet=qeth,0.0.0600,0.0.0601,0.0.0602,layer2=1",
            "rd.znet=",
            "rd.znet_ifname=a:0.0.0600",
            "ib.pkey=ib0.8001",
            "rd.ethtool=eth0:on:1000",
            "net.ifname-policy=mac",
            "net.ifname_policy=mac",
            "rd.iscsi.ibft=1",
            "rd.iscsi.ibft",
            "rd.nvmf.nonbft",
            "rd.net.dns=dns+tls://192.0.2.53",
            "rd.net.dns-backend=dnsconfd",
            "rd.net.dhcp.dscp=CS6",
            "rd.net.something=1",
            "talos.config.oauth.client_id=x",
            "talos.config.early=x",
            "network-config=disabled",
        ] {
            let (_, diagnostics) = parse(text, "x");
            assert_eq!(diagnostics.len(), 1, "{text}");
            assert_eq!(diagnostics[0].severity, Severity::Note, "{text}");
            assert!(diagnostics[0].effect.is_some(), "{text}");
        }
    }

    #[test]
    fn the_rest_is_nobodys_business() {
        let text = "BOOT_IMAGE=/vmlinuz quiet splash console=ttyS0,115200 net.ifnames=0 biosdevname=0 \
                    rd.luks.uuid=x systemd.unit=rescue.target ipv6.disable=1 = == ip_vs.conn_tab_bits=12";
        let (document, diagnostics) = parse(text, "x");
        assert_eq!(diagnostics, []);
        assert_eq!(document, parse("", "x").0);
    }
}
