//! What a client has not read yet: written as it takes it, and never waited for.

use std::collections::VecDeque;
use std::io::{self, Write};

/// Most bytes that wait for one client, or one line that is longer than this: everything that is there of a large kind, as
/// it is told at the start. Who is further behind than that does not read.
pub const MAX_WAITING: usize = 16 << 20;

/// Bytes on their way.
#[derive(Debug, Default)]
pub struct Outgoing(VecDeque<u8>);

impl Outgoing {
    /// Puts `line` behind what waits. An error when that is more than [`MAX_WAITING`]: the client is to be cut off.
    pub fn push(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.0.is_empty() && self.0.len() + line.len() > MAX_WAITING {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend(line);
        Ok(())
    }

    /// Writes what `to` takes now.
    pub fn flush(&mut self, to: &mut impl Write) -> io::Result<()> {
        while !self.0.is_empty() {
            match to.write(self.0.as_slices().0) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.0.drain(..count.min(self.0.len()))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // What a burst needed is given back.
        self.0 = VecDeque::new();
        Ok(())
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then none for now.
    struct Pipe {
        room: usize,
        taken: Vec<u8>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(self.room).min(3);
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bytes_keep_their_order_over_any_pauses() {
        let (mut outgoing, mut pipe) = (
            Outgoing::default(),
            Pipe {
                room: 0,
                taken: Vec::new(),
            },
        );
        let mut sent = Vec::new();
        for number in 0..200_u8 {
            let line = [number; 7];
            sent.extend_from_slice(&line);
            outgoing.push(&line).unwrap();
            pipe.room = usize::from(number % 11);
            outgoing.flush(&mut pipe).unwrap();
        }
        assert!(!outgoing.is_empty());
        pipe.room = usize::MAX;
        outgoing.flush(&mut pipe).unwrap();
        assert!(outgoing.is_empty());
        assert_eq!(pipe.taken, sent);
    }

    #[test]
    fn who_does_not_read_is_cut_off() {
        let mut outgoing = Outgoing::default();
        let line = vec![b'x'; MAX_WAITING / 4];
        for _ in 0..4 {
            outgoing.push(&line).unwrap();
        }
        assert!(outgoing.push(b"x").is_err());
        let mut outgoing = Outgoing::default();
        outgoing.push(&vec![b'x'; MAX_WAITING + 1]).unwrap();
        assert!(outgoing.push(b"x").is_err());
        let closed = &mut &mut [0_u8; 0][..];
        assert!(outgoing.flush(closed).is_err(), "takes nothing any more");
    }
}
