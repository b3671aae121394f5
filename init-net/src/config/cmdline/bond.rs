//! `bond=<name>[:<members>[:<options>[:<mtu>]]]`: keys and values as in the kernel's bonding.rst.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::argument::{Argument, Fault, quoted};
use super::divergence;
use super::fields::Field;
use super::reading::Reading;
use super::{tail, values};
use crate::config::nearest::nearest;
use crate::config::{KindConfig, LinkRef};
use crate::value::{BondOptions, LinkName, Mac, Numbered};

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

/// Addresses that one bond can probe (BOND_MAX_ARP_TARGETS, include/net/bonding.h).
const MAX_TARGETS: usize = 16;

/// Ranges: drivers/net/bonding/bond_options.c.
const INT_MAX: u32 = i32::MAX as u32;

const OPTIONS: [(&str, Rule); 32] = [
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

/// Members of a bond that names none, as in dracut.
const DEFAULT_MEMBERS: &str = "eth0,eth1";

/// One `key=value`, the key known and the value checked.
struct BondOption<'a> {
    key: &'static str,
    value: Field<'a>,
}

/// Reads one `bond=`; the key alone is `bond0:eth0,eth1:mode=balance-rr`.
///
/// A bad `mode` costs the bond: the members would be joined in a way the switch does not expect. Any other bad option
/// costs only itself.
pub(super) fn parse<'a>(reading: &mut Reading<'a>, argument: &Argument<'a>) -> Result<(), Fault> {
    let key = argument.word.key;
    let value = match argument.word.value {
        Some(_) => argument.required()?,
        None => Field {
            text: "bond0",
            ..key
        },
    };
    let fields = value.split(b':');
    let at = |i: usize| fields.get(i).copied().filter(|field| !field.is_empty());
    let Some(name) = fields.first().copied() else {
        return argument.required().map(|_| ());
    };
    let bond = values::link_name(argument, name, "field 1 (name)")?;
    let options = match at(2) {
        Some(field) => options(reading, argument, field)?,
        None => Vec::new(),
    };
    let (set, primary) = settings(&options);
    let members = match at(1) {
        Some(field) => values::members(reading, argument, field, &bond),
        None => {
            divergence::warn(reading, argument, key, &divergence::BARE_BOND);
            let field = Field {
                text: DEFAULT_MEMBERS,
                ..name
            };
            values::members(reading, argument, field, &bond)
        }
    };
    if members.is_empty() {
        return Err(argument.error(value, "no member is left", "write bond=bond0:eth0,eth1"));
    }
    let mtu = at(3).and_then(|field| {
        let read = values::mtu(argument, field, "field 4 (mtu)");
        tail::kept(reading, read, "the MTU stays as it is; the bond is made")
    });
    if let Some(surplus) = fields.get(4) {
        tail::surplus(reading, argument, *surplus, 4);
    }
    if let (false, Some(field)) = (options.is_empty(), at(2)) {
        divergence::warn(reading, argument, field, &divergence::BOND_OPTIONS);
    }
    reading.create(
        argument,
        (bond, name),
        KindConfig::Bond {
            members,
            options: set,
            primary,
        },
        mtu,
    )
}

fn options<'a>(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    field: Field<'a>,
) -> Result<Vec<BondOption<'a>>, Fault> {
    let mut options: Vec<BondOption<'a>> = Vec::new();
    for piece in field.split(b',') {
        match option(argument, piece) {
            Ok(option) => {
                // As writing to sysfs twice: the last one stays.
                options.retain(|known| known.key != option.key);
                options.push(option);
            }
            Err(fault) if piece.text.starts_with("mode=") => return Err(fault),
            Err(fault) => reading.report(fault, "this option is left out; the bond is made"),
        }
    }
    Ok(options)
}

fn option<'a>(argument: &Argument<'_>, piece: Field<'a>) -> Result<BondOption<'a>, Fault> {
    let Some((key, value)) = piece.split_once('=') else {
        let message = format!("option {} has no value", quoted(piece.text));
        return Err(argument.error(piece, message, "write <option>=<value>"));
    };
    let Some((name, rule)) = OPTIONS.iter().find(|(name, _)| *name == key.text) else {
        let fix = match nearest(key.text, OPTIONS.iter().map(|(name, _)| *name)) {
            Some(name) => format!("did you mean {name}?"),
            None => "write an option of the kernel's bonding driver".to_owned(),
        };
        return Err(argument.error(
            key,
            format!("{} is not a bond option", quoted(key.text)),
            fix,
        ));
    };
    check(rule, value).map_err(|fix| {
        argument.error(
            value,
            format!("{} is not a value of {name}", quoted(value.text)),
            fix,
        )
    })?;
    Ok(BondOption { key: name, value })
}

/// The options as the rest of the pipeline has them. All of them were checked, so nothing is lost here.
fn settings(options: &[BondOption<'_>]) -> (BondOptions, Option<LinkRef>) {
    let (mut set, mut primary) = (BondOptions::default(), None);
    for BondOption { key, value } in options {
        let text = value.text;
        let number = text.parse::<u32>().ok();
        let targets = value.split(b';');
        match *key {
            "mode" => set.mode = word(text),
            "miimon" => set.miimon = number,
            "updelay" => set.updelay = number,
            "downdelay" => set.downdelay = number,
            "use_carrier" => set.use_carrier = switch(text),
            "arp_interval" => set.arp_interval = number,
            "arp_ip_target" => {
                set.arp_ip_targets =
                    Some(targets.iter().filter_map(|t| t.text.parse().ok()).collect());
            }
            "ns_ip6_target" => {
                let parse = |target: &Field<'_>| target.unbracketed().text.parse().ok();
                set.ns_ip6_targets = Some(targets.iter().filter_map(parse).collect());
            }
            "arp_validate" => set.arp_validate = word(text),
            "arp_all_targets" => set.arp_all_targets = word(text),
            "arp_missed_max" | "missed_max" => set.missed_max = text.parse().ok(),
            "primary" => primary = text.parse().ok().map(LinkRef::Name),
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
            // active_slave: the kernel and the monitors choose; a primary says what is preferred.
            _ => {}
        }
    }
    (set, primary)
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

/// Whether the value fits the rule; else what to write.
fn check(rule: &Rule, field: Field<'_>) -> Result<(), String> {
    let text = field.text;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<u32>().ok().filter(|_| digits);
    let list = |is_good: &dyn Fn(&str) -> bool, family: &str| {
        let targets = field.split(b';');
        if targets.len() <= MAX_TARGETS && targets.iter().all(|t| is_good(t.unbracketed().text)) {
            Ok(())
        } else {
            Err(format!(
                "write 1 to {MAX_TARGETS} {family} addresses joined by \";\""
            ))
        }
    };
    match rule {
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

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, summary};

    #[test]
    fn forms() {
        assert_eq!(summary("bond"), "up bond0 bond(eth0 eth1; )");
        assert_eq!(summary("bond=bond0"), "up bond0 bond(eth0 eth1; )");
        assert_eq!(
            summary("bond=bond1:eth0,eth2"),
            "up bond1 bond(eth0 eth2; )"
        );
        assert_eq!(summary("bond=b:eth0::9000"), "up b mtu 9000 bond(eth0; )");
        assert_eq!(
            summary("bond=b:eth0,52-54-00-12-34-01:mode=4,lacp_rate=fast:9000"),
            "up b mtu 9000 bond(eth0 52:54:00:12:34:01; lacpRate=fast mode=802.3ad)"
        );
        assert_eq!(
            summary("bond=b:eth0:mode=1,arp_interval=100,arp_ip_target=192.0.2.1;192.0.2.2"),
            "up b bond(eth0; arpInterval=100 arpIpTargets=[192.0.2.1,192.0.2.2] mode=active-backup)"
        );
        assert_eq!(
            summary("bond=b:eth0:ns_ip6_target=[2001:db8::1]"),
            "up b bond(eth0; nsIp6Targets=[2001:db8::1])"
        );
        assert_eq!(
            summary("bond=b:eth0:miimon=1,miimon=2"),
            "up b bond(eth0; miimon=2)"
        );
        assert_eq!(
            summary("bond=a:eth0 bond=b:eth1"),
            "up a bond(eth0; ), up b bond(eth1; )"
        );
    }

    #[test]
    fn a_bad_option_costs_only_itself() {
        #[track_caller]
        fn check(option: &str, message: &str) {
            let text = format!("bond=b:eth0:{option},miimon=100");
            assert_eq!(errors(&text), [format!("bond=: {message}")], "{text}");
            assert_eq!(summary(&text), "up b bond(eth0; miimon=100)", "{text}");
        }
        check("updelay", "option \"updelay\" has no value");
        check("updelay=x", "\"x\" is not a value of updelay");
        check("updelay=-1", "\"-1\" is not a value of updelay");
        check("updelay=+1", "\"+1\" is not a value of updelay");
        check(
            "updelay=99999999999",
            "\"99999999999\" is not a value of updelay",
        );
        check("resend_igmp=256", "\"256\" is not a value of resend_igmp");
        check("min_linsk=1", "\"min_linsk\" is not a bond option");
        check("lacp_rate=2", "\"2\" is not a value of lacp_rate");
        check("lacp_rate=fats", "\"fats\" is not a value of lacp_rate");
        check(
            "arp_ip_target=192.0.2",
            "\"192.0.2\" is not a value of arp_ip_target",
        );
        check(
            "arp_ip_target=[2001:db8::1]",
            "\"[2001:db8::1]\" is not a value of arp_ip_target",
        );
        check("primary=", "\"\" is not a value of primary");
        check(
            "ad_actor_system=1",
            "\"1\" is not a value of ad_actor_system",
        );
        check("", "option \"\" has no value");
    }

    #[test]
    fn what_costs_the_bond() {
        #[track_caller]
        fn check(text: &str, message: &str) {
            assert_eq!(errors(text), [message], "{text}");
            assert_eq!(summary(text), "", "{text}");
        }
        check(
            "bond=b:eth0:mode=activebackup",
            "bond=: \"activebackup\" is not a value of mode",
        );
        check("bond=b:eth0:mode=7", "bond=: \"7\" is not a value of mode");
        check("bond=:eth0", "bond=: field 1 (name) is empty");
        check("bond=", "bond=: a value is missing");
    }

    #[test]
    fn a_bad_mtu_costs_only_itself() {
        assert_eq!(errors("bond=b:eth0::x").len(), 1);
        assert_eq!(summary("bond=b:eth0::x"), "up b bond(eth0; )");
        assert_eq!(errors("bond=b:eth0::9000:x"), ["bond=: more than 4 fields"]);
    }
}
