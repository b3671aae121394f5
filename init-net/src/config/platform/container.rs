//! A container: its links are its runtime's, the machine configuration stands in the environment.

use super::facts::Facts;
use super::media::Medium;
use super::{Bodies, Parsed, Provider};
use crate::config::Said;
use crate::config::userdata::Base64;
use crate::value::{Hostname, NameServer};

/// The provider.
pub struct Container;

const USER_DATA: &str = "env/USERDATA";
const HOSTNAME: &str = "etc/hostname";
const RESOLVER: &str = "etc/resolv.conf";

impl Provider for Container {
    fn name(&self) -> &'static str {
        "container"
    }

    fn media(&self) -> &'static [Medium] {
        &[
            Medium::Environment(&["USERDATA"]),
            Medium::Files(&["/etc/hostname", "/etc/resolv.conf"]),
        ]
    }

    /// There is nothing else to wait for.
    fn is_told(&self, _media: &Bodies) -> bool {
        true
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let origin = facts.origin("links");
        facts.document.default_dhcp = Some(Said::new(false, origin));
        let lines = facts.lines(HOSTNAME).into_iter();
        if let Some(name) = lines.into_iter().find(|line| !line.starts_with('#')) {
            match name.parse::<Hostname>() {
                Ok(hostname) => facts.set_hostname(hostname, HOSTNAME),
                Err(_) => facts.warn(HOSTNAME, "is no host name"),
            }
        }
        for line in facts.lines(RESOLVER) {
            resolver(&mut facts, line);
        }
        facts.finish(USER_DATA, Base64::Always)
    }
}

/// One line of resolv.conf(5).
fn resolver(facts: &mut Facts<'_>, line: &str) {
    let mut words = line.split_whitespace();
    match words.next() {
        Some("nameserver") => match words.next().map(str::parse::<NameServer>) {
            Some(Ok(server)) => facts.name_server(server, RESOLVER),
            Some(Err(_)) | None => facts.warn(RESOLVER, "has a name server that is no IP address"),
        },
        Some("search" | "domain") => {
            // The last of these lines counts.
            facts.document.search_domains = None;
            for domain in words {
                match domain.trim_end_matches('.').parse::<Hostname>() {
                    Ok(domain) => facts.search_domain(domain, RESOLVER),
                    Err(_) => facts.warn(RESOLVER, "has a search domain that is none"),
                }
            }
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::tests::fixtures::{check, check_bodies, parsed};

    #[test]
    fn plain() {
        check(
            &Container,
            "container/plain",
            "Ok(Config(76 bytes))",
            &[
                "hostname node7",
                "dns 192.0.2.53",
                "dns 2001:db8::53",
                "search example.net",
                "search example.org",
            ],
        );
        let document = parsed(&Container, "container/plain").document;
        assert!(document.default_dhcp.is_some_and(|said| !said.value));
        assert!(document.links.is_empty() && document.operators.is_empty());
    }

    #[test]
    fn bare() {
        check(
            &Container,
            "container/bare",
            "Ok(Absent)",
            &["dns fe80::1%eth0"],
        );
        assert!(Container.is_told(&Bodies::new()));
        assert!(Container.wanted(&Default::default()).is_empty());
    }

    #[test]
    fn hostile() {
        check_bodies(
            &Container,
            &[
                (USER_DATA, "kind: X"),
                (HOSTNAME, "a b\nc\n"),
                (
                    RESOLVER,
                    "nameserver\nnameserver x\nnameserver fe80::1%\nsearch a..b example.net\ndomain example.org\n\nfoo\n",
                ),
            ],
            "Err(Base64)",
            &[
                "! container: etc/hostname is no host name",
                "! container: etc/resolv.conf has a name server that is no IP address",
                "! container: etc/resolv.conf has a name server that is no IP address",
                "! container: etc/resolv.conf has a name server that is no IP address",
                "! container: etc/resolv.conf has a search domain that is none",
                "search example.org",
            ],
        );
        check_bodies(
            &Container,
            &[
                (HOSTNAME, "a\u{0}b"),
                (RESOLVER, "nameserver 192.0.2.1\u{7}"),
            ],
            "Ok(Absent)",
            &[
                "! container: etc/hostname is too long or holds control characters",
                "! container: etc/resolv.conf is too long or holds control characters",
            ],
        );
    }
}
