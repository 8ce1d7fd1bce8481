//! The sizes of the batch benchmark.

use std::time::Duration;

use cache_bench::batch::{Settings, run};
use cache_bench::measure::Report;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Loads that are in flight at once
    #[arg(long, value_name = "N", default_value_t = Self::default().loads, value_parser = clap::value_parser!(u64).range(1..))]
    loads: u64,
    /// Keys that the loads are spread over
    #[arg(long, value_name = "N", default_value_t = Self::default().keys, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Maximum number of keys in a batch
    #[arg(long, value_name = "N", default_value_t = Self::default().batch, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Rounds that the medians are taken over [default: 11; --quick: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            loads: 10_000,
            keys: 1_000,
            batch: 100,
            rounds: None,
        }
    }
}

impl Flags {
    pub(crate) fn run(self, quick: bool) -> Result<Report, String> {
        let (rounds, stint) = if quick { (5, 10) } else { (11, 200) };
        run(Settings {
            loads: self.loads,
            keys: self.keys,
            batch: self.batch as usize,
            rounds: self.rounds.unwrap_or(rounds) as usize,
            stint: Duration::from_millis(stint),
        })
    }
}
