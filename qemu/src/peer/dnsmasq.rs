//! A real dnsmasq as DHCP and DNS server.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use crate::Lab;
use crate::Log;
use crate::Result;
use crate::process::Process;

/// How long dnsmasq may take to say that it has started.
const START: Duration = Duration::from_secs(10);

/// What dnsmasq is to do. It answers on one interface of the lab, authoritatively and without its own ping probe.
#[derive(Clone, Debug)]
pub struct Builder {
    arguments: Vec<String>,
}

impl Builder {
    /// Hands out addresses from `first` to `last` for `lease` (`120`, `2m`, `1h`, `infinite`; dnsmasq's least is two minutes).
    #[must_use]
    pub fn range(self, first: &str, last: &str, lease: &str) -> Self {
        self.argument(format!("--dhcp-range={first},{last},{lease}"))
    }

    /// As [`Builder::range`] with an explicit netmask, for ranges outside the interface's own prefix.
    #[must_use]
    pub fn range_masked(self, first: &str, last: &str, netmask: &str, lease: &str) -> Self {
        self.argument(format!("--dhcp-range={first},{last},{netmask},{lease}"))
    }

    /// A fixed address for a hardware address.
    #[must_use]
    pub fn host(self, mac: [u8; 6], address: &str) -> Self {
        let mac = crate::command::mac_text(mac);
        self.argument(format!("--dhcp-host={mac},{address}"))
    }

    /// An option for every client, asked for or not: code and value as dnsmasq spells them. An empty value for 3 or 6
    /// takes away what dnsmasq would send by itself.
    #[must_use]
    pub fn option(self, code: u8, value: &str) -> Self {
        let separator = if value.is_empty() { "" } else { "," };
        self.argument(format!("--dhcp-option-force={code}{separator}{value}"))
    }

    /// Leaves an option out that dnsmasq would send by itself.
    #[must_use]
    pub fn without_option(self, code: u8) -> Self {
        self.argument(format!("--dhcp-option={code}"))
    }

    /// Answers a DISCOVER that asks for it with an ACK at once (RFC 4039).
    #[must_use]
    pub fn rapid_commit(self) -> Self {
        self.argument("--dhcp-rapid-commit".into())
    }

    /// A name in its DNS, for which it is the only server: there is no IPv6 address if `address` is none.
    #[must_use]
    pub fn name(self, name: &str, address: &str) -> Self {
        self.argument(format!("--host-record={name},{address}"))
            .argument(format!("--local=/{name}/"))
    }

    /// Any other argument, as it is.
    #[must_use]
    pub fn argument(mut self, argument: String) -> Self {
        self.arguments.push(argument);
        self
    }

    /// Starts it in the lab's namespace and waits until it serves.
    ///
    /// # Errors
    /// dnsmasq is missing or refuses its arguments.
    pub fn start(self, lab: &Lab) -> Result<Dnsmasq> {
        let mut command = lab.namespace().command("dnsmasq");
        command
            .args(self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let log = process.errors(None).unwrap_or_default();
        lab.keep("dnsmasq", &log);
        log.wait_for("started, version", START)?;
        Ok(Dnsmasq {
            _process: process,
            log,
        })
    }
}

/// A running dnsmasq, stopped on drop.
#[derive(Debug)]
pub struct Dnsmasq {
    _process: Process,
    log: Log,
}

impl Dnsmasq {
    /// A server on `interface` of the lab. It reads and writes no file: no configuration, no leases, no pid.
    pub fn builder(interface: &str) -> Builder {
        let arguments = [
            "--keep-in-foreground",
            "--log-facility=-",
            "--log-dhcp",
            "--conf-file=/dev/null",
            "--no-hosts",
            "--no-resolv",
            "--leasefile-ro",
            "--pid-file=",
            // It runs as who it is: changing the user would clear the signal that ends it with the lab.
            "--user=root",
            "--group=root",
            "--bind-interfaces",
            "--except-interface=lo",
            "--dhcp-authoritative",
            "--no-ping",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
        arguments.push(format!("--interface={interface}"));
        Builder { arguments }
    }

    /// Its log: every DHCP message with its options.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How many messages of this kind (`DHCPDISCOVER`, `DHCPREQUEST`, `DHCPACK`…) it has seen or sent.
    pub fn count(&self, message: &str) -> usize {
        // "dnsmasq-dhcp[1]: 3868 DHCPDISCOVER(lan) 52:54:…": the parenthesis tells it from other mentions.
        self.log.count(&format!("{message}("))
    }

    /// How many exchanges such messages began: a message that was repeated has the transaction id of the first one.
    pub fn exchanges(&self, message: &str) -> usize {
        // "dnsmasq-dhcp[1]: 3868 DHCPDISCOVER(lan) 52:54:…": the id stands before the message.
        let pattern = format!(" {message}(");
        let lines = self.log.lines();
        let ids = lines.iter().filter_map(|line| {
            let (before, _) = line.split_once(&pattern)?;
            before.rsplit(' ').next().map(str::to_owned)
        });
        ids.collect::<BTreeSet<String>>().len()
    }
}
