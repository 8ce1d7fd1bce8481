//! The command line of the benchmarks that time single operations.

use std::time::Duration;

use cache_bench::speed::Pace;
use clap::Args;

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Flags {
    /// Rounds that the medians are taken over [default: 11; --quick: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// Milliseconds that each contender runs in a round [default: 100; --quick: 10]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    stint: Option<u64>,
}

impl Flags {
    pub(crate) fn pace(&self, quick: bool) -> Pace {
        let (rounds, stint) = if quick { (5, 10) } else { (11, 100) };
        Pace {
            rounds: self.rounds.unwrap_or(rounds) as usize,
            stint: Duration::from_millis(self.stint.unwrap_or(stint)),
        }
    }
}
