//! Golden bytes, and timelines of one machine.

mod many;
mod wire;

use super::*;
use crate::value::{Mac, VrrpChecksum};

/// Where machine number `n` speaks from, and its card.
fn local(n: u8) -> Local {
    let card = Mac::ethernet([0x52, 0x54, 0, 0, 0, n]);
    Local {
        source: IpAddr::from([192, 0, 2, n]),
        mac: card,
        card,
    }
}

fn vip() -> IpAddr {
    IpAddr::from([192, 0, 2, 100])
}

fn settings(priority: u8) -> Settings {
    Settings {
        version: VrrpVersion::V3,
        vrid: 51,
        ip: vip(),
        priority,
        interval: Duration::from_millis(200),
        preempt: false,
        preempt_delay: Duration::from_secs(30),
        checksum: VrrpChecksum::Keepalived,
        peers: Vec::new(),
        min_ttl: 255,
        guard: Duration::from_secs(5),
        bootstrap: true,
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// An advertisement of machine `n`.
fn advert(n: u8, priority: u8) -> Vec<u8> {
    advert_of(n, priority, &settings(priority), &[vip()])
}

fn advert_of(n: u8, priority: u8, settings: &Settings, addresses: &[IpAddr]) -> Vec<u8> {
    let from = local(n).source;
    let advertisement = Advertisement {
        version: settings.version,
        vrid: settings.vrid,
        priority,
        interval: settings.interval,
        addresses: addresses.to_vec(),
    };
    let path = Path {
        from,
        to: frame::GROUP4.into(),
    };
    frame::multicast(from, &advertisement.encode(path, settings.checksum)).packet
}

/// Machine 1 and what it does, a line each: `722 adv 100`, `722 Won`.
struct Line {
    vrrp: Vrrp,
    now: u64,
    log: Vec<String>,
}

impl Line {
    fn new(settings: Settings) -> Self {
        let vrrp = Vrrp::new(settings, local(1), true, at(0));
        let log = Vec::new();
        Self { vrrp, now: 0, log }
    }

    /// One that has the address since a moment.
    fn active(settings: Settings) -> Self {
        let vrrp = Vrrp::resume(settings, local(1), true, at(0));
        let log = Vec::new();
        let mut this = Self { vrrp, now: 0, log };
        this.to(0);
        this.log.clear();
        this
    }

    fn drain(&mut self) {
        loop {
            while let Some(event) = self.vrrp.event() {
                self.log.push(format!("{} {event:?}", self.now));
            }
            let (now, log) = (self.now, &mut self.log);
            let sent = self.vrrp.transmit(at(now), &mut Rng::new(1), |message| {
                let text = match message {
                    Transmit::Frame(frame) => format!("adv {}", frame.packet[22]),
                    Transmit::Question(_) => "who has".to_owned(),
                    Transmit::Datagram { to, payload, .. } => format!("adv {} to {to}", payload[2]),
                };
                log.push(format!("{now} {text}"));
                Ok::<(), ()>(())
            });
            if sent == Ok(false) {
                break;
            }
        }
        while let Some(event) = self.vrrp.event() {
            self.log.push(format!("{} {event:?}", self.now));
        }
    }

    /// Lets time pass.
    fn to(&mut self, until: u64) -> &mut Self {
        loop {
            self.vrrp.expire(at(self.now));
            self.drain();
            // Timers are finer than the milliseconds of this log.
            let due = self
                .vrrp
                .deadline()
                .map(|due| due.as_nanos().div_ceil(1_000_000));
            match due {
                Some(due) if due <= until => {
                    assert!(
                        due > self.now,
                        "due at {due}, it is {}: {:?}",
                        self.now,
                        self.vrrp
                    );
                    self.now = due;
                }
                _ => break,
            }
        }
        self.now = until;
        self
    }

    /// Lets time pass in which the machine stands still.
    fn sleep(&mut self, until: u64) -> &mut Self {
        self.now = until;
        self
    }

    fn hear(&mut self, packet: &[u8]) -> &mut Self {
        self.vrrp.receive(packet, at(self.now));
        self.drain();
        self
    }

    #[track_caller]
    fn check(&mut self, expect: &[&str]) -> &mut Self {
        assert_eq!(core::mem::take(&mut self.log), expect);
        self
    }

    fn forget(&mut self) -> &mut Self {
        self.log.clear();
        self
    }
}

/// What machine `n` says when it is asked who has the address.
fn claim(n: u8) -> Vec<u8> {
    neighbor::announcement(vip(), local(n).mac, false)
        .remove(1)
        .packet
}

#[test]
fn a_machine_alone_asks_and_takes_the_address_after_one_wait() {
    // 3 × 200 ms + 156/256 × 200 ms.
    Line::new(settings(100)).to(950).check(&[
        "522 who has",
        "622 who has",
        "722 adv 100",
        "722 Won",
        "922 adv 100",
    ]);
}

#[test]
fn a_machine_that_advertises_keeps_it_whatever_its_priority() {
    for priority in [32, 99, 100, 254, 255] {
        let mut line = Line::new(settings(100));
        for time in (0..3000).step_by(200) {
            line.to(time).hear(&advert(2, priority));
        }
        line.check(&[]);
        assert_eq!(line.vrrp.owner(), Some(local(2).source));
    }
}

#[test]
fn who_leaves_is_followed_after_the_skew() {
    // 156/256 × 200 ms after it said so, and nobody is asked.
    let mut line = Line::new(settings(100));
    line.hear(&advert(2, 100)).to(100).hear(&advert(2, 0));
    assert_eq!(line.vrrp.owner(), None);
    line.to(300).check(&["222 adv 100", "222 Won"]);
    // More priority, less skew.
    let mut line = Line::new(settings(254));
    line.hear(&advert(2, 100)).to(100).hear(&advert(2, 0));
    line.to(110).check(&["102 adv 254", "102 Won"]);
}

/// Whoever says so: one that has the address answers for it.
#[test]
fn who_leaves_without_having_it_is_no_reason_to_take_it() {
    let mut line = Line::new(settings(100));
    line.hear(&advert(2, 100)).to(100).hear(&advert(3, 0));
    line.to(110).check(&["100 who has"]).hear(&claim(2));
    line.to(300);
    assert!(!line.vrrp.is_active(), "{:?}", line.log);
}

/// Two machines with one address never see an advertisement of another.
#[test]
fn an_advertisement_from_our_own_address_is_told() {
    let mut line = Line::active(settings(100));
    for _ in 0..3 {
        line.hear(&advert(1, 100));
    }
    assert_eq!(line.log.len(), 1, "{:?}", line.log);
    assert!(line.log[0].contains("the address of this machine"));
    assert!(line.vrrp.is_active());
}

#[test]
fn the_interval_of_the_active_counts() {
    let mut slow = settings(100);
    slow.interval = Duration::from_secs(1);
    let mut line = Line::new(settings(100));
    line.hear(&advert_of(2, 100, &slow, &[vip()]));
    let differs =
        "0 Notice(Differs { from: 192.0.2.2, what: \"an interval of 1s instead of 200ms\" })";
    line.check(&[differs]);
    line.to(3700)
        .check(&["2610 who has", "3110 who has", "3610 adv 100", "3610 Won"]);
}

#[test]
fn preemption_waits_for_its_delay_and_needs_more_priority() {
    let mut eager = settings(150);
    eager.preempt = true;
    eager.preempt_delay = Duration::from_secs(2);
    let mut line = Line::new(eager.clone());
    for time in (0..=2600).step_by(200) {
        line.to(time).hear(&advert(2, 100));
    }
    // 106/256 × 50 ms after the first one that does not count.
    let first = ["2021 adv 150", "2021 Won", "2200 Contested", "2200 adv 150"];
    assert_eq!(line.log[..4], first);
    let mut line = Line::new(eager);
    for time in (0..=5000).step_by(200) {
        line.to(time).hear(&advert(2, 150));
    }
    line.check(&[]);
}

/// After a partition: the one yields, and says once more that it was there.
#[test]
fn the_last_word_of_who_yields_is_no_reason_to_take_it_from_the_other() {
    let mut eager = settings(120);
    eager.preempt = true;
    eager.preempt_delay = Duration::ZERO;
    for (settings, last) in [(eager, advert(3, 100)), (settings(100), advert(3, 12))] {
        let mut line = Line::new(settings);
        line.hear(&advert(2, 150)).to(10).hear(&last);
        line.to(200).hear(&advert(2, 150)).check(&[]);
        assert_eq!(line.vrrp.owner(), Some(local(2).source));
        // The one that yields goes on nevertheless, and the other one is gone.
        for time in (400..1200).step_by(200) {
            line.to(time).hear(&last);
        }
        assert!(line.vrrp.is_active(), "{:?}", line.log);
    }
}

#[test]
fn who_has_it_yields_to_more_right_only() {
    // It says once more that it was there: the other one may not have heard it, nor the neighbours the other one.
    Line::active(settings(100))
        .to(50)
        .hear(&advert(2, 101))
        .check(&["50 Lost(Outranked)", "50 adv 100"]);
    // As much priority: the greater address.
    Line::active(settings(100))
        .to(50)
        .hear(&advert(2, 100))
        .check(&["50 Lost(Outranked)", "50 adv 100"]);
    let mut line = Line::active(settings(100));
    line.vrrp.set_local(Some(local(9)), at(50));
    line.to(50)
        .hear(&advert(2, 100))
        .check(&["50 Contested", "50 adv 100"]);
    // A flood of them makes no flood.
    for _ in 0..1000 {
        line.hear(&advert(2, 99));
    }
    line.check(&[]);
    line.to(80)
        .hear(&advert(2, 99))
        .check(&["80 Contested", "80 adv 100"]);
    line.hear(&advert(2, 0)).check(&[]);
    line.to(120).hear(&advert(2, 0)).check(&["120 adv 100"]);
}

#[test]
fn a_machine_that_still_answers_keeps_the_address() {
    let mut line = Line::new(settings(100));
    line.hear(&advert(2, 100));
    // It falls silent, and its kernel answers.
    line.to(530).check(&["522 who has"]).hear(&claim(2));
    let mac = local(2).mac;
    line.to(722).check(&[
        "622 who has",
        &format!("722 Notice(StillAnswered {{ mac: {mac:?} }})"),
        "722 who has",
    ]);
    for time in (730..2000).step_by(50) {
        line.to(time).hear(&claim(2));
    }
    assert!(
        line.log.iter().all(|said| said.ends_with("who has")),
        "{:?}",
        line.log
    );
    // No answer any more: the round that runs, and two in which nobody answers.
    line.forget().to(2400);
    let won = line
        .log
        .iter()
        .position(|said| said.ends_with("Won"))
        .unwrap();
    let time: u64 = line.log[won].split(' ').next().unwrap().parse().unwrap();
    assert!((2100..2300).contains(&time), "{time}");
}

#[test]
fn the_guard_gives_up() {
    let mut line = Line::new(settings(100));
    line.hear(&advert(2, 100));
    for time in (530..7000).step_by(20) {
        line.to(time).hear(&claim(2));
    }
    let log = line.log.join("\n");
    assert!(log.contains("Overridden"), "{log}");
    let won = line.log.iter().find(|said| said.ends_with("Won")).unwrap();
    let time: u64 = won.split(' ').next().unwrap().parse().unwrap();
    assert!((5722..5900).contains(&time), "{time}");
}

#[test]
fn our_own_answers_are_none() {
    let mut line = Line::new(settings(100));
    for time in [530, 630, 700] {
        line.to(time).hear(&claim(1));
    }
    line.to(722).forget();
    assert!(line.vrrp.is_active());
}

/// All machines of a group have its hardware address, and one of them answers.
#[test]
fn the_hardware_address_of_the_group_is_another_machines_while_this_one_waits() {
    let group = Mac::ethernet([0, 0, 0x5e, 0, 1, 51]);
    let mut line = Line::new(settings(100));
    line.vrrp.set_local(
        Some(Local {
            mac: group,
            ..local(1)
        }),
        at(0),
    );
    let claim = neighbor::announcement(vip(), group, false).remove(1).packet;
    line.hear(&advert(2, 100)).to(530).forget().hear(&claim);
    line.to(730).forget();
    assert!(!line.vrrp.is_active());
    // Once it is its own it contests nothing.
    line.to(1500).forget();
    assert!(line.vrrp.is_active());
    line.hear(&claim).check(&[]);
}

#[test]
fn a_machine_that_stood_still_steps_back_in_silence() {
    let mut line = Line::active(settings(100));
    line.to(190).sleep(590).to(590).check(&["590 adv 100"]);
    line.sleep(1300).to(1300).check(&["1300 Lost(Stalled)"]);
    line.to(2100)
        .check(&["1822 who has", "1922 who has", "2022 adv 100", "2022 Won"]);
}

#[test]
fn what_waited_in_the_socket_counts_before_the_timer() {
    let mut line = Line::new(settings(100));
    line.to(100).sleep(2000).hear_late(&advert(2, 100));
    line.to(2500).check(&[]);
}

impl Line {
    /// As the owner does it: everything is heard before any timer.
    fn hear_late(&mut self, packet: &[u8]) -> &mut Self {
        self.vrrp.receive(packet, at(self.now));
        self
    }
}

#[test]
fn an_unfit_machine_leaves_and_comes_back_when_nobody_else_takes_it() {
    let mut line = Line::active(settings(100));
    line.to(50).vrrp.set_fit(false, at(50));
    line.to(50)
        .check(&["50 Lost(Unfit)", "50 adv 0", "50 adv 0"]);
    // 3 × (600 ms + 244/256 × 200 ms).
    let hold = 50 + 3 * 790;
    line.to(hold + 400);
    let won = line
        .log
        .iter()
        .find(|said| said.ends_with("Won"))
        .unwrap()
        .clone();
    let time: u64 = won.split(' ').next().unwrap().parse().unwrap();
    assert!((hold..hold + 20).contains(&time), "{won}");
    // It advertises what it is worth now, and stays.
    assert_eq!(
        line.log
            .iter()
            .filter(|said| said.ends_with("adv 12"))
            .count(),
        2,
        "{:?}",
        line.log
    );
    line.forget().to(60_000);
    assert!(line.log.iter().all(|said| said.ends_with("adv 12")));
    line.vrrp.set_fit(true, at(60_000));
    line.forget().to(60_300);
    assert!(line.log[0].ends_with("adv 100"), "{:?}", line.log);
}

#[test]
fn without_bootstrap_only_a_fit_machine_takes_it() {
    let mut strict = settings(100);
    strict.bootstrap = false;
    let mut line = Line::new(strict);
    line.vrrp.set_fit(false, at(0));
    line.hear(&advert(2, 100)).to(600);
    assert_eq!(line.vrrp.owner(), Some(local(2).source));
    // That one has gone: nobody has it.
    line.to(100_000).forget();
    assert!(!line.vrrp.is_active());
    assert_eq!(line.vrrp.owner(), None);
    line.vrrp.set_fit(true, at(100_000));
    line.to(100_800);
    assert!(line.vrrp.is_active());
}

#[test]
fn a_fit_machine_takes_it_from_an_unfit_one_without_preemption() {
    let mut line = Line::new(settings(100));
    for time in (0..1000).step_by(200) {
        line.to(time).hear(&advert(2, 12));
    }
    assert!(line.vrrp.is_active());
    // An unfit one does not.
    let mut line = Line::new(settings(200));
    line.vrrp.set_fit(false, at(0));
    for time in (0..10_000).step_by(200) {
        line.to(time).hear(&advert(2, 12));
    }
    assert!(!line.vrrp.is_active());
}

#[test]
fn another_group_with_the_number_is_not_fought() {
    let theirs = [IpAddr::from([192, 0, 2, 77])];
    let foreign = advert_of(7, 50, &settings(50), &theirs);
    for mut line in [Line::new(settings(100)), Line::active(settings(100))] {
        let was = line.vrrp.is_active();
        line.to(100).forget().hear(&foreign);
        let told = "100 Notice(Collision { from: 192.0.2.7, addresses: [192.0.2.77] })";
        match was {
            true => line.check(&["100 Lost(Collision)", told]),
            false => line.check(&[told]),
        };
        assert!(line.vrrp.fault().is_some());
        for time in (200..5000).step_by(200) {
            line.to(time).hear(&foreign).hear(&advert(2, 100));
        }
        // Told once; silent for ten seconds after the last of it.
        line.check(&[]).to(14_799).check(&[]);
        line.to(14_800).check(&["14800 Notice(CollisionOver)"]);
        assert!(line.vrrp.fault().is_none());
        // A group that has our address among others is ours.
        line.hear(&advert_of(2, 100, &settings(100), &[theirs[0], vip()]));
        assert_eq!(line.vrrp.owner(), Some(local(2).source));
    }
}

#[test]
fn who_changes_too_often_waits() {
    let mut line = Line::new(settings(100));
    let mut won = Vec::new();
    for round in 0..8 {
        let start = round * 2000;
        line.to(start).hear(&advert(2, 200)).to(start + 1500);
        won.push(line.log.iter().any(|said| said.ends_with("Won")));
        line.forget();
    }
    assert_eq!(won, [true, true, true, false, false, false, false, false]);
}

#[test]
fn unicast_knows_its_peers_and_nobody_else() {
    let mut unicast = settings(100);
    unicast.peers = vec![local(2).source, local(3).source];
    let mut line = Line::new(unicast.clone());
    let to_us = |n: u8, ttl: u8| {
        let path = Path {
            from: local(n).source,
            to: local(1).source,
        };
        let advertisement = Advertisement {
            version: VrrpVersion::V3,
            vrid: 51,
            priority: 254,
            interval: Duration::from_millis(200),
            addresses: vec![vip()],
        };
        let message = advertisement.encode(path, VrrpChecksum::Keepalived);
        let mut packet = frame::multicast(path.from, &message).packet;
        packet[16..20].copy_from_slice(&[192, 0, 2, 1]);
        packet[8] = ttl;
        packet
    };
    line.hear(&to_us(4, 255)).check(&[
        "0 Notice(Refused { from: Some(192.0.2.4), why: \"its sender is none of the peers\" })",
    ]);
    line.hear(&to_us(2, 64)).check(&[
        "0 Notice(Refused { from: Some(192.0.2.2), why: \"it came from another link: its hop limit is too low\" })",
    ]);
    line.hear(&advert(2, 254)).forget();
    assert_eq!(line.vrrp.owner(), None);
    line.to(730).check(&[
        "522 who has",
        "622 who has",
        "722 adv 100 to 192.0.2.2",
        "722 adv 100 to 192.0.2.3",
        "722 Won",
    ]);
    line.hear(&to_us(2, 255)).check(&[
        "730 Lost(Outranked)",
        "730 adv 100 to 192.0.2.2",
        "730 adv 100 to 192.0.2.3",
    ]);
    unicast.min_ttl = 60;
    let mut line = Line::active(unicast);
    line.to(10).hear(&to_us(2, 64)).check(&[
        "10 Lost(Outranked)",
        "10 adv 100 to 192.0.2.2",
        "10 adv 100 to 192.0.2.3",
    ]);
}

/// Machines of a cloud share addresses of one family and speak the other.
#[test]
fn peers_of_the_other_family_understand_each_other() {
    let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
    for (vip, peers) in [
        ("2001:db8::100", ["10.0.0.1", "10.0.0.2"]),
        ("192.0.2.100", ["fe80::1", "fe80::2"]),
        ("192.0.2.100", ["2001:db8::1", "2001:db8::2"]),
    ] {
        let machine = |n: u8| {
            let [own, other] = [usize::from(n - 1), usize::from(2 - n)].map(|at| ip(peers[at]));
            let settings = Settings {
                ip: ip(vip),
                peers: vec![other],
                ..settings(100)
            };
            let local = Local {
                source: own,
                ..local(n)
            };
            Vrrp::new(settings, local, true, at(0))
        };
        let (mut one, mut other) = (machine(1), machine(2));
        one.advertise(100, at(0));
        let mut packet = Vec::new();
        one.transmit_all(at(0), &mut Rng::new(1), |message| {
            let Transmit::Datagram { from, payload, .. } = message else {
                panic!("{message:?}");
            };
            packet = frame::multicast(from, &payload).packet;
        });
        // To the peer, as the kernel sends it.
        match ip(peers[1]) {
            IpAddr::V4(to) => packet[16..20].copy_from_slice(&to.octets()),
            IpAddr::V6(to) => packet[24..40].copy_from_slice(&to.octets()),
        }
        other.receive(&packet, at(1));
        assert_eq!(other.event(), None, "{vip}");
        assert_eq!(other.owner(), Some(ip(peers[0])), "{vip}");
    }
}

#[test]
fn version_2_discards_what_does_not_agree_and_is_silent_to_the_weak() {
    let mut old = settings(100);
    old.version = VrrpVersion::V2;
    old.interval = Duration::from_secs(1);
    let mut other = old.clone();
    other.interval = Duration::from_secs(2);
    let mut line = Line::new(old.clone());
    line.hear(&advert_of(2, 200, &other, &[vip()]));
    let (_, told) = line.log[0].split_once("why: ").unwrap();
    assert!(told.contains("interval"), "{told}");
    let extra = [vip(), IpAddr::from([192, 0, 2, 101])];
    line.forget().hear(&advert_of(2, 200, &old, &extra));
    assert!(
        line.log[0].contains("addresses are others"),
        "{:?}",
        line.log
    );
    // 3 s + 156/256 s.
    line.forget().to(3700).forget();
    assert!(line.vrrp.is_active());
    line.hear(&advert_of(2, 50, &old, &[vip()])).check(&[]);
    line.hear(&advert_of(2, 150, &old, &[vip()]))
        .check(&["3700 Lost(Outranked)"]);
    // Another version altogether.
    let mut line = Line::new(old);
    line.hear(&advert(2, 200));
    assert!(line.log[0].contains("version is 3"), "{:?}", line.log);
}

#[test]
fn the_end_is_told_after_the_address_has_gone() {
    let mut line = Line::active(settings(100));
    line.to(50).vrrp.stop(at(50));
    assert!(!line.vrrp.is_done());
    line.to(50)
        .check(&["50 Lost(Told)", "50 adv 0", "50 adv 0"]);
    assert!(line.vrrp.is_done());
    line.to(100_000).hear(&advert(2, 0)).check(&[]);
    let mut line = Line::new(settings(100));
    line.vrrp.stop(at(0));
    assert!(line.vrrp.is_done());
}

#[test]
fn without_a_source_nothing_is_said_and_with_one_it_listens_first() {
    let mut line = Line::active(settings(100));
    line.to(50).vrrp.set_local(None, at(50));
    line.to(5000)
        .hear(&advert(2, 0))
        .check(&["50 Lost(NoSource)"]);
    line.vrrp.set_local(Some(local(1)), at(5000));
    line.to(5722)
        .check(&["5522 who has", "5622 who has", "5722 adv 100", "5722 Won"]);
    // Another source is another source, and nothing else.
    line.vrrp.set_local(Some(local(9)), at(5800));
    line.to(5930).check(&["5922 adv 100"]);
}

#[test]
fn abdication_is_for_a_while() {
    let mut line = Line::active(settings(100));
    line.to(50).vrrp.abdicate(Duration::from_secs(10), at(50));
    line.to(50)
        .check(&["50 Lost(Told)", "50 adv 0", "50 adv 0"]);
    line.to(10_049).forget();
    assert!(!line.vrrp.is_active());
    line.to(10_100);
    assert!(line.vrrp.is_active());
}

#[test]
fn what_cannot_be_believed_is_told_once() {
    let mut line = Line::new(settings(100));
    let mut far = advert(2, 200);
    far[8] = 254;
    for _ in 0..3 {
        line.hear(&far);
    }
    assert_eq!(line.log.len(), 1, "{:?}", line.log);
    let mut damaged = advert(2, 200);
    damaged[22] = 7;
    line.hear(&damaged);
    assert!(line.log[1].contains("checksum"), "{:?}", line.log);
    // Other groups are none of its business.
    let mut other = settings(200);
    other.vrid = 52;
    line.forget()
        .hear(&advert_of(2, 200, &other, &[vip()]))
        .check(&[]);
    assert_eq!(line.vrrp.counters().refused, 4);
}

#[test]
fn a_machine_that_becomes_fit_after_a_farewell_does_not_wait_long() {
    let mut strict = settings(100);
    strict.bootstrap = false;
    let mut line = Line::new(strict);
    line.vrrp.set_fit(false, at(0));
    line.hear(&advert(2, 100)).to(100).hear(&advert(2, 0));
    line.to(400).vrrp.set_fit(true, at(400));
    line.to(1200);
    assert!(line.vrrp.is_active(), "{:?}", line.log);
    // One that gets well while an Active is there goes on waiting for that one.
    let mut line = Line::new(settings(100));
    line.vrrp.set_fit(false, at(0));
    line.hear(&advert(2, 100)).to(500);
    line.vrrp.set_fit(true, at(500));
    line.to(800);
    assert!(line.vrrp.is_active(), "{:?}", line.log);
}

#[test]
fn a_paused_machine_hears_who_is_there_before_it_takes_the_address() {
    // What was sent while a virtual machine was paused is lost: nothing waits in its socket.
    let mut line = Line::new(settings(200));
    line.hear(&advert(2, 100)).to(100).sleep(60_000);
    line.to(60_010).check(&[]);
    line.hear(&advert(2, 100)).to(60_400).check(&[]);
    // And takes it when nobody is.
    line.to(60_700);
    assert!(line.vrrp.is_active(), "{:?}", line.log);
}

#[test]
fn what_a_stranger_lists_is_shown_in_part() {
    let all: Vec<IpAddr> = (1..=255).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    let mut line = Line::new(settings(100));
    let ours: Vec<IpAddr> = [&[vip()], &all[..200]].concat();
    line.hear(&advert_of(2, 100, &settings(100), &ours));
    let shown = "192.0.2.100 10.0.0.1 10.0.0.2 10.0.0.3 and 197 more";
    assert!(line.log[0].contains(shown), "{:?}", line.log);
    let (from, addresses) = (local(2).source, all);
    let text = Notice::Collision { from, addresses }.to_string();
    let shown =
        "192.0.2.2 uses the same vrid for 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 and 251 more: ";
    assert!(text.starts_with(shown), "{text}");
}

#[test]
fn a_flood_of_strangers_is_no_flood_of_notices() {
    let mut line = Line::new(settings(100));
    for n in 2..=250 {
        let mut far = advert(n, 200);
        far[8] = 1;
        line.hear(&far);
    }
    assert_eq!(line.log.len(), MAX_TOLD);
    assert_eq!(line.vrrp.counters().refused, 249);
    // What concerns the address itself is told nevertheless, once for each state.
    line.forget();
    for n in 2..=250 {
        let theirs = [IpAddr::from([192, 0, 2, n]), IpAddr::from([192, 0, 2, 1])];
        line.hear(&advert_of(n, 50, &settings(50), &theirs));
    }
    assert_eq!(line.log.len(), 1, "{:?}", line.log);
    assert!(line.log[0].contains("Collision"), "{:?}", line.log);
}

#[test]
fn who_changes_too_often_takes_what_nobody_has() {
    let mut line = Line::new(settings(100));
    let mut longest = Duration::ZERO;
    let mut start = 0;
    while longest < Duration::from_secs(300) {
        line.to(start).hear(&advert(2, 200));
        start += 2000;
        let hold = line.vrrp.flap_until.saturating_since(at(start));
        longest = longest.max(hold + Duration::from_secs(5));
        assert!(start < 3_000_000, "{longest:?}");
    }
    // Minutes of hold are left; the other one has gone for good.
    line.to(start + 8_000 - 100);
    assert!(!line.vrrp.is_active(), "{:?}", line.log);
    line.to(start + 8_000 + 100);
    assert!(line.vrrp.is_active(), "{:?}", line.log);
}
