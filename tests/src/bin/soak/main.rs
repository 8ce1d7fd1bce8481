//! Uses caches as roughly as it can, on runtimes with real threads and clocks that run, and checks all the time what the
//! cache promises.
//!
//! `cargo run --release -p cache-tests --bin soak -- --seconds 60` prints what was done, which faults were injected and how
//! often a promise was broken. It fails if one was, and says how to run the same again.

mod actor;
mod age;
mod arena;
mod figures;
mod host;
mod loader;
mod patience;
mod report;
mod rounds;
mod truth;

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

/// Uses caches as roughly as it can, and checks what they promise.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Args {
    /// For how long, on each runtime.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only on this runtime; may be repeated.
    #[arg(long, value_name = "RUNTIME")]
    runtime: Vec<Kind>,
    /// What each task does, and which of its calls go wrong: the same for the same seed. Threads are not that obedient.
    #[arg(long, default_value_t = rand::random::<u32>().into(), hide_default_value = true)]
    seed: u64,
    /// How many keys there are: 16 at the least.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..))]
    keys: u32,
    /// How many tasks use the caches: 1 at the least.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    tasks: u32,
    /// The longest that a loader may take. Who waits for twice as long has been forgotten.
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

    /// The command that runs the same on `kind` again.
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

/// Bytes that are allocated at present.
fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

/// A panic of a loader that was meant to be is no news, nor is what waiters make of it.
fn be_silent_about_injected_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !loader::is_expected(panic.payload()) {
            report(panic);
        }
    }));
}
