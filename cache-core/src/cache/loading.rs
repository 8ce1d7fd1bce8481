//! A view of a cache that has a loader.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;

use futures_core::{FusedFuture, FusedStream};

use super::Cache;
use super::load_output::{LoadOutput, erase_error};
use super::view_loader::{StartView, ViewLoader};
use crate::error::LoadError;
use crate::hash::DefaultHasher;
use crate::key::ViewKey;
use crate::load::{Argument, Fused, Get, JoinAll, JoinEach, Nullable, Presence, Required, Viewed};
use crate::opt_in::{Freshening, GatedState};
use crate::runtime::{Flavor, LoadErrorType, Loader, Runtime};
use crate::sync::Arc;

impl<K, V, R, S> Cache<K, V, R, S>
where
    V: 'static,
    R: Runtime,
{
    /// Returns a view of this cache that loads missing keys with `loader`.
    ///
    /// The loader is a closure or a function from an owned key to a future, or a type that
    /// implements [`Loader`]. Its future returns a value, a [`Loaded`](crate::Loaded) value, or a
    /// `Result` of one of these ([`LoadOutput`]). A closure names the type of its argument. The
    /// view clones the loader for each load.
    ///
    /// The view outlives its caller, so the loader and its future are `'static` and, on a runtime
    /// that moves tasks between threads, `Send`. A loader that needs a connection owns it:
    /// `move |id: u64| { let db = db.clone(); async move { db.user(id).await } }`.
    ///
    /// Make a view once and keep it, for example in the state of a server: its type does not
    /// contain the type of the loader. Several views with different loaders may share one cache: a
    /// key has at most one current load, which all views and methods share.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), 49);
    /// let all = squares.get_all([7, 8]).await;
    /// assert_eq!(all[1].as_ref().unwrap(), &64);
    /// # });
    /// ```
    #[doc(alias("LoadingCache", "AsyncLoadingCache"))]
    #[must_use = "a view does nothing until a key is requested: make it once and keep it"]
    pub fn loading<L, O, E>(&self, loader: L) -> LoadingCache<K, V, E, R, S>
    where
        L: Loader<K, R::Flavor, Output = O>,
        O: LoadOutput<V, Required, Error = E>,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.view(loader)
    }

    /// Returns a view as [`Cache::loading`] does, for a loader that may find no value: its future
    /// returns an `Option`, or a `Result` of an `Option`.
    ///
    /// The cache stores nothing for a key without a value, unless it has a
    /// [`negative_ttl`](crate::Builder::negative_ttl).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let roots = cache.loading_optional(|n: u64| async move { (0..=n).find(|r| r * r == n) });
    /// # runtime.block_on(async {
    /// assert_eq!(roots.get(49).await.unwrap(), Some(7));
    /// assert_eq!(roots.get(50).await.unwrap(), None);
    /// # });
    /// ```
    #[must_use = "a view does nothing until a key is requested: make it once and keep it"]
    pub fn loading_optional<L, O, E>(&self, loader: L) -> OptionalLoadingCache<K, V, E, R, S>
    where
        L: Loader<K, R::Flavor, Output = O>,
        O: LoadOutput<V, Nullable, Error = E>,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.view(loader)
    }

    fn view<L, O, E, P>(&self, loader: L) -> LoadingCache<K, V, E, R, S, P>
    where
        L: Loader<K, R::Flavor, Output = O>,
        O: LoadOutput<V, P, Error = E>,
        E: LoadErrorType<R::Flavor>,
        P: Presence,
    {
        LoadingCache::new(self, ViewLoader::Load(loader.into_boxed(erase_error)))
    }
}

/// A cache with a loader for its missing keys: [`Cache::loading`] returns it.
///
/// `E` is the loader's error. `P` says whether the loader may find no value: [`Required`] in
/// general, [`Nullable`] for an [`OptionalLoadingCache`]. Each adapter has an alias for its
/// runtime, such as `cache_tokio::LoadingCache<K, V, E>`. A clone is cheap and shares the loader.
///
/// The methods take keys by value or by reference ([`ViewKey`]): `get(7)`, `get(&7)`, and
/// `get("abc")` for a `String`. With a reference, only a miss makes an owned key.
pub struct LoadingCache<K, V, E, R: Runtime, S = DefaultHasher, P = Required> {
    pub(super) cache: Cache<K, V, R, S>,
    pub(super) loader: Arc<ViewLoader<K, V, R::Flavor>>,
    /// Which errors a stored value may cover; all, if it is not set.
    pub(super) covers: GatedState<Arc<<R::Flavor as Flavor>::Check>, Freshening>,
    types: PhantomData<fn() -> (E, P)>,
}

/// A [`LoadingCache`] whose loader may find no value: [`Cache::loading_optional`] returns it.
///
/// Its methods return an `Option<V>` where those of [`LoadingCache`] return a `V`.
pub type OptionalLoadingCache<K, V, E, R, S = DefaultHasher> =
    LoadingCache<K, V, E, R, S, Nullable>;

impl<K, V, E, R: Runtime, S, P> LoadingCache<K, V, E, R, S, P> {
    pub(super) fn new(cache: &Cache<K, V, R, S>, loader: ViewLoader<K, V, R::Flavor>) -> Self {
        Self {
            cache: cache.clone(),
            loader: Arc::new(loader),
            covers: GatedState::UNSET,
            types: PhantomData,
        }
    }

    /// Returns the cache behind the view.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// squares.cache().insert(3, 9);
    /// assert_eq!(squares.get(3).await.unwrap(), 9);
    /// # });
    /// ```
    #[must_use]
    pub const fn cache(&self) -> &Cache<K, V, R, S> {
        &self.cache
    }

    /// The future of a load.
    fn request<N, By>(&self, key: N) -> ViewGet<'_, K, V, E, R, S, P, N, By> {
        let key = Argument::new(key);
        Get::new(self.cache.inner(), key, StartView(self))
    }
}

impl<K, V, E, R, S, P> LoadingCache<K, V, E, R, S, P>
where
    K: Eq + Hash,
    V: Clone + 'static,
    E: LoadErrorType<R::Flavor> + 'static,
    R: Runtime,
    S: BuildHasher,
    P: Presence,
{
    /// Returns the value of `key`. On a miss, loads it as [`Cache::load_with`] does.
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
    /// assert_eq!(squares.get(7).await.unwrap(), 49);
    /// let error = squares.get(u64::MAX).await.unwrap_err();
    /// assert_eq!(error.loader(), Some(&"too large"));
    /// # });
    /// ```
    pub fn get<N, By>(
        &self,
        key: N,
    ) -> impl FusedFuture<Output = Result<P::Answer<V>, LoadError<E>>>
    where
        N: ViewKey<K, By>,
    {
        self.request(key)
    }

    /// Returns the results of `keys`, in their order. Loads missing keys concurrently, each with a
    /// load of its own. O(keys), without the loads.
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
    /// let all = squares.get_all([2, u64::MAX]).await;
    /// assert_eq!(all[0].as_ref().unwrap(), &4);
    /// assert!(all[1].is_err());
    /// # });
    /// ```
    pub fn get_all<N, By>(
        &self,
        keys: impl IntoIterator<Item = N>,
    ) -> impl FusedFuture<Output = Vec<Result<P::Answer<V>, LoadError<E>>>>
    where
        N: ViewKey<K, By>,
    {
        // Not an async function: its future would hold the iterator, and be `Send` only if that is.
        Fused::new(JoinAll::new(keys.into_iter().map(|key| self.request(key))))
    }

    /// Returns the results of `keys` as a stream of `(key, result)`, in the order in which they are
    /// ready. Loads missing keys concurrently, as [`LoadingCache::get_all`] does.
    ///
    /// The loads begin with the first poll of the stream.
    ///
    /// A background task may poll the loader: see [context of a loader](Cache#context-of-a-loader).
    ///
    /// # Panics
    /// If the loader of a key panics, in the poll that would return the result of that key.
    ///
    /// # Cancel safety
    /// As [`Cache::get_with`], for each key whose result the stream has not returned.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// use std::{future::poll_fn, pin::pin};
    ///
    /// use futures_core::Stream;
    ///
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// let mut each = pin!(squares.get_each([2, 3]));
    /// // With `StreamExt` of futures-util: `while let Some((key, square)) = each.next().await`.
    /// while let Some((key, square)) = poll_fn(|cx| each.as_mut().poll_next(cx)).await {
    ///     assert_eq!(square.unwrap(), key * key);
    /// }
    /// # });
    /// ```
    pub fn get_each<N, By>(
        &self,
        keys: impl IntoIterator<Item = N>,
    ) -> impl FusedStream<Item = (N, Result<P::Answer<V>, LoadError<E>>)>
    where
        N: ViewKey<K, By> + Clone,
    {
        JoinEach::new(keys.into_iter().collect(), |key| self.request(key))
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
    /// assert_eq!(squares.refresh(3).await.unwrap(), 9);
    /// assert_eq!(cache.get(&3), Some(9));
    /// # });
    /// ```
    pub fn refresh<N, By>(
        &self,
        key: N,
    ) -> impl FusedFuture<Output = Result<P::Answer<V>, LoadError<E>>>
    where
        N: ViewKey<K, By>,
    {
        self.request(key).refreshing()
    }
}

/// The future of a view's methods.
type ViewGet<'a, K, V, E, R, S, P, N, By> =
    Get<'a, K, V, R, S, Viewed<P, E>, Argument<N, By>, StartView<'a, K, V, E, R, S, P>>;

impl<K, V, E, R: Runtime, S, P> Clone for LoadingCache<K, V, E, R, S, P> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            loader: Arc::clone(&self.loader),
            covers: self.covers.clone(),
            types: PhantomData,
        }
    }
}

impl<K, V, E, R: Runtime, S, P> fmt::Debug for LoadingCache<K, V, E, R, S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadingCache")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
