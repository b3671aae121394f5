//! An API behind TLS, and those who only say that they are it.

use std::fs;

use nix::sys::signal::Signal;
use qemu::peer::{Authority, TlsFront};

use super::super::ours::LINK;
use super::super::stage::{Stage, V4};
use super::{API, FLOATING, Place, Provider, api, assert_no_secret, until_reason};

/// Who is not the API gets no token and costs the address alone; the API itself is asked as soon as it is there.
fn only_the_right_certificate_counts(test: &'static str, provider: Provider) {
    let stage = Stage::new(test);
    let station = stage.station(API);
    let api = api(&stage, &station);
    let folder = stage.lab.folder().join("tls");
    fs::create_dir(&folder).unwrap();
    let authority = Authority::new(&folder, "ca").unwrap();
    let strangers = Authority::new(&folder, "strangers").unwrap();
    let here = format!("subjectAltName = IP:{}", station.v4());
    authority.issue("api", &here).unwrap();
    authority
        .issue("other", "subjectAltName = IP:192.0.2.1")
        .unwrap();
    strangers.issue("stranger", &here).unwrap();
    let front = |authority: &Authority, name: &str| {
        let listens = format!("{}:443", station.v4());
        let server = format!("{}:80", station.v4()).parse().unwrap();
        TlsFront::start(
            &stage.lab,
            &station.namespace,
            &listens,
            server,
            authority,
            name,
        )
        .unwrap()
    };
    let place = Place {
        base: format!("https://{}", station.v4()),
        ca: Some(fs::read_to_string(authority.file("ca.pem")).unwrap()),
    };
    let config = |number| provider.config(number, &[FLOATING], &place);
    let (a, b) = (stage.ours(2), stage.ours(3));

    let no_api = front(&strangers, "stranger");
    let another = format!(
        "---\napiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: {V4}\nlink: {LINK}\nvrid: 90\n"
    );
    a.boot_with(config(2) + &another);
    let why = ["no CA that is trusted here signed the certificate"];
    until_reason(&a, FLOATING, &why, "a stranger");
    a.until_of(V4, "active");
    drop(no_api);
    let no_api = front(&authority, "other");
    until_reason(
        &a,
        FLOATING,
        &["the certificate is for", "192.0.2.1"],
        "another one",
    );
    drop(no_api);
    assert_eq!((a.has(V4), a.has(FLOATING)), (true, false));
    let asked = api.log().count(provider.reads());
    assert_eq!(asked, 0, "{:#?}", api.log().lines());

    let _front = front(&authority, "api");
    a.until_of(FLOATING, "active");
    assert_eq!((api.owner(FLOATING), a.has(FLOATING)), (Some(2), true));
    b.boot_with(config(3));
    b.until_of(FLOATING, "backup");
    a.on(|machine| machine.signal(Signal::SIGTERM));
    b.until_of(FLOATING, "active");
    assert_eq!((api.owner(FLOATING), b.has(FLOATING)), (Some(3), true));
    assert_no_secret(&b, FLOATING);
}

#[test]
fn only_an_api_with_the_right_certificate_is_asked() {
    only_the_right_certificate_counts("vip-hcloud-tls", Provider::HCloud);
}

#[test]
fn only_a_hook_with_the_right_certificate_is_asked() {
    only_the_right_certificate_counts("vip-hook-tls", Provider::Hook);
}
