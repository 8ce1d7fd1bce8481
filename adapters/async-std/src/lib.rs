//! An async cache for async-std.
//!
//! ```
//! use async_std::task;
//! use cache_async_std::{Cache, Ttl};
//! use std::time::Duration;
//!
//! # task::block_on(async {
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
//! async-std is no longer maintained ([RUSTSEC-2025-0052]), and its authors recommend smol. This
//! package is for programs that have not moved yet: with another `use` line they run on
//! `cache-smol`.
//!
//! The clock is the operating system's. A load with several waiters is spawned on async-std's
//! global executor, which then starts its threads. A cache may be created and used anywhere, also
//! on plain threads. Batch windows and load timeouts work there too, because the timers and the
//! global executor do not depend on the calling thread. The module `local`, behind the feature of
//! that name, is for values and loaders that are not `Send`.
//!
//! [RUSTSEC-2025-0052]: https://rustsec.org/advisories/RUSTSEC-2025-0052

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "local")]
pub mod local;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time;

use async_std::task;
use cache_core::runtime::{MultiThread, Runtime, Task, thread_context};
use cache_core::sync::{StdMutex, StdRwLock};

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
pub use cache_core::macro_support::cached_async_std as cached;

cache_core::aliases! {
    /// An async cache on async-std.
    AsyncStd
}

#[cfg(feature = "tier")]
cache_core::supports_tier!(AsyncStd: MultiThread + Send + Sync);

/// async-std as a runtime for the cache.
#[derive(Debug, Clone)]
pub struct AsyncStd {
    origin: time::Instant,
    #[cfg(feature = "testing")]
    mock_clock: Option<cache_core::testing::MockClock>,
}

#[cfg(feature = "testing")]
impl AsyncStd {
    /// Returns async-std with a clock that a test sets.
    ///
    /// ```
    /// use cache_async_std::{AsyncStd, Cache};
    /// use cache_async_std::testing::MockClock;
    /// use std::time::Duration;
    ///
    /// let clock = MockClock::new();
    /// let cache: Cache<u64, u64> = Cache::builder_on(AsyncStd::on_clock(clock.clone()))
    ///     .time_to_live(Duration::from_secs(60))
    ///     .build();
    /// cache.insert(1, 1);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(cache.get(&1), None);
    /// ```
    #[must_use]
    pub fn on_clock(clock: cache_core::testing::MockClock) -> Self {
        Self {
            mock_clock: Some(clock),
            ..Self::default()
        }
    }
}

impl Default for AsyncStd {
    fn default() -> Self {
        Self {
            origin: time::Instant::now(),
            #[cfg(feature = "testing")]
            mock_clock: None,
        }
    }
}

impl Runtime for AsyncStd {
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
        Some(Timer::AsyncStd(AsyncStdTimer {
            runtime: self.clone(),
            sleep: None,
        }))
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        // A task of async-std continues after its handle is dropped.
        drop(task::spawn(task));
        Ok(())
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        thread_context(f)
    }
}

/// A timer of async-std or of a test's clock.
#[derive(Debug)]
pub enum Timer {
    /// A timer of async-std.
    AsyncStd(AsyncStdTimer),
    /// A timer of a test's clock.
    #[cfg(feature = "testing")]
    Mock(cache_core::testing::MockTimer),
}

/// A timer of async-std.
pub struct AsyncStdTimer {
    runtime: AsyncStd,
    /// The current deadline and the future that is ready then.
    sleep: Option<(Instant, Sleep)>,
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

impl runtime::Timer for Timer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::AsyncStd(timer) => timer.poll_until(deadline, cx),
            #[cfg(feature = "testing")]
            Self::Mock(timer) => timer.poll_until(deadline, cx),
        }
    }
}

impl runtime::Timer for AsyncStdTimer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if deadline == Instant::FAR {
            self.sleep = None;
            return Poll::Pending;
        }
        let current = self.sleep.take().filter(|(at, _)| *at == deadline);
        let (_, sleep) = self.sleep.insert(current.unwrap_or_else(|| {
            let left = deadline.since(self.runtime.now());
            (deadline, Box::pin(task::sleep(left)))
        }));
        ready!(sleep.as_mut().poll(cx));
        // A future must not be polled after it was ready.
        self.sleep = None;
        Poll::Ready(())
    }
}

impl fmt::Debug for AsyncStdTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncStdTimer")
            .field("deadline", &self.sleep.as_ref().map(|(at, _)| at))
            .finish_non_exhaustive()
    }
}

/// The examples of the package's page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
