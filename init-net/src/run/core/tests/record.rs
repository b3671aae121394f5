//! What the core remembers for people: events, since when, versions, watches.

use serde_json::{Value, json};

use super::*;
use crate::run::core::{Change, EventKind};

const STATIC: &str = "ip=10.0.0.2::10.0.0.254:24::eth0:none";
const ADDRESS: &str = "addresses/eth0/10.0.0.2/24";

impl Machine {
    /// Events from the number `from` on, as kind and resource.
    fn events(&self, from: u64) -> Vec<(EventKind, String)> {
        let events = self.core.record().ring().events();
        events
            .filter(|event| event.seq > from)
            .map(|event| (event.kind, event.resource.clone()))
            .collect()
    }

    fn count(&self) -> u64 {
        self.core.record().ring().count()
    }

    fn has(&self, kind: EventKind, resource: &str) -> usize {
        let all = self.events(0);
        let same = |event: &&(EventKind, String)| event.0 == kind && event.1 == resource;
        all.iter().filter(same).count()
    }

    fn request(&mut self, id: u64, request: Request) {
        self.queue.push_back(Event::Request { id, request });
        self.run(0);
    }

    #[track_caller]
    fn get(&mut self, kind: &str) -> Vec<Value> {
        self.request(1, Request::Get { kind: kind.into() });
        match self.replies.pop() {
            Some(Reply::Ok(Value::Array(resources))) => resources,
            other => panic!("{other:?}"),
        }
    }

    /// What the watcher `id` was told since the last call: sign and id of each change.
    fn told(&mut self, id: u64) -> Vec<String> {
        let told = core::mem::take(&mut self.pushed);
        let of_it = told.into_iter().filter(|(client, _)| *client == id);
        let text = |(_, reply)| match reply {
            Reply::Ok(change) => {
                let Change { event, resource } = serde_json::from_value(change).unwrap();
                format!("{}{}", event.sign(), resource["id"].as_str().unwrap())
            }
            Reply::Error(error) => error,
        };
        of_it.map(text).collect()
    }
}

#[test]
fn a_boot_and_its_troubles_are_told() {
    use EventKind::*;
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    let kinds: BTreeSet<String> = machine
        .events(0)
        .iter()
        .map(|(kind, _)| format!("{kind:?}"))
        .collect();
    let expect = ["LinkUp", "CarrierUp", "AddressAdded", "LevelReached"];
    assert_eq!(kinds, expect.map(str::to_owned).into(), "no repair");
    assert_eq!(machine.has(LevelReached, "status/routable"), 1);

    let before = machine.count();
    machine.kernel.addresses.clear();
    machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
    machine.run(1);
    let address = ADDRESS.to_owned();
    let told = machine.events(before);
    let at = |event: (EventKind, String)| told.iter().position(|known| *known == event);
    let repaired = at((Repaired, address.clone())).unwrap();
    assert!(
        at((AddressRemoved, address.clone())).unwrap() < repaired,
        "{told:?}"
    );
    assert!(at((AddressAdded, address)).unwrap() > repaired, "{told:?}");
    assert!(at((LevelLost, "status/local".into())).is_some(), "{told:?}");
    let counters = machine.core.record().counters();
    assert_eq!(counters.repairs.get("addresses"), Some(&1));
    assert!(counters.looks > 2 && counters.rounds > 1);

    machine.cable(2, false);
    machine.run(1);
    machine.cable(2, true);
    machine.run(1);
    assert_eq!(machine.has(CarrierDown, "links/eth0"), 1);
    assert_eq!(machine.has(CarrierUp, "links/eth0"), 2);
    let link = machine.kernel.links.remove(&3).unwrap();
    machine.queue.push_back(Event::Changed(Doubt::LINKS));
    machine.run(1);
    machine.kernel.links.insert(3, link);
    machine.queue.push_back(Event::Changed(Doubt::LINKS));
    machine.run(1);
    assert_eq!(machine.has(LinkRemoved, "links/eth1"), 1);
    assert_eq!(machine.has(LinkAdded, "links/eth1"), 1);
    machine
        .queue
        .push_back(Event::Documents(Vec::new(), Vec::new()));
    machine.run(1);
    assert_eq!(machine.has(ConfigApplied, "config"), 1);
    let repaired = machine.has(Repaired, ADDRESS);
    assert_eq!(repaired, 1, "what another config takes away is no repair");
}

#[test]
fn an_op_that_fails_is_told_once_and_again_when_it_is_done() {
    let mut machine = Machine::new(STATIC);
    machine.refused = Some("ip addr add");
    machine.run(30);
    assert!(machine.tried("ip addr add") > 3);
    assert_eq!(machine.has(EventKind::OpFailed, ADDRESS), 1);
    assert_eq!(machine.has(EventKind::OpRecovered, ADDRESS), 0);
    machine.refused = None;
    machine.run(120);
    assert_eq!(machine.has(EventKind::OpFailed, ADDRESS), 1);
    assert_eq!(machine.has(EventKind::OpRecovered, ADDRESS), 1);
    assert_eq!(machine.has(EventKind::Repaired, ADDRESS), 0);
    let counters = machine.core.record().counters();
    assert_eq!(counters.ops.get(&("address_replace", true)), Some(&1));
    assert!(counters.ops[&("address_replace", false)] > 3);
}

#[test]
fn the_life_of_a_lease_is_told() {
    let mut machine = Machine::new("ip=eth0:dhcp").with(Server::Grants);
    machine.boot();
    machine.run(60);
    let id = "leases/dhcp4/eth0";
    assert_eq!(machine.has(EventKind::LeaseBound, id), 1);
    assert_eq!(machine.has(EventKind::LeaseRenewed, id), 1);
    machine.server = Server::Silent;
    machine.run(300);
    assert_eq!(machine.has(EventKind::LeaseLost, id), 1);
    assert_eq!(machine.has(EventKind::LeaseBound, id), 1);
}

#[test]
fn a_watch_sees_what_comes_and_goes_and_costs_nothing_at_rest() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    let watch = |kind: &str| Request::Watch {
        kind: kind.into(),
        id: None,
    };
    machine.request(7, watch("address"));
    assert_eq!(machine.told(7), ["+eth0/10.0.0.2/24"]);
    machine.run(60);
    assert_eq!(machine.told(7), Vec::<String>::new());
    assert_eq!(machine.core.deadline(), None, "nothing to wake up for");
    // Undone in no time: the watch lags, and tells both.
    machine.kernel.addresses.clear();
    machine.queue.push_back(Event::Changed(Doubt::ADDRESSES));
    machine.run(1);
    let told = machine.told(7);
    assert_eq!(told, ["-eth0/10.0.0.2/24", "+eth0/10.0.0.2/24"]);
    // Until the address is announced again.
    machine.run(60);
    assert_eq!(machine.told(7), Vec::<String>::new());
    assert_eq!(machine.core.deadline(), None);
    // Links of two watches, one of them of one link.
    machine.request(8, watch("links"));
    assert_eq!(machine.told(8), ["+eth0", "+eth1"]);
    machine.request(
        9,
        Request::Watch {
            kind: "links".into(),
            id: Some("eth1".into()),
        },
    );
    assert_eq!(machine.told(9), ["+eth1"]);
    machine.cable(2, false);
    machine.run(1);
    let all = core::mem::take(&mut machine.pushed);
    assert!(all.iter().any(|(id, _)| *id == 8));
    assert!(all.iter().all(|(id, _)| *id != 9));
    machine.queue.push_back(Event::Gone(8));
    machine.cable(2, true);
    machine.run(1);
    assert_eq!(machine.told(8), Vec::<String>::new());
}

#[test]
fn events_can_be_watched() {
    let mut machine = Machine::new(STATIC);
    machine.request(
        7,
        Request::Watch {
            kind: "events".into(),
            id: None,
        },
    );
    let refused = format!("{:?}", machine.replies.pop());
    assert!(refused.contains("not ready"), "{refused}");
    machine.boot();
    machine.run(1);
    machine.request(
        7,
        Request::Watch {
            kind: "events".into(),
            id: None,
        },
    );
    let told = machine.told(7);
    assert_eq!(told.first().map(String::as_str), Some("+1"));
    for _ in 0..200 {
        machine.cable(2, false);
        machine.run(1);
        machine.cable(2, true);
        machine.run(1);
    }
    let told = machine.told(7);
    assert!(told.len() > 800 && told.iter().all(|line| line.starts_with('+')));
    assert!(machine.core.record().ring().dropped() > 0);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    let mut refused = |id: u64, kind: &str| {
        machine.request(
            id,
            Request::Watch {
                kind: kind.into(),
                id: None,
            },
        );
        match machine.replies.pop() {
            Some(Reply::Error(error)) => Some(error),
            _ => None,
        }
    };
    assert!(refused(1, "neighbors").unwrap().contains("on request only"));
    assert!(
        refused(2, "adresses")
            .unwrap()
            .contains("did you mean addresses?")
    );
    let first = (10..100).find_map(|id| Some((id, refused(id, "routes")?)));
    let (id, why) = first.unwrap();
    assert_eq!(id, 18);
    assert!(why.contains("too many watches"), "{why}");
}

#[test]
fn versions_count_changes() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    let version = |machine: &mut Machine, kind: &str, id: &str| {
        let all = machine.get(kind);
        let found = all.iter().find(|resource| resource["id"] == id);
        found.unwrap()["version"].clone()
    };
    assert_eq!(version(&mut machine, "links", "eth0"), 1);
    assert_eq!(version(&mut machine, "link", "eth1"), 1);
    machine.cable(2, false);
    machine.run(1);
    assert_eq!(version(&mut machine, "links", "eth0"), 2);
    assert_eq!(version(&mut machine, "links", "eth1"), 1);
    assert!(machine.get("events")[0].get("version").is_none());
}

#[test]
fn the_status_says_what_is_missing_and_since_when() {
    let mut machine = Machine::new("ip=eth0:dhcp");
    machine.core.set_wall(Duration::from_secs(1_709_251_200));
    machine.run(3);
    let status = machine.get("status").remove(0);
    assert_eq!(status["levels"]["links"]["reached"], true);
    assert_eq!(status["levels"]["routable"]["reached"], false);
    assert_eq!(status["level"], "links");
    assert_eq!(status["addressReady"], false);
    assert_eq!(status["connectivityReady"], false);
    let since = &status["missingSince"];
    let lease = since.as_array().unwrap().iter();
    let lease: Vec<_> = lease.filter(|it| it["what"] == "lease on eth0").collect();
    assert_eq!(lease.len(), 1, "{since}");
    let began = json!({"bootTime": 5.0, "time": "2024-03-01T00:00:00Z"});
    assert_eq!(lease[0]["since"], began);
    let eth1 = &status["linkStates"][1];
    assert_eq!(eth1["linkName"], "eth1");
    assert_eq!(eth1["state"], "off");
    machine.server = Server::Grants;
    machine.run(60);
    let status = machine.get("status").remove(0);
    assert_eq!(status["missingSince"], json!([]));
    assert_eq!(status["levels"]["routable"]["reached"], true);
    let since = status["levels"]["routable"]["since"]["bootTime"]
        .as_f64()
        .unwrap();
    assert!(since > 8.0 && since < 66.0, "{since}");
    assert_eq!(status["levels"]["links"]["since"], began);
}

#[test]
fn a_watch_of_routes_sees_those_of_others_until_it_ends() {
    let mut machine = Machine::new(STATIC);
    machine.boot();
    machine.run(1);
    let other = |dst: &str| RouteStatus {
        dst: Some(dst.parse().unwrap()),
        protocol: 186,
        ..machine.kernel.routes[0].clone()
    };
    let (first, second) = (other("10.98.0.0/16"), other("10.99.0.0/16"));
    machine.kernel.routes.push(first);
    let kind = "routes".to_owned();
    machine.request(7, Request::Watch { kind, id: None });
    let told = machine.told(7);
    let of = |told: &[String], text: &str| told.iter().filter(|it| it.contains(text)).count();
    assert_eq!((told.len(), of(&told, "10.98.0.0/16")), (2, 1), "{told:?}");
    // Nothing rings for the second: it is found now and then. A look at ours leaves them alone.
    machine.kernel.routes.push(second);
    machine.queue.push_back(Event::Changed(Doubt::ROUTES));
    machine.run(1);
    assert_eq!(machine.told(7), Vec::<String>::new());
    machine.run(41);
    let told = machine.told(7);
    assert_eq!((told.len(), of(&told, "10.99.0.0/16")), (1, 1), "{told:?}");
    // Versions go on, whoever asks.
    assert_eq!(machine.get("routes").len(), 3);
    machine.queue.push_back(Event::Changed(Doubt::EVERYTHING));
    machine.run(1);
    assert_eq!(machine.told(7), Vec::<String>::new());
    assert_eq!(machine.core.last_observed().unwrap().routes.len(), 3);
    // It ends, and what only it wanted is forgotten.
    machine.queue.push_back(Event::Gone(7));
    machine.run(1);
    assert_eq!(machine.core.last_observed().unwrap().routes.len(), 1);
    machine.looks.clear();
    machine.run(100);
    assert_eq!(machine.looks, []);
}

#[test]
fn a_default_route_of_others_in_any_table_is_connectivity() {
    let mut machine = Machine::new("ip=10.0.0.2::10.0.0.254:24::eth0:none");
    machine.boot();
    machine.run(1);
    let mut other = machine.kernel.routes[0].clone();
    (other.protocol, other.table) = (186, "100".parse().unwrap());
    let mut machine = Machine::new("ip=10.0.0.2:::24::eth0:none");
    machine.boot();
    machine.run(1);
    assert_eq!(machine.get("status")[0]["connectivityReady"], false);
    machine.kernel.routes.push(other);
    machine
        .queue
        .push_back(Event::Changed(Doubt::FOREIGN_ROUTES));
    machine.run(1);
    assert_eq!(machine.get("status")[0]["connectivityReady"], true);
}
