//! The writes of a tiered cache.

use alloc::vec;
use core::future::Future;
use core::hash::{BuildHasher, Hash};

use super::store::{Put, Tier};
use super::tiered::Tiered;
use crate::flight::Loaded;
use crate::key::ToKey;
use crate::runtime::Runtime;

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
