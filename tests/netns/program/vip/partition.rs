//! Three machines that lose each other: each part has the address once, and when they meet again one machine has it.

use std::net::IpAddr;
use std::time::Duration;

use qemu::peer::keepalived::Instance;
use qemu::vip::{Seen, Station};

use super::super::machine::PATIENCE;
use super::ours::{Config, Ours};
use super::stage::{BOTH, Moment, Stage, assert_no_complaints, groups};

/// Between two advertisements.
const INTERVAL: Duration = Duration::from_millis(400);

/// How long two machines may have the address that hear each other again, and how long a client may wait for the one that
/// keeps it: an interval, and what a busy host takes for it.
const HEALED: Duration = Duration::from_secs(2);

/// How long a client may wait where the machine that yields says nothing of it: until the next announcement of the one that keeps
/// the address, and what a busy host takes for it.
const ANNOUNCED: Duration = Duration::from_secs(12);

/// How long nothing may change until it counts as rest: longer than a silent machine is waited for.
const REST: Duration = Duration::from_secs(2);

/// One of three.
enum Member<'a> {
    Ours(&'a Ours),
    Theirs(&'a Station),
}

impl Member<'_> {
    fn mac(&self) -> [u8; 6] {
        match self {
            Self::Ours(ours) => ours.mac(),
            Self::Theirs(station) => station.mac(),
        }
    }

    fn port(&self) -> String {
        match self {
            Self::Ours(ours) => ours.port(),
            Self::Theirs(station) => station.port(),
        }
    }

    fn source(&self, vip: IpAddr) -> IpAddr {
        match self {
            Self::Ours(ours) => ours.source(vip),
            Self::Theirs(station) => station.source(vip),
        }
    }

    fn has(&self, vip: IpAddr) -> bool {
        match self {
            Self::Ours(ours) => ours.has(vip),
            Self::Theirs(station) => station.has(vip).unwrap(),
        }
    }
}

/// Who of them keeps the address when all have the same priority: the greatest source (RFC 9568 §6.4.3).
fn winner<'m>(vip: IpAddr, among: &[&'m Member<'m>]) -> &'m Member<'m> {
    let all = among.iter().copied();
    all.max_by_key(|member| member.source(vip)).unwrap()
}

/// The one of them that has the address, once exactly one has and nobody else answers the client.
#[track_caller]
fn one_of<'m>(
    stage: &Stage,
    vip: IpAddr,
    among: &[&'m Member<'m>],
    since: Moment,
) -> &'m Member<'m> {
    let deadline = qemu::Deadline::after(PATIENCE);
    loop {
        let mut having = among.iter().filter(|member| member.has(vip));
        if let (Some(one), None) = (having.next(), having.next()) {
            stage.owned_by_of(vip, one.mac(), since);
            return one;
        }
        assert!(deadline.remaining().is_some(), "{vip}: not one of them");
        std::thread::sleep(INTERVAL);
    }
}

/// They hear each other again since `heals`: the winner among those that had the address keeps it, the others leave it in time,
/// and a client reaches the winner: as soon where one of those is ours.
#[track_caller]
fn one_keeps_it(
    stage: &Stage,
    all: &[Member<'_>],
    had: &[&Member<'_>],
    vip: IpAddr,
    heals: Moment,
) {
    let keeps = winner(vip, had);
    let everybody: Vec<&Member<'_>> = all.iter().collect();
    let has = one_of(stage, vip, &everybody, heals);
    assert_eq!(has.mac(), keeps.mac(), "{vip}\n{}", stage.story());
    let timeline = stage.timeline(vip);
    for other in had.iter().filter(|it| it.mac() != keeps.mac()) {
        let spans = timeline.spans();
        let last = spans.iter().rev().find(|span| span.mac == other.mac());
        let kept = last.map_or(Duration::ZERO, |span| span.to.saturating_sub(heals.of(vip)));
        assert!(kept < HEALED, "{vip}: {kept:?}\n{}", timeline.story());
    }
    // One of keepalived yields without a word: who keeps the address may never hear that there was another one.
    let loses = |it: &&Member<'_>| it.mac() != keeps.mac() && matches!(it, Member::Ours(_));
    let within = match had.iter().any(loses) {
        true => HEALED,
        false => ANNOUNCED,
    };
    let echo = |seen: &Seen| matches!(seen, Seen::Reply { mac, .. } if *mac == keeps.mac());
    let observer = stage.observer(vip);
    observer
        .wait_for("an echo", heals.of(vip), PATIENCE, echo)
        .unwrap();
    let reached = stage.after(vip, heals, "echo", echo);
    assert!(
        reached < within,
        "{vip}: {reached:?}\n{}",
        stage.timeline(vip).story()
    );
}

/// What the three go through; the first of them has the addresses to begin with.
fn three(stage: &Stage, all: &[Member<'_>; 3], start: Moment) {
    let [first, second, third] = all;
    stage.owned_by(first.mac(), start);
    std::thread::sleep(REST);
    stage.only(first.mac(), start);

    // 1|2, and the one that has it is alone.
    let alone = stage.mark("who has it is alone");
    stage.segment.cut_off(&first.port()).unwrap();
    for vip in BOTH {
        // Whoever waited less.
        one_of(stage, vip, &[second, third], alone);
    }
    std::thread::sleep(REST);
    let others = BOTH.map(|vip| {
        assert!(first.has(vip), "{vip}: a machine alone has it");
        one_of(stage, vip, &[second, third], alone)
    });
    let heals = stage.mark("all three again");
    stage.segment.join(&first.port()).unwrap();
    for (vip, other) in BOTH.into_iter().zip(others) {
        one_keeps_it(stage, all, &[first, other], vip, heals);
    }

    // 1|1|1, all of which the client reaches.
    let apart = stage.mark("each is alone");
    for member in all {
        stage.segment.isolate(&member.port(), true).unwrap();
    }
    for vip in BOTH {
        for member in all {
            let observer = stage.observer(vip);
            observer
                .wait_owner(member.mac(), apart.of(vip), PATIENCE)
                .unwrap();
        }
    }
    std::thread::sleep(REST);
    let heals = stage.mark("all three again");
    for member in all {
        stage.segment.isolate(&member.port(), false).unwrap();
    }
    for vip in BOTH {
        one_keeps_it(stage, all, &[first, second, third], vip, heals);
    }

    // 2|1, and those that have it go on.
    let loses = stage.mark("one that does not have it is alone");
    stage.segment.cut_off(&first.port()).unwrap();
    let deadline = qemu::Deadline::after(PATIENCE);
    while !BOTH.iter().all(|vip| first.has(*vip)) {
        assert!(deadline.remaining().is_some(), "a machine alone has it");
        std::thread::sleep(INTERVAL);
    }
    std::thread::sleep(REST);
    let heals = stage.mark("all three again");
    stage.segment.join(&first.port()).unwrap();
    for vip in BOTH {
        let has = winner(vip, &[first, second, third]);
        one_keeps_it(stage, all, &[first, has], vip, heals);
        let end = stage.mark("end");
        let timeline = stage.timeline(vip);
        let gap = timeline.longest_gap(loses.of(vip)..end.of(vip));
        assert!(
            gap.unwrap() < HEALED,
            "{vip}: {gap:?}\n{}",
            timeline.story()
        );
    }
}

fn config(number: u8) -> Config {
    Config::new(number, 100).interval(INTERVAL)
}

#[test]
fn three_machines_of_ours_lose_each_other() {
    let mut stage = Stage::new("vip-apart");
    let ours = [2, 3, 4].map(|number| stage.ours(number));
    let start = stage.mark("the first boots");
    for one in &ours {
        one.boot(&config(one.number()));
        one.until(if one.number() == 2 {
            "active"
        } else {
            "backup"
        });
    }
    three(&stage, &ours.each_ref().map(Member::Ours), start);
    stage.adverts();
}

/// The one of keepalived has the greatest address of IPv4, and the least of IPv6.
#[test]
fn two_of_ours_and_keepalived_lose_each_other() {
    let mut stage = Stage::new("vip-apart-keepalived");
    let (first, second, station) = (stage.ours(2), stage.ours(3), stage.station(4));
    let start = stage.mark("the first boots");
    first.boot(&config(2));
    first.until("active");
    second.boot(&config(3));
    second.until("backup");
    let groups = groups(100).into_iter();
    let groups: Vec<Instance> = groups.map(|group| group.interval(INTERVAL)).collect();
    let theirs = stage.keepalived(&station, &groups);
    let all = [
        Member::Ours(&first),
        Member::Ours(&second),
        Member::Theirs(&station),
    ];
    three(&stage, &all, start);
    assert_no_complaints(&theirs);
    stage.adverts();
}
