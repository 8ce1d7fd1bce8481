//! A histogram of latencies.

use std::time::Duration;

use cache_examples::figures::time;
use hdrhistogram::Histogram;

#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// Records latencies from a nanosecond to an hour with three digits.
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_max(3_600_000_000_000, 3).expect("the bounds are in order"))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(latency.as_nanos() as u64);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// The time within which this share of the requests completed.
    pub(crate) fn at(&self, share: f64) -> Duration {
        self.span(self.0.value_at_quantile(share))
    }

    /// The time of the slowest request.
    pub(crate) fn max(&self) -> Duration {
        self.span(self.0.max())
    }

    /// As [`Latencies::at`], for a table.
    pub(crate) fn quantile(&self, share: f64) -> String {
        time(self.at(share))
    }

    /// As [`Latencies::max`], for a table.
    pub(crate) fn longest(&self) -> String {
        time(self.max())
    }

    fn span(&self, nanos: u64) -> Duration {
        Duration::from_nanos(self.0.lowest_equivalent(nanos))
    }
}
