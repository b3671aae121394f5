//! reboot(2).

use std::convert::Infallible;
use std::io;

use nix::sys::reboot::{RebootMode, reboot, set_cad_enabled};

/// How the machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// Starts again.
    Reboot,
    /// Power off.
    PowerOff,
    /// Stops, power on.
    Halt,
}

/// Ctrl-Alt-Del becomes SIGINT to PID 1 instead of an immediate reset.
pub fn disable_ctrl_alt_del() -> io::Result<()> {
    Ok(set_cad_enabled(false)?)
}

/// Writes back what is dirty and goes down. Returns only when that fails.
pub fn go(down: Down) -> io::Result<Infallible> {
    nix::unistd::sync();
    Ok(reboot(match down {
        Down::Reboot => RebootMode::RB_AUTOBOOT,
        Down::PowerOff => RebootMode::RB_POWER_OFF,
        Down::Halt => RebootMode::RB_HALT_SYSTEM,
    })?)
}
