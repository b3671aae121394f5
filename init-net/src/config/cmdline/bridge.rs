//! `bridge=<name>:<members>` and `team=<name>:<members>[:<runner>]`.

use super::argument::{Argument, Fault, quoted};
use super::divergence;
use super::fields::Field;
use super::reading::Reading;
use super::values;
use crate::config::KindConfig;
use crate::config::nearest::nearest;
use crate::value::BridgeOptions;

/// Runners of teamd.conf(5).
const RUNNERS: [&str; 6] = [
    "activebackup",
    "loadbalance",
    "lacp",
    "roundrobin",
    "broadcast",
    "random",
];

/// Reads one `bridge=`; the key alone is `br0:eth0`, as in dracut.
pub(super) fn parse<'a>(reading: &mut Reading<'a>, argument: &Argument<'a>) -> Result<(), Fault> {
    let value = match argument.word.value {
        Some(_) => argument.required()?,
        None => {
            divergence::warn(
                reading,
                argument,
                argument.word.key,
                &divergence::BARE_BRIDGE,
            );
            Field {
                text: "br0:eth0",
                ..argument.word.key
            }
        }
    };
    let fields = value.split(b':');
    let [name, members] = *fields.as_slice() else {
        let fix = "write bridge=<name>:<member>,<member>";
        return Err(argument.error(value, "two fields are needed: name and members", fix));
    };
    let bridge = values::link_name(argument, name, "field 1 (name)")?;
    let links = values::members(reading, argument, members, &bridge);
    if links.is_empty() {
        return Err(argument.error(members, "no member is left", "write bridge=br0:eth0"));
    }
    let kind = KindConfig::Bridge {
        members: links,
        options: BridgeOptions::default(),
        vlans: None,
    };
    reading.create(argument, (bridge, name), kind, None)
}

/// Reads one `team=`; the key alone is `team0:eth0,eth1:activebackup`.
pub(super) fn parse_team<'a>(
    reading: &mut Reading<'a>,
    argument: &Argument<'a>,
) -> Result<(), Fault> {
    let value = match argument.word.value {
        Some(_) => argument.required()?,
        None => Field {
            text: "team0:eth0,eth1:activebackup",
            ..argument.word.key
        },
    };
    let fields = value.split(b':');
    let (name, members, runner) = match *fields.as_slice() {
        [name, members] => (name, members, None),
        [name, members, runner] => (name, members, Some(runner)),
        _ => {
            let fix = "write team=<name>:<member>,<member>:<runner>";
            return Err(argument.error(value, "two or three fields are needed", fix));
        }
    };
    let team = values::link_name(argument, name, "field 1 (name)")?;
    let runner = match runner.filter(|field| !field.is_empty()) {
        None => "activebackup",
        Some(field) => RUNNERS
            .into_iter()
            .find(|known| *known == field.text)
            .ok_or_else(|| {
                let fix = match nearest(field.text, RUNNERS) {
                    Some(name) => format!("did you mean {name}?"),
                    None => format!("write one of {}", RUNNERS.join(", ")),
                };
                argument.error(
                    field,
                    format!("{} is not a runner", quoted(field.text)),
                    fix,
                )
            })?,
    };
    let links = values::members(reading, argument, members, &team);
    if links.is_empty() {
        return Err(argument.error(members, "no member is left", "write team=team0:eth0,eth1"));
    }
    divergence::warn(reading, argument, argument.word.key, &divergence::TEAM);
    let kind = KindConfig::Team {
        members: links,
        runner: runner.to_owned(),
    };
    reading.create(argument, (team, name), kind, None)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, summary};

    #[test]
    fn bridges() {
        assert_eq!(summary("bridge=br0:eth0,eth1"), "up br0 bridge(eth0 eth1)");
        assert_eq!(summary("bridge"), "up br0 bridge(eth0)");
        assert_eq!(
            summary("bridge=br0:eth0 ip=br0:dhcp"),
            "up br0 bridge(eth0), op br0 Dhcp4"
        );
        assert_eq!(
            summary("bridge=br0:eth0,eth0,52-54-00-12-34-01"),
            "up br0 bridge(eth0 52:54:00:12:34:01)"
        );
    }

    #[test]
    fn teams() {
        assert_eq!(summary("team"), "up team0 team(eth0 eth1; activebackup)");
        assert_eq!(
            summary("team=team0:eth0,eth1"),
            "up team0 team(eth0 eth1; activebackup)"
        );
        assert_eq!(summary("team=t:eth0:lacp"), "up t team(eth0; lacp)");
    }

    #[test]
    fn malformed() {
        #[track_caller]
        fn check(text: &str, message: &str, expect: &str) {
            assert_eq!(errors(text), [message], "{text}");
            assert_eq!(summary(text), expect, "{text}");
        }
        check("bridge=", "bridge=: a value is missing", "");
        check(
            "bridge=br0",
            "bridge=: two fields are needed: name and members",
            "",
        );
        check(
            "bridge=br0:eth0:x",
            "bridge=: two fields are needed: name and members",
            "",
        );
        check(
            "bridge=br0:eth0,eth/1",
            "bridge=: member is not a link name",
            "up br0 bridge(eth0)",
        );
        check(
            "bridge=br0:eth0,br0",
            "bridge=: br0 cannot be a member of itself",
            "up br0 bridge(eth0)",
        );
        check("team=t:eth0:lacpp", "team=: \"lacpp\" is not a runner", "");
        check(
            "bond=x:eth0 bridge=x:eth1",
            "bridge=: x was already made by argument 1",
            "up x bond(eth0; )",
        );
    }

    #[test]
    fn no_member_left() {
        assert_eq!(errors("bridge=br0:").len(), 2);
        assert_eq!(summary("bridge=br0:"), "");
    }
}
