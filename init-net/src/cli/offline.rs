//! Printing for `check`, `compile`, `plan`, `apply`, `schema`.

use std::io::{BufWriter, Write as _};

use super::args::{CheckOutput, DataOutput, SourceArgs};
use super::{style, yaml};
use crate::run::offline;

type Exit = Result<u8, String>;

/// Diagnostics on stderr, or as JSON on stdout; 1 on errors.
pub fn check(sources: &SourceArgs, output: CheckOutput) -> Exit {
    let (_, diagnostics) = offline::compile(&sources.sources())?;
    match output {
        CheckOutput::Text => style::print(&diagnostics),
        CheckOutput::Json => println!("{}", pretty(&diagnostics)?),
    }
    Ok(u8::from(offline::has_errors(&diagnostics)))
}

/// The desired state.
pub fn compile(sources: &SourceArgs, output: DataOutput) -> Exit {
    let (desired, diagnostics) = offline::compile(&sources.sources())?;
    style::print(&diagnostics);
    match output {
        DataOutput::Json => println!("{}", pretty(&desired)?),
        DataOutput::Yaml => {
            let value = serde_json::to_value(&desired).map_err(|error| error.to_string())?;
            print!("{}", yaml::render(&value));
        }
    }
    Ok(u8::from(offline::has_errors(&diagnostics)))
}

/// One op a line; 0 nothing to do, 2 changes, 1 the sources have errors.
pub fn plan(sources: &SourceArgs) -> Exit {
    let (ops, diagnostics) = offline::plan(&sources.sources())?;
    style::print(&diagnostics);
    ops.iter().for_each(|op| println!("{op}"));
    Ok(match (offline::has_errors(&diagnostics), ops.is_empty()) {
        (true, _) => 1,
        (false, true) => 0,
        (false, false) => 2,
    })
}

/// The ops that were done on stdout, those that failed on stderr.
pub fn apply(sources: &SourceArgs) -> Exit {
    // Ten thousand routes are as many lines: stdout by itself would be a system call for each.
    let mut done = BufWriter::new(std::io::stdout().lock());
    let all = offline::apply(&sources.sources(), style::print, |(op, result)| {
        // Nobody reads it any more: the work goes on.
        let _closed = match result {
            Ok(()) => writeln!(done, "{op}"),
            Err(error) => writeln!(std::io::stderr(), "init-net: error: {op}: {error}"),
        };
    })?;
    Ok(u8::from(!all))
}

/// The JSON Schema of machine configs.
pub fn schema() -> Exit {
    println!("{}", pretty(&offline::schema())?);
    Ok(0)
}

fn pretty(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map_err(|error| error.to_string())
}
