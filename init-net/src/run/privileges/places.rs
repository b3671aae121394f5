//! Where a supervisor still writes, and when that cannot be limited.

use std::path::PathBuf;

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

/// [`PLACES`], and the `folders` of `initnet.state=` and `initnet.metrics=`: as far up as they are there, since their file
/// systems may come later.
pub(super) fn writable(folders: &[PathBuf]) -> Vec<(PathBuf, Access)> {
    let places = PLACES
        .iter()
        .map(|(path, access)| (PathBuf::from(path), *access));
    let there = folders
        .iter()
        .filter_map(|folder| folder.ancestors().find(|folder| folder.is_dir()))
        // The root itself would be everything.
        .filter(|folder| folder.parent().is_some());
    places
        .chain(there.map(|folder| (folder.to_owned(), Access::Make)))
        .collect()
}

/// For people.
pub(super) fn describe(folders: &[PathBuf]) -> String {
    let places = PLACES.iter().map(|(path, _)| *path);
    let folders = folders.iter().filter_map(|folder| folder.to_str());
    let all: Vec<&str> = places.chain(folders).collect();
    format!("only below {}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_counts_as_far_as_it_is_there_and_never_as_everything() {
        let folders = [
            "/proc/sys/no-such-folder/at-all",
            "/no-such-folder/at-all",
            "/proc/self",
        ]
        .map(PathBuf::from);
        let places = writable(&folders);
        let more: Vec<_> = places.iter().skip(PLACES.len()).collect();
        let expect = ["/proc/sys", "/proc/self"].map(|folder| (folder.into(), Access::Make));
        assert_eq!(more, expect.iter().collect::<Vec<_>>());
        assert!(describe(&folders).ends_with("/no-such-folder/at-all, /proc/self"));
    }
}
