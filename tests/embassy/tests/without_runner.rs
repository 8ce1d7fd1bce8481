//! Runs the contract of loads without a runner: the waiters drive the loads.

#![allow(
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

/// The harness without a runner.
mod harness {
    #[path = "../harness/std_driver.rs"]
    mod with_runner;

    use std::future::Future;

    pub use with_runner::{
        Boxed, Cache, Rt, SINGLE_THREADED, Sendable, Task, advance, runtime, runtime_with_clock,
        sleep, spawn, task_count, until, waker,
    };

    /// Runs a test on a fresh executor.
    pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
        with_runner::run_on(false, test);
    }

    /// Runs a test several times, each time with another seed.
    pub fn run_seeds<F: Future<Output = ()>>(test: impl Fn(u64) -> F) {
        for seed in 0..20 {
            run(|| test(seed));
        }
    }
}

/// The promises about loads that need no background task.
#[path = "../../tests/contract"]
mod contract {
    mod batches {
        mod cancel;
        mod concurrency;
        mod keys;
        mod panics;
        mod size;
        mod stats;
        mod stress;
        mod values;
        mod window;
        mod writes;
    }
    mod loads {
        mod across_methods;
        mod cancel;
        mod errors;
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
