//! A shell in a guest: a script in, its exit status and what it printed out.
//!
//! Over a virtio port and not the serial one: what a command prints comes whole and is not mixed with the kernel's lines.
//! A request is the script's length in decimal, a line feed, the script. An answer is `STATUS OUTPUT ERRORS`, the two lengths
//! in bytes, a line feed, the output, the errors. The guest's part is [`crate::guest::SESSION`].

use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::Deadline;
use crate::Error;
use crate::Log;
use crate::Result;
use crate::error::Context;

/// Largest answer, bytes: 4,000 links in detail have about 8 MiB. More is a guest that prints in a loop.
const ANSWER_MAX: usize = 64 << 20;

/// Longest first line of an answer, bytes: three numbers.
const HEAD_MAX: usize = 64;

/// What a script did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its exit status as a shell sees it: 128 and the number for a signal.
    pub status: i32,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
}

/// The host's end of a guest's shell.
#[derive(Debug)]
pub struct Session {
    stream: UnixStream,
    log: Log,
    /// A script that was given up may still answer, and that would be taken for the next one's answer.
    in_step: bool,
}

impl Session {
    /// The session behind a connected socket; scripts and answers go to `log`.
    pub(crate) fn new(stream: UnixStream, log: Log) -> Self {
        Self {
            stream,
            log,
            in_step: true,
        }
    }

    /// Runs `script` with the guest's sh and waits for its end. The first one also waits for the guest to boot.
    ///
    /// # Errors
    /// [`Error::Deadline`] when it takes longer, after which the session is over; [`Error::Ended`] when the machine ends.
    /// A status other than 0 is no error here.
    pub fn run(&mut self, script: &str, within: Duration) -> Result<Answer> {
        let what = || format!("the guest's answer to: {}", script.trim());
        if !self.in_step {
            let what = format!("an earlier script was given up; {}", what());
            return Err(Error::Ended { what });
        }
        self.log.push(format!("# {}", script.trim()));
        self.in_step = false;
        let request = format!("{}\n{script}", script.len());
        let sent = self.stream.write_all(request.as_bytes());
        sent.context("the guest's session")?;

        let deadline = Deadline::after(within);
        let mut head = Vec::new();
        while !head.ends_with(b"\n") && head.len() < HEAD_MAX {
            let byte = self.read(1, deadline, &what)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let (status, output, errors) = parse(&head).ok_or_else(|| Error::Program {
            command: script.to_owned(),
            output: format!("the guest's shell answered {head:?}"),
        })?;
        let output = self.read(output, deadline, &what)?;
        let errors = self.read(errors, deadline, &what)?;
        self.in_step = true;

        let answer = Answer {
            status,
            output: String::from_utf8_lossy(&output).into_owned(),
            errors: String::from_utf8_lossy(&errors).into_owned(),
        };
        for line in answer.output.lines().chain(answer.errors.lines()) {
            self.log.push(line);
        }
        self.log.push(format!("= {status}"));
        Ok(answer)
    }

    /// Exactly `count` bytes.
    fn read(
        &mut self,
        count: usize,
        deadline: Deadline,
        what: &dyn Fn() -> String,
    ) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            let Some(left) = deadline.remaining() else {
                return Err(Error::Deadline { what: what() });
            };
            let timeout = self.stream.set_read_timeout(Some(left));
            timeout.context("the guest's session")?;
            match self.stream.read(&mut bytes[filled..]) {
                Ok(0) => return Err(Error::Ended { what: what() }),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("the guest's session"),
            }
        }
        Ok(bytes)
    }
}

/// `0 12 0` → status and the two lengths.
fn parse(head: &str) -> Option<(i32, usize, usize)> {
    let mut words = head.split_whitespace();
    let status = words.next()?.parse().ok()?;
    let output: usize = words.next()?.parse().ok()?;
    let errors: usize = words.next()?.parse().ok()?;
    let fits = words.next().is_none() && output.checked_add(errors)? <= ANSWER_MAX;
    fits.then_some((status, output, errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// A session and the guest's end, from which `answers` come and then nothing more.
    fn session(answers: &str) -> (Session, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(answers.as_bytes()).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        (Session::new(ours, Log::default()), theirs)
    }

    #[test]
    fn answers_come_whole_and_in_turn() {
        let (mut session, _guest) = session("0 3 0\nab\n1 0 4\noops");
        let answer = session.run("echo ab", SOON).unwrap();
        assert_eq!((answer.status, answer.output.as_str()), (0, "ab\n"));
        let answer = session.run("false", SOON).unwrap();
        assert_eq!((answer.status, answer.errors.as_str()), (1, "oops"));
        assert_eq!(
            session.log.lines(),
            ["# echo ab", "ab", "= 0", "# false", "oops", "= 1"]
        );
        let error = session.run("true", SOON).unwrap_err();
        assert!(matches!(error, Error::Ended { .. }), "{error}");
    }

    #[test]
    fn a_script_that_takes_too_long_ends_the_session() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut session = Session::new(ours, Log::default());
        let error = session
            .run("sleep 9", Duration::from_millis(10))
            .unwrap_err();
        assert!(error.to_string().contains("sleep 9"), "{error}");
        let error = session.run("true", SOON).unwrap_err();
        assert!(error.to_string().contains("given up"), "{error}");
    }

    #[test]
    fn heads() {
        for bad in ["", "0 1", "a 1 1", "0 1 1 1", "0 99999999999 0", "0 -1 0"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse("137 0 5\n"), Some((137, 0, 5)));
    }
}
