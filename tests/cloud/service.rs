//! Services that are not there, not ready, slow, half ready, and then right: what comes out is what the folder says.

use std::time::Duration;

use init_net::config::platform::{Ask, Provider};
use qemu::peer::metadata::{Fault, MetadataServer};

use crate::fixture::{Fixture, Ran};
use crate::rules::{has_tokens, service};
use crate::stage::{Stage, each};

/// Between the pieces of a slow answer.
const PAUSE: Duration = Duration::from_millis(100);

const V4: &str = "127.0.0.1";
const V6: &str = "::1";

/// The path of a request without its query, when it goes to the service itself.
pub fn path(ask: &Ask) -> Option<&str> {
    let path = ask.path.split('?').next()?;
    path.starts_with('/').then_some(path)
}

/// A body that the service fills in later, where the provider knows such; elsewhere an answer that ends early.
fn partial(provider: &dyn Provider, ask: &Ask, right: &[u8]) -> Fault {
    let half = right.get(..right.len() / 2).unwrap_or_default();
    let candidates = [b"{}", b"null".as_slice(), b"", half];
    let found = candidates
        .into_iter()
        .find(|body| *body != right && provider.is_partial(&ask.key, body));
    found.map_or(Fault::Truncated, |body| Fault::Body(body.to_vec()))
}

/// What comes of the fixture when nothing goes wrong.
#[track_caller]
pub fn right(fixture: &Fixture) -> Ran {
    if fixture.is_of_the_service() {
        return fixture.compile_folder(&fixture.metadata());
    }
    let stage = Stage::new(fixture, V4);
    let _server = stage.open(service(fixture));
    stage.compile()
}

/// The right result, and all faults were met on the way.
#[track_caller]
fn same(fixture: &Fixture, ran: &Ran, server: &MetadataServer) {
    let right = right(fixture);
    let (name, log) = (&fixture.name, server.log().lines().join("\n"));
    assert_eq!(ran.desired, right.desired, "{name}: {}\n{log}", ran.check);
    assert_eq!(ran.check, right.check, "{name}\n{log}");
    assert_eq!(server.faults_left(), 0, "{name}\n{log}");
}

/// Refused, 503, slow and cut short, partial, and at last right, but slow: each request of the conversation.
#[track_caller]
fn comes_up_in_steps(fixture: &Fixture, base: &str) {
    let stage = Stage::new(fixture, base);
    let mut mock = service(fixture);
    for ask in fixture.asks() {
        let (Some(path), Some(right)) = (path(&ask), fixture.body(&ask)) else {
            continue;
        };
        mock = mock.first(
            path,
            [
                Fault::Status(503),
                Fault::SlowEnd(PAUSE),
                partial(fixture.provider, &ask, &right),
                Fault::Slow(PAUSE),
            ],
        );
    }
    let mut server = stage.reserve(mock);
    let ran = std::thread::scope(|scope| {
        let program = scope.spawn(|| stage.compile());
        stage.wait_for_refusal();
        server.open().unwrap();
        program.join().unwrap()
    });
    same(fixture, &ran, &server);
}

#[test]
fn a_service_comes_up_in_steps() {
    each(&Fixture::of_services(), |fixture| {
        comes_up_in_steps(fixture, V4)
    });
}

#[test]
fn a_service_of_ipv6_alone_comes_up_in_steps() {
    each(&Fixture::of_each_service(), |fixture| {
        comes_up_in_steps(fixture, V6)
    });
}

#[test]
fn a_token_expires_in_the_middle() {
    let mut fixtures = Fixture::of_each_service();
    fixtures.retain(has_tokens);
    assert!(!fixtures.is_empty());
    each(&fixtures, |fixture| {
        let stage = Stage::new(fixture, V4);
        // At once, and after some answers.
        for count in [0, 1] {
            let server = stage.open(service(fixture).expires_after(count));
            same(fixture, &stage.compile(), &server);
            let log = server.log();
            assert_eq!(log.count("PUT "), 2, "{}: {:?}", fixture.name, log.lines());
            assert!(
                log.count(" 401") >= 1,
                "{}: {:?}",
                fixture.name,
                log.lines()
            );
        }
    });
}

#[test]
fn a_service_that_is_asked_too_much_says_when_to_come_again() {
    each(&Fixture::of_each_service(), |fixture| {
        let stage = Stage::new(fixture, V4);
        let asks = fixture.asks();
        let mut paths = asks.iter().filter_map(path);
        let first = paths.next().unwrap();
        let mock = service(fixture).first(first, [Fault::TooMany(1), Fault::Status(429)]);
        let server = stage.open(mock);
        same(fixture, &stage.compile(), &server);
    });
}

#[test]
fn what_is_not_there_yet_is_waited_for() {
    let asks = |fixture: &Fixture| -> Vec<Ask> {
        let mut asks = fixture.asks();
        asks.retain(|ask| !ask.optional && path(ask).is_some() && fixture.body(ask).is_some());
        asks
    };
    let mut fixtures = Fixture::of_each_service();
    fixtures.retain(|fixture| !asks(fixture).is_empty());
    assert!(!fixtures.is_empty());
    each(&fixtures, |fixture| {
        let stage = Stage::new(fixture, V4);
        let mock = asks(fixture).iter().fold(service(fixture), |mock, ask| {
            mock.first(path(ask).unwrap(), [Fault::Status(404), Fault::Status(404)])
        });
        let server = stage.open(mock);
        same(fixture, &stage.compile(), &server);
    });
}
