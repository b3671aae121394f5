//! DigitalOcean: reserved addresses of droplets.
//!
//! As in the real one a droplet has one of them at most, and an address with an action under way takes no other.

use serde_json::Value;
use serde_json::json;

use super::Answer;
use super::Asked;
use super::Change;
use super::Cloud;
use super::End;
use super::number;

pub(super) fn error(status: u16, code: &str) -> Answer {
    let message = format!("the mock says {code}");
    (status, json!({"id": code, "message": message}))
}

pub(super) fn answer(cloud: &mut Cloud, asked: &Asked<'_>) -> Answer {
    let address = |word: &str| cloud.find(word);
    match asked.words[..] {
        ["GET", "metadata", "v1", "id"] => match asked.from {
            Some(droplet) => (200, json!(droplet.to_string())),
            None => error(404, "not_found"),
        },
        _ if !asked.known => error(401, "unauthorized"),
        ["GET", "v2", "reserved_ips", ip] => match address(ip) {
            Some(index) => (200, json!({"reserved_ip": show(cloud, index)})),
            None => error(404, "not_found"),
        },
        ["POST", "v2", "reserved_ips", ip, "actions"] => match address(ip) {
            Some(index) => assign(cloud, index, asked),
            None => error(404, "not_found"),
        },
        ["GET", "v2", "reserved_ips", ip, "actions", it] if address(ip).is_some() => {
            show_action(cloud, number(it) as usize, 200)
        }
        _ => error(404, "not_found"),
    }
}

fn assign(cloud: &mut Cloud, index: usize, asked: &Asked<'_>) -> Answer {
    let droplet = asked.body["droplet_id"].as_u64().unwrap_or_default();
    if asked.body["type"] != "assign" || !cloud.servers.contains_key(&droplet) {
        return error(422, "unprocessable_entity");
    }
    let has_one = cloud
        .addresses
        .iter()
        .any(|(_, owner)| *owner == Some(droplet));
    if has_one || is_locked(cloud, index) {
        return error(422, "unprocessable_entity");
    }
    let number = cloud.begin(Change::Owner(index, droplet), asked.trouble);
    show_action(cloud, number, 201)
}

fn is_locked(cloud: &Cloud, index: usize) -> bool {
    cloud.runs(|change| matches!(change, Change::Owner(it, _) if *it == index))
}

fn show(cloud: &Cloud, index: usize) -> Value {
    let (ip, owner) = cloud.addresses[index];
    let droplet = owner.map(|it| json!({"id": it, "name": format!("server-{it}")}));
    let region = json!({"slug": "lab1"});
    json!({"ip": ip, "region": region, "droplet": droplet, "locked": is_locked(cloud, index)})
}

fn show_action(cloud: &Cloud, number: usize, code: u16) -> Answer {
    let status = match cloud.outcome(number) {
        None => return error(404, "not_found"),
        Some(None) => "in-progress",
        Some(Some(End::Success)) => "completed",
        Some(Some(End::Failure)) => "errored",
    };
    let action = json!({
        "id": number, "status": status, "type": "assign_ip", "resource_type": "reserved_ip",
    });
    (code, json!({ "action": action }))
}
