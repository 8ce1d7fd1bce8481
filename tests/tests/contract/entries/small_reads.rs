//! `is_empty`, `max_capacity`, and `for` loops over a cache.

use crate::contract::support::common::{SECOND, after, on_shards};
use crate::harness::{Cache, advance, run, runtime};

#[test]
fn a_cache_is_empty_exactly_if_its_entry_count_is_zero() {
    on_shards(|shards| async move {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).shards(shards).build();
        assert!(cache.is_empty());
        for key in 0..10 {
            cache.insert_with_ttl(key, 1, after(1));
            assert!(!cache.is_empty());
        }
        advance(SECOND).await;
        assert!(!cache.is_empty(), "expired entries count until the purge");
        cache.run_pending_tasks();
        assert!(cache.is_empty());
        cache.insert(1, 1);
        cache.invalidate(&1);
        assert!(cache.is_empty());
    });
}

#[test]
fn max_capacity_is_the_bound_of_all_shards_together() {
    on_shards(|shards| async move {
        let builder = Cache::<u32, u64>::builder_on(runtime()).shards(shards);
        let cache = builder.max_capacity(100).build();
        for key in 0..1_000 {
            cache.insert(key, 1);
        }
        assert_eq!(cache.max_capacity(), Some(100));
        assert_eq!(cache.entry_count(), 100);
        let unbounded: Cache<u32, u64> = Cache::builder_on(runtime()).shards(shards).build();
        assert_eq!(unbounded.max_capacity(), None);
    });
}

#[test]
fn a_for_loop_visits_every_live_entry_once() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        for key in 0..300 {
            cache.insert(key, u64::from(key) * 10);
        }
        cache.insert_with_ttl(300, 0, after(1));
        advance(SECOND).await;
        let mut seen = Vec::new();
        for (key, value) in &cache {
            assert_eq!(value, u64::from(key) * 10);
            seen.push(key);
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..300));
        assert_eq!(cache.stats().requests(), 0);
    });
}
