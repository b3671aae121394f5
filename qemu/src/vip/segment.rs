//! [`Segment`]: a network of several machines, whose cables can be pulled, cut off from each other, and made bad.

use std::fs;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::Path;

use crate::Namespace;
use crate::Result;
use crate::error::Context;
use crate::process;

/// The bridge of everybody.
const LAN: &str = "lan";

/// The bridge of those that were cut off.
const FAR: &str = "far";

/// What is set where a station lives, before its link exists: addresses are usable at once, and a hop limit of its own tells
/// its packets from those of others even behind a hardware address that they share.
const SETTINGS: [&str; 2] = [
    "ipv6/conf/default/accept_dad",
    "ipv6/conf/default/accept_ra",
];

/// Hop limit of the packets of station 0.
const HOPS: u8 = 100;

/// A bridge in a namespace of its own, with the cables of stations and of machines.
#[derive(Debug)]
pub struct Segment {
    namespace: Namespace,
}

/// A machine on a segment: a namespace with `eth0`.
#[derive(Debug)]
pub struct Station {
    /// Where its programs run.
    pub namespace: Namespace,
    /// Its number on the segment, which its addresses end with.
    pub number: u8,
}

impl Segment {
    /// A network of nobody.
    ///
    /// # Errors
    /// Not root, or ip(8) fails.
    pub fn new() -> Result<Self> {
        let namespace = Namespace::new()?;
        for bridge in [LAN, FAR] {
            namespace.bridge(bridge, &[])?;
        }
        Ok(Self { namespace })
    }

    /// Where its bridge `lan` is.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A machine with a cable at `portN`. Numbers are below 100.
    ///
    /// # Errors
    /// ip(8) fails.
    pub fn station(&self, number: u8) -> Result<Station> {
        let namespace = Namespace::new()?;
        namespace
            .enter(|| -> std::io::Result<()> {
                let write =
                    |key: &str, value: &str| fs::write(Path::new("/proc/sys/net").join(key), value);
                for key in SETTINGS {
                    write(key, "0")?;
                }
                let hops = (HOPS + number).to_string();
                write("ipv4/ip_default_ttl", &hops)?;
                write("ipv6/conf/all/hop_limit", &hops)?;
                write("ipv6/conf/default/hop_limit", &hops)
            })?
            .context("settings of a station")?;
        let station = Station { namespace, number };
        let path = station.namespace.path();
        self.plug(&station.port(), &path, "eth0", &station.mac_text())?;
        for line in [
            "link set eth0 addrgenmode none",
            "link set eth0 up",
            &format!("address add {}/24 dev eth0", station.v4()),
            &format!("address add {}/64 dev eth0 nodad", station.link_local()),
            &format!("address add {}/64 dev eth0 nodad", station.v6()),
        ] {
            station.namespace.ip(line)?;
        }
        Ok(station)
    }

    /// A cable from `port` here to `interface`, which is down, in the namespace behind a path.
    ///
    /// # Errors
    /// ip(8) fails.
    pub fn plug(&self, port: &str, namespace: &Path, interface: &str, mac: &str) -> Result<()> {
        self.namespace.ip(&format!(
            "link add {port} type veth peer name {interface} address {mac} netns {}",
            namespace.display()
        ))?;
        self.namespace
            .ip(&format!("link set {port} master {LAN} up"))
            .map(drop)
    }

    /// Pulls a cable, or plugs it in again: the other end sees its carrier go and come.
    ///
    /// # Errors
    /// There is no such port.
    pub fn set_carrier(&self, port: &str, carrier: bool) -> Result<()> {
        let state = if carrier { "up" } else { "down" };
        self.namespace
            .ip(&format!("link set {port} {state}"))
            .map(drop)
    }

    /// Cuts a port off from all others but those that were cut off before; its carrier stays.
    ///
    /// # Errors
    /// There is no such port.
    pub fn cut_off(&self, port: &str) -> Result<()> {
        self.namespace
            .ip(&format!("link set {port} master {FAR}"))
            .map(drop)
    }

    /// Joins a port to the others again.
    ///
    /// # Errors
    /// There is no such port.
    pub fn join(&self, port: &str) -> Result<()> {
        self.namespace
            .ip(&format!("link set {port} master {LAN}"))
            .map(drop)
    }

    /// Isolated ports do not hear each other, but everybody else hears them, and they everybody else.
    ///
    /// # Errors
    /// There is no such port.
    pub fn isolate(&self, port: &str, isolated: bool) -> Result<()> {
        let state = if isolated { "on" } else { "off" };
        self.namespace
            .ip(&format!(
                "link set {port} type bridge_slave isolated {state}"
            ))
            .map(drop)
    }

    /// Loses this many of 100 frames that come in at a port, by chance; 0: none.
    ///
    /// # Errors
    /// There is no such port, or nft(8) is missing.
    pub fn lose(&self, port: &str, percent: u8) -> Result<()> {
        self.filter(
            port,
            &format!("numgen random mod 100 < {percent} counter drop"),
        )
    }

    /// Loses the adverts that come in at a port, and nothing else.
    ///
    /// # Errors
    /// As [`Segment::lose`].
    pub fn mute(&self, port: &str) -> Result<()> {
        self.filter(
            port,
            "ip protocol 112 counter drop; meta protocol ip6 ip6 nexthdr 112 counter drop",
        )
    }

    /// Takes away what [`Segment::lose`] or [`Segment::mute`] set up.
    ///
    /// # Errors
    /// As [`Segment::lose`].
    pub fn unfilter(&self, port: &str) -> Result<()> {
        self.nft(&format!(
            "add table netdev {port}; delete table netdev {port}"
        ))
    }

    fn filter(&self, port: &str, rules: &str) -> Result<()> {
        self.unfilter(port)?;
        self.nft(&format!(
            "table netdev {port} {{ chain in {{ type filter hook ingress device {port} priority 0; {rules}; }}; }}"
        ))
    }

    fn nft(&self, text: &str) -> Result<()> {
        process::run(self.namespace.command("nft").arg(text)).map(drop)
    }
}

impl Station {
    /// Its port on the segment.
    pub fn port(&self) -> String {
        format!("port{}", self.number)
    }

    /// The hardware address of its `eth0`.
    pub fn mac(&self) -> [u8; 6] {
        [0x52, 0x54, 0, 0x56, 0, self.number]
    }

    /// Its IPv4 address, in 10.56.0.0/24.
    pub fn v4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 56, 0, self.number)
    }

    /// Its IPv6 address, in 2001:db8:56::/64.
    pub fn v6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0x56, 0, 0, 0, 0, self.number.into())
    }

    /// Its link-local address, which its adverts over IPv6 come from.
    pub fn link_local(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, self.number.into())
    }

    /// Where its adverts come from, in the family of `vip`.
    pub fn source(&self, vip: IpAddr) -> IpAddr {
        match vip {
            IpAddr::V4(_) => self.v4().into(),
            IpAddr::V6(_) => self.link_local().into(),
        }
    }

    /// The hop limit of what it sends.
    pub fn hops(&self) -> u8 {
        HOPS + self.number
    }

    /// Whether its kernel has the address.
    ///
    /// # Errors
    /// ip(8) fails.
    pub fn has(&self, vip: IpAddr) -> Result<bool> {
        let text = self.namespace.ip("-o address show")?;
        let length = if vip.is_ipv4() { 32 } else { 128 };
        Ok(text.contains(&format!(" {vip}/{length} ")))
    }

    fn mac_text(&self) -> String {
        crate::command::mac_text(self.mac())
    }
}
