//! An async cache for Tokio's [`LocalSet`]. Its values and loaders need not be `Send`.
//!
//! ```
//! use cache_tokio::local::{Cache, Tokio};
//! use std::rc::Rc;
//! use tokio::task::LocalSet;
//!
//! let set = Rc::new(LocalSet::new());
//! let tokio = Tokio::default().with_local_set(&set);
//! let pages: Cache<u64, Rc<str>> = Cache::builder_on(tokio).max_capacity(1_000).build();
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! let page = set.block_on(&runtime, pages.get_with(1, || async { Rc::from("a page") }));
//! assert_eq!(pages.get(&1), Some(page));
//! ```
//!
//! Outside of a runtime and without [`Tokio::with_handle`], batch windows and load timeouts do not
//! work: see [the table of the package](crate#outside-of-a-runtime).

use std::rc::{Rc, Weak};

use cache_core::Instant;
use cache_core::runtime::{Context, CurrentThread, EndCheck, ExecutorId, Runtime, Task};
use cache_core::sync::{LocalMutex, LocalRwLock};
use tokio::runtime::Handle;
use tokio::task::LocalSet;

use crate::Timer;

cache_core::aliases! {
    /// An async cache for one thread on Tokio.
    Tokio
}

#[cfg(feature = "tier")]
cache_core::supports_tier!(Tokio: CurrentThread);

/// Tokio on one thread, as a runtime for the cache.
///
/// The default spawns nothing: the waiters drive the loads, and neither `detach_loads` nor the
/// janitor has an effect. Both work with a [`LocalSet`]. A load with waiters does not depend on the
/// set, so calls may be made outside of it too.
#[derive(Debug, Clone, Default)]
pub struct Tokio {
    base: crate::Tokio,
    set: Option<Weak<LocalSet>>,
}

impl Tokio {
    /// Returns Tokio with `handle` for calls that are made outside of any runtime. The cache uses
    /// its timers, and polls and drops loaders in its context.
    #[must_use]
    pub fn with_handle(handle: Handle) -> Self {
        Self {
            base: crate::Tokio::with_handle(handle),
            set: None,
        }
    }

    /// Spawns on this set. The cache holds it weakly.
    #[must_use]
    pub fn with_local_set(mut self, set: &Rc<LocalSet>) -> Self {
        self.set = Some(Rc::downgrade(set));
        self
    }

    /// Uses none of Tokio's timers, as [`crate::Tokio::without_timers`].
    #[must_use]
    pub fn without_timers(mut self) -> Self {
        self.base = self.base.without_timers();
        self
    }

    /// Returns Tokio with a clock that a test sets.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn on_clock(clock: cache_core::testing::MockClock) -> Self {
        Self {
            base: crate::Tokio::on_clock(clock),
            set: None,
        }
    }
}

impl Runtime for Tokio {
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
        let Some(set) = self.set.as_ref().and_then(Weak::upgrade) else {
            return Err(task);
        };
        set.spawn_local(task);
        Ok(())
    }

    /// `None`: there is no way to find out whether the set runs this call.
    fn executor(&self) -> Option<ExecutorId> {
        None
    }

    fn transient_executor(&self) -> Option<ExecutorId> {
        self.base.transient_executor()
    }

    /// The tasks are dropped with their set, or when the runtime shuts down.
    fn end_check(&self) -> Option<EndCheck<Self>> {
        let watch = self.base.end_check()?;
        let set = self.set.clone().filter(|set| set.strong_count() > 0);
        let was_dropped = |set: &Weak<LocalSet>| set.strong_count() == 0;
        Some(Box::new(move || {
            watch() || set.as_ref().is_some_and(was_dropped)
        }))
    }

    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        self.base.enter(f)
    }

    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        self.base.context(f)
    }
}
