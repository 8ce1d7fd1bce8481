//! Runs the contract on embassy's executor and clock for hosts. That clock cannot be set, so the
//! cache and the loaders use a [`MockClock`].

#[path = "on_executor.rs"]
mod on_executor;
#[path = "../../../tests/harness/send_waker.rs"]
mod send_waker;

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use cache_core::Instant;
use cache_core::runtime::Timer;
use cache_core::testing::MockClock;
use cache_embassy::Embassy;

pub use on_executor::{
    Boxed, Cache, Rt, SINGLE_THREADED, Sendable, Task, on_threads, spawn, until,
};
pub use send_waker::waker;

thread_local! {
    static RUNTIME: RefCell<(MockClock, Embassy)> = RefCell::default();
}

/// Runs a test on a fresh executor.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    run_on(true, test);
}

/// Runs a test on a fresh executor, with or without a runner.
pub fn run_on<F: Future<Output = ()>>(with_runner: bool, test: impl FnOnce() -> F) {
    let clock = MockClock::new();
    RUNTIME.set((clock.clone(), Embassy::on_clock(clock)));
    cache_embassy_tests::block_on(async {
        if with_runner {
            cache_embassy_tests::start_runner(&runtime());
        }
        test().await;
    });
}

/// Runs a test several times, each time with another seed.
pub fn run_seeds<F: Future<Output = ()>>(test: impl Fn(u64) -> F) {
    for seed in 0..20 {
        run(|| test(seed));
    }
}

/// The runtime that the test runs on, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    RUNTIME.with_borrow(|(_, runtime)| runtime.clone())
}

fn clock() -> MockClock {
    RUNTIME.with_borrow(|(clock, _)| clock.clone())
}

/// A runtime with a clock that the test sets, also backwards.
pub fn runtime_with_clock() -> (Rt, impl Fn(Instant)) {
    (runtime(), |at| clock().set(at))
}

/// Advances the clock by `by`.
pub async fn advance(by: Duration) {
    clock().advance(by);
    on_executor::yield_once().await;
}

/// Waits for `duration` of the clock's time. Loaders use it.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
    let deadline = clock().now().after(duration);
    let mut timer = clock().timer();
    std::future::poll_fn(move |cx| timer.poll_until(deadline, cx))
}

/// The number of unfinished tasks of the test and of the runner.
pub fn task_count() -> usize {
    on_executor::task_count(&runtime())
}
