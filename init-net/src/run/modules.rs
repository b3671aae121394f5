//! Drivers, and modules that the configuration needs: loaded by child processes while the loop goes on.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io::{PipeReader, Read as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use super::core::Module;
use crate::sys::coldplug::{self, Wanted};
use crate::sys::poll::{Interest, poll};
use crate::value::Duration;

/// Modules that no device asks for and this program needs: packet sockets are a module of many kernels.
const ALWAYS: [&str; 1] = ["af_packet"];

/// How long `apply` waits for modules: a software module takes milliseconds, and a link that needs it says what is missing.
const PATIENCE: Duration = Duration::from_secs(10);

/// The child that loads modules, if there is one. It serves devices that appear late, and ends when this is dropped or the
/// process becomes another program. Nobody waits for its end: a driver can take for ever.
pub struct Modules {
    loader: Option<PipeReader>,
    idle: bool,
}

impl Modules {
    /// Nothing to load: somebody else booted this machine.
    pub fn none() -> Self {
        Self {
            loader: None,
            idle: true,
        }
    }

    /// Starts loading `first`, then a driver for every device.
    pub fn start(first: &BTreeSet<Module>) -> Self {
        let Ok(folder) = coldplug::module_folder() else {
            return Self::none();
        };
        if !folder.is_dir() {
            return Self::none();
        }
        let first = first.iter().filter_map(wanted);
        let always = ALWAYS.iter().map(|name| Wanted {
            name: (*name).to_owned(),
            parameters: c"".to_owned(),
        });
        match coldplug::load_in_child(folder, first.chain(always).collect()) {
            Ok((_pid, pipe)) => Self {
                loader: Some(pipe),
                idle: false,
            },
            Err(error) => {
                log::error!("modules: {error}");
                Self::none()
            }
        }
    }

    /// Whether the devices that were there at the start still wait for drivers.
    pub fn busy(&self) -> bool {
        !self.idle
    }

    /// To be watched while busy.
    pub fn interest(&self) -> Option<Interest<'_>> {
        self.loader
            .as_ref()
            .filter(|_| !self.idle)
            .map(|pipe| Interest::read(pipe.as_fd()))
    }

    /// Whether the child has said by now that it has nothing more to do, or has ended. Never blocks.
    pub fn is_idle(&mut self) -> bool {
        if let Some(pipe) = self.loader.as_mut().filter(|_| !self.idle) {
            let ready = poll(&[Interest::read(pipe.as_fd())], Some(Duration::ZERO));
            if ready.is_ok_and(|ready| ready.iter().any(|pipe| pipe.readable)) {
                let _word = pipe.read(&mut [0]);
                self.idle = true;
            }
        }
        self.idle
    }
}

/// A child that loads what a configuration needs, and ends. The same in a boot, behind a hook, in a supervisor (from the
/// modules of the root it is in by then) and in `apply`; who may not load modules says so once in the log.
pub struct Loader {
    pipe: PipeReader,
}

impl Loader {
    /// `None`: nothing of it is to be loaded, because it is there, or because there is nothing to load it from.
    pub fn start(modules: &BTreeSet<Module>) -> Option<Self> {
        let folder = coldplug::module_folder().ok()?;
        let missing: Vec<Wanted> = modules.iter().filter_map(wanted).collect();
        if missing.is_empty() || !folder.is_dir() {
            return None;
        }
        match coldplug::load_once_in_child(folder, missing) {
            Ok((_pid, pipe)) => Some(Self { pipe }),
            Err(error) => {
                log::error!("modules: {error}");
                None
            }
        }
    }

    /// Ready when the child has ended.
    pub fn interest(&self) -> Interest<'_> {
        Interest::read(self.pipe.as_fd())
    }
}

/// Loads `modules` and waits for that.
pub fn load(modules: &BTreeSet<Module>) {
    if let Some(loader) = Loader::start(modules) {
        match poll(&[loader.interest()], Some(PATIENCE)) {
            Ok(ready) if ready.iter().any(|pipe| pipe.readable) => {}
            _ => log::warn!("modules: still loading after {} s", PATIENCE.as_secs()),
        }
        let _ended = crate::sys::process::reap();
    }
}

/// What is to be loaded for `module`; `None` for one that is there, loaded or built in with parameters.
fn wanted(module: &Module) -> Option<Wanted> {
    let there = Path::new("/sys/module").join(module.name.replace('-', "_"));
    if there.is_dir() {
        return None;
    }
    Some(Wanted {
        name: module.name.clone(),
        parameters: CString::new(module.parameters).ok()?,
    })
}
