//! Shared addresses: [`VipSpec`] and [`VipStatus`].

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::value::{
    Duration, Instant, Layer, LinkName, Origin, ProbeTarget, Secret, VipProvider, VrrpChecksum,
    VrrpVersion,
};

/// An address that one of several machines has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VipSpec {
    /// The address.
    pub ip: IpAddr,
    /// On which link.
    pub link_name: LinkName,
    /// What moves it in the network around.
    pub provider: VipProvider,
    /// Who has it.
    pub election: VipElection,
    /// The link that carries it: `link_name`, or the one with its own hardware address.
    pub holder: LinkName,
    /// What tells that this machine is fit to have it; `None`: it always is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<VipCheck>,
    /// Whether a machine that is not fit takes it when nobody else has it: before the service exists, somebody must.
    pub bootstrap: bool,
    /// Its rank.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
}

impl VipSpec {
    /// The link that stands on `link_name` with the hardware address of the group; `None`: the address has none of its own.
    pub fn own_link(&self) -> Option<&LinkName> {
        Some(&self.holder).filter(|holder| **holder != self.link_name)
    }
}

/// Who decides which machine has the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum VipElection {
    /// The machines among themselves.
    Vrrp(VrrpElection),
    /// A cluster of etcd.
    Etcd(EtcdElection),
}

/// An election by VRRP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VrrpElection {
    /// The version of the protocol.
    pub version: VrrpVersion,
    /// The number of the group, 1 to 255.
    pub vrid: u8,
    /// Whether the number was derived from the address: then nobody has seen to it that no other group has it.
    pub vrid_derived: bool,
    /// 1 to 254: who has more wins.
    pub priority: u8,
    /// Between two advertisements; a multiple of 10 ms.
    #[serde(serialize_with = "time")]
    pub advert_interval: Duration,
    /// Whether a machine of more priority takes the address from one that has it.
    pub preempt: bool,
    /// How long it waits before it does.
    #[serde(serialize_with = "time")]
    pub preempt_delay: Duration,
    /// What the checksum over IPv4 covers.
    pub checksum: VrrpChecksum,
    /// The other machines, when advertisements go to each of them instead of to the group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<IpAddr>,
    /// Least hop limit of an advertisement that is believed: 255 proves a neighbour.
    #[serde(rename = "minTTL")]
    pub min_ttl: u8,
    /// For how long a machine that still answers for the address keeps it, though it advertises no more; zero: not at all.
    #[serde(serialize_with = "time")]
    pub takeover_guard: Duration,
    /// Whether the address has a hardware address of its own (RFC 9568 §7.3), on a macvlan link.
    #[serde(rename = "virtualMAC", skip_serializing_if = "core::ops::Not::not")]
    pub virtual_mac: bool,
}

impl VrrpElection {
    /// Whether the machines that share `ip` speak IPv4: the family of the peers, which in clouds may be the other one, or else
    /// that of the address.
    pub fn speaks_ipv4(&self, ip: IpAddr) -> bool {
        self.peers.first().unwrap_or(&ip).is_ipv4()
    }
}

/// An election by etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdElection {
    /// URLs of the members.
    pub endpoints: Vec<String>,
    /// Certificates (PEM) that members may have; `None`: those that the machine believes anyway.
    #[serde(skip)]
    pub ca: Option<String>,
    /// Who this machine is (PEM): certificate chain and private key.
    #[serde(skip)]
    pub identity: Option<(String, Secret)>,
    /// The key that is campaigned for.
    pub key: String,
    /// How long an owner that is gone keeps the address.
    #[serde(serialize_with = "time")]
    pub ttl: Duration,
}

/// What tells that a machine is fit to have a shared address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VipCheck {
    /// What is tried.
    pub target: ProbeTarget,
    /// How often.
    #[serde(serialize_with = "time")]
    pub interval: Duration,
    /// For one attempt.
    #[serde(serialize_with = "time")]
    pub timeout: Duration,
    /// Failures in a row until it is unfit.
    pub fall: u32,
    /// Successes in a row until it is fit.
    pub rise: u32,
    /// Certificates (PEM) that the service may have; `None`: those that the machine believes anyway.
    #[serde(skip)]
    pub ca: Option<String>,
    /// Any certificate will do: the answer is the proof.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub insecure: bool,
}

/// Where a shared address stands on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VipState {
    /// Its link is not there.
    Waiting,
    /// Something is in the way, and says what.
    Fault,
    /// Another machine may have it.
    Backup,
    /// It was won and is being moved here.
    Acquiring,
    /// This machine has it.
    Active,
}

/// How a shared address fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VipStatus {
    /// Where it stands.
    pub state: VipState,
    /// Since when.
    pub since: Instant,
    /// Who has it, as far as this machine knows: an address, or the name under which etcd knows a machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether the check says that this machine is fit; `None`: there is none, or it has not said yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// Its priority now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// What is in the way, or was last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How often this machine got it.
    pub promotions: u32,
}

/// As people write it: `200ms`, `0s`.
fn time<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    if time.is_zero() {
        return serializer.serialize_str("0s");
    }
    serializer.collect_str(&format_args!("{time:?}"))
}
