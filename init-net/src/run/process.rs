//! The supervisor as a process: what it was started with, what it gives up, whom it tells how it is, what it becomes.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::boot::boot_config;
use super::control::Control;
use super::core::Reply;
use super::notify::Notify;
use super::privileges::{Privileges, Situation};
use super::shell::Shell;
use super::sources::Read;
use super::upgrade::{self, Candidate, Handover, Kept};
use crate::sys;
use crate::sys::lock::Lock;
use crate::sys::poll::Interest;
use crate::value::{Duration, Instant, earliest};

/// How long nothing may have happened before memory is given back: longer than the pauses within what belongs together
/// (conflict announcements are 2 s apart), shorter than anybody looks.
const QUIET: Duration = Duration::from_secs(3);

/// Descriptors that a service manager can pass, SD_LISTEN_FDS_START of sd-daemon.h.
const FIRST_PASSED: i32 = 3;

/// Most of those that are looked at; one is used.
const MAX_PASSED: i32 = 16;

/// How `init-net supervise` was called.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--ready-fd`: gets one line end when the supervisor is ready.
    pub ready_fd: Option<i32>,
}

/// What was left open for this program.
pub struct Given {
    handover: Option<Handover>,
    lock: Option<OwnedFd>,
    control: Option<UnixListener>,
    ready: Option<OwnedFd>,
}

impl Given {
    /// Takes it all, before anything here opens a descriptor of its own.
    pub fn take(options: &Options) -> Self {
        let handover = Handover::take();
        let over = |number: fn(&Handover) -> Option<i32>| handover.as_ref().and_then(number);
        let control = over(|handover| handover.control)
            .map(|number| inherited("control socket", number))
            .unwrap_or_else(|| passed().into_iter().next());
        Self {
            lock: over(|handover| handover.lock).and_then(|number| inherited("lock", number)),
            ready: options
                .ready_fd
                .or(over(|handover| handover.ready))
                .and_then(|number| inherited("--ready-fd", number)),
            control: control.and_then(|socket| {
                let adopted = sys::unix::adopt(socket);
                adopted
                    .map_err(|error| log::error!("the socket that was passed: {error}"))
                    .ok()
            }),
            handover,
        }
    }

    /// Whether no program before this one was this process.
    pub const fn is_first(&self) -> bool {
        self.handover.is_none()
    }

    /// The lock, when the program before this one held it.
    pub fn lock(&mut self) -> Option<Lock> {
        let lock = Lock::adopt(self.lock.take()?);
        lock.map_err(|error| log::error!("lock: {error}")).ok()
    }

    /// The payload that the program before this one started; `None`: there was no such program.
    pub fn payload(&self) -> Option<Option<i32>> {
        self.handover.as_ref().map(|handover| handover.payload)
    }
}

fn inherited(what: &str, number: i32) -> Option<OwnedFd> {
    let taken = sys::inherit::take(number);
    taken
        .map_err(|error| log::error!("{what}: descriptor {number}: {error}"))
        .ok()
}

/// Sockets of sd_listen_fds(3), when they are meant for this process.
fn passed() -> Vec<OwnedFd> {
    let number = |name| std::env::var(name).ok()?.parse::<i32>().ok();
    let ours =
        number("LISTEN_PID").is_some_and(|pid| i64::from(pid) == i64::from(std::process::id()));
    let count = number("LISTEN_FDS")
        .filter(|_| ours)
        .unwrap_or(0)
        .clamp(0, MAX_PASSED);
    (FIRST_PASSED..FIRST_PASSED + count)
        .filter_map(|number| inherited("LISTEN_FDS", number))
        .collect()
}

/// All of it.
pub struct Process {
    pid1: bool,
    handover: Option<Handover>,
    lock: Option<Lock>,
    /// The control socket's file is ours.
    own_socket: bool,
    started: Instant,
    notify: Notify,
    privileges: Privileges,
    candidate: Option<Candidate>,
    /// When it will have been quiet for long enough to rest; `None`: it rests.
    quiet_at: Option<Instant>,
}

impl Process {
    /// Opens the control socket and takes what was `given`.
    pub fn new(
        given: Given,
        lock: Option<Lock>,
        read: &Read,
        shell: &mut Shell,
        now: Instant,
    ) -> Self {
        let pid1 = std::process::id() == 1;
        let own_socket = given.control.is_none();
        match Control::open(given.control) {
            Ok(control) => shell.listen(control),
            // Without it nobody can ask, but the network is kept.
            Err(error) => log::error!("control socket: {error}"),
        }
        let inherited = given.handover.as_ref().map(|handover| handover.inherited);
        let said = boot_config(&read.documents);
        let metrics = said.metrics.map(|said| said.value);
        let metrics = metrics.as_deref().and_then(Path::parent);
        let folders = said.state_dir.map(|said| said.value);
        let folders = folders.into_iter().chain(metrics.map(Path::to_owned));
        let this = Self {
            pid1,
            lock,
            own_socket,
            started: now,
            notify: Notify::new(|name| std::env::var_os(name), given.ready, now),
            privileges: Privileges::new(inherited.unwrap_or_default(), folders.collect()),
            candidate: None,
            quiet_at: Some(now + QUIET),
            handover: given.handover,
        };
        this.admit_group(read, shell);
        this
    }

    /// `initnet.control.group=`; asked again when the root is another one, which may know the group.
    pub fn admit_group(&self, read: &Read, shell: &mut Shell) {
        // After an upgrade the socket is as the program before this one left it, and to be changed only by its path.
        let own_socket = self.own_socket;
        if let Some(said) = boot_config(&read.documents).control_group
            && let Some(control) = shell.control()
            && let Err(error) = control.admit(&said.value, own_socket)
        {
            log::error!(
                "initnet.control.group={}: {error}; root alone is answered",
                said.value
            );
        }
    }

    /// Before each wait: gives up what is no longer needed, tells what has changed, and rests after some quiet.
    pub fn settle(&mut self, root_to_follow: bool, shell: &mut Shell, now: Instant) {
        if self.privileges.may_tighten()
            && let Some(in_force) = self
                .privileges
                .tighten(Situation::look(self.pid1, root_to_follow))
        {
            shell.core.set_process(json!({
                "pid": std::process::id(),
                "version": env!("CARGO_PKG_VERSION"),
                "started": self.started.as_nanos(),
                "privileges": in_force,
            }));
        }
        if self.notify.has_a_listener() {
            let reached = shell.core.ready().is_some();
            self.notify.tell(reached, &shell.core.readiness(), now);
        }
        if self.quiet_at.is_some_and(|at| at <= now) {
            self.quiet_at = None;
            shell.rest();
        }
    }

    /// After each wait. What came before the quiet was long enough makes it begin again.
    pub fn woke(&mut self, now: Instant) {
        if self.quiet_at.is_none_or(|at| now < at) {
            self.quiet_at = Some(now + QUIET);
        }
    }

    /// When the loop must turn.
    pub fn deadline(&self) -> Option<Instant> {
        let candidate = self.candidate.as_ref().map(Candidate::deadline);
        earliest([self.quiet_at, self.notify.deadline(), candidate])
    }

    /// To be watched.
    pub fn interest(&self) -> Option<Interest<'_>> {
        self.candidate.as_ref().map(Candidate::interest)
    }

    /// Other sources are about to be taken.
    pub fn reloading(&mut self) {
        self.notify.reloading();
    }

    /// This process is about to end.
    pub fn stopping(&self) {
        self.notify.stopping();
    }

    /// Begins to ask the program at `path`, or what is by now where this one came from.
    pub fn upgrade(&mut self, path: Option<PathBuf>, asked_by: Option<u64>, shell: &mut Shell) {
        let path = path.map_or_else(|| upgrade::own_binary(self.handover.as_ref()), Ok);
        let started = if self.candidate.is_some() {
            Err("another upgrade is under way; wait for it".to_owned())
        } else {
            path.and_then(|path| Candidate::start(&path, asked_by, sys::clock::now()))
        };
        match started {
            Ok(candidate) => self.candidate = Some(candidate),
            Err(error) => refuse(asked_by, error, shell),
        }
    }

    /// Becomes the program that was asked, once it has answered well; otherwise this one goes on.
    pub fn turn(
        &mut self,
        payload: Option<i32>,
        shell: &mut Shell,
        save: impl FnOnce(&Shell) -> Result<(), String>,
    ) {
        let now = sys::clock::now();
        let Some(verdict) = self.candidate.as_mut().and_then(|asked| asked.verdict(now)) else {
            return;
        };
        let Some(candidate) = self.candidate.take() else {
            return;
        };
        let saved = verdict.and_then(|version| {
            save(shell)?;
            Ok(version)
        });
        let version = match saved {
            Ok(version) => version,
            Err(error) => return refuse(candidate.asked_by, error, shell),
        };
        log::info!("upgrade: this process becomes init-net {version}");
        self.notify.reloading();
        if let Some(id) = candidate.asked_by {
            shell.reply(id, Reply::Ok(json!({ "version": version })));
        }
        let handover = Handover {
            payload,
            inherited: self.privileges.inherited(),
            ..Handover::default()
        };
        let kept = Kept {
            lock: self.lock.as_ref().map(|lock| lock.as_fd()),
            control: shell.control().map(|control| control.listener()),
            ready: self.notify.ready_fd(),
        };
        let error = candidate.become_it(handover, kept);
        log::error!("upgrade: {error}; this supervisor goes on");
        self.notify.stays();
    }
}

fn refuse(asked_by: Option<u64>, error: String, shell: &mut Shell) {
    log::error!("upgrade: {error}");
    if let Some(id) = asked_by {
        shell.reply(id, Reply::Error(error));
    }
}
