//! Changes of routes.

use core::fmt;
use core::net::IpAddr;

use super::super::{Family, OUR_PROTOCOL, Scope};
use super::LinkAt;
use crate::value::{Mtu, Prefix, RouteKind, RouteMetrics, RouteTable};

/// The route of an [`super::Op`].
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
    /// Several next hops in place of `gateway` and `link`.
    pub next_hops: Vec<NextHopAt>,
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
    /// Further metrics.
    pub metrics: RouteMetrics,
}

impl RouteOp {
    /// A default route in the main table that leads nowhere yet.
    pub fn new(family: Family, priority: u32) -> Self {
        Self {
            family,
            dst: None,
            gateway: None,
            link: None,
            next_hops: Vec::new(),
            src: None,
            table: RouteTable::MAIN,
            priority,
            scope: Scope::Global,
            kind: RouteKind::Unicast,
            on_link: false,
            mtu: None,
            metrics: RouteMetrics::default(),
        }
    }
}

/// One of several next hops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHopAt {
    /// Next hop; `None`: on-link.
    pub gateway: Option<IpAddr>,
    /// Out of which link.
    pub link: LinkAt,
    /// Its share, 1 to 256.
    pub weight: u16,
}

impl fmt::Display for RouteOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != RouteKind::Unicast {
            write!(f, "{} ", self.kind)?;
        }
        match (self.dst, self.family) {
            (Some(dst), _) => write!(f, "{dst}")?,
            (None, Family::Inet4) => f.write_str("default")?,
            (None, Family::Inet6) => f.write_str("::/0")?,
        }
        via(self.family, self.gateway, f)?;
        super::option(f, "dev", self.link.as_ref().map(|link| &link.name))?;
        if self.table != RouteTable::MAIN {
            write!(f, " table {}", self.table)?;
        }
        write!(f, " proto {OUR_PROTOCOL}")?;
        let said = !matches!(self.scope, Scope::Global | Scope::Nowhere);
        if said && self.family == Family::Inet4 {
            write!(f, " scope {}", self.scope.word())?;
        }
        super::option(f, "src", self.src)?;
        write!(f, " metric {}", self.priority)?;
        super::option(f, "mtu", self.mtu)?;
        let metrics = &self.metrics;
        super::option(f, "advmss", metrics.advmss)?;
        super::option(f, "hoplimit", metrics.hop_limit)?;
        super::option(f, "initcwnd", metrics.init_cwnd)?;
        super::option(f, "initrwnd", metrics.init_rwnd)?;
        super::option(f, "rto_min", metrics.rto_min.map(|ms| format!("{ms}ms")))?;
        super::option(f, "quickack", metrics.quick_ack.map(u8::from))?;
        super::option(f, "pref", metrics.preference)?;
        if self.on_link && self.next_hops.is_empty() {
            f.write_str(" onlink")?;
        }
        for hop in &self.next_hops {
            f.write_str(" nexthop")?;
            via(self.family, hop.gateway, f)?;
            write!(f, " dev {} weight {}", hop.link.name, hop.weight)?;
            if self.on_link {
                f.write_str(" onlink")?;
            }
        }
        Ok(())
    }
}

fn via(family: Family, gateway: Option<IpAddr>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match gateway {
        Some(via) if via.is_ipv6() && family == Family::Inet4 => write!(f, " via inet6 {via}"),
        gateway => super::option(f, "via", gateway),
    }
}
