//! What lasts: a connection through everything that a supervisor does in its life.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::peer::dhcp::message_type::{ACK, DISCOVER, OFFER, REQUEST};
use qemu::peer::dhcp::{DhcpServer, Message, Reply};
use qemu::peer::http::{HttpServer, Route};
use qemu::process::Process;
use serde_json::json;

use super::machine::{Machine, PATIENCE, SERVER, leased, on_machine};
use super::process::copy;
use super::watch::Watch;

const PORT: u16 = 7;

/// Between two words on the connection: a few while each lease is renewed.
const PACE: Duration = Duration::from_millis(50);

/// A connection from the machine to the lab on which a counter goes to and fro.
struct Conversation {
    stop: Arc<AtomicBool>,
    words: Arc<AtomicU64>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Conversation {
    fn start(machine: &Machine) -> Self {
        let listen = || TcpListener::bind((SERVER, PORT)).unwrap();
        let listener = machine.lab.namespace().enter(listen).unwrap();
        let mut stream = TcpStream::connect((SERVER, PORT)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (peer, _) = listener.accept().unwrap();
        thread::spawn(move || echo(peer));
        let (stop, words) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, said) = (Arc::clone(&stop), Arc::clone(&words));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let word = said.load(Ordering::Relaxed).to_be_bytes();
                stream.write_all(&word)?;
                let mut answer = [0; 8];
                stream.read_exact(&mut answer)?;
                if answer != word {
                    return Err(ErrorKind::InvalidData.into());
                }
                said.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PACE);
            }
            Ok(())
        });
        Self {
            stop,
            words,
            thread,
        }
    }

    /// Waits until words that begin after now have come back.
    #[track_caller]
    fn flows(&self, machine: &Machine) {
        let now = self.words.load(Ordering::Relaxed);
        machine.until("an answer on the connection", || {
            assert!(!self.thread.is_finished(), "the connection broke");
            (self.words.load(Ordering::Relaxed) > now + 1).then_some(())
        });
    }

    #[track_caller]
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().expect("it never broke");
    }
}

fn echo(mut peer: TcpStream) {
    let mut buffer = [0; 64];
    // It ends with the connection.
    while let Ok(length @ 1..) = peer.read(&mut buffer) {
        if peer.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// Leases of two minutes that are renewed after a second.
fn server(machine: &Machine) -> DhcpServer {
    let server: Ipv4Addr = SERVER.parse().unwrap();
    let script = move |message: &Message| {
        let kind = match message.kind {
            DISCOVER => OFFER,
            REQUEST => ACK,
            _ => return Vec::new(),
        };
        let reply = Reply::new(kind, Ipv4Addr::new(10, 77, 0, 42))
            .option(54, &server.octets())
            .option(1, &[255, 255, 255, 0])
            .option(3, &server.octets())
            .option(6, &server.octets())
            .lease_time(120)
            .option(58, &1_u32.to_be_bytes())
            .option(59, &60_u32.to_be_bytes());
        vec![reply]
    };
    DhcpServer::start(&machine.lab, "lan", script).unwrap()
}

/// One supervisor gives way to the next.
type Change = (&'static str, fn(&Machine));

/// Everything that ends a supervisor and goes on without a moment less of network; the hand-off from the boot stage comes
/// before them.
const CHANGES: [Change; 5] = [
    ("the hand-off", |_| {}),
    ("another program in the same process", |machine| {
        let before = machine.supervisors();
        let ran = machine.run(&["upgrade", "--binary", &copy(machine)]);
        assert_eq!(ran.code, 0, "{}", ran.errors);
        assert_eq!(machine.supervisors(), before);
    }),
    ("kill -9", |machine| machine.signal(Signal::SIGKILL)),
    ("an orderly end", |machine| machine.signal(Signal::SIGTERM)),
    ("kill -9 once more", |machine| {
        machine.signal(Signal::SIGKILL)
    }),
];

/// Renewals under each supervisor: a hundred in all.
const RENEWALS: usize = 20;

/// The boot waits for its config, which is served once there is a connection.
const LINE: &str = "ip=eth0:dhcp initnet.config=http://10.77.0.1:8080/config";

const CONFIG: &str = "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: node7\n";

#[test]
fn a_connection_lives_through_a_hundred_renewals_and_every_change_of_supervisor() {
    on_machine("survives", |machine| {
        let server = server(machine);
        let watch = Watch::start();
        let mut boot = machine.command(&["boot", "--hook", "--cmdline", LINE]);
        let mut boot = Process::start(&mut boot).unwrap();
        machine.until_shown("route show default", "via 10.77.0.1");
        let conversation = Conversation::start(machine);
        let config = vec![Route::get("/config", CONFIG)];
        let _http = HttpServer::start(&machine.lab, "10.77.0.1:8080", config).unwrap();
        assert!(boot.wait_exit(PATIENCE).unwrap().success());
        let mut later = Vec::new();
        for (what, change) in CHANGES {
            change(machine);
            if machine.supervisors().is_empty() {
                later.push(machine.supervise());
            }
            machine.answers();
            let granted = server.count(REQUEST);
            for renewal in 1..=RENEWALS {
                machine.until(&format!("renewal {renewal} after {what}"), || {
                    (server.count(REQUEST) >= granted + renewal).then_some(())
                });
                conversation.flows(machine);
            }
            assert_eq!(machine.plan(), json!([]), "{what}");
        }
        assert_eq!(leased(), "10.77.0.42/24");
        assert_eq!(watch.removals(), Vec::<String>::new());
        assert_eq!(server.count(DISCOVER), 1);
        conversation.end();
    });
}
