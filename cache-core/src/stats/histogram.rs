//! Histograms of load times and of batch sizes, as users read them.

use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use super::LoadResult;
use super::buckets::Measured;

/// How many loads took how long, or how many batches had how many keys.
///
/// [`Histograms`] has them. A bucket includes its upper bound.
///
/// - Times ([`Duration`]): 127 buckets from 1 µs to 4,000 s. Each is at most a quarter as wide as
///   its lower bound, so that a quantile is at most 12.5 % off. The bounds 1, 5, 10, 50, 100 and
///   500 ms, 1 s, 5 s and 10 s are among those of the buckets.
/// - Sizes (`u64`): the bounds are 1, 2, 5, 10, 20, 50, and so on, up to 10,000.
///
/// ```
/// use core::time::Duration;
///
/// use cache_core::{Cache, LoadResult, testing::VirtualRuntime};
///
/// # let runtime = VirtualRuntime::new();
/// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
/// cache.enable_histograms();
/// # runtime.block_on(async {
/// # let clock = runtime.clone();
/// // A load of 30 milliseconds:
/// let load = || async move {
///     # clock.sleep(Duration::from_millis(30)).await;
///     7
/// };
/// cache.get_with(1, load).await;
/// # });
/// let histograms = cache.histograms().unwrap();
/// let times = histograms.load_times(LoadResult::Success);
/// assert_eq!((times.count(), times.sum()), (1, Duration::from_millis(30)));
/// let median = times.quantile(0.5).unwrap();
/// assert!(median >= Duration::from_millis(26) && median <= Duration::from_millis(34));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram<T> {
    pub(super) counts: Box<[u64]>,
    pub(super) sum: u64,
    pub(super) unit: PhantomData<T>,
}

/// A bucket of a [`Histogram`]: the values above the previous bound and up to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket<T> {
    /// The largest value of the bucket; `None` for the last bucket, which has no bound.
    pub upper_bound: Option<T>,
    /// How many values the bucket has.
    pub count: u64,
}

impl<T: Measured> Histogram<T> {
    /// Returns the number of values.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.enable_histograms();
    /// assert_eq!(cache.histograms().unwrap().batch_sizes().count(), 0);
    /// ```
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of the values.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.enable_histograms();
    /// assert_eq!(cache.histograms().unwrap().batch_sizes().sum(), 0);
    /// ```
    #[must_use]
    pub fn sum(&self) -> T {
        T::from_raw(self.sum)
    }

    /// Returns the buckets, from the lowest to the one without a bound. The counts are not
    /// cumulative.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.enable_histograms();
    /// let histograms = cache.histograms().unwrap();
    /// let bounds: Vec<_> =
    ///     histograms.batch_sizes().buckets().map(|bucket| bucket.upper_bound).collect();
    /// assert_eq!(bounds[..4], [Some(1), Some(2), Some(5), Some(10)]);
    /// assert_eq!(bounds.last(), Some(&None));
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = Bucket<T>> {
        let counts = self.counts.iter().enumerate();
        counts.map(|(bucket, count)| Bucket {
            upper_bound: T::upper_bound(bucket).map(T::from_raw),
            count: *count,
        })
    }

    /// Returns about the value that the share `q` of all values do not exceed; `None` if there are
    /// no values. `quantile(0.99)` is the 99th percentile.
    ///
    /// The result is the middle of a bucket. In the bucket without an upper bound it is the lower
    /// bound.
    ///
    /// # Panics
    /// If `q` is not a number from 0 to 1.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.enable_histograms();
    /// assert_eq!(cache.histograms().unwrap().batch_sizes().quantile(0.5), None);
    /// ```
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rank of a quantile needs no 53 bits, and is between 0 and the count"
    )]
    pub fn quantile(&self, q: f64) -> Option<T> {
        assert!(
            (0.0..=1.0).contains(&q),
            "q is {q}, but a quantile is from 0 to 1"
        );
        let exact = q * self.count() as f64;
        let rank = exact as u64;
        let rank = rank + u64::from((rank as f64) < exact);
        let mut left = rank.max(1);
        let bucket = self.counts.iter().position(|&count| {
            let is_in = count >= left;
            left -= count.min(left);
            is_in
        })?;
        let lower = bucket.checked_sub(1).and_then(T::upper_bound).unwrap_or(0);
        let upper = T::upper_bound(bucket).unwrap_or(lower);
        Some(T::from_raw(lower + (upper - lower).div_ceil(2)))
    }

    /// Returns what was counted since `earlier`; `None` if `earlier` counts a value that `self`
    /// does not.
    ///
    /// ```
    /// # use cache_core::{Cache, LoadResult, testing::VirtualRuntime};
    /// # let runtime = VirtualRuntime::new();
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(runtime.clone()).build();
    /// cache.enable_histograms();
    /// let times = || cache.histograms().unwrap().load_times(LoadResult::Success).clone();
    /// let earlier = times();
    /// # runtime.block_on(async {
    /// cache.get_with(1, || async { 7 }).await;
    /// # });
    /// assert_eq!(times().since(&earlier).unwrap().count(), 1);
    /// assert_eq!(earlier.since(&times()), None);
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let counts = self.counts.iter().zip(&earlier.counts);
        let counts: Option<_> = counts.map(|(now, then)| now.checked_sub(*then)).collect();
        Some(Self {
            counts: counts?,
            sum: self.sum.checked_sub(earlier.sum)?,
            unit: PhantomData,
        })
    }
}

impl<T: Measured + fmt::Debug> fmt::Debug for Histogram<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("sum", &self.sum())
            .finish_non_exhaustive()
    }
}

/// The histograms of a cache at one time: [`Cache::histograms`](crate::Cache::histograms) returns
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histograms {
    pub(super) load_times: [Histogram<Duration>; LoadResult::ALL.len()],
    pub(super) batch_sizes: Histogram<u64>,
}

impl Histograms {
    /// Returns the times of the loads that ended with `result`: the loads of batches too.
    ///
    /// ```
    /// # use cache_core::{Cache, LoadResult, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.enable_histograms();
    /// let histograms = cache.histograms().unwrap();
    /// assert_eq!(histograms.load_times(LoadResult::Failure).count(), 0);
    /// ```
    #[must_use]
    pub const fn load_times(&self, result: LoadResult) -> &Histogram<Duration> {
        &self.load_times[result as usize]
    }

    /// Returns the numbers of keys in the calls of batch loaders.
    ///
    /// ```
    /// # use cache_core::{Cache, testing::VirtualRuntime};
    /// # let cache: Cache<u64, u64, _> = Cache::builder_on(VirtualRuntime::new()).build();
    /// cache.enable_histograms();
    /// assert_eq!(cache.histograms().unwrap().batch_sizes().count(), 0);
    /// ```
    #[must_use]
    pub const fn batch_sizes(&self) -> &Histogram<u64> {
        &self.batch_sizes
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::stats::buckets::{TIME_BUCKETS, bounds};
    use crate::stats::histogram_counters::Counts;

    #[test]
    fn a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let mut values: Vec<u64> = bounds::<Duration>();
        values.extend(bounds::<Duration>().iter().map(|bound| bound + 1));
        values.extend([0, 1, u64::MAX]);
        for value in values {
            let counts = Counts::new::<Duration>();
            counts.record::<Duration>(value);
            let read = counts.read::<Duration>();
            let found = read.buckets().position(|bucket| bucket.count == 1);
            let expected = bounds::<Duration>()
                .iter()
                .position(|bound| value <= *bound);
            assert_eq!(found, Some(expected.unwrap_or(TIME_BUCKETS - 1)), "{value}");
            assert_eq!((read.count(), read.sum()), (1, Duration::from_nanos(value)));
        }
    }

    #[test]
    fn a_quantile_is_at_most_an_eighth_off() {
        let counts = Counts::new::<Duration>();
        let values: Vec<u64> = (1..=1_000).map(|n| n * n * 1_000).collect();
        for value in &values {
            counts.record::<Duration>(*value);
        }
        let read = counts.read::<Duration>();
        for (q, rank) in [
            (0.0, 1),
            (0.001, 1),
            (0.25, 250),
            (0.5, 500),
            (0.999, 999),
            (1.0, 1_000),
        ] {
            let exact = values[rank - 1] as f64;
            let found = read.quantile(q).expect("there are values").as_nanos() as f64;
            assert!(
                (found - exact).abs() <= exact / 8.0 + 500.0,
                "{q}: {found}, {exact}"
            );
        }
    }

    #[test]
    fn quantiles_of_the_first_and_the_last_bucket_are_within_them() {
        let counts = Counts::new::<Duration>();
        counts.record::<Duration>(0);
        let read = counts.read::<Duration>();
        assert_eq!(read.quantile(1.0), Some(Duration::from_nanos(500)));
        let counts = Counts::new::<Duration>();
        counts.record::<Duration>(u64::MAX);
        let read = counts.read::<Duration>();
        assert_eq!(read.quantile(0.5), Some(Duration::from_secs(4_000)));
    }

    #[test]
    #[should_panic(expected = "q is NaN, but a quantile is from 0 to 1")]
    fn a_quantile_that_is_no_share_panics() {
        let _ = Counts::new::<u64>().read::<u64>().quantile(f64::NAN);
    }
}
