//! The settings of a cache.

mod build;
#[cfg(feature = "tier")]
mod companion;
mod constructors;
mod freshness;
mod hooks;
mod loads;
mod tasks;

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::hash::DefaultHasher;
use crate::inner::{Hooks, Jitter, LoadOptions};
use crate::machine::{EvictionPolicy, GatedSettings};
use crate::opt_in::{Freshening, Gated, GatedState, ManyShards, PurgeTask, TtlJitter};
use crate::runtime::Runtime;

use freshness::RefreshSettings;
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
    ttl_jitter: GatedState<Box<Jitter>, TtlJitter>,
    refreshing: GatedState<Box<RefreshSettings<K, R>>, Freshening>,
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
            ttl_jitter: GatedState::UNSET,
            refreshing: GatedState::UNSET,
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
            ttl_jitter: self.ttl_jitter,
            refreshing: self.refreshing,
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
