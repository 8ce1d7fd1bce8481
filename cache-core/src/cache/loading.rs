//! A view of a cache that has a loader.

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};

use super::Cache;
use crate::error::LoadError;
use crate::flight::Loaded;
use crate::hash::DefaultHasher;
use crate::key::ToKey;
use crate::load::{Borrowed, Fallible, JoinAll};
use crate::runtime::{LoadErrorType, LoadFuture, Runtime};

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    /// Returns a view of this cache that loads missing keys with `loader`.
    ///
    /// The loader is a closure or a function from an owned key to a future of a `Result`. The view
    /// clones it for each load. Several views with different loaders may share one cache: a key has
    /// at most one current load, which all views and methods share.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(&7).await.unwrap(), 49);
    /// let all = squares.get_all([&7, &8]).await;
    /// assert_eq!(all[1].as_ref().unwrap(), &64);
    /// # });
    /// ```
    #[doc(alias("LoadingCache", "AsyncLoadingCache"))]
    pub fn loading<L>(&self, loader: L) -> LoadingCache<K, V, R, L, S> {
        LoadingCache {
            cache: self.clone(),
            loader,
        }
    }
}

/// A cache with a loader for its missing keys: [`Cache::loading`] returns it.
pub struct LoadingCache<K, V, R: Runtime, L, S = DefaultHasher> {
    cache: Cache<K, V, R, S>,
    loader: L,
}

impl<K, V, R: Runtime, L, S> LoadingCache<K, V, R, L, S> {
    /// Returns the cache behind the view.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// squares.cache().insert(3, 9);
    /// assert_eq!(squares.get(&3).await.unwrap(), 9);
    /// # });
    /// ```
    #[must_use]
    pub const fn cache(&self) -> &Cache<K, V, R, S> {
        &self.cache
    }
}

impl<K, V, W, E, R, L, S, Fut> LoadingCache<K, V, R, L, S>
where
    K: Eq + Hash,
    V: Clone + 'static,
    W: Into<Loaded<V>> + 'static,
    E: LoadErrorType<R::Flavor> + 'static,
    R: Runtime,
    L: FnOnce(K) -> Fut + Clone,
    Fut: LoadFuture<R::Flavor, Output = Result<W, E>>,
    S: BuildHasher,
{
    /// Returns the value of `key`. On a miss, loads it as [`Cache::load_with_by_ref`] does.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`].
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(&7).await.unwrap(), 49);
    /// let error = squares.get(&u64::MAX).await.unwrap_err();
    /// assert_eq!(error.loader(), Some(&"too large"));
    /// # });
    /// ```
    pub async fn get<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: ToKey<K> + ?Sized,
    {
        let loader = self.loader.clone();
        let load = || loader(key.to_key());
        self.cache
            .request::<Fallible<E, W>, _, _>(Borrowed(key), load)
            .await
    }

    /// Returns the results of `keys`, in their order. Loads missing keys concurrently, each with a
    /// load of its own.
    ///
    /// A duplicate key is loaded once and counts as a request each time. To load many keys with one
    /// call to the backend, use [`Cache::batching`].
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// If the loader of a key panics.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`], for each key.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// let all = squares.get_all([&2, &u64::MAX]).await;
    /// assert_eq!(all[0].as_ref().unwrap(), &4);
    /// assert!(all[1].is_err());
    /// # });
    /// ```
    pub fn get_all<'a, Q>(
        &self,
        keys: impl IntoIterator<Item = &'a Q>,
    ) -> impl Future<Output = Vec<Result<V, LoadError<E>>>>
    where
        Q: ToKey<K> + ?Sized + 'a,
    {
        // Not an async function: its future would hold the iterator, and be `Send` only if that is.
        let loads = keys.into_iter().map(|key| {
            let loader = self.loader.clone();
            let load = || loader(key.to_key());
            self.cache
                .request::<Fallible<E, W>, _, _>(Borrowed(key), load)
        });
        JoinAll::new(loads)
    }

    /// Loads `key` even if a value is stored, and replaces the stored value, as [`Cache::refresh`]
    /// does.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Errors
    /// As [`Cache::try_get_with`]. The stored value stays.
    ///
    /// # Panics
    /// As [`Cache::try_get_with`].
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// cache.insert(3, 0);
    /// assert_eq!(squares.refresh(&3).await.unwrap(), 9);
    /// assert_eq!(cache.get(&3), Some(9));
    /// # });
    /// ```
    pub async fn refresh<Q>(&self, key: &Q) -> Result<V, LoadError<E>>
    where
        Q: ToKey<K> + ?Sized,
    {
        let loader = self.loader.clone();
        let load = || loader(key.to_key());
        self.cache
            .request::<Fallible<E, W>, _, _>(Borrowed(key), load)
            .refreshing()
            .await
    }
}

impl<K, V, R: Runtime, L: Clone, S> Clone for LoadingCache<K, V, R, L, S> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            loader: self.loader.clone(),
        }
    }
}

impl<K, V, R: Runtime, L, S> fmt::Debug for LoadingCache<K, V, R, L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadingCache")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
