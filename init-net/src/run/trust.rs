//! Whom https requests believe besides the roots of the web: the certificates that the image brings.

use std::io;
use std::path::Path;

use crate::proto::tls::Trust;
use crate::sys::file;

/// Where distributions keep the CAs of a system, and where ours are added: all that are there count.
const FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/init-net/ca.pem",
];

/// Largest of them, bytes: four times what distributions ship.
const MAX_FILE: usize = 1 << 20;

/// Reads it. `None` is logged: then https fails.
pub fn read() -> Option<Trust> {
    let texts: Vec<(&str, Vec<u8>)> = FILES
        .into_iter()
        .filter_map(|path| match file::read(Path::new(path), MAX_FILE) {
            Ok(text) => Some((path, text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                log::warn!("{path}: {error}: its certificates are not trusted");
                None
            }
        })
        .collect();
    let bytes = texts.iter().map(|(_, text)| text.as_slice());
    match Trust::new(bytes) {
        Ok((trust, read)) => {
            for ((path, _), read) in texts.iter().zip(read) {
                log::info!("https: {} certificates more of {path}", read.new);
                if read.damaged > 0 {
                    log::warn!("{path}: {} certificates are damaged", read.damaged);
                }
            }
            Some(trust)
        }
        Err(error) => {
            log::error!("https: {error}");
            None
        }
    }
}
