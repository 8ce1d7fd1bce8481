//! The harness for [`VirtualRuntime`]: one thread, virtual time, deterministic.

#[path = "local_waker.rs"]
mod local_waker;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cache_core::Instant;
use cache_core::testing::{JoinHandle, VirtualRuntime};

pub use local_waker::waker;

/// The runtime under test.
pub type Rt = VirtualRuntime;

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

thread_local! {
    static CURRENT: RefCell<VirtualRuntime> = RefCell::new(VirtualRuntime::new());
}

/// Whether one task runs at a time.
pub const SINGLE_THREADED: bool = true;

/// Runs a test on a fresh runtime.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    run_on(VirtualRuntime::new(), test);
}

/// Runs a test several times with different seeds, which determine the order of tasks.
pub fn run_seeds<F: Future<Output = ()>>(test: impl Fn(u64) -> F) {
    for seed in 0..200 {
        run_on(VirtualRuntime::seeded(seed), || test(seed));
    }
}

/// Runs a test on `runtime`.
pub fn run_on<F: Future<Output = ()>>(runtime: VirtualRuntime, test: impl FnOnce() -> F) {
    CURRENT.set(runtime.clone());
    runtime.block_on(test());
}

/// The runtime of the current test, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    CURRENT.with_borrow(Clone::clone)
}

/// A runtime whose time the test sets by hand, also backwards.
pub fn runtime_with_clock() -> (Rt, impl Fn(Instant)) {
    (runtime(), |at| runtime().set_now(at))
}

/// The bound of spawned tasks: none on one thread.
pub trait Sendable {}

impl<T: ?Sized> Sendable for T {}

/// A spawned task.
pub struct Task<T>(JoinHandle<T>);

pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    Task(runtime().spawn(future))
}

impl<T> Task<T> {
    /// Cancels the task.
    pub fn abort(&self) {
        self.0.abort();
    }

    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// The output of the task. A test that joins an aborted task hangs, which is a failure.
    pub async fn join(self) -> T {
        self.0.await
    }
}

/// Yields until `condition` holds. Time does not pass.
pub async fn until(condition: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        runtime().yield_now().await;
    }
    panic!("the condition did not become true");
}

/// Advances the time by `by` and runs what is due.
pub async fn advance(by: Duration) {
    runtime().sleep(by).await;
}

/// Waits for `duration` of the runtime's time. For loaders.
pub async fn sleep(duration: Duration) {
    runtime().sleep(duration).await;
}

/// Runs `f` `count` times on this thread, because the cache cannot be sent to others.
pub fn on_threads(count: usize, f: impl Fn(usize)) {
    (0..count).for_each(f);
}

/// The number of the runtime's unfinished tasks.
pub fn task_count() -> usize {
    runtime().task_count()
}

/// A boxed future that a waker can hold.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
