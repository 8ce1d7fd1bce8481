//! What becomes of each key of a batch.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cache_core::{BatchOutput, LoadError, Loaded, Ttl};

use super::batches::{MS, Store, WINDOW, ask, building, cache, ten, tens};
use super::loads::{Backend, join_all, parked};
use super::tools::{after, now, seconds};
use crate::harness::{Cache, advance, run, runtime, spawn, until};

#[test]
fn a_key_is_asked_for_once_in_a_batch() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let calls: Vec<_> = (0..100).map(|n| ask!(view, n % 5)).collect();
        advance(WINDOW + MS).await;
        for (n, answer) in (0..100).zip(join_all(calls).await) {
            assert_eq!(answer.unwrap(), Some(ten(n % 5)));
        }
        assert_eq!(store.asked(), [[0, 1, 2, 3, 4]]);
        assert_eq!(cache.stats().coalesced, 95);
    });
}

#[test]
fn a_key_is_asked_for_once_also_against_batches_in_flight() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let other = building(&cache, &store, tens).build();
        let mut calls = vec![ask!(view, 1), ask!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        calls.extend([ask!(view, 1), ask!(view, 3), ask!(other, 2)]);
        advance(WINDOW + MS).await;
        until(|| store.batches() == 2).await;
        store.open();
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        let expected = [10, 20, 10, 30, 20].map(Some);
        assert_eq!(answers.collect::<Vec<_>>(), expected);
        assert_eq!(store.asked(), [vec![1, 2], vec![3]]);
    });
}

#[test]
fn a_key_is_asked_for_once_also_against_single_loads_in_flight() {
    run(|| async {
        let (cache, store, backend) = (cache(), Store::opened(), Backend::new());
        let view = building(&cache, &store, tens).build();
        let single = parked(cache.get_with(1, || backend.answer(11)));
        let calls = vec![ask!(view, 1), ask!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        backend.open();
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        assert_eq!(answers.collect::<Vec<_>>(), [Some(11), Some(20)]);
        assert_eq!(single.await, 11);
        assert_eq!(store.asked(), [[2]]);
    });
}

#[test]
fn a_single_load_waits_for_the_batch_that_has_its_key() {
    run(|| async {
        let (cache, store, backend) = (cache(), Store::opened(), Backend::opened());
        let view = building(&cache, &store, tens).build();
        let call = ask!(view, 1);
        let single = parked(cache.get_with(1, || backend.answer(11)));
        advance(WINDOW + MS).await;
        assert_eq!(single.await, 10);
        assert_eq!(call.join().await.unwrap(), Some(10));
        assert_eq!(backend.calls(), 0);
    });
}

/// Answers for even keys only.
fn even(keys: Vec<u32>) -> HashMap<u32, u64> {
    let even = keys.into_iter().filter(|key| key % 2 == 0).collect();
    tens(even)
}

#[test]
fn a_key_that_the_batch_lacks_is_not_found_and_nothing_is_cached_for_it() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, even).build();
        let (one, two) = (ask!(view, 1), ask!(view, 2));
        advance(WINDOW + MS).await;
        assert_eq!(one.join().await.unwrap(), None);
        assert_eq!(two.join().await.unwrap(), Some(20), "the others are served");
        assert_eq!((cache.entry_count(), cache.flight_count()), (1, 0));
        let again = ask!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(again.join().await.unwrap(), None);
        assert_eq!(store.asked(), [vec![1, 2], vec![1]]);
    });
}

#[test]
fn a_single_load_of_a_key_that_the_batch_lacks_runs_its_own_loader() {
    run(|| async {
        let (cache, store, backend) = (cache(), Store::opened(), Backend::opened());
        let view = building(&cache, &store, even).build();
        let call = ask!(view, 1);
        let single = parked(cache.get_with(1, || backend.answer(11)));
        let maybe = parked(cache.optionally_get_with(1, || backend.answer(Some(12))));
        advance(WINDOW + MS).await;
        assert_eq!(maybe.await, None);
        assert_eq!(single.await, 11);
        assert_eq!(call.join().await.unwrap(), None);
    });
}

#[test]
fn a_key_that_the_batch_lacks_is_remembered_for_the_negative_ttl() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .negative_ttl(seconds(10))
            .build();
        let store = Store::opened();
        let view = building(&cache, &store, even).build();
        let call = ask!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), None);
        advance(seconds(9)).await;
        assert_eq!(view.load(1).await.unwrap(), None);
        assert_eq!(store.batches(), 1);
        advance(seconds(1)).await;
        let call = ask!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), None);
        assert_eq!(store.batches(), 2);
    });
}

#[test]
fn a_value_brought_along_or_primed_ends_what_is_remembered_of_a_key() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .negative_ttl(seconds(10))
            .build();
        let store = Store::opened();
        let view = building(&cache, &store, even).build();
        let call = ask!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), None);
        assert!(
            view.prime(1, 11),
            "there is no value, and none is being loaded"
        );
        assert_eq!(view.load(1).await.unwrap(), Some(11));
    });
}

#[test]
fn a_wrong_number_of_results_is_an_error_that_names_both_numbers() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        for (answer, results) in [(short as fn(Vec<u32>) -> Vec<u64>, 2), (long, 4)] {
            let view = building(&cache, &store, answer).build();
            let calls = (1..=3).map(|key| ask!(view, key)).collect();
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
fn an_error_of_one_key_is_that_keys_callers_only() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, |keys| {
            let answer = |key| if key == 1 { Err("odd") } else { Ok(ten(key)) };
            keys.into_iter().map(answer).collect::<Vec<_>>()
        });
        let view = view.build();
        let calls = vec![ask!(view, 1), ask!(view, 1), ask!(view, 2)];
        advance(WINDOW + MS).await;
        let answers = join_all(calls).await;
        let error = |answer: &Result<Option<u64>, LoadError<&'static str>>| {
            let error = answer.clone().unwrap_err().into_loader();
            error.expect("it is the loader's")
        };
        assert_eq!(*error(&answers[0]), "odd");
        assert!(Arc::ptr_eq(&error(&answers[0]), &error(&answers[1])));
        assert_eq!(answers[2].as_ref().unwrap(), &Some(20));
        assert_eq!(cache.peek(&1), None);
        let again = ask!(view, 1);
        advance(WINDOW + MS).await;
        assert!(again.join().await.is_err());
        assert_eq!(
            store.asked(),
            [vec![1, 2], vec![1]],
            "it is asked for again"
        );
    });
}

#[test]
fn an_error_of_the_whole_batch_is_the_same_one_for_every_member() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, |_| Err::<Vec<u64>, _>("down")).build();
        let calls = (0..3).map(|key| ask!(view, key)).collect();
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

#[test]
fn a_value_that_nobody_asked_for_is_cached_too() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, |keys| {
            tens(keys.into_iter().chain(5..9).collect())
        });
        let view = view.build();
        cache.insert(5, 55);
        let call = ask!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), Some(10));
        assert_eq!(
            [5, 6, 7, 8].map(|key| cache.peek(&key)),
            [55, 60, 70, 80].map(Some)
        );
    });
}

#[test]
fn whatever_a_batch_loader_returns_each_key_gets_its_own_answer() {
    async fn check<O>(answer: fn(Vec<u32>) -> O)
    where
        O: BatchOutput<
                u32,
                u64,
                Error: crate::harness::Sendable + Sync + std::fmt::Debug + 'static,
            > + crate::harness::Sendable
            + 'static,
    {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, answer).max_batch_size(4).build();
        // A full batch leaves at once.
        let answers = view.load_many([3, 1, 4, 2]).await.into_iter();
        let answers: Vec<_> = answers.map(|answer| answer.unwrap()).collect();
        assert_eq!(answers, [30, 10, 40, 20].map(Some));
    }
    fn each<T, C: FromIterator<T>>(keys: Vec<u32>, item: fn(u32) -> T) -> C {
        keys.into_iter().map(item).collect()
    }
    run(|| async {
        check(|keys| each::<_, Vec<u64>>(keys, ten)).await;
        check(|keys| each::<_, Vec<_>>(keys, |key| Some(ten(key)))).await;
        check(|keys| each::<_, Vec<_>>(keys, |key| Loaded::new(ten(key)))).await;
        check(|keys| each::<_, Vec<_>>(keys, |key| Ok::<_, String>(ten(key)))).await;
        check(|keys| each::<_, HashMap<_, _>>(keys, |key| (key, ten(key)))).await;
        check(|keys| each::<_, BTreeMap<_, _>>(keys, |key| (key, Some(ten(key))))).await;
        check(|keys| Ok::<Vec<u64>, String>(each(keys, ten))).await;
        check(|keys| {
            Ok::<HashMap<u32, Result<u64, String>>, String>(each(keys, |key| (key, Ok(ten(key)))))
        })
        .await;
    });
}

#[test]
fn the_answers_of_many_keys_come_in_their_order_with_duplicates_and_hits() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, even).build();
        cache.insert(9, 99);
        let many = spawn(async move { view.load_many([4, 9, 2, 4, 1]).await });
        until(|| cache.stats().requests() == 5).await;
        super::loads::yields(5).await;
        advance(WINDOW + MS).await;
        let answers: Vec<_> = many.join().await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [Some(40), Some(99), Some(20), Some(40), None]);
        assert_eq!(store.asked(), [[1, 2, 4]]);
    });
}

#[test]
fn values_of_a_batch_live_as_long_as_the_view_says_unless_the_loader_says_it() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .time_to_live(seconds(10))
            .build();
        let store = Store::opened();
        let by_default = building(&cache, &store, |keys| {
            let ttl = |key| if key == 1 { after(30) } else { Ttl::Default };
            let loaded = |key| (key, Loaded::new(ten(key)).ttl(ttl(key)));
            keys.into_iter()
                .chain([3])
                .map(loaded)
                .collect::<HashMap<_, _>>()
        });
        let view = by_default.batch_ttl(after(20)).max_batch_size(2).build();
        view.load_many([1, 2]).await;
        let left = |key| cache.expires_at(&key).map(|at| at.since(now(&cache)));
        assert_eq!([1, 2, 3].map(left), [30, 20, 20].map(|s| Some(seconds(s))));
        assert!(view.prime(4, 40));
        assert_eq!(left(4), Some(seconds(20)));
        let plain = building(&cache, &store, tens).max_batch_size(1).build();
        plain.load(5).await.unwrap();
        assert_eq!(left(5), Some(seconds(10)), "the cache's own");
    });
}

#[test]
fn a_value_is_primed_unless_there_is_one_or_one_is_being_loaded() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        assert!(view.prime(1, 11));
        assert!(!view.prime(1, 12));
        let call = ask!(view, 2);
        assert!(!view.prime(2, 22));
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), Some(20));
        assert_eq!(cache.peek(&1), Some(11));
        assert_eq!(store.asked(), [[2]]);
    });
}
