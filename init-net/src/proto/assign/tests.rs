//! Procedures against models of the APIs, with every fault at every request.

use std::collections::BTreeMap;

use proptest::prelude::{any, prop, proptest};
use serde_json::{Value, json};

use super::*;
use crate::proto::http::{Cause, Error};
use crate::value::{HookCall, HookMethod, Secret, VipHook};

const START: Instant = Instant::from_secs(100);

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Status(u16),
    Wait(u64),
    Cut,
    Garbage,
    /// The action that begins with it fails.
    Action,
}

const FAULTS: [Fault; 11] = [
    Fault::Status(401),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(409),
    Fault::Status(423),
    Fault::Status(500),
    Fault::Status(503),
    Fault::Wait(3),
    Fault::Cut,
    Fault::Garbage,
    Fault::Action,
];

/// A request as it goes out.
struct Asked {
    method: String,
    path: String,
    body: Value,
    text: String,
}

impl Asked {
    fn new(request: &Request) -> Self {
        let text = String::from_utf8(request.encode()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut words = head.split(' ');
        Self {
            method: words.next().unwrap().into(),
            path: words.next().unwrap().into(),
            body: serde_json::from_str(body).unwrap_or_default(),
            text,
        }
    }
}

/// Looks until it is done, and what it does then.
type Action = (u32, Box<dyn Fn(&mut Cloud)>);

/// Hetzner's API, as far as it is used. This machine is server 7, in network 3.
#[derive(Default)]
struct Cloud {
    /// Aliases of each server in network 3.
    servers: BTreeMap<u64, Vec<String>>,
    /// Floating addresses and who has them.
    floating: Vec<(String, Option<u64>)>,
    /// Actions under way: looks until they are done, what they do.
    actions: Vec<Action>,
    log: Vec<String>,
}

impl Cloud {
    fn new() -> Self {
        let mut cloud = Self::default();
        for server in 1..=120 {
            cloud
                .servers
                .insert(server, vec![format!("10.1.0.{server}")]);
        }
        cloud.floating = (1..=60).map(|n| (format!("203.0.113.{n}"), None)).collect();
        cloud.floating.push(("2001:db8:9::/64".into(), Some(4)));
        cloud
    }

    fn server(&self, number: u64) -> Value {
        let aliases = &self.servers[&number];
        json!({"id": number, "private_net": [{"network": 9, "alias_ips": []}, {"network": 3, "alias_ips": aliases}]})
    }

    fn page(all: Vec<Value>, name: &str, path: &str) -> Value {
        let page: usize = path
            .split("page=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let next = (all.len() > page * 50).then_some(page + 1);
        let part: Vec<Value> = all.into_iter().skip((page - 1) * 50).take(50).collect();
        json!({ name: part, "meta": {"pagination": {"next_page": next}} })
    }

    fn begin(&mut self, does: impl Fn(&mut Cloud) + 'static) -> Value {
        self.actions.push((2, Box::new(does)));
        json!({"action": {"id": self.actions.len(), "status": "running"}})
    }

    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        self.log.push(format!("{} {}", asked.method, asked.path));
        let parts: Vec<&str> = asked.path.split('/').collect();
        let number = |at: usize| parts[at].parse::<u64>().unwrap();
        let body = match parts[1..] {
            ["meta", "instance-id"] => json!(7),
            ["v1", "servers", _, "actions", "change_alias_ips"] => {
                let (server, list) = (number(3), asked.body["alias_ips"].clone());
                assert_eq!(asked.body["network"], 3);
                self.begin(move |cloud| {
                    let list = list.as_array().unwrap().iter();
                    let list = list.map(|ip| ip.as_str().unwrap().to_owned()).collect();
                    cloud.servers.insert(server, list);
                })
            }
            ["v1", "floating_ips", _, "actions", "assign"] => {
                let (at, server) = (number(3) as usize, asked.body["server"].as_u64());
                if self.floating[at].1 == server {
                    return (
                        422,
                        json!({"error": {"code": "floating_ip_assigned", "message": "yours"}}),
                    );
                }
                self.begin(move |cloud| cloud.floating[at].1 = server)
            }
            ["v1", "actions", _] => {
                let at = number(3) as usize - 1;
                let left = self.actions[at].0.saturating_sub(1);
                self.actions[at].0 = left;
                if left == 0 {
                    let done = core::mem::replace(&mut self.actions[at].1, Box::new(|_| {}));
                    done(self);
                }
                let status = if left == 0 { "success" } else { "running" };
                json!({"action": {"id": at + 1, "status": status}})
            }
            ["v1", "servers", _] => json!({"server": self.server(number(3))}),
            ["v1", "networks", _] => {
                let range = if number(3) == 3 {
                    "10.1.0.0/16"
                } else {
                    "10.2.0.0/16"
                };
                json!({"network": {"ip_range": range}})
            }
            ["v1", "floating_ips", _] => {
                let (ip, server) = &self.floating[number(3) as usize];
                json!({"floating_ip": {"id": number(3), "ip": ip, "server": server}})
            }
            ["v1", list] if list.starts_with("servers?") => {
                let all = self
                    .servers
                    .keys()
                    .map(|number| self.server(*number))
                    .collect();
                Self::page(all, "servers", list)
            }
            ["v1", list] if list.starts_with("floating_ips?") => {
                let all = self.floating.iter().enumerate();
                let all =
                    all.map(|(at, (ip, server))| json!({"id": at, "ip": ip, "server": server}));
                Self::page(all.collect(), "floating_ips", list)
            }
            _ => {
                return (
                    404,
                    json!({"error": {"code": "not_found", "message": "no such thing"}}),
                );
            }
        };
        (200, body)
    }

    /// Who has the address: aliases and floating ones alike.
    fn holders(&self, ip: &str) -> Vec<u64> {
        let with = |list: &Vec<String>| list.iter().any(|alias| alias == ip);
        let aliases = self
            .servers
            .iter()
            .filter(|(_, list)| with(list))
            .map(|(number, _)| *number);
        let floating = self.floating.iter().filter(|(address, _)| address == ip);
        aliases
            .chain(floating.filter_map(|(_, server)| *server))
            .collect()
    }

    /// Every server has the alias that it had from the start.
    fn nothing_is_lost(&self) {
        for (number, list) in &self.servers {
            assert!(
                list.contains(&format!("10.1.0.{number}")),
                "{number}: {list:?}"
            );
        }
    }
}

fn api() -> VipApi {
    VipApi {
        api_token: Secret::new("hunter2"),
        endpoint: Some("https://api.example/v1".into()),
        metadata_endpoint: Some("http://169.254.169.254/meta".into()),
        ca: None,
    }
}

fn target(ip: &str) -> Target {
    Target {
        ip: ip.parse().unwrap(),
        hostname: "node \"7\"".into(),
        mac: Some(Mac::ethernet([0x52, 0x54, 0, 0, 0, 7])),
    }
}

fn assignment(provider: VipProvider, target: Target) -> Assignment {
    Assignment::new(&provider, target, START).unwrap()
}

fn hcloud(ip: &str) -> Assignment {
    assignment(VipProvider::HCloud(api()), target(ip))
}

/// Runs until nothing is to be done before `until`; `fault` goes wrong with request number `at`. Answers with the events.
fn run(
    assignment: &mut Assignment,
    now: &mut Instant,
    until: Instant,
    fault: Option<(usize, Fault)>,
    mut answer: impl FnMut(&Asked) -> (u16, Value),
) -> Vec<Event> {
    let mut events = Vec::new();
    for count in 0.. {
        assert!(count < 2000, "it never ends: {assignment:?}");
        let request = loop {
            match assignment.request(*now) {
                Some(request) => break request,
                None => {
                    events.extend(core::iter::from_fn(|| assignment.event()));
                    match assignment.deadline().filter(|due| *due <= until) {
                        Some(due) => *now = (*now).max(due),
                        None => return events,
                    }
                }
            }
        };
        assert!(!format!("{request:?} {assignment:?}").contains("hunter2"));
        let asked = Asked::new(&request);
        *now = *now + Duration::from_millis(20);
        let fault = fault.filter(|(at, _)| *at == count).map(|(_, fault)| fault);
        let plain = |status, body: &Value, retry_after| Response {
            status,
            content_type: None,
            retry_after,
            body: body.to_string().into_bytes(),
        };
        let failed = || FetchError {
            url: request.url.clone(),
            attempts: 1,
            cause: Cause::Http(Error::Truncated),
            last: None,
        };
        let reply = match fault {
            Some(Fault::Status(status)) => Ok(plain(
                status,
                &json!({"error": {"message": "no\nway"}}),
                None,
            )),
            Some(Fault::Wait(secs)) => Ok(plain(429, &json!({}), Some(Duration::from_secs(secs)))),
            // It was done, and the answer is lost.
            Some(Fault::Cut) => {
                answer(&asked);
                Err(failed())
            }
            Some(Fault::Garbage) => Ok(plain(200, &json!([1, {"x": "\u{1b}"}]), None)),
            Some(Fault::Action) if asked.method == "POST" => {
                let action =
                    json!({"action": {"id": 1, "status": "error", "error": {"message": "broken"}}});
                Ok(plain(201, &action, None))
            }
            Some(Fault::Action) | None => {
                let (status, body) = answer(&asked);
                Ok(plain(status, &body, None))
            }
        };
        assignment.answer(reply, *now);
        events.extend(core::iter::from_fn(|| assignment.event()));
    }
    events
}

fn in_secs(secs: u64) -> Instant {
    START + Duration::from_secs(secs)
}

#[test]
fn an_alias_moves_and_every_other_one_stays() {
    let mut cloud = Cloud::new();
    cloud
        .servers
        .get_mut(&110)
        .unwrap()
        .push("10.1.200.1".into());
    let mut assignment = hcloud("10.1.200.1");
    let mut now = START;
    assignment.acquire(now);
    let events = run(&mut assignment, &mut now, in_secs(20), None, |asked| {
        cloud.answer(asked)
    });
    assert_eq!(events, [Event::Held]);
    assert_eq!(cloud.holders("10.1.200.1"), [7]);
    cloud.nothing_is_lost();
    // The old holder is read right before it is written, and so is this one.
    let log = cloud.log.join("\n");
    let writes: Vec<&str> = cloud
        .log
        .iter()
        .map(String::as_str)
        .filter(|line| line.starts_with("POST"))
        .collect();
    assert_eq!(writes.len(), 2, "{log}");
    for (number, write) in [(110, writes[0]), (7, writes[1])] {
        let at = cloud.log.iter().position(|line| line == write).unwrap();
        assert_eq!(
            cloud.log[at - 1],
            format!("GET /v1/servers/{number}"),
            "{log}"
        );
    }
}

#[test]
fn a_floating_address_of_either_family_moves() {
    for (ip, listed) in [
        ("203.0.113.55", "203.0.113.55"),
        ("2001:db8:9::5", "2001:db8:9::/64"),
    ] {
        let mut cloud = Cloud::new();
        let mut assignment = hcloud(ip);
        let mut now = START;
        assignment.acquire(now);
        let events = run(&mut assignment, &mut now, in_secs(20), None, |asked| {
            cloud.answer(asked)
        });
        assert_eq!(events, [Event::Held], "{ip}");
        assert_eq!(cloud.holders(listed), [7]);
    }
    let mut cloud = Cloud::new();
    let mut assignment = hcloud("198.51.100.1");
    let mut now = START;
    assignment.acquire(now);
    let events = run(&mut assignment, &mut now, in_secs(20), None, |asked| {
        cloud.answer(asked)
    });
    let why = "198.51.100.1 is no floating address of this project";
    assert!(
        matches!(&events[..], [Event::Failed { why: told, .. }] if told == why),
        "{events:?}"
    );
    assert_eq!(assignment.fault(), Some(why));
}

#[test]
fn what_is_held_is_looked_at_soon_and_then_each_minute() {
    let mut cloud = Cloud::new();
    let mut assignment = hcloud("203.0.113.5");
    let mut now = START;
    assignment.acquire(now);
    assert_eq!(
        run(&mut assignment, &mut now, in_secs(2), None, |asked| cloud
            .answer(asked)),
        [Event::Held]
    );
    cloud.log.clear();
    assert_eq!(
        run(&mut assignment, &mut now, in_secs(30), None, |asked| cloud
            .answer(asked)),
        []
    );
    assert_eq!(cloud.log.len(), 2, "{:?}", cloud.log);
    cloud.log.clear();
    assert_eq!(
        run(&mut assignment, &mut now, in_secs(140), None, |asked| cloud
            .answer(asked)),
        []
    );
    assert_eq!(cloud.log.len(), 2, "{:?}", cloud.log);
    // Nobody has it: it is acquired again.
    cloud.floating[4].1 = None;
    let events = run(&mut assignment, &mut now, in_secs(200), None, |asked| {
        cloud.answer(asked)
    });
    assert_eq!(events, [Event::Nobody, Event::Held]);
    // Another one has it: it is not taken back.
    cloud.floating[4].1 = Some(8);
    let events = run(&mut assignment, &mut now, in_secs(300), None, |asked| {
        cloud.answer(asked)
    });
    assert_eq!(events, [Event::LostTo("server 8".into())]);
    assert_eq!(cloud.holders("203.0.113.5"), [8]);
    assert!(assignment.is_idle());
}

/// Every fault at every request: nothing is lost, there is a clear word, and the next try succeeds.
#[test]
fn faults_cost_time_and_nothing_else() {
    for ip in ["10.1.200.1", "203.0.113.55"] {
        for fault in FAULTS {
            for at in 0..16 {
                let mut cloud = Cloud::new();
                cloud
                    .servers
                    .get_mut(&110)
                    .unwrap()
                    .push("10.1.200.1".into());
                cloud.floating[54].1 = Some(110);
                let what = format!("{ip}, {fault:?} at {at}");
                let mut assignment = hcloud(ip);
                let mut now = START;
                assignment.acquire(now);
                let mut events = run(
                    &mut assignment,
                    &mut now,
                    in_secs(45),
                    Some((at, fault)),
                    |asked| {
                        let reply = cloud.answer(asked);
                        assert!(cloud.holders(ip).len() <= 1, "{what}");
                        reply
                    },
                );
                cloud.nothing_is_lost();
                if let Some(Event::Failed { why, retry_at }) = events.last() {
                    assert!(!why.is_empty() && !why.contains('\n'), "{what}: {why:?}");
                    now = now.max(*retry_at);
                    assignment.acquire(now);
                    let until = now + Duration::from_secs(30);
                    events = run(&mut assignment, &mut now, until, None, |asked| {
                        cloud.answer(asked)
                    });
                }
                // What goes wrong with a look at what is held is told, and costs nothing.
                let noted = |event: &&Event| !matches!(event, Event::Note(_));
                let last = events.iter().rfind(noted);
                assert_eq!(last, Some(&Event::Held), "{what}: {events:?}");
                assert!(assignment.is_held(), "{what}: {events:?}");
                assert_eq!(cloud.holders(ip), [7], "{what}");
                cloud.nothing_is_lost();
            }
        }
    }
}

/// An action of somebody else adds an alias while a server is read, whichever reading that is.
#[test]
fn an_alias_that_somebody_else_adds_meanwhile_stays() {
    let (ip, other) = ("10.1.200.1", "10.1.201.1");
    let mut added = Vec::new();
    for at in 0..16 {
        let mut cloud = Cloud::new();
        cloud.servers.get_mut(&110).unwrap().push(ip.into());
        let mut assignment = hcloud(ip);
        let mut now = START;
        assignment.acquire(now);
        let (mut count, mut to) = (0, None);
        let events = run(&mut assignment, &mut now, in_secs(20), None, |asked| {
            let (status, mut body) = cloud.answer(asked);
            let server = body.pointer("/server/id").and_then(Value::as_u64);
            if let Some(server) = server.filter(|_| count == at) {
                body["server"]["locked"] = true.into();
                cloud.servers.get_mut(&server).unwrap().push(other.into());
                to = Some(server);
            }
            count += 1;
            (status, body)
        });
        assert!(events.contains(&Event::Held), "{at}: {events:?}");
        assert_eq!(cloud.holders(ip), [7], "{at}");
        cloud.nothing_is_lost();
        if let Some(server) = to {
            assert_eq!(cloud.holders(other), [server], "{at}: {:?}", cloud.log);
            added.push(server);
        }
    }
    // This server for its networks, the old holder, and this one again before it is written; each is read after that, too.
    assert!(added.starts_with(&[7, 110, 7]), "{added:?}");
}

#[test]
fn a_reason_says_what_to_do() {
    for (status, remedy) in [
        (401, "the token is not taken: give another one"),
        (
            403,
            "the token may not do this: give one that may read and write",
        ),
        (409, "another action is in the way: it is tried again"),
        (423, "another action is in the way: it is tried again"),
        (429, "too many requests: it is tried again"),
        (500, "the service is out of order: it is tried again"),
    ] {
        let mut assignment = hcloud("203.0.113.5");
        let mut now = START;
        assignment.acquire(now);
        let refuses = |_: &Asked| (status, json!({"error": {"message": "no"}}));
        run(&mut assignment, &mut now, in_secs(60), None, refuses);
        let expect = format!("status {status}, {remedy}: no");
        assert_eq!(assignment.fault(), Some(expect.as_str()));
    }
}

#[test]
fn an_api_that_repeats_the_token_is_not_repeated() {
    let call = |url: &str| HookCall {
        method: HookMethod::Post,
        url: url.into(),
        headers: vec![("Authorization".into(), Secret::new("Bearer hunter2"))],
        body: None,
    };
    let hook = VipHook {
        acquire: call("http://a.example/${ip}"),
        release: None,
        status: None,
        ca: None,
    };
    for provider in [
        VipProvider::HCloud(api()),
        VipProvider::EquinixMetal(api()),
        VipProvider::DigitalOcean(api()),
        VipProvider::Http(Box::new(hook)),
    ] {
        let mut assignment = assignment(provider, target("203.0.113.5"));
        let mut now = START;
        assignment.acquire(now);
        let refuses = |_: &Asked| (401, json!({"message": "hunter2? No!"}));
        run(&mut assignment, &mut now, in_secs(60), None, refuses);
        let expect = "status 401, the token is not taken: give another one: (hidden)? No!";
        assert_eq!(assignment.fault(), Some(expect));
    }
}

/// A wait that is longer than an acquisition may take ends it, and nobody asks before it is over; none is believed for ever.
#[test]
fn an_api_that_asks_to_wait_is_left_alone() {
    for (asks, waits) in [(40, 40), (86_400, 300)] {
        let mut assignment = hcloud("203.0.113.5");
        let mut now = START;
        assignment.acquire(now);
        let wait = Some((0, Fault::Wait(asks)));
        let events = run(&mut assignment, &mut now, in_secs(900), wait, |_| {
            panic!("it was asked again")
        });
        let [Event::Failed { retry_at, .. }] = events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(retry_at, now + Duration::from_secs(waits));
    }
}

#[test]
fn what_never_ends_is_given_up_in_time() {
    for fault in [
        Fault::Status(401),
        Fault::Status(500),
        Fault::Cut,
        Fault::Garbage,
    ] {
        let mut assignment = hcloud("203.0.113.5");
        let mut now = START;
        assignment.acquire(now);
        let broken = |_: &Asked| match fault {
            Fault::Status(status) => (status, json!({"error": {"message": "no"}})),
            _ => (200, json!("x")),
        };
        let events = run(&mut assignment, &mut now, in_secs(90), None, broken);
        let failed = events
            .iter()
            .filter(|event| matches!(event, Event::Failed { .. }))
            .count();
        assert_eq!(failed, 1, "{fault:?}: {events:?}");
        assert!(now <= in_secs(32), "{now}");
        assert!(assignment.is_idle());
    }
    // An action that runs for ever.
    let mut cloud = Cloud::new();
    let mut assignment = hcloud("203.0.113.5");
    let mut now = START;
    assignment.acquire(now);
    let events = run(&mut assignment, &mut now, in_secs(90), None, |asked| {
        cloud.actions.iter_mut().for_each(|action| action.0 = 9);
        cloud.answer(asked)
    });
    assert!(
        matches!(&events[..], [Event::Failed { why, .. }] if why.contains("does not end")),
        "{events:?}"
    );
}

#[test]
fn equinix_frees_and_takes() {
    let mut holder = Some("old-assignment".to_owned());
    let mut log = Vec::new();
    let mut assignment = assignment(VipProvider::EquinixMetal(api()), target("203.0.113.5"));
    let mut now = START;
    assignment.acquire(now);
    let events = run(&mut assignment, &mut now, in_secs(30), None, |asked| {
        log.push(format!("{} {}", asked.method, asked.path));
        let is_api = !asked.path.starts_with("/meta");
        assert_eq!(asked.text.contains("X-Auth-Token: hunter2"), is_api);
        let ours = holder.as_deref() == Some("ours");
        let address = json!({"address": "203.0.113.5"});
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/meta/metadata") => (200, json!({"id": "dev-1"})),
            ("GET", "/v1/devices/dev-1?include=project") => {
                (200, json!({"project": {"id": "pro-1"}}))
            }
            ("GET", "/v1/devices/dev-1/ips") => (
                200,
                json!({"ip_addresses": if ours { vec![address] } else { vec![] }}),
            ),
            ("GET", "/v1/projects/pro-1/ips") => {
                let href = format!("/metal/v1/ips/{}", holder.as_deref().unwrap());
                let assignments = json!([{ "href": href }, {"href": "/metal/v1/ips/gone"}]);
                (
                    200,
                    json!({"ip_addresses": [{"address": "203.0.113.5", "assignments": assignments}]}),
                )
            }
            ("DELETE", "/v1/ips/old-assignment") => {
                holder = None;
                (204, json!(null))
            }
            // It went by itself.
            ("DELETE", "/v1/ips/gone") => (404, json!({"errors": ["Not found"]})),
            ("POST", "/v1/devices/dev-1/ips") => {
                assert_eq!(asked.body, json!({"address": "203.0.113.5"}));
                holder = Some("ours".into());
                (201, json!({"id": "x"}))
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(events, [Event::Held], "{log:?}");
}

#[test]
fn digital_ocean_assigns_and_reads_back() {
    let (mut droplet, mut polls) = (Some(3), 0);
    let mut assignment = assignment(VipProvider::DigitalOcean(api()), target("203.0.113.5"));
    let mut now = START;
    assignment.acquire(now);
    let mut answer = |asked: &Asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/meta/id") => (200, json!(7)),
        ("GET", "/v1/reserved_ips/203.0.113.5") => (
            200,
            json!({"reserved_ip": {"droplet": droplet.map(|id| json!({"id": id}))}}),
        ),
        ("POST", "/v1/reserved_ips/203.0.113.5/actions") => {
            assert_eq!(asked.body, json!({"type": "assign", "droplet_id": 7}));
            (201, json!({"action": {"id": 1, "status": "in-progress"}}))
        }
        ("GET", "/v1/reserved_ips/203.0.113.5/actions/1") => {
            polls += 1;
            if polls == 3 {
                droplet = Some(7);
            }
            let status = if polls < 3 {
                "in-progress"
            } else {
                "completed"
            };
            (200, json!({"action": {"id": 1, "status": status}}))
        }
        other => panic!("{other:?}"),
    };
    let events = run(&mut assignment, &mut now, in_secs(30), None, &mut answer);
    assert_eq!(events, [Event::Held]);
}

#[test]
fn a_hook_is_called_with_what_it_asks_for() {
    let call = |method, url: &str| HookCall {
        method,
        url: url.into(),
        headers: vec![("X-Token".into(), Secret::new("hunter2"))],
        body: Some(Secret::new(
            "{\"to\": \"${hostname}\", \"mac\": \"${mac}\"}",
        )),
    };
    let hook = VipHook {
        acquire: call(HookMethod::Put, "http://a.example/${ip}?name=${hostname}"),
        release: Some(call(HookMethod::Delete, "http://a.example/${ip}")),
        status: Some(call(HookMethod::Get, "http://a.example/${ip}")),
        ca: None,
    };
    let mut assignment = assignment(VipProvider::Http(Box::new(hook)), target("2001:db8::5"));
    let mut now = START;
    assignment.acquire(now);
    let (mut ours, mut log) = (false, Vec::new());
    let mut answer = |asked: &Asked| {
        log.push(format!("{} {}", asked.method, asked.path));
        assert!(asked.text.contains("X-Token: hunter2"));
        assert_eq!(
            asked.body,
            json!({"to": "node \"7\"", "mac": "52:54:00:00:00:07"})
        );
        match asked.method.as_str() {
            "PUT" => ours = true,
            "DELETE" => ours = false,
            _ if !ours => return (404, json!(null)),
            _ => {}
        }
        (200, json!(null))
    };
    assert_eq!(
        run(&mut assignment, &mut now, in_secs(2), None, &mut answer),
        [Event::Held]
    );
    assignment.release(now);
    assert_eq!(
        run(&mut assignment, &mut now, in_secs(40), None, &mut answer),
        []
    );
    assert!(assignment.is_idle());
    assert_eq!(
        log,
        [
            "GET /2001%3Adb8%3A%3A5",
            "PUT /2001%3Adb8%3A%3A5?name=node%20%227%22",
            "GET /2001%3Adb8%3A%3A5",
            "DELETE /2001%3Adb8%3A%3A5",
        ]
    );
}

#[test]
fn a_late_answer_to_what_nobody_wants_any_more_counts_for_nothing() {
    let mut cloud = Cloud::new();
    let mut assignment = hcloud("203.0.113.5");
    assignment.acquire(START);
    let request = assignment.request(START).unwrap();
    assignment.release(START);
    let (status, body) = cloud.answer(&Asked::new(&request));
    let response = Response {
        status,
        content_type: None,
        retry_after: None,
        body: body.to_string().into_bytes(),
    };
    assignment.answer(Ok(response), START);
    assert_eq!(
        (assignment.request(START), assignment.event()),
        (None, None)
    );
    assert!(assignment.is_idle());
}

proptest! {
    #[test]
    fn garbage_is_survived(bodies in prop::collection::vec(("[ -~]{0,60}", any::<u16>()), 1..30), kind in 0..3) {
        let settings = match kind {
            0 => VipProvider::HCloud(api()),
            1 => VipProvider::EquinixMetal(api()),
            _ => VipProvider::DigitalOcean(api()),
        };
        let mut assignment = assignment(settings, target("203.0.113.5"));
        let mut now = START;
        assignment.acquire(now);
        for (body, status) in bodies {
            if assignment.request(now).is_some() {
                let body = body.into_bytes();
                let response = Response { status, content_type: None, retry_after: None, body };
                assignment.answer(Ok(response), now);
            }
            while assignment.event().is_some() {}
            now = now + Duration::from_secs(1);
        }
    }
}
