//! The DHCPv6 client against a real Kea. The client's clock jumps to its deadlines where a test says so; Kea's does not,
//! and does not have to: to a server a renewal is never too early.

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use init_net::proto::Machine as _;
use init_net::proto::dhcp6::{
    CLIENT_PORT, Config, Dhcp6, Event, Lease, LostReason, Mode, SERVER_PORT, SERVERS,
};
use init_net::sys::clock;
use init_net::value::{Instant, Mac, Rng};
use nix::sched::{CloneFlags, unshare};
use qemu::peer::Kea6;
use qemu::peer::kea6::Builder;
use qemu::{Deadline, Lab};

use crate::namespace::{ip, ip_json};

/// How long anything may take that takes milliseconds, or Kea's start.
const PATIENCE: Duration = Duration::from_secs(60);
const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 0x10];

/// Runs `test` in a network of its own, with a client whose `eth0` is on the bridge `lan` of a lab.
#[track_caller]
fn on_link(name: &'static str, test: impl FnOnce(&Lab) + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let lab = Lab::new(name).expect("a lab (these tests need root)");
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (these tests need root)");
        let here = format!(
            "/proc/{}/task/{}/ns/net",
            std::process::id(),
            nix::unistd::gettid()
        );
        lab.namespace().bridge("lan", &[]).unwrap();
        let mac = qemu::command::mac_text(MAC);
        for arguments in [
            // Addresses that can be used now; the bridge's own would be tentative for a while.
            "link set lan addrgenmode none".to_owned(),
            "-6 address flush dev lan".to_owned(),
            "address add fe80::1/64 dev lan nodad".to_owned(),
            "address add 2001:db8::1/64 dev lan nodad".to_owned(),
            format!("link add far type veth peer name eth0 address {mac} netns {here}"),
            "link set far master lan up".to_owned(),
        ] {
            lab.namespace().ip(&arguments).unwrap();
        }
        std::fs::write("/proc/sys/net/ipv6/conf/eth0/accept_dad", "0").unwrap();
        ip("link set eth0 up");
        test(&lab);
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Kea on `lan`.
fn kea() -> Builder {
    Kea6::builder("lan", "2001:db8::/64")
        .pool("2001:db8::100 - 2001:db8::1ff")
        .option("dns-servers", "2001:db8::53")
        .option("domain-search", "lab.example")
        .times(100, 200, 300, 400)
}

fn kea_with_prefixes() -> Builder {
    kea().delegates("2001:db8:1000::", 40, 56)
}

fn config(mode: Mode) -> Config {
    Config {
        mode,
        ..Config::new(Mac::from_bytes(&MAC).unwrap())
    }
}

fn both() -> Config {
    let hint = "::/56".parse().unwrap();
    config(Mode::AddressesAndPrefixes { hint })
}

/// The machine and its socket, as its owner has them.
struct Client {
    machine: Dhcp6,
    socket: UdpSocket,
    link: u32,
    rng: Rng,
    ahead: Duration,
    /// The type of each message, once for all repetitions of it.
    sent: Vec<u8>,
    /// Type and transaction of the last one.
    last: Option<[u8; 4]>,
}

impl Client {
    fn new(config: Config) -> Self {
        Self::of(|now| Dhcp6::new(config, now))
    }

    fn of(machine: impl FnOnce(Instant) -> Dhcp6) -> Self {
        let link = ip_json("link show eth0")[0]["ifindex"].as_u64().unwrap();
        let link = u32::try_from(link).unwrap();
        let deadline = Deadline::after(PATIENCE);
        // The link-local address comes with the carrier of the other end.
        let source = loop {
            let links = ip_json("-6 address show dev eth0 scope link");
            let address = links
                .iter()
                .find_map(|link| link["addr_info"][0]["local"].as_str());
            if let Some(address) = address {
                break address.parse::<Ipv6Addr>().unwrap();
            }
            assert!(deadline.remaining().is_some(), "no link-local address");
            std::thread::yield_now();
        };
        let source = SocketAddrV6::new(source, CLIENT_PORT, 0, link);
        Self {
            machine: machine(clock::now()),
            socket: UdpSocket::bind(source).unwrap(),
            link,
            rng: Rng::new(u64::from(std::process::id())),
            ahead: Duration::ZERO,
            sent: Vec::new(),
            last: None,
        }
    }

    fn now(&self) -> Instant {
        clock::now() + self.ahead
    }

    /// Puts the clock forward to the next deadline.
    fn jump(&mut self) {
        let due = self.machine.deadline().expect("a deadline");
        self.ahead += due.saturating_since(self.now());
    }

    fn send(&mut self) {
        let now = self.now();
        self.machine.expire(now);
        let to = SocketAddrV6::new(SERVERS, SERVER_PORT, 0, self.link);
        let (socket, sent, last) = (&self.socket, &mut self.sent, &mut self.last);
        while self
            .machine
            .transmit(now, &mut self.rng, |transmit| {
                let head = transmit.payload.first_chunk().copied();
                sent.extend(head.filter(|_| head != *last).map(|[kind, ..]| kind));
                *last = head;
                socket.send_to(&transmit.payload, to).map(drop)
            })
            .unwrap()
        {}
    }

    /// What happens next.
    #[track_caller]
    fn event(&mut self) -> Event {
        self.until("an event", |client| client.machine.event())
    }

    /// Runs until `look` finds something.
    #[track_caller]
    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Deadline::after(PATIENCE);
        let mut buffer = [0; 2048];
        loop {
            self.send();
            if let Some(found) = look(self) {
                return found;
            }
            let patience = deadline.remaining();
            let patience = patience.unwrap_or_else(|| panic!("never came: {what}"));
            let due = self
                .machine
                .deadline()
                .map(|due| due.saturating_since(self.now()));
            let wait = due.map_or(patience, |due| due.min(patience));
            let wait = wait.max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(wait)).unwrap();
            if let Ok(len) = self.socket.recv(&mut buffer) {
                let now = self.now();
                self.machine.receive(&buffer[..len], now);
            }
        }
    }

    #[track_caller]
    fn until_state(&mut self, state: &str) {
        self.until(state, |client| {
            (client.machine.state_name() == state).then_some(())
        });
    }

    #[track_caller]
    fn bound(&mut self) -> Lease {
        match self.event() {
            Event::Bound(lease) => lease,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn renewed(&mut self) -> Lease {
        match self.event() {
            Event::Renewed(lease) => lease,
            other => panic!("{other:?}"),
        }
    }
}

/// The one address of a lease, out of Kea's pool.
#[track_caller]
fn address(lease: &Lease) -> Ipv6Addr {
    let [leased] = &lease.addresses[..] else {
        panic!("not one address: {lease:?}");
    };
    let pool = "2001:db8::100".parse().unwrap()..="2001:db8::1ff".parse::<Ipv6Addr>().unwrap();
    assert!(pool.contains(&leased.address), "{lease:?}");
    leased.address
}

#[test]
fn an_address_and_a_prefix_in_four_messages_and_their_renewal() {
    on_link("dhcp6-four", |lab| {
        let kea = kea_with_prefixes().start(lab).unwrap();
        let mut client = Client::new(both());
        let lease = client.bound();
        address(&lease);
        let [delegated] = &lease.prefixes[..] else {
            panic!("{lease:?}");
        };
        let pool: init_net::value::Prefix = "2001:db8:1000::/40".parse().unwrap();
        assert!(pool.contains(delegated.prefix.address()) && delegated.prefix.len() == 56);
        assert_eq!(
            lease.facts.dns,
            ["2001:db8::53".parse::<Ipv6Addr>().unwrap()]
        );
        assert_eq!(lease.facts.search[0].to_string(), "lab.example");
        let after = |at: Option<Instant>| at.unwrap().saturating_since(lease.acquired_at).as_secs();
        assert_eq!([lease.renew_at, lease.rebind_at].map(after), [100, 200]);
        let leased = lease.addresses[0];
        assert_eq!(
            [leased.preferred_until, leased.valid_until].map(after),
            [300, 400]
        );
        assert_eq!(client.sent, [1, 3]);
        client.jump();
        let again = client.renewed();
        assert!(again.same_facts(&lease) && again.acquired_at > lease.acquired_at);
        for message in ["RENEW", "REQUEST", "SOLICIT"] {
            kea.seen(message).unwrap();
        }
        let counters = *client.machine.counters();
        assert_eq!(
            counters,
            Default::default(),
            "everything that Kea said was understood"
        );
    });
}

#[test]
fn rapid_commit_and_a_release() {
    on_link("dhcp6-rapid", |lab| {
        let kea = kea().rapid_commit().start(lab).unwrap();
        let mut client = Client::new(config(Mode::Addresses));
        let address = address(&client.bound());
        assert_eq!(client.sent, [1]);
        assert!(kea.leases().unwrap().contains(&format!("\n{address},")));
        let now = client.now();
        client.machine.release(now);
        let reason = LostReason::Released;
        assert_eq!(client.event(), Event::Lost { reason });
        client.until_state("stopped");
        assert_eq!(client.sent, [1, 8]);
        kea.seen("RELEASE").unwrap();
    });
}

#[test]
fn only_information() {
    on_link("dhcp6-stateless", |lab| {
        let kea = kea().start(lab).unwrap();
        let mut client = Client::new(config(Mode::Stateless));
        let Event::Information(information) = client.event() else {
            panic!("something else");
        };
        let dns = ["2001:db8::53".parse::<Ipv6Addr>().unwrap()];
        assert_eq!(information.facts.dns, dns);
        assert_eq!(client.sent, [11]);
        kea.seen("INFORMATION_REQUEST").unwrap();
        client.jump();
        assert!(matches!(client.event(), Event::Information(_)), "refreshed");
    });
}

#[test]
fn a_server_that_is_away_at_t1_is_found_by_rebinding() {
    on_link("dhcp6-rebind", |lab| {
        let first = kea_with_prefixes().start(lab).unwrap();
        let mut client = Client::new(both());
        let lease = client.bound();
        drop(first);
        client.jump();
        client.send();
        assert_eq!(client.machine.state_name(), "renewing");
        while client.machine.state_name() != "rebinding" {
            client.jump();
            client.send();
        }
        let kea = kea_with_prefixes().start(lab).unwrap();
        client.jump();
        assert!(client.renewed().same_facts(&lease));
        kea.seen("REBIND").unwrap();
        assert_eq!(kea.count("SOLICIT"), 0);
    });
}

#[test]
fn a_server_that_forgot_everything_gives_the_same_again() {
    on_link("dhcp6-forgot", |lab| {
        let first = kea_with_prefixes().start(lab).unwrap();
        let mut client = Client::new(both());
        let lease = client.bound();
        drop(first);
        let kea = kea_with_prefixes()
            .leases("another.csv")
            .start(lab)
            .unwrap();
        client.jump();
        assert!(
            client.renewed().same_facts(&lease),
            "never without its address"
        );
        kea.seen("RENEW").unwrap();
        assert_eq!(kea.count("SOLICIT"), 0);
    });
}

#[test]
fn carrier_back_on_the_same_link_and_on_another() {
    on_link("dhcp6-confirm", |lab| {
        let first = kea().start(lab).unwrap();
        let mut client = Client::new(config(Mode::Addresses));
        let lease = client.bound();
        let flap = |client: &mut Client| {
            let now = client.now();
            client.machine.link_down(now);
            client.machine.link_up(now);
        };
        flap(&mut client);
        client.until_state("bound");
        assert_eq!(client.sent, [1, 3, 4]);
        assert_eq!(client.machine.lease(client.now()), Some(&lease));
        first.seen("CONFIRM").unwrap();
        drop(first);

        lab.namespace()
            .ip("address del 2001:db8::1/64 dev lan")
            .unwrap();
        lab.namespace()
            .ip("address add 2001:db8:2::1/64 dev lan nodad")
            .unwrap();
        let _other = Kea6::builder("lan", "2001:db8:2::/64")
            .pool("2001:db8:2::100 - 2001:db8:2::1ff")
            .leases("other.csv")
            .start(lab)
            .unwrap();
        flap(&mut client);
        let reason = LostReason::NotOnLink;
        assert_eq!(client.event(), Event::Lost { reason });
        let lease = client.bound();
        let prefix: init_net::value::Prefix = "2001:db8:2::/64".parse().unwrap();
        assert!(
            prefix.contains(lease.addresses[0].address.into()),
            "{lease:?}"
        );
    });
}

#[test]
fn prefixes_are_confirmed_by_rebinding() {
    on_link("dhcp6-rebind-confirm", |lab| {
        let kea = kea_with_prefixes().start(lab).unwrap();
        let mut client = Client::new(both());
        let lease = client.bound();
        let now = client.now();
        client.machine.link_down(now);
        client.machine.link_up(now);
        assert!(client.renewed().same_facts(&lease));
        kea.seen("REBIND").unwrap();
        assert_eq!(kea.count("CONFIRM"), 0);
    });
}

#[test]
fn an_address_that_another_host_has_is_declined() {
    on_link("dhcp6-decline", |lab| {
        let kea = kea_with_prefixes().start(lab).unwrap();
        let mut client = Client::new(both());
        let lease = client.bound();
        let taken = address(&lease);
        let now = client.now();
        client.machine.decline(&[taken], now);
        let rest = client.bound();
        assert_eq!((rest.addresses.len(), &rest.prefixes), (0, &lease.prefixes));
        let again = client.bound();
        assert_ne!(address(&again), taken);
        assert_eq!(again.prefixes[0].prefix, lease.prefixes[0].prefix);
        kea.seen("DECLINE").unwrap();
        assert_eq!(client.sent.iter().filter(|kind| **kind == 1).count(), 1);
    });
}

#[test]
fn a_lease_goes_over_without_a_packet() {
    on_link("dhcp6-resume", |lab| {
        let kea = kea().start(lab).unwrap();
        let mut client = Client::new(config(Mode::Addresses));
        let lease = client.bound();
        drop(client);
        let text = serde_json::to_string(&lease).unwrap();
        let resumed = serde_json::from_str(&text).unwrap();
        let config = config(Mode::Addresses);
        let mut client = Client::of(|now| Dhcp6::resume(config, resumed, now));
        assert_eq!(client.bound(), lease);
        assert!(client.sent.is_empty());
        client.jump();
        client.renewed();
        assert_eq!(client.sent, [5]);
        kea.seen("RENEW").unwrap();
    });
}
