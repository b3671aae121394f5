//! `initnet.hostname=`, `hostname=` and the host name of `ip=`: all are kept, the best comes first.

use super::argument::{Argument, Fault};
use super::fields::Field;
use super::reading::Reading;
use crate::config::Said;
use crate::value::{Hostname, HostnameError};

/// `initnet.hostname=`, `talos.hostname=`.
pub(super) const OWN_KEY: u8 = 0;
/// `systemd.hostname=`, and `hostname=` of the kernel and of the anaconda form.
pub(super) const FOREIGN_KEY: u8 = 1;
/// Field 5 of `ip=`.
pub(super) const IP_FIELD: u8 = 2;

/// Keeps the name at `rank`.
pub(super) fn parse(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    rank: u8,
) -> Result<(), Fault> {
    let field = argument.required()?;
    let name = read(argument, field, "")?;
    reading
        .hostnames
        .push((rank, Said::new(name, argument.origin())));
    Ok(())
}

/// A host name; `label` stands before the rule that is broken.
pub(super) fn read(
    argument: &Argument<'_>,
    field: Field<'_>,
    label: &str,
) -> Result<Hostname, Fault> {
    field.text.parse().map_err(|rule| {
        let rule = match rule {
            HostnameError::Empty => "an empty label",
            HostnameError::BadLabel => "only letters, digits, inner \"-\" and \".\" (RFC 1123)",
            HostnameError::TooLong => "at most 63 bytes a label, 253 in all",
        };
        argument.error(
            field,
            format!("{label}{rule}"),
            "write for instance web1.example.com",
        )
    })
}

/// Puts them into the document, best first, in the order said within a rank.
pub(super) fn finish(reading: &mut Reading<'_>) {
    reading.hostnames.sort_by_key(|(rank, _)| *rank);
    let names = core::mem::take(&mut reading.hostnames);
    reading
        .document
        .hostnames
        .extend(names.into_iter().map(|(_, said)| said));
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, summary};

    #[test]
    fn own_keys_come_first() {
        assert_eq!(
            summary("ip=::::a:eth0:dhcp hostname=b talos.hostname=c initnet.hostname=d.example"),
            "up eth0, op eth0 Dhcp4, host c, host d.example, host b, host a"
        );
        assert_eq!(summary("systemd.hostname=Web1"), "host web1");
    }

    #[test]
    fn malformed() {
        assert_eq!(errors("initnet.hostname=a_b").len(), 1);
        assert_eq!(errors("initnet.hostname=").len(), 1);
        assert_eq!(summary("initnet.hostname=a;reboot"), "");
    }
}
