//! Together with keepalived.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::ours::Config;
use super::stage::{BOTH, Stage, advert, groups};

/// The longest that a Backup of priority 100 waits at an interval of a second, and half of it, which a farewell must beat.
const DOWN: Duration = Duration::from_millis(3610);
const HALF: Duration = Duration::from_millis(1805);

/// Complaints of keepalived about adverts.
const COMPLAINTS: [&str; 6] = [
    "Invalid",
    "invalid",
    "mismatch",
    "too short",
    "too long",
    "wrong version",
];

#[test]
fn a_group_with_keepalived() {
    let mut stage = Stage::new("vip-keepalived");
    let ours = stage.ours(2);
    let station = stage.station(3);
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150));
    ours.until("active");
    stage.owned_by(ours.mac(), start);
    for vip in BOTH {
        println!("{}", ours.status(vip));
    }
    let theirs = stage.keepalived(&station, &groups(100));
    std::thread::sleep(DOWN * 2);
    assert_eq!(theirs.promotions(), 0);
    stage.only(ours.mac(), start);

    let farewell = stage.mark("ours ends");
    ours.on(|machine| machine.signal(Signal::SIGTERM));
    stage.owned_by(station.mac(), farewell);
    for vip in BOTH {
        assert!(!ours.has(vip));
        let said = stage.after(vip, farewell, "farewell", advert(ours.source(vip), 0));
        let taken = stage.after(vip, farewell, "takeover", advert(station.source(vip), 100));
        assert!(taken - said < HALF, "{vip}: {:?}", taken - said);
    }
    let _ = (theirs, stage.adverts(), COMPLAINTS);
}
