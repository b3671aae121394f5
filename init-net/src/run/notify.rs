//! Who started the supervisor is told how it is: sd_notify(3), a readiness descriptor as s6 has it, a watchdog.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::core::Readiness;
use crate::sys;
use crate::value::{Duration, Instant};

/// Variables of sd_notify(3) and sd_watchdog_enabled(3). A program that this process becomes is given them again; children
/// start with an empty environment.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Longest STATUS=, bytes: a line for people.
const MAX_STATUS: usize = 200;

/// Where to, and what was said last.
pub struct Notify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    ready_fd: Option<OwnedFd>,
    watchdog: Option<Watchdog>,
    /// The wait level was reached once.
    reached: bool,
    /// READY=1 was said, and nothing since that takes it back.
    announced: bool,
    status: String,
}

/// A sign of life is due at each `next`.
struct Watchdog {
    period: Duration,
    next: Instant,
}

impl Notify {
    /// As the environment says it; `ready_fd` gets one line end when the supervisor is ready.
    pub fn new(
        variable: impl Fn(&str) -> Option<OsString>,
        ready_fd: Option<OwnedFd>,
        now: Instant,
    ) -> Self {
        let manager = variable("NOTIFY_SOCKET").and_then(|name| match open(&name) {
            Ok(manager) => Some(manager),
            Err(error) => {
                log::warn!("NOTIFY_SOCKET={}: {error}", name.display());
                None
            }
        });
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        // Half of what the manager waits, as sd_watchdog_enabled(3) recommends.
        let period = number("WATCHDOG_USEC")
            .filter(|micros| for_us && *micros > 0)
            .map(|micros| Duration::from_micros(micros.div_ceil(2)));
        Self {
            watchdog: period
                .filter(|_| manager.is_some())
                .map(|period| Watchdog { period, next: now }),
            manager,
            ready_fd,
            reached: false,
            announced: false,
            status: String::new(),
        }
    }

    /// Whether anybody is told anything.
    pub fn has_a_listener(&self) -> bool {
        self.manager.is_some() || self.ready_fd.is_some()
    }

    /// Says what has changed, and gives a sign of life when one is due. The wait level may be `reached` at any time, long after
    /// `boot` has given up too; that one later loses it is the status, not the readiness.
    pub fn tell(&mut self, reached: bool, readiness: &Readiness, now: Instant) {
        let mut lines = Vec::new();
        self.reached |= reached;
        if self.reached && !self.announced {
            self.announced = true;
            lines.push("READY=1".to_owned());
            if let Some(file) = self.ready_fd.take()
                && let Err(error) = File::from(file).write_all(b"\n")
            {
                log::warn!("--ready-fd: {error}");
            }
        }
        let status = status(readiness);
        if status != self.status {
            lines.push(format!("STATUS={status}"));
            self.status = status;
        }
        if let Some(watchdog) = self
            .watchdog
            .as_mut()
            .filter(|watchdog| watchdog.next <= now)
        {
            watchdog.next = now + watchdog.period;
            lines.push("WATCHDOG=1".to_owned());
        }
        self.send(&lines);
    }

    /// Other sources are being taken, or another program takes over: READY=1 will be said again.
    pub fn reloading(&mut self) {
        self.announced = false;
        let micros = sys::clock::monotonic().as_micros();
        self.send(&["RELOADING=1".to_owned(), format!("MONOTONIC_USEC={micros}")]);
    }

    /// It did not come to that: [`Self::reloading`] is taken back, unless there was nothing to take back.
    pub fn stays(&mut self) {
        if self.reached {
            self.announced = true;
            self.send(&["READY=1".to_owned()]);
        }
    }

    /// The end is near.
    pub fn stopping(&self) {
        self.send(&["STOPPING=1".to_owned()]);
    }

    /// When the next sign of life is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.watchdog.as_ref().map(|watchdog| watchdog.next)
    }

    /// What was not told yet and goes over to the next program.
    pub fn ready_fd(&self) -> Option<BorrowedFd<'_>> {
        self.ready_fd.as_ref().map(OwnedFd::as_fd)
    }

    fn send(&self, lines: &[String]) {
        if let Some((socket, address)) = self.manager.as_ref().filter(|_| !lines.is_empty())
            // A manager that does not listen is not waited for.
            && let Err(error) = socket.send_to_addr(lines.join("\n").as_bytes(), address)
        {
            log::debug!("NOTIFY_SOCKET: {error}");
        }
    }
}

/// A path, or the name of an abstract socket behind `@`.
fn open(name: &OsString) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// One line for people.
fn status(readiness: &Readiness) -> String {
    let mut text = match readiness.missing.as_slice() {
        [] => "the network is as declared".to_owned(),
        missing => format!("missing {}", missing.join(", ")),
    };
    text.truncate(text.floor_char_boundary(MAX_STATUS));
    // A line end would begin another variable.
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manager that listens at an abstract address.
    fn manager(name: &str) -> (UnixDatagram, OsString) {
        let name = format!("init-net-notify-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_nonblocking(true).unwrap();
        (socket, format!("@{name}").into())
    }

    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).unwrap_or(0);
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn ready_is_said_once_and_after_each_reload() {
        let (socket, name) = manager("ready");
        let (mut reader, writer) = std::io::pipe().unwrap();
        let variable = |asked: &str| (asked == "NOTIFY_SOCKET").then(|| name.clone());
        let now = Instant::BOOT;
        let mut notify = Notify::new(variable, Some(writer.into()), now);
        let missing = Readiness {
            missing: vec!["lease on eth0\nREADY=1".into()],
            ..Readiness::default()
        };
        notify.tell(false, &missing, now);
        assert_eq!(heard(&socket), ["STATUS=missing lease on eth0 READY=1"]);
        notify.reloading();
        assert_eq!(heard(&socket)[0], "RELOADING=1");
        notify.stays();
        assert_eq!(heard(&socket), [""; 0], "it was not ready before");
        let fine = Readiness::default();
        notify.tell(true, &fine, now);
        assert_eq!(
            heard(&socket),
            ["READY=1", "STATUS=the network is as declared"]
        );
        let mut told = String::new();
        std::io::Read::read_to_string(&mut reader, &mut told).unwrap();
        assert_eq!(told, "\n", "one line end, and the descriptor is closed");
        notify.tell(true, &fine, now);
        assert_eq!(heard(&socket), [""; 0]);
        notify.reloading();
        let lines = heard(&socket);
        assert_eq!(lines[0], "RELOADING=1");
        let micros: u64 = lines[1]
            .strip_prefix("MONOTONIC_USEC=")
            .unwrap()
            .parse()
            .unwrap();
        assert!(micros > 0);
        notify.tell(false, &fine, now);
        assert_eq!(heard(&socket), ["READY=1"]);
        notify.reloading();
        assert_eq!(heard(&socket)[0], "RELOADING=1");
        notify.stays();
        assert_eq!(heard(&socket), ["READY=1"]);
        notify.stopping();
        assert_eq!(heard(&socket), ["STOPPING=1"]);
        assert_eq!(notify.deadline(), None, "no watchdog was asked for");
    }

    #[test]
    fn a_sign_of_life_is_given_twice_in_the_time_that_was_said() {
        let (socket, name) = manager("watchdog");
        let own = std::process::id().to_string();
        let with = |pid: &str, now| {
            let variable = |asked: &str| match asked {
                "NOTIFY_SOCKET" => Some(name.clone()),
                "WATCHDOG_USEC" => Some("3000000".into()),
                _ => Some(pid.into()),
            };
            Notify::new(variable, None, now)
        };
        let start = Instant::BOOT;
        assert_eq!(
            with("1", start).deadline(),
            None,
            "meant for another process"
        );
        let mut notify = with(&own, start);
        let fine = Readiness::default();
        notify.tell(false, &fine, start);
        assert_eq!(heard(&socket)[1..], ["WATCHDOG=1"]);
        let half = start + Duration::from_millis(1500);
        assert_eq!(notify.deadline(), Some(half));
        notify.tell(false, &fine, start + Duration::from_millis(1499));
        assert_eq!(heard(&socket), [""; 0]);
        notify.tell(false, &fine, half);
        assert_eq!(heard(&socket), ["WATCHDOG=1"]);
    }
}
