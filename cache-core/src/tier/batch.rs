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

use super::store::Tier;
use super::support::SupportsTier;
use super::tiered::Tiered;
use crate::batch::{Answer, Answers, BatchLoader, BatchLoaderBuilder, BatchOutput, erase_errors};
use crate::error::{BuildError, LoadError};
use crate::flight::{Fault, Loaded, LoaderResult, LoaderResultOn};
use crate::hash::DefaultHasher;
use crate::key::ViewKey;
use crate::load::{JoinAll, Nullable, Viewed};
use crate::machine::BatchWindow;
use crate::runtime::{Flavor, LoadErrorType, Loader, Runtime};
use crate::sync::Arc;

/// The view behind a [`TieredBatchLoader`]: it loads the keys that the second tier lacks.
pub type LoadedBatches<K, V, R, S> =
    BatchLoader<K, Loaded<V>, <<R as Runtime>::Flavor as Flavor>::Error, R, S>;

/// A view of a tiered cache that loads misses in batches: [`Tiered::batching`] returns it.
///
/// A clone is cheap and shares the window.
pub struct TieredBatchLoader<K: 'static, V: 'static, E, T, R, S = DefaultHasher>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    tiered: Tiered<K, V, T, R, S>,
    batches: LoadedBatches<K, V, R, S>,
    error: PhantomData<fn() -> E>,
}

/// Builds a [`TieredBatchLoader`]: [`Tiered::batching_builder`] returns it.
pub struct TieredBatchLoaderBuilder<K: 'static, V: 'static, E, T, R, S = DefaultHasher>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    tiered: Tiered<K, V, T, R, S>,
    batches: BatchLoaderBuilder<K, Loaded<V>, ErrorOn<R>, R, S>,
    error: PhantomData<fn() -> E>,
}

/// An error without its type.
type ErrorOn<R> = <<R as Runtime>::Flavor as Flavor>::Error;

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

impl<K, V, E, T, R, S> TieredBatchLoaderBuilder<K, V, E, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    /// Sets how long a batch waits for more keys that both tiers lack. Default: one pass of the
    /// executor.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// use cache_core::BatchWindow;
    ///
    /// let squares = cache.batching_builder(square).batch_window(BatchWindow::Yield(3)).build();
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), Some(49));
    /// # });
    /// ```
    #[must_use]
    pub fn batch_window(mut self, window: BatchWindow) -> Self {
        self.batches = self.batches.batch_window(window);
        self
    }

    /// Sets the maximum number of keys in a call of the loader. Default: 100.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # let square = |keys: Vec<u64>| async move {
    /// #     assert!(keys.len() <= 10);
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// let squares = cache.batching_builder(square).max_batch_size(10).build();
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get_all(0..25).await.len(), 25);
    /// # });
    /// ```
    #[must_use]
    pub fn max_batch_size(mut self, max: usize) -> Self {
        self.batches = self.batches.max_batch_size(max);
        self
    }

    /// Sets how many calls of the loader may be in flight. Default: no limit.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// let squares = cache.batching_builder(square).max_concurrent_batches(2).build();
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), Some(49));
    /// # });
    /// ```
    #[must_use]
    pub fn max_concurrent_batches(mut self, max: usize) -> Self {
        self.batches = self.batches.max_concurrent_batches(max);
        self
    }

    /// Builds the view.
    ///
    /// # Panics
    /// If a setting is invalid: where [`TieredBatchLoaderBuilder::try_build`] returns an error.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// let squares = cache.batching_builder(square).build();
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), Some(49));
    /// # });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn build(self) -> TieredBatchLoader<K, V, E, T, R, S> {
        match self.try_build() {
            Ok(view) => view,
            Err(error) => panic!("{error}"),
        }
    }

    /// Builds the view, or returns the first invalid setting.
    ///
    /// # Errors
    /// As [`BatchLoaderBuilder::try_build`].
    ///
    /// ```
    /// # use cache_core::{Cache, testing::{MemoryTier, VirtualRuntime}};
    /// # let runtime = VirtualRuntime::new();
    /// # let tier = MemoryTier::new(runtime.clone());
    /// # let cache = Cache::builder_on(runtime.clone()).tiered(tier);
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// let error = cache.batching_builder(square).max_batch_size(0).try_build().unwrap_err();
    /// assert_eq!(error.to_string(), "max_batch_size is 0, but it must be at least 1");
    /// ```
    pub fn try_build(self) -> Result<TieredBatchLoader<K, V, E, T, R, S>, BuildError> {
        Ok(TieredBatchLoader {
            tiered: self.tiered,
            batches: self.batches.try_build()?,
            error: PhantomData,
        })
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
        let key = key.into_key();
        let (batches, requested) = (self.batches.clone(), key.clone());
        let loader = move || R::box_load_in_batch(batches, requested);
        self.tiered.request::<Viewed<Nullable, E>>(key, loader)
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

/// Loads `key` by a batch loader.
#[doc(hidden)]
pub async fn load_in_batch<K, V, R, S>(
    batches: LoadedBatches<K, V, R, S>,
    key: K,
) -> LoaderResultOn<R::Flavor, V>
where
    K: Eq + Hash + Clone + 'static,
    V: Clone + 'static,
    R: crate::batch::SupportsBatching<K, Loaded<V>, S>,
    S: BuildHasher,
{
    match batches.get(key).await {
        Ok(Some(loaded)) => LoaderResult::Value(loaded),
        Ok(None) => LoaderResult::Missing,
        Err(error) => match error.split() {
            Ok(error) => LoaderResult::Failed((*error).clone()),
            Err(fault) => LoaderResult::Fault(match fault {
                LoadError::Reentrant => Fault::Reentrant,
                LoadError::TimedOut(after) => Fault::TimedOut(after),
                LoadError::WrongLength { keys, results } => Fault::WrongLength { keys, results },
                LoadError::Panicked | LoadError::Loader(_) => Fault::Panicked,
            }),
        },
    }
}

/// The output of a batch loader whose values are [`Loaded`], so that they keep their limits, and
/// whose errors have no type.
struct Nested<O, F>(O, PhantomData<F>);

impl<O, F> Nested<O, F> {
    const fn new(output: O) -> Self {
        Self(output, PhantomData)
    }
}

impl<K, V, O, F> BatchOutput<K, Loaded<V>> for Nested<O, F>
where
    O: BatchOutput<K, V, Error: LoadErrorType<F>>,
    F: Flavor,
{
    type Error = F::Error;

    fn into_answers(self) -> Result<Answers<K, Loaded<V>, F::Error>, F::Error> {
        let erase = |error| O::Error::erase(Arc::new(error));
        let nest = |answer: Answer<V, O::Error>| -> Answer<Loaded<V>, F::Error> {
            Ok(answer.map_err(erase)?.map(Loaded::new))
        };
        Ok(match self.0.into_answers().map_err(erase)? {
            Answers::InOrder(answers) => Answers::InOrder(answers.into_iter().map(nest).collect()),
            Answers::ByKey(answers) => {
                let answers = answers.into_iter();
                Answers::ByKey(answers.map(|(key, answer)| (key, nest(answer))).collect())
            }
        })
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

impl<K, V, E, T, R, S> fmt::Debug for TieredBatchLoaderBuilder<K, V, E, T, R, S>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredBatchLoaderBuilder")
            .finish_non_exhaustive()
    }
}
