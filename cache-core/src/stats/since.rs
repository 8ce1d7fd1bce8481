//! The difference of two counts of one cache, for rates.

use super::{CacheStats, Removals};

impl CacheStats {
    /// Returns what was counted since `earlier`, for rates; `None` if a count of `earlier` is
    /// higher: then the two are not of the same cache, or `earlier` is the later one.
    ///
    /// [`largest_batch`](CacheStats::largest_batch) is not a count. The result has that of `self`.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.get(&1);
    /// let earlier = cache.stats();
    /// cache.insert(1, "one");
    /// cache.get(&1);
    /// let since = cache.stats().since(&earlier).unwrap();
    /// assert_eq!((since.hits, since.misses, since.hit_rate()), (1, 0, 1.0));
    /// assert_eq!(earlier.since(&cache.stats()), None);
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let mut removed = self.removed.0;
        for (now, then) in removed.iter_mut().zip(earlier.removed.0) {
            *now = now.checked_sub(then)?;
        }
        Some(Self {
            hits: self.hits.checked_sub(earlier.hits)?,
            misses: self.misses.checked_sub(earlier.misses)?,
            insertions: self.insertions.checked_sub(earlier.insertions)?,
            evicted_weight: self.evicted_weight.checked_sub(earlier.evicted_weight)?,
            loads: self.loads.checked_sub(earlier.loads)?,
            load_successes: self.load_successes.checked_sub(earlier.load_successes)?,
            load_failures: self.load_failures.checked_sub(earlier.load_failures)?,
            loads_dropped: self.loads_dropped.checked_sub(earlier.loads_dropped)?,
            loads_fenced: self.loads_fenced.checked_sub(earlier.loads_fenced)?,
            coalesced: self.coalesced.checked_sub(earlier.coalesced)?,
            stale_hits: self.stale_hits.checked_sub(earlier.stale_hits)?,
            stale_on_error: self.stale_on_error.checked_sub(earlier.stale_on_error)?,
            stale_on_slow: self.stale_on_slow.checked_sub(earlier.stale_on_slow)?,
            refreshes: self.refreshes.checked_sub(earlier.refreshes)?,
            refresh_failures: self
                .refresh_failures
                .checked_sub(earlier.refresh_failures)?,
            refreshes_fenced: self
                .refreshes_fenced
                .checked_sub(earlier.refreshes_fenced)?,
            refreshes_skipped: self
                .refreshes_skipped
                .checked_sub(earlier.refreshes_skipped)?,
            load_time: self.load_time.checked_sub(earlier.load_time)?,
            batches: self.batches.checked_sub(earlier.batches)?,
            batch_successes: self.batch_successes.checked_sub(earlier.batch_successes)?,
            batch_failures: self.batch_failures.checked_sub(earlier.batch_failures)?,
            batches_dropped: self.batches_dropped.checked_sub(earlier.batches_dropped)?,
            batched_keys: self.batched_keys.checked_sub(earlier.batched_keys)?,
            largest_batch: self.largest_batch,
            window_time: self.window_time.checked_sub(earlier.window_time)?,
            removed: Removals(removed),
        })
    }
}
