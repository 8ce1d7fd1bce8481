//! The counters behind the histograms, which loads and batches write.

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::time::Duration;

use super::LoadResult;
use super::buckets::Measured;
use super::histogram::{Histogram, Histograms};
use crate::machine::nanos;
use crate::sync::{AtomicU64, Ordering};

/// The counts behind [`Histograms`].
#[derive(Debug)]
pub(crate) struct HistogramCounters {
    load_times: [Counts; LoadResult::ALL.len()],
    batch_sizes: Counts,
}

impl HistogramCounters {
    pub(crate) fn new() -> Self {
        Self {
            load_times: LoadResult::ALL.map(|_| Counts::new::<Duration>()),
            batch_sizes: Counts::new::<u64>(),
        }
    }

    pub(crate) fn record_load(&self, result: LoadResult, took: Duration) {
        self.load_times[result as usize].record::<Duration>(nanos(took));
    }

    pub(crate) fn record_batch(&self, keys: usize) {
        self.batch_sizes.record::<u64>(keys as u64);
    }

    pub(crate) fn read(&self) -> Histograms {
        let [success, failure, dropped] = &self.load_times;
        Histograms {
            load_times: [success.read(), failure.read(), dropped.read()],
            batch_sizes: self.batch_sizes.read(),
        }
    }

    pub(crate) fn memory_used(&self) -> usize {
        let counts = self.load_times.iter().chain([&self.batch_sizes]);
        size_of::<Self>()
            + counts
                .map(|counts| size_of_val(&*counts.counts))
                .sum::<usize>()
    }
}

/// The counts behind a [`Histogram`].
#[derive(Debug)]
pub(super) struct Counts {
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Counts {
    pub(super) fn new<T: Measured>() -> Self {
        Self {
            counts: (0..T::BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a value. O(log buckets).
    pub(super) fn record<T: Measured>(&self, raw: u64) {
        let (mut lower, mut upper) = (0, T::BUCKETS - 1);
        while lower < upper {
            let middle = usize::midpoint(lower, upper);
            if T::upper_bound(middle).is_some_and(|bound| bound < raw) {
                lower = middle + 1;
            } else {
                upper = middle;
            }
        }
        self.counts[lower].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(raw, Ordering::Relaxed);
    }

    pub(super) fn read<T>(&self) -> Histogram<T> {
        let counts = self.counts.iter();
        Histogram {
            counts: counts.map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
            unit: PhantomData,
        }
    }
}
