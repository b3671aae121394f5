//! The firewall of a real boot, from before the first link is up: what a stranger on the cable sends and sees.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use qemu::Deadline;
use qemu::peer::HttpServer;
use qemu::peer::http::Route;
use qemu::traffic::{Body, Packet, Stranger, tcp};
use tests::traffic::policy::{Action, Default, Outcome, Policy, Protocol, Question, Rule};
use tests::traffic::probe::{Post, Prober};

use crate::bench::{ADDRESS, BOOT, Bench, MAC, ROUTER, on_both_kernels};
use crate::guest::Guest;
use crate::handoff::real_root;

/// The program as it was built with this test.
const LISTENER: &str = env!("CARGO_BIN_EXE_listener");
const LISTENER_PATH: &str = "/usr/sbin/listener";

/// The stranger's hardware address, and the guest's link-local one.
const STRANGER: [u8; 6] = [0x52, 0x54, 0, 0x77, 9, 9];
const LINK_LOCAL: &str = "fe80::5054:ff:fe77:1";

/// Open once the config has come; closed although somebody listens; closed, and nobody listens: one that is let in would be
/// answered by the kernel.
const OPEN: u16 = 443;
const CLOSED: u16 = 22;
const NOBODY: u16 = 23;

/// How late the config comes: meanwhile the machine has an address, and the base set.
const LATE: Duration = Duration::from_secs(3);

/// Between rounds of packets.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
struct Tally {
    /// Rounds before the machine said anything, between that and the first answer of the open port, and after.
    before: u64,
    closed: u64,
    open: u64,
    opened: u64,
    /// Answers of the open port that nobody listens there yet.
    refused: u64,
    leaked: Vec<Packet>,
}

impl Tally {
    /// No closed port answered, the open one did, and there was knocking in each part of the boot.
    #[track_caller]
    fn check(&self) {
        eprintln!(
            "rounds: {} before it is up, {} closed, {} open; {} answers",
            self.before, self.closed, self.open, self.opened
        );
        assert_eq!(self.leaked, Vec::new(), "a closed port answers");
        assert!(self.before > 100 && self.closed > 100, "{self:?}");
        assert!(self.opened > 100, "the open port answers: {self:?}");
    }
}

/// Knocks until `done`.
fn knock(mut stranger: Stranger, done: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut up = false;
    let mut serial = 0_u32;
    let pairs: [(IpAddr, IpAddr); 2] = [
        ("10.77.0.200".parse().unwrap(), ADDRESS.parse().unwrap()),
        ("fe80::200".parse().unwrap(), LINK_LOCAL.parse().unwrap()),
    ];
    while !done.load(Ordering::Acquire) {
        serial += 1;
        let port = 1024 + (serial % 60_000) as u16;
        for (from, to) in pairs {
            // Frames to a link that is not up are nobody's.
            for number in [CLOSED, NOBODY, OPEN] {
                stranger.send(&Packet::syn(from, port, to, number, serial));
            }
            for number in [CLOSED, NOBODY] {
                stranger.send(&Packet::datagram(from, port, to, number, *b"who"));
            }
        }
        match (up, tally.opened) {
            (false, _) => tally.before += 1,
            (true, 0) => tally.closed += 1,
            (true, _) => tally.open += 1,
        }
        while let Some(packet) = stranger.take() {
            up |= packet.source == pairs[0].1;
            let ours = pairs.iter().any(|(from, _)| packet.destination == *from);
            if !ours {
                continue;
            }
            let port = match packet.quoted() {
                Some(quoted) => quoted.body.ports().map(|(_, to)| to),
                None => packet.body.ports().map(|(from, _)| from),
            };
            match (port, &packet.body) {
                (Some(OPEN), Body::Tcp { flags, .. }) if *flags == tcp::SYN | tcp::ACK => {
                    tally.opened += 1;
                    stranger.send(&packet.reset().unwrap());
                }
                (Some(OPEN), Body::Tcp { flags, .. }) if *flags == tcp::RST | tcp::ACK => {
                    tally.refused += 1;
                }
                // Neither a connection nor a datagram: neighbours.
                (None, _) => {}
                _ => tally.leaked.push(packet),
            }
        }
        stranger.wait(Deadline::after(PAUSE));
    }
    tally.leaked.truncate(10);
    tally
}

fn stranger(bench: &Bench) -> Stranger {
    Stranger::at(bench.lab.namespace(), "port0", MAC, STRANGER)
        .unwrap()
        .without(ROUTER.parse().unwrap())
        .without("169.254.169.254".parse().unwrap())
}

on_both_kernels!(no_packet_comes_through_before_the_config_is_there);
fn no_packet_comes_through_before_the_config_is_there(bench: Bench) {
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let everybody = ["0.0.0.0/0", "::/0"];
    let policy = Policy::new(Default::Block).rule(Rule::new(
        "open",
        Protocol::Tcp,
        &[(OPEN, OPEN)],
        &everybody,
    ));
    let route = Route::get("/machine.yaml", policy.documents()).delay(LATE);
    let service = HttpServer::start(&bench.lab, &format!("{ROUTER}:8080"), vec![route]).unwrap();
    // Somebody listens before there is a link.
    let init = format!(
        "mount -t proc proc /proc\nmount -t sysfs sys /sys\nmount -t devtmpfs dev /dev\nmount -t tmpfs run /run\n\
         {LISTENER_PATH} {CLOSED} {OPEN} &\n\
         init-net boot --hook\necho \"@ hook $?\"\nsleep 1000\n"
    );
    let vm = bench.guest_of_script_with(&init, |image| image.binary(LISTENER_PATH, LISTENER));
    let vm = vm
        .cmdline(&format!("initnet.config=http://{ROUTER}:8080/machine.yaml"))
        .nic("port0", MAC);
    let stranger = stranger(&bench);
    let done = AtomicBool::new(false);
    let tally = std::thread::scope(|scope| {
        let knocks = scope.spawn(|| knock(stranger, &done));
        let vm = vm.start(&bench.lab).unwrap();
        let handed_off = vm.wait_for_line("@ hook", BOOT);
        // And some time after that.
        std::thread::sleep(LATE);
        done.store(true, Ordering::Release);
        assert!(handed_off.unwrap().ends_with("@ hook 0"));
        knocks.join().unwrap()
    });
    tally.check();
    assert_eq!(service.log().count("GET /machine.yaml 200"), 1);
    // It is closed before somebody listens.
    assert_eq!(tally.refused, 0, "{tally:?}");
}

/// The same for process 1, from before there is a link until the real root's programs listen.
#[test]
fn no_packet_comes_through_a_switch_to_a_real_root() {
    let bench = Bench::new("traffic-real-root");
    let _dnsmasq = bench.dhcp().start(&bench.lab).unwrap();
    let everybody = ["0.0.0.0/0", "::/0"];
    let open = Rule::new("open", Protocol::Tcp, &[(OPEN, OPEN)], &everybody);
    let policy = Policy::new(Default::Block).rule(open);
    let route = Route::get("/machine.yaml", policy.documents()).delay(LATE);
    let service = HttpServer::start(&bench.lab, &format!("{ROUTER}:8080"), vec![route]).unwrap();
    let init =
        format!("listener {CLOSED} {OPEN} &\necho \"@ started $(cat /proc/1/comm)\"\nsleep 1000\n");
    let root = real_root(&bench, &init, Some(("listener", Path::new(LISTENER))));
    let vm = bench.guest("echo '@ started payload'\npoweroff -f\n");
    let vm = vm
        .cmdline(&format!(
            "root=/dev/vda rootfstype=ext4 rw initnet.config=http://{ROUTER}:8080/machine.yaml"
        ))
        .nic("port0", MAC)
        .disk(root);
    let stranger = stranger(&bench);
    let done = AtomicBool::new(false);
    let tally = std::thread::scope(|scope| {
        let knocks = scope.spawn(|| knock(stranger, &done));
        let vm = vm.start(&bench.lab).unwrap();
        let started = vm.wait_for_line("@ started", BOOT);
        // And some time after that.
        std::thread::sleep(LATE);
        done.store(true, Ordering::Release);
        assert_eq!(started.unwrap(), "@ started init");
        knocks.join().unwrap()
    });
    tally.check();
    assert_eq!(service.log().count("GET /machine.yaml 200"), 1);
}

/// Ports of the matrix: somebody listens at all of them.
const PORTS: [u16; 8] = [22, 23, 443, 5000, 5002, 5003, 9100, 9111];

on_both_kernels!(what_the_config_means_is_what_becomes_of_packets);
fn what_the_config_means_is_what_becomes_of_packets(bench: Bench) {
    const LINK: &str = "apiVersion: v1alpha1\nkind: LinkConfig\nname: eth0\n\
        addresses: [{address: 10.77.0.20/24}, {address: '2001:db8:77::2/64', noDAD: true}]\n\
        routes: [{gateway: 10.77.0.254}, {gateway: '2001:db8:77::254'}]\n---\n";
    let own = |of: IpAddr| -> IpAddr {
        let own = if of.is_ipv4() {
            "10.77.0.20"
        } else {
            "2001:db8:77::2"
        };
        own.parse().unwrap()
    };
    let (marker4, marker6) = ("198.18.0.1", "2001:db8:ffff::1");
    let policy = |default| {
        let markers = ["198.18.0.1/32", "2001:db8:ffff::1/128"];
        Policy::new(default)
            .rule(Rule::new("markers", Protocol::Tcp, &[(9, 9)], &markers).does(Action::Accept))
            .rule(Rule::new("fences", Protocol::Udp, &[(9, 9)], &markers).does(Action::Accept))
            .rule(
                Rule::new("bad", Protocol::Tcp, &[(22, 22)], &["10.1.0.0/16"]).does(Action::Reject),
            )
            .rule(Rule::new(
                "agents",
                Protocol::Tcp,
                &[(22, 22), (9100, 9110)],
                &["10.0.0.0/8 - 10.66.0.0/16", "2001:db8:aa::/48"],
            ))
            .rule(Rule::new(
                "six",
                Protocol::Udp,
                &[(5000, 5002)],
                &["2001:db8:bb::/48"],
            ))
            .rule(Rule::new(
                "four",
                Protocol::Udp,
                &[(443, 443)],
                &["0.0.0.0/0"],
            ))
    };
    let vm = bench.machine_with(
        &format!("{LINK}{}", policy(Default::Block).documents()),
        |image| image.binary(LISTENER_PATH, LISTENER),
    );
    let vm = vm.nic("port0", MAC).start(&bench.lab).unwrap();
    let mut guest = Guest::of(vm);
    guest.ready("local");
    let ports = PORTS.map(|port| port.to_string()).join(" ");
    guest.run(&format!(
        "{LISTENER_PATH} {ports} > /tmp/listener 2>&1 &\nuntil grep -q ready /tmp/listener; do usleep 10000; done"
    ));
    let posts = vec![
        Post::new(marker4, "10.77.0.20"),
        Post::new(marker6, "2001:db8:77::2"),
    ];
    let mut prober = Prober::new(vec![("eth0".to_owned(), stranger(&bench))], posts);
    prober.greet();
    let sources = [
        "10.1.2.3",
        "10.65.255.255",
        "10.66.0.0",
        "192.0.2.1",
        "2001:db8:aa::1",
        "2001:db8:ab::",
        "2001:db8:bb::7",
        "2001:db8:cc::7",
    ];
    let mut questions = Vec::new();
    for source in sources {
        let source: IpAddr = source.parse().unwrap();
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            questions.extend(PORTS.map(|number| Question {
                link: "eth0".to_owned(),
                source,
                destination: own(source),
                protocol,
                number,
            }));
        }
    }
    for default in [Default::Block, Default::Accept] {
        let policy = policy(default);
        guest.becomes(&format!("{LINK}{}", policy.documents()));
        let found = prober.ask(&questions);
        let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (question, found) in questions.iter().zip(found) {
            let meant = policy.ingress(question);
            *counts.entry(found).or_insert(0) += 1;
            if found != meant {
                wrong.push(format!("{question:?}: {found:?}, and {meant:?} is meant"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{}\n{}",
            wrong.join("\n"),
            policy.documents()
        );
        assert_eq!(counts.len(), 3, "{counts:?}");
    }
}
