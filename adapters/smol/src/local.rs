//! An async cache for smol's [`LocalExecutor`]. Its values and loaders need not be `Send`.
//!
//! ```
//! use cache_smol::local::{Cache, Smol};
//! use smol::LocalExecutor;
//! use std::rc::Rc;
//!
//! let executor = Rc::new(LocalExecutor::new());
//! let smol = Smol::default().with_executor(&executor);
//! let pages: Cache<u64, Rc<str>> = Cache::builder_on(smol).max_capacity(1_000).build();
//!
//! let page = smol::block_on(executor.run(pages.get_with(1, || async { Rc::from("a page") })));
//! assert_eq!(pages.get(&1), Some(page));
//! ```

use std::rc::{Rc, Weak};

use cache_core::Instant;
use cache_core::runtime::{Context, CurrentThread, EndCheck, ExecutorId, Runtime, Task};
use cache_core::sync::{LocalMutex, LocalRwLock};
use smol::LocalExecutor;

use crate::Timer;

cache_core::aliases! {
    /// An async cache for one thread on smol.
    Smol
}

#[cfg(feature = "tier")]
cache_core::supports_tier!(Smol: CurrentThread);

/// Smol on one thread, as a runtime for the cache.
///
/// The default spawns nothing: the waiters drive the loads, and neither `detach_loads` nor the
/// janitor has an effect. Both work with an executor. A load with waiters does not depend on the
/// executor, so calls may be made outside of it too.
#[derive(Debug, Clone, Default)]
pub struct Smol {
    base: crate::Smol,
    executor: Option<Weak<LocalExecutor<'static>>>,
}

impl Smol {
    /// Spawns on this executor. The cache holds it weakly.
    #[must_use]
    pub fn with_executor(mut self, executor: &Rc<LocalExecutor<'static>>) -> Self {
        self.executor = Some(Rc::downgrade(executor));
        self
    }

    /// Returns smol with a clock that a test sets.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn on_clock(clock: cache_core::testing::MockClock) -> Self {
        Self {
            base: crate::Smol::on_clock(clock),
            executor: None,
        }
    }
}

impl Runtime for Smol {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = LocalMutex<T>;
    type Timer = Timer;

    fn now(&self) -> Instant {
        self.base.now()
    }

    fn timer(&self) -> Option<Timer> {
        self.base.timer()
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        let Some(executor) = self.executor.as_ref().and_then(Weak::upgrade) else {
            return Err(task);
        };
        executor.spawn(task).detach();
        Ok(())
    }

    /// `None`: there is no way to find out whether the executor runs this call.
    fn executor(&self) -> Option<ExecutorId> {
        None
    }

    fn transient_executor(&self) -> Option<ExecutorId> {
        let executor = self.executor.as_ref()?.upgrade()?;
        Some(ExecutorId::from_id(&Rc::as_ptr(&executor)))
    }

    fn end_check(&self) -> Option<EndCheck<Self>> {
        let executor = self.executor.clone()?;
        let has_ended = move || executor.strong_count() == 0;
        (!has_ended()).then(|| -> EndCheck<Self> { Box::new(has_ended) })
    }

    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        self.base.context(f)
    }
}
