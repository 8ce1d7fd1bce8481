//! Values after their time to live.

use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::Cache;
use crate::runtime::Runtime;
use crate::sync::RwLock;

impl<K, V, R, S> Cache<K, V, R, S>
where
    K: Eq + Hash,
    V: Clone,
    R: Runtime,
    S: BuildHasher,
{
    /// Returns the value of `key`, also after its time to live, as long as the cache keeps it for
    /// [`stale_while_revalidate`] or [`stale_if_error`]. Does not count as a request or as a use.
    /// O(1).
    ///
    /// It is the only read without a loader that returns a value after its time to live.
    ///
    /// [`stale_while_revalidate`]: crate::Builder::stale_while_revalidate
    /// [`stale_if_error`]: crate::Builder::stale_if_error
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(300))
    ///     .stale_if_error(Duration::from_secs(3_600))
    ///     .build();
    /// cache.insert(1, "one");
    /// # runtime.advance(Duration::from_secs(301));
    /// // Five minutes later:
    /// assert_eq!(cache.get(&1), None);
    /// assert_eq!(cache.get_stale(&1), Some("one"));
    /// ```
    pub fn get_stale<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (inner, hash) = (&self.inner, self.hash(key));
        let now = inner.now();
        inner.shards().read(hash, |shard| {
            let found = shard.peek_aged(hash, key, now)?;
            Some(found.value.clone())
        })
    }

    /// Ends the time to live of the entry of `key` now. Returns whether there was a live entry. O(1).
    ///
    /// The value stays as long as the windows [`stale_while_revalidate`] and [`stale_if_error`]
    /// allow, which begin now. Without a window, the entry is invalidated. A load of this key that
    /// is in flight may have read the old state: it continues for its waiters, but its value is not
    /// stored.
    ///
    /// # Panics
    /// If the eviction listener panics; the entry is marked then.
    ///
    /// [`stale_while_revalidate`]: crate::Builder::stale_while_revalidate
    /// [`stale_if_error`]: crate::Builder::stale_if_error
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
    /// assert!(cache.mark_stale(&1));
    /// # runtime.block_on(async {
    /// assert_eq!(cache.get_with(1, || async { "new" }).await, "old");
    /// # });
    /// # runtime.run_until_idle();
    /// // When the refresh is complete:
    /// assert_eq!(cache.get(&1), Some("new"));
    /// ```
    #[doc(alias("expire", "soft_invalidate"))]
    pub fn mark_stale<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let (inner, hash) = (&self.inner, self.hash(key));
        let now = inner.now();
        let mut fx = inner.effects();
        let was_live = inner
            .shards()
            .write(hash, |shard| shard.mark_stale(hash, key, now, &mut fx));
        fx.flush();
        was_live
    }

    /// Ends the time to live of every entry now, as [`Cache::mark_stale`] does for one. O(entries).
    ///
    /// # Panics
    /// If the eviction listener panics; all entries are marked then.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// let cache = Cache::builder_on(runtime.clone())
    ///     .time_to_live(Duration::from_secs(300))
    ///     .stale_if_error(Duration::from_secs(60))
    ///     .build();
    /// cache.insert(1, "one");
    /// cache.mark_all_stale();
    /// assert_eq!(cache.get(&1), None);
    /// assert_eq!(cache.get_stale(&1), Some("one"));
    /// ```
    pub fn mark_all_stale(&self) {
        let mut fx = self.inner.effects();
        for shard in self.inner.shards().each() {
            shard.write(|shard| shard.mark_all_stale(self.inner.now(), &mut fx));
        }
        fx.flush();
    }
}
