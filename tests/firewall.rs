#![allow(clippy::unwrap_used)] // a test may end where it stands
//! Random configurations of the firewall and random packets: what the table does with each packet, by the model of nf_tables,
//! is what the configuration says, read straight: the first rule that matches decides.
//!
//! The reference knows texts of rules and packets, and nothing of chains, sets and ranges.

use std::collections::BTreeMap;
use std::net::IpAddr;

use init_net::plan::forecast::packet::{Destination, Outcome, Packet, Payload, decide};
use init_net::state::nft::ct;
use init_net::value::Rng;
use tests::ruleset::{
    Config, LINKS, NAMED, Net, PODS, Rule, SERVICES, address, config, holds, host_bits, net,
    one_in, pick, table,
};

fn selects(rule: &Rule, packet: &Packet) -> bool {
    let v4 = packet.src.is_ipv4();
    let port = match packet.payload {
        Payload::Ports(_, to) => to,
        Payload::Icmp(..) | Payload::Other => 0,
    };
    let protocol = packet.protocol;
    let own = match rule.protocol {
        Some("icmp") | Some("icmpv6") => {
            let number = if rule.protocol == Some("icmp") { 1 } else { 58 };
            let kind = match packet.payload {
                Payload::Icmp(kind, _) => kind,
                Payload::Ports(..) | Payload::Other => 0,
            };
            protocol == number
                && v4 == (number == 1)
                && (rule.types.is_empty() || rule.types.contains(&kind))
        }
        Some(name) => {
            let number = if name == "tcp" { 6 } else { 17 };
            protocol == number && rule.ports.iter().any(|(a, b)| (*a..=*b).contains(&port))
        }
        None => false,
    };
    let served = rule.services.iter().any(|service| {
        let (_, ports) = NAMED.iter().find(|(name, _)| name == service).unwrap();
        ports
            .iter()
            .any(|(p, a, b)| *p == protocol && (*a..=*b).contains(&port))
    });
    own || served
}

/// What the rule does with a packet; `None`: the next one is asked.
fn judge(rule: &Rule, packet: &Packet, block: bool) -> Option<Outcome> {
    let (link, far) = match rule.egress {
        true => (&packet.out_link, packet.dst),
        false => (&packet.in_link, packet.src),
    };
    let link = link.as_ref().unwrap().as_str();
    let here = rule.links.is_empty() || rule.links.iter().any(|pattern| fits(pattern, link));
    if !here || !selects(rule, packet) || rule.limit && packet.over_limit {
        return None;
    }
    let of_family = rule.nets.iter().any(|(own, _)| own.2 == far.is_ipv4());
    let included = rule.nets.iter().any(|(own, _)| holds(*own, far));
    let excepted = rule
        .nets
        .iter()
        .filter_map(|(_, except)| *except)
        .any(|e| holds(e, far));
    let inside = included && !excepted;
    match rule.action {
        Some(action) => (rule.nets.is_empty() || inside).then_some(match action {
            "accept" => Outcome::Accept,
            "drop" => Outcome::Drop,
            _ => Outcome::Reject,
        }),
        None if block => inside.then_some(Outcome::Accept),
        None if !of_family && !rule.nets.is_empty() => None,
        None => (!inside).then_some(Outcome::Drop),
    }
}

fn fits(pattern: &str, link: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => link.starts_with(start),
        None => link == pattern,
    }
}

/// What a host cannot do without.
fn is_essential(p: &Packet) -> bool {
    let v4 = p.src.is_ipv4();
    match (v4, p.protocol, p.payload) {
        (false, 58, Payload::Icmp(133..=136 | 141 | 142 | 148 | 149, _)) => p.hop_limit == 255,
        (false, 58, Payload::Icmp(130..=132 | 143 | 151..=153, _)) => p.hop_limit == 1,
        (false, 58, Payload::Icmp(2, _)) => true,
        (true, 1, Payload::Icmp(3, 4)) => true,
        (true, 2, _) => p.dst.is_multicast(),
        _ => false,
    }
}

/// What becomes of a packet, by the configuration alone, and the rule that says so.
fn reference(config: &Config, packet: &Packet) -> (Outcome, Option<usize>) {
    let out = packet.in_link.is_none();
    if !out && packet.destination == Destination::Unicast {
        return (Outcome::Accept, None);
    }
    let block = match out {
        true => config.egress == Some(true),
        false => config.block,
    };
    let rules: Vec<usize> = (0..config.rules.len())
        .filter(|at| config.rules[*at].egress == out)
        .collect();
    if !block && rules.is_empty() {
        return (Outcome::Accept, None);
    }
    let link = if out {
        &packet.out_link
    } else {
        &packet.in_link
    };
    let link = link.as_ref().unwrap().as_str();
    let trusted = ["lo", "siderolink", "kubespan"].contains(&link)
        || config.trusted.iter().any(|pattern| fits(pattern, link));
    if trusted || is_essential(packet) || packet.ct_state & (ct::ESTABLISHED | ct::RELATED) != 0 {
        return (Outcome::Accept, None);
    }
    if !out && packet.ct_state == ct::INVALID {
        return (Outcome::Drop, None);
    }
    if block && let Some(outcome) = builtin(config, packet, out) {
        return (outcome, None);
    }
    let icmp = |at: &usize| {
        config.rules[*at]
            .protocol
            .is_some_and(|name| name.starts_with("icmp"))
    };
    let late = rules.iter().any(icmp);
    let v4 = packet.src.is_ipv4();
    let general = block && !out && packet.protocol == if v4 { 1 } else { 58 } && !packet.over_limit;
    if general && !late {
        return (Outcome::Accept, None);
    }
    for at in rules {
        if let Some(outcome) = judge(&config.rules[at], packet, block) {
            return (outcome, Some(at));
        }
    }
    match block && !general {
        true => (Outcome::Drop, None),
        false => (Outcome::Accept, None),
    }
}

fn builtin(config: &Config, p: &Packet, out: bool) -> Option<Outcome> {
    let v4 = p.src.is_ipv4();
    let within = |nets: &[&str], of: IpAddr| nets.iter().any(|text| holds(net(text), of));
    let cluster = |of| config.cluster && (within(&PODS, of) || within(&SERVICES, of));
    let (from, to) = match p.payload {
        Payload::Ports(from, to) => (from, to),
        Payload::Icmp(..) | Payload::Other => (0, 0),
    };
    let vrrp = p.protocol == 112;
    if out {
        let dhcp = p.protocol == 17 && to == if v4 { 67 } else { 547 };
        let vrrp = vrrp && !config.vrrp_peers.is_empty();
        return (dhcp || vrrp || cluster(p.dst)).then_some(Outcome::Accept);
    }
    let dhcp = p.protocol == 17
        && match v4 {
            true => from == 67 && to == 68,
            false => to == 546 && within(&["fe80::/10"], p.dst),
        };
    let pods = config.cluster
        && within(&PODS, p.src)
        && match &config.pods_to_host {
            Some(Some(ports)) => ports
                .iter()
                .any(|(n, a, b)| *n == p.protocol && (*a..=*b).contains(&to)),
            Some(None) => true,
            None => false,
        };
    let vrrp = vrrp && p.hop_limit == 255 && config.vrrp_peers.iter().any(|n| holds(*n, p.src));
    if dhcp || pods || vrrp || cluster(p.src) && cluster(p.dst) {
        return Some(Outcome::Accept);
    }
    let curious = v4 && p.protocol == 1 && matches!(p.payload, Payload::Icmp(13 | 14 | 17 | 18, _));
    curious.then_some(Outcome::Drop)
}

/// An address at or beside the edges of the networks of `config`, or anywhere.
fn near(rng: &mut Rng, config: &Config, aim: Option<&Rule>, v4: bool) -> IpAddr {
    let of_aim = aim.into_iter().flat_map(|rule| &rule.nets);
    let of_aim: Vec<Net> = of_aim
        .map(|(own, _)| *own)
        .filter(|own| own.2 == v4)
        .collect();
    let rules = config.rules.iter();
    let mut nets: Vec<Net> = rules
        .flat_map(|rule| &rule.nets)
        .flat_map(|(own, except)| [Some(*own), *except])
        .flatten()
        .collect();
    nets.extend(config.vrrp_peers.iter().copied());
    nets.extend(PODS.iter().chain(&SERVICES).map(|text| net(text)));
    nets.extend([net("fe80::/10"), net("224.0.0.18/32"), net("ff02::12/128")]);
    nets.retain(|own| own.2 == v4);
    let own = match of_aim.is_empty() {
        true => *pick(rng, &nets),
        false => *pick(rng, &of_aim),
    };
    let host = host_bits(own);
    let end = if host == 128 {
        u128::MAX
    } else {
        own.0 | ((1 << host) - 1)
    };
    let max = if v4 { u128::from(u32::MAX) } else { u128::MAX };
    let random = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    let bits = match rng.below(6) {
        0 => own.0,
        1 => end,
        2 => own.0.saturating_sub(1),
        3 => end.saturating_add(1).min(max),
        4 => own.0 | (random & (end - own.0)),
        _ => random & max,
    };
    address(bits, v4)
}

fn near_port(rng: &mut Rng, config: &Config, aim: Option<&Rule>) -> u16 {
    let rules = config.rules.iter();
    let mut ports: Vec<(u16, u16)> = rules.flat_map(|rule| rule.ports.clone()).collect();
    ports.extend(
        NAMED
            .iter()
            .flat_map(|(_, ports)| ports.iter().map(|(_, a, b)| (*a, *b))),
    );
    ports.extend([
        (67, 68),
        (546, 547),
        (10_250, 10_250),
        (9100, 9110),
        (53, 60),
    ]);
    if let Some(aim) = aim.filter(|aim| !aim.ports.is_empty()) {
        ports = aim.ports.clone();
    }
    let (first, last) = *pick(rng, &ports);
    match rng.below(5) {
        0 => first,
        1 => last,
        2 => first.saturating_sub(1),
        3 => last.saturating_add(1),
        _ => rng.next_u32() as u16,
    }
}

fn packet(rng: &mut Rng, config: &Config) -> Packet {
    let mut v4 = one_in(rng, 2);
    // Every other one is for a certain rule.
    let aimed = !config.rules.is_empty() && one_in(rng, 2);
    let aim = aimed.then(|| pick(rng, &config.rules));
    let mut protocol = *pick(rng, &[6, 6, 6, 17, 17, 17, 1, 58, 58, 1, 2, 112, 132]);
    if let Some(aim) = aim {
        v4 = aim.nets.first().map_or(v4, |(own, _)| own.2);
        protocol = match aim.protocol {
            Some("tcp") => 6,
            Some("udp") => 17,
            Some(_) | None => protocol,
        };
    }
    let payload = match protocol {
        6 | 17 | 132 => {
            let from = if one_in(rng, 3) {
                67
            } else {
                rng.next_u32() as u16
            };
            Payload::Ports(from, near_port(rng, config, aim))
        }
        1 | 58 => {
            let kinds = [
                0, 2, 3, 8, 13, 17, 18, 128, 129, 130, 133, 135, 137, 142, 143, 148, 150, 151, 153,
                154, 255,
            ];
            Payload::Icmp(*pick(rng, &kinds), *pick(rng, &[0, 4]))
        }
        _ => Payload::Other,
    };
    let link = Some(pick(rng, &LINKS).parse().unwrap());
    let out = match aim {
        Some(aim) => aim.egress,
        None => one_in(rng, 4),
    };
    Packet {
        in_link: if out { None } else { link.clone() },
        out_link: if out { link } else { None },
        src: near(rng, config, aim, v4),
        dst: near(rng, config, aim, v4),
        protocol,
        payload,
        hop_limit: *pick(rng, &[255, 255, 1, 64]),
        ct_state: *pick(
            rng,
            &[
                ct::NEW,
                ct::NEW,
                ct::NEW,
                ct::NEW,
                ct::UNTRACKED,
                ct::ESTABLISHED,
                ct::RELATED,
                ct::INVALID,
            ],
        ),
        destination: *pick(
            rng,
            &[
                Destination::Local,
                Destination::Local,
                Destination::Local,
                Destination::Multicast,
                Destination::Broadcast,
                Destination::Unicast,
            ],
        ),
        translated: !out && one_in(rng, 8),
        over_limit: one_in(rng, 3),
    }
}

/// Configurations, and packets for each of them.
const CONFIGS: usize = 3000;
const PACKETS: usize = 60;

#[test]
fn the_table_does_what_the_first_matching_rule_says() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..CONFIGS {
        let rng = &mut Rng::new(seed as u64);
        let config = config(rng);
        let text = config.text();
        let table = table(&[&text]);
        for _ in 0..PACKETS {
            let packet = packet(rng, &config);
            let (outcome, by) = reference(&config, &packet);
            let decision = decide(&table, &packet);
            let context = || {
                format!(
                    "seed {seed}\n{text}\n{table}\n{packet:#?}\n{decision:#?}\nexpected {outcome:?} by {by:?}"
                )
            };
            assert_eq!(decision.outcome, outcome, "{}", context());
            // Once, by the rule that decides, and by no other.
            let logged: Vec<&str> = decision
                .steps
                .iter()
                .flat_map(|step| step.logged.clone())
                .collect();
            let rule = by.map(|at| &config.rules[at]);
            let expected: Vec<String> = match rule {
                Some(rule) if rule.log => vec![format!("rule {}: ", by.unwrap())],
                Some(_) | None => Vec::new(),
            };
            assert_eq!(logged, expected, "{}", context());
            if let Some(at) = by {
                // What was beyond the limit of a rule, and let in by a later one before routing, is let in as judged behind
                // the first of them.
                let steps = match packet.over_limit {
                    true => &decision.steps[..],
                    false => &decision.steps[decision.steps.len() - 1..],
                };
                let name = format!("rule {at}");
                let named = steps.iter().any(|step| step.comment == Some(&name));
                assert!(named, "{}", context());
            }
            // What has a port of this machine is dropped while the port is still the one that it was sent to.
            let ports = matches!(packet.protocol, 6 | 17) && packet.ct_state == ct::NEW;
            let early = ports && packet.in_link.is_some() && !packet.translated;
            if early && packet.destination == Destination::Local {
                let dropped = outcome != Outcome::Accept;
                assert!(decision.steps.len() < 2 || !dropped, "{}", context());
            }
            let kind = rule.map_or("built in", |rule| {
                if rule.action.is_some() {
                    "action"
                } else {
                    "field"
                }
            });
            *seen.entry(format!("{kind} {outcome:?}")).or_default() += 1;
            let last = decision.steps.last();
            let chain = table
                .chains
                .iter()
                .find(|c| last.is_some_and(|l| l.chain == c.name));
            let decided = chain.and_then(|chain| chain.rules.get(last?.rule?));
            if decided.is_some_and(|rule| rule.comment.as_deref() == Some("like rules")) {
                *seen.entry(format!("element {outcome:?}")).or_default() += 1;
            }
        }
    }
    println!("{seen:?}");
    // Every way to decide was met, and not by chance.
    for kind in [
        "built in Accept",
        "built in Drop",
        "action Accept",
        "action Drop",
        "action Reject",
        "field Accept",
        "field Drop",
        "element Accept",
        "element Drop",
        "element Reject",
    ] {
        assert!(
            seen.get(kind).is_some_and(|count| *count >= 100),
            "{kind}: {seen:?}"
        );
    }
}
