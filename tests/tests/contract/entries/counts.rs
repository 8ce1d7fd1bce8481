//! Counts are exact as soon as a call returns.

use std::convert::Infallible;

use cache_core::{CacheStats, Computed, EvictionPolicy, Op, RemovalCause};

use crate::contract::support::common::{
    Gate, SECOND, after, assert_sound, caught_in, on_shards, seconds,
};
use crate::harness::{Cache, advance, run, runtime, spawn, until};

fn cache(shards: usize) -> Cache<u32, u64> {
    Cache::builder_on(runtime())
        .max_capacity(100)
        .shards(shards)
        .build()
}

#[test]
fn entry_count_and_weighted_size_are_exact_as_soon_as_a_call_returns() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        let counts = || (cache.entry_count(), cache.weighted_size());
        for key in 0..10 {
            cache.insert_weighted(key, 1, 5);
            assert_eq!(counts(), (u64::from(key) + 1, 5 * (u64::from(key) + 1)));
        }
        cache.insert_weighted(3, 2, 1);
        assert_eq!(counts(), (10, 46));
        cache.remove(&3);
        assert_eq!(counts(), (9, 45));
        cache.get_with(20, || async { 1 }).await;
        assert_eq!(counts(), (10, 46));
        let computed = cache.entry(20).and_compute_with(|_| async { Op::Remove });
        assert_eq!(computed.await, Computed::Removed(Some(1)));
        assert_eq!(counts(), (9, 45));
        cache.retain(|key, _| *key < 5);
        assert_eq!(counts(), (4, 20));
        cache.insert_weighted(100, 1, 100);
        assert_eq!(counts(), (1, 100));
        cache.insert_weighted(100, 1, 101);
        assert_eq!(counts(), (0, 0));
    });
}

#[test]
fn an_expired_entry_counts_until_it_is_purged() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        cache.insert_with_ttl(1, 1, after(1));
        advance(SECOND * 2).await;
        assert!(!cache.contains_key(&1));
        assert_eq!((cache.entry_count(), cache.weighted_size()), (1, 1));
        cache.run_pending_tasks();
        assert_eq!((cache.entry_count(), cache.weighted_size()), (0, 0));
    });
}

#[test]
fn every_request_is_a_hit_or_a_miss_and_no_other_call_counts_as_a_request() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        let requests = || (cache.stats().hits, cache.stats().misses);
        assert_eq!(cache.get(&1), None);
        assert_eq!(requests(), (0, 1));
        cache.get_with(1, || async { 1 }).await;
        assert_eq!(requests(), (0, 2));
        cache.get_with(1, || async { 1 }).await;
        assert_eq!(requests(), (1, 2));
        cache.get_with_scoped(2, || async { 1 }).await;
        cache.get_with_by_ref(&2, || async { 1 }).await;
        assert_eq!(requests(), (2, 3));
        assert_eq!(cache.optionally_get_with(3, || async { None }).await, None);
        let failed = cache.try_get_with(3, || async { Err("down") });
        assert!(failed.await.is_err());
        assert_eq!(requests(), (2, 5));
        cache.get_all([&1, &2, &3, &4]);
        assert_eq!(requests(), (4, 7));
        assert_eq!(cache.entry(4).or_insert(4).await.value, 4);
        assert_eq!(cache.entry(4).or_insert_with(|| async { 4 }).await.value, 4);
        assert_eq!(requests(), (5, 8));

        assert_eq!((cache.peek(&1), cache.contains_key(&9)), (Some(1), false));
        cache.insert(1, 1);
        cache.remove(&1);
        let _ = (cache.iter().count(), cache.expires_at(&1));
        cache.retain(|_, _| true);
        let computed = cache.entry(1).and_compute_with(|_| async { Op::put(1) });
        assert_eq!(computed.await, Computed::Put(1));
        let refreshed = cache.refresh(1, || async { Ok::<_, Infallible>(2) });
        assert_eq!(refreshed.await.expect("a value"), 2);
        assert_eq!(requests(), (5, 8));
        assert_eq!(cache.stats().requests(), 13);
        assert!((cache.stats().hit_rate() - 5.0 / 13.0).abs() < 1e-9);
    });
}

#[test]
fn every_outcome_of_a_load_is_counted_once() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        cache.get_with(1, || async { 1 }).await;
        assert_eq!(cache.optionally_get_with(2, || async { None }).await, None);
        let failed = cache.try_get_with(3, || async { Err("down") });
        assert!(failed.await.is_err());
        let panicked =
            caught_in(cache.get_with(4, || async { crate::contract::support::common::boom() }));
        assert!(panicked.await.is_err());
        for key in [5, 6] {
            // Cancelled by its only caller, before its first poll and after it.
            let gate = Gate::new();
            let load = cache.get_with(key, || async move {
                gate.pass().await;
                1
            });
            if key == 5 {
                drop(load);
            } else {
                assert!(tokio::select! { biased; _ = load => false, () = async {} => true });
            }
        }
        let fenced = cache.get_with(7, || {
            cache.insert(7, 1);
            async { 2 }
        });
        assert_eq!(fenced.await, 2);
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.load_successes), (6, 3));
        assert_eq!((stats.load_failures, stats.loads_dropped), (2, 1));
        assert_eq!((stats.loads_fenced, stats.coalesced), (1, 0));
        assert_eq!(cache.flight_count(), 0);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn waiters_and_their_waiting_time_are_counted() {
    on_shards(|shards| async move {
        let (cache, gate) = (cache(shards), Gate::new());
        let tasks = [(); 10].map(|()| {
            let (cache, gate) = (cache.clone(), gate.clone());
            spawn(async move {
                let loader = || async move {
                    gate.pass().await;
                    7
                };
                cache.get_with(1, loader).await
            })
        });
        // Both counters change during the call, in an unspecified order.
        until(|| (cache.stats().coalesced, cache.stats().misses) == (9, 10)).await;
        assert_eq!(cache.flight_count(), 1);
        advance(seconds(3)).await;
        gate.open();
        for task in tasks {
            task.join().await;
        }
        let stats = cache.stats();
        assert_eq!(
            (stats.loads, stats.load_successes, stats.misses),
            (1, 1, 10)
        );
        assert_eq!(stats.load_time, seconds(3));
        assert_eq!(stats.mean_load_time(), seconds(3));
    });
}

#[test]
fn insertions_equal_present_entries_plus_removals() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .max_capacity(100)
            .eviction_policy(EvictionPolicy::Lru)
            .build();
        for key in 0..150 {
            cache.insert(key, 1);
        }
        for key in 149..160 {
            cache.insert_with_ttl(key, 2, after(1));
        }
        advance(SECOND * 2).await;
        cache.run_pending_tasks();
        cache.insert_weighted(0, 1, 101);
        for key in 0..150 {
            cache.remove(&key);
        }
        let stats = cache.stats();
        let removals = RemovalCause::ALL.map(|cause| stats.removals(cause));
        let [explicit, replaced, size, expired, oversized, missing] = removals;
        assert_eq!(stats.insertions, 162);
        assert_eq!((replaced, expired, oversized, missing), (1, 11, 1, 0));
        assert_eq!((size, explicit, cache.entry_count()), (60, 89, 0));
        assert_eq!(stats.evictions(), size + expired + oversized);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn all_counters_of_a_new_cache_are_zero() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        assert_eq!(cache.stats(), CacheStats::default());
        assert_eq!((cache.entry_count(), cache.weighted_size()), (0, 0));
        assert_eq!(cache.stats().mean_load_time(), seconds(0));
        assert!(cache.stats().hit_rate().abs() < 1e-9);
    });
}
