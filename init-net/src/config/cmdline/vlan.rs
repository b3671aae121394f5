//! `vlan=<name>:<link>`: an 802.1Q link, its tag taken from its name.

use super::argument::{Argument, Fault};
use super::fields::Field;
use super::reading::Reading;
use super::values;
use crate::config::KindConfig;
use crate::value::VlanId;

/// What the four forms of the name look like.
const FORMS: &str = "write eth0.5:eth0 or vlan5:eth0";

/// Reads one `vlan=`.
pub(super) fn parse<'a>(reading: &mut Reading<'a>, argument: &Argument<'a>) -> Result<(), Fault> {
    let value = argument.required()?;
    let Some((name, parent)) = value.split_once(':') else {
        return Err(argument.error(value, "the link below is missing", FORMS));
    };
    let link = values::link_name(argument, name, "field 1 (name)")?;
    let digits =
        tag(name).ok_or_else(|| argument.error(name, "the name holds no VLAN id", FORMS))?;
    let id: VlanId = digits
        .text
        .parse()
        .map_err(|rule| argument.error(digits, rule, "write an id from 1 to 4094"))?;
    if parent.text == name.text {
        return Err(argument.error(parent, "a link cannot be below itself", FORMS));
    }
    let parent = values::device(argument, parent, "field 2 (link)")?;
    reading.create(
        argument,
        (link, name),
        KindConfig::Vlan {
            parent,
            id,
            protocol: None,
        },
        None,
    )
}

/// The digits of `vlan0005`, `vlan5`, `eth0.0005`, `eth0.5`.
fn tag(name: Field<'_>) -> Option<Field<'_>> {
    let from = match name.text.rfind('.') {
        Some(dot) => dot + 1,
        None if name.text.starts_with("vlan") => "vlan".len(),
        None => return None,
    };
    let digits = name.slice(from, name.text.len());
    (!digits.is_empty() && digits.text.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, summary};

    #[test]
    fn names() {
        assert_eq!(summary("vlan=vlan0005:eth0"), "up vlan0005 vlan(eth0 5)");
        assert_eq!(summary("vlan=vlan5:eth0"), "up vlan5 vlan(eth0 5)");
        assert_eq!(summary("vlan=eth0.0005:eth0"), "up eth0.0005 vlan(eth0 5)");
        assert_eq!(summary("vlan=eth0.5:eth0"), "up eth0.5 vlan(eth0 5)");
        assert_eq!(
            summary("vlan=bond0.1.4094:bond0.1"),
            "up bond0.1.4094 vlan(bond0.1 4094)"
        );
        assert_eq!(
            summary("vlan=vlan.5:52-54-00-12-34-00"),
            "up vlan.5 vlan(52:54:00:12:34:00 5)"
        );
        assert_eq!(
            summary("vlan=eth0.5:eth0 vlan=eth0.6:eth0 vlan=eth0.5:eth0"),
            "up eth0.5 vlan(eth0 5), up eth0.6 vlan(eth0 6)"
        );
    }

    #[test]
    fn malformed() {
        #[track_caller]
        fn check(text: &str, message: &str) {
            assert_eq!(errors(text), [message], "{text}");
            assert_eq!(summary(text), "", "{text}");
        }
        check("vlan=", "vlan=: a value is missing");
        check("vlan=eth0.5", "vlan=: the link below is missing");
        check(
            "vlan=eth0.0:eth0",
            "vlan=: a VLAN id is a number from 1 to 4094",
        );
        check(
            "vlan=eth0.4095:eth0",
            "vlan=: a VLAN id is a number from 1 to 4094",
        );
        check(
            "vlan=eth0.99999:eth0",
            "vlan=: a VLAN id is a number from 1 to 4094",
        );
        check("vlan=lan:eth0", "vlan=: the name holds no VLAN id");
        check("vlan=vlan:eth0", "vlan=: the name holds no VLAN id");
        check("vlan=eth0.:eth0", "vlan=: the name holds no VLAN id");
        check("vlan=eth0.5:", "vlan=: field 2 (link) is empty");
        check("vlan=eth0.5:eth0.5", "vlan=: a link cannot be below itself");
    }

    #[test]
    fn two_meanings_of_one_name() {
        let text = "vlan=eth0.5:eth0 vlan=eth0.5:eth1";
        assert_eq!(
            errors(text),
            ["vlan=: eth0.5 was already made by argument 1"]
        );
        assert_eq!(summary(text), "up eth0.5 vlan(eth0 5)");
    }
}
