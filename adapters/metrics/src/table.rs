//! The table of metrics: every exporter reads it, so all of them export the same figures.

mod tier;

use std::time::Duration;

use cache_core::{Histogram, LoadResult, RemovalCause};

use crate::observed::Snapshot;

/// A metric. Its names are without the prefix, and that of Prometheus without `_total`.
pub(crate) struct Metric {
    /// The name for OpenTelemetry.
    #[cfg_attr(not(feature = "opentelemetry"), expect(dead_code))]
    pub(crate) otel: &'static str,
    /// The name for Prometheus.
    pub(crate) name: &'static str,
    /// The unit for OpenTelemetry.
    #[cfg_attr(not(feature = "opentelemetry"), expect(dead_code))]
    pub(crate) unit: &'static str,
    pub(crate) help: &'static str,
    pub(crate) read: Read,
    /// Whether only tiered caches have it.
    pub(crate) needs_tier: bool,
}

/// Reads a count.
pub(crate) type Count = fn(&Snapshot) -> u64;

/// The kind of a metric, and how to read it.
#[derive(Clone, Copy)]
pub(crate) enum Read {
    /// A counter.
    Counter(Count),
    /// A counter for each value of a label.
    Counters(&'static str, &'static [(&'static str, Count)]),
    /// A counter of seconds.
    Seconds(fn(&Snapshot) -> Duration),
    /// A gauge, absent if there is no value.
    Gauge(fn(&Snapshot) -> Option<u64>),
    /// A gauge of seconds.
    GaugeSeconds(fn(&Snapshot) -> Duration),
    /// The histogram of load times, for each result.
    LoadTimes,
    /// The histogram of batch sizes.
    BatchSizes,
}

/// The upper bounds of load times, in seconds: those of OpenTelemetry for database clients.
pub(crate) const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The upper bounds of batch sizes: those of OpenTelemetry for the rows that a database returns.
pub(crate) const KEYS: [f64; 13] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
];

impl Metric {
    /// The name for Prometheus in full: counters end in `_total`.
    pub(crate) fn full_name(&self, prefix: &str) -> String {
        let suffix = match self.read {
            Read::Counter(_) | Read::Counters(..) | Read::Seconds(_) => "_total",
            Read::Gauge(_) | Read::GaugeSeconds(_) | Read::LoadTimes | Read::BatchSizes => "",
        };
        format!("{prefix}_{}{suffix}", self.name)
    }

    /// Whether `cache` has the metric.
    pub(crate) const fn applies_to(&self, cache: &Snapshot) -> bool {
        !self.needs_tier || cache.tier.is_some()
    }

    /// Whether an export of `caches` names the metric. Those of tiered caches are not named in a
    /// program that has none.
    pub(crate) fn is_named_for(&self, caches: &[Snapshot]) -> bool {
        !self.needs_tier || caches.iter().any(|cache| self.applies_to(cache))
    }
}

pub(super) const fn metric(
    otel: &'static str,
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    read: Read,
) -> Metric {
    Metric {
        otel,
        name,
        unit,
        help,
        read,
        needs_tier: false,
    }
}

/// All metrics: those of every cache, then those of tiered caches.
pub(crate) fn metrics() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().chain(tier::METRICS)
}

/// The metrics of every cache.
#[rustfmt::skip]
const METRICS: &[Metric] = &[
    metric("requests", "requests", "{request}", "Lookups of a key, by result.",
        Read::Counters("result", &[
            ("hit", |cache| cache.stats.hits),
            ("miss", |cache| cache.stats.misses),
        ])),
    metric("requests.coalesced", "requests_coalesced", "{request}",
        "Requests that joined a load of another caller.",
        Read::Counter(|cache| cache.stats.coalesced)),
    metric("requests.stale", "requests_stale", "{request}",
        "Requests that got a value after its time to live, by reason.",
        Read::Counters("reason", &[
            ("revalidate", |cache| cache.stats.stale_hits),
            ("error", |cache| cache.stats.stale_on_error),
            ("slow", |cache| cache.stats.stale_on_slow),
        ])),
    metric("insertions", "insertions", "{entry}", "Values stored, by writes and by loads.",
        Read::Counter(|cache| cache.stats.insertions)),
    metric("evictions", "evictions", "{entry}", "Entries that the cache removed, by cause.",
        Read::Counters("cause", &[
            ("size", |cache| cache.stats.removals(RemovalCause::Size)),
            ("expired", |cache| cache.stats.removals(RemovalCause::Expired)),
            ("oversized", |cache| cache.stats.removals(RemovalCause::Oversized)),
        ])),
    metric("removals", "removals", "{entry}", "Entries that callers removed, by cause.",
        Read::Counters("cause", &[
            ("explicit", |cache| cache.stats.removals(RemovalCause::Explicit)),
            ("replaced", |cache| cache.stats.removals(RemovalCause::Replaced)),
        ])),
    metric("loads", "loads", "{load}", "Loads that have ended, by result.",
        Read::Counters("result", &[
            ("success", |cache| cache.stats.load_successes),
            ("failure", |cache| cache.stats.load_failures),
            ("dropped", |cache| cache.stats.loads_dropped),
        ])),
    metric("loads.fenced", "loads_fenced", "{load}",
        "Loads whose value was not stored, because the key was written meanwhile.",
        Read::Counter(|cache| cache.stats.loads_fenced)),
    metric("refreshes", "refreshes", "{load}", "Loads that started in the background.",
        Read::Counter(|cache| cache.stats.refreshes)),
    metric("refreshes.failed", "refreshes_failed", "{load}",
        "Refreshes that ended with an error, a panic or a timeout.",
        Read::Counter(|cache| cache.stats.refresh_failures)),
    metric("refreshes.fenced", "refreshes_fenced", "{load}",
        "Refreshes whose value was not stored, because the key was written meanwhile.",
        Read::Counter(|cache| cache.stats.refreshes_fenced)),
    metric("refreshes.skipped", "refreshes_skipped", "{load}",
        "Refreshes that did not start, because as many were running as may.",
        Read::Counter(|cache| cache.stats.refreshes_skipped)),
    metric("load.time", "load_seconds", "s", "The total time of completed loads, in seconds.",
        Read::Seconds(|cache| cache.stats.load_time)),
    metric("load.duration", "load_duration_seconds", "s",
        "How long loads took, by result, in seconds.",
        Read::LoadTimes),
    metric("load.active", "loads_in_flight", "{load}", "Loads in flight.",
        Read::Gauge(|cache| Some(cache.flight_count))),
    metric("batches", "batches", "{batch}", "Calls of batch loaders that have ended, by result.",
        Read::Counters("result", &[
            ("success", |cache| cache.stats.batch_successes),
            ("failure", |cache| cache.stats.batch_failures),
            ("dropped", |cache| cache.stats.batches_dropped),
        ])),
    metric("batch.keys", "batch_keys", "{key}", "Keys passed to batch loaders.",
        Read::Counter(|cache| cache.stats.batched_keys)),
    metric("batch.size", "batch_size", "{key}", "The numbers of keys in batches.",
        Read::BatchSizes),
    metric("batch.window.time", "batch_window_seconds", "s",
        "The total time that batches waited in their windows, in seconds.",
        Read::Seconds(|cache| cache.stats.window_time)),
    metric("entry.count", "entries", "{entry}", "Stored entries.",
        Read::Gauge(|cache| Some(cache.entry_count))),
    metric("weight", "weight", "1", "The total weight of the entries, in the unit of the weigher.",
        Read::Gauge(|cache| Some(cache.weighted_size))),
    metric("capacity.limit", "capacity", "1", "The bound of the total weight.",
        Read::Gauge(|cache| cache.max_capacity)),
    metric("size", "size_bytes", "By", "The total weight of the entries, if it is in bytes.",
        Read::Gauge(|cache| cache.weighs_bytes.then_some(cache.weighted_size))),
    metric("size.limit", "size_limit_bytes", "By",
        "The bound of the total weight, if it is in bytes.",
        Read::Gauge(|cache| cache.max_capacity.filter(|_| cache.weighs_bytes))),
    metric("memory.usage", "memory_bytes", "By", "Heap bytes that the cache itself holds.",
        Read::Gauge(|cache| u64::try_from(cache.memory_used).ok())),
];

/// A histogram for an exporter: sum, count, and the counts up to each bound, not cumulative.
pub(crate) struct Buckets {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    pub(crate) buckets: Vec<(f64, u64)>,
}

/// The histogram of load times of each result, with the name of the result.
pub(crate) fn load_times(cache: &Snapshot) -> impl Iterator<Item = (&'static str, Buckets)> {
    let bounds = SECONDS.map(|bound| (Duration::from_secs_f64(bound), bound));
    cache.histograms.iter().flat_map(move |histograms| {
        LoadResult::ALL.map(|result| {
            let times = histograms.load_times(result);
            let sum = times.sum().as_secs_f64();
            (result.name(), fold(times, &bounds, sum))
        })
    })
}

/// The histogram of batch sizes.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum needs no 53 bits, and the bounds are small whole numbers"
)]
pub(crate) fn batch_sizes(cache: &Snapshot) -> Option<Buckets> {
    let sizes = cache.histograms.as_ref()?.batch_sizes();
    let bounds = KEYS.map(|bound| (bound as u64, bound));
    Some(fold(sizes, &bounds, sizes.sum() as f64))
}

/// Adds the buckets of the core up to fewer bounds, each of which is a bound of the core.
fn fold<T: cache_core::Measured + PartialOrd>(
    histogram: &Histogram<T>,
    bounds: &[(T, f64)],
    sum: f64,
) -> Buckets {
    let infinite = [(f64::INFINITY, 0)];
    let named = bounds.iter().map(|(_, bound)| (*bound, 0));
    let mut buckets: Vec<_> = named.chain(infinite).collect();
    let (mut at, mut count) = (0, 0);
    for bucket in histogram.buckets() {
        while at < bounds.len() && bucket.upper_bound.is_none_or(|upper| upper > bounds[at].0) {
            at += 1;
        }
        buckets[at].1 += bucket.count;
        count += bucket.count;
    }
    Buckets {
        sum,
        count,
        buckets,
    }
}
