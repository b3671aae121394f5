//! One run of the program against mocks, in a network namespace of its own, and many of them at a time.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use qemu::peer::metadata::{Builder, MetadataServer};
use qemu::{Deadline, Namespace};

use crate::fixture::{Fixture, Ran};

/// For what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Runs at a time: they wait more than they work.
const RUNS: usize = 8;

/// The port of every service.
const PORT: u16 = 80;

/// A namespace whose loopback has every address that the fixture's requests go to.
pub struct Stage<'f> {
    fixture: &'f Fixture,
    namespace: Namespace,
    base: IpAddr,
    /// Services on addresses of their own.
    _others: Vec<MetadataServer>,
}

impl<'f> Stage<'f> {
    /// `base` is where the service is.
    pub fn new(fixture: &'f Fixture, base: &str) -> Self {
        let namespace = Namespace::new().expect("a namespace (these tests need root)");
        let mut others = Vec::new();
        for host in hosts(fixture) {
            namespace
                .ip(&format!("address add {host}/32 dev lo"))
                .expect("an address");
            let folder = fixture.metadata().join(&host);
            let address = SocketAddr::new(host.parse().unwrap(), PORT);
            let server = MetadataServer::of(folder).reserve(&namespace, address);
            let mut server = server.expect("a port");
            server.open().unwrap();
            others.push(server);
        }
        Self {
            fixture,
            namespace,
            base: base.parse().unwrap(),
            _others: others,
        }
    }

    /// The service, which refuses connections until it is opened.
    pub fn reserve(&self, service: Builder) -> MetadataServer {
        let address = SocketAddr::new(self.base, PORT);
        service
            .reserve(&self.namespace, address)
            .expect("a port of our own")
    }

    /// The service, open.
    pub fn open(&self, service: Builder) -> MetadataServer {
        let mut server = self.reserve(service);
        server.open().unwrap();
        server
    }

    /// Compiles what the service says.
    #[track_caller]
    pub fn compile(&self) -> Ran {
        let base = SocketAddr::new(self.base, PORT);
        let program = |program: &str| self.namespace.command(program);
        let url = format!("http://{base}");
        Ran::of(self.fixture.compile(program, &["--metadata-url", &url]))
    }

    /// Waits until somebody was refused here.
    #[track_caller]
    pub fn wait_for_refusal(&self) {
        let deadline = Deadline::after(PATIENCE);
        while self.resets() == 0 {
            assert!(deadline.remaining().is_some(), "nobody asked");
            thread::sleep(LOOK);
        }
    }

    /// How often somebody was refused: the resets that the kernel has sent (RFC 1213, tcpOutRsts).
    fn resets(&self) -> u64 {
        let text = self
            .namespace
            .enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
        let text = text.unwrap();
        let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
        let names = lines.next().unwrap().split_whitespace();
        let values = lines.next().unwrap().split_whitespace();
        let (_, value) = names
            .zip(values)
            .find(|(name, _)| *name == "OutRsts")
            .unwrap();
        value.parse().unwrap()
    }
}

/// The hosts of whole URLs that the fixture's conversation asks.
fn hosts(fixture: &Fixture) -> BTreeSet<String> {
    let asks = fixture.asks();
    let hosts = asks.iter().filter_map(|ask| {
        let (_, rest) = ask.path.split_once("://")?;
        rest.split('/').next().map(str::to_owned)
    });
    hosts.collect()
}

/// Runs `work` on every item, some at a time. Panics after all when one has.
pub fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    each_of(RUNS, items, work);
}

/// As [`each`], so many at a time.
pub fn each_of<T: Sync>(runs: usize, items: &[T], work: impl Fn(&T) + Sync) {
    let next = Mutex::new(items.iter());
    thread::scope(|scope| {
        for _ in 0..runs {
            scope.spawn(|| {
                loop {
                    let item = next
                        .lock()
                        .unwrap_or_else(|poison| poison.into_inner())
                        .next();
                    let Some(item) = item else {
                        return;
                    };
                    work(item);
                }
            });
        }
    });
}
