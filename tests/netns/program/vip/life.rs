//! The life of machines that share an address: they boot at once, one after the other, are replaced, and find what others left.

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::super::machine::PATIENCE;
use super::super::watch::Watch;
use super::ours::{Config, LINK, Ours};
use super::stage::{BOTH, DOWN, Moment, SKEW, Stage, V4, advert, assert_no_complaints, groups};

/// Who of them has the address, when exactly one has, and nobody else answers for it.
#[track_caller]
fn owner<'a>(stage: &Stage, vip: IpAddr, all: &[&'a Ours], since: Moment) -> &'a Ours {
    let deadline = qemu::Deadline::after(PATIENCE);
    loop {
        let mut active = all.iter().filter(|ours| ours.has(vip));
        if let (Some(ours), None) = (active.next(), active.next()) {
            stage.owned_by_of(vip, ours.mac(), since);
            return ours;
        }
        assert!(
            deadline.remaining().is_some(),
            "{vip}: not one owner\n{}",
            stage.story()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Three machines that were told nothing but the address: they boot at once, end one after the other, and die.
#[test]
fn three_machines_of_ours() {
    let stage = Stage::new("vip-three");
    let all = [2, 3, 4].map(|number| stage.ours(number));
    let everybody: Vec<&Ours> = all.iter().collect();
    let boot = |ours: &Ours| ours.boot(&Config::plain(ours.number()));
    let start = stage.mark("all boot");
    std::thread::scope(|scope| {
        for ours in &all {
            scope.spawn(move || boot(ours));
        }
    });
    for vip in BOTH {
        owner(&stage, vip, &everybody, start);
    }
    for ours in &all {
        let farewell = stage.mark("one ends");
        ours.on(|machine| machine.signal(Signal::SIGTERM));
        let left: Vec<&Ours> = all
            .iter()
            .filter(|it| it.number() != ours.number())
            .collect();
        for vip in BOTH {
            owner(&stage, vip, &left, farewell);
        }
        boot(ours);
        for vip in BOTH {
            owner(&stage, vip, &everybody, farewell);
        }
    }
    let killed = stage.mark("the owner is killed");
    let first = owner(&stage, V4, &everybody, killed);
    first.on(|machine| machine.signal(Signal::SIGKILL));
    let left: Vec<&Ours> = all
        .iter()
        .filter(|it| it.number() != first.number())
        .collect();
    for vip in BOTH {
        owner(&stage, vip, &left, killed);
    }
}

/// An address that a former run left, which the lifetime tells from those of others, is removed before anything else, and is not taken from who has it.
#[test]
fn an_address_that_was_left_over() {
    let stage = Stage::new("vip-stale");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("keepalived starts");
    let theirs = stage.keepalived(&station, &groups(100));
    stage.owned_by(station.mac(), start);
    ours.on(|_| {
        crate::namespace::ip(&format!("link set {LINK} up"));
        for vip in ["10.56.0.100/32", "2001:db8:56::100/128"] {
            crate::namespace::ip(&format!(
                "address add {vip} dev {LINK} valid_lft 3600 preferred_lft 0"
            ));
        }
    });
    stage.mark("ours boots");
    let heard = ours.on(|machine| {
        let watch = Watch::start();
        fs::create_dir_all("/etc/init-net").unwrap();
        fs::write("/etc/init-net/machine.yaml", Config::new(2, 150).text()).unwrap();
        machine.boot("initnet.wait=local");
        machine.answers();
        for vip in ["10.56.0.100", "2001:db8:56::100"] {
            machine.until_gone(&format!("address show dev {LINK}"), vip);
        }
        watch.end()
    });
    let about = |line: &&String| line.contains("10.56.0.100/") || line.contains("::100/");
    let about: Vec<&String> = heard.iter().filter(about).collect();
    let removed = about.iter().filter(|line| line.contains("Deleted"));
    assert!(removed.count() >= 2, "{heard:?}");
    let gone = stage.mark("it is gone");
    ours.until("backup");
    std::thread::sleep(DOWN);
    stage.only(station.mac(), gone);
    assert_eq!(theirs.promotions(), 2);
    assert_no_complaints(&theirs);
}

/// Another program takes the supervisor's place: the address is not touched, and nobody waits for an advert.
#[test]
fn an_upgrade_keeps_the_address() {
    let mut stage = Stage::new("vip-upgrade");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150));
    stage.owned_by(ours.mac(), start);
    let theirs = stage.keepalived(&station, &groups(100));
    std::thread::sleep(SKEW);
    // The first came from memory, the second knows its file, which a signal makes it read again.
    for by_signal in [false, true] {
        let changed = stage.mark("upgrade");
        assert_eq!(ours.upgrade(by_signal), Vec::<String>::new());
        ours.until("active");
        // Longer than the others wait, and than the kernel keeps what nobody refreshes.
        std::thread::sleep(DOWN + SKEW);
        stage.only(ours.mac(), changed);
        assert_eq!(theirs.promotions(), 0);
        for vip in BOTH {
            stage.after(vip, changed, "advert", advert(ours.source(vip), 150));
        }
    }
    assert_no_complaints(&theirs);
    stage.adverts();
}

/// A supervisor that was killed is started again at once: others may have the address by now, so that what is left of it goes
/// first. At rest one has it.
#[test]
fn a_supervisor_that_is_started_again_begins_anew() {
    let stage = Stage::new("vip-again");
    let all = [2, 3].map(|number| stage.ours(number));
    let everybody: Vec<&Ours> = all.iter().collect();
    let start = stage.mark("both boot");
    for (ours, priority) in all.iter().zip([150, 100]) {
        ours.boot(&Config::new(ours.number(), priority));
        for vip in BOTH {
            owner(&stage, vip, &everybody, start);
        }
    }
    let killed = stage.mark("killed");
    let heard = all[0].on(|machine| {
        machine.signal(Signal::SIGKILL);
        let watch = Watch::start();
        machine.boot("initnet.wait=local");
        machine.answers();
        watch.removals()
    });
    let about = |ip: &str| heard.iter().any(|line| line.contains(ip));
    assert!(about("10.56.0.100/") && about("::100/"), "{heard:?}");
    for vip in BOTH {
        owner(&stage, vip, &everybody, killed);
    }
}

/// Where the service of [`checked`] listens.
const SERVICE: &str = "127.0.0.1:7443";

fn checked(number: u8, priority: u8) -> Config {
    Config::new(number, priority).line(&format!(
        "check: {{tcp: '{SERVICE}', interval: 250ms, timeout: 5s, fall: 3, rise: 2}}"
    ))
}

fn listen(ours: &Ours) -> TcpListener {
    ours.on(|_| TcpListener::bind(SERVICE).unwrap())
}

/// A machine whose service ends leaves the address to another one. Before there is a service, somebody has it.
#[test]
fn a_service_that_ends() {
    let stage = Stage::new("vip-check");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("ours boots without a service");
    ours.boot(&checked(2, 150));
    stage.owned_by(ours.mac(), start);
    let findings = ours.findings();
    assert_eq!(findings.len(), 2, "{findings:?}");
    for vip in BOTH {
        let status = ours.status(vip);
        assert_eq!(status["healthy"], false);
        let reason = status["reason"].as_str().unwrap();
        assert!(reason.starts_with("the check fails: "), "{status}");
        let part = json!("this machine has it, and its check fails");
        assert!(
            findings.iter().all(|it| it["problem"] == part),
            "{findings:?}"
        );
    }
    let service = listen(&ours);
    ours.on(|machine| {
        machine.until("a fit machine", || {
            let all = machine.get("vips");
            all.iter().all(|vip| vip["healthy"] == true).then_some(())
        });
    });
    let theirs = stage.keepalived(&station, &groups(100));
    std::thread::sleep(DOWN);
    assert_eq!(theirs.promotions(), 0);
    assert_eq!(ours.findings(), Vec::<Value>::new());

    let ended = stage.mark("the service ends");
    drop(service);
    stage.owned_by(station.mac(), ended);
    for vip in BOTH {
        let left = stage.after(vip, ended, "farewell", advert(ours.source(vip), 0));
        let taken = stage.after(vip, ended, "takeover", advert(station.source(vip), 100));
        assert!(taken - left < DOWN / 2, "{vip}: {:?}", taken - left);
        let status = ours.status(vip);
        assert_eq!(status["healthy"], false);
        assert_eq!(status["state"], "backup", "{status}");
    }
    let back = stage.mark("the service is back");
    let service = listen(&ours);
    std::thread::sleep(DOWN);
    stage.only(station.mac(), back);
    assert_no_complaints(&theirs);
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), stage.mark("keepalived has ended"));
    drop(service);
}

/// One that may not have the address without a service does not.
#[test]
fn no_service_no_address() {
    let stage = Stage::new("vip-check-strict");
    let ours = stage.ours(2);
    ours.boot(&checked(2, 150).line("bootstrap: false"));
    ours.until("backup");
    std::thread::sleep(DOWN * 2);
    for vip in BOTH {
        assert!(!ours.has(vip), "{vip}");
    }
    let serves = stage.mark("a service");
    let _service = listen(&ours);
    stage.owned_by(ours.mac(), serves);
}
