//! Runs the contract on embassy's mock clock. The clock is global to the program, so tests take
//! turns.

#[path = "on_executor.rs"]
mod on_executor;
#[path = "../../../tests/harness/send_waker.rs"]
mod send_waker;

use std::cell::RefCell;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use cache_core::Instant;
use cache_core::runtime::{Runtime, Timer};
use cache_core::testing::MockClock;
use cache_embassy::Embassy;
use cache_embassy_tests::locked;
use embassy_time::MockDriver;

pub use on_executor::{
    Boxed, Cache, Rt, SINGLE_THREADED, Sendable, Task, on_threads, spawn, until,
};
pub use send_waker::waker;

thread_local! {
    static RUNTIME: RefCell<Embassy> = RefCell::default();
}

/// Held by the running test.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a test on a fresh executor.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let _turn = locked(&TURN);
    RUNTIME.set(Embassy::default());
    cache_embassy_tests::block_on(async {
        cache_embassy_tests::start_runner(&runtime());
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
    RUNTIME.with_borrow(Clone::clone)
}

/// A runtime with a clock that the test sets, also backwards: embassy's clock only goes forward.
pub fn runtime_with_clock() -> (Rt, impl Fn(Instant)) {
    let clock = MockClock::new();
    let runtime = Embassy::on_clock(clock.clone());
    (runtime, move |at| clock.set(at))
}

/// Advances the clock by `by`, in whole ticks.
pub async fn advance(by: Duration) {
    let micros = by.as_nanos().div_ceil(1_000);
    let micros = u64::try_from(micros).expect("a duration that fits the clock");
    MockDriver::get().advance(embassy_time::Duration::from_micros(micros));
    on_executor::yield_once().await;
}

/// Waits for `duration` of embassy's time. Loaders use it, and may be polled with any waker, so the
/// timer is the runner's.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
    let runtime = runtime();
    let deadline = runtime.now().after(duration);
    let mut timer = runtime.timer().expect("there is a runner");
    std::future::poll_fn(move |cx| timer.poll_until(deadline, cx))
}

/// The number of unfinished tasks of the test and of the runner.
pub fn task_count() -> usize {
    on_executor::task_count(&runtime())
}
