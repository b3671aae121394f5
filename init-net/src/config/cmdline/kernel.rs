//! The kernel's own arguments that a boot needs: `root=` and companions, `ro`, `rw`, `init=`, `panic=`.

use super::argument::{Argument, Fault};
use super::reading::{Reading, set};
use super::values;
use crate::config::Said;

/// `root=`; `initnet.root=` goes before it.
pub(super) fn root(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    own: bool,
) -> Result<(), Fault> {
    let device = argument.required()?.text.to_owned();
    let slot = &mut reading.document.boot.root.device;
    if own == reading.own_root {
        let twice = set(slot, device, argument);
        reading.said(twice);
    } else if own {
        *slot = Some(Said::new(device, argument.origin()));
        reading.own_root = true;
    }
    Ok(())
}

/// `rootfstype=`, `rootflags=`, `init=`: text that is handed on.
pub(super) fn text(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    key: &str,
) -> Result<(), Fault> {
    let value = argument.required()?.text.to_owned();
    let root = &mut reading.document.boot.root;
    let slot = match key {
        "rootfstype" => &mut root.fstype,
        "rootflags" => &mut root.flags,
        _ => &mut root.init,
    };
    let twice = set(slot, value, argument);
    reading.said(twice);
    Ok(())
}

/// `ro` and `rw`: the last one counts, without a word.
pub(super) fn read_only(
    reading: &mut Reading<'_>,
    argument: &Argument<'_>,
    read_only: bool,
) -> Result<(), Fault> {
    reading.document.boot.root.read_only = Some(Said::new(read_only, argument.origin()));
    Ok(())
}

/// `rootwait` (for ever), `rootwait=<seconds>`.
pub(super) fn root_wait(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let time = match argument.word.value {
        None => None,
        Some(_) => values::duration(argument, false)?,
    };
    let twice = set(&mut reading.document.boot.root.wait, time, argument);
    reading.said(twice);
    Ok(())
}

/// `rootdelay=<seconds>`.
pub(super) fn root_delay(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    if let Some(time) = values::duration(argument, false)? {
        let twice = set(&mut reading.document.boot.root.delay, time, argument);
        reading.said(twice);
    }
    Ok(())
}

/// `panic=<seconds>`.
pub(super) fn panic(reading: &mut Reading<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let seconds: i64 = values::number(argument, "write seconds until the reboot; 0 is never")?;
    let twice = set(&mut reading.document.boot.panic, seconds, argument);
    reading.said(twice);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::tests::{errors, messages};
    use crate::value::Duration;

    #[test]
    fn root() {
        let device = |text: &str| parse(text, "x").0.boot.root.device.map(|said| said.value);
        assert_eq!(device("root=LABEL=a").as_deref(), Some("LABEL=a"));
        assert_eq!(device("root=a initnet.root=b").as_deref(), Some("b"));
        assert_eq!(device("initnet.root=b root=a").as_deref(), Some("b"));
        assert_eq!(device("root=a root=c").as_deref(), Some("c"));
        assert_eq!(messages("initnet.root=b root=a"), Vec::<String>::new());
        assert_eq!(messages("root=a root=c").len(), 1);
        assert_eq!(errors("root=").len(), 1);
    }

    #[test]
    fn companions() {
        let (document, diagnostics) = parse(
            "rootfstype=ext4 rootflags=noatime,commit=5 ro rw init=/sbin/init panic=-1 rootwait rootdelay=3 -- single",
            "x",
        );
        assert_eq!(diagnostics, []);
        let root = document.boot.root;
        assert_eq!(root.fstype.unwrap().value, "ext4");
        assert_eq!(root.flags.unwrap().value, "noatime,commit=5");
        assert!(!root.read_only.unwrap().value);
        assert_eq!(root.init.unwrap().value, "/sbin/init");
        assert_eq!(root.wait.unwrap().value, None);
        assert_eq!(root.delay.unwrap().value, Duration::from_secs(3));
        assert_eq!(root.init_args, ["single"]);
        assert_eq!(document.boot.panic.unwrap().value, -1);
        assert_eq!(errors("panic=soon").len(), 1);
        assert_eq!(errors("rootwait=x").len(), 1);
    }
}
