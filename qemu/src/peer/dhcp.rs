//! A scripted DHCPv4 server: late, hostile or strange on request.
//!
//! The bytes are read and written here by hand (RFC 2131 §2, RFC 2132), so that a fault of the client's codec is not
//! repeated in what it talks to. Every answer goes out as a broadcast, or to `ciaddr` when the client has an address.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt;

use super::stop::PeerThread;
use super::stop::StopSignal;
use super::stop::Woken;
use crate::Lab;
use crate::Log;
use crate::Result;
use crate::clock;
use crate::error::Context;

/// Message types of option 53 (RFC 2132 §9.6).
pub mod message_type {
    /// The client looks for servers.
    pub const DISCOVER: u8 = 1;
    /// A server offers an address.
    pub const OFFER: u8 = 2;
    /// The client asks for an address.
    pub const REQUEST: u8 = 3;
    /// The client found the address in use.
    pub const DECLINE: u8 = 4;
    /// The server grants the address.
    pub const ACK: u8 = 5;
    /// The server refuses.
    pub const NAK: u8 = 6;
    /// The client gives the address back.
    pub const RELEASE: u8 = 7;
}

/// Length of the fixed part before the magic cookie (RFC 2131 §2).
const FIXED: usize = 236;

/// The magic cookie before the options (RFC 2132 §2).
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Shortest message some relays and clients accept, bytes (BOOTP's 300, RFC 1542 §2.1).
const SHORTEST: usize = 300;

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Option 53, 0 when absent.
    pub kind: u8,
    /// The transaction id.
    pub xid: [u8; 4],
    /// The address the client says it has.
    pub ciaddr: Ipv4Addr,
    /// The hardware address field, all 16 bytes.
    pub chaddr: [u8; 16],
    /// Options in order, code and value, 53 among them.
    pub options: Vec<(u8, Vec<u8>)>,
    /// Seconds and flags as they came; flags are sent back.
    flags: [u8; 2],
}

impl Message {
    /// Reads a request; `None` for anything that is not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(FIXED)?;
        let mut rest = rest.strip_prefix(&COOKIE)?;
        if fixed.first() != Some(&1) {
            return None;
        }
        let mut options = Vec::new();
        while let Some((&code, tail)) = rest.split_first() {
            match code {
                0 => rest = tail,
                255 => break,
                _ => {
                    let (&length, tail) = tail.split_first()?;
                    let (value, tail) = tail.split_at_checked(length.into())?;
                    options.push((code, value.to_vec()));
                    rest = tail;
                }
            }
        }
        let kind = options.iter().find(|(code, _)| *code == 53);
        let kind = kind.and_then(|(_, value)| value.first()).copied();
        let ciaddr: [u8; 4] = fixed.get(12..16)?.try_into().ok()?;
        Some(Self {
            kind: kind.unwrap_or(0),
            xid: fixed.get(4..8)?.try_into().ok()?,
            ciaddr: ciaddr.into(),
            chaddr: fixed.get(28..44)?.try_into().ok()?,
            flags: fixed.get(10..12)?.try_into().ok()?,
            options,
        })
    }

    /// The value of an option.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        let mut options = self.options.iter();
        let (_, value) = options.find(|(found, _)| *found == code)?;
        Some(value)
    }

    /// A line for the log.
    fn describe(&self) -> String {
        let name = match self.kind {
            message_type::DISCOVER => "DISCOVER",
            message_type::REQUEST => "REQUEST",
            message_type::DECLINE => "DECLINE",
            message_type::RELEASE => "RELEASE",
            _ => "message",
        };
        let [a, b, c, d] = self.xid;
        let mut text = format!(
            "{name} xid {a:02x}{b:02x}{c:02x}{d:02x} ciaddr {}",
            self.ciaddr
        );
        for (code, value) in &self.options {
            let value: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            text.push_str(&format!(" {code}={value}"));
        }
        text
    }
}

/// An answer in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    kind: u8,
    yiaddr: Ipv4Addr,
    options: Vec<(u8, Vec<u8>)>,
    after: Duration,
}

impl Reply {
    /// An OFFER of this address for an hour, from this server.
    pub fn offer(address: Ipv4Addr, server: Ipv4Addr) -> Self {
        Self::new(message_type::OFFER, address).lease(server, 3600)
    }

    /// An ACK of this address for an hour, from this server.
    pub fn ack(address: Ipv4Addr, server: Ipv4Addr) -> Self {
        Self::new(message_type::ACK, address).lease(server, 3600)
    }

    /// A NAK from this server.
    pub fn nak(server: Ipv4Addr) -> Self {
        Self::new(message_type::NAK, Ipv4Addr::UNSPECIFIED).option(54, &server.octets())
    }

    /// A bare answer of any kind.
    pub fn new(kind: u8, yiaddr: Ipv4Addr) -> Self {
        Self {
            kind,
            yiaddr,
            options: vec![(53, vec![kind])],
            after: Duration::ZERO,
        }
    }

    /// Sets an option, in place of an earlier value.
    #[must_use]
    pub fn option(mut self, code: u8, value: &[u8]) -> Self {
        self.options.retain(|(found, _)| *found != code);
        self.options.push((code, value.to_vec()));
        self
    }

    /// The lease time, seconds; T1 and T2 are left to the client.
    #[must_use]
    pub fn lease_time(self, seconds: u32) -> Self {
        self.option(51, &seconds.to_be_bytes())
    }

    /// Sent this long after the request came.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    fn lease(self, server: Ipv4Addr, seconds: u32) -> Self {
        self.option(54, &server.octets())
            .lease_time(seconds)
            .option(1, &[255, 255, 255, 0])
    }

    /// The bytes of the answer to `request`.
    fn encode(&self, request: &Message) -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        // BOOTREPLY, Ethernet, six bytes of address, no hops.
        bytes[..4].copy_from_slice(&[2, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&request.xid);
        bytes[10..12].copy_from_slice(&request.flags);
        if self.kind == message_type::ACK {
            bytes[12..16].copy_from_slice(&request.ciaddr.octets());
        }
        bytes[16..20].copy_from_slice(&self.yiaddr.octets());
        bytes[28..44].copy_from_slice(&request.chaddr);
        bytes.extend_from_slice(&COOKIE);
        for (code, value) in &self.options {
            // A longer value is split, its pieces in order (RFC 3396).
            for piece in value.chunks(255) {
                bytes.extend_from_slice(&[*code, piece.len() as u8]);
                bytes.extend_from_slice(piece);
            }
        }
        bytes.push(255);
        if bytes.len() < SHORTEST {
            bytes.resize(SHORTEST, 0);
        }
        bytes
    }
}

/// A running scripted server, stopped on drop.
#[derive(Debug)]
pub struct DhcpServer {
    _thread: PeerThread,
    messages: Arc<Mutex<Vec<Message>>>,
    log: Log,
}

impl DhcpServer {
    /// Serves on `interface` of the lab: `script` says the answers to each message, in order.
    ///
    /// # Errors
    /// Port 67 is taken there, or the interface is missing.
    pub fn start(
        lab: &Lab,
        interface: &str,
        script: impl FnMut(&Message) -> Vec<Reply> + Send + 'static,
    ) -> Result<Self> {
        let interface = interface.to_owned();
        let socket = lab.namespace().enter(|| -> Result<UdpSocket> {
            let socket = UdpSocket::bind("0.0.0.0:67").context("UDP port 67")?;
            setsockopt(&socket, sockopt::BindToDevice, &interface.clone().into())
                .context(&interface)?;
            socket.set_broadcast(true).context("broadcast")?;
            Ok(socket)
        })??;
        let messages = Arc::<Mutex<Vec<Message>>>::default();
        let log = Log::default();
        lab.keep("dhcp-server", &log);
        let server = Server {
            socket,
            script,
            messages: messages.clone(),
            log: log.clone(),
            open: VecDeque::new(),
        };
        Ok(Self {
            _thread: PeerThread::start(move |stop| server.run(&stop))?,
            messages,
            log,
        })
    }

    /// Every message of a client so far.
    pub fn messages(&self) -> Vec<Message> {
        let messages = self.messages.lock();
        messages.expect("no holder of the lock panics").clone()
    }

    /// How many messages of this [`message_type`] have come.
    pub fn count(&self, kind: u8) -> usize {
        let messages = self.messages();
        messages
            .iter()
            .filter(|message| message.kind == kind)
            .count()
    }

    /// A line for each message, as `REQUEST xid 01020304 ciaddr 10.0.0.5 53=03 …` with options in hexadecimal.
    pub fn log(&self) -> &Log {
        &self.log
    }
}

struct Server<S> {
    socket: UdpSocket,
    script: S,
    messages: Arc<Mutex<Vec<Message>>>,
    log: Log,
    /// Answers that are not due yet: when, where to, what.
    open: VecDeque<(Instant, Ipv4Addr, Vec<u8>)>,
}

impl<S: FnMut(&Message) -> Vec<Reply>> Server<S> {
    fn run(mut self, stop: &StopSignal) {
        loop {
            let now = clock::now();
            let due = self.open.iter().map(|(due, _, _)| *due).min();
            let limit = due.map(|due| due.saturating_duration_since(now));
            match stop.wait(self.socket.as_fd(), limit) {
                Ok(Woken::Readable) => self.receive(),
                Ok(Woken::Timeout) => {}
                Ok(Woken::Stop) | Err(_) => return,
            }
            self.send_due();
        }
    }

    fn receive(&mut self) {
        let mut buffer = [0; 2048];
        let Ok((count, _)) = self.socket.recv_from(&mut buffer) else {
            return;
        };
        let Some(message) = buffer.get(..count).and_then(Message::parse) else {
            self.log.push(format!("{count} bytes that are no request"));
            return;
        };
        let now = clock::now();
        for reply in (self.script)(&message) {
            // RFC 2131 §4.3.2: a NAK is broadcast, the client's address may be worth nothing.
            let target = if message.ciaddr.is_unspecified() || reply.kind == message_type::NAK {
                Ipv4Addr::BROADCAST
            } else {
                message.ciaddr
            };
            let bytes = reply.encode(&message);
            self.open.push_back((now + reply.after, target, bytes));
        }
        // Last, so that who waits for this line finds the message in the list.
        let line = message.describe();
        if let Ok(mut messages) = self.messages.lock() {
            messages.push(message);
        }
        self.log.push(line);
    }

    fn send_due(&mut self) {
        let now = clock::now();
        let open = std::mem::take(&mut self.open);
        for (due, target, bytes) in open {
            if due > now {
                self.open.push_back((due, target, bytes));
            } else if let Err(error) = self.socket.send_to(&bytes, (target, 68)) {
                self.log.push(format!("sending to {target}: {error}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discover() -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        bytes[..8].copy_from_slice(&[1, 1, 6, 0, 1, 2, 3, 4]);
        bytes[10] = 0x80;
        bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&[0, 53, 1, 1, 55, 2, 1, 3, 255]);
        bytes
    }

    #[test]
    fn a_discover_is_read() {
        let message = Message::parse(&discover()).unwrap();
        assert_eq!(message.kind, message_type::DISCOVER);
        assert_eq!(message.option(55), Some(&[1, 3][..]));
        assert_eq!(
            message.describe(),
            "DISCOVER xid 01020304 ciaddr 0.0.0.0 53=01 55=0103"
        );
        let bytes = discover();
        for length in 0..FIXED + 4 {
            assert_eq!(Message::parse(&bytes[..length]), None, "{length}");
        }
        let cut_option = &bytes[..FIXED + 4 + 3];
        assert_eq!(Message::parse(cut_option), None);
    }

    #[test]
    fn an_ack_is_written() {
        let request = Message::parse(&discover()).unwrap();
        let long = [7; 300];
        let reply = Reply::ack([10, 0, 0, 5].into(), [10, 0, 0, 1].into())
            .lease_time(10)
            .option(121, &long);
        let bytes = reply.encode(&request);
        assert_eq!(bytes[..12], [2, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0x80, 0]);
        assert_eq!(bytes[16..20], [10, 0, 0, 5]);
        assert_eq!(bytes[28..34], [2, 0, 0, 0, 0, 1]);
        let options = &bytes[FIXED + 4..];
        let head = [
            53, 1, 5, 54, 4, 10, 0, 0, 1, 1, 4, 255, 255, 255, 0, 51, 4, 0, 0, 0, 10, 121, 255,
        ];
        assert_eq!(options[..head.len()], head);
        let second = head.len() + 255;
        assert_eq!(options[second..second + 3], [121, 45, 7]);
        assert_eq!(options.last(), Some(&255));
    }
}
