//! Writes, invalidations and refreshes during a window or a batch in flight.

use std::collections::HashMap;

use cache_core::{Computed, Loaded, Op, Ttl};

use crate::contract::support::backend::{join_all, parked};
use crate::contract::support::batch_backend::{
    MS, Store, View, WINDOW, building, cache, spawn_load, ten, tens,
};
use crate::harness::{Cache, advance, run, runtime, spawn, until};

#[test]
fn a_value_inserted_during_a_batch_stays() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        cache.insert(1, 11);
        store.open();
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        assert_eq!(answers.collect::<Vec<_>>(), [Some(10), Some(20)]);
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(11), Some(20)));
        assert_eq!(cache.stats().loads_fenced, 1);
    });
}

#[test]
fn a_key_invalidated_during_a_batch_is_not_stored_and_later_callers_load_again() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let mut calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        cache.invalidate(&1);
        calls.push(spawn_load!(view, 1));
        store.answer_one();
        let rest = calls.pop().expect("there are three");
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        assert_eq!(answers.collect::<Vec<_>>(), [Some(10), Some(20)]);
        assert_eq!((cache.peek(&1), cache.peek(&2)), (None, Some(20)));
        store.open();
        advance(WINDOW + MS).await;
        assert_eq!(rest.join().await.unwrap(), Some(10));
        assert_eq!(cache.peek(&1), Some(10));
        assert_eq!(store.requested(), [vec![1, 2], vec![1]]);
    });
}

#[test]
fn invalidate_all_during_a_batch_prevents_every_store() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        cache.invalidate_all();
        store.open();
        assert!(join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
    });
}

/// Both loads of the key are in one window: the batch requests the key once and completes both.
#[test]
fn a_key_invalidated_in_its_window_and_loaded_again_is_requested_once() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let mut calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        cache.invalidate(&1);
        calls.push(spawn_load!(view, 1));
        advance(WINDOW + MS).await;
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        assert_eq!(answers.collect::<Vec<_>>(), [10, 20, 10].map(Some));
        assert_eq!(cache.peek(&1), Some(10), "the newer load is stored");
        assert_eq!(store.requested(), [[1, 2]]);
    });
}

#[test]
fn a_key_loaded_twice_in_one_window_is_requested_once_with_results_in_order() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let in_order = |keys: Vec<u32>| keys.into_iter().map(ten).collect::<Vec<_>>();
        let view = building(&cache, &store, in_order).build();
        let mut calls = vec![spawn_load!(view, 3), spawn_load!(view, 1)];
        for _ in 0..3 {
            cache.invalidate(&1);
            calls.push(spawn_load!(view, 1));
        }
        calls.push(spawn_load!(view, 2));
        advance(WINDOW + MS).await;
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        let expected = [30, 10, 10, 10, 10, 20].map(Some);
        assert_eq!(answers.collect::<Vec<_>>(), expected);
        assert_eq!(store.requested(), [[1, 2, 3]]);
        assert_eq!(cache.stats().batched_keys, 3);
    });
}

#[test]
fn a_key_refreshed_in_its_window_is_requested_once_and_both_callers_get_the_value() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let call = spawn_load!(view, 1);
        let refreshes = view.clone();
        let refresh = spawn(parked(async move { refreshes.refresh(1).await }));
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), Some(10));
        assert_eq!(refresh.join().await.unwrap(), Some(10));
        assert_eq!(cache.peek(&1), Some(10));
        assert_eq!(store.requested(), [[1]]);
    });
}

#[test]
fn a_refresh_during_a_batch_is_a_newer_load_that_the_older_one_does_not_replace() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let other = Store::opened();
        let newer = building(&cache, &other, |keys| {
            let hundred = |key: u32| (key, u64::from(key) * 100);
            keys.into_iter().map(hundred).collect::<HashMap<_, _>>()
        });
        let newer = newer.build();
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        let refresh = spawn(parked(async move { newer.refresh(1).await }));
        let joins = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(refresh.join().await.unwrap(), Some(100));
        assert_eq!(joins.join().await.unwrap(), Some(100));
        store.open();
        assert_eq!(call.join().await.unwrap(), Some(10));
        assert_eq!(cache.get(&1), Some(100));
    });
}

/// Waits until the batches of `view` have ended: a batch stores what was not requested after it has
/// answered its callers.
async fn ended(view: View, store: &Store) {
    drop(view);
    until(|| store.holders() == 0).await;
}

#[test]
fn an_unrequested_value_is_not_stored_over_a_write_or_an_invalidation() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).shards(1).build();
        let store = Store::new();
        let view = building(&cache, &store, |keys| {
            tens(keys.into_iter().chain([7, 8]).collect())
        });
        let view = view.build();
        cache.insert(7, 77);
        cache.insert(8, 88);
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        cache.invalidate(&7);
        cache.insert(8, 89);
        store.open();
        assert_eq!(call.join().await.unwrap(), Some(10));
        ended(view, &store).await;
        assert_eq!((cache.get(&7), cache.get(&8)), (None, Some(89)));
    });
}

#[test]
fn an_unrequested_value_is_not_stored_after_a_computation_removed_its_entry() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, |keys| {
            tens(keys.into_iter().chain([7]).collect())
        });
        let view = view.build();
        cache.insert(7, 77);
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        let removed = cache.entry(7).and_compute_with(|_| async { Op::Remove });
        assert_eq!(removed.await, Computed::Removed(Some(77)));
        store.open();
        assert_eq!(call.join().await.unwrap(), Some(10));
        ended(view, &store).await;
        assert_eq!(cache.get(&7), None);
    });
}

#[test]
fn an_unrequested_value_is_not_stored_after_an_entry_that_a_computation_wrote_has_expired() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, |keys| {
            tens(keys.into_iter().chain([7]).collect())
        });
        let view = view.build();
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        let put = Op::Put(Loaded::new(77).ttl(Ttl::After(MS)));
        let written = cache.entry(7).and_compute_with(|_| async { put });
        assert_eq!(written.await, Computed::Put(77));
        advance(MS).await;
        store.open();
        assert_eq!(call.join().await.unwrap(), Some(10));
        ended(view, &store).await;
        assert_eq!(cache.get(&7), None);
    });
}
