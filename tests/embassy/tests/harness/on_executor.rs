//! The parts of the harness that do not depend on the clock.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use cache_embassy::Embassy;

pub use cache_embassy_tests::{Task, spawn};

/// The runtime under test.
pub type Rt = Embassy;

/// A cache on the runtime under test.
pub type Cache<K, V, S = cache_core::DefaultHasher> = cache_core::Cache<K, V, Rt, S>;

/// Whether one task runs at a time.
pub const SINGLE_THREADED: bool = true;

/// The bound of a spawned task.
pub trait Sendable: Send {}

impl<T: Send + ?Sized> Sendable for T {}

/// Lets other tasks run until `condition` holds.
pub async fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        let waited = started.elapsed();
        assert!(
            waited < Duration::from_secs(300),
            "the condition never holds"
        );
        yield_once().await;
    }
}

pub async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs `f` `count` times on this thread. The runner is on this thread too, and other threads that
/// wait for it must not block it.
pub fn on_threads(count: usize, f: impl Fn(usize)) {
    (0..count).for_each(f);
}

/// The number of unfinished tasks of the test and of the runner.
pub fn task_count(runtime: &Embassy) -> usize {
    cache_embassy_tests::task_count() + runtime.task_count()
}

/// A future that a waker can own.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
