//! The kernel's host name.

use std::io;

/// `None` when the kernel has none: empty, or its default `(none)`.
pub fn read() -> io::Result<Option<String>> {
    let name = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    Ok(Some(name).filter(|name| !name.is_empty() && name != "(none)"))
}

/// sethostname(2).
pub fn set(name: &str) -> io::Result<()> {
    Ok(nix::unistd::sethostname(name)?)
}
