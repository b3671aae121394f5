//! One run: a process of its own that makes a network, a server and a place for one contestant, watches it, prints one
//! line of JSON and is gone with all of it.
#![allow(unsafe_code)]

use std::fs;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
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
use nix::sys::stat::Mode;
use nix::sys::stat::SFlag;
use nix::sys::stat::makedev;
use nix::sys::stat::mknod;
use qemu::Deadline;
use qemu::Namespace;
use qemu::process;
use qemu::process::Process;
use serde_json::Value;
use serde_json::json;

use crate::Result;
use crate::contestant::Contestant;
use crate::contestant::Scenario;
use crate::nanny::Nanny;
use crate::nanny::Start;
use crate::notice::Notice;
use crate::notice::Notices;
use crate::notice::now;
use crate::rest;

/// The server, its router and its resolver.
const SERVER: &str = "192.0.2.1";

/// dnsmasq says that it runs after milliseconds.
const SERVER_START: Duration = Duration::from_secs(10);

/// Between two looks at its log.
const SERVER_POLL: Duration = Duration::from_millis(2);

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
        tmpfs(&scratch)?;
        let (client, server) = network()?;
        setns(File::open(client.path())?, CloneFlags::CLONE_NEWNET)?;
        nix::unistd::sethostname("client")?;
        let root = self.contestant.root.folder(self.bench);
        self.prepare(&root)?;
        let notices = Notices::new(self.scenario.is_dynamic())?;
        // Where nobody asks it as well: with an idle other end the kernel takes 6 ms longer to bring the link up.
        let _dnsmasq = dnsmasq(&server, &scratch)?;
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
                if self.scenario == Scenario::Rest && done_at.is_some() {
                    value = rest::measure(&root.join("proc"))?;
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
            Scenario::Rest => times
                .exit?
                .max(times.address?)
                .max(times.route?)
                .max(times.resolver?),
            Scenario::Static(_) | Scenario::Start => times.exit?,
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

    /// Mounts over the root's folders, so that a run starts from the same state and changes nothing on a disk.
    fn prepare(&self, root: &Path) -> Result<()> {
        let etc = root.join("etc");
        let kept = read_folder(&etc, Path::new(""))?;
        for name in ["etc", "run", "tmp", "dev", "var"] {
            tmpfs(&root.join(name))?;
        }
        for (path, bytes) in kept {
            let path = etc.join(path);
            fs::create_dir_all(path.parent().expect("inside etc"))?;
            fs::write(path, bytes)?;
        }
        let folders = [
            "run/systemd/netif/leases",
            "run/systemd/netif/links",
            "var/lib/dhcpcd",
            "var/run",
        ];
        for folder in folders {
            fs::create_dir_all(root.join(folder))?;
        }
        // networkd gives up root; the number is the one of etc/passwd in root.rs.
        for folder in ["", "/leases", "/links"] {
            let folder = root.join(format!("run/systemd/netif{folder}"));
            std::os::unix::fs::chown(folder, Some(101), Some(101))?;
        }
        for (name, minor) in [("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)] {
            let path = root.join("dev").join(name);
            mknod(
                &path,
                SFlag::S_IFCHR,
                Mode::from_bits_truncate(0o666),
                makedev(1, minor),
            )?;
        }
        // Read-only: this tells networkd that there is no udev to wait for.
        let sys = root.join("sys");
        mount(
            Some("sysfs"),
            &sys,
            Some("sysfs"),
            MsFlags::MS_RDONLY,
            None::<&str>,
        )?;
        Ok(())
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

/// Two namespaces and a cable: `eth0`, down, in the first, `srv0` with the server's address in the second.
fn network() -> Result<(Namespace, Namespace)> {
    let (client, server) = (Namespace::new()?, Namespace::new()?);
    client.veth("eth0", &server, "srv0")?;
    server.ip(&format!("address add {SERVER}/24 dev srv0"))?;
    server.ip("link set srv0 up")?;
    Ok((client, server))
}

fn dnsmasq(server: &Namespace, scratch: &Path) -> Result<Process> {
    let (leases, log) = (scratch.join("leases"), scratch.join("dnsmasq.log"));
    let mut command = server.command("dnsmasq");
    command.args([
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-hosts",
        "--no-resolv",
    ]);
    command.args([
        "--pid-file=",
        "--user=root",
        "--group=root",
        "--interface=srv0",
    ]);
    command.args(["--bind-interfaces", "--except-interface=lo", "--no-ping"]);
    command.args([
        "--dhcp-authoritative",
        "--dhcp-range=192.0.2.50,192.0.2.99,1h",
    ]);
    command.arg(format!("--dhcp-leasefile={}", leases.display()));
    command.arg(format!("--log-facility={}", log.display()));
    let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    let deadline = Deadline::after(SERVER_START);
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains("started, version")) {
        deadline.remaining().ok_or("dnsmasq does not start")?;
        sleep(SERVER_POLL);
    }
    Ok(process)
}

fn tmpfs(path: &Path) -> Result<()> {
    mount(
        Some("tmpfs"),
        path,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )?;
    Ok(())
}

/// Files below a folder, with their paths in it.
fn read_folder(folder: &Path, inside: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.join(inside))? {
        let entry = entry?;
        let path = inside.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(read_folder(folder, &path)?);
        } else if kind.is_file() {
            files.push((path, fs::read(entry.path())?));
        }
    }
    Ok(files)
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

/// A fresh process for one run.
pub fn command() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}
