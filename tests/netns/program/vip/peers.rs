//! Together with keepalived: who has the address, and when it changes hands.

use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::keepalived::Instance;

use super::ours::Config;
use super::stage::{
    BOTH, DOWN, LINK_LOCAL, SKEW, Stage, V4, V6, VRID, advert, assert_no_complaints, groups,
};

/// The life of a group: each of the two has the address, leaves it to the other, and comes back.
#[test]
fn a_group_with_keepalived() {
    let mut stage = Stage::new("vip-keepalived");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150));
    ours.until("active");
    stage.owned_by(ours.mac(), start);
    let theirs = stage.keepalived(&station, &groups(100));
    std::thread::sleep(DOWN + SKEW);
    assert_eq!(theirs.promotions(), 0);
    stage.only(ours.mac(), start);

    let farewell = stage.mark("ours ends");
    ours.on(|machine| machine.signal(Signal::SIGTERM));
    stage.owned_by(station.mac(), farewell);
    for vip in BOTH {
        assert!(!ours.has(vip));
        let said = stage.after(vip, farewell, "farewell", advert(ours.source(vip), 0));
        let taken = stage.after(vip, farewell, "takeover", advert(station.source(vip), 100));
        assert!(taken - said < DOWN / 2, "{vip}: {:?}", taken - said);
    }

    let back = stage.mark("ours is back");
    ours.boot(&Config::new(2, 150));
    ours.until("backup");
    std::thread::sleep(DOWN + SKEW);
    // More priority is no reason to take it from one that has it.
    stage.only(station.mac(), back);
    for vip in BOTH {
        let status = ours.status(vip);
        assert_eq!(status["owner"], station.source(vip).to_string(), "{status}");
        assert_eq!(status["promotions"], 0, "{status}");
    }

    let farewell = stage.mark("keepalived ends");
    assert_no_complaints(&theirs);
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), farewell);
    ours.until("active");
    for vip in BOTH {
        let said = stage.after(vip, farewell, "farewell", advert(station.source(vip), 0));
        let taken = stage.after(vip, farewell, "takeover", advert(ours.source(vip), 150));
        assert!(taken - said < DOWN / 2, "{vip}: {:?}", taken - said);
    }

    let adverts = stage.adverts();
    for vip in BOTH {
        let source = ours.source(vip);
        let of_ours: Vec<_> = adverts.iter().filter(|it| it.from == source).collect();
        assert!(of_ours.len() > 4, "{adverts:?}");
        for advert in of_ours {
            assert_eq!((advert.hops, advert.version, advert.vrid), (255, 3, VRID));
            let listed = match vip.is_ipv4() {
                true => vec![V4],
                false => vec![LINK_LOCAL.parse().unwrap(), V6],
            };
            assert_eq!(advert.addresses, listed);
        }
    }
}

/// VRRPv2, which keepalived speaks over IPv4 unless told otherwise.
#[test]
fn a_group_of_version_2() {
    let mut stage = Stage::new("vip-v2");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("ours boots");
    let config = Config::new(2, 150).only(V4).line("vrrpVersion: 2");
    ours.boot(&config);
    stage.owned_by_of(V4, ours.mac(), start);
    let group = groups(100).swap_remove(0).v2();
    let theirs = stage.keepalived(&station, &[group]);
    std::thread::sleep(DOWN + SKEW);
    assert_eq!(theirs.promotions(), 0);

    let farewell = stage.mark("ours ends");
    ours.on(|machine| machine.signal(Signal::SIGTERM));
    stage.owned_by_of(V4, station.mac(), farewell);
    let back = stage.mark("ours is back");
    ours.boot(&config.line("preempt: true").line("preemptDelay: 0s"));
    // The master of less priority is not listened to.
    stage.owned_by_of(V4, ours.mac(), back);
    assert_no_complaints(&theirs);
    theirs
        .log()
        .wait_for("Entering BACKUP STATE", DOWN)
        .unwrap();
    let adverts = stage.adverts();
    assert!(adverts.iter().all(|advert| advert.version == 2));
    for source in [ours.source(V4), station.source(V4)] {
        assert!(adverts.iter().any(|advert| advert.from == source));
    }
}

/// Who may take the address from one that has it does, after its delay; who may not does not.
#[test]
fn more_priority_takes_it() {
    let stage = Stage::new("vip-preempt");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("keepalived starts");
    let theirs = stage.keepalived(&station, &groups(100));
    stage.owned_by(station.mac(), start);
    let boots = stage.mark("ours boots");
    let preempts = Config::new(2, 150)
        .line("preempt: true")
        .line("preemptDelay: 5s");
    ours.boot(&preempts);
    stage.owned_by(ours.mac(), boots);
    ours.until("active");
    for vip in BOTH {
        let taken = stage.after(vip, boots, "takeover", advert(ours.source(vip), 150));
        assert!(taken > Duration::from_secs(5), "{vip}: {taken:?}");
    }
    theirs.stop().unwrap();

    let more = stage.mark("keepalived starts with more");
    let theirs = stage.keepalived(&station, &groups(200));
    stage.owned_by(station.mac(), more);
    ours.until("backup");
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), stage.mark("keepalived has ended"));

    let shy = stage.mark("keepalived starts with more, and is shy");
    let groups = groups(200).into_iter().map(|group| group.line("nopreempt"));
    let theirs = stage.keepalived(&station, &groups.collect::<Vec<_>>());
    std::thread::sleep(DOWN);
    assert_eq!(theirs.promotions(), 0);
    stage.only(ours.mac(), shy);
}

/// Both have the address after a partition, with one priority: the greater address keeps it, within an interval. The client
/// reaches both all the time.
fn partition(test: &'static str, number: u8, other: u8) {
    let stage = Stage::new(test);
    let (ours, station) = (stage.ours(number), stage.station(other));
    let start = stage.mark("ours boots");
    // The machine that still answers is left alone otherwise.
    ours.boot(&Config::new(number, 100).line("takeoverGuard: 0s"));
    stage.owned_by(ours.mac(), start);
    let theirs = stage.keepalived(&station, &groups(100));
    std::thread::sleep(SKEW);

    let cut = stage.mark("they do not hear each other");
    for port in [ours.port(), station.port()] {
        stage.segment.isolate(&port, true).unwrap();
    }
    for vip in BOTH {
        let observer = stage.observer(vip);
        for mac in [ours.mac(), station.mac()] {
            observer.wait_owner(mac, cut.of(vip), DOWN * 4).unwrap();
        }
    }
    std::thread::sleep(SKEW);
    let heals = stage.mark("they hear each other");
    for port in [ours.port(), station.port()] {
        stage.segment.isolate(&port, false).unwrap();
    }
    let (wins, loses, state) = match number > other {
        true => (ours.mac(), station.mac(), "active"),
        // fe80::5054:… is greater than fe80::3 in any case.
        false => (station.mac(), ours.mac(), "backup"),
    };
    stage.owned_by_of(V4, wins, heals);
    stage.owned_by_of(V6, ours.mac(), heals);
    ours.until_of(V4, state);
    ours.until_of(V6, "active");
    for (vip, loser) in [(V4, loses), (V6, station.mac())] {
        let timeline = stage.timeline(vip);
        let spans = timeline.spans();
        let last = spans.iter().rev().find(|span| span.mac == loser);
        let kept = last.unwrap().to - heals.of(vip);
        // An interval, and what a busy host takes for it.
        assert!(
            kept < Duration::from_secs(2),
            "{vip}: {kept:?}\n{}",
            timeline.story()
        );
    }
    assert_no_complaints(&theirs);
}

#[test]
fn after_a_partition_the_greater_address_has_it() {
    partition("vip-partition", 4, 3);
}

#[test]
fn after_a_partition_the_lesser_address_has_it_not() {
    partition("vip-partition-lesser", 2, 3);
}

/// A Backup waits as long as the Active says, whatever interval it has itself.
#[test]
fn intervals_that_differ() {
    let stage = Stage::new("vip-intervals");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("keepalived starts");
    let theirs = stage.keepalived(&station, &groups(100));
    stage.owned_by(station.mac(), start);
    let boots = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150).interval(Duration::from_millis(200)));
    std::thread::sleep(DOWN);
    stage.only(station.mac(), boots);
    for vip in BOTH {
        let status = ours.status(vip);
        assert_eq!(status["state"], "backup", "{status}");
        let reason = status["reason"].as_str().unwrap();
        assert!(
            reason.contains("an interval of 1s instead of 200ms"),
            "{status}"
        );
    }
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), stage.mark("keepalived has ended"));

    let quick = stage.mark("keepalived is slow");
    let slow = |group: Instance| group.interval(Duration::from_secs(3));
    let slow: Vec<_> = groups(100).into_iter().map(slow).collect();
    let theirs = stage.keepalived(&station, &slow);
    std::thread::sleep(DOWN);
    stage.only(ours.mac(), quick);
    assert_eq!(theirs.promotions(), 0);
    assert_no_complaints(&theirs);
}

/// Adverts to each of the peers instead of to the group.
#[test]
fn peers_instead_of_a_group() {
    let mut stage = Stage::new("vip-unicast");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let peers = |config: Config| {
        config
            .line_of(V4, "peers: [10.56.0.3]")
            .line_of(V6, "peers: ['2001:db8:56::3']")
    };
    let start = stage.mark("ours boots");
    ours.boot(&peers(Config::new(2, 150)));
    stage.owned_by(ours.mac(), start);
    let [four, six] = groups(100).try_into().unwrap();
    let unicast: [Instance; 2] = [
        four.unicast("10.56.0.3", &["10.56.0.2"]),
        six.unicast("2001:db8:56::3", &["2001:db8:56::2"]),
    ];
    let theirs = stage.keepalived(&station, &unicast);
    std::thread::sleep(DOWN + SKEW);
    assert_eq!(theirs.promotions(), 0);
    stage.only(ours.mac(), start);

    let farewell = stage.mark("ours ends");
    ours.on(|machine| machine.signal(Signal::SIGTERM));
    stage.owned_by(station.mac(), farewell);
    let back = stage.mark("ours is back");
    ours.boot(&peers(Config::new(2, 150)));
    std::thread::sleep(DOWN + SKEW);
    stage.only(station.mac(), back);
    assert_no_complaints(&theirs);
    let farewell = stage.mark("keepalived ends");
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), farewell);
    let adverts = stage.adverts();
    assert!(adverts.iter().all(|advert| !advert.to.is_multicast()));
    for source in ["10.56.0.2", "10.56.0.3", "2001:db8:56::2", "2001:db8:56::3"] {
        let source: std::net::IpAddr = source.parse().unwrap();
        let priorities = adverts.iter().filter(|it| it.from == source);
        let priorities: Vec<u8> = priorities.map(|it| it.priority).collect();
        assert!(
            priorities.len() > 2 && priorities.contains(&0),
            "{source}: {priorities:?}"
        );
    }
}
