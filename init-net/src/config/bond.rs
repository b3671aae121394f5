//! Options of the bonding driver by the names that the kernel gives them (Documentation/networking/bonding.rst): for the
//! command line, which uses those names, and for the network formats of clouds, whose spellings lead to them.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::nearest::nearest;
use crate::value::{BondOptions, LinkName, Mac, Numbered};

/// Between the members of a value that is a list.
pub const JOINT: char = ';';

/// One option.
pub struct BondOption {
    /// As the kernel calls it.
    pub name: &'static str,
    rule: &'static Rule,
}

/// What a value has to look like.
enum Rule {
    /// A whole number in this range.
    Number(u32, u32),
    /// One of these words, or its number: its place in the list.
    Word(&'static [&'static str]),
    /// IPv4 addresses joined by `;`.
    Ipv4List,
    /// IPv6 addresses joined by `;`.
    Ipv6List,
    Link,
    Mac,
}

/// Ranges: drivers/net/bonding/bond_options.c.
const INT_MAX: u32 = i32::MAX as u32;

static OPTIONS: [(&str, Rule); 32] = [
    (
        "mode",
        Rule::Word(&[
            "balance-rr",
            "active-backup",
            "balance-xor",
            "broadcast",
            "802.3ad",
            "balance-tlb",
            "balance-alb",
        ]),
    ),
    ("miimon", Rule::Number(0, INT_MAX)),
    ("updelay", Rule::Number(0, INT_MAX)),
    ("downdelay", Rule::Number(0, INT_MAX)),
    ("use_carrier", Rule::Word(&["off", "on"])),
    ("arp_interval", Rule::Number(0, INT_MAX)),
    ("arp_ip_target", Rule::Ipv4List),
    ("ns_ip6_target", Rule::Ipv6List),
    (
        "arp_validate",
        Rule::Word(&[
            "none",
            "active",
            "backup",
            "all",
            "filter",
            "filter_active",
            "filter_backup",
        ]),
    ),
    ("arp_all_targets", Rule::Word(&["any", "all"])),
    ("arp_missed_max", Rule::Number(1, 255)),
    ("missed_max", Rule::Number(1, 255)),
    ("primary", Rule::Link),
    (
        "primary_reselect",
        Rule::Word(&["always", "better", "failure"]),
    ),
    ("fail_over_mac", Rule::Word(&["none", "active", "follow"])),
    (
        "xmit_hash_policy",
        Rule::Word(&[
            "layer2",
            "layer3+4",
            "layer2+3",
            "encap2+3",
            "encap3+4",
            "vlan+srcmac",
        ]),
    ),
    ("resend_igmp", Rule::Number(0, 255)),
    ("num_grat_arp", Rule::Number(0, 255)),
    ("num_unsol_na", Rule::Number(0, 255)),
    ("peer_notif_delay", Rule::Number(0, 300_000)),
    ("all_slaves_active", Rule::Word(&["dropped", "delivered"])),
    ("min_links", Rule::Number(0, INT_MAX)),
    ("lp_interval", Rule::Number(1, INT_MAX)),
    ("packets_per_slave", Rule::Number(0, 65_535)),
    ("lacp_rate", Rule::Word(&["slow", "fast"])),
    ("lacp_active", Rule::Word(&["off", "on"])),
    ("ad_select", Rule::Word(&["stable", "bandwidth", "count"])),
    ("ad_actor_sys_prio", Rule::Number(1, 65_535)),
    ("ad_actor_system", Rule::Mac),
    ("ad_user_port_key", Rule::Number(0, 1023)),
    ("tlb_dynamic_lb", Rule::Word(&["off", "on"])),
    ("active_slave", Rule::Link),
];

/// The option with this name.
pub fn option(name: &str) -> Option<BondOption> {
    let found = OPTIONS.iter().find(|(known, _)| *known == name);
    found.map(|(name, rule)| BondOption { name, rule })
}

/// The name that was probably meant.
pub fn nearest_option(name: &str) -> Option<&'static str> {
    nearest(name, OPTIONS.iter().map(|(name, _)| *name))
}

impl BondOption {
    /// Whether `text` is a value of it.
    ///
    /// # Errors
    /// What to write instead.
    pub fn check(&self, text: &str) -> Result<(), String> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|_| digits);
        let list = |is_good: &dyn Fn(&str) -> bool, family: &str| {
            let most = BondOptions::MAX_TARGETS;
            if targets(text).count() <= most && targets(text).all(is_good) {
                Ok(())
            } else {
                Err(format!(
                    "write 1 to {most} {family} addresses joined by \"{JOINT}\""
                ))
            }
        };
        match self.rule {
            Rule::Number(low, high) => match number {
                Some(n) if (*low..=*high).contains(&n) => Ok(()),
                _ => Err(format!("write a number from {low} to {high}")),
            },
            Rule::Word(words) => match number {
                Some(n) if usize::try_from(n).is_ok_and(|n| n < words.len()) => Ok(()),
                _ if words.contains(&text) => Ok(()),
                _ => Err(match nearest(text, words.iter().copied()) {
                    Some(word) => format!("did you mean {word}?"),
                    None => format!("write one of {}", words.join(", ")),
                }),
            },
            Rule::Ipv4List => list(&|t| t.parse::<Ipv4Addr>().is_ok(), "IPv4"),
            Rule::Ipv6List => list(&|t| t.parse::<Ipv6Addr>().is_ok(), "bracketed IPv6"),
            Rule::Link => text
                .parse::<LinkName>()
                .map(|_| ())
                .map_err(|_| "write a link name".to_owned()),
            Rule::Mac => text
                .parse::<Mac>()
                .map(|_| ())
                .map_err(|_| "write a hardware address with dashes".to_owned()),
        }
    }

    /// Writes a value that was checked into `set`. The primary is a link, which stands elsewhere; the active member is the
    /// kernel's and its monitors' choice.
    pub fn set(&self, text: &str, set: &mut BondOptions) {
        let number = text.parse::<u32>().ok();
        match self.name {
            "mode" => set.mode = word(text),
            "miimon" => set.miimon = number,
            "updelay" => set.updelay = number,
            "downdelay" => set.downdelay = number,
            "use_carrier" => set.use_carrier = switch(text),
            "arp_interval" => set.arp_interval = number,
            "arp_ip_target" => {
                set.arp_ip_targets = Some(targets(text).filter_map(|t| t.parse().ok()).collect());
            }
            "ns_ip6_target" => {
                set.ns_ip6_targets = Some(targets(text).filter_map(|t| t.parse().ok()).collect());
            }
            "arp_validate" => set.arp_validate = word(text),
            "arp_all_targets" => set.arp_all_targets = word(text),
            "arp_missed_max" | "missed_max" => set.missed_max = text.parse().ok(),
            "primary_reselect" => set.primary_reselect = word(text),
            "fail_over_mac" => set.fail_over_mac = word(text),
            "xmit_hash_policy" => set.xmit_hash_policy = word(text),
            "resend_igmp" => set.resend_igmp = number,
            // Two names of one option (bonding.rst).
            "num_grat_arp" | "num_unsol_na" => set.num_peer_notif = text.parse().ok(),
            "peer_notif_delay" => set.peer_notif_delay = number,
            "all_slaves_active" => set.all_slaves_active = switch(text),
            "min_links" => set.min_links = number,
            "lp_interval" => set.lp_interval = number,
            "packets_per_slave" => set.packets_per_slave = number,
            "lacp_rate" => set.lacp_rate = word(text),
            "lacp_active" => set.lacp_active = word(text),
            "ad_select" => set.ad_select = word(text),
            "ad_actor_sys_prio" => set.ad_actor_sys_prio = text.parse().ok(),
            "ad_actor_system" => set.ad_actor_system = text.parse().ok(),
            "ad_user_port_key" => set.ad_user_port_key = text.parse().ok(),
            "tlb_dynamic_lb" => set.tlb_dynamic_lb = switch(text),
            _ => {}
        }
    }
}

/// The members of a list; IPv6 addresses may stand in brackets.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split(JOINT).map(|target| {
        let inner = target.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        inner.unwrap_or(target)
    })
}

/// An enumeration by its name, with `_` for `-`, or by its number.
fn word<T: core::str::FromStr + Numbered>(text: &str) -> Option<T> {
    let by_number = text.parse().ok().and_then(T::numbered);
    by_number
        .or_else(|| text.parse().ok())
        .or_else(|| text.replace('_', "-").parse().ok())
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "0" | "off" | "dropped" => Some(false),
        "1" | "on" | "delivered" => Some(true),
        _ => None,
    }
}
