//! The settings of refreshes, and of values that are returned after their time to live.

use alloc::boxed::Box;
use core::time::Duration;

use super::Builder;
use crate::error::{BuildError, Value};
use crate::inner::{
    CancelUnused, Jitter, LoadOptions, RefreshCounters, RefreshListener, Refreshing,
};
use crate::machine::FreshnessSettings;
use crate::opt_in::{Enabled, Feature, Gated, GatedState, LoadTimeout, RememberedResults};
use crate::refresh::RefreshEnd;
use crate::runtime::{Hook, Runtime};
use crate::sync::AtomicUsize;

/// The settings of refreshes, until the cache is built.
pub(super) struct RefreshSettings<K, R: Runtime> {
    after: Option<Duration>,
    revalidate: Option<Duration>,
    if_error: Option<Duration>,
    if_slow: Option<Duration>,
    max: Option<usize>,
    backoff: Option<(Duration, Duration)>,
    listener: Option<RefreshListener<K, R>>,
    remembers: Enabled<RememberedResults>,
    timeout: Gated<Duration, LoadTimeout>,
}

/// How long a refresh may take if the builder sets no `load_timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

const DEFAULT_MAX: usize = 64;

impl<K, R: Runtime> RefreshSettings<K, R> {
    fn new() -> Self {
        Self {
            after: None,
            revalidate: None,
            if_error: None,
            if_slow: None,
            max: None,
            backoff: None,
            listener: None,
            remembers: RememberedResults::enable(),
            timeout: Gated::new(DEFAULT_TIMEOUT),
        }
    }

    pub(super) fn build<V, S>(
        self,
        options: &LoadOptions,
        cancel_unused: CancelUnused<K, V, R, S>,
    ) -> Box<Refreshing<K, V, R, S>> {
        let timeout = if options.load_timeout.is_set() {
            options.load_timeout
        } else {
            self.timeout
        };
        Box::new(Refreshing {
            timeout,
            if_slow: self.if_slow,
            max: self.max.unwrap_or(DEFAULT_MAX),
            listener: self.listener,
            remembers: self.remembers,
            cancel_unused,
            running: AtomicUsize::new(0),
            counters: RefreshCounters::default(),
        })
    }
}

impl<K, V, R: Runtime, S> Builder<K, V, R, S> {
    /// Sets the age at which a value is due: the next caller with a loader gets the value at once,
    /// and its loader refreshes the value in the background. By default, no value is due before its
    /// [`time_to_live`](Builder::time_to_live) ends.
    ///
    /// Must be longer than zero and shorter than `time_to_live`, if that is set. An entry with a ttl
    /// of its own is due at the same part of that ttl; [`Loaded::refresh_after`] sets another time.
    /// Only a call with a loader starts a refresh: a loading method or a view. A call whose loader
    /// borrows (its name ends in `_scoped`) starts none, and neither does a plain read. On a runtime
    /// that cannot spawn, no refresh starts.
    ///
    /// A refresh is a load that no caller waits for. A write during the refresh wins over it. A
    /// refresh that fails leaves the value, which other callers get until its time to live ends;
    /// the next attempt comes after [`refresh_backoff`](Builder::refresh_backoff).
    ///
    /// [`Loaded::refresh_after`]: crate::Loaded::refresh_after
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(300))
    ///     .refresh_after(Duration::from_secs(240))
    ///     .build();
    /// cache.insert(1, "old");
    /// # runtime.advance(Duration::from_secs(240));
    /// # runtime.block_on(async {
    /// // Four minutes later, the caller does not wait for its loader:
    /// assert_eq!(cache.get_with(1, || async { "new" }).await, "old");
    /// # });
    /// # runtime.run_until_idle();
    /// // When the refresh is complete:
    /// assert_eq!(cache.get(&1), Some("new"));
    /// ```
    #[doc(alias("refreshAfterWrite", "refresh_ahead", "eager_refresh"))]
    #[must_use]
    pub fn refresh_after(mut self, age: Duration) -> Self {
        self.refreshing(|refreshing| refreshing.after = Some(age));
        self
    }

    /// Sets how long after its time to live a value is still returned at once to callers with a
    /// loader. The first of them refreshes the value in the background. By default, not at all.
    ///
    /// Must be longer than zero. Reads without a loader never return such a value. On a runtime that
    /// cannot spawn, and for loaders that borrow, one caller waits for its own load, and the others
    /// get the value.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(300))
    ///     .stale_while_revalidate(Duration::from_secs(60))
    ///     .build();
    /// cache.insert(1, "old");
    /// # runtime.advance(Duration::from_secs(301));
    /// # runtime.block_on(async {
    /// // Five minutes later:
    /// assert_eq!(cache.get(&1), None);
    /// assert_eq!(cache.get_with(1, || async { "new" }).await, "old");
    /// # });
    /// # runtime.run_until_idle();
    /// assert_eq!(cache.get(&1), Some("new"));
    /// ```
    #[must_use]
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.refreshing(|refreshing| refreshing.revalidate = Some(window));
        self
    }

    /// Sets how long after its time to live a value is returned to callers whose load fails. By
    /// default, not at all.
    ///
    /// Such a caller waits for its load. If the load ends with an error, a panic or a timeout, the
    /// caller gets the value that is stored then, and for the time of
    /// [`refresh_backoff`](Builder::refresh_backoff) all callers get it at once, without a load. A
    /// caller whose own loader panics gets the panic, and [`Cache::refresh`] returns the error.
    ///
    /// The window counts from the end of the time to live, as that of
    /// [`stale_while_revalidate`](Builder::stale_while_revalidate) does. Must be longer than zero.
    /// Reads without a loader never return such a value, but for [`Cache::get_stale`].
    ///
    /// [`Cache::refresh`]: crate::Cache::refresh
    /// [`Cache::get_stale`]: crate::Cache::get_stale
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(300))
    ///     .stale_if_error(Duration::from_secs(3_600))
    ///     .build();
    /// cache.insert(1, "old");
    /// # runtime.advance(Duration::from_secs(301));
    /// # runtime.block_on(async {
    /// // Five minutes later:
    /// let answer = cache.try_get_with(1, || async { Err("the backend is down") }).await;
    /// assert_eq!(answer.unwrap(), "old");
    /// # });
    /// ```
    #[doc(alias("fail_safe", "grace", "failover"))]
    #[must_use]
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.refreshing(|refreshing| refreshing.if_error = Some(window));
        self
    }

    /// Sets how long a caller waits for a load before it gets a value that is kept for
    /// [`stale_if_error`](Builder::stale_if_error), which has to be set. By default, without a limit.
    ///
    /// The load continues in the background, and its value is stored. Each caller waits by its own
    /// clock. Must be longer than zero. A caller cannot leave a loader that borrows from it, and on a
    /// runtime that cannot spawn it cannot leave at all. On a runtime without a timer, a caller
    /// notices a slow load only when it is polled.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(300))
    ///     .stale_if_error(Duration::from_secs(3_600))
    ///     .stale_if_slow(Duration::from_millis(200))
    ///     .build();
    /// cache.insert(1, "old");
    /// # runtime.advance(Duration::from_secs(301));
    /// # let clock = runtime.clone();
    /// # let load = || async move { clock.sleep(Duration::from_secs(5)).await; "new" };
    /// # runtime.block_on(async {
    /// // Five minutes later, with a load of five seconds:
    /// assert_eq!(cache.get_with(1, load).await, "old");
    /// # runtime.sleep(Duration::from_secs(6)).await;
    /// // When the load is complete:
    /// assert_eq!(cache.get(&1), Some("new"));
    /// # });
    /// ```
    #[doc(alias("soft_timeout", "factory_soft_timeout"))]
    #[must_use]
    pub fn stale_if_slow(mut self, after: Duration) -> Self {
        self.refreshing(|refreshing| refreshing.if_slow = Some(after));
        self
    }

    /// Sets the pause after a failed refresh: `initial` after the first failure in a row, twice as
    /// long after each further one, up to `max`. The default is 1 to 60 seconds.
    ///
    /// During the pause no call starts a refresh of the key. A pause is up to a quarter longer than
    /// its nominal length, by an amount that depends on the key, so that keys that fail together are
    /// not all refreshed together. A write, an invalidation and a refresh by a caller end it.
    ///
    /// `initial` must be longer than zero and at most `max`. Needs `refresh_after`,
    /// `stale_while_revalidate` or `stale_if_error`.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new())
    ///     .refresh_after(Duration::from_secs(60))
    ///     .refresh_backoff(Duration::from_secs(2), Duration::from_secs(300))
    ///     .build();
    /// # drop(cache);
    /// ```
    #[must_use]
    pub fn refresh_backoff(mut self, initial: Duration, max: Duration) -> Self {
        self.refreshing(|refreshing| refreshing.backoff = Some((initial, max)));
        self
    }

    /// Sets how many refreshes may run at the same time. The default is 64.
    ///
    /// A refresh beyond that is not started; the next call for its key tries again. Must be at least
    /// 1. Needs `refresh_after`, `stale_while_revalidate` or `stale_if_error`.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new())
    ///     .refresh_after(Duration::from_secs(60))
    ///     .max_concurrent_refreshes(8)
    ///     .build();
    /// # drop(cache);
    /// ```
    #[must_use]
    pub fn max_concurrent_refreshes(mut self, max: usize) -> Self {
        self.refreshing(|refreshing| refreshing.max = Some(max));
        self
    }

    /// Sets the function that the cache calls once for each refresh, when it ends.
    ///
    /// No caller waits for a refresh, so no caller gets its error: this function does. The call runs
    /// where the refresh ends, outside of every lock. The function may use the cache. Needs
    /// `refresh_after`, `stale_while_revalidate` or `stale_if_error`.
    ///
    /// ```
    /// # use core::time::Duration;
    /// use cache_core::{Cache, RefreshEnd, testing::VirtualRuntime};
    ///
    /// let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new())
    ///     .refresh_after(Duration::from_secs(60))
    ///     .refresh_listener(|key, end| match end {
    ///         RefreshEnd::Failed(error) => {
    ///             println!("{key}: {:?}", error.downcast_ref::<std::io::Error>());
    ///         }
    ///         end => println!("{key}: {end:?}"),
    ///     })
    ///     .build();
    /// # drop(cache);
    /// ```
    #[must_use]
    pub fn refresh_listener<H>(mut self, listener: H) -> Self
    where
        K: Clone,
        H: Fn(&K, RefreshEnd<'_>),
        H: Hook<R::Flavor, K, V>,
    {
        self.refreshing(|refreshing| {
            refreshing.listener = Some(RefreshListener {
                listener: listener.into_refresh_listener(),
                clone_key: K::clone,
            });
        });
        self
    }

    /// Sets how much shorter than `time_to_live` an entry may live, in percent: an entry lives for
    /// 100 − `percent` to 100 % of it. The default is 0. Entries that are written together then
    /// expire at different times, and are loaded again at different times.
    ///
    /// Must be at most 50. Needs `time_to_live`, and applies to it alone: an explicit ttl, and one
    /// of [`expire_after`](Builder::expire_after), stay as they are. The part depends on the key and
    /// on the time of the write; with the same [`hash_seed`](Builder::hash_seed), two caches give
    /// the same key the same part at the same time.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let cache = Cache::builder_on(VirtualRuntime::new())
    ///     .time_to_live(Duration::from_secs(100))
    ///     .ttl_jitter(10)
    ///     .build();
    /// cache.insert(1, "one");
    /// let left = cache.time_to_expiry(&1).unwrap();
    /// assert!((90..=100).contains(&left.as_secs()));
    /// ```
    #[must_use]
    pub fn ttl_jitter(mut self, percent: u8) -> Self {
        let ttl = Duration::ZERO;
        self.ttl_jitter = GatedState::new(Gated::new(Box::new(Jitter { percent, ttl })));
        self
    }

    fn refreshing(&mut self, set: impl FnOnce(&mut RefreshSettings<K, R>)) {
        if !self.refreshing.is_set() {
            self.refreshing = GatedState::new(Gated::new(Box::new(RefreshSettings::new())));
        }
        if let Some(refreshing) = self.refreshing.get_mut() {
            set(refreshing);
        }
    }

    /// Checks the settings of this module, and completes them with others.
    pub(super) fn check_freshness(&mut self) -> Result<(), BuildError> {
        let ttl = self.settings.time_to_live;
        if let Some(jitter) = self.ttl_jitter.get_mut() {
            let percent = Value::Count(usize::from(jitter.percent));
            if jitter.percent > 50 {
                return Err(BuildError::new(
                    "ttl_jitter",
                    percent,
                    "it must be at most 50",
                ));
            }
            let Some(ttl) = ttl else {
                let rule = "it needs a time_to_live";
                return Err(BuildError::new("ttl_jitter", percent, rule));
            };
            jitter.ttl = ttl;
        }
        let Some(refreshing) = self.refreshing.get() else {
            return Ok(());
        };
        refreshing.check(ttl)
    }
}

impl<K, R: Runtime> RefreshSettings<K, R> {
    /// A setting that was set.
    fn first_set(&self) -> (&'static str, Value) {
        if let Some((first, _)) = self.backoff {
            return ("refresh_backoff", Value::Time(first));
        }
        if let Some(max) = self.max {
            return ("max_concurrent_refreshes", Value::Count(max));
        }
        if let Some(after) = self.if_slow {
            return ("stale_if_slow", Value::Time(after));
        }
        ("refresh_listener", Value::Word("set"))
    }

    /// The settings of the engine.
    pub(super) fn freshness(&self) -> FreshnessSettings {
        FreshnessSettings {
            refresh_after: self.after,
            stale_while_revalidate: self.revalidate.unwrap_or(Duration::ZERO),
            stale_if_error: self.if_error.unwrap_or(Duration::ZERO),
            ..self.with_backoff()
        }
    }

    fn with_backoff(&self) -> FreshnessSettings {
        let mut settings = FreshnessSettings::default();
        if let Some(backoff) = self.backoff {
            settings.backoff = backoff;
        }
        settings
    }

    fn check(&self, ttl: Option<Duration>) -> Result<(), BuildError> {
        if self.after.or(self.revalidate).or(self.if_error).is_none() {
            let (field, value) = self.first_set();
            let rule = "it needs refresh_after, stale_while_revalidate or stale_if_error to be set";
            return Err(BuildError::new(field, value, rule));
        }
        let (first, longest) = self.with_backoff().backoff;
        if first == Duration::ZERO || first > longest {
            let rule = "the first pause must be longer than zero and not longer than the last one";
            return Err(BuildError::new("refresh_backoff", Value::Time(first), rule));
        }
        if self.max == Some(0) {
            let rule = "it must be at least 1";
            return Err(BuildError::new(
                "max_concurrent_refreshes",
                Value::Count(0),
                rule,
            ));
        }
        let windows = [
            ("refresh_after", self.after),
            ("stale_while_revalidate", self.revalidate),
            ("stale_if_error", self.if_error),
            ("stale_if_slow", self.if_slow),
        ];
        for (field, window) in windows {
            if window == Some(Duration::ZERO) {
                let rule = "it must be longer than zero";
                return Err(BuildError::new(field, Value::Time(Duration::ZERO), rule));
            }
        }
        match (self.if_slow, self.after, ttl) {
            (Some(slow), ..) if self.if_error.is_none() => {
                let rule = "it needs a stale_if_error";
                Err(BuildError::new("stale_if_slow", Value::Time(slow), rule))
            }
            (_, Some(after), Some(ttl)) if after >= ttl => {
                let rule = "it must be shorter than time_to_live";
                Err(BuildError::new("refresh_after", Value::Time(after), rule))
            }
            _ => Ok(()),
        }
    }
}
