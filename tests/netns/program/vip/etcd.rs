//! Shared addresses that a real etcd cluster gives away: three members with TLS, of which two may answer no more, and a candidate
//! of the other kind, `etcdctl elect`.

use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::Etcd;
use qemu::vip::{Seen, Span, Station};

use super::super::machine::PATIENCE;
use super::ours::{LINK, Ours};
use super::stage::{Moment, Stage, V4};

/// The lease, as it comes: long enough for a busy host.
const TTL: Duration = Duration::from_secs(10);

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
        "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: ours-{number}\n---\n\
         apiVersion: v1alpha1\nkind: LinkConfig\nname: {LINK}\naddresses: [{{address: 10.56.0.{number}/24}}]\n---\n\
         apiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: '{V4}'\nlink: {LINK}\nelection: etcd\netcd:\n  \
         endpoints: ['{}']\n  electionKey: {KEY}\n  ttl: {}s\n  ca: {}  cert: {}  key: {}",
        cluster.endpoints().join("', '"),
        TTL.as_secs(),
        block("ca.pem"),
        block(&format!("{name}.pem")),
        block(&format!("{name}.key")),
    )
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
    b.until_of(V4, "backup");
    let text = cluster
        .ctl(&["get", "--prefix", KEY, "--print-value-only"])
        .unwrap();
    let mut names: Vec<&str> = text.split_whitespace().collect();
    names.sort_unstable();
    assert_eq!(names, ["ours-2", "ours-3"]);
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
    let (a, b) = (stage.ours(2), stage.ours(3));
    let start = stage.mark("a boots");
    a.boot_with(config(2, &cluster, Identity::Known));
    stage.owned_by_of(V4, a.mac(), start);
    b.boot_with(config(3, &cluster, Identity::Known));
    b.until_of(V4, "backup");

    // The first that is asked takes requests and answers none; then another is gone instead.
    let frozen = stage.mark("a member hangs");
    cluster.freeze(0).unwrap();
    std::thread::sleep(TTL * 2);
    cluster.thaw(0).unwrap();
    cluster.wait_for_leader().unwrap();
    cluster.kill(1);
    std::thread::sleep(TTL * 2);
    let timeline = stage.timeline(V4);
    let others = |seen: &Seen| matches!(seen, Seen::Answer { mac } if *mac != a.mac());
    assert_eq!(
        timeline.first_after(frozen.of(V4), others),
        None,
        "{}",
        timeline.story()
    );
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
    let (a, b) = (stage.ours(2), stage.ours(3));
    let start = stage.mark("a boots");
    a.boot_with(config(2, &cluster, Identity::Known));
    stage.owned_by_of(V4, a.mac(), start);
    b.boot_with(config(3, &cluster, Identity::Known));
    b.until_of(V4, "backup");
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
