//! `explain packet`: what the firewall does with a packet, by which rule, and which line of the configuration that is.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::core::Request;
use super::kernel::Kernel;
use super::sources::{ObservedFrom, Sources};
use super::{control, live, observe, offline};
use crate::config::Diagnostic;
use crate::plan::forecast::packet::{
    Decision, Destination, Outcome, Packet, Payload, Step, decide,
};
use crate::state::nft::{Rule, Table, ct};
use crate::state::{Desired, Observed, Scope};
use crate::sys;
pub use crate::value::{LinkName, Prefix, Protocol};

/// Echo request of ICMP and of ICMPv6.
const ECHO: (u8, u8) = (8, 128);

/// What is told of a packet to somebody else.
const PASSED_ON: &str =
    "it is to no address of this machine: passed on, where it does that, and not filtered";

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
/// it. And what is wrong with the sources.
pub fn explain(sources: &Sources, asked: &Asked) -> Result<(String, Vec<Diagnostic>), String> {
    let mut kernel = Kernel::open().map_err(|error| format!("netlink: {error}"))?;
    let observed = observe::observe_all(&mut kernel, &Desired::default(), sys::clock::now())
        .map_err(|error| error.to_string())?;
    let there = observed.firewall.as_ref().map(|there| &there.table);
    let ours = sources.is_boot() && sources.observed == ObservedFrom::Kernel;
    let kept = ours && control::ask(&Request::Status)?.is_some();
    if kept {
        let packet = packet(asked, &Own::there(&observed))?;
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
        return Ok((text, Vec::new()));
    }
    let (desired, diagnostics) = offline::compile(sources)?;
    let mut own = Own::of(&desired);
    if sources.observed == ObservedFrom::Kernel {
        own.splice(0..0, Own::there(&observed));
    }
    let packet = packet(asked, &own)?;
    let spec = desired.firewall.as_ref();
    let wanted = spec.and_then(|spec| spec.wanted()).map(|table| &**table);
    let origin = |name: &str| {
        let mut rules = spec.iter().flat_map(|spec| &spec.rules);
        Some(rules.find(|rule| rule.name == name)?.origin.to_string())
    };
    let mut text = verdict(wanted, &packet, origin);
    if wanted != there && sources.observed == ObservedFrom::Kernel {
        text.push_str("\n  the firewall in force is another one");
    }
    Ok((text, diagnostics))
}

/// In words: `drop`, and how it comes to that.
fn verdict(
    table: Option<&Table>,
    packet: &Packet,
    origin: impl Fn(&str) -> Option<String>,
) -> String {
    let passed_on = packet.destination == Destination::Unicast;
    let Some(table) = table else {
        return match passed_on {
            true => format!("accept\n  {PASSED_ON}"),
            false => "accept\n  nothing is filtered".to_owned(),
        };
    };
    let decision = decide(table, packet);
    let mut text = word(decision.outcome).to_owned();
    if passed_on {
        text.push_str(&format!("\n  {PASSED_ON}"));
    }
    tell(&mut text, table, &decision, &origin);
    let over_limit = Packet {
        over_limit: true,
        ..packet.clone()
    };
    let beyond = decide(table, &over_limit);
    if beyond.steps != decision.steps {
        text.push_str(&format!("\nbeyond the limit: {}", word(beyond.outcome)));
        tell(&mut text, table, &beyond, &origin);
    }
    text
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accept => "accept",
        Outcome::Drop => "drop",
        Outcome::Reject => "reject",
    }
}

/// How it comes to a decision.
fn tell(
    text: &mut String,
    table: &Table,
    decision: &Decision<'_>,
    origin: &impl Fn(&str) -> Option<String>,
) {
    for step in &decision.steps {
        text.push_str(&format!("\n  {}", place(table, step)));
        if let Some(element) = element(table, step) {
            text.push_str(&format!("\n    rule: {element}"));
        }
        if let Some(from) = step.comment.and_then(origin) {
            text.push_str(&format!("\n    from: {from}"));
        }
    }
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

/// An address of this machine.
struct Own {
    address: Prefix,
    link: LinkName,
    /// Others know it.
    global: bool,
}

impl Own {
    /// Those that the machine has.
    fn there(observed: &Observed) -> Vec<Self> {
        let own = observed.addresses.iter().map(|status| Self {
            address: status.address,
            link: status.link_name.clone(),
            global: status.scope == Scope::Global,
        });
        own.collect()
    }

    /// Those that it is to have.
    fn of(desired: &Desired) -> Vec<Self> {
        let own = desired.addresses.values().map(|spec| Self {
            address: spec.address,
            link: spec.link_name.clone(),
            global: true,
        });
        own.collect()
    }
}

fn packet(asked: &Asked, all: &[Own]) -> Result<Packet, String> {
    let v4 = asked.from.is_ipv4();
    let mut own = all.iter().filter(|own| {
        let address = own.address.address();
        address.is_ipv4() == v4
            && match asked.to {
                Some(to) => address == to,
                None => {
                    let named = asked.in_link.as_ref();
                    own.global && named.is_none_or(|link| *link == own.link)
                }
            }
    });
    let own = own.next();
    let nowhere = match v4 {
        true => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        false => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let to = asked.to.or(own.map(|own| own.address.address()));
    let to = to.unwrap_or(nowhere);
    if to.is_ipv4() != v4 {
        return Err("--from and --to are of different families".into());
    }
    let link = asked.in_link.clone();
    let link = link.or_else(|| own.map(|own| own.link.clone()));
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
        destination: destination(to, all),
        translated: false,
        over_limit: false,
    })
}

/// What `to` is to a machine with these addresses. `0.0.0.0` and `::` stand for its own, where it has none.
fn destination(to: IpAddr, own: &[Own]) -> Destination {
    let all_of = |own: &Own| own.address.broadcast().map(IpAddr::V4) == Some(to);
    match to {
        _ if to.is_multicast() => Destination::Multicast,
        IpAddr::V4(to) if to.is_broadcast() => Destination::Broadcast,
        _ if to.is_unspecified() || to.is_loopback() => Destination::Local,
        _ if own.iter().any(|own| own.address.address() == to) => Destination::Local,
        _ if own.iter().any(all_of) => Destination::Broadcast,
        _ => Destination::Unicast,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::config::machine;

    fn firewall(rest: &str) -> Table {
        let text = format!(
            "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n---\n\
             apiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: ssh\n{rest}\
             portSelector: {{ports: [22], protocol: tcp}}\ningress: [{{subnet: 10.0.0.0/8}}]\n"
        );
        let (document, faults) = machine::parse(&text, "c");
        assert!(faults.is_empty(), "{faults:?}");
        let (desired, _) = compile(&[document], &Default::default());
        Table::clone(desired.table().unwrap())
    }

    /// What is told of a packet from 10.0.0.9 to port 22 of `to`, on a machine with 10.0.0.2/24 and 10.1.0.2/31.
    fn told(table: &Table, to: Option<&str>) -> String {
        let own = ["10.0.0.2/24", "10.1.0.2/31"].map(|address| Own {
            address: address.parse().unwrap(),
            link: "eth0".parse().unwrap(),
            global: true,
        });
        let asked = Asked {
            from: "10.0.0.9".parse().unwrap(),
            to: to.map(|to| to.parse().unwrap()),
            protocol: Protocol::Tcp,
            from_port: 50_000,
            to_port: 22,
            icmp_type: None,
            in_link: None,
            established: false,
        };
        verdict(Some(table), &packet(&asked, &own).unwrap(), |_| None)
    }

    #[test]
    fn only_what_is_to_us_is_filtered() {
        let own = ["10.0.0.2/24", "10.1.0.2/31"].map(|address| Own {
            address: address.parse().unwrap(),
            link: "eth0".parse().unwrap(),
            global: true,
        });
        let kind = |to: &str| destination(to.parse().unwrap(), &own);
        assert_eq!(kind("10.0.0.2"), Destination::Local);
        assert_eq!(kind("127.0.0.1"), Destination::Local);
        assert_eq!(kind("10.0.0.255"), Destination::Broadcast);
        assert_eq!(kind("255.255.255.255"), Destination::Broadcast);
        assert_eq!(kind("10.1.0.3"), Destination::Unicast);
        assert_eq!(kind("10.0.0.3"), Destination::Unicast);
        assert_eq!(kind("224.0.0.18"), Destination::Multicast);
        let table = firewall("");
        assert!(!told(&table, None).contains(PASSED_ON));
        assert!(!told(&table, Some("10.0.0.2")).contains(PASSED_ON));
        let text = told(&table, Some("10.0.0.3"));
        assert!(
            text.starts_with(&format!("accept\n  {PASSED_ON}")),
            "{text}"
        );
        assert!(!text.contains("ingress"), "{text}");
    }

    #[test]
    fn what_is_beyond_a_limit_is_told() {
        assert!(!told(&firewall(""), None).contains("beyond"));
        let text = told(&firewall("action: accept\nlimit: 5/second\n"), None);
        assert!(text.starts_with("accept\n"), "{text}");
        let (_, beyond) = text.split_once("\nbeyond the limit: drop\n").unwrap();
        assert!(beyond.contains("default action"), "{text}");
    }
}
