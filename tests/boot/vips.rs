//! A shared address through the life of a cluster: machines that boot at once, are rebooted one by one, die, hang, lose their
//! cable and each other. A client that tries again is served all the time, and at rest one machine has the address.
//!
//! Emulated machines on a busy host say nothing of milliseconds: `scripts/bench` measures those. What was seen is printed, by
//! phases: `cargo test -p tests --test boot vips:: -- --nocapture`.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use qemu::Deadline;
use qemu::artefacts::Series;
use qemu::vip::Capture;
use qemu::vip::Client;
use qemu::vip::Observer;
use qemu::vip::Seen;
use qemu::vip::Segment;

use crate::bench::BOOT;
use crate::bench::Bench;
use crate::guest::Guest;

/// Between two questions of the observer.
const PERIOD: Duration = Duration::from_millis(10);

/// How long one machine alone has the address before this counts as rest: several times of what an election takes.
const REST: Duration = Duration::from_secs(3);

/// Longest time that a client may try in vain. An election takes 0.7 s; the rest is for a host that has other things to do. It is
/// less than what a client waits to whom nobody says after a partition which machine has the address now.
const BUDGET: Duration = Duration::from_secs(5);

/// Longest time that two machines may have the address that hear each other: an interval of 0.2 s, and a busy host.
const BOTH: Duration = Duration::from_secs(1);

/// The same while the supervisor of one hangs, whose kernel has the address for 3 s more. The others ask for it and keep away;
/// on a busy host an answer may come too late for them.
const BOTH_IN_SILENCE: Duration = Duration::from_secs(4);

/// No advert for longer than this, and the machine that has the address stood still: it is three intervals before others take
/// the address, and two before the machine leaves it. On a busy host it happens, and nobody is to blame.
const STALL: Duration = Duration::from_millis(500);

/// How long a fault is there.
const FAULT: Duration = Duration::from_secs(6);

/// How long frames are lost by chance.
const BAD_WEATHER: Duration = Duration::from_secs(15);

/// The number of the client on the network.
const CLIENT: u8 = 9;

/// The service behind the address, which knows nothing of it; and a group that the supervisor of this guest is put in to hang.
const SERVICE: &str = "\
mkdir -p /www /tmp/groups
echo NAME > /www/name
busybox httpd -f -p 80 -h /www &
echo $! > /tmp/service
mount -t cgroup2 none /tmp/groups
mkdir /tmp/groups/hung
echo 1 > /tmp/groups/hung/cgroup.procs
";

#[test]
fn three_machines_share_an_address_of_ipv4() {
    let bench = Bench::alone(Series::Stable, "vips-three");
    let mut cluster = Cluster::boot(bench, "vips-three", "10.56.0.100", 3);

    // One after the other; whoever has the address leaves it to the others, and nobody takes it back.
    for number in 1..=3 {
        let owner = cluster.owner();
        let phase = cluster.begin(&format!("reboot of {number}"));
        cluster.reboot(number);
        let from = phase.from;
        let next = cluster.rests(phase);
        cluster.assert_unless_stalled(from, (next == owner) == (number != owner));
    }

    let owner = cluster.owner();
    let phase = cluster.begin(&format!("{owner} is killed"));
    cluster.kill(owner);
    let next = cluster.rests(phase);
    let phase = cluster.begin(&format!("{owner} is back"));
    let from = phase.from;
    cluster.start(owner);
    cluster.wait(owner);
    let last = cluster.rests(phase);
    cluster.assert_unless_stalled(from, last == next);

    cluster.hang_of_the_supervisor();
    cluster.pause_of_the_machine();
    cluster.pulled_cable();
    cluster.partition();

    // The service of the owner ends: whoever has one takes over.
    let owner = cluster.owner();
    let phase = cluster.begin(&format!("the service of {owner} ends"));
    let from = phase.from;
    cluster.guest(owner).run("kill $(cat /tmp/service)");
    let next = cluster.rests(phase);
    cluster.assert_unless_stalled(from, next != owner);
    cluster.guest(owner).run("busybox httpd -f -p 80 -h /www &");

    let phase = cluster.begin("5 of 100 frames are lost");
    for port in cluster.ports() {
        cluster.segment.lose(&port, 5).unwrap();
    }
    thread::sleep(BAD_WEATHER);
    for port in cluster.ports() {
        cluster.segment.unfilter(&port).unwrap();
    }
    cluster.rests(phase);
    cluster.end();
}

#[test]
fn two_machines_share_an_address_of_ipv6() {
    let bench = Bench::alone(Series::Newer, "vips-two");
    let mut cluster = Cluster::boot(bench, "vips-two", "2001:db8:56::100", 2);
    let owner = cluster.owner();
    let phase = cluster.begin(&format!("reboot of {owner}"));
    let from = phase.from;
    cluster.reboot(owner);
    let next = cluster.rests(phase);
    cluster.assert_unless_stalled(from, next != owner);
    cluster.hang_of_the_supervisor();
    cluster.pulled_cable();
    cluster.partition();
    cluster.end();
}

/// A moment and what is from there on, as the observer counts.
struct Phase {
    what: String,
    from: Duration,
}

/// Machines that share an address, numbered from 1, and who looks at them.
struct Cluster {
    // The guests go before the network.
    guests: Vec<Option<Guest>>,
    boots: usize,
    vip: IpAddr,
    observer: Observer,
    client: Option<Client>,
    capture: Option<Capture>,
    segment: Segment,
    bench: Bench,
}

impl Cluster {
    /// All of them started at once, until one has the address and each has a service.
    #[track_caller]
    fn boot(bench: Bench, name: &'static str, vip: &str, count: u8) -> Self {
        let vip: IpAddr = vip.parse().unwrap();
        let segment = Segment::new().unwrap();
        for number in 1..=count {
            wire(&bench, &segment, number);
        }
        let station = segment.station(CLIENT).unwrap();
        let capture = Capture::start(&bench.lab, segment.namespace(), "lan").unwrap();
        let observer = Observer::start(&station, vip, PERIOD).unwrap();
        let mut cluster = Self {
            guests: (0..count).map(|_| None).collect(),
            boots: 0,
            vip,
            observer,
            client: None,
            capture: Some(capture),
            segment,
            bench,
        };
        println!("{name}:");
        let phase = cluster.begin("all boot at once");
        for number in 1..=count {
            cluster.start(number);
        }
        for number in 1..=count {
            cluster.wait(number);
        }
        let service = SocketAddr::new(vip, 80);
        cluster.client = Some(Client::start(&station, service, &cluster.observer).unwrap());
        cluster.rests_within(phase, BOOT, BOTH);
        cluster
    }

    /// A machine is switched on. All that it is told of the address is the address, its link and how the service is checked.
    #[track_caller]
    fn start(&mut self, number: u8) {
        self.boots += 1;
        let config = format!(
            "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\n\
             addresses: [{{address: 10.56.0.{number}/24}}, {{address: '2001:db8:56::{number:x}/64', noDAD: true}}]\n\
             ---\n\
             apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: '{}'\nlink: eth0\n\
             check: {{http: 'http://127.0.0.1/name', interval: 1s, timeout: 900ms}}\n",
            self.vip
        );
        let vm = self.bench.machine(&config);
        let vm = vm.name(&format!("machine{number}-{}", self.boots));
        let vm = vm.nic(&format!("tap{number}"), mac(number));
        let vm = vm.start(&self.bench.lab).unwrap();
        // Not asked before `wait`: others are switched on meanwhile.
        self.guests[usize::from(number) - 1] = Some(Guest { vm });
    }

    /// A machine that was switched on has handed off, and its service starts.
    #[track_caller]
    fn wait(&mut self, number: u8) {
        let name = format!("machine{number}");
        self.guest(number).run(&SERVICE.replace("NAME", &name));
    }

    #[track_caller]
    fn guest(&mut self, number: u8) -> &mut Guest {
        let guest = &mut self.guests[usize::from(number) - 1];
        guest.as_mut().expect("a machine that is on")
    }

    /// As an operator does it.
    #[track_caller]
    fn reboot(&mut self, number: u8) {
        self.guest(number).run("(usleep 200000; kill -INT 1) &");
        // QEMU ends instead.
        let mut guest = self.guests[usize::from(number) - 1].take().unwrap();
        guest.vm.wait_exit(BOOT).unwrap();
        drop(guest);
        self.start(number);
        self.wait(number);
    }

    /// As a failing power supply does it.
    fn kill(&mut self, number: u8) {
        self.guests[usize::from(number) - 1] = None;
    }

    /// The supervisor of the owner hangs and its kernel goes on: the address goes by itself, and comes to another.
    #[track_caller]
    fn hang_of_the_supervisor(&mut self) {
        let owner = self.owner();
        let phase = self.begin(&format!("the supervisor of {owner} hangs"));
        self.guest(owner)
            .run("echo 1 > /tmp/groups/hung/cgroup.freeze");
        thread::sleep(FAULT);
        let others = self.owner();
        let addresses = self.guest(owner).run("ip address show dev eth0");
        let had = addresses.contains(&format!(" {}/", self.vip));
        assert!(!had, "the address of a supervisor that hangs:\n{addresses}");
        assert_ne!(others, owner);
        let from = self.observer.mark("it goes on");
        self.guest(owner)
            .run("echo 0 > /tmp/groups/hung/cgroup.freeze");
        let last = self.rests_within(phase, BUDGET, BOTH_IN_SILENCE);
        self.assert_unless_stalled(from, last == others);
    }

    /// The machine of the owner stands still for a while and does not know it.
    #[track_caller]
    fn pause_of_the_machine(&mut self) {
        let owner = self.owner();
        let phase = self.begin(&format!("{owner} stands still"));
        self.guest(owner).vm.set_running(false).unwrap();
        thread::sleep(FAULT);
        assert_ne!(self.owner(), owner);
        self.guest(owner).vm.set_running(true).unwrap();
        self.rests(phase);
    }

    /// The cable of the owner is pulled, and plugged in again.
    #[track_caller]
    fn pulled_cable(&mut self) {
        let owner = self.owner();
        let phase = self.begin(&format!("the cable of {owner} is pulled"));
        self.guest(owner).vm.set_carrier(0, false).unwrap();
        thread::sleep(FAULT);
        let others = self.owner();
        assert_ne!(others, owner);
        let from = self.observer.mark("plugged in");
        self.guest(owner).vm.set_carrier(0, true).unwrap();
        let last = self.rests(phase);
        self.assert_unless_stalled(from, last == others);
    }

    /// The owner is cut off from the others and the client; it cannot know, and both sides have the address until they meet.
    #[track_caller]
    fn partition(&mut self) {
        let owner = self.owner();
        let phase = self.begin(&format!("{owner} is cut off"));
        let port = format!("port{owner}");
        self.segment.cut_off(&port).unwrap();
        thread::sleep(FAULT);
        assert_ne!(self.owner(), owner);
        let addresses = self.guest(owner).run("ip address show dev eth0");
        let has = addresses.contains(&format!(" {}/", self.vip));
        assert!(has, "the address of a machine alone:\n{addresses}");
        self.segment.join(&port).unwrap();
        self.rests(phase);
    }

    /// The ports of machines and client.
    fn ports(&self) -> Vec<String> {
        let count = u8::try_from(self.guests.len()).unwrap();
        let numbers = (1..=count).chain([CLIENT]);
        numbers.map(|number| format!("port{number}")).collect()
    }

    fn begin(&self, what: &str) -> Phase {
        let from = self.observer.mark(what);
        Phase {
            what: what.to_owned(),
            from,
        }
    }

    /// Who has answered who has the address, of late; one machine.
    #[track_caller]
    fn owner(&self) -> u8 {
        let now = self.observer.mark("who has it?");
        let answer = |seen: &Seen| matches!(seen, Seen::Answer { .. });
        let answered = self
            .observer
            .wait_for("an answer", now, BUDGET, answer)
            .unwrap_or_else(|error| panic!("{error}"));
        let owners = self.owners(answered);
        assert_eq!(owners.len(), 1, "{owners:?} have it\n{}", self.story());
        owners[0]
    }

    /// Who has answered since.
    fn owners(&self, since: Duration) -> Vec<u8> {
        let timeline = self.observer.timeline();
        let events = timeline.events().iter();
        let mut owners: Vec<u8> = events
            .filter(|event| event.at >= since)
            .filter_map(|event| match event.what {
                Seen::Answer { mac: [.., number] } => Some(number),
                _ => None,
            })
            .collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// Ends a phase: waits for rest, in which one machine has the address, as the network, its kernel and its supervisor say
    /// it, and no other. Clients were served but for [`BUDGET`], and two machines had it for [`BOTH`] at most. Who has it.
    #[track_caller]
    fn rests(&mut self, phase: Phase) -> u8 {
        self.rests_within(phase, BUDGET, BOTH)
    }

    /// As [`Cluster::rests`], for a phase in which clients wait longer, or two have the address for longer.
    #[track_caller]
    fn rests_within(&mut self, phase: Phase, budget: Duration, both: Duration) -> u8 {
        let deadline = Deadline::after(BOOT);
        let owner = loop {
            let since = self.observer.mark("rest?");
            thread::sleep(REST);
            if let [owner] = self.owners(since)[..]
                && self.holders() == [owner]
                && self.owners(since) == [owner]
            {
                break owner;
            }
            assert!(deadline.remaining().is_some(), "no rest\n{}", self.story());
        };
        let end = self.observer.mark("rest");
        let timeline = self.observer.timeline();
        let time = phase.from..end;
        let unserved = timeline.longest_unserved(time.clone());
        let overlap = timeline.longest_overlap(time);
        let text = format!(
            "{:7.1} s  {:32} → {owner} has it; clients wait {unserved:4.1?} at most, two had it for {overlap:.1?}",
            phase.from.as_secs_f64(),
            phase.what
        );
        println!("{text}");
        assert!(unserved < budget, "{text}\n{}", self.story());
        assert!(overlap < both, "{text}\n{}", self.story());
        owner
    }

    /// What holds of who has the address, but where the host let the one stand still that had it.
    #[track_caller]
    fn assert_unless_stalled(&self, since: Duration, holds: bool) {
        let timeline = self.observer.timeline();
        let advert = |seen: &Seen| matches!(seen, Seen::Advert { .. });
        let mut last = since;
        let mut stalled = false;
        for event in timeline.events() {
            if event.at >= since && advert(&event.what) {
                stalled |= event.at - last > STALL;
                last = event.at;
            }
        }
        if stalled {
            println!("           (somebody stood still: {holds})");
        }
        assert!(holds || stalled, "{}", self.story());
    }

    /// Whose kernel has the address, with a supervisor that says the same.
    #[track_caller]
    fn holders(&mut self) -> Vec<u8> {
        let vip = self.vip;
        let mut holders = Vec::new();
        for (number, guest) in (1..).zip(&mut self.guests) {
            let Some(guest) = guest else {
                continue;
            };
            let addresses = guest.run("ip address show dev eth0");
            let has = addresses.contains(&format!(" {vip}/"));
            let state = guest.run("init-net get vips");
            if has != state.contains(" active ") {
                return Vec::new();
            }
            if has {
                holders.push(number);
            }
        }
        holders
    }

    fn story(&self) -> String {
        self.observer.timeline().story()
    }

    /// What went over the network all the time, which tcpdump and tshark judge.
    #[track_caller]
    fn end(mut self) {
        let capture = self.capture.take().expect("ended once");
        let adverts = capture.adverts().unwrap();
        let of_ours = adverts.iter().filter(|it| it.addresses.contains(&self.vip));
        assert!(of_ours.count() > 100, "{} adverts", adverts.len());
    }
}

/// A cable from `tapN` of the bench to `portN` of the network: QEMU wants a tap in its own namespace.
fn wire(bench: &Bench, segment: &Segment, number: u8) {
    let lan = bench.lab.namespace();
    let [cable, tap, wire] = ["cable", "tap", "wire"].map(|it| format!("{it}{number}"));
    lan.bridge(&cable, &[]).unwrap();
    lan.tap(&tap, &cable).unwrap();
    let mac = format!("52:54:00:56:01:{number:02x}");
    let port = format!("port{number}");
    segment.plug(&port, &lan.path(), &wire, &mac).unwrap();
    lan.ip(&format!("link set {wire} master {cable} up"))
        .unwrap();
}

fn mac(number: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0x56, 0, number]
}

/// Addresses of both families on a bond whose kernel tells no neighbour that another member is active: we do.
const ON_A_BOND: &str = "\
apiVersion: v1alpha1
kind: BondConfig
name: bond0
links: [eth0, eth1]
bondMode: active-backup
miimon: 100
numPeerNotif: 0
addresses: [{address: 10.56.0.1/24}, {address: '2001:db8:56::1/64', noDAD: true}]
---
apiVersion: v1alpha1
kind: Layer2VIPConfig
name: 10.56.0.100
link: bond0
---
apiVersion: v1alpha1
kind: Layer2VIPConfig
name: 2001:db8:56::100
link: bond0
";

/// When the last announcement of a machine that got the address has been, the next one is a minute away.
const ANNOUNCED: Duration = Duration::from_secs(7);

/// Longest time until the announcements of a new member of a bond: the bond looks at its members ten times a second.
const TOLD: Duration = Duration::from_secs(2);

/// For the announcements that follow the first one within a second.
const REPEATED: Duration = Duration::from_secs(2);

/// Times at which the neighbours are told within [`REPEATED`].
const TIMES: usize = 4;

/// The switch sends what is for the bond to the member that it saw last: the other one has to tell it.
#[test]
fn another_member_of_a_bond_announces_the_addresses() {
    let bench = Bench::new("vips-bond");
    let segment = Segment::new().unwrap();
    for number in 1..=2 {
        wire(&bench, &segment, number);
    }
    let station = segment.station(CLIENT).unwrap();
    let vips: [IpAddr; 2] = ["10.56.0.100", "2001:db8:56::100"].map(|it| it.parse().unwrap());
    let observers = vips.map(|vip| Observer::start(&station, vip, PERIOD).unwrap());
    let vm = bench.machine(ON_A_BOND).cmdline("initnet.wait=links");
    let vm = vm.nic("tap1", mac(1)).nic("tap2", mac(2));
    let mut guest = Guest::of(vm.start(&bench.lab).unwrap());
    let answer = |seen: &Seen| matches!(seen, Seen::Answer { .. });
    for observer in &observers {
        observer
            .wait_for("an answer", Duration::ZERO, BOOT, answer)
            .unwrap();
    }
    let announced = |seen: &Seen| matches!(seen, Seen::Announced { .. });
    thread::sleep(ANNOUNCED);
    let bond = "ip -d -j link show dev bond0";
    guest.until(bond, "/0/linkinfo/info_data/active_slave", "eth0");
    let pulled = observers
        .each_ref()
        .map(|observer| observer.mark("the cable of eth0 is pulled"));
    guest.vm.set_carrier(0, false).unwrap();
    let told = observers.iter().zip(pulled).map(|(observer, pulled)| {
        let first = observer.wait_for("an announcement", pulled, BUDGET, announced);
        first.unwrap() - pulled
    });
    let told: Vec<Duration> = told.collect();
    thread::sleep(REPEATED);
    for ((observer, pulled), told) in observers.iter().zip(pulled).zip(told) {
        let end = observer.mark("told");
        let timeline = observer.timeline();
        let story = timeline.story();
        assert!(told < TOLD, "{told:?}\n{story}");
        let times = timeline.events().iter();
        let times = times.filter(|it| it.at >= pulled && announced(&it.what));
        assert!(times.count() >= TIMES, "{story}");
        let gap = timeline.longest_gap(pulled..end).unwrap();
        println!("told after {told:.1?}, clients wait {gap:.1?}");
        assert!(gap < TOLD, "{gap:?}\n{story}");
    }
    guest.until(bond, "/0/linkinfo/info_data/active_slave", "eth1");
    // Who has the address had it all the time.
    let all = guest.ask("init-net get vips -o json");
    for index in 0..=1 {
        all.is(&format!("/{index}/state"), "active");
        all.is(&format!("/{index}/promotions"), 1);
    }
}
