//! How long it takes until what somebody broke is right again: from the system call that breaks it to the state itself, read
//! again and again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use init_net::run::apply::apply;
use init_net::run::kernel::Kernel;
use init_net::state::nft::Table;
use init_net::state::{Family, FirewallOp, LinkAt, Op, RouteOp, RuleOp};
use init_net::sys::hostname;
use init_net::value::{Instant, Prefix, RuleAction};
use serde_json::Value;
use serde_json::json;

use crate::Result;
use crate::contestant::SUPERVISOR;
use crate::notice::now;
use crate::rest::find;

/// What is kept: an address, its default route and a rule, a port of a bridge, a parameter, files, the host name and a
/// firewall with a set.
pub const CONFIG: &str = "\
apiVersion: v1alpha1
kind: LinkConfig
name: eth0
up: true
mtu: 1400
addresses: [{address: 192.0.2.2/24}]
routes: [{gateway: 192.0.2.1}]
---
apiVersion: v1alpha1
kind: VethConfig
name: leg0
peer: {name: leg1}
---
apiVersion: v1alpha1
kind: BridgeConfig
name: br0
links: [leg0]
---
apiVersion: v1alpha1
kind: RoutingRuleConfig
name: '1500'
src: 10.210.0.0/24
table: '1000'
---
apiVersion: v1alpha1
kind: SysctlConfig
params: {net.ipv4.tcp_keepalive_time: 1234}
---
apiVersion: v1alpha1
kind: ResolverConfig
nameservers: [{address: 192.0.2.1}]
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname: kept
---
apiVersion: v1alpha1
kind: NetworkDefaultActionConfig
ingress: block
---
apiVersion: v1alpha1
kind: NetworkRuleConfig
name: ssh
portSelector: {ports: [22], protocol: tcp}
ingress: [{subnet: 10.1.0.0/16}, {subnet: 10.3.0.0/16}, {subnet: 10.5.0.0/16}]
";

/// Before the first: announcements of the address are over, the supervisor rests.
const SETTLE: Duration = Duration::from_secs(3);

/// Breaks of each kind, and the pause between two: nothing of the one before is left to do.
const TIMES: usize = 20;
const PAUSE: Duration = Duration::from_millis(60);

/// Between two looks at what is to come back.
const LOOK: Duration = Duration::from_micros(30);

/// A repair takes milliseconds.
const LIMIT_NS: i64 = 20_000_000_000;

/// In the /proc that the supervisor sees: a write through another mount of it rings nobody, and is found at the next look.
const PARAMETER: &str = "proc/sys/net/ipv4/tcp_keepalive_time";

/// Breaks every kind [`TIMES`] times: ns until each repair, by kind.
pub fn measure(root: &Path) -> Result<Value> {
    find(&root.join("proc"), SUPERVISOR)?;
    sleep(SETTLE);
    let mut place = Place::new(root)?;
    let mut repairs = BTreeMap::new();
    for (name, kind) in KINDS {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            sleep(PAUSE);
            if !place.is_right(kind)? {
                return Err(format!("{name}: not right before it was broken").into());
            }
            let start = now();
            place.spoil(kind)?;
            while !place.is_right(kind)? {
                if now() > start + LIMIT_NS {
                    return Err(format!("{name}: never repaired").into());
                }
                sleep(LOOK);
            }
            times.push(now() - start);
        }
        times.sort_unstable();
        repairs.insert(name, times);
    }
    Ok(json!({ "repairs": repairs }))
}

#[derive(Clone, Copy)]
enum Kind {
    Address,
    Route,
    Rule,
    Mtu,
    Member,
    Parameter,
    File,
    Hostname,
    /// The table goes, with everything in it.
    Table,
    /// Chains without a rule.
    Flush,
    /// The last rule of the first chain that has one.
    FirewallRule,
    /// One of the first set.
    Element,
}

const KINDS: [(&str, Kind); 12] = [
    ("address", Kind::Address),
    ("default route", Kind::Route),
    ("rule", Kind::Rule),
    ("link MTU", Kind::Mtu),
    ("bridge member", Kind::Member),
    ("sysctl", Kind::Parameter),
    ("resolv.conf", Kind::File),
    ("host name", Kind::Hostname),
    ("nft table", Kind::Table),
    ("nft flush", Kind::Flush),
    ("nft rule", Kind::FirewallRule),
    ("nft element", Kind::Element),
];

struct Place {
    kernel: Kernel,
    eth0: LinkAt,
    leg0: LinkAt,
    parameter: PathBuf,
    resolv_conf: PathBuf,
    right: Vec<u8>,
    firewall: Table,
}

impl Place {
    fn new(root: &Path) -> Result<Self> {
        let mut kernel = Kernel::open()?;
        let links = kernel.route.links(Instant::BOOT)?;
        let at = |name: &str| {
            let link = links.values().find(|link| link.name.as_str() == name);
            link.map(|link| LinkAt {
                index: link.index,
                name: link.name.clone(),
            })
            .ok_or_else(|| format!("no link {name}"))
        };
        let resolv_conf = root.join("etc/resolv.conf");
        let (firewall, _) = kernel.nft.table()?;
        Ok(Self {
            eth0: at("eth0")?,
            leg0: at("leg0")?,
            right: fs::read(&resolv_conf)?,
            parameter: root.join(PARAMETER),
            firewall: firewall.ok_or("no firewall")?.table,
            resolv_conf,
            kernel,
        })
    }

    fn spoil(&mut self, kind: Kind) -> Result<()> {
        let link = self.eth0.clone();
        let op = match kind {
            Kind::Address => Op::AddressDel {
                link,
                address: prefix("192.0.2.2/24")?,
                peer: None,
            },
            Kind::Route => Op::RouteDel(RouteOp {
                link: Some(link),
                gateway: Some("192.0.2.1".parse()?),
                scope: init_net::state::Scope::Nowhere,
                ..RouteOp::new(Family::Inet4, 1024)
            }),
            Kind::Rule => Op::RuleDel(RuleOp {
                family: Family::Inet4,
                priority: 1500,
                src: Some(prefix("10.210.0.0/24")?),
                dst: None,
                action: RuleAction::Unicast,
                table: 1000,
                iif_name: None,
                oif_name: None,
                fw_mark: 0,
                fw_mask: 0,
                suppress_prefix_length: None,
            }),
            Kind::Mtu => Op::LinkSetMtu {
                link,
                mtu: 1300.try_into().map_err(|_| "an MTU")?,
            },
            Kind::Member => Op::LinkSetMaster {
                link: self.leg0.clone(),
                master: None,
                group: init_net::state::OUR_GROUP,
            },
            Kind::Parameter => return Ok(fs::write(&self.parameter, "7\n")?),
            Kind::File => return Ok(fs::write(&self.resolv_conf, "nameserver 192.0.2.9\n")?),
            Kind::Hostname => return Ok(hostname::set("spoiled")?),
            Kind::Table | Kind::Flush | Kind::FirewallRule | Kind::Element => {
                let mut table = self.firewall.clone();
                match kind {
                    Kind::Flush => table.chains.iter_mut().for_each(|it| it.rules.clear()),
                    Kind::FirewallRule => {
                        let mut chains = table.chains.iter_mut();
                        chains.find_map(|it| it.rules.pop()).ok_or("no rule")?;
                    }
                    _ => {
                        let mut sets = table.sets.iter_mut();
                        sets.find_map(|it| it.elements.pop()).ok_or("no element")?;
                    }
                }
                Op::Firewall(FirewallOp {
                    counters: Vec::new(),
                    elements: Vec::new(),
                    table: (!matches!(kind, Kind::Table)).then(|| table.into()),
                    generation: None,
                })
            }
        };
        match apply(&mut self.kernel, vec![op]).pop() {
            Some(outcome) => Ok(outcome.result.map_err(|(_, error)| error)?),
            None => Err("no outcome".into()),
        }
    }

    fn is_right(&mut self, kind: Kind) -> Result<bool> {
        let (route, at) = (&mut self.kernel.route, Instant::BOOT);
        let ours = Some(init_net::state::OUR_PROTOCOL);
        Ok(match kind {
            Kind::Address => {
                let address = prefix("192.0.2.2/24")?;
                route.addresses(at)?.iter().any(|it| it.address == address)
            }
            Kind::Route => route.routes(at, ours)?.iter().any(|it| it.dst.is_none()),
            Kind::Rule => route.rules(at)?.iter().any(|it| it.priority == 1500),
            Kind::Mtu => {
                let links = route.links(at)?;
                links.get(&self.eth0.index).is_some_and(|it| it.mtu == 1400)
            }
            Kind::Member => {
                let links = route.links(at)?;
                links
                    .get(&self.leg0.index)
                    .is_some_and(|it| it.master_index != 0)
            }
            Kind::Parameter => fs::read_to_string(&self.parameter)?.trim() == "1234",
            Kind::File => fs::read(&self.resolv_conf).is_ok_and(|it| it == self.right),
            Kind::Hostname => hostname::read()?.as_deref() == Some("kept"),
            Kind::Table | Kind::Flush | Kind::FirewallRule | Kind::Element => {
                let (there, _) = self.kernel.nft.table()?;
                there.is_some_and(|there| !there.foreign && there.table == self.firewall)
            }
        })
    }
}

fn prefix(text: &str) -> Result<Prefix> {
    Ok(text.parse().map_err(|_| "a prefix")?)
}
