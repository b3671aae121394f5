//! The descriptors of this process: how many there may be, and closing what a child is not meant to have.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit (1,024 in most places) to the hard one: nothing here uses select(2), for which it is that low.
pub fn raise_limit() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// Closes all but the standard three and `kept`. close_range(2) is younger than the oldest kernel this runs on.
///
/// # Safety
///
/// Nothing that owns another descriptor is used or dropped in this process any more.
pub(super) unsafe fn close_all_but(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let stays = |number: RawFd| {
        number <= libc::STDERR_FILENO || kept.iter().any(|kept| kept.as_raw_fd() == number)
    };
    for number in open.into_iter().filter(|number| !stays(*number)) {
        // SAFETY: as the caller says. The descriptor that listed the folder is closed already, which is an error and
        // nothing else.
        unsafe { libc::close(number) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::super::inherit;
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_it_may_be() {
        raise_limit().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
    }

    #[test]
    fn a_child_has_what_it_is_meant_to_have() {
        let [kept, other] = [(); 2].map(|()| File::open("/dev/null").unwrap());
        let [kept_number, other_number] =
            [&kept, &other].map(|file| inherit::leave_open(file).unwrap());
        let script =
            format!("test -e /proc/$$/fd/{kept_number} && ! test -e /proc/$$/fd/{other_number}");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        // SAFETY: the child owns nothing that is used again: it becomes another program. Should another thread hold a lock
        // of the allocator, the test ends by its own limit.
        unsafe { command.pre_exec(move || close_all_but(&[kept.as_fd()])) };
        assert!(command.status().unwrap().success());
    }
}
