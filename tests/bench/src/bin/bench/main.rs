//! The benchmarks, side by side with other packages.
//!
//! `cargo run --release --manifest-path tests/bench/Cargo.toml --bin bench -- hits`; `--help` lists
//! the commands.

mod all;
mod batch;
mod draw;
mod hitratio;
mod memory;
mod speed;
mod table;

use std::error::Error;
use std::io::stdout;
use std::path::PathBuf;

use cache_bench::document::{Document, Machine};
use cache_bench::hitratio::HitRatios;
use cache_bench::measure::Report;
use cache_bench::speed::{expiry, herd, hits, insert, miss, mixed};
use clap::{Parser, Subcommand};

/// Measures this cache and others side by side.
///
/// Every contender runs once in each round, and medians are taken over the rounds. Figures are only
/// meaningful if the machine has nothing else to do.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Flags {
    #[command(subcommand)]
    command: Command,
    /// Few and short rounds, short traces: checks that the benchmark runs, does not give figures
    #[arg(long, global = true)]
    quick: bool,
    /// Write the figures, each round included, to this file
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The cost of a hit: u64 and String keys, Zipf and uniform, 1, 2 and 4 threads, get and
    /// get_with, with and without a TTL
    Hits(speed::Flags),
    /// The cost of a read that loads on a miss: Zipf over ten times as many keys as the capacity
    Mixed(speed::Flags),
    /// The cost of inserting a new key into a full cache
    Insert(speed::Flags),
    /// The cost of a single-flight load of a new key in a full cache
    Miss(speed::Flags),
    /// The cost for each of many tasks that request the same key at once
    Herd(speed::Flags),
    /// The memory of an entry, and of an empty cache
    Memory,
    /// The cost of inserting an entry with a TTL of its own, and of purging it
    Expiry(speed::Flags),
    /// The cost of a load that is part of a batch
    Batch(batch::Flags),
    /// The hit ratio of a cache when a trace is replayed
    Hitratio(hitratio::Flags),
    /// All benchmarks, one after the other
    All(all::Flags),
    /// Draw the figures that --json wrote: the cost of a hit by threads, hit ratios by capacity
    Draw(draw::Flags),
    /// Print the figures that --json wrote as Markdown tables
    Table(table::Flags),
}

/// The results so far.
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
            Self::Table(flags) => return flags.run(),
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
