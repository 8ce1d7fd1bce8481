//! The loading methods of a tiered cache, in the four forms of those of [`Cache`](crate::Cache).

mod fallible;
mod fallible_optional;
mod plain;

use core::future::Future;
use core::hash::{BuildHasher, Hash};

use super::load::{Purpose, ThroughTier};
use super::store::{Read, Tier};
use super::support::SupportsTier;
use super::tiered::Tiered;
use crate::load::{Get, KeyArg, LoadMethod, LoadingOn, Owned};
use crate::runtime::{DeferredLoader, LoadFuture};

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + 'static,
{
    /// The future of a loading method.
    fn load<M, L, Fut>(&self, key: impl KeyArg<K>, loader: L) -> impl Future<Output = M::Answer>
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
    async fn request<M>(
        &self,
        key: impl KeyArg<K>,
        loader: impl FnOnce() -> LoadingOn<R::Flavor, V>,
    ) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
    {
        self.request_with_key::<M>(key, |_| loader()).await
    }

    /// As [`Tiered::request`], with a loader that takes the key.
    pub(super) async fn request_with_key<M>(
        &self,
        mut key: impl KeyArg<K>,
        loader: impl FnOnce(K) -> LoadingOn<R::Flavor, V>,
    ) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
    {
        let inner = self.cache.inner();
        let hash = inner.hash(key.query());
        if let Some(answer) = inner.look_up_within_horizon::<true, _, _>(hash, key.query(), M::hit)
        {
            inner.requests.count(true);
            return answer;
        }
        let key = key.take();
        let requested = key.clone();
        self.load_missing::<M>(hash, key, || loader(requested))
            .await
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
        let through_tier = |read| ThroughTier {
            state,
            key: key.clone(),
            read,
            purpose: Purpose::Get,
            loader,
        };
        let Some(interval) = self.interval_past_horizon() else {
            let loader = through_tier(Read::Plain);
            let get: Get<'_, _, V, R, S, M, _, _> = Get::new(inner, Owned::new(key), loader);
            return get.after_miss(hash).await;
        };
        inner.requests.count(false);
        let loader = through_tier(Read::Confirmed);
        let key = Owned::new((interval, key));
        let get: Get<'_, _, V, R, S, M, _, _> = Get::new(state.interim.inner(), key, loader);
        get.await
    }

    /// Loads `key`, and replaces its value in both tiers.
    pub(super) async fn request_refresh<M>(
        &self,
        key: K,
        loader: impl FnOnce() -> LoadingOn<R::Flavor, V>,
    ) -> M::Answer
    where
        M: LoadMethod<V, R::Flavor>,
    {
        let (inner, state) = (self.cache.inner(), &self.state);
        let through_tier = |read| ThroughTier {
            state,
            key: key.clone(),
            read,
            purpose: Purpose::Refresh,
            loader,
        };
        let Some(interval) = self.interval_past_horizon() else {
            let loader = through_tier(Read::Plain);
            let get: Get<'_, _, V, R, S, M, _, _> = Get::new(inner, Owned::new(key), loader);
            return get.refreshing().await;
        };
        let loader = through_tier(Read::Confirmed);
        let key = Owned::new((interval, key));
        let get: Get<'_, _, V, R, S, M, _, _> = Get::new(state.interim.inner(), key, loader);
        get.refreshing().await
    }

    /// The interval of a call that begins past the horizon, or `None` within it.
    pub(super) fn interval_past_horizon(&self) -> Option<u64> {
        let (inner, state) = (self.cache.inner(), &self.state);
        let now = inner.runtime.now();
        if inner.horizon.is_ahead_of(now) {
            return None;
        }
        state.client.counters.past_horizon.add(1);
        state.start_listener();
        Some(state.interval(now))
    }
}
