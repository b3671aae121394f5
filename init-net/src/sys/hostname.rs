//! The kernel's host name.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;

use super::poll::Interest;

/// `None` when the kernel has none: empty, or its default `(none)`.
pub fn read() -> io::Result<Option<String>> {
    let name = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    Ok(Some(name).filter(|name| !name.is_empty() && name != "(none)"))
}

/// The same as a file, which root may write without CAP_SYS_ADMIN.
const PARAMETER: &str = "/proc/sys/kernel/hostname";

/// sethostname(2), or without the right to that the parameter.
pub fn set(name: &str) -> io::Result<()> {
    match nix::unistd::sethostname(name) {
        Err(nix::Error::EPERM) => std::fs::write(PARAMETER, name),
        set => Ok(set?),
    }
}

/// Rings when somebody sets the host name, of any namespace (`proc_sys_poll`, fs/proc/proc_sysctl.c). Being told is
/// enough: the next poll(2) is quiet again.
pub struct Watch(File);

impl Watch {
    /// From now on.
    pub fn open() -> io::Result<Self> {
        Ok(Self(File::open("/proc/sys/kernel/hostname")?))
    }

    /// To be watched.
    pub fn interest(&self) -> Interest<'_> {
        Interest::urgent(self.0.as_fd())
    }
}
