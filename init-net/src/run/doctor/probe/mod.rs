//! The active part: questions to the network, all at once in one poll loop, within ten seconds.

mod arp;
mod online;
mod path;
mod search;
mod server;
mod solicit;

use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

pub use online::{OnlineAnswer, Target};
pub use path::PathAnswer;
pub use server::{Server, ServerAnswer};

use super::scene::{Scene, is_loopback};
use crate::state::{Family, LinkStatus, Scope};
use crate::sys;
use crate::sys::poll::{self, Interest};
use crate::value::{Duration, Instant, LinkName, Mac, NameServer, Rng, earliest};

/// When everything ends, whatever is still open. Name, connection and path of one target are asked one after the other
/// and have 3 s each.
const LIMIT: Duration = Duration::from_millis(9500);

/// Most gateways that are asked.
const MAX_GATEWAYS: usize = 8;

/// Most addresses of ours that are checked for a rival.
const MAX_OWNED: usize = 16;

/// Datagrams that are read of one socket in one turn: a flood on one must not hold up the others.
const BURST: usize = 64;

/// What the network answered.
#[derive(Debug, Default)]
pub struct Answers {
    pub gateways: Vec<Gateway>,
    pub owned: Vec<Owned>,
    pub servers: Vec<Server>,
    pub paths: Vec<PathAnswer>,
    /// The target of `--online`, as it was typed.
    pub online: Option<(String, OnlineAnswer)>,
    /// What could not be asked at all, and why.
    pub unasked: Vec<(String, String)>,
}

/// A next hop of a default route.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub link: LinkName,
    pub address: IpAddr,
    /// By ARP or neighbour discovery.
    pub answered: bool,
}

/// An address of this machine.
#[derive(Clone, Debug)]
pub struct Owned {
    pub link: LinkName,
    pub address: Ipv4Addr,
    /// Another host that has it too.
    pub rival: Option<Mac>,
}

/// One question in the loop.
trait Probe {
    /// Reads what came and sends what is due; when it is to be called again at the latest. `None`: it is done.
    fn turn(&mut self, now: Instant, rng: &mut Rng) -> Option<Instant>;

    /// What may wake it before.
    fn interest(&self) -> Option<Interest<'_>>;

    /// What came of it, finished or not.
    fn tell(&self, answers: &mut Answers);
}

/// Asks all that `scene` has questions for.
pub fn ask(scene: &Scene, online: Option<&Target>) -> Answers {
    let mut answers = Answers::default();
    let mut probes: Vec<Box<dyn Probe>> = Vec::new();
    let mut rng = sys::random::rng();
    let gateways = gateways(scene);
    for (link, address) in &gateways {
        match neighbour(scene, link, *address) {
            Ok(probe) => probes.push(probe),
            Err(error) => {
                let id = format!("{}/{address}", link.name);
                answers.unasked.push((id, error));
            }
        }
        probes.push(Box::new(path::Path::to_gateway(link, *address)));
    }
    let own = own_macs(scene);
    for (link, address) in owned(scene) {
        match arp::Arp::rival(link, address, own.clone()) {
            Ok(probe) => probes.push(Box::new(probe)),
            Err(error) => {
                let id = format!("{}/{address}", link.name);
                answers.unasked.push((id, error));
            }
        }
    }
    let index = |name: &LinkName| Some(scene.observed.link(name)?.index);
    for server in servers(scene) {
        let to = server.socket_addr(index);
        probes.push(Box::new(server::Asked::new(server, to, &mut rng)));
    }
    if let Some(target) = online {
        let servers = scene.resolv_conf.servers();
        let servers = servers
            .iter()
            .filter_map(|server| server.socket_addr(index));
        let links = scene.observed.clone();
        probes.push(Box::new(online::Online::new(
            target,
            servers.collect(),
            links,
        )));
    }
    run(&mut probes, &mut rng);
    for probe in &probes {
        probe.tell(&mut answers);
    }
    answers
}

fn run(probes: &mut [Box<dyn Probe>], rng: &mut Rng) {
    let limit = sys::clock::now() + LIMIT;
    let mut open: Vec<&mut Box<dyn Probe>> = probes.iter_mut().collect();
    loop {
        let now = sys::clock::now();
        let mut next = None;
        open.retain_mut(|probe| {
            let again = probe.turn(now, rng);
            next = earliest([next, again]);
            again.is_some()
        });
        let Some(next) = next else { return };
        if now >= limit {
            return;
        }
        let interests: Vec<Interest<'_>> = open.iter().filter_map(|p| p.interest()).collect();
        let wait = next.min(limit).saturating_since(now);
        if poll::poll(&interests, Some(wait)).is_err() {
            return;
        }
    }
}

/// Next hops of default routes by links that are up.
fn gateways(scene: &Scene) -> Vec<(&LinkStatus, IpAddr)> {
    let mut found: Vec<(&LinkStatus, IpAddr)> = Vec::new();
    let defaults = [Family::Inet4, Family::Inet6].map(|family| scene.defaults(family));
    for route in defaults.into_iter().flatten() {
        let link = scene.live_links().find(|l| l.index == route.out_link_index);
        if let (Some(link), Some(gateway)) = (link, route.gateway)
            && !found
                .iter()
                .any(|(l, g)| (l.index, *g) == (link.index, gateway))
            && found.len() < MAX_GATEWAYS
        {
            found.push((link, gateway));
        }
    }
    found
}

fn neighbour(scene: &Scene, link: &LinkStatus, address: IpAddr) -> Result<Box<dyn Probe>, String> {
    Ok(match address {
        IpAddr::V4(address) => {
            let source = source(scene, link, address);
            Box::new(arp::Arp::gateway(link, address, source)?)
        }
        IpAddr::V6(address) => Box::new(solicit::Solicit::new(link, address)?),
    })
}

/// The address of `link` to ask with: one in the network of the gateway, if there is one.
fn source(scene: &Scene, link: &LinkStatus, gateway: Ipv4Addr) -> Ipv4Addr {
    let here = scene.observed.addresses.iter();
    let here = here.filter(|a| a.link_index == link.index && a.family == Family::Inet4);
    let best = here
        .clone()
        .find(|a| a.address.contains(gateway.into()))
        .or_else(|| here.clone().next());
    match best.map(|a| a.address.address()) {
        Some(IpAddr::V4(address)) => address,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

fn owned(scene: &Scene) -> Vec<(&LinkStatus, Ipv4Addr)> {
    let mut found = Vec::new();
    for address in &scene.observed.addresses {
        let link = scene.live_links().find(|l| l.index == address.link_index);
        if let (Some(link), IpAddr::V4(ip)) = (link, address.address.address())
            && matches!(address.scope, Scope::Global | Scope::Link)
            && ethernet(link).is_ok()
            && found.len() < MAX_OWNED
        {
            found.push((link, ip));
        }
    }
    found
}

/// Hardware addresses of this machine: another card in the same network answers for all its addresses (arp_ignore 0).
fn own_macs(scene: &Scene) -> Vec<Mac> {
    let links = scene.observed.links.values();
    links
        .flat_map(|link| [link.hardware_addr, link.permanent_addr])
        .flatten()
        .collect()
}

/// Whom the C library would ask, else whom it should.
fn servers(scene: &Scene) -> Vec<NameServer> {
    let servers = scene.resolv_conf.servers();
    if !servers.is_empty() {
        return servers;
    }
    let wanted = scene.wanted.resolvers.iter();
    wanted
        .flat_map(|resolver| resolver.name_servers.iter().cloned())
        .take(crate::state::MAX_NAMESERVERS)
        .collect()
}

/// The Ethernet address of a link that has one.
fn ethernet(link: &LinkStatus) -> Result<[u8; 6], String> {
    let is_ethernet = link.hw_type == crate::state::arphrd::ETHER && !is_loopback(link);
    let address = link.hardware_addr.and_then(|mac| mac.as_ethernet());
    address
        .filter(|_| is_ethernet)
        .ok_or_else(|| format!("{} is no Ethernet link", link.name))
}

/// An address with the link that a link-local one needs.
fn on_link(address: IpAddr, port: u16, link: &LinkStatus) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() || v6.is_multicast() => {
            SocketAddrV6::new(v6, port, 0, link.index).into()
        }
        address => SocketAddr::new(address, port),
    }
}
