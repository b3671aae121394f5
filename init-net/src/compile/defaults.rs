//! The only file that knows a default.

use crate::config::WaitLevel;
use crate::value::Duration;

/// Metric of a route when nothing is said (the field's default).
pub const ROUTE_METRIC: u32 = 1024;

/// Metric of a default route of IPv6 that a cloud describes without one: behind what a router advertises, which the kernel
/// gives 1024 (IP6_RT_PRIO_USER, include/net/ip6_route.h).
pub const CLOUD_METRIC6: u32 = 2048;

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

/// How often a bond looks at the carrier of its members when neither monitor is said, milliseconds: the value that the
/// bonding driver itself takes in the modes that cannot do without (BOND_DEFAULT_MIIMON).
pub const BOND_MIIMON: u32 = 100;

/// How often a probe runs (the field's default).
pub const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How long one attempt of a probe may take (the field's default).
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// What a made-up host name starts with.
pub const HOSTNAME_PREFIX: &str = "node";

/// Between two advertisements of a shared address: another machine has it 0.6 to 0.8 s after the last of them.
pub const VRRP_INTERVAL: Duration = Duration::from_millis(200);

/// The same where version 2 is spoken, which counts in seconds.
pub const VRRP_INTERVAL_V2: Duration = Duration::from_secs(1);

/// Priority of a machine of which nothing is said (RFC 9568 §6.1).
pub const VRRP_PRIORITY: u8 = 100;

/// How long a machine of more priority waits before it takes a shared address from another.
pub const VRRP_PREEMPT_DELAY: Duration = Duration::from_secs(30);

/// For how long a machine that still answers for a shared address keeps it, though it advertises no more: longer than the
/// kernel keeps it without a supervisor.
pub const VIP_GUARD: Duration = Duration::from_secs(5);

/// What is put before a shared address for the key that etcd elects by: what the field uses, so that machines of either kind
/// are in one election.
pub const ETCD_ELECTION: &str = "talos:v1:vip:election:";

/// How long etcd keeps a shared address for an owner that is gone: a sixth of what the field has.
pub const ETCD_TTL: Duration = Duration::from_secs(10);

/// How often a shared address is checked, how long an answer may take, and how many results in a row count: a service that is
/// gone is known for sure after 0.95 s at most.
pub const VIP_CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// See [`VIP_CHECK_INTERVAL`].
pub const VIP_CHECK_TIMEOUT: Duration = Duration::from_millis(200);
/// See [`VIP_CHECK_INTERVAL`].
pub const VIP_CHECK_FALL: u32 = 3;
/// See [`VIP_CHECK_INTERVAL`].
pub const VIP_CHECK_RISE: u32 = 2;
