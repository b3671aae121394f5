//! This program as a sealed file in memory, so that it outlives the file system it came from.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Copies `/proc/self/exe` and seals it: nobody, root included, can change it afterwards. Closed on exec.
pub fn own_program() -> io::Result<OwnedFd> {
    let name = c"init-net";
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // MFD_EXEC must be said where vm.memfd_noexec is set (6.3), and is unknown before.
    let exec = MFdFlags::from_bits_retain(MFD_EXEC);
    let memory = memfd_create(name, flags | exec).or_else(|_| memfd_create(name, flags))?;
    let mut memory = File::from(memory);
    io::copy(&mut File::open("/proc/self/exe")?, &mut memory)?;
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(memory.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
    Ok(memory.into())
}

/// Linux 6.3, include/uapi/linux/memfd.h.
const MFD_EXEC: libc::c_uint = 0x10;

/// Becomes the program in `program`. Returns only when that fails.
pub fn exec(program: &OwnedFd, arguments: &[CString], environment: &[CString]) -> io::Error {
    match nix::unistd::fexecve(program.as_fd(), arguments, environment) {
        Err(error) => error.into(),
    }
}
