//! Packets of one's own making: built by hand, from any address, and whatever comes back.

mod packet;
mod stranger;

pub use packet::Body;
pub use packet::Packet;
pub use packet::icmp;
pub use packet::tcp;
pub use stranger::Stranger;
