//! Attributes: of a received message, where what cannot be read is skipped and the rest stays; and [`Writer`], for those
//! that the message crates have no type for.

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

/// Attributes as bytes.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Appends an attribute whose value is what `write` appends. One whose length its header cannot hold is left out;
    /// nothing of ours comes near (options are bounded types, lists have limits).
    pub(super) fn push(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.extend([0; HEADER]);
        write(&mut self.0);
        let length = u16::try_from(self.0.len() - start);
        let header = self.0.get_mut(start..start + HEADER);
        let (Ok(length), Some([l0, l1, k0, k1])) = (length, header) else {
            self.0.truncate(start);
            return;
        };
        [*l0, *l1] = length.to_ne_bytes();
        [*k0, *k1] = kind.to_ne_bytes();
        // NLA_ALIGN: the next attribute starts at a multiple of four.
        self.0.resize(self.0.len().next_multiple_of(HEADER), 0);
    }

    /// Appends an attribute that holds others.
    pub(super) fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.push(kind, |bytes| bytes.extend(inner.0));
    }

    /// The attributes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A native-endian number of exactly four bytes.
pub(super) fn u32_of(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// A native-endian number of exactly two bytes.
pub(super) fn u16_of(value: &[u8]) -> Option<u16> {
    value.try_into().ok().map(u16::from_ne_bytes)
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
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.push(3, |bytes| bytes.push(9));
        writer.nest(4, |nest| nest.push(1, |bytes| bytes.extend(b"ab")));
        // Longer than its header can say: left out, and nothing else with it.
        writer.push(5, |bytes| bytes.resize(bytes.len() + 70_000, 0));
        writer.push(6, |_| {});
        let bytes = writer.into_bytes();
        check(&bytes, &[(3, &[9]), (4, b"\x06\0\x01\0ab\0\0"), (6, &[])]);
    }

    #[test]
    fn texts_are_printable() {
        assert_eq!(text_of(b"eth0\0\0"), "eth0");
        assert_eq!(text_of(b"a\x1b[31m"), "a\u{fffd}[31m");
        assert_eq!(text_of(b"\xff"), "\u{fffd}");
    }
}
