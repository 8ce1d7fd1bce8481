//! The samples and events that the browser reads. Every count is raw, since the cache was built.

use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_core::tier::TierStats;
use cache_core::{CacheStats, Histograms, LoadResult, RemovalCause};
use cache_metrics::{Registry, Snapshot};
use serde::Serialize;

#[derive(Serialize)]
struct Hello<'a> {
    run: &'a str,
}

#[derive(Serialize)]
struct Sample<'a> {
    run: &'a str,
    /// Milliseconds since the page was created.
    at: u128,
    caches: Vec<Cache<'a>>,
}

#[derive(Serialize)]
struct Cache<'a> {
    name: &'a str,
    entries: u64,
    weight: u64,
    capacity: Option<u64>,
    memory_bytes: usize,
    in_flight: u64,
    hits: u64,
    misses: u64,
    coalesced: u64,
    insertions: u64,
    loads: u64,
    load_successes: u64,
    load_failures: u64,
    loads_dropped: u64,
    loads_fenced: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    freshness: Option<Freshness>,
    load_seconds: f64,
    /// The times of loads that have ended: the buckets that are not empty, each as its bounds in
    /// nanoseconds and its count. The last bucket has no upper bound.
    load_times: Vec<(u64, Option<u64>, u64)>,
    batches: u64,
    batched_keys: u64,
    largest_batch: u64,
    window_seconds: f64,
    removed: Removed,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<Tier>,
}

/// What a tiered cache has done with its second tier.
#[derive(Serialize)]
struct Tier {
    hits: u64,
    misses: u64,
    bypassed: u64,
    refreshes: u64,
    fetches: u64,
    fetched_keys: u64,
    fills_stored: u64,
    fills_refused: u64,
    fills_rejected: u64,
    fills_failed: u64,
    waits: u64,
    waits_expired: u64,
    invalidations_sent: u64,
    invalidations_failed: u64,
    invalidations_heard: u64,
    clears: u64,
    unreadable: u64,
    failures: u64,
    connections: u64,
    past_horizon: u64,
    horizon_lag_seconds: f64,
    breaker_open: bool,
}

/// What a cache has refreshed in the background and returned after its time to live.
#[derive(Serialize, PartialEq, Eq, Default)]
struct Freshness {
    refreshes: u64,
    refresh_failures: u64,
    refreshes_fenced: u64,
    refreshes_skipped: u64,
    stale_hits: u64,
    stale_on_error: u64,
    stale_on_slow: u64,
}

impl Freshness {
    /// The figures of a cache that has any: those of all others are zero.
    fn of(stats: &CacheStats) -> Option<Self> {
        let figures = Self {
            refreshes: stats.refreshes,
            refresh_failures: stats.refresh_failures,
            refreshes_fenced: stats.refreshes_fenced,
            refreshes_skipped: stats.refreshes_skipped,
            stale_hits: stats.stale_hits,
            stale_on_error: stats.stale_on_error,
            stale_on_slow: stats.stale_on_slow,
        };
        (figures != Self::default()).then_some(figures)
    }
}

#[derive(Serialize)]
struct Removed {
    explicit: u64,
    replaced: u64,
    size: u64,
    expired: u64,
    oversized: u64,
}

impl<'a> Cache<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let stats = &snapshot.stats;
        Self {
            name: &snapshot.name,
            entries: snapshot.entry_count,
            weight: snapshot.weighted_size,
            capacity: snapshot.max_capacity,
            memory_bytes: snapshot.memory_used,
            in_flight: snapshot.flight_count,
            hits: stats.hits,
            misses: stats.misses,
            coalesced: stats.coalesced,
            insertions: stats.insertions,
            loads: stats.loads,
            load_successes: stats.load_successes,
            load_failures: stats.load_failures,
            loads_dropped: stats.loads_dropped,
            loads_fenced: stats.loads_fenced,
            freshness: Freshness::of(stats),
            load_seconds: seconds(stats.load_time),
            load_times: snapshot
                .histograms
                .as_ref()
                .map_or_else(Vec::new, load_times),
            batches: stats.batches,
            batched_keys: stats.batched_keys,
            largest_batch: stats.largest_batch,
            window_seconds: seconds(stats.window_time),
            removed: Removed {
                explicit: stats.removals(RemovalCause::Explicit),
                replaced: stats.removals(RemovalCause::Replaced),
                size: stats.removals(RemovalCause::Size),
                expired: stats.removals(RemovalCause::Expired),
                oversized: stats.removals(RemovalCause::Oversized),
            },
            tier: snapshot.tier.as_ref().map(Tier::of),
        }
    }
}

impl Tier {
    fn of(stats: &TierStats) -> Self {
        Self {
            hits: stats.hits,
            misses: stats.misses,
            bypassed: stats.bypassed,
            refreshes: stats.refreshes,
            fetches: stats.fetches,
            fetched_keys: stats.fetched_keys,
            fills_stored: stats.fills_stored,
            fills_refused: stats.fills_refused,
            fills_rejected: stats.fills_rejected,
            fills_failed: stats.fills_failed,
            waits: stats.waits,
            waits_expired: stats.waits_expired,
            invalidations_sent: stats.removals_sent,
            invalidations_failed: stats.removals_failed,
            invalidations_heard: stats.removals_heard,
            clears: stats.clears_heard,
            unreadable: stats.unreadable,
            failures: stats.failures,
            connections: stats.connections,
            past_horizon: stats.past_horizon,
            horizon_lag_seconds: seconds(stats.horizon_lag),
            breaker_open: stats.is_breaker_open,
        }
    }
}

/// The times of loads with a value or an error. A dropped load has no time of its own.
fn load_times(histograms: &Histograms) -> Vec<(u64, Option<u64>, u64)> {
    let success = histograms.load_times(LoadResult::Success).buckets();
    let failure = histograms.load_times(LoadResult::Failure).buckets();
    let mut lower = 0;
    let mut buckets = Vec::new();
    for (success, failure) in success.zip(failure) {
        let (count, upper) = (success.count + failure.count, success.upper_bound);
        let upper = upper.map(|bound| u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX));
        if count > 0 {
            buckets.push((lower, upper, count));
        }
        lower = upper.unwrap_or(lower);
    }
    buckets
}

/// Seconds, to the microsecond: a float would print all digits of its error.
fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}

/// All caches as of now, as one document.
pub(crate) fn stats(run: &str, started: Instant, registry: &Registry) -> Bytes {
    let snapshots = registry.snapshots();
    let sample = Sample {
        run,
        at: started.elapsed().as_millis(),
        caches: snapshots.iter().map(Cache::of).collect(),
    };
    document(&sample).into()
}

/// All caches as of now, as an event.
pub(crate) fn event(run: &str, number: u64, started: Instant, registry: &Registry) -> Bytes {
    with_data(
        &format!("id: {run}-{number}"),
        &stats(run, started, registry),
    )
}

/// The first event of a stream: how fast to reconnect, and which run of the program answers.
pub(crate) fn hello(run: &str) -> Bytes {
    with_data("retry: 1000\nevent: hello", &document(&Hello { run }))
}

/// An event with these fields and with a document. JSON escapes line breaks, so the document is one
/// line.
fn with_data(fields: &str, document: &[u8]) -> Bytes {
    [fields.as_bytes(), b"\ndata: ", document, b"\n\n"]
        .concat()
        .into()
}

fn document(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers and texts can be written")
}
