//! Routes: [`RouteSpec`], [`RouteStatus`].

use core::fmt;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Family, Scope};
use crate::value::{Layer, LinkName, Mtu, Origin, Prefix, RouteKind, RouteMetrics, RouteTable};

/// Identity of a route: what the kernel keeps two routes apart by, plus the gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId {
    /// Table.
    pub table: RouteTable,
    /// Family.
    pub family: Family,
    /// Destination, host bits zero; `None`: default.
    pub dst: Option<Prefix>,
    /// Metric.
    pub priority: u32,
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Link, part of the identity for IPv6 and on-link routes.
    pub link: Option<LinkName>,
}

impl fmt::Display for RouteId {
    /// `[table/]family/gateway/destination/priority`, as the field spells route ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.table != RouteTable::MAIN {
            write!(f, "{}/", self.table)?;
        }
        if let (Some(link), Family::Inet6) = (&self.link, self.family) {
            write!(f, "{link}/")?;
        }
        write!(f, "{}/", self.family)?;
        match self.gateway {
            Some(gateway) => write!(f, "{gateway}/")?,
            None => f.write_str("/")?,
        }
        match self.dst {
            Some(dst) => write!(f, "{dst}/")?,
            None => f.write_str("/")?,
        }
        self.priority.fmt(f)
    }
}

/// A route that should be there. Its protocol is always [`super::OUR_PROTOCOL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteSpec {
    /// Family of destination, gateway and source.
    pub family: Family,
    /// Destination, host bits zero; `None`: default.
    #[serde(serialize_with = "empty_if_none")]
    pub dst: Option<Prefix>,
    /// Preferred source.
    #[serde(serialize_with = "empty_if_none")]
    pub src: Option<IpAddr>,
    /// Next hop.
    #[serde(serialize_with = "empty_if_none")]
    pub gateway: Option<IpAddr>,
    /// Out of which link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_link_name: Option<LinkName>,
    /// Several next hops in place of `gateway` and `out_link_name`, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next_hops: Vec<NextHopSpec>,
    /// Table.
    pub table: RouteTable,
    /// Metric.
    pub priority: u32,
    /// Scope.
    pub scope: Scope,
    /// Type.
    #[serde(rename = "type")]
    pub kind: RouteKind,
    /// RTNH_F_ONLINK: the gateway is on the link although no address says so.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub on_link: bool,
    /// Route MTU, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// Further metrics.
    #[serde(skip_serializing_if = "RouteMetrics::is_empty")]
    pub metrics: RouteMetrics,
    /// Rank of the source that won.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
    /// Which values lost against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<Origin>,
}

impl RouteSpec {
    /// Its identity.
    pub fn id(&self) -> RouteId {
        RouteId {
            table: self.table,
            family: self.family,
            dst: self.dst,
            priority: self.priority,
            gateway: self.gateway,
            link: self.out_link_name.clone(),
        }
    }
}

/// One of several next hops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NextHopSpec {
    /// Next hop; `None`: on-link.
    #[serde(serialize_with = "empty_if_none")]
    pub gateway: Option<IpAddr>,
    /// Out of which link.
    pub out_link_name: LinkName,
    /// Its share, 1 to 256.
    pub weight: u16,
}

/// One of several next hops, as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextHopStatus {
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// RTA_OIF.
    pub out_link_index: u32,
    /// rtnh_hops and one.
    pub weight: u16,
}

/// A route that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// Family.
    pub family: Family,
    /// Destination; `None`: default.
    pub dst: Option<Prefix>,
    /// RTA_PREFSRC.
    pub src: Option<IpAddr>,
    /// RTA_GATEWAY or RTA_VIA; of the first next hop where there are several.
    pub gateway: Option<IpAddr>,
    /// RTA_OIF; of the first next hop where there are several, 0 where it leads nowhere.
    pub out_link_index: u32,
    /// Its name, where the link is known.
    pub out_link_name: Option<LinkName>,
    /// RTA_TABLE.
    pub table: RouteTable,
    /// RTA_PRIORITY.
    pub priority: u32,
    /// Scope.
    pub scope: Scope,
    /// Type.
    #[serde(rename = "type")]
    pub kind: RouteKind,
    /// rtm_protocol.
    pub protocol: u8,
    /// rtm_flags and rtnh_flags.
    pub flags: u32,
    /// RTAX_MTU.
    pub mtu: Option<u32>,
    /// Further metrics.
    #[serde(default, skip_serializing_if = "RouteMetrics::is_empty")]
    pub metrics: RouteMetrics,
    /// All next hops where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_hops: Vec<NextHopStatus>,
}

fn empty_if_none<T: fmt::Display, S: serde::Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_str(""),
    }
}
