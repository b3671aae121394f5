//! The network of the tests: a client that watches both addresses, and everything that goes over the bridge kept for judges.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use qemu::Lab;
use qemu::peer::Keepalived;
use qemu::peer::keepalived::Instance;
use qemu::vip::{Advert, Capture, Observer, Seen, Segment, Station, Timeline};

use super::super::machine::PATIENCE;
use super::ours::Ours;

/// What is shared.
pub const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 56, 0, 100));
pub const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x56, 0, 0, 0, 0, 0x100));
pub const BOTH: [IpAddr; 2] = [V4, V6];

/// The link-local address of the group of [`V6`]: EUI-64 of its virtual hardware address, as ours advertises it.
pub const LINK_LOCAL: &str = "fe80::200:5eff:fe00:233";

/// The number of both groups.
pub const VRID: u8 = 51;

/// The longest that a Backup of priority 100 waits at an interval of a second, and its part that depends on the priority.
pub const DOWN: Duration = Duration::from_millis(3610);
pub const SKEW: Duration = Duration::from_millis(610);

/// How long a client may send to the machine that had the address: announcements take milliseconds.
const LEARN: Duration = Duration::from_secs(8);

/// How long the kernel of the client believes what it knows of a neighbour before it asks: without announcements it sends to
/// whoever had the address for longer than [`LEARN`].
const BELIEF: [(&str, &str); 2] = [
    ("base_reachable_time_ms", "600000"),
    ("delay_first_probe_time", "60"),
];

/// Complaints of keepalived about adverts.
const COMPLAINTS: [&str; 7] = [
    "Invalid",
    "invalid",
    "mismatch",
    "too short",
    "too long",
    "wrong version",
    "expected",
];

/// Between two questions of the observers.
const PERIOD: Duration = Duration::from_millis(20);

/// The number of the client.
const CLIENT: u8 = 1;

/// The network, for as long as a test runs.
pub struct Stage {
    test: &'static str,
    pub lab: Lab,
    pub segment: Segment,
    observers: [Observer; 2],
    capture: Option<Capture>,
    /// Who watches.
    pub client: Station,
}

impl Stage {
    /// A network with a client.
    pub fn new(test: &'static str) -> Self {
        let lab = Lab::new(test).expect("a lab (these tests need root)");
        let segment = Segment::new().unwrap();
        let client = segment.station(CLIENT).unwrap();
        let believes = client.namespace.enter(|| {
            for family in ["ipv4", "ipv6"] {
                for (key, value) in BELIEF {
                    let key = format!("/proc/sys/net/{family}/neigh/eth0/{key}");
                    fs::write(key, value).unwrap();
                }
            }
        });
        believes.unwrap();
        let capture = Capture::start(&lab, segment.namespace(), "lan").unwrap();
        let observers = BOTH.map(|vip| Observer::start(&client, vip, PERIOD).unwrap());
        Self {
            test,
            lab,
            segment,
            observers,
            capture: Some(capture),
            client,
        }
    }

    /// A machine of ours, not yet booted.
    pub fn ours(&self, number: u8) -> Ours {
        Ours::new(self.test, &self.segment, number)
    }

    /// A machine of somebody else.
    pub fn station(&self, number: u8) -> Station {
        self.segment.station(number).unwrap()
    }

    /// keepalived on a station.
    #[track_caller]
    pub fn keepalived(&self, station: &Station, instances: &[Instance]) -> Keepalived {
        let name = format!("keepalived-{}", station.number);
        Keepalived::start(&self.lab, &station.namespace, &name, instances).unwrap()
    }

    /// The observer of an address.
    pub fn observer(&self, vip: IpAddr) -> &Observer {
        &self.observers[usize::from(vip.is_ipv6())]
    }

    /// What was seen of an address so far.
    pub fn timeline(&self, vip: IpAddr) -> Timeline {
        self.observer(vip).timeline()
    }

    /// The test does something now.
    pub fn mark(&self, name: &str) -> Moment {
        Moment(BOTH.map(|vip| self.observer(vip).mark(name)))
    }

    /// Waits until `mac` answers for both addresses, and nobody else does; and clients that knew another one have learnt.
    #[track_caller]
    pub fn owned_by(&self, mac: [u8; 6], since: Moment) {
        for vip in BOTH {
            self.owned_by_of(vip, mac, since);
            let observer = self.observer(vip);
            let echo = |seen: &Seen| matches!(seen, Seen::Reply { mac: from, .. } if *from == mac);
            if let Err(error) = observer.wait_for("an echo", since.of(vip), PATIENCE, echo) {
                panic!("{vip}: {error}");
            }
            let answer = |seen: &Seen| matches!(seen, Seen::Answer { mac: from } if *from == mac);
            let learnt = self.after(vip, since, "echo", echo);
            let answered = self.after(vip, since, "answer", answer);
            let took = learnt.saturating_sub(answered);
            assert!(
                took < LEARN,
                "{vip}: {took:?}\n{}",
                self.timeline(vip).story()
            );
        }
    }

    /// [`Stage::owned_by`] of one address.
    #[track_caller]
    pub fn owned_by_of(&self, vip: IpAddr, mac: [u8; 6], since: Moment) {
        let observer = self.observer(vip);
        let at = since.of(vip);
        if let Err(error) = observer.wait_owner(mac, at, PATIENCE) {
            panic!("{vip}: {error}");
        }
        // Whoever had it until now says it no more.
        let deadline = qemu::Deadline::after(PATIENCE);
        loop {
            let timeline = observer.timeline();
            let last = timeline.events().last().map_or(Duration::ZERO, |it| it.at);
            let recent = last.saturating_sub(PERIOD * 10);
            let events = timeline.events().iter();
            let mut recent = events.filter(|event| event.at > recent);
            let others = |seen: &Seen| matches!(seen, Seen::Answer { mac: from } if *from != mac);
            if !recent.any(|event| others(&event.what)) {
                return;
            }
            assert!(
                deadline.remaining().is_some(),
                "{vip}: somebody else still has it\n{}",
                timeline.story()
            );
            std::thread::sleep(PERIOD);
        }
    }

    /// Nobody but `mac` has answered for the addresses since then, and it has.
    #[track_caller]
    pub fn only(&self, mac: [u8; 6], since: Moment) {
        for vip in BOTH {
            let timeline = self.timeline(vip);
            let mut answers = 0;
            for event in timeline.events().iter().filter(|it| it.at > since.of(vip)) {
                if let Seen::Answer { mac: from } = event.what {
                    assert_eq!(from, mac, "{vip}\n{}", timeline.story());
                    answers += 1;
                }
            }
            assert!(answers > 0, "{vip}\n{}", timeline.story());
        }
    }

    /// How long after `since` something was first seen of an address.
    #[track_caller]
    pub fn after(
        &self,
        vip: IpAddr,
        since: Moment,
        what: &str,
        kind: impl Fn(&Seen) -> bool,
    ) -> Duration {
        let timeline = self.timeline(vip);
        match timeline.first_after(since.of(vip), kind) {
            Some(at) => at - since.of(vip),
            None => panic!("{vip}: no {what} in\n{}", timeline.story()),
        }
    }

    /// Ends the capture: every advert, of which nobody has a complaint.
    #[track_caller]
    pub fn adverts(&mut self) -> Vec<Advert> {
        let capture = self.capture.take().expect("ended once");
        capture.adverts().unwrap()
    }

    /// What both observers saw, for a person.
    pub fn story(&self) -> String {
        BOTH.map(|vip| format!("{vip}\n{}", self.timeline(vip).story()))
            .concat()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: what was seen:\n{}", self.test, self.story());
        }
    }
}

/// A moment, as the observers count.
#[derive(Clone, Copy, Debug)]
pub struct Moment([Duration; 2]);

impl Moment {
    /// As the observer of an address counts.
    pub fn of(self, vip: IpAddr) -> Duration {
        self.0[usize::from(vip.is_ipv6())]
    }
}

/// keepalived's groups of both addresses.
pub fn groups(priority: u8) -> Vec<Instance> {
    let (v4, v6) = (format!("{V4}/32"), format!("{V6}/128"));
    let link_local = format!("{LINK_LOCAL}/128");
    vec![
        Instance::new("I4", "eth0", VRID, &[&v4]).priority(priority),
        Instance::new("I6", "eth0", VRID, &[&link_local, &v6]).priority(priority),
    ]
}

/// An advert from an address, with a priority.
pub fn advert(from: IpAddr, priority: u8) -> impl Fn(&Seen) -> bool {
    move |seen| matches!(seen, Seen::Advert { from: source, priority: said, .. } if *source == from && *said == priority)
}

/// keepalived has no complaint about what it got.
#[track_caller]
pub fn assert_no_complaints(keepalived: &Keepalived) {
    let lines = keepalived.log().lines();
    let complaint = |line: &&String| COMPLAINTS.iter().any(|it| line.contains(it));
    let complaints: Vec<_> = lines.iter().filter(complaint).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}
