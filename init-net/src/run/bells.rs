//! What tells the supervisor of changes beside rtnetlink: files, kernel parameters, the host name, settings of cards, our
//! table of nf_tables. Each says only what to look at; what is not wanted is not listened to.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use super::core::Doubt;
use super::generic::Generic;
use super::rtnetlink::RtnetlinkError;
use crate::state::{Desired, Observed, SysctlSpec};
use crate::sys::hostname;
use crate::sys::inotify::Inotify;
use crate::sys::mount;
use crate::sys::netlink::Notifications;
use crate::sys::poll::Interest;
use crate::sys::sysctl;
use crate::value::{Gather as _, SysctlKey};
use crate::wire::{ethtool, nft};

/// Datagrams of one turn: a flood must not keep the loop from its timers.
const MAX_DRAIN: usize = 4096;

/// Which of them is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// A file was written, replaced or removed.
    Files,
    /// Mounts changed, and one of them may have shown or hidden a file.
    Mounts,
    /// A parameter was written.
    Parameters,
    /// The host name was set.
    Hostname,
    /// A setting of a card was changed.
    Cards,
    /// Something in nf_tables was changed.
    Firewall,
}

/// All of them.
#[derive(Default)]
pub struct Bells {
    files: Option<Inotify>,
    paths: Vec<PathBuf>,
    /// While a file that is wanted has a mount of its own: the end of that tells inotify nothing.
    mounts: Option<File>,
    parameters: Option<Inotify>,
    pins: Vec<File>,
    hostname: Option<hostname::Watch>,
    cards: Option<Notifications>,
    /// Links whose settings are wanted.
    indexes: BTreeSet<u32>,
    firewall: Option<Notifications>,
    /// A table of ours is to be in force.
    filters: bool,
    /// The rest is nobody's business.
    only_firewall: bool,
}

impl Bells {
    /// The one that a boot listens to: nobody but us changes the rest meanwhile, and a machine that was opened stays open for
    /// as long as the boot waits for its configuration.
    pub fn of_firewall() -> Self {
        Self {
            only_firewall: true,
            ..Self::default()
        }
    }

    /// Listens for the files and the host name that are `desired` now. Answers what is to be looked at, because nothing
    /// rang for it before.
    pub fn follow(&mut self, desired: &Desired, observed: Option<&Observed>) -> io::Result<Doubt> {
        if desired.hostname.is_none() || self.only_firewall {
            self.hostname = None;
        } else if self.hostname.is_none() {
            self.hostname = Some(hostname::Watch::open()?);
        }
        let mut doubt = Doubt::default();
        // The look that this asks for is what listens, where none has since.
        let filters = desired.table().is_some();
        if filters && !self.filters && self.firewall.is_none() {
            doubt |= Doubt::FIREWALL;
        }
        self.filters = filters;
        // Once neither wanted nor there, it is nobody's business.
        if !filters && observed.is_none_or(|look| look.firewall.is_none()) {
            self.firewall = None;
        }
        if self.only_firewall || self.paths.iter().eq(desired.files.keys()) {
            return Ok(doubt);
        }
        self.paths = desired.files.keys().cloned().collect();
        self.listen_to_files().map(|()| doubt | Doubt::FILES)
    }

    /// Files are about to be read: what replaced them is listened to from now on, and what rang before is seen.
    pub fn listen_to_files(&mut self) -> io::Result<()> {
        if self.paths.is_empty() {
            (self.files, self.mounts) = (None, None);
            return Ok(());
        }
        let covered = |path: &PathBuf| mount::is_mount_point(path).unwrap_or(false);
        if !self.paths.iter().any(covered) {
            self.mounts = None;
        } else if self.mounts.is_none() {
            self.mounts = Some(File::open("/proc/self/mountinfo")?);
        }
        let paths = self.paths.iter().map(PathBuf::as_path);
        opened(&mut self.files)?.set(paths)
    }

    /// Parameters are about to be read. Those of the baseline are not listened to: whoever changes one means it.
    pub fn listen_to_parameters(&mut self, desired: &Desired) -> io::Result<()> {
        let listens = |spec: &&SysctlSpec| spec.kept && !self.only_firewall;
        let kept = desired.sysctls.values().filter(listens);
        let keys: Vec<&SysctlKey> = kept.map(|spec| &spec.key).collect();
        if keys.is_empty() {
            self.parameters = None;
            self.pins.clear();
            return Ok(());
        }
        // The old pins go last: an inode that stays is the same throughout.
        let pins = keys.iter().filter_map(|key| sysctl::pin(key).ok());
        let pins: Vec<File> = pins.collect();
        let paths: Vec<PathBuf> = keys.iter().map(|key| key.path()).collect();
        let outcome = opened(&mut self.parameters)?.set(paths.iter().map(PathBuf::as_path));
        self.pins = pins;
        outcome
    }

    /// Cards are about to be read.
    pub fn listen_to_cards(
        &mut self,
        desired: &Desired,
        observed: Option<&Observed>,
        generic: &mut Generic,
    ) -> Result<(), RtnetlinkError> {
        let names = desired.ethernet.keys();
        self.indexes = names
            .filter_map(|name| Some(observed?.link(name)?.index))
            .gather();
        if desired.ethernet.is_empty() || self.only_firewall {
            self.cards = None;
        } else if self.cards.is_none() {
            let group = generic.card_monitor()?;
            let socket = Notifications::open_generic(group).map_err(RtnetlinkError::Socket)?;
            self.cards = Some(socket);
        }
        Ok(())
    }

    /// Our table is about to be read.
    pub fn listen_to_firewall(
        &mut self,
        desired: &Desired,
        observed: Option<&Observed>,
    ) -> io::Result<()> {
        let there = observed.is_some_and(|look| look.firewall.is_some());
        if (desired.table().is_some() || there) && self.firewall.is_none() {
            self.firewall = Some(Notifications::open_netfilter(nft::GROUP)?);
        }
        Ok(())
    }

    /// To be watched.
    pub fn interests(&self) -> impl Iterator<Item = (Interest<'_>, Ring)> {
        let files = self.files.as_ref().map(Inotify::interest);
        let mounts = self.mounts.as_ref();
        let mounts = mounts.map(|mounts| Interest::urgent(mounts.as_fd()));
        let parameters = self.parameters.as_ref().map(Inotify::interest);
        let hostname = self.hostname.as_ref().map(hostname::Watch::interest);
        let cards = self.cards.as_ref();
        let cards = cards.map(|cards| Interest::read(cards.as_fd()));
        let firewall = self.firewall.as_ref();
        let firewall = firewall.map(|firewall| Interest::read(firewall.as_fd()));
        [
            (files, Ring::Files),
            (mounts, Ring::Mounts),
            (parameters, Ring::Parameters),
            (hostname, Ring::Hostname),
            (cards, Ring::Cards),
            (firewall, Ring::Firewall),
        ]
        .into_iter()
        .filter_map(|(interest, ring)| Some((interest?, ring)))
    }

    /// What is in doubt since `ring` is ready; `None`: nothing of ours. `port` is where our own changes of nf_tables come from.
    pub fn take(&mut self, ring: Ring, port: Option<u32>) -> io::Result<Option<Doubt>> {
        let rang = |inotify: &Option<Inotify>| inotify.as_ref().map_or(Ok(false), Inotify::drain);
        Ok(match ring {
            Ring::Files => rang(&self.files)?.then_some(Doubt::FILES),
            Ring::Mounts => Some(Doubt::FILES),
            Ring::Parameters => rang(&self.parameters)?.then_some(Doubt::SETTINGS),
            // Part of every look.
            Ring::Hostname => Some(Doubt::default()),
            Ring::Cards => {
                let indexes = &self.indexes;
                let rings = |datagram: &[u8]| {
                    let mut all = ethtool::noticed(datagram);
                    all.any(|index| indexes.contains(&index))
                };
                drain(&mut self.cards, rings)?.then_some(Doubt::SETTINGS)
            }
            Ring::Firewall => {
                let rings = |datagram: &[u8]| nft::noticed(datagram, port);
                drain(&mut self.firewall, rings)?.then_some(Doubt::FIREWALL)
            }
        })
    }
}

/// Whether one of the notices that wait `rings`, or some were lost.
fn drain(socket: &mut Option<Notifications>, rings: impl Fn(&[u8]) -> bool) -> io::Result<bool> {
    let mut rang = false;
    let Some(socket) = socket else {
        return Ok(false);
    };
    for _ in 0..MAX_DRAIN {
        match socket.receive() {
            Ok(datagram) => rang |= rings(datagram),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => rang = true,
            Err(error) => return Err(error),
        }
    }
    socket.rest();
    Ok(rang)
}

fn opened(slot: &mut Option<Inotify>) -> io::Result<&mut Inotify> {
    match slot {
        Some(inotify) => Ok(inotify),
        slot => Ok(slot.insert(Inotify::open()?)),
    }
}
