//! A real Kea: it keeps leases of seconds, which dnsmasq does not, and logs what it decides.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::Lab;
use crate::Log;
use crate::Result;
use crate::error::Context;
use crate::process::Process;

/// How long Kea may take to say that it has started.
const START: Duration = Duration::from_secs(30);

/// Which of Kea's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    V4,
}

impl Server {
    fn program(self) -> &'static str {
        match self {
            Self::V4 => "kea-dhcp4",
        }
    }

    /// The root of its configuration.
    fn root(self) -> &'static str {
        match self {
            Self::V4 => "Dhcp4",
        }
    }

    /// What it logs once it serves.
    fn started(self) -> &'static str {
        match self {
            Self::V4 => "DHCP4_STARTED",
        }
    }
}

/// What Kea is to do: one subnet on one interface.
#[derive(Clone, Debug)]
pub struct Builder {
    server: Server,
    interface: String,
    /// Everything below the root.
    config: Value,
}

impl Builder {
    /// Hands out addresses from `first` to `last` of `subnet` (`10.77.0.0/24`).
    #[must_use]
    pub fn pool(mut self, subnet: &str, first: &str, last: &str) -> Self {
        self.config["subnet4"] = json!([{
            "id": 1,
            // Whatever address the interface has first.
            "interface": self.interface,
            "subnet": subnet,
            "pools": [{ "pool": format!("{first} - {last}") }],
            "option-data": [],
        }]);
        self
    }

    /// Lease time, T1 and T2, seconds.
    #[must_use]
    pub fn times(mut self, valid: u32, renew: u32, rebind: u32) -> Self {
        self.config["valid-lifetime"] = valid.into();
        self.config["renew-timer"] = renew.into();
        self.config["rebind-timer"] = rebind.into();
        self
    }

    /// An option by Kea's name for it (`routers`, `domain-name-servers`). After [`Builder::pool`].
    #[must_use]
    pub fn option(mut self, name: &str, data: &str) -> Self {
        let options = &mut self.config["subnet4"][0]["option-data"];
        if let Some(options) = options.as_array_mut() {
            options.push(json!({ "name": name, "data": data }));
        }
        self
    }

    /// Any other key at the top of its configuration, in place of what is there.
    #[must_use]
    pub fn key(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// Starts it in the lab's namespace and waits until it serves. Its files are in the lab's folder.
    ///
    /// # Errors
    /// Kea is missing or refuses its configuration.
    pub fn start(self, lab: &Lab) -> Result<Kea4> {
        let name = self.server.program();
        let path = lab.folder().join(format!("{name}.json"));
        let config = json!({ self.server.root(): self.config });
        fs::write(&path, config.to_string()).context(path.display().to_string())?;
        let mut command = super::program::command(lab, name);
        command
            .arg("-c")
            .arg(&path)
            .env("KEA_PIDFILE_DIR", lab.folder())
            .env("KEA_LOCKFILE_DIR", lab.folder())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // It takes a pid file that is there for a server that runs: one that was killed left its own.
        let pid = format!("{name}.{name}.pid");
        let _there_may_be_none = fs::remove_file(lab.folder().join(pid));
        let mut process = Process::start(&mut command)?;
        let log = process.errors(None).unwrap_or_default();
        lab.keep(name, &log);
        log.wait_for(self.server.started(), START)?;
        Ok(Kea4 {
            _process: process,
            log,
        })
    }
}

/// A running Kea, killed on drop: it forgets its leases.
#[derive(Debug)]
pub struct Kea4 {
    _process: Process,
    log: Log,
}

impl Kea4 {
    /// A DHCPv4 server on `interface` of the lab, with leases of an hour. Its server identifier is `address`, which the
    /// interface must have, with carrier. It is the authority: who asks for an address of another network is refused.
    pub fn v4(interface: &str, address: &str) -> Builder {
        let config = json!({
            "interfaces-config": {
                "interfaces": [format!("{interface}/{address}")],
                "dhcp-socket-type": "raw",
            },
            "lease-database": { "type": "memfile", "persist": false },
            "valid-lifetime": 3600,
            "authoritative": true,
            "loggers": [{
                "name": Server::V4.program(),
                "output_options": [{ "output": "stderr" }],
                "severity": "DEBUG",
                // DBGLVL_TRACE_BASIC_DATA: a line for each packet.
                "debuglevel": 50,
            }],
        });
        Builder {
            server: Server::V4,
            interface: interface.to_owned(),
            config,
        }
    }

    /// Its log: every message and every decision.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How many messages of this kind (`DHCPDISCOVER`, `DHCPREQUEST`…) have come.
    pub fn received(&self, message: &str) -> usize {
        self.count("PACKET_RECEIVED", message)
    }

    /// How many messages of this kind (`DHCPOFFER`, `DHCPACK`, `DHCPNAK`…) it has sent.
    pub fn sent(&self, message: &str) -> usize {
        self.count("PACKET_SEND ", message)
    }

    fn count(&self, event: &str, message: &str) -> usize {
        let message = format!(" {message} ");
        let lines = self.log.lines();
        lines
            .iter()
            .filter(|line| line.contains(event) && line.contains(&message))
            .count()
    }
}
