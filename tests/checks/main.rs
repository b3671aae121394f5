//! Checks against a real kernel that need modules a host rarely has: `tests/boot/checks.rs` runs them in guests, where every
//! kind of link can be made. Each has a network namespace of its own, as the tests of `netns` have.
//!
//! `checks --list` prints their names, `checks [NAME…]` runs these or all: `ok NAME`, or `failed NAME` and why.
#![allow(clippy::unwrap_used, reason = "a check that cannot go on fails")]

mod bond;
mod card;
mod stack;
mod vlan;
mod wireguard;

use std::any::Any;
use std::panic::catch_unwind;
use std::process::ExitCode;

/// Functions as a table of names and functions, so that a check is named once.
macro_rules! checks {
    ($($module:ident::$check:ident,)+) => {
        [$((concat!(stringify!($module), "::", stringify!($check)), $module::$check as fn())),+]
    };
}

const CHECKS: [(&str, fn()); 11] = checks![
    bond::a_bond_changes_with_as_little_as_the_driver_asks_for,
    bond::every_option_of_every_mode_is_read_back,
    card::cards_join_and_leave_and_keep_nothing_of_it,
    stack::a_vlan_on_a_bond_in_a_bridge_and_a_vrf_settle,
    stack::ipvlan_and_wireguard,
    stack::vlans_of_ports_and_of_the_bridge,
    vlan::four_thousand_vlans,
    vlan::mtu_goes_from_the_bottom_up,
    vlan::vlans_stack_and_come_with_their_parents,
    wireguard::a_device_and_its_peers,
    wireguard::a_missing_family_is_named,
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted == ["--list"] {
        CHECKS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let is_known = |wanted: &&String| CHECKS.iter().any(|(name, _)| name == wanted);
    if let Some(unknown) = wanted.iter().find(|name| !is_known(name)) {
        eprintln!("no check {unknown}; checks --list has them");
        return ExitCode::FAILURE;
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut all_fine = true;
    for (name, check) in CHECKS.iter().filter(|(name, _)| is_wanted(name)) {
        match catch_unwind(check) {
            Ok(()) => println!("ok {name}"),
            Err(panic) => {
                all_fine = false;
                println!("failed {name}: {}", words(&*panic));
            }
        }
    }
    if all_fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
}
