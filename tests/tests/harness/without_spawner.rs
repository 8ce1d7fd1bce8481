//! The harness for a [`VirtualRuntime`] that cannot spawn: the waiters drive the load.

#[path = "virtual_runtime.rs"]
mod with_spawner;

use std::future::Future;

use cache_core::testing::VirtualRuntime;

pub use with_spawner::{
    Boxed, Cache, Rt, SINGLE_THREADED, Sendable, Task, advance, runtime, runtime_with_clock, sleep,
    spawn, task_count, until, waker,
};

/// Runs a test on a fresh runtime.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    with_spawner::run_on(VirtualRuntime::without_spawner(), test);
}

/// Runs a test several times with different seeds.
pub fn run_seeds<F: Future<Output = ()>>(test: impl Fn(u64) -> F) {
    for seed in 0..50 {
        run(|| test(seed));
    }
}
