//! Exchanges in every chunking.

mod tls;

use proptest::prelude::*;

use super::*;
use crate::proto::Machine;
use crate::value::{Duration, Instant, Rng};

const URL: &str = "http://169.254.169.254/latest/user-data?x=1";

fn request(url: &str) -> Request {
    Request::get(url.parse().unwrap(), Instant::from_secs(100))
}

/// A client whose request is written.
fn asked(body_limit: usize) -> Client {
    let mut request = request(URL);
    request.body_limit = body_limit;
    let mut client = Client::new(request, Instant::BOOT);
    client.connected(Instant::BOOT);
    let sent = client.transmit(Instant::BOOT, &mut Rng::new(1), |_| Ok::<(), ()>(()));
    assert_eq!(sent, Ok(true));
    client
}

/// What comes of `answer` when it arrives in pieces of `size` bytes, then the peer closes.
fn outcome(answer: &[u8], size: usize) -> Option<Outcome> {
    let mut client = asked(64);
    for piece in answer.chunks(size.max(1)) {
        client.receive(piece, Instant::BOOT);
    }
    client.closed(Instant::BOOT);
    client.event()
}

#[track_caller]
fn check(answer: &str, expect: Result<&str, Error>) {
    let expect = match expect {
        Ok(text) => text.to_owned(),
        Err(error) => format!("{:?}", Outcome::Failed(error)),
    };
    for size in [1, 2, 3, 7, usize::MAX] {
        let found = match outcome(answer.as_bytes(), size) {
            Some(Outcome::Done(response)) => format!(
                "{} {}",
                response.status,
                String::from_utf8_lossy(&response.body)
            ),
            Some(Outcome::Redirect(url)) => format!("-> {}", url.with_query()),
            other => format!("{:?}", other.unwrap()),
        };
        assert_eq!(found, expect, "in pieces of {size}");
    }
}

/// A stream without an end is answered when so many lines have come, in whatever pieces; less is no answer.
#[test]
fn lines_of_a_stream() {
    let stream = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n3\r\ntwo\r\n1\r\n\n\r\n2\r\nth\r\n";
    let second = stream.find("\r\n2\r\n").unwrap();
    for size in [1, 3, second] {
        let mut request = request(URL);
        request.lines = Some(2);
        let mut client = Client::new(request, Instant::BOOT);
        client.connected(Instant::BOOT);
        client.transmit_all(Instant::BOOT, &mut Rng::new(1), |_| {});
        for (number, piece) in stream.as_bytes().chunks(size).enumerate() {
            if (number + 1) * size < second {
                client.receive(piece, Instant::BOOT);
                assert_eq!(client.event(), None);
            } else {
                client.receive(piece, Instant::BOOT);
            }
        }
        let Some(Outcome::Done(response)) = client.event() else {
            panic!("no answer in pieces of {size}");
        };
        assert!(response.body.starts_with(b"one\ntwo\n"), "{size}");
    }
}

#[test]
fn bodies() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        Ok("200 hi"),
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi, and more",
        Ok("200 hi"),
    );
    check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Ok("200 "));
    check("HTTP/1.1 204 No Content\r\n\r\n", Ok("204 "));
    check("HTTP/1.0 200 OK\r\n\r\nuntil close", Ok("200 until close"));
    check(
        "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\ngone",
        Ok("404 gone"),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nT: t\r\n\r\n",
        Ok("200 hi!"),
    );
    check(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        Ok("200 hi"),
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        Ok("200 hi"),
    );
}

#[test]
fn broken_answers() {
    use Error::*;
    check("", Err(Truncated));
    check("HTTP/1.1 200", Err(Truncated));
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        Err(Truncated),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        Err(Truncated),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        Err(Truncated),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        Err(Truncated),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        Err(Chunk),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        Err(Chunk),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi!\r\n",
        Err(Chunk),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        Err(Chunk),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        Err(Framing),
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        Err(Framing),
    );
    check(
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        Err(Framing),
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
        Err(Framing),
    );
    check("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi", Err(Framing));
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        Err(Framing),
    );
    check("SSH-2.0-OpenSSH_9.9\r\n", Err(Head));
    check("HTTP/1.1 101 Switching Protocols\r\n\r\n", Err(Head));
    check("HTTP/1.1 999 Odd\r\n\r\n", Err(Head));
    check(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(9), Err(Head));
}

#[test]
fn limits() {
    use Error::*;
    let large = "x".repeat(65);
    check(
        &format!("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n{large}"),
        Err(BodyTooLarge(64)),
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        Err(Framing),
    );
    check(
        &format!("HTTP/1.1 200 OK\r\n\r\n{large}"),
        Err(BodyTooLarge(64)),
    );
    let endless = "1\r\nx\r\n".repeat(65);
    check(
        &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{endless}"),
        Err(BodyTooLarge(64)),
    );
    check(
        &format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}",
            "x".repeat(300)
        ),
        Err(Chunk),
    );
    check(
        &format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
            "a: b\r\n".repeat(900)
        ),
        Err(HeadTooLarge),
    );
    check(
        &format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(17_000)),
        Err(HeadTooLarge),
    );
    check(
        &format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(65)),
        Err(HeadTooLarge),
    );
}

#[test]
fn redirects() {
    check(
        "HTTP/1.1 302 Found\r\nLocation: /other\r\n\r\n",
        Ok("-> http://169.254.169.254/other"),
    );
    check(
        "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n",
        Err(Error::Redirect(RedirectError::LeavesLink)),
    );
    check(
        "HTTP/1.1 307 Found\r\nLocation: gopher://169.254.169.254/\r\n\r\n",
        Err(Error::Redirect(RedirectError::Location(UrlError::Scheme))),
    );
    check(
        "HTTP/1.1 300 Choices\r\nContent-Length: 0\r\n\r\n",
        Ok("300 "),
    );
}

#[test]
fn the_request_on_the_wire() {
    let request = request("http://[fe80::a9fe:a9fe%eth0]:81/a?b")
        .with_header("X-aws-ec2-metadata-token", "abc==")
        .unwrap();
    let mut client = Client::new(request, Instant::BOOT);
    client.connected(Instant::BOOT);
    let mut wire = String::new();
    client
        .transmit(Instant::BOOT, &mut Rng::new(1), |bytes| {
            wire = String::from_utf8(bytes).unwrap();
            Ok::<(), ()>(())
        })
        .unwrap();
    let lines: Vec<&str> = wire.split("\r\n").collect();
    assert_eq!(
        lines[..2],
        ["GET /a?b HTTP/1.1", "Host: [fe80::a9fe:a9fe]:81"]
    );
    assert!(lines.contains(&"Connection: close"));
    assert_eq!(
        lines[lines.len() - 3..],
        ["X-aws-ec2-metadata-token: abc==", "", ""]
    );
}

/// What goes over the wire.
fn wire(request: Request) -> String {
    let mut client = Client::new(request, Instant::BOOT);
    client.connected(Instant::BOOT);
    let mut wire = String::new();
    client
        .transmit(Instant::BOOT, &mut Rng::new(1), |bytes| {
            wire = String::from_utf8(bytes).unwrap();
            Ok::<(), ()>(())
        })
        .unwrap();
    wire
}

#[test]
fn what_is_written_is_measured_and_named() {
    let url = || URL.parse().unwrap();
    let deadline = Instant::from_secs(100);
    let post = Request::post(url(), "text/xml", b"<a/>".to_vec(), deadline);
    let post = wire(post.with_header("X-Token", "t").unwrap());
    assert!(post.starts_with("POST /latest/user-data?x=1 HTTP/1.1\r\n"));
    let end = "X-Token: t\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\n<a/>";
    assert!(post.ends_with(end), "{post}");
    let patch = Request::patch(url(), "application/json", b"{}".to_vec(), deadline);
    let patch = wire(patch);
    assert!(patch.starts_with("PATCH "), "{patch}");
    assert!(patch.ends_with("Content-Length: 2\r\n\r\n{}"), "{patch}");
    let put = wire(Request::put(url(), deadline));
    assert!(put.ends_with("Content-Length: 0\r\n\r\n"), "{put}");
    let get = wire(request(URL));
    assert!(!get.contains("Content-"), "{get}");
}

/// What becomes of a POST that is answered with a redirect.
#[track_caller]
fn check_post_redirect(
    url: &str,
    status: u16,
    location: &str,
    expect: Result<&str, RedirectError>,
) {
    let deadline = Instant::from_secs(100);
    let post = Request::post(url.parse().unwrap(), "text/xml", b"<a/>".to_vec(), deadline);
    let mut client = Client::new(post, Instant::BOOT);
    client.connected(Instant::BOOT);
    let _ = client.transmit(Instant::BOOT, &mut Rng::new(1), |_| Ok::<(), ()>(()));
    let answer = format!("HTTP/1.1 {status} x\r\nLocation: {location}\r\n\r\n");
    client.receive(answer.as_bytes(), Instant::BOOT);
    let expect = match expect {
        Ok(url) => Outcome::Redirect(url.parse().unwrap()),
        Err(error) => Outcome::Failed(Error::Redirect(error)),
    };
    assert_eq!(client.event(), Some(expect));
}

#[test]
fn what_is_written_stays_with_its_host() {
    use RedirectError::Write;
    check_post_redirect("http://192.0.2.1/a", 307, "/b", Ok("http://192.0.2.1/b"));
    check_post_redirect("http://192.0.2.1/a", 308, "/b", Ok("http://192.0.2.1/b"));
    check_post_redirect("http://192.0.2.1/a", 302, "/b", Err(Write));
    check_post_redirect("http://192.0.2.1/a", 303, "/b", Err(Write));
    check_post_redirect("http://192.0.2.1/a", 307, "http://192.0.2.2/", Err(Write));
}

#[test]
fn a_low_port_is_drawn_for_each_connection() {
    let mut owner = Owner::new(URL);
    owner.fetch = Fetch::new(request(URL).with_low_port(), None, Instant::BOOT);
    let (result, log, _) = owner.run(&["!", "!", FINE]);
    assert!(result.is_ok());
    let ports: Vec<u16> = log
        .iter()
        .filter_map(|line| {
            line.split_once("low port, ")?
                .1
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    assert_eq!(ports.len(), 3, "{log:#?}");
    assert!(
        ports.iter().all(|port| LOW_PORTS.contains(port)),
        "{ports:?}"
    );
    assert!(ports[0] != ports[1] || ports[1] != ports[2], "{ports:?}");
}

#[test]
fn a_token_cannot_add_a_header() {
    assert_eq!(
        request(URL).with_header("X-Token", "a\r\nX-Evil: b"),
        Err(HeaderError)
    );
}

#[test]
fn waits() {
    let at = Instant::from_millis;
    let mut client = Client::new(request(URL), at(0));
    assert_eq!(client.deadline(), Some(at(2000)));
    client.expire(at(1999));
    assert_eq!(client.event(), None);
    client.expire(at(2000));
    assert_eq!(client.event(), Some(Outcome::Failed(Error::ConnectTimeout)));
    assert_eq!(client.deadline(), None);

    let mut client = asked(64);
    assert_eq!(client.deadline(), Some(at(10_000)));
    client.receive(b"HTTP/1.1 200", at(9_000));
    assert_eq!(client.deadline(), Some(at(19_000)));
    client.expire(at(19_000));
    assert_eq!(client.event(), Some(Outcome::Failed(Error::ReadTimeout)));

    // A body that drips for ever ends with the request.
    let mut client = asked(64);
    client.receive(b"HTTP/1.1 200 OK\r\n\r\n", at(0));
    for second in 0..20 {
        client.receive(b"x", at(second * 5_000));
    }
    client.expire(at(100_000));
    assert_eq!(client.event(), Some(Outcome::Failed(Error::Deadline)));
}

/// A [`Fetch`] with its owner: a script of answers, one a connection.
struct Owner {
    fetch: Fetch,
    rng: Rng,
    now: Instant,
    log: Vec<String>,
}

impl Owner {
    fn new(url: &str) -> Self {
        Self {
            fetch: Fetch::new(request(url), None, Instant::BOOT),
            rng: Rng::new(3),
            now: Instant::BOOT,
            log: Vec::new(),
        }
    }

    /// Runs until the result, one of `answers` a connection: a status line and what follows it, `!` refuses.
    fn run(mut self, answers: &[&str]) -> (Result<Response, FetchError>, Vec<String>, Instant) {
        let mut answers = answers.iter();
        let mut current = "";
        for _ in 0..10_000 {
            let mut commands = Vec::new();
            while self
                .fetch
                .transmit(self.now, &mut self.rng, |command| {
                    commands.push(command);
                    Ok::<(), ()>(())
                })
                .unwrap()
            {}
            let idle = commands.is_empty();
            for command in commands {
                self.log.push(format!("{command:?}"));
                match command {
                    Command::Trust => {
                        let (trust, _) = crate::proto::tls::Trust::new([]).unwrap();
                        self.fetch.trusted(&trust, Duration::ZERO);
                    }
                    Command::Resolve(_) => {
                        let found = ["192.0.2.1", "2001:db8::1"].map(|a| a.parse().unwrap());
                        self.fetch.resolved(&found, self.now);
                    }
                    Command::Connect { .. } => match answers.next() {
                        Some(&"!") => self.fetch.connect_failed(111, self.now),
                        Some(answer) => {
                            current = answer;
                            self.fetch.connected(self.now);
                        }
                        None => {}
                    },
                    Command::Send(_) => {
                        let answer = format!("HTTP/1.1 {current}");
                        self.fetch.receive(answer.as_bytes(), self.now);
                        self.fetch.closed(self.now);
                    }
                    Command::Close => {}
                }
            }
            if idle && let Some(result) = self.fetch.event() {
                assert_eq!(self.fetch.deadline(), None);
                return (result, self.log, self.now);
            }
            if idle
                && let Some(deadline) = self.fetch.deadline()
                && deadline > self.now
            {
                self.now = deadline;
                self.fetch.expire(self.now);
            }
        }
        panic!("no result: {:?}", self.log);
    }
}

/// The result, and how many connections it took.
#[track_caller]
fn check_fetch(answers: &[&str], expect: &str, connections: usize) {
    let (result, log, _) = Owner::new(URL).run(answers);
    let found = match result {
        Ok(response) => String::from_utf8(response.body).unwrap(),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expect);
    let count = |word: &str| log.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!(count("connect"), connections, "{log:#?}");
    assert_eq!(
        count("close"),
        connections,
        "every connection is closed: {log:#?}"
    );
}

const FINE: &str = "200 OK\r\nContent-Length: 4\r\n\r\nfine";

#[test]
fn what_is_tried_again() {
    check_fetch(&[FINE], "fine", 1);
    check_fetch(&["!", FINE], "fine", 2);
    check_fetch(&["503 Later\r\n\r\n", "429 Slow\r\n\r\n", FINE], "fine", 3);
    check_fetch(&["404 Not yet\r\n\r\n", FINE], "fine", 2);
    check_fetch(
        &["200 OK\r\nContent-Length: 9\r\n\r\nhalf", FINE],
        "fine",
        2,
    );
    check_fetch(&["garbage", FINE], "fine", 2);
    let url = "http://169.254.169.254/latest/user-data?…";
    check_fetch(&["401 No\r\n\r\n"], &format!("{url}: status 401"), 1);
    check_fetch(&["403 No\r\n\r\n"], &format!("{url}: status 403"), 1);
    check_fetch(&["400 No\r\n\r\n"], &format!("{url}: status 400"), 1);
    check_fetch(
        &["302 Found\r\nLocation: http://evil.example/\r\n\r\n"],
        &format!("{url}: a link-local service redirects to another host"),
        1,
    );
    let hop = "302 Found\r\nLocation: /hop\r\n\r\n";
    check_fetch(&[hop, hop, hop, FINE], "fine", 4);
    check_fetch(
        &[hop, hop, hop, hop, FINE],
        "http://169.254.169.254/hop: too many redirects",
        4,
    );
}

#[test]
fn which_statuses_are_tried_again() {
    for status in [408, 410, 425, 429, 500, 502, 503, 504, 599] {
        check_fetch(&[&format!("{status} Later\r\n\r\n"), FINE], "fine", 2);
    }
    for status in [205, 206, 300, 304, 400, 401, 403, 405, 407, 409, 451] {
        let expect = format!("http://169.254.169.254/latest/user-data?…: status {status}");
        check_fetch(&[&format!("{status} No\r\n\r\n"), FINE], &expect, 1);
    }
    for (status, body) in [(200, ""), (201, ""), (202, ""), (203, ""), (204, "")] {
        check_fetch(&[&format!("{status} Fine\r\n\r\n")], body, 1);
    }
    // RFC 9110 §15.3.5: whatever it says of a length.
    check_fetch(&["204 None\r\nContent-Length: 4\r\n\r\n"], "", 1);
}

#[test]
fn a_token_stays_with_its_host() {
    #[track_caller]
    fn check(location: &str, sent_on: bool) {
        let token = request("https://a.example/x").with_header("X-Token", "t0");
        let moved = token.unwrap().moved(location.parse().unwrap());
        let text = String::from_utf8(moved.encode()).unwrap();
        assert_eq!(text.contains("X-Token: t0"), sent_on, "{location}");
    }
    check("https://a.example/y", true);
    check("https://A.EXAMPLE:443/y", true);
    check("https://b.example/y", false);
    check("https://a.example:444/y", false);
    check("https://a.example.b.example/y", false);
    check("http://a.example/y", false);
}

#[test]
fn not_found_is_final_after_the_grace() {
    let (result, _, now) = Owner::new(URL).run(&["404 Not found\r\n\r\n"; 50]);
    assert_eq!(result.unwrap_err().cause, Cause::Status(404));
    assert!(
        now >= Instant::from_secs(10) && now < Instant::from_secs(16),
        "{now}"
    );

    let mut owner = Owner::new(URL);
    owner.fetch = owner.fetch.without_grace();
    let (result, _, now) = owner.run(&["404 Not found\r\n\r\n"]);
    assert_eq!((result.unwrap_err().attempts, now), (1, Instant::BOOT));
}

#[test]
fn the_deadline_ends_it_and_the_last_failure_is_told() {
    let (result, log, now) = Owner::new(URL).run(&["!"; 200]);
    let error = result.unwrap_err();
    assert_eq!(now, Instant::from_secs(100));
    assert_eq!(error.cause, Cause::Http(Error::Deadline));
    assert_eq!(error.last, Some(Cause::Http(Error::Connect(111))));
    // 250 ms, 500 ms, 1 s, 2 s, then 4 s at most and 3 s at least: 25 to 36 attempts in 100 s.
    assert!((25..=38).contains(&error.attempts), "{error}: {log:#?}");
}

#[test]
fn a_name_is_looked_up_and_its_addresses_tried_in_turn() {
    let (result, log, _) = Owner::new("http://config.example/x").run(&["!", FINE]);
    assert!(result.is_ok());
    let expect = [
        "resolve config.example",
        "connect 192.0.2.1 port 80",
        "close",
        "connect 2001:db8::1 port 80",
    ];
    assert_eq!(log[..4], expect);
}

#[test]
fn what_is_asked_once_is_answered_by_whatever_comes() {
    let once = |answers: &[&str]| {
        let mut owner = Owner::new(URL);
        owner.fetch = Fetch::new(request(URL), None, Instant::BOOT).once();
        let (result, log, _) = owner.run(answers);
        let connects = log.iter().filter(|line| line.starts_with("connect"));
        (result, connects.count())
    };
    for status in ["404 No", "409 No", "500 No", "503 Later"] {
        let answer = format!("{status}\r\nContent-Length: 4\r\n\r\nbody");
        let (result, connects) = once(&[&answer, FINE]);
        let response = result.unwrap();
        assert_eq!(
            (response.status, response.body.as_slice()),
            (status[..3].parse().unwrap(), &b"body"[..])
        );
        assert_eq!(connects, 1);
    }
    let (result, connects) = once(&["200 OK\r\nContent-Length: nonsense\r\n\r\n", FINE]);
    assert_eq!(result.unwrap_err().cause, Cause::Http(Error::Framing));
    assert_eq!(connects, 1);
}

#[test]
fn a_redirect_does_not_reach_this_link_by_a_name() {
    let now = Instant::BOOT;
    let mut fetch = Fetch::new(request("http://192.0.2.1/"), None, now);
    let mut rng = Rng::new(1);
    let mut next = |fetch: &mut Fetch| {
        let mut found = None;
        let _ = fetch.transmit(now, &mut rng, |command| {
            found = Some(format!("{command:?}"));
            Ok::<(), ()>(())
        });
        found
    };
    next(&mut fetch);
    fetch.connected(now);
    next(&mut fetch);
    fetch.receive(
        b"HTTP/1.1 302 Found\r\nLocation: http://inside.example/\r\n\r\n",
        now,
    );
    assert_eq!(next(&mut fetch).as_deref(), Some("close"));
    assert_eq!(next(&mut fetch).as_deref(), Some("resolve inside.example"));
    let found = ["169.254.169.254", "::ffff:127.0.0.1", "192.0.2.2"];
    fetch.resolved(&found.map(|a| a.parse().unwrap()), now);
    assert_eq!(
        next(&mut fetch).as_deref(),
        Some("connect 192.0.2.2 port 80")
    );
}

#[test]
fn the_zone_is_the_device() {
    let (_, log, _) = Owner::new("http://[fe80::a9fe:a9fe%25eth0]/x").run(&[FINE]);
    assert_eq!(log[0], "connect fe80::a9fe:a9fe port 80 dev eth0");
}

#[test]
fn a_connection_that_never_answers_times_out_and_is_tried_again() {
    let mut owner = Owner::new(URL);
    owner.fetch.expire(Instant::BOOT);
    let (result, log, _) = owner.run(&[]);
    assert_eq!(
        result.unwrap_err().last,
        Some(Cause::Http(Error::ConnectTimeout))
    );
    assert!(log.len() > 10);
}

#[test]
fn retry_after_is_kept_up_to_the_longest_wait() {
    let later = "503 Later\r\nRetry-After: 2\r\n\r\n";
    let (_, _, now) = Owner::new(URL).run(&[later, FINE]);
    assert_eq!(now, Instant::from_secs(2));
    let never = "503 Later\r\nRetry-After: 86400\r\n\r\n";
    let (_, _, now) = Owner::new(URL).run(&[never, FINE]);
    assert_eq!(now.saturating_since(Instant::BOOT), Duration::from_secs(4));
}

proptest! {
    #[test]
    fn garbage_never_panics_and_pieces_do_not_matter(
        bytes: Vec<u8>,
        size in 1usize..40,
        prefix in prop::sample::select(vec![
            "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "HTTP/1.1 301 Moved\r\nLocation: ",
        ]),
    ) {
        let answer = [prefix.as_bytes(), &bytes].concat();
        prop_assert_eq!(outcome(&answer, size), outcome(&answer, usize::MAX));
    }

    #[test]
    fn near_answers_in_any_pieces(
        at in 0usize..90, byte: u8, size in 1usize..40,
    ) {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nT: t\r\n\r\n".to_vec();
        if let Some(place) = answer.get_mut(at) {
            *place = byte;
        }
        prop_assert_eq!(outcome(&answer, size), outcome(&answer, usize::MAX));
    }

    /// Whatever the owner reports, in whatever order: one result, every connection closed, nothing to do afterwards.
    #[test]
    fn a_fetch_survives_its_owner(
        steps in prop::collection::vec((0u8..9, 0u64..5_000), 0..60),
        url in prop::sample::select(vec![URL, "http://config.example/x", "https://h/"]),
    ) {
        let mut fetch = Fetch::new(request(url), None, Instant::BOOT);
        let (trust, _) = crate::proto::tls::Trust::new([]).unwrap();
        let mut rng = Rng::new(9);
        let mut now = Instant::BOOT;
        let (mut open, mut results) = (0i32, 0);
        let end = [(6, 200_000), (6, 0), (7, 0)];
        for (step, wait) in steps.into_iter().chain(end) {
            match step {
                0 => fetch.resolved(&[], now),
                1 => fetch.resolved(&["192.0.2.1".parse().unwrap()], now),
                2 => fetch.connected(now),
                3 => fetch.connect_failed(113, now),
                4 => fetch.receive(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", now),
                5 => fetch.closed(now),
                6 => {
                    now = now + Duration::from_millis(wait);
                    fetch.expire(now);
                }
                7 => fetch.receive(b"garbage", now),
                _ => fetch.trusted(&trust, Duration::ZERO),
            }
            let mut commands = 0;
            while fetch.transmit(now, &mut rng, |command| {
                open += match command {
                    Command::Connect { .. } => 1,
                    Command::Close => -1,
                    Command::Trust | Command::Resolve(_) | Command::Send(_) => 0,
                };
                Ok::<(), ()>(())
            }).unwrap() {
                commands += 1;
                prop_assert!(commands < 10);
            }
            prop_assert!(open == 0 || open == 1);
            results += i32::from(fetch.event().is_some());
            prop_assert_eq!(fetch.deadline().is_none(), results == 1);
            if let Some(deadline) = fetch.deadline() {
                prop_assert!(deadline > now, "nothing is due after draining");
            }
        }
        prop_assert_eq!((results, open), (1, 0));
    }

    #[test]
    fn any_text_as_url(text: String) {
        for text in [text.clone(), format!("http://{text}"), format!("http://[{text}]/{text}")] {
            if let Ok(url) = text.parse::<Url>() {
                prop_assert_eq!(url.with_query().parse::<Url>(), Ok(url.clone()));
                let _ = url.join(&text);
            }
        }
    }
}
