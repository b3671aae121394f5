//! `--platform NAME --metadata-url URL`: a platform's metadata without a boot.

use super::sources::{Read, Sources};

/// Fetches what `sources` names and adds its documents to `read`.
pub fn fetch(sources: &Sources, _read: &mut Read) -> Result<(), String> {
    match &sources.platform {
        None => Ok(()),
        Some(name) => Err(format!("--platform {name}: not built in yet")),
    }
}
