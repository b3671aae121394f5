//! `NetworkDefaultActionConfig` and `NetworkRuleConfig`.

use super::probe::Label;
use super::{Kind, Role};
use crate::config::machine::record::{At, Items as _, Record as _};
use crate::config::machine::scalar::Names;
use crate::config::machine::source::Source;
use crate::config::{DefaultAction, Document, FirewallRuleConfig, IngressConfig};
use crate::value::{PortRange, Prefix, Protocol};

keys! {
    /// What happens to what no rule lets in.
    pub struct DefaultActionKeys("NetworkDefaultActionConfig") {
        /// Let in, which it is unless said otherwise, or dropped.
        "ingress" ingress: DefaultAction,
    }
}

impl Names for DefaultAction {
    const NAMES: &'static [(&'static str, Self)] =
        &[("accept", Self::Accept), ("block", Self::Block)];
}

impl Kind for DefaultActionKeys {
    const ROLE: Role = Role::Firewall;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        out.firewall.default_action = self.ingress.map(|action| action.said(source));
    }
}

keys! {
    /// What may come in.
    pub struct NetworkRuleKeys("NetworkRuleConfig") whole {
        /// The name of the rule.
        required "name" name: Label,
        /// To where.
        required "portSelector" port_selector: PortSelectorKeys,
        /// From where.
        "ingress" ingress: Vec<IngressKeys>,
    }
}

keys! {
    /// Ports of one protocol.
    pub struct PortSelectorKeys("portSelector") whole {
        /// Ports and ranges of them, in order and apart from each other.
        required "ports" ports: Vec<At<PortRange>>,
        /// The protocol.
        required "protocol" protocol: Protocol,
    }
}

keys! {
    /// One source of packets.
    pub struct IngressKeys("ingress") whole {
        /// From here.
        required "subnet" subnet: Prefix,
        /// But not from there.
        "except" except: Prefix,
    }
}

impl Kind for NetworkRuleKeys {
    const ROLE: Role = Role::Firewall;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let Some(ports) = self.port_selector.ports(source) else {
            return;
        };
        let mut ingress = Vec::new();
        for keys in self.ingress.clone().items() {
            match keys.is_right(source) {
                true => ingress.push(IngressConfig {
                    subnet: keys.subnet.value.network(),
                    except: keys.except.map(|except| except.value.network()),
                }),
                // A rule that lets in less than it says is as wrong as one that lets in more.
                false => return,
            }
        }
        out.firewall.rules.push(FirewallRuleConfig {
            protocol: self.port_selector.protocol.value,
            ports,
            ingress,
            origin: self.origin(source),
            name: self.name.value.0,
        });
    }
}

impl PortSelectorKeys {
    /// The ports; `None` when they break a rule, which is reported.
    fn ports(&self, source: &Source<'_>) -> Option<Vec<PortRange>> {
        if self.ports.is_empty() {
            let rule = "at least one port must be given";
            // Such files exist, and need no more than this.
            let fix = "0-65535 for all of them, and for icmp";
            self.refuse(source, &self.ports, rule, Some(fix));
            return None;
        }
        for (earlier, later) in self.ports.iter().zip(self.ports.iter().skip(1)) {
            if later.first() <= earlier.last() {
                let sorted = later.last() < earlier.first();
                let rule = match sorted {
                    true => format!("ports stand in order: {} before {}", **later, **earlier),
                    false => format!("{} and {} overlap", **earlier, **later),
                };
                self.refuse(source, later, &rule, None);
                return None;
            }
        }
        Some(self.ports.iter().map(|port| port.value).collect())
    }
}

impl IngressKeys {
    /// Whether the exception is one; reports it otherwise.
    fn is_right(&self, source: &Source<'_>) -> bool {
        let Some(except) = &self.except else {
            return true;
        };
        let subnet = &self.subnet;
        let inside = subnet.contains(except.address()) && except.len() >= subnet.len();
        if !inside {
            let rule = "except is not inside of subnet";
            self.refuse(source, &self.except, rule, None);
        }
        inside
    }
}
