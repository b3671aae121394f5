//! A mock of the API of Hetzner Cloud over HTTP: servers, floating addresses, a private network with aliases, actions that take
//! their time, metadata by the address of who asks, and faults instead of the right answer.
//!
//! As in the real one a list of aliases is replaced as a whole, a server with an action under way is locked, and lists come in pages.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::http::SILENCE;
use super::http::listen;
use super::http::read_request;
use super::metadata::Fault;
use super::metadata::fault::reply;
use super::stop::PeerThread;
use crate::Lab;
use crate::Log;
use crate::Namespace;
use crate::Result;
use crate::error::Context;

/// The token that is taken.
pub const TOKEN: &str = "hunter2";

/// The number of the private network.
const NETWORK: u64 = 77;

/// The number of the first floating address.
const FLOATING: u64 = 900;

/// Servers or floating addresses on a page: few, so that there are several pages.
const PAGE: usize = 1;

/// What happens instead of the right answer.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Nothing is done, and the answer is wrong.
    Refused(Fault),
    /// It is done, and the answer is wrong.
    Done(Fault),
    /// An error of the API: status, code.
    Error(u16, &'static str),
    /// The action ends with an error.
    ActionFails,
    /// The action never ends.
    ActionHangs,
}

/// A running API, stopped on drop.
#[derive(Debug)]
pub struct VipApi {
    _thread: PeerThread,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cloud: Mutex<Cloud>,
    log: Log,
}

#[derive(Debug, Default)]
struct Cloud {
    servers: BTreeMap<u64, Server>,
    floating: Vec<(IpAddr, Option<u64>)>,
    actions: Vec<Action>,
    takes: Duration,
    /// Requests whose line begins so are answered so.
    troubles: Vec<(String, Trouble)>,
}

#[derive(Debug)]
struct Server {
    ip: Ipv4Addr,
    aliases: Vec<IpAddr>,
}

#[derive(Debug)]
struct Action {
    begun: Instant,
    change: Option<Change>,
    /// What it ends as; `None`: it does not end.
    ends: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum Change {
    Floating(usize, u64),
    Aliases(u64, Vec<IpAddr>),
}

impl Change {
    const fn server(&self) -> u64 {
        match self {
            Self::Floating(_, server) | Self::Aliases(server, _) => *server,
        }
    }
}

impl VipApi {
    /// Serves on `address` in `namespace`. An action takes so long.
    ///
    /// # Errors
    /// The address is not on an interface there, or the port is taken.
    pub fn start(lab: &Lab, namespace: &Namespace, address: &str, takes: Duration) -> Result<Self> {
        let listener = namespace
            .enter(|| TcpListener::bind(address))?
            .context(address)?;
        let shared = Arc::new(Shared {
            cloud: Mutex::new(Cloud {
                takes,
                ..Cloud::default()
            }),
            log: Log::default(),
        });
        lab.keep("vip-api", &shared.log);
        let server = shared.clone();
        let thread = listen(listener, move |stream| server.serve(stream))?;
        Ok(Self {
            _thread: thread,
            shared,
        })
    }

    /// There is a server that asks from this address, with these aliases.
    pub fn server(&self, number: u64, ip: Ipv4Addr, aliases: &[IpAddr]) {
        let aliases = aliases.to_vec();
        self.cloud().servers.insert(number, Server { ip, aliases });
    }

    /// There is a floating address, which nobody has.
    pub fn floating(&self, ip: IpAddr) {
        self.cloud().floating.push((ip, None));
    }

    /// From now on requests whose line begins so (`POST /v1/servers`) are answered so.
    pub fn trouble(&self, line: &str, trouble: Trouble) {
        self.cloud().troubles.push((line.to_owned(), trouble));
    }

    /// From now on everything is answered rightly; actions that did not end have failed.
    pub fn heal(&self) {
        let mut cloud = self.cloud();
        cloud.troubles.clear();
        for action in &mut cloud.actions {
            action.ends.get_or_insert("error");
        }
    }

    /// Who has a floating address, or an alias.
    pub fn owner(&self, ip: IpAddr) -> Option<u64> {
        let cloud = self.cloud();
        let floating = cloud.floating.iter().find(|(it, _)| *it == ip);
        let mut servers = cloud.servers.iter();
        match floating {
            Some((_, owner)) => *owner,
            None => servers
                .find(|(_, server)| server.aliases.contains(&ip))
                .map(|(number, _)| *number),
        }
    }

    /// The aliases of a server.
    pub fn aliases(&self, server: u64) -> Vec<IpAddr> {
        let cloud = self.cloud();
        cloud
            .servers
            .get(&server)
            .map_or_else(Vec::new, |it| it.aliases.clone())
    }

    /// Somebody else gives a server these aliases.
    pub fn set_aliases(&self, server: u64, aliases: &[IpAddr]) {
        if let Some(server) = self.cloud().servers.get_mut(&server) {
            server.aliases = aliases.to_vec();
        }
    }

    /// A line for each request: `POST /v1/servers/2/actions/change_alias_ips BODY 201`.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        let mut cloud = self.shared.cloud.lock().expect("no holder panics");
        cloud.advance();
        cloud
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        if let Err(error) = self.answer(stream) {
            self.log.push(format!("a connection: {error}"));
        }
    }

    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(SILENCE))?;
        let peer = stream.peer_addr()?;
        let Some(request) = read_request(stream)? else {
            return Ok(());
        };
        let line = format!("{} {}", request.method, request.path);
        let sent = String::from_utf8_lossy(&request.body).into_owned();
        let token = request.header("authorization").unwrap_or_default();
        let known = token == format!("Bearer {TOKEN}");
        let (trouble, (status, body)) = {
            let Ok(mut cloud) = self.cloud.lock() else {
                return Ok(());
            };
            cloud.advance();
            let trouble = cloud.troubles.iter().find(|(it, _)| line.starts_with(it));
            let trouble = trouble.map(|(_, trouble)| trouble.clone());
            let answer = match &trouble {
                Some(Trouble::Refused(_)) => (200, json!({})),
                Some(Trouble::Error(status, code)) => error(*status, code),
                _ => cloud.handle(&line, &sent, known, peer, trouble.as_ref()),
            };
            (trouble, answer)
        };
        let body = match body {
            Value::String(text) => text,
            body => body.to_string(),
        };
        let note = trouble.as_ref().map(|it| format!(" ({it:?})"));
        let from = peer.ip();
        self.log.push(format!(
            "{from} {line} {sent} {status}{}",
            note.unwrap_or_default()
        ));
        match trouble {
            Some(Trouble::Refused(fault) | Trouble::Done(fault)) => {
                fault.answer(stream, &request.path, body.as_bytes())
            }
            _ => reply(stream, status, body.as_bytes()),
        }
    }
}

fn error(status: u16, code: &str) -> (u16, Value) {
    let message = format!("the mock says {code}");
    (
        status,
        json!({"error": {"code": code, "message": message, "details": {}}}),
    )
}

impl Cloud {
    /// Actions whose time has come end.
    fn advance(&mut self) {
        for action in &mut self.actions {
            if action.begun.elapsed() < self.takes || action.ends.is_none() {
                continue;
            }
            match action.change.take() {
                Some(_) if action.ends == Some("error") => {}
                Some(Change::Floating(index, server)) => {
                    if let Some((_, owner)) = self.floating.get_mut(index) {
                        *owner = Some(server);
                    }
                }
                Some(Change::Aliases(server, aliases)) => {
                    if let Some(server) = self.servers.get_mut(&server) {
                        server.aliases = aliases;
                    }
                }
                None => {}
            }
        }
    }

    fn handle(
        &mut self,
        line: &str,
        sent: &str,
        known: bool,
        peer: SocketAddr,
        trouble: Option<&Trouble>,
    ) -> (u16, Value) {
        let (line, query) = line.split_once('?').unwrap_or((line, ""));
        let words: Vec<&str> = line.split(['/', ' ']).filter(|it| !it.is_empty()).collect();
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        if let ["GET", "hetzner", "v1", "metadata", "instance-id"] = words[..] {
            let mut servers = self.servers.iter();
            let found = servers.find(|(_, server)| IpAddr::V4(server.ip) == peer.ip());
            return match found {
                Some((number, _)) => (200, json!(number.to_string())),
                None => error(404, "not_found"),
            };
        }
        if !known {
            return error(401, "unauthorized");
        }
        let body: Value = serde_json::from_str(sent).unwrap_or_default();
        match words[..] {
            ["GET", "v1", "servers"] => {
                let all = self.servers.keys().map(|it| self.show_server(*it));
                page("servers", all.collect(), query)
            }
            ["GET", "v1", "servers", it] if self.servers.contains_key(&number(it)) => {
                (200, json!({"server": self.show_server(number(it))}))
            }
            ["GET", "v1", "networks", it] if number(it) == NETWORK => (
                200,
                json!({"network": {"id": NETWORK, "ip_range": "10.56.0.0/16"}}),
            ),
            ["GET", "v1", "floating_ips"] => {
                let all = (0..self.floating.len()).map(|it| self.show_floating(it));
                page("floating_ips", all.collect(), query)
            }
            ["GET", "v1", "floating_ips", it] => (
                200,
                json!({"floating_ip": self.show_floating((number(it) - FLOATING) as usize)}),
            ),
            ["GET", "v1", "actions", it] => self.show_action(number(it) as usize, 200),
            ["POST", "v1", "floating_ips", it, "actions", "assign"] => {
                let server = body["server"].as_u64().unwrap_or_default();
                let change = Change::Floating((number(it) - FLOATING) as usize, server);
                self.begin(change, trouble)
            }
            ["POST", "v1", "servers", it, "actions", "change_alias_ips"]
                if body["network"] == NETWORK =>
            {
                let list = body["alias_ips"].as_array();
                let list = list.into_iter().flatten().filter_map(Value::as_str);
                let list: Vec<IpAddr> = list.filter_map(|it| it.parse().ok()).collect();
                let mut others = self
                    .servers
                    .iter()
                    .filter(|(server, _)| **server != number(it));
                let taken =
                    others.any(|(_, server)| server.aliases.iter().any(|ip| list.contains(ip)));
                if taken {
                    return error(409, "ip_not_available");
                }
                self.begin(Change::Aliases(number(it), list), trouble)
            }
            _ => error(404, "not_found"),
        }
    }

    fn begin(&mut self, change: Change, trouble: Option<&Trouble>) -> (u16, Value) {
        let server = change.server();
        if !self.servers.contains_key(&server) {
            return error(404, "not_found");
        }
        let runs = |action: &Action| {
            let change = action.change.as_ref();
            change.is_some_and(|it| it.server() == server) && action.ends != Some("error")
        };
        if self.actions.iter().any(runs) {
            return error(423, "locked");
        }
        self.actions.push(Action {
            begun: crate::clock::now(),
            change: Some(change),
            ends: match trouble {
                Some(Trouble::ActionFails) => Some("error"),
                Some(Trouble::ActionHangs) => None,
                _ => Some("success"),
            },
        });
        self.show_action(self.actions.len() - 1, 201)
    }

    fn show_action(&self, number: usize, code: u16) -> (u16, Value) {
        let Some(action) = self.actions.get(number) else {
            return error(404, "not_found");
        };
        let over = action.begun.elapsed() >= self.takes;
        let status = action.ends.filter(|_| over).unwrap_or("running");
        let failed = json!({"code": "action_failed", "message": "the mock lets it fail"});
        let error = (status == "error").then_some(failed);
        (
            code,
            json!({"action": {"id": number, "status": status, "progress": 50, "error": error}}),
        )
    }

    fn show_server(&self, number: u64) -> Value {
        let server = &self.servers[&number];
        json!({"id": number, "name": format!("server-{number}"), "private_net": [
            {"network": NETWORK, "ip": server.ip, "alias_ips": server.aliases},
        ]})
    }

    fn show_floating(&self, index: usize) -> Value {
        let found = self.floating.get(index);
        found.map_or(
            Value::Null,
            |(ip, server)| json!({"id": FLOATING + index as u64, "ip": ip, "server": server}),
        )
    }
}

/// A page of a list.
fn page(name: &str, all: Vec<Value>, query: &str) -> (u16, Value) {
    let page = query.split('&').find_map(|it| it.strip_prefix("page="));
    let page: usize = page.and_then(|it| it.parse().ok()).unwrap_or(1).max(1);
    let more = all.len() > page * PAGE;
    let next = more.then_some(page + 1);
    let some: Vec<Value> = all.into_iter().skip((page - 1) * PAGE).take(PAGE).collect();
    (
        200,
        json!({name: some, "meta": {"pagination": {"page": page, "per_page": PAGE, "next_page": next}}}),
    )
}
