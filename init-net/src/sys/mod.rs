//! One kernel facility a file; the only `unsafe` of the crate, and no policy: what to retry, what to ignore and what to
//! do instead is decided above.

pub mod boot_id;
pub mod capability;
pub mod clock;
pub mod coldplug;
pub mod console;
pub mod descriptors;
pub mod ethtool;
pub mod executable;
pub mod file;
pub mod group;
pub mod hostname;
pub mod icmp;
pub mod inherit;
pub mod inotify;
pub mod kmsg;
pub mod landlock;
pub mod listening;
pub mod lock;
pub mod memfd;
pub mod memory;
pub mod module;
pub mod module_index;
pub mod mount;
pub mod net_device;
pub mod netlink;
pub mod packet;
pub mod poll;
pub mod port;
pub mod process;
pub mod promotion;
pub mod random;
pub mod reboot;
pub mod root;
pub mod seccomp;
pub mod session;
pub mod signal;
#[cfg(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"))]
mod stack;
pub mod switch_root;
pub mod sysctl;
pub mod tcp;
pub mod timer;
pub mod udp;
pub mod uevent;
pub mod unix;
