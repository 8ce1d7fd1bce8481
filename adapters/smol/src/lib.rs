//! The cache on smol.
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
//! // One load, however many tasks ask at the same time.
//! let carol = users.get_with(3, || async { "carol".to_string() }).await;
//! assert_eq!(carol, "carol");
//! # });
//! ```
//!
//! The clock is the operating system's, the timers are async-io's. Loads that several tasks wait for
//! are spawned on smol's global executor, which starts a thread of its own for the first of them; a
//! program with executors of its own names one: [`Smol::with_executor`]. A cache may be made and used
//! anywhere, also from plain threads: timers and the global executor work wherever the calls come from,
//! so windows and timeouts do too. For values and loaders that are not `Send` there is [`local`].

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod local;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{self, Duration};

use cache_core::runtime::{self, ExecutorId, MultiThread, Runtime, Task, Watch, thread_context};
use cache_core::sync::{StdMutex, StdRwLock};
use smol::Executor;

pub use cache_core::{
    Answer, Answers, BatchItem, BatchItemOr, BatchOutput, BatchWindow, Batching, BatchingBuilder,
    BuildError, Builder, CacheStats, Computed, DefaultHasher, EvictionPolicy, Expiry, Instant,
    Iter, KeyEntry, LoadError, Loaded, Loading, Op, RemovalCause, Ttl, WarmProgress, WarmReport,
};

#[cfg(feature = "macros")]
pub use cache_core::cached;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use cache_core::macro_support;

/// An async cache on smol: [`cache_core::Cache`] has the documentation.
pub type Cache<K, V, S = DefaultHasher> = cache_core::Cache<K, V, Smol, S>;

/// Smol, as a runtime for the cache. The default spawns on smol's global executor.
#[derive(Debug, Clone)]
pub struct Smol {
    executor: Option<Weak<Executor<'static>>>,
    origin: time::Instant,
    #[cfg(feature = "testing")]
    clock: Option<cache_core::testing::MockClock>,
}

impl Smol {
    /// The same, with an executor of the program's own to spawn on.
    ///
    /// The executor is held weakly: once it is gone, loads are driven by those who wait for them.
    /// Until then it must be run, by any thread, or what was spawned on it stands still.
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

    /// Smol, with the time of a clock that a test sets.
    ///
    /// ```
    /// use cache_core::testing::MockClock;
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
            clock: Some(clock),
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
            clock: None,
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
        if let Some(clock) = &self.clock {
            return clock.now();
        }
        Instant::ORIGIN.after(self.origin.elapsed())
    }

    fn timer(&self) -> Option<Timer> {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return Some(Timer::Mock(clock.timer()));
        }
        Some(Timer::Smol(SmolTimer {
            origin: self.origin,
            set: None,
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

    /// The program's own executor, whatever runs here: a loader may have spawned tasks on it.
    fn home(&self) -> Option<ExecutorId> {
        let executor = self.executor.as_ref()?.upgrade()?;
        Some(ExecutorId::of(&Arc::as_ptr(&executor)))
    }

    fn watch(&self) -> Option<Watch<Self>> {
        let executor = self.executor.clone()?;
        let is_gone = move || executor.strong_count() == 0;
        (!is_gone()).then(|| -> Watch<Self> { Box::new(is_gone) })
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        thread_context(f)
    }
}

/// A timer of smol's, or of a test's clock.
#[derive(Debug)]
pub enum Timer {
    /// Smol's.
    Smol(SmolTimer),
    /// A test's.
    #[cfg(feature = "testing")]
    Mock(cache_core::testing::MockTimer),
}

/// A timer of smol's.
#[derive(Debug)]
pub struct SmolTimer {
    origin: time::Instant,
    set: Option<Instant>,
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
        if self.set != Some(deadline) {
            self.set = Some(deadline);
            let since_start = Duration::from_nanos(deadline.as_nanos());
            match self.origin.checked_add(since_start) {
                Some(at) if deadline != Instant::FAR => self.timer.set_at(at),
                _ => self.timer = smol::Timer::never(),
            }
        }
        ready!(Pin::new(&mut self.timer).poll(cx));
        // It fires once: for another answer it has to be set again.
        self.set = None;
        Poll::Ready(())
    }
}

/// The examples of the package's page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
