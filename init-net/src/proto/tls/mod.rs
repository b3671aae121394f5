//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446) without sockets: bytes in, bytes out.
//!
//! [`Trust`] is whom to believe: the roots of the web, and what the image adds, or just those that the configuration says; and
//! who this machine is to servers that ask. It makes one [`Session`] a connection, which
//! stands between the connection's bytes and those of the protocol above. The wall clock is an argument, and never believed to
//! be earlier than the build of this program. Keys come from the kernel's generator (getrandom(2)), which waits until it has
//! been seeded.

mod error;
mod identity;
mod session;
#[cfg(test)]
pub(in crate::proto) mod tests;
mod trust;

pub use error::Error;
pub use session::Session;
pub use trust::{Peer, Read, Trust};
