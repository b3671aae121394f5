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

#[derive(Clone, Debug, Default)]
pub struct Config {
    pub block: bool,
    pub egress: Option<bool>,
    pub trusted: Vec<&'static str>,
    pub cluster: bool,
    pub pods_to_host: Option<Option<Vec<(u8, u16, u16)>>>,
    pub vrrp_peers: Vec<Net>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug, Default)]
pub struct Rule {
    pub action: Option<&'static str>,
    pub links: Vec<&'static str>,
    pub protocol: Option<&'static str>,
    pub ports: Vec<(u16, u16)>,
    pub services: Vec<&'static str>,
    pub types: Vec<u8>,
    pub nets: Vec<(Net, Option<Net>)>,
    pub egress: bool,
    pub limit: bool,
    pub log: bool,
}

pub const PODS: [&str; 2] = ["10.244.0.0/16", "fc00:db8:10::/56"];
pub const SERVICES: [&str; 2] = ["10.96.0.0/12", "fc00:db8:20::/112"];
pub const LINKS: [&str; 7] = ["eth0", "eth1", "cali1", "calico", "wg0", "lo", "siderolink"];

/// Services by what they are, written down here once more.
pub const NAMED: [(&str, &[(u8, u16, u16)]); 6] = [
    ("dns", &[(6, 53, 53), (17, 53, 53)]),
    ("etcd", &[(6, 2379, 2380)]),
    ("metallb", &[(6, 7946, 7946), (17, 7946, 7946)]),
    ("vxlan", &[(17, 4789, 4789), (17, 8472, 8472)]),
    ("apid", &[(6, 50_000, 50_000)]),
    ("node-ports", &[(6, 30_000, 32_767), (17, 30_000, 32_767)]),
];

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

pub fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

pub fn address(bits: u128, v4: bool) -> IpAddr {
    match v4 {
        true => Ipv4Addr::from(bits as u32).into(),
        false => Ipv6Addr::from(bits).into(),
    }
}

pub fn net(text: &str) -> Net {
    let (start, len) = text.split_once('/').unwrap();
    let start: IpAddr = start.parse().unwrap();
    (bits(start), len.parse().unwrap(), start.is_ipv4())
}

pub fn show((start, len, v4): Net) -> String {
    format!("{}/{len}", address(start, v4))
}

pub fn host_bits((_, len, v4): Net) -> u32 {
    if v4 { 32 - len } else { 128 - len }
}

pub fn holds(net: Net, of: IpAddr) -> bool {
    let host = host_bits(net);
    let shift = |bits: u128| if host == 128 { 0 } else { bits >> host };
    net.2 == of.is_ipv4() && shift(net.0) == shift(bits(of))
}

pub fn pick<'t, T>(rng: &mut Rng, from: &'t [T]) -> &'t T {
    &from[rng.below(from.len() as u64) as usize]
}

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
                last = end.saturating_add(1 + rng.below(2) as u16 * 7);
            }
        }
    }
    let nets = rng.below(4) + u64::from(rule.egress);
    let family = rng.below(3);
    for _ in 0..nets {
        let mut own = net(*pick(rng, &NETS));
        while family < 2 && own.2 == (family == 0) {
            own = net(*pick(rng, &NETS));
        }
        if one_in(rng, 3) {
            own = inner(rng, own);
        }
        let except = one_in(rng, 3).then(|| inner(rng, own));
        rule.nets.push((own, except));
    }
    rule
}

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
    config
}

impl Config {
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
        writeln!(text, "interfaces: {:?}", self.links).unwrap();
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

/// The table of a configuration.
pub fn table(text: &str) -> Table {
    let (document, mut faults) = machine::parse(text, "c");
    let (desired, more) = compile::compile(&[document], &BTreeMap::new());
    faults.extend(more);
    let errors: Vec<_> = faults
        .iter()
        .filter(|fault| fault.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    Table::clone(&desired.firewall.expect("a default action was said").table)
}
