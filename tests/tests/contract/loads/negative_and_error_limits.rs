//! Remembered errors and missing values: their bound, their memory, and the deadlines they cause.

use std::time::Duration;

use cache_core::{Instant, Ttl};

use crate::contract::support::backend::parked;
use crate::contract::support::common::yield_once;
use crate::harness::{Cache, Rt, advance, run, runtime};

type Builder = cache_core::Builder<u32, u64, Rt>;

const A_WHILE: Duration = Duration::from_secs(5);

/// A short time to live, and an infinite one.
const TTLS: [Duration; 2] = [A_WHILE, Duration::MAX];

fn builder(ttl: Duration, shards: usize) -> Builder {
    let builder = Cache::<u32, u64>::builder_on(runtime()).shards(shards);
    builder.negative_ttl(ttl).error_ttl(ttl)
}

async fn find_nothing(cache: &Cache<u32, u64>, key: u32) {
    let missing = cache.optionally_get_with(key, || async { None });
    assert_eq!(missing.await, None);
}

/// Counts the `keys` that are remembered as missing. The others are loaded.
async fn count_missing(cache: &Cache<u32, u64>, keys: std::ops::Range<u32>) -> usize {
    let mut missing = 0;
    for key in keys {
        let found = cache.optionally_get_with(key, || async { Some(1) });
        missing += usize::from(found.await.is_none());
    }
    missing
}

#[test]
fn a_key_that_alternates_between_missing_and_written_needs_no_more_memory() {
    run(|| async {
        for (ttl, shards) in TTLS.into_iter().flat_map(|ttl| [(ttl, 1), (ttl, 16)]) {
            let cache = builder(ttl, shards).build();
            let mut memory = 0;
            for round in 0..1_000 {
                find_nothing(&cache, 1).await;
                cache.insert(1, 1);
                assert_eq!(cache.next_deadline(), None, "nothing can expire");
                cache.invalidate(&1);
                if round == 100 {
                    memory = cache.memory_used();
                }
            }
            assert_eq!(cache.memory_used(), memory, "{ttl:?}, {shards} shards");
        }
    });
}

#[test]
fn a_key_whose_refresh_fails_repeatedly_needs_no_more_memory() {
    run(|| async {
        for ttl in TTLS {
            let cache = builder(ttl, 1).build();
            cache.insert(1, 1);
            let mut memory = 0;
            for round in 0..1_000 {
                let refreshed = cache.refresh(1, || async { Err::<u64, _>("down") });
                assert!(refreshed.await.is_err());
                if round == 100 {
                    memory = cache.memory_used();
                }
            }
            assert_eq!(cache.memory_used(), memory, "{ttl:?}");
            assert_eq!(cache.get(&1), Some(1));
            cache.insert(1, 2);
            assert_eq!(cache.next_deadline(), None, "nothing can expire");
        }
    });
}

#[test]
fn a_missing_value_that_never_expires_causes_no_deadline() {
    run(|| async {
        let cache = builder(Duration::MAX, 1).build();
        find_nothing(&cache, 1).await;
        assert_eq!(cache.next_deadline(), None);
        cache.insert_with_ttl(2, 2, Ttl::After(A_WHILE));
        let deadline = cache.next_deadline().expect("an entry can expire");
        assert_eq!(Some(deadline), cache.expires_at(&2));
        cache.run_pending_tasks();
        assert_eq!(count_missing(&cache, 1..2).await, 1);
    });
}

#[test]
fn the_next_deadline_ends_with_the_remembered_results_that_caused_it() {
    type End = fn(&Cache<u32, u64>);
    run(|| async {
        let ends: [End; 4] = [
            |cache| (0..30).for_each(|key| cache.insert(key, 1)),
            |cache| (0..30).for_each(|key| cache.invalidate(&key)),
            |cache| cache.invalidate_all(),
            |cache| drop(cache.drain()),
        ];
        for (end, shards) in ends.into_iter().flat_map(|end| [(end, 1), (end, 16)]) {
            let cache = builder(A_WHILE, shards).build();
            for key in 0..30 {
                find_nothing(&cache, key).await;
            }
            let due: Option<Instant> = cache.next_deadline();
            assert!(due.is_some());
            end(&cache);
            assert_eq!(cache.next_deadline(), None);
        }
    });
}

#[test]
fn the_capacity_bounds_the_number_of_remembered_errors_and_missing_values() {
    run(|| async {
        for (capacity, shards) in [(0, 1), (1, 1), (100, 1), (0, 16), (1, 16), (100, 16)] {
            for ttl in TTLS {
                let builder = builder(ttl, shards).max_capacity(capacity);
                let cache = builder.build();
                for key in 0..2_000 {
                    find_nothing(&cache, key).await;
                }
                let memory = cache.memory_used();
                for key in 2_000..6_000 {
                    find_nothing(&cache, key).await;
                }
                let more = if shards > 1 { 16 * shards } else { 1 };
                let most = usize::try_from(capacity).unwrap() + more;
                let which = format!("capacity {capacity}, {shards} shards, {ttl:?}");
                assert!(cache.memory_used() <= memory + 1_000, "{which}");
                let missing = count_missing(&cache, 0..6_000).await;
                assert!(missing <= most, "{which}: {missing}");
                assert!(missing >= most / 2, "{which}: {missing}");
            }
        }
    });
}

#[test]
fn a_weighted_capacity_bounds_the_memory_of_missing_values() {
    run(|| async {
        let heavy = builder(Duration::MAX, 1).max_capacity(1 << 40);
        for builder in [heavy.weigher(|_, _| 1 << 20), builder(Duration::MAX, 1)] {
            let cache = builder.build();
            let all = (1 << 16) + 1_000;
            for key in 0..all {
                find_nothing(&cache, key).await;
            }
            assert_eq!(count_missing(&cache, 0..all).await, 1 << 16);
        }
    });
}

#[test]
fn the_remembered_result_that_expires_first_is_evicted() {
    run(|| async {
        let cache = builder(A_WHILE, 1).max_capacity(20).build();
        for key in 0..30 {
            find_nothing(&cache, key).await;
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(count_missing(&cache, 0..10).await, 0);
        assert_eq!(count_missing(&cache, 10..30).await, 20);
    });
}

#[test]
fn evicting_remembered_results_ends_no_load_in_flight_and_no_entry() {
    run(|| async {
        let cache = builder(Duration::MAX, 1).max_capacity(2).build();
        cache.insert(1_000, 7);
        let load = parked(cache.optionally_get_with(2_000, || async {
            yield_once().await;
            Some(8)
        }));
        for key in 0..100 {
            find_nothing(&cache, key).await;
        }
        assert_eq!(cache.flight_count(), 1);
        assert_eq!(load.await, Some(8));
        assert_eq!(cache.get(&1_000), Some(7));
    });
}
