//! A container: its runtime has made the network, and told name and resolvers by files of the image.

use core::net::IpAddr;

use super::facts::Facts;
use super::media::Medium;
use super::{Answers, Ask, Bodies, Known, Parsed, Provider};
use crate::config::Said;
use crate::config::userdata::Base64;

/// The provider.
pub struct Container;

/// The variable that holds the user-data, in base64, and its key.
const VARIABLE: &str = "USERDATA";
const USER_DATA: &str = "env/USERDATA";

const HOSTNAME: &str = "etc/hostname";
const RESOLV_CONF: &str = "etc/resolv.conf";

impl Provider for Container {
    fn name(&self) -> &'static str {
        "container"
    }

    fn media(&self) -> &'static [Medium] {
        &[
            Medium::Environment(&[VARIABLE]),
            Medium::Files(&["/etc/hostname", "/etc/resolv.conf"]),
        ]
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        Vec::new()
    }

    fn wanted(&self, _answers: &Answers) -> Vec<Ask> {
        Vec::new()
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        let origin = facts.origin("links of the runtime");
        facts.document.default_dhcp = Some(Said::new(false, origin));
        facts.hostname(HOSTNAME);
        resolvers(&mut facts);
        facts.finish(USER_DATA, Base64::Always)
    }
}

/// Name servers and search domains of resolv.conf(5), where the last `search` or `domain` counts.
fn resolvers(facts: &mut Facts<'_>) {
    for line in facts.lines(RESOLV_CONF) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("nameserver"), Some(word)) => match word.parse::<IpAddr>() {
                Ok(address) => facts.nameserver(address, RESOLV_CONF),
                Err(_) => facts.warn(RESOLV_CONF, "has a nameserver that is no IP address"),
            },
            (Some("search" | "domain"), Some(first)) => {
                facts.document.search_domains = None;
                for word in core::iter::once(first).chain(words) {
                    match word.parse() {
                        Ok(domain) => facts.search_domain(domain, RESOLV_CONF),
                        // A lone dot stands for no domain at all.
                        Err(_) if word == "." => {}
                        Err(_) => facts.warn(RESOLV_CONF, "has a search domain that is none"),
                    }
                }
            }
            _ => {}
        }
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
            "Ok(Config(64 bytes))",
            &[
                "hostname node7",
                "dns 192.0.2.53",
                "dns 2001:db8::53",
                "search example.net",
                "search svc.example.net",
            ],
        );
        let document = parsed(&Container, "container/plain").document;
        assert_eq!(document.default_dhcp.map(|said| said.value), Some(false));
    }

    #[test]
    fn bare() {
        check(
            &Container,
            "container/bare",
            "Ok(Absent)",
            &["hostname node8.example.net", "dns 127.0.0.11"],
        );
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let bodies = [
            (HOSTNAME, "two\nlines\n"),
            (
                RESOLV_CONF,
                "nameserver\nnameserver x y\nnameserver 192.0.2.53 y\nsearch a..b\nsearch -c example.net\n",
            ),
            (USER_DATA, "%%%"),
        ];
        check_bodies(
            &Container,
            &bodies,
            "Err(Base64)",
            &[
                "! container: etc/hostname has more than one line",
                "! container: etc/resolv.conf has a nameserver that is no IP address",
                "! container: etc/resolv.conf has a search domain that is none",
                "! container: etc/resolv.conf has a search domain that is none",
                "! container: env/USERDATA is no machine configuration: not base64",
                "dns 192.0.2.53",
                "search example.net",
            ],
        );
    }
}
