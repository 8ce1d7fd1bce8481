//! The memory that the times of an entry take.

use cache_core::Builder;

use crate::contract::freshness::support::{DUE, STALE_UNTIL, TTL};
use crate::harness::{Cache, Rt, run, runtime};

#[test]
fn times_take_8_bytes_an_entry_and_16_with_refreshes_and_windows() {
    run(|| async {
        const ENTRIES: u32 = 1 << 14;
        type Settings = fn(Builder<u32, u64, Rt>) -> Builder<u32, u64, Rt>;
        let filled = |set: Settings| {
            let builder = Cache::builder_on(runtime()).time_to_live(TTL).shards(1);
            let cache = set(builder).build();
            (0..ENTRIES).for_each(|key| cache.insert(key, 1));
            cache.memory_used()
        };
        let plain = filled(|builder| builder);
        let due = filled(|builder| builder.refresh_after(DUE));
        let kept = filled(|builder| builder.stale_if_error(TTL));
        let both = filled(|builder| {
            let builder = builder.refresh_after(DUE).stale_if_error(TTL);
            builder.stale_while_revalidate(STALE_UNTIL - TTL)
        });
        let entries = ENTRIES as usize;
        for (used, bytes) in [(due, 8), (kept, 8), (both, 16)] {
            let more = used - plain;
            // The arrays grow in steps.
            let bound = entries * bytes..entries * bytes * 33 / 32;
            assert!(
                bound.contains(&more),
                "{more} bytes more, not {bytes} an entry"
            );
        }
    });
}
