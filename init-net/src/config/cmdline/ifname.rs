//! `ifname=<name>:<mac>`: a name for the link with this hardware address.

use super::argument::{Argument, Fault};
use super::reading::Reading;
use super::values;
use crate::config::{IfName, LinkRef};

/// Reads one `ifname=`. The same pair twice is one; a name for two links, or two names for one, is a fault.
pub(super) fn parse(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let value = argument.required()?;
    let form = "write ifname=lan0:52:54:00:12:34:56";
    let Some((name_field, mac_field)) = value.split_once(':') else {
        return Err(argument.error(value, "the hardware address is missing", form));
    };
    let name = values::link_name(argument, name_field, "field 1 (name)")?;
    if name.as_str() == "lo" {
        return Err(argument.error(name_field, "lo is the loopback link", form));
    }
    let mac = values::mac(argument, mac_field, "field 2 (mac)")?;
    let names = reading.document.names.iter();
    let mut names = names.filter_map(|known| match known.link {
        LinkRef::Mac(mac) => Some((&known.name, mac)),
        _ => None,
    });
    if names.clone().any(|known| known == (&name, mac)) {
        return Ok(());
    }
    if let Some((_, known)) = names.clone().find(|(known, _)| **known == name) {
        let message = format!("{name} is already the name of {known}");
        return Err(argument.error(name_field, message, "give each link a name of its own"));
    }
    if let Some((known, _)) = names.find(|(_, known)| *known == mac) {
        let message = format!("{mac} already has the name {known}");
        return Err(argument.error(mac_field, message, "give each link one name"));
    }
    let kernel_name = name
        .as_str()
        .strip_prefix("eth")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    if kernel_name {
        let message = format!("{name} is a name that the kernel gives as well");
        let warning = argument.warning(name_field, message, "write for instance lan0");
        reading.report(
            warning,
            "the name is given, if no other link has it by then",
        );
    }
    reading.document.names.push(IfName {
        name,
        link: LinkRef::Mac(mac),
        origin: argument.origin(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, messages, summary};

    #[test]
    fn names() {
        assert_eq!(
            summary("ifname=lan0:52:54:00:AB:cd:00 ifname=lan1:52-54-00-12-34-01"),
            "name lan0 52:54:00:ab:cd:00, name lan1 52:54:00:12:34:01"
        );
        let ipoib = "80:00:02:08:fe:80:00:00:00:00:00:00:f4:52:14:03:00:7b:cb:a1";
        assert_eq!(
            summary(&format!("ifname=ib0:{ipoib}")),
            format!("name ib0 {ipoib}")
        );
        assert_eq!(
            summary("ifname=a:52:54:00:12:34:00 ifname=a:52:54:00:12:34:00"),
            "name a 52:54:00:12:34:00"
        );
    }

    #[test]
    fn kernel_names_warn() {
        assert_eq!(
            messages("ifname=eth0:52:54:00:12:34:00"),
            ["ifname=: eth0 is a name that the kernel gives as well"]
        );
    }

    #[test]
    fn malformed() {
        #[track_caller]
        fn check(value: &str, message: &str) {
            let text = format!("ifname=a:52:54:00:12:34:00 ifname={value}");
            assert_eq!(errors(&text), [format!("ifname=: {message}")], "{text}");
            assert_eq!(summary(&text), "name a 52:54:00:12:34:00", "{text}");
        }
        check("b", "the hardware address is missing");
        check("b:52:54:00", "field 2 (mac) is not a hardware address");
        check(":52:54:00:12:34:01", "field 1 (name) is empty");
        check("lo:52:54:00:12:34:01", "lo is the loopback link");
        check(
            "a:52:54:00:12:34:01",
            "a is already the name of 52:54:00:12:34:00",
        );
        check(
            "b:52:54:00:12:34:00",
            "52:54:00:12:34:00 already has the name a",
        );
    }
}
