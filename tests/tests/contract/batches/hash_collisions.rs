//! Keys of one batch with equal hashes, and several flights for several keys: each caller gets the
//! result of its own key.

use std::hash::{BuildHasher, Hasher};

use cache_core::BatchOutput;

use crate::contract::support::backend::join_all;
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, even, spawn_load, ten, tens,
};
use crate::harness::{Boxed, Cache, Sendable, advance, run, runtime};

/// A hasher that gives every key the same hash.
#[derive(Clone, Copy)]
struct Same;

impl BuildHasher for Same {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Same {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

#[test]
fn keys_with_equal_hashes_get_their_own_results() {
    async fn check<O>(answer: fn(Vec<u32>) -> O)
    where
        O: BatchOutput<u32, u64, Error: Sendable + Sync + std::fmt::Debug + 'static>
            + Sendable
            + 'static,
    {
        let cache: Cache<u32, u64, Same> = Cache::builder_on(runtime()).hasher(Same).build();
        let store = Store::opened();
        let source = store.clone();
        let view = cache
            .batching(move |keys: Vec<u32>| -> Boxed<O> { Box::pin(source.fetch(keys, answer)) });
        let mut calls: Vec<_> = (1..=5).map(|key| spawn_load!(view, key)).collect();
        for key in [2, 4, 5, 2] {
            cache.invalidate(&key);
            calls.push(spawn_load!(view, key));
        }
        advance(WINDOW + MS).await;
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        let expected = [1, 2, 3, 4, 5, 2, 4, 5, 2].map(|key| Some(ten(key)));
        assert_eq!(answers.collect::<Vec<_>>(), expected);
        assert_eq!(store.requested(), [[1, 2, 3, 4, 5]]);
        assert!((1..=5).all(|key| cache.peek(&key) == Some(ten(key))));
    }
    run(|| async {
        check(tens).await;
        check(|keys| keys.into_iter().map(ten).collect::<Vec<_>>()).await;
        // In another order, and with keys that were not requested.
        check(|mut keys| {
            keys.reverse();
            keys.push(9);
            let answers = keys.into_iter().map(|key| (key, ten(key)));
            answers.collect::<std::collections::BTreeMap<_, _>>()
        })
        .await;
    });
}

#[test]
fn several_keys_of_a_window_may_have_several_flights_each() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let in_order = |keys: Vec<u32>| keys.into_iter().map(ten).collect::<Vec<_>>();
        let (ordered, by_key) = (
            building(&cache, &store, in_order).build(),
            building(&cache, &store, even).build(),
        );
        // Flights of one key in sequence, interleaved with flights of other keys.
        let keys = (0..39).map(|number| number / 3);
        let keys: Vec<u32> = keys.chain((0..39).map(|number| number * 7 % 13)).collect();
        macro_rules! load_all {
            ($view:expr) => {{
                let mut calls = Vec::new();
                for key in &keys {
                    cache.invalidate(key);
                    calls.push(spawn_load!($view, *key));
                }
                advance(WINDOW + MS).await;
                join_all(calls).await.into_iter().map(Result::unwrap)
            }};
        }
        for (key, answer) in keys.iter().zip(load_all!(ordered)) {
            assert_eq!(answer, Some(ten(*key)));
        }
        for (key, answer) in keys.iter().zip(load_all!(by_key)) {
            assert_eq!(answer, (key % 2 == 0).then(|| ten(*key)));
        }
        let every: Vec<u32> = (0..13).collect();
        assert_eq!(store.requested(), [every.clone(), every]);
        assert_eq!(cache.flight_count(), 0);
    });
}
