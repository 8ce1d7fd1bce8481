//! What a shard counts, and the causes of removals.

use core::ops::AddAssign;

/// Why an entry was removed, or why a value was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RemovalCause {
    /// A caller removed or invalidated it.
    Explicit,
    /// A newer value was written under the same key.
    Replaced,
    /// It was evicted because the cache is full.
    Size,
    /// Its time to live or idle time has passed, or was zero.
    Expired,
    /// It is heavier than the whole cache, so it was not stored. In a cache of capacity zero that
    /// is every entry with a weight.
    Oversized,
    /// A load found that the key has no value any more.
    Missing,
}

impl RemovalCause {
    /// Every cause.
    pub const ALL: [Self; 6] = [
        Self::Explicit,
        Self::Replaced,
        Self::Size,
        Self::Expired,
        Self::Oversized,
        Self::Missing,
    ];

    /// Whether the cache removed the entry on its own, rather than for a caller.
    #[must_use]
    pub const fn was_evicted(self) -> bool {
        matches!(self, Self::Size | Self::Expired | Self::Oversized)
    }
}

/// What one shard has counted since it was created. Every count is exact at the end of the call
/// that changed it. Hits and misses are not counted here: a hit must not write to the shard.
///
/// Two equations hold at all times: `inserted` = stored entries + all `removed`, and
/// `loads_started` = loads in flight, fenced or not, + `loads_succeeded` + `loads_failed` +
/// `loads_dropped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
// In the order of how often the fields change: by insertions, by loads, rarely.
#[cfg_attr(not(target_os = "none"), repr(C))]
pub struct Counters {
    /// Values that were written, by a caller or by a load.
    pub inserted: u64,
    removed: [u64; RemovalCause::ALL.len()],
    /// Loads that were started.
    pub loads_started: u64,
    /// Loads that ended with a value, or found that there is none.
    pub loads_succeeded: u64,
    /// Loads that ended with an error, a panic or a timeout.
    pub loads_failed: u64,
    /// Loads that were dropped before they ended, because no caller waited for them any more.
    pub loads_dropped: u64,
    /// Loads whose value was not stored, because the key was written, invalidated or refreshed
    /// while they were in flight.
    pub loads_fenced: u64,
    /// Callers that joined the load of another caller.
    pub loads_joined: u64,
    /// What the entries that were evicted for the capacity weighed beyond 1 each, modulo 2^64: the
    /// common case, an entry of weight 1, adds nothing.
    evicted_beyond_one: u64,
}

impl Counters {
    /// How many entries were removed for `cause`.
    #[must_use]
    pub const fn removed(&self, cause: RemovalCause) -> u64 {
        self.removed[cause as usize]
    }

    pub(super) fn count_removed(&mut self, cause: RemovalCause) {
        self.removed[cause as usize] += 1;
    }

    /// Counts the weight of an entry that was evicted for the capacity.
    pub(super) fn count_evicted(&mut self, weight: u64) {
        let beyond_one = weight.wrapping_sub(1);
        self.evicted_beyond_one = self.evicted_beyond_one.wrapping_add(beyond_one);
    }

    /// How much the entries weighed that were evicted for the capacity ([`RemovalCause::Size`]).
    #[must_use]
    pub const fn evicted_weight(&self) -> u64 {
        self.removed(RemovalCause::Size)
            .wrapping_add(self.evicted_beyond_one)
    }

    /// How many entries were removed, for all causes together.
    #[must_use]
    pub fn removed_total(&self) -> u64 {
        self.removed.iter().sum()
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.loads_started += other.loads_started;
        self.loads_succeeded += other.loads_succeeded;
        self.loads_failed += other.loads_failed;
        self.loads_dropped += other.loads_dropped;
        self.loads_fenced += other.loads_fenced;
        self.loads_joined += other.loads_joined;
        let beyond_one = other.evicted_beyond_one;
        self.evicted_beyond_one = self.evicted_beyond_one.wrapping_add(beyond_one);
        for (mine, theirs) in self.removed.iter_mut().zip(other.removed) {
            *mine += theirs;
        }
    }
}
