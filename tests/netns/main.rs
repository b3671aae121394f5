//! The real kernel, a fresh network namespace for every test. Needs root and ip(8); a test that cannot run fails.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bells;
mod dhcp6;
mod firewall_text;
mod nftables;
mod packet;
mod program;
mod rtnetlink;
mod settle;
mod system;

use tests::namespace;
