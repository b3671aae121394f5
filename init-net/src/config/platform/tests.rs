//! Conversations with pretended services, whose bodies are under `testdata/`: one folder a case, one file a key, with
//! `,` for `/` in its name.

pub mod fixtures;

use std::path::Path;

use super::aws::Aws;
use super::hcloud::Hcloud;
use super::*;
use crate::config::Document;

/// The bodies of one folder.
fn bodies(case: &str) -> Bodies {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/config/platform/testdata")
        .join(case);
    let files = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap());
    let bodies: Bodies = files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name.replace(',', "/"), std::fs::read(file.path()).unwrap())
        })
        .collect();
    assert!(!bodies.is_empty(), "{folder:?}");
    bodies
}

/// What a document says, one line a value.
fn show(document: &Document) -> Vec<String> {
    let mut out = Vec::new();
    for link in &document.links {
        out.push(format!(
            "link {:?} mtu {:?}",
            link.link,
            link.mtu.map(|mtu| mtu.bytes())
        ));
    }
    for address in &document.addresses {
        out.push(format!("address {:?} {}", address.link, address.address));
    }
    for route in &document.routes {
        out.push(format!(
            "route {:?} via {:?}",
            route.destination, route.gateway
        ));
    }
    for operator in &document.operators {
        let metric = operator.metric.unwrap_or(0);
        out.push(format!(
            "{:?} {:?} metric {metric}",
            operator.method, operator.link
        ));
    }
    out.extend(
        document
            .hostnames
            .iter()
            .map(|said| format!("hostname {}", said.value)),
    );
    out.extend(
        document
            .nameservers
            .iter()
            .map(|said| format!("dns {}", said.value)),
    );
    out.extend(
        document
            .time_servers
            .iter()
            .map(|said| format!("ntp {}", said.value)),
    );
    out.extend(
        document
            .external_ips
            .iter()
            .map(|said| format!("external {}", said.value)),
    );
    out.extend(
        document
            .metadata
            .iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    out
}

#[track_caller]
fn check(provider: &dyn Provider, case: &str, user_data: &str, faults: &[&str], expect: &[&str]) {
    let parsed = provider.parse(&bodies(case));
    assert_eq!(show(&parsed.document), expect);
    let found: Vec<&str> = parsed
        .diagnostics
        .iter()
        .map(|d| d.message.as_str())
        .collect();
    assert_eq!(found, faults);
    assert_eq!(format!("{:?}", parsed.user_data), user_data);
}

#[test]
fn hcloud() {
    check(
        &Hcloud,
        "hcloud/public-and-private",
        "Ok(Config(47 bytes))",
        &[],
        &[
            "link Mac(96:00:00:aa:bb:cc) mtu None",
            "link Mac(86:00:00:2a:7d:e0) mtu Some(1450)",
            "address Mac(96:00:00:aa:bb:cc) 2001:db8:1:2::1/64",
            "address Mac(86:00:00:2a:7d:e0) 10.0.0.2/32",
            "address Mac(86:00:00:2a:7d:e0) 10.0.0.3/32",
            "route None via Some(fe80::1)",
            "route Some(10.0.0.1/32) via None",
            "route Some(10.0.0.0/8) via Some(10.0.0.1)",
            "Dhcp4 Mac(96:00:00:aa:bb:cc) metric 0",
            "hostname node7.example.net",
            "dns 185.12.64.1",
            "dns 185.12.64.2",
            "dns 2a01:4ff:ff00::add:1",
            "external 198.51.100.7",
            "platform=hcloud",
            "hostname=node7.example.net",
            "region=eu-central",
            "zone=fsn1-dc14",
            "instanceId=42000007",
            "providerId=hcloud://42000007",
        ],
    );
    check(
        &Hcloud,
        "hcloud/private-only",
        "Ok(CloudConfig(Some(Hostname { name: \"other\", domain: None })))",
        &[],
        &[
            "link Mac(86:00:00:2a:7d:e1) mtu Some(1450)",
            "address Mac(86:00:00:2a:7d:e1) 10.0.0.9/32",
            "route Some(10.0.0.1/32) via None",
            "route Some(10.0.0.0/16) via Some(10.0.0.1)",
            "Dhcp4 Mac(86:00:00:2a:7d:e1) metric 0",
            "hostname inside",
            "platform=hcloud",
            "hostname=inside",
            "instanceId=42000008",
            "providerId=hcloud://42000008",
        ],
    );
}

#[test]
fn hcloud_hostile() {
    check(
        &Hcloud,
        "hcloud/hostile",
        "Err(Foreign(Whole(Script)))",
        &[
            "hcloud: hostname has more than one line",
            "hcloud: region is too long or holds control characters",
            "hcloud: availability-zone is not UTF-8",
            "hcloud: instance-id is not what it should be",
            "hcloud: public-ipv4 is not what it should be",
            "network-config: mtu is not what it should be",
            "network-config: address and netmask are no prefix",
            "network-config: unknown type of subnet",
            "network-config: unknown type of subnet",
            "network-config: unknown type of subnet",
            "network-config: unknown type of entry",
            "network-config: unknown type of entry",
            "hcloud: private-networks has an entry without usable ip and mac_address",
            "hcloud: private-networks has an entry without usable ip and mac_address",
            "hcloud: private-networks has an entry without usable ip and mac_address",
        ],
        &[
            "link Mac(96:00:00:aa:bb:cc) mtu None",
            "Dhcp4 Mac(96:00:00:aa:bb:cc) metric 0",
            "platform=hcloud",
        ],
    );
}

const TIME: [&str; 2] = ["ntp 169.254.169.123", "ntp fd00:ec2::123"];

#[test]
fn aws() {
    check(
        &Aws,
        "aws/two-nics",
        "Ok(Config(30 bytes))",
        &[],
        &[
            "link Mac(0e:aa:bb:cc:dd:02) mtu None",
            "link Mac(0e:aa:bb:cc:dd:01) mtu None",
            "address Mac(0e:aa:bb:cc:dd:02) 10.0.0.11/24",
            "route Some(10.0.1.0/24) via None",
            "route None via Some(10.0.1.1)",
            "Dhcp4 Mac(0e:aa:bb:cc:dd:02) metric 100",
            "Dhcp6 Mac(0e:aa:bb:cc:dd:02) metric 100",
            "Dhcp4 Mac(0e:aa:bb:cc:dd:01) metric 200",
            "hostname ip-10-0-0-10.eu-west-1.compute.internal",
            "dns fd00:ec2::253",
            TIME[0],
            TIME[1],
            "external 198.51.100.7",
            "platform=aws",
            "hostname=ip-10-0-0-10.eu-west-1.compute.internal",
            "region=eu-west-1",
            "zone=eu-west-1b",
            "instanceType=m7i.large",
            "internalDNS=ip-10-0-0-10.eu-west-1.compute.internal",
            "externalDNS=ec2-198-51-100-7.eu-west-1.compute.amazonaws.com",
            "spot=true",
            "instanceId=i-0123456789abcdef0",
            "providerId=aws:///eu-west-1b/i-0123456789abcdef0",
        ],
    );
    check(
        &Aws,
        "aws/ipv6-only",
        "Ok(Absent)",
        &[],
        &[
            "link Mac(0e:aa:bb:cc:dd:03) mtu None",
            "Dhcp6 Mac(0e:aa:bb:cc:dd:03) metric 100",
            "dns fd00:ec2::253",
            TIME[0],
            TIME[1],
            "platform=aws",
            "instanceId=i-0123456789abcdef1",
            "providerId=aws:////i-0123456789abcdef1",
        ],
    );
}

#[test]
fn aws_hostile() {
    let nic = "network/interfaces/macs/0e:aa:bb:cc:dd:04";
    let number = format!("aws: {nic}/device-number is not what it should be");
    check(
        &Aws,
        "aws/hostile",
        "Ok(Absent)",
        &[
            "aws: hostname is not what it should be",
            "aws: instance-id has more than one line",
            "aws: network/interfaces/macs lists something else than hardware addresses",
            &number,
            &number,
            &format!("aws: {nic}/local-ipv4s holds lines that are not what they should be"),
            &format!("aws: {nic}/subnet-ipv4-cidr-block is not what it should be"),
        ],
        &[
            "link Mac(0e:aa:bb:cc:dd:04) mtu None",
            "Dhcp4 Mac(0e:aa:bb:cc:dd:04) metric 100",
            "platform=aws",
        ],
    );
}

/// Talks with `service` until the session is done; answers how many rounds it took, and all requests.
fn converse(
    provider: &'static dyn Provider,
    service: impl Fn(&Ask) -> Answer,
) -> (Session, Vec<Vec<String>>) {
    let mut session = Session::new(provider, Bodies::new());
    let mut rounds = Vec::new();
    while !session.is_done() {
        let asks = session.asks();
        assert!(!asks.is_empty() && rounds.len() < 10, "{rounds:?}");
        for ask in &asks {
            session.respond(&ask.key, service(ask));
        }
        rounds.push(asks.iter().map(|ask| format!("{ask:?}")).collect());
    }
    assert!(session.asks().is_empty());
    (session, rounds)
}

/// A service that has `bodies` and nothing else.
fn serve(bodies: &Bodies, ask: &Ask) -> Answer {
    match bodies.get(&ask.key) {
        Some(body) => Answer::Body(body.clone()),
        None => Answer::Status(404),
    }
}

#[test]
fn hcloud_conversation() {
    let all = bodies("hcloud/public-and-private");
    let (session, rounds) = converse(&Hcloud, |ask| serve(&all, ask));
    assert_eq!(
        rounds[0],
        ["instance-id (Get /hetzner/v1/metadata/instance-id, attempt 1)"]
    );
    assert_eq!((rounds.len(), rounds[1].len()), (2, 7));
    assert_eq!(session.bodies(), all);
    assert!(session.faults().is_empty());
}

#[test]
fn a_service_that_is_not_there() {
    let (session, rounds) = converse(&Hcloud, |_| Answer::Unreachable);
    assert_eq!(rounds.len(), 1);
    assert_eq!(
        session.faults()[0].message,
        "hcloud: instance-id: no answer"
    );
}

#[test]
fn half_a_service_gives_half_a_document() {
    let all = bodies("hcloud/public-and-private");
    let (session, _) = converse(&Hcloud, |ask| match ask.key.as_str() {
        "userdata" | "private-networks" => Answer::Unreachable,
        "hostname" => Answer::Status(403),
        _ => serve(&all, ask),
    });
    assert_eq!(session.faults().len(), 3);
    let parsed = Hcloud.parse(&session.bodies());
    assert!(parsed.document.hostnames.is_empty());
    assert_eq!(parsed.document.addresses.len(), 1);
}

/// The token of an AWS request.
fn sent_token(ask: &Ask) -> Option<&str> {
    let mut headers = ask.headers.iter();
    headers
        .find(|(name, _)| *name == "X-aws-ec2-metadata-token")
        .map(|(_, value)| value.as_str())
}

#[test]
fn aws_conversation() {
    let all = bodies("aws/two-nics");
    let (session, rounds) = converse(&Aws, |ask| match ask.key.as_str() {
        "token" => Answer::Body(b"secret-1\n".to_vec()),
        _ if sent_token(ask) == Some("secret-1") => serve(&all, ask),
        _ => Answer::Status(401),
    });
    assert_eq!(rounds[0], ["token (Put /latest/api/token, attempt 1)"]);
    assert_eq!(rounds.iter().map(Vec::len).collect::<Vec<_>>(), [1, 13, 16]);
    assert_eq!(session.bodies(), all, "and the token is not among them");
}

#[test]
fn an_expired_token_is_renewed_once() {
    let all = bodies("aws/two-nics");
    let (session, rounds) = converse(&Aws, |ask| match ask.key.as_str() {
        "token" => Answer::Body(b"old".to_vec()),
        "token/2" => Answer::Body(b"new".to_vec()),
        "hostname" | "user-data" if sent_token(ask) == Some("old") => Answer::Status(401),
        _ => serve(&all, ask),
    });
    assert_eq!(session.bodies(), all);
    assert!(rounds[2].iter().any(|ask| ask.starts_with("token/2 ")));
    assert!(rounds[3].iter().all(|ask| ask.ends_with("attempt 2)")) && rounds[3].len() == 2);

    let (session, rounds) = converse(&Aws, |ask| match ask.method {
        Method::Put | Method::Post | Method::Patch => Answer::Body(b"refused".to_vec()),
        Method::Get => Answer::Status(401),
    });
    assert_eq!(rounds.len(), 4, "no third token");
    assert!(session.bodies().is_empty());
}

#[test]
fn a_clone_without_tokens_and_a_service_switched_off() {
    let all = bodies("aws/two-nics");
    let (session, _) = converse(&Aws, |ask| {
        assert_eq!(sent_token(ask), None);
        serve(&all, ask)
    });
    assert_eq!(session.bodies(), all);
    let (session, rounds) = converse(&Aws, |_| Answer::Status(403));
    assert_eq!(rounds.len(), 1);
    assert_eq!(session.faults()[0].message, "aws: token: status 403");
}

#[test]
fn a_listing_does_not_lead_to_endless_requests() {
    let listing: String = (0..60_000)
        .map(|n| format!("0e:00:00:00:{:02x}:{:02x}/\n", n >> 8, n & 0xff))
        .collect();
    let (_, rounds) = converse(&Aws, |ask| match ask.key.as_str() {
        "network/interfaces/macs/" => Answer::Body(listing.clone().into_bytes()),
        _ => Answer::Body(b"x".to_vec()),
    });
    assert_eq!(rounds.iter().map(Vec::len).sum::<usize>(), 2048);
}

#[test]
fn bases_name_the_link() {
    let link = "eth0".parse().unwrap();
    assert_eq!(
        base_urls(&Hcloud, &Known::default(), &link),
        ["http://169.254.169.254", "http://[fe80::a9fe:a9fe%25eth0]",]
    );
}

/// Every body that a fixture of `platform` leads to, and those of the folders beside this file.
fn fixture_bodies(platform: &'static Platform) -> Vec<Bodies> {
    let provider = platform.provider.unwrap();
    let cases = fixtures::cases(platform.name);
    let mut all: Vec<Bodies> = cases
        .iter()
        .map(|case| fixtures::converse(provider, case).0)
        .collect();
    match platform.name {
        "aws" => all.push(bodies("aws/two-nics")),
        "hcloud" => all.push(bodies("hcloud/public-and-private")),
        _ => {}
    }
    all
}

/// What a damaged body may be: bytes, texts of other types, or the body itself with a piece changed.
fn damaged(body: &[u8], how: u8, at: usize, noise: &[u8]) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "null",
        "{}",
        "[]",
        "[[]]",
        "0",
        "-1",
        "1e99",
        "\"\"",
        "true",
        "\"\\u0000\"",
        "::/0",
        "18446744073709551616",
    ];
    let at = at % (body.len() + 1);
    let (before, after) = body.split_at(at);
    // The value that begins next: what stands behind a colon.
    let value = after
        .iter()
        .position(|b| *b == b':')
        .map_or(after.len(), |n| n + 1);
    let (between, rest) = after.split_at(value);
    let end = rest
        .iter()
        .position(|b| b",}]\n".contains(b))
        .unwrap_or(rest.len());
    let word = WORDS[usize::from(how) % WORDS.len()].as_bytes();
    match how % 5 {
        0 => noise.to_vec(),
        1 => before.to_vec(),
        2 => [before, noise, after].concat(),
        3 => word.to_vec(),
        _ => [before, between, word, rest.split_at(end).1].concat(),
    }
}

#[test]
fn every_provider_has_fixtures() {
    for platform in PLATFORMS
        .iter()
        .filter(|platform| platform.provider.is_some())
    {
        let bodies = fixture_bodies(platform);
        assert!(!bodies.is_empty(), "{}", platform.name);
        assert!(
            bodies.iter().all(|bodies| !bodies.is_empty()),
            "{}",
            platform.name
        );
    }
}

/// A body that lists more than any machine has.
#[test]
fn hostile_lists_end() {
    let card = |n: u32| {
        let mac = format!(
            "0e:00:00:{:02x}:{:02x}:{:02x}",
            n >> 16,
            n >> 8 & 0xff,
            n & 0xff
        );
        format!(
            r#"{{"mac":"{mac}","macAddress":"{mac}","ip":"10.0.0.1","ipv6":["2001:db8::1/96"],
            "ipv4":{{"ipAddress":[{{"privateIpAddress":"10.0.0.1"}}],"ip_address":"10.0.0.1","address":"10.0.0.1"}},
            "ip_addresses":[{{"address":"10.0.0.1","dhcp":true}}]}}"#
        )
    };
    let cards: Vec<String> = (0..5000).map(card).collect();
    let cards = format!("[{}]", cards.join(","));
    let address = |n: u32| {
        let address = core::net::Ipv4Addr::from_bits(0x0a00_0000 + n);
        format!(
            r#"{{"address":"{address}","enabled":true,"public":true,"cidr":8,"frontendIpAddress":"{address}"}}"#
        )
    };
    let addresses: Vec<String> = (0..20_000).map(address).collect();
    let addresses = format!("[{}]", addresses.join(","));
    let body = format!(
        r#"{{"networkInterfaces":{cards},"interfaces":{{"public":{cards},"private":{cards}}},
        "network":{{"interfaces":{cards},"addresses":{addresses}}},
        "loadbalancer":{{"publicIpAddresses":{addresses}}},"public_ips_v4":{addresses},
        "tags":[{}]}}"#,
        vec!["\"x\""; 5000].join(",")
    );
    for platform in PLATFORMS
        .iter()
        .filter(|platform| platform.provider.is_some())
    {
        let provider = platform.provider.unwrap();
        for bodies in fixture_bodies(platform) {
            for text in [&body, &cards] {
                let all: Bodies = bodies
                    .keys()
                    .map(|key| (key.clone(), text.clone().into_bytes()))
                    .collect();
                let parsed = provider.parse(&all);
                let document = parsed.document;
                let name = platform.name;
                assert!(
                    document.links.len() <= 1024,
                    "{name}: {} links",
                    document.links.len()
                );
                assert!(document.addresses.len() <= 4096, "{name}");
                assert!(document.external_ips.len() <= 4096, "{name}");
                assert!(document.tags.len() <= 256, "{name}");
                assert!(parsed.diagnostics.len() <= 512, "{name}");
            }
        }
    }
}

#[test]
fn hostile_bodies_never_panic() {
    let asked = PLATFORMS
        .iter()
        .filter_map(|platform| Some((platform, platform.provider?)));
    let all: Vec<(&dyn Provider, Bodies)> = asked
        .flat_map(|(platform, provider)| {
            let bodies = fixture_bodies(platform).into_iter();
            bodies.map(move |bodies| (provider, bodies))
        })
        .collect();
    let config = proptest::prelude::ProptestConfig::with_cases(3000);
    proptest::proptest!(config, |(which: usize, key: usize, how: u8, at: usize, noise: Vec<u8>)| {
        let (provider, bodies) = &all[which % all.len()];
        let (key, body) = bodies.iter().nth(key % bodies.len()).unwrap();
        let (key, body) = (key.clone(), damaged(body, how, at, &noise));
        let answers = [(key.clone(), Answer::Body(body.clone()))].into();
        let _ = (provider.wanted(&answers), provider.is_partial(&key, &body));
        for outcome in [Outcome::Ready, Outcome::Failed("x")] {
            let _ = provider.report(outcome, &answers);
        }
        let mut bodies = bodies.clone();
        bodies.insert(key, body);
        let parsed = provider.parse(&bodies);
        for diagnostic in &parsed.diagnostics {
            let _ = diagnostic.to_string();
        }
        crate::compile::compile(&[parsed.document], &BTreeMap::new());
    });
}

/// Every link that a fixture speaks of is there, and compiles without a word.
#[test]
fn fixtures_compile() {
    for platform in PLATFORMS
        .iter()
        .filter(|platform| platform.provider.is_some())
    {
        for case in fixtures::cases(platform.name) {
            let links = fixtures::links(&case);
            let document = fixtures::parsed(platform.provider.unwrap(), &case).document;
            // The links of a container are not ours.
            let ours = document.default_dhcp.is_none();
            let (desired, faults) = crate::compile::compile(&[document], &links);
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert!(faults.is_empty(), "{case}: {faults:#?}");
            assert_eq!(
                !desired.operators.is_empty() || !desired.addresses.is_empty(),
                ours,
                "{case}"
            );
        }
    }
}
