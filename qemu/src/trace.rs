//! A program that is killed right after one of its system calls: what it leaves behind is what a crash at that moment
//! leaves, and nothing in the program knows of it.

#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitPidFlag;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::Deadline;
use crate::Error;
use crate::Result;
use crate::error::Context;
use crate::process;

/// Between two looks at a program that is busy. Nothing tells that a traced child has stopped while something else may
/// have to be waited for, too.
const LOOK: Duration = Duration::from_micros(100);

/// So many looks without a stop are called idle: 50 ms.
const IDLE_LOOKS: u32 = 500;

/// How long a program may take over all.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a traced program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Killed after the system call that it was to be killed after.
    Killed,
    /// Killed while it slept and there was nothing left to do, after that many of the calls that count.
    Idle(usize),
}

/// A traced child. It must be used by the thread that started it, and dies with it.
#[derive(Debug)]
pub struct Traced {
    child: Child,
    command: String,
    ended: bool,
}

impl Traced {
    /// Starts `command`, stopped before its first instruction.
    ///
    /// # Errors
    /// The program cannot be started, or tracing is not allowed here.
    pub fn start(command: &mut Command) -> Result<Self> {
        let text = process::command_text(command);
        // SAFETY: between fork and exec only ptrace(2) is called, which is async-signal-safe and takes no pointers here.
        unsafe {
            command.pre_exec(|| ptrace::traceme().map_err(io::Error::from));
        }
        let child = command.stdin(Stdio::null()).spawn().context(&text)?;
        let this = Self {
            child,
            command: text,
            ended: false,
        };
        // The stop of its execve(2).
        waitpid(this.pid(), None).context(&this.command)?;
        let options = ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(this.pid(), options).context(&this.command)?;
        Ok(this)
    }

    /// Lets it run until it has made `count` of the system calls of these numbers, and kills it then, or when it sleeps
    /// and `done` says that there is nothing left to do.
    ///
    /// # Errors
    /// It ended by itself, or nothing was done after two minutes.
    pub fn kill_after(
        mut self,
        count: usize,
        numbers: &[i64],
        mut done: impl FnMut() -> bool,
    ) -> Result<Fate> {
        let deadline = Deadline::after(PATIENCE);
        let mut made = 0;
        let mut counts = false;
        let mut forward = None;
        loop {
            ptrace::syscall(self.pid(), forward.take()).context(&self.command)?;
            match self.next_stop(&mut done, deadline)? {
                None => {
                    self.kill()?;
                    return Ok(Fate::Idle(made));
                }
                Some(WaitStatus::PtraceSyscall(_)) => match self.entered()? {
                    Some(number) => counts = numbers.contains(&number),
                    None => made += usize::from(std::mem::take(&mut counts)),
                },
                Some(WaitStatus::Stopped(_, signal)) => forward = Some(signal),
                Some(other) => {
                    self.ended = true;
                    let output = format!("{other:?}");
                    let command = self.command.clone();
                    return Err(Error::Program { command, output });
                }
            }
            if made >= count {
                self.kill()?;
                return Ok(Fate::Killed);
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// The next stop; `None`: it sleeps, and all is done.
    fn next_stop(
        &mut self,
        done: &mut impl FnMut() -> bool,
        deadline: Deadline,
    ) -> Result<Option<WaitStatus>> {
        let mut looks = 0;
        loop {
            let flags = Some(WaitPidFlag::WNOHANG);
            match waitpid(self.pid(), flags).context(&self.command)? {
                WaitStatus::StillAlive => {}
                stop => return Ok(Some(stop)),
            }
            looks += 1;
            if looks % IDLE_LOOKS == 0 && done() {
                return Ok(None);
            }
            if deadline.remaining().is_none() {
                let what = format!("the end of what {} does", self.command);
                return Err(Error::Deadline { what });
            }
            thread::sleep(LOOK);
        }
    }

    /// The number of the system call that it is about to make; `None`: it has just made one.
    fn entered(&self) -> Result<Option<i64>> {
        let info = ptrace::syscall_info(self.pid()).context(&self.command)?;
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return Ok(None);
        }
        // SAFETY: `op` says that the kernel filled in this member of the union.
        let number = unsafe { info.u.entry.nr };
        Ok(Some(number.cast_signed()))
    }

    fn kill(&mut self) -> Result<()> {
        self.ended = true;
        nix::sys::signal::kill(self.pid(), Signal::SIGKILL).context(&self.command)?;
        while !matches!(
            waitpid(self.pid(), None).context(&self.command)?,
            WaitStatus::Signaled(..) | WaitStatus::Exited(..)
        ) {}
        Ok(())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !self.ended {
            // There is nothing else to do about an error here.
            let _ = self.kill();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell has printed when it is killed after so many writes.
    #[track_caller]
    fn check(count: usize, expect: (Fate, &str)) {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo one; echo two; echo three; read wait <&2"])
            .stdout(Stdio::piped());
        // Something that never comes, to sleep on.
        let (silent, _kept) = std::os::unix::net::UnixStream::pair().unwrap();
        command.stderr(Stdio::from(std::os::fd::OwnedFd::from(silent)));
        let mut traced = Traced::start(&mut command).unwrap();
        let mut output = traced.child.stdout.take().unwrap();
        let fate = traced
            .kill_after(count, &[libc::SYS_write], || true)
            .unwrap();
        drop(command);
        let mut text = String::new();
        io::Read::read_to_string(&mut output, &mut text).unwrap();
        assert_eq!((fate, text.as_str()), expect);
    }

    #[test]
    fn it_dies_right_after_the_call() {
        check(1, (Fate::Killed, "one\n"));
        check(2, (Fate::Killed, "one\ntwo\n"));
        check(9, (Fate::Idle(3), "one\ntwo\nthree\n"));
    }

    #[test]
    fn a_program_that_ends_by_itself_is_no_crash() {
        let traced = Traced::start(&mut Command::new("true")).unwrap();
        let error = traced.kill_after(1, &[], || false).unwrap_err();
        assert!(error.to_string().contains("Exited"), "{error}");
    }
}
