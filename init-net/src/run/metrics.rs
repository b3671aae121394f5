//! Counters and gauges in the text form of OpenMetrics 1.0, for `init-net metrics` and as a file for a node exporter.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::core::{Core, LEVELS};
use crate::state::nft::{Counter, TableStatus, Verdict};
use crate::state::{VipState, VipStatus};
use crate::sys;
use crate::value::{Duration, Instant};

/// Least time between two files: a collector reads them every 15 s or less often.
const PERIOD: Duration = Duration::from_secs(15);

/// World-readable: the exporter is another user.
const MODE: u32 = 0o644;

/// Metric families, as the text of the format.
struct Text(String);

impl Text {
    /// A family begins: its type and what it is.
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        self.line(format_args!("# TYPE {name} {kind}"));
        if !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {help}"));
    }

    /// A sample; `labels` as name and value.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let mut line = name.to_owned();
        for (at, (label, value)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            line.push_str(&format!("{open}{label}=\"{}\"", escape(value)));
        }
        if !labels.is_empty() {
            line.push('}');
        }
        self.line(format_args!("{line} {value}"));
    }

    fn line(&mut self, line: core::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("writing to a String cannot fail");
    }

    /// A family of one counter.
    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", "", help);
        self.sample(&format!("{name}_total"), &[], value as f64);
    }
}

/// Backslash, quote and line end, as the format wants them.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Everything, at `now`. `filtered`: what the firewall has counted by now, for who looked; in the file there is none of it,
/// since nobody is woken by packets.
pub fn render(core: &Core, filtered: Option<&TableStatus>, now: Instant) -> String {
    let mut text = Text(String::new());
    counters(core, &mut text);
    gauges(core, &mut text);
    if let Some(table) = filtered {
        packets(table, &mut text);
    }
    lease_seconds(core, now, &mut text);
    text.0.push_str("# EOF\n");
    text.0
}

fn counters(core: &Core, text: &mut Text) {
    let counters = core.record().counters();
    let name = "initnet_rounds";
    text.counter(name, "Plans that had something to do.", counters.rounds);
    let name = "initnet_ops";
    text.family(
        name,
        "counter",
        "",
        "Ops that were tried, by kind and result.",
    );
    for ((op, done), count) in &counters.ops {
        let result = if *done { "done" } else { "failed" };
        let labels = [("op", *op), ("result", result)];
        text.sample("initnet_ops_total", &labels, *count as f64);
    }
    let name = "initnet_repairs";
    let help = "Ops that undid what somebody else did, by kind of resource.";
    text.family(name, "counter", "", help);
    for (kind, count) in &counters.repairs {
        text.sample("initnet_repairs_total", &[("kind", kind)], *count as f64);
    }
    let name = "initnet_leases";
    text.family(name, "counter", "", "Leases that came, went on and went.");
    for (event, count) in [
        ("bound", counters.bound),
        ("renewed", counters.renewed),
        ("lost", counters.lost),
    ] {
        text.sample("initnet_leases_total", &[("event", event)], count as f64);
    }
    let name = "initnet_look_seconds";
    text.family(
        name,
        "summary",
        "seconds",
        "Time that looks at the kernel took.",
    );
    text.sample("initnet_look_seconds_count", &[], counters.looks as f64);
    let took = counters.look_time.as_secs_f64();
    text.sample("initnet_look_seconds_sum", &[], took);
    let name = "initnet_looks_failed";
    text.counter(name, "Looks that could not be had.", counters.failed_looks);
    let name = "initnet_conflicts";
    text.counter(
        name,
        "Hosts that had an address of ours.",
        counters.conflicts,
    );
    let name = "initnet_configs";
    text.counter(
        name,
        "Times that other sources came to count.",
        counters.configs,
    );
    let ring = core.record().ring();
    text.counter("initnet_events", "Events.", ring.count());
    let name = "initnet_events_dropped";
    text.counter(name, "Events that are kept no longer.", ring.dropped());
}

fn gauges(core: &Core, text: &mut Text) {
    let name = "initnet_ready";
    text.family(
        name,
        "gauge",
        "",
        "Whether a level of readiness is reached.",
    );
    let readiness = core.readiness();
    for (level, label) in LEVELS {
        let reached = u8::from(readiness.reached(level));
        text.sample(name, &[("level", label)], reached.into());
    }
    let links = core.last_observed().map(|observed| &observed.links);
    let links: Vec<_> = links.into_iter().flat_map(|links| links.values()).collect();
    let works = links
        .iter()
        .filter(|link| link.is_up() && link.has_carrier());
    let works = works.count() as f64;
    text.family("initnet_links", "gauge", "", "Links that there are.");
    text.sample("initnet_links", &[], links.len() as f64);
    let name = "initnet_links_up";
    text.family(name, "gauge", "", "Links that are up with carrier.");
    text.sample(name, &[], works);
    let name = "initnet_firewall_in_force";
    let help = "Whether the firewall that is desired is in force; 0 as well where none is.";
    text.family(name, "gauge", "", help);
    text.sample(name, &[], u8::from(core.firewall_is_in_force()).into());
    let failing = core.failures().len() as f64;
    let name = "initnet_ops_failing";
    text.family(name, "gauge", "", "Ops that fail and are retried.");
    text.sample(name, &[], failing);
    shared(core, text);
}

/// Shared addresses, by link and address.
fn shared(core: &Core, text: &mut Text) {
    let all = core.vips().statuses();
    let all: Vec<(String, &VipStatus)> = all
        .iter()
        .map(|((link, ip), status)| (format!("{link}/{ip}"), status))
        .collect();
    let name = "initnet_vip_active";
    let help = "Whether this machine has the shared address.";
    text.family(name, "gauge", "", help);
    for (vip, status) in &all {
        let active = u8::from(status.state == VipState::Active);
        text.sample(name, &[("vip", vip)], active.into());
    }
    let name = "initnet_vip_healthy";
    let help = "Whether the check says that this machine is fit; nothing where it has not said.";
    text.family(name, "gauge", "", help);
    for (vip, status) in &all {
        if let Some(healthy) = status.healthy {
            text.sample(name, &[("vip", vip)], u8::from(healthy).into());
        }
    }
    let name = "initnet_vip_promotions";
    let help = "How often this machine got the shared address.";
    text.family(name, "counter", "", help);
    for (vip, status) in &all {
        let promotions = status.promotions.into();
        text.sample("initnet_vip_promotions_total", &[("vip", vip)], promotions);
    }
}

/// What chains that others jump to are called together: there is one for each limit of a rule.
const LIMITS: &str = "limits";

/// By chain and what became of them, as the rules say: a chain whose default is no rule counts nothing for it.
fn packets(status: &TableStatus, text: &mut Text) {
    let mut sums: BTreeMap<(&str, &str), Counter> = BTreeMap::new();
    for (chain, counters) in status.table.chains.iter().zip(&status.counters) {
        let name = chain.base.map_or(LIMITS, |_| &chain.name);
        for (rule, counter) in chain.rules.iter().zip(counters) {
            let verdict = match &rule.verdict {
                Verdict::Accept => "accepted",
                Verdict::Drop => "dropped",
                Verdict::Reject(_) => "rejected",
                // Counted where it ends.
                Verdict::Jump(_) | Verdict::Return | Verdict::Continue => continue,
            };
            let sum = sums.entry((name, verdict)).or_default();
            sum.packets = sum.packets.saturating_add(counter.packets);
            sum.bytes = sum.bytes.saturating_add(counter.bytes);
        }
    }
    let about = "that rules of the firewall decided on, by chain and verdict.";
    let mut family = |name: &str, unit: &str, what: &str, of: fn(&Counter) -> u64| {
        text.family(name, "counter", unit, &format!("{what} {about}"));
        for ((chain, verdict), sum) in &sums {
            let labels = [("chain", *chain), ("verdict", *verdict)];
            text.sample(&format!("{name}_total"), &labels, of(sum) as f64);
        }
    };
    family("initnet_firewall_packets", "", "Packets", |sum| sum.packets);
    family("initnet_firewall_bytes", "bytes", "Bytes", |sum| sum.bytes);
}

/// Runs down with the time; a lease without end has none.
fn lease_seconds(core: &Core, now: Instant, text: &mut Text) {
    let name = "initnet_lease_remaining_seconds";
    text.family(name, "gauge", "seconds", "Time until a lease ends.");
    for fact in core.lease_facts() {
        let id = fact.get("id").and_then(serde_json::Value::as_str);
        let end = fact.get("expiresAt").and_then(serde_json::Value::as_u64);
        if let (Some(id), Some(end)) = (id, end) {
            let left = Instant::from_nanos(end).saturating_since(now);
            text.sample(name, &[("client", id)], left.as_secs() as f64);
        }
    }
}

/// The file of `initnet.metrics=`: replaced when something was counted, never more often than every [`PERIOD`]. Only what
/// changes sooner after that wakes the loop, once.
#[derive(Debug, Default)]
pub struct MetricsFile {
    path: Option<PathBuf>,
    /// All but what runs down with the time, as it was written last.
    written: String,
    not_before: Instant,
    /// Something else is to be written then.
    behind: bool,
    /// What was said about a failure, so that it is said once.
    failed: Option<String>,
}

impl MetricsFile {
    /// At `path`; `None`: nobody wants it.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            ..Self::default()
        }
    }

    /// When it is due; `None`: it says what there is to say.
    pub fn deadline(&self) -> Option<Instant> {
        self.behind.then_some(self.not_before)
    }

    /// Writes it, when it is due.
    pub fn update(&mut self, core: &Core, now: Instant) {
        let early = now < self.not_before;
        let Some(path) = self.path.as_deref().filter(|_| !(early && self.behind)) else {
            return;
        };
        let mut steady = Text(String::new());
        counters(core, &mut steady);
        gauges(core, &mut steady);
        self.behind = steady.0 != self.written;
        if early || !self.behind {
            return;
        }
        let text = render(core, None, now);
        match write(path, &text) {
            Ok(()) => {
                self.failed = None;
                self.written = steady.0;
                self.behind = false;
            }
            Err(error) => {
                let error = error.to_string();
                if self.failed.as_ref() != Some(&error) {
                    log::warn!("metrics: {}: {error}", path.display());
                    self.failed = Some(error);
                }
            }
        }
        self.not_before = now + PERIOD;
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    sys::file::replace(path, MODE, text.as_bytes())
}

#[cfg(test)]
mod tests;
