//! Routes and routing rules as a source says them.

use core::net::IpAddr;

use super::LinkRef;
use crate::value::{
    LinkName, Mtu, Origin, Prefix, RouteKind, RouteMetrics, RouteTable, RuleAction,
};

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// Out of which link; `None`: the one whose network holds the gateway.
    pub link: Option<LinkRef>,
    /// `None`: the default route of the gateway's family.
    pub destination: Option<Prefix>,
    /// Next hop; `None`: on-link.
    pub gateway: Option<IpAddr>,
    /// Several next hops in place of `link` and `gateway`.
    pub next_hops: Vec<NextHopConfig>,
    /// Preferred source.
    pub source: Option<IpAddr>,
    /// Metric.
    pub metric: Option<u32>,
    /// Table, `None`: main, or that of the VRF of its link.
    pub table: Option<RouteTable>,
    /// Type; `None`: unicast.
    pub kind: Option<RouteKind>,
    /// RTNH_F_ONLINK: the gateway is reached although no address says so.
    pub on_link: Option<bool>,
    /// Route MTU.
    pub mtu: Option<Mtu>,
    /// Further metrics.
    pub metrics: RouteMetrics,
    /// Where it was said.
    pub origin: Origin,
}

/// One of several next hops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHopConfig {
    /// Next hop; `None`: on-link.
    pub gateway: Option<IpAddr>,
    /// Out of which link; `None`: the one of the document, or whose network holds the gateway.
    pub link: Option<LinkRef>,
    /// Its share, 1 to 256.
    pub weight: u16,
}

impl RouteConfig {
    /// A route of which nothing more is said: source, metric, table and MTU are left to the rest of the pipeline.
    pub fn new(
        link: Option<LinkRef>,
        destination: Option<Prefix>,
        gateway: Option<IpAddr>,
        origin: Origin,
    ) -> Self {
        Self {
            link,
            destination,
            gateway,
            next_hops: Vec::new(),
            source: None,
            metric: None,
            table: None,
            kind: None,
            on_link: None,
            mtu: None,
            metrics: RouteMetrics::default(),
            origin,
        }
    }
}

/// One routing rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleConfig {
    /// FRA_PRIORITY; lower is asked first.
    pub priority: u32,
    /// From where.
    pub src: Option<Prefix>,
    /// To where.
    pub dst: Option<Prefix>,
    /// What to do.
    pub action: RuleAction,
    /// Which table, for [`RuleAction::Unicast`].
    pub table: Option<RouteTable>,
    /// In from which link.
    pub iif_name: Option<LinkName>,
    /// Out of which link.
    pub oif_name: Option<LinkName>,
    /// Firewall mark.
    pub fw_mark: Option<u32>,
    /// Which bits of it.
    pub fw_mask: Option<u32>,
    /// FRA_SUPPRESS_PREFIXLEN: results with a prefix this short or shorter do not count.
    pub suppress_prefix_length: Option<u32>,
    /// Where it was said.
    pub origin: Origin,
}
