//! The supervisor as a process: what it can still do, whom it tells how it is, what it becomes.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use qemu::peer::dhcp::message_type::{DISCOVER, REQUEST};
use qemu::process::Process;
use serde_json::{Value, json};

use super::firewall;
use super::lease::Grants;
use super::machine::{Machine, PATIENCE, leased, on_machine};
use super::watch::Watch;
use crate::namespace::ip;

const STATIC: &str = "ip=10.77.0.9::10.77.0.1:24:node9:eth0:none nameserver=10.77.0.1";

/// The one supervisor.
#[track_caller]
fn pid(machine: &Machine) -> i32 {
    let supervisors = machine.supervisors();
    let [pid] = supervisors[..] else {
        panic!("not one supervisor: {supervisors:?}");
    };
    pid
}

/// A field of /proc/PID/status.
#[track_caller]
fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.expect(field).trim_start_matches(':').trim().to_owned()
}

/// What the supervisor tells of its process.
#[track_caller]
fn told(machine: &Machine) -> Value {
    machine.get("status")[0]["process"].clone()
}

/// CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW.
const NETWORK: u64 = 1 << 10 | 1 << 12 | 1 << 13;

/// CAP_SYS_MODULE: kept where the kernel takes modules.
const MODULES: u64 = 1 << 16;

#[test]
fn only_what_the_network_needs_is_left() {
    on_machine("privileges", |machine| {
        machine.boot(STATIC);
        machine.answers();
        let pid = pid(machine);
        for set in ["CapEff", "CapPrm", "CapBnd"] {
            let set = u64::from_str_radix(&status(pid, set), 16).unwrap();
            assert_eq!(set & !MODULES, NETWORK, "{set:x}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(status(pid, set), "0000000000000000");
        }
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        assert_eq!(status(pid, "Seccomp"), "2");
        let told = told(machine);
        assert_eq!(told["pid"], pid);
        let privileges = &told["privileges"];
        assert_eq!(privileges["noNewPrivs"], true);
        assert!(privileges["systemCalls"].as_u64().unwrap() > 100, "{told}");
        let capabilities = privileges["capabilities"].as_array().unwrap();
        assert!(capabilities.contains(&json!("CAP_NET_ADMIN")), "{told}");
        assert!(!capabilities.contains(&json!("CAP_SYS_ADMIN")), "{told}");
    });
}

#[test]
fn with_that_everything_is_still_kept() {
    on_machine("privileges-keep", |machine| {
        machine.boot(STATIC);
        machine.answers();
        fs::remove_file("/run/init-net/hosts").unwrap();
        fs::write("/etc/hosts", "").unwrap();
        fs::remove_file("/etc/resolv.conf").unwrap();
        nix::unistd::sethostname("other").unwrap();
        ip("address delete 10.77.0.9/24 dev eth0");
        machine.reconcile();
        machine.until_shown("-4 address show dev eth0", "10.77.0.9/24");
        machine.until_shown("route show default", "via 10.77.0.1");
        machine.until("the host name", || {
            (nix::unistd::gethostname().ok()? == "node9").then_some(())
        });
        machine.until("/etc/resolv.conf", || {
            let text = fs::read_to_string("/etc/resolv.conf").ok()?;
            text.contains("nameserver 10.77.0.1").then_some(())
        });
        machine.until("/etc/hosts", || {
            fs::read_to_string("/etc/hosts")
                .ok()?
                .contains("node9")
                .then_some(())
        });
    });
}

#[test]
fn the_firewall_is_replaced_with_what_is_left() {
    on_machine("privileges-firewall", |machine| {
        firewall::booted(machine, firewall::CONFIG);
        let pid = pid(machine);
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        assert_eq!(status(pid, "Seccomp"), "2");
        let set = u64::from_str_radix(&status(pid, "CapEff"), 16).unwrap();
        assert_eq!(set & !MODULES, NETWORK, "{set:x}");
        let files = told(machine)["privileges"]["files"].clone();
        assert!(files.as_str().unwrap().starts_with("only below"), "{files}");
        let whole = firewall::table().expect("our table");
        firewall::nft("flush ruleset");
        machine.until("the table", || {
            (firewall::table().as_ref() == Some(&whole)).then_some(())
        });
        let other = firewall::CONFIG.replace("name: ssh", "name: other");
        let path = machine.lab.folder().join("other.yaml");
        fs::write(&path, other).unwrap();
        let ran = machine.run(&["apply", "--config", path.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        assert!(firewall::table().unwrap().contains("\"other\""));
        assert_eq!(pid, self::pid(machine));
    });
}

#[test]
fn parameters_are_set_after_the_kernel_forgot_their_files() {
    on_machine("privileges-sysctl", |machine| {
        machine.boot(STATIC);
        machine.answers();
        // The files of /proc/sys are made anew after this, with other inodes.
        fs::write("/proc/sys/vm/drop_caches", "2\n").unwrap();
        let config =
            "apiVersion: v1alpha1\nkind: SysctlConfig\nparams:\n  net.ipv4.ip_forward: \"1\"\n";
        fs::create_dir_all("/etc/init-net").unwrap();
        let path = machine.lab.folder().join("sysctl.yaml");
        fs::write(&path, config).unwrap();
        let ran = machine.run(&[
            "apply",
            "--cmdline",
            STATIC,
            "--config",
            path.to_str().unwrap(),
        ]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        machine.until("the parameter", || {
            let text = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").ok()?;
            (text.trim() == "1").then_some(())
        });
    });
}

/// A service manager: what it hears.
struct Manager(UnixDatagram, String);

impl Manager {
    fn new(machine: &Machine) -> Self {
        let path = machine.lab.folder().join("notify").display().to_string();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket, path)
    }

    /// Waits for `line`; everything until then.
    #[track_caller]
    fn hears(&self, line: &str) -> Vec<String> {
        let mut heard = Vec::new();
        while !heard.iter().any(|one| one == line) {
            let mut buffer = [0; 1024];
            let length = self.0.recv(&mut buffer).unwrap_or_else(|error| {
                panic!("never said: {line} ({error}); {heard:?}");
            });
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            heard.extend(text.lines().map(str::to_owned));
        }
        heard
    }
}

#[test]
fn a_service_manager_is_told() {
    on_machine("notify", |machine| {
        fs::write("/proc/cmdline", "ip=eth0:dhcp\n").unwrap();
        let manager = Manager::new(machine);
        let mut command = machine.command(&["supervise"]);
        command
            .env("NOTIFY_SOCKET", &manager.1)
            .env("WATCHDOG_USEC", "200000");
        let _supervisor = Process::start(&mut command).unwrap();
        let before = manager.hears("WATCHDOG=1");
        assert!(!before.contains(&"READY=1".into()), "{before:?}");
        manager.hears("WATCHDOG=1");
        let _dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        manager.hears("READY=1");
        machine.signal(Signal::SIGHUP);
        let reload = manager.hears("READY=1");
        let at = reload
            .iter()
            .position(|line| line == "RELOADING=1")
            .expect("RELOADING=1");
        assert!(reload[at + 1].starts_with("MONOTONIC_USEC="), "{reload:?}");
        machine.signal(Signal::SIGTERM);
        manager.hears("STOPPING=1");
    });
}

/// `sh -c script`, with the program as `$0` and in the machine's namespaces.
fn shell(machine: &Machine, script: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(machine.command(&[]).get_program());
    command
}

#[test]
fn readiness_on_a_descriptor_is_one_line_end() {
    on_machine("ready-fd", |machine| {
        fs::write("/proc/cmdline", format!("{STATIC}\n")).unwrap();
        let mut command = shell(machine, "exec \"$0\" supervise --ready-fd 3 3>&1");
        command.stdout(Stdio::piped());
        let mut supervisor = Process::start(&mut command).unwrap();
        let output = supervisor.output(None).unwrap();
        machine.answers();
        machine.until("the line end", || (output.lines() == [""]).then_some(()));
        let wrong = machine.run(&["supervise", "--ready-fd", "1"]);
        assert_eq!(wrong.code, 64, "{}", wrong.errors);
    });
}

#[test]
fn the_control_socket_may_come_from_a_service_manager() {
    on_machine("activation", |machine| {
        fs::write("/proc/cmdline", format!("{STATIC}\n")).unwrap();
        let path = machine.lab.folder().join("passed.sock");
        let listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let script = format!(
            "exec 3<&{}; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" supervise",
            listener.as_raw_fd()
        );
        let _supervisor = Process::start(&mut shell(machine, &script)).unwrap();
        let answer = machine.until("an answer", || {
            machine.ask_at(&path, json!({ "command": "status" }))
        });
        assert!(answer["ok"].is_object(), "{answer}");
        assert!(!Path::new("/run/init-net/control.sock").exists());
    });
}

/// A copy of the program, in a file of its own.
pub(super) fn copy(machine: &Machine) -> String {
    let path = machine.lab.folder().join("next");
    fs::copy(machine.command(&[]).get_program(), &path).unwrap();
    path.display().to_string()
}

#[test]
fn another_program_takes_over_and_nothing_moves() {
    on_machine("upgrade", |machine| {
        let dnsmasq = machine.dnsmasq().start(&machine.lab).unwrap();
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        let (address, lease, before) = (leased(), machine.get("leases"), told(machine));
        let next = copy(machine);
        let watch = Watch::start();
        let bare = machine.run(&["upgrade"]);
        assert_eq!(bare.code, 1, "it came from memory");
        assert!(bare.errors.contains("--binary PATH"), "{}", bare.errors);
        let ran = machine.run(&["upgrade", "--binary", &next]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        let after = told(machine);
        assert_eq!(after["pid"], before["pid"]);
        assert_ne!(after["started"], before["started"]);
        assert_eq!(after["privileges"], before["privileges"]);
        // It knows by now where it came from.
        let again = machine.run(&["upgrade"]);
        assert_eq!(again.code, 0, "{}", again.errors);
        assert_ne!(told(machine)["started"], after["started"]);
        assert_eq!(
            status(pid(machine), "Seccomp_filters"),
            "1",
            "filters do not pile up"
        );
        let second = machine.run(&["supervise"]);
        assert_eq!(second.code, 1, "the lock was never free");
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        assert_eq!(machine.get("leases"), lease);
        assert_eq!(watch.end(), Vec::<String>::new());
        assert_eq!(leased(), address);
        assert_eq!(dnsmasq.exchanges("DHCPDISCOVER"), 1);
        assert_eq!(dnsmasq.count("DHCPREQUEST"), 1);
        // What it can no longer do does not keep it from its work.
        ip("address flush dev eth0");
        machine.until_shown("-4 address show dev eth0", &address);
    });
}

#[test]
fn a_signal_takes_what_lies_where_it_came_from() {
    on_machine("upgrade-signal", |machine| {
        fs::write("/proc/cmdline", format!("{STATIC}\n")).unwrap();
        let next = copy(machine);
        let _supervisor = Process::start(Command::new(&next).arg("supervise")).unwrap();
        machine.answers();
        let before = told(machine);
        fs::copy(&next, format!("{next}.new")).unwrap();
        fs::rename(format!("{next}.new"), &next).unwrap();
        machine.signal(Signal::SIGUSR2);
        machine.until("another program", || {
            let status = machine.ask(json!({ "command": "get", "kind": "status" }))?;
            (status[0]["process"]["started"] != before["started"]).then_some(())
        });
        assert_eq!(told(machine)["pid"], before["pid"]);
    });
}

#[test]
fn a_broken_program_is_refused_and_the_old_goes_on() {
    on_machine("upgrade-broken", |machine| {
        machine.boot(STATIC);
        machine.answers();
        let before = told(machine);
        let watch = Watch::start();
        let refused = |path: &str, why: &str| {
            let ran = machine.run(&["upgrade", "--binary", path]);
            assert_eq!(ran.code, 1, "{path}");
            assert!(ran.errors.contains(why), "{path}: {}", ran.errors);
            assert_eq!(told(machine), before, "{path}");
        };
        let folder = machine.lab.folder();
        let text = folder.join("text").display().to_string();
        fs::write(&text, "not a program\n").unwrap();
        refused(&text, "text");
        // Its interpreter would have to be executed from a file; where it may be, it says nothing.
        refused("/bin/true", "is not taken");
        refused("/no/such/file", "/no/such/file");
        refused(&folder.display().to_string(), "not a regular file");
        // One that cannot read the state: cut short, it may not even start.
        let cut = copy(machine);
        let whole = fs::read(&cut).unwrap();
        fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
        refused(&cut, "next");
        assert_eq!(watch.end(), Vec::<String>::new());
        ip("address delete 10.77.0.9/24 dev eth0");
        machine.until_shown("-4 address show dev eth0", "10.77.0.9/24");
    });
}

#[test]
fn a_lease_is_renewed_after_an_upgrade() {
    on_machine("upgrade-renew", |machine| {
        let server = Grants::new(false).start(machine);
        machine.boot("ip=eth0:dhcp");
        machine.answers();
        let ran = machine.run(&["upgrade", "--binary", &copy(machine)]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        let before = server.count(REQUEST);
        machine.until("two renewals", || {
            (server.count(REQUEST) >= before + 2).then_some(())
        });
        assert_eq!(server.count(DISCOVER), 1);
    });
}

/// Private memory that no file is behind, KiB.
fn anonymous(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("Anonymous").parse().unwrap()
}

/// Links, addresses and routes of somebody else, all of which come and go again.
fn churn(rounds: std::ops::Range<u32>) {
    let mut commands = String::new();
    for round in rounds {
        let [_, _, high, low] = round.to_be_bytes();
        for verb in ["add", "del"] {
            let route = format!("route {verb} 198.18.{high}.{low}/32 dev eth0 proto 200\n");
            let address = format!("address {verb} 198.19.{high}.{low}/32 dev eth0\n");
            commands.push_str(&route);
            commands.push_str(&address);
            // Taking one apart costs the kernel a grace period.
            if round % 50 == 0 {
                let rest = if verb == "add" {
                    "type veth peer name peer"
                } else {
                    ""
                };
                commands.push_str(&format!("link {verb} pod{round} {rest}\n"));
            }
        }
    }
    crate::namespace::ip_batch(&commands);
}

#[test]
fn what_came_and_went_leaves_no_memory_behind() {
    on_machine("churn", |machine| {
        machine.boot(STATIC);
        machine.answers();
        let pid = pid(machine);
        // Until then lists of a fixed length fill up and the heap finds its size: 100 KiB more than after the first 1,000.
        churn(0..11_000);
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        let before = anonymous(pid);
        churn(11_000..21_000);
        machine.reconcile();
        assert_eq!(machine.plan(), json!([]));
        let after = anonymous(pid);
        // Which pages the heap holds depends on when it was trimmed. One that lost 7 bytes a round would be seen.
        assert!(
            after <= before + 64,
            "{before} KiB after 11,000, {after} after 21,000"
        );
    });
}
