//! [`Url`]: `http` and `https` URLs, with scoped link-local hosts, and the redirect policy.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::proto::tls::Peer;
use crate::value::{Hostname, LinkName};

/// Longest URL, bytes; configuration URLs with all variables replaced stay far below.
const MAX_URL: usize = 4096;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain TCP, port 80.
    Http,
    /// TLS, port 443.
    Https,
}

impl Scheme {
    /// The port when the URL names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Whom to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name to look up.
    Name(Hostname),
    /// `169.254.169.254`.
    V4(Ipv4Addr),
    /// `[fd00:ec2::254]`, `[fe80::a9fe:a9fe%eth0]`.
    V6 {
        /// The address.
        address: Ipv6Addr,
        /// RFC 6874 zone: the link a link-local address is on.
        zone: Option<LinkName>,
    },
}

impl Host {
    /// The address, when it is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6 { address, .. } => Some(IpAddr::V6(*address)),
        }
    }

    /// Whose certificate it has to show.
    pub fn peer(&self) -> Peer<'_> {
        match self {
            Self::Name(name) => Peer::Name(name),
            Self::V4(address) => Peer::Address(IpAddr::V4(*address)),
            Self::V6 { address, .. } => Peer::Address(IpAddr::V6(*address)),
        }
    }

    /// The link that the URL itself names.
    pub fn zone(&self) -> Option<&LinkName> {
        match self {
            Self::V6 { zone, .. } => zone.as_ref(),
            Self::Name(_) | Self::V4(_) => None,
        }
    }

    /// Whether this is a literal of this link, of the cloud that the machine is in, or the machine itself.
    fn is_local(&self) -> bool {
        match self.address() {
            Some(address) => is_local(address),
            None => matches!(self, Self::Name(name) if name.to_string() == "localhost"),
        }
    }
}

/// Metadata services that are not on link-local addresses: of Azure, Alibaba Cloud, AWS, Scaleway, Google and Oracle. Each
/// knows by whom it is asked, and says things that are for this machine alone.
const SERVICES: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
];

/// Whether `address` is of 169.254.0.0/16, fe80::/10, one of [`SERVICES`], or the machine's own.
pub(super) fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    SERVICES.contains(&address)
        || match address {
            IpAddr::V4(a) => a.is_link_local() || a.is_loopback() || a.is_unspecified(),
            IpAddr::V6(a) => a.is_unicast_link_local() || a.is_loopback() || a.is_unspecified(),
        }
}

/// An absolute URL. `Display` and `Debug` leave the query out: it may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    host: Host,
    port: u16,
    target: String,
}

/// Why a text is not a URL we can fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Neither `http://` nor `https://`.
    Scheme,
    /// Not a host name, an IPv4 address or an IPv6 address in brackets.
    Host,
    /// A zone that is no link name, or on an address that is not link-local.
    Zone,
    /// Not a number from 1 to 65535.
    Port,
    /// `user:password@`.
    UserInfo,
    /// A space or a control character.
    Character,
    /// Above the limit of 4096 bytes.
    TooLong,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a URL begins with http:// or https://",
            Self::Host => "the host is a name, an IPv4 address, or an IPv6 address in brackets",
            Self::Zone => "a zone (%eth0) names a link, and only on a fe80::/10 address",
            Self::Port => "a port is a number from 1 to 65535",
            Self::UserInfo => "user:password@ is not supported in a URL",
            Self::Character => "a URL holds no spaces and no control characters",
            Self::TooLong => "a URL has at most 4096 bytes",
        })
    }
}

impl Url {
    /// How the bytes travel.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whom to talk to.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, the scheme's own when none was written.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path and query as they go into the request line: begins with `/`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Everything, the query included: for the next program, never for a log.
    pub fn with_query(&self) -> String {
        format!("{}{}", Authority(self, true), self.target)
    }

    /// The `Host` field: without zone (RFC 6874 §1: it has no meaning elsewhere), port only when unusual.
    pub fn host_field(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.to_string(),
            Host::V4(address) => address.to_string(),
            Host::V6 { address, .. } => format!("[{address}]"),
        };
        if self.port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// The URL that a `Location` field means here (RFC 3986 §5.2, without dot segments).
    pub fn join(&self, location: &str) -> Result<Url, UrlError> {
        let scheme_end = location.find("://").unwrap_or(usize::MAX);
        let path_start = location.find(['/', '?', '#']).unwrap_or(usize::MAX);
        if scheme_end < path_start {
            return location.parse();
        }
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = match self.scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            };
            return format!("{scheme}://{rest}").parse();
        }
        let path = self.target.split('?').next().unwrap_or("/");
        let target = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            _ => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{location}")
            }
        };
        Ok(Url {
            target: parse_target(&target)?,
            ..self.clone()
        })
    }

    /// Same host and port: secrets in request headers may go there.
    pub fn same_host(&self, other: &Url) -> bool {
        self.host == other.host && self.port == other.port && self.scheme == other.scheme
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(UrlError::Scheme),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (inner, after) = rest.split_once(']').ok_or(UrlError::Host)?;
                let port = match after {
                    "" => None,
                    _ => Some(after.strip_prefix(':').ok_or(UrlError::Host)?),
                };
                (parse_v6(inner)?, port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (parse_name(host)?, Some(port)),
                None => (parse_name(authority)?, None),
            },
        };
        Ok(Url {
            scheme,
            host,
            port: match port {
                None | Some("") => scheme.default_port(),
                Some(port) => parse_port(port)?,
            },
            target: parse_target(target)?,
        })
    }
}

fn parse_port(text: &str) -> Result<u16, UrlError> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(UrlError::Port),
        Ok(port) => Ok(port),
    }
}

fn parse_name(text: &str) -> Result<Host, UrlError> {
    if let Ok(address) = text.parse() {
        return Ok(Host::V4(address));
    }
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or("");
    // `256.1.1.1`, `0x7f.1`: a name whose last label is a number is a mistyped address, not a name.
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        return Err(UrlError::Host);
    }
    text.parse().map(Host::Name).map_err(|_| UrlError::Host)
}

fn parse_v6(text: &str) -> Result<Host, UrlError> {
    // RFC 6874 writes the zone as `%25eth0`; people write `%eth0`.
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| UrlError::Host)?;
    let zone = match zone {
        Some(zone) if address.is_unicast_link_local() => {
            Some(zone.parse().map_err(|_| UrlError::Zone)?)
        }
        Some(_) => return Err(UrlError::Zone),
        None => None,
    };
    Ok(Host::V6 { address, zone })
}

/// Path and query; the fragment is dropped, bytes that may not stand in a request line are percent-encoded.
fn parse_target(text: &str) -> Result<String, UrlError> {
    let text = text.split('#').next().unwrap_or("");
    let mut target = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        target.push('/');
    }
    for byte in text.bytes() {
        match byte {
            0..=b' ' | 0x7f => return Err(UrlError::Character),
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                target.push_str(&format!("%{byte:02X}"));
            }
            _ => target.push(char::from(byte)),
        }
    }
    Ok(target)
}

struct Authority<'a>(&'a Url, bool);

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.scheme {
            Scheme::Http => "http://",
            Scheme::Https => "https://",
        })?;
        match &self.0.host {
            Host::Name(name) => write!(f, "{name}")?,
            Host::V4(address) => write!(f, "{address}")?,
            Host::V6 { address, zone } => match zone {
                Some(zone) if self.1 => write!(f, "[{address}%25{zone}]")?,
                Some(zone) => write!(f, "[{address}%{zone}]")?,
                None => write!(f, "[{address}]")?,
            },
        }
        if self.0.port == self.0.scheme.default_port() {
            Ok(())
        } else {
            write!(f, ":{}", self.0.port)
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Authority(self, false))?;
        match self.target.split_once('?') {
            Some((path, _)) => write!(f, "{path}?…"),
            None => f.write_str(&self.target),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectError {
    /// A link-local service sends us to another host.
    LeavesLink,
    /// A host elsewhere sends us to a link-local address or to ourselves.
    EntersLink,
    /// From https to http.
    Downgrade,
    /// The answer to a request that writes: it would be lost, or told to somebody else.
    Write,
    /// The `Location` is no URL we can fetch.
    Location(UrlError),
    /// More than the limit.
    TooMany,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeavesLink => f.write_str("a link-local service redirects to another host"),
            Self::EntersLink => f.write_str("redirected to a link-local address"),
            Self::Downgrade => f.write_str("redirected from https to http"),
            Self::Write => f.write_str("what is written is redirected"),
            Self::Location(error) => write!(f, "redirected to something else than a URL: {error}"),
            Self::TooMany => f.write_str("too many redirects"),
        }
    }
}

/// Whether an answer of `from` may send us to `to`. Metadata services never move; a host on the Internet must not
/// make us ask the metadata service of this machine, or lose TLS.
pub fn check_redirect(from: &Url, to: &Url) -> Result<(), RedirectError> {
    if from.host.is_local() {
        if from.same_host(to) {
            Ok(())
        } else {
            Err(RedirectError::LeavesLink)
        }
    } else if to.host.is_local() {
        Err(RedirectError::EntersLink)
    } else if from.scheme == Scheme::Https && to.scheme == Scheme::Http {
        Err(RedirectError::Downgrade)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, UrlError>) {
        assert_eq!(
            text.parse::<Url>().map(|url| url.with_query()),
            expect.map(str::to_owned)
        );
    }

    #[test]
    fn forms() {
        check("http://example.net", Ok("http://example.net/"));
        check(
            "HTTP://Example.NET:8080/a/b?c=d#e",
            Ok("http://example.net:8080/a/b?c=d"),
        );
        check("https://example.net:443/", Ok("https://example.net/"));
        check("http://169.254.169.254?x", Ok("http://169.254.169.254/?x"));
        check("http://[fd00:ec2::254]:8/", Ok("http://[fd00:ec2::254]:8/"));
        check(
            "http://[fe80::a9fe:a9fe%eth0]/",
            Ok("http://[fe80::a9fe:a9fe%25eth0]/"),
        );
        check(
            "http://[fe80::a9fe:a9fe%25eth0]:81/x",
            Ok("http://[fe80::a9fe:a9fe%25eth0]:81/x"),
        );
        check("http://h/ä{}", Ok("http://h/%C3%A4%7B%7D"));
        check("http://h:/", Ok("http://h/"));
    }

    #[test]
    fn errors() {
        check("example.net/x", Err(UrlError::Scheme));
        check("file:///etc/shadow", Err(UrlError::Scheme));
        check("http://", Err(UrlError::Host));
        check("http:///x", Err(UrlError::Host));
        check("http://u:p@h/", Err(UrlError::UserInfo));
        check("http://h:0/", Err(UrlError::Port));
        check("http://h:+80/", Err(UrlError::Port));
        check("http://h:65536/", Err(UrlError::Port));
        check("http://::1/", Err(UrlError::Host));
        check("http://[::1/", Err(UrlError::Host));
        check("http://[::1]80/", Err(UrlError::Host));
        check("http://[2001:db8::1%eth0]/", Err(UrlError::Zone));
        check("http://[fe80::1%]/", Err(UrlError::Zone));
        check("http://[fe80::1%eth0/x]/", Err(UrlError::Host));
        check("http://256.1.1.1/", Err(UrlError::Host));
        check("http://h_x/", Err(UrlError::Host));
        check("http://h/a b", Err(UrlError::Character));
        check("http://h/a\r\nX: y", Err(UrlError::Character));
        check(
            &format!("http://h/{}", "x".repeat(MAX_URL)),
            Err(UrlError::TooLong),
        );
    }

    #[test]
    fn the_query_stays_out_of_logs() {
        let url: Url = "http://h:81/p?token=hunter2".parse().unwrap();
        assert_eq!(url.to_string(), "http://h:81/p?…");
        assert_eq!(format!("{url:?}"), "http://h:81/p?…");
    }

    #[test]
    fn the_host_field_has_no_zone() {
        let url: Url = "http://[fe80::1%eth0]:81/".parse().unwrap();
        assert_eq!(url.host_field(), "[fe80::1]:81");
    }

    #[track_caller]
    fn check_join(base: &str, location: &str, expect: &str) {
        let base: Url = base.parse().unwrap();
        assert_eq!(base.join(location).unwrap().with_query(), expect);
    }

    #[test]
    fn locations() {
        check_join("http://h/a/b?q", "https://x/y", "https://x/y");
        check_join("http://h/a/b?q", "//x/y", "http://x/y");
        check_join("http://h/a/b?q", "/y", "http://h/y");
        check_join("http://h:8/a/b?q", "y?z", "http://h:8/a/y?z");
        check_join("http://h/a/b?q", "?z", "http://h/a/b?z");
        check_join(
            "http://h/a",
            "/login?next=http://x/",
            "http://h/login?next=http://x/",
        );
    }

    #[track_caller]
    fn check_policy(from: &str, to: &str, expect: Result<(), RedirectError>) {
        assert_eq!(
            check_redirect(&from.parse().unwrap(), &to.parse().unwrap()),
            expect
        );
    }

    #[test]
    fn redirects_do_not_cross() {
        use RedirectError::*;
        check_policy(
            "http://169.254.169.254/a",
            "http://169.254.169.254/b",
            Ok(()),
        );
        check_policy(
            "http://169.254.169.254/a",
            "http://evil.example/",
            Err(LeavesLink),
        );
        check_policy(
            "http://[fe80::1%eth0]/",
            "http://[fe80::1%eth1]/",
            Err(LeavesLink),
        );
        check_policy(
            "http://a.example/",
            "http://169.254.169.254/",
            Err(EntersLink),
        );
        check_policy(
            "http://a.example/",
            "http://[::ffff:169.254.169.254]/",
            Err(EntersLink),
        );
        check_policy("http://a.example/", "http://127.0.0.1/", Err(EntersLink));
        for service in [
            "168.63.129.16",
            "100.100.100.200",
            "[fd00:ec2::254]",
            "[fd00:42::42]",
        ] {
            let service = format!("http://{service}/");
            check_policy("http://a.example/", &service, Err(EntersLink));
            check_policy(&service, "http://a.example/", Err(LeavesLink));
        }
        check_policy("https://a.example/", "http://a.example/", Err(Downgrade));
        check_policy("http://a.example/", "https://b.example/", Ok(()));
    }
}
