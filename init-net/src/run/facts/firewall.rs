//! The firewall as the kernel has it: a row for each rule and each element that counts, with what it has
//! counted.

use serde_json::{Value, json};

use super::{Facts, put, with_id};
use crate::state::nft::{Counter, ElementText, TableStatus};

impl Facts<'_> {
    /// Our table in the kernel: as it was looked at for this answer, or last.
    pub(in crate::run) fn table(&self) -> Option<&TableStatus> {
        let sample = self.sample.firewall.as_ref();
        sample.or(self.observed.firewall.as_ref())
    }
}

/// `chain/number` with the rule in the words of nft(8); the policy of a chain is its last row. Then `set/number` with each
/// element that counts: it has the name of the rule that it stands for, and counts for all chains together.
pub(super) fn rules(status: Option<&TableStatus>) -> Vec<Value> {
    let mut rows = Vec::new();
    let Some(status) = status else {
        return rows;
    };
    for (at, chain) in status.table.chains.iter().enumerate() {
        let counters = status.counters.get(at).map_or(&[][..], Vec::as_slice);
        for (number, rule) in chain.rules.iter().enumerate() {
            let Counter { packets, bytes } = counters.get(number).copied().unwrap_or_default();
            let mut row = with_id(
                format!("{}/{}", chain.name, number + 1),
                &json!({
                    "chain": chain.name,
                    "packets": packets,
                    "bytes": bytes,
                    "text": rule.to_string(),
                }),
            );
            put(&mut row, "rule", rule.comment.as_ref());
            rows.push(row);
        }
        if let Some(base) = chain.base {
            rows.push(with_id(
                format!("{}/policy", chain.name),
                &json!({
                    "chain": chain.name,
                    "hook": base.hook.name(),
                    "priority": base.priority,
                    "text": format!("policy {}", base.policy),
                }),
            ));
        }
    }
    for (set, counters) in status.table.sets.iter().zip(&status.elements) {
        for (number, (element, counter)) in set.elements.iter().zip(counters).enumerate() {
            let Counter { packets, bytes } = counter;
            let mut row = with_id(
                format!("{}/{}", set.name, number + 1),
                &json!({
                    "set": set.name,
                    "packets": packets,
                    "bytes": bytes,
                    "text": ElementText(set, element).to_string(),
                }),
            );
            put(&mut row, "rule", element.comment.as_ref());
            rows.push(row);
        }
    }
    rows
}
