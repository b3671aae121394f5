//! [`Error`]: why there is no secure connection.

use core::fmt;

use rustls::{AlertDescription, CertificateError, Error as Tls};

use crate::value::{Duration, Moment};

/// Most names of a certificate that are told.
const MAX_NAMES: usize = 4;

/// Longest name of a certificate that is told, characters.
const MAX_NAME: usize = 64;

/// Why there is no secure connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody we trust has signed the certificate.
    UnknownIssuer,
    /// The certificate is a CA's own, which is not for servers.
    IsAuthority,
    /// The certificate has ended: when, and what the clock says.
    Expired {
        /// Its last moment, since 1970.
        until: Duration,
        /// The wall clock, since 1970.
        now: Duration,
    },
    /// The certificate has not begun: when it does, and what the clock says.
    NotYetValid {
        /// Its first moment, since 1970.
        from: Duration,
        /// The wall clock, since 1970.
        now: Duration,
    },
    /// The certificate is for others: some of their names.
    OtherName(Vec<String>),
    /// The certificate is not as it should be: what is wrong with it.
    Certificate(&'static str),
    /// The server gave up: AlertDescription (RFC 8446 §6).
    Alert(u8),
    /// The server offers no version, cipher or signature that we take.
    Incompatible,
    /// What came is not TLS.
    NotTls,
    /// What came is TLS, and breaks its rules.
    Broken,
    /// The name in the URL cannot stand in a certificate.
    HostName,
    /// The certificates to be believed are of no use: what is wrong.
    Authority(&'static str),
    /// What this machine says who it is by is of no use: what is wrong.
    Identity(&'static str),
    /// No random numbers, or no cipher: this machine's fault.
    Internal,
}

impl Error {
    /// Whether another attempt may end otherwise: clocks are set, servers restart behind a port that is open already.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Expired { .. } | Self::NotYetValid { .. } | Self::NotTls | Self::Broken => true,
            // close_notify, internal_error and user_canceled.
            Self::Alert(alert) => matches!(alert, 0 | 80 | 90),
            Self::UnknownIssuer
            | Self::IsAuthority
            | Self::OtherName(_)
            | Self::Certificate(_)
            | Self::Incompatible
            | Self::HostName
            | Self::Authority(_)
            | Self::Identity(_)
            | Self::Internal => false,
        }
    }
}

impl From<Tls> for Error {
    fn from(error: Tls) -> Self {
        match error {
            Tls::InvalidCertificate(error) => certificate(error),
            Tls::NoCertificatesPresented => Self::Certificate("is missing"),
            Tls::AlertReceived(alert) => Self::Alert(alert.into()),
            Tls::PeerIncompatible(_) => Self::Incompatible,
            Tls::InvalidMessage(_) | Tls::PeerSentOversizedRecord => Self::NotTls,
            Tls::InappropriateMessage { .. }
            | Tls::InappropriateHandshakeMessage { .. }
            | Tls::DecryptError
            | Tls::PeerMisbehaved(_) => Self::Broken,
            Tls::UnsupportedNameType => Self::HostName,
            _ => Self::Internal,
        }
    }
}

fn certificate(error: CertificateError) -> Error {
    use CertificateError as E;
    match error {
        E::UnknownIssuer => Error::UnknownIssuer,
        E::ExpiredContext { time, not_after } => Error::Expired {
            until: Duration::from_secs(not_after.as_secs()),
            now: Duration::from_secs(time.as_secs()),
        },
        E::NotValidYetContext { time, not_before } => Error::NotYetValid {
            from: Duration::from_secs(not_before.as_secs()),
            now: Duration::from_secs(time.as_secs()),
        },
        E::NotValidForNameContext { presented, .. } => Error::OtherName(
            presented
                .iter()
                .take(MAX_NAMES)
                .map(|name| shown(name))
                .collect(),
        ),
        E::NotValidForName => Error::OtherName(Vec::new()),
        E::BadEncoding => Error::Certificate("is malformed"),
        E::Expired => Error::Certificate("ends before it begins"),
        E::BadSignature => Error::Certificate("has a signature that is wrong"),
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Error::Certificate("is signed in a way that is not supported")
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            Error::Certificate("is not for servers")
        }
        E::UnhandledCriticalExtension => Error::Certificate("has a rule that is not known"),
        E::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => Error::IsAuthority,
            Some(webpki::Error::NameConstraintViolation) => {
                Error::Certificate("is for a name that its issuer may not sign")
            }
            _ => Error::Certificate("is not accepted"),
        },
        _ => Error::Certificate("is not accepted"),
    }
}

/// A name as the verifier writes it, `DnsName("a.example")`: what is inside, and nothing that could be more than a name.
fn shown(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    let inner = inner.trim_end_matches(')').trim_matches('"');
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.:*".contains(*c);
    inner.chars().filter(plain).take(MAX_NAME).collect()
}

fn date(since_1970: Duration) -> Moment {
    Moment {
        wall: since_1970,
        ..Moment::default()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownIssuer => f.write_str("no CA that is trusted here signed the certificate"),
            Self::IsAuthority => f.write_str("the certificate is that of a CA, not of a server"),
            Self::Expired { until, now } => write!(
                f,
                "the certificate ended {}, and it is {} here",
                date(*until),
                date(*now)
            ),
            Self::NotYetValid { from, now } => write!(
                f,
                "the certificate begins {}, and it is {} here",
                date(*from),
                date(*now)
            ),
            Self::OtherName(names) if names.is_empty() => {
                f.write_str("the certificate is for another name")
            }
            Self::OtherName(names) => write!(f, "the certificate is for {}", names.join(", ")),
            Self::Certificate(what) => write!(f, "the certificate {what}"),
            Self::Alert(alert) => match alert_name(*alert) {
                Some(name) => write!(f, "the server ended TLS: {name}"),
                None => write!(f, "the server ended TLS: alert {alert}"),
            },
            Self::Incompatible => {
                f.write_str("the server speaks no version or cipher of TLS that is taken")
            }
            Self::NotTls => f.write_str("the answer is not TLS"),
            Self::Broken => f.write_str("the answer breaks the rules of TLS"),
            Self::HostName => f.write_str("no certificate can be for that host name"),
            Self::Authority(what) => write!(f, "the CA's certificate {what}"),
            Self::Identity(what) => write!(f, "this machine's {what}"),
            Self::Internal => f.write_str("TLS does not work here"),
        }
    }
}

/// The alerts that tell somebody what to do (RFC 8446 §6.2).
fn alert_name(alert: u8) -> Option<&'static str> {
    Some(match AlertDescription::from(alert) {
        AlertDescription::HandshakeFailure => "no common cipher",
        AlertDescription::ProtocolVersion => "no common version",
        AlertDescription::UnrecognisedName => "it does not know the name",
        AlertDescription::CertificateRequired => "it wants a certificate of ours",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "it does not take our certificate"
        }
        AlertDescription::UnsupportedCertificate => "our certificate is not for clients",
        AlertDescription::CertificateRevoked => "our certificate has been revoked",
        AlertDescription::CertificateExpired => "our certificate has ended, or not begun",
        AlertDescription::UnknownCA => "it does not trust who signed our certificate",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::InternalError => "internal error",
        _ => return None,
    })
}
