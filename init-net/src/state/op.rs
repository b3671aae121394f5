//! [`Op`]: one change, printed as the command an operator would type (DESIGN §2.5).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::{Family, OUR_PROTOCOL, RouteKind, Scope};
use crate::value::{LinkName, Mac, Mtu, Prefix, RouteTable};

/// How much of a file's content an op prints, characters: enough to recognise it.
const MAX_SHOWN: usize = 60;

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
    /// IFF_UP set or cleared.
    LinkSetUp {
        /// Which.
        link: LinkAt,
        /// Up or down.
        up: bool,
    },
    /// IFLA_IFNAME; the link is down.
    LinkRename {
        /// Which.
        link: LinkAt,
        /// The new name.
        name: LinkName,
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
    /// RTM_NEWADDR with NLM_F_CREATE | NLM_F_REPLACE: adds, or renews lifetimes in place.
    AddressReplace {
        /// On which link.
        link: LinkAt,
        /// Which.
        address: Prefix,
        /// Point-to-point peer.
        peer: Option<IpAddr>,
        /// IPv4 broadcast address.
        broadcast: Option<Ipv4Addr>,
        /// Scope.
        scope: Scope,
        /// Metric of the connected route.
        priority: Option<u32>,
        /// Seconds left; `None`: for ever.
        valid_secs: Option<u32>,
        /// Whether it is there already: prints as `change` instead of `add`.
        present: bool,
    },
    /// RTM_DELADDR.
    AddressDel {
        /// On which link.
        link: LinkAt,
        /// Which.
        address: Prefix,
        /// Point-to-point peer it is there with.
        peer: Option<IpAddr>,
    },
    /// RTM_NEWROUTE with NLM_F_CREATE | NLM_F_EXCL: a route of others in its place is an error, never replaced.
    RouteAdd(RouteOp),
    /// RTM_NEWROUTE with NLM_F_CREATE | NLM_F_REPLACE: planned only where the route in its place is ours.
    RouteReplace(RouteOp),
    /// RTM_DELROUTE.
    RouteDel(RouteOp),
    /// sethostname(2).
    SetHostname {
        /// The short name.
        name: String,
    },
    /// Temp + rename in the same folder, or a bind mount where the folder is read-only.
    WriteFile(FileOp),
}

/// The route of an [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOp {
    /// Family.
    pub family: Family,
    /// `None`: default.
    pub dst: Option<Prefix>,
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Out of which link.
    pub link: Option<LinkAt>,
    /// Preferred source.
    pub src: Option<IpAddr>,
    /// Table.
    pub table: RouteTable,
    /// Metric.
    pub priority: u32,
    /// Scope.
    pub scope: Scope,
    /// Type.
    pub kind: RouteKind,
    /// RTNH_F_ONLINK.
    pub on_link: bool,
    /// Route MTU.
    pub mtu: Option<Mtu>,
}

/// The file of an [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOp {
    /// Absolute path.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// The bytes.
    pub content: Vec<u8>,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkSetUp { link, up } => {
                write!(
                    f,
                    "ip link set dev {} {}",
                    link.name,
                    if *up { "up" } else { "down" }
                )
            }
            Self::LinkRename { link, name } => {
                write!(f, "ip link set dev {} name {name}", link.name)
            }
            Self::LinkSetMtu { link, mtu } => write!(f, "ip link set dev {} mtu {mtu}", link.name),
            Self::LinkSetMac { link, mac } => {
                write!(f, "ip link set dev {} address {mac}", link.name)
            }
            Self::AddressReplace {
                link,
                address,
                peer,
                broadcast,
                scope,
                priority,
                valid_secs,
                present,
            } => {
                let verb = if *present { "change" } else { "add" };
                match peer {
                    Some(peer) => {
                        write!(
                            f,
                            "ip addr {verb} {} peer {peer}/{}",
                            address.address(),
                            address.len()
                        )?;
                    }
                    None => write!(f, "ip addr {verb} {address}")?,
                }
                if let Some(broadcast) = broadcast {
                    write!(f, " brd {broadcast}")?;
                }
                write!(f, " dev {}", link.name)?;
                if *scope != Scope::Global {
                    write!(f, " scope {}", scope_word(*scope))?;
                }
                if let Some(priority) = priority {
                    write!(f, " metric {priority}")?;
                }
                write!(f, " proto {OUR_PROTOCOL}")?;
                match valid_secs {
                    Some(secs) => write!(f, " valid_lft {secs} preferred_lft {secs}"),
                    None => Ok(()),
                }
            }
            Self::AddressDel {
                link,
                address,
                peer: None,
            } => {
                write!(f, "ip addr del {address} dev {}", link.name)
            }
            Self::AddressDel {
                link,
                address,
                peer: Some(peer),
            } => {
                let (local, len) = (address.address(), address.len());
                write!(f, "ip addr del {local} peer {peer}/{len} dev {}", link.name)
            }

            Self::RouteAdd(route) => write!(f, "ip route add {route}"),
            Self::RouteReplace(route) => write!(f, "ip route replace {route}"),
            Self::RouteDel(route) => write!(f, "ip route del {route}"),
            Self::SetHostname { name } => write!(f, "hostname {name}"),
            Self::WriteFile(file) => {
                write!(
                    f,
                    "install -m {:04o} /dev/stdin {}",
                    file.mode,
                    file.path.display()
                )?;
                let text = String::from_utf8_lossy(&file.content);
                let rows: Vec<&str> = text.lines().filter(|row| !row.starts_with('#')).collect();
                let all = rows.join("; ");
                let shown: String = all.chars().take(MAX_SHOWN).collect();
                let more = if shown.len() < all.len() { "…" } else { "" };
                write!(f, "  # {shown}{more}")
            }
        }
    }
}

impl fmt::Display for RouteOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != RouteKind::Unicast {
            let word = match self.kind {
                RouteKind::Local => "local",
                RouteKind::Blackhole => "blackhole",
                RouteKind::Unreachable => "unreachable",
                RouteKind::Prohibit => "prohibit",
                RouteKind::Throw => "throw",
                RouteKind::Unicast | RouteKind::Other => "unicast",
            };
            write!(f, "{word} ")?;
        }
        match (self.dst, self.family) {
            (Some(dst), _) => write!(f, "{dst}")?,
            (None, Family::Inet4) => f.write_str("default")?,
            (None, Family::Inet6) => f.write_str("::/0")?,
        }
        match self.gateway {
            Some(via) if via.is_ipv6() && self.family == Family::Inet4 => {
                write!(f, " via inet6 {via}")?
            }
            Some(via) => write!(f, " via {via}")?,
            None => {}
        }
        if let Some(link) = &self.link {
            write!(f, " dev {}", link.name)?;
        }
        if self.table != RouteTable::MAIN {
            write!(f, " table {}", self.table)?;
        }
        write!(f, " proto {OUR_PROTOCOL}")?;
        let said = !matches!(self.scope, Scope::Global | Scope::Nowhere);
        if said && self.family == Family::Inet4 {
            write!(f, " scope {}", scope_word(self.scope))?;
        }
        if let Some(src) = self.src {
            write!(f, " src {src}")?;
        }
        write!(f, " metric {}", self.priority)?;
        if let Some(mtu) = self.mtu {
            write!(f, " mtu {mtu}")?;
        }
        if self.on_link {
            f.write_str(" onlink")
        } else {
            Ok(())
        }
    }
}

/// The word ip(8) uses.
fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "global",
        Scope::Site => "site",
        Scope::Link => "link",
        Scope::Host => "host",
        Scope::Nowhere => "nowhere",
    }
}
