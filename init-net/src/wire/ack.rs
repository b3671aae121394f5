//! NLMSG_ERROR: acknowledgements and refusals, with the text of the extended ACK.

use core::fmt;

use super::attribute::{attributes, text_of, u32_of};

/// NLMSGERR_ATTR_MSG, include/uapi/linux/netlink.h.
const ATTR_MSG: u16 = 1;
/// NLMSGERR_ATTR_OFFS.
const ATTR_OFFS: u16 = 2;
/// `nlmsg_flags` bit: the request is echoed without its payload.
const F_CAPPED: u16 = 0x100;
/// `nlmsg_flags` bit: TLVs follow.
const F_ACK_TLVS: u16 = 0x200;
/// The echoed `struct nlmsghdr` after the error number, bytes.
const ECHOED_HEADER: usize = 16;

/// Why the kernel refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Positive `errno`.
    pub errno: i32,
    /// What the kernel says about it; empty where it says nothing.
    pub text: String,
    /// Byte offset of the attribute that is meant, in the request.
    pub offset: Option<u32>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = std::io::Error::from_raw_os_error(self.errno);
        if self.text.is_empty() {
            write!(f, "{error}")
        } else {
            write!(f, "{}: {error}", self.text)
        }
    }
}

impl std::error::Error for Refusal {}

/// `Ok` is an acknowledgement. `None` when too short to hold even the number.
pub(super) fn parse(flags: u16, payload: &[u8]) -> Option<Result<(), Refusal>> {
    let number = i32::from_ne_bytes(payload.get(..4)?.try_into().ok()?);
    if number == 0 {
        return Some(Ok(()));
    }
    let mut refusal = Refusal {
        errno: number.saturating_neg(),
        text: String::new(),
        offset: None,
    };
    for (kind, value) in attributes(tlvs(flags, payload)) {
        match kind {
            ATTR_MSG => refusal.text = text_of(value),
            ATTR_OFFS => refusal.offset = u32_of(value),
            _ => {}
        }
    }
    Some(Err(refusal))
}

/// The TLVs follow the error number, the echoed header, and, unless capped, the echoed payload.
fn tlvs(flags: u16, payload: &[u8]) -> &[u8] {
    if flags & F_ACK_TLVS == 0 {
        return &[];
    }
    let echoed = if flags & F_CAPPED != 0 {
        ECHOED_HEADER
    } else {
        let length = payload.get(4..8).and_then(u32_of).unwrap_or(u32::MAX);
        usize::try_from(length).unwrap_or(usize::MAX)
    };
    let start = echoed
        .checked_next_multiple_of(4)
        .and_then(|n| n.checked_add(4));
    start
        .and_then(|start| payload.get(start..))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echoed(length: u32, extra: &[u8]) -> Vec<u8> {
        let mut payload = (-17i32).to_ne_bytes().to_vec();
        payload.extend(length.to_ne_bytes());
        payload.extend([0; 12]);
        payload.extend(extra);
        payload
    }

    #[track_caller]
    fn check(flags: u16, payload: &[u8], expect: Option<(i32, &str, Option<u32>)>) {
        let refusal = parse(flags, payload).and_then(Result::err);
        let found = refusal
            .as_ref()
            .map(|r| (r.errno, r.text.as_str(), r.offset));
        assert_eq!(found, expect);
    }

    #[test]
    fn texts_and_offsets() {
        let tlvs = [7, 0, 1, 0, b'h', b'i', 0, 0, 8, 0, 2, 0, 28, 0, 0, 0];
        check(
            F_CAPPED | F_ACK_TLVS,
            &echoed(52, &tlvs),
            Some((17, "hi", Some(28))),
        );
        check(F_CAPPED, &echoed(52, &tlvs), Some((17, "", None)));
        let whole = [&[0xaa; 4][..], &tlvs].concat();
        check(F_ACK_TLVS, &echoed(20, &whole), Some((17, "hi", Some(28))));
        check(F_ACK_TLVS, &echoed(u32::MAX, &tlvs), Some((17, "", None)));
        check(0, &[0, 0, 0, 0], None);
        assert_eq!(parse(0, &[0, 0, 0, 0]), Some(Ok(())));
        assert_eq!(parse(0, &[0, 0, 0]), None);
        check(0, &i32::MIN.to_ne_bytes(), Some((i32::MAX, "", None)));
    }
}
