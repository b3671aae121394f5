//! VRRP: which of several machines has an address. RFC 9568 (version 3) and RFC 3768 (version 2).

mod settings;

pub use settings::{Event, Local, Notice, Settings, Transmit, Why};
