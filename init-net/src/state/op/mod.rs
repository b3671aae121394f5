//! [`Op`]: one change, printed as the command an operator would type (DESIGN §2.5).
//!
//! One file a resource: the data of its changes and how they print.

mod address;
mod ethernet;
mod file;
mod firewall;
mod link;
mod route;
mod rule;
mod subject;
mod wireguard;

use core::fmt;

pub use address::AddressOp;
pub use ethernet::EthernetOp;
pub use file::FileOp;
pub use firewall::FirewallOp;
pub use link::LinkAdd;
pub use route::{NextHopAt, RouteOp};
pub use rule::RuleOp;
pub use wireguard::{WireguardOp, WireguardPeerOp};

use super::KindSpec;
use crate::value::{BridgePortOptions, BridgeVlan, LinkName, Mac, Mtu, Prefix, SysctlKey};

/// A link by index, for the kernel, and by name, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAt {
    /// Kernel index.
    pub index: u32,
    /// Kernel name.
    pub name: LinkName,
}

/// One change. Complete in itself: `wire` needs nothing else to encode it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// RTM_NEWLINK with NLM_F_CREATE | NLM_F_EXCL.
    LinkAdd(Box<LinkAdd>),
    /// RTM_DELLINK: planned only for links that we made.
    LinkDel {
        /// Which.
        link: LinkAt,
        /// Its kind, so that a plan shows what goes.
        kind: String,
        /// Why, where the link is made again.
        again: Option<&'static str>,
    },
    /// IFLA_LINKINFO: options of its kind that the kernel changes in place.
    LinkSetKind {
        /// Which.
        link: LinkAt,
        /// Only what changes is `Some`; what identifies the kind stands as it is.
        kind: Box<KindSpec>,
        /// The preferred member of a bond.
        primary: Option<LinkAt>,
    },
    /// IFLA_MASTER, and IFLA_GROUP with it: the mark of what we put there.
    LinkSetMaster {
        /// Which.
        link: LinkAt,
        /// The bond, bridge or VRF; `None`: released.
        master: Option<LinkAt>,
        /// IFLA_GROUP afterwards.
        group: u32,
    },
    /// IFLA_INFO_SLAVE_DATA: options of a port of a bridge; only what changes is `Some`.
    LinkSetPort {
        /// Which.
        link: LinkAt,
        /// What changes.
        port: BridgePortOptions,
    },
    /// IFLA_AF_SPEC of AF_BRIDGE: a VLAN on a port, or on the bridge itself. One that is there with other flags is changed.
    BridgeVlanAdd {
        /// Port or bridge.
        link: LinkAt,
        /// The VLAN.
        vlan: BridgeVlan,
        /// Whether the link is the bridge.
        own: bool,
    },
    /// The same, removed.
    BridgeVlanDel {
        /// Port or bridge.
        link: LinkAt,
        /// The VLAN.
        vlan: BridgeVlan,
        /// Whether the link is the bridge.
        own: bool,
    },
    /// IFF_UP set or cleared.
    LinkSetUp {
        /// Which.
        link: LinkAt,
        /// Up or down.
        up: bool,
    },
    /// IFF_MULTICAST set or cleared.
    LinkSetMulticast {
        /// Which.
        link: LinkAt,
        /// On or off.
        on: bool,
    },
    /// IFLA_IFNAME; the link is down.
    LinkRename {
        /// Which.
        link: LinkAt,
        /// The new name.
        name: LinkName,
    },
    /// IFLA_IFALIAS.
    LinkSetAlias {
        /// Which.
        link: LinkAt,
        /// The name of our own; `None`: taken away.
        alias: Option<LinkName>,
    },
    /// IFLA_MTU.
    LinkSetMtu {
        /// Which.
        link: LinkAt,
        /// Bytes.
        mtu: Mtu,
    },
    /// IFLA_ADDRESS.
    LinkSetMac {
        /// Which.
        link: LinkAt,
        /// The new address.
        mac: Mac,
    },
    /// WG_CMD_SET_DEVICE.
    Wireguard(Box<WireguardOp>),
    /// One batch of nf_tables.
    Firewall(FirewallOp),
    /// One ETHTOOL_MSG_*_SET.
    Ethernet(EthernetOp),
    /// RTM_NEWADDR with NLM_F_CREATE | NLM_F_REPLACE: adds, or renews lifetimes in place.
    AddressReplace(AddressOp),
    /// RTM_DELADDR.
    AddressDel {
        /// On which link.
        link: LinkAt,
        /// Which.
        address: Prefix,
        /// Point-to-point peer it is there with.
        peer: Option<core::net::IpAddr>,
    },
    /// RTM_NEWROUTE with NLM_F_CREATE | NLM_F_EXCL: a route of others in its place is an error, never replaced.
    RouteAdd(RouteOp),
    /// RTM_NEWROUTE with NLM_F_CREATE | NLM_F_REPLACE: planned only where the route in its place is ours.
    RouteReplace(RouteOp),
    /// RTM_DELROUTE.
    RouteDel(RouteOp),
    /// RTM_NEWRULE with NLM_F_CREATE | NLM_F_EXCL.
    RuleAdd(RuleOp),
    /// RTM_DELRULE.
    RuleDel(RuleOp),
    /// A file below /proc/sys is written.
    SetSysctl {
        /// Which parameter.
        key: SysctlKey,
        /// What is written.
        value: String,
    },
    /// sethostname(2).
    SetHostname {
        /// The short name.
        name: String,
    },
    /// Temp + rename in the same folder, or a bind mount where the folder is read-only.
    WriteFile(FileOp),
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkAdd(link) => link.fmt(f),
            Self::LinkDel { link, kind, again } => {
                write!(f, "ip link del dev {} type {kind}", link.name)?;
                again.map_or(Ok(()), |why| write!(f, "  # made again: {why}"))
            }
            Self::LinkSetKind {
                link,
                kind,
                primary,
            } => {
                write!(f, "ip link set dev {}", link.name)?;
                link::kind(kind, primary.as_ref(), f)
            }
            Self::LinkSetMaster {
                link,
                master,
                group,
            } => {
                write!(f, "ip link set dev {}", link.name)?;
                match master {
                    Some(master) => write!(f, " master {}", master.name)?,
                    None => f.write_str(" nomaster")?,
                }
                write!(f, " group {group}")
            }
            Self::LinkSetPort { link, port } => {
                write!(f, "ip link set dev {} type bridge_slave", link.name)?;
                link::port(port, f)
            }
            Self::BridgeVlanAdd { link, vlan, own } => link::vlan("add", link, *vlan, *own, f),
            Self::BridgeVlanDel { link, vlan, own } => link::vlan("del", link, *vlan, *own, f),
            Self::LinkSetUp { link, up } => {
                let state = if *up { "up" } else { "down" };
                write!(f, "ip link set dev {} {state}", link.name)
            }
            Self::LinkSetMulticast { link, on } => {
                let state = if *on { "on" } else { "off" };
                write!(f, "ip link set dev {} multicast {state}", link.name)
            }
            Self::LinkRename { link, name } => {
                write!(f, "ip link set dev {} name {name}", link.name)
            }
            Self::LinkSetAlias { link, alias } => match alias {
                Some(alias) => write!(f, "ip link set dev {} alias {alias}", link.name),
                None => write!(f, "ip link set dev {} alias ''", link.name),
            },
            Self::LinkSetMtu { link, mtu } => write!(f, "ip link set dev {} mtu {mtu}", link.name),
            Self::LinkSetMac { link, mac } => {
                write!(f, "ip link set dev {} address {mac}", link.name)
            }
            Self::Wireguard(op) => op.fmt(f),
            Self::Firewall(op) => op.fmt(f),
            Self::Ethernet(op) => op.fmt(f),
            Self::AddressReplace(address) => address.fmt(f),
            Self::AddressDel {
                link,
                address,
                peer,
            } => address::deletion(link, *address, *peer, f),
            Self::RouteAdd(route) => write!(f, "ip route add {route}"),
            Self::RouteReplace(route) => write!(f, "ip route replace {route}"),
            Self::RouteDel(route) => write!(f, "ip route del {route}"),
            Self::RuleAdd(rule) => write!(f, "{} add {rule}", rule.command()),
            Self::RuleDel(rule) => write!(f, "{} del {rule}", rule.command()),
            Self::SetSysctl { key, value } => {
                write!(f, "sysctl -w {key}='{}'", value.escape_debug())
            }
            Self::SetHostname { name } => write!(f, "hostname {name}"),
            Self::WriteFile(file) => file.fmt(f),
        }
    }
}

/// ` word value` where there is one.
fn option<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    value: Option<T>,
) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {word} {value}"))
}

/// ` word on` or ` word off` where it is said.
fn switch(f: &mut fmt::Formatter<'_>, word: &str, value: Option<bool>) -> fmt::Result {
    option(f, word, value.map(|on| if on { "on" } else { "off" }))
}
