//! Timelines: a client, a clock that jumps to its deadlines, and a server that says what the test wants.

use core::fmt::Write as _;

use dhcproto::Decodable as _;
use dhcproto::v4::{DhcpOption, Message, OptionCode};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress};

use super::frame::MAX_MESSAGE;
use super::*;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 1];
const OTHER_SERVER: [u8; 4] = [10, 0, 0, 9];
const ADDRESS: [u8; 4] = [10, 0, 0, 2];
const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;
const FORCERENEW: u8 = 9;

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn config() -> Config {
    Config::new(Mac::from_bytes(&MAC).unwrap())
}

/// A message of a server, option by option.
struct Server {
    bytes: Vec<u8>,
}

impl Server {
    fn new(kind: u8, xid: u32) -> Self {
        let mut bytes = vec![0; 240];
        bytes[..3].copy_from_slice(&[2, 1, 6]);
        bytes[4..8].copy_from_slice(&xid.to_be_bytes());
        bytes[28..34].copy_from_slice(&MAC);
        bytes[236..240].copy_from_slice(&[99, 130, 83, 99]);
        Self { bytes }.option(53, &[kind])
    }

    /// An OFFER or ACK of [`ADDRESS`]/24 for 120 s.
    fn grant(kind: u8, xid: u32) -> Self {
        Self::new(kind, xid)
            .your_ip(ADDRESS)
            .option(54, &SERVER)
            .option(51, &120u32.to_be_bytes())
            .option(1, &[255, 255, 255, 0])
            .option(3, &SERVER)
    }

    fn option(mut self, code: u8, data: &[u8]) -> Self {
        self.bytes.extend([code, data.len() as u8]);
        self.bytes.extend(data);
        self
    }

    fn your_ip(self, ip: [u8; 4]) -> Self {
        self.header(16, &ip)
    }

    fn header(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.push(255);
        self.bytes
    }
}

struct Timeline {
    client: Dhcp4,
    now: Instant,
    rng: Rng,
    xid: u32,
    payload: Vec<u8>,
    sent_at: Vec<Instant>,
}

impl Timeline {
    fn of(client: Dhcp4, now: Instant) -> Self {
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
        Self::of(Dhcp4::new(config, at(1000)), at(1000))
    }

    /// Bound to [`ADDRESS`] for 120 s from 1000 s on.
    fn bound() -> Self {
        let mut line = Self::new(config());
        assert_eq!(line.drain(), "DISCOVER");
        line.receive(OFFER);
        assert_eq!(line.drain(), "REQUEST 10.0.0.2 of 10.0.0.1");
        line.receive(ACK);
        assert_eq!(line.drain(), "bound 10.0.0.2/24");
        assert_eq!(line.client.state_name(), "bound");
        line
    }

    fn renewing() -> Self {
        let mut line = Self::bound();
        assert_eq!(line.until(1061), "REQUEST by 10.0.0.2 to 10.0.0.1");
        assert_eq!(line.client.state_name(), "renewing");
        line
    }

    fn rebinding() -> Self {
        let mut line = Self::renewing();
        line.until(1104);
        assert_eq!(line.until(1106), "REQUEST by 10.0.0.2");
        assert_eq!(line.client.state_name(), "rebinding");
        line
    }

    fn requesting() -> Self {
        let mut line = Self::new(config());
        line.drain();
        line.receive(OFFER);
        line.drain();
        assert_eq!(line.client.state_name(), "requesting");
        line
    }

    fn rebooting() -> Self {
        let lease = Self::bound().client.lease(at(1000)).unwrap().clone();
        let mut line = Self::of(Dhcp4::reboot(config(), lease, at(1010)), at(1010));
        assert_eq!(line.drain(), "REQUEST 10.0.0.2");
        assert_eq!(line.client.state_name(), "rebooting");
        line
    }

    fn confirming() -> Self {
        let mut line = Self::bound();
        line.now = at(1010);
        line.client.link_down(at(1010));
        assert_eq!(line.until(1015), "");
        line.client.link_up(at(1015));
        assert_eq!(line.drain(), "REQUEST 10.0.0.2");
        assert_eq!(line.client.state_name(), "rebooting");
        line
    }

    /// The standard OFFER or ACK, or a NAK, in the transaction of the last message sent.
    fn receive(&mut self, kind: u8) {
        let message = match kind {
            NAK => Server::new(NAK, self.xid).option(54, &SERVER).end(),
            _ => Server::grant(kind, self.xid).end(),
        };
        self.client.receive(&message, self.now);
    }

    fn receive_bytes(&mut self, message: &[u8]) -> String {
        self.client.receive(message, self.now);
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
        {}
        for transmit in sent {
            log.push(describe(&transmit));
            self.xid = u32::from_be_bytes(transmit.payload[4..8].try_into().unwrap());
            self.payload = transmit.payload;
            self.sent_at.push(self.now);
        }
        while let Some(event) = self.client.event() {
            log.push(match event {
                Event::Bound(lease) => format!("bound {}", lease.address),
                Event::Renewed(lease) => format!("renewed {}", lease.address),
                Event::Lost { reason } => format!("lost {reason:?}"),
                Event::Ipv6Only { wait } => format!("ipv6-only {}", wait.as_secs()),
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

    fn option(&self, code: OptionCode) -> Option<DhcpOption> {
        let message = Message::from_bytes(&self.payload).unwrap();
        message.opts().get(code).cloned()
    }
}

/// What dhcproto reads in a message of ours: kind, address asked for, address used, server.
fn describe(transmit: &Transmit) -> String {
    let message = Message::from_bytes(&transmit.payload).unwrap();
    let kind = format!("{:?}", message.opts().msg_type().unwrap()).to_uppercase();
    let mut text = kind;
    if let Some(DhcpOption::RequestedIpAddress(ip)) =
        message.opts().get(OptionCode::RequestedIpAddress)
    {
        write!(text, " {ip}").unwrap();
    }
    if !message.ciaddr().is_unspecified() {
        write!(text, " by {}", message.ciaddr()).unwrap();
    }
    if let Some(DhcpOption::ServerIdentifier(ip)) = message.opts().get(OptionCode::ServerIdentifier)
    {
        write!(text, " of {ip}").unwrap();
    }
    if let Destination::Unicast { from, server } = transmit.to {
        assert_eq!(from, message.ciaddr());
        write!(text, " to {server}").unwrap();
    }
    assert!(!message.flags().broadcast());
    assert!((300..=MAX_MESSAGE).contains(&transmit.payload.len()));
    text
}

// --- The way of a lease -----------------------------------------------------------------------------------------

#[test]
fn discover_offer_request_ack() {
    let line = Timeline::bound();
    let lease = line.client.lease(at(1000)).unwrap();
    assert_eq!(lease.renew_at, Some(at(1060)));
    assert_eq!(lease.rebind_at, Some(at(1105)));
    assert_eq!(lease.expires_at, Some(at(1120)));
    assert_eq!(lease.routers, [Ipv4Addr::from(SERVER)]);
    assert_eq!(line.client.deadline(), lease.renew_at);
    assert_eq!(*line.client.counters(), Counters::default());
}

#[test]
fn silence_is_met_with_growing_pauses_and_one_transaction() {
    let mut line = Timeline::new(config());
    let log = line.until(1000 + 300);
    assert!(log.split("; ").all(|entry| entry == "DISCOVER"), "{log}");
    let gaps: Vec<_> = line
        .sent_at
        .windows(2)
        .map(|w| w[1].saturating_since(w[0]))
        .collect();
    for (sent, gap) in gaps.iter().enumerate() {
        let nominal = timing::backoff(sent as u32 + 1);
        let jitter = (nominal / 8).min(Duration::from_secs(1));
        assert!(
            nominal - jitter <= *gap && *gap <= nominal + jitter,
            "{gap:?}, not {nominal:?}"
        );
    }
    assert_eq!(line.sent_at.len(), 12);
    // An answer to the first DISCOVER is still an answer.
    line.receive(OFFER);
    assert_eq!(line.drain(), "REQUEST 10.0.0.2 of 10.0.0.1");
}

#[test]
fn secs_counts_and_a_request_has_that_of_its_discover() {
    let secs = |line: &Timeline| u16::from_be_bytes([line.payload[8], line.payload[9]]);
    let mut line = Timeline::new(config());
    line.drain();
    assert_eq!(secs(&line), 0);
    line.until(1005);
    let of_discover = secs(&line);
    assert_eq!(of_discover, 3);
    line.receive(OFFER);
    line.drain();
    assert_eq!(secs(&line), of_discover);
    line.until(1007);
    assert_eq!(secs(&line), of_discover);
}

#[test]
fn a_late_second_offer_does_not_disturb_the_request() {
    let mut line = Timeline::new(config());
    line.until(1003);
    line.receive(OFFER);
    assert_eq!(line.drain(), "REQUEST 10.0.0.2 of 10.0.0.1");
    let second = Server::grant(OFFER, line.xid).your_ip([10, 0, 0, 3]).end();
    assert_eq!(line.receive_bytes(&second), "");
    assert_eq!(line.client.counters().unexpected, 1);
    line.receive(ACK);
    assert_eq!(line.drain(), "bound 10.0.0.2/24");
}

#[test]
fn a_request_without_answer_is_given_up() {
    let mut line = Timeline::requesting();
    let log = line.until(1012);
    let requests = log.matches("REQUEST 10.0.0.2 of 10.0.0.1").count();
    assert_eq!(requests, 4, "{log}");
    assert!(
        log.contains("DISCOVER 10.0.0.2"),
        "then everyone is asked again: {log}"
    );
    assert_eq!(line.client.state_name(), "selecting");
}

#[test]
fn rapid_commit() {
    let mut line = Timeline::new(config());
    line.drain();
    assert_eq!(
        line.option(OptionCode::RapidCommit),
        Some(DhcpOption::RapidCommit)
    );
    let plain = Server::grant(ACK, line.xid).end();
    assert_eq!(
        line.receive_bytes(&plain),
        "",
        "an ACK to a DISCOVER needs option 80"
    );
    let commit = Server::grant(ACK, line.xid).option(80, &[]).end();
    assert_eq!(line.receive_bytes(&commit), "bound 10.0.0.2/24");

    let mut line = Timeline::new(Config {
        rapid_commit: false,
        ..config()
    });
    line.drain();
    assert_eq!(line.option(OptionCode::RapidCommit), None);
    let commit = Server::grant(ACK, line.xid).option(80, &[]).end();
    assert_eq!(line.receive_bytes(&commit), "", "nobody offered that");
}

#[test]
fn renewal_by_unicast_then_broadcast_then_the_end() {
    let mut line = Timeline::bound();
    assert_eq!(line.until(1059), "");
    let log = line.until(1104);
    let renewals = "REQUEST by 10.0.0.2 to 10.0.0.1";
    assert_eq!(log, [renewals; 3].join("; "), "60, 82.5, 93.75 s");
    assert_eq!(line.until(1106), "REQUEST by 10.0.0.2");
    let log = line.until(1119);
    assert_eq!(
        log,
        ["REQUEST by 10.0.0.2"; 2].join("; "),
        "112.5, 116.25 s"
    );
    assert!(line.client.lease(line.now).is_some());
    assert_eq!(line.until(1120), "DISCOVER 10.0.0.2; lost Expired");
    assert!(line.client.lease(line.now).is_none());
    assert_eq!(line.client.state_name(), "selecting");
}

#[test]
fn renewal_messages_have_neither_option_50_nor_54() {
    for line in [Timeline::renewing(), Timeline::rebinding()] {
        assert_eq!(line.option(OptionCode::RequestedIpAddress), None);
        assert_eq!(line.option(OptionCode::ServerIdentifier), None);
    }
}

#[test]
fn a_renewal_counts_from_its_request() {
    let mut line = Timeline::renewing();
    line.now = at(1062);
    line.receive(ACK);
    assert_eq!(line.drain(), "renewed 10.0.0.2/24");
    let lease = line.client.lease(line.now).unwrap();
    assert_eq!(lease.acquired_at, at(1060));
    assert_eq!(lease.expires_at, Some(at(1180)));
    assert_eq!(line.client.deadline(), Some(at(1120)));
}

#[test]
fn a_renewal_with_other_facts_is_a_new_lease() {
    let mut line = Timeline::renewing();
    let ack = Server::grant(ACK, line.xid)
        .option(6, &[10, 0, 0, 53])
        .end();
    assert_eq!(line.receive_bytes(&ack), "bound 10.0.0.2/24");
    let mut line = Timeline::rebinding();
    let ack = Server::grant(ACK, line.xid).your_ip([10, 0, 0, 3]).end();
    assert_eq!(line.receive_bytes(&ack), "bound 10.0.0.3/24");
}

#[test]
fn an_answer_to_the_unicast_is_taken_after_t2() {
    let mut line = Timeline::renewing();
    let xid = line.xid;
    line.until(1106);
    assert_eq!(line.client.state_name(), "rebinding");
    assert_eq!(
        line.receive_bytes(&Server::grant(ACK, xid).end()),
        "renewed 10.0.0.2/24"
    );
}

#[test]
fn after_a_long_sleep_only_the_end_counts() {
    let mut line = Timeline::bound();
    line.now = at(1110);
    assert_eq!(
        line.drain(),
        "REQUEST by 10.0.0.2",
        "past T2: broadcast at once"
    );
    let mut line = Timeline::bound();
    line.now = at(5000);
    assert!(line.client.lease(line.now).is_none());
    assert_eq!(line.drain(), "DISCOVER 10.0.0.2; lost Expired");
}

#[test]
fn an_infinite_lease_needs_nothing() {
    let mut line = Timeline::new(config());
    line.drain();
    let grant = |kind, xid| {
        let mut message = Server::new(kind, xid).your_ip(ADDRESS).option(54, &SERVER);
        message = message.option(51, &[0xff; 4]).option(58, &[0, 0, 0, 9]);
        message.option(1, &[255, 255, 255, 0]).end()
    };
    line.receive_bytes(&grant(OFFER, line.xid));
    assert_eq!(
        line.receive_bytes(&grant(ACK, line.xid)),
        "bound 10.0.0.2/24"
    );
    assert_eq!(line.client.deadline(), None);
    assert_eq!(line.until(1_000_000_000), "");
    assert!(line.client.lease(line.now).is_some());
}

// --- NAK, DECLINE, RELEASE --------------------------------------------------------------------------------------

#[test]
fn nak_in_each_state() {
    #[track_caller]
    fn check(mut line: Timeline, expect: &str) {
        line.receive(NAK);
        assert_eq!(line.drain(), expect);
    }
    let selecting = || {
        let mut line = Timeline::new(config());
        line.drain();
        line
    };
    check(selecting(), "");
    check(Timeline::requesting(), "DISCOVER");
    check(Timeline::rebooting(), "DISCOVER");
    check(Timeline::bound(), "");
    check(Timeline::renewing(), "DISCOVER; lost Nak");
    check(Timeline::rebinding(), "DISCOVER; lost Nak");
    check(Timeline::confirming(), "DISCOVER; lost Nak");
}

#[test]
fn ack_in_each_state() {
    #[track_caller]
    fn check(mut line: Timeline, expect: &str) {
        line.receive(ACK);
        assert_eq!(line.drain(), expect);
    }
    check(Timeline::requesting(), "bound 10.0.0.2/24");
    check(Timeline::rebooting(), "bound 10.0.0.2/24");
    check(Timeline::bound(), "");
    check(Timeline::renewing(), "renewed 10.0.0.2/24");
    check(Timeline::rebinding(), "renewed 10.0.0.2/24");
    check(Timeline::confirming(), "renewed 10.0.0.2/24");
}

#[test]
fn an_offer_means_something_only_while_selecting() {
    for mut line in [
        Timeline::requesting(),
        Timeline::rebooting(),
        Timeline::bound(),
        Timeline::renewing(),
        Timeline::rebinding(),
        Timeline::confirming(),
    ] {
        let state = line.client.state_name();
        line.receive(OFFER);
        assert_eq!(line.drain(), "", "{state}");
        assert_eq!(line.client.state_name(), state);
        assert_eq!(line.client.counters().unexpected, 1);
    }
}

#[test]
fn other_servers_have_no_say_in_a_request() {
    let mut line = Timeline::requesting();
    for kind in [ACK, NAK] {
        let message = Server::new(kind, line.xid)
            .your_ip(ADDRESS)
            .option(54, &OTHER_SERVER)
            .end();
        assert_eq!(line.receive_bytes(&message), "");
    }
    assert_eq!(line.client.counters().foreign_server, 2);
    let mut line = Timeline::renewing();
    let nak = Server::new(NAK, line.xid).option(54, &OTHER_SERVER).end();
    assert_eq!(line.receive_bytes(&nak), "", "a renewal asked one server");
    let mut line = Timeline::rebinding();
    let nak = Server::new(NAK, line.xid).option(54, &OTHER_SERVER).end();
    assert_eq!(
        line.receive_bytes(&nak),
        "DISCOVER; lost Nak",
        "a rebinding asked all"
    );
}

#[test]
fn a_server_that_always_says_no_is_asked_less_and_less() {
    let mut line = Timeline::requesting();
    for _ in 0..40 {
        line.receive(NAK);
        line.until(line.now.as_millis() / 1000 + 1);
        if line.client.state_name() == "selecting" {
            line.receive(OFFER);
            line.drain();
        }
    }
    assert!(
        line.sent_at.len() < 30,
        "{} messages in 40 s",
        line.sent_at.len()
    );
}

#[test]
fn decline_tells_the_server_and_waits_ten_seconds() {
    let mut line = Timeline::bound();
    line.client.decline("in use", line.now);
    assert_eq!(line.drain(), "DECLINE 10.0.0.2 of 10.0.0.1; lost Declined");
    assert_eq!(
        line.option(OptionCode::Message),
        Some(DhcpOption::Message("in use".into()))
    );
    assert_eq!(line.option(OptionCode::ParameterRequestList), None);
    assert!(line.client.lease(line.now).is_none());
    assert_eq!(line.until(1009), "");
    assert_eq!(line.until(1010), "DISCOVER");
    line.client.decline("nothing held", line.now);
    assert_eq!(line.client.state_name(), "selecting");
}

#[test]
fn release_only_when_asked_and_then_for_good() {
    let mut line = Timeline::bound();
    line.client.release(line.now);
    assert_eq!(
        line.drain(),
        "RELEASE by 10.0.0.2 of 10.0.0.1 to 10.0.0.1; lost Released"
    );
    assert_eq!(line.client.deadline(), None);
    line.client.link_up(line.now);
    assert_eq!(line.until(5000), "");
    assert_eq!(line.client.state_name(), "stopped");

    let mut line = Timeline::new(config());
    line.client.release(line.now);
    assert_eq!(line.until(5000), "");
}

// --- Reboot, hand-off, carrier ----------------------------------------------------------------------------------

#[test]
fn a_resumed_lease_goes_on_without_a_packet() {
    let before = Timeline::bound().client.lease(at(1000)).unwrap().clone();
    let json = serde_json::to_string(&before).unwrap();
    assert!(json.contains("\"expiresAt\"") && json.contains("\"address\":\"10.0.0.2/24\""));
    let lease: Lease = serde_json::from_str(&json).unwrap();
    let mut line = Timeline::of(Dhcp4::resume(config(), lease, at(1030)), at(1030));
    assert_eq!(line.until(1059), "bound 10.0.0.2/24");
    assert_eq!(line.until(1060), "REQUEST by 10.0.0.2 to 10.0.0.1");
    line.receive(ACK);
    assert_eq!(line.drain(), "renewed 10.0.0.2/24");
}

#[test]
fn a_lease_that_cannot_be_resumed_is_asked_for() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Lease), config: Config, now: u64, expect: &str) {
        let mut lease = Timeline::bound().client.lease(at(1000)).unwrap().clone();
        change(&mut lease);
        for client in [
            Dhcp4::resume(config.clone(), lease.clone(), at(now)),
            Dhcp4::reboot(config, lease, at(now)),
        ] {
            assert_eq!(Timeline::of(client, at(now)).drain(), expect);
        }
    }
    check(|_| {}, config(), 1120, "DISCOVER 10.0.0.2");
    check(
        |_| {},
        Config {
            client_id: None,
            ..config()
        },
        1001,
        "DISCOVER 10.0.0.2",
    );
    check(|_| {}, config(), 999, "DISCOVER");
    check(
        |l| l.address = "2001:db8::1/64".parse().unwrap(),
        config(),
        1001,
        "DISCOVER",
    );
    check(
        |l| l.address = "10.0.0.255/24".parse().unwrap(),
        config(),
        1001,
        "DISCOVER",
    );
    check(|l| l.rebind_at = Some(at(1200)), config(), 1001, "DISCOVER");
    check(|l| l.renew_at = None, config(), 1001, "DISCOVER");
    check(
        |l| l.server_id = Ipv4Addr::BROADCAST,
        config(),
        1001,
        "DISCOVER",
    );
    check(
        |l| l.dns = vec![Ipv4Addr::LOCALHOST; 17],
        config(),
        1001,
        "DISCOVER",
    );
    check(
        |l| l.routers = vec![Ipv4Addr::UNSPECIFIED],
        config(),
        1001,
        "DISCOVER",
    );
}

#[test]
fn a_remembered_lease_without_answer_becomes_a_discover() {
    let mut line = Timeline::rebooting();
    assert!(
        line.client.lease(line.now).is_none(),
        "not in use before it is confirmed"
    );
    let log = line.until(1012);
    assert_eq!(
        log,
        "REQUEST 10.0.0.2; REQUEST 10.0.0.2; DISCOVER 10.0.0.2; DISCOVER 10.0.0.2"
    );
}

#[test]
fn carrier_back_confirms_the_address_while_it_stays_in_use() {
    let mut line = Timeline::confirming();
    assert!(line.client.lease(line.now).is_some());
    line.receive(ACK);
    assert_eq!(line.drain(), "renewed 10.0.0.2/24");
    assert_eq!(line.client.deadline(), Some(at(1015 + 60)));
}

#[test]
fn an_unconfirmed_address_is_used_to_the_end_of_its_lease() {
    let mut line = Timeline::confirming();
    let log = line.until(1119);
    assert!(
        log.starts_with("REQUEST 10.0.0.2; REQUEST 10.0.0.2;"),
        "{log}"
    );
    assert!(
        log.ends_with("REQUEST by 10.0.0.2"),
        "past T2 in the usual way: {log}"
    );
    assert!(line.until(1120).ends_with("lost Expired"));
}

#[test]
fn a_lease_may_end_while_the_carrier_is_away() {
    let mut line = Timeline::bound();
    line.client.link_down(line.now);
    assert_eq!(line.client.state_name(), "down");
    assert_eq!(line.until(1119), "");
    assert!(line.client.lease(line.now).is_some());
    assert_eq!(line.until(1120), "lost Expired");
    assert_eq!(line.until(2000), "");
    line.client.link_up(line.now);
    assert_eq!(line.drain(), "DISCOVER 10.0.0.2");
}

#[test]
fn carrier_back_begins_without_a_pause() {
    let mut line = Timeline::new(config());
    line.until(1200);
    line.client.link_down(line.now);
    assert_eq!(line.until(1300), "");
    line.client.link_up(line.now);
    let log = line.until(1302);
    assert_eq!(
        log.matches("DISCOVER").count(),
        4,
        "0, 0.25, 0.75, 1.75 s: {log}"
    );
}

#[test]
fn a_failed_send_moves_nothing_and_is_not_tried_in_a_loop() {
    let mut client = Dhcp4::new(config(), at(1000));
    let mut rng = Rng::new(1);
    let mut now = at(1000);
    for _ in 0..5 {
        assert_eq!(
            client.transmit(now, &mut rng, |_| Err("ENETDOWN")),
            Err("ENETDOWN")
        );
        assert_eq!(client.state_name(), "init");
        assert_eq!(
            client.transmit(now, &mut rng, |_| Err("ENETDOWN")),
            Ok(false)
        );
        now = client.deadline().unwrap();
    }
    assert!(now.saturating_since(at(1000)) > Duration::from_secs(6));
    client.link_up(now);
    assert_eq!(
        client.transmit(now, &mut rng, |_| Ok::<_, ()>(())),
        Ok(true)
    );
    assert_eq!(client.state_name(), "selecting");
}

// --- RFC 8925 ---------------------------------------------------------------------------------------------------

#[test]
fn ipv6_only_network() {
    let asking = Config {
        request_ipv6_only: true,
        ..config()
    };
    let offer = |line: &Timeline, secs: u32| {
        Server::grant(OFFER, line.xid)
            .option(108, &secs.to_be_bytes())
            .end()
    };
    let mut line = Timeline::new(asking.clone());
    line.drain();
    assert_eq!(line.receive_bytes(&offer(&line, 1800)), "ipv6-only 1800");
    assert_eq!(line.until(2799), "");
    assert_eq!(line.until(2800), "DISCOVER");
    assert_eq!(
        line.receive_bytes(&offer(&line, 0)),
        "ipv6-only 300",
        "not below MIN_V6ONLY_WAIT"
    );
    line.client.link_up(line.now);
    assert_eq!(line.drain(), "DISCOVER", "a new attachment ends the wait");
    let short = Server::grant(OFFER, line.xid).option(108, &[1]).end();
    assert_eq!(
        line.receive_bytes(&short),
        "REQUEST 10.0.0.2 of 10.0.0.1",
        "a malformed one"
    );

    let mut line = Timeline::new(config());
    line.drain();
    let answer = line.receive_bytes(&offer(&line, 1800));
    assert_eq!(answer, "REQUEST 10.0.0.2 of 10.0.0.1", "nobody asked");
}

// --- Messages ---------------------------------------------------------------------------------------------------

#[test]
fn what_is_asked_for() {
    #[track_caller]
    fn check(config: Config, code: u8, asked: bool) {
        let mut line = Timeline::new(config);
        line.drain();
        let Some(DhcpOption::ParameterRequestList(list)) =
            line.option(OptionCode::ParameterRequestList)
        else {
            panic!("no option 55");
        };
        let list: Vec<u8> = list.into_iter().map(u8::from).collect();
        assert_eq!(list.contains(&code), asked);
        let before = |a, b| list.iter().position(|c| *c == a) < list.iter().position(|c| *c == b);
        assert!(before(121, 3) && before(121, 33), "RFC 3442");
    }
    let named = Config {
        hostname: Some("web1".parse().unwrap()),
        ..config()
    };
    for code in [1, 3, 6, 12, 15, 26, 28, 33, 42, 58, 59, 119, 121, 249] {
        check(config(), code, true);
    }
    check(config(), 108, false);
    check(
        Config {
            request_ipv6_only: true,
            ..config()
        },
        108,
        true,
    );
    check(
        Config {
            request_mtu: false,
            ..config()
        },
        26,
        false,
    );
    check(named, 12, false);
}

#[test]
fn a_name_is_sent_or_asked_for_never_both() {
    let mut line = Timeline::new(Config {
        hostname: Some("web1".parse().unwrap()),
        ..config()
    });
    line.drain();
    assert_eq!(
        line.option(OptionCode::Hostname),
        Some(DhcpOption::Hostname("web1".into()))
    );
    let named = |kind, xid| Server::grant(kind, xid).option(12, b"parrot").end();
    line.receive_bytes(&named(OFFER, line.xid));
    line.receive_bytes(&named(ACK, line.xid));
    assert_eq!(line.client.lease(line.now).unwrap().hostname, None);

    let mut line = Timeline::new(config());
    line.drain();
    line.receive_bytes(&named(OFFER, line.xid));
    line.receive_bytes(&named(ACK, line.xid));
    let name = line.client.lease(line.now).unwrap().hostname.clone();
    assert_eq!(name.unwrap().to_string(), "parrot");
}

#[test]
fn identity_and_limits_of_what_is_sent() {
    let mut line = Timeline::new(Config {
        client_id: Some(vec![0xff; 400]),
        vendor_class: Some("x".repeat(400)),
        hostname: Some(
            format!("{0}.{0}.{0}.example", "a".repeat(63))
                .parse()
                .unwrap(),
        ),
        ..config()
    });
    line.drain();
    let id = DhcpOption::ClientIdentifier(vec![0xff; 255]);
    assert_eq!(line.option(OptionCode::ClientIdentifier), Some(id));
    assert_eq!(
        line.option(OptionCode::MaxMessageSize),
        Some(DhcpOption::MaxMessageSize(1500))
    );
    for client_id in [None, Some(Vec::new())] {
        let mut line = Timeline::new(Config {
            client_id,
            ..config()
        });
        line.drain();
        assert_eq!(line.option(OptionCode::ClientIdentifier), None);
    }
}

#[test]
fn smoltcp_reads_our_discover_and_we_read_its_ack() {
    let mut line = Timeline::new(config());
    line.drain();
    let payload = line.payload.clone();
    let packet = DhcpPacket::new_checked(&payload[..]).unwrap();
    let repr = DhcpRepr::parse(&packet).unwrap();
    assert_eq!(repr.message_type, DhcpMessageType::Discover);
    assert_eq!(repr.client_hardware_address, EthernetAddress(MAC));
    assert_eq!(repr.transaction_id, line.xid);
    assert!(!repr.broadcast);
    assert_eq!(repr.max_size, Some(1500));

    let reply = DhcpRepr {
        message_type: DhcpMessageType::Offer,
        your_ip: ADDRESS.into(),
        server_identifier: Some(SERVER.into()),
        subnet_mask: Some([255, 255, 255, 0].into()),
        lease_duration: Some(120),
        client_identifier: None,
        parameter_request_list: None,
        max_size: None,
        ..repr
    };
    for (kind, expect) in [
        (DhcpMessageType::Offer, "REQUEST 10.0.0.2 of 10.0.0.1"),
        (DhcpMessageType::Ack, "bound 10.0.0.2/24"),
    ] {
        let reply = DhcpRepr {
            message_type: kind,
            ..reply.clone()
        };
        let mut bytes = vec![0; reply.buffer_len()];
        reply
            .emit(&mut DhcpPacket::new_unchecked(&mut bytes[..]))
            .unwrap();
        // smoltcp's emit is a client's: op says request.
        bytes[0] = 2;
        assert_eq!(line.receive_bytes(&bytes), expect);
    }
}

#[track_caller]
fn check_refused(message: impl FnOnce(u32) -> Vec<u8>, reason: fn(&Counters) -> u32) {
    let mut line = Timeline::requesting();
    let message = message(line.xid);
    assert_eq!(line.receive_bytes(&message), "");
    assert_eq!(line.client.state_name(), "requesting");
    assert_eq!(
        reason(line.client.counters()),
        1,
        "{:?}",
        line.client.counters()
    );
}

#[test]
fn what_is_refused() {
    let ack = |xid| Server::grant(ACK, xid);
    check_refused(|_| Vec::new(), |c| c.malformed);
    check_refused(|xid| ack(xid).header(0, &[1]).end(), |c| c.malformed);
    check_refused(|xid| ack(xid).header(2, &[17]).end(), |c| c.malformed);
    check_refused(|xid| ack(xid).header(2, &[255]).end(), |c| c.malformed);
    check_refused(|xid| ack(xid).header(236, &[98]).end(), |c| c.malformed);
    check_refused(
        |xid| ack(xid).option(12, &[0; 255]).end().repeat(4),
        |c| c.malformed,
    );
    check_refused(|xid| ack(xid).header(240, &[224]).end(), |c| c.malformed);
    check_refused(
        |xid| Server::new(ACK, xid).your_ip(ADDRESS).end(),
        |c| c.malformed,
    );
    check_refused(|xid| Server::new(NAK, xid).end(), |c| c.malformed);
    check_refused(
        |xid| Server::new(ACK, xid).option(54, &[0; 4]).end(),
        |c| c.malformed,
    );
    check_refused(|xid| ack(xid).header(28, &[9]).end(), |c| c.foreign_client);
    check_refused(|xid| ack(xid).header(2, &[0]).end(), |c| c.foreign_client);
    check_refused(
        |xid| ack(xid).option(61, &[1, 2, 3]).end(),
        |c| c.foreign_client,
    );
    check_refused(|xid| ack(xid ^ 1).end(), |c| c.foreign_exchange);
    check_refused(|xid| Server::grant(FORCERENEW, xid).end(), |c| c.unexpected);
    for ip in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
        [10, 0, 0, 0],
        [10, 0, 0, 255],
    ] {
        check_refused(|xid| ack(xid).your_ip(ip).end(), |c| c.bad_address);
    }
}

#[test]
fn our_own_client_identifier_may_come_back() {
    let mut line = Timeline::requesting();
    let id = [&[1], &MAC[..]].concat();
    let ack = Server::grant(ACK, line.xid).option(61, &id).end();
    assert_eq!(line.receive_bytes(&ack), "bound 10.0.0.2/24");
}

#[test]
fn a_force_renew_changes_nothing() {
    let mut line = Timeline::bound();
    let before = line.client.deadline();
    let message = Server::grant(FORCERENEW, line.xid).end();
    assert_eq!(line.receive_bytes(&message), "");
    assert_eq!(line.client.deadline(), before);
}

#[test]
fn masks_of_the_lease() {
    #[track_caller]
    fn check(mask: Option<[u8; 4]>, ip: [u8; 4], expect: &str) {
        let mut line = Timeline::requesting();
        let mut ack = Server::new(ACK, line.xid).your_ip(ip).option(54, &SERVER);
        if let Some(mask) = mask {
            ack = ack.option(1, &mask);
        }
        assert_eq!(line.receive_bytes(&ack.end()), expect);
    }
    check(Some([255, 255, 0, 0]), [10, 0, 0, 0], "");
    check(Some([255, 255, 0, 0]), [10, 0, 1, 0], "bound 10.0.1.0/16");
    check(
        Some([255, 255, 255, 254]),
        [10, 0, 0, 0],
        "bound 10.0.0.0/31",
    );
    check(
        Some([255, 255, 255, 255]),
        [10, 0, 0, 255],
        "bound 10.0.0.255/32",
    );
    check(None, ADDRESS, "bound 10.0.0.2/32");
    check(Some([255, 0, 255, 0]), ADDRESS, "bound 10.0.0.2/32");
}

#[test]
fn truncation_at_each_offset_never_gives_a_wrong_lease() {
    let whole = |xid| {
        Server::grant(ACK, xid)
            .option(121, &[24, 192, 0, 2, 10, 0, 0, 9, 0, 10, 0, 0, 1])
            .option(119, b"\x04corp\x07example\0\x03lab\xc0\x05")
            .option(12, b"web1")
            .end()
    };
    let len = whole(0).len();
    for cut in 0..len {
        let mut line = Timeline::requesting();
        let message = whole(line.xid);
        line.receive_bytes(&message[..cut]);
        if let Some(lease) = line.client.lease(line.now) {
            assert_eq!(lease.ip(), Ipv4Addr::from(ADDRESS));
            assert!(
                [0, 2].contains(&lease.classless_routes.len()),
                "all routes or none"
            );
            assert!(lease.validate().is_ok());
        }
    }
}

#[test]
fn a_router_that_is_us_is_no_gateway() {
    let mut line = Timeline::requesting();
    let ack = Server::new(ACK, line.xid)
        .your_ip(ADDRESS)
        .option(54, &SERVER)
        .option(3, &ADDRESS)
        .option(121, &[8, 11, 10, 0, 0, 2])
        .end();
    line.receive_bytes(&ack);
    let lease = line.client.lease(line.now).unwrap();
    assert_eq!(lease.routers, [] as [Ipv4Addr; 0]);
    assert_eq!(lease.classless_routes[0].gateway, None);
}

#[test]
fn hostile_text_stays_out_of_the_lease() {
    let mut line = Timeline::requesting();
    let ack = Server::grant(ACK, line.xid)
        .option(12, b"a;reboot")
        .option(15, b"x`id`.example\nnameserver 10.9.9.9")
        .option(119, b"\x05a\nb c\0\x02ok\0")
        .end();
    line.receive_bytes(&ack);
    let lease = line.client.lease(line.now).unwrap();
    assert_eq!((&lease.hostname, &lease.domain), (&None, &None));
    assert_eq!(lease.search.len(), 1);
    assert_eq!(line.client.counters().bad_option, 3);
}

// --- Random operations ------------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    ToDeadline,
    Reply {
        kind: u8,
        secs: u32,
        options: Vec<u8>,
    },
    Garbage(Vec<u8>),
    FailSend,
    LinkDown,
    LinkUp,
    Decline,
    Release,
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    let kind = prop_oneof![Just(OFFER), Just(ACK), Just(ACK), Just(NAK), any::<u8>()];
    prop_oneof![
        2 => (0u64..200_000).prop_map(Op::Wait),
        4 => Just(Op::ToDeadline),
        6 => (kind, 0u32..500, bytes(40))
            .prop_map(|(kind, secs, options)| Op::Reply { kind, secs, options }),
        1 => bytes(400).prop_map(Op::Garbage),
        1 => Just(Op::FailSend),
        1 => Just(Op::LinkDown),
        1 => Just(Op::LinkUp),
        1 => Just(Op::Decline),
        1 => Just(Op::Release),
    ]
}

proptest! {
    #[test]
    fn random_operations(ops in proptest::collection::vec(op(), 0..60), seed in any::<u64>()) {
        let mut line = Timeline::new(config());
        line.rng = Rng::new(seed);
        for op in ops {
            match op {
                Op::Wait(millis) => line.now = line.now + Duration::from_millis(millis),
                Op::ToDeadline => {
                    line.now = line.client.deadline().unwrap_or(line.now).max(line.now);
                }
                Op::Reply { kind, secs, options } => {
                    let mut message = Server::new(kind, line.xid)
                        .your_ip(ADDRESS)
                        .option(54, &SERVER)
                        .option(51, &secs.to_be_bytes());
                    message.bytes.extend(options);
                    line.client.receive(&message.end(), line.now);
                }
                Op::Garbage(bytes) => line.client.receive(&bytes, line.now),
                Op::FailSend => {
                    let (now, rng) = (line.now, &mut line.rng);
                    let before = line.client.clone();
                    if line.client.transmit(now, rng, |_| Err(())).is_err() {
                        let mut expired = before;
                        expired.expire(now);
                        prop_assert!(line.client.state_name() == expired.state_name());
                    }
                }
                Op::LinkDown => line.client.link_down(line.now),
                Op::LinkUp => line.client.link_up(line.now),
                Op::Decline => line.client.decline("conflict", line.now),
                Op::Release => line.client.release(line.now),
            }
            line.drain();
            let (client, now) = (&line.client, line.now);
            prop_assert!(client.deadline().is_none_or(|due| due > now), "{}", client.state_name());
            if let Some(lease) = client.lease(now) {
                prop_assert!(lease.expires_at.is_none_or(|end| end > now));
                prop_assert!(lease.validate().is_ok(), "{:?}", lease.validate());
                prop_assert!(client.deadline() <= lease.expires_at || lease.expires_at.is_none());
            }
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut line = Timeline::requesting();
        let mut message = Server::grant(ACK, line.xid);
        message.bytes.extend(bytes);
        line.client.receive(&message.bytes, line.now);
        line.drain();
    }
}
