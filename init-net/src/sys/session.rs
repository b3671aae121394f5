//! The session that a command was typed in.

use core::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::file;

/// Processes that are asked, from the command up: a shell in a sudo in a multiplexer is a handful.
const MAX_PARENTS: usize = 16;

/// Largest environment that is read, bytes: `ARG_MAX` of most systems, and far more than a login has.
const MAX_ENVIRON: usize = 2 << 20;

/// The name of the variable, as sshd(8) has it.
const VARIABLE: &str = "SSH_CONNECTION";

/// What sshd(8) says of the connection: the client, and the server here. sudo(8) takes it out of the environment, so that of
/// the parents is read, as far as the caller may.
pub fn ssh_connection() -> Option<(SocketAddr, SocketAddr)> {
    first(std::env::var(VARIABLE).ok(), of_parents())
}

/// The first that is a connection: somebody empties the variable, and the session is one all the same.
fn first(
    own: Option<String>,
    of_parents: impl Iterator<Item = String>,
) -> Option<(SocketAddr, SocketAddr)> {
    own.into_iter()
        .chain(of_parents)
        .find_map(|text| connection(&text))
}

/// What the parents have in their environments, from the nearest up.
fn of_parents() -> impl Iterator<Item = String> {
    let mut next = Some(nix::unistd::getppid().as_raw());
    let pids = core::iter::from_fn(move || {
        let pid = next.filter(|pid| *pid > 1)?;
        next = parent(pid);
        Some(pid)
    });
    pids.take(MAX_PARENTS).filter_map(|pid| {
        let environ = Path::new("/proc").join(pid.to_string()).join("environ");
        let environ = file::read(&environ, MAX_ENVIRON).ok()?;
        let mut said = environ.split(|byte| *byte == 0);
        let found = said.find_map(|entry| {
            let entry = entry.strip_prefix(VARIABLE.as_bytes())?;
            entry.strip_prefix(b"=")
        })?;
        Some(String::from_utf8_lossy(found).into_owned())
    })
}

fn parent(pid: i32) -> Option<i32> {
    let stat = Path::new("/proc").join(pid.to_string()).join("stat");
    let stat = file::read(&stat, MAX_ENVIRON).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name stands in brackets and may hold anything: state and parent follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// `client port server port`.
fn connection(text: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = text.split_whitespace();
    let mut next = || {
        let address: IpAddr = words.next()?.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(
            address.to_canonical(),
            words.next()?.parse().ok()?,
        ))
    };
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sshd_says_is_read() {
        assert!(connection("fe80::1%eth0 1 ::ffff:10.0.0.1 22").is_some());
        assert_eq!(connection("x 1 y 2"), None);
        assert_eq!(connection(""), None);
    }

    #[test]
    fn an_empty_one_of_ones_own_does_not_hide_the_session() {
        let said = |text: &str| text.to_owned();
        let parents = || ["", "what", "10.0.0.1 5 10.0.0.2 22"].map(said).into_iter();
        let found = connection("10.0.0.1 5 10.0.0.2 22");
        for own in [None, Some(""), Some("203.0.113.7 22"), Some("a 1 b 2")] {
            assert_eq!(first(own.map(said), parents()), found, "{own:?}");
        }
        let own = "10.0.0.9 5 10.0.0.2 22";
        assert_eq!(first(Some(said(own)), parents()), connection(own));
    }
}
