//! [`Buffer`]: many messages in one run of bytes. Ten thousand rules are five megabytes: no message has a buffer of its own.

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

use super::HEADER;

/// `struct nlmsghdr`, bytes, and where its flags and its sequence number are.
const MESSAGE_HEADER: usize = 16;
const FLAGS: core::ops::Range<usize> = 6..8;

/// `struct nlattr`, bytes.
const ATTRIBUTE_HEADER: usize = 4;

/// NLA_F_NESTED, include/uapi/linux/netlink.h.
const NESTED: u16 = 1 << 15;

/// Messages one after the other. Cannot panic: what is too long for its header is known at the end.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Where the last message starts.
    start: usize,
    too_long: bool,
}

impl Buffer {
    /// One message. `resource` is in the last two bytes of its `struct nfgenmsg`.
    pub(super) fn message(
        &mut self,
        (kind, flags): (u16, u16),
        seq: u32,
        (family, resource): (u8, u16),
        fill: impl FnOnce(&mut Self),
    ) {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        let flags = NLM_F_REQUEST | flags;
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&seq.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        let start = self.start;
        fill(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(slot) = self.bytes.get_mut(start..start + 4) {
            slot.copy_from_slice(&length.to_ne_bytes());
        }
    }

    /// The last message is to be answered.
    pub(super) fn acknowledge_last(&mut self) {
        let flags = self.start + FLAGS.start..self.start + FLAGS.end;
        if let Some([f0, f1]) = self.bytes.get_mut(flags) {
            [*f0, *f1] = (u16::from_ne_bytes([*f0, *f1]) | NLM_F_ACK).to_ne_bytes();
        }
    }

    /// Bytes of the last message so far.
    pub(super) fn message_len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// One attribute.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
    }

    /// A number.
    pub(super) fn put_number(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A number of eight bytes.
    pub(super) fn put_long(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A text with its NUL.
    pub(super) fn put_text(&mut self, kind: u16, text: &str) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.close(start);
    }

    /// Attributes in an attribute.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.open(kind | NESTED);
        fill(self);
        self.close(start);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    /// Fills the length in and aligns what comes next (NLA_ALIGN).
    fn close(&mut self, start: usize) {
        let length = self.bytes.len() - start;
        let length = u16::try_from(length).unwrap_or_else(|_| {
            self.too_long = true;
            u16::MAX
        });
        if let Some(slot) = self.bytes.get_mut(start..start + ATTRIBUTE_HEADER / 2) {
            slot.copy_from_slice(&length.to_ne_bytes());
        }
        let aligned = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(aligned, 0);
    }

    /// A request for what there is.
    pub(super) fn request(
        (kind, flags): (u16, u16),
        seq: u32,
        family: u8,
        fill: impl FnOnce(&mut Self),
    ) -> Vec<u8> {
        let mut buffer = Self::default();
        buffer.message((kind, flags), seq, (family, 0), fill);
        buffer.bytes
    }

    /// The bytes; `None`: an attribute is longer than its header can say.
    pub(super) fn into_bytes(self) -> Option<Vec<u8>> {
        (!self.too_long).then_some(self.bytes)
    }
}

/// Where attributes start in a message.
pub(super) const BODY: usize = MESSAGE_HEADER + HEADER;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::attribute::attributes;
    use crate::wire::message::frames;

    #[test]
    fn messages_and_nests_read_back() {
        let mut buffer = Buffer::default();
        buffer.message((2561, 0x400), 7, (1, 10), |b| b.put_text(1, "a"));
        buffer.message((2562, 0), 8, (1, 0), |b| {
            b.nest(4, |b| b.put_number(1, 0x0102_0304));
        });
        buffer.acknowledge_last();
        let bytes = buffer.into_bytes().unwrap();
        let read: Vec<_> = frames(&bytes).collect();
        assert_eq!((read[0].kind, read[0].flags, read[0].seq), (2561, 0x401, 7));
        assert_eq!(read[0].body[..4], [1, 0, 0, 10]);
        let first: Vec<_> = attributes(&read[0].body[4..]).collect();
        assert_eq!(first, [(1, &b"a\0"[..])]);
        assert_eq!((read[1].kind, read[1].flags, read[1].seq), (2562, 5, 8));
        let (kind, nest) = attributes(&read[1].body[4..]).next().unwrap();
        assert_eq!(
            (kind, attributes(nest).next()),
            (4, Some((1, &[1, 2, 3, 4][..])))
        );
    }

    #[test]
    fn what_is_too_long_is_said_and_panics_nowhere() {
        let mut buffer = Buffer::default();
        buffer.message((1, 0), 1, (1, 0), |b| b.put(1, &[0; 70_000]));
        assert_eq!(buffer.into_bytes(), None);
    }
}
