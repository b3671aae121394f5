//! Leaf vocabulary: small values with one constructor each. Imports nothing of ours.
//!
//! A value that exists is valid (parse, don't validate). Everything here is plain data; time and chance
//! ([`Instant`], [`Rng`]) are values as well and are handed in from outside.

mod glob;
mod hostname;
mod layer;
mod link_name;
mod mac;
mod mtu;
mod origin;
mod prefix;
mod rng;
mod route_table;
mod time;
mod vlan_id;

pub use glob::{Glob, GlobError};
pub use hostname::{Hostname, HostnameError};
pub use layer::Layer;
pub use link_name::{LinkName, LinkNameError};
pub use mac::{Mac, MacError};
pub use mtu::{Mtu, MtuError};
pub use origin::{Origin, Span};
pub use prefix::{Prefix, PrefixError, prefix_len_from_netmask};
pub use rng::Rng;
pub use route_table::{RouteTable, RouteTableError};
pub use time::{Duration, Instant, earliest};
pub use vlan_id::{VlanId, VlanIdError};
