//! Shared addresses as a source says them.

use core::net::IpAddr;

use super::LinkRef;
use crate::value::{Duration, Origin, ProbeTarget, Secret, VipProvider, VrrpChecksum, VrrpVersion};

/// An address that one of several machines has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipConfig {
    /// The address.
    pub address: IpAddr,
    /// On which link.
    pub link: LinkRef,
    /// What moves it in the network around.
    pub provider: VipProvider,
    /// Who has it.
    pub election: ElectionConfig,
    /// What tells that this machine is fit to have it.
    pub check: Option<CheckConfig>,
    /// Whether a machine that is not fit takes it when nobody else has it.
    pub bootstrap: Option<bool>,
    /// A worker never takes part: the field gives such documents to all machines alike.
    pub control_plane_only: bool,
    /// Where it was said.
    pub origin: Origin,
}

/// Who decides which machine has a shared address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElectionConfig {
    /// The machines among themselves.
    Vrrp(VrrpConfig),
    /// A cluster of etcd.
    Etcd(EtcdConfig),
}

/// What is said about an election by VRRP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VrrpConfig {
    /// Version of the protocol.
    pub version: Option<VrrpVersion>,
    /// Number of the group.
    pub vrid: Option<u8>,
    /// Who has more wins.
    pub priority: Option<u8>,
    /// Between two advertisements.
    pub advert_interval: Option<Duration>,
    /// Whether more priority takes the address from a machine that has it.
    pub preempt: Option<bool>,
    /// How long it waits before it does.
    pub preempt_delay: Option<Duration>,
    /// What the checksum over IPv4 covers.
    pub checksum: Option<VrrpChecksum>,
    /// The other machines, to speak to each of them.
    pub peers: Vec<IpAddr>,
    /// Least hop limit that is believed.
    pub min_ttl: Option<u8>,
    /// For how long a machine that still answers keeps the address; zero: not at all.
    pub takeover_guard: Option<Duration>,
    /// Whether the address has a hardware address of its own.
    pub virtual_mac: Option<bool>,
}

/// What is said about an election by etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdConfig {
    /// URLs of the members.
    pub endpoints: Vec<String>,
    /// Certificates (PEM) that members may have.
    pub ca: Option<String>,
    /// Who this machine is (PEM): certificate chain and private key.
    pub identity: Option<(String, Secret)>,
    /// The key that is campaigned for.
    pub key: Option<String>,
    /// How long an owner that is gone keeps the address.
    pub ttl: Option<Duration>,
}

/// What tells that a machine is fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckConfig {
    /// What is tried.
    pub target: ProbeTarget,
    /// How often.
    pub interval: Option<Duration>,
    /// For one attempt.
    pub timeout: Option<Duration>,
    /// Failures in a row until it is unfit.
    pub fall: Option<u32>,
    /// Successes in a row until it is fit.
    pub rise: Option<u32>,
    /// Certificates (PEM) that the service may have.
    pub ca: Option<String>,
    /// Any certificate will do.
    pub insecure: bool,
}
