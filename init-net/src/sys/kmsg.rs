//! The kernel log as our log: it is there before any file system, and does not wait for a console's reader.

use core::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Longest record, bytes: PRINTK_MESSAGE_MAX less its prefix (devkmsg_write refuses more with EINVAL).
const MAX_RECORD: usize = 960;

/// Where lines go.
enum Target {
    Kmsg(File),
    Stderr,
}

struct Logger(Target);

/// The first call of [`init`] made it.
static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Logs to /dev/kmsg from now on, with the level of each line; to stderr when there is no kernel log to write to, or
/// `kernel_log` is false (not PID 1: people read what they started). Only the first call counts.
pub fn init(level: LevelFilter, kernel_log: bool) {
    let logger = LOGGER.get_or_init(|| {
        let kmsg = OpenOptions::new().write(true).open("/dev/kmsg");
        Logger(match kmsg {
            Ok(file) if kernel_log => Target::Kmsg(file),
            _ => Target::Stderr,
        })
    });
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// The kernel log, when lines go there: a child keeps it open.
pub fn descriptor() -> Option<BorrowedFd<'static>> {
    match &LOGGER.get()?.0 {
        Target::Kmsg(file) => Some(file.as_fd()),
        Target::Stderr => None,
    }
}

/// Lifts the limit of 10 lines in 5 seconds that the kernel puts on /dev/kmsg (kernel.printk_devkmsg).
pub fn lift_rate_limit() -> io::Result<()> {
    std::fs::write("/proc/sys/kernel/printk_devkmsg", "on\n")
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // One write a line: lines of others do not come between its parts. What cannot be written has nowhere to be
        // reported to.
        let _lost = match &self.0 {
            Target::Kmsg(file) => {
                let line = line(record.level(), format_args!("{}", record.args()));
                (&mut &*file).write_all(line.as_bytes())
            }
            Target::Stderr => {
                io::stderr().write_all(format!("init-net: {}\n", record.args()).as_bytes())
            }
        };
    }

    fn flush(&self) {}
}

/// One record: priority (syslog level + 8 × LOG_DAEMON), name, text. Line ends and control characters become spaces, so
/// that nothing in the text can look like a record of its own.
fn line(level: Level, text: core::fmt::Arguments<'_>) -> String {
    let priority = 8 * 3
        + match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        };
    let mut line = format!("<{priority}>init-net: ");
    let start = line.len();
    line.write_fmt(text)
        .expect("writing to a String cannot fail");
    let clean: String = line[start..]
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.truncate(start);
    line.push_str(&clean);
    line.truncate(line.floor_char_boundary(MAX_RECORD));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_record() {
        let text = "a\n<0>kernel: forged\x1b[0m";
        let record = line(Level::Warn, format_args!("{text}"));
        assert_eq!(record, "<28>init-net: a <0>kernel: forged [0m\n");
        let long = "ä".repeat(MAX_RECORD);
        let record = line(Level::Error, format_args!("{long}"));
        assert!(record.len() <= MAX_RECORD + 1 && record.ends_with("ä\n"));
    }
}
