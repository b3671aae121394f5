//! Ports, services and types of ICMP: what a rule of the firewall is about.

use serde_json::{Value as Json, json};

use crate::config::PortConfig;
use crate::config::machine::record::{At, Items as _, Record as _, Scope, Shape};
use crate::config::machine::scalar::{Names, Scalar, Wrong};
use crate::config::machine::schema::Schemas;
use crate::config::machine::source::Source;
use crate::config::machine::tree::{Node, Value};
use crate::value::{IcmpName, Icmpv6Name, PortRange, Protocol, Service};

keys! {
    /// Ports of one protocol, services, or types of ICMP.
    pub struct PortSelectorKeys("portSelector") whole {
        /// Ports and ranges of them, in order and apart from each other.
        "ports" ports: Vec<At<PortRange>>,
        /// The protocol; with services alone it is theirs.
        "protocol" protocol: Protocol,
        /// What listens there, by name.
        "services" services: Vec<At<Service>>,
        /// Types of icmp or icmpv6, by name or number; all of them unless said otherwise.
        "icmpTypes" icmp_types: Vec<At<IcmpType>>,
    }
}

/// What a selector comes to.
#[derive(Debug, Default)]
pub struct Selected {
    /// The protocol of `ports` and `icmp_types`.
    pub protocol: Option<Protocol>,
    /// Sorted, apart from each other.
    pub ports: Vec<PortRange>,
    /// By name.
    pub services: Vec<Service>,
    /// Sorted, each once.
    pub icmp_types: Vec<u8>,
}

impl PortSelectorKeys {
    /// What is selected; `None` when it breaks a rule, which is reported.
    pub fn selected(self, source: &Source<'_>) -> Option<Selected> {
        let protocol = self.protocol.as_deref().copied();
        let icmp = matches!(protocol, Some(Protocol::Icmp | Protocol::Icmpv6));
        let services = self.services.as_ref().is_some_and(|list| !list.is_empty());
        let alone = services && self.ports.is_none() && self.icmp_types.is_none();
        if protocol.is_none() && !alone {
            let fix =
                services.then_some("or leave ports and icmpTypes out: services have their own");
            self.refuse(source, &self.protocol, "protocol must be given", fix);
            return None;
        }
        let ports = self.ports(source, icmp || services)?;
        if let Some(at) = self.icmp_types.as_ref().filter(|_| !icmp) {
            let rule = "icmpTypes need protocol: icmp or icmpv6";
            self.refuse(source, at, rule, None);
            return None;
        }
        let mut icmp_types = Vec::new();
        for at in self.icmp_types.clone().items() {
            match at.number(protocol == Some(Protocol::Icmpv6)) {
                Ok(number) => icmp_types.push(number),
                Err(wrong) => {
                    self.refuse(source, &at, &wrong.rule, wrong.fix.as_deref());
                    return None;
                }
            }
        }
        icmp_types.sort_unstable();
        icmp_types.dedup();
        Some(Selected {
            protocol,
            ports,
            services: self.services.items().map(|said| said.value).collect(),
            icmp_types,
        })
    }

    /// The ports; `optional`: there may be none.
    fn ports(&self, source: &Source<'_>, optional: bool) -> Option<Vec<PortRange>> {
        let Some(ports) = &self.ports else {
            if optional {
                return Some(Vec::new());
            }
            let fix = "ports, or services: [ssh, kubernetes-api, …]";
            self.refuse(source, &self.ports, "ports must be given", Some(fix));
            return None;
        };
        if ports.is_empty() && self.services.is_none() {
            let rule = "at least one port must be given";
            // Such files exist, and need no more than this.
            let fix = "0-65535 for all of them, and for icmp";
            self.refuse(source, ports, rule, Some(fix));
            return None;
        }
        for (earlier, later) in ports.iter().zip(ports.iter().skip(1)) {
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
        Some(ports.iter().map(|port| port.value).collect())
    }
}

/// A type of ICMP; which names there are depends on the protocol.
#[derive(Clone, Debug)]
pub struct IcmpType(String);

impl Scalar for IcmpType {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        let names = IcmpName::NAMES.iter().chain(Icmpv6Name::NAMES);
        let mut names: Vec<&str> = names.copied().collect();
        names.sort_unstable();
        names.dedup();
        json!({"anyOf": [{"enum": names}, {"type": "integer", "minimum": 0, "maximum": 255}]})
    }
}

impl Names for IcmpName {
    const NAMES: &'static [(&'static str, Self)] = Self::NAMED;
}

impl Names for Icmpv6Name {
    const NAMES: &'static [(&'static str, Self)] = Self::NAMED;
}

impl At<IcmpType> {
    fn number(&self, v6: bool) -> Result<u8, Wrong> {
        let IcmpType(text) = &self.value;
        if let Ok(number) = text.parse() {
            return Ok(number);
        }
        match v6 {
            true => by_name::<Icmpv6Name>(text).map(Icmpv6Name::number),
            false => by_name::<IcmpName>(text).map(IcmpName::number),
        }
    }
}

fn by_name<T: Names>(text: &str) -> Result<T, Wrong> {
    T::named(text).map_err(|wrong| Wrong {
        rule: format!("{}, or a number from 0 to 255", wrong.rule).into(),
        ..wrong
    })
}

keys! {
    /// A port of a protocol.
    pub struct PortItemKeys("port") whole {
        /// The port, or a range.
        required "port" port: PortRange,
        /// tcp, unless said otherwise, or udp.
        "protocol" protocol: Protocol,
    }
}

/// A port of TCP, a service, or `{port, protocol}`.
#[derive(Clone, Debug)]
pub struct PortItem(pub Vec<PortConfig>);

impl Shape for PortItem {
    fn read(scope: &Scope<'_>, key: &'static str, node: &Node) -> Option<Self> {
        let text = match &node.value {
            Value::Scalar { text, .. } => text,
            Value::List(_) | Value::Map(_) => {
                let keys: PortItemKeys = scope.record(node)?;
                let protocol = keys.protocol.as_deref().copied().unwrap_or(Protocol::Tcp);
                if !matches!(protocol, Protocol::Tcp | Protocol::Udp) {
                    keys.refuse(
                        scope.source,
                        &keys.protocol,
                        "ports are of tcp or udp",
                        None,
                    );
                    return None;
                }
                let ports = keys.port.value;
                return Some(Self(vec![PortConfig { protocol, ports }]));
            }
        };
        let read = match text.starts_with(|c: char| c.is_ascii_digit()) {
            true => <PortRange as Scalar>::read(node, text).map(|port| vec![(Protocol::Tcp, port)]),
            false => <Service as Scalar>::read(node, text).map(|service| service.ports().to_vec()),
        };
        match read {
            Ok(ports) => {
                let config = |(protocol, ports)| PortConfig { protocol, ports };
                Some(Self(ports.into_iter().map(config).collect()))
            }
            Err(wrong) => {
                scope.wrong(key, node.mark, wrong);
                None
            }
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({"anyOf": [
            <PortRange as Scalar>::schema(),
            <Service as Scalar>::schema(),
            PortItemKeys::schema(schemas),
        ]})
    }
}
