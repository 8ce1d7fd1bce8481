//! The figures of a tiered cache.

use core::time::Duration;

use crate::sync::{AtomicU64, Ordering};

/// Defines the counters and the statistics that they are read into.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a tiered cache has done since it was built:
        /// [`Tiered::tier_stats`](super::Tiered::tier_stats) returns it.
        ///
        /// ```
        /// assert_eq!(cache_core::tier::TierStats::default().hits, 0);
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct TierStats {
            $($(#[$doc])* pub $name: u64,)*
            /// Whether the breaker is open: loads bypass the second tier.
            pub is_breaker_open: bool,
            /// How long the first tier returns its values if no further heartbeat is answered; zero
            /// past the horizon.
            pub horizon_left: Duration,
            /// How long ago the last answered heartbeat was sent. From `max_staleness` on, the first
            /// tier returns no values. Longer than that before the first answer; zero for a tier
            /// that needs no heartbeats.
            pub horizon_lag: Duration,
        }

        /// The counters behind [`TierStats`].
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Count,)*
        }

        impl Counters {
            pub(super) fn stats(&self) -> TierStats {
                TierStats {
                    $($name: self.$name.get(),)*
                    ..TierStats::default()
                }
            }
        }
    };
}

counters! {
    /// Loads that found a value, or a remembered missing value, in the second tier.
    hits,
    /// Loads that got the lease of a key, and called their loader.
    misses,
    /// Loads that called their loader without a lease: the second tier did not answer in time, the
    /// breaker was open, the value was unreadable, or the wait for another process was too long.
    bypassed,
    /// Loads of a refresh: they called their loader whatever the second tier had.
    refreshes,
    /// Calls that began past the horizon, and did not use the first tier.
    past_horizon,
    /// Calls of [`Tier::fetch`](super::Tier::fetch).
    fetches,
    /// Keys in these calls.
    fetched_keys,
    /// Fetches that found the lease of another process.
    waits,
    /// Loads that waited for another process longer than `max_wait`.
    waits_expired,
    /// Loaded values that the second tier stored.
    fills_stored,
    /// Loaded values whose lease no longer held. The first tier does not store them either.
    fills_refused,
    /// Loaded values for which the second tier did not answer.
    fills_failed,
    /// Loaded values that the second tier cannot store: see
    /// [`Filled::Rejected`](super::Filled::Rejected).
    fills_rejected,
    /// Values in the second tier that this process could not read.
    unreadable,
    /// Calls of the second tier that failed or did not answer in time.
    failures,
    /// Keys that this process removed or wrote.
    removals_sent,
    /// Keys that this process did not remove or write because the second tier failed.
    removals_failed,
    /// Keys whose removal was reported to this process.
    removals_heard,
    /// Reports that the second tier was cleared.
    clears_heard,
    /// Streams of messages that were connected.
    connections,
    /// Answered heartbeats.
    heartbeats,
}

/// A count that several threads raise.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
