//! Drivers: loaded by a child process while the loop goes on.

use std::io::{PipeReader, Read as _};
use std::os::fd::AsFd as _;

use crate::sys::coldplug::{self, Wanted};
use crate::sys::poll::{Interest, poll};
use crate::value::Duration;

/// Modules that no device asks for and this program needs: packet sockets are a module of many kernels.
const ALWAYS: [&str; 1] = ["af_packet"];

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

    /// Starts loading a driver for every device.
    pub fn start() -> Self {
        let Ok(folder) = coldplug::module_folder() else {
            return Self::none();
        };
        if !folder.is_dir() {
            return Self::none();
        }
        let always = ALWAYS.iter().map(|name| Wanted {
            name: (*name).to_owned(),
            parameters: c"".to_owned(),
        });
        match coldplug::load_in_child(folder, always.collect()) {
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
