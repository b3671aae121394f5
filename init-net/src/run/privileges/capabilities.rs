//! Which capabilities are needed, and why.

use std::path::Path;

use crate::sys::capability::Capability::{self, *};
use crate::sys::{file, mount};

/// What decides about capabilities and places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The first process.
    pub pid1: bool,
    /// Somebody else will switch the root, and this process is to follow.
    pub root_to_follow: bool,
    /// Files in /etc cannot be replaced: they are mounted over.
    pub mounts_over_etc: bool,
    /// The kernel takes modules.
    pub modules: bool,
}

impl Situation {
    /// Looks at the machine.
    pub fn look(pid1: bool, root_to_follow: bool) -> Self {
        Self {
            pid1,
            root_to_follow,
            mounts_over_etc: mounts_over_etc(),
            modules: takes_modules(),
        }
    }
}

/// Whether a file of ours in /etc cannot be replaced by rename: the folder is read-only, or the file is a mount point.
fn mounts_over_etc() -> bool {
    let files = ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname"].map(Path::new);
    mount::is_read_only(Path::new("/etc")).unwrap_or(false)
        || files
            .into_iter()
            .any(|file| mount::is_mount_point(file).unwrap_or(false))
}

/// No once CONFIG_MODULES is missing or kernel.modules_disabled is set, which cannot be taken back.
fn takes_modules() -> bool {
    let disabled = file::read(Path::new("/proc/sys/kernel/modules_disabled"), 16);
    disabled.is_ok_and(|value| value.trim_ascii() == b"0")
}

/// When a capability is needed.
type When = fn(Situation) -> bool;

/// The table: what each is for. What is not here is dropped from every set.
const NEEDS: [(Capability, When, &str); 12] = [
    (
        NetAdmin,
        always,
        "links, addresses, routes, rules, firewall, net.* parameters",
    ),
    (
        NetRaw,
        always,
        "packet sockets of DHCP, ARP and VRRP; a socket bound to a link",
    ),
    (
        NetBindService,
        always,
        "the DHCP clients' ports, 68 and 546; requests from a low port",
    ),
    (
        SysModule,
        |s| s.modules,
        "kinds of links and drivers, loaded by a forked child, which inherits it",
    ),
    (
        SysAdmin,
        |s| s.mounts_over_etc,
        "files of /etc are mounted over where they cannot be replaced",
    ),
    (SysChroot, |s| s.root_to_follow, "the new root becomes ours"),
    (
        SysPtrace,
        |s| s.root_to_follow,
        "/proc/1/root of a process that can do more than we can",
    ),
    (
        Chown,
        |s| s.root_to_follow,
        "the control socket's group is known by name in the new root only",
    ),
    (Setpcap, may_tighten, "to give up the rest of these later"),
    (
        Kill,
        |s| s.pid1,
        "the payload's signals are handed on, whoever it runs as",
    ),
    (SysBoot, |s| s.pid1, "reboot and power off"),
    // PID 1 mounts nothing after the boot stage, and sets the host name through /proc.
    (
        SysAdmin,
        |s| s.root_to_follow,
        "the new root's /etc may be read-only",
    ),
];

/// Every capability of [`NEEDS`].
pub(super) const ALL: [Capability; 11] = [
    NetAdmin,
    NetRaw,
    NetBindService,
    SysModule,
    SysAdmin,
    SysChroot,
    SysPtrace,
    Chown,
    Setpcap,
    Kill,
    SysBoot,
];

fn always(_: Situation) -> bool {
    true
}

/// Less may be needed one day.
pub(super) fn may_tighten(situation: Situation) -> bool {
    situation.root_to_follow || situation.mounts_over_etc
}

/// What `situation` needs.
pub(super) fn needed(situation: Situation) -> Vec<Capability> {
    let needs = NEEDS.iter().filter(|(_, when, _)| when(situation));
    needs.map(|(capability, _, _)| *capability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn needs(situation: Situation, more: &[Capability]) {
        let mut expected = vec![NetAdmin, NetRaw, NetBindService];
        expected.extend(more);
        assert_eq!(needed(situation), expected);
    }

    #[test]
    fn at_rest_in_the_real_root_only_the_network_is_left() {
        let none = Situation::default();
        needs(none, &[]);
        needs(
            Situation {
                modules: true,
                ..none
            },
            &[SysModule],
        );
        needs(Situation { pid1: true, ..none }, &[Kill, SysBoot]);
        let read_only = Situation {
            mounts_over_etc: true,
            ..none
        };
        needs(read_only, &[SysAdmin, Setpcap]);
        let waiting = Situation {
            root_to_follow: true,
            ..none
        };
        needs(waiting, &[SysChroot, SysPtrace, Chown, Setpcap, SysAdmin]);
    }

    #[test]
    fn every_need_is_known_to_the_list_that_is_shown() {
        assert!(
            NEEDS
                .iter()
                .all(|(capability, _, why)| ALL.contains(capability) && !why.is_empty())
        );
        assert!(
            ALL.iter()
                .all(|known| NEEDS.iter().any(|(capability, ..)| capability == known))
        );
    }
}
