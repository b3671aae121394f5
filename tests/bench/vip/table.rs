//! The table of shared addresses.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Case, Runs, Shown, What, Who};

/// Rows in the order of the cases, contestants below each other.
pub fn text(rows: &[(Case, Who, Runs)]) -> String {
    let mut text =
        "\nshared addresses: ms without an answer, or, after a partition, with two\n".to_owned();
    let _ = writeln!(
        text,
        "{:<34} {:<11} {:>5} {:>7} {:>7} {:>7} {:>9}  budget (p99)",
        "event, interval", "who", "runs", "p50", "p99", "max", "two, max"
    );
    for (case, who, runs) in rows {
        let what = match case.what {
            What::Graceful => "graceful stop",
            What::Crash => "cable pulled, daemon killed",
            What::Unfit => "service fails",
            What::Heal => "partition heals: two owners",
            What::Killed => "daemon alone killed",
        };
        let event = format!("{what}, {} ms", case.interval.as_millis());
        let who = match who {
            Who::InitNet => "init-net",
            Who::Keepalived => "keepalived",
        };
        let Ok(runs) = runs.as_ref().map_err(|error| {
            let _ = writeln!(text, "{event:<34} {who:<11} {error}");
        }) else {
            continue;
        };
        let gaps = sorted(runs, |run| run.gap);
        let two = sorted(runs, |run| run.two);
        let p99 = percentile(&gaps, 99);
        let budget = case.budget.map_or_else(String::new, |budget| {
            let verdict = if p99 <= budget { "holds" } else { "MISSED" };
            format!("{} ms: {verdict}", budget.as_millis())
        });
        let _ = writeln!(
            text,
            "{event:<34} {who:<11} {:>5} {:>7} {:>7} {:>7} {:>9}  {budget}",
            runs.len(),
            ms(percentile(&gaps, 50)),
            ms(p99),
            ms(percentile(&gaps, 100)),
            ms(percentile(&two, 100)),
        );
    }
    text
}

fn sorted(runs: &[Shown], of: impl Fn(&Shown) -> Duration) -> Vec<Duration> {
    let mut all: Vec<Duration> = runs.iter().map(of).collect();
    all.sort();
    all
}

/// Nearest rank.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1e3)
}
