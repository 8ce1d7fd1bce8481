//! One process of a fleet, and the long run.
//!
//! `cargo run -p cache-fleet-tests -- storm --reads 10000000` needs a server: `.ci/servers`
//! installs some.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use cache_fleet_tests::{Options, process, storm};
    use clap::Parser;

    #[derive(Debug, Parser)]
    enum Command {
        /// Runs a process: lines on stdin drive it.
        Process(Options),
        /// Runs traffic on several processes under random faults, and checks every read.
        Storm(storm::Arguments),
    }

    match Command::parse() {
        Command::Process(options) => {
            process::run(options);
            std::process::ExitCode::SUCCESS
        }
        Command::Storm(arguments) => storm::run(&arguments),
    }
}

#[cfg(not(unix))]
fn main() {}
