//! A model of one etcd cluster: leases, keys, revisions, and the JSON of its gateway. Leases end as early as they may.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::proto::Machine as _;
use crate::proto::http::{Client, Outcome, Request, Response};
use crate::value::{Duration, Instant, Rng};

#[derive(Clone, Debug)]
struct Pair {
    value: Vec<u8>,
    created: i64,
    lease: i64,
}

#[derive(Debug, Default)]
pub(super) struct Etcd {
    revision: i64,
    /// When a key last came or went.
    changed: i64,
    next_lease: i64,
    leases: BTreeMap<i64, (Duration, Instant)>,
    pairs: BTreeMap<Vec<u8>, Pair>,
}

/// What goes over the connection for `request`: path and body.
pub(super) fn sent(request: &Request) -> (String, Value) {
    let mut client = Client::new(request.clone(), Instant::BOOT);
    client.connected(Instant::BOOT);
    let mut bytes = Vec::new();
    client.transmit_all(Instant::BOOT, &mut Rng::new(1), |more| bytes.extend(more));
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    (path, serde_json::from_str(body).unwrap())
}

/// The answer to `request` that comes as `status` and `body`.
pub(super) fn received(request: &Request, status: u16, body: &str) -> Response {
    let mut client = Client::new(request.clone(), Instant::BOOT);
    client.connected(Instant::BOOT);
    client.transmit_all(Instant::BOOT, &mut Rng::new(1), |_| {});
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
    client.receive(text.as_bytes(), Instant::BOOT);
    match client.event() {
        Some(Outcome::Done(response)) => response,
        other => panic!("{other:?}"),
    }
}

fn number(value: &Value) -> i64 {
    value.as_str().unwrap().parse().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

const NO_LEASE: (u16, &str) = (
    404,
    r#"{"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5}"#,
);

impl Etcd {
    /// Leases that have ended by `now` take their keys with them.
    pub(super) fn expire(&mut self, now: Instant) {
        let ended: Vec<i64> = (self.leases.iter())
            .filter(|(_, (_, ends))| now >= *ends)
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            self.revoke(id);
        }
    }

    fn revoke(&mut self, id: i64) -> bool {
        let before = self.pairs.len();
        self.pairs.retain(|_, pair| pair.lease != id);
        self.revision += 1;
        if self.pairs.len() < before {
            self.changed = self.revision;
        }
        self.leases.remove(&id).is_some()
    }

    /// Somebody deletes all keys.
    pub(super) fn wipe(&mut self) {
        self.pairs.clear();
        self.revision += 1;
        self.changed = self.revision;
    }

    /// Somebody else puts a key with a lease of its own.
    pub(super) fn put(&mut self, key: &str, lease: i64, value: &str, ttl: Duration, now: Instant) {
        self.leases.insert(lease, (ttl, now + ttl));
        self.revision += 1;
        self.changed = self.revision;
        let created = self.revision;
        let value = value.into();
        let pair = Pair {
            value,
            created,
            lease,
        };
        self.pairs.insert(key.into(), pair);
    }

    pub(super) fn renew(&mut self, lease: i64, now: Instant) {
        if let Some((ttl, ends)) = self.leases.get_mut(&lease) {
            *ends = now + *ttl;
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut pairs: Vec<&Pair> = self.pairs.values().collect();
        pairs.sort_by_key(|pair| pair.created);
        let name = |pair: &&Pair| String::from_utf8(pair.value.clone()).unwrap();
        pairs.iter().map(name).collect()
    }

    pub(super) fn lease_count(&self) -> usize {
        self.leases.len()
    }

    /// What a watch says by now, which is `body`; `None`: nothing of what it is there for.
    pub(super) fn watched(&self, body: &Value) -> Option<String> {
        let from = number(&body["create_request"]["start_revision"]);
        let header = json!({"revision": self.changed.to_string()});
        let lines = [
            json!({"result": {"header": header, "created": true}}),
            json!({"result": {"header": header, "events": [{"type": "DELETE", "kv": {}}]}}),
        ];
        (self.changed >= from).then(|| lines.map(|line| format!("{line}\n")).concat())
    }

    /// Status and body.
    pub(super) fn serve(&mut self, path: &str, body: &Value, now: Instant) -> (u16, String) {
        self.expire(now);
        let header = json!({"revision": self.revision.to_string()});
        let answer = match path {
            "/v3/lease/grant" => {
                self.next_lease += 1;
                let id = self.next_lease << 8;
                let ttl = Duration::from_secs(number(&body["TTL"]).try_into().unwrap());
                self.leases.insert(id, (ttl, now + ttl));
                json!({"header": header, "ID": id.to_string(), "TTL": ttl.as_secs().to_string()})
            }
            "/v3/lease/keepalive" => {
                let id = number(&body["ID"]);
                self.renew(id, now);
                let mut result = json!({"header": header, "ID": id.to_string()});
                if let Some((ttl, _)) = self.leases.get(&id) {
                    result["TTL"] = json!(ttl.as_secs().to_string());
                }
                json!({"result": result})
            }
            "/v3/lease/revoke" => {
                if !self.revoke(number(&body["ID"])) {
                    return (NO_LEASE.0, NO_LEASE.1.into());
                }
                json!({"header": header})
            }
            "/v3/lease/timetolive" => {
                let id = number(&body["ID"]);
                let mut result = json!({"header": header, "ID": id.to_string(), "TTL": "-1"});
                if let Some((ttl, ends)) = self.leases.get(&id) {
                    let left = ends.saturating_since(now).as_secs();
                    result["grantedTTL"] = json!(ttl.as_secs().to_string());
                    result["TTL"] = json!(left.to_string());
                }
                result
            }
            "/v3/kv/range" => {
                let (first, end) = (bytes(&body["key"]), bytes(&body["range_end"]));
                let mut found: Vec<_> = self.pairs.range(first..end).collect();
                found.sort_by_key(|(_, pair)| pair.created);
                found.truncate(number(&body["limit"]).try_into().unwrap());
                let pairs = found.iter().map(|(key, pair)| {
                    json!({
                        "key": BASE64_STANDARD.encode(key),
                        "value": BASE64_STANDARD.encode(&pair.value),
                        "create_revision": pair.created.to_string(),
                        "lease": pair.lease.to_string(),
                    })
                });
                match pairs.collect::<Vec<_>>() {
                    pairs if pairs.is_empty() => json!({"header": header}),
                    pairs => json!({"header": header, "kvs": pairs}),
                }
            }
            "/v3/kv/txn" => return self.txn(body),
            other => panic!("{other}"),
        };
        (200, answer.to_string())
    }

    fn txn(&mut self, body: &Value) -> (u16, String) {
        let guard = &body["compare"][0];
        let key = bytes(&guard["key"]);
        let expect = number(&guard["create_revision"]);
        let same = match guard.get("range_end") {
            Some(end) => self.pairs.range(key..bytes(end)).next().is_none() && expect == 0,
            None => self.pairs.get(&key).map_or(0, |pair| pair.created) == expect,
        };
        let todo = &body["success"][0];
        if same && let Some(put) = todo.get("request_put") {
            let lease = number(&put["lease"]);
            if !self.leases.contains_key(&lease) {
                return (NO_LEASE.0, NO_LEASE.1.into());
            }
            self.revision += 1;
            self.changed = self.revision;
            let (created, value) = (self.revision, bytes(&put["value"]));
            let pair = Pair {
                value,
                created,
                lease,
            };
            self.pairs.insert(bytes(&put["key"]), pair);
        }
        if same && let Some(delete) = todo.get("request_delete_range") {
            self.revision += 1;
            self.changed = self.revision;
            self.pairs.remove(&bytes(&delete["key"])).unwrap();
        }
        let revision = self.revision.to_string();
        (
            200,
            json!({"header": {"revision": revision}, "succeeded": same}).to_string(),
        )
    }
}
