//! What a program prints, line by line, to be waited for and kept for a failure.

use std::io::Read;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::Deadline;
use crate::Error;
use crate::Result;
use crate::clock;

/// Lines of one program, filled by a thread of its own. Cheap to clone: all clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    started: Instant,
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<(Duration, String)>,
    ended: bool,
}

/// Lines kept of one log; what comes after is counted as lines but not kept. A kernel that prints in a loop must not
/// take the machine with it.
const LINES_MAX: usize = 100_000;

impl Default for Log {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                started: clock::now(),
                state: Mutex::default(),
                grown: Condvar::new(),
            }),
        }
    }
}

impl Log {
    /// Reads `source` to its end on a thread; `echo` prints each line with this prefix as it comes.
    pub fn follow(mut source: impl Read + Send + 'static, echo: Option<String>) -> Self {
        let log = Self::default();
        let writer = log.clone();
        thread::spawn(move || {
            let mut open = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                open.extend_from_slice(&buffer[..count]);
                while let Some(end) = open.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = open.drain(..=end).collect();
                    writer.push_bytes(&line, echo.as_deref());
                }
            }
            if !open.is_empty() {
                writer.push_bytes(&open, echo.as_deref());
            }
            writer.end();
        });
        log
    }

    /// Adds a line.
    pub fn push(&self, line: impl Into<String>) {
        let since = clock::now() - self.shared.started;
        let mut state = self.state();
        if state.lines.len() < LINES_MAX {
            state.lines.push((since, line.into()));
        }
        drop(state);
        self.shared.grown.notify_all();
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        let state = self.state();
        state.lines.iter().map(|(_, line)| line.clone()).collect()
    }

    /// Every line so far with the time since the log began, for a person to read.
    pub fn text(&self) -> String {
        let state = self.state();
        let lines = state.lines.iter();
        lines
            .map(|(since, line)| format!("{:8.3} {line}\n", since.as_secs_f64()))
            .collect()
    }

    /// How many lines hold `pattern`.
    pub fn count(&self, pattern: &str) -> usize {
        let state = self.state();
        let lines = state.lines.iter();
        lines.filter(|(_, line)| line.contains(pattern)).count()
    }

    /// The first line that holds `pattern`, waiting for it.
    ///
    /// # Errors
    /// [`Error::Deadline`] when it does not come in time, [`Error::Ended`] when the program ends without it.
    pub fn wait_for(&self, pattern: &str, within: Duration) -> Result<String> {
        self.wait_for_nth(pattern, 1, within)
    }

    /// The `nth` (from 1) line that holds `pattern`, waiting for it.
    ///
    /// # Errors
    /// As [`Log::wait_for`].
    pub fn wait_for_nth(&self, pattern: &str, nth: usize, within: Duration) -> Result<String> {
        let what = || format!("{pattern:?} (line {nth} of its kind)");
        self.wait(within, what, |state| {
            let mut lines = state.lines.iter();
            let found = lines
                .by_ref()
                .filter(|(_, line)| line.contains(pattern))
                .nth(nth.saturating_sub(1));
            match found {
                Some((_, line)) => Some(Ok(line.clone())),
                None if state.ended => Some(Err(Error::Ended { what: what() })),
                None => None,
            }
        })
    }

    /// Waits until the program has closed its output.
    ///
    /// # Errors
    /// [`Error::Deadline`] when it is still open then.
    pub fn wait_end(&self, within: Duration) -> Result<()> {
        let what = || "the end of the output".to_owned();
        self.wait(within, what, |state| state.ended.then_some(Ok(())))
    }

    fn wait<T>(
        &self,
        within: Duration,
        what: impl Fn() -> String,
        check: impl Fn(&State) -> Option<Result<T>>,
    ) -> Result<T> {
        let deadline = Deadline::after(within);
        let mut state = self.state();
        loop {
            if let Some(result) = check(&state) {
                return result;
            }
            let Some(left) = deadline.remaining() else {
                return Err(Error::Deadline { what: what() });
            };
            let waited = self.shared.grown.wait_timeout(state, left);
            (state, _) = waited.expect("no holder of the log's lock panics");
        }
    }

    fn push_bytes(&self, line: &[u8], echo: Option<&str>) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\r', '\n']);
        if let Some(prefix) = echo {
            println!("{prefix}{line}");
        }
        self.push(line);
    }

    fn end(&self) {
        self.state().ended = true;
        self.shared.grown.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.expect("no holder of the log's lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn lines_are_found_counted_and_ended() {
        let log = Log::follow(&b"one\r\ntwo one\nthree"[..], None);
        assert_eq!(log.wait_for("two", SOON).unwrap(), "two one");
        assert_eq!(log.wait_for_nth("one", 2, SOON).unwrap(), "two one");
        log.wait_end(SOON).unwrap();
        assert_eq!(log.lines(), ["one", "two one", "three"]);
        assert_eq!(log.count("one"), 2);
        assert!(matches!(
            log.wait_for("four", SOON),
            Err(Error::Ended { .. })
        ));
    }

    #[test]
    fn a_line_that_does_not_come_is_a_deadline() {
        let log = Log::default();
        let result = log.wait_for("x", Duration::from_millis(1));
        assert!(matches!(result, Err(Error::Deadline { .. })));
    }
}
