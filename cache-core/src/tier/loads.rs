//! The loading methods of a tiered cache.

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use super::load::ThroughTier;
use super::store::{Read, Tier};
use super::support::SupportsTier;
use super::tiered::Tiered;
use crate::error::LoadError;
use crate::flight::Loaded;
use crate::load::{Fallible, FallibleOptional, Get, LoadMethod, LoadingOn, Optional, Owned, Plain};
use crate::runtime::{DeferredLoader, LoadErrorType, LoadFuture};

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
        self.load::<Plain, _, _>(key, loader)
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
        self.load::<Optional, _, _>(key, loader)
    }

    /// Returns the value of `key`. If neither tier has one, runs a loader that returns a value or
    /// an error.
    ///
    /// After an error, the process gives its lease up, and the next process tries.
    ///
    /// # Errors
    /// As [`Cache::try_get_with`](crate::Cache::try_get_with). A failure of the second tier is no
    /// error: the load continues without it.
    ///
    /// # Panics
    /// If `loader` panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let numbers = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let answer = numbers.try_get_with(7, || async { "42".parse::<u64>() }).await;
    /// assert_eq!(answer.unwrap(), 42);
    /// # });
    /// ```
    pub fn try_get_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<V, E>>,
    {
        self.load::<Fallible<E, V>, _, _>(key, loader)
    }

    /// Returns the value of `key`. If neither tier has one, runs a loader that may fail, or find
    /// that there is none.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// If `loader` panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # runtime.block_on(async {
    /// let user = users.try_optionally_get_with(7, || async { Ok::<_, String>(Some("alice")) });
    /// assert_eq!(user.await.unwrap(), Some("alice"));
    /// # });
    /// ```
    pub fn try_optionally_get_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<Option<V>, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<Option<V>, E>>,
    {
        self.load::<FallibleOptional<E>, _, _>(key, loader)
    }

    /// Returns the value of `key`. If neither tier has one, runs a loader that returns a value with
    /// its own ttl or weight, or an error.
    ///
    /// The second tier keeps the ttl. It does not keep the weight: other processes weigh the value
    /// as their caches do.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// If `loader` panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
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
    /// let load = move || async move { Ok::<_, String>(Loaded::new("alice").ttl(minute)) };
    /// assert_eq!(users.load_with(7, load).await.unwrap(), "alice");
    /// # });
    /// ```
    pub fn load_with<E, Fut, L>(
        &self,
        key: K,
        loader: L,
    ) -> impl Future<Output = Result<V, LoadError<E>>>
    where
        E: LoadErrorType<R::Flavor> + 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = Result<Loaded<V>, E>>,
    {
        self.load::<Fallible<E, Loaded<V>>, _, _>(key, loader)
    }

    /// The future of a loading method.
    fn load<M, L, Fut>(&self, key: K, loader: L) -> impl Future<Output = M::Answer>
    where
        M: LoadMethod<V, R::Flavor>,
        M::Output: 'static,
        L: FnOnce() -> Fut + DeferredLoader<R::Flavor>,
        Fut: LoadFuture<R::Flavor, Output = M::Output>,
    {
        let deferred = move || loader.deferred(|loader| loader().boxed(M::result));
        self.request::<M>(key, deferred)
    }

    /// Looks `key` up in the first tier, and loads it through the second.
    pub(super) async fn request<M>(
        &self,
        key: K,
        loader: impl FnOnce() -> LoadingOn<R::Flavor, V>,
    ) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
    {
        let inner = self.cache.inner();
        let hash = inner.hash(&key);
        if let Some(answer) = inner.look_up_within_horizon::<true, _, _>(hash, &key, M::hit) {
            inner.requests.count(true);
            return answer;
        }
        self.load_missing::<M>(hash, key, loader).await
    }

    /// Loads a key that the first tier lacks, or past the horizon.
    async fn load_missing<M>(
        &self,
        hash: u32,
        key: K,
        loader: impl FnOnce() -> LoadingOn<R::Flavor, V>,
    ) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
    {
        let (inner, state) = (self.cache.inner(), &self.state);
        let now = inner.runtime.now();
        let through_tier = |read| ThroughTier {
            state,
            key: key.clone(),
            read,
            loader,
        };
        if !inner.horizon.is_ahead_of(now) {
            state.client.counters.past_horizon.add(1);
            inner.requests.count(false);
            state.start_listener();
            let loader = through_tier(Read::Confirmed);
            let key = Owned::new((state.interval(now), key));
            let get: Get<'_, _, V, R, S, M, _, _> = Get::new(state.interim.inner(), key, loader);
            return get.await;
        }
        let loader = through_tier(Read::Plain);
        let get: Get<'_, _, V, R, S, M, _, _> = Get::new(inner, Owned::new(key), loader);
        get.after_miss(hash).await
    }
}
