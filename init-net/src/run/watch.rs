//! `get --watch`: what the supervisor tells of every change, as it tells it.

use std::io::{self, BufRead as _, BufReader, Read as _};

use super::control;
use super::core::{Change, Reply, Request};

/// Longest line that is read, bytes: one resource with thousands of WireGuard peers.
const MAX_LINE: u64 = 16 << 20;

/// Hands every batch of changes to `tell`, until the supervisor ends; that is an error, as that there is none.
pub fn watch(
    kind: &str,
    id: Option<&str>,
    mut tell: impl FnMut(Vec<Change>) -> Result<(), String>,
) -> Result<(), String> {
    let request = Request::Watch {
        kind: kind.to_owned(),
        id: id.map(ToOwned::to_owned),
    };
    let Some(stream) = control::send(&request)? else {
        return Err("no supervisor runs: only it knows what changes".into());
    };
    let mut reader = BufReader::new(stream);
    loop {
        let mut batch = Vec::new();
        // All lines that are there already: a table of them is aligned.
        while batch.is_empty() || reader.buffer().contains(&b'\n') {
            let mut line = Vec::new();
            let count = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            if count.map_err(|error: io::Error| error.to_string())? == 0 {
                return Err("the supervisor has ended, or cut this watch off".into());
            }
            let reply = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
            match reply {
                Reply::Ok(change) => {
                    let change = serde_json::from_value(change);
                    batch.push(change.map_err(|error| error.to_string())?);
                }
                Reply::Error(error) => return Err(error),
            }
        }
        tell(batch)?;
    }
}
