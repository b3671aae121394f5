//! A bad cable: takes frames from one end to the other in user space, and on the way loses, delays and doubles them as
//! its seed says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use super::stop::PeerThread;
use super::stop::StopSignal;
use super::stop::Woken;
use crate::Namespace;
use crate::Result;
use crate::cable::End;
use crate::cable::MAX_FRAME;
use crate::cable::Options;
use crate::clock;

/// Frames under way at a time, in both directions; what comes while so many are is lost, as on a full cable.
const MAX_WAITING: usize = 4_096;

/// How bad the cable is. Percentages are of frames in each direction; what is left out is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Never arrive.
    pub loss: u8,
    /// Arrive twice, each time with a delay of its own.
    pub duplicates: u8,
    /// Wait for up to `delay`: later ones overtake them.
    pub delayed: u8,
    /// The longest such wait.
    pub delay: Duration,
}

/// What became of frames so far, both directions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Frames that came.
    pub taken: u64,
    /// Frames that went out, doubles among them.
    pub passed: u64,
    /// Frames that were lost.
    pub lost: u64,
    /// Frames that went out twice.
    pub doubled: u64,
    /// Frames that went out after one that had come later.
    pub overtaken: u64,
}

/// A running relay; it ends on drop, and the cable with it.
#[derive(Debug)]
pub struct Relay {
    _thread: PeerThread,
    tally: Arc<Mutex<Tally>>,
}

impl Relay {
    /// Joins two interfaces of `namespace`, which are up. Nothing else should be there: a kernel that has addresses answers
    /// for them on every interface, past the cable. The same `seed` and the same frames have the same fate.
    ///
    /// # Errors
    /// An interface is missing.
    pub fn start(
        namespace: &Namespace,
        ends: [&str; 2],
        weather: Weather,
        seed: u64,
    ) -> Result<Self> {
        let options = Options {
            header: true,
            ..Options::default()
        };
        let [left, right] = ends;
        let ends = [
            End::open(namespace, left, options)?,
            End::open(namespace, right, options)?,
        ];
        let tally = Arc::default();
        let cable = Cable {
            ends,
            weather,
            chance: Chance(seed),
            waiting: BinaryHeap::new(),
            last_passed: [0; 2],
            tally: Arc::clone(&tally),
        };
        Ok(Self {
            _thread: PeerThread::start(move |stop| cable.run(&stop))?,
            tally,
        })
    }

    /// What became of frames so far.
    pub fn tally(&self) -> Tally {
        *self.tally.lock().expect("no holder of the lock panics")
    }
}

/// SplitMix64: numbers that a seed decides.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn percent(&mut self, percent: u8) -> bool {
        self.next() % 100 < u64::from(percent)
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.next() % (micros + 1))
    }
}

/// What goes on under the cable's skin.
struct Cable {
    ends: [End; 2],
    weather: Weather,
    chance: Chance,
    /// The next one due first; then in the order of arrival.
    waiting: BinaryHeap<Reverse<Frame>>,
    /// The latest arrival that has gone out at each end.
    last_passed: [u64; 2],
    tally: Arc<Mutex<Tally>>,
}

/// A frame under way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    due: Instant,
    arrival: u64,
    to: usize,
    bytes: Vec<u8>,
}

impl Cable {
    fn run(mut self, stop: &StopSignal) {
        let mut buffer = vec![0; MAX_FRAME];
        loop {
            let due = self.waiting.peek().map(|Reverse(frame)| frame.due);
            let limit = due.map(|due| due.saturating_duration_since(clock::now()));
            let [left, right] = &self.ends;
            match stop.wait_any(&[left.as_fd(), right.as_fd()], limit) {
                Ok(Woken::Readable) => {
                    self.take(0, &mut buffer);
                    self.take(1, &mut buffer);
                }
                Ok(Woken::Timeout) => {}
                Ok(Woken::Stop) | Err(_) => return,
            }
            self.pass();
        }
    }

    /// Reads what waits at one end and decides about it.
    fn take(&mut self, from: usize, buffer: &mut [u8]) {
        while let Some(bytes) = self.ends[from].take(buffer) {
            self.decide(1 - from, bytes, clock::now());
        }
    }

    fn decide(&mut self, to: usize, bytes: &[u8], now: Instant) {
        let mut tally = self.tally.lock().expect("no holder of the lock panics");
        tally.taken += 1;
        if self.chance.percent(self.weather.loss) || self.waiting.len() >= MAX_WAITING {
            tally.lost += 1;
            return;
        }
        let twice = self.chance.percent(self.weather.duplicates);
        tally.doubled += u64::from(twice);
        for _ in 0..1 + usize::from(twice) {
            let late = self.chance.percent(self.weather.delayed);
            let delay = if late {
                self.chance.up_to(self.weather.delay)
            } else {
                Duration::ZERO
            };
            self.waiting.push(Reverse(Frame {
                due: now + delay,
                arrival: tally.taken,
                to,
                bytes: bytes.to_vec(),
            }));
        }
    }

    /// Sends what is due.
    fn pass(&mut self) {
        let now = clock::now();
        while self.waiting.peek().is_some_and(|Reverse(f)| f.due <= now) {
            let Some(Reverse(frame)) = self.waiting.pop() else {
                return;
            };
            // A frame that an end does not take is one more that is lost: the link may be down.
            let sent = self.ends[frame.to].send(&frame.bytes);
            let mut tally = self.tally.lock().expect("no holder of the lock panics");
            match sent {
                Ok(_) => tally.passed += 1,
                Err(_) => tally.lost += 1,
            }
            let last = &mut self.last_passed[frame.to];
            tally.overtaken += u64::from(frame.arrival < *last);
            *last = frame.arrival.max(*last);
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::socket::AddressFamily;
    use nix::sys::socket::SockFlag;
    use nix::sys::socket::SockType;
    use nix::sys::socket::socket;

    use super::*;

    fn cable(weather: Weather, seed: u64) -> Cable {
        let pair = || {
            let flags = SockFlag::SOCK_CLOEXEC;
            let kind = SockType::Datagram;
            End::from(socket(AddressFamily::Unix, kind, flags, None).unwrap())
        };
        Cable {
            ends: [pair(), pair()],
            weather,
            chance: Chance(seed),
            waiting: BinaryHeap::new(),
            last_passed: [0; 2],
            tally: Arc::default(),
        }
    }

    /// The fate of 1,000 frames: arrivals in the order in which they go out.
    fn fate(weather: Weather, seed: u64) -> (Vec<u64>, Tally) {
        let mut cable = cable(weather, seed);
        let start = clock::now();
        for number in 0..1000 {
            cable.decide(1, &[7], start + Duration::from_micros(number));
        }
        let tally = *cable.tally.lock().unwrap();
        let mut order = Vec::new();
        while let Some(Reverse(frame)) = cable.waiting.pop() {
            order.push(frame.arrival);
        }
        (order, tally)
    }

    const STORM: Weather = Weather {
        loss: 30,
        duplicates: 20,
        delayed: 50,
        delay: Duration::from_millis(20),
    };

    #[test]
    fn fair_weather_passes_everything_in_order() {
        let (order, tally) = fate(Weather::default(), 1);
        assert_eq!(order, (1..=1000).collect::<Vec<u64>>());
        assert_eq!((tally.lost, tally.doubled), (0, 0));
    }

    #[test]
    fn a_seed_decides_and_percentages_are_kept() {
        let (order, tally) = fate(STORM, 7);
        assert_eq!((order.clone(), tally), fate(STORM, 7));
        assert_ne!(order, fate(STORM, 8).0);
        assert!((250..=350).contains(&tally.lost), "{tally:?}");
        let kept = 1000 - tally.lost;
        let doubled = tally.doubled * 100 / kept;
        assert!((15..=25).contains(&doubled), "{tally:?}");
        assert_eq!(order.len() as u64, kept + tally.doubled);
        assert!(order.windows(2).any(|two| two[0] > two[1]), "overtaken");
    }

    #[test]
    fn a_full_cable_loses_what_comes() {
        let mut cable = cable(Weather::default(), 1);
        let now = clock::now();
        for _ in 0..MAX_WAITING + 5 {
            cable.decide(0, &[7], now);
        }
        assert_eq!(cable.waiting.len(), MAX_WAITING);
        assert_eq!(cable.tally.lock().unwrap().lost, 5);
    }

    #[test]
    fn frames_cross_in_both_directions_and_checksums_with_them() {
        let [inside, near, far] = [(); 3].map(|()| Namespace::new().unwrap());
        for (name, space, address) in [("a", &near, "10.9.0.1/24"), ("b", &far, "10.9.0.2/24")] {
            inside.veth(&format!("end-{name}"), space, "eth0").unwrap();
            inside.ip(&format!("link set end-{name} up")).unwrap();
            space
                .ip(&format!("address add {address} dev eth0"))
                .unwrap();
            space.ip("link set eth0 up").unwrap();
        }
        let relay = Relay::start(&inside, ["end-a", "end-b"], Weather::default(), 1).unwrap();
        // A datagram's checksum is left to a card that is never there.
        let bind = |at: &'static str| move || std::net::UdpSocket::bind(at).unwrap();
        let server = far.enter(bind("10.9.0.2:7")).unwrap();
        let client = near.enter(bind("10.9.0.1:0")).unwrap();
        for socket in [&server, &client] {
            let patience = Some(Duration::from_secs(30));
            socket.set_read_timeout(patience).unwrap();
        }
        client.send_to(b"there", "10.9.0.2:7").unwrap();
        let mut buffer = [0; 16];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"there");
        server.send_to(b"back", from).unwrap();
        let length = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"back");
        let tally = relay.tally();
        assert_eq!(tally.lost, 0, "{tally:?}");
        // What has arrived may not be counted as passed yet.
        assert!(tally.taken >= 4, "two datagrams and their ARP: {tally:?}");
    }
}
