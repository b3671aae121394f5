//! Who gets in at all: a port asked at as whoever may most, and the ports at which rules change their mind.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BTreeSet;

use crate::plan::forecast::packet::{Decision, Destination, Outcome, Packet, Payload, decide};
use crate::state::nft::{
    DEFAULT_ACTION, Datum, Element, Field, KeyType, Match, Rule, Set, Table, Test, Verdict, ct,
};
use crate::value::{LinkName, PortRange, Protocol};

/// Most ports of one range that are asked at: each is a walk through all rules. More edges than that are not in a range that
/// somebody wrote for management.
const MAX_EDGES: usize = 1024;

/// Both families, where a packet may be to whatever address.
pub const ANYWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
];

/// A link of which no rule speaks.
pub fn any_link() -> Option<LinkName> {
    "any".parse().ok()
}

/// The ports of `range` that stand for all of them: its ends, and where a rule of one of `tables` begins, or is over.
pub fn edges<'t>(tables: impl IntoIterator<Item = &'t Table>, range: PortRange) -> Vec<u16> {
    let mut edges = BTreeSet::from([range.first(), range.last()]);
    let mut add = |first: Option<u16>, last: Option<u16>| {
        let after = last.and_then(|last| last.checked_add(1));
        let inside = |port: &u16| (range.first()..=range.last()).contains(port);
        edges.extend(first.into_iter().chain(after).filter(inside));
    };
    for table in tables {
        let mut matches = Vec::new();
        for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
            matches.extend(&rule.matches);
        }
        for found in matches {
            match found {
                Match::Is {
                    field: Field::Dport,
                    test,
                } => match test {
                    Test::Eq(port) | Test::Ne(port) => {
                        add(number(port.bytes()), number(port.bytes()))
                    }
                    Test::Between(first, last) | Test::Outside(first, last) => {
                        add(number(first.bytes()), number(last.bytes()));
                    }
                    Test::Inside(_) | Test::NotInside(_) | Test::AnyOf(_) | Test::NoneOf(_) => {}
                },
                Match::In { fields, set, .. } => {
                    let part = fields.iter().position(|field| *field == Field::Dport);
                    let set = table.sets.iter().find(|own| own.name == *set);
                    let (Some(part), Some(set)) = (part, set) else {
                        continue;
                    };
                    let Some((start, len)) = parts(&set.key).nth(part) else {
                        continue;
                    };
                    for element in &set.elements {
                        let end = |datum: &Datum| number(datum.bytes().get(start..start + len)?);
                        add(end(&element.first), end(&element.last));
                    }
                }
                Match::Is { .. } | Match::Foreign(_) => {}
            }
        }
    }
    let all = edges.len();
    let mut edges: Vec<u16> = edges.into_iter().take(MAX_EDGES).collect();
    if all > MAX_EDGES {
        edges.push(range.last());
    }
    edges
}

fn number(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_be_bytes)
}

/// Where the parts of a key begin, and their lengths, bytes: each fills registers of 4 bytes.
fn parts(key: &[KeyType]) -> impl Iterator<Item = (usize, usize)> + use<'_> {
    key.iter().scan(0_usize, |at, part| {
        let start = *at;
        *at = (start + part.len()).next_multiple_of(4);
        Some((start, part.len()))
    })
}

/// A table as whoever may most meets it: every rule that lets some senders in lets all in, and one that drops some drops none.
#[derive(Debug)]
pub struct Lenient(Table);

impl Lenient {
    /// Of `table`.
    pub fn new(table: &Table) -> Self {
        let mut lenient = table.clone();
        let mut widened: Vec<Set> = Vec::new();
        for chain in &mut lenient.chains {
            chain.rules.retain_mut(|rule| {
                let lets_in = lets_in(table, rule);
                let all = rule.matches.len();
                rule.matches.retain(|found| !is_about_sender(found));
                for found in &mut rule.matches {
                    widen(table, found, lets_in, &mut widened);
                }
                lets_in || rule.matches.len() == all
            });
        }
        lenient.sets.append(&mut widened);
        Self(lenient)
    }

    /// What blocks the port at each of these addresses, by every one of `links`; `None`: somebody reaches it.
    pub fn blocked(
        &self,
        protocol: Protocol,
        port: u16,
        addresses: &[IpAddr],
        links: &[LinkName],
    ) -> Option<String> {
        let mut why = None;
        for address in addresses {
            let destinations: &[IpAddr] = match address {
                // Takes both families, unless the socket says otherwise.
                IpAddr::V6(v6) if v6.is_unspecified() => &ANYWHERE,
                _ => core::slice::from_ref(address),
            };
            for to in destinations {
                for link in links {
                    let decision = decide(&self.0, &packet(protocol, port, *to, link));
                    if decision.outcome == Outcome::Accept {
                        return None;
                    }
                    why = why.or_else(|| words(&decision));
                }
            }
        }
        why
    }
}

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
    let [v4, v6] = ANYWHERE;
    Packet {
        in_link: Some(link.clone()),
        out_link: None,
        src: if to.is_ipv4() { v4 } else { v6 },
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

const fn of_sender(field: Field) -> bool {
    matches!(field, Field::Saddr(_) | Field::Sport)
}

fn is_about_sender(found: &Match) -> bool {
    match found {
        Match::Is { field, .. } => of_sender(*field),
        Match::In { fields, .. } => fields.iter().all(|field| of_sender(*field)),
        Match::Foreign(_) => false,
    }
}

/// Makes a look-up of senders together with something else one of the rest alone: by a set of its own, of which elements that
/// `lets_in` are for all senders, and of the others those stay that are anyway.
fn widen(table: &Table, found: &mut Match, lets_in: bool, widened: &mut Vec<Set>) {
    let Match::In { fields, set, .. } = found else {
        return;
    };
    let Some(old) = table.sets.iter().find(|own| own.name == *set) else {
        return;
    };
    let of_senders: Vec<(usize, usize)> = parts(&old.key)
        .zip(fields.iter())
        .filter_map(|(part, field)| of_sender(*field).then_some(part))
        .collect();
    if of_senders.is_empty() {
        return;
    }
    let filled = |datum: &Datum, with: u8| {
        let mut bytes = datum.bytes().to_vec();
        for (start, len) in &of_senders {
            if let Some(part) = bytes.get_mut(*start..start + len) {
                part.fill(with);
            }
        }
        Datum::new(&bytes)
    };
    let elements = old.elements.iter().filter_map(|element| {
        let (first, last) = (filled(&element.first, 0)?, filled(&element.last, u8::MAX)?);
        let all = first == element.first && last == element.last;
        (lets_in || all).then(|| Element {
            first,
            last,
            comment: element.comment.clone(),
        })
    });
    // No set of the kernel is called so.
    let name = format!("{set}/{}", widened.len());
    widened.push(Set {
        name: name.clone(),
        elements: elements.collect(),
        ..old.clone()
    });
    *set = name;
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

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n";

    fn table(rules: &str) -> Table {
        let document = crate::config::machine::parse(&format!("{BLOCK}{rules}"), "test").0;
        let desired = crate::compile::compile(&[document], &Default::default()).0;
        (**desired.firewall.unwrap().wanted().unwrap()).clone()
    }

    fn rule(name: usize, ports: &str, more: &str) -> String {
        format!(
            "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: r{name}\nportSelector:\n  \
             ports: [{ports}]\n  protocol: tcp\n{more}\n"
        )
    }

    #[test]
    fn rules_have_edges() {
        let rules =
            rule(1, "5003-5004", "action: drop") + &rule(2, "22, 5010-6000", "action: accept");
        let found = edges([&table(&rules)], PortRange::new(5000, 5020).unwrap());
        assert_eq!(found, [5000, 5003, 5005, 5010, 5020]);
    }

    /// So many rules are the elements of a set, of which addresses and ports are parts.
    #[test]
    fn whoever_may_most_is_an_element_of_a_set() {
        let rules = |more: &str| -> String {
            let one = |n| {
                rule(
                    n,
                    &format!("{}", 5000 + n),
                    &format!("ingress: [{{subnet: 10.0.{n}.0/24}}]{more}"),
                )
            };
            (0..40).map(one).collect()
        };
        let links: Vec<LinkName> = any_link().into_iter().collect();
        let reach = |rules: &str, port| {
            let table = table(rules);
            assert!(table.sets.iter().any(|set| set.key.len() > 1), "{table}");
            Lenient::new(&table).blocked(Protocol::Tcp, port, &ANYWHERE, &links)
        };
        assert_eq!(reach(&rules(""), 5007), None);
        assert!(reach(&rules(""), 5040).is_some());
        // That some are dropped shuts nobody else out.
        let dropped = rules("\naction: drop") + &rule(99, "5007", "action: accept");
        assert_eq!(reach(&dropped, 5007), None);
        let found = edges([&table(&rules(""))], PortRange::new(5030, 6000).unwrap());
        assert_eq!(
            found,
            [
                5030, 5031, 5032, 5033, 5034, 5035, 5036, 5037, 5038, 5039, 5040, 6000
            ]
        );
    }
}
