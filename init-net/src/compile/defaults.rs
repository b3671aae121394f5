//! The only file that knows a default.

use crate::config::WaitLevel;
use crate::value::Duration;

/// Metric of a route when nothing is said (the field's default).
pub const ROUTE_METRIC: u32 = 1024;

/// How long a boot waits for its wait level before it hands off anyway.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// How long a boot waits for the first carrier on any link: slow autonegotiation takes about 3 s, the value is that of
/// dracut and NetworkManager in the initramfs. The supervisor keeps listening afterwards.
pub const CARRIER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a boot waits for.
pub const WAIT: WaitLevel = WaitLevel::Routable;

/// Total time for a platform or a config URL that was named explicitly.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(50);

/// Client identifier of RFC 2132 §9.14 with the hardware type in front: Ethernet.
pub const CLIENT_ID_ETHERNET: u8 = 1;
