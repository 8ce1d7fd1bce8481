//! The counters of batches.

use crate::contract::support::backend::join_all;
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, spawn_load, tens,
};
use crate::contract::support::common::assert_sound;
use crate::harness::{advance, run, until};

#[test]
fn batches_keys_and_windows_are_counted() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        let mut calls = vec![spawn_load!(view, 1), spawn_load!(view, 1)];
        advance(2 * MS).await;
        // Full after two milliseconds.
        calls.extend([spawn_load!(view, 2), spawn_load!(view, 3)]);
        until(|| store.batches() == 1).await;
        calls.push(spawn_load!(view, 4));
        let gone = spawn_load!(view, 5);
        gone.abort();
        until(|| cache.flight_count() <= 1).await;
        advance(WINDOW).await;
        join_all(calls).await;
        view.get_all([1, 2]).await;
        let stats = cache.stats();
        assert_eq!(
            (stats.batches, stats.batched_keys, stats.largest_batch),
            (2, 4, 3)
        );
        assert!((stats.mean_batch() - 2.0).abs() < f64::EPSILON);
        assert_eq!(stats.window_time, 2 * MS + WINDOW);
        assert_eq!((stats.hits, stats.misses, stats.coalesced), (2, 6, 1));
        assert_eq!(
            (stats.loads, stats.load_successes, stats.loads_dropped),
            (5, 4, 1)
        );
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn the_keys_of_a_failed_batch_count_as_failed_loads() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, |_| Err::<Vec<u64>, _>("down")).build();
        let calls = (0..3).map(|key| spawn_load!(view, key)).collect();
        advance(WINDOW + MS).await;
        join_all(calls).await;
        let stats = cache.stats();
        assert_eq!(
            (stats.loads, stats.load_failures, stats.insertions),
            (3, 3, 0)
        );
        assert_eq!((stats.batches, stats.batched_keys), (1, 3));
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_cache_without_batches_has_no_mean_batch_size() {
    run(|| async {
        assert!(cache().stats().mean_batch().abs() < f64::EPSILON);
    });
}
