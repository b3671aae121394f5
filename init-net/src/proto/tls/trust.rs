//! [`Trust`]: whose certificates count, and as of when.

use core::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};

use super::{Error, Session};
use crate::value::{Duration, Hostname};

/// When this program was built, or its source was last changed: build.rs. No certificate that is of use ended before that, and
/// a machine whose clock says less has lost its battery.
pub(super) const BUILT: Duration = Duration::from_secs(parse(env!("INIT_NET_BUILT")));

/// Most certificates of the image: ten times what distributions ship.
const MAX_CERTIFICATES: usize = 2048;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Whose certificate it has to be.
#[derive(Clone, Copy, Debug)]
pub enum Peer<'a> {
    /// A host of that name: also sent, so that a server with several names picks the certificate (RFC 6066 §3).
    Name(&'a Hostname),
    /// A host with that address (subjectAltName iPAddress, RFC 5280 §4.2.1.6).
    Address(IpAddr),
}

/// What became of the certificates in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Are trusted now, and were not before.
    pub new: usize,
    /// Cannot be read.
    pub damaged: usize,
}

/// Whom to believe.
#[derive(Clone)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl core::fmt::Debug for Trust {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Trust")
    }
}

/// The wall clock of one connection.
#[derive(Debug)]
struct Fixed(UnixTime);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

impl Trust {
    /// The roots of the web, and the certificates in `texts` (PEM, RFC 7468; whatever stands between them is skipped). A
    /// damaged one costs only itself. Answers also what each text was good for.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Result<(Self, Vec<Read>), Error> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let read = texts.into_iter();
        let read = read.map(|text| add(&mut roots, text)).collect();
        Ok((Self::from_roots(roots)?, read))
    }

    /// stub
    pub fn only(_ca: &str) -> Result<Self, Error> {
        Err(Error::Internal)
    }
    /// stub
    pub fn unverified() -> Result<Self, Error> {
        Err(Error::Internal)
    }
    /// stub
    pub fn with_identity(self, _c: &str, _k: &crate::value::Secret) -> Result<Self, Error> {
        Ok(self)
    }

    fn from_roots(roots: RootCertStore) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|_| Error::Internal)?;
        Ok(Self { provider, verifier })
    }

    /// A connection to `peer` that begins when the wall clock says `wall` (since 1970).
    pub fn session(&self, peer: Peer<'_>, wall: Duration) -> Result<Session, Error> {
        let name = match peer {
            Peer::Name(name) => ServerName::try_from(name.to_string()).ok(),
            Peer::Address(address) => Some(ServerName::from(address)),
        };
        let now = UnixTime::since_unix_epoch(wall.max(BUILT));
        let config =
            ClientConfig::builder_with_details(Arc::clone(&self.provider), Arc::new(Fixed(now)))
                .with_safe_default_protocol_versions()?
                .with_webpki_verifier(Arc::clone(&self.verifier));
        let mut config = config.with_no_client_auth();
        // One request a connection, seldom two to one server.
        config.resumption = Resumption::disabled();
        Session::new(config, name.ok_or(Error::HostName)?)
    }
}

/// Adds the certificates in `text` to `roots`.
fn add(roots: &mut RootCertStore, text: &[u8]) -> Read {
    let mut read = Read::default();
    // What is not UTF-8 is damage, or a comment in an old encoding: the rest is still there.
    let text = String::from_utf8_lossy(text);
    for piece in text.split(BEGIN).skip(1).take(MAX_CERTIFICATES) {
        let before = roots.len();
        let added = der(piece).is_some_and(|der| roots.add(CertificateDer::from(der)).is_ok());
        let known = |roots: &RootCertStore| match roots.roots.split_last() {
            Some((last, others)) => others.contains(last),
            None => false,
        };
        if !added {
            read.damaged += 1;
        } else if known(roots) {
            roots.roots.truncate(before);
        } else {
            read.new += 1;
        }
    }
    read
}

/// The bytes between the line before `piece` and the next end line.
fn der(piece: &str) -> Option<Vec<u8>> {
    let (body, _) = piece.split_once(END)?;
    let packed: String = body.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(packed).ok()
}

/// Digits as a number, when this is compiled.
const fn parse(text: &str) -> u64 {
    match u64::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}
