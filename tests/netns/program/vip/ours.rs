//! [`Ours`]: a machine of ours on a network of several.

use std::any::Any;
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use qemu::vip::Segment;
use serde_json::{Value, json};

use super::super::doctor::examine;
use super::super::machine::{Machine, PATIENCE};
use super::super::process::copy;
use super::super::watch::Watch;
use super::stage::{V4, V6, VRID};
use crate::namespace::ip;

/// The link that has the shared addresses.
pub const LINK: &str = "net0";

/// What a machine of ours is told. Both families are shared alike.
#[derive(Clone)]
pub struct Config {
    number: u8,
    priority: u8,
    interval: Duration,
    lines: Vec<String>,
    family_lines: [Vec<String>; 2],
    families: Vec<IpAddr>,
    plain: bool,
}

impl Config {
    /// Machine `number`: an advertisement each second.
    pub fn new(number: u8, priority: u8) -> Self {
        Self {
            number,
            priority,
            interval: Duration::from_secs(1),
            lines: Vec::new(),
            family_lines: [Vec::new(), Vec::new()],
            families: vec![V4, V6],
            plain: false,
        }
    }

    /// Machine `number`, told nothing but the addresses.
    pub fn plain(number: u8) -> Self {
        let mut config = Self::new(number, 0);
        config.plain = true;
        config
    }

    /// Another interval.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Only one family.
    pub fn only(mut self, vip: IpAddr) -> Self {
        self.families = vec![vip];
        self
    }

    /// A further line of both addresses.
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// A further line of one address.
    pub fn line_of(mut self, vip: IpAddr, line: &str) -> Self {
        self.family_lines[usize::from(vip.is_ipv6())].push(line.to_owned());
        self
    }

    /// The documents.
    pub fn text(&self) -> String {
        let number = self.number;
        let mut text = format!(
            "apiVersion: v1alpha1\nkind: LinkConfig\nname: {LINK}\n\
             addresses: [{{address: 10.56.0.{number}/24}}, {{address: '2001:db8:56::{number:x}/64', noDAD: true}}]\n"
        );
        for vip in &self.families {
            let _ = write!(
                text,
                "---\napiVersion: v1alpha1\nkind: Layer2VIPConfig\nname: '{vip}'\nlink: {LINK}\n"
            );
            if !self.plain {
                let _ = write!(
                    text,
                    "vrid: {VRID}\npriority: {}\nadvertInterval: {}ms\n",
                    self.priority,
                    self.interval.as_millis()
                );
            }
            for line in self
                .lines
                .iter()
                .chain(&self.family_lines[usize::from(vip.is_ipv6())])
            {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

type Order = Box<dyn FnOnce(&Machine) + Send>;

/// A machine with namespaces, and a thread, of its own; what is done there is done by [`Ours::on`].
pub struct Ours {
    number: u8,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Ours {
    /// A machine at `portN` of `segment`, without anything on it.
    pub fn new(test: &str, segment: &Segment, number: u8) -> Self {
        let name = format!("{test}-{number}");
        let (orders, receiver): (Sender<Order>, Receiver<Order>) = channel();
        let thread = std::thread::spawn(move || {
            let machine = Machine::new(&name);
            for order in receiver {
                order(&machine);
            }
        });
        let ours = Self {
            number,
            orders: Some(orders),
            thread: Some(thread),
        };
        let network = ours.on(move |machine| {
            // A hop limit of its own tells its packets from those of others even behind a hardware address that they share.
            let hops = hops(number).to_string();
            for key in [
                "ipv4/ip_default_ttl",
                "ipv6/conf/all/hop_limit",
                "ipv6/conf/default/hop_limit",
            ] {
                fs::write(Path::new("/proc/sys/net").join(key), &hops).unwrap();
            }
            machine.network()
        });
        let mac = mac(number).map(|byte| format!("{byte:02x}")).join(":");
        segment
            .plug(&ours.port(), Path::new(&network), LINK, &mac)
            .unwrap();
        ours
    }

    /// Boots it, and waits until the supervisor answers.
    pub fn boot(&self, config: &Config) {
        self.boot_with(config.text());
    }

    /// [`Ours::boot`] with a machine config of another kind.
    pub fn boot_with(&self, text: String) {
        self.on(move |machine| {
            fs::create_dir_all("/etc/init-net").unwrap();
            fs::write("/etc/init-net/machine.yaml", text).unwrap();
            machine.boot("initnet.wait=local");
            machine.answers();
        });
    }

    /// Does something there.
    #[track_caller]
    pub fn on<T: Send + 'static>(&self, order: impl FnOnce(&Machine) -> T + Send + 'static) -> T {
        let (answer, answers) = channel();
        let order = move |machine: &Machine| {
            let result: Result<T, Box<dyn Any + Send>> =
                catch_unwind(AssertUnwindSafe(|| order(machine)));
            // Who asked waits for it.
            let _ = answer.send(result);
        };
        let orders = self.orders.as_ref().expect("taken only by drop");
        orders.send(Box::new(order)).expect("the machine's thread");
        match answers.recv().expect("the machine's thread") {
            Ok(answer) => answer,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Its number on the segment.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Its port on the segment.
    pub fn port(&self) -> String {
        format!("port{}", self.number)
    }

    /// The hardware address of [`LINK`].
    pub fn mac(&self) -> [u8; 6] {
        mac(self.number)
    }

    /// The hop limit of what it sends.
    pub fn hops(&self) -> u8 {
        hops(self.number)
    }

    /// Where its adverts come from, in the family of `vip`.
    pub fn source(&self, vip: IpAddr) -> IpAddr {
        match vip {
            IpAddr::V4(_) => Ipv4Addr::new(10, 56, 0, self.number).into(),
            // EUI-64 of the hardware address.
            IpAddr::V6(_) => {
                Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe56, self.number.into()).into()
            }
        }
    }

    /// What `get vips` says of the address.
    #[track_caller]
    pub fn status(&self, vip: IpAddr) -> Value {
        self.on(move |machine| {
            let all = machine.get("vips");
            let found = all.iter().find(|status| status["ip"] == vip.to_string());
            found
                .unwrap_or_else(|| panic!("{vip} is not among {all:?}"))
                .clone()
        })
    }

    /// Waits until `get vips` says of both addresses that they are so.
    #[track_caller]
    pub fn until(&self, state: &str) {
        for vip in [V4, V6] {
            self.until_of(vip, state);
        }
    }

    /// Waits until `get vips` says that the address is so.
    #[track_caller]
    pub fn until_of(&self, vip: IpAddr, state: &str) {
        let state = state.to_owned();
        self.on(move |machine| {
            let mut last = Value::Null;
            let deadline = qemu::Deadline::after(PATIENCE);
            loop {
                let all = machine.get("vips");
                let mut found = all.into_iter().filter(|it| it["ip"] == vip.to_string());
                if let Some(status) = found.next() {
                    if status["state"] == state.as_str() {
                        return;
                    }
                    last = status;
                }
                assert!(deadline.remaining().is_some(), "never {state}: {last}");
                std::thread::sleep(Duration::from_millis(50));
            }
        });
    }

    /// Another program takes the supervisor's place, by command or by the signal to read its file again; answers what was removed
    /// meanwhile.
    #[track_caller]
    pub fn upgrade(&self, by_signal: bool) -> Vec<String> {
        self.on(move |machine| {
            let started = || {
                let status = machine.ask(json!({ "command": "get", "kind": "status" }))?;
                Some(status[0]["process"]["started"].clone())
            };
            let (watch, before) = (Watch::start(), started());
            if by_signal {
                machine.signal(Signal::SIGUSR2);
            } else {
                let ran = machine.run(&["upgrade", "--binary", &copy(machine)]);
                assert_eq!(ran.code, 0, "{}", ran.errors);
            }
            machine.until("another program", || {
                started().filter(|now| Some(now) != before.as_ref())
            });
            machine.reconcile();
            watch.removals()
        })
    }

    /// What `doctor` finds of shared addresses.
    #[track_caller]
    pub fn findings(&self) -> Vec<Value> {
        let (_, mut found) = self.on(|machine| examine(machine, &[]));
        found.retain(|finding| finding["check"] == "vips");
        found
    }

    /// Whether the kernel has the address.
    #[track_caller]
    pub fn has(&self, vip: IpAddr) -> bool {
        self.on(move |_| {
            let length = if vip.is_ipv4() { 32 } else { 128 };
            ip("-o address show").contains(&format!(" {vip}/{length} "))
        })
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(orders) = &self.orders
        {
            // Its evidence is kept when its own thread fails.
            let fail = || panic!("the test failed: this is what the machine has to say");
            let _ = orders.send(Box::new(move |_| fail()));
        }
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn mac(number: u8) -> [u8; 6] {
    [0x52, 0x54, 0, 0x56, 0, number]
}

fn hops(number: u8) -> u8 {
    100 + number
}
