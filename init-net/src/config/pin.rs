//! `initnet.config.sha256=`: the bytes of the configuration are the ones that were meant.

use core::fmt;

use sha2::{Digest, Sha256};

/// The bytes are not the pinned ones.
#[derive(Clone, PartialEq, Eq)]
pub struct PinMismatch {
    /// What `initnet.config.sha256=` says.
    pub expected: [u8; 32],
    /// What the bytes have.
    pub found: [u8; 32],
}

impl fmt::Display for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, found) = (Hex(&self.expected), Hex(&self.found));
        write!(
            f,
            "the configuration has SHA-256 {found}, initnet.config.sha256 wants {expected}"
        )
    }
}

impl fmt::Debug for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Hex<'a>(&'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Checks `bytes`, as fetched and before any decoding, against `pin`. No pin fits everything.
pub fn check(bytes: &[u8], pin: Option<&[u8; 32]>) -> Result<(), PinMismatch> {
    let Some(expected) = pin else {
        return Ok(());
    };
    let found: [u8; 32] = Sha256::digest(bytes).into();
    if found == *expected {
        Ok(())
    } else {
        Err(PinMismatch {
            expected: *expected,
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4 example: "abc".
    const ABC: [u8; 32] = [
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22,
        0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00,
        0x15, 0xad,
    ];

    #[test]
    fn pins() {
        assert_eq!(check(b"abc", None), Ok(()));
        assert_eq!(check(b"abc", Some(&ABC)), Ok(()));
        let text = check(b"abd", Some(&ABC)).unwrap_err().to_string();
        assert!(
            text.ends_with("f20015ad") && text.contains("a52d159f"),
            "{text}"
        );
    }
}
