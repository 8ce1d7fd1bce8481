//! Batching views of a tiered cache.
//!
//! Each key has a load of its own through the second tier, as in every other method. The loader of
//! that load requests the key from a second view, which collects the keys that the second tier
//! lacks. So a value that the second tier has never waits for the load of another key.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::{BuildHasher, Hash};
use core::marker::PhantomData;

use super::batch_builder::TieredBatchLoaderBuilder;
use super::batch_load::{LoadedBatches, Nested};
use super::store::Tier;
use super::support::SupportsTier;
use super::tiered::Tiered;
#[cfg(doc)]
use crate::batch::BatchLoader;
use crate::batch::{BatchLoaderBuilder, BatchOutput, erase_errors};
use crate::error::LoadError;
use crate::hash::DefaultHasher;
use crate::key::ViewKey;
use crate::load::{Argument, JoinAll, Nullable, Viewed};
use crate::machine::BatchWindow;
use crate::runtime::{LoadErrorType, Loader, Runtime};

/// A view of a tiered cache that loads misses in batches: [`Tiered::batching`] returns it.
///
/// A clone is cheap and shares the window.
pub struct TieredBatchLoader<K: 'static, V: 'static, E, T, R, S = DefaultHasher>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    pub(super) tiered: Tiered<K, V, T, R, S>,
    pub(super) batches: LoadedBatches<K, V, R, S>,
    pub(super) error: PhantomData<fn() -> E>,
}

impl<K, V, T, R, S> Tiered<K, V, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + Clone + 'static,
{
    /// Returns a view that loads in batches what both tiers lack, as
    /// [`Cache::batching`](crate::Cache::batching) does: one read of the second tier for all keys,
    /// then one call of `loader` for those that it lacks. The window of the loader is one pass of
    /// the executor, because the read of the second tier has collected the keys.
    ///
    /// The view ignores values of keys that no caller requested.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let users = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let names = users.batching(|ids: Vec<u64>| async move {
    ///     // SELECT name FROM users WHERE id IN (…)
    ///     ids.into_iter().map(|id| format!("user {id}")).collect::<Vec<_>>()
    /// });
    /// # runtime.block_on(async {
    /// let found = names.get_all([1, 2, 3]).await;
    /// assert_eq!(found[2].as_ref().unwrap().as_deref(), Some("user 3"));
    /// assert_eq!(users.tier_stats().fetches, 1);
    /// # });
    /// ```
    #[must_use = "a view has a window of its own: make it once and keep it"]
    pub fn batching<L, O, E>(&self, loader: L) -> TieredBatchLoader<K, V, E, T, R, S>
    where
        L: Loader<Vec<K>, R::Flavor, Output = O>,
        O: BatchOutput<K, V, Error = E> + 'static,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        self.batching_builder(loader).build()
    }

    /// Returns the values of `keys`, in the order of `keys`: one read of the second tier for the keys
    /// that the first lacks, then one call of `loader` for those that the second lacks.
    ///
    /// It is [`Tiered::batching`] for a single call. A view that is kept also collects the keys of
    /// concurrent calls.
    ///
    /// # Cancel safety
    /// As [`BatchLoader::get`], for each key.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let square = |keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// };
    /// # runtime.block_on(async {
    /// cache.get_with(3, || async { 9 }).await;
    /// let found = cache.get_all_with([2, 3], square).await; // loads 2
    /// assert_eq!(found[0].as_ref().unwrap(), &Some(4));
    /// # });
    /// ```
    pub fn get_all_with<N, By, L, O, E>(
        &self,
        keys: impl IntoIterator<Item = N>,
        loader: L,
    ) -> impl Future<Output = Vec<Result<Option<V>, LoadError<E>>>>
    where
        N: ViewKey<K, By>,
        L: Loader<Vec<K>, R::Flavor, Output = O>,
        O: BatchOutput<K, V, Error = E> + 'static,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        let view = self.batching(loader);
        let keys: Vec<N> = keys.into_iter().collect();
        async move { view.get_all(keys).await }
    }

    /// Returns a builder for a view as [`Tiered::batching`] returns it, with other settings.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let squares = cache
    ///     .batching_builder(|keys: Vec<u64>| async move {
    ///         keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    ///     })
    ///     .max_batch_size(50)
    ///     .build();
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), Some(49));
    /// # });
    /// ```
    #[must_use = "a builder does nothing until `build`"]
    pub fn batching_builder<L, O, E>(&self, loader: L) -> TieredBatchLoaderBuilder<K, V, E, T, R, S>
    where
        L: Loader<Vec<K>, R::Flavor, Output = O>,
        O: BatchOutput<K, V, Error = E> + 'static,
        E: LoadErrorType<R::Flavor> + 'static,
    {
        let loader = loader.into_boxed(|output| erase_errors(Nested::<O, R::Flavor>::new(output)));
        let batches = BatchLoaderBuilder::new(self.state.batches.clone(), loader);
        TieredBatchLoaderBuilder {
            tiered: self.clone(),
            batches: batches.disable_cache().batch_window(BatchWindow::Yield(1)),
            error: PhantomData,
        }
    }
}

impl<K, V, E, T, R, S> TieredBatchLoader<K, V, E, T, R, S>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    E: LoadErrorType<R::Flavor> + 'static,
    T: Tier<K, V, R::Flavor>,
    R: SupportsTier<K, V, T, S>,
    S: BuildHasher + Clone + 'static,
{
    /// Returns the value of `key`, from the first tier, the second tier or the loader. `None` means
    /// that the loader found no value.
    ///
    /// # Errors
    /// As [`BatchLoader::get`].
    ///
    /// # Cancel safety
    /// As [`BatchLoader::get`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), Some(49));
    /// # });
    /// ```
    pub fn get<N, By>(&self, key: N) -> impl Future<Output = Result<Option<V>, LoadError<E>>>
    where
        N: ViewKey<K, By>,
    {
        let (batches, key) = (&self.batches, Argument::new(key));
        self.tiered
            .request_with_key::<Viewed<Nullable, E>>(key, |key| {
                R::box_load_in_batch(batches.clone(), key)
            })
    }

    /// Returns the values of `keys`, in the order of `keys`. Keys that the first tier lacks are
    /// read together from the second tier, and those that it lacks are loaded together.
    ///
    /// # Cancel safety
    /// As [`BatchLoader::get`], for each key.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// # runtime.block_on(async {
    /// let found = squares.get_all([2, 3]).await;
    /// assert_eq!(found[1].as_ref().unwrap(), &Some(9));
    /// # });
    /// ```
    pub fn get_all<N, By>(
        &self,
        keys: impl IntoIterator<Item = N>,
    ) -> impl Future<Output = Vec<Result<Option<V>, LoadError<E>>>>
    where
        N: ViewKey<K, By>,
    {
        JoinAll::new(keys.into_iter().map(|key| Box::pin(self.get(key))))
    }

    /// Returns the tiered cache behind the view.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// let squares = cache.batching(|keys: Vec<u64>| async move {
    ///     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// });
    /// assert_eq!(squares.tiered().get(&7), None);
    /// ```
    #[must_use]
    pub const fn tiered(&self) -> &Tiered<K, V, T, R, S> {
        &self.tiered
    }
}

impl<K, V, E, T, R, S> Clone for TieredBatchLoader<K, V, E, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn clone(&self) -> Self {
        Self {
            tiered: self.tiered.clone(),
            batches: self.batches.clone(),
            error: PhantomData,
        }
    }
}

impl<K, V, E, T, R, S> fmt::Debug for TieredBatchLoader<K, V, E, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredBatchLoader").finish_non_exhaustive()
    }
}
