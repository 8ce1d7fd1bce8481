//! Settings of loads: their limits, and what the cache remembers of those that found no value.

use core::time::Duration;

use super::Builder;
use crate::opt_in::Gated;
use crate::runtime::Runtime;

impl<K, V, R: Runtime, S> Builder<K, V, R, S> {
    /// Sets how long a load may take. By default, loads have no limit.
    ///
    /// The cache drops a load that takes longer. Its leader and its waiters get
    /// [`LoadError::TimedOut`](crate::LoadError::TimedOut); methods that return no error panic.
    /// Must be longer than zero. On a runtime without a timer, the cache notices a late load only
    /// when it polls the load again.
    ///
    /// ```
    /// # use core::{future::pending, time::Duration};
    /// # use cache_core::{Cache, LoadError, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let limit = Duration::from_secs(5);
    /// let cache: Cache<u64, u64, _> =
    ///     Cache::builder_on(runtime.clone()).load_timeout(limit).build();
    /// # runtime.block_on(async {
    /// let error = cache.try_get_with(1, || pending::<Result<u64, String>>()).await.unwrap_err();
    /// assert!(matches!(error, LoadError::TimedOut(after) if after == limit));
    /// # });
    /// ```
    #[must_use]
    pub fn load_timeout(mut self, after: Duration) -> Self {
        self.options.load_timeout = Gated::new(after);
        self
    }

    /// Sets how long the leader of a scoped load may leave its woken loader unpolled. The default
    /// is 100 ms; `None` is no limit.
    ///
    /// The loader of a method whose name ends in `_scoped` borrows from its caller, so only that
    /// caller polls it. A caller that holds the future without polling it, as a branch of `select!`
    /// does while another branch runs, would stall all waiters of the key. After this time such a
    /// leader loses its lead: one of the waiters runs its own loader, and the others wait for that
    /// one. The old leader, once it is polled again, returns the value of its own loader. The cache
    /// does not store that value: it may be older than a write or an invalidation.
    ///
    /// A loader that has not been woken, since its backend has not answered, loses nothing: use
    /// [`Builder::load_timeout`] for such a load. If a loader is woken several times, the leader
    /// may have up to twice this time, because waiters are woken at most once in it.
    ///
    /// Must be longer than zero. It needs a timer: on a runtime without one, a waiter takes the
    /// lead only if it is polled after that time. A computation ([`KeyEntry::and_compute_with`])
    /// keeps its lead.
    ///
    /// [`KeyEntry::and_compute_with`]: crate::KeyEntry::and_compute_with
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use core::pin::pin;
    /// # use core::task::{Context, Waker};
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone())
    ///     .takeover_after(Duration::from_millis(20))
    ///     .build();
    /// # let clock = runtime.clone();
    /// # runtime.block_on(async {
    /// let answer = async {
    /// #   clock.sleep(Duration::from_millis(5)).await;
    ///     "from the leader"
    /// };
    /// let mut leader = pin!(cache.get_with_scoped(1, || answer));
    /// # let _ = leader.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    /// // The leader has been polled once, and its task does something else now:
    /// let value = cache.get_with_scoped(1, || async { "from a waiter" }).await;
    /// assert_eq!(value, "from a waiter");
    /// assert_eq!(leader.await, "from the leader");
    /// assert_eq!(cache.get(&1), Some("from a waiter"));
    /// # });
    /// ```
    #[must_use]
    pub fn takeover_after(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.options.takeover_after = after.into();
        self
    }

    /// Sets how long the cache remembers a loader's error. During that time, loading methods return
    /// the same error for the key and start no load. By default, errors are not remembered.
    ///
    /// Must be longer than zero. A write to the key ends it early.
    ///
    /// # Bound
    /// The cache keeps remembered errors and [missing values](Builder::negative_ttl) beside the
    /// entries, with a bound of their own: `max_capacity`, or 65,536 if `max_capacity` is not set
    /// or bounds a larger weight. Each of several shards gets an equal share of that number plus
    /// 16. A full shard forgets the result that would end first.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone())
    ///     .error_ttl(Duration::from_secs(10))
    ///     .build();
    /// # runtime.block_on(async {
    /// let first = cache.try_get_with(1, || async { Err("backend is down") }).await;
    /// let second = cache.try_get_with(1, || async { Ok::<_, &str>(7) }).await;
    /// assert_eq!(first.unwrap_err().loader(), Some(&"backend is down"));
    /// assert_eq!(second.unwrap_err().loader(), Some(&"backend is down"));
    /// # });
    /// ```
    #[must_use]
    pub fn error_ttl(mut self, ttl: Duration) -> Self {
        self.options.error_ttl = Gated::new(ttl);
        self
    }

    /// Sets how long the cache remembers that a loader found no value. During that time,
    /// the methods and views whose loader may find no value return none for the key, and start no
    /// load. By default, missing values are not remembered.
    ///
    /// Must be longer than zero. A write to the key ends it early. The number of remembered keys is
    /// bounded: see [`Builder::error_ttl`].
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone())
    ///     .negative_ttl(Duration::from_secs(10))
    ///     .build();
    /// # runtime.block_on(async {
    /// assert_eq!(cache.optionally_get_with(1, || async { None }).await, None);
    /// assert_eq!(cache.optionally_get_with(1, || async { Some(7) }).await, None);
    /// # runtime.sleep(Duration::from_secs(10)).await;
    /// // Ten seconds later:
    /// assert_eq!(cache.optionally_get_with(1, || async { Some(7) }).await, Some(7));
    /// # });
    /// ```
    #[must_use]
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.options.negative_ttl = Gated::new(ttl);
        self
    }

    /// Sets whether a load continues in a background task after all its callers were dropped. By
    /// default, the cache drops such a load.
    ///
    /// A key of a batch continues once its window is closed. If all callers of a key are dropped
    /// before that, the batch does not load it.
    ///
    /// The setting has no effect on a runtime that cannot spawn, and none on loaders that borrow
    /// (the methods that end in `_scoped`).
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone()).detach_loads(true).build();
    /// # let (clock, handle) = (runtime.clone(), cache.clone());
    /// let request = runtime.spawn(async move {
    /// #   let cache = handle;
    ///     cache
    ///         .get_with(1, || async move {
    /// #           clock.sleep(Duration::from_secs(5)).await;
    ///             "loaded"
    ///         })
    ///         .await
    /// });
    /// # runtime.run_until_idle();
    /// request.abort();
    /// # runtime.advance(Duration::from_secs(5));
    /// // When the load is complete:
    /// assert_eq!(cache.get(&1), Some("loaded"));
    /// ```
    #[must_use]
    pub fn detach_loads(mut self, detach: bool) -> Self {
        self.options.detach_loads = Gated::switch(detach);
        self
    }
}
