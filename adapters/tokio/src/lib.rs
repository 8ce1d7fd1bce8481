//! The cache on Tokio.
//!
//! ```
//! use cache_tokio::{Cache, Ttl};
//! use std::time::Duration;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
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
//! The clock is Tokio's, so a test with `#[tokio::test(start_paused = true)]` controls expiry. A
//! cache may be made and used anywhere: inside a runtime, outside of any, from plain threads. Where
//! there is no runtime, loads are driven by their callers. For values and loaders that are not `Send`
//! there is [`local`].

#![forbid(unsafe_code)]

pub mod local;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cache_core::runtime::{self, ExecutorId, Runtime, Shared, Task, thread_context};
use cache_core::sync::{OsLock, OsMutex};
use tokio::runtime::Handle;
use tokio::time::{self, Sleep};

pub use cache_core::{
    Answer, Answers, BatchItem, BatchItemOr, BatchOutput, BatchWindow, Batching, BatchingBuilder,
    BuildError, Builder, CacheStats, Computed, DefaultHasher, EvictionPolicy, Expiry, Instant,
    Iter, KeyEntry, LoadError, Loaded, Loading, Op, RemovalCause, Ttl, WarmProgress, WarmReport,
};

#[cfg(feature = "macros")]
pub use cache_core::cached;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use cache_core::decorate;

/// An async cache on Tokio: [`cache_core::Cache`] has the documentation.
pub type Cache<K, V, S = DefaultHasher> = cache_core::Cache<K, V, Tokio, S>;

/// Tokio, as a runtime for the cache.
///
/// The default uses whichever Tokio runtime a call is made in: loads that several tasks wait for are
/// spawned on the runtime of one of them.
#[derive(Debug, Clone)]
pub struct Tokio {
    handle: Option<Handle>,
    origin: time::Instant,
    #[cfg(feature = "testing")]
    clock: Option<cache_core::testing::MockClock>,
}

impl Tokio {
    /// Where the cache's time is at the origin. Not zero: a cache may come from one runtime with a
    /// paused clock to another whose clock is behind.
    const AT_ORIGIN: Duration = Duration::from_secs(3_600);

    /// Tokio, with `handle` for calls that are made outside of any runtime.
    #[must_use]
    pub fn with_handle(handle: Handle) -> Self {
        Self {
            handle: Some(handle),
            ..Self::default()
        }
    }

    /// Tokio, with the time of a clock that a test sets.
    ///
    /// ```
    /// use cache_core::testing::MockClock;
    /// use cache_tokio::{Cache, Tokio};
    /// use std::time::Duration;
    ///
    /// let clock = MockClock::new();
    /// let cache: Cache<u64, u64> = Cache::builder_on(Tokio::on_clock(clock.clone()))
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

    /// The same time on Tokio's clock.
    fn on_tokios_clock(&self, at: Instant) -> time::Instant {
        let since_start = Duration::from_nanos(at.as_nanos());
        match since_start.checked_sub(Self::AT_ORIGIN) {
            Some(later) => self.origin + later,
            None => self.origin - (Self::AT_ORIGIN - since_start),
        }
    }

    fn handle(&self) -> Option<Handle> {
        Handle::try_current().ok().or_else(|| self.handle.clone())
    }
}

impl Default for Tokio {
    fn default() -> Self {
        Self {
            handle: None,
            origin: time::Instant::now(),
            #[cfg(feature = "testing")]
            clock: None,
        }
    }
}

impl Runtime for Tokio {
    type Flavor = Shared;
    type Lock<T> = OsLock<T>;
    type Mutex<T> = OsMutex<T>;
    type Timer = Timer;

    fn now(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return clock.now();
        }
        let (now, start) = (time::Instant::now(), Instant::ORIGIN.after(Self::AT_ORIGIN));
        match now.checked_duration_since(self.origin) {
            Some(later) => start.after(later),
            None => start.before(self.origin - now),
        }
    }

    fn timer(&self) -> Option<Timer> {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return Some(Timer::Mock(clock.timer()));
        }
        Some(Timer::Tokio(TokioTimer {
            runtime: self.clone(),
            handle: self.handle()?,
            set: None,
        }))
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        let Some(handle) = self.handle() else {
            return Err(task);
        };
        handle.spawn(task);
        Ok(())
    }

    fn executor(&self) -> Option<ExecutorId> {
        Some(ExecutorId::of(&Handle::try_current().ok()?.id()))
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        thread_context(f)
    }
}

/// A timer of Tokio's, or of a test's clock.
#[derive(Debug)]
pub enum Timer {
    /// Tokio's.
    Tokio(TokioTimer),
    /// A test's.
    #[cfg(feature = "testing")]
    Mock(cache_core::testing::MockTimer),
}

/// A timer of Tokio's.
#[derive(Debug)]
pub struct TokioTimer {
    runtime: Tokio,
    handle: Handle,
    set: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl runtime::Timer for Timer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tokio(timer) => timer.poll_until(deadline, cx),
            #[cfg(feature = "testing")]
            Self::Mock(timer) => timer.poll_until(deadline, cx),
        }
    }
}

impl runtime::Timer for TokioTimer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if deadline == Instant::FAR {
            self.set = None;
            return Poll::Pending;
        }
        let at = self.runtime.on_tokios_clock(deadline);
        let (set, sleep) = self.set.get_or_insert_with(|| {
            let _inside = self.handle.enter();
            (deadline, Box::pin(time::sleep_until(at)))
        });
        if *set != deadline {
            *set = deadline;
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

/// The README's examples run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[derive(Debug)]
pub struct Readme;
