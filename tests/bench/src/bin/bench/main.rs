//! The benchmarks, side by side with other packages.
//!
//! `cargo run --release -p cache-bench --bin bench -- hits`; `--help` lists the commands.

mod batch;
mod memory;
mod speed;

use std::error::Error;
use std::io::stdout;
use std::path::PathBuf;

use cache_bench::measure::{Document, Machine, Report};
use cache_bench::speed::{expiry, herd, hits, insert, miss, mixed};
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
    /// What a hit costs: u64 and String keys, Zipf and uniform, 1, 2 and 4 threads, get and get_with, with and without a TTL
    Hits(speed::Flags),
    /// What a read costs that loads on a miss: Zipf over ten times more keys than there is room for
    Mixed(speed::Flags),
    /// What the insert of a new key into a full cache costs
    Insert(speed::Flags),
    /// What a single-flight load of a new key costs in a full cache
    Miss(speed::Flags),
    /// What many tasks pay that ask for the same at once
    Herd(speed::Flags),
    /// What an entry takes, and an empty cache
    Memory,
    /// What the insert of an entry with a TTL of its own costs, and its purge
    Expiry(speed::Flags),
    /// What a load costs that becomes part of a batch
    Batch(batch::Flags),
}

impl Command {
    fn run(self, quick: bool) -> Result<Report, String> {
        match self {
            Self::Hits(flags) => Ok(hits(flags.pace(quick))),
            Self::Mixed(flags) => Ok(mixed(flags.pace(quick))),
            Self::Insert(flags) => Ok(insert(flags.pace(quick))),
            Self::Miss(flags) => Ok(miss(flags.pace(quick))),
            Self::Herd(flags) => Ok(herd(flags.pace(quick))),
            Self::Memory => memory::run(),
            Self::Expiry(flags) => Ok(expiry(flags.pace(quick))),
            Self::Batch(flags) => flags.run(quick),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags {
        command,
        quick,
        json,
    } = Flags::parse();
    let report = command.run(quick)?;
    report.print(stdout().lock())?;
    if let Some(path) = json {
        let document = Document {
            machine: Machine::this(),
            reports: vec![report],
        };
        document.write(&path)?;
    }
    Ok(())
}
