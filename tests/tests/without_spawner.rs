//! What the cache promises about loads where it cannot spawn: whoever waits drives them.

#![allow(
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/without_spawner.rs"]
mod harness;

/// The promises about loads, without those that are kept by a background task.
#[path = "contract"]
mod contract {
    mod batch_collisions;
    mod batch_concurrency;
    mod batch_failures;
    mod batch_fences;
    mod batch_keys;
    mod batch_members;
    mod batch_panics;
    mod batch_size;
    mod batch_stats;
    mod batch_storm;
    mod batch_twins;
    mod batch_values;
    mod batch_window;
    mod batches;
    mod cancel;
    mod errors;
    mod executors;
    mod fences;
    mod generations;
    mod herd;
    mod inline;
    mod leader;
    mod leavers;
    mod loading;
    mod loads;
    mod methods;
    mod panics;
    mod reentrance;
    mod refresh;
    mod remembered;
    mod timeouts;
    mod tools;
    mod wakers;
    mod warm;
    mod writes;
}
