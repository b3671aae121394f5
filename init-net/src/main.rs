//! argv to a command, exit code back.

fn main() -> std::process::ExitCode {
    init_net::cli::main()
}
