//! A real kea-dhcp6 as DHCPv6 server: the reference implementation's successor, with leases that survive a restart.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use super::kea;
use crate::Error;
use crate::Lab;
use crate::Log;
use crate::Result;
use crate::error::Context;
use crate::process::Process;

/// What the server is to do, on one interface of the lab, which needs a link-local address that can be used.
#[derive(Clone, Debug)]
pub struct Builder {
    subnet: Value,
    global: Value,
    leases: String,
}

impl Builder {
    /// Hands out addresses from this range (`2001:db8::100 - 2001:db8::1ff`).
    #[must_use]
    pub fn pool(mut self, range: &str) -> Self {
        self.subnet["pools"] = json!([{ "pool": range }]);
        self
    }

    /// Delegates prefixes of length `delegated` out of `prefix`/`len`.
    #[must_use]
    pub fn delegates(mut self, prefix: &str, len: u8, delegated: u8) -> Self {
        self.subnet["pd-pools"] =
            json!([{ "prefix": prefix, "prefix-len": len, "delegated-len": delegated }]);
        self
    }

    /// Commits to a lease at once when the client offers that.
    #[must_use]
    pub fn rapid_commit(mut self) -> Self {
        self.subnet["rapid-commit"] = json!(true);
        self
    }

    /// An option for those that ask for it: name and value as Kea spells them.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Self {
        let option = json!({ "name": name, "data": value });
        match self.global["option-data"].as_array_mut() {
            Some(options) => options.push(option),
            None => self.global["option-data"] = json!([option]),
        }
        self
    }

    /// T1, T2, preferred and valid lifetime, seconds.
    #[must_use]
    pub fn times(mut self, t1: u32, t2: u32, preferred: u32, valid: u32) -> Self {
        for (key, secs) in [
            ("renew-timer", t1),
            ("rebind-timer", t2),
            ("preferred-lifetime", preferred),
            ("valid-lifetime", valid),
        ] {
            self.global[key] = json!(secs);
        }
        self
    }

    /// Keeps its leases in the lab's file of this name; servers with the same file know the same leases.
    #[must_use]
    pub fn leases(mut self, name: &str) -> Self {
        name.clone_into(&mut self.leases);
        self
    }

    /// Starts it in the lab's namespace and waits until it serves.
    ///
    /// # Errors
    /// Kea is missing or refuses its configuration.
    pub fn start(self, lab: &Lab) -> Result<Kea6> {
        let leases = lab.folder().join(&self.leases);
        let interface = self.subnet["interface"].clone();
        let mut config = self.global;
        config["interfaces-config"] = json!({ "interfaces": [interface], "re-detect": false });
        config["lease-database"] = json!({
            "type": "memfile", "persist": true, "name": leases, "lfc-interval": 0,
        });
        config["subnet6"] = json!([self.subnet]);
        let (process, log) = kea::start(lab, 6, config)?;
        // It goes on without a socket where the interface had no address in time.
        if log.count("DHCP6_OPEN_SOCKETS_FAILED") > 0 {
            return Err(Error::Ended {
                what: "Kea's sockets".into(),
            });
        }
        Ok(Kea6 {
            _process: process,
            log,
            leases,
        })
    }
}

/// A running kea-dhcp6, killed on drop.
#[derive(Debug)]
pub struct Kea6 {
    _process: Process,
    log: Log,
    leases: PathBuf,
}

impl Kea6 {
    /// A server on `interface` of the lab, with this subnet (`2001:db8::/64`) and nothing to hand out yet.
    pub fn builder(interface: &str, subnet: &str) -> Builder {
        // Made from one hardware address: the same server after a restart, without a file in /var.
        let identity = json!({
            "type": "LL", "htype": 1, "identifier": "525400000001", "persist": false,
        });
        Builder {
            subnet: json!({ "id": 1, "subnet": subnet, "interface": interface }),
            global: json!({ "server-id": identity }),
            leases: "kea-leases6.csv".into(),
        }
    }

    /// Its log: every message with its options.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How many messages of this kind (`SOLICIT`, `REQUEST`, `RENEW`…) it has seen.
    pub fn count(&self, message: &str) -> usize {
        self.log.count(&pattern(message))
    }

    /// Waits until it has seen a message of this kind: its log is behind what it answers. How many it has seen.
    ///
    /// # Errors
    /// None came.
    pub fn seen(&self, message: &str) -> Result<usize> {
        self.log.wait_for(&pattern(message), kea::PATIENCE)?;
        Ok(self.count(message))
    }

    /// Its lease file: one lease a line, later lines replace earlier ones.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn leases(&self) -> Result<String> {
        fs::read_to_string(&self.leases).context("Kea's leases")
    }
}

/// In the line of a message that came: "…, tid=0x5e1f0c: SOLICIT (type 1) received from fe80::…".
fn pattern(message: &str) -> String {
    format!(": {message} (type ")
}
