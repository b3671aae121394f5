//! `routes` and `routing-policy`.

use core::fmt::Display;
use core::net::IpAddr;
use core::str::FromStr;

use super::super::reader::{MAX_ITEMS, Reader, destination};
use crate::config::machine::tree::{Mark, Node};
use crate::config::{LinkRef, RouteConfig, RuleConfig};
use crate::value::{Prefix, RouteKind, RouteTable, RuleAction};

/// Where the rules begin of which no priority is said; each has a place of its own behind it.
const PRIORITY: u32 = 20_000;

/// Words for how far a route reaches, which the rest of it says as well.
const SCOPES: [&str; 3] = ["global", "link", "host"];

impl Reader<'_> {
    /// The routes of a link; `table` is that of all of them, in a VRF.
    pub(super) fn routes(
        &mut self,
        node: &Node,
        link: Option<&LinkRef>,
        table: Option<RouteTable>,
    ) {
        for route in self.list(node, "routes") {
            let read = self.route(route, link, table);
            if let Some(config) = read {
                self.add_route(route.mark, config);
            }
        }
    }

    /// `None`: something that decides where packets go is wrong, which was told.
    fn route(
        &mut self,
        route: &Node,
        link: Option<&LinkRef>,
        table: Option<RouteTable>,
    ) -> Option<RouteConfig> {
        let to = match route.at("to") {
            None => None,
            Some(node) => match node.text().and_then(|to| destination(to.trim(), None)) {
                Some(to) => to,
                None => {
                    self.warn(node.mark, "the destination of a route is no prefix");
                    return None;
                }
            },
        };
        let gateway = self.decides::<IpAddr>(route, "via")?;
        let kind = self.decides::<RouteKind>(route, "type")?;
        if kind == Some(RouteKind::Other) {
            self.warn(route.mark, "type is not what it should be");
            return None;
        }
        let own = self.decides::<RouteTable>(route, "table")?;
        let scope = route.at("scope");
        if let Some(scope) = scope.filter(|scope| !scope.text().is_some_and(is_scope)) {
            self.warn(scope.mark, "expected global, link or host");
        }
        let origin = self.origin(route.mark);
        let mut config = RouteConfig::new(link.cloned(), to, gateway, origin);
        config.kind = kind;
        config.table = own.or(table);
        config.metric = self.read(route, "metric");
        config.on_link = self.truth(route, "on-link");
        config.source = self.read(route, "from");
        config.mtu = self.read(route, "mtu");
        config.metrics.init_cwnd = self.read(route, "congestion-window");
        config.metrics.init_rwnd = self.read(route, "advertised-receive-window");
        config.metrics.advmss = self.read(route, "advertised-mss");
        Some(config)
    }

    /// [`Reader::read`] of what must not be left out when it is wrong. `None`: it is wrong, which was told.
    fn decides<T: FromStr<Err: Display>>(&mut self, node: &Node, key: &str) -> Option<Option<T>> {
        let value = self.read(node, key);
        (value.is_some() || node.at(key).is_none()).then_some(value)
    }

    /// The rules of a link; `table` is that of all of them, in a VRF.
    pub(super) fn rules(&mut self, node: &Node, table: Option<RouteTable>) {
        for rule in self.list(node, "routing-policy") {
            if let Some(config) = self.rule(rule, table) {
                self.add_rule(rule.mark, config);
            }
        }
    }

    fn rule(&mut self, rule: &Node, table: Option<RouteTable>) -> Option<RuleConfig> {
        if let Some(node) = rule.at("type-of-service") {
            self.warn(node.mark, "a rule by type-of-service is not made here");
            return None;
        }
        let src = self.network(rule, "from")?;
        let dst = self.network(rule, "to")?;
        let fw_mark = self.decides::<u32>(rule, "mark")?;
        let own = self.decides::<RouteTable>(rule, "table")?;
        let Some(table) = own.or(table) else {
            self.warn(rule.mark, "a rule without table");
            return None;
        };
        let behind = u32::try_from(self.out.rules.len()).ok()?;
        let priority = self.decides::<u32>(rule, "priority")?;
        Some(RuleConfig {
            priority: priority.unwrap_or(PRIORITY.saturating_add(behind)),
            src,
            dst,
            action: RuleAction::Unicast,
            table: Some(table),
            iif_name: None,
            oif_name: None,
            fw_mark,
            fw_mask: None,
            suppress_prefix_length: None,
            origin: self.origin(rule.mark),
        })
    }

    /// The network at `key`. `None`: it is none, which was told.
    fn network(&mut self, rule: &Node, key: &str) -> Option<Option<Prefix>> {
        let Some(node) = rule.at(key) else {
            return Some(None);
        };
        let read = node.text().and_then(|text| destination(text.trim(), None));
        if read.is_none() {
            self.warn(node.mark, format!("{key} is no network"));
        }
        read
    }

    fn add_rule(&mut self, mark: Mark, config: RuleConfig) {
        match self.out.rules.len() < MAX_ITEMS {
            true => self.out.rules.push(config),
            false => self.limit(mark, MAX_ITEMS, "rules"),
        }
    }
}

fn is_scope(text: &str) -> bool {
    SCOPES.contains(&text)
}
