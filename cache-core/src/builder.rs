//! Settings, checked once.

use alloc::boxed::Box;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::time::Duration;

use crate::cache::Cache;
use crate::error::{BuildError, Value};
use crate::expiry::Expiry;
use crate::hash::DefaultHasher;
use crate::inner::{Hooks, Inner, LoadOptions, TaskBoxes};
use crate::janitor::{Janitor, JanitorTask};
use crate::load::LoadTask;
use crate::machine::{Engine, EvictionPolicy, RemovalCause, Settings};
use crate::opt_in::{
    DETACHED_LOADS, JANITOR, LISTENER, LOAD_TIMEOUT, REMEMBERED_ANSWERS, SHARDS, WRITING_READS,
};
use crate::runtime::{Hook, LoadFuture, Runtime};
use crate::shards::Shards;
use crate::stats::{BatchCounters, Requests};
use crate::sync::Arc;

/// The settings of a [`Cache`]: made by [`Cache::builder`] or [`Cache::builder_on`].
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
/// let mistake = Cache::<u64, u64, _>::builder_on(VirtualRuntime::new())
///     .time_to_live(Duration::ZERO)
///     .try_build();
/// assert_eq!(
///     mistake.unwrap_err().to_string(),
///     "time_to_live is 0ns, but it must be longer than zero",
/// );
/// # drop(pages);
/// ```
pub struct Builder<K, V: 'static, R: Runtime, S = DefaultHasher> {
    runtime: R,
    hasher: Option<S>,
    max_capacity: Option<u64>,
    shards: Option<usize>,
    settings: Settings,
    hooks: Hooks<K, V, R>,
    options: LoadOptions,
    janitor: bool,
}

impl<K, V, R: Runtime> Builder<K, V, R> {
    pub(crate) fn new(runtime: R) -> Self {
        Self {
            runtime,
            hasher: default_hasher(),
            max_capacity: None,
            shards: None,
            settings: Settings::default(),
            hooks: Hooks {
                weigher: None,
                expiry: None,
                listener: None,
            },
            options: LoadOptions::default(),
            janitor: false,
        }
    }

    /// The seed of the default hasher: for runs that can be repeated, and where there is no
    /// operating system to take randomness from. Whoever knows it can choose keys that collide.
    #[must_use]
    pub fn hash_seed(mut self, seed: u64) -> Self {
        self.hasher = Some(DefaultHasher::seeded(seed));
        self
    }
}

impl<K, V, R: Runtime, S> Builder<K, V, R, S> {
    /// How much the cache holds: this many entries or, with a weigher, this much weight. Unlimited
    /// if not set. Zero stores nothing, and loads are still shared.
    #[must_use]
    pub fn max_capacity(mut self, max_capacity: u64) -> Self {
        self.max_capacity = Some(max_capacity);
        self
    }

    /// How long an entry lives after its last write. For ever if not set; `Duration::MAX` too.
    #[must_use]
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.settings.time_to_live = Some(ttl);
        self
    }

    /// How long an entry lives after its last read or write, within its time to live.
    #[must_use]
    pub fn time_to_idle(mut self, tti: Duration) -> Self {
        WRITING_READS.enable();
        self.settings.time_to_idle = Some(tti);
        self
    }

    /// Who leaves when there is no room.
    #[must_use]
    pub fn eviction_policy(mut self, policy: EvictionPolicy) -> Self {
        if policy == EvictionPolicy::Lru {
            WRITING_READS.enable();
        }
        self.settings.eviction_policy = policy;
        self
    }

    /// What an entry weighs; 1 if not set. It must be quick and must not use the cache: a shard is
    /// locked meanwhile. A call that it makes to its own cache panics. An entry of weight 0 takes no
    /// room and is never evicted.
    #[must_use]
    pub fn weigher<H>(mut self, weigher: H) -> Self
    where
        H: Fn(&K, &V) -> u32,
        H: Hook<R::Flavor, K, V>,
    {
        self.hooks.weigher = Some(weigher.into_weigher());
        self
    }

    /// How long each entry lives, computed from it: see [`Expiry`].
    #[must_use]
    pub fn expire_after<H>(mut self, expiry: H) -> Self
    where
        H: Expiry<K, V>,
        H: Hook<R::Flavor, K, V>,
    {
        WRITING_READS.enable();
        self.hooks.expiry = Some(expiry.into_expiry());
        self
    }

    /// Is told of every entry that leaves, once, with the cause: after the shard is unlocked, in
    /// the caller that made the entry leave, after waiters were woken. The order across threads is
    /// unspecified. It may use the cache. If it panics, the other notices are still delivered and
    /// the panic goes on in that caller. It is not told of what is left when the cache is dropped.
    #[must_use]
    pub fn eviction_listener<H>(mut self, listener: H) -> Self
    where
        H: Fn(&K, &V, RemovalCause),
        H: Hook<R::Flavor, K, V>,
    {
        LISTENER.enable();
        self.hooks.listener = Some(listener.into_listener());
        self
    }

    /// How long a load may take. One that takes longer is dropped, and all who wait for it get
    /// [`LoadError::TimedOut`](crate::LoadError::TimedOut). Needs the runtime's timer: where there
    /// is none, a load that is late is noticed when it is next polled.
    #[must_use]
    pub fn load_timeout(mut self, after: Duration) -> Self {
        LOAD_TIMEOUT.enable();
        self.options.load_timeout = Some(after);
        self
    }

    /// How long a loader's error is remembered: who asks for the key in that time gets the same
    /// error, and no load is started. Not at all if not set. A write to the key ends it.
    ///
    /// Remembered answers are kept beside the entries and have a bound of their own: as many as
    /// `max_capacity`, or 65,536 if there is no `max_capacity` or if it bounds a larger weight. Each
    /// of several shards has its share of that number and 16 more, since keys do not spread evenly.
    /// Where there is no place for another answer, the one whose time would be over first is
    /// forgotten early.
    #[must_use]
    pub fn error_ttl(mut self, ttl: Duration) -> Self {
        REMEMBERED_ANSWERS.enable();
        self.options.error_ttl = Some(ttl);
        self
    }

    /// How long the answer that there is no value is remembered: `optionally_get_with` and batches
    /// return it in that time without a load. Not at all if not set. A write to the key ends it.
    /// How many answers are kept is bounded, together with errors: see [`Builder::error_ttl`].
    #[must_use]
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        REMEMBERED_ANSWERS.enable();
        self.options.negative_ttl = Some(ttl);
        self
    }

    /// Whether a load goes on in the background when nobody waits for it any more. By default it is
    /// dropped; it is too where nothing can be spawned.
    #[must_use]
    pub fn detach_loads(mut self, detach: bool) -> Self {
        if detach {
            DETACHED_LOADS.enable();
        }
        self.options.detach_loads = detach;
        self
    }

    /// Whether a background task purges expired entries when they are due. By default there is
    /// none: every write purges a little, and expired values are never returned anyway. The task is
    /// spawned by the first write of an entry that can expire, holds the cache weakly, and ends
    /// with it. It needs a runtime that can spawn and has a timer.
    #[must_use]
    pub fn janitor(mut self, janitor: bool) -> Self {
        if janitor {
            JANITOR.enable();
        }
        self.janitor = janitor;
        self
    }

    /// How many shards the cache has: a power of two. By default as many as suit the machine's
    /// cores and the capacity; 1 without the standard library and for exact LRU.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        SHARDS.enable();
        self.shards = Some(shards);
        self
    }

    /// Another hasher than the default one.
    #[must_use]
    pub fn hasher<H>(self, hasher: H) -> Builder<K, V, R, H> {
        Builder {
            runtime: self.runtime,
            hasher: Some(hasher),
            max_capacity: self.max_capacity,
            shards: self.shards,
            settings: self.settings,
            hooks: self.hooks,
            options: self.options,
            janitor: self.janitor,
        }
    }

    /// The cache.
    ///
    /// # Panics
    /// If [`Builder::try_build`] returns an error, with that error.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Cache<K, V, R, S>
    where
        K: Eq + Hash,
        V: Clone,
        S: BuildHasher,
        R: SupportsCache<K, V, S>,
    {
        match self.try_build() {
            Ok(cache) => cache,
            Err(error) => panic!("{error}"),
        }
    }

    /// The cache, if its settings can be.
    ///
    /// # Errors
    /// [`BuildError`] with the first setting that cannot be, its value and the rule.
    pub fn try_build(self) -> Result<Cache<K, V, R, S>, BuildError>
    where
        K: Eq + Hash,
        V: Clone,
        S: BuildHasher,
        R: SupportsCache<K, V, S>,
    {
        self.check()?;
        let shard_count = self.shards.unwrap_or_else(|| self.default_shards());
        let Some(hasher) = self.hasher else {
            let rule = "without the standard library there is no randomness: give a seed";
            return Err(BuildError::new("hash_seed", Value::Unset, rule));
        };
        let shards = Shards::new(shard_count, self.max_capacity, self.settings);
        if REMEMBERED_ANSWERS.is_enabled() {
            let weighs = self.hooks.weigher.is_some();
            shards.set_max_remembered(most_answers(self.max_capacity, weighs));
        }
        let reads_need_exclusive = shards.read(0, Engine::reads_write);
        let has_expiry = self.hooks.expiry.is_some();
        let has_hooks = has_expiry || self.hooks.weigher.is_some();
        let locks_around_hooks = has_hooks && !cfg!(target_os = "none");
        let task_boxes = R::task_boxes();
        let inner = Arc::new_cyclic(|weak| Inner {
            shards,
            runtime: self.runtime,
            hasher,
            hooks: self.hooks,
            options: self.options,
            locks_around_hooks,
            reads_mutate: reads_need_exclusive || has_expiry || locks_around_hooks,
            reads_need_exclusive,
            requests: Requests::for_threads(parallelism()),
            janitor: (self.janitor && JANITOR.is_enabled())
                .then(|| Box::new(Janitor::new(weak.clone(), task_boxes.janitor))),
            box_load_task: task_boxes.load,
            batch_counters: BatchCounters::default(),
        });
        Ok(Cache::from_inner(inner))
    }

    fn check(&self) -> Result<(), BuildError> {
        let positive = [
            ("time_to_live", self.settings.time_to_live),
            ("time_to_idle", self.settings.time_to_idle),
            ("load_timeout", self.options.load_timeout),
            ("error_ttl", self.options.error_ttl),
            ("negative_ttl", self.options.negative_ttl),
        ];
        for (field, value) in positive {
            if let Some(Duration::ZERO) = value {
                let rule = "it must be longer than zero";
                return Err(BuildError::new(field, Value::Time(Duration::ZERO), rule));
            }
        }
        let lru = self.settings.eviction_policy == EvictionPolicy::Lru;
        match self.shards {
            Some(shards) if !shards.is_power_of_two() => Err(BuildError::new(
                "shards",
                Value::Count(shards),
                "it must be a power of two",
            )),
            Some(shards) if shards > MAX_SHARDS => {
                let rule = "there are at most 65536";
                Err(BuildError::new("shards", Value::Count(shards), rule))
            }
            Some(shards) if lru && shards > 1 => {
                let rule = "an exact LRU order is kept by one shard only";
                Err(BuildError::new("shards", Value::Count(shards), rule))
            }
            _ => Ok(()),
        }
    }

    /// As many as four a core, but none so small that its part of the entries is a poor sample for
    /// the policy to learn from.
    fn default_shards(&self) -> usize {
        const ENTRIES_A_SHARD: u64 = 1_024;
        if self.settings.eviction_policy == EvictionPolicy::Lru {
            return 1;
        }
        let by_cores = match parallelism() {
            1 => 1,
            cores => 4 * cores,
        };
        let by_capacity = self
            .max_capacity
            .map_or(u64::MAX, |max| max / ENTRIES_A_SHARD);
        let by_capacity = usize::try_from(by_capacity.max(1)).unwrap_or(usize::MAX);
        // The power of two at or below.
        1 << by_cores.min(by_capacity).min(MAX_SHARDS).ilog2()
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for Builder<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("max_capacity", &self.max_capacity)
            .field("shards", &self.shards)
            .field("settings", &self.settings)
            .field("options", &self.options)
            .field("janitor", &self.janitor)
            .finish_non_exhaustive()
    }
}

/// A runtime that can carry a cache of `K`, `V` and `S`: its background tasks can be boxed. Every
/// runtime of the local flavour can; one that moves tasks between threads can if keys, values and
/// hasher are `Send + Sync`. Implemented for all that qualify.
impl<K, V, R> Cache<K, V, R>
where
    R: Runtime,
{
    /// Settings for a cache on `runtime`: for a runtime that carries a clock or an executor. Where
    /// the runtime has a default, [`Cache::builder`] is shorter.
    #[must_use]
    pub fn builder_on(runtime: R) -> Builder<K, V, R> {
        Builder::new(runtime)
    }
}

impl<K, V, R> Cache<K, V, R>
where
    R: Runtime + Default,
{
    /// Settings for a cache on the runtime's default.
    #[must_use]
    pub fn builder() -> Builder<K, V, R> {
        Builder::new(R::default())
    }
}

#[cfg(feature = "std")]
impl<K, V, R> Cache<K, V, R>
where
    K: Eq + Hash,
    V: Clone,
    R: SupportsCache<K, V, DefaultHasher> + Default,
{
    /// A cache for at most `max_capacity` entries, with the defaults for everything else.
    #[must_use]
    pub fn new(max_capacity: u64) -> Self {
        Self::builder().max_capacity(max_capacity).build()
    }
}

/// Room for 128 entries, no expiry.
#[cfg(feature = "std")]
impl<K, V, R> Default for Cache<K, V, R>
where
    K: Eq + Hash,
    V: Clone,
    R: SupportsCache<K, V, DefaultHasher> + Default,
{
    fn default() -> Self {
        Self::new(128)
    }
}

/// A runtime that supports a cache from `K` to `V` with hasher `S`.
///
/// A runtime that moves tasks between threads supports keys, values and hashers that are
/// `Send + Sync + 'static`. A runtime of one thread supports all that are `'static`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not support a cache from `{K}` to `{V}`",
    note = "a runtime that moves tasks between threads needs keys, values and hasher that are `Send + Sync + 'static`; a local runtime does not"
)]
pub trait SupportsCache<K, V: 'static, S>: Runtime {
    /// The functions that box the background tasks of a cache.
    #[doc(hidden)]
    fn task_boxes() -> TaskBoxes<K, V, Self, S>;
}

impl<K, V, S, R> SupportsCache<K, V, S> for R
where
    K: Eq,
    V: Clone + 'static,
    R: Runtime,
    LoadTask<K, V, R, S>: LoadFuture<R::Flavor, Output = ()>,
    JanitorTask<Inner<K, V, R, S>>: LoadFuture<R::Flavor, Output = ()>,
{
    fn task_boxes() -> TaskBoxes<K, V, R, S> {
        TaskBoxes {
            load: |inner, flight| LoadTask::new(inner, flight).boxed(|()| ()),
            janitor: |task| task.boxed(|()| ()),
        }
    }
}

const MAX_SHARDS: usize = 1 << 16;

/// How many answers without a value a cache remembers.
fn most_answers(max_capacity: Option<u64>, weighs: bool) -> u64 {
    /// Where the capacity does not say how many entries there are to be.
    const BY_DEFAULT: u64 = 1 << 16;
    match max_capacity {
        Some(entries) if !weighs => entries,
        Some(weight) => weight.min(BY_DEFAULT),
        None => BY_DEFAULT,
    }
}

/// Threads that can run at the same time, rounded up to a power of two.
fn parallelism() -> usize {
    #[cfg(feature = "std")]
    let threads = std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
    #[cfg(not(feature = "std"))]
    let threads = 1_usize;
    threads.next_power_of_two().min(64)
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
