//! The host name and the files.

use crate::state::{Desired, FileOp, Observed, Op};

pub(super) fn plan(desired: &Desired, observed: &Observed, ops: &mut Vec<Op>) {
    if let Some(want) = &desired.hostname
        && observed.hostname.as_deref() != Some(want.hostname.as_str())
    {
        ops.push(Op::SetHostname {
            name: want.hostname.clone(),
        });
    }
    for (path, file) in &desired.files {
        if observed.files.get(path) != Some(&file.content) {
            ops.push(Op::WriteFile(FileOp {
                path: path.clone(),
                mode: file.mode,
                content: file.content.clone(),
            }));
        }
    }
}
