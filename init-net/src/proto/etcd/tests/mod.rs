//! Campaigns against a model of etcd on a virtual clock.

use std::collections::BTreeMap;

use super::gateway::{self, Ask, Said};
use super::*;
use crate::proto::Dialogue as _;
use crate::proto::http::{Cause, Error, FetchError, Request, Response};
use crate::value::{Duration, Instant, LEAST_LEASE, Rng, VIP_LIFETIME, earliest, lease_use};

mod chaos;
mod model;

const KEY: &str = "talos:v1:vip:election:192.0.2.100";

fn settings(name: &str, ttl: Duration) -> Settings {
    let url = |number: u8| format!("http://192.0.2.{number}:2379").parse().unwrap();
    Settings {
        endpoints: (1..=3).map(url).collect(),
        key: KEY.into(),
        candidate: name.into(),
        ttl,
        bootstrap: true,
    }
}

/// How often a candidate looks that has no watch: between this and twice as long.
const LOOK: Duration = Duration::from_millis(250);

/// When everything begins.
const START: Instant = Instant::from_secs(100);

/// The clock of etcd, which runs as fast as it may: a hundredth faster.
fn fast(now: Instant) -> Instant {
    let since = now.saturating_since(START);
    START + since + since / 100
}

/// No answer in time.
fn late(request: &Request) -> FetchError {
    FetchError {
        url: request.url.clone(),
        attempts: 1,
        cause: Cause::Http(Error::Deadline),
        last: None,
    }
}

/// One cluster that answers at once, and the clock.
struct Lab {
    etcd: model::Etcd,
    now: Instant,
    /// Watches that wait, by campaign.
    watches: BTreeMap<*const Campaign, Request>,
}

/// What is watched for; `None`: `request` is no watch.
fn watch_of(request: &Request) -> Option<serde_json::Value> {
    let (path, body) = model::sent(request);
    (path == "/v3/watch").then_some(body)
}

/// What is asked now. Of watches nothing comes.
fn asks(campaign: &mut Campaign, now: Instant) -> Option<Request> {
    campaign.abandons(now);
    let request = campaign.request(now)?;
    watch_of(&request).is_none().then_some(request)
}

impl Lab {
    fn new() -> Self {
        Self {
            etcd: model::Etcd::default(),
            now: START,
            watches: BTreeMap::new(),
        }
    }

    fn campaign(&self, name: &str) -> Campaign {
        Campaign::new(settings(name, TTL), true, self.now)
    }

    /// Everything that is due for `campaign` now: what it asked, and what it told.
    fn turn(&mut self, campaign: &mut Campaign) -> (Vec<String>, Vec<Event>) {
        let (mut asked, mut told) = (Vec::new(), Vec::new());
        let whose = core::ptr::from_ref(campaign);
        self.etcd.expire(fast(self.now));
        if let Some(request) = self.watches.remove(&whose)
            && !campaign.abandons(self.now)
        {
            let said = watch_of(&request).and_then(|watch| self.etcd.watched(&watch));
            match said {
                Some(body) => campaign.answer(Ok(model::received(&request, 200, &body)), self.now),
                None => drop(self.watches.insert(whose, request)),
            }
        }
        loop {
            let request = campaign.request(self.now);
            told.extend(core::iter::from_fn(|| campaign.event()));
            let Some(request) = request else {
                return (asked, told);
            };
            if watch_of(&request).is_some() {
                self.watches.insert(whose, request);
                continue;
            }
            let (path, body) = model::sent(&request);
            let (status, body) = self.etcd.serve(&path, &body, fast(self.now));
            asked.push(path);
            campaign.answer(Ok(model::received(&request, status, &body)), self.now);
            told.extend(core::iter::from_fn(|| campaign.event()));
        }
    }

    /// `time` goes by; what all of them told, by their place.
    fn pass(&mut self, campaigns: &mut [&mut Campaign], time: Duration) -> Vec<(usize, Event)> {
        let until = self.now + time;
        let mut told = Vec::new();
        loop {
            let mut quiet = true;
            for (number, campaign) in campaigns.iter_mut().enumerate() {
                let (asked, events) = self.turn(campaign);
                quiet &= asked.is_empty();
                told.extend(events.into_iter().map(|event| (number, event)));
            }
            if !quiet {
                // What one did another one may have watched.
                continue;
            }
            let next = earliest(campaigns.iter().map(|campaign| campaign.deadline()));
            match next.filter(|_| self.now < until) {
                // A lease may end between what is due.
                Some(next) => {
                    let step = (self.now + LOOK).min(until);
                    self.now = next.max(self.now + Duration::from_millis(1)).min(step);
                }
                None => break,
            }
        }
        self.now = until;
        told
    }
}

const TTL: Duration = Duration::from_secs(10);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn owner(name: &str) -> Event {
    Event::Owner(Some(name.into()))
}

/// What is on the wire is what etcd's own client asks for (client/v3/concurrency, `NewSession` and `Election.Campaign`).
#[test]
fn what_is_asked_on_the_way_to_the_key() {
    let mut lab = Lab::new();
    let mut campaign = lab.campaign("a");
    let mut bodies = Vec::new();
    while let Some(request) = campaign.request(lab.now) {
        assert_eq!(request.url.host_field(), "192.0.2.1:2379");
        let (path, body) = model::sent(&request);
        if path == "/v3/watch" {
            // Until something is due: the lease.
            assert_eq!(request.deadline, lab.now + lease_use(TTL) / 3);
            bodies.push(format!("{path} {body}"));
            break;
        }
        assert_eq!(request.deadline, lab.now + seconds(1));
        let (status, answer) = lab.etcd.serve(&path, &body, lab.now);
        bodies.push(format!("{path} {body}"));
        campaign.answer(Ok(model::received(&request, status, &answer)), lab.now);
    }
    // base64 of KEY/, KEY0 and KEY/100.
    let base = "dGFsb3M6djE6dmlwOmVsZWN0aW9uOjE5Mi4wLjIuMTAw";
    assert_eq!(
        bodies,
        [
            r#"/v3/lease/grant {"TTL":"10"}"#.to_owned(),
            format!(
                r#"/v3/kv/txn {{"compare":[{{"create_revision":"0","key":"{base}LzEwMA==","target":"CREATE"}}],"success":[{{"request_put":{{"key":"{base}LzEwMA==","lease":"256","value":"YQ=="}}}}]}}"#
            ),
            format!(
                r#"/v3/kv/range {{"key":"{base}Lw==","limit":"64","range_end":"{base}MA==","sort_order":"ASCEND","sort_target":"CREATE"}}"#
            ),
            format!(
                r#"/v3/watch {{"create_request":{{"key":"{base}Lw==","range_end":"{base}MA==","start_revision":"2"}}}}"#
            ),
        ]
    );
    let told: Vec<Event> = core::iter::from_fn(|| campaign.event()).collect();
    assert_eq!(told, [owner("a"), Event::Won]);
    assert!(campaign.is_active());
    assert_eq!(campaign.owner(), Some("a"));
}

#[test]
fn the_first_has_it_and_the_next_gets_it_at_once_when_it_is_let_go() {
    let mut lab = Lab::new();
    let (mut a, mut b) = (lab.campaign("a"), lab.campaign("b"));
    let told = lab.pass(&mut [&mut a, &mut b], seconds(30));
    assert_eq!(told, [(0, owner("a")), (0, Event::Won), (1, owner("a"))]);
    a.abdicate(seconds(5), lab.now);
    assert!(!a.is_active());
    let told = lab.pass(&mut [&mut a, &mut b], Duration::from_millis(510));
    assert_eq!(
        told[..2],
        [(0, Event::Lost(Why::Told)), (0, Event::Owner(None))]
    );
    assert!(told.contains(&(1, Event::Won)), "{told:?}");
    // It comes back after its hold, behind.
    lab.pass(&mut [&mut a, &mut b], seconds(4));
    assert_eq!(lab.etcd.names(), ["b"]);
    lab.pass(&mut [&mut a, &mut b], seconds(1));
    assert_eq!(lab.etcd.names(), ["b", "a"]);
    assert_eq!((a.owner(), a.is_active()), (Some("b"), false));
}

/// Whoever waits is told, and asks nobody meanwhile but that its lease goes on.
#[test]
fn a_watch_tells_at_once() {
    let mut lab = Lab::new();
    let (mut a, mut b) = (lab.campaign("a"), lab.campaign("b"));
    lab.pass(&mut [&mut a, &mut b], seconds(5));
    let mut asked = Vec::new();
    let until = lab.now + seconds(60);
    while lab.now < until {
        asked.extend(lab.turn(&mut b).0);
        lab.turn(&mut a);
        lab.now = b
            .deadline()
            .unwrap()
            .max(lab.now + Duration::from_millis(1));
    }
    let looks = asked.iter().filter(|path| *path == "/v3/kv/range").count();
    let renewals = asked
        .iter()
        .filter(|path| *path == "/v3/lease/keepalive")
        .count();
    assert_eq!(looks + renewals, asked.len());
    assert!((10..=20).contains(&looks), "{looks}");
    assert!((33..=34).contains(&renewals), "{renewals}");

    // Neither a farewell nor a key that somebody deletes waits for the next look.
    a.stop(lab.now);
    lab.pass(&mut [&mut a, &mut b], Duration::from_millis(1));
    assert!(b.is_active());
    lab.pass(&mut [&mut b], seconds(1));
    lab.etcd.wipe();
    let told = lab.pass(&mut [&mut b], Duration::from_millis(1));
    assert!(told.contains(&(0, Event::Lost(Why::Deleted))), "{told:?}");
}

/// A watch that ends without having seen anything is followed by looks, and tried again later.
#[test]
fn without_a_watch_it_looks() {
    let mut lab = Lab::new();
    let mut a = lab.campaign("a");
    let (mut looks, mut watches) = (Vec::new(), Vec::new());
    let until = lab.now + Duration::from_millis(11_500);
    while lab.now < until {
        let Some(request) = a.request(lab.now) else {
            lab.now = a.deadline().unwrap();
            continue;
        };
        let (path, body) = model::sent(&request);
        match path.as_str() {
            "/v3/watch" => {
                watches.push(lab.now - START);
                a.answer(Err(late(&request)), lab.now);
                continue;
            }
            "/v3/kv/range" => looks.push(lab.now - START),
            _ => {}
        }
        let (status, body) = lab.etcd.serve(&path, &body, fast(lab.now));
        a.answer(Ok(model::received(&request, status, &body)), lab.now);
    }
    assert_eq!(a.fault(), None);
    assert_eq!(watches.len(), 3, "{watches:?}");
    assert!(
        watches
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= seconds(5)),
        "{watches:?}"
    );
    assert!(
        looks.windows(2).all(|pair| pair[1] - pair[0] <= 2 * LOOK),
        "{looks:?}"
    );
    assert!(looks.len() < 50, "{looks:?}");
}

/// An election that never rests is looked at ten times a second, and no more.
#[test]
fn a_busy_election_is_looked_at_now_and_then() {
    let mut lab = Lab::new();
    let mut a = lab.campaign("a");
    let (mut looks, until) = (0, lab.now + seconds(10));
    let mut lease = 7;
    while lab.now < until {
        lab.etcd
            .put(&format!("{KEY}/other"), lease, "other", TTL, fast(lab.now));
        lease += 1;
        let (asked, _) = lab.turn(&mut a);
        looks += asked.iter().filter(|path| *path == "/v3/kv/range").count();
        lab.now = lab.now + Duration::from_millis(10);
    }
    assert!((50..=110).contains(&looks), "{looks}");
}

#[test]
fn it_gives_the_key_up_before_etcd_gives_it_away() {
    let mut lab = Lab::new();
    let mut a = lab.campaign("a");
    lab.pass(&mut [&mut a], seconds(20));
    let lease = a.lease().unwrap();
    let since = lab.now;
    let mut told = Vec::new();
    while a.is_active() {
        match asks(&mut a, lab.now) {
            Some(request) => {
                assert!(request.deadline <= lease.until);
                lab.now = request.deadline;
                a.answer(Err(late(&request)), lab.now);
            }
            None if a.is_active() => lab.now = a.deadline().unwrap(),
            None => {}
        }
        told.extend(core::iter::from_fn(|| a.event()));
    }
    assert_eq!(lab.now, lease.until);
    let usable = lease_use(TTL);
    assert!((usable / 3 * 2..=usable).contains(&(lab.now - since)));
    assert!(told.contains(&Event::Lost(Why::Unreachable)), "{told:?}");
    // The cluster has it still, and it is not taken back without asking.
    assert_eq!(lab.etcd.names(), ["a"]);
    let told = lab.pass(&mut [&mut a], seconds(2));
    assert_eq!(told, [(0, owner("a")), (0, Event::Won)]);
}

/// A supervisor hangs right before it would give the key up, its last refresh was late, and its kernel takes its time.
#[test]
fn who_hangs_has_lost_the_address_when_another_one_gets_the_key() {
    let late = Duration::from_millis(500);
    let kernel = seconds(u64::from(VIP_LIFETIME) + 1);
    for ttl in [LEAST_LEASE, TTL, seconds(60), seconds(3_600)] {
        let mut lab = Lab::new();
        let of = |name| Campaign::new(settings(name, ttl), true, lab.now);
        let (mut a, mut b) = (of("a"), of("b"));
        lab.pass(&mut [&mut a, &mut b], seconds(20));
        let given_up = a.lease().unwrap().until;
        let (begins, step) = (lab.now, ttl / 1_000);
        while !b.is_active() {
            lab.pass(&mut [&mut b], step);
        }
        let gone = given_up + late + kernel;
        assert!(lab.now >= gone, "{ttl:?}: {} {gone}", lab.now);
        assert!(lab.now - begins <= ttl + seconds(1), "{ttl:?}");
    }
}

/// With the shortest lease as well: one that says nothing costs a second, and another one is asked.
#[test]
fn an_owner_outlives_members_that_say_nothing() {
    let mut lab = Lab::new();
    let mut a = Campaign::new(settings("a", LEAST_LEASE), true, lab.now);
    lab.pass(&mut [&mut a], seconds(2));
    let (mut silent, mut unanswered) = (vec!["192.0.2.1:2379", "192.0.2.2:2379"], 0);
    let until = lab.now + seconds(60);
    while lab.now < until {
        match asks(&mut a, lab.now) {
            Some(request) if silent.contains(&request.url.host_field().as_str()) => {
                unanswered += 1;
                lab.now = request.deadline;
                a.answer(Err(late(&request)), lab.now);
            }
            Some(request) => {
                // Others fall silent in turn.
                if lab.now > until.before(seconds(30)) {
                    silent = vec!["192.0.2.3:2379", "192.0.2.1:2379"];
                }
                let (path, body) = model::sent(&request);
                let (status, body) = lab.etcd.serve(&path, &body, fast(lab.now));
                a.answer(Ok(model::received(&request, status, &body)), lab.now);
            }
            None => lab.now = a.deadline().unwrap(),
        }
        assert!(a.is_active(), "{}", lab.now);
    }
    assert_eq!(unanswered, 4);
}

/// A lease that leaves no time to use it is not taken, and the cluster is not asked again and again.
#[test]
fn a_lease_that_is_too_short_is_trouble() {
    let lab = Lab::new();
    let mut a = lab.campaign("a");
    let (mut now, mut asked) = (lab.now, 0);
    while now < lab.now + seconds(10) {
        match asks(&mut a, now) {
            Some(request) => {
                asked += 1;
                let body = r#"{"header":{},"ID":"7","TTL":"7"}"#;
                let answer = match model::sent(&request).0.as_str() {
                    "/v3/lease/grant" => body,
                    _ => r#"{"header":{"revision":"1"}}"#,
                };
                a.answer(Ok(model::received(&request, 200, answer)), now);
            }
            None => now = a.deadline().unwrap(),
        }
    }
    assert!(!a.is_active());
    assert!(asked < 200, "{asked}");
    let told: Vec<Event> = core::iter::from_fn(|| a.event()).collect();
    let text = "etcd: 192.0.2.3:2379: it grants 7s, and a lease is 8s at least";
    assert!(told.contains(&Event::Trouble(text.into())), "{told:?}");
}

#[test]
fn whoever_is_not_fit_has_it_only_alone() {
    let mut lab = Lab::new();
    let (mut a, mut b) = (lab.campaign("a"), lab.campaign("b"));
    a.set_fit(false, lab.now);
    b.set_fit(false, lab.now);
    // Before the service exists, one has it and stays, and the other is not in its way.
    lab.pass(&mut [&mut a, &mut b], seconds(60));
    assert!(a.is_active());
    assert_eq!(lab.etcd.names(), ["a"]);
    b.set_fit(true, lab.now);
    let told = lab.pass(&mut [&mut a, &mut b], Duration::from_millis(1_010));
    assert!(told.contains(&(0, Event::Lost(Why::Unfit))), "{told:?}");
    assert!(told.contains(&(1, Event::Won)), "{told:?}");
    // Both fit, and the owner fails: the other is known, it is gone at once.
    a.set_fit(true, lab.now);
    lab.pass(&mut [&mut a, &mut b], seconds(5));
    b.set_fit(false, lab.now);
    assert!(!b.is_active());
    lab.pass(&mut [&mut a, &mut b], Duration::from_millis(510));
    assert!(a.is_active());
    assert_eq!(lab.etcd.names(), ["a"]);
    // Without bootstrap nobody has it.
    let mut lab = Lab::new();
    let mut strict = settings("c", TTL);
    strict.bootstrap = false;
    let mut c = Campaign::new(strict, true, lab.now);
    lab.pass(&mut [&mut c], seconds(1));
    assert!(c.is_active());
    c.set_fit(false, lab.now);
    lab.pass(&mut [&mut c], seconds(60));
    assert!(!c.is_active());
    assert!(lab.etcd.names().is_empty());
}

#[test]
fn two_that_are_not_fit_and_see_nobody_at_once_are_not_in_each_others_way() {
    let lab = Lab::new();
    let mut etcd = model::Etcd::default();
    let mut both = [lab.campaign("a"), lab.campaign("b")];
    for campaign in &mut both {
        campaign.set_fit(false, lab.now);
    }
    for turn in 0..6 {
        for campaign in &mut both {
            let Some(request) = asks(campaign, lab.now) else {
                continue;
            };
            let (path, body) = model::sent(&request);
            let (status, body) = etcd.serve(&path, &body, lab.now);
            campaign.answer(Ok(model::received(&request, status, &body)), lab.now);
            assert!(turn < 3 || etcd.names() == ["a"], "{:?}", etcd.names());
        }
    }
    assert_eq!(both.map(|campaign| campaign.is_active()), [true, false]);
}

#[test]
fn a_key_that_somebody_deletes_is_lost_and_asked_for_again() {
    let mut lab = Lab::new();
    let mut a = lab.campaign("a");
    lab.pass(&mut [&mut a], seconds(2));
    lab.etcd.wipe();
    let told = lab.pass(&mut [&mut a], seconds(2));
    assert_eq!(told[1], (0, Event::Lost(Why::Deleted)));
    assert_eq!(told.last(), Some(&(0, Event::Won)));
    // All of etcd is new: it knows no lease.
    lab.etcd = model::Etcd::default();
    let told = lab.pass(&mut [&mut a], seconds(5));
    assert!(told.contains(&(0, Event::Lost(Why::Expired))), "{told:?}");
    assert!(a.is_active());
    let id = a.lease().unwrap().id;
    lab.etcd.renew(id, Instant::BOOT);
    lab.etcd.expire(fast(lab.now));
    let told = lab.pass(&mut [&mut a], seconds(5));
    assert!(a.is_active() && a.lease().unwrap().id != id, "{told:?}");
}

#[test]
fn a_key_of_a_former_run_is_deleted_and_one_that_lives_is_not() {
    let mut lab = Lab::new();
    let key = format!("{KEY}/7");
    lab.etcd.put(&key, 7, "a", TTL, fast(lab.now));
    let mut a = lab.campaign("a");
    // It is renewed each third of its time by whoever lives: half of it tells.
    let told = lab.pass(&mut [&mut a], seconds(4));
    assert!(!told.contains(&(0, Event::Won)), "{told:?}");
    let told = lab.pass(&mut [&mut a], seconds(2));
    assert!(told.contains(&(0, Event::Won)), "{told:?}");
    assert_eq!(lab.etcd.names(), ["a"]);

    let mut lab = Lab::new();
    lab.etcd.put(&key, 7, "a", TTL, fast(lab.now));
    let mut a = lab.campaign("a");
    let mut told = Vec::new();
    for _ in 0..20 {
        told.extend(lab.pass(&mut [&mut a], seconds(3)));
        lab.etcd.renew(7, fast(lab.now));
    }
    let text = "etcd: another machine campaigns under the name a as well";
    let trouble = (0, Event::Trouble(text.into()));
    assert_eq!(told, [(0, owner("a")), trouble]);
    assert_eq!(lab.etcd.names(), ["a", "a"]);
}

#[test]
fn farewell_is_one_attempt_a_member() {
    let mut lab = Lab::new();
    let mut a = lab.campaign("a");
    lab.pass(&mut [&mut a], seconds(2));
    a.stop(lab.now);
    assert!(!a.is_active() && !a.is_done());
    let (asked, told) = lab.turn(&mut a);
    assert_eq!(asked, ["/v3/lease/revoke"]);
    assert_eq!(told, [Event::Lost(Why::Told), Event::Owner(None)]);
    assert!(a.is_done());
    assert_eq!((lab.etcd.names().len(), lab.etcd.lease_count()), (0, 0));

    let mut a = lab.campaign("a");
    lab.pass(&mut [&mut a], seconds(2));
    // Something else is on its way, and fails: that is no farewell.
    lab.now = a.deadline().unwrap();
    let other = asks(&mut a, lab.now).unwrap();
    a.stop(lab.now);
    let error = late(&other);
    a.answer(Err(error), lab.now);
    let mut asked = Vec::new();
    while let Some(request) = a.request(lab.now) {
        asked.push(request.url.to_string());
        lab.now = request.deadline;
        a.answer(Err(late(&request)), lab.now);
    }
    let url = |number: u8| format!("http://192.0.2.{number}:2379/v3/lease/revoke");
    assert_eq!(asked, [url(2), url(3), url(1)]);
    assert!(a.is_done());
    // A campaign that has nothing has nothing to say.
    let mut idle = lab.campaign("b");
    idle.stop(lab.now);
    assert!(idle.is_done() && idle.request(lab.now).is_none());
    assert_eq!(idle.deadline(), None);
}

#[test]
fn the_next_member_is_asked_and_trouble_is_told_once() {
    let lab = Lab::new();
    let mut now = lab.now;
    let mut a = lab.campaign("a");
    let mut asked = Vec::new();
    let refused = |request: &Request| {
        let body = r#"{"error":"etcdserver: user name is empty","message":"etcdserver: user name is empty","code":3}"#;
        model::received(request, 400, body)
    };
    while asked.len() < 12 {
        if let Some(request) = a.request(now) {
            asked.push(request.url.host_field());
            a.answer(Ok(refused(&request)), now);
        } else {
            now = a.deadline().unwrap();
        }
    }
    assert!(now - lab.now > Duration::from_millis(800));
    let members = ["192.0.2.1:2379", "192.0.2.2:2379", "192.0.2.3:2379"];
    assert_eq!(asked[..6], [members, members].concat());
    let text = "etcd: 192.0.2.3:2379: etcdserver: user name is empty";
    let told: Vec<Event> = core::iter::from_fn(|| a.event()).collect();
    assert_eq!(told, [Event::Trouble(text.into())]);
    assert_eq!(a.fault(), Some(text));
    let mut lab = Lab {
        now: now + seconds(1),
        ..lab
    };
    lab.pass(&mut [&mut a], seconds(1));
    assert_eq!((a.fault(), a.is_active()), (None, true));
}

#[test]
fn the_next_process_goes_on_with_the_lease() {
    let mut lab = Lab::new();
    let mut a = lab.campaign("a");
    assert_eq!(a.lease(), None);
    lab.pass(&mut [&mut a], seconds(5));
    let lease = a.lease().unwrap();
    let mut next = Campaign::resume(settings("a", TTL), lease, true, lab.now);
    assert!(next.is_active());
    assert_eq!(next.lease(), Some(lease));
    let told = lab.pass(&mut [&mut next], seconds(30));
    assert_eq!(told, [(0, owner("a"))]);
    assert_eq!((lab.etcd.names().len(), lab.etcd.lease_count()), (1, 1));
    // Too late to be sure, and in time to be right.
    let lease = next.lease().unwrap();
    lab.now = lease.until;
    let mut next = Campaign::resume(settings("a", TTL), lease, true, lab.now);
    assert!(!next.is_active());
    let told = lab.pass(&mut [&mut next], seconds(1));
    assert_eq!(told, [(0, owner("a")), (0, Event::Won)]);
    // Long after.
    lab.now = lab.now + seconds(60);
    let mut b = lab.campaign("b");
    lab.pass(&mut [&mut b], seconds(1));
    let mut next = Campaign::resume(settings("a", TTL), lease, true, lab.now);
    lab.pass(&mut [&mut next, &mut b], seconds(1));
    assert!(b.is_active() && !next.is_active());
    assert_eq!(lab.etcd.names(), ["b", "a"]);
}

/// A place in the queue goes over as well: what the old process left there would be in the way of the new one.
#[test]
fn the_next_process_waits_where_the_last_one_did() {
    let mut lab = Lab::new();
    let (mut a, mut b) = (lab.campaign("a"), lab.campaign("b"));
    lab.pass(&mut [&mut a, &mut b], seconds(5));
    let lease = b.lease().unwrap();
    assert_eq!(lease.until, Instant::BOOT);
    let mut next = Campaign::resume(settings("b", TTL), lease, true, lab.now);
    assert!(!next.is_active());
    let told = lab.pass(&mut [&mut a, &mut next], seconds(30));
    assert_eq!(told, [(1, owner("a"))]);
    assert_eq!(lab.etcd.names(), ["a", "b"]);
    assert_eq!(next.lease(), Some(lease));
    a.stop(lab.now);
    assert_eq!(a.lease(), None);
    lab.pass(&mut [&mut a, &mut next], seconds(1));
    assert!(next.is_active());
}

/// The configuration changed between two processes: the old key is not kept alive by the lease that goes over.
#[test]
fn the_next_process_with_another_key_leaves_the_old_one() {
    let mut lab = Lab::new();
    let mut a = lab.campaign("a");
    lab.pass(&mut [&mut a], seconds(5));
    let elsewhere = Settings {
        key: "elsewhere".into(),
        ..settings("a", TTL)
    };
    let mut next = Campaign::resume(elsewhere, a.lease().unwrap(), true, lab.now);
    let told = lab.pass(&mut [&mut next], seconds(2));
    assert_eq!(told.first(), Some(&(0, Event::Lost(Why::Deleted))));
    assert!(next.is_active());
    assert_eq!((lab.etcd.names().len(), lab.etcd.lease_count()), (1, 1));
}

#[test]
fn without_an_endpoint_it_says_so() {
    let none = Settings {
        endpoints: Vec::new(),
        ..settings("a", TTL)
    };
    let lab = Lab::new();
    let mut a = Campaign::new(none.clone(), true, lab.now);
    assert!(a.request(lab.now).is_none());
    assert_eq!(a.fault(), Some("etcd: there is no endpoint"));
    assert!(a.deadline().unwrap() > lab.now);
    let lease = Lease {
        id: 7,
        until: lab.now + seconds(5),
    };
    let mut a = Campaign::resume(none, lease, true, lab.now);
    a.stop(lab.now);
    assert!(a.request(lab.now).is_none());
    assert!(a.is_done());
}

#[test]
fn what_members_say() {
    let request = Request::get("http://192.0.2.1/".parse().unwrap(), Instant::BOOT);
    let read = |ask: &Ask, status, body: &str| {
        gateway::read(ask, &model::received(&request, status, body))
    };
    let put = Ask::Enter {
        lease: 7,
        alone: false,
    };
    // As etcd 3.4.23 answers.
    let gone = r#"{"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5}"#;
    assert_eq!(read(&put, 404, gone), Ok(Said::NoLease));
    let stream = r#"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}"#;
    for status in [200, 503] {
        let said = read(&Ask::Renew(7), status, stream);
        assert_eq!(said, Err("etcdserver: no leader".into()));
    }
    let renewed = "{\"result\":{\"header\":{\"revision\":\"1\"},\"ID\":\"7\",\"TTL\":\"10\"}}\n";
    let said = read(&Ask::Renew(7), 200, renewed);
    assert_eq!(said, Ok(Said::Renewed(seconds(10))));
    let other = read(&Ask::Renew(8), 200, renewed);
    assert_eq!(other, Err("the answer is not etcd's".into()));
    let created = r#"{"result":{"header":{"revision":"5"},"created":true}}"#;
    let event = r#"{"result":{"header":{"revision":"6"},"events":[{"type":"DELETE","kv":{"key":"azEvNw==","mod_revision":"6"}}]}}"#;
    let cancelled =
        r#"{"result":{"header":{"revision":"9"},"canceled":true,"compact_revision":"8"}}"#;
    let watch = |second: &str| read(&Ask::Watch(6), 200, &format!("{created}\n{second}\n"));
    assert_eq!(watch(event), Ok(Said::Done));
    for second in [cancelled, "", "{}", r#"{"error":{"message":"no"}}"#] {
        assert_eq!(watch(second), Err("the answer is not etcd's".into()));
    }
    let ended = r#"{"result":{"header":{"revision":"1"},"ID":"7"}}"#;
    assert_eq!(read(&Ask::Renew(7), 200, ended), Ok(Said::NoLease));
    assert_eq!(read(&put, 404, "Not Found\n"), Err("status 404".into()));
    assert_eq!(
        read(&put, 200, "{}"),
        Err("the answer is not etcd's".into())
    );
    let rude = "{\"message\":\"a\\u001b[31mb\\nc\"}";
    assert_eq!(read(&put, 500, rude), Err("a[31mbc".into()));
}

proptest::proptest! {
    #[test]
    fn garbage_is_an_error_and_nothing_else(
        status in 200u16..600,
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        mutate in 0usize..300,
        byte in proptest::prelude::any::<u8>(),
    ) {
        let now = Instant::from_secs(100);
        let mut lab = Lab::new();
        let mut a = lab.campaign("a");
        lab.pass(&mut [&mut a], seconds(1));
        let mut deadline = a.deadline().unwrap();
        for turn in 0..6 {
            a.abandons(deadline);
            let Some(request) = a.request(deadline) else {
                deadline = a.deadline().unwrap().max(deadline + Duration::from_millis(1));
                continue;
            };
            // Of no use, and of use but for one byte.
            let (path, asked) = model::sent(&request);
            let fine = match path.as_str() {
                "/v3/watch" => lab.etcd.watched(&asked).unwrap_or_else(|| "{}\n{}\n".into()),
                _ => lab.etcd.serve(&path, &asked, now).1,
            };
            let mut fine = fine.into_bytes();
            let length = fine.len();
            fine[mutate % length] = byte;
            let body = if turn % 2 == 0 { body.clone() } else { fine };
            let mut response = model::received(&request, 200, "");
            (response.status, response.body) = (status, body);
            a.answer(Ok(response), deadline);
        }
    }
}
