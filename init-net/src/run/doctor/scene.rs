//! [`Scene`]: all that the judges see. Looked at once; only the probes touch the network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::probe::Answers;
use crate::run::kernel::Kernel;
use crate::run::report::Report;
use crate::run::wanted::{self, Wanted};
use crate::run::{RUN_DIR, live, observe, offline, state_file};
use crate::state::{Desired, Family, LinkStatus, Observed, RouteStatus};
use crate::sys::listening::Listener;
use crate::sys::netlink::Requests;
use crate::sys::port::PortState;
use crate::sys::{self, port};
use crate::value::{LinkName, NameServer, RouteKind, RouteTable, SysctlKey};
use crate::wire::Progress;
use crate::wire::nf_chains::{self, BaseChain};

/// Largest resolv.conf that is read, bytes.
const MAX_RESOLV_CONF: usize = 64 << 10;

/// Links whose parameters are read: a node with thousands of pods has thousands of links, none of them ours.
const MAX_LINKS: usize = 64;

/// Who keeps the network at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Supervisor {
    /// It answers.
    Runs,
    /// Nobody listens.
    #[default]
    None,
    /// It listens and does not answer; its words.
    Silent(String),
}

/// `/etc/resolv.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// Where it leads, if it is a symbolic link.
    pub link: Option<PathBuf>,
    /// What is in it; `None`: it cannot be read.
    pub text: Option<String>,
}

impl ResolvConf {
    /// The servers that the C library would ask.
    pub fn servers(&self) -> Vec<NameServer> {
        let lines = self.text.iter().flat_map(|text| text.lines());
        let value = |line: &str| {
            let rest = line.strip_prefix("nameserver")?;
            rest.split_whitespace().next()?.parse().ok()
        };
        lines
            .filter_map(value)
            .take(crate::state::MAX_NAMESERVERS)
            .collect()
    }

    /// The search list that counts: the last line stands alone.
    pub fn search(&self) -> Vec<&str> {
        let lines = self.text.iter().flat_map(|text| text.lines());
        let mut list = lines.filter_map(|line| {
            let (word, rest) = line.split_once(char::is_whitespace)?;
            matches!(word, "search" | "domain").then_some(rest)
        });
        list.next_back()
            .map(|rest| rest.split_whitespace().collect())
            .unwrap_or_default()
    }
}

/// The machine as it is, as it should be, and what the network answered.
#[derive(Debug, Default)]
pub struct Scene {
    pub observed: Observed,
    pub wanted: Wanted,
    pub supervisor: Supervisor,
    /// `None`: no boot stage has left one.
    pub report: Option<Report>,
    /// Why the state file is not usable, if there is one.
    pub state_refused: Option<String>,
    /// There is a state file of this boot.
    pub has_state: bool,
    pub resolv_conf: ResolvConf,
    /// Ports of bridges, by index of the link.
    pub ports: BTreeMap<u32, PortState>,
    /// LACP partners of bonds, by index of the bond.
    pub partners: BTreeMap<u32, String>,
    /// Kernel parameters that the judges ask for.
    pub sysctls: BTreeMap<SysctlKey, String>,
    pub chains: Vec<BaseChain>,
    /// What would be done to our firewall, which is not as it should be then.
    pub firewall_op: Option<String>,
    pub listeners: Vec<Listener>,
    pub answers: Answers,
}

impl Scene {
    /// Looks at the machine; sends nothing.
    pub fn look() -> Result<Self, String> {
        let (supervisor, wanted) = match live::several(&wanted::KINDS) {
            Ok((asked, answers)) => {
                let supervisor = match asked {
                    true => Supervisor::Runs,
                    false => Supervisor::None,
                };
                (supervisor, Wanted::new(answers))
            }
            Err(error) => (Supervisor::Silent(error), Wanted::default()),
        };
        let mut kernel = Kernel::open().map_err(|error| format!("netlink: {error}"))?;
        let observed = observe::observe_all(&mut kernel, &Desired::default(), sys::clock::now())
            .map_err(|error| error.to_string())?;
        let mut scene = Self {
            observed,
            wanted,
            supervisor,
            report: live::report().ok(),
            resolv_conf: resolv_conf(),
            chains: chains().unwrap_or_default(),
            firewall_op: offline::firewall_op().unwrap_or_default(),
            listeners: sys::listening::all(),
            ..Self::default()
        };
        scene.look_at_state();
        scene.look_at_links();
        Ok(scene)
    }

    fn look_at_state(&mut self) {
        let path = Path::new(RUN_DIR).join(state_file::NAME);
        let Ok(bytes) = sys::file::read(&path, state_file::MAX_LEN) else {
            return;
        };
        let boot_id = sys::boot_id::read().unwrap_or_default();
        match state_file::StateFile::parse(&bytes, &boot_id) {
            Ok(_) => self.has_state = true,
            Err(refusal) => self.state_refused = Some(refusal.to_string()),
        }
    }

    fn look_at_links(&mut self) {
        for link in self.observed.links.values() {
            if link.slave_kind == "bridge"
                && let Some(state) = port::bridge_port(&link.name)
            {
                self.ports.insert(link.index, state);
            }
            if link.kind == "bond"
                && let Some(partner) = port::lacp_partner(&link.name)
            {
                self.partners.insert(link.index, partner);
            }
        }
        let of_links = self.observed.links.values().take(MAX_LINKS);
        let keys = of_links.flat_map(|link| {
            LINK_KEYS.map(|(family, parameter)| key(family, link.name.as_str(), parameter))
        });
        let everywhere = [
            key("ipv4", "all", "rp_filter"),
            key("ipv6", "all", "disable_ipv6"),
        ];
        for key in keys.chain(everywhere).flatten() {
            if let Ok(value) = sys::sysctl::read(&key) {
                self.sysctls.insert(key, value);
            }
        }
    }

    /// A parameter of a link, or of `all`.
    pub fn sysctl(&self, family: &str, link: &str, parameter: &str) -> Option<&str> {
        let key = key(family, link, parameter)?;
        self.sysctls.get(&key).map(String::as_str)
    }

    /// Default routes of the main table that lead somewhere, the best first.
    pub fn defaults(&self, family: Family) -> Vec<&RouteStatus> {
        let all = self.observed.routes.iter().filter(|route| {
            route.family == family
                && route.dst.is_none()
                && route.table == RouteTable::MAIN
                && route.kind == RouteKind::Unicast
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|route| route.priority);
        all
    }

    /// Links that could carry something: neither down nor without carrier, nor the loopback.
    pub fn live_links(&self) -> impl Iterator<Item = &LinkStatus> {
        self.observed
            .links
            .values()
            .filter(|link| link.is_up() && link.has_carrier() && !is_loopback(link))
    }

    /// The words of the kernel about the op that has all of `words` in it, where it keeps failing.
    pub fn failure(&self, words: &[&str]) -> Option<&str> {
        let failures = &self.report.as_ref()?.failures;
        let hit = failures
            .iter()
            .find(|failure| words.iter().all(|word| failure.op.contains(word)));
        hit.map(|failure| failure.error.as_str())
    }
}

/// Parameters of each link that the judges ask for.
const LINK_KEYS: [(&str, &str); 4] = [
    ("ipv4", "rp_filter"),
    ("ipv6", "disable_ipv6"),
    ("ipv6", "accept_ra"),
    ("ipv6", "forwarding"),
];

/// `None`: the name of the link cannot stand in a path.
pub fn key(family: &str, link: &str, parameter: &str) -> Option<SysctlKey> {
    format!("net/{family}/conf/{link}/{parameter}").parse().ok()
}

pub fn is_loopback(link: &LinkStatus) -> bool {
    link.flags & crate::state::iff::LOOPBACK != 0
}

/// The name of a link, or what the kernel would call it.
pub fn name(link: Option<&LinkName>) -> &str {
    link.map_or("an unknown link", LinkName::as_str)
}

fn resolv_conf() -> ResolvConf {
    let path = Path::new("/etc/resolv.conf");
    let text = sys::file::read(path, MAX_RESOLV_CONF).ok();
    ResolvConf {
        link: std::fs::read_link(path).ok(),
        text: text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// The base chains of nf_tables. `None`: this kernel has none at present, or does not tell.
fn chains() -> Option<Vec<BaseChain>> {
    /// One of ours; the socket has no other.
    const SEQ: u32 = 1;
    let mut socket = Requests::open_netfilter().ok()?;
    socket.send(&nf_chains::get(SEQ).ok()?).ok()?;
    let mut answer = nf_chains::Answer::new(SEQ);
    loop {
        match answer.receive(socket.receive().ok()?) {
            Progress::More => {}
            Progress::Failed(_) => return None,
            // A chain more or less does not change what is said of the others.
            Progress::Done | Progress::Interrupted => return Some(answer.chains),
        }
    }
}
