//! The optional features of the cache around the engine: see [`machine::opt_in`](crate::machine).

use crate::machine::features;

pub(crate) use crate::machine::{
    CustomExpiry, Enabled, Feature, Freshening, Gated, GatedState, IdleExpiry, LruPolicy,
    RememberedResults,
};

features! {
    /// The eviction listener: the calls to it. Without it, removed entries are only dropped.
    EvictionListener;
    /// Streams of removals: the numbers of removals, and the log that streams read.
    EventStreams;
    /// The background task that purges expired entries, and the timer that wakes it.
    PurgeTask;
    /// The time limit of loads, and the timer of each load.
    LoadTimeout;
    /// Waiters that take the lead from a scoped leader that is stalled.
    Takeover;
    /// Loads that continue in the background after their last caller was dropped.
    DetachedLoads;
    /// The observer of loads and batches: the calls to it.
    Observers;
    /// Histograms of load times and of batch sizes.
    Histograms;
    /// More than one shard: the choice of a shard by hash, and capacity that moves between shards.
    ManyShards;
    /// A bound that changes while the cache is in use: reads of the bound in force.
    ChangedCapacity;
    /// A ttl that differs from entry to entry.
    TtlJitter;
    /// Loads that are part of a batch: callers that wait for the batch instead of a loader of their
    /// own.
    Batches;
    /// A bound on concurrent batches: the queue of batches that wait for a permit.
    BatchPermits;
    /// Batches that neither read nor store values.
    BatchesWithoutCache;
    /// Batch loaders that return maps: the search for the request of each key, and the insertion of
    /// values that were not requested.
    BatchMaps;
}

/// Whether a read may write to its shard. One feature of these is enough.
#[inline(always)]
pub(crate) fn reads_may_mutate() -> bool {
    LruPolicy::is_enabled()
        || IdleExpiry::is_enabled()
        || CustomExpiry::is_enabled()
        || Freshening::is_enabled()
}
