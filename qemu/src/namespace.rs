//! Network namespaces without a name: bridges, veth pairs and taps for a lab.
//!
//! A namespace exists as long as something refers to it. This one is referred to by a descriptor of this process (and
//! by the children inside), so it is gone with the process, whatever ends that.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sched::unshare;

use crate::Result;
use crate::error::Context;
use crate::process;

/// `group_fwd_mask` of a bridge port: all of 01:80:c2:00:00:0X but X = 1, pause frames, which the kernel refuses
/// (BR_GROUPFWD_MACPAUSE, net/bridge/br_private.h).
const EVERY_GROUP: u16 = 0xfffd;

/// A network namespace of our own, with its loopback up.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// A fresh namespace. Needs root.
    ///
    /// # Errors
    /// The kernel refuses (usually: not root), or ip(8) is missing.
    pub fn new() -> Result<Self> {
        // unshare(2) moves only the calling thread, which is then thrown away.
        let made = thread::spawn(|| -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        let file = made
            .join()
            .expect("unshare and open do not panic")
            .context("a new network namespace (needs root)")?;
        let namespace = Self { file };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// A path that other programs can open while this lives, as `ip link set … netns PATH` wants.
    pub fn path(&self) -> PathBuf {
        let process = std::process::id();
        format!("/proc/{process}/fd/{}", self.file.as_raw_fd()).into()
    }

    /// A program that will start inside. The namespace must live until it has started.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        process::enter_on_start(&mut command, self.file.as_fd());
        command
    }

    /// Runs ip(8) inside, with blank-separated arguments, and returns what it printed.
    ///
    /// # Errors
    /// ip(8) cannot be started or fails; the error holds the command and what it said.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        process::run(self.command("ip").args(arguments.split_whitespace()))
    }

    /// Runs `body` on a thread that is inside: sockets it makes belong to this namespace, wherever they are used later.
    ///
    /// # Errors
    /// The thread cannot enter.
    pub fn enter<T: Send>(&self, body: impl FnOnce() -> T + Send) -> Result<T> {
        let result = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET)?;
                Ok::<T, nix::Error>(body())
            });
            thread.join()
        });
        match result {
            Ok(result) => result.context("entering a network namespace"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// A bridge that forwards at once, up, with these addresses (`10.77.0.1/24`).
    ///
    /// # Errors
    /// ip(8) fails.
    pub fn bridge(&self, name: &str, addresses: &[&str]) -> Result<()> {
        self.ip(&format!(
            "link add {name} type bridge forward_delay 0 mcast_snooping 0"
        ))?;
        for address in addresses {
            self.ip(&format!("address add {address} dev {name}"))?;
        }
        self.ip(&format!("link set {name} up"))?;
        Ok(())
    }

    /// A tap for a virtual machine's port on a bridge, up.
    ///
    /// # Errors
    /// ip(8) fails, or /dev/net/tun is missing.
    pub fn tap(&self, name: &str, bridge: &str) -> Result<()> {
        self.ip(&format!("tuntap add {name} mode tap"))?;
        self.ip(&format!("link set {name} master {bridge} up"))?;
        Ok(())
    }

    /// A cable from one virtual machine to another: a tap for each end, and between them a bridge that lets every frame
    /// through, those of LACP and STP as well, which bridges keep to themselves otherwise.
    ///
    /// # Errors
    /// As [`Namespace::tap`].
    pub fn cable(&self, name: &str, ends: [&str; 2]) -> Result<()> {
        self.bridge(name, &[])?;
        for end in ends {
            self.tap(end, name)?;
            self.ip(&format!(
                "link set {end} type bridge_slave group_fwd_mask {EVERY_GROUP}"
            ))?;
        }
        Ok(())
    }

    /// A veth pair: `name` here, `peer_name` in `peer`; both down.
    ///
    /// # Errors
    /// ip(8) fails.
    pub fn veth(&self, name: &str, peer: &Self, peer_name: &str) -> Result<()> {
        self.ip(&format!("link add {name} type veth peer name {peer_name}"))?;
        if self.path() != peer.path() {
            let target = peer.path();
            self.ip(&format!("link set {peer_name} netns {}", target.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridge_tap_and_veth_stay_inside() {
        let one = Namespace::new().unwrap();
        let two = Namespace::new().unwrap();
        one.bridge("lan", &["10.77.0.1/24"]).unwrap();
        one.tap("port0", "lan").unwrap();
        one.veth("left", &two, "right").unwrap();
        let names = |namespace: &Namespace| {
            namespace
                .enter(|| {
                    let interfaces = nix::net::if_::if_nameindex().unwrap();
                    let names = interfaces.iter();
                    let mut names: Vec<String> = names
                        .map(|interface| interface.name().to_string_lossy().into_owned())
                        .collect();
                    names.sort();
                    names
                })
                .unwrap()
        };
        assert_eq!(names(&one), ["lan", "left", "lo", "port0"]);
        assert_eq!(names(&two), ["lo", "right"]);
        assert!(one.ip("address show lan").unwrap().contains("10.77.0.1/24"));
        let error = one.ip("link set nothing up").unwrap_err().to_string();
        assert!(error.contains("ip link set nothing up"), "{error}");
    }
}
