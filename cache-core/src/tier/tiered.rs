//! The handle of a tiered cache.

use core::fmt;
use core::hash::{BuildHasher, Hash};

use equivalent::Equivalent;

use super::state::TierState;
use super::stats::TierStats;
use super::store::Tier;
use crate::cache::Cache;
use crate::hash::DefaultHasher;
use crate::runtime::Runtime;
use crate::sync::Arc;

/// A cache in front of a second tier, which the caches of several processes share:
/// [`Builder::tiered`](crate::Builder::tiered) returns it.
///
/// A load looks the key up in the first tier, which is a [`Cache`] of this process, then in the
/// second. If neither has a value, one process in the fleet calls its loader, stores the value in
/// the second tier, and the others get it from there. Concurrent misses become one read of the
/// second tier. If the second tier does not answer, loads call their loaders without it.
///
/// # Staleness
/// [`Tiered::invalidate`] removes a key from both tiers. If it returns `Ok`, no call of any process
/// that begins [`max_staleness`](super::TierSettings::max_staleness) later gets a value whose load
/// began before the invalidation; most get none after the time that a message takes. A process that
/// the messages no longer reach notices it by itself: past its horizon it uses no value of its
/// first tier, and reads through the second tier or the loader. It shares such values for at most
/// half of `max_staleness`, among at most 1,024 keys.
///
/// A clone is cheap and a handle of the same cache.
///
/// ```
/// use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
///
/// let runtime = VirtualRuntime::new();
/// let tier = MemoryTier::new(runtime.clone());
/// let first = Cache::builder_on(runtime.clone()).tiered(tier.process());
/// let second = Cache::builder_on(runtime.clone()).tiered(tier.process());
/// runtime.run_until_idle(); // both connect
///
/// runtime.block_on(async {
///     assert_eq!(first.get_with(7, || async { "loaded" }).await, "loaded");
///     // Another process gets the value from the second tier.
///     assert_eq!(second.get_with(7, || async { "not called" }).await, "loaded");
///
///     first.invalidate(&7).await.unwrap();
/// });
/// runtime.run_until_idle(); // the message arrives
/// let value = runtime.block_on(second.get_with(7, || async { "new" }));
/// assert_eq!(value, "new");
/// ```
pub struct Tiered<K: 'static, V: 'static, T, R, S = DefaultHasher>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    pub(super) cache: Cache<K, V, R, S>,
    pub(super) state: Arc<TierState<K, V, T, R, S>>,
}

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    K: Eq + Hash,
    V: Clone,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
    S: BuildHasher,
{
    /// Returns the value of `key` in the first tier, or `None` if it has none, or if this process
    /// cannot know whether the value is outdated. O(1).
    ///
    /// It does not read the second tier: the loading methods do.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.run_until_idle();
    /// # runtime.block_on(async {
    /// assert_eq!(users.get(&7), None);
    /// users.get_with(7, || async { "alice" }).await;
    /// assert_eq!(users.get(&7), Some("alice"));
    /// # });
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let inner = self.cache.inner();
        let hash = inner.hash(key);
        let value = inner.look_up_within_horizon::<false, _, _>(hash, key, |value| value);
        inner.requests.count(value.is_some());
        value
    }
}

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    /// Returns the first tier, a cache of this process alone.
    ///
    /// Its reads return values that may be outdated for longer than `max_staleness`, its loads do
    /// not use the second tier, and its removals do not reach other processes. Do not write to it
    /// with [`Ttl::Never`](crate::Ttl::Never): such a value is never past the horizon.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// let users = Cache::builder_on(runtime.clone()).name("users").tiered(tier);
    /// # runtime.block_on(users.get_with(7, || async { "alice" }));
    /// assert_eq!(users.cache().name(), Some("users"));
    /// ```
    #[must_use]
    pub const fn cache(&self) -> &Cache<K, V, R, S> {
        &self.cache
    }

    /// Returns the second tier.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// let tier = MemoryTier::new(runtime.clone());
    /// let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.run_until_idle();
    /// # runtime.block_on(users.get_with(7, || async { "alice" }));
    /// assert_eq!(users.tier().value(&7), Some("alice"));
    /// ```
    #[must_use]
    pub fn tier(&self) -> &T {
        &self.state.client.tier
    }

    /// Returns what the cache has done with the second tier.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// users.get_with(7, || async { "alice" }).await;
    /// let stats = users.tier_stats();
    /// assert_eq!((stats.hits, stats.misses, stats.fills_stored), (0, 1, 1));
    /// # });
    /// ```
    #[must_use]
    pub fn tier_stats(&self) -> TierStats {
        self.state.stats()
    }
}

impl<K, V, T, R, S> Clone for Tiered<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            state: Arc::clone(&self.state),
        }
    }
}

impl<K, V, T, R, S> fmt::Debug for Tiered<K, V, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiered")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
