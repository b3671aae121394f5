//! Faults that show only when all sources are together.

use crate::config::{Diagnostic, Document, Said, Severity};
use crate::value::Origin;

pub(super) fn check(documents: &[&Document], diagnostics: &mut Vec<Diagnostic>) {
    for document in documents {
        unapplied(document, diagnostics);
    }
}

/// What is understood and kept, and has no effect yet: never dropped in silence.
fn unapplied(document: &Document, diagnostics: &mut Vec<Diagnostic>) {
    let boot = &document.boot;
    let mut note = |origin: Option<&Origin>, what: &str, effect: &str| {
        if let Some(origin) = origin {
            let fault = Diagnostic::new(Severity::Note, what).with_place(origin.into());
            diagnostics.push(fault.with_effect(effect));
        }
    };
    let timeouts = &boot.timeouts;
    note(
        origin(&boot.need_net),
        "rd.neednet= has no effect",
        "the network is always brought up",
    );
    note(
        origin(&timeouts.retry),
        "rd.net.dhcp.retry= has no effect",
        "DHCP is tried until it answers",
    );
    for said in [
        &timeouts.dhcp,
        &timeouts.iflink,
        &timeouts.ifup,
        &timeouts.route,
    ] {
        note(
            origin(said),
            "this timeout has no effect",
            "initnet.timeout= says how long a boot waits",
        );
    }
    for said in [&timeouts.ipv6dad, &timeouts.ipv6auto] {
        note(
            origin(said),
            "this timeout is not applied yet",
            "nothing waits for IPv6",
        );
    }
    if let Some(said) = boot.root.device.as_ref()
        && (said.value.starts_with("UUID=") || said.value.starts_with("LABEL="))
    {
        diagnostics.push(
            Diagnostic::new(
                Severity::Warning,
                "root= by the UUID or label of a file system is not understood yet",
            )
            .with_place((&said.origin).into())
            .with_fix("write /dev/…, PARTUUID= or PARTLABEL=")
            .with_effect(
                "PID 1 finds no root and does what panic= says; as a hook this does not matter",
            ),
        );
    }
}

fn origin<T>(said: &Option<Said<T>>) -> Option<&Origin> {
    said.as_ref().map(|said| &said.origin)
}
