//! Routing vocabulary: types of routes, actions of rules, metrics beside the MTU.

use serde::{Deserialize, Serialize};

use super::named::named;

named! {
    /// rtm_type, include/uapi/linux/rtnetlink.h; those that a route of ours can have.
    pub enum RouteKind: u8 {
        /// To a gateway or on-link.
        Unicast = 1 "unicast",
        /// To this machine.
        Local = 2 "local",
        /// To all of a network.
        Broadcast = 3 "broadcast",
        /// To one of several.
        Anycast = 4 "anycast",
        /// To a group.
        Multicast = 5 "multicast",
        /// Dropped in silence.
        Blackhole = 6 "blackhole",
        /// Refused with host unreachable.
        Unreachable = 7 "unreachable",
        /// Refused with administratively prohibited.
        Prohibit = 8 "prohibit",
        /// The next rule decides.
        Throw = 9 "throw",
        /// What the kernel adds in future; never sent.
        Other = 0 "other",
    }
}

impl RouteKind {
    /// Whether it leads nowhere, so that it has neither link nor gateway.
    pub const fn is_nowhere(self) -> bool {
        matches!(
            self,
            Self::Blackhole | Self::Unreachable | Self::Prohibit | Self::Throw
        )
    }
}

named! {
    /// FR_ACT_*, include/uapi/linux/fib_rules.h.
    pub enum RuleAction: u8 {
        /// Look a table up.
        Unicast = 1 "unicast",
        /// Drop in silence.
        Blackhole = 6 "blackhole",
        /// Refuse with host unreachable.
        Unreachable = 7 "unreachable",
        /// Refuse with administratively prohibited.
        Prohibit = 8 "prohibit",
    }
}

named! {
    /// RTA_PREF: which of several IPv6 routers (RFC 4191 §2.1).
    pub enum RoutePreference: u8 {
        /// When there is no better one.
        Low = 3 "low",
        /// The usual one.
        Medium = 0 "medium",
        /// Before the others.
        High = 1 "high",
    }
}

/// RTA_METRICS beside the MTU. `None`: not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteMetrics {
    /// RTAX_ADVMSS, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    /// RTAX_HOPLIMIT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop_limit: Option<u32>,
    /// RTAX_INITCWND, segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_cwnd: Option<u32>,
    /// RTAX_INITRWND, segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_rwnd: Option<u32>,
    /// RTAX_RTO_MIN, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rto_min: Option<u32>,
    /// RTAX_QUICKACK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick_ack: Option<bool>,
    /// RTA_PREF, IPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preference: Option<RoutePreference>,
}

impl RouteMetrics {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
