//! The settings of a batching view of a tiered cache.

use core::fmt;
use core::marker::PhantomData;

use super::batch::TieredBatchLoader;
use super::store::Tier;
use super::tiered::Tiered;
use crate::batch::BatchLoaderBuilder;
use crate::error::BuildError;
use crate::flight::Loaded;
use crate::hash::DefaultHasher;
use crate::machine::BatchWindow;
use crate::runtime::{Flavor, Runtime};

/// Builds a [`TieredBatchLoader`]: [`Tiered::batching_builder`] returns it.
pub struct TieredBatchLoaderBuilder<K: 'static, V: 'static, E, T, R, S = DefaultHasher>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    pub(super) tiered: Tiered<K, V, T, R, S>,
    pub(super) batches: BatchLoaderBuilder<K, Loaded<V>, ErrorOn<R>, R, S>,
    pub(super) error: PhantomData<fn() -> E>,
}

/// An error without its type.
type ErrorOn<R> = <<R as Runtime>::Flavor as Flavor>::Error;

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
