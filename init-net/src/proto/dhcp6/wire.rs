//! DHCPv6 messages to bytes and back, with dhcproto as the codec of option values.
//!
//! The message header is read and written here: dhcproto's `Message` decodes all options in one go.

use core::net::{IpAddr, Ipv6Addr};

use dhcproto::Encodable as _;
use dhcproto::v6::{
    DhcpOption, DhcpOptions, IAAddr, IANA, IAPD, IAPrefix, MessageType, ORO, OptionCode,
    UnknownOption,
};
use serde::Serialize;

use super::options::{Options, code};
use super::{Config, MAX_DUID, MAX_MESSAGE};
use crate::value::{Duration, Hostname, Prefix};

/// RFC 4704 §4.1: the server shall put the name into the DNS.
const FQDN_SERVER_UPDATES: u8 = 1;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reject {
    Malformed,
    ForeignExchange,
    ForeignServer,
    ForeignClient,
    Refused,
    Unexpected,
}

/// How many messages and options were not taken, by reason. Counters stop at their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Too short or long, or without the identifiers of client and server.
    pub malformed: u32,
    /// Another transaction id: late, or not for us.
    pub foreign_exchange: u32,
    /// Another server than the one asked.
    pub foreign_server: u32,
    /// Another client identifier.
    pub foreign_client: u32,
    /// Answers that grant nothing: no addresses, an error of the server.
    pub refused: u32,
    /// A type that means nothing in the state it came in, RECONFIGURE among them.
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
            Reject::Refused => &mut self.refused,
            Reject::Unexpected => &mut self.unexpected,
        };
        *counter = counter.saturating_add(1);
    }
}

/// The two kinds of message that mean something to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Advertise,
    Reply,
}

/// A message to us, checked for everything that does not depend on the state.
pub(super) struct Reply<'a> {
    pub kind: Kind,
    pub xid: u32,
    pub server_duid: &'a [u8],
    pub options: Options<'a>,
}

impl<'a> Reply<'a> {
    /// Cuts a message up.
    pub fn parse(message: &'a [u8], config: &Config) -> Result<Self, Reject> {
        let Some(([kind, xid @ ..], options)) = message.split_first_chunk::<4>() else {
            return Err(Reject::Malformed);
        };
        if message.len() > MAX_MESSAGE {
            return Err(Reject::Malformed);
        }
        let kind = match kind {
            2 => Kind::Advertise,
            7 => Kind::Reply,
            // RECONFIGURE (10), what other clients send, what relays say to each other.
            _ => return Err(Reject::Unexpected),
        };
        let options = Options::walk(options);
        // RFC 8415 §16.3, §16.10: MUST in both.
        let client_duid = options.raw(code::CLIENT_ID).ok_or(Reject::Malformed)?;
        if client_duid != duid(config) {
            return Err(Reject::ForeignClient);
        }
        let server_duid = options.raw(code::SERVER_ID).ok_or(Reject::Malformed)?;
        if server_duid.is_empty() || server_duid.len() > MAX_DUID {
            return Err(Reject::Malformed);
        }
        Ok(Self {
            kind,
            xid: u32::from_be_bytes([0, xid[0], xid[1], xid[2]]),
            server_duid,
            options,
        })
    }
}

/// What a message asks the server to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Nothing,
    /// With a lease.
    Facts,
    /// Without one.
    Information,
}

/// A message to send. What is `None` is not in it.
pub(super) struct Request<'a> {
    pub kind: MessageType,
    pub xid: u32,
    /// Since the first message of the exchange.
    pub elapsed: Duration,
    pub server_duid: Option<&'a [u8]>,
    /// The IA_NA; empty asks for any address.
    pub addresses: Option<Vec<Ipv6Addr>>,
    /// The IA_PD; empty asks for any prefix.
    pub prefixes: Option<Vec<Prefix>>,
    pub rapid_commit: bool,
    pub asks: Asks,
}

impl Request<'_> {
    /// The bytes.
    pub fn encode(&self, config: &Config) -> Vec<u8> {
        let [_, xid @ ..] = self.xid.to_be_bytes();
        let mut bytes = vec![u8::from(self.kind)];
        bytes.extend(xid);
        for option in self.options(config) {
            let value = option.to_vec().expect("writing to a Vec cannot fail");
            bytes.extend_from_slice(&value);
        }
        bytes
    }

    fn options(&self, config: &Config) -> Vec<DhcpOption> {
        let mut options = vec![DhcpOption::ClientId(duid(config).to_vec())];
        options.extend(self.server_duid.map(|id| DhcpOption::ServerId(id.to_vec())));
        options.extend(
            self.addresses
                .as_deref()
                .map(|list| ia_na(config.iaid, list)),
        );
        options.extend(
            self.prefixes
                .as_deref()
                .map(|list| ia_pd(config.iaid, list)),
        );
        // Hundredths of a second (RFC 8415 §21.9).
        let elapsed = u16::try_from(self.elapsed.as_millis() / 10).unwrap_or(u16::MAX);
        options.push(DhcpOption::ElapsedTime(elapsed));
        if self.rapid_commit {
            options.push(DhcpOption::RapidCommit);
        }
        let own: &[u16] = match self.asks {
            Asks::Nothing => return options,
            // RFC 8415 §21.7: MUST be asked for.
            Asks::Facts => &[code::SOL_MAX_RT],
            Asks::Information => &[code::REFRESH_TIME, code::INF_MAX_RT],
        };
        let mut wanted = vec![code::DNS, code::SEARCH, code::NTP, code::SNTP];
        wanted.extend(own);
        // RFC 4704 §5: not in an INFORMATION-REQUEST.
        let fqdn = match (self.asks, &config.hostname) {
            (Asks::Facts, Some(hostname)) => Some(fqdn(FQDN_SERVER_UPDATES, Some(hostname))),
            (Asks::Facts, None) if config.request_hostname => Some(fqdn(0, None)),
            _ => None,
        };
        if fqdn.is_some() {
            wanted.push(code::FQDN);
        }
        let opts = wanted.into_iter().map(OptionCode::from).collect();
        options.push(DhcpOption::ORO(ORO { opts }));
        options.extend(fqdn);
        options
    }
}

/// Lifetimes, T1 and T2 of what we send are 0: the server decides.
fn ia_na(id: u32, addresses: &[Ipv6Addr]) -> DhcpOption {
    let option = |addr: &Ipv6Addr| {
        DhcpOption::IAAddr(IAAddr {
            addr: *addr,
            preferred_life: 0,
            valid_life: 0,
            opts: DhcpOptions::new(),
        })
    };
    DhcpOption::IANA(IANA {
        id,
        t1: 0,
        t2: 0,
        opts: addresses.iter().map(option).collect(),
    })
}

fn ia_pd(id: u32, prefixes: &[Prefix]) -> DhcpOption {
    let option = |prefix: &Prefix| match prefix.address() {
        IpAddr::V6(prefix_ip) => Some(DhcpOption::IAPrefix(IAPrefix {
            preferred_lifetime: 0,
            valid_lifetime: 0,
            prefix_len: prefix.len(),
            prefix_ip,
            opts: DhcpOptions::new(),
        })),
        IpAddr::V4(_) => None,
    };
    DhcpOption::IAPD(IAPD {
        id,
        t1: 0,
        t2: 0,
        opts: prefixes.iter().filter_map(option).collect(),
    })
}

/// Option 39. Without a domain the name is a partial one, which has no end mark; no name asks for one (RFC 4704 §4.2).
fn fqdn(flags: u8, hostname: Option<&Hostname>) -> DhcpOption {
    let mut data = vec![flags];
    if let Some(hostname) = hostname {
        for label in hostname.to_string().split('.') {
            // A label has at most 63 bytes.
            data.push(label.len() as u8);
            data.extend_from_slice(label.as_bytes());
        }
        if hostname.domain().is_some() {
            data.push(0);
        }
    }
    DhcpOption::Unknown(UnknownOption::new(OptionCode::from(code::FQDN), data))
}

/// The DUID as it is sent.
pub(super) fn duid(config: &Config) -> &[u8] {
    config.duid.get(..MAX_DUID).unwrap_or(&config.duid)
}
