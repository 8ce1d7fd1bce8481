//! The benchmarks, side by side with other packages.
//!
//! `cargo run --release -p cache-bench --bin bench -- batch`; `--help` lists the commands.

mod batch;

use std::error::Error;
use std::io::stdout;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Takes the time of this cache and of others.
///
/// Every contender runs once in each round, and medians are taken over the rounds. Figures are only worth something if
/// the machine has nothing else to do.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Flags {
    #[command(subcommand)]
    command: Command,
    /// Few and short rounds: to see that it runs, not for figures
    #[arg(long, global = true)]
    quick: bool,
    /// Writes the figures, each round included, to this file
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a load costs that becomes part of a batch
    Batch(batch::Flags),
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags {
        command,
        quick,
        json,
    } = Flags::parse();
    let report = match command {
        Command::Batch(flags) => flags.run(quick)?,
    };
    report.print(stdout().lock())?;
    if let Some(path) = json {
        report.write_json(&path)?;
    }
    Ok(())
}
