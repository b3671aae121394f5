//! A machine of one's own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use init_net::sys::mount;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use qemu::peer::dnsmasq::{Builder, Dnsmasq};
use qemu::process::Process;
use qemu::{Deadline, Lab, Log};
use serde_json::{Value, json};

use crate::namespace::{ip, ip_json};

/// How long anything may take that takes milliseconds: it says that something never came, not that it was slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// The lab's end of the first cable, and what is served there.
pub const SERVER: &str = "10.77.0.1";

/// Files that libc and the peers want to find in `/etc`.
const ETC: [&str; 5] = ["passwd", "group", "nsswitch.conf", "protocols", "services"];

/// The machine, for as long as the test runs. It has `eth0`, whose other end is on the bridge `lan` of the lab.
pub struct Machine {
    /// Where the peers are.
    pub lab: Lab,
    program: PathBuf,
}

/// Runs `test` on a fresh machine: a thread in namespaces of its own for network, mounts and host name. Whatever it
/// starts is in them too, and ends with it.
#[track_caller]
pub fn on_machine(name: &'static str, test: impl FnOnce(&Machine) + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let machine = Machine::new(name);
        test(&machine);
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Machine {
    /// A fresh machine for this thread, which must end after it.
    pub(super) fn new(name: &str) -> Self {
        let program = tests::program::program();
        let lab = Lab::new(name).expect("a lab (these tests need root)");
        let own = CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_FS
            | CloneFlags::CLONE_NEWUTS;
        unshare(own).expect("namespaces (these tests need root)");
        furnish(&lab);
        nix::unistd::sethostname("localhost").expect("a host name of this machine's own");
        // Addresses are usable at once, and nothing changes later by itself.
        fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").expect("a setting of ours");
        ip("link set lo up");
        lab.namespace()
            .bridge("lan", &[&format!("{SERVER}/24")])
            .expect("a bridge");
        let machine = Self { lab, program };
        machine.cable("eth0", "52:54:00:00:00:10", "lan");
        machine
    }

    /// One more cable: `name` here, down, and `far-name` on a bridge of the lab, up.
    pub fn cable(&self, name: &str, mac: &str, bridge: &str) {
        let here = self.network();
        let lab = |arguments: String| self.lab.namespace().ip(&arguments).expect("a cable");
        lab(format!(
            "link add far-{name} type veth peer name {name} address {mac} netns {here}"
        ));
        lab(format!("link set far-{name} master {bridge} up"));
    }

    /// The path of its network, for others.
    pub fn network(&self) -> String {
        // By number, not by "self": ip(8) reads the path in a process of its own.
        let thread = nix::unistd::gettid();
        format!("/proc/{}/task/{thread}/ns/net", std::process::id())
    }

    /// A dnsmasq on `lan`, to be changed before it starts.
    pub fn dnsmasq(&self) -> Builder {
        Dnsmasq::builder("lan").range("10.77.0.100", "10.77.0.199", "1h")
    }

    /// A command line of the program, as it would be typed on this machine.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        command
    }

    /// Runs the program to its end, and the end of its output: what it leaves behind must not hold on to that.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::start(&mut command).expect("the program starts");
        let [output, errors] =
            [process.output(None), process.errors(None)].map(|log| log.expect("piped just above"));
        let status = process.wait_exit(PATIENCE).expect("the program ends");
        let text = |log: Log| {
            log.wait_end(PATIENCE).expect("the end of its output");
            let lines = log.lines();
            lines.iter().map(|line| format!("{line}\n")).collect()
        };
        Ran {
            code: status.code().expect("it ended by itself"),
            output: text(output),
            errors: text(errors),
        }
    }

    /// `boot --hook` with this command line, which must get ready; the supervisor stays.
    #[track_caller]
    pub fn boot(&self, cmdline: &str) -> Ran {
        let ran = self.run(&["boot", "--hook", "--cmdline", cmdline]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        ran
    }

    /// `boot --hook --no-supervisor` with this command line; nothing stays.
    #[track_caller]
    pub fn boot_alone(&self, cmdline: &str) -> Ran {
        self.run(&["boot", "--hook", "--no-supervisor", "--cmdline", cmdline])
    }

    /// Starts a supervisor as the child of this test and waits until it answers.
    #[track_caller]
    pub fn supervise(&self) -> Process {
        let process =
            Process::start(&mut self.command(&["supervise"])).expect("the program starts");
        self.answers();
        process
    }

    /// Waits until a supervisor answers.
    #[track_caller]
    pub fn answers(&self) {
        self.until("an answer on the control socket", || {
            self.ask(json!({ "command": "status" })).map(drop)
        });
    }

    /// Asks the supervisor; `None`: it does not listen, or has not looked at the machine yet.
    pub fn ask(&self, request: Value) -> Option<Value> {
        let reply = self.ask_at(Path::new("/run/init-net/control.sock"), request)?;
        reply.get("ok").cloned()
    }

    /// The whole reply of who listens at `socket`.
    pub fn ask_at(&self, socket: &Path, request: Value) -> Option<Value> {
        let mut stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        writeln!(stream, "{request}").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// What the supervisor would do now; also says that it has nothing to do and does nothing.
    #[track_caller]
    pub fn plan(&self) -> Value {
        self.ask(json!({ "command": "plan" }))
            .expect("a supervisor that answers")
    }

    /// Makes the supervisor look and repair, and waits until it has looked.
    #[track_caller]
    pub fn reconcile(&self) {
        let reply = self.ask(json!({ "command": "reconcile" }));
        assert!(reply.is_some(), "a supervisor that answers");
    }

    /// `get KIND -o json`.
    #[track_caller]
    pub fn get(&self, kind: &str) -> Vec<Value> {
        let ran = self.run(&["get", kind, "-o", "json"]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        serde_json::from_str(&ran.output).expect("a list of resources")
    }

    /// The report file.
    #[track_caller]
    pub fn report(&self) -> Value {
        let text = fs::read_to_string("/run/init-net/report.json").expect("a report");
        serde_json::from_str(&text).expect("JSON in the report")
    }

    /// What supervisors logged to the kernel's log, which is a file here.
    pub fn log(&self) -> String {
        fs::read_to_string("/dev/kmsg").unwrap_or_default()
    }

    /// Waits until `look` finds something.
    #[track_caller]
    pub fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.within(PATIENCE, what, look)
    }

    /// [`Machine::until`] for what takes longer than milliseconds.
    #[track_caller]
    pub fn within<T>(
        &self,
        patience: Duration,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> T {
        let deadline = Deadline::after(patience);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(deadline.remaining().is_some(), "never came: {what}");
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until `ip ARGUMENTS` prints `text`.
    #[track_caller]
    pub fn until_shown(&self, arguments: &str, text: &str) {
        let what = format!("{text:?} in ip {arguments}");
        self.until(&what, || ip(arguments).contains(text).then_some(()));
    }

    /// Waits until `ip ARGUMENTS` no longer prints `text`.
    #[track_caller]
    pub fn until_gone(&self, arguments: &str, text: &str) {
        let what = format!("ip {arguments} without {text:?}");
        self.until(&what, || (!ip(arguments).contains(text)).then_some(()));
    }

    /// The supervisors that run on this machine.
    pub fn supervisors(&self) -> Vec<i32> {
        inhabitants()
            .into_iter()
            .filter(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line.split(|byte| *byte == 0)
                    .any(|word| word == b"supervise")
            })
            .collect()
    }

    /// Sends a signal to the supervisor, of which there must be one.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let supervisors = self.supervisors();
        let [pid] = supervisors[..] else {
            panic!("not one supervisor: {supervisors:?}");
        };
        kill(Pid::from_raw(pid), signal).expect("a signal for our own process");
        if matches!(signal, Signal::SIGKILL | Signal::SIGTERM) {
            // Its lock goes with its last descriptor, which is after it lost its command line: a zombie has neither.
            self.until("the end of the supervisor", || {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                (stat.is_empty() || stat.contains(") Z ")).then_some(())
            });
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the supervisors:\n{}", self.log());
        }
        for pid in inhabitants() {
            // It may just have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// What a run of the program printed and ended with.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

/// Gives this thread's mounts their own `/run`, `/etc`, `/sys`, kernel log and kernel command line.
fn furnish(lab: &Lab) {
    let tmpfs = |target: &str| {
        mount::mount_at(
            "tmpfs",
            "tmpfs",
            Path::new(target),
            MsFlags::empty(),
            "mode=755",
        )
        .expect("a tmpfs");
    };
    let bind = |source: &Path, target: &str| {
        let none: Option<&str> = None;
        nix::mount::mount(Some(source), target, none, MsFlags::MS_BIND, none)
            .expect("a bind mount");
    };
    mount::make_private().expect("mounts of our own");
    tmpfs("/run");
    let kept: Vec<(&str, Vec<u8>)> = ETC
        .iter()
        .filter_map(|name| Some((*name, fs::read(Path::new("/etc").join(name)).ok()?)))
        .collect();
    tmpfs("/etc");
    for (name, content) in kept {
        fs::write(Path::new("/etc").join(name), content).expect("a file in our own /etc");
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount::mount_at("sysfs", "sysfs", Path::new("/sys"), flags, "").expect("a sysfs");
    // Nobody finds the way from here to the root, and the files, of the host's PID 1.
    tmpfs("/proc/1");
    for (name, target) in [("kmsg", "/dev/kmsg"), ("cmdline", "/proc/cmdline")] {
        let file = lab.folder().join(name);
        fs::write(&file, "").expect("a file of the lab");
        bind(&file, target);
    }
}

/// Processes in the network namespace of this thread; the test program itself lives in another.
fn inhabitants() -> Vec<i32> {
    let own = fs::read_link("/proc/thread-self/ns/net").ok();
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| own.is_some() && fs::read_link(format!("/proc/{pid}/ns/net")).ok() == own)
        .collect()
}

/// The addresses of a link as ip(8) sees them: `10.77.0.5/24`, with everything else that it says of each.
#[track_caller]
pub fn addresses(link: &str) -> Vec<(String, Value)> {
    let links = ip_json(&format!("-4 -d address show dev {link}"));
    let list = links.iter().flat_map(|link| link["addr_info"].as_array());
    list.flatten()
        .filter_map(|info| {
            let address = format!("{}/{}", info["local"].as_str()?, info["prefixlen"]);
            Some((address, info.clone()))
        })
        .collect()
}

/// The one leased address of `eth0`, with its length.
#[track_caller]
pub fn leased() -> String {
    let all = addresses("eth0");
    let [(address, _)] = &all[..] else {
        panic!("not one address: {all:?}");
    };
    address.clone()
}
