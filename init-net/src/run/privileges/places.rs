//! Where a supervisor still writes, and when that cannot be limited.

use std::path::{Path, PathBuf};

use super::Situation;
use crate::sys::landlock::Access;

/// The folders and files. `/run` whole: `net-<if>.conf` lies beside our own folder, which may have to be made again.
const PLACES: [(&str, Access); 6] = [
    ("/run", Access::Make),
    ("/etc", Access::Make),
    ("/proc/sys/net", Access::Write),
    ("/proc/sys/kernel/hostname", Access::Write),
    // What is started has it as its input and output.
    ("/dev/null", Access::Write),
    // An upgrade's program opens the log anew.
    ("/dev/kmsg", Access::Write),
];

/// Why places cannot be limited; `None`: they can. Landlock forbids every change of mounts, looking at processes outside,
/// and files of file systems that are mounted later where nobody knew of them.
pub(super) fn obstacle(situation: Situation) -> Option<&'static str> {
    if situation.root_to_follow {
        Some("the root is still to be switched")
    } else if situation.mounts_over_etc {
        Some("files of /etc are mounted over, not replaced")
    } else if situation.pid1 {
        Some("PID 1 does not know what its payload mounts over /etc and /run")
    } else {
        None
    }
}

/// [`PLACES`], and the folder of `initnet.state=`: as far up as it is there, since its file system may come later.
pub(super) fn writable(state_dir: Option<&Path>) -> Vec<(PathBuf, Access)> {
    let places = PLACES
        .iter()
        .map(|(path, access)| (PathBuf::from(path), *access));
    let there = state_dir.and_then(|folder| folder.ancestors().find(|folder| folder.is_dir()));
    // The root itself would be everything.
    let state = there.filter(|folder| folder.parent().is_some());
    places
        .chain(state.map(|folder| (folder.to_owned(), Access::Make)))
        .collect()
}

/// For people.
pub(super) fn describe(state_dir: Option<&Path>) -> String {
    let places = PLACES.iter().map(|(path, _)| *path);
    let state = state_dir.and_then(Path::to_str);
    let all: Vec<&str> = places.chain(state).collect();
    format!("only below {}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_counts_as_far_as_it_is_there_and_never_as_everything() {
        let last = |folder: &str| writable(Some(Path::new(folder))).pop().unwrap().0;
        assert_eq!(
            last("/proc/sys/no-such-folder/at-all"),
            Path::new("/proc/sys")
        );
        assert_eq!(last("/no-such-folder/at-all"), Path::new("/dev/kmsg"));
    }
}
