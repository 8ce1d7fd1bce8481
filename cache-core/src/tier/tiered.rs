//! The handle of a tiered cache: reads and writes.

use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};

use alloc::vec;

use equivalent::Equivalent;

use super::state::TierState;
use super::stats::TierStats;
use super::store::{Put, Tier};
use crate::cache::Cache;
use crate::flight::Loaded;
use crate::hash::DefaultHasher;
use crate::key::ToKey;
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
}

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
    S: BuildHasher,
{
    /// Stores `value` in the second tier, and removes the old value from the first tiers of all
    /// processes. The next load of each process gets it from the second tier.
    ///
    /// # Errors
    /// The error of the second tier. Old values may then stay in it and in other processes.
    ///
    /// # Panics
    /// If the eviction listener panics.
    ///
    /// # Cancel safety
    /// The value is stored or not, and the first tier of this process has no value of the key.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// users.insert(7, "alice").await.unwrap();
    /// assert_eq!(users.get_with(7, || async { "not called" }).await, "alice");
    /// # });
    /// ```
    pub async fn insert(&self, key: K, value: V) -> Result<(), T::Error> {
        self.insert_entry(key, Loaded::new(value)).await
    }

    /// Stores a value as [`Tiered::insert`] does, for the ttl of a [`Loaded`].
    ///
    /// # Errors
    /// As [`Tiered::insert`].
    ///
    /// # Panics
    /// As [`Tiered::insert`].
    ///
    /// # Cancel safety
    /// As [`Tiered::insert`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # use core::time::Duration;
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// use cache_core::{Loaded, Ttl};
    ///
    /// # runtime.block_on(async {
    /// let minute = Ttl::After(Duration::from_secs(60));
    /// users.insert_entry(7, Loaded::new("alice").ttl(minute)).await.unwrap();
    /// # });
    /// ```
    pub async fn insert_entry(&self, key: K, entry: Loaded<V>) -> Result<(), T::Error> {
        let put = Put {
            key: key.clone(),
            value: entry.value,
            ttl: entry.ttl,
        };
        self.write(&key, self.tier().put(vec![put])).await
    }

    /// Removes the value of `key` from both tiers, here and in all other processes. Use it after a
    /// write to the backend.
    ///
    /// # Errors
    /// The error of the second tier. Old values may then stay in it and in other processes.
    ///
    /// # Panics
    /// If the eviction listener panics.
    ///
    /// # Cancel safety
    /// The value is removed from the second tier or not, and the first tier of this process has no
    /// value of the key.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// users.get_with(7, || async { "alice" }).await;
    /// // UPDATE users SET name = 'bob' WHERE id = 7
    /// users.invalidate(&7).await.unwrap();
    /// assert_eq!(users.get_with(7, || async { "bob" }).await, "bob");
    /// # });
    /// ```
    pub async fn invalidate<Q>(&self, key: &Q) -> Result<(), T::Error>
    where
        Q: ToKey<K> + ?Sized,
    {
        let key = key.to_key();
        self.write(&key, self.tier().remove(vec![key.clone()]))
            .await
    }

    /// Removes all values from both tiers, here and in all other processes.
    ///
    /// # Errors
    /// The error of the second tier. Old values may then stay in it and in other processes.
    ///
    /// # Panics
    /// If the eviction listener panics.
    ///
    /// # Cancel safety
    /// The second tier is cleared or not, and the first tier of this process is.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// users.get_with(7, || async { "alice" }).await;
    /// users.invalidate_all().await.unwrap();
    /// assert_eq!(users.get(&7), None);
    /// # });
    /// ```
    pub async fn invalidate_all(&self) -> Result<(), T::Error> {
        self.state.forget_all();
        let cleared = self.tier().clear().await;
        // See `write`.
        self.state.forget_all();
        cleared
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

    /// Writes `key` to the second tier by `call`.
    async fn write(
        &self,
        key: &K,
        call: impl Future<Output = Result<(), T::Error>>,
    ) -> Result<(), T::Error> {
        let counters = &self.state.client.counters;
        self.state.forget(key);
        let written = call.await;
        // A load that began after the first call may have read the old value from the second tier
        // before it was removed there.
        self.state.forget(key);
        let count = match &written {
            Ok(()) => &counters.removals_sent,
            Err(_) => &counters.removals_failed,
        };
        count.add(1);
        written
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
