//! `TCPProbeConfig` and `HTTPProbeConfig`.

use core::net::{IpAddr, Ipv6Addr};

use serde_json::{Value as Json, json};

use super::{Kind, Role};
use crate::config::machine::record::Record as _;
use crate::config::machine::scalar::{Scalar, Wrong};
use crate::config::machine::source::Source;
use crate::config::machine::tree::Node;
use crate::config::{Document, ProbeConfig};
use crate::value::{Duration, Hostname, ProbeTarget};

keys! {
    /// Tells that the network works by a TCP connection.
    pub struct TcpProbeKeys("TCPProbeConfig") {
        /// The name of the probe.
        required "name" name: Label,
        /// Where to: `host:port`.
        required "endpoint" endpoint: Endpoint,
        ..rhythm: RhythmKeys,
    }
}

keys! {
    /// Tells that the network works by an answer of a web server, 200 to 399.
    pub struct HttpProbeKeys("HTTPProbeConfig") {
        /// The name of the probe.
        required "name" name: Label,
        /// What is fetched.
        required "url" url: Url,
        ..rhythm: RhythmKeys,
    }
}

keys! {
    /// In every kind of probe.
    pub struct RhythmKeys("probe") {
        /// How often it runs; every second unless said otherwise.
        "interval" interval: Duration,
        /// How many failures in a row count as down.
        "failureThreshold" failure_threshold: u32,
        /// How long an answer may take; 10 seconds unless said otherwise.
        "timeout" timeout: Duration,
    }
}

/// A name that is no more than a name: of a probe, of a rule.
#[derive(Clone, Debug)]
pub struct Label(pub String);

impl Scalar for Label {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        /// Names are printed in tables: no more than a column of one, bytes.
        const MAX_LEN: usize = 63;
        match text.len() {
            1..=MAX_LEN if !text.contains(char::is_control) => Ok(Self(text.to_owned())),
            _ => Err("a name has 1 to 63 bytes, none of them a control character".into()),
        }
    }

    fn schema() -> Json {
        json!({"type": ["string", "number"], "minLength": 1, "maxLength": 63})
    }
}

/// `host:port`.
#[derive(Clone, Debug)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Both.
    pub fn parts(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl Scalar for Endpoint {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let wrong = "expected a host and a port such as status.example:443 or [2001:db8::1]:443";
        let (host, port) = authority(text).ok_or(wrong)?;
        match port {
            Some(port) if port > 0 => Ok(Self { host, port }),
            Some(_) | None => Err(wrong.into()),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^([^:\\[\\]]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$"})
    }
}

/// `host`, `host:port`, with an IPv6 address in brackets; the host without them.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':')?),
            };
            (host, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let known = host.parse::<IpAddr>().is_ok() || host.parse::<Hostname>().is_ok();
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|_| digits(port))?),
        None => None,
    };
    known.then(|| (host.to_owned(), port))
}

/// An absolute URL that can be fetched.
#[derive(Clone, Debug)]
pub struct Url(String);

impl Url {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Scalar for Url {
    fn read(_node: &Node, text: &str) -> Result<Self, Wrong> {
        let wrong = "expected a URL such as https://status.example/ping";
        let (scheme, rest) = text.split_once("://").ok_or(wrong)?;
        let known = ["http", "https"];
        if !known.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(wrong.into());
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a URL has no spaces and nothing but ASCII".into());
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest.get(..end).unwrap_or_default();
        if host.contains('@') {
            return Err("the URL of a probe holds no user and password: it is shown".into());
        }
        match authority(host) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(wrong.into()),
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+"})
    }
}

impl RhythmKeys {
    fn probe(&self, name: Label, target: ProbeTarget, source: &Source<'_>) -> ProbeConfig {
        ProbeConfig {
            name: name.0,
            interval: self.interval.map(|said| said.value),
            failure_threshold: self.failure_threshold.map(|said| said.value),
            timeout: self.timeout.map(|said| said.value),
            target,
            origin: self.origin(source),
        }
    }
}

impl Kind for TcpProbeKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let Endpoint { host, port } = self.endpoint.value;
        let target = ProbeTarget::Tcp { host, port };
        let probe = self.rhythm.probe(self.name.value, target, source);
        out.probes.push(probe);
    }
}

impl Kind for HttpProbeKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let Url(url) = self.url.value;
        let target = ProbeTarget::Http { url };
        let probe = self.rhythm.probe(self.name.value, target, source);
        out.probes.push(probe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        #[track_caller]
        fn check(text: &str, expect: Option<(&str, Option<u16>)>) {
            let expect = expect.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(authority(text), expect, "{text}");
        }
        check("a.example:443", Some(("a.example", Some(443))));
        check("192.0.2.1", Some(("192.0.2.1", None)));
        check("[2001:db8::1]:80", Some(("2001:db8::1", Some(80))));
        check("[2001:db8::1]", Some(("2001:db8::1", None)));
        for bad in [
            "",
            ":80",
            "2001:db8::1",
            "[192.0.2.1]:80",
            "[::1]80",
            "a:+1",
            "a:65536",
            "a b:1",
            "a:",
        ] {
            check(bad, None);
        }
    }
}
