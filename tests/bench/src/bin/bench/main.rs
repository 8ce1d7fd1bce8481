//! The benchmarks, side by side with other packages.
//!
//! `cargo run --release -p cache-bench --bin bench -- hits`; `--help` lists the commands.

mod all;
mod batch;
mod draw;
mod hitratio;
mod memory;
mod speed;

use std::error::Error;
use std::io::stdout;
use std::path::PathBuf;

use cache_bench::document::{Document, Machine};
use cache_bench::hitratio::HitRatios;
use cache_bench::measure::Report;
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
    /// Few and short rounds, short traces: to see that it runs, not for figures
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
    /// How often a cache hits when a trace is replayed
    Hitratio(hitratio::Flags),
    /// All of them, one after the other
    All(all::Flags),
    /// Draws what --json wrote: the cost of a hit by threads, hit ratios by capacity
    Draw(draw::Flags),
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    reports: Vec<Report>,
    hit_ratios: Option<HitRatios>,
}

impl Command {
    fn run(self, quick: bool, findings: &mut Findings) -> Result<(), Box<dyn Error>> {
        let report = match self {
            Self::Hits(flags) => hits(flags.pace(quick)),
            Self::Mixed(flags) => mixed(flags.pace(quick)),
            Self::Insert(flags) => insert(flags.pace(quick)),
            Self::Miss(flags) => miss(flags.pace(quick)),
            Self::Herd(flags) => herd(flags.pace(quick)),
            Self::Memory => memory::run()?,
            Self::Expiry(flags) => expiry(flags.pace(quick)),
            Self::Batch(flags) => flags.run(quick)?,
            Self::Hitratio(flags) => {
                let ratios = flags.run(quick);
                ratios.print(stdout().lock())?;
                findings.hit_ratios = Some(ratios);
                return Ok(());
            }
            Self::All(flags) => return flags.run(quick, findings),
            Self::Draw(flags) => return flags.run(),
        };
        report.print(stdout().lock())?;
        findings.reports.push(report);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Flags {
        command,
        quick,
        json,
    } = Flags::parse();
    let mut findings = Findings::default();
    command.run(quick, &mut findings)?;
    if let Some(path) = json {
        let document = Document {
            machine: Machine::this(),
            reports: findings.reports,
            hit_ratios: findings.hit_ratios,
        };
        document.write(&path)?;
    }
    Ok(())
}
