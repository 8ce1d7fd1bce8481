//! An async cache for one thread of async-std. Its values and loaders need not be `Send`.
//!
//! ```
//! use async_std::task;
//! use cache_async_std::local::Cache;
//! use std::rc::Rc;
//!
//! let pages: Cache<u64, Rc<str>> = Cache::new(1_000);
//! let page = task::block_on(pages.get_with(1, || async { Rc::from("a page") }));
//! assert_eq!(pages.get(&1), Some(page));
//! ```
//!
//! A load with several waiters is spawned by [`task::spawn_local`], which async-std calls unstable.

use async_std::task;
use cache_core::Instant;
use cache_core::runtime::{Context, CurrentThread, ExecutorId, Runtime, Task};
use cache_core::sync::{LocalMutex, LocalRwLock};

use crate::Timer;

cache_core::aliases! {
    /// An async cache for one thread on async-std.
    AsyncStd
}

#[cfg(feature = "tier")]
cache_core::supports_tier!(AsyncStd: CurrentThread);

/// async-std on one thread, as a runtime for the cache.
///
/// In a task of async-std it spawns on the executor of the thread. Outside of all tasks the waiters
/// drive the loads, and neither `detach_loads` nor the janitor has an effect.
#[derive(Debug, Clone, Default)]
pub struct AsyncStd(crate::AsyncStd);

#[cfg(feature = "testing")]
impl AsyncStd {
    /// Returns async-std with a clock that a test sets.
    #[must_use]
    pub fn on_clock(clock: cache_core::testing::MockClock) -> Self {
        Self(crate::AsyncStd::on_clock(clock))
    }
}

impl Runtime for AsyncStd {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = LocalMutex<T>;
    type Timer = Timer;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Option<Timer> {
        self.0.timer()
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        // Outside of async-std's tasks nothing runs the executor of this thread.
        if task::try_current().is_none() {
            return Err(task);
        }
        // A task of async-std continues after its handle is dropped.
        drop(task::spawn_local(task));
        Ok(())
    }

    fn executor(&self) -> Option<ExecutorId> {
        task::try_current().map(|_| ExecutorId::default())
    }

    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        self.0.context(f)
    }
}
