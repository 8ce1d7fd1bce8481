//! The buckets of histograms.
//!
//! They are fixed, so that histograms of several caches, or of one cache at several times, add up.
//! Those of times are log-linear: each octave of a decade has four buckets of equal width, and the
//! bounds are round decimal numbers, among them the usual bounds of dashboards.

use core::time::Duration;

/// The upper bounds of the buckets of a decade, in quarters of its first bound: four buckets from 1
/// to 2, four from 2 to 4, four from 4 to 8, and one from 8 to 10.
const QUARTERS: [u64; 13] = [5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40];

/// The first bound of times: one microsecond, in nanoseconds.
const FIRST: u64 = 1_000;

/// One bucket up to 1 µs, nine decades up to 1,000 s, eight buckets up to 4,000 s, and one beyond.
pub(super) const TIME_BUCKETS: usize = 1 + 9 * QUARTERS.len() + 8 + 1;

/// The upper bounds of batch sizes, without that of the last bucket.
const SIZES: [u64; 13] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000,
];

/// What a [`Histogram`](crate::Histogram) counts: times ([`Duration`]) or sizes (`u64`).
pub trait Measured: sealed::Sealed + Copy {
    /// The number of buckets.
    #[doc(hidden)]
    const BUCKETS: usize;

    /// The upper bound of a bucket; `None` for the last, which has none.
    #[doc(hidden)]
    fn upper_bound(bucket: usize) -> Option<u64>;

    #[doc(hidden)]
    fn from_raw(raw: u64) -> Self;
}

impl Measured for Duration {
    const BUCKETS: usize = TIME_BUCKETS;

    fn upper_bound(bucket: usize) -> Option<u64> {
        let Some(above) = bucket.checked_sub(1) else {
            return Some(FIRST);
        };
        let (decade, quarter) = (above / QUARTERS.len(), above % QUARTERS.len());
        let scale = FIRST / 4 * 10_u64.pow(u32::try_from(decade).unwrap_or(u32::MAX));
        (bucket + 1 < TIME_BUCKETS).then(|| scale * QUARTERS[quarter])
    }

    fn from_raw(nanos: u64) -> Self {
        Self::from_nanos(nanos)
    }
}

impl Measured for u64 {
    const BUCKETS: usize = SIZES.len() + 1;

    fn upper_bound(bucket: usize) -> Option<u64> {
        SIZES.get(bucket).copied()
    }

    fn from_raw(size: u64) -> Self {
        size
    }
}

mod sealed {
    use core::time::Duration;

    #[expect(unnameable_types, reason = "the trait is sealed by it")]
    pub trait Sealed {}

    impl Sealed for Duration {}
    impl Sealed for u64 {}
}

/// The upper bounds of all buckets but the last.
#[cfg(test)]
pub(super) fn bounds<T: Measured>() -> alloc::vec::Vec<u64> {
    (0..T::BUCKETS).filter_map(T::upper_bound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_times_rise_by_at_most_a_quarter_from_a_microsecond_to_over_an_hour() {
        let bounds = bounds::<Duration>();
        assert_eq!((bounds.len(), TIME_BUCKETS), (126, 127));
        assert_eq!((bounds[0], bounds[125]), (1_000, 4_000_000_000_000));
        for pair in bounds.windows(2) {
            assert!(pair[0] < pair[1] && pair[1] <= pair[0] + pair[0] / 4);
        }
    }

    #[test]
    fn the_usual_bounds_of_dashboards_are_among_those_of_times() {
        for micros in [1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000].map(|ms| ms * 1_000) {
            assert!(bounds::<Duration>().contains(&(micros * 1_000)), "{micros}");
        }
    }
}
