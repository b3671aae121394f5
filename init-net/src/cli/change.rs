//! Printing for `apply`, `confirm`, `rollback`.

use std::io::{BufWriter, Write};

use super::args::{NetArgs, SourceArgs};
use super::style;
use crate::run::offline::Done;
use crate::run::{change, offline};

type Exit = Result<u8, String>;

/// The ops that were done on stdout, those that failed on stderr.
pub fn apply(sources: &SourceArgs, net: NetArgs) -> Exit {
    // Ten thousand routes are as many lines: stdout by itself would be a system call for each.
    let mut done = BufWriter::new(std::io::stdout().lock());
    let net = net.net();
    let all = offline::apply(&sources.sources(), net, style::print, |op| {
        print(&mut done, op)
    });
    // The change waits whatever else is to be said of it.
    if let (Ok(_), Some(time)) = (&all, net.confirm_within) {
        let _closed = writeln!(
            done,
            "goes back in {} s unless it is confirmed: init-net confirm",
            time.as_secs()
        );
    }
    Ok(u8::from(!all?))
}

/// The last change stays.
pub fn confirm() -> Exit {
    change::confirm().map(|()| 0)
}

/// The ops that fail on the way back on stderr.
pub fn rollback(force: bool) -> Exit {
    let all = offline::rollback(force, |op| print(&mut std::io::stdout(), op))?;
    Ok(u8::from(!all))
}

fn print(done: &mut impl Write, (op, result): Done) {
    // Nobody reads it any more: the work goes on.
    let _closed = match result {
        Ok(()) => writeln!(done, "{op}"),
        Err(error) => writeln!(std::io::stderr(), "init-net: error: {op}: {error}"),
    };
}
