//! The program itself, as it was built, on a machine of its own: network, host name, `/etc` and `/run` belong to one
//! test; a lab with real peers is at the other end of its cables.

mod change;
mod commands;
mod conflict;
mod control;
mod crash;
mod dhcp6;
mod doctor;
mod drift;
mod files;
mod firewall;
mod firewall_guard;
mod foreign;
mod hostile;
mod https;
mod kea;
mod lease;
mod machine;
mod metadata;
mod process;
mod read_only;
mod repair;
mod resources;
mod restart;
mod routers;
mod slots;
mod statics;
mod survives;
mod traffic;
mod vip;
mod watch;
