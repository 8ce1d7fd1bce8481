//! Loads whose loader returns a value, or finds that there is none.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use crate::key::ToKey;
use crate::load::{Borrowed, Optional, Owned, Plain};
use crate::runtime::{DeferredLoader, LoadFuture};
use crate::tier::store::Tier;
use crate::tier::support::SupportsTier;
use crate::tier::tiered::Tiered;

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + 'static,
{
    /// Returns the value of `key`. If neither tier has one, runs a loader that always returns a
    /// value.
    ///
    /// The load is a flight like that of [`Cache::get_with`](crate::Cache::get_with): all callers
    /// of this process share it. The loader runs at most once at a time in the fleet, as long as
    /// the second tier answers.
    ///
    /// # Panics
    /// If `loader` panics, or if the load ends without a value, as in
    /// [`Cache::get_with`](crate::Cache::get_with).
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`](crate::Cache::get_with). A load that is dropped gives its lease up.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// assert_eq!(users.get_with(7, || async { "alice" }).await, "alice");
    /// # });
    /// ```
    pub fn get_with<Fut, L>(&self, key: K, loader: L) -> impl Future<Output = V>
    where
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = V>,
    {
        self.load::<Plain, _, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Panics
    /// As [`Tiered::get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, &str>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// assert_eq!(users.get_with_by_ref("seven", || async { "alice" }).await, "alice");
    /// # });
    /// ```
    pub fn get_with_by_ref<Q, Fut, L>(&self, key: &Q, loader: L) -> impl Future<Output = V>
    where
        Q: ToKey<K> + ?Sized,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = V>,
    {
        self.load::<Plain, _, _>(Borrowed(key), loader)
    }

    /// As [`Tiered::get_with`], with a loader that may borrow and need not be `Send`.
    ///
    /// Only this caller polls the loader.
    ///
    /// # Panics
    /// As [`Tiered::get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with_scoped`](crate::Cache::get_with_scoped). A load that is dropped gives its
    /// lease up.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let database = vec!["alice"];
    /// let user = users.get_with_scoped(7, || async { database[0] }).await;
    /// assert_eq!(user, "alice");
    /// # });
    /// ```
    pub fn get_with_scoped<Fut, L>(&self, key: K, loader: L) -> impl Future<Output = V>
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = V>,
    {
        self.request_scoped::<Plain, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::get_with_scoped`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Panics
    /// As [`Tiered::get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, usize>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let id = String::from("seven");
    /// let length = users.get_with_by_ref_scoped(&id, || async { id.len() }).await;
    /// assert_eq!(length, 5);
    /// # });
    /// ```
    pub fn get_with_by_ref_scoped<Q, Fut, L>(&self, key: &Q, loader: L) -> impl Future<Output = V>
    where
        Q: ToKey<K> + ?Sized,
        L: FnOnce() -> Fut,
        Fut: Future<Output = V>,
    {
        self.request_scoped::<Plain, _>(Borrowed(key), loader)
    }

    /// Returns the value of `key`. If neither tier has one, runs a loader that may find that there
    /// is none.
    ///
    /// Both tiers remember a missing value for the builder's
    /// [`negative_ttl`](crate::Builder::negative_ttl), if it is set.
    ///
    /// # Panics
    /// As [`Tiered::get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// assert_eq!(users.optionally_get_with(7, || async { None }).await, None);
    /// # });
    /// ```
    pub fn optionally_get_with<Fut, L>(&self, key: K, loader: L) -> impl Future<Output = Option<V>>
    where
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
    {
        self.load::<Optional, _, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::optionally_get_with`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Panics
    /// As [`Tiered::optionally_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, u64>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let none = users.optionally_get_with_by_ref("seven", || async { None });
    /// assert_eq!(none.await, None);
    /// # });
    /// ```
    pub fn optionally_get_with_by_ref<Q, Fut, L>(
        &self,
        key: &Q,
        loader: L,
    ) -> impl Future<Output = Option<V>>
    where
        Q: ToKey<K> + ?Sized,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Option<V>>,
    {
        self.load::<Optional, _, _>(Borrowed(key), loader)
    }

    /// As [`Tiered::optionally_get_with`], with a loader that may borrow and need not be `Send`.
    ///
    /// Only this caller polls the loader.
    ///
    /// # Panics
    /// As [`Tiered::optionally_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let database = ["alice"];
    /// let find = || async { database.get(7).copied() };
    /// assert_eq!(users.optionally_get_with_scoped(7, find).await, None);
    /// # });
    /// ```
    pub fn optionally_get_with_scoped<Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Option<V>>
    where
        L: FnOnce() -> Fut,
        Fut: Future<Output = Option<V>>,
    {
        self.request_scoped::<Optional, _>(Owned::new(key), loader)
    }

    /// As [`Tiered::optionally_get_with_scoped`], with a borrowed key. Makes an owned key only on a miss.
    ///
    /// # Panics
    /// As [`Tiered::optionally_get_with`].
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with_scoped`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<String, char>::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let id = String::from("seven");
    /// let first = || async { id.chars().next() };
    /// assert_eq!(users.optionally_get_with_by_ref_scoped(&id, first).await, Some('s'));
    /// # });
    /// ```
    pub fn optionally_get_with_by_ref_scoped<Q, Fut, L>(
        &self,
        key: &Q,
        loader: L,
    ) -> impl Future<Output = Option<V>>
    where
        Q: ToKey<K> + ?Sized,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Option<V>>,
    {
        self.request_scoped::<Optional, _>(Borrowed(key), loader)
    }
}
