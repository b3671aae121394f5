//! What the lab has for addresses that one of several machines has: a network whose cables can be pulled, one who keeps asking
//! for the address and writes down who answers, and a capture that others decode.

mod capture;
mod client;
mod observer;
mod segment;
mod timeline;

pub use capture::Advert;
pub use capture::Capture;
pub use client::Client;
pub use observer::Observer;
pub use segment::Segment;
pub use segment::Station;
pub use timeline::Event;
pub use timeline::Seen;
pub use timeline::Span;
pub use timeline::Timeline;
