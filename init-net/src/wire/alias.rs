//! IFLA_IFALIAS: a name of our own beside the kernel's.

use super::body::Body;
use super::message::{WireError, kind, request};
use crate::state::LinkAt;
use crate::value::LinkName;

/// IFLA_IFALIAS, include/uapi/linux/if_link.h.
const IFALIAS: u16 = 20;

/// `None` takes the alias away: one of length 0 (`dev_set_alias`, net/core/dev.c).
pub(super) fn set(link: &LinkAt, alias: Option<&LinkName>, seq: u32) -> Result<Vec<u8>, WireError> {
    // `struct ifinfomsg`: family, type, index, flags and the flags to change.
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&link.index.to_ne_bytes());
    let mut body = Body::new(&fixed);
    body.put(
        IFALIAS,
        alias.map_or(&[][..], |alias| alias.as_str().as_bytes()),
    );
    request(kind::RTM_NEWLINK, 0, seq, &body)
}
