//! Views of a tiered cache that have a loader.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;

use super::store::Tier;
use super::support::SupportsTier;
use super::tiered::Tiered;
use crate::cache::{LoadOutput, erase_error};
use crate::error::LoadError;
use crate::flight::LoaderResultOn;
use crate::hash::DefaultHasher;
use crate::key::ViewKey;
use crate::load::{Argument, JoinAll, Nullable, Presence, Required, Viewed};
use crate::runtime::{Flavor, LoadErrorType, Loader, Runtime};
use crate::sync::Arc;

/// A tiered cache with a loader for the keys that both tiers lack: [`Tiered::loading`] returns it.
///
/// `E` and `P` are those of a [`LoadingCache`](crate::LoadingCache). A clone is cheap and shares the
/// loader.
pub struct TieredLoadingCache<K: 'static, V: 'static, E, T, R, S = DefaultHasher, P = Required>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    tiered: Tiered<K, V, T, R, S>,
    loader: Arc<ViewLoader<K, V, R::Flavor>>,
    types: PhantomData<fn() -> (E, P)>,
}

/// A [`TieredLoadingCache`] whose loader may find no value: [`Tiered::loading_optional`] returns it.
pub type TieredOptionalLoadingCache<K, V, E, T, R, S = DefaultHasher> =
    TieredLoadingCache<K, V, E, T, R, S, Nullable>;

/// The loader of a view.
pub type ViewLoader<K, V, F> = <F as Flavor>::Loader<K, LoaderResultOn<F, V>>;

/// Loads `key` with the loader of a view, which is called at the first poll.
#[doc(hidden)]
pub async fn load_in_view<K, V, F>(loader: Arc<ViewLoader<K, V, F>>, key: K) -> LoaderResultOn<F, V>
where
    F: Flavor,
{
    loader(key).await
}

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    V: 'static,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    /// Returns a view of this cache that loads with `loader` the keys that both tiers lack, as
    /// [`Cache::loading`](crate::Cache::loading) does.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64, _>::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), 49);
    /// assert_eq!(cache.tier().value(&7), Some(49));
    /// # });
    /// ```
    #[must_use = "a view does nothing until a key is requested: make it once and keep it"]
    pub fn loading<L, O, E>(&self, loader: L) -> TieredLoadingCache<K, V, E, T, R, S>
    where
        L: Loader<K, R::Flavor, Output = O>,
        O: LoadOutput<V, Required, Error = E>,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.view(loader)
    }

    /// Returns a view as [`Tiered::loading`] does, for a loader that may find no value: its future
    /// returns an `Option`, or a `Result` of an `Option`.
    ///
    /// Both tiers remember a missing value for the builder's
    /// [`negative_ttl`](crate::Builder::negative_ttl), if it is set.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64, _>::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let roots = cache.loading_optional(|n: u64| async move { (0..=n).find(|r| r * r == n) });
    /// # runtime.block_on(async {
    /// assert_eq!(roots.get(49).await.unwrap(), Some(7));
    /// assert_eq!(roots.get(50).await.unwrap(), None);
    /// # });
    /// ```
    #[must_use = "a view does nothing until a key is requested: make it once and keep it"]
    pub fn loading_optional<L, O, E>(
        &self,
        loader: L,
    ) -> TieredOptionalLoadingCache<K, V, E, T, R, S>
    where
        L: Loader<K, R::Flavor, Output = O>,
        O: LoadOutput<V, Nullable, Error = E>,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.view(loader)
    }

    fn view<L, O, E, P>(&self, loader: L) -> TieredLoadingCache<K, V, E, T, R, S, P>
    where
        L: Loader<K, R::Flavor, Output = O>,
        O: LoadOutput<V, P, Error = E>,
        E: LoadErrorType<R::Flavor>,
        P: Presence,
    {
        TieredLoadingCache {
            tiered: self.clone(),
            loader: Arc::new(loader.into_boxed(erase_error)),
            types: PhantomData,
        }
    }
}

impl<K, V, E, T, R, S, P> TieredLoadingCache<K, V, E, T, R, S, P>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    E: LoadErrorType<R::Flavor> + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + 'static,
    P: Presence,
{
    /// Returns the value of `key`, from the first tier, the second tier or the loader.
    ///
    /// # Errors
    /// As [`Tiered::try_get_with`].
    ///
    /// # Panics
    /// If the loader panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64, _>::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), 49);
    /// let error = squares.get(u64::MAX).await.unwrap_err();
    /// assert_eq!(error.loader(), Some(&"too large"));
    /// # });
    /// ```
    pub fn get<N, By>(&self, key: N) -> impl Future<Output = Result<P::Answer<V>, LoadError<E>>>
    where
        N: ViewKey<K, By>,
    {
        let (loader, key) = (&self.loader, Argument::new(key));
        self.tiered
            .request_with_key::<Viewed<P, E>>(key, |key| R::box_load_in_view(loader, key))
    }

    /// Returns the results of `keys`, in their order. Keys that the first tier lacks are read
    /// together from the second tier, and each key that it lacks has a load of its own.
    ///
    /// To load many keys with one call to the backend, use [`Tiered::batching`].
    ///
    /// # Panics
    /// If the loader of a key panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`], for each key.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64, _>::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
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
    ) -> impl Future<Output = Vec<Result<P::Answer<V>, LoadError<E>>>>
    where
        N: ViewKey<K, By>,
    {
        JoinAll::new(keys.into_iter().map(|key| Box::pin(self.get(key))))
    }

    /// Loads `key` even if a tier has a value, and replaces the value in both, as
    /// [`Tiered::refresh`] does.
    ///
    /// # Errors
    /// As [`Tiered::refresh`].
    ///
    /// # Panics
    /// If the loader panics.
    ///
    /// # Cancel safety
    /// As [`Tiered::get_with`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64, _>::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// cache.insert(3, 0).await.unwrap();
    /// assert_eq!(squares.refresh(3).await.unwrap(), 9);
    /// assert_eq!(cache.tier().value(&3), Some(9));
    /// # });
    /// ```
    pub fn refresh<N, By>(&self, key: N) -> impl Future<Output = Result<P::Answer<V>, LoadError<E>>>
    where
        N: ViewKey<K, By>,
    {
        let key = key.into_key();
        let requested = key.clone();
        self.tiered
            .request_refresh::<Viewed<P, E>>(key, || R::box_load_in_view(&self.loader, requested))
    }

    /// Returns the tiered cache behind the view.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::<u64, u64, _>::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let squares = cache.loading(|n: u64| async move { n.checked_mul(n).ok_or("too large") });
    /// # runtime.block_on(async {
    /// squares.tiered().insert(3, 9).await.unwrap();
    /// assert_eq!(squares.get(3).await.unwrap(), 9);
    /// # });
    /// ```
    #[must_use]
    pub const fn tiered(&self) -> &Tiered<K, V, T, R, S> {
        &self.tiered
    }
}

impl<K, V, E, T, R, S, P> Clone for TieredLoadingCache<K, V, E, T, R, S, P>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn clone(&self) -> Self {
        Self {
            tiered: self.tiered.clone(),
            loader: Arc::clone(&self.loader),
            types: PhantomData,
        }
    }
}

impl<K, V, E, T, R, S, P> fmt::Debug for TieredLoadingCache<K, V, E, T, R, S, P>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredLoadingCache").finish_non_exhaustive()
    }
}
