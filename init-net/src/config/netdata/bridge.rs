//! Options of bridges and of their ports: `bridge_fd` and `forward-delay`.

use super::reader::{Reader, millis};
use crate::config::LinkConfig;
use crate::config::machine::tree::{Key, Node, Value};
use crate::value::{BridgeOptions, BridgePortOptions};

/// Milliseconds in a hundredth of a second (USER_HZ), the unit of the kernel.
const HUNDREDTH: u32 = 10;

/// Highest priority of a port, BR_PORT_BITS of net/bridge/br_private.h.
const MAX_PORT_PRIORITY: u16 = 63;

/// Costs of a path, BR_MIN_PATH_COST and BR_MAX_PATH_COST of net/bridge/br_private.h.
const COSTS: core::ops::RangeInclusive<u32> = 1..=65_535;

/// What one version calls the options of a bridge.
pub(super) struct Names {
    pub stp: &'static str,
    pub priority: &'static str,
    pub forward_delay: &'static str,
    pub hello_time: &'static str,
    pub max_age: &'static str,
    pub ageing_time: &'static str,
    pub path_cost: &'static str,
    pub port_priority: &'static str,
}

impl Reader<'_> {
    /// The options in the mapping `params`.
    pub(super) fn bridge_options(&mut self, params: &Node, names: &Names) -> BridgeOptions {
        let stp = self.truth(params, names.stp);
        // Without a spanning tree a port forwards at once.
        let least = if stp == Some(true) { 2 } else { 0 };
        BridgeOptions {
            stp,
            priority: self.read(params, names.priority),
            forward_delay: self.hundredths(params, names.forward_delay, least, 30),
            hello_time: self.hundredths(params, names.hello_time, 1, 10),
            max_age: self.hundredths(params, names.max_age, 6, 40),
            ageing_time: self.hundredths(params, names.ageing_time, 0, 1_000_000),
            ..BridgeOptions::default()
        }
    }

    /// A time in the ranges, seconds, of net/bridge/br_private_stp.h; a bare number is seconds.
    fn hundredths(&mut self, params: &Node, key: &str, least: u32, most: u32) -> Option<u32> {
        let node = params.at(key)?;
        let time = node.text().and_then(|text| millis(text, 1000));
        let range = least.saturating_mul(1000)..=most.saturating_mul(1000);
        let time = time.filter(|time| range.contains(time));
        if time.is_none() {
            self.warn(
                node.mark,
                format!("{key} is no time from {least} to {most} seconds"),
            );
        }
        time.map(|time| time / HUNDREDTH)
    }

    /// What `params` say of single ports: `{eth0: 4}`, or `eth0 4`, alone or in a list.
    pub(super) fn bridge_ports(&mut self, params: &Node, names: &Names) {
        for (port, node) in self.by_port(params, names.path_cost) {
            let cost = node.parse().ok().filter(|cost| COSTS.contains(cost));
            self.port(params, port, names.path_cost, cost, |cost| {
                BridgePortOptions {
                    cost: Some(cost),
                    ..BridgePortOptions::default()
                }
            });
        }
        for (port, node) in self.by_port(params, names.port_priority) {
            let priority = node.parse().ok().filter(|most| *most <= MAX_PORT_PRIORITY);
            let key = names.port_priority;
            self.port(params, port, key, priority, |priority| BridgePortOptions {
                priority: Some(priority),
                ..BridgePortOptions::default()
            });
        }
    }

    /// Ports and their values.
    fn by_port<'n>(&mut self, params: &'n Node, key: &str) -> Vec<(&'n str, &'n str)> {
        let Some(node) = params.at(key) else {
            return Vec::new();
        };
        if let Value::Map(entries) = &node.value {
            let entries = self.bounded(node.mark, entries, key).iter();
            let of = |(key, node): &'n (Key, Node)| {
                (key.text.as_str(), node.text().unwrap_or_default().trim())
            };
            return entries.map(of).collect();
        }
        let items = self.bounded(node.mark, node.items(), key).iter();
        let texts = items.map(|item| item.text().unwrap_or_default().trim());
        texts
            .map(|text| text.split_once(' ').unwrap_or((text, "")))
            .map(|(port, value)| (port, value.trim()))
            .collect()
    }

    fn port<T>(
        &mut self,
        params: &Node,
        port: &str,
        key: &str,
        value: Option<T>,
        options: impl FnOnce(T) -> BridgePortOptions,
    ) {
        let mark = params.at(key).map_or(params.mark, |node| node.mark);
        let Some((link, value)) = self.named(port).zip(value) else {
            return self.warn(mark, format!("{key} is no port with its number"));
        };
        let mut config = LinkConfig::new(link, self.origin(mark));
        config.port = options(value);
        self.add_link(mark, config);
    }
}
