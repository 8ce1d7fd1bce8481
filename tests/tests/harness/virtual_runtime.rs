//! The contract on [`VirtualRuntime`]: one thread, virtual time, nothing left to chance.

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

/// Runs a test again and again, each time with another seed and with tasks in another order.
pub fn run_seeds<F: Future<Output = ()>>(test: impl Fn(u64) -> F) {
    for seed in 0..200 {
        run_on(VirtualRuntime::seeded(seed), || test(seed));
    }
}

/// Runs a test on this runtime.
pub fn run_on<F: Future<Output = ()>>(runtime: VirtualRuntime, test: impl FnOnce() -> F) {
    CURRENT.set(runtime.clone());
    runtime.block_on(test());
}

/// The runtime that the test runs on, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    CURRENT.with_borrow(Clone::clone)
}

/// A runtime whose time the test sets by hand, also backwards.
pub fn runtime_with_clock() -> (Rt, impl Fn(Instant)) {
    (runtime(), |at| runtime().set_now(at))
}

/// What a task needs to be spawned: nothing, on one thread.
pub trait Sendable {}

impl<T: ?Sized> Sendable for T {}

/// A task in the background.
pub struct Task<T>(JoinHandle<T>);

pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    Task(runtime().spawn(future))
}

impl<T> Task<T> {
    /// Drops the task where it is.
    pub fn abort(&self) {
        self.0.abort();
    }

    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// The task's output. A test that joins a task which was aborted hangs, and fails by that.
    pub async fn join(self) -> T {
        self.0.await
    }
}

/// Lets other tasks run until `condition` holds. Time does not pass.
pub async fn until(condition: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        runtime().yield_now().await;
    }
    panic!("the condition never came to hold");
}

/// Lets `by` pass, and whatever happens in that time happen.
pub async fn advance(by: Duration) {
    runtime().sleep(by).await;
}

/// Waits for `duration` of the runtime's time: for loaders.
pub async fn sleep(duration: Duration) {
    runtime().sleep(duration).await;
}

/// Runs `f` as often as there would be threads: here there is one, and the cache stays on it.
pub fn on_threads(count: usize, f: impl Fn(usize)) {
    (0..count).for_each(f);
}

/// Tasks of the runtime that are not done.
pub fn task_count() -> usize {
    runtime().task_count()
}

/// A future that a waker can hold on to.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
