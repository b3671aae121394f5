//! Shared addresses: for how long nobody answers when who has one goes, beside keepalived at the same interval and time.
//!
//! Two machines and a client on a bridge, for each contestant a network of its own; both run at once. The client pings the
//! address each 5 ms. The machines have equal parts: who took the address last is the next to go.

mod machine;
mod table;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use qemu::Lab;
use qemu::vip::{Observer, Seen, Segment, Station};
use serde_json::{Value, json};

use crate::Result;
use machine::Machine;

/// Runs of each case.
const RUNS: usize = 50;

/// Between two pings.
const PERIOD: Duration = Duration::from_millis(5);

/// What is shared.
pub const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 56, 0, 100));

/// How long the address has been where it is before the next event, at least: everybody has heard of everybody, and a check has
/// succeeded twice.
const REST: Duration = Duration::from_millis(1000);

/// What ends a wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is seen after the other one has it: a second owner would show.
const AFTER: Duration = Duration::from_millis(300);

/// Who shares the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    InitNet,
    Keepalived,
}

/// What happens to the machine that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Its daemon is told to end.
    Graceful,
    /// Its cable is pulled, then its daemon is killed.
    Crash,
    /// What the address is for does not answer any more, and a check tells.
    Unfit,
    /// The two cannot hear each other, and then can again: how long both answer from then on.
    Heal,
    /// Its daemon alone is killed.
    Killed,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub what: What,
    pub interval: Duration,
    /// The most of the 99th percentile, where something is promised.
    pub budget: Option<Duration>,
}

const fn case(what: What, interval: u64, budget: Option<u64>) -> Case {
    Case {
        what,
        interval: Duration::from_millis(interval),
        budget: match budget {
            Some(budget) => Some(Duration::from_millis(budget)),
            None => None,
        },
    }
}

const CASES: [Case; 7] = [
    case(What::Graceful, 200, Some(150)),
    case(What::Graceful, 100, Some(150)),
    case(What::Crash, 200, Some(750)),
    case(What::Crash, 100, Some(500)),
    case(What::Unfit, 200, Some(1200)),
    case(What::Heal, 200, Some(200)),
    case(What::Killed, 200, None),
];

/// What one run has shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// The longest time without an answer; of [`What::Heal`] how long both answered; of [`What::Unfit`] the time until the other
    /// machine answered.
    pub gap: Duration,
    /// The longest time in which both answered, outside a partition.
    pub two: Duration,
}

/// All cases; answers with the text, and with every run.
pub fn perform(runs: Option<usize>, release: &Path) -> Result<(String, Value)> {
    let runs = runs.unwrap_or(RUNS);
    let mut rows = Vec::new();
    for case in CASES {
        eprintln!("bench: vip: {:?} at {:?}", case.what, case.interval);
        let mut whos = vec![Who::InitNet];
        // Its scripts run once a second at the most.
        if !matches!(case.what, What::Unfit) {
            whos.push(Who::Keepalived);
        }
        let shown = std::thread::scope(|scope| {
            let threads: Vec<_> = whos
                .iter()
                .map(|who| scope.spawn(move || measure(*who, case, runs, release)))
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.collect::<Vec<_>>()
        });
        for (who, shown) in whos.into_iter().zip(shown) {
            let shown = shown.map_err(|_| "a contestant's thread panicked")?;
            let shown = shown.map_err(|error| error.to_string());
            rows.push((case, who, shown));
        }
    }
    let value = rows.iter().map(|(case, who, shown)| {
        let runs = shown.as_ref().map(|runs| {
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            runs.iter()
                .map(|run| json!({"gapMs": ms(run.gap), "twoMs": ms(run.two)}))
                .collect::<Vec<_>>()
        });
        json!({
            "case": format!("{:?}", case.what),
            "intervalMs": case.interval.as_millis() as u64,
            "who": format!("{who:?}"),
            "runs": runs.as_ref().ok(),
            "error": runs.as_ref().err(),
        })
    });
    let value = value.collect();
    Ok((table::text(&rows), value))
}

type Runs = std::result::Result<Vec<Shown>, String>;

fn measure(who: Who, case: Case, runs: usize, release: &Path) -> Runs {
    let measured = || -> Result<Vec<Shown>> {
        let name = format!("vip-{who:?}-{:?}-{}", case.what, case.interval.as_millis());
        let lab = Lab::new(&name)?;
        let segment = Segment::new()?;
        let client = segment.station(1)?;
        let observer = Observer::start(&client, VIP, PERIOD)?;
        let stations = [segment.station(2)?, segment.station(3)?];
        let mut machines = stations.map(|station| Machine::new(who, case, station, release));
        for machine in &mut machines {
            machine.start(&lab)?;
        }
        let start = observer.mark("start");
        let mut owner = usize::from(first_owner(&observer, &machines, start)? == machines[1].mac());
        let mut shown = Vec::new();
        for run in 0..runs {
            // Not in step with the advertisements.
            let phase = case.interval * ((run * 37) % 100) as u32 / 100;
            std::thread::sleep(REST + phase);
            let run = once(&lab, &segment, &observer, &mut machines, owner, case)?;
            shown.push(run);
            if case.what != What::Heal {
                owner = 1 - owner;
            } else {
                let now = observer.mark("healed");
                owner = usize::from(first_owner(&observer, &machines, now)? == machines[1].mac());
            }
        }
        Ok(shown)
    };
    measured().map_err(|error| error.to_string())
}

/// Who of the two answers first from `moment` on.
fn first_owner(observer: &Observer, machines: &[Machine; 2], moment: Duration) -> Result<[u8; 6]> {
    let macs = [machines[0].mac(), machines[1].mac()];
    let answers = |seen: &Seen| matches!(seen, Seen::Reply { mac, .. } if macs.contains(mac));
    let at = observer.wait_for("an owner", moment, PATIENCE, answers)?;
    let timeline = observer.timeline();
    let first = timeline
        .events()
        .iter()
        .find(|event| event.at >= at && answers(&event.what));
    match first.map(|event| &event.what) {
        Some(Seen::Reply { mac, .. }) => Ok(*mac),
        _ => Err("nobody answered".into()),
    }
}

/// One event, what came of it, and everything as before with the parts changed.
fn once(
    lab: &Lab,
    segment: &Segment,
    observer: &Observer,
    machines: &mut [Machine; 2],
    owner: usize,
    case: Case,
) -> Result<Shown> {
    let other = machines[1 - owner].mac();
    let port = machines[owner].port();
    if case.what == What::Heal {
        let shown = heal(segment, observer, machines, owner, case)?;
        // As below, and any of the two may have won.
        for machine in machines {
            machine.stop()?;
            machine.start(lab)?;
        }
        return Ok(shown);
    }
    let from = observer.mark("event");
    match case.what {
        What::Graceful => machines[owner].stop()?,
        What::Crash => {
            segment.set_carrier(&port, false)?;
            machines[owner].kill()?;
        }
        What::Unfit => machines[owner].close_service(),
        What::Killed => machines[owner].kill()?,
        What::Heal => {}
    }
    let is_other = |seen: &Seen| matches!(seen, Seen::Reply { mac, .. } if *mac == other);
    let taken = observer.wait_for("the other one", from, PATIENCE, is_other)?;
    std::thread::sleep(AFTER);
    let timeline = observer.timeline();
    let to = observer.mark("seen");
    let shown = Shown {
        // The machine itself answers on until its check has told.
        gap: match case.what {
            What::Unfit => taken.saturating_sub(from),
            _ => timeline.longest_gap(from..to).unwrap_or(PATIENCE),
        },
        two: timeline.longest_overlap(from..to),
    };
    if case.what == What::Crash {
        machines[owner].forget_address()?;
        segment.set_carrier(&port, true)?;
    } else if case.what == What::Killed {
        machines[owner].forget_address()?;
    }
    if case.what == What::Unfit {
        // A machine that changes too often waits, and would from the fourth run on: each run meets one that has just begun.
        machines[owner].stop()?;
        machines[owner].open_service()?;
    }
    machines[owner].start(lab)?;
    Ok(shown)
}

/// Both are alone, both have it, and then they hear each other again.
fn heal(
    segment: &Segment,
    observer: &Observer,
    machines: &[Machine; 2],
    owner: usize,
    case: Case,
) -> Result<Shown> {
    let port = machines[1 - owner].port();
    segment.cut_off(&port)?;
    std::thread::sleep(case.interval * 4 + Duration::from_millis(300));
    let both = machines[1 - owner].has_address()?;
    if !both {
        return Err("the machine that was cut off did not take the address".into());
    }
    let from = observer.mark("together");
    segment.join(&port)?;
    std::thread::sleep(Duration::from_secs(1));
    let timeline = observer.timeline();
    let macs = [machines[0].mac(), machines[1].mac()];
    // The last answer of who gave way.
    let last = macs.map(|mac| {
        timeline.last_before(
            from + Duration::from_secs(1),
            |seen| matches!(seen, Seen::Answer { mac: of } if *of == mac),
        )
    });
    let gave_way = last.into_iter().flatten().min().unwrap_or(from);
    let both = gave_way.saturating_sub(from);
    Ok(Shown {
        gap: both,
        two: both,
    })
}

/// The link of a station.
pub const LINK: &str = "eth0";

/// Of a station, for [`Machine`].
pub fn mac_of(station: &Station) -> [u8; 6] {
    station.mac()
}
