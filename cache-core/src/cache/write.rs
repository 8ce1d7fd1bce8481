//! Writes: sync, and final for a load of the same key that is under way.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::{Cache, Inner};
use crate::inner::Snapshot;
use crate::machine::{Effects, Instant, RemovalCause, Removed, Ttl};
use crate::panic;
use crate::runtime::Runtime;
use crate::shards::Shard;
use crate::sync::RwLock;

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Writes `value` under `key`. O(1), amortized, and the entries that it evicts.
    ///
    /// A load of this key that is under way goes on for those who wait for it, but its value is not
    /// stored over this one. An entry that weighs more than the whole cache may hold is not stored:
    /// the value that it was to replace is removed, and the listener hears of both.
    ///
    /// # Panics
    /// If the eviction listener does; the write is complete then.
    pub fn insert(&self, key: K, value: V) {
        self.put(key, value, Ttl::Default, None);
    }

    /// As [`Cache::insert`], for an entry that lives as long as `ttl` says.
    pub fn insert_with_ttl(&self, key: K, value: V, ttl: Ttl) {
        self.put(key, value, ttl, None);
    }

    /// As [`Cache::insert`], for an entry of this weight; the weigher is not asked.
    pub fn insert_weighted(&self, key: K, value: V, weight: u32) {
        self.put(key, value, Ttl::Default, Some(weight));
    }

    /// Removes the entry of `key` and returns its value, unless it has expired. The listener is
    /// told: `Explicit`. A load of this key that is under way is not stored. O(1).
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

    /// Removes the entry of `key`. A load of this key that is under way is not stored, and who asks
    /// from now on starts a newer one; who waits for it already gets its value. O(1).
    pub fn invalidate<Q>(&self, key: &Q)
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.remove(key);
    }

    /// Removes every entry, as [`Cache::invalidate`] does one. Shards are emptied one after the
    /// other, and then the listener is told. O(entries).
    pub fn invalidate_all(&self) {
        let removed = self.inner.clear();
        panic::resume_first(self.inner.notify_all(removed.into_iter()));
    }

    /// Removes every entry and returns those that had not expired. Like [`Cache::invalidate_all`]
    /// in all else; the listener is told of each before this returns.
    pub fn drain(&self) -> Vec<(K, V)> {
        let removed = self.inner.clear();
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

    /// Removes every entry for which `keep` returns `false`. It is asked of live entries only. Loads under way are not touched. An
    /// entry that is written while `keep` looks at its older value stays. `keep` runs with nothing
    /// locked and may use the cache. O(entries).
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool)
    where
        K: Clone,
    {
        let mut panicked = None;
        let begin_iteration = self.inner.shards().begin_iteration();
        for shard in self.inner.shards().each() {
            let mut start = Some(0);
            while let Some(from) = start {
                let (entries, next) = self.inner.snapshot_chunk(shard, from);
                for snapshot in entries {
                    let Some(snapshot) = self.inner.if_live(snapshot) else {
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
        drop(begin_iteration);
        self.inner.shards().shrink(Shard::is_sparse);
        panic::resume_first(panicked);
    }

    /// Gives the entry of `key` a new ttl, counted from now, and says whether there is an entry. A
    /// ttl of zero makes it expire at once. O(1).
    pub fn set_ttl<Q>(&self, key: &Q, ttl: Ttl) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (inner, hash) = (&self.inner, self.hash(key));
        let now = inner.now();
        let mut fx = inner.effects();
        let known = inner
            .shards()
            .write(hash, |shard| shard.set_ttl(hash, key, ttl, now, &mut fx));
        fx.flush();
        known
    }

    pub(super) fn put(&self, key: K, value: V, ttl: Ttl, weight: Option<u32>) {
        let (inner, hash) = (&self.inner, self.hash(&key));
        // A clock is dear: it is only read for what can expire.
        let may_be_timeless = !matches!(ttl, Ttl::After(_)) && !inner.hooks.expiry.is_set();
        let known = (!may_be_timeless).then(|| inner.now());
        let limits = inner.entry_limits(ttl, weight, known.unwrap_or(Instant::ORIGIN));
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
    /// Empties every shard, fencing the loads under way.
    fn clear(&self) -> Vec<Removed<K, V>> {
        let mut removed = Vec::new();
        for shard in self.shards().each() {
            let mut fx = Effects::new();
            shard.write(|shard| shard.clear(self.now(), &mut fx));
            removed.extend(fx.drain_removed());
        }
        removed
    }
}
