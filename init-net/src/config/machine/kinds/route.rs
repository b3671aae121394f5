//! The routes out of a link.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;

use super::link::mtu;
use crate::config::machine::record::{At, Items as _, Placed as _, Record, plain};
use crate::config::machine::scalar::{MtuOrKept, Within};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Mark;
use crate::config::{Document, LinkRef, NextHopConfig, RouteConfig};
use crate::value::{
    Duration, LinkName, Prefix, RouteKind, RouteMetrics, RoutePreference, RouteTable,
};

keys! {
    /// One route of a link.
    pub struct RouteKeys("route") whole {
        /// Where to; without it the default route of the gateway's family.
        "destination" destination: Prefix,
        /// What becomes of the packets; unicast unless said otherwise.
        "type" kind: RouteKind,
        /// Whether the gateway is on the link although no address says so.
        "onLink" on_link: bool,
        /// Several gateways that share the packets, in place of one.
        "nextHops" next_hops: Vec<NextHopKeys>,
        ..via: ViaKeys,
        ..metrics: MetricKeys,
    }
}

keys! {
    /// The route, but for its destination.
    pub struct ViaKeys("route") whole {
        /// The next hop; without it the destination is on the link.
        "gateway" gateway: IpAddr,
        /// The preferred source address.
        "source" source: IpAddr,
        /// The lower one wins.
        "metric" metric: u32,
        /// The routing table; main unless said otherwise.
        "table" table: RouteTable,
        /// The largest packet on this route.
        "mtu" mtu: MtuOrKept,
    }
}

keys! {
    /// One of several gateways.
    pub struct NextHopKeys("next hop") {
        /// The next hop; without it the destination is on the link.
        "gateway" gateway: IpAddr,
        /// Out of which link; that of the route unless said otherwise.
        "link" link: LinkName,
        /// Its share of the packets, by the sum of all; 1 unless said otherwise.
        "weight" weight: Within<u16, 1, 256>,
    }
}

keys! {
    /// What the connections on a route are like.
    pub struct MetricKeys("route") whole {
        /// The largest TCP segment that is announced, bytes.
        "advmss" advmss: u32,
        /// The hop limit of packets; 0: that of the link.
        "hopLimit" hop_limit: Within<u32, 0, 255>,
        /// The congestion window of new TCP connections, segments.
        "initialCongestionWindow" init_cwnd: u32,
        /// The receive window of new TCP connections, segments.
        "initialReceiveWindow" init_rwnd: u32,
        /// The shortest time until TCP sends again.
        "minimumRTO" rto_min: Duration,
        /// Whether TCP acknowledges at once.
        "quickAck" quick_ack: bool,
        /// Which of several IPv6 routers.
        "preference" preference: RoutePreference,
    }
}

/// A rule that is broken, where, and what to write instead.
type Broken = (Option<Mark>, Cow<'static, str>, Option<&'static str>);

impl RouteKeys {
    /// The route out of `link`, when its keys agree; reports what does not.
    pub fn route(self, link: &LinkRef, source: &Source<'_>) -> Option<RouteConfig> {
        if let Some((mark, rule, fix)) = self.broken_rule() {
            let place = mark.unwrap_or(self.mark());
            self.refuse(source, &place, &rule, fix);
            return None;
        }
        let first_hop = self.gateways().next().map(|gateway| gateway.value);
        let mut route = self.via.route(self.destination, first_hop, link, source)?;
        route.kind = plain(self.kind);
        if route.kind.is_some_and(RouteKind::is_nowhere) {
            route.link = None;
        }
        route.on_link = plain(self.on_link);
        route.metrics = self.metrics.metrics();
        let hops = self.next_hops.items();
        route.next_hops = hops.map(NextHopKeys::next_hop).collect();
        Some(route)
    }

    /// Its own gateway, or those of its next hops.
    fn gateways(&self) -> impl Iterator<Item = &At<IpAddr>> {
        let hops = self.next_hops.iter().flat_map(|list| &list.value);
        let gateways = hops.filter_map(|hop| hop.gateway.as_ref());
        self.via.gateway.iter().chain(gateways)
    }

    /// The first rule that is broken, of those about the keys that the older form has not.
    fn broken_rule(&self) -> Option<Broken> {
        let kind = plain(self.kind).unwrap_or(RouteKind::Unicast);
        let first = self.gateways().next();
        if let Some(hops) = &self.next_hops {
            if self.via.gateway.is_some() {
                let rule = "gateway and nextHops exclude each other";
                return Some((Some(hops.mark), rule.into(), Some("keep one of them")));
            }
            if hops.is_empty() {
                let rule = "nextHops holds at least one gateway";
                return Some((Some(hops.mark), rule.into(), None));
            }
            let empty = |hop: &&NextHopKeys| hop.gateway.is_none() && hop.link.is_none();
            if let Some(hop) = hops.iter().find(empty) {
                let rule = "a next hop has gateway, link or both";
                return Some((Some(hop.mark()), rule.into(), None));
            }
        }
        if kind != RouteKind::Unicast {
            if self.destination.is_none() {
                let rule = format!("type: {kind} needs destination");
                return Some((self.kind.place(), rule.into(), None));
            }
            if first.is_some() || self.next_hops.is_some() {
                let rule = format!("type: {kind} leads to no gateway");
                return Some((self.kind.place(), rule.into(), Some("keep one of them")));
            }
        }
        if plain(self.on_link) == Some(true) && first.is_none() {
            return Some((self.on_link.place(), "onLink needs gateway".into(), None));
        }
        let destination = self.destination.map(|to| to.is_ipv4());
        if destination.is_none() {
            let mut others = self.gateways();
            let odd =
                others.find(|gateway| first.is_some_and(|f| f.is_ipv4() != gateway.is_ipv4()));
            if let Some(odd) = odd {
                let rule = "gateways of both families need destination";
                return Some((
                    Some(odd.mark),
                    rule.into(),
                    Some("write destination: 0.0.0.0/0"),
                ));
            }
        }
        let is_ipv4 = destination.or(first.map(|gateway| gateway.is_ipv4()));
        if self.next_hops.is_some()
            && let Some((mark, rule)) = self
                .gateways()
                .find_map(|gateway| bad_gateway(gateway, is_ipv4))
        {
            return Some((Some(mark), rule.into(), None));
        }
        if self.metrics.preference.is_some() && is_ipv4 != Some(false) {
            let rule = "preference is for IPv6 routes";
            return Some((self.metrics.preference.place(), rule.into(), None));
        }
        None
    }
}

impl NextHopKeys {
    fn next_hop(self) -> NextHopConfig {
        NextHopConfig {
            gateway: plain(self.gateway),
            link: self.link.map(|link| LinkRef::Name(link.value)),
            weight: self.weight.map_or(1, |weight| weight.0),
        }
    }
}

impl MetricKeys {
    fn metrics(self) -> RouteMetrics {
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        RouteMetrics {
            advmss: plain(self.advmss),
            hop_limit: self.hop_limit.map(|limit| limit.0),
            init_cwnd: plain(self.init_cwnd),
            init_rwnd: plain(self.init_rwnd),
            rto_min: plain(self.rto_min).map(millis),
            quick_ack: plain(self.quick_ack),
            preference: plain(self.preference),
        }
    }
}

/// What is wrong with a gateway of a route to IPv4 or IPv6 destinations. IPv4 goes through IPv6 gateways (RFC 5549),
/// not the other way round.
fn bad_gateway(gateway: &At<IpAddr>, is_ipv4: Option<bool>) -> Option<(Mark, &'static str)> {
    let rule = if gateway.is_unspecified() {
        "a gateway is not 0.0.0.0 or ::"
    } else if gateway.is_multicast() {
        "a gateway is not the address of a group"
    } else if gateway.is_ipv4() && is_ipv4 == Some(false) {
        "an IPv6 destination has no IPv4 gateway"
    } else {
        return None;
    };
    Some((gateway.mark, rule))
}

impl ViaKeys {
    /// Adds the route to `destination`, which the two forms of a config call differently.
    pub fn apply(
        self,
        destination: Option<At<Prefix>>,
        link: &LinkRef,
        source: &Source<'_>,
        out: &mut Document,
    ) {
        out.routes
            .extend(self.route(destination, None, link, source));
    }

    /// The route to `destination`, when the keys agree; reports what does not. `first_hop`: of several gateways.
    fn route(
        self,
        destination: Option<At<Prefix>>,
        first_hop: Option<IpAddr>,
        link: &LinkRef,
        source: &Source<'_>,
    ) -> Option<RouteConfig> {
        if !self.is_right(&destination, source) {
            return None;
        }
        let gateway = plain(self.gateway);
        let mut to = plain(destination);
        if to.is_none() && gateway.is_none() {
            // The default route through the device; with nothing that tells the family, IPv4.
            let any: IpAddr = match first_hop.or(plain(self.source)) {
                Some(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
                Some(IpAddr::V4(_)) | None => Ipv4Addr::UNSPECIFIED.into(),
            };
            to = Prefix::new(any, 0).ok();
        }
        Some(RouteConfig {
            source: plain(self.source),
            metric: plain(self.metric),
            table: plain(self.table),
            mtu: mtu(self.mtu),
            ..RouteConfig::new(Some(link.clone()), to, gateway, self.origin(source))
        })
    }

    /// Whether the keys agree; reports what does not.
    fn is_right(&self, destination: &Option<At<Prefix>>, source: &Source<'_>) -> bool {
        let to = destination.map(|to| to.is_ipv4());
        let is_ipv4 = to.or(self.gateway.map(|gateway| gateway.is_ipv4()));
        let mut right = true;
        if let Some(gateway) = &self.gateway
            && let Some((_, rule)) = bad_gateway(gateway, is_ipv4)
        {
            let on_link = "leave it out for an on-link route";
            let fix = gateway.is_unspecified().then_some(on_link);
            self.refuse(source, gateway, rule, fix);
            right = false;
        }
        if self.source.is_some_and(|address| address.is_unspecified()) {
            let rule = "a source is not 0.0.0.0 or ::";
            self.refuse(source, &self.source, rule, None);
            right = false;
        } else if let (Some(address), Some(is_ipv4)) = (&self.source, is_ipv4)
            && address.is_ipv4() != is_ipv4
        {
            let rule = "destination and source are of one family";
            self.refuse(source, &self.source, rule, None);
            right = false;
        }
        right
    }
}
