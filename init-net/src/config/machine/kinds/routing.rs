//! `RoutingRuleConfig` and `BlackholeRouteConfig`: routing that is about no link.

use serde_json::{Value as Json, json};

use super::{Kind, Role};
use crate::config::machine::record::{At, Record};
use crate::config::machine::scalar::{Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, RouteConfig, RuleConfig};
use crate::value::{LinkName, Prefix, RouteKind, RouteTable, RuleAction};

keys! {
    /// One routing rule.
    pub struct RoutingRuleKeys("RoutingRuleConfig") whole {
        /// Its priority: lower ones are asked first.
        required "name" priority: Priority,
        /// From where.
        "src" src: Prefix,
        /// To where.
        "dst" dst: Prefix,
        /// The table that is looked up.
        "table" table: RouteTable,
        /// What is done; a table is looked up unless said otherwise.
        "action" action: RuleAction,
        /// In from which link.
        "iifName" iif_name: LinkName,
        /// Out of which link.
        "oifName" oif_name: LinkName,
        /// The firewall mark.
        "fwMark" fw_mark: u32,
        /// The bits of the mark that count.
        "fwMask" fw_mask: u32,
        /// Routes to a prefix this short or shorter do not count.
        "suppressPrefixLength" suppress_prefix_length: u8,
    }
}

/// The priority of a rule, which is its name.
#[derive(Clone, Copy, Debug)]
pub struct Priority(u32);

/// Priorities that are taken: the kernel's `local`, `main` and `default` rules (net/ipv4/fib_rules.c), and the one
/// that the field's mesh uses.
const RESERVED: [u32; 4] = [0, 32500, 32766, 32767];

impl Scalar for Priority {
    fn read(node: &Node, text: &str) -> Result<Self, Wrong> {
        let wrong = "the name of a rule is its priority, from 1 to 32765";
        match u32::read(node, text) {
            Ok(priority) if RESERVED.contains(&priority) => {
                Err("the priorities 0, 32500, 32766 and 32767 are taken".into())
            }
            Ok(priority) if priority <= 32765 => Ok(Self(priority)),
            Ok(_) | Err(_) => Err(wrong.into()),
        }
    }

    fn schema() -> Json {
        json!({
            "type": ["integer", "string"],
            "minimum": 1,
            "maximum": 32765,
            "not": {"enum": [32500, "32500"]},
            "pattern": "^[1-9][0-9]{0,4}$",
        })
    }
}

impl Kind for RoutingRuleKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let action = self.action.map_or(RuleAction::Unicast, |said| said.value);
        if self.table.is_none() && action == RuleAction::Unicast {
            let rule = "table must be given";
            let fix = "or action: blackhole, unreachable or prohibit";
            return self.refuse(source, &self.table, rule, Some(fix));
        }
        if self.fw_mask.is_some() && self.fw_mark.is_none() {
            return self.refuse(source, &self.fw_mask, "fwMask needs fwMark", None);
        }
        if let (Some(src), Some(dst)) = (&self.src, &self.dst)
            && src.is_ipv4() != dst.is_ipv4()
        {
            return self.refuse(source, &self.dst, "src and dst are of one family", None);
        }
        let network = |prefix: At<Prefix>| prefix.value.network();
        out.rules.push(RuleConfig {
            priority: self.priority.0,
            src: self.src.map(network),
            dst: self.dst.map(network),
            action,
            table: self.table.map(|table| table.value),
            fw_mark: self.fw_mark.map(|mark| mark.value),
            fw_mask: self.fw_mask.map(|mask| mask.value),
            suppress_prefix_length: self.suppress_prefix_length.map(|len| len.value.into()),
            origin: self.origin(source),
            iif_name: self.iif_name.map(|name| name.value),
            oif_name: self.oif_name.map(|name| name.value),
        });
    }
}

keys! {
    /// A network whose packets are dropped unless there is a more exact route.
    pub struct BlackholeKeys("BlackholeRouteConfig") whole {
        /// The network.
        required "name" network: Prefix,
        /// The lower one wins.
        "metric" metric: u32,
    }
}

impl Kind for BlackholeKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let destination = self.network.value.network();
        out.routes.push(RouteConfig {
            metric: self.metric.map(|metric| metric.value),
            kind: Some(RouteKind::Blackhole),
            ..RouteConfig::new(None, Some(destination), None, self.origin(source))
        });
    }
}
