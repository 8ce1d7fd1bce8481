//! Runs the contract of loads on a runtime that cannot spawn: the waiters drive the loads.

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

/// The promises about loads, except those that need a background task.
#[path = "contract"]
mod contract {
    mod batches {
        mod cancel;
        mod concurrency;
        mod duplicates;
        mod failures;
        mod hash_collisions;
        mod keys;
        mod panics;
        mod size;
        mod stats;
        mod stress;
        mod values;
        mod window;
        mod writes;
    }
    mod freshness {
        mod kept;
        pub mod support;
        mod without_spawner;
    }
    mod loads {
        mod across_methods;
        mod cancel;
        mod cancelled_wakers;
        mod errors;
        mod executors;
        mod generations;
        mod leader;
        mod loading_view;
        mod negative_and_error_ttl;
        mod refresh;
        mod scoped;
        mod single_flight;
        mod takeover;
        mod timeouts;
        mod warm;
    }
    mod panics {
        mod loader;
    }
    mod reentrancy {
        mod loader;
        mod wakers;
    }
    mod writes {
        mod during_load;
        mod removal_during_load;
    }
    pub mod support;
}
