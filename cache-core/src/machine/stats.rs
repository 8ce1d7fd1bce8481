//! Counters of what one shard did, and why entries leave.

use core::ops::AddAssign;

/// Why an entry left the cache, or why a written value never became an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RemovalCause {
    /// A caller removed or invalidated it.
    Explicit,
    /// A newer value was written under the same key.
    Replaced,
    /// It was evicted to make room.
    Size,
    /// Its time to live or its idle time was over, or was zero from the start.
    Expired,
    /// It weighs more than the whole cache may hold (in a cache of capacity zero: anything that
    /// weighs something), so it was never stored.
    Oversized,
}

impl RemovalCause {
    /// Every cause.
    pub const ALL: [Self; 5] = [
        Self::Explicit,
        Self::Replaced,
        Self::Size,
        Self::Expired,
        Self::Oversized,
    ];

    /// Whether the cache chose to remove the entry, rather than a caller.
    #[must_use]
    pub const fn was_evicted(self) -> bool {
        matches!(self, Self::Size | Self::Expired | Self::Oversized)
    }
}

/// What one shard did since it was made. Every count is exact at the end of the call that
/// changed it. Reads are not counted here: a hit must not write to the shard.
///
/// Two laws hold at all times: `inserted` = entries present + the sum of `removed`, and
/// `loads_started` = flights under way + `loads_succeeded` + `loads_failed` + `loads_dropped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
// As the engine is laid out: what changes by each insertion, by each load, and rarely.
#[cfg_attr(not(target_os = "none"), repr(C))]
pub struct Counters {
    /// Values written: explicit writes and stored loads.
    pub inserted: u64,
    removed: [u64; RemovalCause::ALL.len()],
    /// Loads that became a flight.
    pub loads_started: u64,
    /// Loads that ended with a value, or with the answer that there is none.
    pub loads_succeeded: u64,
    /// Loads that ended with an error, a panic or a timeout.
    pub loads_failed: u64,
    /// Loads that were dropped before they ended, because nobody waited any more.
    pub loads_dropped: u64,
    /// Loads whose value was not stored because their key was written or invalidated meanwhile.
    pub loads_fenced: u64,
    /// Callers that joined the load of another.
    pub loads_joined: u64,
}

impl Counters {
    /// Entries that left for this cause.
    #[must_use]
    pub const fn removed(&self, cause: RemovalCause) -> u64 {
        self.removed[cause as usize]
    }

    pub(super) fn count_removed(&mut self, cause: RemovalCause) {
        self.removed[cause as usize] += 1;
    }

    /// The sum over all causes.
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
        for (mine, theirs) in self.removed.iter_mut().zip(other.removed) {
            *mine += theirs;
        }
    }
}
