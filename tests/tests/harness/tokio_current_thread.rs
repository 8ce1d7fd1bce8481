//! The harness for Tokio's current-thread runtime with its clock paused.

#[path = "send_waker.rs"]
mod send_waker;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cache_core::Instant;
use cache_core::testing::MockClock;
use cache_tokio::Tokio;
use tokio::task::JoinHandle;

pub use send_waker::waker;

/// The runtime under test.
pub type Rt = Tokio;

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

/// Whether one task runs at a time.
pub const SINGLE_THREADED: bool = true;

/// Runs a test on a fresh runtime.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    let in_time = runtime.expect("the runtime is built").block_on(async {
        // The paused clock jumps to this timer if nothing else can happen, so a test that hangs
        // fails.
        tokio::time::timeout(Duration::from_secs(1 << 30), test()).await
    });
    in_time.expect("the test hangs: no task can run and no timer is set");
}

/// Runs a test several times with different seeds.
pub fn run_seeds<F: Future<Output = ()>>(test: impl Fn(u64) -> F) {
    for seed in 0..50 {
        run(|| test(seed));
    }
}

/// The runtime of the current test, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    Tokio::default()
}

/// A runtime whose time the test sets by hand, also backwards.
pub fn runtime_with_clock() -> (Rt, impl Fn(Instant)) {
    let clock = MockClock::new();
    let runtime = Tokio::on_clock(clock.clone());
    (runtime, move |at| clock.set(at))
}

/// The bound of spawned tasks.
pub trait Sendable: Send {}

impl<T: Send + ?Sized> Sendable for T {}

/// A spawned task.
pub struct Task<T>(JoinHandle<T>);

pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Task(tokio::spawn(future))
}

impl<T> Task<T> {
    /// Cancels the task.
    pub fn abort(&self) {
        self.0.abort();
    }

    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// The output of the task. Resumes its panic.
    pub async fn join(self) -> T {
        match self.0.await {
            Ok(output) => output,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// Yields until `condition` holds. Time does not pass.
pub async fn until(condition: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the condition did not become true");
}

/// Advances the time by `by` and runs what is due.
pub async fn advance(by: Duration) {
    tokio::time::sleep(by).await;
}

/// Waits for `duration` of the runtime's time. For loaders.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Runs `f` on `count` plain threads, outside of any runtime, and joins them.
pub fn on_threads(count: usize, f: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..count {
            let f = &f;
            scope.spawn(move || f(number));
        }
    });
}

/// The number of the runtime's unfinished tasks.
pub fn task_count() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// A boxed future that a waker can hold.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
