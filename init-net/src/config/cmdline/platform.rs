//! Which platform the machine is on: our own key, and what other tools' arguments say of it.

use super::argument::{Argument, Fault};
use super::reading::{Reading, set};
use crate::config::Said;
use crate::config::platform;

/// `initnet.platform=`, `talos.platform=`. Which names there are is known to `config/platform`; here only the alphabet is
/// checked.
pub(super) fn own(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let field = argument.required()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !field.text.bytes().all(plain) {
        return Err(argument.error(
            field,
            "not the name of a platform",
            "write for instance metal, aws, hcloud or auto",
        ));
    }
    let twice = set(
        &mut reading.document.boot.platform,
        field.text.to_owned(),
        argument,
    );
    reading.said(twice);
    Ok(())
}

/// `ignition.platform.id=`, and the first word of `ds=` and `ci.ds=` (cloud-init: `ds=nocloud;s=http://…`). They count
/// where our own key is not there or says `auto`, and where they name a platform that is known.
pub(super) fn hint(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    key: &str,
) -> Result<(), Fault> {
    let field = argument.required()?;
    let name = field.text.split(';').next().unwrap_or_default();
    let said = Said::new(name.to_owned(), argument.origin());
    if platform::select(&said).0.is_some() {
        reading.platform_hint.get_or_insert(said);
        if key != "ignition.platform.id" {
            let seed = Said::new(field.text.to_owned(), argument.origin());
            reading.document.boot.seed.get_or_insert(seed);
        }
    }
    Ok(())
}

/// The hint counts where nothing else is said, and before what the machine says of itself.
pub(super) fn finish(reading: &mut Reading<'_>) {
    let hint = reading.platform_hint.take();
    let said = &mut reading.document.boot.platform;
    let open = said
        .as_ref()
        .is_none_or(|said| said.value == platform::AUTO);
    if open && hint.is_some() {
        *said = hint;
    }
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(line: &str, platform: Option<&str>, seed: Option<&str>) {
        let (document, faults) = crate::config::cmdline::parse(line, "test");
        assert!(faults.is_empty(), "{faults:?}");
        let boot = document.boot;
        let value = |said: Option<crate::config::Said<String>>| said.map(|said| said.value);
        assert_eq!(value(boot.platform).as_deref(), platform);
        assert_eq!(value(boot.seed).as_deref(), seed);
    }

    #[test]
    fn arguments_of_other_tools_name_the_platform() {
        check("ignition.platform.id=hetzner", Some("hetzner"), None);
        check("ignition.platform.id=unheard-of", None, None);
        check("ds=nocloud", Some("nocloud"), Some("nocloud"));
        let line = "ds=nocloud-net;s=http://192.0.2.1/ ";
        let seed = "nocloud-net;s=http://192.0.2.1/";
        check(line, Some("nocloud-net"), Some(seed));
        check("ci.ds=OpenStack", Some("OpenStack"), Some("OpenStack"));
        check("ds=Unknown", None, None);
        check("initnet.platform=auto", Some("auto"), None);
        check(
            "initnet.platform=auto ds=nocloud",
            Some("nocloud"),
            Some("nocloud"),
        );
        check(
            "ds=nocloud talos.platform=metal ignition.platform.id=aws",
            Some("metal"),
            Some("nocloud"),
        );
    }
}
