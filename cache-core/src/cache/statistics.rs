//! What a cache has counted, and the memory that it holds.

use alloc::boxed::Box;

use super::Cache;
use crate::inner::Inner;
use crate::opt_in::{Gated, GatedState};
use crate::runtime::Runtime;
use crate::stats::{CacheStats, HistogramCounters, Histograms};

impl<K, V, R: Runtime, S> Cache<K, V, R, S> {
    /// Returns the counts of hits, misses, loads and removals since the cache was built. O(shards).
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// cache.get_all([&1, &2]);
    /// let stats = cache.stats();
    /// assert_eq!((stats.hits, stats.misses), (1, 1));
    /// ```
    #[doc(alias("metrics", "get_metrics", "item_stats"))]
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let inner = &self.inner;
        let mut stats = CacheStats::new(
            &inner.shards().counters(),
            inner.requests.hits(),
            inner.requests.misses(),
            inner.requests.load_time(),
        );
        inner.batch_counters.add_to(&mut stats);
        if let Some(refreshing) = inner.refreshing.get() {
            refreshing.counters.add_to(&mut stats);
        }
        stats
    }

    /// Begins to keep [`Histograms`] of load times and of batch sizes, for
    /// [`Cache::histograms`]. Has no effect if the cache keeps them already.
    ///
    /// They take 3.3 kB of memory. Loads that have ended before the call are not in them. A hit
    /// does not touch them.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// assert!(cache.histograms().is_none());
    /// cache.enable_histograms();
    /// assert!(cache.histograms().is_some());
    /// ```
    pub fn enable_histograms(&self) {
        self.inner
            .histograms
            .call_once(|| GatedState::new(Gated::new(Box::new(HistogramCounters::new()))));
    }

    /// Returns the histograms of load times and of batch sizes; `None` before
    /// [`Cache::enable_histograms`]. O(buckets).
    ///
    /// ```
    /// # use cache_core::{Cache, LoadResult, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// cache.enable_histograms();
    /// # runtime.block_on(async {
    /// cache.get_with(1, || async { "one" }).await;
    /// # });
    /// let histograms = cache.histograms().unwrap();
    /// assert_eq!(histograms.load_times(LoadResult::Success).count(), 1);
    /// ```
    #[must_use]
    pub fn histograms(&self) -> Option<Histograms> {
        self.inner.histograms().map(HistogramCounters::read)
    }

    /// Returns the number of heap bytes that the cache itself holds. O(shards).
    ///
    /// Does not include the heap memory that keys and values own, or that of loads in flight.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// let empty = cache.memory_used();
    /// for n in 0..1_000 {
    ///     cache.insert(n, n);
    /// }
    /// assert!(cache.memory_used() >= empty + 16_000);
    /// ```
    #[doc(alias = "memory_usage")]
    #[must_use]
    pub fn memory_used(&self) -> usize {
        size_of::<Inner<K, V, R, S>>()
            + self.inner.shards().memory_used()
            + self.inner.requests.memory_used()
            + self
                .inner
                .histograms()
                .map_or(0, HistogramCounters::memory_used)
    }
}
