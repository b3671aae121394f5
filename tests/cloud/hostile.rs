//! Services that do harm: the program ends, within its time and memory, and says what happened.

use std::time::Duration;

use qemu::peer::metadata::Fault;

use crate::fixture::Fixture;
use crate::rules::service;
use crate::service::{path, right};
use crate::stage::{Stage, each, each_of};

const V4: &str = "127.0.0.1";

/// Runs at a time: most of them wait for an answer that comes again.
const RUNS: usize = 16;

/// A conversation of more requests is a long one.
const MANY: usize = 8;

/// Bytes of a body above every limit.
const HUGE: usize = 5 << 20;

/// Bytes that a bomb becomes.
const BOMB: usize = 1 << 30;

/// What a service may do for good: each ends a request at once, or it would be tried until the deadline.
fn for_good() -> Vec<Fault> {
    let redirect = |place: &str| Fault::Redirect(place.to_owned());
    let bomb = gzip_bomb();
    vec![
        redirect("{path}"),
        redirect("http://203.0.113.1{path}"),
        redirect("https://127.0.0.1{path}"),
        redirect("http://[fe80::1]{path}"),
        redirect("file:///etc/passwd"),
        Fault::EndlessHead,
        Fault::EndlessLine,
        Fault::EndlessBody,
        Fault::EndlessChunks,
        Fault::Huge,
        Fault::Body(vec![b' '; HUGE]),
        Fault::Body(b"\0\x01\x02".repeat(20)),
        Fault::Body(b"\xff\xfe\xfd\x1b[31m\x07".to_vec()),
        Fault::Body(bomb.clone()),
        Fault::Encoded("gzip", bomb),
        Fault::Status(403),
        Fault::Status(418),
    ]
}

/// What is tried again: a few times, and then it is right.
fn for_a_while() -> Vec<Vec<Fault>> {
    let faults = [
        Fault::Reset,
        Fault::Broken,
        Fault::LengthOfText,
        Fault::TwoLengths,
        Fault::Garbage,
    ];
    let twice = |fault: Fault| vec![fault.clone(), fault];
    let mut all: Vec<Vec<Fault>> = faults.into_iter().map(twice).collect();
    all.push(vec![Fault::SlowEnd(Duration::from_millis(100))]);
    all
}

/// A gigabyte of zeros, packed (RFC 1952): every block of deflate is the same 32 KiB again.
fn gzip_bomb() -> Vec<u8> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut gzip = Command::new("gzip")
        .args(["-9", "-n", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip(1)");
    let mut input = gzip.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let block = vec![0; 1 << 20];
        for _ in 0..BOMB / block.len() {
            input.write_all(&block).unwrap();
        }
    });
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

/// One run: which fault each request for a path meets.
struct Case {
    fixture: usize,
    faults: Vec<(String, Fault)>,
}

/// Each fault at the first request alone, and each at each other request.
fn cases(fixtures: &[Fixture], faults: &[Fault]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (fixture, paths) in fixtures.iter().map(paths).enumerate() {
        let Some((first, rest)) = paths.split_first() else {
            continue;
        };
        for (turn, fault) in faults.iter().enumerate() {
            cases.push(Case {
                fixture,
                faults: vec![(first.clone(), fault.clone())],
            });
            let others = faults.iter().cycle().skip(turn);
            // Of many requests every third in one run.
            let step = if rest.len() > MANY { 3 } else { 1 };
            let rest = rest.iter().skip(turn % step).step_by(step);
            cases.push(Case {
                fixture,
                faults: rest.cloned().zip(others.cloned()).collect(),
            });
        }
    }
    cases
}

/// The paths of the service that are answered, in the order of the requests.
fn paths(fixture: &Fixture) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for ask in fixture.asks() {
        if let Some(path) = path(&ask)
            && fixture.body(&ask).is_some()
            && !paths.iter().any(|known| known == path)
        {
            paths.push(path.to_owned());
        }
    }
    paths
}

#[test]
fn whatever_a_service_answers_the_program_ends_and_says_so() {
    let fixtures = Fixture::of_each_service();
    let all_right: Vec<String> = fixtures
        .iter()
        .map(|fixture| right(fixture).desired)
        .collect();
    each_of(RUNS, &cases(&fixtures, &for_good()), |case| {
        let fixture = &fixtures[case.fixture];
        let stage = Stage::new(fixture, V4);
        let mut mock = service(fixture);
        for (path, fault) in &case.faults {
            mock = match fault {
                // A body that may not be complete is asked for again for half a minute: once is enough here.
                Fault::Body(_) | Fault::Encoded(..) => mock.first(path, [fault.clone()]),
                _ => mock.always(path, fault.clone()),
            };
        }
        let server = stage.open(mock);
        let ran = stage.compile();
        let said = ran.desired == all_right[case.fixture] || !ran.check.is_empty();
        let log = server.log().lines().join("\n");
        assert!(said, "{}: nothing is said of\n{log}", fixture.name);
    });
}

#[test]
fn what_breaks_is_asked_again_until_it_is_right() {
    let fixtures = Fixture::of_each_service();
    let mut cases = Vec::new();
    for (number, paths) in fixtures.iter().map(paths).enumerate() {
        for faults in for_a_while() {
            cases.push((number, paths.clone(), faults));
        }
    }
    each(&cases, |(number, paths, faults)| {
        let fixture = &fixtures[*number];
        let stage = Stage::new(fixture, V4);
        let mut mock = service(fixture);
        for path in paths {
            mock = mock.first(path, faults.clone());
        }
        let server = stage.open(mock);
        let ran = stage.compile();
        let right = right(fixture);
        let log = server.log().lines().join("\n");
        assert_eq!(ran, right, "{}\n{log}", fixture.name);
        assert_eq!(server.faults_left(), 0, "{}\n{log}", fixture.name);
    });
}

/// Takes as long as a service may take to fill in what is missing; all at the same time.
#[test]
fn a_service_that_never_says_all_is_taken_as_it_is() {
    let fixtures = Fixture::of_each_service();
    each_of(fixtures.len(), &fixtures, |fixture| {
        let stage = Stage::new(fixture, V4);
        let mut mock = service(fixture);
        for ask in fixture.asks() {
            let secret = fixture.provider.is_secret(&ask.key);
            if let Some(path) = path(&ask).filter(|_| !secret) {
                mock = mock.always(path, Fault::Body(b"{}".to_vec()));
            }
        }
        let _server = stage.open(mock);
        stage.compile();
    });
}

/// Takes as long as a boot waits for a platform; all at the same time.
#[test]
fn a_service_that_never_answers_is_given_up() {
    let fixtures = Fixture::of_each_service();
    each_of(fixtures.len(), &fixtures, |fixture| {
        let stage = Stage::new(fixture, V4);
        let _server = stage.open(service(fixture).always("*", Fault::Silent));
        let ran = stage.compile();
        assert_eq!(ran.code, 1, "{}: {}", fixture.name, ran.check);
        assert!(!ran.check.is_empty(), "{}", fixture.name);
    });
}
