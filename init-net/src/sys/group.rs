//! Groups: of the machine, and of who is at the other end of a socket.

use core::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::Path;

use super::file;

/// Where their names are (group(5)). Other name services are not asked: they need the network.
const GROUPS: &str = "/etc/group";

/// Largest such file, bytes: thousands of groups with members.
const MAX_GROUPS: usize = 1 << 20;

/// Most groups of a process (NGROUPS_MAX).
const MAX_MEMBERSHIPS: usize = 65_536;

/// The first guess at how many groups a process is in; more are asked for when they do not fit.
const MEMBERSHIPS: usize = 32;

/// The number of group `name`; a number is its own name. `None`: there is no such group.
pub fn find(name: &str) -> io::Result<Option<u32>> {
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let text = file::read(Path::new(GROUPS), MAX_GROUPS)?;
    Ok(find_in(&String::from_utf8_lossy(&text), name))
}

/// `name:password:number:members`.
fn find_in(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        fields.nth(1).filter(|_| found)?.parse().ok()
    })
}

/// The supplementary groups of the process at the other end of `socket`, as they were when it connected (SO_PEERGROUPS,
/// Linux 4.13).
pub fn of_peer(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; MEMBERSHIPS];
    loop {
        let mut length =
            libc::socklen_t::try_from(size_of_val(groups.as_slice())).map_err(io::Error::other)?;
        // SAFETY: `groups` has room for `length` bytes, both outlive the call, and any bytes are numbers.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast::<c_void>(),
                &raw mut length,
            )
        };
        let count = usize::try_from(length).map_err(io::Error::other)? / size_of::<u32>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // ERANGE says how much room is needed.
        if error.raw_os_error() != Some(libc::ERANGE)
            || count <= groups.len()
            || count > MAX_MEMBERSHIPS
        {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_group_is_found_by_name_or_is_its_number() {
        let text = "root:x:0:\nnetdev:x:105:ann,bob\nbad:x\n\nadm:*:4:netdev\n";
        assert_eq!(find_in(text, "netdev"), Some(105));
        assert_eq!(find_in(text, "adm"), Some(4));
        assert_eq!(find_in(text, "bad"), None);
        assert_eq!(find_in(text, "ann"), None);
        assert_eq!(find("105").unwrap(), Some(105));
    }

    #[test]
    fn the_groups_of_a_peer_are_those_of_its_process() {
        let (one, _other) = UnixStream::pair().unwrap();
        let own: Vec<u32> = nix::unistd::getgroups()
            .unwrap()
            .iter()
            .map(|group| group.as_raw())
            .collect();
        assert_eq!(of_peer(&one).unwrap(), own);
    }
}
