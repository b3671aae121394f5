//! Everything that the kernel tells about a stretch of time.

use std::process::{Command, Stdio};

use qemu::Log;
use qemu::process::Process;

use super::machine::PATIENCE;
use crate::namespace::ip;

/// Comes and goes so that the watch knows where it begins and ends (TEST-NET-3, RFC 5737; used by nothing else here).
const MARK: &str = "203.0.113.";

/// A running ip-monitor(8) of links, addresses, routes and rules.
pub struct Watch {
    _process: Process,
    log: Log,
}

impl Watch {
    /// Begins: what happens from now on is seen.
    pub fn start() -> Self {
        let mut command = Command::new("ip");
        command
            .args(["-o", "monitor", "link", "address", "route", "rule"])
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command).expect("ip(8)");
        let log = process.output(None).expect("piped just above");
        // Marks until one is seen: it may still be starting.
        while log
            .wait_for(MARK, core::time::Duration::from_millis(200))
            .is_err()
        {
            ip(&format!("address replace {MARK}1/32 dev lo"));
            ip(&format!("address delete {MARK}1/32 dev lo"));
        }
        Self {
            _process: process,
            log,
        }
    }

    /// Ends: every line so far, the marks left out.
    #[track_caller]
    pub fn end(self) -> Vec<String> {
        let last = format!("{MARK}2");
        ip(&format!("address add {last}/32 dev lo"));
        self.log.wait_for(&last, PATIENCE).expect("the last mark");
        let mut lines = self.log.lines();
        lines.retain(|line| !line.contains(MARK));
        ip(&format!("address delete {last}/32 dev lo"));
        lines
    }

    /// Ends: every line that tells of something removed.
    #[track_caller]
    pub fn removals(self) -> Vec<String> {
        let mut lines = self.end();
        lines.retain(|line| line.contains("Deleted"));
        lines
    }
}
