//! Each key of a batch: single-flight, missing keys, and errors.

use std::sync::Arc;

use cache_core::LoadError;

use crate::contract::support::backend::{Backend, join_all, parked};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, even, spawn_load, ten, tens,
};
use crate::contract::support::common::seconds;
use crate::harness::{Cache, advance, run, runtime, until};

#[test]
fn a_key_is_requested_once_in_a_batch() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let calls: Vec<_> = (0..100).map(|n| spawn_load!(view, n % 5)).collect();
        advance(WINDOW + MS).await;
        for (n, answer) in (0..100).zip(join_all(calls).await) {
            assert_eq!(answer.unwrap(), Some(ten(n % 5)));
        }
        assert_eq!(store.requested(), [[0, 1, 2, 3, 4]]);
        assert_eq!(cache.stats().coalesced, 95);
    });
}

#[test]
fn a_key_in_flight_in_a_batch_is_not_requested_by_another_batch() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let other = building(&cache, &store, tens).build();
        let mut calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        calls.extend([
            spawn_load!(view, 1),
            spawn_load!(view, 3),
            spawn_load!(other, 2),
        ]);
        advance(WINDOW + MS).await;
        until(|| store.batches() == 2).await;
        store.open();
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        let expected = [10, 20, 10, 30, 20].map(Some);
        assert_eq!(answers.collect::<Vec<_>>(), expected);
        assert_eq!(store.requested(), [vec![1, 2], vec![3]]);
    });
}

#[test]
fn a_key_in_flight_in_a_single_load_is_not_requested_by_a_batch() {
    run(|| async {
        let (cache, store, backend) = (cache(), Store::opened(), Backend::new());
        let view = building(&cache, &store, tens).build();
        let single = parked(cache.get_with(1, || backend.answer(11)));
        let calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        backend.open();
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        assert_eq!(answers.collect::<Vec<_>>(), [Some(11), Some(20)]);
        assert_eq!(single.await, 11);
        assert_eq!(store.requested(), [[2]]);
    });
}

#[test]
fn a_single_load_joins_the_batch_that_has_its_key() {
    run(|| async {
        let (cache, store, backend) = (cache(), Store::opened(), Backend::opened());
        let view = building(&cache, &store, tens).build();
        let call = spawn_load!(view, 1);
        let single = parked(cache.get_with(1, || backend.answer(11)));
        advance(WINDOW + MS).await;
        assert_eq!(single.await, 10);
        assert_eq!(call.join().await.unwrap(), Some(10));
        assert_eq!(backend.calls(), 0);
    });
}

#[test]
fn a_key_missing_from_the_results_is_not_found_and_not_stored() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, even).build();
        let (one, two) = (spawn_load!(view, 1), spawn_load!(view, 2));
        advance(WINDOW + MS).await;
        assert_eq!(one.join().await.unwrap(), None);
        assert_eq!(
            two.join().await.unwrap(),
            Some(20),
            "the other keys are found"
        );
        assert_eq!((cache.entry_count(), cache.flight_count()), (1, 0));
        let again = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(again.join().await.unwrap(), None);
        assert_eq!(store.requested(), [vec![1, 2], vec![1]]);
    });
}

#[test]
fn a_single_load_of_a_key_missing_from_the_batch_runs_its_own_loader() {
    run(|| async {
        let (cache, store, backend) = (cache(), Store::opened(), Backend::opened());
        let view = building(&cache, &store, even).build();
        let call = spawn_load!(view, 1);
        let single = parked(cache.get_with(1, || backend.answer(11)));
        let maybe = parked(cache.optionally_get_with(1, || backend.answer(Some(12))));
        advance(WINDOW + MS).await;
        assert_eq!(maybe.await, None);
        assert_eq!(single.await, 11);
        assert_eq!(call.join().await.unwrap(), None);
    });
}

#[test]
fn a_key_missing_from_the_results_is_remembered_as_missing_for_the_negative_ttl() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .negative_ttl(seconds(10))
            .build();
        let store = Store::opened();
        let view = building(&cache, &store, even).build();
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), None);
        advance(seconds(9)).await;
        assert_eq!(view.get(1).await.unwrap(), None);
        assert_eq!(store.batches(), 1);
        advance(seconds(1)).await;
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), None);
        assert_eq!(store.batches(), 2);
    });
}

#[test]
fn a_wrong_number_of_results_is_an_error_with_both_numbers() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        for (answer, results) in [(short as fn(Vec<u32>) -> Vec<u64>, 2), (long, 4)] {
            let view = building(&cache, &store, answer).build();
            let calls = (1..=3).map(|key| spawn_load!(view, key)).collect();
            advance(WINDOW + MS).await;
            for answer in join_all(calls).await {
                let error = answer.unwrap_err();
                let words = format!("the batch loader returned {results} results for 3 keys");
                assert_eq!(error.to_string(), words);
                let LoadError::WrongLength {
                    keys,
                    results: found,
                } = error
                else {
                    panic!("another error: {error}");
                };
                assert_eq!((keys, found), (3, results));
            }
            assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
        }
    });
}

fn short(keys: Vec<u32>) -> Vec<u64> {
    keys.into_iter().skip(1).map(ten).collect()
}

fn long(mut keys: Vec<u32>) -> Vec<u64> {
    keys.push(9);
    keys.into_iter().map(ten).collect()
}

#[test]
fn an_error_of_one_key_reaches_only_callers_of_that_key() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, |keys| {
            let answer = |key| if key == 1 { Err("odd") } else { Ok(ten(key)) };
            keys.into_iter().map(answer).collect::<Vec<_>>()
        });
        let view = view.build();
        let calls = vec![
            spawn_load!(view, 1),
            spawn_load!(view, 1),
            spawn_load!(view, 2),
        ];
        advance(WINDOW + MS).await;
        let answers = join_all(calls).await;
        let error = |answer: &Result<Option<u64>, LoadError<&'static str>>| {
            let error = answer.clone().unwrap_err().into_loader();
            error.expect("the loader's error")
        };
        assert_eq!(*error(&answers[0]), "odd");
        assert!(Arc::ptr_eq(&error(&answers[0]), &error(&answers[1])));
        assert_eq!(answers[2].as_ref().unwrap(), &Some(20));
        assert_eq!(cache.peek(&1), None);
        let again = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert!(again.join().await.is_err());
        assert_eq!(
            store.requested(),
            [vec![1, 2], vec![1]],
            "the key is requested again"
        );
    });
}

#[test]
fn an_error_of_the_whole_batch_is_the_same_for_all_callers() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, |_| Err::<Vec<u64>, _>("down")).build();
        let calls = (0..3).map(|key| spawn_load!(view, key)).collect();
        advance(WINDOW + MS).await;
        let answers = join_all(calls).await.into_iter();
        let errors: Vec<_> = answers
            .map(|answer| answer.unwrap_err().into_loader().expect("the loader's"))
            .collect();
        assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])));
        assert_eq!(*errors[0], "down");
        assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
    });
}
