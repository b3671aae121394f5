//! The program itself, as it was built, on a machine of its own: network, host name, `/etc` and `/run` belong to one
//! test; a lab with real peers is at the other end of its cables.

mod commands;
mod conflict;
mod dhcp6;
mod foreign;
mod lease;
mod machine;
mod metadata;
mod read_only;
mod repair;
mod restart;
mod routers;
mod statics;
mod watch;
