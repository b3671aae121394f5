//! Random configurations of the firewall, as what they mean and as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use init_net::compile;
use init_net::config::{Severity, machine};
use init_net::state::nft::Table;
use init_net::value::Rng;

/// A network: the address, the length, and whether it is IPv4.
pub type Net = (u128, u32, bool);

/// A configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The default of what comes in.
    pub block: bool,
    /// The same of what goes out, as far as it is said.
    pub egress: Option<bool>,
    /// Links of which everything is let in.
    pub trusted: Vec<&'static str>,
    /// Whether [`PODS`] and [`SERVICES`] are said.
    pub cluster: bool,
    /// What pods may reach: nothing, everything, these.
    pub pods_to_host: Option<Option<Vec<(u8, u16, u16)>>>,
    /// Who may send VRRP.
    pub vrrp_peers: Vec<Net>,
    /// In order; the first is called `rule 0`.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// As it is written.
    pub action: Option<&'static str>,
    /// Names, and starts of names with `*`.
    pub links: Vec<&'static str>,
    /// As it is written.
    pub protocol: Option<&'static str>,
    /// From and to.
    pub ports: Vec<(u16, u16)>,
    /// Of [`NAMED`].
    pub services: Vec<&'static str>,
    /// Of ICMP.
    pub types: Vec<u8>,
    /// With their exceptions.
    pub nets: Vec<(Net, Option<Net>)>,
    /// Whether it is about what goes out.
    pub egress: bool,
    /// Whether there is a limit.
    pub limit: bool,
    /// Whether it logs.
    pub log: bool,
}

/// Networks of pods.
pub const PODS: [&str; 2] = ["10.244.0.0/16", "fc00:db8:10::/56"];
/// Networks of services.
pub const SERVICES: [&str; 2] = ["10.96.0.0/12", "fc00:db8:20::/112"];
/// Links by which packets come and go.
pub const LINKS: [&str; 7] = ["eth0", "eth1", "cali1", "calico", "wg0", "lo", "siderolink"];

/// A service: its name, and protocols with ports from and to.
pub type Named = (&'static str, &'static [(u8, u16, u16)]);

/// Services by what they are, written down here once more.
pub const NAMED: [Named; 6] = [
    ("dns", &[(6, 53, 53), (17, 53, 53)]),
    ("etcd", &[(6, 2379, 2380)]),
    ("metallb", &[(6, 7946, 7946), (17, 7946, 7946)]),
    ("vxlan", &[(17, 4789, 4789), (17, 8472, 8472)]),
    ("apid", &[(6, 50_000, 50_000)]),
    ("node-ports", &[(6, 30_000, 32_767), (17, 30_000, 32_767)]),
];

/// Networks that rules are about, and others are inside of.
pub const NETS: [&str; 18] = [
    "10.0.0.0/8",
    "10.66.0.0/16",
    "10.66.6.0/24",
    "10.66.6.6/32",
    "192.0.2.0/24",
    "192.0.2.128/25",
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "255.255.255.255/32",
    "2001:db8::/32",
    "2001:db8:66::/48",
    "2001:db8:66::6/128",
    "fe80::/10",
    "::/0",
    "::/1",
    "8000::/1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
];

/// An address as a number.
pub fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// A number as an address.
pub fn address(bits: u128, v4: bool) -> IpAddr {
    match v4 {
        true => Ipv4Addr::from(bits as u32).into(),
        false => Ipv6Addr::from(bits).into(),
    }
}

/// A network from its text.
pub fn net(text: &str) -> Net {
    let (start, len) = text.split_once('/').unwrap();
    let start: IpAddr = start.parse().unwrap();
    (bits(start), len.parse().unwrap(), start.is_ipv4())
}

/// The text of a network.
pub fn show((start, len, v4): Net) -> String {
    format!("{}/{len}", address(start, v4))
}

/// How many bits of an address say where in the network it is.
pub fn host_bits((_, len, v4): Net) -> u32 {
    if v4 { 32 - len } else { 128 - len }
}

/// Whether an address is in a network.
pub fn holds(net: Net, of: IpAddr) -> bool {
    let host = host_bits(net);
    let shift = |bits: u128| if host == 128 { 0 } else { bits >> host };
    net.2 == of.is_ipv4() && shift(net.0) == shift(bits(of))
}

/// One of them.
pub fn pick<'t, T>(rng: &mut Rng, from: &'t [T]) -> &'t T {
    &from[rng.below(from.len() as u64) as usize]
}

/// Whether it is so this time, of so many.
pub fn one_in(rng: &mut Rng, many: u64) -> bool {
    rng.below(many) == 0
}

/// A network inside of another.
pub fn inner(rng: &mut Rng, of: Net) -> Net {
    let more = rng.below(u64::from(host_bits(of)) + 1) as u32;
    let len = of.1 + more;
    let host = host_bits((0, len, of.2));
    let random = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    let inside = if host_bits(of) == 128 {
        random
    } else {
        random & ((1 << host_bits(of)) - 1)
    };
    let start = of.0 | inside;
    let start = if host == 128 {
        0
    } else {
        start >> host << host
    };
    (start, len, of.2)
}

/// A random rule.
pub fn rule(rng: &mut Rng) -> Rule {
    let mut rule = Rule {
        egress: one_in(rng, 4),
        limit: one_in(rng, 5),
        log: one_in(rng, 4),
        ..Rule::default()
    };
    if one_in(rng, 2) {
        rule.action = Some(*pick(rng, &["accept", "drop", "reject"]));
    }
    if one_in(rng, 3) {
        for _ in 0..=rng.below(3) {
            rule.links
                .push(*pick(rng, &["eth0", "eth1", "cali*", "cali1", "wg0"]));
        }
    }
    if one_in(rng, 5) {
        for _ in 0..=rng.below(2) {
            rule.services.push(pick(rng, &NAMED).0);
        }
    }
    if rule.services.is_empty() || one_in(rng, 3) {
        let protocol = *pick(rng, &["tcp", "tcp", "udp", "udp", "icmp", "icmpv6"]);
        rule.protocol = Some(protocol);
        if protocol.starts_with("icmp") {
            for _ in 0..rng.below(4) {
                rule.types
                    .push(*pick(rng, &[0, 3, 8, 9, 13, 128, 129, 135, 137, 255]));
            }
        } else {
            let mut last = 0;
            for _ in 0..=rng.below(4) {
                if last >= 60_000 {
                    break;
                }
                let first = last
                    + if one_in(rng, 3) {
                        0
                    } else {
                        rng.below(5000) as u16
                    };
                let end = match rng.below(4) {
                    0 => first + rng.below(3000) as u16,
                    1 if one_in(rng, 8) => u16::MAX,
                    _ => first,
                };
                rule.ports.push((first, end));
                last = end.saturating_add(*pick(rng, &[1, 2, 8]));
            }
        }
    }
    let nets = rng.below(4) + u64::from(rule.egress);
    let family = rng.below(3);
    for _ in 0..nets {
        let mut own = net(pick::<&str>(rng, &NETS));
        while family < 2 && own.2 == (family == 0) {
            own = net(pick::<&str>(rng, &NETS));
        }
        if one_in(rng, 3) {
            own = inner(rng, own);
        }
        let except = one_in(rng, 3).then(|| inner(rng, own));
        rule.nets.push((own, except));
    }
    rule
}

/// Many rules that are alike but for their sources and ports, as a set takes them; now and then one that meets others, or is
/// not like them.
pub fn run(rng: &mut Rng) -> Vec<Rule> {
    let same = Rule {
        action: *pick(rng, &[None, Some("accept"), Some("drop"), Some("reject")]),
        links: if one_in(rng, 3) {
            vec!["eth0", "cali*"]
        } else {
            Vec::new()
        },
        egress: one_in(rng, 3),
        ..Rule::default()
    };
    let v4 = one_in(rng, 2);
    let one_net = one_in(rng, 3);
    let one_port = one_in(rng, 3);
    let first = rng.below(60_000) as u16;
    let (wide, narrow) = match v4 {
        true => (net("10.0.0.0/8"), 1_u128 << 12),
        false => (net("2001:db8::/32"), 1 << 76),
    };
    let mut rules = Vec::new();
    for at in 0..30 + rng.below(40) as u16 {
        let mut one = same.clone();
        one.protocol = Some(*pick(rng, &["tcp", "tcp", "tcp", "udp"]));
        let port = if one_port { first } else { first + 4 * at };
        one.ports.push((port, port + rng.below(3) as u16));
        if one_in(rng, 4) {
            one.ports.push((port + 2100, port + 2101));
        }
        let host = narrow.ilog2();
        let of_its_own = (
            wide.0 + u128::from(at) * narrow,
            if v4 { 32 } else { 128 } - host,
            v4,
        );
        let own = if one_net { wide } else { of_its_own };
        let except = one_in(rng, 4).then(|| inner(rng, own));
        one.nets.push((own, except));
        match rng.below(150) {
            0 => one = rule(rng),
            1 => one.nets = vec![(wide, None)],
            2 => {
                one.nets = vec![
                    (inner(rng, wide), None),
                    (net("::/0"), None),
                    (net("0.0.0.0/0"), None),
                ]
            }
            3 => one.ports = vec![(first, first + 200)],
            4 => one.log = true,
            5 if !one.egress => one.nets.clear(),
            _ => {}
        }
        rules.push(one);
    }
    rules
}

/// A random configuration.
pub fn config(rng: &mut Rng) -> Config {
    let mut config = Config {
        block: !one_in(rng, 3),
        egress: one_in(rng, 3).then(|| one_in(rng, 2)),
        cluster: one_in(rng, 3),
        ..Config::default()
    };
    if one_in(rng, 3) {
        config.trusted = vec!["wg*", "eth1"];
    }
    if config.cluster && one_in(rng, 2) {
        let ports = vec![(6, 10_250, 10_250), (17, 53, 60), (6, 9100, 9110)];
        config.pods_to_host = Some(one_in(rng, 2).then_some(ports));
    }
    if one_in(rng, 4) {
        config.vrrp_peers = vec![net("192.0.2.0/25"), net("2001:db8::7/128")];
    }
    for _ in 0..rng.below(7) {
        config.rules.push(rule(rng));
    }
    if one_in(rng, 4) {
        config.rules.extend(run(rng));
        for _ in 0..rng.below(3) {
            config.rules.push(rule(rng));
        }
    }
    config
}

impl Config {
    /// As documents.
    pub fn text(&self) -> String {
        let action = |block| if block { "block" } else { "accept" };
        let mut text = format!(
            "apiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: {}\n",
            action(self.block)
        );
        if let Some(block) = self.egress {
            writeln!(text, "egress: {}", action(block)).unwrap();
        }
        writeln!(text, "trustedLinks: {:?}", self.trusted).unwrap();
        let peers: Vec<String> = self.vrrp_peers.iter().map(|peer| show(*peer)).collect();
        writeln!(text, "vrrpPeers: {peers:?}").unwrap();
        match &self.pods_to_host {
            Some(Some(ports)) => {
                let port = |(protocol, first, last): &(u8, u16, u16)| {
                    let protocol = if *protocol == 6 { "tcp" } else { "udp" };
                    format!("{{port: {first}-{last}, protocol: {protocol}}}")
                };
                let ports: Vec<String> = ports.iter().map(port).collect();
                writeln!(text, "allowPodsToHost: [{}]", ports.join(", ")).unwrap();
            }
            Some(None) => writeln!(text, "allowPodsToHost: all").unwrap(),
            None => {}
        }
        if self.cluster {
            writeln!(
                text,
                "---\napiVersion: v1alpha1\nkind: KubeNetworkConfig\npodSubnets: {PODS:?}\nserviceSubnets: {SERVICES:?}"
            )
            .unwrap();
        }
        for (at, rule) in self.rules.iter().enumerate() {
            text.push_str(&rule.text(at));
        }
        text
    }
}

impl Rule {
    /// As a document of the rule with this number.
    pub fn text(&self, at: usize) -> String {
        let mut text =
            format!("---\napiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: rule {at}\n");
        text.push_str("portSelector:\n");
        if let Some(protocol) = self.protocol {
            writeln!(text, "  protocol: {protocol}").unwrap();
            if protocol.starts_with("icmp") {
                writeln!(text, "  icmpTypes: {:?}", self.types).unwrap();
            } else {
                let ports: Vec<String> =
                    self.ports.iter().map(|(a, b)| format!("{a}-{b}")).collect();
                writeln!(text, "  ports: {ports:?}").unwrap();
            }
        }
        if !self.services.is_empty() {
            writeln!(text, "  services: {:?}", self.services).unwrap();
        }
        if let Some(action) = self.action {
            writeln!(text, "action: {action}").unwrap();
        }
        if !self.links.is_empty() {
            writeln!(text, "interfaces: {:?}", self.links).unwrap();
        }
        if self.limit {
            text.push_str("limit: 10/second\n");
        }
        if self.log {
            text.push_str("log: {}\n");
        }
        let nets = self.nets.iter().map(|(own, except)| match except {
            Some(except) => format!("{{subnet: '{}', except: '{}'}}", show(*own), show(*except)),
            None => format!("{{subnet: '{}'}}", show(*own)),
        });
        let nets: Vec<String> = nets.collect();
        let key = if self.egress { "egress" } else { "ingress" };
        writeln!(text, "{key}: [{}]", nets.join(", ")).unwrap();
        text
    }
}

/// The table of the texts of a configuration.
pub fn table<T: AsRef<str>>(texts: &[T]) -> Table {
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    for text in texts {
        let (document, more) = machine::parse(text.as_ref(), "c");
        documents.push(document);
        faults.extend(more);
    }
    let (desired, more) = compile::compile(&documents, &BTreeMap::new());
    faults.extend(more);
    let errors: Vec<_> = faults
        .iter()
        .filter(|fault| fault.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    Table::clone(&desired.firewall.expect("something was said").table)
}
