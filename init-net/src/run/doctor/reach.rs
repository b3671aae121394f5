//! Who listens, and the firewall lets nobody reach them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::finding::Finding;
use super::scene::{Scene, is_loopback};
use crate::plan::forecast::packet::{Decision, Destination, Outcome, Packet, Payload, decide};
use crate::state::nft::{DEFAULT_ACTION, Field, Match, Rule, Table, Verdict, ct};
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
    let table = lenient(&there.table);
    let mut found = Vec::new();
    let management = scene.wanted.firewall.iter().flat_map(|f| &f.management);
    let mut managed: Vec<(Protocol, PortRange)> = Vec::new();
    for port in management {
        let Ok(ports) = port.ports.parse::<PortRange>() else {
            continue;
        };
        managed.push((port.protocol, ports));
        let everywhere = [IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        // A range is let in as a whole, or cut where one of its ends is.
        let ends = [ports.first(), ports.last()];
        let why = ends
            .iter()
            .find_map(|end| blocked(scene, &table, port.protocol, *end, &everywhere));
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
        if let Some(why) = blocked(scene, &table, protocol, port, &addresses) {
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

/// What blocks the port at each of these addresses, by every link; `None`: somebody reaches it.
fn blocked(
    scene: &Scene,
    table: &Table,
    protocol: Protocol,
    port: u16,
    addresses: &[IpAddr],
) -> Option<String> {
    let all = scene.observed.links.values();
    let names = all.filter(|link| !is_loopback(link)).map(|link| &link.name);
    let mut links: Vec<LinkName> = names.take(MAX_LINKS).cloned().collect();
    links.extend("any".parse());
    let mut why = None;
    for address in addresses {
        let destinations: &[IpAddr] = match address {
            // Takes both families, unless the socket says otherwise.
            IpAddr::V6(v6) if v6.is_unspecified() => &[*address, NOWHERE],
            _ => &[*address],
        };
        for to in destinations {
            for link in &links {
                let decision = decide(table, &packet(protocol, port, *to, link));
                if decision.outcome == Outcome::Accept {
                    return None;
                }
                why = why.or_else(|| words(&decision));
            }
        }
    }
    why
}

const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn words(decision: &Decision<'_>) -> Option<String> {
    let last = decision.steps.last()?;
    Some(match (last.rule, last.comment) {
        (Some(_), Some(name)) if name != DEFAULT_ACTION => format!("rule {name}"),
        (Some(_), None) => format!("a rule of chain {}", last.chain),
        (Some(_), Some(_)) | (None, _) => format!("{DEFAULT_ACTION} of chain {}", last.chain),
    })
}

/// The first of a connection; from where does not matter to a lenient table.
fn packet(protocol: Protocol, port: u16, to: IpAddr, link: &LinkName) -> Packet {
    Packet {
        in_link: Some(link.clone()),
        out_link: None,
        src: match to {
            IpAddr::V4(_) => NOWHERE,
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        },
        dst: to,
        protocol: protocol.number(),
        payload: Payload::Ports(0, port),
        hop_limit: 64,
        ct_state: ct::NEW,
        destination: Destination::Local,
        translated: false,
        over_limit: false,
    }
}

/// The table as whoever may most meets it: every rule that lets some senders in lets all in, and one that drops some drops
/// none.
fn lenient(table: &Table) -> Table {
    let mut lenient = table.clone();
    for chain in &mut lenient.chains {
        chain.rules.retain_mut(|rule| {
            let all = rule.matches.len();
            let lets_in = lets_in(table, rule);
            rule.matches.retain(|found| !is_about_sender(found));
            lets_in || rule.matches.len() == all
        });
    }
    lenient
}

fn is_about_sender(found: &Match) -> bool {
    let of_sender = |field: &Field| matches!(field, Field::Saddr(_) | Field::Sport);
    match found {
        Match::Is { field, .. } => of_sender(field),
        Match::In { fields, .. } => fields.iter().all(of_sender),
        Match::Foreign(_) => false,
    }
}

/// Whether it accepts, itself or in the chain that it jumps to.
fn lets_in(table: &Table, rule: &Rule) -> bool {
    match &rule.verdict {
        Verdict::Accept => true,
        Verdict::Jump(name) => {
            let chain = table.chains.iter().find(|chain| chain.name == *name);
            let mut rules = chain.iter().flat_map(|chain| &chain.rules);
            rules.any(|rule| rule.verdict == Verdict::Accept)
        }
        Verdict::Drop | Verdict::Reject(_) | Verdict::Return | Verdict::Continue => false,
    }
}
