//! A hook of somebody's own: machines say their name, `ours-2`, and a path is an address.

use serde_json::Value;
use serde_json::json;

use super::Answer;
use super::Asked;
use super::Cloud;

pub(super) fn error(status: u16, code: &str) -> Answer {
    (status, json!({"message": format!("the mock says {code}")}))
}

pub(super) fn answer(cloud: &mut Cloud, asked: &Asked<'_>) -> Answer {
    if !asked.known {
        return error(401, "unauthorized");
    }
    let [method, "hook", ip] = asked.words[..] else {
        return error(404, "not_found");
    };
    let Some(index) = cloud.find(ip) else {
        return error(404, "not_found");
    };
    let (_, owner) = &mut cloud.addresses[index];
    let said = asked.query.strip_prefix("host=");
    let said = said
        .or_else(|| asked.body["host"].as_str())
        .unwrap_or_default();
    let number = said.strip_prefix("ours-").and_then(|it| it.parse().ok());
    let Some(host) = number.filter(|it| cloud.servers.contains_key(it)) else {
        return error(422, "no_such_host");
    };
    match (method, *owner) {
        ("GET", Some(it)) if it == host => (204, Value::Null),
        ("GET", Some(_)) => error(409, "another_host"),
        ("GET", None) => error(404, "nobody"),
        ("POST", _) => {
            *owner = Some(host);
            (201, json!({"host": host}))
        }
        ("DELETE", Some(it)) if it == host => {
            *owner = None;
            (204, Value::Null)
        }
        ("DELETE", _) => (204, Value::Null),
        _ => error(405, "method"),
    }
}
