//! QEMU's monitor protocol (QMP): one JSON line a command, one a reply, events between.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::Error;
use crate::Result;
use crate::error::Context;

/// Longest silence of the monitor before it is given up; a busy host answers in milliseconds.
const SILENCE: Duration = Duration::from_secs(30);

/// A monitor that is ready for commands.
#[derive(Debug)]
pub(crate) struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    /// Reads the greeting and leaves the negotiation mode.
    pub(crate) fn open(stream: UnixStream) -> Result<Self> {
        stream
            .set_read_timeout(Some(SILENCE))
            .context("the monitor's socket")?;
        let mut monitor = Self {
            stream: BufReader::new(stream),
        };
        monitor.read()?;
        monitor.run("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Runs a command and waits for its reply.
    pub(crate) fn run(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments });
        let text = format!("{line}\n");
        let mut stream = self.stream.get_ref();
        stream.write_all(text.as_bytes()).context("the monitor")?;
        loop {
            let reply = self.read()?;
            if let Some(error) = reply.get("error") {
                return Err(Error::Program {
                    command: line.to_string(),
                    output: error.to_string(),
                });
            }
            if let Some(answer) = reply.get("return") {
                return Ok(answer.clone());
            }
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let count = self.stream.read_line(&mut line).context("the monitor")?;
        if count == 0 {
            let what = "the monitor's answer".to_owned();
            return Err(Error::Ended { what });
        }
        serde_json::from_str(&line).context("the monitor's answer")
    }
}
