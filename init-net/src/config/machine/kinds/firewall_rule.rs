//! `NetworkRuleConfig`.

use serde_json::{Value as Json, json};

use super::port_selector::PortSelectorKeys;
use super::probe::Label;
use super::{Kind, Role};
use crate::config::machine::record::{At, Items as _, Record as _, Scope, Shape, plain};
use crate::config::machine::scalar::{Names, Scalar, Within, Wrong};
use crate::config::machine::schema::Schemas;
use crate::config::machine::source::Source;
use crate::config::machine::tree::{Node, Value};
use crate::config::{Document, FirewallRuleConfig, IngressConfig, LimitConfig, RuleVerdict};
use crate::value::{LinkPattern, Prefix, Rate};

keys! {
    /// What may come in, or go out.
    pub struct NetworkRuleKeys("NetworkRuleConfig") whole {
        /// The name of the rule.
        required "name" name: Label,
        /// To where.
        required "portSelector" port_selector: PortSelectorKeys,
        /// From where.
        "ingress" ingress: Vec<SubnetKeys>,
        /// To where a packet goes out: a rule about what leaves the machine.
        "egress" egress: Vec<SubnetKeys>,
        /// What is done with what matches, the first rule that does so deciding. Unless said: where the default is block,
        /// what comes from the subnets of ingress is let in; where it is accept, what does not is dropped.
        "action" action: RuleVerdict,
        /// In (or out) through which links; all of them unless said otherwise.
        "interfaces" interfaces: Vec<At<LinkPattern>>,
        /// The rule matches no more often than this.
        "limit" limit: LimitConfig,
        /// Every packet that matches is logged.
        "log" log: LogKeys,
    }
}

keys! {
    /// A network, and what of it does not count.
    pub struct SubnetKeys("ingress") whole {
        /// The network.
        required "subnet" subnet: Network,
        /// But not this part of it.
        "except" except: Network,
    }
}

keys! {
    /// How often a rule matches.
    pub struct LimitKeys("limit") whole {
        /// For long.
        required "rate" rate: Rate,
        /// At once, packets; 5 unless said otherwise.
        "burst" burst: Within<u32, 1, MAX_BURST>,
    }
}

keys! {
    /// How packets are logged.
    pub struct LogKeys("log") whole {
        /// What stands before each of them; the name of the rule unless said otherwise.
        "prefix" prefix: LogPrefix,
    }
}

/// A network, without the bits of hosts.
#[derive(Clone, Copy, Debug)]
pub struct Network(Prefix);

impl Scalar for Network {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        match (text.parse(), <Prefix as Scalar>::read(node, text)) {
            (_, Ok(prefix)) => Ok(Self(prefix.network())),
            (Ok(address), Err(_)) => Err(Wrong {
                rule: "expected a network: an address and a prefix length".into(),
                fix: Some(format!("{} for this address alone", Prefix::host(address))),
            }),
            (Err(_), Err(wrong)) => Err(wrong),
        }
    }

    fn schema() -> Json {
        <Prefix as Scalar>::schema()
    }
}

/// Most packets at once: nft_limit has 64 bits for the nanoseconds of all of them, at one a day.
const MAX_BURST: u32 = 100_000;

/// Packets at once where nothing is said (NFT_LIMIT_PKT_BURST_DEFAULT, net/netfilter/nft_limit.c).
const BURST: u32 = 5;

impl Names for RuleVerdict {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("accept", Self::Accept),
        ("drop", Self::Drop),
        ("block", Self::Drop),
        ("deny", Self::Drop),
        ("reject", Self::Reject),
    ];
}

/// What a line of the log starts with.
#[derive(Clone, Debug)]
pub struct LogPrefix(String);

/// Longest prefix, bytes: NF_LOG_PREFIXLEN less its NUL (include/net/netfilter/nf_log.h).
const MAX_LOG_PREFIX: usize = 127;

/// What nft(8) cannot write into a text.
const UNWRITABLE: [char; 3] = ['"', '$', '\\'];

impl Scalar for LogPrefix {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let printable = |c: char| c == ' ' || c.is_ascii_graphic() && !UNWRITABLE.contains(&c);
        match text.len() {
            1..=MAX_LOG_PREFIX if text.chars().all(printable) => Ok(Self(text.to_owned())),
            _ => Err("expected 1 to 127 printable ASCII characters without \", $ and \\".into()),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": MAX_LOG_PREFIX, "pattern": "^[ !#%-\\[\\]-~]+$"})
    }
}

/// `{rate, burst}`, or the rate alone.
impl Shape for LimitConfig {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        let (rate, burst) = match &node.value {
            Value::Scalar { text, .. } => match <Rate as Scalar>::read(node, text) {
                Ok(rate) => (rate, BURST),
                Err(wrong) => {
                    scope.wrong(key, node.mark, wrong);
                    return None;
                }
            },
            Value::List(_) | Value::Map(_) => {
                let keys: LimitKeys = scope.record(node)?;
                let burst = plain(keys.burst).map_or(BURST, |Within(burst)| burst);
                (keys.rate.value, burst)
            }
        };
        Some(Self { rate, burst })
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [<Rate as Scalar>::schema(), LimitKeys::schema(schemas)]})
    }
}

impl Kind for NetworkRuleKeys {
    const ROLE: Role = Role::Firewall;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let Some(selected) = self.port_selector.value.clone().selected(source) else {
            return;
        };
        let (Some(ingress), Some(egress)) = (
            subnets(self.ingress.clone(), source),
            subnets(self.egress.clone(), source),
        ) else {
            // A rule that lets in less than it says is as wrong as one that lets in more.
            return;
        };
        if !ingress.is_empty() && !egress.is_empty() {
            let rule = "a rule is about what comes in or about what goes out";
            let fix = "write two rules, one with ingress and one with egress";
            return self.refuse(source, &self.egress, rule, Some(fix));
        }
        if self.egress.as_ref().is_some_and(|list| list.is_empty()) {
            let rule = "egress has at least one subnet";
            let fix = "[{subnet: 0.0.0.0/0}, {subnet: \"::/0\"}] for all of them";
            return self.refuse(source, &self.egress, rule, Some(fix));
        }
        if self.interfaces.as_ref().is_some_and(|list| list.is_empty()) {
            let rule = "interfaces has at least one link";
            let fix = "leave interfaces out for all links";
            return self.refuse(source, &self.interfaces, rule, Some(fix));
        }
        let origin = self.origin(source);
        let name = self.name.value.0;
        out.firewall.rules.push(FirewallRuleConfig {
            action: plain(self.action),
            interfaces: self.interfaces.items().map(|link| link.value).collect(),
            protocol: selected.protocol,
            ports: selected.ports,
            services: selected.services,
            icmp_types: selected.icmp_types,
            ingress,
            egress,
            limit: plain(self.limit),
            log: self.log.map(|log| {
                let said = log.value.prefix.map(|prefix| prefix.value.0);
                said.unwrap_or_else(|| prefix_of(&name))
            }),
            origin,
            name,
        });
    }
}

/// The prefix of a rule that is called `name`.
fn prefix_of(name: &str) -> String {
    let fits = |c: char| c.is_ascii_graphic() && !UNWRITABLE.contains(&c) || c == ' ';
    let name: String = name
        .chars()
        .map(|c| if fits(c) { c } else { '?' })
        .collect();
    format!("{name}: ")
}

/// The subnets of a list; `None` when one of them is not right, which is reported.
fn subnets(list: Option<At<Vec<SubnetKeys>>>, source: &Source<'_>) -> Option<Vec<IngressConfig>> {
    let mut subnets = Vec::new();
    for keys in list.items() {
        if !keys.is_right(source) {
            return None;
        }
        subnets.push(IngressConfig {
            subnet: keys.subnet.value.0,
            except: keys.except.map(|except| except.value.0),
        });
    }
    Some(subnets)
}

impl SubnetKeys {
    /// Whether the exception is one; reports it otherwise.
    fn is_right(&self, source: &Source<'_>) -> bool {
        let Some(except) = &self.except else {
            return true;
        };
        let (subnet, Network(except)) = (self.subnet.value.0, except.value);
        let inside = subnet.contains(except.address()) && except.len() >= subnet.len();
        if !inside {
            let rule = "except is not inside of subnet";
            self.refuse(source, &self.except, rule, None);
        }
        inside
    }
}
