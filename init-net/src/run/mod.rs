//! When things happen, and doing them.
//!
//! [`core`] decides: a pure `step(Event, now) -> Vec<Effect>` that a test can replay. [`shell`] does: one poll(2) loop
//! that turns readiness into events and performs effects. [`boot`] is the story of a boot on one screen,
//! [`supervise`] what stays, [`handoff`] the way between them.

pub mod apply;
pub mod bells;
pub mod boot;
mod cache;
pub mod change;
pub mod connections;
pub mod control;
pub mod core;
pub mod doctor;
mod explain;
pub mod explain_packet;
pub mod facts;
pub mod generic;
pub mod graph;
pub mod handoff;
mod ibft;
pub mod kernel;
pub mod kinds;
pub mod live;
pub mod managed;
pub mod media;
pub mod metadata_folder;
pub mod metrics;
pub mod modules;
pub mod nftables;
pub mod notify;
pub mod observe;
pub mod offline;
pub mod offline_platform;
pub mod outgoing;
pub mod privileges;
pub mod process;
mod reachable;
pub mod remote;
pub mod report;
pub mod rtnetlink;
pub mod sample;
mod saving;
pub mod shell;
pub mod slots;
mod sockets;
pub mod sources;
pub mod state_file;
pub mod supervise;
mod trust;
pub mod upgrade;
mod vip_sockets;
pub mod wait;
mod wanted;
pub mod watch;

pub use crate::config::WaitLevel;

/// Where the state, the report, the control socket and the rendered files live (DESIGN §4).
pub const RUN_DIR: &str = "/run/init-net";

/// What only prints ends with its reader: `init-net get links | head -n 1`.
pub fn end_with_the_reader() {
    // Without it a closed pipe is an error when something is printed, as everywhere.
    let _ignored = crate::sys::signal::end_on_closed_pipe();
}

/// A fault of the sources for the log: an error whole, the rest as one line (`check` and the report have it all).
pub fn log_diagnostic(diagnostic: &crate::config::Diagnostic) {
    use crate::config::Severity;
    let text = diagnostic.to_string();
    match diagnostic.severity {
        Severity::Error => text.lines().for_each(|line| log::error!("{line}")),
        Severity::Warning => log::warn!("{}", text.lines().next().unwrap_or_default()),
        Severity::Note => log::info!("{}", text.lines().next().unwrap_or_default()),
    }
}

/// What failed is logged, and nothing else becomes of it.
fn log_if(result: Result<(), String>) {
    if let Err(error) = result {
        log::error!("{error}");
    }
}
