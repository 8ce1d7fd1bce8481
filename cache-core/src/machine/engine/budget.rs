//! The bound on a cache: how much weight its entries may have together.

use crate::machine::time::Instant;

/// Where a shard takes the room for its entries from.
///
/// A cache of one shard owns its whole room ([`Capacity`]). The shards of one cache draw on a
/// common pool, so that a skewed distribution of keys evicts nothing while the whole still has
/// room, and so that one shard can hold an entry as heavy as the whole cache.
pub trait Budget {
    /// The heaviest entry that can ever be stored. `None`: nothing bounds the cache.
    fn max(&self) -> Option<u64>;

    /// Takes `weight` out of the free room; all of it or, answering `false`, nothing.
    fn try_take(&mut self, weight: u64) -> bool;

    /// Returns what was taken.
    fn give_back(&mut self, weight: u64);

    /// An entry that takes room of the pool will expire at `deadline`.
    fn record_deadline(&mut self, deadline: Instant) {
        let _ = deadline;
    }

    /// Whether no entry that takes room of the pool can expire, in any shard.
    fn has_no_expiry(&self) -> bool {
        true
    }

    /// Whether entries may be moved to give memory back, which gives them new tokens: whether no
    /// caller goes by tokens that it has got earlier.
    fn allows_compaction(&self) -> bool {
        false
    }

    /// Whether other shards may hold entries that have expired at `now`, whose room is to be
    /// collected before a live entry is evicted.
    fn may_reclaim_expired(&self, now: Instant) -> bool {
        let _ = now;
        false
    }
}

/// The room of an engine that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    max: Option<u64>,
    free: u64,
}

impl Capacity {
    /// Room for a total weight of `max`; an entry weighs 1 unless it says otherwise.
    #[must_use]
    pub const fn new(max: u64) -> Self {
        Self {
            max: Some(max),
            free: max,
        }
    }

    /// Room without bound.
    #[must_use]
    pub const fn unbounded() -> Self {
        Self {
            max: None,
            free: u64::MAX,
        }
    }
}

impl Budget for Capacity {
    fn max(&self) -> Option<u64> {
        self.max
    }

    fn try_take(&mut self, weight: u64) -> bool {
        match self.free.checked_sub(weight) {
            Some(free) => {
                self.free = free;
                true
            }
            None => false,
        }
    }

    fn give_back(&mut self, weight: u64) {
        self.free = self.free.saturating_add(weight);
    }
}
