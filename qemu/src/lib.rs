//! The lab: real kernels in virtual machines, network namespaces, real and scripted peers.
//!
//! ```text
//!   test or demo
//!      │ Lab::new("dhcp")                 one namespace, one folder under target/lab, evidence for a failure
//!      ├── namespace   bridges, veth pairs, taps; gone with the last file descriptor
//!      ├── peer        dnsmasq, kea (real) · dhcp (scripted, may be late or hostile) · http (metadata, configs) ·
//!      │               relay (a cable that loses, delays and doubles) · pods (connected by real CNI plugins)
//!      ├── traffic     packets built by hand, and a stranger who is all of the network at the end of a cable
//!      ├── vip         machines on one network, one who asks who has a shared address, a capture that others judge
//!      ├── trace       a program that is killed after its n-th system call
//!      ├── guest       the image: init-net, busybox, modules, a script or a session with real tools
//!      ├── vm          command (topology → argv, pure) → QEMU; serial log; carrier and new cards by QMP; killed on drop
//!      ├── session     a script into a running guest, status and output out
//!      └── diagnostics on failure: serial log, peers' logs, argv, under target/lab/failures
//! ```
//!
//! Nothing stays behind: namespaces have no name and live as long as a descriptor, and every child dies with the
//! thread that started it, even when that is killed with SIGKILL.
//!
//! Needs root for namespaces, and what `scripts/setup` fetches. Something missing is an error, never a skipped test.

pub mod artefacts;
mod cable;
mod clock;
pub mod command;
pub mod diagnostics;
mod error;
pub mod guest;
mod lab;
mod log;
mod monitor;
pub mod namespace;
pub mod peer;
pub mod probe;
pub mod process;
pub mod session;
pub mod trace;
pub mod traffic;
pub mod vip;
pub mod vm;

pub use clock::Deadline;
pub use error::Error;
pub use error::Result;
pub use lab::Lab;
pub use log::Log;
pub use namespace::Namespace;
pub use session::Session;
pub use vm::Vm;
