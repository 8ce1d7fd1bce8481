//! The metrics of tiered caches.

use cache_core::tier::TierStats;

use super::{Metric, Read, metric};
use crate::observed::Snapshot;

/// A metric that caches without a second tier do not have.
const fn of_tier(
    otel: &'static str,
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    read: Read,
) -> Metric {
    Metric {
        needs_tier: true,
        ..metric(otel, name, unit, help, read)
    }
}

/// The figures of the second tier: exporters read them of tiered caches only.
fn tier(cache: &Snapshot) -> TierStats {
    cache.tier.unwrap_or_default()
}

#[rustfmt::skip]
pub(super) const METRICS: &[Metric] = &[
    of_tier("tier.loads", "tier_loads", "{load}",
        "Loads of keys that the first tier lacked, by what the second tier had.",
        Read::Counters("result", &[
            ("hit", |cache| tier(cache).hits),
            ("miss", |cache| tier(cache).misses),
            ("bypassed", |cache| tier(cache).bypassed),
            ("refresh", |cache| tier(cache).refreshes),
        ])),
    of_tier("tier.fetches", "tier_fetches", "{call}", "Reads of the second tier.",
        Read::Counter(|cache| tier(cache).fetches)),
    of_tier("tier.fetch.keys", "tier_fetched_keys", "{key}", "Keys in reads of the second tier.",
        Read::Counter(|cache| tier(cache).fetched_keys)),
    of_tier("tier.fills", "tier_fills", "{entry}",
        "Loaded values that were sent to the second tier, by result.",
        Read::Counters("result", &[
            ("stored", |cache| tier(cache).fills_stored),
            ("refused", |cache| tier(cache).fills_refused),
            ("rejected", |cache| tier(cache).fills_rejected),
            ("failed", |cache| tier(cache).fills_failed),
        ])),
    of_tier("tier.waits", "tier_waits", "{key}",
        "Keys in reads of the second tier that another process was loading.",
        Read::Counter(|cache| tier(cache).waits)),
    of_tier("tier.waits.expired", "tier_waits_expired", "{load}",
        "Loads that waited too long for another process, and called their loaders.",
        Read::Counter(|cache| tier(cache).waits_expired)),
    of_tier("tier.invalidations", "tier_invalidations", "{key}",
        "Removals and writes of keys: sent by this process, failed, or heard of any process.",
        Read::Counters("event", &[
            ("sent", |cache| tier(cache).removals_sent),
            ("failed", |cache| tier(cache).removals_failed),
            ("heard", |cache| tier(cache).removals_heard),
        ])),
    of_tier("tier.clears", "tier_clears", "{message}",
        "Reports that the second tier was cleared.",
        Read::Counter(|cache| tier(cache).clears_heard)),
    of_tier("tier.unreadable", "tier_unreadable", "{entry}",
        "Values in the second tier that this process could not read.",
        Read::Counter(|cache| tier(cache).unreadable)),
    of_tier("tier.failures", "tier_failures", "{call}",
        "Calls of the second tier that failed or were not answered in time.",
        Read::Counter(|cache| tier(cache).failures)),
    of_tier("tier.connections", "tier_connections", "{connection}",
        "Streams of messages that were connected.",
        Read::Counter(|cache| tier(cache).connections)),
    of_tier("tier.requests.past_horizon", "tier_requests_past_horizon", "{request}",
        "Requests that did not use the first tier, because its messages may be lost.",
        Read::Counter(|cache| tier(cache).past_horizon)),
    of_tier("tier.horizon.lag", "tier_horizon_lag_seconds", "s",
        "How long ago the last answered heartbeat was sent, in seconds.",
        Read::GaugeSeconds(|cache| tier(cache).horizon_lag)),
    of_tier("tier.breaker.open", "tier_breaker_open", "1",
        "1 while the breaker is open and loads bypass the second tier.",
        Read::Gauge(|cache| Some(u64::from(tier(cache).is_breaker_open)))),
];
