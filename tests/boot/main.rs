//! Real boots: a distribution kernel in a virtual machine, the image as it ships, real servers.
//!
//! What a guest knows is asked from the kernel with busybox's ip(8) and from the files, not from init-net, so that a
//! fault of init-net's own tables cannot hide another. Each test fails with its logs in target/lab/failures.

#![allow(clippy::unwrap_used)]

mod bench;
mod bonds;
mod cached;
mod carrier;
mod checks;
mod clouds;
mod config;
mod dhcp;
mod drift;
mod ethernet;
mod guest;
mod handoff;
mod ipv6;
mod json;
mod kinds;
mod machine;
mod media;
mod process;
mod routes;
mod scale;
mod slots;
mod stacks;
mod statics;
mod traffic;
mod vips;
mod wireguard;
