//! Stresses caches on runtimes with real threads and running clocks, and continuously checks the
//! cache's promises.
//!
//! `cargo run --release -p cache-tests --bin soak -- --seconds 60` prints the operations, the
//! injected faults and the number of violations. It fails if there is a violation, and prints the
//! command that repeats the run.

mod actor;
mod arena;
mod figures;
mod host;
mod loader;
mod report;
mod rounds;
mod truth;
mod waiting;
mod watchdog;

use std::alloc::System;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use figures::Figures;
use host::Kind;
use report::table;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Stresses caches and checks their promises.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Args {
    /// Duration of the run on each runtime.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only on this runtime; may be repeated.
    #[arg(long, value_name = "RUNTIME")]
    runtime: Vec<Kind>,
    /// Seed of the operations of each task and of the injected faults. The scheduling of threads is
    /// not reproducible.
    #[arg(long, default_value_t = rand::random::<u32>().into(), hide_default_value = true)]
    seed: u64,
    /// Number of keys, at least 16.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..))]
    keys: u32,
    /// Number of tasks that use the caches, at least 1.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    tasks: u32,
    /// Maximum duration of a loader. A caller that waits for 60 times as long is a violation.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(100..))]
    bound: u64,
}

impl Args {
    fn bound(&self) -> Duration {
        Duration::from_millis(self.bound)
    }

    fn kinds(&self) -> &[Kind] {
        match &*self.runtime {
            [] => &Kind::ALL,
            some => some,
        }
    }

    /// The command that repeats the run on `kind`.
    fn again(&self, kind: Kind) -> String {
        let Self {
            seconds,
            seed,
            keys,
            tasks,
            bound,
            ..
        } = self;
        format!(
            "cargo run --release -p cache-tests --bin soak -- --runtime {kind} --seconds {seconds} --seed {seed} \
             --keys {keys} --tasks {tasks} --bound {bound}"
        )
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    be_silent_about_injected_panics();
    let mut columns = Vec::new();
    for &kind in args.kinds() {
        eprintln!("{kind}: {} s, seed {}", args.seconds, args.seed);
        let figures = Arc::new(Figures::default());
        let memory = rounds::run(&args, kind, &figures);
        for violation in figures.violations() {
            eprintln!("violation: {violation}");
        }
        if figures.violated() > 0 {
            eprintln!("to repeat it: {}", args.again(kind));
        }
        columns.push((kind, figures, memory));
    }
    println!("{}", table(&columns));
    let broken = columns.iter().any(|(_, figures, _)| figures.violated() > 0);
    ExitCode::from(u8::from(broken))
}

/// The number of bytes that are allocated now.
fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

/// Silences injected panics of loaders, and the panics of their waiters.
fn be_silent_about_injected_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !loader::is_expected(panic.payload()) {
            report(panic);
        }
    }));
}
