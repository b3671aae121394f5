//! Colour for diagnostics: only on a terminal, never with NO_COLOR.

use std::io::IsTerminal as _;

use crate::config::diagnostic::{Diagnostic, Severity};

/// Before each of them.
const PREFIX: &str = "init-net: ";

/// Prints diagnostics on stderr.
pub fn print(diagnostics: &[Diagnostic]) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for diagnostic in diagnostics {
        let text = format!("{diagnostic:width$}", width = PREFIX.len());
        let code = match diagnostic.severity {
            Severity::Note => "36",
            Severity::Warning => "33",
            Severity::Error => "31",
        };
        match text.split_once(": ").filter(|_| colour) {
            Some((severity, rest)) => {
                eprintln!("{PREFIX}\x1b[1;{code}m{severity}\x1b[0m: {rest}")
            }
            None => eprintln!("{PREFIX}{text}"),
        }
    }
}
