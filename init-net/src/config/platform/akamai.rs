//! Akamai (Linode): JSON behind a session token. Cards are in the order of the interfaces, and nothing tells their hardware
//! addresses: DHCP runs on all of them, and only what it does not hand out is added to the first one.
//!
//! techdocs.akamai.com/cloud-computing, "Metadata service API".

use core::net::IpAddr;

use super::facts::{Facts, is_blank};
use super::tokens::Tokens;
use super::{Answers, Ask, Bodies, Known, Parsed, Provider, fixed};
use crate::config::LinkRef;
use crate::config::machine::tree::{self, Node};
use crate::config::userdata::Base64;
use crate::value::Prefix;

/// The provider.
pub struct Akamai;

/// Keys of the documents.
const INSTANCE: &str = "instance";
const NETWORK: &str = "network";
const USER_DATA: &str = "user-data";

/// The conversation takes seconds.
const TOKENS: Tokens = Tokens {
    path: "/v1/token",
    life: ("Metadata-Token-Expiry-Seconds", "300"),
    header: "Metadata-Token",
    read: token,
};

/// The token is the one text of a JSON array, or stands alone.
fn token(text: &str) -> Option<String> {
    if !text.starts_with('[') {
        return Some(text.to_owned());
    }
    let (documents, _) = tree::parse_any(text);
    Some(documents.first()?.items().first()?.text()?.to_owned())
}

impl Provider for Akamai {
    fn name(&self) -> &'static str {
        "akamai"
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        fixed(&["http://169.254.169.254", "http://[fd00:a9fe:a9fe::1]"])
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        let document =
            |key: &str| Ask::optional(key, format!("/v1/{key}")).with("Accept", "application/json");
        let asks = [
            document(INSTANCE),
            document(NETWORK),
            Ask::optional(USER_DATA, format!("/v1/{USER_DATA}")),
        ];
        TOKENS.before(answers, asks.into_iter())
    }

    fn is_secret(&self, key: &str) -> bool {
        Tokens::is_token(key)
    }

    /// The service fills in the network in steps while the instance starts.
    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        match key {
            INSTANCE => is_blank(body),
            NETWORK => is_blank(body) || !says_network(body),
            _ => false,
        }
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let mut facts = Facts::new(self.name(), bodies);
        if let Some(root) = facts.tree(INSTANCE) {
            facts.hostname_at(&root, "label", INSTANCE);
            facts.fact_at(&root, "region", "region", INSTANCE);
            facts.fact_at(&root, "type", "instanceType", INSTANCE);
            let id = facts.word(&root, "id", INSTANCE);
            facts.identity(id, "linode");
            facts.tags_at(&root, "tags", INSTANCE);
        }
        if let Some(root) = facts.tree(NETWORK) {
            network(&root, &mut facts);
        }
        facts.finish(USER_DATA, Base64::Always)
    }
}

/// Whether a network has an interface or an address by now, and every VPC interface its network.
fn says_network(body: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(body) else {
        return true;
    };
    let (documents, _) = tree::parse_any(text);
    let Some(root) = documents.first() else {
        return true;
    };
    let some = |node: Option<&Node>| node.is_some_and(|node| !node.items().is_empty());
    let interfaces = root.at("interfaces");
    let addressed = ["ipv4", "ipv6", "vpc"]
        .iter()
        .any(|key| root.at(key).is_some());
    let listed = interfaces.map(Node::items).unwrap_or_default().iter();
    let unknown_vpc = listed.into_iter().any(|interface| {
        interface.at("purpose").and_then(Node::text) == Some("vpc")
            && root.at("vpc").is_none()
            && interface.at("ipam_address").is_none()
            && root.at("ipv4").is_none()
    });
    (some(interfaces) || addressed) && !unknown_vpc
}

/// The first public address is leased; others and the private ones are not. Ranges of IPv6 are routed to the instance, and
/// are for it to use.
fn network(root: &Node, facts: &mut Facts<'_>) {
    let link = LinkRef::Primary;
    if let Some(ipv4) = root.at("ipv4") {
        let public: Vec<Prefix> = facts.each(ipv4, "public", NETWORK);
        for address in &public {
            facts.external(address.address(), NETWORK);
        }
        let private: Vec<Prefix> = facts.each(ipv4, "private", NETWORK);
        let further: Vec<Prefix> = public.into_iter().skip(1).chain(private).collect();
        // Behind a VPC they are translated, or on a card of which nothing tells which it is.
        if !further.is_empty() && !is_public_first(root) {
            facts.warn(
                NETWORK,
                "has further addresses, and a first interface that is not public",
            );
        } else {
            for address in further {
                facts.address(&link, Prefix::host(address.address()), NETWORK);
            }
        }
    }
    if let Some(ipv6) = root.at("ipv6")
        && let Some(slaac) = facts.read::<Prefix>(ipv6, "slaac", NETWORK)
    {
        facts.external(
            IpAddr::V6(match slaac.address() {
                IpAddr::V6(address) => address,
                IpAddr::V4(address) => address.to_ipv6_mapped(),
            }),
            NETWORK,
        );
    }
}

/// Whether the first card is the public one, as it is where no interfaces are listed.
fn is_public_first(root: &Node) -> bool {
    let interfaces = root.at("interfaces").map(Node::items).unwrap_or_default();
    let first = interfaces
        .first()
        .and_then(|first| first.at("purpose")?.text());
    first.is_none_or(|purpose| purpose == "public")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::platform::Answer;
    use crate::config::platform::tests::fixtures::{check, check_bodies};

    #[test]
    fn public() {
        check(
            &Akamai,
            "akamai/public",
            "Ok(Config(64 bytes))",
            &[
                "Primary has 192.168.138.7/32",
                "hostname node7",
                "external 198.51.100.7",
                "external 2001:db8:5:0:f03c:95ff:fe00:1",
                "region=us-east",
                "instanceType=g6-standard-2",
                "instanceId=4242",
                "providerId=linode://4242",
                "tag blue=",
                "tag k8s=",
            ],
        );
    }

    #[test]
    fn vpc_without_ipv6() {
        check(
            &Akamai,
            "akamai/vpc",
            "Ok(Absent)",
            &[
                "Primary has 198.51.100.9/32",
                "hostname node8",
                "external 198.51.100.8",
                "external 198.51.100.9",
                "region=de-fra-2",
                "instanceType=g6-dedicated-4",
                "instanceId=4243",
                "providerId=linode://4243",
            ],
        );
    }

    #[test]
    fn a_vpc_alone() {
        let network = r#"{"interfaces":[{"purpose":"vpc"}],"ipv4":{"public":["198.51.100.8/32","198.51.100.9/32"]},
            "ipv6":{"slaac":"2001:db8::7/128"}}"#;
        check_bodies(
            &Akamai,
            &[(NETWORK, network)],
            "Ok(Absent)",
            &[
                "! akamai: network has further addresses, and a first interface that is not public",
                "external 198.51.100.8",
                "external 198.51.100.9",
                "external 2001:db8::7",
            ],
        );
    }

    #[test]
    fn the_network_comes_in_steps() {
        let partial = |body: &str| Akamai.is_partial(NETWORK, body.as_bytes());
        assert!(partial("{}"));
        assert!(partial("null"));
        assert!(partial(
            "{\"interfaces\": [], \"ipv4\": null, \"ipv6\": null}"
        ));
        assert!(partial(
            "{\"interfaces\": [{\"purpose\": \"vpc\"}], \"vpc\": null}"
        ));
        assert!(!partial(
            "{\"interfaces\": [{\"purpose\": \"public\"}], \"ipv4\": {}}"
        ));
        assert!(!partial(
            "{\"ipv4\": {\"public\": [\"198.51.100.7/32\"]}, \"ipv6\": null}"
        ));
        assert!(!Akamai.is_partial(USER_DATA, b""));
    }

    #[test]
    fn a_token_first() {
        let keys = |answers: &Answers| -> Vec<(String, u8, Option<String>)> {
            let token = |ask: &Ask| {
                let mut headers = ask.headers.iter();
                headers.find_map(|(name, value)| (*name == "Metadata-Token").then(|| value.clone()))
            };
            let asks = Akamai.wanted(answers).into_iter();
            asks.map(|ask| (ask.key.clone(), ask.attempt, token(&ask)))
                .collect()
        };
        let own = |key: &str, attempt, token: Option<&str>| {
            (key.to_owned(), attempt, token.map(str::to_owned))
        };
        let mut answers = Answers::new();
        assert_eq!(keys(&answers), [own("token", 1, None)]);
        answers.insert("token".into(), Answer::Body(b"[\"t-1\"]".to_vec()));
        assert_eq!(
            keys(&answers),
            [
                own("token", 1, None),
                own("instance", 1, Some("t-1")),
                own("network", 1, Some("t-1")),
                own("user-data", 1, Some("t-1")),
            ]
        );
        answers.insert("instance".into(), Answer::Body(b"{}".to_vec()));
        answers.insert("network".into(), Answer::Status(401));
        answers.insert("token/2".into(), Answer::Body(b"t-2\n".to_vec()));
        assert_eq!(
            keys(&answers),
            [
                own("token", 1, None),
                own("token/2", 1, None),
                own("instance", 1, Some("t-2")),
                own("network", 2, Some("t-2")),
                own("user-data", 1, Some("t-2")),
            ]
        );
        answers.clear();
        answers.insert("token".into(), Answer::Status(403));
        assert_eq!(keys(&answers), [own("token", 1, None)]);
    }

    #[test]
    fn hostile_values_cost_themselves() {
        let network = "{\"ipv4\": {\"public\": [\"x\", \"198.51.100.7/32\", null, 5]}, \
                       \"ipv6\": {\"slaac\": [1]}, \"interfaces\": {}}";
        check_bodies(
            &Akamai,
            &[(NETWORK, network)],
            "Ok(Absent)",
            &[
                "! akamai: network has public that are not what they should be",
                "! akamai: network has a slaac that is not what it should be",
                "external 198.51.100.7",
            ],
        );
    }
}
