//! init-net: the network half of an immutable OS's init.
//!
//! The tree is the pipeline: folders are stages in the order data flows, file names are resources, the same in every
//! stage.
//!
//! ```text
//!  text ───► config ─┐                        ┌─► state ◄──────────────┐
//!                    ├──► compile ──► Desired ┤                        │
//!  frames ─► proto ──┘        ▲               └──► plan ──► Vec<Op> ──► wire ──► sys ──► kernel
//!              ▲              │ names               ▲                   │                  │
//!            time         Observed ─────────────────┴───────────────────┘◄─────────────────┘
//!                                run/core decides when · run/shell does it · main prints
//! ```
//!
//! Invariants that are checked by tests: an import that breaks the table of `tests/tidy.rs` fails; `plan` is a
//! function and the second plan is empty; only objects with protocol 73 are changed or removed; time and chance are
//! arguments; input never panics. `init-net/README.md` has the rest.
//!
//! Read in this order: `run/boot.rs` (the story of a boot), `plan/order.rs` (what happens before what, and why),
//! `config/cmdline/ip.rs`, `proto/dhcp4/mod.rs`.

pub mod cli;
pub mod compile;
pub mod config;
pub mod plan;
pub mod proto;
pub mod run;
pub mod state;
#[allow(unsafe_code)]
pub mod sys;
pub mod value;
pub mod wire;
