//! Hetzner Cloud: servers, floating addresses, a private network with aliases.
//!
//! As in the real one a list of aliases is replaced as a whole, a server with an action under way is locked, and lists come in pages.

use std::net::IpAddr;

use serde_json::Value;
use serde_json::json;

use super::Answer;
use super::Asked;
use super::Change;
use super::Cloud;
use super::End;
use super::number;

/// The number of the private network.
const NETWORK: u64 = 77;

/// The number of the first floating address.
const FLOATING: u64 = 900;

/// Servers or floating addresses on a page: few, so that there are several pages.
const PAGE: usize = 1;

pub(super) fn error(status: u16, code: &str) -> Answer {
    let message = format!("the mock says {code}");
    let error = json!({"code": code, "message": message, "details": {}});
    (status, json!({ "error": error }))
}

pub(super) fn answer(cloud: &mut Cloud, asked: &Asked<'_>) -> Answer {
    let floating = |word: &str| number(word).wrapping_sub(FLOATING) as usize;
    match asked.words[..] {
        ["GET", "hetzner", "v1", "metadata", "instance-id"] => match asked.from {
            Some(server) => (200, json!(server.to_string())),
            None => error(404, "not_found"),
        },
        _ if !asked.known => error(401, "unauthorized"),
        ["GET", "v1", "servers"] => {
            let all = cloud.servers.keys().map(|it| server(cloud, *it));
            page("servers", all.collect(), asked.query)
        }
        ["GET", "v1", "servers", it] if cloud.servers.contains_key(&number(it)) => {
            read(cloud, number(it), asked.from)
        }
        ["GET", "v1", "networks", it] if number(it) == NETWORK => {
            let network = json!({"id": NETWORK, "ip_range": "10.56.0.0/16"});
            (200, json!({ "network": network }))
        }
        ["GET", "v1", "floating_ips"] => {
            let all = (0..cloud.addresses.len()).map(|it| show_floating(cloud, it));
            page("floating_ips", all.collect(), asked.query)
        }
        ["GET", "v1", "floating_ips", it] => (
            200,
            json!({"floating_ip": show_floating(cloud, floating(it))}),
        ),
        ["GET", "v1", "actions", it] => show_action(cloud, number(it) as usize, 200),
        ["POST", "v1", "floating_ips", it, "actions", "assign"] => {
            let server = asked.body["server"].as_u64().unwrap_or_default();
            begin(cloud, Change::Owner(floating(it), server), asked)
        }
        ["POST", "v1", "servers", it, "actions", "change_alias_ips"]
            if asked.body["network"] == NETWORK =>
        {
            change_aliases(cloud, number(it), asked)
        }
        _ => error(404, "not_found"),
    }
}

/// A server, and what somebody else does to it meanwhile.
fn read(cloud: &mut Cloud, it: u64, reader: Option<u64>) -> Answer {
    let mut shown = server(cloud, it);
    let mut others = cloud.meanwhile.iter();
    let other = others.position(|other| other.server == it && Some(other.reader) == reader);
    if let Some(other) = other {
        let other = cloud.meanwhile.remove(other);
        shown["locked"] = true.into();
        if let Some(server) = cloud.servers.get_mut(&it) {
            server.aliases.push(other.alias);
        }
    }
    (200, json!({ "server": shown }))
}

fn change_aliases(cloud: &mut Cloud, server: u64, asked: &Asked<'_>) -> Answer {
    let list = asked.body["alias_ips"].as_array();
    let list = list.into_iter().flatten().filter_map(Value::as_str);
    let list: Vec<IpAddr> = list.filter_map(|it| it.parse().ok()).collect();
    let mut others = cloud.servers.iter().filter(|(it, _)| **it != server);
    if others.any(|(_, other)| other.aliases.iter().any(|ip| list.contains(ip))) {
        return error(409, "ip_not_available");
    }
    begin(cloud, Change::Aliases(server, list), asked)
}

fn begin(cloud: &mut Cloud, change: Change, asked: &Asked<'_>) -> Answer {
    let server = change.server();
    if !cloud.servers.contains_key(&server) {
        return error(404, "not_found");
    }
    if cloud.runs(|running| running.server() == server) {
        return error(423, "locked");
    }
    let number = cloud.begin(change, asked.trouble);
    show_action(cloud, number, 201)
}

fn show_action(cloud: &Cloud, number: usize, code: u16) -> Answer {
    let (status, why) = match cloud.outcome(number) {
        None => return error(404, "not_found"),
        Some(None) => ("running", Value::Null),
        Some(Some(End::Success)) => ("success", Value::Null),
        Some(Some(End::Failure)) => {
            let message = "the mock lets it fail";
            (
                "error",
                json!({"code": "action_failed", "message": message}),
            )
        }
    };
    let action = json!({"id": number, "status": status, "progress": 50, "error": why});
    (code, json!({ "action": action }))
}

fn server(cloud: &Cloud, number: u64) -> Value {
    let server = &cloud.servers[&number];
    let locked = cloud.runs(|running| running.server() == number);
    json!({"id": number, "name": format!("server-{number}"), "locked": locked, "private_net": [
        {"network": NETWORK, "ip": server.ip, "alias_ips": server.aliases},
    ]})
}

fn show_floating(cloud: &Cloud, index: usize) -> Value {
    let found = cloud.addresses.get(index);
    found.map_or(
        Value::Null,
        |(ip, server)| json!({"id": FLOATING + index as u64, "ip": ip, "server": server}),
    )
}

/// A page of a list.
fn page(name: &str, all: Vec<Value>, query: &str) -> Answer {
    let page = query.split('&').find_map(|it| it.strip_prefix("page="));
    let page: usize = page.and_then(|it| it.parse().ok()).unwrap_or(1).max(1);
    let more = all.len() > page * PAGE;
    let next = more.then_some(page + 1);
    let some: Vec<Value> = all.into_iter().skip((page - 1) * PAGE).take(PAGE).collect();
    let pagination = json!({"page": page, "per_page": PAGE, "next_page": next});
    (200, json!({name: some, "meta": {"pagination": pagination}}))
}
