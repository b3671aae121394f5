//! Clients that do not read, and a listener that fails.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use super::*;

/// Longer than the buffer of any socket.
const LONG: usize = 4 << 20;

/// A control socket that answers whoever runs the test, and two clients.
fn control(name: &str) -> (Control, [UnixStream; 2]) {
    let name = format!("init-net-{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut control = Control::open(Some(sys::unix::listen(&path).unwrap())).unwrap();
    control.group = Some(nix::unistd::getgid().as_raw());
    let clients = [(); 2].map(|()| UnixStream::connect(&path).unwrap());
    std::fs::remove_file(path).unwrap();
    (control, clients)
}

fn ask_status(client: &mut UnixStream) {
    let mut line = serde_json::to_vec(&Request::Status).unwrap();
    line.push(b'\n');
    client.write_all(&line).unwrap();
}

#[test]
fn who_does_not_read_holds_nobody_up_and_misses_nothing() {
    let (mut control, [mut slow, mut other]) = control("slow");
    ask_status(&mut slow);
    slow.shutdown(Shutdown::Write).unwrap();
    ask_status(&mut other);
    let asked: Vec<u64> = control.drain().into_iter().map(|(id, _)| id).collect();
    let [first, second] = asked[..] else {
        panic!("{asked:?}");
    };
    let long = Reply::Error("x".repeat(LONG));
    control.reply(first, &long);
    control.reply(second, &Reply::Error("short".into()));
    assert_eq!(control.clients.len(), 2);
    let mut heard = [0; 8];
    other.read_exact(&mut heard).unwrap();
    // It says no more, and stays until it has its answer.
    slow.set_nonblocking(true).unwrap();
    let (mut answer, mut part) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        control.drain();
        match slow.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert_eq!(answer, line(&long));
    assert_eq!(control.clients.len(), 1);
}

#[test]
fn who_asks_on_without_reading_is_cut_off() {
    let (mut control, [mut greedy, _other]) = control("greedy");
    let long = Reply::Error("x".repeat(LONG));
    let rounds = super::super::outgoing::MAX_WAITING / LONG + 2;
    for _ in 0..rounds {
        ask_status(&mut greedy);
    }
    let asked = control.drain();
    assert_eq!(asked.len(), rounds);
    for (id, _) in asked {
        control.reply(id, &long);
    }
    assert_eq!(control.clients.len(), 1);
}

#[test]
fn a_listener_that_fails_does_not_ring_all_the_while() {
    let broken = UnixListener::from(OwnedFd::from(UnixDatagram::unbound().unwrap()));
    let mut control = Control::open(Some(broken)).unwrap();
    assert_eq!(control.interests().count(), 1);
    assert!(control.drain().is_empty());
    assert_eq!(control.interests().count(), 0);
    assert!(control.deadline().is_some());
    control.paused = Some(sys::clock::now());
    assert_eq!(control.interests().count(), 1, "it is tried again");
    assert_eq!(control.deadline(), None);
}
