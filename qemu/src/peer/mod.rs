//! Who the machine under test talks to: real servers, and scripted ones for what real servers do not do on request.

pub mod dhcp;
pub mod dnsmasq;
pub mod http;
pub mod kea;
pub mod radvd;
mod stop;

pub use dhcp::DhcpServer;
pub use dnsmasq::Dnsmasq;
pub use http::HttpServer;
pub use kea::Kea;
pub use radvd::Radvd;
