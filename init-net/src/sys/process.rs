//! Processes: started clean, reaped in a loop, replaced.

use std::ffi::{CString, OsStr};
use std::io::{self, PipeReader};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::{descriptors, kmsg, signal};

/// Name of the supervisor among processes. The `@` asks systemd to spare it when it clears the initramfs
/// (systemd.io/ROOT_STORAGE_DAEMONS).
pub const SUPERVISOR_NAME: &str = "@init-net";

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Which.
    pub pid: i32,
    /// Exit code, or 128 and the number of the signal, as shells count.
    pub code: i32,
}

/// Starts `program` with a clean signal state and environment `environment`, in a session of its own. It is reaped by
/// [`reap`].
pub fn spawn<S: AsRef<OsStr>>(
    program: &Path,
    arguments: &[S],
    environment: &[(S, S)],
) -> io::Result<i32> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    for (name, value) in environment {
        command.env(name, value);
    }
    start(command)
}

/// Starts the program in `program` (see [`super::memfd`]) as the supervisor: its name is [`SUPERVISOR_NAME`], its folder
/// `/`, and it holds nothing of who started it: neither the root nor a pipe that a caller reads to its end.
pub fn spawn_supervisor<S: AsRef<OsStr>>(program: &OwnedFd, arguments: &[S]) -> io::Result<i32> {
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command
        .arg0(SUPERVISOR_NAME)
        .args(arguments)
        .env_clear()
        .current_dir("/");
    // The caller of a hook may wait for the end of its pipes: nothing of the supervisor's goes there.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    start(command)
}

/// Starts the program in `program` with its output and errors in a pipe, of which this is the other end.
pub fn spawn_piped<S: AsRef<OsStr>>(
    program: &OwnedFd,
    arguments: &[S],
) -> io::Result<(i32, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.arg0("init-net").args(arguments).env_clear();
    command
        .stdin(Stdio::null())
        .stderr(writer.try_clone()?)
        .stdout(writer);
    Ok((start(command)?, reader))
}

fn start(mut command: Command) -> io::Result<i32> {
    // SAFETY: the closure runs between fork and exec; setsid, sigaction and sigprocmask are async-signal-safe
    // (signal-safety(7)), and nothing in it allocates.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            signal::reset()
        });
    }
    let child = command.spawn()?;
    i32::try_from(child.id()).map_err(io::Error::other)
}

/// Runs `work` in a forked child, which ends with the code that `work` returns. Of the open files the child has the
/// standard three, the log and `kept`: whatever this process closes is closed, however long the child runs. For work that
/// blocks in the kernel (module initialisation takes seconds on some cards) while the loop goes on. Refused in a process
/// with several threads: another one could hold a lock that the child would wait for for ever.
pub fn fork(kept: &[BorrowedFd<'_>], work: impl FnOnce() -> i32) -> io::Result<i32> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other(
            "cannot fork a process with several threads",
        ));
    }
    // SAFETY: this is the only thread, as was just counted, so the child may run any code.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(child.as_raw()),
        nix::unistd::ForkResult::Child => {
            let log = kmsg::descriptor();
            let kept: Vec<BorrowedFd<'_>> = log.into_iter().chain(kept.iter().copied()).collect();
            // SAFETY: `work` has nothing else, and what this process had is not dropped: the child ends below.
            let closed = unsafe { descriptors::close_all_but(&kept) };
            let ready = closed.and_then(|()| signal::reset());
            let code = ready.map_or(125, |()| work());
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
    }
}

/// The next child that has ended, `None` when none has. SIGCHLDs coalesce: ask until `None`. As PID 1 it also gives
/// orphans.
pub fn reap() -> io::Result<Option<Exit>> {
    loop {
        let status = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG) {
            Ok(WaitStatus::StillAlive) | Err(nix::Error::ECHILD) => return Ok(None),
            Err(nix::Error::EINTR) => continue,
            status => status?,
        };
        if let Some(exit) = exit_of(status) {
            return Ok(Some(exit));
        }
    }
}

/// From now on no program that this process or its children become gains anything by the mode or capabilities of its file
/// (PR_SET_NO_NEW_PRIVS). Cannot be taken back.
pub fn give_up_new_privileges() -> io::Result<()> {
    Ok(nix::sys::prctl::set_no_new_privs()?)
}

/// Waits for this one child.
pub fn wait(pid: i32) -> io::Result<Exit> {
    loop {
        match waitpid(Pid::from_raw(pid), None) {
            Err(nix::Error::EINTR) => {}
            status => {
                if let Some(exit) = exit_of(status?) {
                    return Ok(exit);
                }
            }
        }
    }
}

fn exit_of(status: WaitStatus) -> Option<Exit> {
    let (pid, code) = match status {
        WaitStatus::Exited(pid, code) => (pid, code),
        WaitStatus::Signaled(pid, signal, _) => (pid, 128 + signal as i32),
        _ => return None,
    };
    Some(Exit {
        pid: pid.as_raw(),
        code,
    })
}

/// Sends `signal` to a child.
pub fn kill(pid: i32, signal: nix::sys::signal::Signal) -> io::Result<()> {
    Ok(nix::sys::signal::kill(Pid::from_raw(pid), signal)?)
}

/// Becomes `program`, with clean signals, umask 022 and only what `environment` (`NAME=value`) says. Descriptors above 2
/// are closed by their close-on-exec flag. Returns only when that fails.
pub fn exec(program: &Path, arguments: &[CString], environment: &[CString]) -> io::Error {
    let path = match CString::new(program.as_os_str().as_bytes()) {
        Ok(path) => path,
        Err(error) => return error.into(),
    };
    if let Err(error) = signal::reset() {
        return error;
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    match nix::unistd::execve(&path, arguments, environment) {
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_start_clean_and_their_codes_come_back() {
        let arguments = ["-c", "test \"$A\" = b && test -z \"$HOME\" && exit 7"];
        let pid = spawn(Path::new("/bin/sh"), &arguments, &[("A", "b")]).unwrap();
        assert_eq!(wait(pid).unwrap(), Exit { pid, code: 7 });
        let pid = spawn(Path::new("/bin/sh"), &["-c", "kill -9 $$"], &[]).unwrap();
        assert_eq!(wait(pid).unwrap(), Exit { pid, code: 137 });
        assert!(spawn(Path::new("/does/not/exist"), &["x"], &[]).is_err());
    }

    #[test]
    fn a_program_in_memory_runs() {
        let program = super::super::memfd::own_program().unwrap();
        let pid = spawn_supervisor(&program, &["--list", "--quiet", "no-such-test"]).unwrap();
        assert_eq!(wait(pid).unwrap().code, 0);
    }
}
