//! Printing for `check`, `compile`, `plan`, `schema`.

use super::args::{CheckOutput, DataOutput, SourceArgs};
use super::{style, yaml};
use crate::run::offline;

type Exit = Result<u8, String>;

/// Diagnostics on stderr, or as JSON on stdout; 1 on errors.
pub fn check(sources: &SourceArgs, output: CheckOutput) -> Exit {
    let sources = sources.sources();
    let (desired, mut diagnostics) = offline::compile(&sources)?;
    diagnostics.extend(offline::lockout(&sources, &desired));
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

/// The JSON Schema of machine configs.
pub fn schema() -> Exit {
    println!("{}", pretty(&offline::schema())?);
    Ok(0)
}

fn pretty(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map_err(|error| error.to_string())
}
