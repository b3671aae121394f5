//! The machine itself: who keeps the network, what keeps failing, what it is called.

use super::finding::Finding;
use super::scene::{Scene, Supervisor};
use crate::run::RUN_DIR;

/// Most ops that are told: the first ones have the reason of all.
const MAX_FAILURES: usize = 8;

/// Names that are no name.
const NO_NAMES: [&str; 3] = ["localhost", "localhost.localdomain", "(none)"];

pub fn fine(scene: &Scene) -> String {
    let name = scene.observed.hostname.as_deref().unwrap_or("(none)");
    match scene.supervisor {
        Supervisor::Runs => format!("the supervisor runs, the host name is {name}"),
        _ => format!("no boot stage of init-net has run here; the host name is {name}"),
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    let mut found: Vec<Finding> = supervisor(scene).into_iter().collect();
    if let Some(why) = &scene.state_refused {
        found.push(
            Finding::warning(
                format!("{RUN_DIR}/state.json"),
                format!("is refused: {why}"),
            )
            .why("leases and marks of the boot are not taken over; DHCP starts afresh")
            .fix(format!("rm {RUN_DIR}/state.json; is {RUN_DIR} on a tmpfs?")),
        );
    }
    let failures = scene.report.iter().flat_map(|report| &report.failures);
    found.extend(failures.take(MAX_FAILURES).map(|failure| {
        Finding::error(failure.op.as_str(), "keeps failing, and is tried again")
            .why(format!("the kernel says: {}", failure.error))
            .fix("correct the line that asks for it: `init-net explain` names it")
    }));
    found.extend(hostname(scene));
    found
}

fn supervisor(scene: &Scene) -> Option<Finding> {
    match &scene.supervisor {
        Supervisor::Runs => None,
        Supervisor::Silent(error) => Some(
            Finding::error("supervisor", "it listens and does not answer")
                .why(error.clone())
                .fix("init-net get status; the kernel log holds its last words: `dmesg`"),
        ),
        Supervisor::None if scene.has_state => Some(
            Finding::warning(
                "supervisor",
                "it does not run, although a boot left its state",
            )
            .why("leases are not renewed, and what others change is not repaired")
            .fix("init-net supervise"),
        ),
        Supervisor::None => None,
    }
}

fn hostname(scene: &Scene) -> Option<Finding> {
    let name = scene.observed.hostname.as_deref().unwrap_or("(none)");
    let wanted = scene.wanted.hostnames.first();
    if let Some(wanted) = wanted {
        // The kernel may hold the whole name or its first label.
        let same = name == wanted.hostname || name.starts_with(&format!("{}.", wanted.hostname));
        return (!same).then(|| {
            Finding::warning(
                "hostname",
                format!("is {name}, declared: {}", wanted.hostname),
            )
            .why("somebody set it after the boot")
            .fix(format!("hostname {}, or init-net apply", wanted.hostname))
        });
    }
    NO_NAMES.contains(&name).then(|| {
        Finding::warning(
            "hostname",
            format!("is {name}: no source names this machine"),
        )
        .why("logs, DHCP servers and clusters tell machines apart by it")
        .fix("initnet.hostname=NAME, or a HostnameConfig (auto: stable makes one up)")
    })
}
