//! The starting block of every contestant.

use std::mem::zeroed;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::check;

/// Writes the time and the CPU used so far to `descriptor`, the last thing before it becomes `program` inside `root`.
/// Small on purpose: wait4(2) counts the memory that a process had before its execve as well.
pub fn enter(descriptor: &str, root: &str, program: &str, arguments: &[String]) {
    std::os::unix::fs::chroot(root).expect("chroot");
    std::env::set_current_dir("/").expect("chdir");
    let mut command = Command::new(program);
    command.args(arguments);
    let descriptor: i32 = descriptor.parse().expect("a descriptor");
    // SAFETY: plain calls on structures that live on this stack; the descriptor came open from our parent.
    let line = unsafe {
        check(libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC));
        let (mut usage, mut now): (libc::rusage, libc::timespec) = (zeroed(), zeroed());
        check(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage));
        check(libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now));
        let cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000
            + usage.ru_utime.tv_usec
            + usage.ru_stime.tv_usec;
        format!("start {} {cpu}\n", now.tv_sec * 1_000_000_000 + now.tv_nsec)
    };
    // SAFETY: a buffer of this length, and a descriptor as above.
    unsafe { libc::write(descriptor, line.as_ptr().cast(), line.len()) };
    panic!("{program}: {}", command.exec());
}
