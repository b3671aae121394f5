//! What the versions of network-config share: places, limits, and the small readers.

use core::fmt::Display;
use core::net::IpAddr;
use core::str::FromStr;
use std::collections::BTreeMap;

use crate::config::machine::tree::{Mark, Node, Value};
use crate::config::platform::prefix;
use crate::config::{
    AddressConfig, Diagnostic, Document, LinkConfig, LinkRef, OperatorConfig, Place, RouteConfig,
    Said, Severity,
};
use crate::value::{Hostname, LinkName, NameServer, Origin, Prefix, Span};

/// Most links that are read.
pub(super) const MAX_LINKS: usize = 256;

/// Most entries of a list, and most addresses, routes, servers and rules of the whole.
pub(super) const MAX_ITEMS: usize = 4096;

/// Most faults that are told.
const MAX_DIAGNOSTICS: usize = 64;

/// Longest line that is shown with a fault, bytes.
const MAX_LINE: usize = 400;

/// What a fault usually costs.
const IGNORED: &str = "it is ignored";

/// A network-config being read.
pub(super) struct Reader<'a> {
    source: &'a str,
    text: &'a str,
    /// Where everything goes.
    pub(super) out: &'a mut Document,
    /// Links by the names that the text gives them, which need not be those of the machine; `None`: one of which the text does
    /// not say which it is.
    pub(super) links: BTreeMap<String, Option<LinkRef>>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, source: &'a str, out: &'a mut Document) -> Self {
        Self {
            source,
            text,
            out,
            links: BTreeMap::new(),
            diagnostics: Vec::new(),
        }
    }

    pub(super) fn origin(&self, mark: Mark) -> Origin {
        Origin::new(self.source, format!("line {}", mark.line), Some(mark.span))
    }

    pub(super) fn warn(&mut self, mark: Mark, rule: impl Into<String>) {
        self.report(Severity::Warning, mark, rule.into(), None, IGNORED);
    }

    /// What is understood and has no effect here.
    pub(super) fn note(&mut self, mark: Mark, rule: impl Into<String>) {
        self.report(Severity::Note, mark, rule.into(), None, IGNORED);
    }

    pub(super) fn report(
        &mut self,
        severity: Severity,
        mark: Mark,
        rule: String,
        fix: Option<String>,
        effect: &str,
    ) {
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            return;
        }
        let line = self.text.lines().nth(mark.line.saturating_sub(1));
        let line = line.filter(|line| line.len() <= MAX_LINE);
        let mut fault = Diagnostic::new(severity, format!("network-config: {rule}"))
            .with_place(Place {
                source: self.source.into(),
                position: format!("line {}, column {}", mark.line, mark.column),
                text: line.unwrap_or_default().to_owned(),
                caret: Span::new(mark.column.saturating_sub(1), mark.column),
            })
            .with_effect(effect);
        fault.fix = fix;
        self.diagnostics.push(fault);
    }

    /// Tells a limit once.
    pub(super) fn limit(&mut self, mark: Mark, most: usize, what: &str) {
        let rule = format!("more than {most} {what}");
        let ends = |fault: &Diagnostic| fault.message.ends_with(&rule);
        if !self.diagnostics.iter().any(ends) {
            let effect = "the others are left out";
            self.report(Severity::Warning, mark, rule, None, effect);
        }
    }

    /// The items of the list at `key`; a scalar counts as a list of one.
    pub(super) fn list<'n>(&mut self, node: &'n Node, key: &str) -> &'n [Node] {
        let items = node.at(key).map(Node::items).unwrap_or_default();
        self.bounded(node.mark, items, key)
    }

    /// No more than are read of `items`.
    pub(super) fn bounded<'n, T>(&mut self, mark: Mark, items: &'n [T], what: &str) -> &'n [T] {
        match items.get(..MAX_ITEMS) {
            Some(some) if some.len() < items.len() => {
                self.limit(mark, MAX_ITEMS, what);
                some
            }
            _ => items,
        }
    }

    /// The value at `key`; told when it is there and is none.
    pub(super) fn read<T: FromStr<Err: Display>>(&mut self, node: &Node, key: &str) -> Option<T> {
        let value = node.at(key)?;
        let Some(text) = value.text() else {
            self.warn(value.mark, format!("{key} is not what it should be"));
            return None;
        };
        match text.trim().parse() {
            Ok(read) => Some(read),
            Err(error) => {
                let rule = format!("{key} is not what it should be");
                let fix = Some(error.to_string());
                self.report(Severity::Warning, value.mark, rule, fix, IGNORED);
                None
            }
        }
    }

    /// The truth value at `key`, quoted or not; told when it is there and is none.
    pub(super) fn truth(&mut self, node: &Node, key: &str) -> Option<bool> {
        let value = node.at(key)?;
        let truth = truth(value);
        if truth.is_none() {
            self.warn(value.mark, format!("{key} is neither true nor false"));
        }
        truth
    }

    /// Whether the mapping at `key` is one; `None`: absent, or told.
    pub(super) fn map<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n Node> {
        let value = node.at(key)?;
        if matches!(value.value, Value::Map(_)) {
            return Some(value);
        }
        self.warn(value.mark, format!("{key} is no mapping"));
        None
    }

    /// The link that the text calls `name`. One that it does not describe is one of the machine; one that it describes in a way
    /// that is not understood is none, whatever the machine calls so.
    pub(super) fn named(&self, name: &str) -> Option<LinkRef> {
        match self.links.get(name) {
            Some(described) => described.clone(),
            None => name.parse::<LinkName>().ok().map(LinkRef::Name),
        }
    }

    /// [`Reader::named`] of the text of `node`; told when there is none.
    pub(super) fn link(&mut self, node: &Node, what: &str) -> Option<LinkRef> {
        let name = node.text().map(str::trim);
        let found = name.and_then(|name| self.named(name));
        if found.is_none() {
            self.warn(node.mark, format!("{what} is no usable link"));
        }
        found
    }

    pub(super) fn add_link(&mut self, mark: Mark, config: LinkConfig) -> bool {
        if self.out.links.len() >= MAX_LINKS {
            self.limit(mark, MAX_LINKS, "links");
            return false;
        }
        self.out.links.push(config);
        true
    }

    pub(super) fn add_address(&mut self, mark: Mark, config: AddressConfig) {
        match self.out.addresses.len() < MAX_ITEMS {
            true => self.out.addresses.push(config),
            false => self.limit(mark, MAX_ITEMS, "addresses"),
        }
    }

    pub(super) fn add_operator(&mut self, mark: Mark, config: OperatorConfig) {
        match self.out.operators.len() < MAX_ITEMS {
            true => self.out.operators.push(config),
            false => self.limit(mark, MAX_ITEMS, "dynamic sources"),
        }
    }

    /// Keeps a route that leads somewhere by a gateway of its own family.
    pub(super) fn add_route(&mut self, mark: Mark, mut config: RouteConfig) {
        config.gateway = config.gateway.filter(|gateway| !gateway.is_unspecified());
        let nowhere = config.kind.is_some_and(|kind| kind.is_nowhere());
        let families = config.destination.zip(config.gateway);
        if families.is_some_and(|(to, by)| to.address().is_ipv4() != by.is_ipv4()) {
            return self.warn(mark, "destination and gateway are of two address families");
        }
        if config.destination.is_none() && config.gateway.is_none() && !nowhere {
            return self.warn(mark, "a route without destination and gateway");
        }
        match self.out.routes.len() < MAX_ITEMS {
            true => self.out.routes.push(config),
            false => self.limit(mark, MAX_ITEMS, "routes"),
        }
    }

    /// The default route by the gateway at `key`.
    pub(super) fn default_route(
        &mut self,
        node: &Node,
        key: &str,
        link: &LinkRef,
        metric: Option<u32>,
    ) {
        let Some(gateway) = self.read::<IpAddr>(node, key) else {
            return;
        };
        // 0.0.0.0 and :: stand for "none".
        let mark = node.at(key).map_or(node.mark, |value| value.mark);
        if !gateway.is_unspecified() {
            let link = Some(link.clone());
            let route = RouteConfig::new(link, None, Some(gateway), self.origin(mark));
            self.add_route(mark, RouteConfig { metric, ..route });
        }
    }

    /// Name servers, each once.
    pub(super) fn servers(&mut self, nodes: &[Node]) {
        for node in nodes {
            let Some(Ok(server)) = node.text().map(|text| text.trim().parse::<NameServer>()) else {
                self.warn(node.mark, "a name server is no IP address");
                continue;
            };
            let known = &self.out.nameservers;
            if known.len() >= MAX_ITEMS {
                return self.limit(node.mark, MAX_ITEMS, "name servers");
            }
            if !known.iter().any(|known| known.value == server) {
                let said = Said::new(server, self.origin(node.mark));
                self.out.nameservers.push(said);
            }
        }
    }

    /// Search domains, each once.
    pub(super) fn domains(&mut self, nodes: &[Node]) {
        for node in nodes {
            // One text with several of them is common.
            let words = node.text().unwrap_or_default().split_whitespace();
            let domains: Option<Vec<Hostname>> = words.map(|word| word.parse().ok()).collect();
            let Some(domains) = domains.filter(|domains| !domains.is_empty()) else {
                self.warn(node.mark, "a search domain is no domain name");
                continue;
            };
            let origin = self.origin(node.mark);
            for domain in domains {
                let known = self.out.search_domains.get_or_insert_default();
                if known.len() >= MAX_ITEMS {
                    return self.limit(node.mark, MAX_ITEMS, "search domains");
                }
                if !known.iter().any(|known| known.value == domain) {
                    known.push(Said::new(domain, origin.clone()));
                }
            }
        }
    }
}

/// A truth value of YAML 1.1, quoted or not.
pub(super) fn truth(node: &Node) -> Option<bool> {
    node.truth().or_else(|| {
        let Value::Scalar { text, plain } = &node.value else {
            return None;
        };
        match text.as_str() {
            "1" => Some(true),
            "0" => Some(false),
            _ if *plain => None,
            _ => {
                let text = text.to_ascii_lowercase();
                let words = [("true", true), ("yes", true), ("on", true)];
                let words =
                    words
                        .into_iter()
                        .chain([("false", false), ("no", false), ("off", false)]);
                words
                    .into_iter()
                    .find_map(|(word, truth)| (word == text).then_some(truth))
            }
        }
    })
}

/// Where a route leads. `Some(None)`: everywhere, in the family of its gateway. `None`: `to` is no destination. A mask may be a
/// length; an address without one is itself alone, and an unspecified one is everywhere.
pub(super) fn destination(to: &str, mask: Option<&str>) -> Option<Option<Prefix>> {
    if matches!(to, "default" | "all" | "any") {
        return Some(None);
    }
    let prefix = prefix(to, mask)?;
    let unmasked = mask.is_none() && !to.contains('/');
    if unmasked && prefix.address().is_unspecified() {
        return Prefix::new(prefix.address(), 0).ok().map(Some);
    }
    Some(Some(prefix.network()))
}

/// A time in milliseconds: a number with a unit, or one of `bare` milliseconds each.
pub(super) fn millis(text: &str, bare: u32) -> Option<u32> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = match unit.trim() {
        "" => bare,
        "ms" | "msec" => 1,
        "s" | "sec" => 1000,
        "m" | "min" => 60_000,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, bare, expect) in [
            ("100", 1, Some(100)),
            ("100ms", 1000, Some(100)),
            ("1s", 1, Some(1000)),
            ("15", 1000, Some(15_000)),
            ("2 min", 1, Some(120_000)),
            ("", 1, None),
            ("s", 1, None),
            ("-1", 1, None),
            ("1h", 1, None),
            ("4294967295s", 1, None),
            ("é", 1, None),
        ] {
            assert_eq!(millis(text, bare), expect, "{text}");
        }
    }

    #[test]
    fn destinations() {
        let read = |to, mask| {
            let to = destination(to, mask)?;
            Some(to.map_or("default".to_owned(), |to| to.to_string()))
        };
        for (to, mask, expect) in [
            ("default", None, Some("default")),
            ("10.1.2.3", None, Some("10.1.2.3/32")),
            ("10.1.2.3", Some("255.255.0.0"), Some("10.1.0.0/16")),
            ("10.1.2.3", Some("16"), Some("10.1.0.0/16")),
            ("10.1.2.3/16", None, Some("10.1.0.0/16")),
            ("10.1.2.3/255.255.0.0", None, Some("10.1.0.0/16")),
            ("0.0.0.0", None, Some("0.0.0.0/0")),
            ("::", Some("::"), Some("::/0")),
            ("2001:db8::1", None, Some("2001:db8::1/128")),
            ("2001:db8::1", Some("ffff:ffff::"), Some("2001:db8::/32")),
            ("10.1.2.3", Some("255.0.255.0"), None),
            ("10.1.2.3/33", None, None),
            ("2001:db8::/129", None, None),
            ("x", None, None),
        ] {
            assert_eq!(read(to, mask).as_deref(), expect, "{to} {mask:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_mask_and_its_length_are_the_same(address: u32, len in 0u8..=32) {
            let address = std::net::Ipv4Addr::from(address).to_string();
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            let mask = std::net::Ipv4Addr::from(mask).to_string();
            let by_len = destination(&address, Some(&len.to_string()));
            assert!(by_len.is_some());
            assert_eq!(by_len, destination(&address, Some(&mask)));
            assert_eq!(by_len, destination(&format!("{address}/{len}"), None));
        }

        #[test]
        fn a_mask_with_a_hole_is_none(address: u32, mask: u32) {
            let contiguous = mask.leading_ones() + mask.trailing_zeros() >= 32;
            let [address, mask] = [address, mask].map(|bits| std::net::Ipv4Addr::from(bits).to_string());
            assert_eq!(destination(&address, Some(&mask)).is_some(), contiguous);
        }
    }
}
