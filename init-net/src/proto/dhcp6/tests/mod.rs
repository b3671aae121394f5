//! Timelines: a client, a clock that jumps to its deadlines, and a server that says what the test wants.

use dhcproto::Decodable as _;
use dhcproto::v6::{DhcpOption, DhcpOptions, Message, OptionCode};

use super::*;

mod bytes;
mod hostile;
mod lifecycle;
mod pair;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
/// DUID-LL of [`MAC`].
const DUID: [u8; 10] = [0, 3, 0, 1, 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
const IAID: u32 = 0x00aa_bbcc;
const SERVER: &[u8] = &[0, 2, 0, 0, 0, 9, 1];
const OTHER_SERVER: &[u8] = &[0, 2, 0, 0, 0, 9, 2];
const ADVERTISE: u8 = 2;
const REPLY: u8 = 7;
const RECONFIGURE: u8 = 10;

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn config() -> Config {
    Config::new(Mac::from_bytes(&MAC).unwrap())
}

fn config_of(mode: Mode) -> Config {
    Config { mode, ..config() }
}

fn both() -> Config {
    config_of(Mode::AddressesAndPrefixes {
        hint: "::/56".parse().unwrap(),
    })
}

fn option(code: u16, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap();
    [&code.to_be_bytes(), &len.to_be_bytes(), data].concat()
}

fn status(code: u16) -> Vec<u8> {
    option(13, &[&code.to_be_bytes()[..], b"words"].concat())
}

fn ia_address(address: &str, preferred: u32, valid: u32) -> Vec<u8> {
    let times = [preferred.to_be_bytes(), valid.to_be_bytes()].concat();
    option(5, &[&ip(address).octets()[..], &times].concat())
}

fn ia_prefix(prefix: &str, preferred: u32, valid: u32) -> Vec<u8> {
    let (address, len) = prefix.split_once('/').unwrap();
    let times = [preferred.to_be_bytes(), valid.to_be_bytes()].concat();
    let len = [len.parse().unwrap()];
    option(26, &[&times[..], &len, &ip(address).octets()].concat())
}

/// A message of a server, option by option.
#[derive(Clone)]
struct Server {
    bytes: Vec<u8>,
}

impl Server {
    /// With both identifiers.
    fn new(kind: u8, xid: u32) -> Self {
        Self::bare(kind, xid).option(1, &DUID).option(2, SERVER)
    }

    fn bare(kind: u8, xid: u32) -> Self {
        let mut bytes = xid.to_be_bytes().to_vec();
        bytes[0] = kind;
        Self { bytes }
    }

    /// From the other server.
    fn other(kind: u8, xid: u32) -> Self {
        Self::bare(kind, xid)
            .option(1, &DUID)
            .option(2, OTHER_SERVER)
    }

    /// 2001:db8::10, preferred for 100 s, valid for 200 s; T1 and T2 are left to the client (50 and 80 s).
    fn grant(kind: u8, xid: u32) -> Self {
        Self::new(kind, xid).address("2001:db8::10", 100, 200)
    }

    fn option(mut self, code: u16, data: &[u8]) -> Self {
        self.bytes.extend(option(code, data));
        self
    }

    fn status(mut self, code: u16) -> Self {
        self.bytes.extend(status(code));
        self
    }

    /// An IA_NA with T1, T2 and these options.
    fn na(self, t1: u32, t2: u32, nested: &[Vec<u8>]) -> Self {
        self.association(3, t1, t2, nested)
    }

    /// An IA_PD with T1, T2 and these options.
    fn pd(self, t1: u32, t2: u32, nested: &[Vec<u8>]) -> Self {
        self.association(25, t1, t2, nested)
    }

    fn association(self, code: u16, t1: u32, t2: u32, nested: &[Vec<u8>]) -> Self {
        let mut data = [IAID, t1, t2].map(u32::to_be_bytes).concat();
        data.extend(nested.concat());
        self.option(code, &data)
    }

    fn address(self, address: &str, preferred: u32, valid: u32) -> Self {
        self.na(0, 0, &[ia_address(address, preferred, valid)])
    }

    fn prefix(self, prefix: &str, preferred: u32, valid: u32) -> Self {
        self.pd(0, 0, &[ia_prefix(prefix, preferred, valid)])
    }
}

struct Timeline {
    client: Dhcp6,
    now: Instant,
    rng: Rng,
    xid: u32,
    payload: Vec<u8>,
    sent_at: Vec<Instant>,
}

impl Timeline {
    fn of(client: Dhcp6, now: Instant) -> Self {
        Self {
            client,
            now,
            rng: Rng::new(7),
            xid: 0,
            payload: Vec::new(),
            sent_at: Vec::new(),
        }
    }

    fn new(config: Config) -> Self {
        Self::of(Dhcp6::new(config, at(1000)), at(1000))
    }

    fn soliciting(config: Config) -> Self {
        let mut line = Self::new(config);
        assert!(line.drain().starts_with("Solicit"));
        line
    }

    /// An offer with preference 255 was taken at 1000 s.
    fn requesting(config: Config) -> Self {
        let mut line = Self::soliciting(config);
        let offer = line.both(ADVERTISE).option(7, &[255]);
        let log = line.receive(&offer);
        assert!(log.starts_with("Request"), "{log}");
        line
    }

    /// Bound at 1000 s: T1 1050, T2 1080, end 1200.
    fn bound_with(config: Config) -> Self {
        let mut line = Self::requesting(config);
        let reply = line.both(REPLY);
        let log = line.receive(&reply);
        assert!(log.starts_with("bound"), "{log}");
        assert_eq!(line.client.state_name(), "bound");
        line
    }

    fn bound() -> Self {
        Self::bound_with(config())
    }

    fn renewing() -> Self {
        let mut line = Self::bound();
        assert_eq!(line.until(1051), "Renew na[2001:db8::10] of 1");
        assert_eq!(line.client.state_name(), "renewing");
        line
    }

    fn rebinding() -> Self {
        let mut line = Self::renewing();
        line.until(1079);
        assert_eq!(line.until(1081), "Rebind na[2001:db8::10]");
        assert_eq!(line.client.state_name(), "rebinding");
        line
    }

    fn confirming() -> Self {
        let mut line = Self::bound();
        line.now = at(1010);
        line.client.link_down(at(1010));
        assert_eq!(line.client.state_name(), "down");
        assert_eq!(line.until(1015), "");
        line.client.link_up(at(1015));
        assert_eq!(line.drain(), "Confirm na[2001:db8::10]");
        assert_eq!(line.client.state_name(), "confirming");
        line
    }

    /// The standard address and, where asked for, a prefix.
    fn both(&self, kind: u8) -> Server {
        let server = Server::grant(kind, self.xid);
        match self.client.config.mode.prefix_hint() {
            Some(_) => server.prefix("2001:db8:1000::/56", 100, 200),
            None => server,
        }
    }

    /// The standard REPLY in the exchange of the last message.
    fn reply(&mut self) -> String {
        let reply = self.both(REPLY);
        self.receive(&reply)
    }

    fn receive(&mut self, server: &Server) -> String {
        self.client.receive(&server.bytes, self.now);
        self.drain()
    }

    /// Everything that happens now.
    fn drain(&mut self) -> String {
        let mut log = Vec::new();
        self.client.expire(self.now);
        let mut sent = Vec::new();
        while self
            .client
            .transmit(self.now, &mut self.rng, |transmit| {
                sent.push(transmit);
                Ok::<_, ()>(())
            })
            .unwrap()
        {
            assert!(sent.len() < 3, "sends without end");
        }
        for Transmit { payload } in sent {
            log.push(describe(&payload));
            self.xid = u32::from_be_bytes([0, payload[1], payload[2], payload[3]]);
            self.payload = payload;
            self.sent_at.push(self.now);
        }
        while let Some(event) = self.client.event() {
            log.push(match event {
                Event::Bound(lease) => format!("bound {}", list(&lease)),
                Event::Renewed(lease) => format!("renewed {}", list(&lease)),
                Event::Lost { reason } => format!("lost {reason:?}"),
                Event::Information(information) => format!("told {:?}", information.facts.dns),
            });
        }
        log.join("; ")
    }

    /// Everything that happens up to a second of the clock.
    fn until(&mut self, secs: u64) -> String {
        let mut log = Vec::new();
        loop {
            log.push(self.drain());
            match self.client.deadline() {
                Some(due) if due <= at(secs) => {
                    assert!(due > self.now, "a deadline in the past after draining");
                    self.now = due;
                }
                Some(_) | None => break,
            }
        }
        self.now = at(secs);
        log.retain(|entry| !entry.is_empty());
        log.join("; ")
    }

    /// The waits between the messages so far, seconds.
    fn waits(&self) -> Vec<f64> {
        let pairs = self.sent_at.windows(2);
        pairs.map(|w| (w[1] - w[0]).as_secs_f64()).collect()
    }

    fn lease(&self) -> &Lease {
        self.client.lease(self.now).expect("a lease")
    }
}

fn list(lease: &Lease) -> String {
    let addresses = lease
        .addresses
        .iter()
        .map(|leased| leased.address.to_string());
    let prefixes = lease
        .prefixes
        .iter()
        .map(|leased| leased.prefix.to_string());
    addresses.chain(prefixes).collect::<Vec<_>>().join(" ")
}

/// What dhcproto reads in a message of ours: kind, associations, server.
fn describe(payload: &[u8]) -> String {
    let message = Message::from_bytes(payload).unwrap();
    let options = message.opts();
    let client = DhcpOption::ClientId(DUID.to_vec());
    assert_eq!(options.get(OptionCode::ClientId), Some(&client));
    let mut text = format!("{:?}", message.msg_type());
    if let Some(DhcpOption::IANA(na)) = options.get(OptionCode::IANA) {
        assert_eq!((na.id, na.t1, na.t2), (IAID, 0, 0));
        text += &format!(" na[{}]", nested(&na.opts));
    }
    if let Some(DhcpOption::IAPD(pd)) = options.get(OptionCode::IAPD) {
        assert_eq!((pd.id, pd.t1, pd.t2), (IAID, 0, 0));
        text += &format!(" pd[{}]", nested(&pd.opts));
    }
    if let Some(DhcpOption::ServerId(id)) = options.get(OptionCode::ServerId) {
        text += &format!(" of {}", id.last().unwrap());
    }
    assert!(payload.len() <= MAX_MESSAGE);
    text
}

fn nested(options: &DhcpOptions) -> String {
    let one = |option: &DhcpOption| match option {
        DhcpOption::IAAddr(leased) => leased.addr.to_string(),
        DhcpOption::IAPrefix(leased) => format!("{}/{}", leased.prefix_ip, leased.prefix_len),
        other => format!("{other:?}"),
    };
    options.iter().map(one).collect::<Vec<_>>().join(" ")
}
