//! The memory of an entry. This is the one benchmark with a counting allocator, which would slow
//! the others down.
//!
//! `bench memory` starts it.

use std::alloc::System;
use std::error::Error;
use std::io::stdout;

use cache_bench::speed::memory;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Box<dyn Error>> {
    let report = memory(|| {
        let stats = ALLOCATOR.stats();
        stats.bytes_allocated - stats.bytes_deallocated
    });
    serde_json::to_writer(stdout().lock(), &report)?;
    Ok(())
}
