//! Result types of batch loaders, unrequested values, and primed values.

use std::collections::{BTreeMap, HashMap};

use cache_core::{BatchOutput, Loaded, Ttl};

use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, begun, building, cache, even, spawn_load, ten, tens,
};
use crate::contract::support::common::{after, now, seconds};
use crate::harness::{Cache, Sendable, advance, run, runtime, spawn, until};

#[test]
fn an_unrequested_or_primed_value_replaces_a_remembered_result() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .negative_ttl(seconds(10))
            .build();
        let store = Store::opened();
        let view = building(&cache, &store, even).build();
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), None);
        assert!(
            view.prime(1, 11),
            "no value is stored, and no load is in flight"
        );
        assert_eq!(view.get(1).await.unwrap(), Some(11));
    });
}

/// The remembered missing value is gone for good. It does not return when the primed value expires.
#[test]
fn a_key_is_loaded_after_its_primed_value_expired_though_it_was_remembered_as_missing() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .negative_ttl(seconds(100))
            .error_ttl(seconds(100))
            .build();
        let store = Store::opened();
        let missing = building(&cache, &store, even).max_batch_size(1).build();
        let failing = building(&cache, &store, |_| Err::<Vec<u64>, _>("down"));
        let failing = failing.max_batch_size(1).build();
        // The loader always returns 1 and 3 too.
        let bringing = building(&cache, &store, |keys| {
            tens(keys.into_iter().chain([1, 3]).collect())
        });
        let bringing = bringing.batch_ttl(after(10)).max_batch_size(1).build();
        for is_primed in [true, false] {
            for (key, value) in [(1, 11), (3, 33)] {
                if key == 1 {
                    assert_eq!(missing.get(key).await.unwrap(), None);
                } else {
                    assert!(failing.get(key).await.is_err());
                }
                if is_primed {
                    assert!(bringing.prime(key, value));
                    assert_eq!(cache.get(&key), Some(value));
                }
            }
            if !is_primed {
                assert_eq!(bringing.get(2).await.unwrap(), Some(20));
                // A batch stores what was not requested after it has answered its callers.
                until(|| [1, 3].map(|key| cache.get(&key)) == [10, 30].map(Some)).await;
            }
            advance(seconds(10)).await;
            let plain = building(&cache, &store, tens).max_batch_size(1).build();
            for key in [1, 3] {
                assert_eq!(cache.peek(&key), None);
                assert_eq!(plain.get(key).await.unwrap(), Some(ten(key)));
            }
            cache.invalidate_all();
        }
    });
}

#[test]
fn an_unrequested_value_is_stored_too() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, |keys| {
            tens(keys.into_iter().chain(5..9).collect())
        });
        let view = view.build();
        cache.insert(5, 55);
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), Some(10));
        // A batch stores what was not requested after it has answered its callers.
        until(|| cache.entry_count() == 5).await;
        assert_eq!(
            [5, 6, 7, 8].map(|key| cache.peek(&key)),
            [55, 60, 70, 80].map(Some)
        );
    });
}

#[test]
fn each_key_gets_its_own_result_for_every_result_type() {
    async fn check<O>(answer: fn(Vec<u32>) -> O)
    where
        O: BatchOutput<u32, u64, Error: Sendable + Sync + std::fmt::Debug + 'static>
            + Sendable
            + 'static,
    {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, answer).max_batch_size(4).build();
        // A full batch is dispatched immediately.
        let answers = view.get_all([3, 1, 4, 2]).await.into_iter();
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
fn load_many_returns_results_in_order_with_duplicates_and_hits() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, even).build();
        cache.insert(9, 99);
        // All keys are in the window after the first poll.
        let many = spawn(begun(async move { view.get_all([4, 9, 2, 4, 1]).await }));
        advance(WINDOW + MS).await;
        let answers: Vec<_> = many.join().await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [Some(40), Some(99), Some(20), Some(40), None]);
        assert_eq!(store.requested(), [[1, 2, 4]]);
    });
}

#[test]
fn values_of_a_batch_have_the_ttl_of_the_view_unless_the_loader_sets_one() {
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
        view.get_all([1, 2]).await;
        // The value of 3 was not requested.
        until(|| cache.entry_count() == 3).await;
        let left = |key| cache.expires_at(&key).map(|at| at.since(now(&cache)));
        assert_eq!([1, 2, 3].map(left), [30, 20, 20].map(|s| Some(seconds(s))));
        assert!(view.prime(4, 40));
        assert_eq!(left(4), Some(seconds(20)));
        let plain = building(&cache, &store, tens).max_batch_size(1).build();
        plain.get(5).await.unwrap();
        assert_eq!(left(5), Some(seconds(10)), "the cache's own ttl");
    });
}

#[test]
fn prime_stores_a_value_unless_one_is_stored_or_in_flight() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        assert!(view.prime(1, 11));
        assert!(!view.prime(1, 12));
        let call = spawn_load!(view, 2);
        assert!(!view.prime(2, 22));
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), Some(20));
        assert_eq!(cache.peek(&1), Some(11));
        assert_eq!(store.requested(), [[2]]);
    });
}
