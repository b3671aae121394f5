//! [`Session`]: one connection.

use core::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::Error;

/// TLS on one connection: what comes and goes outside is encrypted, what comes and goes inside is not.
pub struct Session {
    connection: ClientConnection,
    /// The other side has said that nothing follows.
    ended: bool,
}

impl fmt::Debug for Session {
    /// Without anything that could be a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl Session {
    pub(super) fn new(config: ClientConfig, name: ServerName<'static>) -> Result<Self, Error> {
        let mut connection = ClientConnection::new(Arc::new(config), name)?;
        // What is written is one request of ours; it never waits for more room.
        connection.set_buffer_limit(None);
        Ok(Self {
            connection,
            ended: false,
        })
    }

    /// Whether the other side is still to prove who it is: nothing is to be written yet.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the other side has said that nothing follows. A connection that ends without it was cut.
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Takes bytes of the connection, and appends to `inside` what they say.
    pub fn receive(&mut self, mut bytes: &[u8], inside: &mut Vec<u8>) -> Result<(), Error> {
        while !bytes.is_empty() && !self.ended {
            // Reads from a slice do not fail, and its own buffers are emptied each time.
            let taken = self.connection.read_tls(&mut bytes);
            if !taken.is_ok_and(|count| count > 0) {
                return Err(Error::Broken);
            }
            let state = self.connection.process_new_packets()?;
            self.ended = state.peer_has_closed();
            let plain = u64::try_from(state.plaintext_bytes_to_read()).unwrap_or(u64::MAX);
            let read = self.connection.reader().take(plain).read_to_end(inside);
            read.map_err(|_| Error::Broken)?;
        }
        Ok(())
    }

    /// Takes what is to be said.
    pub fn write(&mut self, inside: &[u8]) -> Result<(), Error> {
        let written = self.connection.writer().write_all(inside);
        written.map_err(|_| Error::Internal)
    }

    /// Says that nothing follows.
    pub fn end(&mut self) {
        self.connection.send_close_notify();
    }

    /// Appends to `bytes` what is to go over the connection.
    pub fn transmit(&mut self, bytes: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // Writes to memory do not fail.
            if !self
                .connection
                .write_tls(bytes)
                .is_ok_and(|count| count > 0)
            {
                return;
            }
        }
    }
}
