//! NETLINK_KOBJECT_UEVENT: devices that appear while we run. USB and paravirtual cards come after the first look.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_KOBJECT_UEVENT;
use netlink_sys::{Socket, SocketAddr};

/// The group in which the kernel itself speaks; udev repeats in group 2.
const KERNEL: u32 = 1;

/// UEVENT_BUFFER_SIZE and the line in front of it, bytes.
const MAX_EVENT: usize = 4096;

/// A socket for events. Never blocks.
pub struct Uevents(Socket);

impl Uevents {
    /// Subscribes. Do so before looking at `/sys`.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_KOBJECT_UEVENT)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, KERNEL))?;
        Ok(Self(socket))
    }

    /// The next modalias of a device that was added; `WouldBlock`: none now. `ENOBUFS`: some were lost, look at `/sys`
    /// again.
    pub fn next(&self) -> io::Result<String> {
        let mut event = Vec::with_capacity(MAX_EVENT);
        loop {
            event.clear();
            let (_, from) = self.0.recv_from(&mut event, 0)?;
            // Only the kernel has port 0.
            if from.port_number() == 0
                && let Some(modalias) = added(&event)
            {
                return Ok(modalias);
            }
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `add@/devices/…`, then `NAME=value`, each ended by NUL (lib/kobject_uevent.c).
fn added(event: &[u8]) -> Option<String> {
    let mut fields = event.split(|b| *b == 0);
    fields.next()?.strip_prefix(b"add@")?;
    let modalias = fields.find_map(|field| field.strip_prefix(b"MODALIAS="))?;
    String::from_utf8(modalias.to_vec())
        .ok()
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(event: &[u8], expect: Option<&str>) {
        assert_eq!(added(event).as_deref(), expect);
    }

    #[test]
    fn modaliases_of_added_devices() {
        let event = b"add@/devices/pci0/virtio0\0ACTION=add\0MODALIAS=virtio:d01v1AF4\0SEQNUM=9\0";
        check(event, Some("virtio:d01v1AF4"));
        check(b"add@/devices/a\0ACTION=add\0", None);
        check(b"remove@/devices/a\0MODALIAS=virtio:d01v1AF4\0", None);
        check(b"add@/devices/a\0MODALIAS=\0", None);
        check(b"add@/devices/a\0MODALIAS=\xff\0", None);
        check(b"", None);
    }

    #[test]
    fn never_blocks() {
        let error = Uevents::open().unwrap().next().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
