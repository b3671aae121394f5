//! [`Datum`]: what a register of nf_tables holds.

use core::fmt;
use core::net::IpAddr;

/// Longest value, bytes: an IPv6 address, a protocol and a port in one key, each filled up to a multiple of four.
pub const MAX_DATUM: usize = 24;

/// Bytes as the kernel compares them: addresses and ports in network order, marks and states in the machine's order, names
/// with their NUL bytes up to 16 (fewer: every name that starts like that).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Datum {
    bytes: [u8; MAX_DATUM],
    len: u8,
}

impl Datum {
    /// Of these bytes; `None`: more than [`MAX_DATUM`].
    pub fn new(value: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_DATUM];
        bytes.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self {
            bytes,
            len: u8::try_from(value.len()).ok()?,
        })
    }

    const fn of<const N: usize>(value: [u8; N]) -> Self {
        let mut bytes = [0; MAX_DATUM];
        let (head, _) = bytes.split_at_mut(N);
        head.copy_from_slice(&value);
        Self {
            bytes,
            len: N as u8,
        }
    }

    /// A protocol, a type, a hop limit.
    pub const fn byte(value: u8) -> Self {
        Self::of([value])
    }

    /// A port.
    pub const fn port(value: u16) -> Self {
        Self::of(value.to_be_bytes())
    }

    /// Bits or a number in the machine's order: `ct state`, `fib … type`.
    pub const fn word(value: u32) -> Self {
        Self::of(value.to_ne_bytes())
    }

    /// An address of either family.
    pub const fn address(value: IpAddr) -> Self {
        match value {
            IpAddr::V4(v4) => Self::of(v4.octets()),
            IpAddr::V6(v6) => Self::of(v6.octets()),
        }
    }

    /// The whole name of a link, of at most 15 bytes.
    pub fn link(name: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        (name.len() < bytes.len()).then(|| Self::of(bytes))
    }

    /// Several values as one key: each filled up with zeros to a multiple of four (`NFT_REG32_SIZE`). `None`: too long.
    pub fn concat(parts: &[Self]) -> Option<Self> {
        let mut whole = Vec::with_capacity(MAX_DATUM);
        for part in parts {
            whole.extend_from_slice(part.bytes());
            whole.resize(whole.len().next_multiple_of(4), 0);
        }
        Self::new(&whole)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_the_kernel_compares_them() {
        assert_eq!(Datum::port(443).bytes(), [1, 0xbb]);
        assert_eq!(Datum::word(6).bytes(), 6_u32.to_ne_bytes());
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(Datum::address(address).bytes(), [192, 0, 2, 1]);
        assert_eq!(
            Datum::link("eth0").unwrap().bytes(),
            b"eth0\0\0\0\0\0\0\0\0\0\0\0\0"
        );
        assert_eq!(Datum::link("sixteen-letters-"), None);
        let key = [Datum::address(address), Datum::byte(6), Datum::port(443)];
        let key = Datum::concat(&key).unwrap();
        assert_eq!(key.bytes(), [192, 0, 2, 1, 6, 0, 0, 0, 1, 0xbb, 0, 0]);
        assert_eq!(Datum::new(&[0; MAX_DATUM + 1]), None);
    }
}
