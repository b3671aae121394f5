//! Process 1 of a run: starts the contestant, waits for it and all it leaves behind, and takes them all with it.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::IntoRawFd;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::ForkResult;
use nix::unistd::Pid;
use nix::unistd::execve;
use nix::unistd::fork;
use nix::unistd::pipe2;

use crate::Result;
use crate::notice::now;

/// The other end: tells it to start the contestant, and reads the lines it writes.
#[derive(Debug)]
pub struct Nanny {
    pub pid: Pid,
    go: File,
    /// Lines: `start NS CPU_US` (before execve), `exit NS STATUS`, `total RSS_KIB CPU_US` (after [`Nanny::finish`]).
    pub report: OwnedFd,
}

/// What it starts: argv with `@REPORT@` where the descriptor's number belongs, and the file for its output.
#[derive(Debug)]
pub struct Start {
    pub arguments: Vec<String>,
    pub output: File,
}

impl Nanny {
    /// Forks process 1 of the process namespace that was unshared before, with its /proc under `root`.
    pub fn fork(root: &Path, start: Start) -> Result<Self> {
        let (go_read, go_write) = pipe2(OFlag::O_CLOEXEC)?;
        let (report_read, report_write) = pipe2(OFlag::O_CLOEXEC)?;
        // SAFETY: this process has one thread here, so the child may do what it likes.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self {
                pid: child,
                go: File::from(go_write),
                report: report_read,
            }),
            ForkResult::Child => {
                drop((go_write, report_read));
                let outcome = serve(root, &start, File::from(go_read), report_write);
                if let Err(error) = &outcome {
                    eprintln!("bench: {error}");
                }
                std::process::exit(i32::from(outcome.is_err()));
            }
        }
    }

    pub fn go(&mut self) -> Result<()> {
        Ok(self.go.write_all(b"g")?)
    }

    /// Ends every process of the run; the totals follow on the report.
    pub fn finish(&self) -> Result<()> {
        Ok(kill(self.pid, Signal::SIGTERM)?)
    }
}

fn serve(root: &Path, start: &Start, mut go: File, report: OwnedFd) -> Result<()> {
    // SAFETY: takes no pointers here.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    mount(
        Some("proc"),
        &root.join("proc"),
        Some("proc"),
        MsFlags::empty(),
        None::<&str>,
    )?;
    let mut byte = [0];
    go.read_exact(&mut byte)?;
    let contestant = start_contestant(start, &signals, &report)?;
    let mut report = File::from(report);
    let mut totals = Totals::default();
    loop {
        let signal = signals.wait()?;
        let at = now();
        if signal == Signal::SIGTERM {
            // Everyone but ourselves. An empty answer is as good.
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            while totals.reap(0).is_some() {}
            writeln!(report, "total {} {}", totals.rss, totals.cpu)?;
            return Ok(());
        }
        while let Some((pid, status)) = totals.reap(libc::WNOHANG) {
            if pid == contestant.as_raw() {
                writeln!(report, "exit {at} {status}")?;
            }
        }
    }
}

fn start_contestant(start: &Start, signals: &SigSet, report: &OwnedFd) -> Result<Pid> {
    // SAFETY: one thread, as above.
    if let ForkResult::Parent { child } = unsafe { fork() }? {
        return Ok(child);
    }
    signals.thread_unblock()?;
    // SAFETY: descriptors of this process; the copies are for the program that follows.
    let kept = unsafe {
        libc::dup2(start.output.as_raw_fd(), 1);
        libc::dup2(start.output.as_raw_fd(), 2);
        OwnedFd::from_raw_fd(libc::dup(report.as_raw_fd()))
    };
    let number = kept.into_raw_fd().to_string();
    let words: Vec<CString> = start
        .arguments
        .iter()
        .map(|word| CString::new(word.replace("@REPORT@", &number)).expect("no NUL"))
        .collect();
    let environment = [
        c"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        c"SYSTEMD_LOG_TARGET=console",
    ];
    let Err(error) = execve(&words[0], &words, &environment);
    eprintln!("{:?}: {error}", words[0]);
    std::process::exit(127);
}

/// Of all processes that ended so far.
#[derive(Debug, Default)]
struct Totals {
    /// Of the largest, KiB.
    rss: i64,
    /// User and system, µs.
    cpu: i64,
}

impl Totals {
    fn reap(&mut self, flags: i32) -> Option<(i32, i32)> {
        let mut status = 0;
        // SAFETY: wait4(2) writes the two structures given; all-zero is a valid rusage.
        let (pid, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (
                libc::wait4(-1, &raw mut status, flags, &raw mut usage),
                usage,
            )
        };
        if pid <= 0 {
            return None;
        }
        let (user, system) = (usage.ru_utime, usage.ru_stime);
        self.rss = self.rss.max(usage.ru_maxrss);
        self.cpu += (user.tv_sec + system.tv_sec) * 1_000_000 + user.tv_usec + system.tv_usec;
        Some((pid, status))
    }
}
