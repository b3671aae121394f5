//! `explain packet`: what the firewall does with a packet, by which rule, and which line of the configuration that is.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::core::Request;
use super::kernel::Kernel;
use super::sources::Sources;
use super::{control, live, observe, offline};
use crate::plan::forecast::packet::{Destination, Outcome, Packet, Payload, Step, decide};
use crate::state::nft::{Rule, Table, ct};
use crate::state::{Desired, Observed, Scope};
use crate::sys;
pub use crate::value::{LinkName, Protocol};

/// Echo request of ICMP and of ICMPv6.
const ECHO: (u8, u8) = (8, 128);

/// The packet that is asked about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// From where.
    pub from: IpAddr,
    /// To where; `None`: to an address of this machine.
    pub to: Option<IpAddr>,
    /// Of which protocol.
    pub protocol: Protocol,
    /// TCP and UDP: from which port.
    pub from_port: u16,
    /// TCP and UDP: to which port.
    pub to_port: u16,
    /// ICMP: its type; `None`: an echo request.
    pub icmp_type: Option<u8>,
    /// By which link; `None`: the one with the address.
    pub in_link: Option<LinkName>,
    /// Of a connection that both sides know.
    pub established: bool,
}

/// The verdict and what decides it, by the firewall of `sources`; without any by the one in force where a supervisor keeps
/// it.
pub fn explain(sources: &Sources, asked: &Asked) -> Result<String, String> {
    let mut kernel = Kernel::open().map_err(|error| format!("netlink: {error}"))?;
    let observed = observe::observe_all(&mut kernel, &Desired::default(), sys::clock::now())
        .map_err(|error| error.to_string())?;
    let packet = packet(asked, &observed)?;
    let there = observed.firewall.as_ref().map(|there| &there.table);
    let kept = sources.is_boot() && control::ask(&Request::Status)?.is_some();
    if kept {
        // The supervisor's own words say where a rule comes from.
        let origin = |name: &str| {
            let text = live::explain(&format!("firewall/{name}")).ok().flatten()?;
            let mut lines = text.lines().map(str::trim);
            lines.find_map(|line| Some(line.strip_prefix("from: ")?.to_owned()))
        };
        let mut text = verdict(there, &packet, origin);
        if offline::firewall_op()?.is_some() {
            text.push_str(
                "\n  this is the firewall in force, which is not the one that is desired",
            );
        }
        return Ok(text);
    }
    let (desired, _) = offline::compile(sources)?;
    let spec = desired.firewall.as_ref();
    let wanted = spec.and_then(|spec| spec.wanted()).map(|table| &**table);
    let origin = |name: &str| {
        let mut rules = spec.iter().flat_map(|spec| &spec.rules);
        Some(rules.find(|rule| rule.name == name)?.origin.to_string())
    };
    let mut text = verdict(wanted, &packet, origin);
    if wanted != there {
        text.push_str("\n  the firewall in force is another one");
    }
    Ok(text)
}

/// In words: `drop`, and how it comes to that.
fn verdict(
    table: Option<&Table>,
    packet: &Packet,
    origin: impl Fn(&str) -> Option<String>,
) -> String {
    let Some(table) = table else {
        return "accept\n  nothing is filtered".to_owned();
    };
    let decision = decide(table, packet);
    let mut text = match decision.outcome {
        Outcome::Accept => "accept",
        Outcome::Drop => "drop",
        Outcome::Reject => "reject",
    }
    .to_owned();
    for step in &decision.steps {
        text.push_str(&format!("\n  {}", place(table, step)));
        if let Some(element) = element(table, step) {
            text.push_str(&format!("\n    rule: {element}"));
        }
        if let Some(from) = step.comment.and_then(&origin) {
            text.push_str(&format!("\n    from: {from}"));
        }
    }
    text
}

fn rule<'t>(table: &'t Table, step: &Step<'_>) -> Option<&'t Rule> {
    let chain = table.chains.iter().find(|chain| chain.name == step.chain)?;
    chain.rules.get(step.rule?)
}

/// The name of the element that decided, where the rule is called otherwise.
fn element<'t>(table: &Table, step: &Step<'t>) -> Option<&'t str> {
    let rule = rule(table, step)?;
    let name = step.comment;
    name.filter(|_| name != rule.comment.as_deref())
}

/// Which rule of which chain, and its words.
fn place(table: &Table, step: &Step<'_>) -> String {
    match (step.rule, rule(table, step)) {
        (Some(number), Some(rule)) => format!("{}/{}: {rule}", step.chain, number + 1),
        _ => format!("{}/policy: no rule decides", step.chain),
    }
}

fn packet(asked: &Asked, observed: &Observed) -> Result<Packet, String> {
    let v4 = asked.from.is_ipv4();
    let mut own = observed.addresses.iter().filter(|status| {
        let address = status.address.address();
        address.is_ipv4() == v4
            && match asked.to {
                Some(to) => address == to,
                None => {
                    let named = asked.in_link.as_ref();
                    status.scope == Scope::Global
                        && named.is_none_or(|link| *link == status.link_name)
                }
            }
    });
    let own = own.next();
    let nowhere = match v4 {
        true => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        false => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let to = asked.to.or(own.map(|status| status.address.address()));
    let to = to.unwrap_or(nowhere);
    if to.is_ipv4() != v4 {
        return Err("--from and --to are of different families".into());
    }
    let link = asked.in_link.clone();
    let link = link.or_else(|| own.map(|status| status.link_name.clone()));
    let echo = if v4 { ECHO.0 } else { ECHO.1 };
    Ok(Packet {
        // Without one it would be a packet of this machine.
        in_link: link.or_else(|| "any".parse().ok()),
        out_link: None,
        src: asked.from,
        dst: to,
        protocol: asked.protocol.number(),
        payload: match asked.protocol {
            Protocol::Tcp | Protocol::Udp => Payload::Ports(asked.from_port, asked.to_port),
            Protocol::Icmp | Protocol::Icmpv6 => Payload::Icmp(asked.icmp_type.unwrap_or(echo), 0),
        },
        hop_limit: 64,
        ct_state: match asked.established {
            true => ct::ESTABLISHED,
            false => ct::NEW,
        },
        destination: match to {
            _ if to.is_multicast() => Destination::Multicast,
            IpAddr::V4(to) if to.is_broadcast() => Destination::Broadcast,
            _ => Destination::Local,
        },
        translated: false,
        over_limit: false,
    })
}
