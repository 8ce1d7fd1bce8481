//! An async cache for smol.
//!
//! ```
//! use cache_smol::{Cache, Ttl};
//! use std::time::Duration;
//!
//! # smol::block_on(async {
//! let users: Cache<u64, String> = Cache::builder()
//!     .max_capacity(10_000)
//!     .time_to_live(Duration::from_secs(300))
//!     .build();
//!
//! users.insert(1, "alice".to_string());
//! users.insert_with_ttl(2, "bob".to_string(), Ttl::Never);
//! assert_eq!(users.get(&1).as_deref(), Some("alice"));
//!
//! // One load, however many tasks request the key at the same time.
//! let carol = users.get_with(3, || async { "carol".to_string() }).await;
//! assert_eq!(carol, "carol");
//! # });
//! ```
//!
//! The clock is the operating system's, the timers are async-io's. A load with several waiters is
//! spawned on smol's global executor, which then starts a thread, or on an executor of the program:
//! [`Smol::with_executor`]. A cache may be created and used anywhere, also on plain threads. Batch
//! windows and load timeouts work there too, because the timers and the global executor do not
//! depend on the calling thread. The module [`local`] is for values and loaders that are not
//! `Send`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod local;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{self, Duration};

use cache_core::runtime::{EndCheck, ExecutorId, MultiThread, Runtime, Task, thread_context};
use cache_core::sync::{StdMutex, StdRwLock};
use smol::Executor;

pub use cache_core::{
    Answer, Answers, BatchItem, BatchItemOr, BatchOutput, BatchWindow, Blocking, BuildError,
    CacheStats, Computed, DefaultHasher, DynError, Event, EvictionPolicy, Expiry, Instant,
    KeyEntry, LoadError, LoadOutput, Loaded, Loader, Op, RefreshEnd, RefreshError, Reload,
    RemovalCause, SupportsBatching, Ttl, ViewKey, WarmProgress, WarmReport,
};
pub use cache_core::{
    BatchBegun, BatchDispatched, BatchEnded, BatchReason, Bucket, Histogram, Histograms, LoadBegun,
    LoadEnded, LoadKind, LoadResult, Measured, Observation, Observer,
};
pub use cache_core::{EntryValue, Equivalent, KeyParts, ToKey, runtime};

#[cfg(feature = "testing")]
pub use cache_core::testing;
#[cfg(feature = "tier")]
pub use cache_core::tier;

#[cfg(feature = "macros")]
#[doc(hidden)]
pub use cache_core::macro_support;
#[cfg(feature = "macros")]
pub use cache_core::macro_support::cached_smol as cached;

cache_core::aliases! {
    /// An async cache on smol.
    Smol
}

#[cfg(feature = "tier")]
cache_core::supports_tier!(Smol: MultiThread + Send + Sync);

/// Smol as a runtime for the cache. The default spawns on smol's global executor.
#[derive(Debug, Clone)]
pub struct Smol {
    executor: Option<Weak<Executor<'static>>>,
    origin: time::Instant,
    #[cfg(feature = "testing")]
    mock_clock: Option<cache_core::testing::MockClock>,
}

impl Smol {
    /// Spawns on this executor instead of smol's global one.
    ///
    /// The cache holds the executor weakly: once it is dropped, the waiters drive the loads. Until
    /// then some thread must run it, or the tasks on it do not progress.
    ///
    /// ```
    /// use cache_smol::{Cache, Smol};
    /// use std::sync::Arc;
    ///
    /// let executor = Arc::new(smol::Executor::new());
    /// let smol = Smol::default().with_executor(&executor);
    /// let cache: Cache<u64, u64> = Cache::builder_on(smol).build();
    /// let value = smol::block_on(executor.run(cache.get_with(1, || async { 10 })));
    /// assert_eq!(value, 10);
    /// ```
    #[must_use]
    pub fn with_executor(mut self, executor: &Arc<Executor<'static>>) -> Self {
        self.executor = Some(Arc::downgrade(executor));
        self
    }

    /// Returns smol with a clock that a test sets.
    ///
    /// ```
    /// use cache_smol::testing::MockClock;
    /// use cache_smol::{Cache, Smol};
    /// use std::time::Duration;
    ///
    /// let clock = MockClock::new();
    /// let cache: Cache<u64, u64> = Cache::builder_on(Smol::on_clock(clock.clone()))
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
            mock_clock: Some(clock),
            ..Self::default()
        }
    }
}

impl Default for Smol {
    fn default() -> Self {
        Self {
            executor: None,
            origin: time::Instant::now(),
            #[cfg(feature = "testing")]
            mock_clock: None,
        }
    }
}

impl Runtime for Smol {
    type Flavor = MultiThread;
    type Lock<T> = StdRwLock<T>;
    type Mutex<T> = StdMutex<T>;
    type Timer = Timer;

    fn now(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.mock_clock {
            return clock.now();
        }
        Instant::ORIGIN.after(self.origin.elapsed())
    }

    fn timer(&self) -> Option<Timer> {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.mock_clock {
            return Some(Timer::Mock(clock.timer()));
        }
        Some(Timer::Smol(SmolTimer {
            origin: self.origin,
            deadline: None,
            timer: smol::Timer::never(),
        }))
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        let spawned = match &self.executor {
            None => smol::spawn(task),
            Some(executor) => match executor.upgrade() {
                None => return Err(task),
                Some(executor) => executor.spawn(task),
            },
        };
        spawned.detach();
        Ok(())
    }

    /// The program's own executor, even if another one makes this call: a loader may have spawned
    /// tasks on it.
    fn transient_executor(&self) -> Option<ExecutorId> {
        let executor = self.executor.as_ref()?.upgrade()?;
        Some(ExecutorId::from_id(&Arc::as_ptr(&executor)))
    }

    fn end_check(&self) -> Option<EndCheck<Self>> {
        let executor = self.executor.clone()?;
        let has_ended = move || executor.strong_count() == 0;
        (!has_ended()).then(|| -> EndCheck<Self> { Box::new(has_ended) })
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        thread_context(f)
    }
}

/// A timer of smol or of a test's clock.
#[derive(Debug)]
pub enum Timer {
    /// A timer of smol.
    Smol(SmolTimer),
    /// A timer of a test's clock.
    #[cfg(feature = "testing")]
    Mock(cache_core::testing::MockTimer),
}

/// A timer of smol.
#[derive(Debug)]
pub struct SmolTimer {
    origin: time::Instant,
    /// The deadline that `timer` is set to.
    deadline: Option<Instant>,
    timer: smol::Timer,
}

impl runtime::Timer for Timer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Smol(timer) => timer.poll_until(deadline, cx),
            #[cfg(feature = "testing")]
            Self::Mock(timer) => timer.poll_until(deadline, cx),
        }
    }
}

impl runtime::Timer for SmolTimer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline != Some(deadline) {
            self.deadline = Some(deadline);
            let since_origin = Duration::from_nanos(deadline.as_nanos());
            match self.origin.checked_add(since_origin) {
                Some(at) if deadline != Instant::FAR => self.timer.set_at(at),
                _ => self.timer = smol::Timer::never(),
            }
        }
        ready!(Pin::new(&mut self.timer).poll(cx));
        // A smol timer is ready once. The next poll must set it again, or it would pend forever.
        self.deadline = None;
        Poll::Ready(())
    }
}

/// The examples of the package's page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
