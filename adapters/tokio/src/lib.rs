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
//! The clock is Tokio's, so a test with `#[tokio::test(start_paused = true)]` controls expiry. Where one
//! cache is used on several runtimes, as a `static` is in several tests, time goes on from one to the
//! next, whatever their clocks show. For values and loaders that are not `Send` there is [`local`].
//!
//! # Task-local values, and tracing spans
//!
//! A loader may be polled by another task than its caller's, so what it finds around it is not for sure
//! its caller's ([more of that](cache_core::Cache#what-a-loader-finds-around-it)). Its future takes along
//! what it is to have:
//!
//! ```
//! use cache_tokio::Cache;
//!
//! tokio::task_local! {
//!     static REQUEST: u64;
//! }
//!
//! async fn fetch(user: u32) -> String {
//!     format!("user {user} for request {}", REQUEST.get())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let users: Cache<u32, String> = Cache::new(1_000);
//! let call = async {
//!     // Here, and not in the loader: this is the caller's task.
//!     let request = REQUEST.get();
//!     // For a tracing span: `fetch(1).instrument(Span::current())`.
//!     users.get_with(1, || REQUEST.scope(request, fetch(1))).await
//! };
//! assert_eq!(REQUEST.scope(7, call).await, "user 1 for request 7");
//! # });
//! ```
//!
//! # Outside of a runtime
//!
//! A cache may be made and used anywhere: inside a runtime, outside of any, from plain threads. Outside
//! of a runtime nothing goes on between the polls of the callers, unless the cache has the handle of
//! a runtime ([`Tokio::with_handle`]):
//!
//! | on a plain thread   | with a handle                      | without                             |
//! |---------------------|------------------------------------|-------------------------------------|
//! | a load              | is spawned when a second caller joins | is driven by the callers that wait |
//! | a loader            | finds the runtime around it: `tokio::time` works in it | finds none: `tokio::time` panics in it |
//! | a batch window      | lasts as long as it should         | leaves as soon as its first member is polled again: eight threads that each load a key make eight batches, as a rule |
//! | a load timeout      | ends the load when it is over      | is noticed when the load is polled next, which may be never |
//! | the janitor         | runs                               | does not run; expired entries leave as they are met |
//!
//! The same holds, but for the first two lines, on a runtime without timers: see
//! [`Tokio::without_timers`].

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod clock;
pub mod local;
mod timer;

use std::sync::Arc;

use cache_core::runtime::{self, ExecutorId, MultiThread, Runtime, Task, Watch, thread_context};
use cache_core::sync::{StdMutex, StdRwLock};
use tokio::runtime::Handle;

use clock::Clock;
use timer::is_ending;

pub use timer::{Timer, TokioTimer};

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

/// An async cache on Tokio: [`cache_core::Cache`] has the documentation.
pub type Cache<K, V, S = DefaultHasher> = cache_core::Cache<K, V, Tokio, S>;

/// Tokio, as a runtime for the cache.
///
/// The default uses whichever Tokio runtime a call is made in: loads that several tasks wait for are
/// spawned on the runtime of one of them.
#[derive(Debug, Clone)]
pub struct Tokio {
    handle: Option<Handle>,
    has_timers: bool,
    time: Arc<Clock>,
    #[cfg(feature = "testing")]
    clock: Option<cache_core::testing::MockClock>,
}

impl Tokio {
    /// Tokio, with `handle` for calls that are made outside of any runtime.
    ///
    /// Loads are spawned on its runtime, which has the timers too, and loaders find it around them
    /// wherever they are polled or dropped. Once it has ended, the cache is as if it had no handle.
    #[must_use]
    pub fn with_handle(handle: Handle) -> Self {
        Self {
            handle: Some(handle),
            ..Self::default()
        }
    }

    /// The same, for a runtime that was built without `enable_time`: none of Tokio's timers is asked
    /// for.
    ///
    /// Without this the cache works on such a runtime too. But it finds out only by a panic in Tokio,
    /// once for each such runtime; the panic is caught, and the panic hook reports it. A program that
    /// is built with `panic = "abort"` cannot catch it.
    ///
    /// ```
    /// use cache_tokio::{Cache, Tokio};
    ///
    /// let cache: Cache<u64, u64> = Cache::builder_on(Tokio::default().without_timers()).build();
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// assert_eq!(runtime.block_on(squares.load(7)).unwrap(), Some(49));
    /// ```
    #[must_use]
    pub fn without_timers(mut self) -> Self {
        self.has_timers = false;
        self
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

    fn handle(&self) -> Option<Handle> {
        Handle::try_current().ok().or_else(|| self.handle.clone())
    }
}

impl Default for Tokio {
    fn default() -> Self {
        Self {
            handle: None,
            has_timers: true,
            time: Arc::new(Clock::new()),
            #[cfg(feature = "testing")]
            clock: None,
        }
    }
}

impl Runtime for Tokio {
    type Flavor = MultiThread;
    type Lock<T> = StdRwLock<T>;
    type Mutex<T> = StdMutex<T>;
    type Timer = Timer;

    fn now(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return clock.now();
        }
        self.time.now()
    }

    fn timer(&self) -> Option<Timer> {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return Some(Timer::Mock(clock.timer()));
        }
        let handle = self.handle().filter(|_| self.has_timers)?;
        TokioTimer::new(handle, Arc::clone(&self.time)).map(Timer::Tokio)
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

    fn home(&self) -> Option<ExecutorId> {
        self.executor()
    }

    fn watch(&self) -> Option<Watch<Self>> {
        let handle = Handle::try_current().ok()?;
        Some(Box::new(move || is_ending(&handle)))
    }

    fn around<T>(&self, f: impl FnOnce() -> T) -> T {
        let handle = self.handle.as_ref();
        let _inside = handle
            .filter(|_| Handle::try_current().is_err())
            .map(Handle::enter);
        f()
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        thread_context(f)
    }
}

/// The examples of the package's page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
