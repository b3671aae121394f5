//! DHCP messages to bytes and back, with dhcproto as the codec of option values.
//!
//! The fixed part is read and written here: dhcproto's `Message` panics on `hlen` above 16, does not look at the
//! cookie, and every constructor of it draws from `rand`, so it can block in getrandom(2) early in a boot.

use core::net::{IpAddr, Ipv4Addr};

use dhcproto::Encodable as _;
use dhcproto::v4::{DhcpOption, MessageType, OptionCode};
use serde::Serialize;

use super::frame::{MAX_MESSAGE, MAX_PACKET};
use super::lease::{Lease, MAX_CLIENT_ID, is_host, is_usable};
use super::options::{CLASSLESS_ROUTES_MS, IPV6_ONLY_PREFERRED, Options};
use super::{Config, timing};
use crate::value::{Duration, Instant, Mac, Prefix};

/// Everything before the options, cookie included, bytes (RFC 2131 §2).
const HEADER: usize = 240;
/// Shortest message sent, bytes: BOOTP's fixed size, below which some relays and servers drop (RFC 1542 §2.1).
const MIN_MESSAGE: usize = 300;
/// RFC 2131 §3.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const BOOTREQUEST: u8 = 1;
const BOOTREPLY: u8 = 2;
/// Hardware type of Ethernet (RFC 1700).
const ETHERNET: u8 = 1;
/// Hardware type of IP over InfiniBand (RFC 4390): no chaddr, replies must be broadcast.
const INFINIBAND: u8 = 32;
const BROADCAST_FLAG: u16 = 0x8000;
/// Longest vendor class sent: one option, bytes.
const MAX_VENDOR_CLASS: usize = 255;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reject {
    Malformed,
    ForeignExchange,
    ForeignServer,
    ForeignClient,
    BadAddress,
    Unexpected,
}

/// How many messages and options were not taken, by reason. Counters stop at their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Too short or long, not a reply, wrong cookie, `hlen` above 16, no message type or server identifier.
    pub malformed: u32,
    /// Another transaction id: mostly replies to other machines.
    pub foreign_exchange: u32,
    /// Another server than the one asked.
    pub foreign_server: u32,
    /// Another hardware address or client identifier.
    pub foreign_client: u32,
    /// An offered address that no host can have.
    pub bad_address: u32,
    /// A type that means nothing in the state it came in, FORCERENEW among them.
    pub unexpected: u32,
    /// Options and values dropped from replies to us.
    pub bad_option: u32,
}

impl Counters {
    pub(super) fn count(&mut self, reject: Reject) {
        let counter = match reject {
            Reject::Malformed => &mut self.malformed,
            Reject::ForeignExchange => &mut self.foreign_exchange,
            Reject::ForeignServer => &mut self.foreign_server,
            Reject::ForeignClient => &mut self.foreign_client,
            Reject::BadAddress => &mut self.bad_address,
            Reject::Unexpected => &mut self.unexpected,
        };
        *counter = counter.saturating_add(1);
    }
}

/// The three kinds of reply that mean something to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Offer,
    Ack,
    Nak,
}

/// A reply to us, checked for everything that does not depend on the state.
pub(super) struct Reply {
    pub kind: Kind,
    pub xid: u32,
    pub server_id: Ipv4Addr,
    pub your_ip: Ipv4Addr,
    pub options: Options,
}

impl Reply {
    /// Cuts a message up.
    pub fn parse(message: &[u8], config: &Config) -> Result<Self, Reject> {
        let header: &[u8; HEADER] = message.first_chunk().ok_or(Reject::Malformed)?;
        let (hardware, hlen, _) = hardware(&config.mac);
        if message.len() > MAX_MESSAGE
            || header[0] != BOOTREPLY
            || header[2] > 16
            || header[236..240] != COOKIE
        {
            return Err(Reject::Malformed);
        }
        if header[2] != hlen || header[28..28 + usize::from(hlen)] != hardware[..usize::from(hlen)]
        {
            return Err(Reject::ForeignClient);
        }
        let options = message.get(HEADER..).unwrap_or_default();
        let mut options = Options::walk(options, &header[108..236], &header[44..108]);
        // RFC 6842 §3: a server that returns the client identifier returns ours.
        if let (Some(sent), Some(returned)) = (client_id(config), options.raw(61))
            && sent != returned
        {
            return Err(Reject::ForeignClient);
        }
        let kind = match options.fixed(53).ok_or(Reject::Malformed)? {
            [2] => Kind::Offer,
            [5] => Kind::Ack,
            [6] => Kind::Nak,
            // FORCERENEW (9) without authentication is how a stranger resets a client (CVE-2020-13529).
            _ => return Err(Reject::Unexpected),
        };
        // RFC 2131 table 3: MUST in all three.
        let server_id = options.address(54).ok_or(Reject::Malformed)?;
        if !is_host(server_id) {
            return Err(Reject::Malformed);
        }
        Ok(Self {
            kind,
            xid: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            server_id,
            your_ip: Ipv4Addr::new(header[16], header[17], header[18], header[19]),
            options,
        })
    }

    /// yiaddr with its mask, when a host can have it.
    pub fn address(&mut self) -> Result<Prefix, Reject> {
        let len = self.options.mask_len().unwrap_or(32);
        Prefix::new(IpAddr::V4(self.your_ip), len)
            .ok()
            .filter(|prefix| is_usable(*prefix))
            .ok_or(Reject::BadAddress)
    }

    /// How long to leave IPv4 alone, when the server says that this network is IPv6-only and we asked.
    pub fn ipv6_only(&mut self, config: &Config) -> Option<Duration> {
        if !config.request_ipv6_only {
            return None;
        }
        let secs = self.options.number(IPV6_ONLY_PREFERRED)?;
        // RFC 8925 §3.4: V6ONLY_WAIT is not below MIN_V6ONLY_WAIT.
        Some(Duration::from_secs(u64::from(secs)).max(timing::MIN_V6ONLY_WAIT))
    }

    /// The lease of an ACK whose request was sent at `acquired_at`.
    pub fn lease(&mut self, config: &Config, acquired_at: Instant) -> Result<Lease, Reject> {
        let address = self.address()?;
        let options = &mut self.options;
        let times = timing::lease_times(options.number(51), options.number(58), options.number(59));
        let at = |after: Duration| acquired_at + after;
        let mut lease = Lease {
            address,
            server_id: self.server_id,
            client_id: client_id(config).map(<[u8]>::to_vec),
            acquired_at,
            lease_secs: times.map(|times| times.lease_secs),
            renew_at: times.map(|times| at(times.renew)),
            rebind_at: times.map(|times| at(times.rebind)),
            expires_at: times.map(|times| at(times.expire())),
            routers: options.servers(3),
            classless_routes: options.classless_routes(),
            static_routes: options.static_routes(),
            dns: options.servers(6),
            search: options.search(),
            domain: options.name(15),
            // RFC 2132 §3.14 asks and tells with one option: a name that we sent comes back, and is not news.
            hostname: match &config.hostname {
                Some(_) => None,
                None => options.name(12),
            },
            mtu: if config.request_mtu {
                options.mtu()
            } else {
                None
            },
            broadcast: options.address(28),
            ntp: options.servers(42),
        };
        // "Yourself" as a router means that the network is on the link, which a kernel does not take as a gateway.
        let own = lease.ip();
        lease.routers.retain(|router| *router != own);
        for route in lease
            .classless_routes
            .iter_mut()
            .chain(&mut lease.static_routes)
        {
            route.gateway = route.gateway.filter(|via| *via != own);
        }
        Ok(lease)
    }
}

/// A message to send. What is `None` is not in it.
pub(super) struct Request {
    pub kind: MessageType,
    pub xid: u32,
    pub secs: u16,
    pub client_ip: Option<Ipv4Addr>,
    pub requested_ip: Option<Ipv4Addr>,
    pub server_id: Option<Ipv4Addr>,
    pub message: Option<&'static str>,
}

impl Request {
    /// The bytes, padded to the length of a BOOTP message.
    pub fn encode(&self, config: &Config) -> Vec<u8> {
        let (hardware, hlen, htype) = hardware(&config.mac);
        let flags = if hlen == 0 { BROADCAST_FLAG } else { 0 };
        let client_ip = self.client_ip.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(&[BOOTREQUEST, htype, hlen, 0]);
        bytes[4..8].copy_from_slice(&self.xid.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.secs.to_be_bytes());
        bytes[10..12].copy_from_slice(&flags.to_be_bytes());
        bytes[12..16].copy_from_slice(&client_ip.octets());
        bytes[28..44].copy_from_slice(&hardware);
        bytes[236..240].copy_from_slice(&COOKIE);
        for option in self.options(config) {
            let value = option.to_vec().expect("writing to a Vec cannot fail");
            bytes.extend_from_slice(&value);
        }
        bytes.push(255);
        bytes.resize(bytes.len().max(MIN_MESSAGE), 0);
        bytes
    }

    fn options(&self, config: &Config) -> Vec<DhcpOption> {
        let mut options = vec![DhcpOption::MessageType(self.kind)];
        options.extend(self.server_id.map(DhcpOption::ServerIdentifier));
        options.extend(self.requested_ip.map(DhcpOption::RequestedIpAddress));
        options.extend(client_id(config).map(|id| DhcpOption::ClientIdentifier(id.to_vec())));
        options.extend(self.message.map(|text| DhcpOption::Message(text.into())));
        // RFC 2131 table 5: DECLINE and RELEASE carry nothing else.
        if !matches!(self.kind, MessageType::Discover | MessageType::Request) {
            return options;
        }
        options.push(DhcpOption::ParameterRequestList(parameter_request_list(
            config,
        )));
        options.push(DhcpOption::MaxMessageSize(MAX_PACKET as u16));
        if let Some(class) = &config.vendor_class {
            let class = class.as_bytes();
            let class = class.get(..MAX_VENDOR_CLASS).unwrap_or(class);
            options.push(DhcpOption::ClassIdentifier(class.to_vec()));
        }
        if let Some(hostname) = &config.hostname {
            options.push(DhcpOption::Hostname(hostname.to_string()));
        }
        if config.rapid_commit && self.kind == MessageType::Discover {
            options.push(DhcpOption::RapidCommit);
        }
        options
    }
}

/// Option 55 as a policy. RFC 3442: 121 comes before 3 and 33. Option 26 can be left out because one cloud drops a
/// DISCOVER that asks for it; 12 is left out when we send a name ourselves.
fn parameter_request_list(config: &Config) -> Vec<OptionCode> {
    const ALWAYS: [u8; 12] = [
        121,
        CLASSLESS_ROUTES_MS,
        1,
        3,
        6,
        15,
        28,
        33,
        42,
        58,
        59,
        119,
    ];
    let mut codes = ALWAYS.to_vec();
    if config.hostname.is_none() {
        codes.push(12);
    }
    if config.request_mtu {
        codes.push(26);
    }
    if config.request_ipv6_only {
        codes.push(IPV6_ONLY_PREFERRED);
    }
    codes.into_iter().map(OptionCode::from).collect()
}

/// Option 61 as it is sent: `None` when there is nothing to send.
pub(super) fn client_id(config: &Config) -> Option<&[u8]> {
    let id = config.client_id.as_deref().filter(|id| !id.is_empty())?;
    Some(id.get(..MAX_CLIENT_ID).unwrap_or(id))
}

/// chaddr, hlen, htype.
fn hardware(mac: &Mac) -> ([u8; 16], u8, u8) {
    let mut chaddr = [0; 16];
    match mac.as_ethernet() {
        Some(bytes) => {
            chaddr[..6].copy_from_slice(&bytes);
            (chaddr, 6, ETHERNET)
        }
        None => (chaddr, 0, INFINIBAND),
    }
}
