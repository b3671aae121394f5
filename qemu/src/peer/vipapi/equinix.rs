//! Equinix Metal: reserved addresses of a project, and their assignments to devices.
//!
//! As in the real one an address that has an assignment gets no second one, and a removal of the reservation itself, by the same
//! request as that of an assignment, is the end of the address.

use serde_json::Value;
use serde_json::json;

use super::Answer;
use super::Asked;
use super::Cloud;

/// What ids begin with.
const DEVICE: &str = "de71ce00";
const PROJECT: &str = "9609ec70";
const RESERVATION: &str = "4e5e4400";
const ASSIGNMENT: &str = "a5519000";

/// The ids of assignments: `index of the address * SERVERS + server`.
const SERVERS: u64 = 1000;

pub(super) fn error(status: u16, code: &str) -> Answer {
    (status, json!({"errors": [format!("the mock says {code}")]}))
}

pub(super) fn answer(cloud: &mut Cloud, asked: &Asked<'_>) -> Answer {
    let device = |word: &str| number(DEVICE, word).filter(|it| cloud.servers.contains_key(it));
    match asked.words[..] {
        ["GET", "metadata"] => match asked.from {
            Some(it) => {
                let name = format!("server-{it}");
                (200, json!({"id": id(DEVICE, it), "hostname": name}))
            }
            None => error(404, "not found"),
        },
        _ if !asked.known => error(401, "invalid authentication token"),
        ["GET", "metal", "v1", "devices", it] => match device(it) {
            Some(it) => {
                let project = match asked.query {
                    "include=project" => json!({"id": id(PROJECT, 1), "name": "lab"}),
                    _ => json!({"href": format!("/metal/v1/projects/{}", id(PROJECT, 1))}),
                };
                (200, json!({"id": id(DEVICE, it), "project": project}))
            }
            None => error(404, "not found"),
        },
        ["GET", "metal", "v1", "devices", it, "ips"] => match device(it) {
            Some(it) => {
                let all = cloud.addresses.iter().enumerate();
                let ours = all.filter(|(_, (_, owner))| *owner == Some(it));
                let ours = ours.map(|(index, _)| assignment(cloud, index, it));
                (200, json!({"ip_addresses": ours.collect::<Vec<_>>()}))
            }
            None => error(404, "not found"),
        },
        ["GET", "metal", "v1", "projects", it, "ips"] if number(PROJECT, it) == Some(1) => {
            let all = (0..cloud.addresses.len()).map(|index| reservation(cloud, index));
            (200, json!({"ip_addresses": all.collect::<Vec<_>>()}))
        }
        ["DELETE", "metal", "v1", "ips", it] => remove(cloud, it),
        ["POST", "metal", "v1", "devices", it, "ips"] => match device(it) {
            Some(it) => assign(cloud, it, asked),
            None => error(404, "not found"),
        },
        _ => error(404, "not found"),
    }
}

fn remove(cloud: &mut Cloud, it: &str) -> Answer {
    let reservation = number(RESERVATION, it).map(|it| it as usize);
    if let Some(index) = reservation.filter(|index| *index < cloud.addresses.len()) {
        cloud.addresses.remove(index);
        return (204, Value::Null);
    }
    let Some(assigned) = number(ASSIGNMENT, it) else {
        return error(404, "not found");
    };
    let (index, server) = ((assigned / SERVERS) as usize, assigned % SERVERS);
    match cloud.addresses.get_mut(index) {
        Some((_, owner)) if *owner == Some(server) => {
            *owner = None;
            (204, Value::Null)
        }
        _ => error(404, "not found"),
    }
}

fn assign(cloud: &mut Cloud, device: u64, asked: &Asked<'_>) -> Answer {
    let index = asked.body["address"].as_str().and_then(|ip| cloud.find(ip));
    let Some(index) = index else {
        return error(422, "no such address in the project");
    };
    let (_, owner) = &mut cloud.addresses[index];
    if owner.is_some() {
        return error(422, "address already assigned");
    }
    *owner = Some(device);
    (201, assignment(cloud, index, device))
}

fn assignment(cloud: &Cloud, index: usize, device: u64) -> Value {
    let (ip, _) = cloud.addresses[index];
    let number = index as u64 * SERVERS + device;
    json!({"id": id(ASSIGNMENT, number), "address": ip, "cidr": 32, "assigned_to": {
        "href": format!("/metal/v1/devices/{}", id(DEVICE, device)),
    }})
}

fn reservation(cloud: &Cloud, index: usize) -> Value {
    let (ip, owner) = cloud.addresses[index];
    let numbers = owner.iter().map(|owner| index as u64 * SERVERS + owner);
    let hrefs = numbers.map(|it| format!("/metal/v1/ips/{}", id(ASSIGNMENT, it)));
    let assignments: Vec<Value> = hrefs.map(|href| json!({ "href": href })).collect();
    json!({"id": id(RESERVATION, index as u64), "address": ip, "cidr": 32, "assignments": assignments})
}

/// Ids are UUIDs.
fn id(kind: &str, number: u64) -> String {
    format!("{kind}-0000-4000-8000-{number:012}")
}

/// The number in an id of that kind.
fn number(kind: &str, id: &str) -> Option<u64> {
    let number = id.strip_prefix(kind)?.strip_prefix("-0000-4000-8000-")?;
    number.parse().ok()
}
