//! What nft(8) keeps for itself with a rule, a set or an element: the kernel stores it and does not read it. A chain of
//! type, length, value, a byte each for the first two (`struct nftnl_udata`, libnftnl).

use super::MAX_COMMENT;
use super::buffer::Buffer;

/// NFTNL_UDATA_RULE_COMMENT, NFTNL_UDATA_SET_ELEM_COMMENT.
const COMMENT: u8 = 0;
/// NFTNL_UDATA_SET_ELEM_FLAGS: a word in the machine's order.
const ELEMENT_FLAGS: u8 = 1;
/// SET_ELEM_F_INTERVAL_OPEN: the range goes to the highest value there is, and no element ends it.
const OPEN: u32 = 1;
/// NFTNL_UDATA_SET_KEYBYTEORDER: a word in the machine's order.
const KEY_ORDER: u8 = 0;

/// How keys of a set are to be read (`enum byteorder` of nft(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// Each part has its own.
    Mixed = 0,
    /// As the machine has it: names.
    Host = 1,
    /// As on the wire.
    Network = 2,
}

/// Puts a comment, and for an element whether its range has no end. Nothing where neither is said.
pub(super) fn put(buffer: &mut Buffer, kind: u16, comment: Option<&str>, open: bool) {
    let mut bytes = Vec::new();
    if let Some(comment) = comment {
        // Its length was checked: with the NUL it fits a byte.
        let length = u8::try_from(comment.len().min(MAX_COMMENT) + 1).unwrap_or(u8::MAX);
        bytes.extend_from_slice(&[COMMENT, length]);
        bytes.extend(comment.bytes().take(MAX_COMMENT));
        bytes.push(0);
    }
    if open {
        bytes.extend_from_slice(&[ELEMENT_FLAGS, 4]);
        bytes.extend_from_slice(&OPEN.to_ne_bytes());
    }
    if !bytes.is_empty() {
        buffer.put(kind, &bytes);
    }
}

/// Puts in which order the keys of a set are.
pub(super) fn put_key_order(buffer: &mut Buffer, kind: u16, order: ByteOrder) {
    let [a, b, c, d] = (order as u32).to_ne_bytes();
    buffer.put(kind, &[KEY_ORDER, 4, a, b, c, d]);
}

/// The comment in it, as it is written. `None`: there is none, or it is cut short.
pub(super) fn comment(mut bytes: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = bytes {
        let (value, next) = rest.split_at_checked(usize::from(*length))?;
        if *kind == COMMENT {
            return Some(super::super::attribute::text_of(value));
        }
        bytes = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::attribute::attributes;

    #[test]
    fn a_comment_reads_back_from_among_others() {
        let mut buffer = Buffer::default();
        put(&mut buffer, 7, Some("a b"), true);
        put(&mut buffer, 7, None, false);
        let bytes = buffer.into_bytes().unwrap();
        let all: Vec<_> = attributes(&bytes).collect();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].1[..8], [0, 4, b'a', b' ', b'b', 0, 1, 4]);
        assert_eq!(comment(all[0].1).as_deref(), Some("a b"));
        assert_eq!(
            comment(&[1, 4, 1, 0, 0, 0, 0, 2, b'x', 0]).as_deref(),
            Some("x")
        );
        assert_eq!(comment(&[0, 9, b'x']), None);
        assert_eq!(comment(&[]), None);
    }
}
