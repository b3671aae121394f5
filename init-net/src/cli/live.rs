//! Printing for `get`, `explain`, `timeline`, `wait`.

use serde_json::{Value, json};

use super::args::{GetOutput, Level, PacketArgs, SourceArgs};
use super::{style, table, yaml};
use crate::run::explain_packet::Asked;
use crate::run::sources::Sources;
use crate::run::{kinds, live, offline, wait as waiting};

type Exit = Result<u8, String>;

/// Resources of `kind`; with `watch` every change of them.
pub fn get(kind: &str, id: Option<&str>, output: GetOutput, watch: bool) -> Exit {
    let kind = match kinds::resolve(kind) {
        Ok(kind) => kind,
        Err(error) => {
            eprintln!("init-net: error: {error}");
            let all: Vec<&str> = kinds::names().collect();
            all.chunks(8)
                .for_each(|row| eprintln!("  {}", row.join(" ")));
            return Ok(super::EXIT_USAGE);
        }
    };
    if watch {
        return super::watch::print(kind, id, output);
    }
    let mut resources = live::get(kind)?;
    if let Some(id) = id {
        resources.retain(|resource| resource.get("id").and_then(Value::as_str) == Some(id));
        if resources.is_empty() {
            return Err(format!("{kind}: nothing is called {id}"));
        }
    }
    print(kind, resources, output)
}

/// Counters and gauges.
pub fn metrics() -> Exit {
    print!("{}", live::metrics()?);
    Ok(0)
}

/// Where something comes from, or what the firewall does with a packet.
pub fn explain(id: &str, packet: &PacketArgs, sources: &SourceArgs) -> Exit {
    if id == "packet" {
        return match packet.asked() {
            Ok(asked) => explain_packet(&sources.sources(), &asked),
            Err(error) => Ok(misused(&error)),
        };
    }
    if !packet.is_empty() || !sources.is_empty() {
        let error = format!("{id}: packets and sources are asked about with `explain packet`");
        return Ok(misused(&error));
    }
    match live::explain(id)? {
        Some(text) => {
            println!("{text}");
            Ok(0)
        }
        None => Err(format!("nothing here is called {id}")),
    }
}

fn misused(error: &str) -> u8 {
    eprintln!("init-net: error: {error}");
    super::EXIT_USAGE
}

fn explain_packet(sources: &Sources, asked: &Asked) -> Exit {
    let (text, diagnostics) = crate::run::explain_packet::explain(sources, asked)?;
    style::print(&diagnostics);
    println!("{text}");
    Ok(u8::from(offline::has_errors(&diagnostics)))
}

/// Another program in place of the supervisor's.
pub fn upgrade(binary: Option<&std::path::Path>) -> Exit {
    println!("{}", crate::run::upgrade::ask(binary)?);
    Ok(0)
}

/// 0 when the level is reached in time, else 1 with what is missing.
pub fn wait(level: Level, timeout: core::time::Duration, any: bool) -> Exit {
    match waiting::wait(level.into(), timeout, any)? {
        Ok(()) => Ok(0),
        Err(missing) => {
            eprintln!("init-net: not ready: missing {}", missing.join(", "));
            Ok(1)
        }
    }
}

/// The stages of the boot.
pub fn timeline(output: GetOutput) -> Exit {
    let report = live::report()?;
    let rows: Vec<Value> = report
        .timeline
        .stages()
        .iter()
        .map(|stage| {
            let took = stage.end.map(|end| {
                format!(
                    "{:.1} ms",
                    end.saturating_since(stage.start).as_secs_f64() * 1e3
                )
            });
            json!({
                "id": stage.name,
                "start": format!("{:.3} s", stage.start.as_nanos() as f64 / 1e9),
                "took": took.unwrap_or_else(|| "not finished".into()),
            })
        })
        .collect();
    print("timeline", rows, output)
}

fn print(kind: &str, resources: Vec<Value>, output: GetOutput) -> Exit {
    match output {
        GetOutput::Table => print!("{}", table::render(kind, &resources)),
        GetOutput::Json => {
            println!(
                "{}",
                serde_json::to_string_pretty(&Value::Array(resources)).map_err(|e| e.to_string())?
            );
        }
        GetOutput::Yaml => print!("{}", yaml::render(&Value::Array(resources))),
    }
    Ok(0)
}
