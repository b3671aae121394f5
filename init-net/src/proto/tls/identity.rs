//! Who this machine is to a server that asks (RFC 8446 §4.4.2): a certificate chain and its key, from PEM.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use rustls::sign::CertifiedKey;
use rustls::{Error as Tls, InconsistentKeys};
use zeroize::{Zeroize as _, Zeroizing};

use super::Error;
use super::trust::certificates;
use crate::value::Secret;

/// Most certificates of a chain: what servers take is far below.
const MAX_CHAIN: usize = 16;

/// The labels of keys (RFC 7468 §10, RFC 5915 §4, and what OpenSSL calls PKCS#1).
const LABELS: [&str; 3] = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"];

/// Reads both. Errors say what is wrong, and nothing of what stands there. The copies that are made of the key on the way are wiped.
pub(super) fn read(chain: &str, key: &Secret) -> Result<Arc<CertifiedKey>, Error> {
    let mut certificates_der = Vec::new();
    for piece in certificates(chain) {
        let der = piece.ok_or(Error::Identity("certificate is not PEM"))?;
        certificates_der.push(CertificateDer::from(der));
    }
    match certificates_der.len() {
        0 => return Err(Error::Identity("certificate is missing")),
        1..=MAX_CHAIN => {}
        _ => return Err(Error::Identity("certificate chain is too long")),
    }
    let mut key = private_key(key.expose())?;
    let signer = ring::sign::any_supported_type(&key);
    key.zeroize();
    let signer =
        signer.map_err(|_| Error::Identity("key is of no kind that is supported, or damaged"))?;
    let certified = CertifiedKey::new(certificates_der, signer);
    match certified.keys_match() {
        // A signer that does not say its public key proves nothing wrong.
        Ok(()) | Err(Tls::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(certified)),
        Err(Tls::InconsistentKeys(_)) => Err(Error::Identity("key belongs to another certificate")),
        Err(_) => Err(Error::Identity("certificate is damaged")),
    }
}

/// The first key in `text`; parameters before it, as `openssl ecparam` writes them, are passed over.
fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, Error> {
    let section = |label: &&'static str| {
        let (begin, end) = (
            format!("-----BEGIN {label}-----"),
            format!("-----END {label}-----"),
        );
        let (_, rest) = text.split_once(&begin)?;
        Some((*label, rest.split_once(&end).map(|(body, _)| body)))
    };
    let Some((label, body)) = LABELS.iter().find_map(section) else {
        return Err(Error::Identity(if text.contains("ENCRYPTED") {
            "key is encrypted"
        } else if text.contains("-----BEGIN ") {
            "key is of no kind that is supported, or damaged"
        } else {
            "key is not PEM"
        }));
    };
    let body = body.ok_or(Error::Identity("key is cut off"))?;
    if body.contains("ENCRYPTED") {
        return Err(Error::Identity("key is encrypted"));
    }
    let mut packed = Zeroizing::new(String::with_capacity(body.len()));
    packed.extend(body.split_ascii_whitespace());
    let der = BASE64_STANDARD.decode(packed.as_bytes());
    let der = der.map_err(|_| Error::Identity("key is not PEM"))?;
    Ok(match label {
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(der).into(),
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(der).into(),
        _ => PrivatePkcs8KeyDer::from(der).into(),
    })
}
