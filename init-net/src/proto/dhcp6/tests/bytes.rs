//! The bytes that go out, and what is read in those that come in.

use super::*;

/// The requested codes of option 6.
fn asked(payload: &[u8]) -> Vec<u16> {
    let options = Options::walk(&payload[4..]);
    let list = options.raw(6).unwrap_or_default();
    list.chunks(2)
        .map(|code| u16::from_be_bytes([code[0], code[1]]))
        .collect()
}

#[test]
fn a_solicit_byte_by_byte() {
    let mut line = Timeline::new(both());
    line.drain();
    let [_, xid @ ..] = line.xid.to_be_bytes();
    let mut expect = vec![1];
    expect.extend(xid);
    expect.extend([0, 1, 0, 10]);
    expect.extend(DUID);
    expect.extend([0, 3, 0, 12, 0, 0xaa, 0xbb, 0xcc, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect.extend([0, 25, 0, 41, 0, 0xaa, 0xbb, 0xcc, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect.extend([0, 26, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 56]);
    expect.extend([0; 16]);
    expect.extend([0, 8, 0, 2, 0, 0]);
    expect.extend([0, 14, 0, 0]);
    expect.extend([0, 6, 0, 12, 0, 23, 0, 24, 0, 56, 0, 31, 0, 82, 0, 39]);
    expect.extend([0, 39, 0, 1, 0]);
    assert_eq!(line.payload, expect);
}

#[test]
fn a_confirm_and_a_decline_ask_for_nothing() {
    let mut line = Timeline::confirming();
    let [_, xid @ ..] = line.xid.to_be_bytes();
    let mut expect = vec![4];
    expect.extend(xid);
    expect.extend([0, 1, 0, 10]);
    expect.extend(DUID);
    expect.extend([0, 3, 0, 40, 0, 0xaa, 0xbb, 0xcc, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect.extend([0, 5, 0, 24]);
    expect.extend(ip("2001:db8::10").octets());
    expect.extend([0; 8]);
    expect.extend([0, 8, 0, 2, 0, 0]);
    assert_eq!(line.payload, expect);
    line.receive(&Server::new(REPLY, line.xid));
    line.client.decline(&[ip("2001:db8::10")], line.now);
    line.drain();
    assert_eq!(line.payload[0], 9);
    assert!(asked(&line.payload).is_empty());
}

#[test]
fn what_is_asked_for() {
    let mut line = Timeline::new(config());
    line.drain();
    assert_eq!(asked(&line.payload), [23, 24, 56, 31, 82, 39]);
    let mut line = Timeline::new(config_of(Mode::Stateless));
    line.drain();
    assert_eq!(line.payload[0], 11);
    assert_eq!(
        asked(&line.payload),
        [23, 24, 56, 31, 32, 83],
        "no name: RFC 4704 section 5"
    );
    let without = Config {
        request_hostname: false,
        ..config()
    };
    let mut line = Timeline::new(without);
    line.drain();
    assert_eq!(asked(&line.payload), [23, 24, 56, 31, 82]);
    for line in [
        Timeline::renewing(),
        Timeline::rebinding(),
        Timeline::requesting(config()),
    ] {
        assert_eq!(asked(&line.payload), [23, 24, 56, 31, 82, 39]);
    }
}

#[test]
fn a_name_is_sent_or_asked_for_never_both() {
    #[track_caller]
    fn check(hostname: &str, sent: &[u8]) {
        let config = Config {
            hostname: Some(hostname.parse().unwrap()),
            ..config()
        };
        let mut line = Timeline::soliciting(config);
        let options = Options::walk(&line.payload[4..]);
        assert_eq!(options.raw(39), Some(sent));
        line.receive(&Server::grant(ADVERTISE, line.xid).option(7, &[255]));
        let back = Server::grant(REPLY, line.xid).option(39, b"\x00\x05other\0");
        line.receive(&back);
        assert_eq!(line.lease().facts.hostname, None);
    }
    check("web1", b"\x01\x04web1");
    check("web1.corp.example", b"\x01\x04web1\x04corp\x07example\0");
}

#[test]
fn long_identifiers_are_cut() {
    let config = Config {
        duid: vec![7; 200],
        ..config()
    };
    let bytes = wire::duid(&config);
    assert_eq!(bytes, [7; 130]);
}

/// The facts of a REPLY with these options, and how many values were dropped.
fn facts(options: &[(u16, &[u8])]) -> (Facts, u32) {
    let mut line = Timeline::requesting(config());
    let mut reply = Server::grant(REPLY, line.xid);
    for (code, data) in options {
        reply = reply.option(*code, data);
    }
    assert_eq!(line.receive(&reply), "bound 2001:db8::10");
    let bad = line.client.counters().bad_option;
    assert_eq!(line.lease().validate(), Ok(()));
    (line.lease().facts.clone(), bad)
}

#[test]
fn name_servers_and_time_servers() {
    let [a, b] = ["2001:db8::53", "fd00::53"].map(ip);
    let two = [a.octets(), b.octets()].concat();
    let (told, bad) = facts(&[(23, &two), (31, &two)]);
    assert_eq!((told.dns, told.ntp, bad), (vec![a, b], vec![a, b], 0));
    // One that is no host's, one twice, one cut off, one empty.
    let odd = [ip("ff02::1").octets(), a.octets(), a.octets()].concat();
    let (told, bad) = facts(&[(23, &odd), (31, &two[..17])]);
    assert_eq!((told.dns, told.ntp, bad), (vec![a], vec![], 2));
    // Link-local: a name server has a link, a time server has none.
    let local = ip("fe80::53");
    let (told, bad) = facts(&[(23, &local.octets()), (31, &local.octets())]);
    assert_eq!((told.dns, told.ntp, bad), (vec![local], vec![], 1));
    let many: Vec<u8> = (0..40)
        .flat_map(|i| ip(&format!("fd00::{i:x}")).octets())
        .collect();
    let (told, bad) = facts(&[(23, &many), (23, &two)]);
    assert_eq!(
        (told.dns.len(), bad),
        (MAX_SERVERS, 0),
        "the first option counts"
    );

    let server = option(1, &a.octets());
    let group = option(2, &ip("ff02::101").octets());
    let name = option(3, b"\x03ntp\x07example\0");
    let unknown = option(9, b"xyz");
    let all = [&server[..], &group, &unknown, &name].concat();
    let (told, bad) = facts(&[(56, &all), (31, &two)]);
    assert_eq!((told.ntp, bad), (vec![a], 0));
    assert_eq!(told.ntp_names[0].to_string(), "ntp.example");
    let broken = [
        &option(1, &[1; 15])[..],
        &option(3, b"\xff"),
        &server,
        &[0, 1, 0],
    ]
    .concat();
    let (told, bad) = facts(&[(56, &broken)]);
    assert_eq!((told.ntp, bad), (vec![a], 3));
}

#[test]
fn names() {
    #[track_caller]
    fn search(data: &[u8], expect: &[&str], dropped: u32) {
        let (told, bad) = facts(&[(24, data)]);
        let names: Vec<_> = told.search.iter().map(Hostname::to_string).collect();
        assert_eq!(names, expect);
        assert_eq!(bad, dropped);
    }
    search(b"\x04corp\x07example\0\x01b\0", &["corp.example", "b"], 0);
    search(b"\x01a\0\x01a\0", &["a"], 0);
    search(b"\x05a_b.c\0\x01d\0", &["d"], 1);
    search(b"\x01a\0\x3fb", &["a"], 0);
    // Pointers: to itself, forwards, a loop of two.
    search(b"\x01a\0\xc0\x03", &["a"], 0);
    search(b"\xc0\x02\x01a\0", &[], 0);
    search(b"\x01a\xc0\x04\x01b\xc0\x00", &[], 0);

    #[track_caller]
    fn fqdn(data: &[u8], expect: Option<&str>, dropped: u32) {
        let (told, bad) = facts(&[(39, data)]);
        let name = told.hostname.map(|name| name.to_string());
        assert_eq!((name.as_deref(), bad), (expect, dropped));
    }
    fqdn(b"\x00\x04web1\x07example\0", Some("web1.example"), 0);
    fqdn(b"\x00\x04web1", Some("web1"), 0);
    fqdn(b"\x04", None, 0);
    fqdn(b"\x04\0", None, 0);
    fqdn(b"", None, 1);
    fqdn(b"\x00\x09localhost\0", None, 1);
    fqdn(b"\x00\x09$(reboot)\0", None, 1);
    fqdn(b"\x00\x3fweb1", None, 1);
}

#[test]
fn associations() {
    /// The IA_NA and IA_PD options of a reply; what is leased, and how many values were dropped.
    #[track_caller]
    fn check(reply: impl FnOnce(Server) -> Server, expect: &str, dropped: u32) {
        let mut line = Timeline::requesting(both());
        let good = ia_address("2001:db8::77", 100, 200);
        let reply = reply(Server::new(REPLY, line.xid));
        // A second association of the same kind and id does not count.
        let reply = reply.na(0, 0, &[good]);
        assert_eq!(line.receive(&reply), expect);
        assert_eq!(line.client.counters().bad_option, dropped);
    }
    let good = || ia_address("2001:db8::10", 100, 200);
    let prefix = || ia_prefix("2001:db8:1000::/56", 100, 200);
    check(|server| server.na(0, 0, &[good()]), "bound 2001:db8::10", 0);
    check(
        |server| server.na(0, 0, &[good(), good(), ia_address("2001:db8::10", 9, 300)]),
        "bound 2001:db8::10",
        0,
    );
    // Preferred longer than valid, no host address, cut off, refused.
    let long = ia_address("2001:db8::11", 201, 200);
    let link_local = ia_address("fe80::1", 100, 200);
    let cut = option(5, &[1; 23]);
    let mut refused = ip("2001:db8::12").octets().to_vec();
    refused.extend([0, 0, 0, 100, 0, 0, 0, 200]);
    refused.extend(status(4));
    let refused = option(5, &refused);
    check(
        |server| server.na(0, 0, &[long, link_local, cut, refused, good()]),
        "bound 2001:db8::10",
        4,
    );
    // Of another IAID, too short for one, with junk at its end.
    let foreign = [[1u32, 0, 0].map(u32::to_be_bytes).concat(), good()].concat();
    check(
        |server| {
            server
                .option(3, &foreign)
                .na(0, 0, &[good(), vec![0, 5, 0]])
        },
        "bound 2001:db8::10",
        1,
    );
    check(
        |server| server.option(3, &IAID.to_be_bytes()).pd(0, 0, &[prefix()]),
        "bound 2001:db8:1000::/56",
        1,
    );
    // T1 after T2: as if it were not there.
    check(
        |server| server.na(60, 50, &[good()]).pd(60, 70, &[prefix()]),
        "bound 2001:db8:1000::/56",
        1,
    );
    let odd = [
        ia_prefix("2001:db8:1000::/129", 100, 200),
        ia_prefix("::/0", 100, 200),
        ia_prefix("ff00::/8", 100, 200),
        option(26, &[1; 24]),
        prefix(),
    ];
    check(
        |server| server.na(0, 0, &[]).pd(0, 0, &odd),
        "bound 2001:db8:1000::/56",
        4,
    );
    let many: Vec<_> = (0..40)
        .map(|i| ia_address(&format!("fd00::{i:x}00"), 100, 200))
        .collect();
    let mut line = Timeline::requesting(config());
    line.receive(&Server::new(REPLY, line.xid).na(0, 0, &many));
    assert_eq!(line.lease().addresses.len(), MAX_LEASED);
    assert_eq!(line.lease().validate(), Ok(()));
}
