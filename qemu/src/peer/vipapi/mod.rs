//! A mock of the APIs that move a shared address over HTTP: Hetzner Cloud, Equinix Metal, DigitalOcean, and a hook of somebody's
//! own. One cloud of servers and addresses stands behind all of them; metadata go by the address of who asks.
//!
//! Actions take their time, and faults happen instead of the right answer.

mod digital_ocean;
mod equinix;
mod hcloud;
mod hook;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::http::Request;
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

/// What happens instead of the right answer.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Nothing is done, and the answer is wrong.
    Refused(Fault),
    /// It is done, and the answer is wrong.
    Done(Fault),
    /// An error of the API, as it writes them: status, code.
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
    /// Addresses that can be moved, and which server has each.
    addresses: Vec<(IpAddr, Option<u64>)>,
    actions: Vec<Action>,
    takes: Duration,
    /// Requests whose line begins so are answered so.
    troubles: Vec<(String, Trouble)>,
    meanwhile: Vec<Meanwhile>,
}

#[derive(Debug)]
struct Server {
    ip: Ipv4Addr,
    aliases: Vec<IpAddr>,
}

/// Somebody else's action, which gives `server` an alias: it runs when `reader` reads that server, and has ended right after.
#[derive(Debug)]
struct Meanwhile {
    reader: u64,
    server: u64,
    alias: IpAddr,
}

#[derive(Debug)]
struct Action {
    begun: Instant,
    change: Option<Change>,
    /// How it ends; `None`: it does not end.
    ends: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Success,
    Failure,
}

#[derive(Clone, Debug)]
enum Change {
    /// The address of that index goes to that server.
    Owner(usize, u64),
    /// That server has these aliases.
    Aliases(u64, Vec<IpAddr>),
}

impl Change {
    const fn server(&self) -> u64 {
        match self {
            Self::Owner(_, server) | Self::Aliases(server, _) => *server,
        }
    }
}

/// A request, taken apart.
struct Asked<'a> {
    /// Method and path: `GET`, `v1`, `servers`.
    words: Vec<&'a str>,
    query: &'a str,
    body: Value,
    /// Whether it has the token.
    known: bool,
    /// The server that asks.
    from: Option<u64>,
    trouble: Option<&'a Trouble>,
}

/// Status and body.
type Answer = (u16, Value);

/// Whose API is asked.
#[derive(Clone, Copy, Debug)]
enum Api {
    HCloud,
    Equinix,
    DigitalOcean,
    Hook,
}

impl Api {
    fn of(path: &str) -> Self {
        let begins = |start: &str| path.starts_with(start);
        if begins("/metal/") || path == "/metadata" {
            Self::Equinix
        } else if begins("/v2/") || begins("/metadata/v1/") {
            Self::DigitalOcean
        } else if begins("/hook/") {
            Self::Hook
        } else {
            Self::HCloud
        }
    }

    fn has_token(self, request: &Request) -> bool {
        match self {
            Self::Equinix => request.header("x-auth-token") == Some(TOKEN),
            Self::HCloud | Self::DigitalOcean | Self::Hook => {
                let bearer = request.header("authorization").unwrap_or_default();
                bearer.strip_prefix("Bearer ") == Some(TOKEN)
            }
        }
    }

    fn error(self, status: u16, code: &str) -> Answer {
        match self {
            Self::HCloud => hcloud::error(status, code),
            Self::Equinix => equinix::error(status, code),
            Self::DigitalOcean => digital_ocean::error(status, code),
            Self::Hook => hook::error(status, code),
        }
    }

    fn answer(self, cloud: &mut Cloud, asked: &Asked<'_>) -> Answer {
        match self {
            Self::HCloud => hcloud::answer(cloud, asked),
            Self::Equinix => equinix::answer(cloud, asked),
            Self::DigitalOcean => digital_ocean::answer(cloud, asked),
            Self::Hook => hook::answer(cloud, asked),
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

    /// There is an address that can be moved, which nobody has.
    pub fn address(&self, ip: IpAddr) {
        self.cloud().addresses.push((ip, None));
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
            action.ends.get_or_insert(End::Failure);
        }
    }

    /// Who has an address, or an alias.
    pub fn owner(&self, ip: IpAddr) -> Option<u64> {
        let cloud = self.cloud();
        let address = cloud.addresses.iter().find(|(it, _)| *it == ip);
        let mut servers = cloud.servers.iter();
        match address {
            Some((_, owner)) => *owner,
            None => servers
                .find(|(_, server)| server.aliases.contains(&ip))
                .map(|(number, _)| *number),
        }
    }

    /// Whether there still is such an address: one API deletes it by the same request that takes it from a server.
    pub fn has_address(&self, ip: IpAddr) -> bool {
        self.cloud().addresses.iter().any(|(it, _)| *it == ip)
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

    /// While `reader` reads `server` next, somebody else's action gives that server one more alias, which it has right after.
    pub fn adds_meanwhile(&self, reader: u64, server: u64, alias: IpAddr) {
        self.cloud().meanwhile.push(Meanwhile {
            reader,
            server,
            alias,
        });
    }

    /// A line for each request: `10.56.0.2 POST /v1/servers/2/actions/change_alias_ips BODY 201`.
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
        let peer = stream.peer_addr()?.ip();
        let Some(request) = read_request(stream)? else {
            return Ok(());
        };
        let line = format!("{} {}", request.method, request.path);
        let (trouble, (status, body)) = {
            let Ok(mut cloud) = self.cloud.lock() else {
                return Ok(());
            };
            cloud.advance();
            let trouble = cloud.troubles.iter().find(|(it, _)| line.starts_with(it));
            let trouble = trouble.map(|(_, trouble)| trouble.clone());
            let answer = cloud.answer(&line, &request, peer, trouble.as_ref());
            (trouble, answer)
        };
        let body = match body {
            Value::Null => String::new(),
            Value::String(text) => text,
            body => body.to_string(),
        };
        let sent = String::from_utf8_lossy(&request.body);
        let note = trouble.as_ref().map(|it| format!(" ({it:?})"));
        let note = note.unwrap_or_default();
        self.log
            .push(format!("{peer} {line} {sent} {status}{note}"));
        match trouble {
            Some(Trouble::Refused(fault) | Trouble::Done(fault)) => {
                fault.answer(stream, &request.path, body.as_bytes())
            }
            _ => reply(stream, status, body.as_bytes()),
        }
    }
}

impl Cloud {
    fn answer(
        &mut self,
        line: &str,
        request: &Request,
        peer: IpAddr,
        trouble: Option<&Trouble>,
    ) -> Answer {
        let (line, query) = line.split_once('?').unwrap_or((line, ""));
        let path = line.split_once(' ').map_or("", |(_, path)| path);
        let api = Api::of(path);
        match trouble {
            Some(Trouble::Refused(_)) => return (200, json!({})),
            Some(Trouble::Error(status, code)) => return api.error(*status, code),
            _ => {}
        }
        let mut servers = self.servers.iter();
        let from = servers.find(|(_, server)| IpAddr::V4(server.ip) == peer);
        let asked = Asked {
            words: line.split(['/', ' ']).filter(|it| !it.is_empty()).collect(),
            query,
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
            known: api.has_token(request),
            from: from.map(|(number, _)| *number),
            trouble,
        };
        api.answer(self, &asked)
    }

    /// Actions whose time has come end.
    fn advance(&mut self) {
        for action in &mut self.actions {
            if action.begun.elapsed() < self.takes || action.ends.is_none() {
                continue;
            }
            match action.change.take() {
                Some(_) if action.ends == Some(End::Failure) => {}
                Some(Change::Owner(index, server)) => {
                    if let Some((_, owner)) = self.addresses.get_mut(index) {
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

    /// The index of an address.
    fn find(&self, ip: &str) -> Option<usize> {
        let ip: IpAddr = ip.parse().ok()?;
        self.addresses.iter().position(|(it, _)| *it == ip)
    }

    /// Whether an action for which `concerns` holds is under way.
    fn runs(&self, concerns: impl Fn(&Change) -> bool) -> bool {
        let under_way = |action: &Action| {
            let change = action.change.as_ref();
            change.is_some_and(&concerns) && action.ends != Some(End::Failure)
        };
        self.actions.iter().any(under_way)
    }

    /// Begins an action; its number.
    fn begin(&mut self, change: Change, trouble: Option<&Trouble>) -> usize {
        self.actions.push(Action {
            begun: crate::clock::now(),
            change: Some(change),
            ends: match trouble {
                Some(Trouble::ActionFails) => Some(End::Failure),
                Some(Trouble::ActionHangs) => None,
                _ => Some(End::Success),
            },
        });
        self.actions.len() - 1
    }

    /// How an action has ended; `Some(None)`: it runs, `None`: there is no such action.
    fn outcome(&self, number: usize) -> Option<Option<End>> {
        let action = self.actions.get(number)?;
        let over = action.begun.elapsed() >= self.takes;
        Some(action.ends.filter(|_| over))
    }
}

/// The number in a word of a path; no number is one that nothing has.
fn number(word: &str) -> u64 {
    word.parse().unwrap_or(u64::MAX)
}
