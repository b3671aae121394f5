//! Attributes of a received message: what cannot be read is skipped, the rest stays.

use core::net::IpAddr;

use netlink_packet_core::NlasIterator;

/// The attributes of `body` as (type, value); ends at the first one whose length is wrong.
pub(super) fn attributes(body: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(body).map_while(|attribute| {
        let attribute = attribute.ok()?;
        // Not `value()`: it borrows from the iterator's item instead of from `body`.
        let kind = attribute.kind();
        let length = usize::from(attribute.length());
        Some((kind, attribute.into_inner().get(HEADER..length)?))
    })
}

/// `struct nlattr`, bytes.
const HEADER: usize = 4;

/// A native-endian number of exactly four bytes.
pub(super) fn u32_of(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// A single byte.
pub(super) fn u8_of(value: &[u8]) -> Option<u8> {
    match value {
        [byte] => Some(*byte),
        _ => None,
    }
}

/// An address; its length says its family.
pub(super) fn address_of(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
}

/// A text, up to its NUL; control characters and broken UTF-8 are replaced, since texts reach logs.
pub(super) fn text_of(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default())
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &[u8], expect: &[(u16, &[u8])]) {
        assert_eq!(attributes(body).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_wrong_length_ends_the_walk_and_keeps_what_came_before() {
        check(&[], &[]);
        check(&[5, 0, 3, 0, 9, 0, 0, 0], &[(3, &[9])]);
        check(&[4, 0, 3, 0], &[(3, &[])]);
        check(&[5, 0, 3, 0, 9, 0, 0, 0, 3, 0, 1, 0], &[(3, &[9])]);
        check(&[5, 0, 3, 0, 9, 0, 0, 0, 99, 0, 1, 0], &[(3, &[9])]);
        // The nested bit is not part of the type.
        check(&[8, 0, 3, 0x80, 1, 2, 3, 4], &[(3, &[1, 2, 3, 4])]);
    }

    #[test]
    fn texts_are_printable() {
        assert_eq!(text_of(b"eth0\0\0"), "eth0");
        assert_eq!(text_of(b"a\x1b[31m"), "a\u{fffd}[31m");
        assert_eq!(text_of(b"\xff"), "\u{fffd}");
    }
}
