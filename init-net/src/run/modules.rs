//! Drivers: loaded by a child process while the loop goes on.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sys;
use crate::sys::coldplug::{self, Wanted};

/// A driver finds devices that want drivers (PCI, then virtio): so many times at the most. Real machines need three.
const MAX_PASSES: u32 = 8;

/// Modules that no device asks for and this program needs: packet sockets are a module of many kernels.
const ALWAYS: [&str; 1] = ["af_packet"];

/// The child that loads modules, if there is one.
pub struct Modules {
    pid: Option<i32>,
    seen: BTreeSet<String>,
    passes: u32,
}

impl Modules {
    /// Nothing to load: somebody else booted this machine.
    pub fn none() -> Self {
        Self {
            pid: None,
            seen: BTreeSet::new(),
            passes: 0,
        }
    }

    /// Starts loading a driver for every device.
    pub fn start() -> Self {
        let mut modules = Self::none();
        let always = ALWAYS.iter().map(|name| (*name).to_owned()).collect();
        modules.next_pass(always);
        modules
    }

    /// Whether a child works.
    pub fn running(&self) -> bool {
        self.pid.is_some()
    }

    /// Takes the end of a child. New devices start another pass.
    pub fn ended(&mut self, pid: i32) {
        if self.pid == Some(pid) {
            self.pid = None;
            self.next_pass(BTreeSet::new());
        }
    }

    /// Waits until all is loaded: the root's driver may be among it.
    pub fn finish(&mut self) {
        while let Some(pid) = self.pid {
            if let Err(error) = sys::process::wait(pid) {
                log::warn!("modules: {error}");
            }
            self.ended(pid);
        }
    }

    fn next_pass(&mut self, mut wanted: BTreeSet<String>) {
        let Ok(folder) = coldplug::module_folder() else {
            return;
        };
        if self.passes == MAX_PASSES || !folder.is_dir() {
            return;
        }
        self.passes += 1;
        wanted.extend(coldplug::modaliases(Path::new("/sys/devices")));
        wanted.retain(|name| self.seen.insert(name.clone()));
        if wanted.is_empty() {
            return;
        }
        let wanted = wanted
            .into_iter()
            .map(|name| Wanted {
                name,
                parameters: c"".to_owned(),
            })
            .collect();
        match coldplug::load_in_child(folder, wanted) {
            Ok(pid) => self.pid = Some(pid),
            Err(error) => log::error!("modules: {error}"),
        }
    }
}
