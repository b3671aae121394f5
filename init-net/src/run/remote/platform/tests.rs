//! A source from its media to its report, without a network.

use std::collections::BTreeMap;

use super::*;
use crate::config::LinkRef;
use crate::config::platform::{
    Answer, Answers, Ask, FileSystem, Found, Known, Outcome, Parsed, Volume,
};
use crate::config::userdata::{self, Base64};
use crate::proto::http::{Cause, Error};
use crate::run::core::Via;
use crate::state::{
    AddressStatus, Family, LinkStatus, OUR_PROTOCOL, Observed, RouteStatus, Scope, iff,
};
use crate::value::{Duration, LinkName, Prefix, RouteKind, RouteTable};

const VOLUME: Medium = Medium::Volume(Volume {
    labels: &["fake"],
    file_systems: &[FileSystem::Iso9660],
    files: &["user-data"],
});

const SERVICE: &str = "http://169.254.169.254";

/// A cloud: a volume with `user-data`, or a service with `id` and then `net`.
struct Fake;

impl Provider for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn media(&self) -> &'static [Medium] {
        &[VOLUME]
    }

    fn bootstrap(&self) -> Bootstrap {
        Bootstrap::LinkLocal
    }

    fn bases(&self, _known: &Known) -> Vec<String> {
        vec![SERVICE.to_owned()]
    }

    fn wanted(&self, answers: &Answers) -> Vec<Ask> {
        if answers.contains_key("user-data") {
            return Vec::new();
        }
        let mut asks = vec![Ask::required("id", "/id")];
        if let Some(Answer::Body(_)) = answers.get("id") {
            asks.push(Ask::optional("net", "/net"));
        }
        asks
    }

    fn is_partial(&self, key: &str, body: &[u8]) -> bool {
        key == "net" && body == b"{}"
    }

    fn parse(&self, bodies: &Bodies) -> Parsed {
        let user_data = bodies.get("user-data").map(Vec::as_slice);
        Parsed {
            document: Document::empty(crate::value::Layer::Platform, "fake"),
            diagnostics: Vec::new(),
            user_data: userdata::decode(user_data.unwrap_or_default(), Base64::Never),
        }
    }

    fn report(&self, outcome: Outcome<'_>, answers: &Answers) -> Vec<Ask> {
        let path = match outcome {
            Outcome::Ready => "http://192.0.2.1/ready".to_owned(),
            Outcome::Failed(why) => format!("http://192.0.2.1/failed?{}", why.len()),
        };
        let mut asks = vec![Ask::optional("hello", "http://192.0.2.1/hello")];
        if answers.contains_key("hello") {
            asks.push(Ask::optional("health", path));
        }
        asks
    }
}

/// A machine with one link that has an address and a default route.
fn machine() -> Observed {
    let name: LinkName = "eth0".parse().unwrap();
    let mut link = LinkStatus::new(2, name.clone());
    link.flags = iff::UP | iff::LOWER_UP;
    link.hardware_addr = Some("52:54:00:00:00:02".parse().unwrap());
    let address: Prefix = "10.0.0.5/24".parse().unwrap();
    let address = AddressStatus {
        address,
        peer: None,
        broadcast: None,
        link_index: 2,
        link_name: name.clone(),
        family: Family::Inet4,
        scope: Scope::Global,
        flags: 0,
        priority: 0,
        protocol: OUR_PROTOCOL,
        valid_until: None,
        preferred_until: None,
    };
    let route = RouteStatus {
        family: Family::Inet4,
        dst: None,
        src: None,
        gateway: Some("10.0.0.1".parse().unwrap()),
        out_link_index: 2,
        out_link_name: Some(name),
        table: RouteTable::MAIN,
        priority: 1024,
        scope: Scope::Global,
        kind: RouteKind::Unicast,
        protocol: OUR_PROTOCOL,
        flags: 0,
        mtu: None,
        metrics: Default::default(),
        next_hops: Vec::new(),
    };
    Observed {
        links: BTreeMap::from([(2, link)]),
        addresses: vec![address],
        routes: vec![route],
        ..Observed::default()
    }
}

/// The source, its machine and the time.
struct Scene {
    source: Metadata,
    observed: Observed,
    loading: bool,
    now: Instant,
}

impl Scene {
    fn new(provider: Option<&'static dyn Provider>) -> Self {
        Self {
            source: Metadata::new(provider, true, None, None),
            observed: machine(),
            loading: false,
            now: Instant::BOOT + Duration::from_secs(1),
        }
    }

    /// The URLs that are asked now, by key.
    fn asked(&mut self) -> Vec<(String, String)> {
        let around = Around {
            observed: &self.observed,
            leases: &[],
            drivers_loading: self.loading,
        };
        let requests = self.source.requests(around, self.now);
        requests
            .into_iter()
            .map(|(key, fetch)| (key, fetch.url().to_string()))
            .collect()
    }

    fn read(&mut self, news: MediaNews) {
        self.source.read(&news, self.now);
    }

    fn answer(&mut self, key: &str, body: &str) {
        let response = Response {
            status: 200,
            content_type: None,
            retry_after: None,
            body: body.as_bytes().to_vec(),
        };
        self.source.answer(key, Ok(response), self.now);
    }

    fn found(&mut self) -> MediaNews {
        MediaNews::Found(
            VOLUME,
            Found {
                place: "/dev/sr0".into(),
                label: Some("fake".into()),
                bodies: BTreeMap::from([("user-data".to_owned(), b"kind: X\n".to_vec())]),
            },
        )
    }

    #[track_caller]
    fn end(&mut self) -> Result<Fetched, String> {
        assert_eq!(self.asked(), []);
        self.source.finished().expect("an end")
    }
}

fn asks(key: &str, url: &str) -> Vec<(String, String)> {
    vec![(key.to_owned(), url.to_owned())]
}

fn probe() -> Vec<(String, String)> {
    asks("eth0 http://169.254.169.254", "http://169.254.169.254/id")
}

#[test]
fn nobody_is_asked_before_the_media_are_read() {
    let mut scene = Scene::new(Some(&Fake));
    scene.loading = true;
    assert_eq!(scene.asked(), []);
    // Disks may still appear.
    scene.read(MediaNews::Scanned);
    assert_eq!(scene.asked(), []);
    scene.loading = false;
    assert_eq!(scene.asked(), []);
    scene.read(MediaNews::Scanned);
    assert_eq!(scene.asked(), probe());
}

#[test]
fn a_drive_that_hangs_does_not_hold_up_the_boot() {
    let mut scene = Scene::new(Some(&Fake));
    assert_eq!(scene.asked(), []);
    scene.now = scene.source.deadline().unwrap();
    assert_eq!(scene.asked(), probe());
}

#[test]
fn a_volume_says_everything() {
    let mut scene = Scene::new(Some(&Fake));
    scene.loading = true;
    let found = scene.found();
    scene.read(found);
    assert_eq!(scene.asked(), [], "other media may be read in this turn");
    scene.read(MediaNews::Scanned);
    let fetched = scene.end().unwrap();
    assert_eq!(fetched.place.as_deref(), Some("/dev/sr0"));
    assert_eq!(fetched.bodies["user-data"], b"kind: X\n");
    assert_eq!(fetched.via, None);
}

#[test]
fn a_volume_that_comes_late_stands_before_a_service_that_does_not_answer() {
    let mut scene = Scene::new(Some(&Fake));
    scene.read(MediaNews::Scanned);
    assert_eq!(scene.asked(), probe());
    let found = scene.found();
    scene.read(found);
    assert!(scene.end().unwrap().bodies.contains_key("user-data"));
}

#[test]
fn without_a_reader_the_service_is_asked() {
    let mut scene = Scene::new(Some(&Fake));
    scene.read(MediaNews::Ended);
    assert_eq!(scene.asked(), probe());
}

#[test]
fn a_machine_that_names_no_platform_has_none_unless_a_volume_does() {
    let mut scene = Scene::new(None);
    assert!(!scene.source.is_named());
    assert_eq!(scene.source.name(), UNNAMED);
    assert_eq!(scene.asked(), []);
    assert!(scene.source.finished().is_none());
    scene.read(MediaNews::Scanned);
    let fetched = scene.end().unwrap();
    assert_eq!(fetched, Fetched::fresh(Bodies::new()));
    assert_eq!(scene.source.documents(&fetched).0, []);
}

#[test]
fn the_machine_has_an_address_of_its_own_while_the_service_is_looked_for() {
    let mut scene = Scene::new(Some(&Fake));
    let mut rng = Rng::new(1);
    assert!(
        scene.source.bootstrap(&mut rng).is_none(),
        "the volume first"
    );
    scene.read(MediaNews::Scanned);
    scene.asked();
    let document = scene.source.bootstrap(&mut rng).unwrap();
    let [address] = document.addresses.as_slice() else {
        panic!("{:?}", document.addresses);
    };
    assert_eq!(address.link, LinkRef::Primary);
    assert!(address.address.to_string().starts_with("169.254."));
    assert_eq!(address.address.len(), 16);
}

#[test]
fn addresses_of_rfc_3927_only() {
    let mut rng = Rng::new(7);
    for _ in 0..2000 {
        let document = probing::link_local(&Fake, &mut rng);
        let core::net::IpAddr::V4(address) = document.addresses[0].address.address() else {
            panic!("IPv4");
        };
        let [_, _, third, fourth] = address.octets();
        assert!(
            (1..=254).contains(&third) && (1..=254).contains(&fourth),
            "{address}"
        );
        assert_ne!((third, fourth), (169, 254));
    }
}

#[test]
fn what_is_not_complete_is_asked_again_for_a_while() {
    let mut scene = Scene::new(Some(&Fake));
    scene.read(MediaNews::Scanned);
    scene.asked();
    scene.answer("eth0 http://169.254.169.254", "i-1");
    let net = || asks("net", "http://169.254.169.254/net");
    assert_eq!(scene.asked(), net());
    let mut times = 0;
    let fetched = loop {
        scene.answer("net", "{}");
        if let Some(at) = scene.source.deadline() {
            assert_eq!(scene.asked(), [], "not yet");
            scene.now = at;
            assert_eq!(scene.asked(), net());
            times += 1;
        } else {
            break scene.end().unwrap();
        }
    };
    assert!((5..20).contains(&times), "{times}");
    assert_eq!(fetched.bodies["net"], b"{}", "then it is taken as it is");

    let mut scene = Scene::new(Some(&Fake));
    scene.read(MediaNews::Scanned);
    scene.asked();
    scene.answer("eth0 http://169.254.169.254", "i-1");
    scene.asked();
    scene.answer("net", "{}");
    scene.now = scene.source.deadline().unwrap();
    assert_eq!(scene.asked(), net());
    scene.answer("net", "{\"a\": 1}");
    assert_eq!(scene.end().unwrap().bodies["net"], b"{\"a\": 1}");
}

#[test]
fn the_way_to_the_service_is_pinned() {
    let mut scene = Scene::new(Some(&Fake));
    scene.read(MediaNews::Scanned);
    scene.asked();
    scene.answer("eth0 http://169.254.169.254", "i-1");
    scene.asked();
    scene.answer("net", "x");
    let fetched = scene.end().unwrap();
    let (documents, _) = scene.source.documents(&fetched);
    let [route] = documents[0].routes.as_slice() else {
        panic!("{:?}", documents[0].routes);
    };
    assert_eq!(
        route.destination,
        Some("169.254.169.254/32".parse().unwrap())
    );
    assert_eq!(route.gateway, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(route.metric, Some(512));
    assert_eq!(
        route.link,
        Some(LinkRef::Mac("52:54:00:00:00:02".parse().unwrap()))
    );
}

#[test]
fn a_way_that_the_platform_says_is_the_way() {
    let provider = detect::named("digital-ocean").unwrap().provider.unwrap();
    let body = r#"{"interfaces":{"public":[{"mac":"52:54:00:00:00:02","ipv4":
        {"ip_address":"198.51.100.10","netmask":"255.255.255.0","gateway":"198.51.100.1"}}]}}"#;
    let key = "digitalocean_meta_data.json".to_owned();
    let mut fetched = Fetched::fresh([(key, body.into())].into());
    fetched.via = Some(Via {
        mac: "52:54:00:00:00:02".parse().unwrap(),
        service: "169.254.169.254".parse().unwrap(),
        gateway: None,
    });
    let meaning = Meaning {
        with_user_data: true,
        pin: None,
    };
    let (documents, _) = meaning.documents(provider, &fetched);
    let routes = documents[0].routes.iter();
    let mut routes = routes.filter(|route| route.metric == Some(512));
    let gateway = routes.next().unwrap().gateway;
    assert_eq!(gateway, Some("198.51.100.1".parse().unwrap()));
    assert!(routes.next().is_none());
}

#[test]
fn user_data_that_is_elsewhere_is_fetched() {
    let mut scene = Scene::new(Some(&Fake));
    let MediaNews::Found(medium, mut found) = scene.found() else {
        panic!("found");
    };
    let text = b"#include\nhttp://192.0.2.9/config\n".to_vec();
    found.bodies.insert("user-data".into(), text);
    scene.read(MediaNews::Found(medium, found));
    scene.read(MediaNews::Scanned);
    assert_eq!(scene.asked(), asks("#include", "http://192.0.2.9/config"));
    scene.answer(
        "#include",
        "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: web1\n",
    );
    let fetched = scene.end().unwrap();
    assert!(scene.source.config(&fetched).unwrap().text.contains("web1"));
    let (documents, faults) = scene.source.documents(&fetched);
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(documents[1].hostnames[0].value.name(), "web1");
}

#[test]
fn offline_nobody_is_told_and_what_is_for_others_is_no_failure() {
    let provider = detect::named("azure").unwrap().provider.unwrap();
    let user_data = |text: &[u8]| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        Ok(Fetched::fresh(
            [("userData".to_owned(), text.into_bytes())].into(),
        ))
    };
    let mut offline = Metadata::at(provider, "http://127.0.0.1:1");
    assert!(offline.next(&user_data(b"kind: X")).is_none());
    // A failure is told once, success always.
    let mut boot = Metadata::new(Some(provider), true, None, None);
    for _ in 0..2 {
        assert!(boot.next(&user_data(b"#!/bin/sh")).is_some());
    }
    assert!(boot.next(&user_data(b"\xff\xfe")).is_some());
    assert!(boot.next(&user_data(b"\xff\xfe")).is_none());
}

/// The URLs that `--metadata-url` leads to.
fn offline(platform: &str) -> Scene {
    let provider = detect::named(platform).unwrap().provider.unwrap();
    Scene {
        source: Metadata::at(provider, "http://192.0.2.9/seed/"),
        ..Scene::new(None)
    }
}

#[test]
fn a_platform_without_an_address_of_its_own_is_asked_where_it_is_told_to() {
    let mut scene = offline("nocloud");
    assert_eq!(
        scene.asked(),
        asks("seed/meta-data", "http://192.0.2.9/seed/meta-data")
    );
    // One that has no service has nothing to say.
    let mut scene = offline("proxmoxve");
    assert!(scene.end().is_err());
}

fn nocloud(seed: &str) -> Scene {
    let provider = detect::named("nocloud").unwrap().provider;
    Scene {
        source: Metadata::new(provider, true, None, Some(seed)),
        ..Scene::new(None)
    }
}

#[test]
fn what_the_command_line_says_of_the_machine_is_enough() {
    for (seed, name) in [("nocloud;h=web1", Some("web1")), ("nocloud;i=i-7", None)] {
        let mut scene = nocloud(seed);
        scene.read(MediaNews::Scanned);
        let fetched = scene.end().unwrap();
        let (documents, _) = scene.source.documents(&fetched);
        let hostname = documents[0].hostnames.first().map(|said| said.value.name());
        assert_eq!(hostname, name);
    }
    let mut scene = nocloud("nocloud");
    scene.read(MediaNews::Scanned);
    assert!(scene.end().is_err());
}

#[test]
fn a_seed_that_cannot_be_asked_is_a_failure() {
    let mut scene = nocloud("nocloud;s=http://192.0.2.9:x/");
    scene.read(MediaNews::Scanned);
    let error = scene.end().unwrap_err();
    assert!(error.contains("no URL"), "{error}");
}

#[test]
fn a_seed_that_is_empty_is_a_failure_and_its_query_is_not_told() {
    let refused = |scene: &mut Scene, key: &str| {
        let gone = FetchError {
            url: "http://192.0.2.9/".parse().unwrap(),
            attempts: 1,
            cause: Cause::Status(404),
            last: None,
        };
        scene.source.answer(key, Err(gone), scene.now);
    };
    let mut scene = nocloud("nocloud;s=http://192.0.2.9/?token=s3cret");
    scene.read(MediaNews::Scanned);
    let (probe, _) = scene.asked().remove(0);
    refused(&mut scene, &probe);
    for (key, _) in scene.asked() {
        refused(&mut scene, &key);
    }
    assert!(scene.end().is_err());

    let mut scene = nocloud("nocloud;s=http://192.0.2.9/?token=s3cret");
    scene.read(MediaNews::Scanned);
    let (probe, _) = scene.asked().remove(0);
    scene.answer(&probe, "instance-id: i-1");
    for (key, _) in scene.asked() {
        refused(&mut scene, &key);
    }
    let fetched = scene.end().unwrap();
    assert_eq!(fetched.place.as_deref(), Some("http://192.0.2.9/"));
}

#[test]
fn user_data_that_is_not_answered_is_not_read() {
    use crate::config::FirewallFault;

    for (cause, unread) in [
        (Cause::Status(404), false),
        (Cause::Status(403), false),
        (Cause::Status(503), true),
        (Cause::Http(Error::Deadline), true),
    ] {
        let mut scene = offline("hcloud");
        loop {
            let asked = scene.asked();
            if asked.is_empty() {
                break;
            }
            for (key, url) in asked {
                if key != "userdata" {
                    scene.answer(&key, "");
                    continue;
                }
                let failed = FetchError {
                    url: url.parse().unwrap(),
                    attempts: 1,
                    cause: cause.clone(),
                    last: None,
                };
                scene.source.answer(&key, Err(failed), scene.now);
            }
        }
        let fetched = scene.source.finished().unwrap().unwrap();
        let (documents, faults) = scene.source.documents(&fetched);
        let fault = documents[0].firewall.fault.as_ref().map(|said| said.value);
        assert_eq!(fault, unread.then_some(FirewallFault::Unread), "{cause}");
        assert_eq!(
            faults
                .iter()
                .any(|fault| fault.message.contains("did not answer")),
            unread,
            "{faults:?}"
        );
    }
}

#[test]
fn a_url_that_is_given_is_the_seed() {
    let nocloud = detect::named("nocloud").unwrap().provider.unwrap();
    let mut scene = Scene::new(Some(&Fake));
    scene.source = Metadata::at(nocloud, "http://192.0.2.9/seed/");
    let urls: Vec<String> = scene.asked().into_iter().map(|(_, url)| url).collect();
    assert_eq!(urls[0], "http://192.0.2.9/seed/meta-data");
}

#[test]
fn the_cloud_is_told_how_it_went() {
    let mut scene = Scene::new(Some(&Fake));
    let found = scene.found();
    scene.read(found);
    scene.read(MediaNews::Scanned);
    let ended = scene.end();
    let mut report = scene.source.next(&ended).unwrap();
    assert!(report.is_report());
    let around = Around {
        observed: &scene.observed,
        leases: &[],
        drivers_loading: false,
    };
    let response = || Response {
        status: 200,
        content_type: None,
        retry_after: None,
        body: Vec::new(),
    };
    let requests = report.requests(around, scene.now);
    assert_eq!(requests[0].1.url().to_string(), "http://192.0.2.1/hello");
    assert!(report.finished().is_none());
    report.answer("hello", Ok(response()), scene.now);
    assert!(report.finished().is_none());
    let requests = report.requests(around, scene.now);
    assert_eq!(requests[0].1.url().to_string(), "http://192.0.2.1/ready");
    let gone = FetchError {
        url: "http://192.0.2.1/ready".parse().unwrap(),
        attempts: 1,
        cause: Cause::Http(Error::Lookup),
        last: None,
    };
    report.answer("health", Err(gone), scene.now);
    let error = report.finished().unwrap().unwrap_err();
    assert!(error.contains("health: no answer"), "{error}");

    // A failure is told once, however often the source is asked again.
    let failed = Err("nobody".to_owned());
    assert!(scene.source.next(&failed).is_some());
    assert!(scene.source.next(&failed).is_none());
}
