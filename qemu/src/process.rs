//! Children that live in a namespace and die with the lab.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::fcntl::FcntlArg;
use nix::fcntl::FdFlag;
use nix::fcntl::fcntl;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::Deadline;
use crate::Error;
use crate::Log;
use crate::Result;
use crate::error::Context;

/// Between two looks at a child that is ending. std has no wait with a deadline.
const EXIT_POLL: Duration = Duration::from_millis(10);

/// A child process, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    command: String,
}

impl Process {
    /// Starts `command` with nothing on its input; it dies when the calling thread ends.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let text = command_text(command);
        die_with_parent(command);
        let child = command.stdin(Stdio::null()).spawn().context(&text)?;
        Ok(Self {
            child,
            command: text,
        })
    }

    /// The command as an operator would type it.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Its number, which nobody else has before this is dropped.
    pub fn id(&self) -> i32 {
        // A number that the kernel gave out as a pid fits.
        self.child.id().cast_signed()
    }

    /// Follows the child's standard output.
    pub fn output(&mut self, echo: Option<String>) -> Option<Log> {
        let output = self.child.stdout.take()?;
        Some(Log::follow(output, echo))
    }

    /// Follows the child's standard error.
    pub fn errors(&mut self, echo: Option<String>) -> Option<Log> {
        let errors = self.child.stderr.take()?;
        Some(Log::follow(errors, echo))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.id()), signal).context(&self.command)
    }

    /// Waits until the child has ended by itself.
    ///
    /// # Errors
    /// [`Error::Deadline`] when it still runs then.
    pub fn wait_exit(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Deadline::after(within);
        loop {
            if let Some(status) = self.child.try_wait().context(&self.command)? {
                return Ok(status);
            }
            let Some(left) = deadline.remaining() else {
                let what = format!("the end of {}", self.command);
                return Err(Error::Deadline { what });
            };
            thread::sleep(left.min(EXIT_POLL));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nothing else to do about an error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` to its end and returns what it printed.
///
/// # Errors
/// It cannot be started, or ends with another status than 0.
pub fn run(command: &mut Command) -> Result<String> {
    let text = command_text(command);
    die_with_parent(command);
    let output = command.stdin(Stdio::null()).output().context(&text)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Error::Program {
        command: text,
        output: format!("{}: {}", output.status, errors.trim()),
    })
}

/// Makes `command` start inside the network namespace behind `namespace`.
pub(crate) fn enter_on_start(command: &mut Command, namespace: BorrowedFd<'_>) {
    let raw = namespace.as_raw_fd();
    // SAFETY: the closure runs between fork and exec and calls only setns(2), which is async-signal-safe and allocates
    // nothing. The descriptor is open there: the namespace that owns it outlives the spawn by the caller's borrow of it
    // in Namespace::command, and a closed one would only make setns fail.
    unsafe {
        command.pre_exec(move || {
            let namespace = BorrowedFd::borrow_raw(raw);
            setns(namespace, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
        });
    }
}

/// Lets the child keep a descriptor under its number.
pub(crate) fn keep_on_start(command: &mut Command, descriptor: RawFd) {
    // SAFETY: between fork and exec only fcntl(2) is called, which is async-signal-safe; the caller holds the
    // descriptor open until the child has started.
    unsafe {
        command.pre_exec(move || {
            let descriptor = BorrowedFd::borrow_raw(descriptor);
            fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
            Ok(())
        });
    }
}

/// SIGKILL for the child when the thread that starts it ends, however that comes: an aborted lab leaves nothing behind.
fn die_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only prctl(2) is called, which is async-signal-safe and takes no pointers here.
    unsafe {
        command.pre_exec(
            || match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            },
        );
    }
}

/// The command as an operator would type it; words with blanks are quoted.
pub(crate) fn command_text(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| {
            let word = word.to_string_lossy();
            if word.is_empty() || word.contains([' ', '\'', '$', ';', '&', '*']) {
                format!("'{}'", word.replace('\'', r"'\''"))
            } else {
                word.into_owned()
            }
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_command_prints_as_typed() {
        let mut command = Command::new("qemu");
        command.args(["-append", "console=ttyS0 quiet", "-m", "256", ""]);
        assert_eq!(
            command_text(&command),
            "qemu -append 'console=ttyS0 quiet' -m 256 ''"
        );
    }

    #[test]
    fn failure_says_what_the_program_said() {
        let error = run(Command::new("ls").arg("/nowhere")).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("ls /nowhere: exit status: 2"), "{text}");
        assert!(text.contains("No such file"), "{text}");
    }

    #[test]
    fn a_process_dies_with_the_thread_that_started_it() {
        let start = || Process::start(Command::new("sleep").arg("1000")).unwrap();
        let mut process = thread::spawn(start).join().unwrap();
        let status = process.wait_exit(Duration::from_secs(30)).unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let mut process = Process::start(Command::new("sleep").arg("1000")).unwrap();
        let pid = process.child.id();
        assert!(process.wait_exit(Duration::ZERO).is_err());
        drop(process);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
