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
    /// Stores `value` in both tiers, and removes the old value from the first tiers of all other
    /// processes, which get the new one from the second tier.
    ///
    /// The first tier of this process has the value once the message of the write has come back,
    /// in the order of the messages of all processes. So a value that another process writes or
    /// invalidates later never stays behind this one.
    ///
    /// # Errors
    /// The error of the second tier. Old values may then stay in it and in other processes.
    ///
    /// # Panics
    /// If the eviction listener panics.
    ///
    /// # Cancel safety
    /// The value is stored or not, and the first tier of this process has no older value of the key.
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

    /// Stores a value as [`Tiered::insert`] does, with the ttl and the weight of a [`Loaded`]. The
    /// second tier does not keep the weight.
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
        let write = self.state.begin_write(&entry);
        let put = Put {
            key: key.clone(),
            value: entry.value,
            ttl: entry.ttl,
            id: write.id(),
        };
        self.state.forget(&key);
        let written = self.tier().put(vec![put]).await;
        let is_stored = written.is_ok() && !write.keep();
        // See `write`. The message of this write, if it has come back, has removed what a load had
        // stored, and has stored the written value.
        if !is_stored || self.cache.inner().horizon.is_removed() {
            self.state.forget(&key);
        }
        self.count_write(written)
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
        self.state.forget(key);
        let written = call.await;
        // A load that began after the first call may have read the old value from the second tier
        // before it was removed there.
        self.state.forget(key);
        self.count_write(written)
    }

    fn count_write(&self, written: Result<(), T::Error>) -> Result<(), T::Error> {
        let counters = &self.state.client.counters;
        let count = match &written {
            Ok(()) => &counters.removals_sent,
            Err(_) => &counters.removals_failed,
        };
        count.add(1);
        written
    }
}
