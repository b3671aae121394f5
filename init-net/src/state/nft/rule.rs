//! [`Rule`]: what has to be so of a packet, and what becomes of it.

use super::Datum;
use crate::state::Family;
use crate::value::{Prefix, named};

/// A rule. Its parts stand in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All have to be so.
    pub matches: Vec<Match>,
    /// And no more than so many.
    pub limit: Option<Limit>,
    /// What comes this far is counted.
    pub counter: bool,
    /// And logged.
    pub log: Option<Log>,
    /// And this becomes of it.
    pub verdict: Verdict,
    /// Name of the rule it stands for, at most 127 bytes (`NFTNL_UDATA_COMMENT_MAXLEN`).
    pub comment: Option<String>,
}

/// Something that is so of a packet or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// A field is compared.
    Is {
        /// Which.
        field: Field,
        /// How.
        test: Test,
    },
    /// One or more fields are looked up.
    In {
        /// Which, in the order of the set's key.
        fields: Vec<Field>,
        /// Name of the set.
        set: String,
        /// It is not in it.
        not: bool,
    },
    /// Read from the kernel, and nothing that this program writes.
    Foreign(String),
}

/// What is compared, and how nft(8) calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `iifname`: 16 bytes.
    Iifname,
    /// `oifname`: 16 bytes.
    Oifname,
    /// `meta nfproto`: 1 byte, 2 for IPv4 and 10 for IPv6.
    NfProto,
    /// `meta l4proto`: 1 byte.
    L4Proto,
    /// `ct state`: a word of bits.
    CtState,
    /// `ct status`: a word of bits.
    CtStatus,
    /// `ip saddr`, `ip6 saddr`. Without [`Field::NfProto`] before it, bytes of the other family are compared.
    Saddr(Family),
    /// `ip daddr`, `ip6 daddr`.
    Daddr(Family),
    /// `ip ttl`, `ip6 hoplimit`: 1 byte.
    HopLimit(Family),
    /// `th sport`: 2 bytes. Without [`Field::L4Proto`] before it, bytes of another protocol are compared.
    Sport,
    /// `th dport`: 2 bytes.
    Dport,
    /// `icmp type`, `icmpv6 type`: 1 byte.
    IcmpType(Family),
    /// `icmp code`, `icmpv6 code`: 1 byte.
    IcmpCode(Family),
    /// `fib daddr type`: a word, RTN_LOCAL and so on. An address of a link in a VRF is in the table of that, and not local here.
    DaddrType,
    /// `fib daddr . iif type`: the same for the link by which the packet comes in; an address of another link is not local here.
    DaddrTypeByIif,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is this. A link's name that is shorter than 16 bytes: it starts with this.
    Eq(Datum),
    /// It is not this.
    Ne(Datum),
    /// From the first to the second, both included.
    Between(Datum, Datum),
    /// Not from the first to the second.
    Outside(Datum, Datum),
    /// Inside of this network.
    Inside(Prefix),
    /// Not inside of this network.
    NotInside(Prefix),
    /// One of these bits is set.
    AnyOf(u32),
    /// None of these bits is set.
    NoneOf(u32),
}

/// Bits of `ct state` (NF_CT_STATE_BIT, include/uapi/linux/netfilter/nf_conntrack_common.h).
pub mod ct {
    /// Belongs to no connection.
    pub const INVALID: u32 = 1;
    /// Seen in both directions.
    pub const ESTABLISHED: u32 = 2;
    /// Begins one that an established one expects; or an error about one.
    pub const RELATED: u32 = 4;
    /// Begins one.
    pub const NEW: u32 = 8;
    /// Is not tracked: neighbour discovery, and what was told not to be.
    pub const UNTRACKED: u32 = 64;

    /// Bit of `ct status`: its destination was another one (IPS_DST_NAT, same file).
    pub const DNAT: u32 = 1 << 5;
}

/// `limit rate RATE/UNIT burst BURST packets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Packets a unit.
    pub rate: u64,
    /// The unit, seconds: 1, 60, 3600, 86,400.
    pub unit: u64,
    /// Packets at once.
    pub burst: u32,
}

/// `log prefix "…"`, at level `info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// At most 127 bytes (NF_LOG_PREFIXLEN), printable.
    pub prefix: String,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the next chain of the hook.
    Accept,
    /// It is dropped.
    Drop,
    /// It is dropped, and the sender is told.
    Reject(Reject),
    /// The rules of another chain, then the next rule here.
    Jump(String),
    /// Back to where the jump came from, or to the policy.
    Return,
    /// The next rule: for counting and logging.
    Continue,
}

named! {
    /// How the sender is told: type and code of the `reject` expression, as type × 256 + code.
    pub enum Reject: u16 {
        /// NFT_REJECT_TCP_RST.
        TcpReset = 256 "tcp reset",
        /// NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH.
        PortUnreachable = 513 "icmpx type port-unreachable",
        /// NFT_REJECT_ICMPX_ADMIN_PROHIBITED.
        AdminProhibited = 515 "icmpx type admin-prohibited",
    }
}
