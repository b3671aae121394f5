//! A real Kea: it keeps leases of seconds, which dnsmasq does not, and logs what it decides.

use serde_json::Value;
use serde_json::json;

use super::kea;
use crate::Lab;
use crate::Log;
use crate::Result;
use crate::process::Process;

/// What Kea is to do: one subnet on one interface.
#[derive(Clone, Debug)]
pub struct Builder {
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
        let (process, log) = kea::start(lab, 4, self.config)?;
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
        });
        Builder {
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
