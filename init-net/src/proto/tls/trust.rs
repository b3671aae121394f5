//! [`Trust`]: whose certificates count, and as of when.

use core::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{Error, Session, identity};
use crate::value::{Duration, Hostname, Secret};

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
    verifier: Verifier,
    /// Who this machine is, to servers that ask.
    identity: Option<Arc<CertifiedKey>>,
}

#[derive(Clone)]
enum Verifier {
    /// Who has a certificate by one of them.
    Roots(Arc<WebPkiServerVerifier>),
    /// Who has the key of its certificate.
    Anybody(Arc<Anybody>),
}

/// Takes every certificate, and checks what is signed with it.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl core::fmt::Debug for Trust {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Trust")
    }
}

/// The wall clock of one connection.
#[derive(Debug)]
pub(super) struct Fixed(pub(super) UnixTime);

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

    /// Just the certificates in `ca` (PEM), and not the roots of the web. A damaged one is an error: what is left may be those that
    /// are not meant any more.
    pub fn only(ca: &str) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        match add(&mut roots, ca.as_bytes()) {
            Read { damaged: 1.., .. } => Err(Error::Authority("is damaged")),
            Read { new: 0, .. } => Err(Error::Authority("is missing")),
            Read { .. } => Self::from_roots(roots),
        }
    }

    /// Anybody, whatever the certificate says. That the other side has its key is still checked, so that an answer is of the one
    /// that the connection began with. For questions that hold no secret.
    pub fn unverified() -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::Anybody(Arc::new(Anybody(
            provider.signature_verification_algorithms,
        )));
        Ok(Self {
            provider,
            verifier,
            identity: None,
        })
    }

    /// Says to servers that ask who this machine is: `chain` (PEM), its own certificate first, and the `key` (PEM; PKCS#8, SEC1 or
    /// PKCS#1; RSA, P-256, P-384 or Ed25519).
    pub fn with_identity(mut self, chain: &str, key: &Secret) -> Result<Self, Error> {
        self.identity = Some(identity::read(chain, key)?);
        Ok(self)
    }

    fn from_roots(roots: RootCertStore) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|_| Error::Internal)?;
        Ok(Self {
            provider,
            verifier: Verifier::Roots(verifier),
            identity: None,
        })
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
                .with_safe_default_protocol_versions()?;
        let config = match &self.verifier {
            Verifier::Roots(roots) => config.with_webpki_verifier(Arc::clone(roots)),
            Verifier::Anybody(anybody) => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::<Anybody>::clone(anybody)),
        };
        let mut config = match &self.identity {
            Some(identity) => config
                .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(identity)))),
            None => config.with_no_client_auth(),
        };
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
    for der in certificates(&text) {
        let before = roots.len();
        let added = der.is_some_and(|der| roots.add(CertificateDer::from(der)).is_ok());
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

/// The bytes of each certificate in `text`; `None`: they cannot be read.
pub(super) fn certificates(text: &str) -> impl Iterator<Item = Option<Vec<u8>>> {
    text.split(BEGIN).skip(1).take(MAX_CERTIFICATES).map(der)
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
