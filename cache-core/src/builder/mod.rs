//! The settings of a cache.

mod build;
#[cfg(feature = "tier")]
mod companion;
mod constructors;
mod tasks;

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::expiry::Expiry;
use crate::hash::DefaultHasher;
use crate::inner::{Hooks, LoadOptions};
use crate::machine::{EvictionPolicy, GatedSettings, RemovalCause};
use crate::observe::Observer;
use crate::opt_in::{Gated, GatedState, ManyShards, PurgeTask};
use crate::runtime::{Hook, Runtime};

pub use tasks::SupportsCache;

/// [`Builder::takeover_after`], unless it is set.
const DEFAULT_TAKEOVER_AFTER: Duration = Duration::from_millis(100);

/// Configures and builds a [`Cache`]: [`Cache::builder`], [`Cache::builder_on`] and
/// [`Builder::new`] return one.
///
/// Every setting is optional. A setting that is given twice has the second value. The builder
/// checks the settings in [`Builder::build`] and [`Builder::try_build`], not before.
///
/// [`Cache`]: crate::Cache
/// [`Cache::builder`]: crate::Cache::builder
/// [`Cache::builder_on`]: crate::Cache::builder_on
///
/// ```
/// use cache_core::Cache;
/// use cache_core::testing::VirtualRuntime;
/// use core::time::Duration;
///
/// let pages: Cache<String, String, _> = Cache::builder_on(VirtualRuntime::new())
///     .max_capacity(10_000)
///     .weigher(|_, page: &String| page.len() as u32)
///     .time_to_live(Duration::from_secs(300))
///     .build();
///
/// let invalid = Cache::<u64, u64, _>::builder_on(VirtualRuntime::new())
///     .time_to_live(Duration::ZERO)
///     .try_build();
/// assert_eq!(
///     invalid.unwrap_err().to_string(),
///     "time_to_live is 0ns, but it must be longer than zero",
/// );
/// # drop(pages);
/// ```
pub struct Builder<K, V, R: Runtime, S = DefaultHasher> {
    runtime: R,
    hasher: Option<S>,
    name: Option<Box<str>>,
    max_capacity: Option<u64>,
    shards: Gated<usize, ManyShards>,
    settings: GatedSettings,
    hooks: Hooks<K, V, R>,
    options: LoadOptions,
    janitor: Gated<(), PurgeTask>,
}

impl<K, V, R: Runtime> Builder<K, V, R> {
    fn on(runtime: R) -> Self {
        Self {
            runtime,
            hasher: default_hasher(),
            name: None,
            max_capacity: None,
            shards: Gated::UNSET,
            settings: GatedSettings::default(),
            hooks: Hooks {
                weigher: None,
                expiry: Gated::UNSET,
                listener: Gated::UNSET,
                observer: GatedState::UNSET,
                name_key: GatedState::UNSET,
            },
            options: LoadOptions {
                takeover_after: Some(DEFAULT_TAKEOVER_AFTER),
                ..LoadOptions::default()
            },
            janitor: Gated::UNSET,
        }
    }

    /// Sets the seed of the default hasher. With the standard library the default seed is random;
    /// without it, a seed or another [`hasher`](Builder::hasher) is required.
    ///
    /// Use it for runs that must repeat exactly. Keep the seed secret if keys come from untrusted
    /// users: an attacker that knows it can choose keys that collide.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let builder = Cache::builder_on(VirtualRuntime::new()).hash_seed(42);
    /// let cache: Cache<u64, u64, _> = builder.build();
    /// # drop(cache);
    /// ```
    #[must_use]
    pub fn hash_seed(mut self, seed: u64) -> Self {
        self.hasher = Some(DefaultHasher::seeded(seed));
        self
    }
}

impl<K, V, R: Runtime, S> Builder<K, V, R, S> {
    /// Sets the name of the cache, for logs and metrics: [`Cache::name`](crate::Cache::name)
    /// returns the name.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let cache: Cache<u64, u64, _> =
    ///     Cache::builder_on(VirtualRuntime::new()).name("users").build();
    /// assert_eq!(cache.name(), Some("users"));
    /// ```
    #[doc(alias = "with_name")]
    #[must_use]
    pub fn name(mut self, name: impl Into<Box<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the maximum number of entries or, with a [`weigher`](Builder::weigher), the maximum
    /// total weight. The default is no bound. [`set_max_capacity`](crate::Cache::set_max_capacity)
    /// changes it later.
    ///
    /// With a capacity of zero the cache stores nothing, but callers still share loads.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let cache = Cache::builder_on(VirtualRuntime::new()).max_capacity(2).build();
    /// for n in 0..10 {
    ///     cache.insert(n, n * n);
    /// }
    /// assert_eq!(cache.entry_count(), 2);
    /// ```
    #[doc(alias("capacity", "max_size", "maximumSize", "maximumWeight", "maxsize"))]
    #[must_use]
    pub fn max_capacity(mut self, max_capacity: u64) -> Self {
        self.max_capacity = Some(max_capacity);
        self
    }

    /// Sets how long an entry lives after it was written. By default, and with `Duration::MAX`, it
    /// never expires.
    ///
    /// Must be longer than zero. [`insert_with_ttl`](crate::Cache::insert_with_ttl) and
    /// [`Loaded::ttl`](crate::Loaded::ttl) override it for single entries. With an
    /// [`expire_after`](Builder::expire_after), an entry expires at the earlier of both.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # use core::time::Duration;
    /// # let runtime = VirtualRuntime::new();
    /// let ttl = Duration::from_secs(60);
    /// let cache = Cache::builder_on(runtime.clone()).time_to_live(ttl).build();
    /// cache.insert(1, "one");
    /// # runtime.advance(Duration::from_secs(59));
    /// # assert_eq!(cache.get(&1), Some("one"));
    /// # runtime.advance(Duration::from_secs(1));
    /// // One minute later:
    /// assert_eq!(cache.get(&1), None);
    /// ```
    #[doc(alias("ttl", "expireAfterWrite", "default_ttl"))]
    #[must_use]
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.settings.time_to_live = Some(ttl);
        self
    }

    /// Sets how long an entry lives after its last read or write. It also expires when its time to
    /// live ends, if that is earlier. By default, an entry may be idle without a limit.
    ///
    /// Must be longer than zero. With this setting each hit locks its shard for writing.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # use core::time::Duration;
    /// # let runtime = VirtualRuntime::new();
    /// let idle = Duration::from_secs(60);
    /// let sessions = Cache::builder_on(runtime.clone()).time_to_idle(idle).build();
    /// sessions.insert(1, "alice");
    /// # runtime.advance(Duration::from_secs(59));
    /// # assert_eq!(sessions.get(&1), Some("alice"));
    /// # runtime.advance(Duration::from_secs(60));
    /// // One minute after the last read:
    /// assert_eq!(sessions.get(&1), None);
    /// ```
    #[doc(alias("tti", "expireAfterAccess"))]
    #[must_use]
    pub fn time_to_idle(mut self, tti: Duration) -> Self {
        self.settings.time_to_idle = Gated::new(tti);
        self
    }

    /// Sets which entry the cache evicts when it is full. The default is
    /// [`EvictionPolicy::S3Fifo`].
    ///
    /// [`EvictionPolicy::Lru`] needs a cache of one shard, and each hit locks it for writing.
    ///
    /// ```
    /// use cache_core::{Cache, EvictionPolicy, testing::VirtualRuntime};
    ///
    /// let cache = Cache::builder_on(VirtualRuntime::new())
    ///     .max_capacity(2)
    ///     .eviction_policy(EvictionPolicy::Lru)
    ///     .build();
    /// cache.insert(1, "one");
    /// cache.insert(2, "two");
    /// cache.get(&1);
    /// cache.insert(3, "three");
    /// assert_eq!(cache.get_all([&1, &2, &3]), [Some("one"), None, Some("three")]);
    /// ```
    #[doc(alias = "with_eviction_config")]
    #[must_use]
    pub fn eviction_policy(mut self, policy: EvictionPolicy) -> Self {
        self.settings.set_eviction_policy(policy);
        self
    }

    /// Sets the function that weighs an entry when it is written. By default each entry weighs 1.
    ///
    /// The unit is the same as that of [`max_capacity`](Builder::max_capacity). The cache never
    /// evicts an entry of weight 0 for its capacity.
    ///
    /// The cache calls the weigher while a shard is locked, so it must be fast. A weigher that
    /// calls its own cache panics.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let cache = Cache::builder_on(VirtualRuntime::new())
    ///     .max_capacity(1_000_000)
    ///     .weigher(|_: &u64, page: &String| page.len() as u32)
    ///     .build();
    /// cache.insert(1, "<html>".to_string());
    /// assert_eq!(cache.weighted_size(), 6);
    /// ```
    #[doc(alias = "with_weighter")]
    #[must_use]
    pub fn weigher<H>(mut self, weigher: H) -> Self
    where
        H: Fn(&K, &V) -> u32,
        H: Hook<R::Flavor, K, V>,
    {
        self.hooks.weigher = Some(weigher.into_weigher());
        self
    }

    /// Sets an [`Expiry`], which computes from each entry how long it lives.
    ///
    /// With a [`time_to_live`](Builder::time_to_live), an entry expires at the earlier of both. A
    /// value that is written with a ttl of its own overrides both.
    ///
    /// The cache calls it while a shard is locked, so it must be fast. An expiry that calls its own
    /// cache panics.
    ///
    /// ```
    /// # use core::time::Duration;
    /// use cache_core::{Cache, Expiry, Ttl, testing::VirtualRuntime};
    ///
    /// struct ByRole;
    ///
    /// impl Expiry<u64, &str> for ByRole {
    ///     fn expire_after_create(&self, _: &u64, role: &&str) -> Ttl {
    ///         match *role {
    ///             "guest" => Ttl::After(Duration::from_secs(60)),
    ///             _ => Ttl::Never,
    ///         }
    ///     }
    /// }
    ///
    /// # let runtime = VirtualRuntime::new();
    /// let roles = Cache::builder_on(runtime.clone()).expire_after(ByRole).build();
    /// roles.insert(1, "guest");
    /// roles.insert(2, "admin");
    /// # runtime.advance(Duration::from_secs(60));
    /// // One minute later:
    /// assert_eq!(roles.get_all([&1, &2]), [None, Some("admin")]);
    /// ```
    #[doc(alias = "expireAfter")]
    #[must_use]
    pub fn expire_after<H>(mut self, expiry: H) -> Self
    where
        H: Expiry<K, V>,
        H: Hook<R::Flavor, K, V>,
    {
        self.hooks.expiry = Gated::new(expiry.into_expiry());
        self
    }

    /// Sets the function that the cache calls once for each removed entry, with the cause.
    ///
    /// The call runs in the caller that removed the entry, after the shard is unlocked and after
    /// the waiters of a load are woken. The listener may use the cache. The order of calls from
    /// different threads is unspecified. The cache does not call the listener for entries that
    /// it still holds when its last handle is dropped.
    ///
    /// # Panics
    /// The builder does not panic. If the listener panics, the cache first calls it for the other
    /// entries that the same call removed; then that call panics.
    ///
    /// ```
    /// use cache_core::{Cache, RemovalCause, testing::VirtualRuntime};
    /// use std::sync::Mutex;
    ///
    /// static REMOVED: Mutex<Vec<(u64, RemovalCause)>> = Mutex::new(Vec::new());
    ///
    /// let cache = Cache::builder_on(VirtualRuntime::new())
    ///     .eviction_listener(|key, _, cause| REMOVED.lock().unwrap().push((*key, cause)))
    ///     .build();
    /// cache.insert(1, "one");
    /// cache.insert(1, "uno");
    /// cache.invalidate(&1);
    /// let removed = REMOVED.lock().unwrap();
    /// assert_eq!(*removed, [(1, RemovalCause::Replaced), (1, RemovalCause::Explicit)]);
    /// ```
    #[doc(alias("removalListener", "with_event_listener", "on_evict"))]
    #[must_use]
    pub fn eviction_listener<H>(mut self, listener: H) -> Self
    where
        H: Fn(&K, &V, RemovalCause),
        H: Hook<R::Flavor, K, V>,
    {
        self.hooks.listener = Gated::new(listener.into_listener());
        self
    }

    /// Sets the [`Observer`], which sees the loads and batches of the cache, for traces and metrics.
    /// Hits do not call it.
    ///
    /// ```
    /// use cache_core::{Cache, LoadEnded, Observer, testing::VirtualRuntime};
    ///
    /// struct Log;
    ///
    /// impl Observer for Log {
    ///     fn load_ended(&self, load: &LoadEnded<'_>) {
    ///         println!("{:?}: {:?} after {:?}", load.cache, load.result, load.took);
    ///     }
    /// }
    ///
    /// let cache: Cache<u64, u64, _> =
    ///     Cache::builder_on(VirtualRuntime::new()).name("users").observer(Log).build();
    /// # drop(cache);
    /// ```
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.hooks.observer = GatedState::new(Gated::new(Box::new(observer)));
        self
    }

    /// Sets the function that names the key of a load for the [`observer`](Builder::observer). By
    /// default, the observer does not see keys.
    ///
    /// A name leaves the process if the observer exports it. Leave out what is personal, and keep
    /// the number of names small if they become labels.
    ///
    /// The cache calls it in each caller that misses, while no shard is locked. If it panics, the
    /// panic hook reports the panic, and the key has no name.
    ///
    /// ```
    /// # use cache_core::{Cache, LoadBegun, Observation, Observer, testing::VirtualRuntime};
    /// # struct Log;
    /// # impl Observer for Log {
    /// #     fn load_begun(&self, load: &LoadBegun<'_>) -> Option<Box<dyn Observation>> {
    /// #         assert_eq!(load.key, Some("tenant 7"));
    /// #         None
    /// #     }
    /// # }
    /// # let runtime = VirtualRuntime::new();
    /// let cache: Cache<(u64, String), u64, _> = Cache::builder_on(runtime.clone())
    ///     .observer(Log)
    ///     .observed_keys(|(tenant, _)| format!("tenant {tenant}"))
    ///     .build();
    /// # runtime.block_on(cache.get_with((7, "alice".to_owned()), || async { 1 }));
    /// ```
    #[must_use]
    pub fn observed_keys(mut self, name: impl Fn(&K) -> String + Send + Sync + 'static) -> Self {
        self.hooks.name_key = GatedState::new(Gated::new(Box::new(name)));
        self
    }

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

    /// Sets how long the leader of a scoped load may leave its woken loader unpolled. The default is
    /// 100 ms; `None` is no limit.
    ///
    /// The loader of a method whose name ends in `_scoped` borrows from its caller, so only that
    /// caller polls it. A caller that holds the future without polling it, as a branch of `select!`
    /// does while another branch runs, would stall all waiters of the key. After this time such a
    /// leader loses its lead: one of the waiters runs its own loader, and the others wait for that
    /// one. The old leader, once it is polled again, returns the value of its own loader. The cache
    /// does not store that value: it may be older than a write or an invalidation.
    ///
    /// A loader that has not been woken, since its backend has not answered, loses nothing: use
    /// [`Builder::load_timeout`] for such a load. If a loader is woken several times, the leader may
    /// have up to twice this time, because waiters are woken at most once in it.
    ///
    /// Must be longer than zero. It needs a timer: on a runtime without one, a waiter takes the lead
    /// only if it is polled after that time. A computation ([`KeyEntry::and_compute_with`]) keeps
    /// its lead.
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

    /// Sets whether a background task, the janitor, purges entries when they expire. By default,
    /// the cache has no janitor: each write purges a few expired entries, and reads never return
    /// one.
    ///
    /// Use it if an idle cache must free memory, or must call its listener, soon after an entry
    /// expires. The first write of an entry that can expire spawns the task. The task ends with the
    /// cache. It needs a runtime that can spawn and has a timer.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(60))
    ///     .janitor(true)
    ///     .build();
    /// cache.insert(1, "one");
    /// assert_eq!(cache.entry_count(), 1);
    /// # runtime.advance(Duration::from_secs(61));
    /// // One minute later, without a call to the cache:
    /// assert_eq!(cache.entry_count(), 0);
    /// ```
    #[must_use]
    pub fn janitor(mut self, janitor: bool) -> Self {
        self.janitor = Gated::switch(janitor);
        self
    }

    /// Sets the number of shards, each of which has its own lock. Must be a power of two, at most
    /// 65,536, and 1 for [`EvictionPolicy::Lru`].
    ///
    /// The default depends on the number of cores and on the capacity. It is 1 without the standard
    /// library and for `EvictionPolicy::Lru`.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).shards(16).build();
    /// # drop(cache);
    /// ```
    #[doc(alias("num_shards", "with_shards", "segments"))]
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Gated::new(shards);
        self
    }

    /// Sets the hasher of the keys. The default is a [`DefaultHasher`].
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    /// use std::hash::RandomState;
    ///
    /// let cache: Cache<u64, u64, _, RandomState> = Cache::builder_on(VirtualRuntime::new())
    ///     .hasher(RandomState::new())
    ///     .build();
    /// # drop(cache);
    /// ```
    #[doc(alias("build_with_hasher", "with_hash_builder"))]
    #[must_use]
    pub fn hasher<H>(self, hasher: H) -> Builder<K, V, R, H> {
        Builder {
            runtime: self.runtime,
            hasher: Some(hasher),
            name: self.name,
            max_capacity: self.max_capacity,
            shards: self.shards,
            settings: self.settings,
            hooks: self.hooks,
            options: self.options,
            janitor: self.janitor,
        }
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Builder<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("max_capacity", &self.max_capacity)
            .field("shards", &self.shards)
            .field("settings", &self.settings)
            .field("options", &self.options)
            .field("janitor", &self.janitor)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "std")]
#[expect(clippy::unnecessary_wraps, reason = "there is none without std")]
fn default_hasher() -> Option<DefaultHasher> {
    Some(DefaultHasher::default())
}

#[cfg(not(feature = "std"))]
const fn default_hasher() -> Option<DefaultHasher> {
    None
}
