//! The checksum of IP, UDP and ICMPv6: one's complement sums, RFC 1071.

/// Adds 16-bit words; 64 KiB of them cannot overflow 32 bits. An odd byte at the end counts as followed by zero.
pub(super) fn add(sum: u32, bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(sum, |sum, pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        sum + u32::from(u16::from_be_bytes([pair[0], low]))
    })
}

/// The one's complement of the sum. 0: a sum over bytes that hold their own checksum is right.
pub(super) fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
