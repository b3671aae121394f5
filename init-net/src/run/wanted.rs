//! [`Wanted`]: what should be there, as the supervisor tells it to everybody who asks (`get …specs`).

use core::net::IpAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::state::{Family, OperatorKind, VipState};
use crate::value::{Instant, Layer, LinkName, NameServer, Prefix, Protocol, RouteKind, RouteTable};

/// The desired side, as far as `doctor` judges it and `graph` draws it. Fields mean what they mean in `state`.
#[derive(Debug, Default)]
pub struct Wanted {
    pub links: Vec<WantedLink>,
    pub addresses: Vec<WantedAddress>,
    pub routes: Vec<WantedRoute>,
    pub operators: Vec<WantedOperator>,
    pub leases: Vec<Lease>,
    pub resolvers: Vec<WantedResolver>,
    pub hostnames: Vec<WantedHostname>,
    pub firewall: Vec<WantedFirewall>,
    pub vips: Vec<Vip>,
    pub events: Vec<Told>,
}

/// The kinds of `get` that a [`Wanted`] is made of.
pub const KINDS: [&str; 10] = [
    "linkspecs",
    "addressspecs",
    "routespecs",
    "operators",
    "leases",
    "resolverspecs",
    "hostnamespecs",
    "firewallspecs",
    "vips",
    "events",
];

impl Wanted {
    /// From the answers of `get` for each of [`KINDS`], in that order.
    pub fn new(answers: [Vec<Value>; KINDS.len()]) -> Self {
        let [
            links,
            addresses,
            routes,
            operators,
            leases,
            resolvers,
            hostnames,
            firewall,
            vips,
            events,
        ] = answers;
        Self {
            links: known(links),
            addresses: known(addresses),
            routes: known(routes),
            operators: known(operators),
            leases: known(leases),
            resolvers: known(resolvers),
            hostnames: known(hostnames),
            firewall: known(firewall),
            vips: known(vips),
            events: known(events),
        }
    }

    /// Whether a default route of this family is declared, or may come by a lease.
    pub fn wants_default(&self, family: Family) -> bool {
        let declared = |route: &WantedRoute| route.family == family && route.is_default();
        let dynamic = |client: &WantedOperator| match family {
            Family::Inet4 => client.operator == OperatorKind::Dhcp4,
            // Routers advertise themselves; DHCPv6 brings no routes.
            Family::Inet6 => false,
        };
        self.routes.iter().any(declared) || self.operators.iter().any(dynamic)
    }

    /// Whether something is to run on the link: a reason to miss its carrier.
    pub fn is_used(&self, link: &LinkName) -> bool {
        self.addresses.iter().any(|a| a.link_name == *link)
            || self.operators.iter().any(|operator| {
                // DHCP on every card is a try, not a wish.
                operator.link_name == *link && operator.layer > Layer::Default
            })
    }
}

/// What this program can read of the answers; a supervisor of another version may know more.
fn known<T: DeserializeOwned>(values: Vec<Value>) -> Vec<T> {
    let read = |value| serde_json::from_value(value).ok();
    values.into_iter().filter_map(read).collect()
}

/// Of a [`crate::state::LinkSpec`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedLink {
    pub name: LinkName,
    pub up: Option<bool>,
    pub mtu: Option<u32>,
    #[serde(default)]
    pub kind: String,
    pub parent_name: Option<LinkName>,
    pub bond_slave: Option<Member>,
    pub bridge_slave: Option<Member>,
    pub vrf_slave: Option<Member>,
    pub layer: Layer,
}

impl WantedLink {
    /// The bond, bridge or VRF that it should be a member of.
    pub fn master(&self) -> Option<&LinkName> {
        let member = self.bond_slave.as_ref();
        let member = member.or(self.bridge_slave.as_ref());
        Some(&member.or(self.vrf_slave.as_ref())?.master_name)
    }
}

/// Of a [`crate::state::MasterSpec`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub master_name: LinkName,
}

/// Of a [`crate::state::AddressSpec`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedAddress {
    pub address: Prefix,
    pub link_name: LinkName,
    pub family: Family,
}

/// Of a [`crate::state::RouteSpec`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedRoute {
    pub id: String,
    pub family: Family,
    #[serde(deserialize_with = "none_if_empty")]
    pub dst: Option<Prefix>,
    #[serde(deserialize_with = "none_if_empty")]
    pub gateway: Option<IpAddr>,
    pub out_link_name: Option<LinkName>,
    pub table: RouteTable,
    pub priority: u32,
    #[serde(rename = "type")]
    pub kind: RouteKind,
}

impl WantedRoute {
    /// To everywhere, in the main table.
    pub fn is_default(&self) -> bool {
        self.dst.is_none() && self.table == RouteTable::MAIN && self.kind == RouteKind::Unicast
    }
}

/// Of a [`crate::state::OperatorSpec`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedOperator {
    pub operator: OperatorKind,
    pub link_name: LinkName,
    pub layer: Layer,
}

/// A DHCP client of the supervisor.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// `dhcp4/eth0`.
    pub id: String,
    /// `bound`, `selecting`, `rebinding`…
    pub state: String,
    /// When what it holds ends; absent without a lease.
    pub expires_at: Option<Instant>,
}

/// Of a [`crate::state::ResolverSpec`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedResolver {
    pub name_servers: Vec<NameServer>,
}

/// Of a [`crate::state::HostnameSpec`].
#[derive(Debug, Deserialize)]
pub struct WantedHostname {
    pub hostname: String,
}

/// Of a [`crate::state::FirewallSpec`].
#[derive(Debug, Deserialize)]
pub struct WantedFirewall {
    #[serde(default)]
    pub management: Vec<WantedPorts>,
}

/// Of a [`crate::state::ManagementSpec`].
#[derive(Debug, Deserialize)]
pub struct WantedPorts {
    pub protocol: Protocol,
    /// A port, or a range.
    pub ports: String,
}

/// Of a [`crate::state::VipSpec`], and of its [`crate::state::VipStatus`] where a supervisor has one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vip {
    /// `eth0/192.0.2.100`.
    pub id: String,
    pub ip: IpAddr,
    pub link_name: LinkName,
    pub holder: LinkName,
    pub provider_name: String,
    pub election: Election,
    pub check: Option<Check>,
    /// Whether the kernel has it on `holder`.
    pub held: bool,
    /// `None`: no supervisor runs.
    pub state: Option<VipState>,
    /// Since when it is in that state.
    pub since: Option<Instant>,
    pub owner: Option<String>,
    pub healthy: Option<bool>,
    #[serde(default)]
    pub reason: String,
}

/// Of a [`crate::state::VipElection`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Election {
    Vrrp {
        #[serde(default)]
        peers: Vec<IpAddr>,
    },
    Etcd {
        endpoints: Vec<String>,
    },
}

/// Of a [`crate::state::VipCheck`].
#[derive(Debug, Deserialize)]
pub struct Check {
    /// `tcp:host:port` or `http:url`.
    pub target: String,
}

/// What the supervisor noted; see [`crate::run::core::EventKind`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// When, seconds since the start of the kernel.
    pub boot_time: f64,
    /// `vipTrouble`…
    #[serde(rename = "type")]
    pub kind: String,
    /// Of which resource: `vips/eth0/192.0.2.100`.
    pub resource: String,
    /// For people.
    pub text: String,
}

/// What is not said prints as an empty text.
fn none_if_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: core::str::FromStr,
{
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| serde::de::Error::custom("not an address")),
    }
}
