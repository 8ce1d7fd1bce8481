//! What users see of the counters.

use alloc::boxed::Box;
use core::time::Duration;

use crate::machine::{Counters, RemovalCause, nanos};
use crate::sync::{AtomicU64, CachePadded, Ordering, slot_number};

/// What a cache has done since it was built: `cache.stats()` returns one.
///
/// Every count is exact: it includes every call that has returned. A request is a call that asks
/// for the value of one key (`get`, the loading methods, each key of `get_all`); it is either a hit
/// or a miss. `peek` and `contains_key` are no requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Requests answered from the cache.
    pub hits: u64,
    /// Requests that found no live value.
    pub misses: u64,
    /// Values written: by `insert` and its kin, and by loads.
    pub insertions: u64,
    /// Loads that were started.
    pub loads: u64,
    /// Loads that ended with a value, or with the answer that there is none.
    pub load_successes: u64,
    /// Loads that ended with an error, a panic or a timeout.
    pub load_failures: u64,
    /// Loads that were dropped because nobody waited any more.
    pub loads_dropped: u64,
    /// Loads whose value was not stored, because the key was written, invalidated or refreshed
    /// while they were under way. They count as successes too.
    pub loads_fenced: u64,
    /// Requests that waited for a load which another had started.
    pub coalesced: u64,
    /// The time that all finished loads took together.
    pub load_time: Duration,
    /// Batches that were sent to a batch loader.
    pub batches: u64,
    /// Keys that were sent in batches.
    pub batched_keys: u64,
    /// Keys in the largest batch.
    pub largest_batch: u64,
    /// The time that batches waited in their windows together.
    pub window_time: Duration,
    removed: [u64; RemovalCause::ALL.len()],
}

impl CacheStats {
    pub(crate) fn new(counters: &Counters, hits: u64, misses: u64, load_time: Duration) -> Self {
        Self {
            hits,
            misses,
            insertions: counters.inserted,
            loads: counters.loads_started,
            load_successes: counters.loads_succeeded,
            load_failures: counters.loads_failed,
            loads_dropped: counters.loads_dropped,
            loads_fenced: counters.loads_fenced,
            coalesced: counters.loads_joined,
            load_time,
            batches: 0,
            batched_keys: 0,
            largest_batch: 0,
            window_time: Duration::ZERO,
            removed: RemovalCause::ALL.map(|cause| counters.removed(cause)),
        }
    }

    /// Hits and misses.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.hits + self.misses
    }

    /// The share of requests that were hits, from 0 to 1; 0 if there were none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no 53 bits")]
    pub fn hit_rate(&self) -> f64 {
        match self.requests() {
            0 => 0.0,
            requests => self.hits as f64 / requests as f64,
        }
    }

    /// The mean time of a finished load; zero if there was none.
    #[must_use]
    pub fn mean_load_time(&self) -> Duration {
        let finished = self.load_successes + self.load_failures;
        let nanos = self.load_time.as_nanos().checked_div(u128::from(finished));
        Duration::from_nanos(u64::try_from(nanos.unwrap_or(0)).unwrap_or(u64::MAX))
    }

    /// Keys in the mean batch; 0 if there was none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no 53 bits")]
    pub fn mean_batch(&self) -> f64 {
        match self.batches {
            0 => 0.0,
            batches => self.batched_keys as f64 / batches as f64,
        }
    }

    /// Entries that left for this cause, and written values that never became an entry.
    #[must_use]
    pub const fn removals(&self, cause: RemovalCause) -> u64 {
        self.removed[cause as usize]
    }

    /// Entries that the cache chose to remove: for want of room, or because their time was over.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        let evicted = RemovalCause::ALL
            .into_iter()
            .filter(|cause| cause.was_evicted());
        evicted.map(|cause| self.removals(cause)).sum()
    }
}

/// Counts of hits and misses, and the time of loads, apart from the shards: a hit must not write
/// memory that other cores read. Most threads have a stripe of their own.
#[derive(Debug)]
pub(crate) struct Requests {
    stripes: Box<[CachePadded<Stripe>]>,
}

#[derive(Debug, Default)]
struct Stripe {
    hits: AtomicU64,
    misses: AtomicU64,
    /// In nanoseconds.
    load_time: AtomicU64,
}

impl Requests {
    /// For about so many threads at a time. Where no thread is known from another, one stripe does.
    pub(crate) fn for_threads(threads: usize) -> Self {
        let own = if cfg!(feature = "std") {
            2 * threads
        } else {
            0
        };
        let stripes = own + 1;
        Self {
            stripes: (0..stripes).map(|_| CachePadded::default()).collect(),
        }
    }

    // Part of a hit: a program that is built for size would not inline it.
    #[inline(always)]
    pub(crate) fn count(&self, hit: bool) {
        self.add(1, |stripe| if hit { &stripe.hits } else { &stripe.misses });
    }

    /// A load has ended that took so long.
    pub(crate) fn record_load(&self, took: Duration) {
        self.add(nanos(took), |stripe| &stripe.load_time);
    }

    pub(crate) fn hits(&self) -> u64 {
        self.sum(|stripe| &stripe.hits)
    }

    pub(crate) fn misses(&self) -> u64 {
        self.sum(|stripe| &stripe.misses)
    }

    /// The time that all loads took together.
    pub(crate) fn load_time(&self) -> Duration {
        Duration::from_nanos(self.sum(|stripe| &stripe.load_time))
    }

    pub(crate) fn memory_used(&self) -> usize {
        size_of_val(&*self.stripes)
    }

    /// Adds to a count of the stripe of the current thread. The last one is for all who have none
    /// of their own.
    #[inline(always)]
    fn add(&self, amount: u64, to: impl Fn(&Stripe) -> &AtomicU64) {
        let Some((shared, own)) = self.stripes.split_last() else {
            return;
        };
        if let Some(stripe) = slot_number().and_then(|number| own.get(number)) {
            // No other thread writes to it.
            let count = to(&stripe.0);
            let sum = count.load(Ordering::Relaxed).wrapping_add(amount);
            count.store(sum, Ordering::Relaxed);
        } else {
            to(&shared.0).fetch_add(amount, Ordering::Relaxed);
        }
    }

    fn sum(&self, count: impl Fn(&Stripe) -> &AtomicU64) -> u64 {
        let counts = self.stripes.iter().map(|stripe| count(&stripe.0));
        counts.fold(0, |sum, count| {
            sum.wrapping_add(count.load(Ordering::Relaxed))
        })
    }
}

/// Counts of batches.
#[derive(Debug, Default)]
pub(crate) struct BatchCounters {
    batches: AtomicU64,
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

    pub(crate) fn add_to(&self, stats: &mut CacheStats) {
        stats.batches = self.batches.load(Ordering::Relaxed);
        stats.batched_keys = self.keys.load(Ordering::Relaxed);
        stats.largest_batch = self.largest.load(Ordering::Relaxed);
        stats.window_time = Duration::from_nanos(self.waited.load(Ordering::Relaxed));
    }
}
