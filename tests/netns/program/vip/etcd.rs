//! Shared addresses that a real etcd cluster gives away: three members with TLS, of which two may answer no more, and a candidate
//! of the other kind, `etcdctl elect`.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::Etcd;
use qemu::vip::{Seen, Span, Station};
use serde_json::Value;

use super::super::machine::PATIENCE;
use super::super::watch::Watch;
use super::ours::{LINK, Ours};
use super::stage::{Moment, Stage, V4};

/// The lease, as it comes: long enough for a busy host.
const TTL: Duration = Duration::from_secs(10);

/// Who resigns does so at once: far less than what is left of a lease that was renewed in time.
const AT_ONCE: Duration = Duration::from_secs(4);

/// As long as the kernel keeps an address that nobody refreshes, and what a second of the kernel's takes.
const LIFETIME: Duration = Duration::from_secs(4);

/// The key that is campaigned for.
const KEY: &str = "lab/vip";

/// Who a machine says it is to the members.
#[derive(Clone, Copy)]
enum Identity {
    Known,
    Stranger,
}

/// The members' stations, which live as long as the test.
fn stations(stage: &Stage) -> [Station; 3] {
    [11, 12, 13].map(|number| stage.station(number))
}

/// The documents without the shared address.
fn base(number: u8) -> String {
    format!(
        "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: ours-{number}\n---\n\
         apiVersion: v1alpha1\nkind: LinkConfig\nname: {LINK}\naddresses: [{{address: 10.56.0.{number}/24}}]\n"
    )
}

fn config(number: u8, cluster: &Etcd<'_>, identity: Identity) -> String {
    let name = match identity {
        Identity::Known => "client",
        Identity::Stranger => "stranger",
    };
    let block = |file: &str| {
        let text = cluster.file(file).unwrap();
        let lines = text.lines().map(|line| format!("    {line}\n"));
        format!("|\n{}", lines.collect::<String>())
    };
    format!(
        "{}---\n\
         apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: '{V4}'\nlink: {LINK}\nelection: etcd\netcd:\n  \
         endpoints: ['{}']\n  electionKey: {KEY}\n  ttl: {}s\n  ca: {}  cert: {}  key: {}",
        base(number),
        cluster.endpoints().join("', '"),
        TTL.as_secs(),
        block("ca.pem"),
        block(&format!("{name}.pem")),
        block(&format!("{name}.key")),
    )
}

/// Two machines: the first has the address, the second waits for it.
#[track_caller]
fn two(stage: &Stage, cluster: &Etcd<'_>) -> (Ours, Ours) {
    let (a, b) = (stage.ours(2), stage.ours(3));
    let start = stage.mark("a boots");
    a.boot_with(config(2, cluster, Identity::Known));
    stage.owned_by_of(V4, a.mac(), start);
    b.boot_with(config(3, cluster, Identity::Known));
    b.until_of(V4, "backup");
    (a, b)
}

/// Who campaigns for `key`, in order.
fn candidates(cluster: &Etcd<'_>, key: &str) -> Vec<String> {
    let below = format!("{key}/");
    let text = cluster
        .ctl(&[
            "get",
            "--prefix",
            &below,
            "--print-value-only",
            "--sort-by=CREATE",
            "--order=ASCEND",
        ])
        .unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Waits until they are so.
#[track_caller]
fn until_candidates(cluster: &Etcd<'_>, key: &str, names: &[&str], patience: Duration) {
    let deadline = qemu::Deadline::after(patience);
    loop {
        let there = candidates(cluster, key);
        if there == names {
            return;
        }
        assert!(deadline.remaining().is_some(), "{key}: {there:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The candidates' keys as etcd has them, in order: their names, their leases, when they were created, how often written.
fn keys(cluster: &Etcd<'_>) -> Vec<Value> {
    let below = format!("{KEY}/");
    let sorted = ["--sort-by=CREATE", "--order=ASCEND"];
    let mut arguments = vec!["get", "--prefix", &below, "-w", "json"];
    arguments.extend(sorted);
    let text = cluster.ctl(&arguments).unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["kvs"].as_array().cloned().unwrap_or_default()
}

/// Tells a machine something else, which it reads at once.
fn reconfigure(ours: &Ours, text: String) {
    ours.on(move |machine| {
        fs::write("/etc/init-net/machine.yaml", text).unwrap();
        machine.signal(Signal::SIGHUP);
    });
}

/// Nobody but `ours` has answered since then.
#[track_caller]
fn assert_nobody_else(stage: &Stage, ours: &Ours, since: Moment) {
    let timeline = stage.timeline(V4);
    let others = |seen: &Seen| matches!(seen, Seen::Answer { mac } if *mac != ours.mac());
    assert_eq!(
        timeline.first_after(since.of(V4), others),
        None,
        "{}",
        timeline.story()
    );
}

/// Never two at once, for longer than an answer is on its way.
#[track_caller]
fn assert_one_owner(stage: &Stage) {
    let timeline = stage.timeline(V4);
    let overlap = timeline.longest_overlap(Duration::ZERO..Duration::MAX);
    assert!(
        overlap < Duration::from_millis(100),
        "{overlap:?}\n{}",
        timeline.story()
    );
}

/// The last time that `mac` had it.
#[track_caller]
fn last_span(stage: &Stage, mac: [u8; 6]) -> Span {
    let timeline = stage.timeline(V4);
    let mut spans = timeline.spans().into_iter().rev();
    spans
        .find(|span| span.mac == mac)
        .expect("a time that it had it")
}

/// How long after `since` machine `ours` first answered.
#[track_caller]
fn takes_over(stage: &Stage, ours: &Ours, since: Moment) -> Duration {
    let mac = ours.mac();
    stage.owned_by_of(V4, mac, since);
    stage.after(
        V4,
        since,
        "answer",
        |seen| matches!(seen, Seen::Answer { mac: from } if *from == mac),
    )
}

#[test]
fn etcd_gives_it_to_one_and_then_to_the_next() {
    let stage = Stage::new("vip-etcd");
    let stations = stations(&stage);
    let cluster = Etcd::start(&stage.lab, stations.each_ref()).unwrap();
    let (a, b) = (stage.ours(2), stage.ours(3));
    let start = stage.mark("a boots");
    a.boot_with(config(2, &cluster, Identity::Known));
    stage.owned_by_of(V4, a.mac(), start);
    assert_eq!(a.status(V4)["owner"], "ours-2");
    b.boot_with(config(3, &cluster, Identity::Known));
    until_candidates(&cluster, KEY, &["ours-2", "ours-3"], PATIENCE);
    b.until_of(V4, "backup");
    assert_eq!(b.status(V4)["owner"], "ours-2");

    // What was before now is forgotten there: nobody asks for it.
    let revision = cluster.ctl(&["get", KEY, "-w", "fields"]).unwrap();
    let revision = revision
        .lines()
        .find_map(|line| line.strip_prefix("\"Revision\" : "))
        .unwrap();
    cluster.ctl(&["compact", revision]).unwrap();

    // It says farewell.
    let left = stage.mark("a is stopped");
    a.on(|machine| machine.signal(Signal::SIGTERM));
    let graceful = takes_over(&stage, &b, left);
    assert!(graceful < Duration::from_secs(3), "{graceful:?}");

    // It is killed: the other gets it when the lease ends, and the kernel has taken the address away by then.
    a.on(|machine| {
        let ran = machine.run(&["boot", "--hook", "--cmdline", "initnet.wait=local"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        machine.answers();
    });
    a.until_of(V4, "backup");
    std::thread::sleep(Duration::from_secs(2));
    let killed = stage.mark("b is killed");
    b.on(|machine| machine.signal(Signal::SIGKILL));
    let crash = takes_over(&stage, &a, killed);
    assert!(crash < TTL + Duration::from_secs(4), "{crash:?}");
    let kept = last_span(&stage, b.mac()).to.saturating_sub(killed.of(V4));
    assert!(kept < LIFETIME, "{kept:?}\n{}", stage.timeline(V4).story());
    assert_one_owner(&stage);
    eprintln!("graceful {graceful:?}, crash {crash:?} of a lease of {TTL:?}");
}

#[test]
fn one_member_may_be_gone_and_two_may_not() {
    let stage = Stage::new("vip-etcd-quorum");
    let stations = stations(&stage);
    let mut cluster = Etcd::start(&stage.lab, stations.each_ref()).unwrap();
    let (a, b) = two(&stage, &cluster);

    // The first that is asked takes requests and answers none; then another is gone instead.
    let frozen = stage.mark("a member hangs");
    cluster.freeze(0).unwrap();
    std::thread::sleep(TTL * 2);
    cluster.thaw(0).unwrap();
    cluster.wait_for_leader().unwrap();
    cluster.kill(1);
    std::thread::sleep(TTL * 2);
    assert_nobody_else(&stage, &a, frozen);
    assert!(a.has(V4));
    assert_eq!(a.status(V4)["promotions"], 1, "{}", a.status(V4));

    // No quorum: it gives the address up before the lease can end, and nobody takes it.
    let lost = stage.mark("no quorum");
    cluster.kill(2);
    a.on(|machine| {
        machine.within(PATIENCE, "the end", || {
            (!crate::namespace::ip("-o address show").contains("10.56.0.100/")).then_some(())
        })
    });
    let kept = last_span(&stage, a.mac()).to.saturating_sub(lost.of(V4));
    assert!(kept < TTL, "{kept:?}");
    std::thread::sleep(TTL);
    assert!(!a.has(V4) && !b.has(V4));
    let status = a.status(V4);
    let reason = status["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("etcd"), "{status}");

    // It is there again.
    let back = stage.mark("a quorum");
    for member in [1, 2] {
        cluster.run(member).unwrap();
    }
    let deadline = qemu::Deadline::after(PATIENCE);
    let has = |ours: &Ours| ours.status(V4)["state"] == "active";
    while has(&a) == has(&b) {
        assert!(
            deadline.remaining().is_some(),
            "{} {}",
            a.status(V4),
            b.status(V4)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let owner = if has(&a) { &a } else { &b };
    stage.owned_by_of(V4, owner.mac(), back);
    assert_one_owner(&stage);
    eprintln!("kept for {kept:?} without a quorum, of a lease of {TTL:?}");
}

/// A supervisor that hangs has lost the address by the time that another machine may have it, and does not take it up again where
/// it stopped.
#[test]
fn a_supervisor_that_hangs_and_goes_on_is_no_second_owner() {
    let stage = Stage::new("vip-etcd-hang");
    let stations = stations(&stage);
    let cluster = Etcd::start(&stage.lab, stations.each_ref()).unwrap();
    let (a, b) = two(&stage, &cluster);
    let hangs = stage.mark("a hangs");
    a.on(|machine| machine.signal(Signal::SIGSTOP));
    takes_over(&stage, &b, hangs);
    let goes_on = stage.mark("a goes on");
    a.on(|machine| machine.signal(Signal::SIGCONT));
    a.until_of(V4, "backup");
    std::thread::sleep(TTL);
    let timeline = stage.timeline(V4);
    let mac = a.mac();
    let again = |seen: &Seen| matches!(seen, Seen::Answer { mac: from } if *from == mac);
    assert_eq!(
        timeline.first_after(goes_on.of(V4), again),
        None,
        "{}",
        timeline.story()
    );
    assert!(b.has(V4));
    assert_one_owner(&stage);
}

#[test]
fn it_waits_for_candidates_of_the_other_kind_and_they_for_it() {
    let stage = Stage::new("vip-etcd-elect");
    let stations = stations(&stage);
    let cluster = Etcd::start(&stage.lab, stations.each_ref()).unwrap();
    let stranger = stage.ours(4);
    stranger.boot_with(config(4, &cluster, Identity::Stranger));
    stranger.until_of(V4, "fault");
    let status = stranger.status(V4);
    let reason = status["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("etcd: ") && reason.contains("our certificate"),
        "{status}"
    );

    let mut theirs = cluster.elect(KEY, "theirs").unwrap();
    let log = theirs.output(None).unwrap();
    log.wait_for("theirs", PATIENCE).unwrap();
    let ours = stage.ours(2);
    ours.boot_with(config(2, &cluster, Identity::Known));
    ours.until_of(V4, "backup");
    ours.on(|machine| {
        machine.within(PATIENCE, "its owner", || {
            (machine.get("vips")[0]["owner"] == "theirs").then_some(())
        })
    });
    let resigned = stage.mark("theirs resigns");
    theirs.signal(Signal::SIGTERM).unwrap();
    let takes = takes_over(&stage, &ours, resigned);
    assert!(takes < Duration::from_secs(3), "{takes:?}");

    let mut theirs = cluster.elect(KEY, "theirs").unwrap();
    let log = theirs.output(None).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(log.count("theirs"), 0);
    assert!(ours.has(V4));
    ours.on(|machine| machine.signal(Signal::SIGTERM));
    log.wait_for("theirs", PATIENCE).unwrap();
    assert!(!ours.has(V4));
}

/// Somebody deletes the owner's key, again and again: the other machine has it at once, though it looks every few seconds only.
#[test]
fn who_waits_is_told() {
    const ROUNDS: usize = 6;
    const TOLD: Duration = Duration::from_secs(2);
    let stage = Stage::new("vip-etcd-watch");
    let stations = stations(&stage);
    let cluster = Etcd::start(&stage.lab, stations.each_ref()).unwrap();
    let (a, b) = two(&stage, &cluster);
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        let (from, to) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let names = [from, to].map(|ours| format!("ours-{}", ours.number()));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        until_candidates(&cluster, KEY, &names, PATIENCE);
        to.until_of(V4, "backup");
        let below = format!("{KEY}/");
        let keys = [
            "get",
            "--prefix",
            &below,
            "--keys-only",
            "--sort-by=CREATE",
            "--order=ASCEND",
            "--limit=1",
        ];
        let first = cluster.ctl(&keys).unwrap();
        // Longer than between two looks that follow each other at once.
        std::thread::sleep(Duration::from_secs(1));
        let deleted = stage.mark("the key is deleted");
        cluster.ctl(&["del", first.trim()]).unwrap();
        took.push(takes_over(&stage, to, deleted));
    }
    eprintln!("told after {took:?}");
    assert!(took.iter().all(|took| *took < TOLD), "{took:?}");
}

/// The link of the address is not the one to the cluster. Without its cable nobody campaigns; it is pulled, pulled out whole, and
/// the key goes with it each time. So it does with the document, and with another key in it.
#[test]
fn who_cannot_have_it_any_more_resigns_at_once() {
    const CARD: &str = "net1";
    const PORT: &str = "port22";
    const MAC: [u8; 6] = [0x52, 0x54, 0, 0x56, 1, 2];
    let stage = Stage::new("vip-etcd-resigns");
    let stations = stations(&stage);
    let cluster = Etcd::start(&stage.lab, stations.each_ref()).unwrap();
    let (a, b) = (stage.ours(2), stage.ours(3));
    let network = a.on(|machine| {
        // Each card answers for its own addresses only.
        fs::write("/proc/sys/net/ipv4/conf/all/arp_ignore", "1").unwrap();
        machine.network()
    });
    let plug = || {
        let mac = MAC.map(|byte| format!("{byte:02x}")).join(":");
        let network = Path::new(&network);
        stage.segment.plug(PORT, network, CARD, &mac).unwrap();
    };
    plug();
    stage.segment.set_carrier(PORT, false).unwrap();
    a.boot_with(format!(
        "apiVersion: v1alpha1\nkind: LinkConfig\nname: {CARD}\nup: true\n---\n{}",
        config(2, &cluster, Identity::Known)
            .replace(&format!("link: {LINK}\n"), &format!("link: {CARD}\n"))
    ));
    a.until_of(V4, "fault");
    std::thread::sleep(Duration::from_secs(1));
    assert!(candidates(&cluster, KEY).is_empty());
    let plugged = stage.mark("the cable is plugged in");
    stage.segment.set_carrier(PORT, true).unwrap();
    stage.owned_by_of(V4, MAC, plugged);
    b.boot_with(config(3, &cluster, Identity::Known));
    until_candidates(&cluster, KEY, &["ours-2", "ours-3"], PATIENCE);

    let pulled = stage.mark("the cable is pulled");
    stage.segment.set_carrier(PORT, false).unwrap();
    let by_cable = takes_over(&stage, &b, pulled);
    assert!(by_cable < AT_ONCE, "{by_cable:?}");
    stage.segment.set_carrier(PORT, true).unwrap();
    until_candidates(&cluster, KEY, &["ours-3", "ours-2"], PATIENCE);

    let removed = stage.mark("the document is gone");
    reconfigure(&b, base(3));
    stage.owned_by_of(V4, MAC, removed);
    let answers = |seen: &Seen| matches!(seen, Seen::Answer { mac: MAC });
    let by_document = stage.after(V4, removed, "answer", answers);
    assert!(by_document < AT_ONCE, "{by_document:?}");
    assert_eq!(candidates(&cluster, KEY), ["ours-2"]);
    assert!(!b.has(V4));
    reconfigure(&b, config(3, &cluster, Identity::Known));
    until_candidates(&cluster, KEY, &["ours-2", "ours-3"], PATIENCE);

    let gone = stage.mark("the card is gone");
    a.on(|_| crate::namespace::ip(&format!("link del {CARD}")));
    let by_link = takes_over(&stage, &b, gone);
    assert!(by_link < AT_ONCE, "{by_link:?}");
    assert_eq!(candidates(&cluster, KEY), ["ours-3"]);
    let status = a.status(V4);
    assert_eq!(status["state"], "waiting", "{status}");
    plug();
    until_candidates(&cluster, KEY, &["ours-3", "ours-2"], PATIENCE);
    assert_one_owner(&stage);

    // The first key is not kept by the lease of the second.
    stage.mark("another election");
    let elsewhere = config(3, &cluster, Identity::Known).replace(KEY, "lab/other");
    reconfigure(&b, elsewhere);
    until_candidates(&cluster, KEY, &["ours-2"], AT_ONCE);
    until_candidates(&cluster, "lab/other", &["ours-3"], PATIENCE);
    a.until_of(V4, "active");
    eprintln!(
        "cable {by_cable:?}, document {by_document:?}, link {by_link:?}; the lease is of {TTL:?}"
    );
}

/// The boot stage wins, the supervisor goes on, and other programs take its place: one key, one lease, one address.
#[test]
fn a_hand_over_keeps_the_key_and_the_lease() {
    const GATE: &str = "10.56.0.14:7443";
    let stage = Stage::new("vip-etcd-upgrade");
    let stations = stations(&stage);
    let gate = stage.station(14);
    let cluster = Etcd::start(&stage.lab, stations.each_ref()).unwrap();
    let (a, b) = (stage.ours(2), stage.ours(3));
    let start = stage.mark("a boots");
    // The boot stage stays until somebody listens.
    let waits = format!(
        "{}---\napiVersion: v1alpha1\nkind: TCPProbeConfig\nname: gate\nendpoint: {GATE}\ninterval: 100ms\n",
        config(2, &cluster, Identity::Known)
    );
    let (key, open) = std::thread::scope(|scope| {
        let boot = scope.spawn(|| {
            a.on(move |machine| {
                fs::create_dir_all("/etc/init-net").unwrap();
                fs::write("/etc/init-net/machine.yaml", waits).unwrap();
                let watch = Watch::start();
                machine.boot("initnet.wait=online");
                machine.answers();
                let mut removals = watch.removals();
                removals.retain(|line| line.contains(&V4.to_string()));
                removals
            })
        });
        stage.owned_by_of(V4, a.mac(), start);
        let [key] = &keys(&cluster)[..] else {
            panic!("not one key: {:?}", keys(&cluster));
        };
        let key = key.clone();
        assert!(!boot.is_finished(), "the boot stage has it");
        let open = gate.namespace.enter(|| TcpListener::bind(GATE)).unwrap();
        assert_eq!(boot.join().unwrap(), Vec::<String>::new());
        (key, open.unwrap())
    });
    b.boot_with(config(3, &cluster, Identity::Known));
    until_candidates(&cluster, KEY, &["ours-2", "ours-3"], PATIENCE);
    let before = keys(&cluster);
    assert_eq!(before[0], key);

    // The first came from memory, the second knows its file, which a signal makes it read again.
    for (ours, by_signal) in [(&a, false), (&a, true), (&b, false)] {
        assert_eq!(ours.upgrade(by_signal), Vec::<String>::new());
        a.until_of(V4, "active");
        b.until_of(V4, "backup");
    }
    // Longer than the lease, and than the kernel keeps what nobody refreshes.
    std::thread::sleep(TTL + LIFETIME);
    assert_eq!(keys(&cluster), before);
    assert!(a.has(V4));
    assert_nobody_else(&stage, &a, start);
    drop(open);
}
