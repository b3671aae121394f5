//! nf_tables over netlink: our table to one batch, what the kernel shows of it back to the same table, and which notices
//! concern it. Numbers are those of include/uapi/linux/netfilter/nf_tables.h, and big-endian on the wire.
//!
//! ```text
//!  FirewallOp ──► batch (set, rule ──► expression) ──► one datagram, and what each message in it is about
//!  dumps ──► read (set, rule ◄── expression) ──► TableStatus
//!  notices ──► notice: does it concern us?
//! ```

mod batch;
mod buffer;
mod expression;
mod notice;
mod read;
mod rule;
mod set;
#[cfg(test)]
mod tests;
mod user_data;

pub use batch::{Encoded, Objection, Subject, encode};
pub use notice::{GROUP, noticed};
pub use read::{Part, Reading};

/// Messages, `enum nf_tables_msg_types`, with NFNL_SUBSYS_NFTABLES above them (include/uapi/linux/netfilter/nfnetlink.h).
pub(super) mod kind {
    const SUBSYSTEM: u16 = 10 << 8;
    pub const NEW_TABLE: u16 = SUBSYSTEM;
    pub const GET_TABLE: u16 = SUBSYSTEM | 1;
    pub const DELETE_TABLE: u16 = SUBSYSTEM | 2;
    pub const NEW_CHAIN: u16 = SUBSYSTEM | 3;
    pub const GET_CHAIN: u16 = SUBSYSTEM | 4;
    pub const NEW_RULE: u16 = SUBSYSTEM | 6;
    pub const GET_RULE: u16 = SUBSYSTEM | 7;
    pub const NEW_SET: u16 = SUBSYSTEM | 9;
    pub const GET_SET: u16 = SUBSYSTEM | 10;
    pub const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
    pub const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
    pub const NEW_GENERATION: u16 = SUBSYSTEM | 15;
    pub const GET_GENERATION: u16 = SUBSYSTEM | 16;

    /// NFNL_MSG_BATCH_BEGIN and _END.
    pub const BATCH_BEGIN: u16 = 16;
    pub const BATCH_END: u16 = 17;
}

/// `struct nfgenmsg`: family, version, resource id; bytes.
pub(super) const HEADER: usize = 4;

/// NFPROTO_INET, include/uapi/linux/netfilter.h.
pub(super) const INET: u8 = 1;

/// NFTA_TABLE_*.
pub(super) mod table {
    pub const NAME: u16 = 1;
    pub const FLAGS: u16 = 2;
    pub const USE: u16 = 3;
}

/// NFTA_CHAIN_*.
pub(super) mod chain {
    pub const TABLE: u16 = 1;
    pub const NAME: u16 = 3;
    pub const HOOK: u16 = 4;
    pub const POLICY: u16 = 5;
    pub const TYPE: u16 = 7;
}

/// NFTA_HOOK_*.
pub(super) mod hook {
    pub const NUMBER: u16 = 1;
    pub const PRIORITY: u16 = 2;
    /// Of a chain that hangs on links.
    pub const DEVICE: u16 = 3;
    pub const DEVICES: u16 = 4;
}

/// NFTA_LIST_ELEM.
const LIST_ELEMENT: u16 = 1;

/// NFTA_DATA_VALUE, and NFTA_DATA_VERDICT.
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;

/// NFT_USERDATA_MAXLEN bounds all of it; this is what nft(8) takes of a comment (NFTNL_UDATA_COMMENT_MAXLEN), bytes.
const MAX_COMMENT: usize = 127;

/// NFT_NAME_MAXLEN without its NUL, bytes.
const MAX_NAME: usize = 255;

/// NF_LOG_PREFIXLEN without its NUL, bytes.
const MAX_LOG_PREFIX: usize = 127;

/// A number of four bytes as nf_tables has it.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// One of eight.
fn long(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// A text without the NUL that it ends with, as it is; `None`: not UTF-8.
fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
}
