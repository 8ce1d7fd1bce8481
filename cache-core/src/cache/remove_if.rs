//! The removal of one entry on a condition.

use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::Cache;
use crate::machine::{Removed, Version};
use crate::panic;
use crate::runtime::Runtime;

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Removes the entry of `key` if `condition` returns `true` for its value, and returns that
    /// value; `None` if there is no live entry or the condition does not hold. O(1).
    ///
    /// The check and the removal are atomic: the call removes no other value than the one that
    /// `condition` saw. If another caller replaces the value meanwhile, `condition` runs again, for
    /// the new value. It runs without a lock and may use the cache. It counts neither a request nor
    /// a use of the entry.
    ///
    /// An entry is removed as by [`Cache::remove`]: the cache calls the listener, and does not
    /// store the value of a load of this key that is in flight. If nothing is removed, such a load
    /// is not affected.
    ///
    /// # Panics
    /// If `condition` panics. If the eviction listener panics; the entry is removed then.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<&str, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert("attempts", 3);
    /// assert_eq!(cache.remove_if("attempts", |_, count| *count > 5), None);
    /// assert_eq!(cache.remove_if("attempts", |_, count| *count > 2), Some(3));
    /// assert_eq!(cache.get("attempts"), None);
    /// ```
    #[doc(alias("invalidate_if", "computeIfPresent"))]
    pub fn remove_if<Q>(&self, key: &Q, mut condition: impl FnMut(&Q, &V) -> bool) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (inner, hash) = (&self.inner, self.hash(key));
        loop {
            let (version, value) =
                inner.look_at(hash, key, |found| (found.version, found.value.clone()))?;
            if !condition(key, &value) {
                return None;
            }
            if let Some(removed) = self.remove_version(hash, key, version) {
                return Some(removed.value);
            }
            // Another caller wrote or removed the entry while `condition` ran, or it has expired.
        }
    }

    /// Removes the entry of `key` if it is live and still has `version`.
    fn remove_version<Q>(&self, hash: u32, key: &Q, version: Version) -> Option<Removed<K, V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let inner = &self.inner;
        let now = inner.now();
        let mut fx = inner.effects();
        let removed = inner.shards().write(hash, |shard| {
            let found = shard.find(hash, key, now)?;
            if found.version != version {
                return None;
            }
            shard.remove(hash, key, now, &mut fx)
        });
        let panicked = removed.as_ref().and_then(|removed| inner.notify(removed));
        fx.flush();
        panic::resume_first(panicked);
        removed
    }
}
