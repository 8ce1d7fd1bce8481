//! The contract on [`VirtualRuntime`]: one thread, virtual time, nothing left to chance.

use std::cell::RefCell;
use std::future::Future;
use std::time::Duration;

use cache_core::testing::{JoinHandle, VirtualRuntime};

/// The runtime under test.
pub type Rt = VirtualRuntime;

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

thread_local! {
    static CURRENT: RefCell<VirtualRuntime> = RefCell::new(VirtualRuntime::new());
}

/// Runs a test on a fresh runtime.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    CURRENT.set(VirtualRuntime::new());
    runtime().block_on(test());
}

/// The runtime that the test runs on, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    CURRENT.with_borrow(Clone::clone)
}

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
