//! Media that are files already: [`folder`] for `--metadata-dir`.

use std::path::Path;

use crate::config::platform::{Found, Medium};

/// What `media` would say if `dir`, a folder of files named by key, were all of them.
pub fn folder(_dir: &Path, _media: &[Medium]) -> Vec<Found> {
    Vec::new()
}
