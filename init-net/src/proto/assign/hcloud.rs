//! Hetzner Cloud: a public address is a floating one, a private one an alias in a network.
//!
//! `change_alias_ips` replaces the whole list of a server. So the list is read right before it is written, on both servers, with
//! nothing changed in it but this address, and read again afterwards. While another action runs on a server its list is none to
//! build on. What begins and ends between the reading and the writing is overwritten: the API has no condition to put on a write.
//! What was there before and is gone afterwards is not put back: somebody may have moved it.

use core::net::IpAddr;

use serde_json::{Value, json};

use super::reply::{Reply, id};
use super::{Ask, Base, Cloud, Holder, Procedure, Step, Task};
use crate::proto::http::Request;
use crate::value::{Instant, Prefix, Secret, VipApi};

const CLOUD: Cloud = Cloud {
    api: "https://api.hetzner.cloud/v1",
    metadata: "http://169.254.169.254/hetzner/v1/metadata",
    header: "Authorization",
    scheme: "Bearer ",
};
/// Most pages of a list: 50 of each.
const MAX_PAGES: u64 = 100;
/// Most networks of a server that are asked.
const MAX_NETWORKS: usize = 16;
/// Most aliases of a server in a network that are kept, more than the API allows.
const MAX_ALIASES: usize = 64;

#[derive(Debug)]
pub(super) struct HCloud {
    api: VipApi,
    ip: IpAddr,
    task: Task,
    /// The number of this server.
    own: Option<u64>,
    /// The network of an alias.
    network: Option<u64>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Identity,
    /// The page of floating addresses that is awaited.
    Floating {
        page: u64,
    },
    /// One floating address that was assigned, read back.
    Assigned {
        number: u64,
    },
    /// This server, for its networks.
    Own,
    /// Networks still to be asked for.
    Network {
        left: Vec<u64>,
        asked: u64,
    },
    /// The page of servers that is awaited, in search of who has the alias.
    Servers {
        page: u64,
    },
    /// A server, to write its list without (`from` an old holder) or with the address.
    Read {
        server: u64,
        takes: bool,
    },
    /// An action; what is read once it has ended.
    Action {
        number: u64,
        then: Box<After>,
    },
}

/// What follows an action.
#[derive(Clone, Debug)]
enum After {
    /// The floating address of that number.
    Floating(u64),
    /// The list of this server: it gets the address, or shows that it has it.
    Alias,
}

impl HCloud {
    pub(super) fn new(api: VipApi, ip: IpAddr) -> Self {
        Self {
            api,
            ip,
            task: Task::Audit,
            own: None,
            network: None,
            state: State::Identity,
        }
    }

    fn is_alias(&self) -> bool {
        match self.ip {
            IpAddr::V4(v4) => v4.is_private(),
            IpAddr::V6(v6) => v6.is_unique_local(),
        }
    }

    fn to(&mut self, state: State) -> Step {
        let path = match &state {
            State::Identity => {
                self.state = state;
                return Step::Ask(Ask::get(Base::Metadata, "/instance-id"));
            }
            State::Floating { page } => format!("/floating_ips?page={page}&per_page=50"),
            State::Assigned { number } => format!("/floating_ips/{number}"),
            State::Own => format!("/servers/{}", self.own.unwrap_or_default()),
            State::Network { asked, .. } => format!("/networks/{asked}"),
            State::Servers { page } => format!("/servers?page={page}&per_page=50"),
            State::Read { server, .. } => format!("/servers/{server}"),
            State::Action { number, .. } => {
                let ask = Ask::get(Base::Api, format!("/actions/{number}"));
                self.state = state;
                return Step::Poll(ask);
            }
        };
        self.state = state;
        Step::Ask(Ask::get(Base::Api, path))
    }

    /// With the number of this server known.
    fn search(&mut self) -> Step {
        match (self.is_alias(), self.network) {
            (false, _) => self.to(State::Floating { page: 1 }),
            (true, None) => self.to(State::Own),
            (true, Some(_)) => self.to(State::Servers { page: 1 }),
        }
    }

    /// The address of a floating one; of IPv6 it is a network.
    fn is_floating(&self, value: &Value) -> bool {
        let text = value.get("ip").and_then(Value::as_str).unwrap_or_default();
        match text.parse::<Prefix>() {
            Ok(prefix) => prefix.contains(self.ip),
            Err(_) => text.parse() == Ok(self.ip),
        }
    }

    fn floating(&mut self, reply: &Reply<'_>, page: u64) -> Step {
        if !reply.has_list("/floating_ips") {
            return Step::Again("an answer without floating addresses".into());
        }
        let found = reply.list("/floating_ips").find(|it| self.is_floating(it));
        if let Some(found) = found {
            return self.floating_found(&found.clone());
        }
        match reply.at("/meta/pagination/next_page").and_then(id) {
            Some(next) if next > page && next <= MAX_PAGES => {
                self.to(State::Floating { page: next })
            }
            _ => Step::Fail(format!(
                "{} is no floating address of this project",
                self.ip
            )),
        }
    }

    fn floating_found(&mut self, found: &Value) -> Step {
        let Some(number) = found.get("id").and_then(id) else {
            return Step::Again("a floating address without a number".into());
        };
        let server = found.get("server").and_then(id);
        match server {
            server if server.is_some() && server == self.own => Step::Done(Holder::Ours),
            Some(other) if self.task == Task::Audit => {
                Step::Done(Holder::Other(format!("server {other}")))
            }
            None if self.task == Task::Audit => Step::Done(Holder::Nobody),
            Some(_) | None => {
                let body = json!({ "server": self.own });
                self.state = State::Action {
                    number: 0,
                    then: Box::new(After::Floating(number)),
                };
                Step::Ask(Ask::post(
                    format!("/floating_ips/{number}/actions/assign"),
                    body,
                ))
            }
        }
    }

    /// The networks of this server.
    fn networks(&mut self, reply: &Reply<'_>) -> Step {
        if !reply.has_list("/server/private_net") {
            return Step::Again("an answer without networks".into());
        }
        let networks = reply.list("/server/private_net");
        let networks = networks.filter_map(|it| it.get("network").and_then(id));
        let mut left: Vec<u64> = networks.take(MAX_NETWORKS).collect();
        match left.pop() {
            Some(asked) => self.to(State::Network { left, asked }),
            None => Step::Fail("this server is in no private network".into()),
        }
    }

    fn network(&mut self, reply: &Reply<'_>, mut left: Vec<u64>, asked: u64) -> Step {
        if reply.at("/network").is_none() {
            return Step::Again("an answer without a network".into());
        }
        let range = reply.at("/network/ip_range").and_then(Value::as_str);
        let range: Option<Prefix> = range.and_then(|text| text.parse().ok());
        if range.is_some_and(|range| range.contains(self.ip)) {
            self.network = Some(asked);
            return self.to(State::Servers { page: 1 });
        }
        match left.pop() {
            Some(asked) => self.to(State::Network { left, asked }),
            None => Step::Fail(format!("{} is in no network of this server", self.ip)),
        }
    }

    /// The aliases of a server in the network; `None`: it is not in it, or what is said cannot be kept.
    fn aliases(&self, server: &Value) -> Option<Vec<IpAddr>> {
        let nets = server.get("private_net")?.as_array()?;
        let network = self.network;
        let net = nets
            .iter()
            .find(|net| net.get("network").and_then(id) == network)?;
        let list = net.get("alias_ips")?.as_array()?;
        // One that cannot be read would be lost when the list is written.
        let all: Option<Vec<IpAddr>> = list.iter().map(|ip| ip.as_str()?.parse().ok()).collect();
        all.filter(|all| all.len() <= MAX_ALIASES)
    }

    fn servers(&mut self, reply: &Reply<'_>, page: u64) -> Step {
        if !reply.has_list("/servers") {
            return Step::Again("an answer without servers".into());
        }
        let holder = reply.list("/servers").find(|server| {
            self.aliases(server)
                .is_some_and(|aliases| aliases.contains(&self.ip))
        });
        let holder = holder.and_then(|server| server.get("id").and_then(id));
        match (holder, self.task) {
            (Some(holder), _) if Some(holder) == self.own => Step::Done(Holder::Ours),
            (Some(holder), Task::Audit) => Step::Done(Holder::Other(format!("server {holder}"))),
            (Some(server), _) => self.to(State::Read {
                server,
                takes: false,
            }),
            (None, task) => match reply.at("/meta/pagination/next_page").and_then(id) {
                Some(next) if next > page && next <= MAX_PAGES => {
                    self.to(State::Servers { page: next })
                }
                _ if task == Task::Audit => Step::Done(Holder::Nobody),
                _ => self.take_it(),
            },
        }
    }

    fn take_it(&mut self) -> Step {
        let server = self.own.unwrap_or_default();
        self.to(State::Read {
            server,
            takes: true,
        })
    }

    /// The list of a server as it is just now: it is written with, or without, the address.
    fn read(&mut self, reply: &Reply<'_>, server: u64, takes: bool) -> Step {
        let aliases = reply.at("/server").and_then(|server| self.aliases(server));
        let Some(mut aliases) = aliases else {
            return Step::Again(format!("the aliases of server {server} cannot be read"));
        };
        let locked = reply.at("/server/locked").and_then(Value::as_bool) == Some(true);
        let has = aliases.contains(&self.ip);
        match (takes, has) {
            (true, true) => return Step::Done(Holder::Ours),
            (false, false) => return self.take_it(),
            _ if locked => {
                let why = format!("server {server} is locked by another action: it is tried again");
                return Step::Again(why);
            }
            (true, false) => aliases.push(self.ip),
            (false, true) => aliases.retain(|ip| *ip != self.ip),
        }
        let body = json!({ "network": self.network, "alias_ips": aliases });
        self.state = State::Action {
            number: 0,
            then: Box::new(After::Alias),
        };
        Step::Ask(Ask::post(
            format!("/servers/{server}/actions/change_alias_ips"),
            body,
        ))
    }

    /// What became of an action, or that one has begun.
    fn action(&mut self, reply: &Reply<'_>, then: After) -> Step {
        let number = reply.at("/action/id").and_then(id);
        let status = reply.at("/action/status").and_then(Value::as_str);
        match (status, number) {
            (Some("running"), Some(number)) => self.to(State::Action {
                number,
                then: Box::new(then),
            }),
            (Some("success"), _) => match then {
                After::Floating(number) => self.to(State::Assigned { number }),
                After::Alias => self.take_it(),
            },
            (Some("error"), _) => {
                Step::Again(format!("an action of the API failed{}", reply.says()))
            }
            _ => Step::Again("an answer without an action".into()),
        }
    }
}

impl Procedure for HCloud {
    fn begin(&mut self, task: Task) -> Option<Ask> {
        self.task = task;
        if task == Task::Release {
            return None;
        }
        let step = match self.own {
            Some(_) => self.search(),
            None => self.to(State::Identity),
        };
        match step {
            Step::Ask(ask) => Some(ask),
            Step::Poll(_) | Step::Done(_) | Step::Again(_) | Step::Fail(_) => None,
        }
    }

    fn take(&mut self, reply: &Reply<'_>) -> Step {
        if !reply.is_good() {
            // Ours already, or somebody was quicker: what is read next says.
            let settled = matches!(
                reply.code(),
                Some("floating_ip_assigned" | "conflict" | "ip_not_available")
            );
            if settled || reply.status == 409 {
                return Step::Again(reply.fault());
            }
            if matches!(self.state, State::Identity) {
                return Step::Again(format!("metadata: {}", reply.fault()));
            }
            // A server that is gone since has no list.
            self.network = None;
            return Step::Again(reply.fault());
        }
        match self.state.clone() {
            State::Identity => {
                let text = core::str::from_utf8(reply.body).unwrap_or_default().trim();
                match text.parse() {
                    Ok(own) => {
                        self.own = Some(own);
                        self.search()
                    }
                    Err(_) => Step::Again("metadata: the number of this server is none".into()),
                }
            }
            State::Floating { page } => self.floating(reply, page),
            State::Assigned { .. } => match reply.at("/floating_ip/server").and_then(id) {
                server if server.is_some() && server == self.own => Step::Done(Holder::Ours),
                _ => Step::Again("the address went to another server".into()),
            },
            State::Own => self.networks(reply),
            State::Network { left, asked } => self.network(reply, left, asked),
            State::Servers { page } => self.servers(reply, page),
            State::Read { server, takes } => self.read(reply, server, takes),
            State::Action { then, .. } => self.action(reply, *then),
        }
    }

    fn request(&self, ask: &Ask, deadline: Instant) -> Result<Request, String> {
        CLOUD.request(&self.api, ask, deadline)
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.api.api_token]
    }
}
