//! `bootdev=`, `BOOTIF=`, `rd.bootif=`, `rd.neednet=`, `rd.peerdns=`: which link booted, and what it has to bring.

use super::argument::{Argument, Fault};
use super::reading::{Reading, set};
use super::values;
use crate::value::Mac;

/// `bootdev=<name or mac>`.
pub(super) fn bootdev(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let link = values::device(argument, argument.required()?, "the boot device")?;
    let twice = set(&mut reading.document.boot.bootdev, link, argument);
    reading.said(twice);
    Ok(())
}

/// `BOOTIF=<hardware type>-<mac>` as pxelinux writes it; the type is not needed.
pub(super) fn bootif(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let field = argument.required()?;
    let groups = field.text.split(['-', ':']).count();
    let address = match groups {
        7 | 21 => field.slice(3, field.text.len()),
        _ => field,
    };
    let mac: Mac = address.text.parse().map_err(|_| {
        let fix = "write BOOTIF=01-52-54-00-12-34-56";
        argument.error(field, "not a hardware address", fix)
    })?;
    let twice = set(&mut reading.document.boot.bootif, mac, argument);
    reading.said(twice);
    Ok(())
}

/// `rd.bootif=0`: `BOOTIF=` does not count, wherever it stands.
pub(super) fn rd_bootif(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    reading.ignore_bootif = !values::boolean(argument)?;
    Ok(())
}

/// `rd.neednet=`.
pub(super) fn need_net(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let twice = set(
        &mut reading.document.boot.need_net,
        values::boolean(argument)?,
        argument,
    );
    reading.said(twice);
    Ok(())
}

/// `rd.peerdns=`.
pub(super) fn peer_dns(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let twice = set(
        &mut reading.document.boot.peer_dns,
        values::boolean(argument)?,
        argument,
    );
    reading.said(twice);
    Ok(())
}

/// Applies `rd.bootif=0`.
pub(super) fn finish(reading: &mut Reading<'_>) {
    if reading.ignore_bootif {
        reading.document.boot.bootif = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{errors, messages};
    use crate::config::{BootConfig, LinkRef};

    fn boot(text: &str) -> BootConfig {
        super::super::parse(text, "x").0.boot
    }

    #[test]
    fn bootif() {
        let mac = |text: &str| boot(text).bootif.map(|said| said.value.to_string());
        let expect = Some("52:54:00:12:34:02".to_owned());
        assert_eq!(mac("BOOTIF=01-52-54-00-12-34-02"), expect);
        assert_eq!(mac("BOOTIF=01:52:54:00:12:34:02"), expect);
        assert_eq!(mac("BOOTIF=52-54-00-12-34-02"), expect);
        assert_eq!(mac("BOOTIF=52:54:00:12:34:02 rd.bootif=1"), expect);
        assert_eq!(mac("BOOTIF=01-52-54-00-12-34-02 rd.bootif=0"), None);
        assert_eq!(mac("rd.bootif=0 BOOTIF=01-52-54-00-12-34-02"), None);
        for bad in [
            "BOOTIF=",
            "BOOTIF=01-52-54",
            "BOOTIF=eth0",
            "BOOTIF=é-1-2-3-4-5-6",
        ] {
            assert_eq!(mac(bad), None, "{bad}");
            assert_eq!(errors(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn bootdev() {
        let link = |text: &str| boot(text).bootdev.map(|said| said.value);
        assert_eq!(
            link("bootdev=eth2"),
            Some(LinkRef::Name("eth2".parse().unwrap()))
        );
        let mac = LinkRef::Mac("52:54:00:12:34:02".parse().unwrap());
        assert_eq!(link("bootdev=52:54:00:12:34:02"), Some(mac.clone()));
        assert_eq!(link("bootdev=eth0 bootdev=52-54-00-12-34-02"), Some(mac));
        assert_eq!(
            messages("bootdev=eth0 bootdev=eth1"),
            ["bootdev=: said twice, first in argument 1"]
        );
        assert_eq!(messages("bootdev=eth0 bootdev=eth0"), Vec::<String>::new());
        assert_eq!(errors("bootdev=").len(), 1);
        assert_eq!(errors("bootdev=a/b").len(), 1);
    }

    #[test]
    fn switches() {
        let need = |text: &str| boot(text).need_net.map(|said| said.value);
        assert_eq!(need("rd.neednet"), Some(true));
        assert_eq!(need("rd.neednet=1"), Some(true));
        assert_eq!(need("rd.neednet=no"), Some(false));
        assert_eq!(need("rd.neednet=maybe"), None);
        assert_eq!(errors("rd.neednet=maybe"), ["rd.neednet=: not a yes or no"]);
        assert_eq!(
            boot("rd.peerdns=0").peer_dns.map(|said| said.value),
            Some(false)
        );
    }
}
