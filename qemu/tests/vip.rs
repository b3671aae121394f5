//! What watches over shared addresses, with two of keepalived.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::IpAddr;
use std::time::Duration;

use qemu::Lab;
use qemu::peer::Keepalived;
use qemu::peer::keepalived::Instance;
use qemu::vip::Capture;
use qemu::vip::Observer;
use qemu::vip::Segment;
use qemu::vip::Station;

const V4: &str = "10.56.0.100";
const V6: &str = "2001:db8:56::100";

/// Of the groups.
const VRID: u8 = 51;

/// Between two advertisements.
const INTERVAL: Duration = Duration::from_millis(200);

/// Between two questions of the observer.
const PERIOD: Duration = Duration::from_millis(5);

/// How long anything may take that takes less than a second.
const PATIENCE: Duration = Duration::from_secs(30);

fn instances(priority: u8) -> [Instance; 2] {
    let link_local = "fe80::200:5eff:fe00:233/128";
    let (v4, v6) = (format!("{V4}/32"), format!("{V6}/128"));
    [
        Instance::new("I4", "eth0", VRID, &[&v4]),
        Instance::new("I6", "eth0", VRID, &[link_local, &v6]),
    ]
    .map(|instance| instance.priority(priority).interval(INTERVAL))
}

/// A graceful end, a crash with a pulled cable, and a crash alone, after which two machines have the address.
fn two_of_keepalived(name: &'static str, vip: &str) {
    let vip: IpAddr = vip.parse().unwrap();
    let lab = Lab::new(name).unwrap();
    let segment = Segment::new().unwrap();
    let [client, one, two]: [Station; 3] = [1, 2, 3].map(|number| segment.station(number).unwrap());
    let capture = Capture::start(&lab, segment.namespace(), "lan").unwrap();
    let observer = Observer::start(&client, vip, PERIOD).unwrap();
    let start = |station: &Station, priority| {
        let name = format!("keepalived-{}", station.number);
        Keepalived::start(&lab, &station.namespace, &name, &instances(priority)).unwrap()
    };
    let owns = |station: &Station, moment| {
        let came = observer.wait_owner(station.mac(), moment, PATIENCE);
        came.unwrap_or_else(|error| panic!("{error}"))
    };

    let moment = observer.mark("start");
    let first = start(&one, 150);
    owns(&one, moment);
    let second = start(&two, 100);
    std::thread::sleep(INTERVAL * 10);
    assert!(one.has(vip).unwrap() && !two.has(vip).unwrap());
    assert_eq!(second.promotions(), 0);

    let graceful = observer.mark("graceful");
    first.stop().unwrap();
    owns(&two, graceful);
    std::thread::sleep(INTERVAL * 5);

    let back = observer.mark("back");
    let first = start(&one, 150);
    owns(&one, back);
    std::thread::sleep(INTERVAL * 5);

    let crash = observer.mark("crash");
    // It does not see the cable go, which would make it take the address away.
    first.freeze().unwrap();
    segment.set_carrier(&one.port(), false).unwrap();
    first.crash().unwrap();
    owns(&two, crash);
    std::thread::sleep(INTERVAL * 5);
    let healed = observer.mark("healed");
    segment.set_carrier(&one.port(), true).unwrap();
    owns(&one, healed);
    std::thread::sleep(INTERVAL * 5);
    let end = observer.mark("end");

    let timeline = observer.timeline();
    let story = timeline.story();
    let gaps = [
        ("graceful", graceful..back),
        ("crash", crash..healed),
        ("healed", healed..end),
    ];
    for (what, time) in gaps {
        let gap = timeline.longest_gap(time).expect(&story);
        println!("{name}: {what}: no answer for {gap:?}");
    }
    // What crashed left the address where it was, and nobody takes it away.
    assert!(one.has(vip).unwrap() && two.has(vip).unwrap());
    let overlap = timeline.longest_overlap(healed..end);
    assert!(overlap > (end - healed) / 2, "{overlap:?}\n{story}");
    let overlap = timeline.longest_overlap(Duration::ZERO..healed);
    // Both believe it for as long as it takes the one to hear the other, on a busy host as well.
    assert!(overlap < INTERVAL * 4, "{overlap:?}\n{story}");
    let adverts = capture.adverts().unwrap();
    let of = |station: &Station, priority| {
        let source = station.source(vip);
        let mut adverts = adverts.iter();
        adverts.any(|advert| {
            (advert.from, advert.priority, advert.vrid) == (source, priority, VRID)
                && advert.addresses.contains(&vip)
        })
    };
    assert!(of(&one, 150) && of(&one, 0) && of(&two, 100));
    drop(second);
}

#[test]
fn over_ipv4() {
    two_of_keepalived("vip-keepalived", V4);
}

#[test]
fn over_ipv6() {
    two_of_keepalived("vip-keepalived-6", V6);
}
