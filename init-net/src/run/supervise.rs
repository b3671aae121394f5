//! What stays: keeps leases and state as declared, answers questions, and does PID 1's duties where it is PID 1.

use std::os::fd::AsFd as _;
use std::path::Path;

use nix::sys::signal::Signal;

use super::boot::{self, boot_config};
use super::cache;
use super::change::{self, Changes};
use super::core::{Core, Doubt, Event};
use super::metrics::MetricsFile;
use super::process::{Given, Options, Process};
use super::report::{self, Report};
use super::saving::Saving;
use super::shell::Shell;
use super::slots;
use super::sources::{self, Read};
use super::state_file::{self, StateFile};
use super::{RUN_DIR, log_diagnostic, log_if};
use crate::sys;
use crate::sys::lock::Lock;
use crate::sys::poll::Interest;
use crate::sys::root::Root;
use crate::sys::signal::Signals;
use crate::value::{Duration, earliest};

/// Held by the one supervisor, in [`RUN_DIR`].
const LOCK: &str = "lock";

/// For how long after a change of mounts the root is looked at again, and how often.
const ROOT_PATIENCE: Duration = Duration::from_secs(5);
const ROOT_PERIOD: Duration = Duration::from_millis(50);

/// How long the end of a supervisor may take: others are told that they may have the shared addresses of this machine.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a new supervisor waits for the end of the one before, and how often it looks.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PERIOD: Duration = Duration::from_millis(20);

/// Runs until it is told to end. PID 1 never returns.
pub fn main(options: &Options) -> Result<u8, String> {
    let mut given = Given::take(options);
    let pid1 = std::process::id() == 1;
    let signals = Signals::open().map_err(|error| format!("signals: {error}"))?;
    sys::kmsg::init(log::LevelFilter::Info, true);
    if given.is_first() {
        // An advertisement that is late loses an address. It stays so through upgrades.
        log_if(sys::priority::raise().map_err(|error| format!("priority: {error}")));
    }
    log_if(boot::create_run_dir());
    let lock = match given.lock() {
        Some(lock) => Some(lock),
        None => only_one()?,
    };
    let (state, mut read) = load();
    let slots = change::boot_slots(&mut read, state.applied);
    let mut changes = Changes::new(read, &state);
    let read = &changes.read;
    log::set_max_level(crate::compile::settings(&read.documents).log);
    let now = sys::clock::now();
    let mut documents = read.documents.clone();
    let remote = slots::guarded(slots.as_ref(), &read.documents);
    documents.extend(super::remote::documents(&remote, &state.fetched).0);
    let mut core = Core::new(documents, state.leases.clone(), sys::random::rng(), now);
    core.inherit(
        state.fetched.clone(),
        state.names.clone(),
        state.owned.clone(),
        state.verified.clone(),
        state.timeline.clone(),
    );
    core.inherit_decided(&state.decided);
    core.inherit_vips(state.vips.clone());
    if state.handed_off.reason.is_some() {
        core.stay_closed_meanwhile();
    }
    core.watch_change(state.pending, None);
    // What no stage has fetched yet is fetched now: a boot that handed off without it has not given it up.
    for source in remote {
        if core.wants(source.as_ref()) {
            core.fetch(source);
        }
    }
    let mut shell = Shell::new(core).map_err(|error| format!("netlink: {error}"))?;
    shell.guard();
    shell.slots = slots;
    changes.start(&mut shell);
    // Only who was left behind in an initramfs has a root to follow, once.
    let mut root = Root::open().filter(|_| !pid1 && sys::switch_root::in_initramfs());
    let running = given.payload();
    let mut process = Process::new(given, lock, &changes.read, &mut shell, now);
    // Before the loop, in which rights are given up, for children too: a payload gets all that PID 1 has. One that runs
    // already was started by the program before this one.
    let mut payload = match running {
        Some(running) => running,
        None if pid1 => start_payload(&changes.read),
        None => None,
    };
    // Only now: a payload that uses select(2) counts on the low limit.
    let limit = sys::descriptors::raise_limit();
    log_if(limit.map_err(|error| format!("limit of descriptors: {error}")));
    let mut last_report = Vec::new();
    let mut saving = Saving::default();
    let metrics = boot_config(&changes.read.documents).metrics;
    let mut metrics = MetricsFile::new(metrics.map(|said| said.value));
    // Children that ended while this was still the boot stage.
    act(Signal::SIGCHLD, pid1, &mut payload);
    let mut mounts_rang = None;
    loop {
        shell.pump();
        while changes.serve(&mut shell) {
            process.reloading();
            shell.pump();
        }
        changes.keep_good(&mut shell);
        let read = &changes.read;
        let now = sys::clock::now();
        if shell.core.needs_saving() && saving.is_due(now) {
            if saving.tried(changes.save(&shell), now) {
                shell.core.saved();
            }
            if let Some(folder) = boot_config(&read.documents).state_dir {
                let machine = sys::net_device::product_uuid();
                cache::store(&folder.value, machine.as_deref(), shell.core.fetched());
            }
        }
        let report = Report::new(
            "supervise",
            &shell.core,
            &read.diagnostics,
            &state.handed_off,
        )
        .render();
        if report != last_report {
            log_if(boot::write(report::NAME, 0o644, &report));
            last_report = report;
        }
        metrics.update(&shell.core, sys::clock::now());
        process.settle(root.is_some(), &mut shell, sys::clock::now());
        let mut watch = vec![Interest::read(signals.as_fd())];
        watch.extend(root.as_ref().map(Root::interest));
        watch.extend(process.interest());
        // A switch_root moves the mount first and enters it afterwards, without a further ring: look again for a while.
        let look_again = mounts_rang.map(|_| sys::clock::now() + ROOT_PERIOD);
        let until = [
            look_again,
            process.deadline(),
            metrics.deadline(),
            saving.deadline(),
        ];
        let woken = shell
            .wait(earliest(until), &watch)
            .map_err(|error| format!("poll: {error}"))?;
        process.woke(sys::clock::now());
        while let Some((id, binary)) = shell.next_upgrade() {
            process.upgrade(binary, Some(id), &mut shell);
        }
        process.turn(payload, &mut shell, |shell| changes.save(shell));
        if woken {
            mounts_rang = root.as_ref().map(|_| sys::clock::now());
        }
        if let Some(rang) = mounts_rang {
            let patient = sys::clock::now().saturating_since(rang) < ROOT_PATIENCE;
            root = root.filter(|root| !followed(root, &mut shell));
            if root.is_none() {
                process.admit_group(&changes.read, &mut shell);
            }
            mounts_rang = mounts_rang.filter(|_| patient && root.is_some());
        }
        while let Ok(Some(signal)) = signals.next() {
            match act(signal, pid1, &mut payload) {
                Act::Go => {}
                Act::Reload => {
                    process.reloading();
                    changes.reload(&mut shell);
                }
                Act::Upgrade => process.upgrade(None, None, &mut shell),
                Act::End => {
                    process.stopping();
                    say_farewell(&mut shell);
                    log_if(changes.save(&shell));
                    return Ok(0);
                }
                Act::Down(down) => {
                    say_farewell(&mut shell);
                    let Err(error) = sys::reboot::go(down);
                    log::error!("{down:?}: {error}");
                }
            }
        }
    }
}

/// Leaves the shared addresses of this machine to others.
fn say_farewell(shell: &mut Shell) {
    let until = sys::clock::now() + FAREWELL;
    shell.push(Event::Stop);
    loop {
        shell.pump();
        if shell.core.has_left() || sys::clock::now() >= until {
            return;
        }
        if let Err(error) = shell.wait(Some(until), &[]) {
            log::error!("poll: {error}");
            return;
        }
    }
}

/// Makes sure that no other supervisor runs. One that was just killed may still be ending: it gets [`LOCK_PATIENCE`].
fn only_one() -> Result<Option<Lock>, String> {
    let path = Path::new(RUN_DIR).join(LOCK);
    let until = sys::clock::now() + LOCK_PATIENCE;
    loop {
        match sys::lock::take(&path) {
            Ok(Ok(lock)) => return Ok(Some(lock)),
            Ok(Err(_)) if sys::clock::now() < until => std::thread::sleep(LOCK_PERIOD),
            Ok(Err(pid)) => {
                let pid = pid.map_or_else(String::new, |pid| format!(" as process {pid}"));
                return Err(format!("a supervisor runs already{pid}"));
            }
            // Without a lock two could run, but one must.
            Err(error) => {
                log::error!("lock: {error}");
                return Ok(None);
            }
        }
    }
}

/// Makes the root of PID 1 ours, when it is another one: its files are kept from now on. Answers whether it was.
fn followed(root: &Root, shell: &mut Shell) -> bool {
    match root.follow() {
        Ok(true) => {
            log::info!("the root was switched: its files are kept from now on");
            shell.core.forget_modules();
            shell.push(Event::Changed(Doubt::EVERYTHING));
            true
        }
        Ok(false) => false,
        Err(error) => {
            log::warn!("root: {error}");
            false
        }
    }
}

/// What a signal means.
enum Act {
    Go,
    Reload,
    Upgrade,
    End,
    Down(sys::reboot::Down),
}

/// SIGTERM ends a supervisor and leaves everything in the kernel as it is; PID 1 forwards it to its payload instead, and
/// understands the signals that init systems are sent.
fn act(signal: Signal, pid1: bool, payload: &mut Option<i32>) -> Act {
    match signal {
        Signal::SIGCHLD => {
            while let Ok(Some(exit)) = sys::process::reap() {
                if *payload == Some(exit.pid) {
                    log::info!("payload ended with code {}", exit.code);
                    *payload = None;
                }
            }
            Act::Go
        }
        Signal::SIGHUP => Act::Reload,
        Signal::SIGUSR2 if !pid1 => Act::Upgrade,
        Signal::SIGTERM | Signal::SIGUSR1 | Signal::SIGUSR2 if pid1 => {
            if let Some(pid) = *payload {
                log_if(
                    sys::process::kill(pid, signal).map_err(|error| format!("payload: {error}")),
                );
            }
            Act::Go
        }
        // Ctrl-Alt-Del, after boot turned the immediate reset off.
        Signal::SIGINT if pid1 => Act::Down(sys::reboot::Down::Reboot),
        Signal::SIGPWR if pid1 => Act::Down(sys::reboot::Down::PowerOff),
        Signal::SIGTERM | Signal::SIGINT => Act::End,
        _ => Act::Go,
    }
}

/// The state of the stage before, or of a supervisor that was killed, with its sources; where there is none to believe, an
/// empty one and what a boot would read.
fn load() -> (StateFile, Read) {
    if let Some(state) = state_of_this_boot() {
        let mut read = sources::parse_boot(&state.cmdline, state.configs.clone());
        for why in &state.unread {
            sources::mark_unread(&mut read, why);
        }
        return (state, read);
    }
    let state = StateFile::new(sys::boot_id::read().unwrap_or_default());
    let mut read = sources::parse_boot(&sources::proc_cmdline(), Vec::new());
    sources::local_configs(&mut read);
    read.diagnostics.iter().for_each(log_diagnostic);
    (state, read)
}

/// The state file, when there is one and it can be believed.
pub fn state_of_this_boot() -> Option<StateFile> {
    read_state().unwrap_or_else(|error| {
        log::error!("{error}; starting afresh");
        None
    })
}

/// The state file, when there is one; why it cannot be believed.
pub fn read_state() -> Result<Option<StateFile>, String> {
    let path = Path::new(RUN_DIR).join(state_file::NAME);
    let bytes = match sys::file::read(&path, state_file::MAX_LEN) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let boot_id = sys::boot_id::read().unwrap_or_default();
    let state = StateFile::parse(&bytes, &boot_id);
    state
        .map(Some)
        .map_err(|refusal| format!("{}: {refusal}", path.display()))
}

/// `initnet.init=` of a RAM-only OS.
fn start_payload(read: &Read) -> Option<i32> {
    let payload = boot_config(&read.documents).payload?;
    let mut words = payload.value.split_ascii_whitespace();
    let program = words.next()?;
    let arguments: Vec<&str> = words.collect();
    let environment = [
        ("PATH", "/sbin:/bin:/usr/sbin:/usr/bin"),
        ("HOME", "/"),
        ("TERM", "linux"),
    ];
    match sys::process::spawn(Path::new(program), &arguments, &environment) {
        Ok(pid) => {
            log::info!("payload {program} is process {pid}");
            Some(pid)
        }
        Err(error) => {
            log::error!("initnet.init={}: {error}", payload.value);
            None
        }
    }
}
