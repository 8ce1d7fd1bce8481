//! The contract on Tokio's multi-thread runtime. Its own clock cannot be paused, so the cache's
//! is a [`MockClock`], and so are the timers of loaders.

#[path = "hooked.rs"]
mod hooked;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cache_core::Instant;
use cache_core::runtime::Timer;
use cache_core::testing::MockClock;
use cache_tokio::Tokio;
use tokio::task::JoinHandle;

pub use hooked::waker;

/// The runtime under test.
pub type Rt = Tokio;

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

tokio::task_local! {
    static CLOCK: MockClock;
}

/// Whether one task runs at a time.
pub const SINGLE_THREADED: bool = false;

/// Runs a test on a fresh runtime of four threads.
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(4).enable_time().build();
    let test = CLOCK.scope(MockClock::new(), async {
        // Nothing waits for this: it is there so that a test that hangs fails.
        tokio::time::timeout(Duration::from_secs(120), test()).await
    });
    let in_time = runtime.expect("a runtime can be made").block_on(test);
    in_time.expect("the test hangs");
}

/// Runs a test again and again, each time with another seed.
pub fn run_seeds<F: Future<Output = ()>>(test: impl Fn(u64) -> F) {
    for seed in 0..20 {
        run(|| test(seed));
    }
}

fn clock() -> MockClock {
    CLOCK.with(Clone::clone)
}

/// The runtime that the test runs on, for `Cache::builder_on`.
pub fn runtime() -> Rt {
    Tokio::on_clock(clock())
}

/// A runtime whose time the test sets by hand, also backwards.
pub fn runtime_with_clock() -> (Rt, impl Fn(Instant)) {
    let clock = MockClock::new();
    let runtime = Tokio::on_clock(clock.clone());
    (runtime, move |at| clock.set(at))
}

/// What a task needs to be spawned.
pub trait Sendable: Send {}

impl<T: Send + ?Sized> Sendable for T {}

/// A task in the background.
pub struct Task<T>(JoinHandle<T>);

pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    Task(tokio::spawn(CLOCK.scope(clock(), future)))
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

/// Lets other tasks run until `condition` holds.
pub async fn until(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the condition never came to hold"
        );
        tokio::task::yield_now().await;
    }
}

/// Lets `by` pass.
pub async fn advance(by: Duration) {
    clock().advance(by);
    tokio::task::yield_now().await;
}

/// Waits for `duration` of the clock's time: for loaders that are made inside the test's tasks.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
    let (clock, deadline) = (clock(), clock().now().after(duration));
    let mut timer = clock.timer();
    std::future::poll_fn(move |cx| timer.poll_until(deadline, cx))
}

/// Runs `f` on `count` plain threads, outside of any runtime, and waits for all of them.
pub fn on_threads(count: usize, f: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..count {
            let f = &f;
            scope.spawn(move || f(number));
        }
    });
}

/// Tasks of the runtime that are not done.
pub fn task_count() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// A future that a waker can hold on to.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
