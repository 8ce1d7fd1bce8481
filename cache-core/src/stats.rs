//! The public counters of a cache.

mod buckets;
mod histogram;
mod histogram_counters;
mod since;

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::machine::{Counters, RemovalCause, nanos};
use crate::sync::{AtomicU64, CachePadded, Ordering, known_slot_number, slot_number};

pub use buckets::Measured;
pub use histogram::{Bucket, Histogram, Histograms};
pub(crate) use histogram_counters::HistogramCounters;

/// How a load or a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoadResult {
    /// The load returned a value, or found that there is none. The batch loader returned results.
    Success,
    /// It ended with an error, a panic or a timeout. For a batch: an error of the whole batch.
    Failure,
    /// It was dropped because its last caller was dropped.
    Dropped,
}

impl LoadResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Dropped];

    /// Returns the name of the result, for metrics: `success`, `failure` or `dropped`.
    ///
    /// ```
    /// assert_eq!(cache_core::LoadResult::Success.name(), "success");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Dropped => "dropped",
        }
    }
}

/// The counts of a cache since it was built: [`Cache::stats`](crate::Cache::stats) returns them.
///
/// Every count includes every call that has returned. A request is a lookup of one key by `get`, by
/// a loading method, or by `get_all` (one for each key). It is either a hit or a miss. `peek` and
/// `contains_key` are not requests.
///
/// The package `cache-metrics` exports the counts to Prometheus and others. For a format of your
/// own, each count is a public field or has a method: there is no feature for serde.
///
/// ```
/// # use cache_core::{Cache, RemovalCause, testing::VirtualRuntime};
/// # let runtime = VirtualRuntime::new();
/// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
/// # runtime.block_on(async {
/// cache.get_with(1, || async { "one" }).await;
/// cache.get_with(1, || async { "uno" }).await;
/// # });
/// cache.invalidate(&1);
/// let stats = cache.stats();
/// assert_eq!((stats.hits, stats.misses, stats.loads), (1, 1, 1));
/// assert_eq!(stats.removals(RemovalCause::Explicit), 1);
/// assert!(format!("{stats:?}").contains("Explicit: 1"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Requests that found a live value.
    pub hits: u64,
    /// Requests that found no live value.
    pub misses: u64,
    /// Values stored, by writes and by loads.
    pub insertions: u64,
    /// The total weight of the entries that were evicted for capacity, in the unit of the weigher.
    pub evicted_weight: u64,
    /// Loads started.
    pub loads: u64,
    /// Loads that returned a value, or found that there is none.
    pub load_successes: u64,
    /// Loads that ended with an error, a panic or a timeout.
    pub load_failures: u64,
    /// Loads dropped because their last caller was dropped.
    pub loads_dropped: u64,
    /// Loads whose value was not stored because the key was written, invalidated or refreshed while
    /// they were in flight. They count as successes too.
    pub loads_fenced: u64,
    /// Requests that joined a load of another caller.
    pub coalesced: u64,
    /// The total time of all completed loads.
    pub load_time: Duration,
    /// Calls of batch loaders.
    pub batches: u64,
    /// Calls of batch loaders that returned results. Single keys may have failed.
    pub batch_successes: u64,
    /// Calls of batch loaders that ended with an error for all keys, a panic, a timeout or a wrong
    /// number of results.
    pub batch_failures: u64,
    /// Calls of batch loaders that were dropped because the last caller was dropped.
    pub batches_dropped: u64,
    /// Keys passed to batch loaders.
    pub batched_keys: u64,
    /// Keys in the largest batch.
    pub largest_batch: u64,
    /// The total time that batches waited in their windows.
    pub window_time: Duration,
    /// Hits that returned a value after its time to live.
    pub stale_hits: u64,
    /// Misses that got a value after its time to live because their load failed.
    pub stale_on_error: u64,
    /// Misses that got a value after its time to live because their load was slow.
    pub stale_on_slow: u64,
    /// Refreshes started in the background. They count as loads too.
    pub refreshes: u64,
    /// Refreshes that ended with an error, a panic or a timeout. They count as failed loads too.
    pub refresh_failures: u64,
    /// Refreshes that stored nothing because the key was written, invalidated, marked as stale or
    /// refreshed by a caller meanwhile.
    pub refreshes_fenced: u64,
    /// Refreshes that did not start because as many were running as may.
    pub refreshes_skipped: u64,
    removed: Removals,
}

/// The number of removals for each cause.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Removals([u64; RemovalCause::ALL.len()]);

impl fmt::Debug for Removals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = RemovalCause::ALL.iter().zip(self.0);
        f.debug_map().entries(counts).finish()
    }
}

impl CacheStats {
    pub(crate) fn new(counters: &Counters, hits: u64, misses: u64, load_time: Duration) -> Self {
        Self {
            hits,
            misses,
            insertions: counters.inserted,
            evicted_weight: counters.evicted_weight(),
            loads: counters.loads_started,
            load_successes: counters.loads_succeeded,
            load_failures: counters.loads_failed,
            loads_dropped: counters.loads_dropped,
            loads_fenced: counters.loads_fenced,
            coalesced: counters.loads_joined,
            load_time,
            batches: 0,
            batch_successes: 0,
            batch_failures: 0,
            batches_dropped: 0,
            batched_keys: 0,
            largest_batch: 0,
            window_time: Duration::ZERO,
            stale_hits: 0,
            stale_on_error: 0,
            stale_on_slow: 0,
            refreshes: 0,
            refresh_failures: 0,
            refreshes_fenced: 0,
            refreshes_skipped: 0,
            removed: Removals(RemovalCause::ALL.map(|cause| counters.removed(cause))),
        }
    }

    /// Returns the number of requests: hits and misses.
    ///
    /// ```
    /// assert_eq!(cache_core::CacheStats::default().requests(), 0);
    /// ```
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.hits + self.misses
    }

    /// Returns the share of requests that were hits, from 0 to 1; 0 if there were no requests.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// cache.get_all([&1, &2]);
    /// assert_eq!(cache.stats().hit_rate(), 0.5);
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no 53 bits")]
    pub fn hit_rate(&self) -> f64 {
        match self.requests() {
            0 => 0.0,
            requests => self.hits as f64 / requests as f64,
        }
    }

    /// Returns the mean time of a completed load; zero if no load has completed.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// # runtime.block_on(async {
    /// # let clock = runtime.clone();
    /// # let load = || async move {
    /// #     clock.sleep(Duration::from_secs(2)).await;
    /// #     "one"
    /// # };
    /// // A load of two seconds:
    /// cache.get_with(1, load).await;
    /// # });
    /// assert_eq!(cache.stats().mean_load_time(), Duration::from_secs(2));
    /// ```
    #[must_use]
    pub fn mean_load_time(&self) -> Duration {
        let finished = self.load_successes + self.load_failures;
        let nanos = self.load_time.as_nanos().checked_div(u128::from(finished));
        Duration::from_nanos(u64::try_from(nanos.unwrap_or(0)).unwrap_or(u64::MAX))
    }

    /// Returns the mean number of keys in a batch; 0 if there were no batches.
    ///
    /// ```
    /// assert_eq!(cache_core::CacheStats::default().mean_batch(), 0.0);
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no 53 bits")]
    pub fn mean_batch(&self) -> f64 {
        match self.batches {
            0 => 0.0,
            batches => self.batched_keys as f64 / batches as f64,
        }
    }

    /// Returns the number of values removed for `cause`, including values that were written but
    /// never stored.
    ///
    /// ```
    /// # use cache_core::{Cache, RemovalCause, testing::VirtualRuntime};
    /// # let cache: Cache<u64, &str, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.insert(1, "one");
    /// cache.insert(1, "uno");
    /// assert_eq!(cache.stats().removals(RemovalCause::Replaced), 1);
    /// ```
    #[must_use]
    pub const fn removals(&self, cause: RemovalCause) -> u64 {
        self.removed.0[cause as usize]
    }

    /// Returns the number of evicted values: for capacity, because they expired, or because they
    /// weigh more than the cache holds.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// let cache = Cache::builder_on(VirtualRuntime::new()).max_capacity(1).build();
    /// cache.insert(1, "one");
    /// cache.insert(2, "two");
    /// assert_eq!(cache.stats().evictions(), 1);
    /// ```
    #[must_use]
    pub fn evictions(&self) -> u64 {
        let evicted = RemovalCause::ALL
            .into_iter()
            .filter(|cause| cause.was_evicted());
        evicted.map(|cause| self.removals(cause)).sum()
    }
}

/// The counts of hits and misses, and the time of loads. They are not in the shards, because a hit
/// must not write to memory that other cores use. Most threads have a stripe of their own.
#[derive(Debug)]
pub(crate) struct Requests {
    /// By the number of the thread's slot.
    own: Box<[CachePadded<Stripe>]>,
    /// Of all other threads.
    shared: Box<CachePadded<Stripe>>,
}

#[derive(Debug, Default)]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
    /// In nanoseconds.
    load_time: AtomicU64,
}

impl Requests {
    /// Creates stripes for about this many concurrent threads; one stripe without `std`, where
    /// threads have no number.
    pub(crate) fn for_threads(threads: usize) -> Self {
        let own = if cfg!(feature = "std") {
            2 * threads
        } else {
            0
        };
        Self {
            own: (0..own).map(|_| CachePadded::default()).collect(),
            shared: Box::default(),
        }
    }

    // Part of a hit: `opt-level = "s"` would not inline it.
    #[inline(always)]
    pub(crate) fn count(&self, hit: bool) {
        self.add(1, |stripe| if hit { &stripe.hits } else { &stripe.misses });
    }

    /// Counts the time of a completed load.
    pub(crate) fn record_load(&self, took: Duration) {
        self.add(nanos(took), |stripe| &stripe.load_time);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.sum(|stripe| &stripe.hits)
    }

    pub(crate) fn misses(&self) -> u64 {
        self.sum(|stripe| &stripe.misses)
    }

    /// The total time of all completed loads.
    pub(crate) fn load_time(&self) -> Duration {
        Duration::from_nanos(self.sum(|stripe| &stripe.load_time))
    }

    pub(crate) fn memory_used(&self) -> usize {
        size_of_val(&*self.own) + size_of_val(&*self.shared)
    }

    /// Adds `amount` to a count in the stripe of the current thread.
    #[inline(always)]
    fn add(&self, amount: u64, to: impl Fn(&Stripe) -> &AtomicU64) {
        match self.own.get(known_slot_number()) {
            Some(stripe) if cfg!(feature = "std") => add_to_own(to(&stripe.0), amount),
            _ => self.add_slow(amount, to),
        }
    }

    /// As [`Requests::add`], for a thread that has not used its slot yet, or has no stripe of its
    /// own.
    #[cfg_attr(feature = "std", cold)]
    #[cfg_attr(not(feature = "std"), inline(always))]
    fn add_slow(&self, amount: u64, to: impl Fn(&Stripe) -> &AtomicU64) {
        let stripe = slot_number().and_then(|number| self.own.get(number));
        match stripe {
            Some(stripe) => add_to_own(to(&stripe.0), amount),
            None => _ = to(&self.shared.0).fetch_add(amount, Ordering::Relaxed),
        }
    }

    fn sum(&self, count: impl Fn(&Stripe) -> &AtomicU64) -> u64 {
        let stripes = self.own.iter().chain([&*self.shared]);
        let counts = stripes.map(|stripe| count(&stripe.0));
        counts.fold(0, |sum, count| {
            sum.wrapping_add(count.load(Ordering::Relaxed))
        })
    }
}

/// Adds to a count that only the current thread writes to: a load and a store lose no update.
#[inline(always)]
fn add_to_own(count: &AtomicU64, amount: u64) {
    let sum = count.load(Ordering::Relaxed).wrapping_add(amount);
    count.store(sum, Ordering::Relaxed);
}

/// The counts of batches.
#[derive(Debug, Default)]
pub(crate) struct BatchCounters {
    batches: AtomicU64,
    /// By [`LoadResult`].
    ended: [AtomicU64; LoadResult::ALL.len()],
    keys: AtomicU64,
    largest: AtomicU64,
    /// In nanoseconds.
    waited: AtomicU64,
}

impl BatchCounters {
    pub(crate) fn record(&self, keys: usize, waited: Duration) {
        let keys = keys as u64;
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.keys.fetch_add(keys, Ordering::Relaxed);
        self.largest.fetch_max(keys, Ordering::Relaxed);
        self.waited.fetch_add(nanos(waited), Ordering::Relaxed);
    }

    /// Counts the end of a batch that was recorded.
    pub(crate) fn record_end(&self, result: LoadResult) {
        // Released, and acquired in `add_to`: a reader that sees the end sees the call too.
        self.ended[result as usize].fetch_add(1, Ordering::Release);
    }

    pub(crate) fn add_to(&self, stats: &mut CacheStats) {
        // The ends must be read first, or more batches could have ended than were called.
        let [successes, failures, dropped] = &self.ended;
        stats.batch_successes = successes.load(Ordering::Acquire);
        stats.batch_failures = failures.load(Ordering::Acquire);
        stats.batches_dropped = dropped.load(Ordering::Acquire);
        stats.batches = self.batches.load(Ordering::Relaxed);
        stats.batched_keys = self.keys.load(Ordering::Relaxed);
        stats.largest_batch = self.largest.load(Ordering::Relaxed);
        stats.window_time = Duration::from_nanos(self.waited.load(Ordering::Relaxed));
    }
}
