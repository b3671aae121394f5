//! Who the machine under test talks to: real servers, and scripted ones for what real servers do not do on request.

pub mod authority;
pub mod dhcp;
pub mod dnsmasq;
pub mod etcd;
pub mod http;
mod kea;
pub mod kea4;
pub mod kea6;
pub mod keepalived;
pub mod metadata;
pub mod pods;
pub(crate) mod program;
pub mod radvd;
pub mod relay;
pub(crate) mod stop;
pub mod tls;
pub mod vipapi;

pub use authority::Authority;
pub use dhcp::DhcpServer;
pub use dnsmasq::Dnsmasq;
pub use etcd::Etcd;
pub use http::HttpServer;
pub use kea4::Kea4;
pub use kea6::Kea6;
pub use keepalived::Keepalived;
pub use metadata::MetadataServer;
pub use pods::Pods;
pub use radvd::Radvd;
pub use relay::Relay;
pub use tls::TlsFront;
pub use vipapi::VipApi;
