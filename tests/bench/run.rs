//! One run: a process of its own that makes a network, a server and a place for one contestant, watches it, prints one
//! line of JSON and is gone with all of it.
#![allow(unsafe_code)]

use std::fs;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use nix::mount::MsFlags;
use nix::mount::mount;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sched::unshare;
use nix::sys::inotify::AddWatchFlags;
use nix::sys::inotify::InitFlags;
use nix::sys::inotify::Inotify;
use qemu::Namespace;
use qemu::process;
use serde_json::Value;
use serde_json::json;

use crate::Result;
use crate::churn;
use crate::contestant::Contestant;
use crate::contestant::Scenario;
use crate::nanny::Nanny;
use crate::nanny::Start;
use crate::notice::Notice;
use crate::notice::Notices;
use crate::notice::now;
use crate::place;
use crate::place::SERVER;
use crate::repair;
use crate::rest;

/// Before the start: the kernel takes the namespaces of the run before apart, under locks that a start would wait for.
const SETTLE: Duration = Duration::from_millis(100);

/// A contestant that is done and does not exit by itself is stopped; one that is about to exit may do so.
const EXIT_WAIT_NS: i64 = 300_000_000;

/// Exactly the first: a bucket of one packet that takes an hour to fill again.
const DROP_FIRST: &str = "table inet bench { chain input { type filter hook input priority 0; \
    udp dport 67 limit rate 1/hour burst 1 packets drop ; } ; }";

/// What a run needs to know.
#[derive(Debug)]
pub struct Run<'a> {
    pub bench: &'a Path,
    pub launcher: &'a Path,
    pub scenario: Scenario,
    pub contestant: &'a Contestant,
    /// Count system calls with strace(1); the times are then meaningless.
    pub count_calls: bool,
}

/// Times of one run, ns of CLOCK_MONOTONIC, as they come in.
#[derive(Debug, Default)]
struct Times {
    start: Option<i64>,
    address: Option<i64>,
    route: Option<i64>,
    resolver: Option<i64>,
    exit: Option<i64>,
    status: Option<i32>,
    launcher_cpu: i64,
    total: Option<(i64, i64)>,
}

impl Run<'_> {
    /// Does it all, in this process, which must have one thread and end afterwards.
    pub fn perform(&self) -> Result<Value> {
        go_first();
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)?;
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_PRIVATE | MsFlags::MS_REC,
            None::<&str>,
        )?;
        fs::create_dir_all(self.bench.join("calls"))?;
        let scratch = self.bench.join("scratch");
        fs::create_dir_all(&scratch)?;
        place::tmpfs(&scratch)?;
        let (client, server) = place::network()?;
        setns(File::open(client.path())?, CloneFlags::CLONE_NEWNET)?;
        nix::unistd::sethostname("client")?;
        let root = self.contestant.root.folder(self.bench);
        place::prepare(&root)?;
        let notices = Notices::new(self.scenario.is_dynamic())?;
        // Where nobody asks it as well: with an idle other end the kernel takes 6 ms longer to bring the link up.
        let _dnsmasq = place::dnsmasq(&server, &scratch)?;
        // No thread can start after this: what follows is as it is between fork and exec.
        unshare(CloneFlags::CLONE_NEWPID)?;
        let output = scratch.join("output");
        let start = Start {
            arguments: self.arguments(&root),
            output: File::create(&output)?,
        };
        let mut nanny = Nanny::fork(&root, start)?;
        if self.scenario == Scenario::LostPacket {
            process::run(server.command("nft").arg(DROP_FIRST))?;
        }
        if self.contestant.link_up {
            client.ip("link set eth0 up")?;
        }
        let folder = root.join(self.contestant.resolver);
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let written =
            AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CREATE;
        if self.scenario.is_dynamic() {
            inotify.add_watch(&folder, written)?;
        }

        let mut times = Times::default();
        let mut lines = String::new();
        let mut finished_at = None;
        let mut value = json!({});
        let deadline = now() + Contestant::LIMIT.as_nanos() as i64;
        sleep(SETTLE);
        nanny.go()?;
        while times.total.is_none() {
            // A report that came in time is read even when we are late.
            wait(&[
                notices.socket.as_fd(),
                inotify.as_fd(),
                nanny.report.as_fd(),
            ])?;
            let at = now();
            if self.scenario.is_dynamic() {
                for notice in notices.read() {
                    match notice {
                        Notice::Address => times.address.get_or_insert(at),
                        Notice::DefaultRoute => times.route.get_or_insert(at),
                    };
                }
                // Always read: a descriptor that stays ready would make this loop take the contestant's processor.
                let written = inotify.read_events().is_ok();
                if times.resolver.is_none() && written && names_resolver(&folder) {
                    times.resolver = Some(at);
                }
            }
            if readable(nanny.report.as_fd())? {
                let mut bytes = [0; 256];
                let length = nix::unistd::read(&nanny.report, &mut bytes)?;
                if length == 0 {
                    break;
                }
                lines.push_str(&String::from_utf8_lossy(&bytes[..length]));
                times.read(&mut lines);
            }
            let done_at = self.done(&times).filter(|_| finished_at.is_none());
            let over = times.exit.is_some() || done_at.is_some_and(|done| at > done + EXIT_WAIT_NS);
            if finished_at.is_none()
                && (done_at.is_some() && over || at > deadline || times.failed())
            {
                if done_at.is_some() {
                    value = match self.scenario {
                        Scenario::Rest => rest::measure(&root.join("proc"), self.contestant)?,
                        Scenario::Repair => repair::measure(&root)?,
                        Scenario::Churn => churn::measure(&root, &client, &scratch)?,
                        _ => value,
                    };
                }
                value["routes"] = json!(count_routes(&client)?);
                nanny.finish()?;
                finished_at = Some(at);
            }
        }
        self.report(&times, value, &output)
    }

    /// The contestant's command line, through the launcher and perhaps strace.
    fn arguments(&self, root: &Path) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.count_calls {
            let strace = ["/usr/bin/strace", "-f", "-qq", "-r", "-o"].map(str::to_owned);
            arguments.extend(strace);
            arguments.push(self.calls_log().display().to_string());
        }
        arguments.push(self.launcher.display().to_string());
        arguments.extend([
            "enter".into(),
            "@REPORT@".into(),
            root.display().to_string(),
        ]);
        arguments.extend(self.contestant.command.iter().cloned());
        arguments
    }

    /// What strace wrote, kept to be read: target/bench/calls/.
    fn calls_log(&self) -> PathBuf {
        let name = format!("{}-{}.log", self.scenario.name(), self.contestant.name);
        self.bench.join("calls").join(name.replace([' ', ','], ""))
    }

    /// When the scenario's condition was met, ns.
    fn done(&self, times: &Times) -> Option<i64> {
        let start = times.start?;
        let end = match self.scenario {
            Scenario::Dhcp | Scenario::LostPacket => {
                times.address?.max(times.route?).max(times.resolver?)
            }
            Scenario::Rest => {
                let configured = times.address?.max(times.route?).max(times.resolver?);
                match self.contestant.stays {
                    true => configured,
                    false => configured.max(times.exit?),
                }
            }
            Scenario::Static(_)
            | Scenario::Check
            | Scenario::Firewall(_)
            | Scenario::Start
            | Scenario::Repair
            | Scenario::Churn => times.exit?,
        };
        (end > start).then_some(end)
    }

    fn report(&self, times: &Times, mut value: Value, output: &Path) -> Result<Value> {
        let since_start = |at: Option<i64>| Some(at? - times.start?);
        let mut error = None;
        let expected = match self.scenario {
            // The connected prefix is one too.
            Scenario::Static(routes) => Some(routes + 1),
            _ => None,
        };
        if self.done(times).is_none() {
            error = Some(format!(
                "not configured: address {}, default route {}, resolver {}",
                times.address.is_some(),
                times.route.is_some(),
                times.resolver.is_some()
            ));
        } else if times.failed() {
            error = Some(format!("wait status {:?}", times.status));
        } else if expected.is_some_and(|expected| value["routes"] != json!(expected)) {
            error = Some(format!("{} routes in the kernel", value["routes"]));
        }
        if let Some(error) = error {
            let said = fs::read_to_string(output).unwrap_or_default();
            let said: Vec<&str> = said.lines().rev().take(4).collect();
            value["error"] = json!(format!("{error}; it said: {}", said.join(" / ")));
        }
        if let Scenario::Firewall(rules) = self.scenario
            && value["error"].is_null()
        {
            value["inside"] = match self.contestant.name {
                "floor" => json!({ "batch": printed(output, "batch ") }),
                "init-net" => rules.inside()?,
                _ => Value::Null,
            };
        }
        value["ns"] = json!(since_start(self.done(times)));
        value["addressNs"] = json!(since_start(times.address));
        value["exitNs"] = json!(since_start(times.exit));
        value["maxRssKiB"] = json!(times.total.map(|total| total.0));
        value["cpuUs"] = json!(times.total.map(|total| total.1 - times.launcher_cpu));
        if self.count_calls {
            let log = fs::read_to_string(self.calls_log()).unwrap_or_default();
            value["calls"] = json!(calls(&log, &self.contestant.command[0]));
        }
        Ok(value)
    }
}

impl Times {
    fn read(&mut self, lines: &mut String) {
        while let Some(end) = lines.find('\n') {
            let line: String = lines.drain(..=end).collect();
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |place: usize| words.get(place).and_then(|word| word.parse().ok());
            match words.first() {
                Some(&"start") => {
                    self.start = number(1);
                    self.launcher_cpu = number(2).unwrap_or_default();
                }
                Some(&"exit") => {
                    self.exit = number(1);
                    self.status = number(2).map(|status| status as i32);
                }
                Some(&"total") => self.total = number(1).zip(number(2)),
                _ => {}
            }
        }
    }

    fn failed(&self) -> bool {
        self.status.is_some_and(|status| status != 0)
    }
}

/// Ahead of what else runs on the machine, and gone with the process that started us.
fn go_first() {
    // SAFETY: takes no pointers here.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::setsid();
        libc::setpriority(libc::PRIO_PROCESS, 0, -20);
    }
    // Where the scheduler groups by session, that group's weight counts and not ours. It may not do so here.
    let _ = fs::write("/proc/self/autogroup", "-20");
}

/// The number that a contestant printed behind `label`.
fn printed(output: &Path, label: &str) -> Option<u64> {
    let text = fs::read_to_string(output).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(label)?.trim().parse().ok())
}

/// A file of this folder holds the server's address.
fn names_resolver(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        fs::read_to_string(entry.path()).is_ok_and(|text| {
            text.lines().any(|line| {
                let named = line
                    .strip_prefix("nameserver ")
                    .or_else(|| line.strip_prefix("DNS="));
                named.is_some_and(|value| value.trim() == SERVER)
            })
        })
    })
}

fn count_routes(client: &Namespace) -> Result<usize> {
    Ok(client.ip("-4 route show")?.lines().count())
}

/// Between two looks at the clock while nothing comes.
const TURN_MS: u16 = 50;

fn wait(descriptors: &[std::os::fd::BorrowedFd<'_>]) -> Result<()> {
    let mut polled: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|&fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    poll(&mut polled, PollTimeout::from(TURN_MS))?;
    Ok(())
}

fn readable(descriptor: std::os::fd::BorrowedFd<'_>) -> Result<bool> {
    let mut polled = [PollFd::new(descriptor, PollFlags::POLLIN)];
    Ok(poll(&mut polled, PollTimeout::ZERO)? > 0)
}

/// System calls in strace's log, from the contestant's own execve on.
fn calls(log: &str, program: &str) -> usize {
    let own = format!("execve(\"{program}\"");
    let lines = log.lines().skip_while(|line| !line.contains(&own));
    // "12      0.000013 read(3, …": a resumed call, a signal or an exit is no call.
    lines
        .filter(|line| {
            let text = line.trim_start_matches(|letter: char| {
                letter.is_ascii_digit() || letter == ' ' || letter == '.'
            });
            text.starts_with(|letter: char| letter.is_ascii_lowercase()) && text.contains('(')
        })
        .count()
}
