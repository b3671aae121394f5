//! Text to [`Document`] and [`Diagnostic`]s. Needs nothing but the text: no file, no socket, no machine.
//!
//! Every parser here has the shape `fn parse(text, …) -> (Document, Vec<Diagnostic>)`: it never stops at the first
//! error, and one bad argument costs only itself. A [`Document`] holds what was said and nothing that was not:
//! "not said" is `None` or an empty list, defaults are filled in by `compile/defaults.rs`. Names stay symbolic
//! ([`LinkRef`]) until `compile` sees the links of the machine.

pub mod cmdline;
pub mod diagnostic;
mod document;
pub mod expression;
pub mod machine;
mod nearest;
pub mod netdata;
pub mod pin;
pub mod platform;
pub mod userdata;
pub mod variables;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use document::{
    AddressConfig, AutoHostname, AutoMethod, BondOption, BootConfig, ClientId, ConfigSource,
    DhcpTimeouts, Document, HostEntry, IfName, KindConfig, LinkConfig, LinkRef, OperatorConfig,
    RootConfig, RouteConfig, Said, WaitLevel,
};
