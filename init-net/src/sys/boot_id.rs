//! The identity of this boot.

use std::io;
use std::path::Path;

use super::file;

/// A UUID with its line end, bytes.
const LENGTH: usize = 37;

/// The UUID that the kernel chose at this boot. State from another boot is refused by it.
pub fn read() -> io::Result<String> {
    let text = file::read(Path::new("/proc/sys/kernel/random/boot_id"), LENGTH)?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}
