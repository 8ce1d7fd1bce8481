//! Writes. They are synchronous, and fence a load of the same key that is in flight.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::{Cache, Inner};
use crate::flight::Loaded;
use crate::inner::{Requested, Snapshot};
use crate::machine::{Instant, RemovalCause, Ttl};
use crate::opt_in::Gated;
use crate::panic;
use crate::runtime::Runtime;
use crate::shards::{Shard, ShardEffects};
use crate::sync::RwLock;

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Stores `value` under `key`, and evicts entries if the cache is full. O(1) amortized, plus
    /// the evicted entries.
    ///
    /// A load of this key that is in flight continues for its waiters, but its value does not
    /// replace this one. An entry that weighs more than `max_capacity` is not stored: the cache
    /// removes the old value and calls the listener for both.
    ///
    /// # Panics
    /// If the eviction listener panics; the write is complete then.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// cache.insert(1, "uno");
    /// assert_eq!(cache.get(&1), Some("uno"));
    /// ```
    #[doc(alias("put", "set", "cache_set"))]
    pub fn insert(&self, key: K, value: V) {
        self.put(key, value, Ttl::Default, None);
    }

    /// Stores `value` as [`Cache::insert`] does, with a ttl of its own.
    ///
    /// The ttl overrides `time_to_live` and `expire_after`; `time_to_idle` still applies.
    ///
    /// # Panics
    /// As [`Cache::insert`].
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, Ttl, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// cache.insert_with_ttl(1, "one", Ttl::After(Duration::from_secs(5)));
    /// assert_eq!(cache.get(&1), Some("one"));
    /// # runtime.advance(Duration::from_secs(5));
    /// // Five seconds later:
    /// assert_eq!(cache.get(&1), None);
    /// ```
    #[doc(alias("put", "set", "expireVariably"))]
    pub fn insert_with_ttl(&self, key: K, value: V, ttl: Ttl) {
        self.put(key, value, ttl, None);
    }

    /// Stores `value` as [`Cache::insert`] does, with this weight. The cache does not call the
    /// weigher.
    ///
    /// # Panics
    /// As [`Cache::insert`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let cache = Cache::builder_on(VirtualRuntime::new()).max_capacity(10).build();
    /// cache.insert_weighted(1, "one", 6);
    /// cache.insert_weighted(2, "two", 6);
    /// assert_eq!(cache.entry_count(), 1);
    /// ```
    #[doc(alias = "put")]
    pub fn insert_weighted(&self, key: K, value: V, weight: u32) {
        self.put(key, value, Ttl::Default, Some(weight));
    }

    /// Stores a value as [`Cache::insert`] does, with the ttl and the weight of a [`Loaded`].
    ///
    /// Each of them acts as in [`Cache::insert_with_ttl`] and in [`Cache::insert_weighted`].
    ///
    /// # Panics
    /// As [`Cache::insert`].
    ///
    /// ```
    /// # use cache_core::{Cache, Instant, Loaded, Ttl, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert_entry(1, Loaded::new("one").ttl(Ttl::Never).weight(3));
    /// assert_eq!(cache.expires_at(&1), Some(Instant::FAR));
    /// assert_eq!(cache.weighted_size(), 3);
    /// ```
    #[doc(alias = "insert_with_properties")]
    pub fn insert_entry(&self, key: K, entry: Loaded<V>) {
        let times = entry.times();
        if !times.is_set() {
            return self.put(key, entry.value, entry.ttl, entry.weight);
        }
        let (hash, requested) = (self.hash(&key), (entry.ttl, entry.weight, times));
        self.put_with_limits(hash, key, entry.value, requested);
    }

    /// Removes the entry of `key` and returns its value; `None` if there is no live entry. O(1).
    ///
    /// The cache calls the listener with [`RemovalCause::Explicit`]. A load of this key that is in
    /// flight continues for its waiters, but its value is not stored; later misses start a new
    /// load.
    ///
    /// # Panics
    /// If the eviction listener panics; the entry is removed then.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// assert_eq!(cache.remove(&1), Some("one"));
    /// assert_eq!(cache.remove(&1), None);
    /// ```
    #[doc(alias("pop", "take", "cache_remove"))]
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (inner, hash) = (&self.inner, self.hash(key));
        let now = inner.now();
        let mut fx = inner.effects();
        let removed = inner
            .shards()
            .write(hash, |shard| shard.remove(hash, key, now, &mut fx));
        let panicked = removed.as_ref().and_then(|removed| inner.notify(removed));
        fx.flush();
        panic::resume_first(panicked);
        removed.map(|removed| removed.value)
    }

    /// Removes the entry of `key`, as [`Cache::remove`] does. O(1).
    ///
    /// Use it after a write to the backend: no call that starts later returns an older value, even
    /// if a load was in flight.
    ///
    /// # Panics
    /// As [`Cache::remove`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// cache.invalidate(&1);
    /// assert_eq!(cache.get(&1), None);
    /// ```
    #[doc(alias("delete", "del"))]
    pub fn invalidate<Q>(&self, key: &Q)
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.remove(key);
    }

    /// Removes all entries, each as [`Cache::invalidate`] does. O(entries).
    ///
    /// The cache empties one shard after the other, then calls the listener for each entry. It is
    /// not atomic: an entry that is written meanwhile may stay.
    ///
    /// # Panics
    /// If the eviction listener panics; all entries are removed then.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// cache.invalidate_all();
    /// assert_eq!(cache.entry_count(), 0);
    /// ```
    #[doc(alias("clear", "invalidateAll", "cache_clear"))]
    pub fn invalidate_all(&self) {
        let mut fx = self.inner.effects();
        self.inner.clear(&mut fx);
        fx.flush();
    }

    /// Removes all entries, as [`Cache::invalidate_all`] does, and returns the live ones.
    /// O(entries).
    ///
    /// The cache calls the listener for each entry before this returns.
    ///
    /// # Panics
    /// If the eviction listener panics; all entries are removed then.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// assert_eq!(cache.drain(), [(1, "one")]);
    /// assert_eq!(cache.entry_count(), 0);
    /// ```
    #[doc(alias = "take_all")]
    pub fn drain(&self) -> Vec<(K, V)> {
        let mut fx = self.inner.effects();
        self.inner.clear(&mut fx);
        let removed: Vec<_> = fx.drain_removed().collect();
        let mut panicked = None;
        for removed in &removed {
            let notified = self.inner.notify(removed);
            panicked = panicked.or(notified);
        }
        panic::resume_first(panicked);
        let live = removed
            .into_iter()
            .filter(|removed| removed.cause != RemovalCause::Expired);
        live.map(|removed| (removed.key, removed.value)).collect()
    }

    /// Removes every live entry for which `keep` returns `false`. O(entries).
    ///
    /// `keep` runs without a lock and may use the cache. An entry that is written while `keep` runs
    /// for its old value stays. Loads in flight are not fenced.
    ///
    /// # Panics
    /// If `keep` panics. If the eviction listener panics, after all entries were checked.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// for n in 0..10 {
    ///     cache.insert(n, n * n);
    /// }
    /// cache.retain(|n, _| n % 2 == 0);
    /// assert_eq!(cache.entry_count(), 5);
    /// ```
    #[doc(alias("invalidate_entries_if", "removeIf"))]
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool)
    where
        K: Clone,
    {
        let mut panicked = None;
        let iteration = self.inner.shards().begin_iteration();
        for shard in self.inner.shards().each() {
            let mut start = Some(0);
            while let Some(from) = start {
                let (entries, next) = self.inner.snapshot_chunk_kept(shard, from);
                for snapshot in entries {
                    let Some(snapshot) = self.inner.if_kept(snapshot) else {
                        continue;
                    };
                    let Snapshot {
                        token,
                        version,
                        key,
                        value,
                        ..
                    } = snapshot;
                    if !keep(&key, &value) {
                        let (now, mut fx) = (self.inner.now(), self.inner.effects());
                        shard.write(|shard| shard.remove_if_same(token, version, now, &mut fx));
                        panicked = panicked.or(fx.finish());
                    }
                }
                start = next;
            }
        }
        drop(iteration);
        self.inner.shards().shrink(Shard::is_sparse);
        panic::resume_first(panicked);
    }

    /// Sets a new ttl, counted from now, for the entry of `key`. Returns whether there is a live
    /// entry. O(1).
    ///
    /// With a ttl of zero the entry expires at once. The call fences no load.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, Ttl, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// cache.insert(1, "one");
    /// assert!(cache.set_ttl(&1, Ttl::After(Duration::from_secs(5))));
    /// assert!(!cache.set_ttl(&2, Ttl::After(Duration::from_secs(5))));
    /// # runtime.advance(Duration::from_secs(5));
    /// // Five seconds later:
    /// assert_eq!(cache.get(&1), None);
    /// ```
    #[doc(alias = "setExpiresAfter")]
    pub fn set_ttl<Q>(&self, key: &Q, ttl: Ttl) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (inner, hash) = (&self.inner, self.hash(key));
        let now = inner.now();
        let mut fx = inner.effects();
        let is_live = inner
            .shards()
            .write(hash, |shard| shard.set_ttl(hash, key, ttl, now, &mut fx));
        fx.flush();
        is_live
    }

    fn put(&self, key: K, value: V, ttl: Ttl, weight: Option<u32>) {
        let (inner, hash) = (&self.inner, self.hash(&key));
        let is_plain = inner.may_write_plain() && ttl == Ttl::Default && weight.is_none();
        if !is_plain {
            return self.put_timed(hash, key, value, ttl, weight);
        }
        let written = inner
            .shards
            .write(hash, |shard| shard.insert_plain(hash, key, value));
        match written {
            Ok(removed) => inner.discard(removed),
            Err((key, value)) => {
                self.put_with_limits(hash, key, value, (ttl, weight, Gated::UNSET))
            }
        }
    }

    /// As [`Cache::put`], for an entry that may have a deadline.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn put_timed(&self, hash: u32, key: K, value: V, ttl: Ttl, weight: Option<u32>) {
        let inner = &self.inner;
        // Without a deadline in a cache where nothing expires, the clock need not be read.
        let needs_no_time = inner.may_write_plain() && !matches!(ttl, Ttl::After(_));
        if !inner.may_write_timed() || needs_no_time || weight.is_some() {
            return self.put_with_limits(hash, key, value, (ttl, weight, Gated::UNSET));
        }
        let (now, entry) = (inner.now(), (key, value));
        let written = inner
            .shards
            .write(hash, |shard| shard.insert_timed(hash, entry, ttl, now));
        match written {
            Ok(removed) => inner.discard(removed),
            Err((key, value)) => {
                self.put_with_limits(hash, key, value, (ttl, weight, Gated::UNSET))
            }
        }
    }

    /// As [`Cache::put`], for any limits of the entry.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn put_with_limits(&self, hash: u32, key: K, value: V, requested: Requested) {
        let inner = &self.inner;
        // A clock read is expensive: skip it if neither this entry nor another can expire.
        let needs_time = matches!(requested.0, Ttl::After(_))
            || inner.hooks.expiry.is_set()
            || inner.ttl_jitter.is_set();
        let known = needs_time.then(|| inner.now());
        let limits = inner.entry_limits(hash, requested, known.unwrap_or(Instant::ORIGIN));
        let mut fx = inner.effects();
        inner
            .shards()
            .write_reclaiming(hash, (key, value), &mut fx, |shard, entry, fx| {
                let now = match known {
                    Some(now) => now,
                    None if shard.has_no_expiry() => Instant::ORIGIN,
                    None => inner.now(),
                };
                shard.insert_with_limits(hash, entry, &limits, now, fx)
            });
        fx.flush();
    }
}

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// Empties every shard and fences the loads in flight.
    fn clear(&self, fx: &mut ShardEffects<K, V, R>) {
        // One buffer for all shards: the keys of fenced loads are dropped after the listener was
        // called for every entry, so a panic of such a drop loses no notice.
        for shard in self.shards().each() {
            shard.write(|shard| shard.clear(self.now(), fx));
        }
    }
}
