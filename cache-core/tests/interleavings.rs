//! The shell of the cache under many thread schedules.
//!
//! Shuttle replaces the operating system: it runs one thread at a time, and chooses the next thread
//! at each lock and each atomic access. Half of the schedules are random, the others are drawn by
//! PCT (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs",
//! ASPLOS 2010) with two changes of priority. Shuttle models sequential consistency only. Loom
//! checks the lock with weaker memory orderings (`src/sync/model.rs`).
//!
//! ```text
//! RUSTFLAGS="--cfg cache_shuttle" cargo test --release -p cache-core --test interleavings --target-dir target/shuttle
//! ```
//!
//! `CACHE_SCHEDULES=1000000` sets the number of schedules of each kind per scenario.
//! `SHUTTLE_RANDOM_SEED=7` chooses other schedules. A failed schedule is printed between quotes,
//! and `CACHE_SCHEDULE="9102…"` with the name of its test after `--` repeats it. A schedule is
//! valid only for the code that it was found with; shuttle reports if it no longer fits.
#![cfg(cache_shuttle)]

#[path = "interleavings/shuttle_runtime.rs"]
mod shuttle_runtime;

#[path = "interleavings/batch_refreshes.rs"]
mod batch_refreshes;
#[path = "interleavings/batches.rs"]
mod batches;
#[path = "interleavings/blocking.rs"]
mod blocking;
#[path = "interleavings/callers.rs"]
mod callers;
#[path = "interleavings/capacity.rs"]
mod capacity;
#[path = "interleavings/events.rs"]
mod events;
#[path = "interleavings/handles.rs"]
mod handles;
#[path = "interleavings/janitor.rs"]
mod janitor;
#[path = "interleavings/refreshes.rs"]
mod refreshes;
#[path = "interleavings/takeover.rs"]
mod takeover;
#[path = "interleavings/tier.rs"]
mod tier;
#[path = "interleavings/writes.rs"]
mod writes;
