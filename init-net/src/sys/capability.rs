//! Capabilities of this process (capabilities(7)): all sets cut to a list, for good.

use std::io;

/// What root is made of, as far as anything here asks for it; numbers of include/uapi/linux/capability.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Capability {
    /// Give a file to another user or group.
    Chown = 0,
    /// Signal processes of other users.
    Kill = 5,
    /// Drop from the bounding set.
    Setpcap = 8,
    /// Ports below 1024.
    NetBindService = 10,
    /// Links, addresses, routes, firewall.
    NetAdmin = 12,
    /// Packet and raw sockets.
    NetRaw = 13,
    /// Kernel modules.
    SysModule = 16,
    /// chroot(2).
    SysChroot = 18,
    /// Look at processes that have more capabilities.
    SysPtrace = 19,
    /// mount(2) and much else.
    SysAdmin = 21,
    /// reboot(2).
    SysBoot = 22,
}

impl Capability {
    /// As capabilities(7) writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chown => "CAP_CHOWN",
            Self::Kill => "CAP_KILL",
            Self::Setpcap => "CAP_SETPCAP",
            Self::NetBindService => "CAP_NET_BIND_SERVICE",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::SysModule => "CAP_SYS_MODULE",
            Self::SysChroot => "CAP_SYS_CHROOT",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysBoot => "CAP_SYS_BOOT",
        }
    }

    fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words a set.
const VERSION: u32 = 0x2008_0522;

/// No kernel has a capability of this number or above: two words.
const END: u8 = 64;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// One word of each set; the second holds capabilities 32 to 63.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Cuts the bounding, ambient, inheritable, permitted and effective sets to `kept`, as far as they hold it. Children, and
/// programs that this process becomes, can never have more.
pub fn keep(kept: &[Capability]) -> io::Result<()> {
    let mask = kept
        .iter()
        .fold(0, |mask, capability| mask | capability.bit());
    // First, while CAP_SETPCAP is there. Where a container has none, the other sets are cut all the same.
    let bounded = bound(mask);
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as u64)?;
    let [low, high] = get()?;
    let cut = |word: Word, mask: u64| {
        // The upper half is masked off here.
        let permitted = word.permitted & mask as u32;
        Word {
            effective: permitted,
            permitted,
            inheritable: 0,
        }
    };
    set(&[cut(low, mask), cut(high, mask >> 32)])?;
    bounded
}

/// Cuts the bounding set to `mask`.
fn bound(mask: u64) -> io::Result<()> {
    for number in (0..END).filter(|number| mask & (1 << number) == 0) {
        match in_bounding_set(number) {
            Some(true) => prctl(libc::PR_CAPBSET_DROP, u64::from(number))?,
            Some(false) => {}
            None => break,
        }
    }
    Ok(())
}

/// Which of `all` are in force now.
pub fn effective(all: &[Capability]) -> io::Result<Vec<Capability>> {
    let [low, high] = get()?;
    let mask = u64::from(low.effective) | u64::from(high.effective) << 32;
    let in_force = all.iter().filter(|capability| mask & capability.bit() != 0);
    Ok(in_force.copied().collect())
}

/// `None`: this kernel has no such capability.
fn in_bounding_set(number: u8) -> Option<bool> {
    // SAFETY: takes no pointers.
    match unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(number), 0, 0, 0) } {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn prctl(option: libc::c_int, argument: u64) -> io::Result<()> {
    // SAFETY: neither option takes a pointer.
    match unsafe { libc::prctl(option, argument, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn get() -> io::Result<[Word; 2]> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut words = [Word::default(); 2];
    // SAFETY: version 3 has two words a set, which is what there is room for; both outlive the call.
    match unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(words),
    }
}

fn set(words: &[Word; 2]) -> io::Result<()> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    // SAFETY: as above; the words are only read.
    match unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
