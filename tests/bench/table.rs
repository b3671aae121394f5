//! Rounds to medians, ratios, an aligned table, JSON.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use crate::contestant::Scenario;

/// All rounds of one contestant; a round in which it did not run is null.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub rounds: Vec<Value>,
    /// The counting round.
    pub calls: Option<u64>,
    pub binary_kib: Option<u64>,
    /// It could not take part at all.
    pub failed: Option<String>,
}

impl Row {
    fn good(&self) -> impl Iterator<Item = &Value> {
        self.ran().filter(|run| run["error"].is_null())
    }

    fn ran(&self) -> impl Iterator<Item = &Value> {
        self.rounds.iter().filter(|run| !run.is_null())
    }

    fn series(&self, key: &str) -> Vec<f64> {
        self.good().filter_map(|run| run[key].as_f64()).collect()
    }

    /// In the same round, this one's time by the other's; the median of that.
    fn ratio(&self, other: &Row) -> Option<f64> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        let ratios = pairs.filter_map(|(own, other)| {
            let fine = own["error"].is_null() && other["error"].is_null();
            fine.then_some(own["ns"].as_f64()? / other["ns"].as_f64()?)
        });
        median(ratios.collect())
    }

    /// Why it failed, if in any round it did.
    pub fn error(&self) -> Option<String> {
        if let Some(failed) = &self.failed {
            return Some(failed.clone());
        }
        let errors = self.ran().filter_map(|run| run["error"].as_str());
        errors.last().map(str::to_owned)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// Median, least and most.
fn spread(times: Vec<f64>) -> String {
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    let most = times.iter().copied().fold(0.0, f64::max);
    match median(times) {
        Some(middle) => {
            let [middle, least, most] = [middle, least, most].map(milliseconds);
            format!("{middle} ({least}–{most})")
        }
        None => "failed".into(),
    }
}

fn milliseconds(value: f64) -> String {
    let value = value / 1e6;
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The scenario's table for people.
pub fn text(scenario: Scenario, rows: &[Row]) -> String {
    let head = [
        "peer",
        "ok",
        "ms: median (min–max)",
        "× floor",
        "× init-net",
        "RSS KiB",
        "CPU ms",
        "calls",
        "binary KiB",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let find = |name: &str| rows.iter().find(|row| row.name == name);
    for row in rows {
        let dash = || "–".to_owned();
        let ratio = |name: &str| {
            let ratio = find(name).and_then(|other| row.ratio(other));
            ratio.map_or_else(dash, |ratio| format!("{ratio:.2}"))
        };
        let time = spread(row.series("ns"));
        let rss = row
            .series("maxRssKiB")
            .into_iter()
            .fold(None, |most: Option<f64>, one| {
                Some(most.map_or(one, |most| most.max(one)))
            });
        lines.push(vec![
            row.name.into(),
            format!("{}/{}", row.good().count(), row.ran().count()),
            time,
            ratio("floor"),
            ratio("init-net"),
            rss.map_or_else(dash, |rss| format!("{rss:.0}")),
            median(row.series("cpuUs")).map_or_else(dash, |us| format!("{:.1}", us / 1e3)),
            row.calls.map_or_else(dash, |calls| calls.to_string()),
            row.binary_kib.map_or_else(dash, |size| size.to_string()),
        ]);
    }
    let mut text = format!("\n{}\n", scenario.title());
    text.push_str(&aligned(&lines));
    for row in rows {
        if let Some(error) = row.error() {
            text.push_str(&format!("  FAILED {}: {error}\n", row.name));
        }
        for run in row.good().filter(|run| run["wakeUps"].is_i64()) {
            text.push_str(&format!(
                "  {}: RSS {} KiB, private {} KiB, anonymous {} KiB; in {} s {} wake-ups, {} ns of CPU\n",
                row.name, run["rssKiB"], run["privateKiB"], run["anonymousKiB"], run["watchedS"], run["wakeUps"], run["cpuNs"]
            ));
            if let helper @ Value::Object(_) = &run["helper"] {
                text.push_str(&format!(
                    "    and its {}: RSS {} KiB, private {} KiB, anonymous {} KiB; {} wake-ups\n",
                    helper["program"].as_str().unwrap_or_default(),
                    helper["rssKiB"],
                    helper["privateKiB"],
                    helper["anonymousKiB"],
                    helper["wakeUps"]
                ));
            }
        }
        stages(row, &mut text);
        for run in row.good() {
            repairs(run, &mut text);
            churn(run, &mut text);
        }
    }
    text
}

/// A line for each stage that is timed inside the process: the median of the rounds.
fn stages(row: &Row, text: &mut String) {
    let mut stages: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in row.good() {
        for (stage, ns) in run["inside"].as_object().into_iter().flatten() {
            stages.entry(stage).or_default().extend(ns.as_f64());
        }
    }
    for (stage, times) in stages {
        text.push_str(&format!(
            "  inside {}: {stage} {} ms\n",
            row.name,
            spread(times)
        ));
    }
}

/// A line for each kind of thing that was broken and repaired.
fn repairs(run: &Value, text: &mut String) {
    for (kind, times) in run["repairs"].as_object().into_iter().flatten() {
        let times: Vec<f64> = times
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .collect();
        let (Some(least), Some(most)) = (times.first(), times.last()) else {
            continue;
        };
        let (least, most) = (milliseconds(*least), milliseconds(*most));
        let middle = median(times.clone()).map(milliseconds).unwrap_or_default();
        text.push_str(&format!("  {kind:<14} {middle} ({least}–{most}) ms\n"));
    }
}

/// A line for each thing that others did.
fn churn(run: &Value, text: &mut String) {
    for (what, cpu) in run["churn"].as_object().into_iter().flatten() {
        let cpu = |key: &str| milliseconds(cpu[key].as_f64().unwrap_or_default());
        text.push_str(&format!(
            "  {what:<8} CPU: init-net {} ms, ip monitor {} ms\n",
            cpu("oursNs"),
            cpu("monitorNs")
        ));
    }
}

/// First column to the left, the others to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            match column {
                0 => text.push_str(&format!("  {cell:<width$}")),
                _ => text.push_str(&format!("  {cell:>width$}")),
            }
        }
        text.push('\n');
    }
    text
}

/// The same for programs, with every round.
pub fn value(scenario: Scenario, rows: &[Row]) -> Value {
    let rows = rows.iter().map(|row| {
        json!({
            "peer": row.name,
            "medianNs": median(row.series("ns")),
            "binaryKiB": row.binary_kib,
            "calls": row.calls,
            "error": row.error(),
            "rounds": row.rounds,
        })
    });
    json!({ "scenario": scenario.name(), "rows": rows.collect::<Vec<_>>() })
}
