//! Doing ops: those of rtnetlink that follow each other in one send, the others one by one. No `if` here looks at state.

use std::io;
use std::path::Path;

use super::RUN_DIR;
use super::core::Outcome;
use super::kernel::Kernel;
use super::rtnetlink::RtnetlinkError;
use crate::state::{FileOp, Op};
use crate::sys;

/// Does `ops` in order and says what became of each. A failed one does not keep the later ones from being done.
pub fn apply(kernel: &mut Kernel, ops: Vec<Op>) -> Vec<Outcome> {
    if ops.iter().any(|op| matches!(op, Op::AddressDel { .. }))
        && let Err(error) = sys::promotion::enable()
    {
        log::warn!("promote_secondaries: {error}");
    }
    let mut results = Vec::with_capacity(ops.len());
    for run in ops.chunk_by(|one, next| is_rtnetlink(one) && is_rtnetlink(next)) {
        match run {
            [op] if !is_rtnetlink(op) => results.push(alone(kernel, op)),
            run => {
                let said = kernel.route.apply(run).into_iter();
                results.extend(said.map(|result| result.map_err(|error| words(&error))));
            }
        }
    }
    let outcomes = ops.into_iter().zip(results);
    outcomes
        .map(|(op, result)| Outcome { op, result })
        .collect()
}

/// Whether it goes with others into one send.
fn is_rtnetlink(op: &Op) -> bool {
    !matches!(
        op,
        Op::Wireguard(_)
            | Op::Ethernet(_)
            | Op::Firewall(_)
            | Op::SetSysctl { .. }
            | Op::SetHostname { .. }
            | Op::WriteFile(_)
    )
}

/// An op by itself: errno and words, where it fails.
fn alone(kernel: &mut Kernel, op: &Op) -> Result<(), (i32, String)> {
    match op {
        Op::Wireguard(op) => kernel.generic.set_wireguard(op).map_err(|e| words(&e)),
        Op::Ethernet(op) => kernel.generic.set_ethernet(op).map_err(|e| words(&e)),
        Op::Firewall(op) => kernel
            .nft
            .apply(op)
            .map_err(|error| (error.errno().unwrap_or(libc::EIO), error.to_string())),
        op => local(op)
            .map_err(|error| (error.raw_os_error().unwrap_or(libc::EIO), error.to_string())),
    }
}

fn words(error: &RtnetlinkError) -> (i32, String) {
    (error.errno().unwrap_or(libc::EIO), error.to_string())
}

fn local(op: &Op) -> io::Result<()> {
    match op {
        Op::SetSysctl { key, value } => sys::sysctl::write(key, value),
        Op::SetHostname { name } => sys::hostname::set(name),
        Op::WriteFile(file) => write(file),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Replaces the file; where its folder is read-only, or a mount of ours covers it already, a copy is mounted over it.
fn write(file: &FileOp) -> io::Result<()> {
    let replace = || sys::file::replace(&file.path, file.mode, &file.content);
    match replace() {
        Err(error) if error.kind() == io::ErrorKind::NotFound && file.path.starts_with(RUN_DIR) => {
            std::fs::create_dir_all(RUN_DIR)?;
            replace()
        }
        // EBUSY: rename(2) onto a mount point.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EROFS | libc::EBUSY)) => {
            cover(file)
        }
        done => done,
    }
}

/// Mounts a fresh copy over the file, in place of the one before. The copy is a file of its own: one in [`RUN_DIR`] is
/// replaced by rename, and a mount would go on showing what was there.
fn cover(file: &FileOp) -> io::Result<()> {
    let folder = Path::new(RUN_DIR).join("over");
    std::fs::create_dir_all(&folder)?;
    let copy = folder.join(file.path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    sys::file::replace(&copy, file.mode, &file.content)?;
    if sys::mount::is_mount_point(&file.path)? {
        sys::mount::detach(&file.path)?;
    }
    sys::file::bind(&copy, &file.path)
}
