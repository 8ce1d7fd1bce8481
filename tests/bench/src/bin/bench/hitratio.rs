//! The command line of `bench hitratio`: which traces to replay.

use std::path::PathBuf;

use cache_bench::hitratio::{HitRatios, hit_ratios};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Traces: files of little-endian u64 keys in the order of the requests; zstd if they end in
    /// .zst
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,
}

impl Flags {
    pub(crate) fn run(self, quick: bool) -> HitRatios {
        let most = if quick { 100_000 } else { usize::MAX };
        hit_ratios(&self.files, most, |why| eprintln!("skipped: {why}"))
    }
}
