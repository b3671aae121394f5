//! The firewall as the kernel has it: a row for each rule and each element that counts, with what it has
//! counted.

use serde_json::{Value, json};

use super::{Facts, put, with_id};
use crate::state::nft::{
    Counter, ElementText, ElementValue, Match, MatchText, Set, Table, TableStatus, Verdict,
};

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
                    "match": MatchText(rule).to_string(),
                    "verdict": rule.verdict.to_string(),
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
                    "match": "what no rule matches",
                    "verdict": base.policy.to_string(),
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
                    "match": ElementValue(set, element).to_string(),
                }),
            );
            let verdict = verdict_of(&status.table, set).map(ToString::to_string);
            put(&mut row, "verdict", verdict.as_ref());
            put(&mut row, "rule", element.comment.as_ref());
            rows.push(row);
        }
    }
    rows
}

/// What becomes of what the elements of a set match.
fn verdict_of<'t>(table: &'t Table, set: &Set) -> Option<&'t Verdict> {
    let mut rules = table.chains.iter().flat_map(|chain| &chain.rules);
    let looks_up = |found: &Match| matches!(found, Match::In { set: own, .. } if *own == set.name);
    let rule = rules.find(|rule| rule.matches.iter().any(looks_up))?;
    Some(&rule.verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is alike in all rules stands in no column: those that differ look different.
    #[test]
    fn a_row_has_a_verdict_and_what_it_is_about() {
        let text = "apiVersion: v1alpha1\nkind: NetworkRuleConfig\nname: ssh\n\
                    portSelector: {ports: [22], protocol: tcp}\naction: reject\nlimit: 5/second\n\
                    ---\napiVersion: v1alpha1\nkind: NetworkDefaultActionConfig\ningress: block\n";
        let document = crate::config::machine::parse(text, "c").0;
        let desired = crate::compile::compile(&[document], &Default::default()).0;
        let table = Table::clone(desired.firewall.unwrap().wanted().unwrap());
        let status = TableStatus {
            table,
            counters: Default::default(),
            elements: Default::default(),
            foreign: Default::default(),
        };
        let rows = rules(Some(&status));
        let found = |id: &str| {
            let row = rows.iter().find(|row| row["id"] == id).unwrap();
            format!(
                "{}: {}",
                row["verdict"].as_str().unwrap(),
                row["match"].as_str().unwrap()
            )
        };
        assert_eq!(found("ingress/1"), "accept: iifname @trusted-links");
        assert_eq!(found("ingress/policy"), "drop: what no rule matches");
        assert_eq!(
            found("limit-ssh/1"),
            "reject with tcp reset: meta l4proto tcp limit rate 5/second burst 5 packets"
        );
        let ssh = rows
            .iter()
            .find(|row| row["rule"] == "ssh" && row["chain"] == "ingress")
            .unwrap();
        assert_eq!(
            (&ssh["match"], &ssh["verdict"]),
            (&json!("tcp dport 22"), &json!("jump limit-ssh"))
        );
    }
}
