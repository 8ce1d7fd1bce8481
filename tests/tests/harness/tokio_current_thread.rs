//! The contract on Tokio's current-thread runtime, with Tokio's own clock paused.

use std::future::Future;
use std::time::Duration;

use cache_tokio::Tokio;
use tokio::task::JoinHandle;

/// The runtime under test.
pub type Rt = Tokio;

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

/// Runs a test on a fresh runtime.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime
        .expect("a runtime can be made")
        .block_on(async { test().await });
}

/// The runtime that the test runs on, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    Tokio::default()
}

/// A task in the background.
pub struct Task<T>(JoinHandle<T>);

pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Task(tokio::spawn(future))
}

impl<T> Task<T> {
    /// Drops the task where it is.
    pub fn abort(&self) {
        self.0.abort();
    }

    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// The task's output; goes on with its panic.
    pub async fn join(self) -> T {
        match self.0.await {
            Ok(output) => output,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// Lets other tasks run until `condition` holds. Time does not pass.
pub async fn until(condition: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the condition never came to hold");
}

/// Lets `by` pass, and whatever happens in that time happen.
pub async fn advance(by: Duration) {
    tokio::time::sleep(by).await;
}

/// Waits for `duration` of the runtime's time: for loaders.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
