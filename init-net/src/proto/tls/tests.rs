//! Both ends of a handshake, without sockets.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion, version};
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use super::trust::{BUILT, Fixed};
use super::*;
use crate::value::{Duration, Hostname, Secret};

const DAY: Duration = Duration::from_secs(86_400);

/// The clock of these tests: in the middle of what certificates are valid for.
pub(in crate::proto) const WALL: Duration = Duration::from_secs(BUILT.as_secs() + 15 * 86_400);

/// One that signs.
pub(in crate::proto) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

impl Authority {
    pub(in crate::proto) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            der,
        }
    }

    pub(in crate::proto) fn pem(&self) -> Vec<u8> {
        pem(&self.der)
    }

    pub(in crate::proto) fn trust(&self) -> Trust {
        Trust::new([self.pem().as_slice()]).unwrap().0
    }

    /// A server with a certificate for `names` that is valid between these days after the build.
    fn server_between(&self, names: &[&str], from: u32, until: u32) -> ServerConnection {
        let (der, key) = self.signed_between(names, from, until);
        serve(der, &key, &[&version::TLS13, &version::TLS12])
    }

    /// A certificate for `names`, and its key.
    fn signed(&self, names: &[&str]) -> (Vec<u8>, KeyPair) {
        self.signed_between(names, 10, 20)
    }

    fn signed_between(&self, names: &[&str], from: u32, until: u32) -> (Vec<u8>, KeyPair) {
        let mut params =
            CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
                .unwrap();
        let epoch = date_time_ymd(1970, 1, 1);
        params.not_before = epoch + (BUILT + DAY * from);
        params.not_after = epoch + (BUILT + DAY * until);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().to_vec(), key)
    }

    pub(in crate::proto) fn server(&self, names: &[&str]) -> ServerConnection {
        self.server_between(names, 10, 20)
    }
}

fn serve(
    der: Vec<u8>,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConnection {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.into()], key)
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

fn pem(der: &[u8]) -> Vec<u8> {
    labelled("CERTIFICATE", der).into_bytes()
}

fn key_pem(key: &KeyPair) -> String {
    labelled("PRIVATE KEY", &key.serialize_der())
}

fn labelled(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::prelude::BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| core::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// What the server has to say.
pub(in crate::proto) fn said(server: &mut ServerConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Tells the server; what it reads inside.
pub(in crate::proto) fn tell(server: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut inside = Vec::new();
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).unwrap();
        // An alert of ours is an error of theirs.
        if server.process_new_packets().is_err() {
            break;
        }
        let _ = server.reader().read_to_end(&mut inside);
    }
    inside
}

/// Lets both talk, in pieces of `size` bytes, until they have nothing to say.
fn handshake(
    session: &mut Session,
    server: &mut ServerConnection,
    size: usize,
) -> Result<(), Error> {
    loop {
        let mut bytes = Vec::new();
        session.transmit(&mut bytes);
        tell(server, &bytes);
        let answer = said(server);
        if bytes.is_empty() && answer.is_empty() {
            return Ok(());
        }
        let mut inside = Vec::new();
        for piece in answer.chunks(size) {
            session.receive(piece, &mut inside)?;
        }
        assert_eq!(inside, b"");
    }
}

fn session(trust: &Trust, name: &str, wall: Duration) -> Session {
    let peer_address = name.parse();
    let hostname: Hostname = "unused".parse().unwrap();
    let hostname = name.parse().unwrap_or(hostname);
    let peer = match peer_address {
        Ok(address) => Peer::Address(address),
        Err(_) => Peer::Name(&hostname),
    };
    trust.session(peer, wall).unwrap()
}

#[track_caller]
fn check(trust: &Trust, name: &str, mut server: ServerConnection, expect: Result<(), Error>) {
    let mut session = session(trust, name, WALL);
    let found = handshake(&mut session, &mut server, 1000);
    assert_eq!(found, expect);
    assert_eq!(session.is_handshaking(), expect.is_err());
}

#[test]
fn a_certificate_has_to_be_for_the_host_and_from_a_ca_that_is_trusted() {
    let ours = Authority::new("ours");
    let trust = ours.trust();
    let fine = |names: &[&str]| ours.server(names);
    check(&trust, "config.example", fine(&["config.example"]), Ok(()));
    check(
        &trust,
        "a.config.example",
        fine(&["*.config.example"]),
        Ok(()),
    );
    check(&trust, "192.0.2.7", fine(&["192.0.2.7"]), Ok(()));
    check(
        &trust,
        "2001:db8::7",
        fine(&["x.example", "2001:db8::7"]),
        Ok(()),
    );
    let other = |names: &[&str]| {
        Err(Error::OtherName(
            names.iter().map(|n| (*n).to_owned()).collect(),
        ))
    };
    check(
        &trust,
        "config.example",
        fine(&["a.example", "192.0.2.7"]),
        other(&["a.example", "192.0.2.7"]),
    );
    check(
        &trust,
        "192.0.2.8",
        fine(&["192.0.2.7"]),
        other(&["192.0.2.7"]),
    );
    check(
        &trust,
        "192.0.2.7",
        fine(&["a.example"]),
        other(&["a.example"]),
    );
    let strangers = Authority::new("strangers");
    check(
        &trust,
        "config.example",
        strangers.server(&["config.example"]),
        Err(Error::UnknownIssuer),
    );
    let (web, _) = Trust::new([]).unwrap();
    check(
        &web,
        "config.example",
        fine(&["config.example"]),
        Err(Error::UnknownIssuer),
    );
}

#[test]
fn a_certificate_has_its_time() {
    let ours = Authority::new("ours");
    let day = |number: u32| BUILT + DAY * number;
    let trust = ours.trust();
    let past = ours.server_between(&["a.example"], 1, 14);
    let expired = Error::Expired {
        until: day(14),
        now: WALL,
    };
    assert!(expired.is_temporary());
    check(&trust, "a.example", past, Err(expired));
    let future = ours.server_between(&["a.example"], 16, 30);
    let early = Error::NotYetValid {
        from: day(16),
        now: WALL,
    };
    assert!(early.is_temporary());
    check(&trust, "a.example", future, Err(early));
}

#[test]
fn a_clock_that_is_behind_the_build_is_not_believed() {
    let ours = Authority::new("ours");
    let mut server = ours.server_between(&["a.example"], 0, 20);
    let mut session = session(&ours.trust(), "a.example", Duration::ZERO);
    handshake(&mut session, &mut server, 1000).unwrap();
    assert!(!session.is_handshaking());
    assert!(BUILT >= Duration::from_secs(1_767_225_600), "{BUILT:?}");
}

#[test]
fn a_ca_is_no_server() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let (trust, _) = Trust::new([pem(&der).as_slice()]).unwrap();
    let server = serve(der, &key, &[&version::TLS13]);
    check(&trust, "a.example", server, Err(Error::IsAuthority));
}

#[test]
fn both_versions_in_pieces_of_any_size() {
    let ours = Authority::new("ours");
    for only in [&version::TLS12, &version::TLS13] {
        for size in [1, 5, 100, usize::MAX] {
            let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &ours.issuer).unwrap();
            let mut server = serve(certificate.der().to_vec(), &key, &[only]);
            let mut session = session(&ours.trust(), "a.example", WALL);
            handshake(&mut session, &mut server, size).unwrap();
            assert_eq!(server.protocol_version(), Some(only.version));
            session.write(b"hello").unwrap();
            let mut bytes = Vec::new();
            session.transmit(&mut bytes);
            assert!(!bytes.windows(5).any(|window| window == b"hello"));
            assert_eq!(tell(&mut server, &bytes), b"hello");
            server.writer().write_all(&[7; 40_000]).unwrap();
            server.send_close_notify();
            let mut inside = Vec::new();
            for piece in said(&mut server).chunks(size) {
                session.receive(piece, &mut inside).unwrap();
            }
            assert_eq!(inside, [7; 40_000]);
            assert!(session.is_ended());
            session.receive(b"more", &mut inside).unwrap();
            assert_eq!(inside.len(), 40_000);
        }
    }
}

#[test]
fn a_changed_byte_is_found() {
    let ours = Authority::new("ours");
    let mut server = ours.server(&["a.example"]);
    let mut session = session(&ours.trust(), "a.example", WALL);
    handshake(&mut session, &mut server, 1000).unwrap();
    server.writer().write_all(b"hello").unwrap();
    let mut bytes = said(&mut server);
    *bytes.last_mut().unwrap() ^= 1;
    let mut inside = Vec::new();
    assert_eq!(session.receive(&bytes, &mut inside), Err(Error::Broken));
    assert_eq!(inside, b"");
}

#[test]
fn the_server_is_told_why() {
    let ours = Authority::new("ours");
    let (web, _) = Trust::new([]).unwrap();
    let mut server = ours.server(&["a.example"]);
    let mut session = session(&web, "a.example", WALL);
    handshake(&mut session, &mut server, 1000).unwrap_err();
    let mut bytes = Vec::new();
    session.transmit(&mut bytes);
    server.read_tls(&mut bytes.as_slice()).unwrap();
    let error = server.process_new_packets().unwrap_err().to_string();
    assert!(error.contains("UnknownCA"), "{error}");
}

#[test]
fn a_damaged_certificate_costs_only_itself() {
    let (first, last) = (Authority::new("first").pem(), Authority::new("last").pem());
    let cut = &first[..first.len() / 2];
    let no_base64 = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    let no_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let text = [
        b"# a comment \xff\n",
        &first[..],
        no_base64,
        no_der,
        cut,
        &last,
        &first,
    ]
    .concat();
    let (_, read) = Trust::new([text.as_slice(), b"", &last]).unwrap();
    let read = read.into_iter().map(|read| (read.new, read.damaged));
    assert_eq!(read.collect::<Vec<_>>(), [(2, 3), (0, 0), (0, 0)]);
}

#[test]
fn what_a_person_reads() {
    let day = |number: u64| Duration::from_secs(number * 86_400);
    let expired = Error::Expired {
        until: day(20_000),
        now: day(20_001),
    };
    assert_eq!(
        expired.to_string(),
        "the certificate ended 2024-10-04T00:00:00Z, and it is 2024-10-05T00:00:00Z here"
    );
    let names = vec!["a.example".into(), "192.0.2.1".into()];
    assert_eq!(
        Error::OtherName(names).to_string(),
        "the certificate is for a.example, 192.0.2.1"
    );
    assert_eq!(
        Error::Alert(40).to_string(),
        "the server ended TLS: no common cipher"
    );
    assert_eq!(
        Error::Alert(49).to_string(),
        "the server ended TLS: access denied"
    );
    assert_eq!(
        Error::Alert(51).to_string(),
        "the server ended TLS: alert 51"
    );
}

/// A server that wants a certificate of `clients`, by each version of TLS.
fn strict(
    ours: &Authority,
    clients: &Authority,
    only: &'static SupportedProtocolVersion,
) -> ServerConnection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(clients.der.clone().into()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        provider.clone(),
    )
    .build()
    .unwrap();
    // It checks with a clock as well.
    let clock = Arc::new(Fixed(UnixTime::since_unix_epoch(WALL)));
    let (der, key) = ours.signed(&["a.example"]);
    let config = ServerConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[only])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![der.into()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// What the server makes of a client that says `hello`, or why there is no connection.
fn greet(trust: &Trust, server: &mut ServerConnection) -> Result<Vec<u8>, Error> {
    let mut session = session(trust, "a.example", WALL);
    handshake(&mut session, server, 1000)?;
    session.write(b"hello").unwrap();
    let mut bytes = Vec::new();
    session.transmit(&mut bytes);
    Ok(tell(server, &bytes))
}

#[test]
fn a_server_that_asks_is_told_who_this_is() {
    let (ours, clients, strangers) = (
        Authority::new("ours"),
        Authority::new("clients"),
        Authority::new("strangers"),
    );
    for only in [&version::TLS12, &version::TLS13] {
        let fresh = || strict(&ours, &clients, only);
        let (der, key) = clients.signed(&["me"]);
        let key = Secret::new(key_pem(&key));
        let chain = String::from_utf8(pem(&der)).unwrap();
        let known = ours.trust().with_identity(&chain, &key).unwrap();
        assert_eq!(greet(&known, &mut fresh()), Ok(b"hello".to_vec()));
        let refusal = |trust: &Trust| greet(trust, &mut fresh()).unwrap_err().to_string();
        let nobody = refusal(&ours.trust());
        assert!(
            [
                "the server ended TLS: it wants a certificate of ours",
                "the server ended TLS: no common cipher"
            ]
            .contains(&nobody.as_str()),
            "{nobody}"
        );
        let (der, key) = strangers.signed(&["me"]);
        let chain = String::from_utf8(pem(&der)).unwrap();
        let stranger = ours
            .trust()
            .with_identity(&chain, &Secret::new(key_pem(&key)))
            .unwrap();
        assert_eq!(
            refusal(&stranger),
            "the server ended TLS: it does not trust who signed our certificate"
        );
    }
}

#[test]
fn only_those_that_are_said() {
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let text = String::from_utf8([ours.pem(), others.pem()].concat()).unwrap();
    let both = Trust::only(&text).unwrap();
    check(&both, "a.example", ours.server(&["a.example"]), Ok(()));
    check(&both, "a.example", others.server(&["a.example"]), Ok(()));
    let one = Trust::only(core::str::from_utf8(&ours.pem()).unwrap()).unwrap();
    check(
        &one,
        "a.example",
        others.server(&["a.example"]),
        Err(Error::UnknownIssuer),
    );
    let wrong = |text: &str| Trust::only(text).unwrap_err().to_string();
    assert_eq!(wrong(""), "the CA's certificate is missing");
    let cut = format!("{text}-----BEGIN CERTIFICATE-----\nAAAA\n");
    assert_eq!(wrong(&cut), "the CA's certificate is damaged");
}

#[test]
fn anybody_still_has_to_have_the_key() {
    let anybody = Trust::unverified().unwrap();
    let ours = Authority::new("ours");
    for only in [&version::TLS12, &version::TLS13] {
        let (der, key) = ours.signed(&["elsewhere.example"]);
        check(
            &anybody,
            "a.example",
            serve(der.clone(), &key, &[only]),
            Ok(()),
        );
        // A certificate of somebody else, and another key: rustls itself would refuse to serve it.
        let wrong = KeyPair::generate().unwrap();
        let wrong = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(wrong.serialize_der()));
        let signer = ring::sign::any_supported_type(&wrong).unwrap();
        let thief = rustls::sign::CertifiedKey::new(vec![der.into()], signer);
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[only])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(thief)));
        let server = ServerConnection::new(Arc::new(config)).unwrap();
        check(
            &anybody,
            "a.example",
            server,
            Err(Error::Certificate("has a signature that is wrong")),
        );
    }
    let past = ours.server_between(&["a.example"], 1, 2);
    check(&anybody, "a.example", past, Ok(()));
}

#[test]
fn what_is_wrong_with_an_identity() {
    let ours = Authority::new("ours");
    let (der, key) = ours.signed(&["me"]);
    let chain = String::from_utf8(pem(&der)).unwrap();
    let key = key_pem(&key);
    let wrong = |chain: &str, key: &str| {
        let identity = ours.trust().with_identity(chain, &Secret::new(key));
        identity.unwrap_err().to_string()
    };
    let kind = "this machine's key is of no kind that is supported, or damaged";
    let other = key_pem(&KeyPair::generate().unwrap());
    let middle = key.len() / 2;
    for (chain, key, expect) in [
        ("", key.as_str(), "this machine's certificate is missing"),
        (&key, &key, "this machine's certificate is missing"),
        (
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
            &key,
            "this machine's certificate is not PEM",
        ),
        (
            &chain.repeat(17),
            &key,
            "this machine's certificate chain is too long",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            &key,
            "this machine's certificate is damaged",
        ),
        (
            &chain,
            &other,
            "this machine's key belongs to another certificate",
        ),
        (&chain, "hunter2", "this machine's key is not PEM"),
        (&chain, &chain, kind),
        (&chain, &key[..middle], "this machine's key is cut off"),
        (
            &chain,
            &key.replace("M", "!"),
            "this machine's key is not PEM",
        ),
        (
            &chain,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            kind,
        ),
        (
            &chain,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
            "this machine's key is encrypted",
        ),
        (
            &chain,
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----",
            "this machine's key is encrypted",
        ),
    ] {
        assert_eq!(wrong(chain, key), expect);
    }
}

/// Keys as OpenSSL writes them: `openssl genrsa`, `openssl ecparam -genkey`, each with `openssl req -x509`.
#[test]
fn keys_in_the_forms_that_openssl_writes() {
    let trust = Authority::new("ours").trust();
    let texts = [
        (
            include_str!("tests/rsa.crt"),
            include_str!("tests/rsa.pkcs1.key"),
            "-----BEGIN RSA PRIVATE KEY-----",
        ),
        (
            include_str!("tests/rsa.crt"),
            include_str!("tests/rsa.pkcs8.key"),
            "-----BEGIN PRIVATE KEY-----",
        ),
        (
            include_str!("tests/ec.crt"),
            include_str!("tests/ec.sec1.key"),
            "-----BEGIN EC PARAMETERS-----",
        ),
        (
            include_str!("tests/ec.crt"),
            include_str!("tests/ec.pkcs8.key"),
            "-----BEGIN PRIVATE KEY-----",
        ),
    ];
    for (chain, key, begins) in texts {
        assert!(key.starts_with(begins));
        trust
            .clone()
            .with_identity(chain, &Secret::new(key))
            .unwrap();
    }
}
