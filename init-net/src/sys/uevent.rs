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
        self.next_that(added)
    }

    /// The next event of a block device; errors as those of [`Uevents::next`].
    pub fn next_block(&self) -> io::Result<BlockEvent> {
        self.next_that(block)
    }

    fn next_that<T>(&self, of_interest: fn(&[u8]) -> Option<T>) -> io::Result<T> {
        let mut event = Vec::with_capacity(MAX_EVENT);
        loop {
            event.clear();
            let (_, from) = self.0.recv_from(&mut event, 0)?;
            // Only the kernel has port 0.
            if from.port_number() == 0
                && let Some(wanted) = of_interest(&event)
            {
                return Ok(wanted);
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

/// A disk or partition came, went, or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEvent {
    /// Its name in `/sys/class/block`.
    pub name: String,
    /// Whether it is another medium now: it came, it went, or something was put into the drive.
    pub exchanged: bool,
}

/// `change@/devices/…/block/sr0`, with `SUBSYSTEM=block` and, of a drive, `DISK_MEDIA_CHANGE=1` (block/disk-events.c).
fn block(event: &[u8]) -> Option<BlockEvent> {
    let mut fields = event.split(|b| *b == 0);
    let head = std::str::from_utf8(fields.next()?).ok()?;
    let (action, path) = head.split_once('@')?;
    let name = path.rsplit('/').next()?.to_owned();
    let said = |wanted: &[u8]| fields.clone().any(|field| field == wanted);
    said(b"SUBSYSTEM=block").then(|| BlockEvent {
        exchanged: action != "change" || said(b"DISK_MEDIA_CHANGE=1"),
        name,
    })
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
    fn disks_that_come_and_drives_that_are_filled() {
        let disk = |name: &str, exchanged| {
            let name = name.to_owned();
            Some(BlockEvent { name, exchanged })
        };
        for (event, expect) in [
            (
                &b"add@/devices/pci0/block/vda/vda1\0SUBSYSTEM=block\0"[..],
                disk("vda1", true),
            ),
            (
                b"change@/devices/a/block/sr0\0SUBSYSTEM=block\0DISK_MEDIA_CHANGE=1\0",
                disk("sr0", true),
            ),
            (
                b"change@/devices/a/block/vda\0SUBSYSTEM=block\0RESIZE=1\0",
                disk("vda", false),
            ),
            (
                b"remove@/devices/a/block/sr0\0SUBSYSTEM=block\0",
                disk("sr0", true),
            ),
            (b"add@/devices/a/net/eth0\0SUBSYSTEM=net\0", None),
            (b"add@/devices/\xff\0SUBSYSTEM=block\0", None),
            (b"", None),
        ] {
            assert_eq!(block(event), expect);
        }
    }

    #[test]
    fn never_blocks() {
        let error = Uevents::open().unwrap().next().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
