//! The settings of a batching view, validated once.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroUsize;
use core::time::Duration;

use super::BatchLoader;
use super::inner::BatchingInner;
use super::loader::BoxedLoader;
use super::queue::{BatchQueue, BatchSettings};
use crate::cache::Cache;
use crate::error::{BuildError, Value};
use crate::hash::DefaultHasher;
use crate::machine::{BatchWindow, Ttl};
use crate::opt_in::{BatchPermits, BatchesWithoutCache, Freshening, Gated};
use crate::runtime::Runtime;
use crate::sync::{Arc, Mutex};

/// Configures and builds a [`BatchLoader`]:
/// [`Cache::batching_builder`](crate::Cache::batching_builder) returns it.
///
/// | setting | default |
/// |---|---|
/// | `batch_window` | 5 ms from the first key |
/// | `max_batch_size` | 100 keys |
/// | `max_concurrent_batches` | no limit |
/// | `refresh_window` | 100 ms from the first refresh |
/// | `batch_ttl` | the time to live of the cache |
/// | `disable_cache` | the view reads and stores values |
pub struct BatchLoaderBuilder<K: 'static, V: 'static, E, R: Runtime, S = DefaultHasher> {
    cache: Cache<K, V, R, S>,
    loader: BoxedLoader<K, V, R::Flavor>,
    window: BatchWindow,
    max_size: usize,
    refresh_window: Gated<Duration, Freshening>,
    max_concurrent: Gated<usize, BatchPermits>,
    ttl: Ttl,
    no_cache: Gated<(), BatchesWithoutCache>,
    error: PhantomData<fn() -> E>,
}

impl<K, V, E, R: Runtime, S> BatchLoaderBuilder<K, V, E, R, S> {
    /// A builder with the default settings.
    pub(crate) fn new(cache: Cache<K, V, R, S>, loader: BoxedLoader<K, V, R::Flavor>) -> Self {
        Self {
            cache,
            loader,
            window: BatchWindow::default(),
            max_size: 100,
            refresh_window: Gated::UNSET,
            max_concurrent: Gated::UNSET,
            ttl: Ttl::Default,
            no_cache: Gated::UNSET,
            error: PhantomData,
        }
    }

    /// Sets how long a batch waits for more keys. Default: 5 ms from the first key.
    ///
    /// Where the runtime has no timer, a window lasts for one pass of the executor over the tasks
    /// that are ready.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// use cache_core::BatchWindow;
    /// use core::time::Duration;
    ///
    /// let (gap, max) = (Duration::from_millis(2), Duration::from_millis(10));
    /// let window = BatchWindow::Debounce { gap, max };
    /// let squares = cache.batching_builder(square).batch_window(window).build();
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get(7).await.unwrap(), Some(49)); // 2 ms later
    /// # });
    /// # assert_eq!(runtime.elapsed(), gap);
    /// ```
    #[must_use]
    pub fn batch_window(mut self, window: BatchWindow) -> Self {
        self.window = window;
        self
    }

    /// Sets the maximum number of keys in a batch. Default: 100.
    ///
    /// A full batch does not wait for the end of its window; the next key opens another window.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// let squares = cache.batching_builder(square).max_batch_size(10).build();
    /// # runtime.block_on(async {
    /// squares.get_all(0..25).await;
    /// assert_eq!(cache.stats().batches, 3);
    /// # });
    /// ```
    #[must_use]
    pub fn max_batch_size(mut self, max: usize) -> Self {
        self.max_size = max;
        self
    }

    /// Sets how long a refresh in the background waits for the next batch of misses. Default:
    /// 100 ms from the first refresh that waits.
    ///
    /// In a cache with [`refresh_after`] or [`stale_while_revalidate`], a request for a value that
    /// is due returns the value at once, and adds its key to the next batch: one call of the loader
    /// serves the misses and the refreshes. A miss does not wait for refreshes: its window ends as
    /// [`BatchLoaderBuilder::batch_window`] says, and a batch gets only the refreshes for which the
    /// misses leave room. If no miss comes within `length`, or if the refreshes fill a batch, they
    /// are loaded without misses. A batch of refreshes alone needs a permit of
    /// [`BatchLoaderBuilder::max_concurrent_batches`], as any other batch does, and each of its keys
    /// counts for [`max_concurrent_refreshes`].
    ///
    /// Where the runtime has no timer, refreshes wait for one pass of the executor over the tasks
    /// that are ready.
    ///
    /// [`refresh_after`]: crate::Builder::refresh_after
    /// [`stale_while_revalidate`]: crate::Builder::stale_while_revalidate
    /// [`max_concurrent_refreshes`]: crate::Builder::max_concurrent_refreshes
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let load = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// use core::time::Duration;
    ///
    /// let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone())
    ///     .refresh_after(Duration::from_secs(240))
    ///     .build();
    /// let squares = cache.batching_builder(load).refresh_window(Duration::from_secs(1)).build();
    /// cache.insert(7, 0);
    /// # runtime.advance(Duration::from_secs(240));
    /// # runtime.block_on(async {
    /// // Four minutes later, the value is due. Its refresh and the miss of 8 are one batch:
    /// assert_eq!(squares.get(7).await.unwrap(), Some(0));
    /// assert_eq!(squares.get(8).await.unwrap(), Some(64));
    /// assert_eq!(cache.get(&7), Some(49));
    /// # });
    /// # assert_eq!(cache.stats().batches, 1);
    /// ```
    #[must_use]
    pub fn refresh_window(mut self, length: Duration) -> Self {
        self.refresh_window = Gated::new(length);
        self
    }

    /// Sets how many batches of this view may load at the same time. Default: no limit.
    ///
    /// Further batches wait for a permit, first come, first served.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// let squares = cache.batching_builder(square).max_batch_size(10).max_concurrent_batches(1).build();
    /// # runtime.block_on(async {
    /// squares.get_all(0..25).await; // three batches, one after the other
    /// # });
    /// # assert_eq!(cache.stats().batches, 3);
    /// ```
    #[must_use]
    pub fn max_concurrent_batches(mut self, max: usize) -> Self {
        self.max_concurrent = Gated::new(max);
        self
    }

    /// Sets the time to live of the values that this view loads. Default: that of the cache.
    ///
    /// A [`Loaded`](crate::Loaded) value with a ttl of its own overrides it.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// use cache_core::Ttl;
    /// use core::time::Duration;
    ///
    /// let minute = Duration::from_secs(60);
    /// let squares = cache.batching_builder(square).batch_ttl(Ttl::After(minute)).build();
    /// # runtime.block_on(async {
    /// squares.get(7).await.unwrap();
    /// assert_eq!(cache.time_to_expiry(&7), Some(minute));
    /// # });
    /// ```
    #[must_use]
    pub fn batch_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// Makes the view collect batches only: it neither reads values of the cache nor stores any.
    ///
    /// Requests for the same key in one batch share one load: the loader gets the key once. Each of
    /// them counts for [`BatchLoaderBuilder::max_batch_size`]. A request after the batch was
    /// dispatched loads the key again. Loads of the view and those of other views and methods do
    /// not join each other. [`BatchLoader::prime`] stores nothing and returns `false`,
    /// [`BatchLoader::refresh`] does what [`BatchLoader::get`] does, and the results are not
    /// remembered (`negative_ttl`, `error_ttl`). The statistics count each request as a miss, and
    /// each of its values as one of a fenced load.
    ///
    /// A GraphQL server that makes a view for each request uses it: the view batches the lookups of
    /// that request, and holds no value longer.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// let squares = cache
    ///     .batching_builder(|keys: Vec<u64>| async move {
    ///         keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    ///     })
    ///     .disable_cache()
    ///     .build();
    /// # runtime.block_on(async {
    /// assert_eq!(squares.get_all([7, 8, 7]).await[2].as_ref().unwrap(), &Some(49));
    /// assert_eq!(cache.stats().batches, 1);
    /// assert_eq!(cache.entry_count(), 0);
    /// # });
    /// ```
    #[must_use]
    pub fn disable_cache(mut self) -> Self {
        self.no_cache = Gated::new(());
        self
    }

    /// Builds the view.
    ///
    /// # Panics
    /// If a setting is invalid: where [`BatchLoaderBuilder::try_build`] returns an error.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
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
    pub fn build(self) -> BatchLoader<K, V, E, R, S> {
        match self.try_build() {
            Ok(view) => view,
            Err(error) => panic!("{error}"),
        }
    }

    /// Builds the view, or returns the first invalid setting.
    ///
    /// # Errors
    /// [`BuildError`] with the name of the setting, its value and the rule: a size or a number of
    /// batches of 0, a debounce whose `gap` is longer than its `max`, or a `refresh_window` in a
    /// cache that refreshes nothing.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// # let square = |keys: Vec<u64>| async move {
    /// #     keys.into_iter().map(|key| key * key).collect::<Vec<_>>()
    /// # };
    /// let error = cache.batching_builder(square).max_batch_size(0).try_build().unwrap_err();
    /// assert_eq!(error.to_string(), "max_batch_size is 0, but it must be at least 1");
    /// ```
    pub fn try_build(self) -> Result<BatchLoader<K, V, E, R, S>, BuildError> {
        let rule = "it must be at least 1";
        if self.max_size == 0 {
            return Err(BuildError::new("max_batch_size", Value::Count(0), rule));
        }
        if self.max_concurrent.value() == Some(0) {
            return Err(BuildError::new(
                "max_concurrent_batches",
                Value::Count(0),
                rule,
            ));
        }
        if let BatchWindow::Debounce { gap, max } = self.window
            && gap > max
        {
            let rule = "the gap must not be longer than the maximum";
            return Err(BuildError::new(
                "batch_window",
                Value::Window(self.window),
                rule,
            ));
        }
        if let Some(length) = self.refresh_window.value()
            && !self.cache.inner().refreshing.is_set()
        {
            let rule =
                "it needs a cache with refresh_after, stale_while_revalidate or stale_if_error";
            return Err(BuildError::new("refresh_window", Value::Time(length), rule));
        }
        Ok(self.into_view())
    }

    /// The view, without validation: a size of 0 becomes 1.
    pub(super) fn into_view(self) -> BatchLoader<K, V, E, R, S> {
        let settings = BatchSettings {
            window: self.window,
            max_size: NonZeroUsize::new(self.max_size).unwrap_or(NonZeroUsize::MIN),
            max_concurrent: self
                .max_concurrent
                .map(|max| NonZeroUsize::new(max).unwrap_or(NonZeroUsize::MIN)),
            refresh_window: self.refresh_window,
            ttl: self.ttl,
            no_cache: self.no_cache,
        };
        let refreshes = self.cache.inner().refreshing.is_set();
        BatchLoader {
            inner: Arc::new(BatchingInner {
                handle: self.cache,
                loader: self.loader,
                settings,
                queue: R::Mutex::new(BatchQueue::new(&settings, refreshes)),
            }),
            error: PhantomData,
        }
    }
}

impl<K, V, E, R: Runtime, S> fmt::Debug for BatchLoaderBuilder<K, V, E, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchLoaderBuilder")
            .field("batch_window", &self.window)
            .field("max_batch_size", &self.max_size)
            .field("max_concurrent_batches", &self.max_concurrent)
            .finish_non_exhaustive()
    }
}
