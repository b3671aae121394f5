//! What goes wrong: machines that crash, hang and lose their cable, on either side.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use qemu::peer::Keepalived;
use qemu::vip::{Seen, Span};

use super::super::machine::PATIENCE;
use super::ours::{Config, Ours};
use super::stage::{BOTH, DOWN, Moment, SKEW, Stage, advert, assert_no_complaints, groups};

/// As long as the kernel keeps an address that nobody refreshes, and what a second of the kernel's takes.
const LIFETIME: Duration = Duration::from_secs(4);

/// The supervisor dies without a word: the kernel takes the addresses away, and the other machine has them then.
#[test]
fn a_supervisor_that_is_killed_loses_the_address() {
    let mut stage = Stage::new("vip-kill");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150));
    stage.owned_by(ours.mac(), start);
    let theirs = stage.keepalived(&station, &groups(100));
    std::thread::sleep(SKEW);
    let killed = stage.mark("killed");
    ours.on(|machine| machine.signal(Signal::SIGKILL));
    stage.owned_by(station.mac(), killed);
    for vip in BOTH {
        let kept = last_span(&stage, vip, ours.mac()).to - killed.of(vip);
        assert!(kept < LIFETIME, "{vip}: {kept:?}\n{}", stage.story());
        assert!(!ours.has(vip));
    }
    // It begins anew, as one that listens.
    let again = stage.mark("ours starts again");
    ours.on(|machine| {
        let ran = machine.run(&["boot", "--hook", "--cmdline", "initnet.wait=local"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        machine.answers();
    });
    ours.until("backup");
    std::thread::sleep(DOWN);
    stage.only(station.mac(), again);
    assert_no_complaints(&theirs);
    stage.adverts();
}

/// The other machine is gone at once, with its cable: nobody says farewell.
#[test]
fn the_other_machine_crashes() {
    let stage = Stage::new("vip-crash");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("keepalived starts");
    let theirs = stage.keepalived(&station, &groups(150));
    stage.owned_by(station.mac(), start);
    ours.boot(&Config::new(2, 100));
    ours.until("backup");
    let crash = stage.mark("crash");
    theirs.freeze().unwrap();
    stage.segment.set_carrier(&station.port(), false).unwrap();
    theirs.crash().unwrap();
    stage.owned_by(ours.mac(), crash);
    for vip in BOTH {
        let taken = stage.after(vip, crash, "takeover", advert(ours.source(vip), 100));
        assert!(taken > DOWN - Duration::from_secs(1), "{vip}: {taken:?}");
    }
}

/// The cable goes: the address goes with it, and comes back as one that listens first.
#[test]
fn a_cable_is_pulled() {
    let stage = Stage::new("vip-cable");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150));
    stage.owned_by(ours.mac(), start);
    let theirs = stage.keepalived(&station, &groups(100));
    std::thread::sleep(SKEW);
    let pulled = stage.mark("pulled");
    stage.segment.set_carrier(&ours.port(), false).unwrap();
    ours.until("fault");
    for vip in BOTH {
        assert!(!ours.has(vip), "{vip}");
        let status = ours.status(vip);
        assert!(
            status["reason"].as_str().unwrap().contains("no carrier"),
            "{status}"
        );
    }
    stage.owned_by(station.mac(), pulled);
    let plugged = stage.mark("plugged in");
    stage.segment.set_carrier(&ours.port(), true).unwrap();
    ours.until("backup");
    std::thread::sleep(DOWN);
    stage.only(station.mac(), plugged);
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), stage.mark("keepalived has ended"));
}

/// The supervisor stands still for longer than the others wait. When it goes on it steps back, without a word.
#[test]
fn a_supervisor_that_stands_still_steps_back() {
    let mut stage = Stage::new("vip-freeze");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let interval = Duration::from_millis(400);
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150).interval(interval));
    stage.owned_by(ours.mac(), start);
    let quick = groups(100)
        .into_iter()
        .map(|group| group.interval(interval));
    let theirs = stage.keepalived(&station, &quick.collect::<Vec<_>>());
    std::thread::sleep(SKEW);
    let pid = supervisor(&ours);
    let frozen = stage.mark("frozen");
    kill(pid, Signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    for vip in BOTH {
        let observer = stage.observer(vip);
        observer
            .wait_owner(station.mac(), frozen.of(vip), PATIENCE)
            .unwrap();
    }
    let thawed = stage.mark("thawed");
    kill(pid, Signal::SIGCONT).unwrap();
    stage.owned_by(station.mac(), thawed);
    ours.until("backup");
    std::thread::sleep(interval * 4);
    for vip in BOTH {
        let status = ours.status(vip);
        assert!(!ours.has(vip), "{vip}");
        assert_eq!(status["owner"], station.source(vip).to_string(), "{status}");
        let timeline = stage.timeline(vip);
        let from_ours = |seen: &Seen| matches!(seen, Seen::Advert { from, priority: 1.., .. } if *from == ours.source(vip));
        let word = timeline.first_after(thawed.of(vip), from_ours);
        assert_eq!(word, None, "{vip}\n{}", timeline.story());
    }
    assert_no_complaints(&theirs);
    stage.adverts();
}

/// Between two advertisements of who is to stand still.
pub(super) const SLOW: Duration = Duration::from_millis(400);

/// `theirs` has both addresses and stands still for longer than `ours` waits, which leaves them to it and says `reason`.
/// `meanwhile` looks at what is so while it stands still.
#[track_caller]
pub(super) fn leaves_it_to_who_stands_still(
    stage: &Stage,
    ours: &Ours,
    config: Config,
    theirs: &Keepalived,
    reason: &str,
    meanwhile: impl FnOnce(Moment),
) -> Moment {
    // As long as a busy host may take to let it go on.
    let guarded = config.interval(SLOW).line("takeoverGuard: 30s");
    ours.boot(&guarded);
    ours.until("backup");
    let frozen = stage.mark("frozen");
    theirs.freeze().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    for vip in BOTH {
        let status = ours.status(vip);
        let said = status["reason"].as_str().unwrap();
        assert!(said.contains(reason), "{vip}: {status}");
    }
    meanwhile(frozen);
    theirs.thaw().unwrap();
    std::thread::sleep(DOWN);
    for vip in BOTH {
        assert_eq!(ours.status(vip)["promotions"], 0);
    }
    frozen
}

/// Its kernel still answers: it keeps the address, and goes on.
#[test]
fn a_neighbour_that_stands_still_keeps_it() {
    let stage = Stage::new("vip-freeze-theirs");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("keepalived starts");
    let slow = groups(150).into_iter().map(|group| group.interval(SLOW));
    let theirs = stage.keepalived(&station, &slow.collect::<Vec<_>>());
    stage.owned_by(station.mac(), start);
    let config = Config::new(2, 100);
    let reason = "52:54:00:56:00:03 advertises no more but still answers";
    let frozen = leaves_it_to_who_stands_still(&stage, &ours, config, &theirs, reason, |_| ());
    stage.only(station.mac(), frozen);
}

/// A neighbour whose adverts are lost on the way keeps the address for as long as the configuration says, and no longer.
#[test]
fn a_neighbour_that_cannot_be_heard_keeps_it_for_a_while() {
    let stage = Stage::new("vip-guard");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("keepalived starts");
    let theirs = stage.keepalived(&station, &groups(100));
    stage.owned_by(station.mac(), start);
    ours.boot(&Config::new(2, 150).line("takeoverGuard: 6s"));
    ours.until("backup");
    let muted = stage.mark("muted");
    stage.segment.mute(&station.port()).unwrap();
    for vip in BOTH {
        // keepalived hears it, and gives up.
        let observer = stage.observer(vip);
        observer
            .wait_owner(ours.mac(), muted.of(vip), PATIENCE)
            .unwrap();
        let taken = stage.after(vip, muted, "takeover", advert(ours.source(vip), 150));
        assert!(taken > Duration::from_secs(7), "{vip}: {taken:?}");
    }
    stage.owned_by(ours.mac(), muted);
    assert_no_complaints(&theirs);
}

/// Somebody takes the address away by hand: it is put back, and the neighbours are told.
#[test]
fn an_address_that_was_taken_away_comes_back() {
    let stage = Stage::new("vip-drift");
    let ours = stage.ours(2);
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150));
    stage.owned_by(ours.mac(), start);
    for vip in BOTH {
        let removed = stage.mark("removed");
        let length = if vip.is_ipv4() { 32 } else { 128 };
        let line = format!("address delete {vip}/{length} dev net0");
        ours.on(move |_| crate::namespace::ip(&line));
        let observer = stage.observer(vip);
        let told = |seen: &Seen| matches!(seen, Seen::Announced { mac } if *mac == ours.mac());
        observer
            .wait_for("an announcement", removed.of(vip), PATIENCE, told)
            .unwrap();
        assert!(ours.has(vip));
        assert_eq!(ours.status(vip)["promotions"], 1);
    }
}

/// The one supervisor of a machine.
fn supervisor(ours: &Ours) -> Pid {
    let supervisors = ours.on(|machine| machine.supervisors());
    let [pid] = supervisors[..] else {
        panic!("not one supervisor: {supervisors:?}");
    };
    Pid::from_raw(pid)
}

/// The last stretch in which `mac` had the address.
#[track_caller]
fn last_span(stage: &Stage, vip: std::net::IpAddr, mac: [u8; 6]) -> Span {
    let spans = stage.timeline(vip).spans();
    let mut spans = spans.into_iter().rev();
    spans.find(|span| span.mac == mac).expect("it had it once")
}
