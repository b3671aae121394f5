//! Changes of routing rules.

use core::fmt;

use super::super::{Family, OUR_PROTOCOL};
use crate::value::{LinkName, Prefix, RouteTable, RuleAction};

/// The rule of an [`super::Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOp {
    /// Family.
    pub family: Family,
    /// Lower is asked first.
    pub priority: u32,
    /// From where.
    pub src: Option<Prefix>,
    /// To where.
    pub dst: Option<Prefix>,
    /// What to do.
    pub action: RuleAction,
    /// Which table, for a look-up; else 0.
    pub table: u32,
    /// In from which link.
    pub iif_name: Option<LinkName>,
    /// Out of which link.
    pub oif_name: Option<LinkName>,
    /// Firewall mark; 0 none.
    pub fw_mark: u32,
    /// Which bits of it.
    pub fw_mask: u32,
    /// FRA_SUPPRESS_PREFIXLEN.
    pub suppress_prefix_length: Option<u32>,
}

impl RuleOp {
    /// ip(8) with the family that the rule is for.
    pub(super) const fn command(&self) -> &'static str {
        match self.family {
            Family::Inet4 => "ip rule",
            Family::Inet6 => "ip -6 rule",
        }
    }
}

impl fmt::Display for RuleOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pref {} from ", self.priority)?;
        match self.src {
            Some(src) => src.fmt(f)?,
            None => f.write_str("all")?,
        }
        super::option(f, "to", self.dst)?;
        super::option(f, "iif", self.iif_name.as_ref())?;
        super::option(f, "oif", self.oif_name.as_ref())?;
        if self.fw_mark != 0 || self.fw_mask != 0 {
            write!(f, " fwmark {:#x}/{:#x}", self.fw_mark, self.fw_mask)?;
        }
        match self.action {
            RuleAction::Unicast => super::option(f, "lookup", RouteTable::new(self.table))?,
            action => write!(f, " {action}")?,
        }
        super::option(f, "suppress_prefixlength", self.suppress_prefix_length)?;
        write!(f, " proto {OUR_PROTOCOL}")
    }
}
