//! Printing for `doctor` and `graph`.

use std::io::IsTerminal as _;

use super::args::CheckOutput;
use crate::run::doctor::{self, Severity, Target};
use crate::run::graph;

/// The findings on stdout; 1 when one is an error.
pub fn doctor(online: Option<&Target>, output: CheckOutput) -> Result<u8, String> {
    let examination = doctor::examine(online)?;
    match output {
        CheckOutput::Json => {
            let text = serde_json::to_string_pretty(&examination);
            println!("{}", text.map_err(|error| error.to_string())?);
        }
        CheckOutput::Text => print(&examination.to_string()),
    }
    Ok(u8::from(!examination.healthy))
}

/// The picture on stdout.
pub fn graph() -> Result<u8, String> {
    print!("{}", graph::draw()?);
    Ok(0)
}

/// Colours the first word of each finding: only on a terminal, never with NO_COLOR.
fn print(text: &str) {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for line in text.lines() {
        let word = line.split(' ').next().unwrap_or_default();
        let code = match word {
            _ if !colour => "",
            w if w == Severity::Ok.name() => "32",
            w if w == Severity::Note.name() => "36",
            w if w == Severity::Warning.name() => "33",
            w if w == Severity::Error.name() => "31",
            _ => "",
        };
        match line.strip_prefix(word) {
            Some(rest) if !code.is_empty() => println!("\x1b[1;{code}m{word}\x1b[0m{rest}"),
            _ => println!("{line}"),
        }
    }
}
