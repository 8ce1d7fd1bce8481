//! What the tier counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`Redis`](crate::Redis) has counted since it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RedisStats {
    /// Connections that were established.
    pub connections: u64,
    /// Connections that broke or could not be established.
    pub failures: u64,
    /// Heartbeats that were answered.
    pub heartbeats: u64,
    /// Values that this process could not read: misses.
    pub unreadable: u64,
    /// Values that the codec could not write: they were not stored.
    pub unwritable: u64,
    /// Values above `max_value`: they were not stored.
    pub too_large: u64,
    /// Leases and values that a full server did not take.
    pub full: u64,
    /// Keys in messages of other processes that are no keys of this cache.
    pub foreign_messages: u64,
    /// Invalidations that were sent again.
    pub replayed: u64,
    /// Generations that this process began because a server may have had old values back.
    pub generations: u64,
}

macro_rules! counters {
    ($($name:ident)*) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> RedisStats {
                RedisStats {
                    $($name: self.$name.0.load(Ordering::Relaxed),)*
                }
            }
        }
    };
}

counters! {
    connections failures heartbeats unreadable unwritable too_large full foreign_messages replayed
    generations
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}
