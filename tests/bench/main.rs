//! `scripts/bench`: init-net, its peers and the physical limit, side by side in one run.
//!
//! ```text
//!   main          rounds, contestants in turn, tables
//!    ├── root     Debian packages → the folder a peer runs in
//!    │    └── networkmanager  the bus and the files of one of them
//!    ├── contestant  who takes part in what
//!    └── run      one process a run: namespaces, cable, dnsmasq, what the kernel says and when
//!         ├── place    the cable, dnsmasq, the root's mounts
//!         ├── nanny    process 1 there; starts the contestant through floor/enter.rs, and ends it
//!         ├── notice   rtnetlink notifications
//!         ├── firewall the same rules in three languages, and our own stages
//!         ├── rest     a supervisor with nothing to do
//!         ├── repair   one that puts right what somebody breaks
//!         └── churn    one beside a hundred thousand routes of others
//!   vip/          shared addresses, a table of its own
//!   floor/        the least that can be done, a program of its own
//! ```

mod churn;
mod contestant;
mod firewall;
mod nanny;
mod networkmanager;
mod notice;
mod place;
mod repair;
mod rest;
mod root;
mod run;
mod table;
mod vip;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use contestant::Contestant;
use contestant::Scenario;
use qemu::process::Process;
use root::Root;
use run::Run;
use serde_json::Value;
use serde_json::json;
use table::Row;

/// Whatever stopped us, for people.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: scripts/bench [--rounds N] [--only SCENARIO]… [--peer NAME]… [-o json]
scenarios: dhcp lost-packet static-1 static-1000 static-10000 check firewall-10 firewall-100 firewall-1000
           firewall-10000 firewall-set-10000 start rest repair churn vip";

/// Rounds that count; one more before them does not.
const ROUNDS: usize = 11;

/// How long others' use of the processors is looked at before a round.
const LOAD_SAMPLE: Duration = Duration::from_millis(100);

/// What a run may take beside its contestant's limit: making the place, watching a daemon for a minute.
const RUN_SPARE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("run") => {
            let value = one_run(&arguments[1..]);
            let value = value.unwrap_or_else(|error| json!({ "error": error.to_string() }));
            println!("{value}");
            Ok(true)
        }
        _ => Options::parse(&arguments).and_then(|options| Bench::new(options)?.perform()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
struct Options {
    rounds: usize,
    /// Runs of shared addresses; `None`: as many as they have by default.
    vip_runs: Option<usize>,
    /// Whether those are measured.
    vip: bool,
    scenarios: Vec<Scenario>,
    peers: Vec<String>,
    json: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            rounds: ROUNDS,
            vip_runs: None,
            vip: false,
            scenarios: Vec::new(),
            peers: Vec::new(),
            json: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or(USAGE)?;
            match word.as_str() {
                "--rounds" => {
                    options.rounds = value.parse().map_err(|_| USAGE)?;
                    options.vip_runs = Some(options.rounds);
                }
                "--only" if value == "vip" => options.vip = true,
                "--only" => options.scenarios.push(scenario(value)?),
                "--peer" => options.peers.push(value.clone()),
                "-o" if value == "json" => options.json = true,
                _ => return Err(USAGE.into()),
            }
        }
        if options.scenarios.is_empty() && !options.vip {
            options.scenarios = Scenario::ALL.to_vec();
            options.vip = true;
        }
        Ok(options)
    }
}

fn scenario(name: &str) -> Result<Scenario> {
    let found = Scenario::ALL
        .into_iter()
        .find(|scenario| scenario.name() == name);
    Ok(found.ok_or(USAGE)?)
}

/// The process of one run: `run SCENARIO CONTESTANT time|calls`.
fn one_run(arguments: &[String]) -> Result<Value> {
    let [name, peer, what] = arguments else {
        return Err(USAGE.into());
    };
    let scenario = scenario(name)?;
    let contestants = scenario.contestants();
    let contestant = contestants
        .iter()
        .find(|contestant| contestant.name == peer)
        .ok_or(USAGE)?;
    let (bench, release) = folders()?;
    let launcher = release.join("floor");
    let run = Run {
        bench: &bench,
        launcher: &launcher,
        scenario,
        contestant,
        count_calls: what == "calls",
    };
    run.perform()
}

/// target/bench, and where this program and the measured one were built.
fn folders() -> Result<(PathBuf, PathBuf)> {
    let program = std::env::current_exe()?;
    let release = program.parent().ok_or("no folder")?.to_owned();
    // target/TRIPLE/release
    let target = release.ancestors().nth(2).ok_or("not in a target folder")?;
    Ok((target.join("bench"), release))
}

#[derive(Debug)]
struct Bench {
    options: Options,
    bench: PathBuf,
    /// Roots that cannot be had, and why.
    missing: Vec<(Root, String)>,
    /// Others' share of the processors before each round, %.
    loads: Vec<f64>,
}

impl Bench {
    fn new(options: Options) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            return Err("needs root for namespaces".into());
        }
        let (bench, release) = folders()?;
        fs::create_dir_all(&bench)?;
        let mut missing = Vec::new();
        for root in Root::ALL {
            if let Err(error) = root.make(&bench, &release) {
                missing.push((root, error.to_string()));
            }
        }
        Ok(Self {
            options,
            bench,
            missing,
            loads: Vec::new(),
        })
    }

    /// Everything; false when a contestant failed.
    fn perform(&mut self) -> Result<bool> {
        let machine = machine()?;
        let mut tables = Vec::new();
        let mut text = format!("{machine}\n");
        let mut fine = true;
        for scenario in self.options.scenarios.clone() {
            let rows = self.scenario(scenario)?;
            fine &= rows.iter().all(|row| row.error().is_none());
            text.push_str(&table::text(scenario, &rows));
            tables.push(table::value(scenario, &rows));
        }
        let mut vips = Value::Null;
        if self.options.vip {
            let (_, release) = folders()?;
            let (rows, value) = vip::perform(self.options.vip_runs, &release)?;
            text.push_str(&rows);
            vips = value;
        }
        let load = match self.loads.as_slice() {
            [] => String::new(),
            loads => {
                let most = loads.iter().copied().fold(0.0, f64::max);
                let mean = loads.iter().sum::<f64>() / loads.len() as f64;
                format!(
                    "others' share of the processors before the rounds: {mean:.0} % (at most {most:.0} %)\n"
                )
            }
        };
        let results = json!({ "machine": machine, "loadPercent": self.loads, "tables": tables, "vips": vips });
        let path = self.bench.join("results.json");
        fs::write(&path, format!("{results:#}\n"))?;
        if self.options.json {
            println!("{results:#}");
        } else {
            println!("{load}{text}\nevery round: {}", path.display());
        }
        Ok(fine)
    }

    fn scenario(&mut self, scenario: Scenario) -> Result<Vec<Row>> {
        let mut contestants = scenario.contestants();
        let peers = &self.options.peers;
        contestants.retain(|contestant| {
            let name = contestant.name;
            peers.is_empty()
                || ["floor", "init-net"].contains(&name)
                || peers.iter().any(|peer| peer == name)
        });
        let mut rows: Vec<Row> = contestants
            .iter()
            .map(|contestant| self.row(contestant))
            .collect();
        let rounds = scenario.rounds(self.options.rounds);
        let warm_up = usize::from(!scenario.is_watched());
        for round in 0..rounds + warm_up {
            self.loads.push(busy_percent(LOAD_SAMPLE)?);
            eprintln!(
                "bench: {}: round {} of {rounds}",
                scenario.name(),
                round as isize - warm_up as isize + 1
            );
            for turn in 0..contestants.len() {
                let place = (round + turn) % contestants.len();
                let (contestant, row) = (&contestants[place], &mut rows[place]);
                if row.failed.is_some() {
                    continue;
                }
                let skipped = contestant.slow && round >= Contestant::SLOW_ROUNDS + warm_up;
                let run = if skipped {
                    Value::Null
                } else {
                    start_run(scenario, contestant, "time")
                };
                if round >= warm_up {
                    row.rounds.push(run);
                }
            }
        }
        let strace = Path::new("/usr/bin/strace").exists();
        for (contestant, row) in contestants.iter().zip(&mut rows) {
            if strace && row.failed.is_none() && !scenario.is_watched() && !contestant.slow {
                row.calls = start_run(scenario, contestant, "calls")["calls"].as_u64();
            }
        }
        Ok(rows)
    }

    fn row(&self, contestant: &Contestant) -> Row {
        let mut missing = self.missing.iter();
        let failed = missing
            .find(|(root, _)| *root == contestant.root)
            .map(|(_, error)| error.clone());
        let program = contestant.program().trim_start_matches('/');
        let path = contestant.root.folder(&self.bench).join(program);
        Row {
            name: contestant.name,
            rounds: Vec::new(),
            calls: None,
            binary_kib: fs::metadata(path)
                .ok()
                .map(|metadata| metadata.len().div_ceil(1024)),
            failed,
        }
    }
}

/// One run in a process of its own, which ends within the contestant's limit; what went wrong is in its value.
fn start_run(scenario: Scenario, contestant: &Contestant, what: &str) -> Value {
    let run = || -> Result<Value> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", &scenario.name(), contestant.name, what]);
        let mut process = Process::start(command.stdout(Stdio::piped()))?;
        let log = process.output(None).ok_or("no pipe from a run")?;
        // Its one line, or the end of the pipe; it ends by itself after that, and on drop at the latest.
        let line = log.wait_for("}", Contestant::LIMIT + RUN_SPARE)?;
        Ok(serde_json::from_str(&line)?)
    };
    run().unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

fn machine() -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let model = fs::read_to_string("/proc/cpuinfo")?;
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("", |model| model.trim_start_matches([' ', '\t', ':']));
    Ok(format!(
        "kernel {}, {cores} cores ({model}), load before {}",
        kernel.trim(),
        load.trim()
    ))
}

/// Use of all processors in the time of `sample`, in which we sleep.
fn busy_percent(sample: Duration) -> Result<f64> {
    let ticks = || -> Result<(u64, u64)> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|word| word.parse().ok())
            .collect();
        // user nice system idle iowait …
        let idle = ticks.iter().skip(3).take(2).sum();
        Ok((ticks.iter().sum(), idle))
    };
    let (all, idle) = ticks()?;
    sleep(sample);
    let (all_after, idle_after) = ticks()?;
    let all = (all_after - all).max(1) as f64;
    Ok(100.0 * (1.0 - (idle_after - idle) as f64 / all))
}
