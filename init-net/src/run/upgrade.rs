//! Another program in place of this one, in the same process: `init-net upgrade`, or SIGUSR2.
//!
//! The new program is copied into sealed memory and asked first (`supervise --check`, as a child): whether it runs, reads
//! our state, and needs no system call that was given up. Only then the state is saved and the process becomes it. Lock
//! and control socket are never closed; leases and kernel objects are found as after any restart.

use std::ffi::{CString, OsString};
use std::io::{PipeReader, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::control;
use super::core::{Reply, Request};
use super::kernel::Kernel;
use super::notify;
use super::privileges::{self, Inherited};
use super::sources;
use super::supervise;
use crate::sys;
use crate::sys::poll::Interest;
use crate::value::{Duration, Instant};

/// How the next program is told what it is given.
const VARIABLE: &str = "INIT_NET_HANDOVER";

/// How long a candidate may take to answer: it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer, bytes: two hundred names of system calls.
const MAX_ANSWER: usize = 64 << 10;

/// How long `init-net upgrade` waits for the new program, and how often it asks.
const UP: Duration = Duration::from_secs(30);
const UP_PERIOD: Duration = Duration::from_millis(20);

/// What goes over to the next program of this process: numbers of descriptors, and what only this process knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handover {
    /// The lock file.
    pub lock: Option<i32>,
    /// The control socket.
    pub control: Option<i32>,
    /// `--ready-fd`, where nothing was said on it yet.
    pub ready: Option<i32>,
    /// The payload of a RAM-only OS: it runs, and is not started again.
    pub payload: Option<i32>,
    /// What this process can no longer do.
    pub inherited: Inherited,
    /// The file that the program came from, for the next upgrade.
    pub binary: Option<PathBuf>,
}

impl Handover {
    /// What the program before left for this one; `None`: there was none.
    pub fn take() -> Option<Self> {
        let text = std::env::var_os(VARIABLE)?;
        match serde_json::from_slice(text.as_bytes()) {
            Ok(handover) => Some(handover),
            Err(error) => {
                log::error!("{VARIABLE}: {error}");
                None
            }
        }
    }
}

/// A program that may become the next one, while it is asked.
pub struct Candidate {
    program: OwnedFd,
    path: PathBuf,
    pid: i32,
    pipe: PipeReader,
    said: Vec<u8>,
    until: Instant,
    /// The client that asked for it; `None`: a signal.
    pub asked_by: Option<u64>,
}

/// What a program says of itself: the last line of `supervise --check`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    version: String,
    /// Names of the calls that it needs.
    system_calls: Vec<String>,
}

impl Candidate {
    /// Starts asking the program at `path`, which is copied first: what was asked is what runs later.
    pub fn start(path: &Path, asked_by: Option<u64>, now: Instant) -> Result<Self, String> {
        let failed = |error| format!("{}: {error}", path.display());
        let program = sys::memfd::program(path).map_err(failed)?;
        let (pid, pipe) = sys::process::spawn_piped(&program, &["supervise", "--check"]).map_err(
            |error| {
                let path = path.display();
                format!(
                    "{path} is not taken: it cannot be started: {error}\n  name a static init-net of this architecture; \
                     this supervisor goes on"
                )
            },
        )?;
        Ok(Self {
            program,
            path: path.to_owned(),
            pid,
            pipe,
            said: Vec::new(),
            until: now + PATIENCE,
            asked_by,
        })
    }

    /// To be watched.
    pub fn interest(&self) -> Interest<'_> {
        Interest::read(self.pipe.as_fd())
    }

    /// When it is too late.
    pub fn deadline(&self) -> Instant {
        self.until
    }

    /// Its version once it has answered well, or why it is not taken; `None`: it has not ended yet. Never blocks.
    pub fn verdict(&mut self, now: Instant) -> Option<Result<String, String>> {
        let ended = self.listen();
        let verdict = if ended {
            judge(&self.said, &privileges::call_names())
        } else if now >= self.until || self.said.len() > MAX_ANSWER {
            // It is a child of ours and not reaped before it ends: the number is still its own.
            let _ended_just_now = sys::process::kill(self.pid, Signal::SIGKILL);
            Err(format!("no answer within {} s", PATIENCE.as_secs()))
        } else {
            return None;
        };
        Some(verdict.map_err(|why| {
            format!(
                "{} is not taken: {why}\n  this supervisor goes on",
                self.path.display()
            )
        }))
    }

    /// Reads what is there; whether that was all.
    fn listen(&mut self) -> bool {
        let mut buffer = [0; 4096];
        while self.said.len() <= MAX_ANSWER {
            let ready = sys::poll::poll(&[self.interest()], Some(Duration::ZERO));
            if !ready.is_ok_and(|ready| ready.iter().any(|pipe| pipe.readable)) {
                return false;
            }
            match self.pipe.read(&mut buffer) {
                Ok(0) | Err(_) => return true,
                Ok(count) => self
                    .said
                    .extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
        false
    }

    /// Becomes the program; `kept` stay open. Returns only when that fails, with everything as before.
    pub fn become_it(&self, mut handover: Handover, kept: Kept<'_>) -> String {
        let number = |file: Option<BorrowedFd<'_>>| {
            file.and_then(|file| sys::inherit::leave_open(&file).ok())
        };
        handover.lock = number(kept.lock);
        handover.control = number(kept.control);
        handover.ready = number(kept.ready);
        handover.binary = Some(self.path.clone());
        let failed = match (arguments(), environment(&handover)) {
            (Ok(arguments), Ok(environment)) => {
                sys::memfd::exec(&self.program, &arguments, &environment).to_string()
            }
            (Err(error), _) | (_, Err(error)) => error,
        };
        for file in [kept.lock, kept.control, kept.ready].into_iter().flatten() {
            if let Err(error) = sys::inherit::close_on_exec(&file) {
                log::warn!("close-on-exec: {error}");
            }
        }
        format!("{}: {failed}", self.path.display())
    }
}

/// Descriptors that are not closed on the way.
#[derive(Clone, Copy, Default)]
pub struct Kept<'a> {
    /// See [`Handover`].
    pub lock: Option<BorrowedFd<'a>>,
    /// See [`Handover`].
    pub control: Option<BorrowedFd<'a>>,
    /// See [`Handover`].
    pub ready: Option<BorrowedFd<'a>>,
}

/// The name that this process has, and what it is.
fn arguments() -> Result<[CString; 2], String> {
    let name = std::env::args_os()
        .next()
        .unwrap_or_else(|| "init-net".into());
    Ok([c_string(name)?, c"supervise".to_owned()])
}

/// What the service manager said at the start, and the handover.
fn environment(handover: &Handover) -> Result<Vec<CString>, String> {
    let text = serde_json::to_string(handover).map_err(|error| error.to_string())?;
    let mut pairs = vec![c_string(format!("{VARIABLE}={text}").into())?];
    for name in notify::VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            let mut pair = OsString::from(format!("{name}="));
            pair.push(value);
            pairs.push(c_string(pair)?);
        }
    }
    Ok(pairs)
}

fn c_string(text: OsString) -> Result<CString, String> {
    CString::new(text.into_vec()).map_err(|error| error.to_string())
}

/// Whether what a candidate `said` is enough, where `allowed` are the calls that this process can still make.
fn judge(said: &[u8], allowed: &[&str]) -> Result<String, String> {
    let text = String::from_utf8_lossy(said);
    let last = text.lines().last().unwrap_or_default();
    let Ok(answer) = serde_json::from_str::<Answer>(last) else {
        return Err(match last.trim() {
            "" => "it does not answer `supervise --check`: is it an init-net?".to_owned(),
            // Its own words, but not as a record or a screen full.
            last => format!(
                "it says: {}",
                last.escape_debug().take(MAX_SHOWN).collect::<String>()
            ),
        });
    };
    let lost = answer
        .system_calls
        .iter()
        .filter(|call| !allowed.contains(&call.as_str()));
    let lost: Vec<&str> = lost.map(String::as_str).take(MAX_LISTED).collect();
    if lost.is_empty() {
        Ok(answer.version)
    } else {
        Err(format!(
            "it needs {}, which this process has given up for good;\n  start it anew: end this supervisor and run \
             `init-net supervise`",
            lost.join(", ")
        ))
    }
}

/// Of what a candidate says, characters.
const MAX_SHOWN: usize = 200;

/// Of calls that it needs.
const MAX_LISTED: usize = 5;

/// `supervise --check`: whether this program could go on with what the supervisor of this machine has. Changes nothing.
pub fn check() -> Result<u8, String> {
    if let Some(state) = supervise::read_state()? {
        let read = sources::parse_boot(&state.cmdline, state.configs);
        let nothing = std::collections::BTreeMap::new();
        let (_desired, _faults) = crate::compile::compile(&read.documents, &nothing);
    }
    Kernel::open().map_err(|error| format!("netlink: {error}"))?;
    let answer = Answer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        system_calls: privileges::call_names()
            .into_iter()
            .map(str::to_owned)
            .collect(),
    };
    println!(
        "{}",
        serde_json::to_string(&answer).map_err(|error| error.to_string())?
    );
    Ok(0)
}

/// Where this program came from: the next upgrade without a path takes what is there by then.
pub fn own_binary(handover: Option<&Handover>) -> Result<PathBuf, String> {
    if let Some(path) = handover.and_then(|handover| handover.binary.clone()) {
        return Ok(path);
    }
    let path =
        std::fs::read_link("/proc/self/exe").map_err(|error| format!("/proc/self/exe: {error}"))?;
    // A file that was replaced by rename, as packages do it.
    let name = path.as_os_str().as_bytes();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    if name.starts_with(b"/memfd:") {
        return Err(
            "this supervisor was started from memory, not from a file;\n  \
             say which program: init-net upgrade --binary PATH"
                .into(),
        );
    }
    Ok(PathBuf::from(OsString::from_vec(name.to_vec())))
}

/// `init-net upgrade`: asks the supervisor, and waits until the next program answers. What it is, for people.
pub fn ask(binary: Option<&Path>) -> Result<String, String> {
    let binary = binary.map(std::path::absolute).transpose();
    let binary = binary.map_err(|error| error.to_string())?;
    let before = process().ok_or("no supervisor runs: start one with `init-net supervise`")?;
    match control::ask(&Request::Upgrade { binary })? {
        Some(Reply::Ok(_)) => {}
        Some(Reply::Error(error)) => return Err(error),
        None => return Err("the supervisor ended before it answered".into()),
    }
    let until = sys::clock::now() + UP;
    loop {
        if let Some(after) = process().filter(|after| after["started"] != before["started"]) {
            let version = after["version"].as_str().unwrap_or("of unknown version");
            return Ok(format!(
                "process {} is init-net {version} now",
                after["pid"]
            ));
        }
        if sys::clock::now() >= until {
            return Err(format!(
                "the program was taken, but does not answer after {} s; see the kernel's log",
                UP.as_secs()
            ));
        }
        std::thread::sleep(UP_PERIOD);
    }
}

/// The process of the supervisor, as it tells it.
fn process() -> Option<Value> {
    let request = Request::Get {
        kind: "status".into(),
    };
    match control::ask(&request) {
        Ok(Some(Reply::Ok(answer))) => answer.get(0)?.get("process").cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(calls: &[&str]) -> Vec<u8> {
        let answer = Answer {
            version: "9.9".into(),
            system_calls: calls.iter().map(|call| (*call).to_owned()).collect(),
        };
        format!(
            "some warning\n{}\n",
            serde_json::to_string(&answer).unwrap()
        )
        .into_bytes()
    }

    #[test]
    fn a_candidate_that_needs_no_more_is_taken() {
        let allowed = ["SYS_read", "SYS_write"];
        assert_eq!(judge(&said(&["SYS_read"]), &allowed), Ok("9.9".into()));
        let refusal = judge(&said(&["SYS_read", "SYS_bpf"]), &allowed).unwrap_err();
        assert!(
            refusal.contains("SYS_bpf") && !refusal.contains("SYS_read"),
            "{refusal}"
        );
        let refusal =
            judge(b"init-net: error: state.json: version 7, not 1\n", &allowed).unwrap_err();
        assert!(refusal.contains("version 7"), "{refusal}");
        assert!(judge(b"", &allowed).is_err() && judge(b"\xff\n{}\n", &allowed).is_err());
    }

    #[test]
    fn no_refusal_floods_a_screen() {
        let long = judge(&[b'\x1b'; 10_000], &[]).unwrap_err();
        assert!(long.len() < 300 && !long.contains('\x1b'), "{long}");
    }
}
