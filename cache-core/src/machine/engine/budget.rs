//! The capacity of a cache: the total weight that its entries may have.

use crate::machine::time::Instant;

/// The source of a shard's capacity.
///
/// A cache of one shard owns its whole capacity ([`Capacity`]). The shards of one cache share
/// theirs, so that a skewed distribution of keys evicts nothing as long as the cache is not full,
/// and so that one shard can hold an entry as heavy as the whole cache.
pub trait Budget {
    /// The weight of the heaviest entry that can be stored. `None`: the cache is unbounded.
    fn max(&self) -> Option<u64>;

    /// Takes `weight` from the free capacity; returns `false`, and takes nothing, if there is less.
    fn try_take(&mut self, weight: u64) -> bool;

    /// Returns weight that was taken.
    fn give_back(&mut self, weight: u64);

    /// Called when an entry is to expire at `deadline`.
    fn record_deadline(&mut self, deadline: Instant) {
        let _ = deadline;
    }

    /// Whether no entry can expire in any shard that shares this capacity.
    fn has_no_expiry(&self) -> bool {
        true
    }

    /// Whether the engine may move entries to free memory, which changes their tokens. Must be
    /// `false` as long as a caller holds tokens from an earlier call.
    fn allows_compaction(&self) -> bool {
        false
    }

    /// Returns a number for the next removal. The numbers of all shards that share this capacity
    /// ascend in the order of their removals. 0 if no caller needs the order.
    fn number_removal(&mut self) -> u64 {
        0
    }

    /// Whether other shards may hold entries that have expired at `now`, which the caller must
    /// reclaim before this shard evicts a live one.
    fn may_reclaim_expired(&self, now: Instant) -> bool {
        let _ = now;
        false
    }
}

/// The capacity of an engine that does not share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    max: Option<u64>,
    free: u64,
}

impl Capacity {
    /// A capacity for entries with a total weight of `max`. By default an entry weighs 1.
    #[must_use]
    pub const fn new(max: u64) -> Self {
        Self {
            max: Some(max),
            free: max,
        }
    }

    /// A capacity without a bound.
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
