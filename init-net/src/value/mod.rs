//! Leaf vocabulary: small values with one constructor each. Imports nothing of ours.
//!
//! A value that exists is valid (parse, don't validate). Everything here is plain data; time and chance
//! ([`Instant`], [`Rng`]) are values as well and are handed in from outside.

mod bond;
mod bridge;
mod calendar;
mod ethernet;
mod gather;
mod glob;
mod hostname;
mod icmp_type;
mod layer;
mod link_name;
mod link_pattern;
mod mac;
mod moment;
mod mtu;
mod name_server;
mod named;
mod node_address;
mod origin;
mod port_range;
mod prefix;
mod probe_target;
mod rate;
mod rng;
mod route;
mod route_table;
mod secret;
mod service;
mod sysctl;
mod time;
mod tunnel;
mod vip;
mod vip_lease;
mod vlan_id;
mod vrrp;
mod wireguard;

pub use bond::{
    AdSelect, ArpAllTargets, ArpValidate, BondMode, BondOptions, FailOverMac, LacpActive, LacpRate,
    PrimaryReselect, XmitHashPolicy,
};
pub use bridge::{BridgeOptions, BridgePortOptions, BridgeVlan};
pub use calendar::days;
pub use ethernet::{Channels, EthernetOptions, Rings, WakeOn};
pub use gather::Gather;
pub use glob::{Glob, GlobError};
pub use hostname::{Hostname, HostnameError};
pub use icmp_type::{IcmpName, Icmpv6Name};
pub use layer::Layer;
pub use link_name::{LinkName, LinkNameError};
pub use link_pattern::{LinkPattern, LinkPatternError};
pub use mac::{Mac, MacError};
pub use moment::Moment;
pub use mtu::{Mtu, MtuError};
pub use name_server::NameServer;
pub(crate) use named::named;
pub use named::{Numbered, UnknownName};
pub use node_address::NodeAddressSort;
pub use origin::{Origin, Span};
pub use port_range::{PortRange, PortRangeError, Protocol};
pub use prefix::{Prefix, PrefixError, prefix_len_from_netmask};
pub use probe_target::ProbeTarget;
pub use rate::{Rate, RateError, RateUnit};
pub use rng::Rng;
pub use route::{RouteKind, RouteMetrics, RoutePreference, RuleAction};
pub use route_table::{RouteTable, RouteTableError};
pub use secret::Secret;
pub use service::Service;
pub use sysctl::{SysctlKey, SysctlKeyError, same_sysctl_value};
pub use time::{Duration, Instant, earliest};
pub use tunnel::{IpvlanMode, MacvlanMode, VxlanOptions};
pub use vip::{HookCall, HookMethod, VipApi, VipHook, VipProvider};
pub use vip_lease::{LEAST_LEASE, VIP_LIFETIME, lease_margin, lease_use};
pub use vlan_id::{VlanId, VlanIdError, VlanProtocol};
pub use vrrp::{VrrpChecksum, VrrpVersion};
pub use wireguard::{KeyError, PublicKey, SecretKey, WireguardOptions, WireguardPeer};
