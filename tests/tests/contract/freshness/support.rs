//! A cache whose values pass through all ages.

use std::time::Duration;

use cache_core::Builder;

use crate::contract::support::common::seconds;
use crate::harness::{Cache, Rt, runtime};

pub const KEY: u32 = 1;

/// When a value is due, when its ttl ends, and when its windows end.
pub const DUE: Duration = Duration::from_secs(80);
pub const TTL: Duration = Duration::from_secs(100);
pub const STALE_UNTIL: Duration = Duration::from_secs(120);
pub const KEPT_UNTIL: Duration = Duration::from_secs(200);

/// The smallest step of time that every runtime can sleep for.
pub const MS: Duration = Duration::from_millis(1);

/// All settings: fresh for 80 s, due to 100 s, stale to 120 s, kept to 200 s.
pub fn builder() -> Builder<u32, u64, Rt> {
    Cache::builder_on(runtime())
        .time_to_live(TTL)
        .refresh_after(DUE)
        .stale_while_revalidate(STALE_UNTIL - TTL)
        .stale_if_error(KEPT_UNTIL - TTL)
        .refresh_backoff(seconds(1), seconds(60))
}

/// A cache that has the value 1 under [`KEY`].
pub fn cache() -> Cache<u32, u64> {
    let cache = builder().build();
    cache.insert(KEY, 1);
    cache
}
