//! `bond=<name>[:<members>[:<options>[:<mtu>]]]`: keys and values as in the kernel's bonding.rst.

use super::argument::{Argument, Fault, quoted};
use super::divergence;
use super::fields::Field;
use super::reading::Reading;
use super::{tail, values};
use crate::config::bond::{self, BondOption};
use crate::config::{KindConfig, LinkRef};
use crate::value::BondOptions;

/// Members of a bond that names none, as in dracut.
const DEFAULT_MEMBERS: &str = "eth0,eth1";

/// One `key=value`, the key known and the value checked.
struct Given<'a> {
    option: BondOption,
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
) -> Result<Vec<Given<'a>>, Fault> {
    let mut options: Vec<Given<'a>> = Vec::new();
    for piece in field.split(b',') {
        match option(argument, piece) {
            Ok(option) => {
                // As writing to sysfs twice: the last one stays.
                options.retain(|known| known.option.name != option.option.name);
                options.push(option);
            }
            Err(fault) if piece.text.starts_with("mode=") => return Err(fault),
            Err(fault) => reading.report(fault, "this option is left out; the bond is made"),
        }
    }
    Ok(options)
}

fn option<'a>(argument: &Argument<'_>, piece: Field<'a>) -> Result<Given<'a>, Fault> {
    let Some((key, value)) = piece.split_once('=') else {
        let message = format!("option {} has no value", quoted(piece.text));
        return Err(argument.error(piece, message, "write <option>=<value>"));
    };
    let Some(option) = bond::option(key.text) else {
        let fix = match bond::nearest_option(key.text) {
            Some(name) => format!("did you mean {name}?"),
            None => "write an option of the kernel's bonding driver".to_owned(),
        };
        return Err(argument.error(
            key,
            format!("{} is not a bond option", quoted(key.text)),
            fix,
        ));
    };
    option.check(value.text).map_err(|fix| {
        let message = format!("{} is not a value of {}", quoted(value.text), option.name);
        argument.error(value, message, fix)
    })?;
    Ok(Given { option, value })
}

/// The options as the rest of the pipeline has them. All of them were checked, so nothing is lost here.
fn settings(options: &[Given<'_>]) -> (BondOptions, Option<LinkRef>) {
    let (mut set, mut primary) = (BondOptions::default(), None);
    for Given { option, value } in options {
        option.set(value.text, &mut set);
        if option.name == "primary" {
            primary = value.text.parse().ok().map(LinkRef::Name);
        }
    }
    (set, primary)
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
