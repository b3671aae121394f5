//! [`Body`]: attributes of a message that we build ourselves. Cannot panic: what is too long is an error at the end.

use netlink_packet_core::Emitable;
use zeroize::Zeroizing;

use super::message::{MAX_MESSAGE, WireError};

/// `struct nlattr`, bytes.
const HEADER: usize = 4;

/// NLA_F_NESTED, include/uapi/linux/netlink.h: strict kernels want it on nests.
const NESTED: u16 = 1 << 15;

/// What follows the header of a message. Wiped when dropped, for some hold keys.
pub(super) struct Body {
    /// Room for the longest message from the start: a buffer that grows leaves copies of keys behind.
    bytes: Zeroizing<Vec<u8>>,
}

impl Body {
    /// Starts with the fixed part of the message.
    pub(super) fn new(fixed: &[u8]) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_MESSAGE));
        bytes.extend_from_slice(fixed);
        Self { bytes }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// One attribute.
    pub(super) fn put(&mut self, kind: u16, value: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
    }

    /// A native-endian number of four bytes.
    pub(super) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// A text with the NUL that the kernel's strings end with.
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
        // One that does not fit makes a message that is refused below, by its own length.
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        if let Some(slot) = self.bytes.get_mut(start..start + HEADER / 2) {
            slot.copy_from_slice(&length.to_ne_bytes());
        }
        let aligned = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(aligned, 0);
    }

    /// Whether one message takes it.
    pub(super) fn check(&self) -> Result<(), WireError> {
        if self.bytes.len() > MAX_MESSAGE {
            Err(WireError::Length)
        } else {
            Ok(())
        }
    }
}

impl Emitable for Body {
    fn buffer_len(&self) -> usize {
        self.bytes.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::attribute::attributes;

    #[test]
    fn what_is_put_in_reads_back() {
        let mut body = Body::new(&[1, 2, 3, 4]);
        body.put(5, &[9]);
        body.nest(6, |body| body.put_text(7, "abc"));
        let read: Vec<_> = attributes(&body.bytes[4..]).collect();
        assert_eq!(read[0], (5, &[9][..]));
        let (kind, nest) = read[1];
        assert_eq!(kind, 6);
        let inner: Vec<_> = attributes(nest).collect();
        assert_eq!(inner, [(7, &b"abc\0"[..])]);
    }

    #[test]
    fn what_is_too_long_is_refused_and_panics_nowhere() {
        let mut body = Body::new(&[]);
        body.put(1, &[0; 70_000]);
        assert_eq!(body.check(), Err(WireError::Length));
    }
}
