//! Text to [`Document`] and [`Diagnostic`]s. Needs nothing but the text: no file, no socket, no machine.
//!
//! Every parser here has the shape `fn parse(text, …) -> (Document, Vec<Diagnostic>)`: it never stops at the first
//! error, and one bad argument costs only itself. A [`Document`] holds what was said and nothing that was not:
//! "not said" is `None` or an empty list, defaults are filled in by `compile/defaults.rs`. Names stay symbolic
//! ([`LinkRef`]) until `compile` sees the links of the machine.

pub mod bond;
pub mod cmdline;
pub mod diagnostic;
mod document;
pub mod expression;
mod firewall;
pub mod ibft;
mod link;
pub mod machine;
pub mod nearest;
pub mod netdata;
pub mod pin;
pub mod platform;
mod probe;
mod route;
pub mod userdata;
pub mod variables;
mod vip;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use document::{
    AddressConfig, AutoHostname, AutoMethod, BootConfig, ClientId, ClusterConfig, ConfigSource,
    Delegate, DhcpTimeouts, Document, EthernetConfig, HostEntry, IfName, LinkRef, OperatorConfig,
    RootConfig, Said, SysctlConfig, WaitLevel,
};
pub use firewall::{
    DefaultAction, FirewallConfig, FirewallFault, FirewallRuleConfig, IngressConfig, LimitConfig,
    Meanwhile, PodsToHost, PortConfig, RuleVerdict,
};
pub use link::{AliasConfig, DeviceSelector, KindConfig, LinkConfig, LinkSettings};
pub use probe::ProbeConfig;
pub use route::{NextHopConfig, RouteConfig, RuleConfig};
pub use vip::{CheckConfig, ElectionConfig, EtcdConfig, VipConfig, VrrpConfig};
