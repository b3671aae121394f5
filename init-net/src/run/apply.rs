//! Doing ops: netlink ones in one send, the others one by one. No `if` here looks at state.

use std::io;
use std::path::Path;

use super::RUN_DIR;
use super::core::Outcome;
use super::rtnetlink::{Rtnetlink, RtnetlinkError};
use crate::state::{FileOp, Op};
use crate::sys;

/// Does `ops` in order and says what became of each. A failed one does not keep the later ones from being done.
pub fn apply(rtnetlink: &mut Rtnetlink, ops: Vec<Op>) -> Vec<Outcome> {
    let is_netlink = |op: &Op| !matches!(op, Op::SetHostname { .. } | Op::WriteFile(_));
    // The host name and files rank last (plan/order.rs): one cut separates the two.
    let (netlink, rest): (Vec<Op>, Vec<Op>) = ops.into_iter().partition(is_netlink);
    if netlink.iter().any(|op| matches!(op, Op::AddressDel { .. }))
        && let Err(error) = sys::promotion::enable()
    {
        log::warn!("promote_secondaries: {error}");
    }
    let results = if netlink.is_empty() {
        Vec::new()
    } else {
        rtnetlink.apply(&netlink)
    };
    let netlink = netlink
        .into_iter()
        .zip(results)
        .map(|(op, result)| Outcome {
            op,
            result: result.map_err(|error| (errno(&error), error.to_string())),
        });
    let rest = rest.into_iter().map(|op| {
        let result = local(&op)
            .map_err(|error| (error.raw_os_error().unwrap_or(libc::EIO), error.to_string()));
        Outcome { op, result }
    });
    netlink.chain(rest.collect::<Vec<_>>()).collect()
}

fn errno(error: &RtnetlinkError) -> i32 {
    error.errno().unwrap_or(libc::EIO)
}

fn local(op: &Op) -> io::Result<()> {
    match op {
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
