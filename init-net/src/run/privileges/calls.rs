//! Which system calls a supervisor makes, its forked module loader and a candidate for an upgrade included.
//!
//! The binary is static: its libc never changes under the list. Each architecture takes the numbers of its own `libc`.

use crate::sys::seccomp::{Call, Condition};

/// PROT_EXEC: no memory of ours becomes code.
const EXECUTABLE: u32 = 4;

/// CLONE_NEW* of clone(2), without those that share bits with its exit signal: children stay where we are.
const NAMESPACES: u32 = 0x7e02_0000;

/// AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET.
const FAMILIES: [u32; 5] = [1, 2, 10, 16, 17];

/// FIONBIO, FIOCLEX, FIONCLEX, FIONREAD, TCGETS, TIOCGWINSZ, SIOCGIFNAME, SIOCGIFINDEX: what std and libc ask of
/// descriptors; none that types on a terminal. SIOCETHTOOL: what a card is; whether it asks or changes is in memory, where a
/// filter cannot look.
const IOCTLS: [u32; 9] = [
    0x5421, 0x5451, 0x5450, 0x541b, 0x5401, 0x5413, 0x8910, 0x8933, 0x8946,
];

/// Of this process itself: PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ,
/// PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_SET_CHILD_SUBREAPER.
const PRCTLS: [u32; 11] = [1, 3, 15, 16, 21, 23, 24, 38, 39, 47, 36];

/// Calls of `libc` by their constants, with one condition for all of them.
macro_rules! calls {
    ($condition:expr => $($number:ident)*) => {
        [$(Call {
            name: stringify!($number),
            number: libc::$number,
            condition: $condition,
        }),*]
    };
}

/// Every call that is allowed, with its condition.
pub(super) fn allowed() -> Vec<Call> {
    let mut all = Vec::new();
    all.extend(FILES);
    all.extend(SOCKETS);
    all.extend(TIME_AND_EVENTS);
    all.extend(MEMORY);
    all.extend(PROCESS);
    all.extend(MACHINE);
    all.extend(OWN_LIMITS);
    all.extend(CONDITIONAL);
    #[cfg(target_arch = "x86_64")]
    all.extend(X86_64);
    all
}

/// The names of [`allowed`]: a program that needs one more cannot take this one's place.
pub fn names() -> Vec<&'static str> {
    allowed().into_iter().map(|call| call.name).collect()
}

/// State, report, /etc, parameters, modules' files.
const FILES: [Call; 42] = calls![Condition::Any =>
    SYS_read SYS_readv SYS_pread64 SYS_write SYS_writev SYS_pwrite64 SYS_lseek SYS_close SYS_close_range
    SYS_openat SYS_openat2 SYS_newfstatat SYS_fstat SYS_statx SYS_statfs SYS_fstatfs SYS_getdents64 SYS_readlinkat
    SYS_faccessat SYS_faccessat2 SYS_getcwd SYS_chdir SYS_fchdir SYS_mkdirat SYS_unlinkat SYS_renameat SYS_renameat2
    SYS_symlinkat SYS_linkat SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_ftruncate SYS_utimensat
    SYS_flock SYS_fcntl SYS_dup SYS_dup3 SYS_sendfile SYS_splice SYS_copy_file_range
];

/// The families are in [`CONDITIONAL`].
const SOCKETS: [Call; 19] = calls![Condition::Any =>
    SYS_bind SYS_connect SYS_listen SYS_accept SYS_accept4 SYS_getsockname SYS_getpeername SYS_getsockopt
    SYS_setsockopt SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg SYS_shutdown
    SYS_pipe2 SYS_fsync SYS_fdatasync
];

/// The one loop.
const TIME_AND_EVENTS: [Call; 20] = calls![Condition::Any =>
    SYS_ppoll SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_eventfd2 SYS_signalfd4 SYS_timerfd_create
    SYS_timerfd_settime SYS_timerfd_gettime SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch
    SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday SYS_getrandom
    SYS_restart_syscall SYS_sched_yield
];

/// mmap and mprotect are in [`CONDITIONAL`].
const MEMORY: [Call; 7] = calls![Condition::Any =>
    SYS_brk SYS_munmap SYS_mremap SYS_madvise SYS_memfd_create SYS_futex SYS_set_robust_list
];

/// Children, signals, and what libc does when a program starts: an upgrade starts one.
const PROCESS: [Call; 33] = calls![Condition::Any =>
    SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill SYS_tgkill SYS_setsid SYS_getsid
    SYS_getpid SYS_getppid SYS_gettid SYS_getpgid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getgroups
    SYS_umask SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigpending SYS_sigaltstack
    SYS_set_tid_address SYS_rseq SYS_prlimit64 SYS_getrlimit SYS_getrusage SYS_sched_getaffinity SYS_uname
    SYS_sysinfo
];

/// What a capability stands before: who has lost that gets nothing here.
const MACHINE: [Call; 8] = calls![Condition::Any =>
    SYS_finit_module SYS_init_module SYS_sethostname SYS_chroot SYS_mount SYS_umount2 SYS_reboot SYS_sync
];

/// Giving up more.
const OWN_LIMITS: [Call; 6] = calls![Condition::Any =>
    SYS_capget SYS_capset SYS_seccomp SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
];

const CONDITIONAL: [Call; 8] = {
    let [mmap, mprotect] = calls![Condition::Without(2, EXECUTABLE) => SYS_mmap SYS_mprotect];
    let [clone] = calls![Condition::Without(0, NAMESPACES) => SYS_clone];
    // Its flags are in memory, where a filter cannot look; libc falls back to clone.
    let [clone3] = calls![Condition::Absent => SYS_clone3];
    let [socket] = calls![Condition::OneOf(0, &FAMILIES) => SYS_socket];
    let [ioctl] = calls![Condition::OneOf(1, &IOCTLS) => SYS_ioctl];
    let [prctl] = calls![Condition::OneOf(0, &PRCTLS) => SYS_prctl];
    // std hears through a pair of them whether a child could be started.
    let [pair] = calls![Condition::OneOf(0, &[1]) => SYS_socketpair];
    [mmap, mprotect, clone, clone3, socket, ioctl, prctl, pair]
};

/// Calls that newer architectures have only in the forms above.
#[cfg(target_arch = "x86_64")]
const X86_64: [Call; 18] = calls![Condition::Any =>
    SYS_open SYS_stat SYS_lstat SYS_access SYS_readlink SYS_mkdir SYS_rmdir SYS_unlink SYS_rename SYS_chmod SYS_chown
    SYS_lchown SYS_poll SYS_epoll_wait SYS_pipe SYS_dup2 SYS_time SYS_arch_prctl
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use super::*;
    use crate::sys::ethtool::Ethtool;
    use crate::sys::{process, seccomp};

    #[test]
    fn no_call_is_listed_twice() {
        let all = allowed();
        let numbers: BTreeSet<_> = all.iter().map(|call| call.number).collect();
        assert_eq!(numbers.len(), all.len());
    }

    /// In a thread of its own: a filter holds for the thread that asked for it.
    fn filtered(work: fn()) {
        let thread = std::thread::spawn(move || {
            process::give_up_new_privileges().unwrap();
            seccomp::install(&allowed()).unwrap();
            work();
        });
        thread.join().unwrap();
    }

    #[track_caller]
    fn refused(error: io::Error) {
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
    }

    #[test]
    fn what_a_supervisor_never_does_is_refused() {
        filtered(|| {
            use nix::sched::{CloneFlags, setns, unshare};
            use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
            refused(unshare(CloneFlags::CLONE_NEWUSER).unwrap_err().into());
            let own = std::fs::File::open("/proc/self/ns/net").unwrap();
            refused(setns(own, CloneFlags::CLONE_NEWNET).unwrap_err().into());
            let vsock = socket(
                AddressFamily::Vsock,
                SockType::Stream,
                SockFlag::empty(),
                None,
            );
            refused(vsock.unwrap_err().into());
            refused(nix::unistd::pivot_root("/", "/").unwrap_err().into());
        });
    }

    #[test]
    fn what_it_does_goes_on() {
        filtered(|| {
            std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let path = std::env::temp_dir().join(format!("init-net-calls-{}", std::process::id()));
            crate::sys::file::replace(&path, 0o600, b"x").unwrap();
            std::fs::remove_file(path).unwrap();
            let card = Ethtool::open()
                .unwrap()
                .driver(&"nosuchlink".parse().unwrap());
            let error = card.expect_err("there is no such link");
            assert_eq!(error.raw_os_error(), Some(libc::ENODEV), "{error}");
            // Keys of TLS come from the kernel.
            let (trust, _) = crate::proto::tls::Trust::new([]).unwrap();
            let host = "a.example".parse().unwrap();
            let peer = crate::proto::tls::Peer::Name(&host);
            let mut hello = Vec::new();
            let session = trust.session(peer, crate::sys::clock::wall());
            session.unwrap().transmit(&mut hello);
            assert_eq!(hello.first(), Some(&22));
            // A static program in memory, as a candidate for an upgrade is one.
            let own = crate::sys::memfd::own_program().unwrap();
            let arguments = ["--list", "--quiet", "no-such-test"];
            let pid = process::spawn_supervisor(&own, &arguments).unwrap();
            assert_eq!(process::wait(pid).unwrap().code, 0);
        });
    }
}
