//! A program as a sealed file in memory: it outlives the file system it came from, and stays what was looked at.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Largest program that is copied, bytes: many times ours.
const MAX_PROGRAM: u64 = 256 << 20;

/// Copies `/proc/self/exe`: [`program`].
pub fn own_program() -> io::Result<OwnedFd> {
    program(Path::new("/proc/self/exe"))
}

/// Copies the file at `path` and seals the copy: nobody, root included, can change it afterwards. Closed on exec.
pub fn program(path: &Path) -> io::Result<OwnedFd> {
    // A FIFO must not hold us up.
    let source = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    if !source.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let name = c"init-net";
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // MFD_EXEC must be said where vm.memfd_noexec is set (6.3), and is unknown before.
    let exec = MFdFlags::from_bits_retain(MFD_EXEC);
    let memory = memfd_create(name, flags | exec).or_else(|_| memfd_create(name, flags))?;
    let mut memory = File::from(memory);
    if io::copy(&mut source.take(MAX_PROGRAM + 1), &mut memory)? > MAX_PROGRAM {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
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
