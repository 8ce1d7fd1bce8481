//! An async cache for embassy, without the standard library.
//!
//! ```
//! use cache_embassy::{Cache, Runner, runner};
//! use embassy_executor::Spawner;
//! use embassy_time::{Duration, Timer};
//!
//! // Runs the background work of the caches. Started once, for any number of caches.
//! #[embassy_executor::task]
//! async fn cache_runner(runner: Runner) {
//!     runner.run().await;
//! }
//!
//! async fn read_register(number: u8) -> u16 {
//!     Timer::after(Duration::from_millis(1)).await; // a slow bus
//!     u16::from(number) * 100
//! }
//!
//! #[embassy_executor::task]
//! async fn measure(spawner: Spawner) {
//!     let registers: Cache<u8, u16> = Cache::builder()
//!         .hash_seed(0x5EED)
//!         .max_capacity(32)
//!         .time_to_live(core::time::Duration::from_millis(100))
//!         .build();
//!     spawner.spawn(cache_runner(runner(registers.runtime())).unwrap());
//!
//!     // One transfer, however many tasks request the register at the same time.
//!     let value = registers.get_with(3, || read_register(3)).await;
//!     assert_eq!(value, 300);
//!     assert_eq!(registers.get(&3), Some(300));
//! #   std::process::exit(0);
//! }
//!
//! # fn main() {
//! # let executor = Box::leak(Box::new(embassy_executor::Executor::new()));
//! # executor.run(|spawner| spawner.spawn(measure(spawner).unwrap()));
//! # }
//! ```
//!
//! # Locks
//!
//! [`Cache`] locks with critical sections. It may be in a `static`, and interrupts may call every
//! method that needs no `await`, so its keys, values and loaders must be `Send`. [`local::Cache`]
//! is for one executor in thread mode. It has no locks, and its keys, values and loaders need not
//! be `Send`. The parameter of [`Embassy`] selects one of the two: `CriticalSectionRawMutex` or
//! `NoopRawMutex` of `embassy-sync`.
//!
//! Await the loads of one cache on one executor, or on several of the same priority. A task that
//! preempts the poll of a load and requests the same key gets the error of a reentrant load.
//!
//! # With and without the runner
//!
//! The runner is the only task that polls embassy's timers for the caches. Any waker may therefore
//! poll a call of a cache, even with embassy's integrated timer queue.
//!
//! A cache works without the runner too: the waiters drive the loads. Then
//!
//! - there is no timer: the window of a batch ends after the executor has polled all waiters of the
//!   batch once, and a load timeout takes effect at the next poll of the load;
//! - a loader with several waiters is polled with a waker that wakes all of them, and embassy's own
//!   timers in it panic unless `embassy-time` has one of its features `generic-queue-8` to `-128`.
//!
//! # Targets
//!
//! Without an operating system, `cache-core` has the features `critical-section` and
//! `portable-atomic`. The program must have a global allocator and an implementation of
//! `critical-section`, which embassy needs anyway.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

extern crate alloc;

mod lock;
mod runner;
mod time;

use core::task::{self, Poll};

use cache_core::runtime::{Context, Runtime, Task};
use cache_core::sync::Arc;
#[cfg(not(feature = "std"))]
use embassy_sync::blocking_mutex;
use embassy_sync::blocking_mutex::raw::{CriticalSectionRawMutex, NoopRawMutex};

pub use cache_core::{
    Answer, Answers, BatchItem, BatchItemOr, BatchOutput, BatchWindow, BuildError, CacheStats,
    Computed, DefaultHasher, DynError, Event, EvictionPolicy, Expiry, Instant, KeyEntry, LoadError,
    LoadOutput, Loaded, Loader, Op, RefreshEnd, RefreshError, Reload, RemovalCause,
    SupportsBatching, Ttl, ViewKey, WarmProgress, WarmReport,
};
pub use cache_core::{
    BatchBegun, BatchDispatched, BatchEnded, BatchReason, Bucket, Histogram, Histograms, LoadBegun,
    LoadEnded, LoadKind, LoadResult, Measured, Observation, Observer,
};
pub use cache_core::{EntryValue, Equivalent, KeyParts, ToKey, runtime};

#[cfg(feature = "testing")]
pub use cache_core::testing;
pub use lock::{EmbassyLock, Locking};
pub use runner::{Runner, RunnerTimer, runner};

cache_core::aliases! {
    /// An async cache on embassy that interrupts may use.
    Embassy
}

/// The cache for one executor in thread mode: no locks, and nothing needs to be `Send`.
pub mod local {
    use super::NoopRawMutex;

    /// Embassy as a runtime for caches that no interrupt uses.
    pub type Embassy = super::Embassy<NoopRawMutex>;

    cache_core::aliases! {
        /// An async cache on embassy that no interrupt uses.
        ///
        /// ```
        /// use cache_embassy::local::Cache;
        /// use std::rc::Rc;
        ///
        /// let names: Cache<u8, Rc<str>> = Cache::builder().hash_seed(1).build();
        /// names.insert(1, "one".into());
        /// assert_eq!(names.get(&1).as_deref(), Some("one"));
        /// ```
        Embassy
    }
}

/// Embassy as a runtime for the cache. Clones are the same runtime and share a [`runner()`].
///
/// `M` is the kind of mutual exclusion: critical sections, or none.
#[derive(Debug)]
pub struct Embassy<M: Locking = CriticalSectionRawMutex> {
    runner: Arc<runner::RunnerHandle<M>>,
    #[cfg(not(feature = "std"))]
    context: Arc<blocking_mutex::Mutex<M, Context>>,
    #[cfg(feature = "testing")]
    clock: Option<cache_core::testing::MockClock>,
}

impl<M: Locking> Embassy<M> {
    /// Returns whether a [`runner()`] was made and not dropped.
    #[must_use]
    pub fn has_runner(&self) -> bool {
        self.runner.is_running()
    }

    /// Returns the number of background tasks of the runner: loads with several waiters, batches
    /// and janitors.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.runner.task_count()
    }

    /// Returns embassy with a clock that a test sets. Its timers need no runner.
    ///
    /// ```
    /// use cache_embassy::testing::MockClock;
    /// use cache_embassy::{Cache, Embassy};
    /// use std::time::Duration;
    ///
    /// let clock = MockClock::new();
    /// let cache: Cache<u8, u16> = Cache::builder_on(Embassy::on_clock(clock.clone()))
    ///     .hash_seed(1)
    ///     .time_to_live(Duration::from_secs(60))
    ///     .build();
    /// cache.insert(1, 1);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(cache.get(&1), None);
    /// ```
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn on_clock(clock: cache_core::testing::MockClock) -> Self {
        Self {
            clock: Some(clock),
            ..Self::default()
        }
    }
}

impl<M: Locking> Default for Embassy<M> {
    fn default() -> Self {
        Self {
            runner: Arc::new(runner::RunnerHandle::new()),
            #[cfg(not(feature = "std"))]
            context: Arc::new(blocking_mutex::Mutex::new(Context::new())),
            #[cfg(feature = "testing")]
            clock: None,
        }
    }
}

impl<M: Locking> Clone for Embassy<M> {
    fn clone(&self) -> Self {
        Self {
            runner: Arc::clone(&self.runner),
            #[cfg(not(feature = "std"))]
            context: Arc::clone(&self.context),
            #[cfg(feature = "testing")]
            clock: self.clock.clone(),
        }
    }
}

impl<M: Locking> Runtime for Embassy<M> {
    type Flavor = M::Flavor;
    type Lock<T> = EmbassyLock<M, T>;
    type Mutex<T> = EmbassyLock<M, T>;
    type Timer = Timer<M>;

    const TASKS_OUTLIVE_CALLER: bool = true;

    fn now(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return clock.now();
        }
        time::now()
    }

    fn timer(&self) -> Option<Timer<M>> {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return Some(Timer::Mock(clock.timer()));
        }
        let runner = self.runner.is_running().then(|| Arc::clone(&self.runner));
        runner.map(RunnerTimer::new).map(Timer::Runner)
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        self.runner.spawn(task)
    }

    #[cfg(feature = "std")]
    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        runtime::thread_context(f)
    }

    #[cfg(not(feature = "std"))]
    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T {
        self.context.lock(f)
    }
}

/// A timer of the runner or of a test's clock.
#[derive(Debug)]
pub enum Timer<M: Locking> {
    /// A timer of the runner.
    Runner(RunnerTimer<M>),
    /// A timer of a test's clock.
    #[cfg(feature = "testing")]
    Mock(cache_core::testing::MockTimer),
}

impl<M: Locking> runtime::Timer for Timer<M> {
    fn poll_until(&mut self, deadline: Instant, cx: &mut task::Context<'_>) -> Poll<()> {
        match self {
            Self::Runner(timer) => timer.poll_until(deadline, cx),
            #[cfg(feature = "testing")]
            Self::Mock(timer) => timer.poll_until(deadline, cx),
        }
    }
}

/// The examples of the package's page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
