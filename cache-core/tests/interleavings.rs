//! The shell under chosen schedules: whatever two threads can do to each other between two accesses
//! of memory, as far as a budget goes.
//!
//! Shuttle stands in for the operating system: it runs one thread at a time, and at each lock and
//! each atomic access decides who goes on. Half of the schedules are drawn at random, the others
//! by PCT (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding
//! Bugs", ASPLOS 2010) with two changes of priority. It knows one order of memory, the sequential
//! one; the lock with the weaker orders is loom's (`src/sync/model.rs`).
//!
//! ```text
//! RUSTFLAGS="--cfg cache_shuttle" cargo test --release -p cache-core --test interleavings --target-dir target/shuttle
//! ```
//!
//! Schedules of each kind per scenario: `CACHE_SCHEDULES=1000000`. Others than the usual ones:
//! `SHUTTLE_RANDOM_SEED=7`. One that failed is printed, between quotes; `CACHE_SCHEDULE="9102…"`,
//! with the name of its test after `--`, runs it again. It fits the code that it was found with: where
//! that has changed since, shuttle says that the schedule does not.
#![cfg(cache_shuttle)]

#[path = "interleavings/shuttle_runtime.rs"]
mod shuttle_runtime;

#[path = "interleavings/batches.rs"]
mod batches;
#[path = "interleavings/callers.rs"]
mod callers;
#[path = "interleavings/capacity.rs"]
mod capacity;
#[path = "interleavings/handles.rs"]
mod handles;
#[path = "interleavings/janitor.rs"]
mod janitor;
#[path = "interleavings/writes.rs"]
mod writes;
