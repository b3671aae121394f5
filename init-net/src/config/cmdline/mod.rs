//! The kernel command line: one grammar, the union of dracut.cmdline(7), the kernel's `ip=` and the `talos.*` keys.
//!
//! ```text
//! text ─► words.rs ─► dispatch (here) ─► one file a key ─► Document
//!                                             └─► divergence.rs: who reads it differently
//! ```
//!
//! One bad argument costs itself and no other; where less than the argument can be given up (a name server, an MTU, a
//! bond option), less is. Keys compare with `-` and `_` equal. What only `compile` can know (does the link exist, can
//! the method be run) is not judged here.

mod anaconda;
mod argument;
mod bond;
mod boot;
mod bootdev;
mod bridge;
mod dhcp;
mod divergence;
mod fields;
mod foreign;
mod hostname;
mod ifname;
mod ip;
mod kernel;
mod long;
mod method;
mod nameserver;
mod platform;

mod reading;
mod route;
mod tail;
mod timeouts;
mod values;
mod vlan;
mod words;

use std::sync::Arc;

pub use fields::Field;
pub use words::{Word, words};

use self::argument::{Argument, Fault};
use self::method::Family;
use self::reading::Reading;
use super::diagnostic::{Diagnostic, Place, Severity};
use super::document::Document;
use crate::value::Span;

/// Longest command line that is read, bytes. COMMAND_LINE_SIZE is 4096 at most on Linux, 2048 on aarch64; a file given
/// to `check` may be longer. What is beyond is not read, and that is reported.
pub const MAX_LEN: usize = 64 * 1024;

/// Reads a kernel command line. `source` is the name that diagnostics show: `/proc/cmdline`.
///
/// Never fails: what cannot be read is told, and the rest applies.
pub fn parse(text: &str, source: &str) -> (Document, Vec<Diagnostic>) {
    let mut end = text.len().min(MAX_LEN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let source: Arc<str> = source.into();
    let mut reading = Reading::new();
    for word in words(text.get(..end).unwrap_or_default()) {
        if word.for_init {
            reading.document.boot.root.init_args.push(word.unquoted());
            continue;
        }
        let argument = Argument::new(word, source.clone());
        if let Some(result) = dispatch(&mut reading, &argument) {
            reading.settle(&argument, result);
        }
    }
    anaconda::finish(&mut reading);
    hostname::finish(&mut reading);
    bootdev::finish(&mut reading);
    dhcp::finish(&mut reading);
    boot::finish(&mut reading);
    platform::finish(&mut reading);
    let (document, mut diagnostics) = reading.finish();
    if end < text.len() {
        diagnostics.push(too_long(source, text.len()));
    }
    (document, diagnostics)
}

/// Hands an argument to the file of its key; `None` when it is none of ours.
fn dispatch<'a>(reading: &mut Reading<'a>, argument: &Argument<'a>) -> Option<Result<(), Fault>> {
    let key = argument.canonical_key();
    Some(match key.as_str() {
        "ip" | "nfsaddrs" => ip::parse(reading, argument, Family::Any),
        "ip6" => ip::parse(reading, argument, Family::V6),
        "nameserver" => nameserver::parse(reading, argument),
        "rd.route" => route::parse(reading, argument),
        "vlan" => vlan::parse(reading, argument),
        "bond" => bond::parse(reading, argument),
        "bridge" => bridge::parse(reading, argument),
        "team" => bridge::parse_team(reading, argument),
        "ifname" => ifname::parse(reading, argument),
        "bootdev" => bootdev::bootdev(reading, argument),
        "BOOTIF" => bootdev::bootif(reading, argument),
        "rd.bootif" => bootdev::rd_bootif(reading, argument),
        "rd.neednet" => bootdev::need_net(reading, argument),
        "rd.peerdns" => bootdev::peer_dns(reading, argument),
        "rd.net.dhcp.retry" => timeouts::retry(reading, argument),
        "rd.net.dhcp.vendor_class" | "dhcpclass" => dhcp::vendor_class(reading, argument),
        "rd.net.dhcp.client_id" => dhcp::client_id(reading, argument),
        "carrier_timeout" => timeouts::parse(reading, argument, "carrier"),
        "hostname" | "systemd.hostname" => {
            hostname::parse(reading, argument, hostname::FOREIGN_KEY)
        }
        "netmask" => piece(&mut reading.anaconda.netmask, argument),
        "gateway" => piece(&mut reading.anaconda.gateway, argument),
        "ksdevice" => piece(&mut reading.anaconda.device, argument),
        "mtu" => piece(&mut reading.anaconda.mtu, argument),
        "root" => kernel::root(reading, argument, false),
        "rootfstype" | "rootflags" | "init" => kernel::text(reading, argument, &key),
        "ro" => kernel::read_only(reading, argument, true),
        "rw" => kernel::read_only(reading, argument, false),
        "rootwait" => kernel::root_wait(reading, argument),
        "rootdelay" => kernel::root_delay(reading, argument),
        "panic" => kernel::panic(reading, argument),
        "ds" | "ci.ds" | "ignition.platform.id" => platform::hint(reading, argument, &key),
        _ => {
            if let Some(name) = key.strip_prefix("rd.net.timeout.") {
                timeouts::parse(reading, argument, name)
            } else if let Some(result) = boot::parse(reading, argument, &key) {
                result
            } else {
                foreign::note(reading, argument, &key);
                return None;
            }
        }
    })
}

fn piece<'a>(slot: &mut Option<Argument<'a>>, argument: &Argument<'a>) -> Result<(), Fault> {
    *slot = Some(argument.clone());
    Ok(())
}

fn too_long(source: Arc<str>, len: usize) -> Diagnostic {
    Diagnostic::new(Severity::Error, format!("a command line of {len} bytes"))
        .with_place(Place {
            source,
            position: format!("byte {MAX_LEN}"),
            text: String::new(),
            caret: Span::default(),
        })
        .with_fix("write a machine config for what is longer")
        .with_effect(format!("only the first {MAX_LEN} bytes are read"))
}

#[cfg(test)]
mod tests;
