//! An async cache for Tokio.
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
//! // One load, however many tasks request the key at the same time.
//! let carol = users.get_with(3, || async { "carol".to_string() }).await;
//! assert_eq!(carol, "carol");
//! # });
//! ```
//!
//! The clock is Tokio's, so a test with `#[tokio::test(start_paused = true)]` controls expiry. If
//! several runtimes use one cache, as several tests use a `static`, the cache's time never goes
//! back from one to the next, even if the clock of the next is behind. The module [`local`] is for
//! values and loaders that are not `Send`.
//!
//! # Views in the state of a program
//!
//! A view is a cache with a loader. Its type names the key, the value and the loader's error, so
//! that a struct can hold it. Make it once and keep it: a view of batches has a window of its own,
//! so a view that is made for each request batches nothing.
//!
//! ```
//! use cache_tokio::{BatchLoader, Cache, LoadingCache, OptionalLoadingCache};
//! use std::collections::HashMap;
//!
//! #[derive(Clone)]
//! struct Database;
//!
//! #[derive(Debug)]
//! struct DbError;
//!
//! impl Database {
//!     async fn name(self, id: u64) -> Result<String, DbError> {
//!         Ok(format!("user {id}"))
//!     }
//!
//!     async fn session(self, token: String) -> Result<Option<u64>, DbError> {
//!         Ok(token.parse().ok())
//!     }
//!
//!     async fn orders(self, users: Vec<u64>) -> Result<HashMap<u64, u32>, DbError> {
//!         Ok(users.into_iter().map(|user| (user, 3)).collect())
//!     }
//! }
//!
//! /// The state of a server, for example of axum: cheap to clone.
//! #[derive(Clone)]
//! struct AppState {
//!     names: LoadingCache<u64, String, DbError>,
//!     sessions: OptionalLoadingCache<String, u64, DbError>,
//!     orders: BatchLoader<u64, u32, DbError>,
//! }
//!
//! impl AppState {
//!     fn new(db: Database) -> Self {
//!         let (names, sessions, orders) = (db.clone(), db.clone(), db);
//!         Self {
//!             names: Cache::new(10_000).loading(|id: u64| names.name(id)),
//!             sessions: Cache::new(10_000).loading_optional(|token: String| sessions.session(token)),
//!             orders: Cache::new(10_000).batching(|users: Vec<u64>| orders.orders(users)),
//!         }
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let state = AppState::new(Database);
//! assert_eq!(state.names.get(7).await.unwrap(), "user 7");
//! assert_eq!(state.sessions.get("7").await.unwrap(), Some(7));
//! assert_eq!(state.orders.get_all([7, 8]).await.len(), 2);
//! # });
//! ```
//!
//! # Task-local values and tracing spans
//!
//! A task other than the caller's may poll a loader, so the task-local values and the span of the
//! caller are not always there ([details](cache_core::Cache#context-of-a-loader)). Put
//! what the loader needs into its future:
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
//!     // Here, not in the loader: the caller's task runs this.
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
//! A cache may be created and used anywhere: in a runtime, outside of any, on plain threads.
//! Outside of a runtime nothing progresses between the polls of the callers, unless the cache has
//! the handle of a runtime ([`Tokio::with_handle`]):
//!
//! | on a plain thread | with a handle | without |
//! |---|---|---|
//! | a load | is spawned when a second caller joins | is driven by its waiters |
//! | a loader | runs in the context of the runtime: `tokio::time` works in it | has no context: `tokio::time` panics in it |
//! | a batch window | has its full length | ends when the caller that opened it is polled again: eight threads that each load one key usually make eight batches |
//! | a load timeout | ends the load on time | takes effect at the next poll of the load, which may never come |
//! | the janitor | runs | does not run; expired entries are removed when an operation meets them |
//!
//! The same holds, except for the first two lines, on a runtime without timers: see
//! [`Tokio::without_timers`].

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod clock;
pub mod local;
mod timer;

use std::sync::Arc;

use cache_core::runtime::{EndCheck, ExecutorId, MultiThread, Runtime, Task, thread_context};
use cache_core::sync::{StdMutex, StdRwLock};
use tokio::runtime::Handle;

use clock::Clock;
use timer::is_shutting_down;

pub use timer::{Timer, TokioTimer};

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
pub use cache_core::macro_support::cached_tokio as cached;

cache_core::aliases! {
    /// An async cache on Tokio.
    Tokio
}

#[cfg(feature = "tier")]
cache_core::supports_tier!(Tokio: MultiThread + Send + Sync);

/// Tokio as a runtime for the cache.
///
/// The default uses the Tokio runtime that a call is made in. A load with several waiters is
/// spawned on the runtime of one of them.
#[derive(Debug, Clone)]
pub struct Tokio {
    handle: Option<Handle>,
    has_timers: bool,
    clock: Arc<Clock>,
    #[cfg(feature = "testing")]
    mock_clock: Option<cache_core::testing::MockClock>,
}

impl Tokio {
    /// Returns Tokio with `handle` for calls that are made outside of any runtime.
    ///
    /// The cache spawns loads on its runtime and uses its timers, and polls and drops loaders in
    /// its context, on any thread. Once the runtime has shut down, the cache behaves as without a
    /// handle.
    #[must_use]
    pub fn with_handle(handle: Handle) -> Self {
        Self {
            handle: Some(handle),
            ..Self::default()
        }
    }

    /// Uses none of Tokio's timers. For a runtime that was built without `enable_time`.
    ///
    /// The cache works on such a runtime without this setting too. But it finds out only by a panic
    /// in Tokio, once per runtime. The cache catches the panic, but the panic hook reports it, and
    /// a program that is built with `panic = "abort"` aborts.
    ///
    /// ```
    /// use cache_tokio::{Cache, Tokio};
    ///
    /// let cache: Cache<u64, u64> = Cache::builder_on(Tokio::default().without_timers()).build();
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// assert_eq!(runtime.block_on(squares.get(7)).unwrap(), Some(49));
    /// ```
    #[must_use]
    pub fn without_timers(mut self) -> Self {
        self.has_timers = false;
        self
    }

    /// Returns Tokio with a clock that a test sets.
    ///
    /// ```
    /// use cache_tokio::testing::MockClock;
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
            mock_clock: Some(clock),
            ..Self::default()
        }
    }

    /// The runtime of this call, or else the one of [`Tokio::with_handle`].
    fn handle(&self) -> Option<Handle> {
        Handle::try_current().ok().or_else(|| self.handle.clone())
    }
}

impl Default for Tokio {
    fn default() -> Self {
        Self {
            handle: None,
            has_timers: true,
            clock: Arc::new(Clock::new()),
            #[cfg(feature = "testing")]
            mock_clock: None,
        }
    }
}

impl Runtime for Tokio {
    type Flavor = MultiThread;
    type Lock<T> = StdRwLock<T>;
    type Mutex<T> = StdMutex<T>;
    type Timer = Timer;

    #[inline]
    fn now(&self) -> Instant {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.mock_clock {
            return clock.now();
        }
        self.clock.now()
    }

    fn timer(&self) -> Option<Timer> {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.mock_clock {
            return Some(Timer::Mock(clock.timer()));
        }
        let handle = self.handle().filter(|_| self.has_timers)?;
        TokioTimer::new(handle, Arc::clone(&self.clock)).map(Timer::Tokio)
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        let Some(handle) = self.handle() else {
            return Err(task);
        };
        handle.spawn(task);
        Ok(())
    }

    fn executor(&self) -> Option<ExecutorId> {
        Some(ExecutorId::from_id(&Handle::try_current().ok()?.id()))
    }

    fn transient_executor(&self) -> Option<ExecutorId> {
        self.executor()
    }

    fn end_check(&self) -> Option<EndCheck<Self>> {
        let handle = Handle::try_current().ok()?;
        Some(Box::new(move || is_shutting_down(&handle)))
    }

    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        let handle = self.handle.as_ref();
        let _entered = handle
            .filter(|_| Handle::try_current().is_err())
            .map(Handle::enter);
        f()
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        thread_context(f)
    }
}

/// Runs the examples of the package's page as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
