//! A real radvd: a router that advertises itself.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Lab;
use crate::Log;
use crate::Result;
use crate::error::Context;
use crate::process::Process;

/// How long radvd may take to start, and to end.
const START: Duration = Duration::from_secs(10);

/// A running radvd. Dropped, it ends without a word, as a router that loses its power.
#[derive(Debug)]
pub struct Radvd {
    process: Process,
    log: Log,
}

impl Radvd {
    /// Starts it in the lab's namespace with the text of a radvd.conf(5), and waits until it runs. It advertises while its
    /// interface has a carrier.
    ///
    /// # Errors
    /// radvd is missing or refuses the text.
    pub fn start(lab: &Lab, config: &str) -> Result<Self> {
        let path = lab.folder().join("radvd.conf");
        fs::write(&path, config).context(path.display().to_string())?;
        let pid = lab.folder().join("radvd.pid");
        // A router forwards: radvd would only warn, and the kernel would listen to advertisements itself.
        lab.namespace()
            .enter(|| fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1"))?
            .context("forwarding in the lab")?;
        let mut command = super::program::command(lab, "radvd");
        command
            .arg("-n")
            .args(["-d", "3", "-m", "stderr"])
            .arg("-C")
            .arg(&path)
            .arg("-p")
            .arg(&pid)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let log = process.errors(None).unwrap_or_default();
        lab.keep("radvd", &log);
        log.wait_for("polling for", START)?;
        Ok(Self { process, log })
    }

    /// Its log: what it sends and hears.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Ends it as a router that is turned off: it says farewell first, with lifetimes of 0.
    ///
    /// # Errors
    /// It cannot be signalled, or does not end.
    pub fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait_exit(START).map(drop)
    }
}
