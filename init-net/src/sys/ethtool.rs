//! What only the ethtool ioctl tells of a card: the version of its firmware, and what its port is made for.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::value::LinkName;

/// SIOCETHTOOL, include/uapi/linux/sockios.h.
const SIOCETHTOOL: u64 = 0x8946;

/// ETHTOOL_GDRVINFO and ETHTOOL_GLINKSETTINGS, include/uapi/linux/ethtool.h.
const GET_DRIVER: u32 = 0x03;
const GET_SETTINGS: u32 = 0x4c;

/// Length of the texts of `struct ethtool_drvinfo`, bytes.
const TEXT: usize = 32;

/// 32-bit words of one link mode mask at most: `link_mode_masks_nwords` is a signed byte.
const MAX_WORDS: usize = 127;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct Driver {
    cmd: u32,
    driver: [u8; TEXT],
    version: [u8; TEXT],
    firmware: [u8; TEXT],
    bus: [u8; TEXT],
    rom: [u8; TEXT],
    reserved: [u8; 12],
    counts: [u32; 5],
}

/// `struct ethtool_link_settings`, with room for its three masks.
#[repr(C)]
struct Settings {
    cmd: u32,
    speed: u32,
    duplex: u8,
    port: u8,
    phy: u8,
    autoneg: u8,
    mdio: u8,
    mdix: u8,
    mdix_control: u8,
    words: i8,
    rest: [u8; 4],
    reserved: [u32; 7],
    masks: [u32; 3 * MAX_WORDS],
}

/// What the driver says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Of the driver, where it counts its own; newer ones give the kernel's.
    pub driver_version: Option<String>,
    /// Of the firmware.
    pub firmware_version: Option<String>,
    /// In the words of the field: `TwistedPair`, `Fibre`, `DirectAttach`…
    pub port: Option<&'static str>,
}

/// A socket to ask on.
pub struct Ethtool(OwnedFd);

impl Ethtool {
    /// Opens it.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(Self(socket(
            AddressFamily::Inet,
            SockType::Datagram,
            flags,
            None,
        )?))
    }

    /// All that its driver says of `link`; what it does not know stays `None`. Some drivers ask the card: a few
    /// milliseconds.
    pub fn card(&self, link: &LinkName) -> Card {
        let mut card = self.driver(link).unwrap_or_default();
        card.port = self.port(link);
        card
    }

    /// The versions alone. An error: there is no such link, or its driver does not say.
    pub fn driver(&self, link: &LinkName) -> io::Result<Card> {
        // SAFETY: plain numbers, for which all zero is a value.
        let mut driver: Driver = unsafe { core::mem::zeroed() };
        driver.cmd = GET_DRIVER;
        self.ask(link, &mut driver)?;
        Ok(Card {
            driver_version: text(&driver.version),
            firmware_version: text(&driver.firmware),
            port: None,
        })
    }

    /// The first answer says how long the masks are, the second has the rest.
    fn port(&self, link: &LinkName) -> Option<&'static str> {
        // SAFETY: as above.
        let mut settings: Settings = unsafe { core::mem::zeroed() };
        settings.cmd = GET_SETTINGS;
        self.ask(link, &mut settings).ok()?;
        let words = settings.words.checked_neg().filter(|words| *words > 0)?;
        settings.cmd = GET_SETTINGS;
        settings.words = words;
        self.ask(link, &mut settings).ok()?;
        port_name(settings.port)
    }

    /// `request` is a structure of ethtool.h whose first word is a command that fills no more than it.
    fn ask<T>(&self, link: &LinkName, request: &mut T) -> io::Result<()> {
        // SAFETY: an array of characters and a union of plain data, for which all zero is a value.
        let mut ifreq: libc::ifreq = unsafe { core::mem::zeroed() };
        // A link name is at most 15 bytes: the NUL behind it is there.
        for (to, from) in ifreq.ifr_name.iter_mut().zip(link.as_str().bytes()) {
            *to = from as libc::c_char;
        }
        ifreq.ifr_ifru.ifru_data = core::ptr::from_mut(request).cast();
        // SAFETY: the kernel reads the name and writes into `request`, as long as its command says.
        let answer = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                SIOCETHTOOL as _,
                core::ptr::from_mut(&mut ifreq),
            )
        };
        nix::errno::Errno::result(answer)
            .map(drop)
            .map_err(Into::into)
    }
}

/// PORT_*; `None` for one that does not say anything.
const fn port_name(port: u8) -> Option<&'static str> {
    Some(match port {
        0 => "TwistedPair",
        1 => "AUI",
        2 => "MII",
        3 => "Fibre",
        4 => "BNC",
        5 => "DirectAttach",
        0xff => "Other",
        _ => return None,
    })
}

/// A text that says something: drivers without a version write nothing, `N/A` or `n/a`.
fn text(bytes: &[u8; TEXT]) -> Option<String> {
    let text = CStr::from_bytes_until_nul(bytes)
        .ok()?
        .to_string_lossy()
        .into_owned();
    let says = !text.is_empty() && !text.eq_ignore_ascii_case("n/a");
    says.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_as_long_as_the_kernels() {
        assert_eq!(size_of::<Driver>(), 196);
        let masks = size_of::<[u32; 3 * MAX_WORDS]>();
        assert_eq!(size_of::<Settings>() - masks, 48);
    }

    #[test]
    fn texts_that_say_nothing_are_none() {
        let padded = |word: &[u8]| {
            let mut bytes = [0; TEXT];
            bytes[..word.len()].copy_from_slice(word);
            text(&bytes)
        };
        assert_eq!(padded(b"1.2.3"), Some("1.2.3".to_owned()));
        assert_eq!(padded(b""), None);
        assert_eq!(padded(b"N/A"), None);
        assert_eq!(text(&[b'x'; TEXT]), None, "no end");
    }

    #[test]
    fn a_link_without_a_card_has_no_answers() {
        let ethtool = Ethtool::open().unwrap();
        assert_eq!(
            ethtool.card(&"nosuchlink".parse().unwrap()),
            Card::default()
        );
    }
}
