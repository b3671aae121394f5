//! A real keepalived: another machine of a VRRP group.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::Lab;
use crate::Log;
use crate::Namespace;
use crate::Result;
use crate::error::Context;
use crate::process::Process;

/// How long keepalived may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// One `vrrp_instance` of keepalived.conf(5). It begins as Backup, or `nopreempt` and `preempt_delay` would mean nothing.
#[derive(Clone, Debug)]
pub struct Instance {
    name: String,
    lines: Vec<String>,
    addresses: Vec<String>,
}

impl Instance {
    /// A group on `interface` that shares `addresses` (`192.0.2.100/32`), those of one family; of IPv6 the first is link-local.
    /// VRRPv3 unless [`Instance::v2`]; priority 100, an advertisement each second.
    pub fn new(name: &str, interface: &str, vrid: u8, addresses: &[&str]) -> Self {
        let lines = [
            "state BACKUP".to_owned(),
            format!("interface {interface}"),
            format!("virtual_router_id {vrid}"),
        ];
        Self {
            name: name.to_owned(),
            lines: lines.into(),
            addresses: addresses
                .iter()
                .map(|address| (*address).to_owned())
                .collect(),
        }
    }

    /// VRRPv2: IPv4 only, whole seconds.
    #[must_use]
    pub fn v2(self) -> Self {
        self.line("version 2")
    }

    /// 1 to 254, or 255 for an owner.
    #[must_use]
    pub fn priority(self, priority: u8) -> Self {
        self.line(&format!("priority {priority}"))
    }

    /// Between two advertisements; of VRRPv3 a multiple of 10 ms.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        self.line(&format!("advert_int {}", interval.as_secs_f64()))
    }

    /// Advertisements from `source` to each of `peers` instead of to the group.
    #[must_use]
    pub fn unicast(self, source: &str, peers: &[&str]) -> Self {
        let mut unicast = self
            .line(&format!("unicast_src_ip {source}"))
            .line("unicast_peer {");
        for peer in peers {
            unicast = unicast.line(&format!("  {peer}"));
        }
        unicast.line("}")
    }

    /// Any other line: `nopreempt`, `preempt_delay 5`, `use_vmac vrrp.51`…
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// As in keepalived.conf(5). A closing brace that is not alone on its line is not seen by 2.2.7.
    fn text(&self) -> String {
        let mut text = format!("vrrp_instance {} {{\n", self.name);
        for line in &self.lines {
            let _ = writeln!(text, "  {line}");
        }
        text.push_str("  virtual_ipaddress {\n");
        for address in &self.addresses {
            let _ = writeln!(text, "    {address}");
        }
        text.push_str("  }\n}\n");
        text
    }
}

/// A running keepalived: two processes, of which the second has the addresses.
#[derive(Debug)]
pub struct Keepalived {
    process: Process,
    /// Where the second one wrote its number.
    vrrp_pid: PathBuf,
    log: Log,
}

impl Keepalived {
    /// Starts it in `namespace` and waits until it listens. `name` tells its files and its log from those of others.
    ///
    /// # Errors
    /// keepalived is missing or refuses the configuration.
    pub fn start(
        lab: &Lab,
        namespace: &Namespace,
        name: &str,
        instances: &[Instance],
    ) -> Result<Self> {
        let file = |end: &str| lab.folder().join(format!("{name}.{end}"));
        let mut text = "global_defs {\n  vrrp_version 3\n}\n".to_owned();
        for instance in instances {
            text.push_str(&instance.text());
        }
        let config = file("conf");
        fs::write(&config, text).context(config.display().to_string())?;
        let vrrp_pid = file("vrrp.pid");
        // That of one that was killed.
        let _ = fs::remove_file(&vrrp_pid);
        let mut command = super::program::command_in(namespace, "keepalived");
        command
            .args(["-n", "-l", "-D", "-P", "-f"])
            .arg(&config)
            .arg("-p")
            .arg(file("pid"))
            .arg("-r")
            .arg(&vrrp_pid)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let log = process.errors(None).unwrap_or_default();
        lab.keep(name, &log);
        log.wait_for("Startup complete", PATIENCE)?;
        Ok(Self {
            process,
            vrrp_pid,
            log,
        })
    }

    /// Its log: every change of state, and what it does not like.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How often it has become Master.
    pub fn promotions(&self) -> usize {
        self.log.count("Entering MASTER STATE")
    }

    /// Ends it as an operator does: it says so to the others, and takes its addresses away.
    ///
    /// # Errors
    /// It cannot be signalled, or does not end.
    pub fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait_exit(PATIENCE).map(drop)
    }

    /// Kills both processes: nothing is said, and the addresses stay where they are.
    ///
    /// # Errors
    /// They cannot be signalled.
    pub fn crash(self) -> Result<()> {
        self.kill_both()
    }

    /// Stops both processes where they are, until [`Keepalived::thaw`].
    ///
    /// # Errors
    /// They cannot be signalled.
    pub fn freeze(&self) -> Result<()> {
        self.process.signal(Signal::SIGSTOP)?;
        self.signal_vrrp(Signal::SIGSTOP)
    }

    /// Lets both go on.
    ///
    /// # Errors
    /// They cannot be signalled.
    pub fn thaw(&self) -> Result<()> {
        self.signal_vrrp(Signal::SIGCONT)?;
        self.process.signal(Signal::SIGCONT)
    }

    /// The first one does not see the second one go, which it would replace; and the second one, which the kernel tells of the
    /// end of the first by SIGTERM, does not see that.
    fn kill_both(&self) -> Result<()> {
        self.process.signal(Signal::SIGSTOP)?;
        self.signal_vrrp(Signal::SIGKILL)?;
        self.process.signal(Signal::SIGKILL)
    }

    fn signal_vrrp(&self, signal: Signal) -> Result<()> {
        let what = || format!("the process of {}", self.vrrp_pid.display());
        let text = fs::read_to_string(&self.vrrp_pid).context(what())?;
        let number: i32 = text
            .trim()
            .parse()
            .map_err(io::Error::other)
            .context(what())?;
        // The file outlives who wrote it, and another may have the number now.
        let status = fs::read_to_string(format!("/proc/{number}/status")).context(what())?;
        let parent = format!("PPid:\t{}\n", self.process.id());
        if !status.contains(&parent) {
            return Err(io::Error::from(io::ErrorKind::NotFound)).context(what());
        }
        kill(Pid::from_raw(number), signal).context(what())
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        // Without the second one, which has ended or was killed, there is nothing to do: the first goes with `process`.
        let _ = self.kill_both();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_alone() {
        let instance = Instance::new("I4", "eth0", 51, &["192.0.2.100/32"])
            .priority(150)
            .interval(Duration::from_millis(200))
            .unicast("192.0.2.1", &["192.0.2.2", "192.0.2.3"])
            .line("nopreempt");
        assert_eq!(
            instance.text(),
            "vrrp_instance I4 {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 150
  advert_int 0.2
  unicast_src_ip 192.0.2.1
  unicast_peer {
    192.0.2.2
    192.0.2.3
  }
  nopreempt
  virtual_ipaddress {
    192.0.2.100/32
  }
}
"
        );
    }
}
