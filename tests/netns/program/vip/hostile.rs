//! Neighbours that should not be believed, too much of everything, and filters of others in between.

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::keepalived::Instance;
use qemu::vip::Seen;

use super::ours::{Config, Ours};
use super::rogue::{Rogue, Sender};
use super::stage::{
    BOTH, DOWN, LINK_LOCAL, SKEW, Stage, V4, V6, VRID, advert, assert_no_complaints, groups,
};

/// Where the peer of [`peered`] speaks from.
const PEER: [&str; 2] = ["10.56.0.3", "2001:db8:56::3"];

/// Where the machine of [`peered`] speaks from.
const OURS: [&str; 2] = ["10.56.0.2", "2001:db8:56::2"];

fn peered(number: u8) -> Config {
    Config::new(number, 150)
        .line_of(V4, &format!("peers: [{}]", PEER[0]))
        .line_of(V6, &format!("peers: ['{}']", PEER[1]))
}

/// Who speaks to its peers believes nobody else, and not even those from far away.
#[test]
fn adverts_that_are_not_from_a_peer_are_refused() {
    let stage = Stage::new("vip-rogue");
    let ours = stage.ours(2);
    let start = stage.mark("ours boots");
    ours.boot(&peered(2));
    stage.owned_by(ours.mac(), start);
    let sender = Sender::at(&stage.segment, 9);
    let to = |vip: IpAddr| -> IpAddr { OURS[usize::from(vip.is_ipv6())].parse().unwrap() };
    let peer = |vip: IpAddr| -> IpAddr { PEER[usize::from(vip.is_ipv6())].parse().unwrap() };
    let stranger = |vip: IpAddr| -> IpAddr {
        let text = if vip.is_ipv4() {
            "10.56.0.9"
        } else {
            "2001:db8:56::9"
        };
        text.parse().unwrap()
    };
    let refused = stage.mark("rogue adverts");
    for vip in BOTH {
        let unicast = |from, priority, hops| Rogue {
            to: to(vip),
            hops,
            ..Rogue::new(from, vip, priority)
        };
        for (rogue, why) in [
            (unicast(peer(vip), 200, 254), "hop limit"),
            (unicast(stranger(vip), 254, 255), "none of the peers"),
            (unicast(stranger(vip), 255, 255), "none of the peers"),
        ] {
            sender.send_to(&rogue, ours.mac());
            said(&ours, vip, why);
        }
        for priority in [254, 255] {
            sender.send(&Rogue::new(stranger(vip), vip, priority));
        }
        said(&ours, vip, "came to the group");
        assert_eq!(ours.status(vip)["state"], "active");
    }
    std::thread::sleep(SKEW);
    stage.only(ours.mac(), refused);
    // The same from where it should be is believed.
    for vip in BOTH {
        let rogue = Rogue {
            to: to(vip),
            ..Rogue::new(peer(vip), vip, 200)
        };
        sender.send_to(&rogue, ours.mac());
        ours.until_of(vip, "backup");
        assert!(!ours.has(vip));
    }
}

/// Waits until the status of the address gives this reason.
#[track_caller]
fn said(ours: &Ours, vip: IpAddr, why: &'static str) {
    ours.on(move |machine| {
        machine.until(why, || {
            let all = machine.get("vips");
            let status = all.iter().find(|it| it["ip"] == vip.to_string())?;
            status["reason"].as_str()?.contains(why).then_some(())
        });
    });
}

/// Another group has the number: nobody fights, and it is told; once the number is free the address comes up.
#[test]
fn another_group_with_the_same_number() {
    let stage = Stage::new("vip-collision");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 200));
    stage.owned_by(ours.mac(), start);
    let link_local = format!("{LINK_LOCAL}/128");
    let others = [
        Instance::new("O4", "eth0", VRID, &["10.56.0.200/32"]),
        Instance::new("O6", "eth0", VRID, &[&link_local, "2001:db8:56::200/128"]),
    ];
    // One that would win, so that it speaks at all.
    let others = others.map(|group| group.priority(250));
    let theirs = stage.keepalived(&station, &others);
    ours.until("fault");
    for vip in BOTH {
        assert!(!ours.has(vip), "{vip}");
        let status = ours.status(vip);
        let reason = status["reason"].as_str().unwrap();
        assert!(
            reason.contains("another group has the same vrid"),
            "{status}"
        );
    }
    let log = ours.on(|machine| machine.log());
    assert!(
        log.contains("10.56.0.3 uses the same vrid for 10.56.0.200"),
        "{log}"
    );
    let findings = ours.findings();
    for vip in BOTH {
        let id = format!("net0/{vip}");
        let finding = findings.iter().find(|finding| finding["id"] == id.as_str());
        let finding = finding.unwrap_or_else(|| panic!("{vip} is not in {findings:?}"));
        assert_eq!(finding["severity"], "error", "{finding}");
        let why = finding["why"].as_str().unwrap();
        assert!(why.contains(" uses the same vrid for "), "{finding}");
    }
    let quiet = stage.mark("nobody fights");
    std::thread::sleep(DOWN);
    for vip in BOTH {
        let timeline = stage.timeline(vip);
        let from_ours =
            |seen: &Seen| matches!(seen, Seen::Advert { from, .. } if *from == ours.source(vip));
        let word = timeline.first_after(quiet.of(vip), from_ours);
        assert_eq!(word, None, "{}", timeline.story());
    }
    assert_eq!(
        theirs.log().count("Entering BACKUP STATE"),
        2,
        "only at its start"
    );
    let over = stage.mark("it is over");
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), over);
    ours.until("active");
}

/// A node's network plugins filter what they do not know. Adverts are heard nevertheless.
#[test]
fn filters_of_others_do_not_hide_adverts() {
    let stage = Stage::new("vip-filtered");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("keepalived starts");
    let theirs = stage.keepalived(&station, &groups(100));
    stage.owned_by(station.mac(), start);
    ours.boot(&Config::new(2, 150));
    ours.until("backup");
    let rules = "
        table inet guests {
            chain input {
                type filter hook input priority 0; policy drop;
                meta l4proto { icmp, ipv6-icmp } accept
            }
        }
        table netdev guests {
            chain ingress {
                type filter hook ingress device net0 priority 0;
                meta protocol ip ip protocol 112 counter drop
                meta protocol ip6 ip6 nexthdr 112 counter drop
            }
        }";
    let filtered = stage.mark("filtered");
    ours.on(|_| nft(rules));
    std::thread::sleep(DOWN * 2);
    stage.only(station.mac(), filtered);
    let counted = ours.on(|_| nft("list table netdev guests"));
    assert!(
        !counted.contains("packets 0 "),
        "nothing was filtered: {counted}"
    );
    ours.until("backup");
    // A farewell is heard as well: it is not waited for the end of the silence.
    let farewell = stage.mark("keepalived ends");
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), farewell);
    for vip in BOTH {
        let said = stage.after(vip, farewell, "farewell", advert(station.source(vip), 0));
        let taken = stage.after(vip, farewell, "takeover", advert(ours.source(vip), 150));
        assert!(taken - said < DOWN / 2, "{vip}: {:?}", taken - said);
    }
}

/// Runs nft(8) here.
fn nft(text: &str) -> String {
    qemu::process::run(Command::new("nft").arg(text)).unwrap()
}

/// Adverts of a flood, a second.
const FLOOD: u32 = 10_000;

/// How long the flood lasts.
const STORM: Duration = Duration::from_secs(2);

/// Ten thousand adverts a second, of machines that have no right to the address: the answers are few, the time of the
/// processor is little, and the election goes on.
#[test]
fn a_flood_of_adverts() {
    let stage = Stage::new("vip-flood");
    let (ours, station) = (stage.ours(2), stage.station(3));
    let start = stage.mark("ours boots");
    ours.boot(&Config::new(2, 150));
    stage.owned_by(ours.mac(), start);
    let theirs = stage.keepalived(&station, &groups(100));
    let sender = Sender::at(&stage.segment, 9);
    let before = cpu(&ours);
    let flood = stage.mark("flood");
    let packets = BOTH.map(|vip| {
        let from = match vip {
            IpAddr::V4(_) => "10.56.0.9",
            IpAddr::V6(_) => "fe80::9",
        };
        let rogue = Rogue::new(from.parse().unwrap(), vip, 1);
        (rogue.packet(), rogue.group_mac())
    });
    // In bursts of a millisecond. A sender that the host leaves no time sends less a second, not less.
    let burst = FLOOD / 1000;
    let millis = u32::try_from(STORM.as_millis()).unwrap();
    let mut sent = 0_u32;
    for _ in 0..millis {
        for index in 0..burst {
            let (packet, to) = &packets[(index % 2) as usize];
            sent += u32::from(sender.flood(packet, *to));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let calm = stage.mark("calm");
    let spent = cpu(&ours) - before;
    assert!(sent > FLOOD, "{sent} adverts were sent");
    let elapsed = calm.of(V4) - flood.of(V4);
    println!("{sent} adverts in {elapsed:?} took {spent:?} of the processor");
    assert!(spent < elapsed / 2, "{spent:?} of {elapsed:?}");
    for vip in BOTH {
        let timeline = stage.timeline(vip);
        let answers = timeline.events().iter().filter(|event| {
            let from_ours = advert(ours.source(vip), 150);
            (flood.of(vip)..calm.of(vip)).contains(&event.at) && from_ours(&event.what)
        });
        let answers = answers.count();
        println!("{vip}: {answers} answers");
        // Fifty a second.
        let most = 2 + elapsed.as_millis() / 20;
        assert!((answers as u128) <= most, "{answers} of {most}");
        assert_eq!(ours.status(vip)["promotions"], 1);
    }
    stage.only(ours.mac(), flood);
    let farewell = stage.mark("ours ends");
    ours.on(|machine| machine.signal(Signal::SIGTERM));
    stage.owned_by(station.mac(), farewell);
    assert_no_complaints(&theirs);
}

/// What the supervisor has had of the processor.
fn cpu(ours: &Ours) -> Duration {
    ours.on(|machine| {
        let pid = machine.supervisors()[0];
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, fields) = text.rsplit_once(')').unwrap();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // utime and stime, proc_pid_stat(5); ticks of 10 ms.
        let ticks: u64 = [11, 12]
            .iter()
            .map(|at| fields[*at].parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(ticks * 10)
    })
}
