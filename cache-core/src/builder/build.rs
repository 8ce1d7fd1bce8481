//! Checks the settings and builds the cache.

use alloc::boxed::Box;
use core::hash::{BuildHasher, Hash};
use core::mem;
use core::time::Duration;

use super::{Builder, SupportsCache};
use crate::cache::Cache;
use crate::error::{BuildError, Value};
use crate::events::EventSource;
use crate::inner::Inner;
use crate::janitor::Janitor;
use crate::load::LoadCtx;
use crate::machine::Engine;
use crate::opt_in::{Feature, Gated, GatedState, ManyShards, RememberedResults};
use crate::runtime::Runtime;
use crate::shards::Shards;
use crate::stats::{BatchCounters, Requests};
use crate::sync::{Arc, Once};

impl<K, V, R: Runtime, S> Builder<K, V, R, S> {
    /// Builds the cache.
    ///
    /// # Panics
    /// If a setting is invalid, with the message of the [`BuildError`] that [`Builder::try_build`]
    /// returns.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let cache: Cache<u64, String, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// assert_eq!(cache.entry_count(), 0);
    /// ```
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

    /// Builds the cache, or returns the first invalid setting. Use it for settings that come from a
    /// configuration file.
    ///
    /// # Errors
    /// [`BuildError`], which names the invalid setting, its value and the rule. Without the
    /// standard library, also if the builder has neither [`hash_seed`](Builder::hash_seed) nor
    /// [`hasher`](Builder::hasher).
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let builder = Cache::<u64, u64, _>::builder_on(VirtualRuntime::new()).shards(3);
    /// let error = builder.try_build().unwrap_err();
    /// assert_eq!(error.field(), "shards");
    /// assert_eq!(error.to_string(), "shards is 3, but it must be a power of two");
    /// ```
    pub fn try_build(mut self) -> Result<Cache<K, V, R, S>, BuildError>
    where
        K: Eq + Hash,
        V: Clone,
        S: BuildHasher,
        R: SupportsCache<K, V, S>,
    {
        self.check()?;
        let shard_count = if self.shards.is_set() {
            self.shards
        } else {
            self.default_shards()
        };
        let Some(hasher) = self.hasher else {
            let rule = "it must be set without the standard library";
            return Err(BuildError::new("hash_seed", Value::Word("not set"), rule));
        };
        let shards = Shards::new(shard_count, self.max_capacity, self.settings);
        if RememberedResults::is_enabled() {
            let weighs = self.hooks.weigher.is_some();
            shards.set_max_remembered(max_remembered(self.max_capacity, weighs));
        }
        let reads_need_exclusive = shards.read(0, Engine::reads_mutate);
        let hits_are_logged = shards.read(0, Engine::logs_hits);
        let has_expiry = self.hooks.expiry.is_set();
        let has_hooks = has_expiry || self.hooks.weigher.is_some();
        let locks_around_hooks = has_hooks && !cfg!(target_os = "none");
        let has_freshness = self.refreshing.is_set();
        if let Some((refreshing, proof)) = self.refreshing.get().zip(self.refreshing.proof()) {
            shards.set_freshness(refreshing.freshness(), proof);
        }
        let expires = self.settings.time_to_live.is_some()
            || self.settings.time_to_idle.is_set()
            || has_freshness;
        let has_jitter = self.ttl_jitter.is_set();
        let refreshing = mem::take(&mut *self.refreshing);
        let refreshing = refreshing.map(|refreshing| {
            refreshing.build(&self.options, |inner, flight| {
                LoadCtx::new(inner, flight).cancel_if_unused();
            })
        });
        let task_boxes = R::task_boxes();
        let inner = Arc::new_cyclic(|weak| Inner {
            shards,
            runtime: self.runtime,
            hasher,
            name: self.name,
            hooks: self.hooks,
            options: self.options,
            ttl_jitter: self.ttl_jitter,
            locks_around_hooks,
            writes_are_plain: !has_hooks && !expires,
            writes_are_timed: !has_hooks && !has_freshness && !has_jitter && !self.janitor.is_set(),
            may_mutate: reads_need_exclusive || has_expiry || locks_around_hooks || has_freshness,
            hits_are_logged: hits_are_logged && !has_expiry && !has_freshness,
            reads_need_exclusive,
            reads_are_special: has_expiry || has_freshness,
            reads_need_age: has_freshness && !has_hooks && !reads_need_exclusive,
            requests: Requests::for_threads(parallelism()),
            refreshing: GatedState::new(refreshing),
            janitor: GatedState::new(
                self.janitor
                    .map(|()| Box::new(Janitor::new(weak.clone(), task_boxes.janitor))),
            ),
            box_load_task: task_boxes.load,
            batch_counters: BatchCounters::default(),
            histograms: Once::new(),
            events: EventSource::new(),
            #[cfg(feature = "tier")]
            horizon: crate::inner::Horizon::unknown(),
        });
        Ok(Cache::from_inner(inner))
    }

    fn check(&mut self) -> Result<(), BuildError> {
        let durations = [
            ("time_to_live", self.settings.time_to_live),
            ("time_to_idle", self.settings.time_to_idle.value()),
            ("load_timeout", self.options.load_timeout.value()),
            ("takeover_after", self.options.takeover_after),
            ("error_ttl", self.options.error_ttl.value()),
            ("negative_ttl", self.options.negative_ttl.value()),
        ];
        for (field, value) in durations {
            if let Some(Duration::ZERO) = value {
                let rule = "it must be longer than zero";
                return Err(BuildError::new(field, Value::Time(Duration::ZERO), rule));
            }
        }
        self.check_freshness()?;
        let lru = self.settings.lru.is_set();
        match self.shards.value() {
            Some(shards) if !shards.is_power_of_two() => Err(BuildError::new(
                "shards",
                Value::Count(shards),
                "it must be a power of two",
            )),
            Some(shards) if shards > MAX_SHARDS => {
                let rule = "it must be at most 65536";
                Err(BuildError::new("shards", Value::Count(shards), rule))
            }
            Some(shards) if lru && shards > 1 => {
                let rule = "it must be 1 for an exact LRU order";
                Err(BuildError::new("shards", Value::Count(shards), rule))
            }
            _ => Ok(()),
        }
    }

    /// Four shards for each core, but at least `ENTRIES_PER_SHARD` entries in each shard: the
    /// eviction policy learns too little from fewer.
    fn default_shards(&self) -> Gated<usize, ManyShards> {
        const ENTRIES_PER_SHARD: u64 = 1_024;
        // Without threads, several shards would only cost memory.
        if cfg!(not(feature = "std")) || self.settings.lru.is_set() {
            return Gated::UNSET;
        }
        let by_cores = match parallelism() {
            1 => 1,
            cores => 4 * cores,
        };
        let by_capacity = self
            .max_capacity
            .map_or(u64::MAX, |max| max / ENTRIES_PER_SHARD);
        let by_capacity = usize::try_from(by_capacity.max(1)).unwrap_or(usize::MAX);
        // Rounds down to a power of two.
        Gated::new(1 << by_cores.min(by_capacity).min(MAX_SHARDS).ilog2())
    }
}

const MAX_SHARDS: usize = 1 << 16;

/// The largest number of results without a value that a cache remembers.
fn max_remembered(max_capacity: Option<u64>, weighs: bool) -> u64 {
    /// Used if the capacity does not bound the number of entries.
    const DEFAULT: u64 = 1 << 16;
    match max_capacity {
        Some(entries) if !weighs => entries,
        Some(weight) => weight.min(DEFAULT),
        None => DEFAULT,
    }
}

/// The number of threads that can run at the same time, rounded up to a power of two, at most 64.
fn parallelism() -> usize {
    #[cfg(feature = "std")]
    let threads = std::thread::available_parallelism().map_or(1, core::num::NonZero::get);
    #[cfg(not(feature = "std"))]
    let threads = 1_usize;
    threads.next_power_of_two().min(64)
}
