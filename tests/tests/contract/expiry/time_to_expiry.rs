//! `time_to_expiry` is the time that is left until the deadline of an entry.

use std::time::Duration;

use cache_core::Ttl;

use crate::contract::support::common::{SECOND, after, now, seconds};
use crate::harness::{Cache, advance, run, runtime};

#[test]
fn the_time_to_expiry_decreases_to_zero_and_ends_with_the_entry() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        cache.insert_with_ttl(1, 10, after(3));
        for left in [3, 2, 1] {
            assert_eq!(cache.time_to_expiry(&1), Some(seconds(left)));
            let deadline = now(&cache).after(seconds(left));
            assert_eq!(cache.expires_at(&1), Some(deadline));
            advance(SECOND).await;
        }
        assert_eq!(cache.time_to_expiry(&1), None);
        assert_eq!(cache.stats().requests(), 0);
    });
}

#[test]
fn an_entry_without_a_deadline_has_the_longest_time_and_an_absent_one_has_none() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        assert_eq!(cache.time_to_expiry(&1), None);
        cache.insert(1, 10);
        assert_eq!(cache.time_to_expiry(&1), Some(Duration::MAX));
        assert!(cache.set_ttl(&1, after(5)));
        assert_eq!(cache.time_to_expiry(&1), Some(seconds(5)));
        assert!(cache.set_ttl(&1, Ttl::Never));
        assert_eq!(cache.time_to_expiry(&1), Some(Duration::MAX));
    });
}

#[test]
fn the_time_to_expiry_of_an_idle_entry_starts_again_at_each_read() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .time_to_live(seconds(20))
            .time_to_idle(seconds(5))
            .build();
        cache.insert(1, 10);
        advance(seconds(4)).await;
        assert_eq!(cache.time_to_expiry(&1), Some(SECOND));
        assert_eq!(cache.time_to_expiry(&1), Some(SECOND), "it is not a use");
        assert_eq!(cache.get(&1), Some(10));
        assert_eq!(cache.time_to_expiry(&1), Some(seconds(5)));
    });
}
