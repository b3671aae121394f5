//! Hardware addresses of the address itself (RFC 9568 §7.3): of the neighbour, and of both.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::keepalived::Instance;
use qemu::vip::{Seen, Station};

use super::super::machine::PATIENCE;
use super::failure::{SLOW, leaves_it_to_who_stands_still};
use super::ours::{Config, LINK, Ours};
use super::stage::{
    BOTH, DOWN, Moment, SKEW, Stage, V4, VRID, advert, assert_no_complaints, groups,
};

/// The virtual hardware address of a group.
fn virtual_mac(vip: IpAddr) -> [u8; 6] {
    let family = if vip.is_ipv4() { 1 } else { 2 };
    [0x00, 0x00, 0x5e, 0x00, family, VRID]
}

/// keepalived's groups on macvlans.
fn on_macvlans(priority: u8) -> Vec<Instance> {
    let names = ["vrrp4", "vrrp6"];
    let groups = groups(priority).into_iter().zip(names);
    groups
        .map(|(group, name)| group.line(&format!("use_vmac {name}")))
        .collect()
}

/// A station on which only the link that has an address answers for it: with macvlans of both families keepalived leaves that of
/// IPv6 answering for IPv4.
fn station(stage: &Stage, number: u8) -> Station {
    let station = stage.station(number);
    let written = station
        .namespace
        .enter(|| fs::write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1"));
    written.unwrap().unwrap();
    station
}

/// Waits until echoes of both addresses come with this hop limit: behind one hardware address, it tells the machine.
#[track_caller]
fn echoes_from(stage: &Stage, hops: u8, since: Moment) {
    for vip in BOTH {
        let echo = |seen: &Seen| matches!(seen, Seen::Reply { hops: of, .. } if *of == hops);
        let observer = stage.observer(vip);
        if let Err(error) = observer.wait_for("an echo", since.of(vip), PATIENCE, echo) {
            panic!("{vip}: {error}");
        }
    }
}

/// A neighbour with virtual hardware addresses, and a machine of ours without: clients learn each time.
#[test]
fn a_neighbour_with_virtual_hardware_addresses() {
    let mut stage = Stage::new("vip-vmac-theirs");
    let (ours, station) = (stage.ours(2), station(&stage, 3));
    let start = stage.mark("keepalived starts");
    let theirs = stage.keepalived(&station, &on_macvlans(100));
    for vip in BOTH {
        stage.owned_by_of(vip, virtual_mac(vip), start);
    }
    ours.boot(&Config::new(2, 150));
    ours.until("backup");
    std::thread::sleep(DOWN);
    for vip in BOTH {
        assert_eq!(ours.status(vip)["promotions"], 0);
    }
    assert_no_complaints(&theirs);
    let farewell = stage.mark("keepalived ends");
    theirs.stop().unwrap();
    stage.owned_by(ours.mac(), farewell);
    echoes_from(&stage, ours.hops(), farewell);
    let more = stage.mark("keepalived starts with more");
    let theirs = stage.keepalived(&station, &on_macvlans(200));
    for vip in BOTH {
        stage.owned_by_of(vip, virtual_mac(vip), more);
    }
    echoes_from(&stage, station.hops(), more);
    assert_no_complaints(&theirs);
    stage.adverts();
}

/// Both have the virtual hardware addresses: who has the address changes, what clients know of it does not.
#[test]
fn virtual_hardware_addresses_of_both() {
    let mut stage = Stage::new("vip-vmac");
    let (ours, station) = (stage.ours(2), station(&stage, 3));
    let start = stage.mark("ours boots");
    let config = Config::new(2, 150).line("virtualMAC: true");
    ours.boot(&config);
    ours.until("active");
    echoes_from(&stage, ours.hops(), start);
    for vip in BOTH {
        stage.owned_by_of(vip, virtual_mac(vip), start);
        assert_eq!(
            holder(&ours, vip),
            Some(format!("vrrp{}.{VRID}", family(vip)))
        );
    }
    let theirs = stage.keepalived(&station, &on_macvlans(100));
    std::thread::sleep(DOWN + SKEW);
    assert_eq!(theirs.promotions(), 0);

    let farewell = stage.mark("ours ends");
    ours.on(|machine| machine.signal(Signal::SIGTERM));
    echoes_from(&stage, station.hops(), farewell);
    for vip in BOTH {
        assert_eq!(holder(&ours, vip), None);
    }
    let back = stage.mark("ours is back");
    ours.boot(&config);
    ours.until("backup");
    assert_no_complaints(&theirs);
    theirs.stop().unwrap();
    echoes_from(&stage, ours.hops(), back);
    let end = stage.mark("end");
    for vip in BOTH {
        let timeline = stage.timeline(vip);
        let other = |seen: &Seen| match seen {
            Seen::Answer { mac } | Seen::Announced { mac } => *mac != virtual_mac(vip),
            // keepalived's kernel asks for neighbours in the name of the address with the card's own.
            Seen::Asks { mac } => *mac == ours.mac(),
            Seen::Advert { mac, from, .. } => {
                from.is_ipv4() == vip.is_ipv4() && *mac != virtual_mac(vip)
            }
            _ => false,
        };
        let wrong = timeline.first_after(Duration::ZERO, other);
        assert_eq!(wrong, None, "{vip}\n{}", timeline.story());
        assert!(
            timeline
                .longest_gap(farewell.of(vip)..end.of(vip))
                .is_some()
        );
    }
    let said = stage.after(V4, start, "advert", advert(ours.source(V4), 150));
    assert!(said < PATIENCE);
    stage.adverts();
}

/// For a connection to a machine that answers, on a busy host.
const CONNECT: Duration = Duration::from_secs(2);

/// A port that a rule of [`a_firewall_rule_that_names_the_link_below`] lets in, and one of which a rule for another link speaks.
const OPEN: u16 = 7443;
const SHUT: u16 = 7444;

/// What comes for the address comes in by the link of its hardware address, which stands on the one that the rule names.
#[test]
fn a_firewall_rule_that_names_the_link_below() {
    let stage = Stage::new("vip-vmac-firewall");
    let ours = stage.ours(2);
    let start = stage.mark("ours boots");
    let mut text = Config::new(2, 150).line("virtualMAC: true").text();
    text.push_str("---\napiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n");
    for (port, link) in [(OPEN, LINK), (SHUT, "net1")] {
        text.push_str(&format!(
            "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: service{port}\n\
             portSelector: {{ports: [{port}], protocol: tcp}}\naction: accept\ninterfaces: [{link}]\n"
        ));
    }
    ours.boot_with(text);
    ours.until("active");
    echoes_from(&stage, ours.hops(), start);
    let _services = ours
        .on(|_| [OPEN, SHUT].map(|port| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap()));
    for vip in BOTH {
        let holder = holder(&ours, vip);
        assert_eq!(holder, Some(format!("vrrp{}.{VRID}", family(vip))));
        let connects = |port| {
            let to = SocketAddr::new(vip, port);
            let tried = stage
                .client
                .namespace
                .enter(|| TcpStream::connect_timeout(&to, CONNECT));
            tried.unwrap().map(drop).map_err(|error| error.kind())
        };
        assert_eq!(connects(OPEN), Ok(()), "{vip}");
        assert_eq!(connects(SHUT), Err(ErrorKind::TimedOut), "{vip}");
    }
}

/// The kernel of who stands still answers with the hardware address that both have: what asks does not lead the switch astray, and
/// what answers is not taken for this machine's own.
#[test]
fn a_neighbour_of_the_same_hardware_address_that_stands_still_keeps_it() {
    let stage = Stage::new("vip-vmac-freeze");
    let (ours, station) = (stage.ours(2), station(&stage, 3));
    let start = stage.mark("keepalived starts");
    let slow = on_macvlans(150)
        .into_iter()
        .map(|group| group.interval(SLOW));
    let theirs = stage.keepalived(&station, &slow.collect::<Vec<_>>());
    for vip in BOTH {
        stage.owned_by_of(vip, virtual_mac(vip), start);
    }
    let config = Config::new(2, 100).line("virtualMAC: true");
    let reason = "advertises no more but still answers";
    let answers = |frozen| echoes_from(&stage, station.hops(), frozen);
    let frozen = leaves_it_to_who_stands_still(&stage, &ours, config, &theirs, reason, answers);
    for vip in BOTH {
        let timeline = stage.timeline(vip);
        let ours_echoes =
            |seen: &Seen| matches!(seen, Seen::Reply { hops, .. } if *hops == ours.hops());
        let wrong = timeline.first_after(frozen.of(vip), ours_echoes);
        assert_eq!(wrong, None, "{vip}\n{}", timeline.story());
    }
}

fn family(vip: IpAddr) -> u8 {
    if vip.is_ipv4() { 4 } else { 6 }
}

/// The link of the machine that has the address.
fn holder(ours: &Ours, vip: IpAddr) -> Option<String> {
    ours.on(move |_| {
        let text = crate::namespace::ip("-o address show");
        let line = text
            .lines()
            .find(|line| line.contains(&format!(" {vip}/")))?;
        Some(line.split_whitespace().nth(1)?.to_owned())
    })
}
