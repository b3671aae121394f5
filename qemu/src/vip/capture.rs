//! [`Capture`]: what goes over a network, for tcpdump and tshark to judge.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Error;
use crate::Lab;
use crate::Namespace;
use crate::Result;
use crate::peer::program;
use crate::process;
use crate::process::Process;

/// How long tcpdump may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fields of an advert, as tshark names them; more than one value in one is separated by commas.
const FIELDS: [&str; 15] = [
    "eth.src",
    "eth.dst",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "ip.ttl",
    "ipv6.hlim",
    "vrrp.version",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.ip_addr",
    "vrrp.ipv6_addr",
    "vrrp.checksum.status",
    "_ws.expert.message",
];

/// A running tcpdump.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

/// An advertisement of VRRP, as tshark reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// From this hardware address.
    pub mac: String,
    /// From this address.
    pub from: IpAddr,
    /// To this address.
    pub to: IpAddr,
    /// Its hop limit.
    pub hops: u8,
    /// Its version.
    pub version: u8,
    /// The number of its group.
    pub vrid: u8,
    /// Its priority.
    pub priority: u8,
    /// What it shares.
    pub addresses: Vec<IpAddr>,
}

impl Capture {
    /// Keeps every frame that goes over `interface` of `namespace`, in the lab's folder.
    ///
    /// # Errors
    /// tcpdump is missing or the interface is.
    pub fn start(lab: &Lab, namespace: &Namespace, interface: &str) -> Result<Self> {
        let file = lab.folder().join(format!("{interface}.pcap"));
        let mut command = program::command_in(namespace, "tcpdump");
        command
            .args(["-i", interface, "-U", "-Z", "root", "-w"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let log = process.errors(None).unwrap_or_default();
        log.wait_for("listening on", PATIENCE)?;
        Ok(Self { process, file })
    }

    /// Ends it: each advert that went by, of which neither tcpdump nor tshark has a complaint.
    ///
    /// # Errors
    /// A complaint, or one of the two is missing.
    pub fn adverts(mut self) -> Result<Vec<Advert>> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait_exit(PATIENCE)?;
        let here = Namespace::new()?;
        let mut tcpdump = program::command_in(&here, "tcpdump");
        tcpdump
            .args(["-n", "-vvv", "-r"])
            .arg(&self.file)
            .arg("proto 112 or ip6 proto 112");
        let text = process::run(&mut tcpdump)?;
        for complaint in ["bad", "invalid", "[|", "unknown", "length mismatch"] {
            if let Some(line) = text.lines().find(|line| line.contains(complaint)) {
                return complain("tcpdump", line);
            }
        }
        let mut tshark = program::command_in(&here, "tshark");
        tshark
            // An error that quotes an advert is none.
            .args([
                "-n",
                "-o",
                "ip.check_checksum:TRUE",
                "-Y",
                "vrrp && !icmp && !icmpv6",
            ])
            .args(["-T", "fields", "-E", "separator=;", "-r"])
            .arg(&self.file);
        for field in FIELDS {
            tshark.args(["-e", field]);
        }
        let text = process::run(&mut tshark)?;
        text.lines().map(advert).collect()
    }
}

/// One line of tshark.
fn advert(line: &str) -> Result<Advert> {
    let fields: Vec<&str> = line.split(';').collect();
    let [
        mac,
        _,
        from4,
        to4,
        from6,
        to6,
        hops4,
        hops6,
        version,
        vrid,
        priority,
        addresses4,
        addresses6,
        checksum,
        expert,
    ] = fields[..]
    else {
        return complain("tshark", line);
    };
    // One of a pair is empty: an advert is of one family.
    let either = |one: &str, other: &str| format!("{one}{other}");
    let addresses = either(addresses4, addresses6);
    let read = || {
        Some(Advert {
            mac: mac.to_owned(),
            from: either(from4, from6).parse().ok()?,
            to: either(to4, to6).parse().ok()?,
            hops: either(hops4, hops6).parse().ok()?,
            version: version.parse().ok()?,
            vrid: vrid.parse().ok()?,
            priority: priority.parse().ok()?,
            addresses: addresses
                .split(',')
                .map(|address| address.parse().ok())
                .collect::<Option<_>>()?,
        })
    };
    match read() {
        // Good is 1 (Wireshark's epan/proto.h, PROTO_CHECKSUM_E_GOOD).
        Some(advert) if checksum == "1" && expert.is_empty() => Ok(advert),
        _ => complain("tshark", line),
    }
}

fn complain<T>(program: &str, line: &str) -> Result<T> {
    Err(Error::Program {
        command: program.to_owned(),
        output: format!("complains about an advert: {line}"),
    })
}
