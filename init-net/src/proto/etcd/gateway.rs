//! What is asked of a member and what it answers: the JSON gateway of etcd 3.4 and newer (api/etcdserverpb/rpc.proto, as
//! grpc-gateway writes it: numbers of 64 bits and bytes are strings, zeros are left out).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::proto::http::{Request, Response, Url, UrlError};
use crate::value::{Duration, Instant};

/// Most candidates that are read: many times what shares one address.
pub(super) const MAX_CANDIDATES: usize = 64;

/// Largest answer, bytes: that many candidates with names of a kilobyte.
const MAX_ANSWER: usize = 256 * 1024;

/// Lines of a watch that are waited for: that it is there, and what it saw first.
const WATCH_LINES: usize = 2;

/// Longest text of others that is told, characters: that of a host name.
const MAX_TEXT: usize = 253;

/// Longest lease that is believed, seconds: etcd's own limit (server/lease/lessor.go, `MaxLeaseTTL`).
const MAX_TTL: u64 = 9_000_000_000;

/// gRPC's NOT_FOUND: of a lease that has ended, or was never there.
const NOT_FOUND: i64 = 5;

/// One thing that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A lease for so long.
    Grant(Duration),
    /// That the lease goes on.
    Renew(i64),
    /// A key of our own with that lease, unless it is there; `alone`: unless any candidate is there.
    Enter {
        /// The lease, which names the key.
        lease: i64,
        /// Whether another candidate forbids it.
        alone: bool,
    },
    /// Who campaigns.
    Look,
    /// That somebody begins or ends to campaign, from that revision on: the answer comes when it is so.
    Watch(i64),
    /// How long the lease of another candidate still is.
    Age(i64),
    /// That the key of another candidate goes, if it is the one that was created then.
    Evict {
        /// Its lease, which names the key.
        lease: i64,
        /// The revision in which it was created.
        created: i64,
    },
    /// That the lease ends, and its key with it.
    Revoke(i64),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// To [`Ask::Grant`]: the lease and how long it is.
    Granted(i64, Duration),
    /// To [`Ask::Renew`]: how long it is from now on.
    Renewed(Duration),
    /// To [`Ask::Look`]: who campaigns, in order, and as of which revision.
    Candidates(Vec<Candidate>, i64),
    /// To [`Ask::Age`]: how long it still is, and how long it was granted for; `None`: it is gone.
    Age(Option<(Duration, Duration)>),
    /// It is so.
    Done,
    /// There is no such lease.
    NoLease,
}

/// Somebody who campaigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its key.
    pub(super) key: Vec<u8>,
    /// The revision in which it was created.
    pub(super) created: i64,
    /// The lease that holds it.
    pub(super) lease: i64,
    /// Its name, as far as it can be shown.
    pub(super) name: String,
}

/// The key of a candidate: client/v3/concurrency/election.go, `Campaign`.
pub(super) fn key_of(key: &str, lease: i64) -> String {
    format!("{key}/{lease:x}")
}

/// `ask`, about the election below `key`, of the member at `endpoint`. `name` is what this machine is called.
pub(super) fn request(
    ask: &Ask,
    endpoint: &Url,
    (key, name): (&str, &str),
    deadline: Instant,
) -> Result<Request, UrlError> {
    // The keys between `KEY/` and `KEY0`, which is the next after all that begin so.
    let (first, end) = (
        BASE64_STANDARD.encode(format!("{key}/")),
        BASE64_STANDARD.encode(format!("{key}0")),
    );
    let absent = |key: &str| json!({"key": key, "target": "CREATE", "create_revision": "0"});
    let (path, body) = match ask {
        Ask::Grant(ttl) => {
            let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
            ("lease/grant", json!({"TTL": seconds.to_string()}))
        }
        Ask::Renew(lease) => ("lease/keepalive", json!({"ID": lease.to_string()})),
        Ask::Revoke(lease) => ("lease/revoke", json!({"ID": lease.to_string()})),
        Ask::Age(lease) => ("lease/timetolive", json!({"ID": lease.to_string()})),
        Ask::Enter { lease, alone } => {
            let own = BASE64_STANDARD.encode(key_of(key, *lease));
            let mut guard = absent(&own);
            if *alone {
                guard = absent(&first);
                guard["range_end"] = json!(end);
            }
            let put = json!({
                "key": own,
                "value": BASE64_STANDARD.encode(name),
                "lease": lease.to_string(),
            });
            let put = json!({"request_put": put});
            ("kv/txn", json!({"compare": [guard], "success": [put]}))
        }
        Ask::Evict { lease, created } => {
            let other = BASE64_STANDARD.encode(key_of(key, *lease));
            let guard =
                json!({"key": other, "target": "CREATE", "create_revision": created.to_string()});
            let delete = json!({"request_delete_range": {"key": other}});
            ("kv/txn", json!({"compare": [guard], "success": [delete]}))
        }
        Ask::Watch(revision) => {
            let range =
                json!({"key": first, "range_end": end, "start_revision": revision.to_string()});
            ("watch", json!({"create_request": range}))
        }
        Ask::Look => (
            "kv/range",
            json!({
                "key": first,
                "range_end": end,
                "sort_order": "ASCEND",
                "sort_target": "CREATE",
                "limit": MAX_CANDIDATES.to_string(),
            }),
        ),
    };
    let url = endpoint.join(&format!("/v3/{path}"))?;
    let mut request = Request::post(
        url,
        "application/json",
        body.to_string().into_bytes(),
        deadline,
    );
    request.body_limit = MAX_ANSWER;
    request.lines = matches!(ask, Ask::Watch(_)).then_some(WATCH_LINES);
    Ok(request)
}

/// A number of 64 bits: a string, as the gateway writes it, or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
struct Number(Option<i64>);

impl From<Value> for Number {
    fn from(value: Value) -> Self {
        Self(match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_i64(),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Lease {
    #[serde(rename = "ID")]
    id: Number,
    #[serde(rename = "TTL")]
    ttl: Number,
    #[serde(rename = "grantedTTL")]
    granted: Number,
}

/// One message of a stream.
#[derive(Deserialize)]
struct Stream<T> {
    result: T,
}

#[derive(Deserialize)]
struct Range {
    /// Every answer has it: what has none is no answer of etcd.
    header: Header,
    #[serde(default)]
    kvs: Vec<Pair>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    revision: Number,
}

#[derive(Deserialize)]
struct Watched {
    #[serde(default)]
    events: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Pair {
    key: String,
    value: String,
    create_revision: Number,
    lease: Number,
}

/// An error: flat, or of a stream in an object of its own (3.4).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: Value,
    message: String,
    code: Number,
}

/// What `response` says to `ask`; an error that the member tells, or that there is no sense in it, for people.
pub(super) fn read(ask: &Ask, response: &Response) -> Result<Said, String> {
    if !(200..300).contains(&response.status) {
        return refusal(response);
    }
    said(ask, &response.body).map_or_else(|| refusal(response), Ok)
}

fn said(ask: &Ask, body: &[u8]) -> Option<Said> {
    Some(match ask {
        Ask::Grant(_) => {
            let lease: Lease = serde_json::from_slice(body).ok()?;
            let id = lease.id.0.filter(|id| *id != 0)?;
            Said::Granted(id, seconds(lease.ttl)?)
        }
        Ask::Renew(asked) => {
            // A stream of messages, of which one is asked for.
            let mut stream =
                serde_json::Deserializer::from_slice(body).into_iter::<Stream<Lease>>();
            let lease = stream.next()?.ok()?.result;
            if lease.id.0 != Some(*asked) {
                return None;
            }
            match lease.ttl.0 {
                None | Some(..=0) => Said::NoLease,
                Some(_) => Said::Renewed(seconds(lease.ttl)?),
            }
        }
        Ask::Age(asked) => {
            let lease: Lease = serde_json::from_slice(body).ok()?;
            if lease.id.0 != Some(*asked) {
                return None;
            }
            Said::Age(match lease.ttl.0 {
                Some(..=-1) => None,
                None | Some(0) => Some((Duration::ZERO, seconds(lease.granted)?)),
                Some(_) => Some((seconds(lease.ttl)?, seconds(lease.granted)?)),
            })
        }
        Ask::Look => {
            let range: Range = serde_json::from_slice(body).ok()?;
            let pairs = range.kvs.into_iter().take(MAX_CANDIDATES);
            let candidates = pairs.map(candidate).collect::<Option<_>>()?;
            Said::Candidates(candidates, range.header.revision.0?)
        }
        Ask::Watch(_) => {
            let stream = serde_json::Deserializer::from_slice(body);
            // One that is cancelled says so without an event: what it would begin with is forgotten there.
            let event = |message: Result<Stream<Watched>, _>| {
                message.is_ok_and(|message| !message.result.events.is_empty())
            };
            stream.into_iter().any(event).then_some(Said::Done)?
        }
        Ask::Enter { .. } | Ask::Evict { .. } | Ask::Revoke(_) => {
            let _: Range = serde_json::from_slice(body).ok()?;
            Said::Done
        }
    })
}

fn candidate(pair: Pair) -> Option<Candidate> {
    let value = BASE64_STANDARD.decode(pair.value).ok()?;
    Some(Candidate {
        key: BASE64_STANDARD.decode(pair.key).ok()?,
        created: pair.create_revision.0?,
        lease: pair.lease.0.unwrap_or_default(),
        name: shown(&String::from_utf8_lossy(&value)),
    })
}

fn seconds(number: Number) -> Option<Duration> {
    let seconds = u64::try_from(number.0?).ok()?;
    (1..=MAX_TTL)
        .contains(&seconds)
        .then_some(Duration::from_secs(seconds))
}

fn refusal(response: &Response) -> Result<Said, String> {
    let refusal: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
    if refusal.code.0 == Some(NOT_FOUND) && refusal.message.contains("lease not found") {
        return Ok(Said::NoLease);
    }
    let nested = refusal.error.get("message").and_then(Value::as_str);
    let text = [nested, refusal.error.as_str(), Some(&refusal.message)];
    match text.into_iter().flatten().find(|text| !text.is_empty()) {
        Some(text) => Err(shown(text)),
        None if response.status >= 300 => Err(format!("status {}", response.status)),
        None => Err("the answer is not etcd's".into()),
    }
}

/// What somebody else wrote, as far as it may stand in a line of a log.
pub(super) fn shown(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic() || *c == ' ';
    text.chars().filter(plain).take(MAX_TEXT).collect()
}
