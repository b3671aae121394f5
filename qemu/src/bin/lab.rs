//! `lab`: the lab from a shell. `scripts/demo` runs `lab demo`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use initramfs::Compression;
use qemu::Lab;
use qemu::Result;
use qemu::Vm;
use qemu::artefacts::Kernel;
use qemu::guest;
use qemu::peer::Dnsmasq;
use qemu::probe;

const USAGE: &str = "\
usage: lab demo [WORD…]   boot init-net against a real dnsmasq; WORDs go on the kernel command line
       lab probe          say whether KVM can run a guest here
";

/// A boot under TCG takes about five seconds; this is for a slow machine that does other things.
const BOOT: Duration = Duration::from_secs(180);

/// The demo guest's hardware address (QEMU's range, locally administered).
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x77, 0, 0x55];

/// What the demo's guest does once its network is there.
const PAYLOAD: &str = r#"#!/bin/sh
export PATH=/bin
init-net wait --level routable --timeout 30s && echo "the machine is routable"
table() {
    echo
    echo "== $*"
    "$@"
}
table init-net timeline
table init-net get links
table init-net get addresses
table init-net get routes
table init-net get resolvers
table init-net get hostname
table cat /etc/resolv.conf
table ping -c 1 -W 5 10.77.0.1
table nslookup -type=a www.lab.example
echo
echo "== off"
poweroff -f
"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["demo", words @ ..] => demo(&words.join(" ")),
        ["probe"] => Kernel::find().map(|kernel| {
            println!("{:?}", probe::accelerator(&kernel.image));
        }),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demo(words: &str) -> Result<()> {
    let kernel = Kernel::find()?;
    say(&format!("kernel {}", kernel.image.display()));
    let image = guest::image(&kernel, PAYLOAD)?.build(Compression::Gzip)?;
    say(&format!(
        "initramfs: {} KiB, init-net is /init",
        image.len() / 1024
    ));

    let lab = Lab::new("demo")?;
    lab.namespace().bridge("lan", &["10.77.0.1/24"])?;
    lab.namespace().tap("port0", "lan")?;
    say("network: namespace with bridge lan, 10.77.0.1/24, and a tap for the machine");
    let dnsmasq = Dnsmasq::builder("lan")
        .range("10.77.0.50", "10.77.0.99", "1h")
        .argument("--domain=lab.example".into())
        .option(119, "lab.example")
        .name("www.lab.example", "10.77.0.80")
        .start(&lab)?;
    say("dnsmasq: DHCP for 10.77.0.50 to .99, DNS for lab.example");

    say(&format!(
        "accelerator {:?}",
        probe::accelerator(&kernel.image)
    ));
    let cmdline = format!("initnet.init={} {words}", guest::PAYLOAD);
    say(&format!("booting with {cmdline}"));
    let mut vm = Vm::builder(&kernel)
        .initrd(image)
        .cmdline(cmdline.trim())
        .nic("port0", MAC)
        .echo("vm | ")
        .start(&lab)?;
    let routable = vm.wait_for_line("the machine is routable", BOOT);
    let off = vm.wait_exit(if routable.is_ok() {
        BOOT
    } else {
        Duration::ZERO
    });

    println!();
    say("what dnsmasq saw");
    let messages = ["DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK"];
    for message in messages {
        println!("       {message} {}", dnsmasq.count(message));
    }
    let result = routable.and(off);
    if result.is_err() {
        lab.report_failure();
    }
    result
}

fn say(text: &str) {
    println!("demo: {text}");
}
