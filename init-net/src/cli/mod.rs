//! argv to a command; printing; exit codes (DESIGN §4: a contract that scripts rely on).

mod args;
mod change;
mod columns;
mod doctor;
mod live;
mod offline;
mod style;
mod table;
mod watch;
pub mod yaml;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

use crate::run::process::Options;

/// 0 fine; 1 the answer is no, or errors; 2 as a command says; 64 usage (EX_USAGE of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// Runs the program with the arguments of the process and answers with its exit code. PID 1 never returns: that would
/// be a kernel panic.
pub fn main() -> ExitCode {
    if std::process::id() == 1 {
        first_process();
    }
    match Args::try_parse() {
        Ok(args) => run(args.command),
        Err(error) => {
            let help = !error.use_stderr();
            // Printing can fail only where nobody listens.
            drop(error.print());
            ExitCode::from(if help { 0 } else { EXIT_USAGE })
        }
    }
}

/// The kernel hands its own words over as argv: they are not ours. The boot stage execs exactly `supervise`.
fn first_process() -> ! {
    let argv: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    let result = match argv.as_slice() {
        [only] if only == "supervise" => crate::run::supervise::main(&Options::default()),
        _ => crate::run::boot::main(&crate::run::boot::BootOptions::default()),
    };
    let why = result
        .err()
        .unwrap_or_else(|| "the first process has nothing left to do".into());
    crate::run::handoff::rescue(&why)
}

fn run(command: Command) -> ExitCode {
    // Who changes the machine goes on to the end, whoever listens.
    if !matches!(
        command,
        Command::Boot(_)
            | Command::Supervise(_)
            | Command::Apply { .. }
            | Command::Confirm
            | Command::Rollback { .. }
    ) {
        crate::run::end_with_the_reader();
    }
    let result = match command {
        Command::Boot(boot) => crate::run::boot::main(&boot.options()),
        Command::Supervise(supervise) if supervise.check => crate::run::upgrade::check(),
        Command::Supervise(supervise) => crate::run::supervise::main(&supervise.options()),
        Command::Upgrade { binary } => live::upgrade(binary.as_deref()),
        Command::Check { sources, output } => offline::check(&sources, output),
        Command::Compile { sources, output } => offline::compile(&sources, output),
        Command::Plan { sources } => offline::plan(&sources),
        Command::Apply { sources, net } => change::apply(&sources, net),
        Command::Confirm => change::confirm(),
        Command::Rollback { force } => change::rollback(force),
        Command::Get {
            kind,
            id,
            output,
            watch,
        } => live::get(&kind, id.as_deref(), output, watch),
        Command::Metrics => live::metrics(),
        Command::Explain {
            id,
            packet,
            sources,
        } => live::explain(&id, &packet, &sources),
        Command::Wait {
            level,
            timeout,
            any,
        } => live::wait(level, timeout, any),
        Command::Timeline { output } => live::timeline(output),
        Command::Schema => offline::schema(),
        Command::Graph => doctor::graph(),
        Command::Doctor { online, output } => doctor::doctor(online.as_ref(), output),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("init-net: error: {message}");
            ExitCode::from(1)
        }
    }
}
