//! Who listens, and the firewall lets nobody reach them.

use core::net::{IpAddr, Ipv6Addr};

use super::finding::Finding;
use super::scene::{Scene, is_loopback};
use crate::run::reachable::{self, Lenient};
use crate::sys::listening::Listener;
use crate::value::{LinkName, PortRange, Protocol};

/// Ports that are judged: each is a walk through all rules, for each link.
const MAX_PORTS: usize = 256;

/// Links by which a packet may come in that are tried; of the rest no rule speaks, most of the time.
const MAX_LINKS: usize = 16;

/// Ports that are listened on, or declared for management, and blocked whoever asks.
pub fn judge(scene: &Scene) -> Vec<Finding> {
    let Some(there) = &scene.observed.firewall else {
        return Vec::new();
    };
    let table = Lenient::new(&there.table);
    let all = scene.observed.links.values();
    let names = all.filter(|link| !is_loopback(link)).map(|link| &link.name);
    let mut links: Vec<LinkName> = names.take(MAX_LINKS).cloned().collect();
    links.extend(reachable::any_link());
    let mut found = Vec::new();
    let management = scene.wanted.firewall.iter().flat_map(|f| &f.management);
    let mut managed: Vec<(Protocol, PortRange)> = Vec::new();
    for port in management {
        let Ok(ports) = port.ports.parse::<PortRange>() else {
            continue;
        };
        managed.push((port.protocol, ports));
        let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let edges = reachable::edges([&there.table], ports);
        let why = edges
            .iter()
            .find_map(|edge| table.blocked(port.protocol, *edge, &everywhere, &links));
        if let Some(why) = why {
            let id = format!("{}/{ports}", port.protocol);
            found.push(
                Finding::error(id, format!("declared for management, and blocked: {why}"))
                    .why("whoever is cut off cannot repair it from afar")
                    .fix("a NetworkRuleConfig that lets the port in"),
            );
        }
    }
    for (protocol, port, addresses) in ports(&scene.listeners) {
        let is_managed = |(of, ports): &(Protocol, PortRange)| {
            *of == protocol && (ports.first()..=ports.last()).contains(&port)
        };
        if managed.iter().any(is_managed) {
            continue;
        }
        if let Some(why) = table.blocked(protocol, port, &addresses, &links) {
            let id = format!("{protocol}/{port}");
            let problem = format!("port {port} is listened on and nobody reaches it: {why}");
            found.push(
                Finding::warning(id, problem)
                    .why("the firewall blocks it for everybody")
                    .fix("a NetworkRuleConfig for the port, or nobody who listens"),
            );
        }
    }
    found
}

/// By protocol and port, the addresses that others could reach.
fn ports(listeners: &[Listener]) -> Vec<(Protocol, u16, Vec<IpAddr>)> {
    let mut ports: Vec<(Protocol, u16, Vec<IpAddr>)> = Vec::new();
    // In order: those of one port are neighbours.
    for listener in listeners.iter().filter(|one| !one.address.is_loopback()) {
        match ports.last_mut() {
            Some((protocol, port, addresses))
                if (*protocol, *port) == (listener.protocol, listener.port) =>
            {
                addresses.push(listener.address);
            }
            _ => ports.push((listener.protocol, listener.port, vec![listener.address])),
        }
    }
    ports.truncate(MAX_PORTS);
    ports
}
