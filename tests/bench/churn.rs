//! 100,000 routes of others come and go, and links of others change beside them: what that costs a supervisor, and what it
//! costs an ip-monitor(8) that only prints it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use qemu::Namespace;
use serde_json::Value;
use serde_json::json;

use crate::Result;
use crate::contestant::SUPERVISOR;
use crate::rest::{cpu_ns, find};

/// Routes of others.
const ROUTES: u32 = 100_000;

/// Changes of a link of others, while those routes are there.
const LINK_CHANGES: u32 = 200;

/// Before a measurement, and after what is measured: whatever is still to be read is read.
const SETTLE: Duration = Duration::from_secs(3);

/// CPU of the supervisor and of ip-monitor(8), ns, by what happened.
pub fn measure(root: &Path, client: &Namespace, scratch: &Path) -> Result<Value> {
    let ours = find(&root.join("proc"), SUPERVISOR)?;
    let mut command = client.command("ip");
    command.args(["-o", "monitor", "link", "address", "route", "rule"]);
    let mut monitor = command.stdout(Stdio::null()).spawn()?;
    let theirs = Path::new("/proc").join(monitor.id().to_string());
    client.ip("link add other0 type veth peer name other1")?;
    client.ip("link set other0 up")?;
    sleep(SETTLE);
    let mut measured = json!({});
    for (what, lines) in [
        ("added", routes("add")),
        ("links", links()),
        ("removed", routes("delete")),
    ] {
        let batch = scratch.join("batch");
        fs::write(&batch, lines)?;
        let before = (cpu_ns(&ours)?, cpu_ns(&theirs)?);
        let mut command: Command = client.command("ip");
        qemu::process::run(command.arg("-batch").arg(&batch))?;
        sleep(SETTLE);
        measured[what] = json!({
            "oursNs": cpu_ns(&ours)? - before.0,
            "monitorNs": cpu_ns(&theirs)? - before.1,
        });
    }
    monitor.kill()?;
    monitor.wait()?;
    Ok(json!({ "routesOfOthers": ROUTES, "linkChanges": LINK_CHANGES, "churn": measured }))
}

fn routes(verb: &str) -> String {
    let mut lines = String::new();
    for number in 0..ROUTES {
        let network = core::net::Ipv4Addr::from((20 << 24) + (number << 4));
        let _to_a_string = writeln!(lines, "route {verb} {network}/28 via 192.0.2.1 proto bird");
    }
    lines
}

fn links() -> String {
    let mut lines = String::new();
    for number in 0..LINK_CHANGES {
        let _to_a_string = writeln!(lines, "link set other0 mtu {}", 1300 + number);
    }
    lines
}
