//! Options of bonds in every spelling that occurs: `bond-lacp_rate`, `lacp_rate`, `bond_lacp-rate`, `lacp-rate`.

use super::reader::{Reader, millis, truth};
use crate::config::machine::tree::{Node, Value};
use crate::config::{LinkRef, Severity, bond};
use crate::value::BondOptions;

/// What netplan, and tools that make network-configs, call options of the kernel.
const OTHER_NAMES: [(&str, &str); 13] = [
    ("mii_monitor_interval", "miimon"),
    ("transmit_hash_policy", "xmit_hash_policy"),
    ("all_members_active", "all_slaves_active"),
    ("arp_ip_targets", "arp_ip_target"),
    ("up_delay", "updelay"),
    ("down_delay", "downdelay"),
    ("fail_over_mac_policy", "fail_over_mac"),
    ("gratuitous_arp", "num_grat_arp"),
    ("gratuitious_arp", "num_grat_arp"),
    ("packets_per_member", "packets_per_slave"),
    ("primary_reselect_policy", "primary_reselect"),
    ("learn_packet_interval", "lp_interval"),
    ("primary_member", "primary"),
];

/// What the driver tells and nobody sets, members, which stand elsewhere, and the choice of the active one, which is the
/// kernel's.
const NO_OPTIONS: [&str; 8] = [
    "ad_aggregator",
    "ad_num_ports",
    "ad_partner_key",
    "ad_partner_mac",
    "mii_status",
    "queue_id",
    "slaves",
    "active_slave",
];

/// Options in milliseconds.
const MILLISECONDS: [&str; 5] = [
    "miimon",
    "updelay",
    "downdelay",
    "arp_interval",
    "peer_notif_delay",
];

/// Options that are on or off, which is a number to the kernel.
const SWITCHES: [&str; 4] = [
    "use_carrier",
    "all_slaves_active",
    "tlb_dynamic_lb",
    "lacp_active",
];

/// Options in seconds.
const SECONDS: [&str; 1] = ["lp_interval"];

impl Reader<'_> {
    /// The options in the mapping `params`, and the preferred member. `None`: the mode is none, and the members would be joined
    /// in a way that the switch does not expect.
    pub(super) fn bond_options(
        &mut self,
        params: Option<&Node>,
    ) -> Option<(BondOptions, Option<LinkRef>)> {
        let (mut options, mut primary) = (BondOptions::default(), None);
        let entries = match params.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        for (key, node) in entries.iter().filter(|(_, node)| !node.is_null()) {
            let name = kernel_name(&key.text);
            if NO_OPTIONS.contains(&name.as_str()) {
                continue;
            }
            let Some(option) = bond::option(&name) else {
                let fix = bond::nearest_option(&name).map(|near| format!("did you mean {near}?"));
                let rule = "an option that bonds do not have".to_owned();
                self.report(Severity::Warning, key.mark, rule, fix, "it is left out");
                continue;
            };
            if option.name == "primary" {
                primary = self.link(node, "primary");
                continue;
            }
            let text = value(option.name, node);
            match option.check(&text) {
                Ok(()) => option.set(&text, &mut options),
                Err(fix) if option.name == "mode" => {
                    let rule = "a mode that bonds do not have".to_owned();
                    let effect = "the bond is not made";
                    self.report(Severity::Error, node.mark, rule, Some(fix), effect);
                    return None;
                }
                Err(fix) => {
                    let rule = format!("{} is not what it should be", option.name);
                    self.report(
                        Severity::Warning,
                        node.mark,
                        rule,
                        Some(fix),
                        "it is left out",
                    );
                }
            }
        }
        Some((options, primary))
    }
}

/// What the kernel calls the option that is spelt `key`.
fn kernel_name(key: &str) -> String {
    let name = key.to_ascii_lowercase().replace('-', "_");
    let name = name.strip_prefix("bond_").unwrap_or(&name);
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name);
    other.map_or(name, |(_, name)| name).to_owned()
}

/// The value as the table of options reads it.
fn value(name: &str, node: &Node) -> String {
    if let Value::List(items) = &node.value {
        let texts = items.iter().map(|item| item.text().unwrap_or_default());
        let items: Vec<&str> = texts.collect();
        return items.join(&bond::JOINT.to_string());
    }
    let text = node.text().unwrap_or_default().trim();
    let time = match name {
        _ if MILLISECONDS.contains(&name) => millis(text, 1),
        _ if SECONDS.contains(&name) => millis(text, 1000).map(|time| time / 1000),
        "arp_ip_target" | "ns_ip6_target" => {
            let targets = text
                .split([',', ' ', bond::JOINT])
                .filter(|t| !t.is_empty());
            return targets.collect::<Vec<_>>().join(&bond::JOINT.to_string());
        }
        _ => None,
    };
    let switch = truth(node).filter(|_| SWITCHES.contains(&name));
    let switch = switch.map(u32::from);
    let number = time.or(switch);
    number.map_or_else(|| text.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::tests::summary;

    #[track_caller]
    fn check(params: &str, expect: &[&str]) {
        let text = format!(
            "{{version: 1, config: [{{type: bond, name: b, bond_interfaces: [eth0], params: {{{params}}}}}]}}"
        );
        let mut expect: Vec<String> = expect.iter().map(|line| (*line).to_owned()).collect();
        let bond = expect.first_mut();
        if let Some(bond) = bond.filter(|line| !line.contains(": ")) {
            *bond = format!("link b up bond(eth0; {bond})");
        }
        assert_eq!(summary(&text), expect, "{params}");
    }

    #[test]
    fn every_spelling() {
        for key in [
            "bond-lacp_rate",
            "lacp_rate",
            "bond_lacp-rate",
            "lacp-rate",
            "bond-lacp-rate",
            "LACP_Rate",
        ] {
            check(&format!("{key}: fast"), &["lacpRate=fast"]);
        }
        check("mode: 4", &["mode=802.3ad"]);
        check(
            "bond-mode: 802.3ad, bond-xmit_hash_policy: 1",
            &["mode=802.3ad xmitHashPolicy=layer3+4"],
        );
        check(
            "bond-mode: '802.3AD'",
            &["Error: network-config: a mode that bonds do not have"],
        );
    }

    #[test]
    fn names_of_netplan() {
        check(
            "mii-monitor-interval: 1s, up-delay: 200ms, down-delay: 200",
            &["downdelay=200 miimon=1000 updelay=200"],
        );
        check("learn-packet-interval: 3", &["lpInterval=3"]);
        check("learn-packet-interval: 3s", &["lpInterval=3"]);
        check("gratuitious-arp: 2", &["numPeerNotif=2"]);
        check("gratuitous-arp: 2", &["numPeerNotif=2"]);
        check("all-members-active: yes", &["allSlavesActive=true"]);
        check("all-slaves-active: 'no'", &["allSlavesActive=false"]);
        check("use_carrier: 1", &["useCarrier=true"]);
        check("fail-over-mac-policy: active", &["failOverMac=active"]);
        check(
            "primary-reselect-policy: better",
            &["primaryReselect=better"],
        );
        check(
            "transmit-hash-policy: layer2+3",
            &["xmitHashPolicy=layer2+3"],
        );
        for targets in [
            "[192.0.2.1, 192.0.2.2]",
            "'192.0.2.1,192.0.2.2'",
            "192.0.2.1 192.0.2.2",
        ] {
            check(
                &format!("arp-ip-targets: {targets}"),
                &["arpIpTargets=[192.0.2.1,192.0.2.2]"],
            );
        }
    }

    #[test]
    fn faults_cost_their_option() {
        check(
            "miimon: x, min_links: 1",
            &[
                "minLinks=1",
                "Warning: network-config: miimon is not what it should be",
            ],
        );
        check(
            "min_linsk: 1",
            &[
                "",
                "Warning: network-config: an option that bonds do not have",
            ],
        );
        check("bond-ad_partner_mac: x, bond-slaves: none", &[""]);
        check(
            "miimon: [1, {a: b}]",
            &[
                "",
                "Warning: network-config: miimon is not what it should be",
            ],
        );
    }
}
