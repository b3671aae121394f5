//! A disk that is read with suspicion: everything is bounded, and a number that leads outside it is an error.

use core::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Most that is read of one disk, bytes: what is told of it, and room for directories that are searched several times.
const MAX_READ: u64 = 64 << 20;

/// Bytes at an offset.
pub trait Bytes {
    /// Fills `buffer` from `offset` on, wholly.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl Bytes for File {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

/// A disk, and how much of it may still be read.
pub struct Disk<'a> {
    bytes: &'a dyn Bytes,
    left: Cell<u64>,
}

impl<'a> Disk<'a> {
    /// Nothing of it has been read.
    pub fn new(bytes: &'a dyn Bytes) -> Self {
        Self {
            bytes,
            left: Cell::new(MAX_READ),
        }
    }

    /// `length` bytes from `offset` on.
    pub fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let cost = u64::try_from(length).map_err(io::Error::other)?;
        let left = self.left.get().checked_sub(cost);
        self.left.set(left.ok_or(io::ErrorKind::FileTooLarge)?);
        let mut buffer = vec![0; length];
        self.bytes.fill(offset, &mut buffer)?;
        Ok(buffer)
    }
}

/// A little-endian number of two bytes at `offset`; `None` outside.
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A little-endian number of four bytes at `offset`; `None` outside.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// The disk says something that cannot be.
pub fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
impl Bytes for Vec<u8> {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let end = from.checked_add(buffer.len());
        let part = end.and_then(|end| self.get(from..end));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
