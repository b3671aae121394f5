//! Routing rules: [`RuleSpec`], [`RuleStatus`].

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Family;
use crate::value::{Layer, LinkName, Origin, Prefix, RuleAction};

/// Identity of a rule: family and priority, as the field spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// Family.
    pub family: Family,
    /// Priority.
    pub priority: u32,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:05}", self.family, self.priority)
    }
}

/// A routing rule that should be there. Its protocol is always [`super::OUR_PROTOCOL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleSpec {
    /// Family.
    pub family: Family,
    /// Lower is asked first.
    pub priority: u32,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src: Option<Prefix>,
    /// To where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst: Option<Prefix>,
    /// What to do.
    pub action: RuleAction,
    /// Which table, for a look-up; else 0.
    pub table: u32,
    /// In from which link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iif_name: Option<LinkName>,
    /// Out of which link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oif_name: Option<LinkName>,
    /// Firewall mark; 0 none.
    pub fw_mark: u32,
    /// Which bits of it; all of them where a mark is given and no mask.
    pub fw_mask: u32,
    /// FRA_SUPPRESS_PREFIXLEN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppress_prefix_length: Option<u32>,
    /// Rank of the source that won.
    pub layer: Layer,
    /// Where it was said.
    pub origin: Origin,
    /// Which values lost against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<Origin>,
}

impl RuleSpec {
    /// Its identity.
    pub const fn id(&self) -> RuleId {
        RuleId {
            family: self.family,
            priority: self.priority,
        }
    }
}

/// A routing rule that is there. Rules of others are observed and never touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleStatus {
    /// Family.
    pub family: Family,
    /// FRA_PRIORITY.
    pub priority: u32,
    /// FRA_SRC.
    pub src: Option<Prefix>,
    /// FRA_DST.
    pub dst: Option<Prefix>,
    /// Its action; `None` for one that we never make.
    #[serde(default)]
    pub action: Option<RuleAction>,
    /// FRA_TABLE; 0 when the action is not a lookup.
    pub table: u32,
    /// FRA_IIFNAME.
    #[serde(default)]
    pub iif_name: Option<LinkName>,
    /// FRA_OIFNAME.
    #[serde(default)]
    pub oif_name: Option<LinkName>,
    /// FRA_FWMARK.
    #[serde(default)]
    pub fw_mark: u32,
    /// FRA_FWMASK.
    #[serde(default)]
    pub fw_mask: u32,
    /// FRA_SUPPRESS_PREFIXLEN.
    #[serde(default)]
    pub suppress_prefix_length: Option<u32>,
    /// Whether it has selectors that we never set (ports, TOS, negation…): such a rule is none of ours.
    #[serde(default)]
    pub has_more: bool,
    /// FRA_PROTOCOL.
    pub protocol: u8,
}
