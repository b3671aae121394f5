//! What a config of the firewall means, said a second time: a [`Policy`] writes itself as the machine config's documents and
//! says of a packet what has to become of it. It shares nothing with `compile`: prefixes, ranges and the order of decisions
//! are done here in the plainest way.

use std::fmt::Write;
use std::net::IpAddr;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It reached who listens there.
    Accepted,
    /// It did not, and the sender was told.
    Rejected,
    /// It did not, and nobody said so.
    Dropped,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is let through.
    Accept,
    /// It is dropped.
    Drop,
    /// It is dropped, and the sender is told.
    Reject,
}

/// The default action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// What no rule matches is let through.
    Accept,
    /// It is dropped.
    Block,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
    /// RFC 792.
    Icmp,
    /// RFC 4443.
    Icmpv6,
}

/// A network as a config writes it.
#[derive(Clone, Copy, Debug)]
pub struct Net {
    /// An address of it.
    pub address: IpAddr,
    /// How many bits count.
    pub length: u32,
}

/// `NetworkRuleConfig`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// None: the field's meaning, by the default action.
    pub action: Option<Action>,
    /// Of which protocol.
    pub protocol: Protocol,
    /// To which ports, lowest and highest.
    pub ports: Vec<(u16, u16)>,
    /// Names, or the starts of them with a `*`.
    pub interfaces: Vec<String>,
    /// Of which types; none: all.
    pub icmp_types: Vec<u8>,
    /// From where, and what of it not.
    pub ingress: Vec<(Net, Option<Net>)>,
    /// To where: a rule about what goes out.
    pub egress: Vec<(Net, Option<Net>)>,
    /// By name, in place of a protocol and ports.
    pub services: Vec<Service>,
    /// It matches so often, and no more for a day: [`Policy::ingress`] says what becomes of the first ones.
    pub limit: Option<u32>,
    /// Whether what it matches is logged.
    pub log: bool,
}

/// What listens at ports that its makers name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// 6443/tcp.
    KubernetesApi,
    /// 53 of both protocols.
    Dns,
    /// 7946 of both protocols.
    Metallb,
}

/// A whole config of the firewall.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Of what comes in.
    pub default: Default,
    /// Of what goes out.
    pub egress: Option<Default>,
    /// In order.
    pub rules: Vec<Rule>,
    /// Ports of this machine that pods reach without a rule, lowest and highest.
    pub pods_to_host: Vec<(Protocol, u16, u16)>,
    /// Networks of pods and services.
    pub cluster: Vec<Net>,
}

/// Types of ICMP by which strangers learn the time and the mask (CVE-1999-0524): never let in where the default is block.
const CURIOUS: [u16; 4] = [13, 14, 17, 18];

/// What asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The link that it comes in at, or goes out at.
    pub link: String,
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
    /// Of which protocol.
    pub protocol: Protocol,
    /// The port, or the type of ICMP.
    pub number: u16,
}

/// `10.0.0.0/8`.
#[track_caller]
pub fn net(text: &str) -> Net {
    let (address, length) = text.split_once('/').unwrap();
    Net {
        address: address.parse().unwrap(),
        length: length.parse().unwrap(),
    }
}

/// `10.0.0.0/8` or `10.0.0.0/8 - 10.66.0.0/16`, several.
#[track_caller]
fn nets(texts: &[&str]) -> Vec<(Net, Option<Net>)> {
    let one = |text: &&str| match text.split_once(" - ") {
        Some((subnet, except)) => (net(subnet), Some(net(except))),
        None => (net(text), None),
    };
    texts.iter().map(one).collect()
}

impl Net {
    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - self.length;
                u64::from(own.to_bits()) >> shift == u64::from(other.to_bits()) >> shift
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let bits = |address: std::net::Ipv6Addr| {
                    let text = format!("{:0128b}", address.to_bits());
                    text[..self.length as usize].to_owned()
                };
                bits(own) == bits(other)
            }
            _ => false,
        }
    }
}

/// Whether `address` is in what is left of all subnets when all exceptions are taken away.
fn is_among(nets: &[(Net, Option<Net>)], address: IpAddr) -> bool {
    let inside = nets.iter().any(|(subnet, _)| subnet.contains(address));
    let excepted = nets
        .iter()
        .any(|(_, except)| except.is_some_and(|except| except.contains(address)));
    inside && !excepted
}

impl Rule {
    /// In the field's own form.
    #[track_caller]
    pub fn new(name: &str, protocol: Protocol, ports: &[(u16, u16)], ingress: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            action: None,
            protocol,
            ports: ports.to_vec(),
            interfaces: Vec::new(),
            icmp_types: Vec::new(),
            ingress: nets(ingress),
            egress: Vec::new(),
            services: Vec::new(),
            limit: None,
            log: false,
        }
    }

    /// About services.
    #[track_caller]
    pub fn of(name: &str, services: &[Service], ingress: &[&str]) -> Self {
        Self {
            services: services.to_vec(),
            ..Self::new(name, Protocol::Tcp, &[], ingress)
        }
    }

    /// So often and no more.
    #[must_use]
    pub fn limited(mut self, times: u32) -> Self {
        self.limit = Some(times);
        self
    }

    /// Told to the log.
    #[must_use]
    pub fn logged(mut self) -> Self {
        self.log = true;
        self
    }

    /// With an action of its own.
    #[must_use]
    pub fn does(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }

    /// At these links.
    #[must_use]
    pub fn at(mut self, links: &[&str]) -> Self {
        self.interfaces = links.iter().map(|&link| link.to_owned()).collect();
        self
    }

    /// Of these types of ICMP.
    #[must_use]
    pub fn types(mut self, types: &[u8]) -> Self {
        self.icmp_types = types.to_vec();
        self
    }

    /// To these networks.
    #[must_use]
    #[track_caller]
    pub fn to(mut self, egress: &[&str]) -> Self {
        self.egress = nets(egress);
        self
    }

    /// Whether everything but the addresses fits.
    fn is_about(&self, question: &Question) -> bool {
        let link = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => question.link.starts_with(start),
            None => *pattern == question.link,
        };
        let link = self.interfaces.is_empty() || self.interfaces.iter().any(link);
        if !self.services.is_empty() {
            let asked = (question.protocol, question.number);
            let is_asked = |service: &Service| match service {
                Service::KubernetesApi => asked == (Protocol::Tcp, 6443),
                Service::Dns => [(Protocol::Tcp, 53), (Protocol::Udp, 53)].contains(&asked),
                Service::Metallb => [(Protocol::Tcp, 7946), (Protocol::Udp, 7946)].contains(&asked),
            };
            return link && self.services.iter().any(is_asked);
        }
        let number = match self.protocol {
            Protocol::Tcp | Protocol::Udp => self
                .ports
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&question.number)),
            Protocol::Icmp | Protocol::Icmpv6 => {
                self.icmp_types.is_empty()
                    || self
                        .icmp_types
                        .iter()
                        .any(|kind| u16::from(*kind) == question.number)
            }
        };
        self.protocol == question.protocol && number && link
    }

    /// As a document.
    fn write(&self, text: &mut String) {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmp => "icmp",
            Protocol::Icmpv6 => "icmpv6",
        };
        let ports = self.ports.iter().map(|(low, high)| match low == high {
            true => low.to_string(),
            false => format!("\"{low}-{high}\""),
        });
        let ports: Vec<String> = ports.collect();
        let mut selector = format!("protocol: {protocol}");
        if !ports.is_empty() {
            write!(selector, ", ports: [{}]", ports.join(", ")).unwrap();
        }
        if !self.icmp_types.is_empty() {
            write!(selector, ", icmpTypes: {:?}", self.icmp_types).unwrap();
        }
        if !self.services.is_empty() {
            let name = |service: &Service| match service {
                Service::KubernetesApi => "kubernetes-api",
                Service::Dns => "dns",
                Service::Metallb => "metallb",
            };
            let names: Vec<&str> = self.services.iter().map(name).collect();
            selector = format!("services: [{}]", names.join(", "));
        }
        write!(
            text,
            "---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: {}\n\
             portSelector: {{{selector}}}\n",
            self.name
        )
        .unwrap();
        if let Some(action) = self.action {
            let action = match action {
                Action::Accept => "accept",
                Action::Drop => "drop",
                Action::Reject => "reject",
            };
            writeln!(text, "action: {action}").unwrap();
        }
        if !self.interfaces.is_empty() {
            writeln!(text, "interfaces: {:?}", self.interfaces).unwrap();
        }
        if let Some(times) = self.limit {
            writeln!(text, "limit: {{rate: 1/day, burst: {times}}}").unwrap();
        }
        if self.log {
            text.push_str("log: {}\n");
        }
        for (key, nets) in [("ingress", &self.ingress), ("egress", &self.egress)] {
            if !nets.is_empty() {
                writeln!(text, "{key}:").unwrap();
            }
            for (subnet, except) in nets {
                writeln!(text, "  - subnet: {}/{}", subnet.address, subnet.length).unwrap();
                if let Some(except) = except {
                    writeln!(text, "    except: {}/{}", except.address, except.length).unwrap();
                }
            }
        }
    }
}

impl Policy {
    /// With this default and nothing else.
    pub fn new(default: Default) -> Self {
        Self {
            default,
            egress: None,
            rules: Vec::new(),
            pods_to_host: Vec::new(),
            cluster: Vec::new(),
        }
    }

    /// With one more rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// As documents of a machine config.
    pub fn documents(&self) -> String {
        let word = |default: Default| match default {
            Default::Accept => "accept",
            Default::Block => "block",
        };
        let mut text = format!(
            "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: {}\n",
            word(self.default)
        );
        if let Some(egress) = self.egress {
            writeln!(text, "egress: {}", word(egress)).unwrap();
        }
        if !self.pods_to_host.is_empty() {
            let ports = self.pods_to_host.iter().map(|(protocol, low, high)| {
                let protocol = match protocol {
                    Protocol::Udp => "udp",
                    _ => "tcp",
                };
                format!("{{port: {low}-{high}, protocol: {protocol}}}")
            });
            let ports: Vec<String> = ports.collect();
            writeln!(text, "allowPodsToHost: [{}]", ports.join(", ")).unwrap();
        }
        if !self.cluster.is_empty() {
            let nets = self.cluster.iter();
            let nets = nets.map(|net| format!("\"{}/{}\"", net.address, net.length));
            let nets = nets.collect::<Vec<_>>().join(", ");
            write!(
                text,
                "---\napiVersion: v1alpha1\nkind: KubeNetworkConfig\npodSubnets: [{nets}]\n"
            )
            .unwrap();
        }
        for rule in &self.rules {
            rule.write(&mut text);
        }
        text
    }

    /// What becomes of the first packet of a connection that comes in for this machine; of ICMP: of one that is not one of a
    /// flood.
    pub fn ingress(&self, question: &Question) -> Outcome {
        let among = |address: IpAddr| self.cluster.iter().any(|net| net.contains(address));
        let blocks = self.default == Default::Block;
        if blocks && among(question.source) && among(question.destination) {
            return Outcome::Accepted;
        }
        let is_icmp = matches!(question.protocol, Protocol::Icmp | Protocol::Icmpv6);
        if blocks && question.protocol == Protocol::Icmp && CURIOUS.contains(&question.number) {
            return Outcome::Dropped;
        }
        for rule in self.rules.iter().filter(|rule| rule.egress.is_empty()) {
            let mut same = rule.ingress.iter().map(|(subnet, _)| subnet.address);
            // Without an action a rule says nothing of a family of which it names no subnet.
            let silent = rule.action.is_none()
                && !same.any(|address| address.is_ipv4() == question.source.is_ipv4());
            if !rule.is_about(question) || silent {
                continue;
            }
            let inside = is_among(&rule.ingress, question.source);
            match (rule.action, self.default) {
                // Rules let in what they match, or keep out what they do not match.
                (None, Default::Block) if inside => return Outcome::Accepted,
                (None, Default::Accept) if !inside => return Outcome::Dropped,
                (Some(action), _) if inside => return outcome(action),
                _ => {}
            }
        }
        if blocks && !is_icmp {
            Outcome::Dropped
        } else {
            Outcome::Accepted
        }
    }

    /// What becomes of the first packet of a connection that goes out.
    pub fn goes_out(&self, question: &Question) -> Outcome {
        for rule in self.rules.iter().filter(|rule| !rule.egress.is_empty()) {
            if rule.is_about(question) && is_among(&rule.egress, question.destination) {
                return rule.action.map_or(Outcome::Accepted, outcome);
            }
        }
        match self.egress {
            Some(Default::Block) => Outcome::Dropped,
            _ => Outcome::Accepted,
        }
    }
}

fn outcome(action: Action) -> Outcome {
    match action {
        Action::Accept => Outcome::Accepted,
        Action::Drop => Outcome::Dropped,
        Action::Reject => Outcome::Rejected,
    }
}
