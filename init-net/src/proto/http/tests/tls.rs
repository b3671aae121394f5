//! https: the same exchanges, and the ways in which there is none.

use std::io::Write as _;

use super::*;
use crate::proto::tls::tests::{Authority, WALL, said, tell};
use crate::proto::tls::{self, Trust};

const URL: &str = "https://config.example/x";
const FINE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

/// A client on a connection that stands.
fn connected(trust: &Trust, body_limit: usize) -> Client {
    let mut request = request(URL);
    request.body_limit = body_limit;
    let session = trust.session(request.url.host().peer(), WALL).unwrap();
    let mut client = Client::new(request, Instant::BOOT).secured(session);
    client.connected(Instant::BOOT);
    client
}

/// What the client has to say now.
fn written(client: &mut Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.transmit_all(Instant::BOOT, &mut Rng::new(1), |more| bytes.extend(more));
    bytes
}

/// How the server ends its answer.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Says,
    Cuts,
}

/// What comes of `answer`, in pieces of `size` bytes.
fn talk(answer: &[u8], end: End, size: usize) -> Outcome {
    let ours = Authority::new("ours");
    let mut client = connected(&ours.trust(), MAX_BODY);
    let mut server = ours.server(&["config.example"]);
    let mut asked = Vec::new();
    let mut answered = false;
    loop {
        asked.extend(tell(&mut server, &written(&mut client)));
        if asked.ends_with(b"\r\n\r\n") && !answered {
            answered = true;
            server.set_buffer_limit(None);
            server.writer().write_all(answer).unwrap();
            if end == End::Says {
                server.send_close_notify();
            }
        }
        let bytes = said(&mut server);
        for piece in bytes.chunks(size) {
            client.receive(piece, Instant::BOOT);
        }
        if bytes.is_empty() {
            client.closed(Instant::BOOT);
        }
        if let Some(outcome) = client.event() {
            assert!(
                asked.is_empty()
                    || asked.starts_with(b"GET /x HTTP/1.1\r\nHost: config.example\r\n")
            );
            return outcome;
        }
    }
}

#[track_caller]
fn check(answer: &[u8], end: End, expect: Result<&[u8], Error>) {
    for size in [1, 100, usize::MAX] {
        let found = match talk(answer, end, size) {
            Outcome::Done(response) => Ok(response.body),
            Outcome::Failed(error) => Err(error),
            Outcome::Redirect(url) => panic!("{url}"),
        };
        assert_eq!(
            found,
            expect.clone().map(<[u8]>::to_vec),
            "in pieces of {size}"
        );
    }
}

#[test]
fn an_answer_is_whole_only_when_its_end_is_said() {
    check(FINE, End::Says, Ok(b"fine"));
    check(FINE, End::Cuts, Ok(b"fine"));
    let until_close = b"HTTP/1.1 200 OK\r\n\r\nfine";
    check(until_close, End::Says, Ok(b"fine"));
    check(until_close, End::Cuts, Err(Error::Truncated));
    check(b"HTTP/1.1 200", End::Says, Err(Error::Truncated));
    check(&FINE[..FINE.len() - 1], End::Says, Err(Error::Truncated));
}

#[test]
fn a_body_has_its_limit_here_as_well() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(answer.len() + MAX_BODY, b'x');
    let Outcome::Done(response) = talk(&answer, End::Says, usize::MAX) else {
        panic!("4 MiB are taken");
    };
    assert_eq!(response.body.len(), MAX_BODY);
    answer.push(b'x');
    let outcome = talk(&answer, End::Says, usize::MAX);
    assert_eq!(outcome, Outcome::Failed(Error::BodyTooLarge(MAX_BODY)));
}

#[test]
fn a_server_that_closes_in_the_handshake_is_tried_again() {
    let ours = Authority::new("ours");
    let mut server = ours.server(&["config.example"]);
    let mut client = connected(&ours.trust(), 64);
    tell(&mut server, &written(&mut client));
    let bytes = said(&mut server);
    client.receive(&bytes[..bytes.len() / 2], Instant::BOOT);
    client.closed(Instant::BOOT);
    assert_eq!(client.event(), Some(Outcome::Failed(Error::Truncated)));
    assert!(Error::Truncated.is_temporary());
}

#[test]
fn what_is_not_tls_is_not_taken_for_it() {
    let (trust, _) = Trust::new([]).unwrap();
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-x\r\n",
        &[0; 64],
        &[0xff; 64],
    ] {
        let mut client = connected(&trust, 64);
        written(&mut client);
        client.receive(garbage, Instant::BOOT);
        let error = Error::Tls(tls::Error::NotTls);
        assert!(error.is_temporary());
        assert_eq!(client.event(), Some(Outcome::Failed(error)), "{garbage:?}");
    }
}

#[test]
fn a_handshake_has_its_time_however_busy() {
    let at = Instant::from_millis;
    let ours = Authority::new("ours");
    let mut server = ours.server(&["config.example"]);
    let mut client = connected(&ours.trust(), 64);
    tell(&mut server, &written(&mut client));
    for (millis, piece) in (0..9_999).step_by(100).zip(said(&mut server).chunks(1)) {
        client.receive(piece, at(millis));
    }
    assert_eq!(client.deadline(), Some(at(10_000)));
    client.expire(at(9_999));
    assert_eq!(client.event(), None);
    client.expire(at(10_000));
    assert_eq!(client.event(), Some(Outcome::Failed(Error::TlsTimeout)));
}

/// Runs one attempt of a [`Fetch`] against a server that nobody trusts, or everybody; the commands.
fn attempt(trust: &Trust, authority: &Authority) -> (Fetch, Vec<String>, Vec<u8>) {
    let now = Instant::BOOT;
    let mut server = authority.server(&["config.example"]);
    let mut fetch = Fetch::new(request(URL), None, now);
    let (mut log, mut rng) = (Vec::new(), Rng::new(1));
    let mut last = Vec::new();
    loop {
        let mut commands = Vec::new();
        fetch.transmit_all(now, &mut rng, |command| commands.push(command));
        if commands.is_empty() {
            return (fetch, log, last);
        }
        for command in commands {
            log.push(match &command {
                Command::Send(_) => "send".to_owned(),
                other => format!("{other:?}"),
            });
            match command {
                Command::Trust => fetch.trusted(trust, WALL),
                Command::Resolve(_) => fetch.resolved(&["192.0.2.1".parse().unwrap()], now),
                Command::Connect { .. } => fetch.connected(now),
                Command::Send(bytes) => {
                    let asked = tell(&mut server, &bytes);
                    if !asked.is_empty() {
                        server.writer().write_all(FINE).unwrap();
                    }
                    last = bytes;
                    fetch.receive(&said(&mut server), now);
                }
                Command::Close => {}
            }
        }
    }
}

#[test]
fn a_fetch_asks_whom_to_trust_and_says_good_bye() {
    let ours = Authority::new("ours");
    let (mut fetch, log, last) = attempt(&ours.trust(), &ours);
    assert_eq!(fetch.event().unwrap().unwrap().body, b"fine");
    let connect = "connect 192.0.2.1 port 443";
    let expect = [
        "trust",
        "resolve config.example",
        connect,
        "send",
        "send",
        "send",
        "close",
    ];
    assert_eq!(log, expect);
    // close_notify: encrypted, a record of its own.
    assert!(last.len() < 64 && last.first() == Some(&23), "{last:?}");
}

#[test]
fn a_stranger_is_refused_at_once_and_told() {
    let ours = Authority::new("ours");
    let (web, _) = Trust::new([]).unwrap();
    let (mut fetch, log, _) = attempt(&web, &ours);
    let error = fetch.event().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "https://config.example/x: no CA that is trusted here signed the certificate"
    );
    assert_eq!(log.last().map(String::as_str), Some("close"));
    assert_eq!(
        log.iter().filter(|line| *line == "send").count(),
        2,
        "the hello and an alert: {log:?}"
    );
}

#[test]
fn a_clock_that_is_set_later_helps() {
    let ours = Authority::new("ours");
    let now = Instant::BOOT;
    let mut rng = Rng::new(1);
    let mut fetch = Fetch::new(request(URL), None, now);
    let mut wall = Duration::from_secs(WALL.as_secs() - 7 * 86_400);
    let mut server = ours.server(&["config.example"]);
    let mut now = now;
    let mut trusted = 0;
    loop {
        let mut commands = Vec::new();
        fetch.transmit_all(now, &mut rng, |command| commands.push(command));
        for command in &commands {
            match command {
                Command::Trust => {
                    trusted += 1;
                    fetch.trusted(&ours.trust(), wall);
                    wall = WALL;
                }
                Command::Resolve(_) => fetch.resolved(&["192.0.2.1".parse().unwrap()], now),
                Command::Connect { .. } => {
                    server = ours.server(&["config.example"]);
                    fetch.connected(now);
                }
                Command::Send(bytes) => {
                    if !tell(&mut server, bytes).is_empty() {
                        server.writer().write_all(FINE).unwrap();
                    }
                    fetch.receive(&said(&mut server), now);
                }
                Command::Close => {}
            }
        }
        if let Some(result) = fetch.event() {
            assert_eq!(result.unwrap().body, b"fine");
            assert_eq!(trusted, 2);
            return;
        }
        if commands.is_empty() {
            now = fetch.deadline().unwrap();
            fetch.expire(now);
        }
    }
}

proptest! {
    #[test]
    fn garbage_in_the_handshake_never_panics(bytes: Vec<u8>, size in 1usize..40, real in 0usize..400) {
        let ours = Authority::new("ours");
        let mut server = ours.server(&["config.example"]);
        let mut client = connected(&ours.trust(), 64);
        tell(&mut server, &written(&mut client));
        let begin = said(&mut server);
        let begin = begin.get(..real).unwrap_or(&begin);
        for piece in [begin, &bytes].concat().chunks(size) {
            client.receive(piece, Instant::BOOT);
            written(&mut client);
        }
        client.closed(Instant::BOOT);
        prop_assert!(matches!(client.event(), Some(Outcome::Failed(_))));
    }
}
