//! The session that a command was typed in.

use std::path::Path;

use super::file;

/// Processes that are asked, from the command up: a shell in a sudo in a multiplexer is a handful.
const MAX_PARENTS: usize = 16;

/// Largest environment that is read, bytes: `ARG_MAX` of most systems, and far more than a login has.
const MAX_ENVIRON: usize = 2 << 20;

/// What sshd(8) says of the connection: address and port of the client, address and port here. sudo(8) takes it out of the
/// environment, so that of the parents is read, as far as the caller may.
pub fn ssh_connection() -> Option<String> {
    if let Ok(own) = std::env::var("SSH_CONNECTION") {
        return Some(own);
    }
    let mut pid = nix::unistd::getppid().as_raw();
    for _ in 0..MAX_PARENTS {
        let folder = Path::new("/proc").join(pid.to_string());
        if let Ok(environ) = file::read(&folder.join("environ"), MAX_ENVIRON) {
            let mut said = environ.split(|byte| *byte == 0);
            let found = said.find_map(|entry| entry.strip_prefix(b"SSH_CONNECTION="));
            if let Some(found) = found {
                return Some(String::from_utf8_lossy(found).into_owned());
            }
        }
        let stat = file::read(&folder.join("stat"), MAX_ENVIRON).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // The name stands in brackets and may hold anything: state and parent follow it.
        let (_, rest) = stat.rsplit_once(')')?;
        pid = rest.split_whitespace().nth(1)?.parse().ok()?;
        if pid <= 1 {
            return None;
        }
    }
    None
}
