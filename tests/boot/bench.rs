//! What every boot test starts from: one LAN, one guest, and the guest's tables as it prints them.

use std::fmt::Write;
use std::sync::Condvar;
use std::sync::Mutex;
use std::time::Duration;

use initramfs::Compression;
use initramfs::Image;
use qemu::Lab;
use qemu::Vm;
use qemu::artefacts::Kernel;
use qemu::artefacts::Series;
use qemu::guest;
use qemu::peer::Dnsmasq;
use qemu::peer::dnsmasq;
use qemu::vm;

/// For anything a boot should do at once. A boot under TCG takes about five seconds on an idle core; this is for a
/// machine on which other things run. It is no verdict about speed: `scripts/bench` measures that.
pub const BOOT: Duration = Duration::from_secs(120);

/// Benches at a time: each has a guest, and a guest wants a core, and the smallest machine that runs the tests has two.
const BENCHES: usize = 2;

/// The lab's side of the LAN: gateway, DNS and DHCP server.
pub const ROUTER: &str = "10.77.0.1";

/// The first card's hardware address, and the second's.
pub const MAC: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 1];
pub const MAC2: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 2];

/// The address that [`Bench::dhcp`] gives to [`MAC`].
pub const ADDRESS: &str = "10.77.0.55";

/// Where a guest has its machine config. Secrets may be in it.
pub const MACHINE_CONFIG: &str = "/etc/init-net/machine.yaml";

/// A script's functions: `tables` prints what the guest knows, one fact a line, each behind `@` and its kind.
const SCRIPT_HEAD: &str = r#"#!/bin/sh
export PATH=/bin
say() { sed "s/^/@ $1 /"; }
tables() {
    ip -o link show | say link
    ip -4 -o address show | say address
    ip -4 route show | say route
    ip -4 rule show | say rule
    say resolv < /etc/resolv.conf
    say hosts < /etc/hosts
    hostname | say hostname
    ps -o pid,ppid,stat,args | say process
    cat /run/init-net/report.json | say report
    echo "@ end"
}
ready() {
    init-net wait --level routable --timeout "${1:-60s}"
    echo "@ wait $?"
}
reach() {
    ping -c 1 -W 10 "$1" > /dev/null
    echo "@ reach $1 $?"
}
"#;

/// A lab with a bridge `lan` and a tap `port0` on it, and one of the slots.
pub struct Bench {
    // Before the slot: the namespace goes first.
    pub lab: Lab,
    pub kernel: Kernel,
    _slot: Slot,
}

impl Bench {
    pub fn new(name: &str) -> Self {
        Self::on(Series::Stable, name)
    }

    /// A bench whose guests run this kernel.
    pub fn on(series: Series, name: &str) -> Self {
        Self::with(Slot::take(1), series, name)
    }

    /// The same for a guest that keeps a processor busy for minutes: no other bench is there meanwhile, whose clients would
    /// ask twice for what takes too long.
    pub fn alone(series: Series, name: &str) -> Self {
        Self::with(Slot::take(BENCHES), series, name)
    }

    fn with(slot: Slot, series: Series, name: &str) -> Self {
        let kernel = Kernel::of(series).unwrap_or_else(|error| panic!("{error}"));
        let lab = Lab::new(name).unwrap_or_else(|error| panic!("{error}"));
        let lan = lab.namespace();
        // The metadata address lives on the same link, as it does for a guest of a cloud.
        lan.bridge("lan", &["10.77.0.1/24", "169.254.169.254/32"])
            .unwrap();
        lan.tap("port0", "lan").unwrap();
        Self {
            lab,
            kernel,
            _slot: slot,
        }
    }

    /// A second tap, `port1`, on the same bridge.
    pub fn second_port(&self) {
        self.port("port1");
    }

    /// One more tap on the same bridge, for another card or another guest.
    pub fn port(&self, name: &str) {
        self.lab.namespace().tap(name, "lan").unwrap();
    }

    /// dnsmasq on the LAN, which gives [`ADDRESS`] to [`MAC`] for an hour; to be changed and started.
    pub fn dhcp(&self) -> dnsmasq::Builder {
        Dnsmasq::builder("lan")
            .range("10.77.0.50", "10.77.0.99", "1h")
            .host(MAC, ADDRESS)
    }

    /// A guest whose payload is `script`; the head's functions are there. No card yet.
    pub fn guest(&self, script: &str) -> vm::Builder {
        let image = guest::image(&self.kernel, &format!("{SCRIPT_HEAD}{script}"));
        self.boots(image.unwrap_or_else(|error| panic!("{error}")))
            .cmdline(&format!("initnet.init={}", guest::PAYLOAD))
    }

    /// A guest whose `/init` is `script` and which has init-net as a program.
    pub fn guest_of_script(&self, script: &str) -> vm::Builder {
        let image = guest::image_of_script(&self.kernel, &format!("{SCRIPT_HEAD}{script}"));
        self.boots(image.unwrap_or_else(|error| panic!("{error}")))
    }

    /// As [`Bench::guest_of_script`], with more in its image.
    pub fn guest_of_script_with(
        &self,
        script: &str,
        more: impl FnOnce(Image) -> Image,
    ) -> vm::Builder {
        let image = guest::image_of_script(&self.kernel, &format!("{SCRIPT_HEAD}{script}"));
        self.boots(more(image.unwrap_or_else(|error| panic!("{error}"))))
    }

    /// As [`Bench::machine`], with more in its image.
    pub fn machine_with(&self, config: &str, more: impl FnOnce(Image) -> Image) -> vm::Builder {
        let image = guest::image_of_session(&self.kernel);
        let image = image.unwrap_or_else(|error| panic!("{error}"));
        self.session(more(image.file(MACHINE_CONFIG, config, 0o600)))
    }

    /// A guest with `config` as its machine config, to be started and handed to [`crate::guest::Guest::of`]. No card yet.
    pub fn machine(&self, config: &str) -> vm::Builder {
        let image = guest::image_of_session(&self.kernel);
        let image = image.unwrap_or_else(|error| panic!("{error}"));
        self.session(image.file(MACHINE_CONFIG, config, 0o600))
    }

    /// A guest of [`guest::image_of_session`] with more in it. No card yet.
    pub fn session(&self, image: Image) -> vm::Builder {
        self.boots(image)
            .cmdline(&format!("initnet.init={}", guest::PAYLOAD))
            .session()
    }

    /// Boots a guest with one card that waits until it is routable, prints its tables and powers off.
    pub fn boot(&self, cmdline: &str) -> Facts {
        let script = format!("ready\nreach {ROUTER}\ntables\npoweroff -f\n");
        let vm = self.guest(&script).cmdline(cmdline).nic("port0", MAC);
        Facts::of(vm.start(&self.lab).unwrap())
    }

    /// A guest of this image, and nothing else. No card yet.
    pub fn boots(&self, image: Image) -> vm::Builder {
        // Not packed: packing costs more than the guest's unpacking saves.
        let image = image.build(Compression::None);
        Vm::builder(&self.kernel).initrd(image.unwrap_or_else(|error| panic!("{error}")))
    }
}

/// The start of a script for another place than the payload.
pub fn script(body: &str) -> String {
    format!("{SCRIPT_HEAD}{body}")
}

/// What a guest printed, after it has powered off.
pub struct Facts {
    lines: Vec<String>,
}

impl Facts {
    /// Waits for the end of the tables and of the machine.
    #[track_caller]
    pub fn of(mut vm: Vm) -> Self {
        if let Err(error) = vm.wait_for_line("@ end", BOOT) {
            panic!("{error}");
        }
        if let Err(error) = vm.wait_exit(BOOT) {
            panic!("{error}");
        }
        let lines = vm.serial().lines();
        Self { lines }
    }

    /// Whether init-net, or anybody but a script, printed this.
    pub fn printed(&self, text: &str) -> bool {
        let mut lines = self.lines.iter().filter(|line| !line.starts_with('@'));
        lines.any(|line| line.contains(text))
    }

    /// The lines of one kind, without the kind.
    pub fn kind(&self, kind: &str) -> Vec<&str> {
        let prefix = format!("@ {kind}");
        let lines = self.lines.iter();
        lines
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(str::trim)
            .collect()
    }

    /// Exactly `count` lines of this kind hold every one of the blank-separated words.
    #[track_caller]
    pub fn check(&self, kind: &str, words: &str, count: usize) {
        let lines = self.kind(kind);
        let holds = |line: &&&str| {
            words
                .split_whitespace()
                .all(|word| line.split_whitespace().any(|found| found == word))
        };
        let found = lines.iter().filter(holds).count();
        let mut text = String::new();
        for line in &lines {
            writeln!(text, "  {line}").unwrap();
        }
        assert_eq!(
            found, count,
            "lines of kind {kind} with {words:?} in:\n{text}"
        );
    }

    /// One line of this kind holds every word.
    #[track_caller]
    pub fn has(&self, kind: &str, words: &str) {
        self.check(kind, words, 1);
    }

    /// No line of this kind holds every word.
    #[track_caller]
    pub fn lacks(&self, kind: &str, words: &str) {
        self.check(kind, words, 0);
    }
}

/// So many of [`BENCHES`] places, given back on drop.
struct Slot(usize);

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

impl Slot {
    fn take(places: usize) -> Self {
        let taken = TAKEN.lock().unwrap();
        let full = |taken: &mut usize| *taken + places > BENCHES;
        let mut taken = FREED.wait_while(taken, full).unwrap();
        *taken += places;
        Self(places)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // A failed test drops its slot while panicking; the count itself is right then as well.
        let mut taken = TAKEN.lock().unwrap_or_else(|poison| poison.into_inner());
        *taken -= self.0;
        FREED.notify_all();
    }
}

/// Makes a function of a [`Bench`] two tests, `NAME::stable` and `NAME::newer`, one on each kernel.
macro_rules! on_both_kernels {
    ($name:ident) => {
        on_both_kernels!(on $name);
    };
    ($bench:ident $name:ident) => {
        mod $name {
            use qemu::artefacts::Series;

            #[test]
            fn stable() {
                let name = concat!(stringify!($name), "-stable");
                super::$name(crate::bench::Bench::$bench(Series::Stable, name));
            }

            #[test]
            fn newer() {
                let name = concat!(stringify!($name), "-newer");
                super::$name(crate::bench::Bench::$bench(Series::Newer, name));
            }
        }
    };
}
pub(crate) use on_both_kernels;
