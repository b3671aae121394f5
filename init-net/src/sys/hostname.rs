//! The kernel's host name.

use std::io;

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
