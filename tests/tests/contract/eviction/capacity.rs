//! The capacity of a cache, weights, and entries that do not fit.

use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher};

use cache_core::{Computed, EvictionPolicy, Loaded, Op, RemovalCause};

use crate::contract::support::common::{Gate, Notices, assert_sound, on_shards};
use crate::harness::{Cache, Rt, run, runtime, spawn, until};

type Builder = cache_core::Builder<u32, u64, Rt>;

const POLICIES: [EvictionPolicy; 2] = [EvictionPolicy::S3Fifo, EvictionPolicy::Lru];

fn on(shards: usize, capacity: u64) -> Builder {
    of(capacity).shards(shards)
}

fn of(capacity: u64) -> Builder {
    Cache::builder_on(runtime()).max_capacity(capacity)
}

/// The weight of a value is the value.
fn by_value(_: &u32, value: &u64) -> u32 {
    u32::try_from(*value).expect("a small value")
}

#[test]
fn a_cache_of_capacity_zero_stores_nothing_and_still_shares_loads() {
    on_shards(|shards| async move {
        let notices = Notices::new();
        let cache = on(shards, 0).eviction_listener(notices.listener()).build();
        cache.insert(1, 1);
        assert_eq!((cache.get(&1), cache.entry_count()), (None, 0));
        assert_eq!(notices.take(), [(1, 1, RemovalCause::Oversized)]);

        let gate = Gate::new();
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
        until(|| cache.stats().coalesced == 9).await;
        gate.open();
        for task in tasks {
            assert_eq!(task.join().await, 7);
        }
        assert_eq!(cache.stats().loads, 1);
        assert_eq!((cache.get(&1), cache.weighted_size()), (None, 0));
        assert_eq!(cache.get_with(1, || async { 8 }).await, 8);
        until(|| notices.len() == 2).await;
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_cache_of_capacity_one_holds_the_latest_entry() {
    run(|| async {
        for policy in POLICIES {
            let cache = of(1).eviction_policy(policy).build();
            for key in 0..100 {
                cache.insert(key, 1);
                assert_eq!((cache.get(&key), cache.entry_count()), (Some(1), 1));
                let loaded = cache.get_with(key + 1_000, || async { 2 }).await;
                assert_eq!((loaded, cache.get(&(key + 1_000))), (2, Some(2)));
                assert_eq!(cache.get(&key), None, "{policy:?}");
            }
            assert_sound(&cache, |_, _| 1);
        }
    });
}

#[test]
fn an_oversized_entry_is_not_stored_and_evicts_nothing() {
    on_shards(|shards| async move {
        let notices = Notices::new();
        let cache = on(shards, 10)
            .weigher(by_value)
            .eviction_listener(notices.listener())
            .build();
        for key in 0..10 {
            cache.insert(key, 1);
        }
        cache.insert(100, 11);
        assert_eq!(cache.get_with(101, || async { 12 }).await, 12);
        cache.insert_weighted(102, 1, u32::MAX);
        let heavy = || async { Ok::<_, Infallible>(Loaded::new(1).weight(13)) };
        assert_eq!(cache.load_with(103, heavy).await.expect("a value"), 1);
        let computed = cache.entry(104).and_compute_with(|_| async { Op::put(14) });
        assert_eq!(computed.await, Computed::Put(14));

        assert_eq!(cache.entry_count(), 10);
        let refused = [(100, 11), (101, 12), (102, 1), (103, 1), (104, 14)];
        let refused = refused.map(|(key, value)| (key, value, RemovalCause::Oversized));
        assert_eq!(notices.take(), refused);
        assert_sound(&cache, by_value);
    });
}

#[test]
fn an_oversized_entry_removes_the_value_that_it_would_replace() {
    on_shards(|shards| async move {
        let notices = Notices::new();
        let cache = on(shards, 10)
            .weigher(by_value)
            .eviction_listener(notices.listener())
            .build();
        for key in 0..5 {
            cache.insert(key, 2);
        }
        cache.insert(1, 11);
        assert_eq!(cache.get(&1), None);
        let refreshed = cache.refresh(2, || async { Ok::<_, Infallible>(12) });
        assert_eq!(refreshed.await.expect("a value"), 12);
        assert_eq!(cache.get(&2), None);
        let left = [
            (1, 2, RemovalCause::Replaced),
            (1, 11, RemovalCause::Oversized),
            (2, 2, RemovalCause::Replaced),
            (2, 12, RemovalCause::Oversized),
        ];
        assert_eq!(notices.take(), left);
        assert_eq!((cache.entry_count(), cache.weighted_size()), (3, 6));
        assert_sound(&cache, by_value);
    });
}

#[test]
fn an_entry_of_weight_zero_uses_no_capacity_and_is_never_evicted() {
    run(|| async {
        for policy in POLICIES {
            let cache = of(4).weigher(by_value).eviction_policy(policy).build();
            for key in 0..100 {
                cache.insert(key, 0);
            }
            for key in 100..200 {
                cache.insert(key, 2);
            }
            assert!((0..100).all(|key| cache.contains_key(&key)));
            assert_eq!((cache.entry_count(), cache.weighted_size()), (102, 4));
            // Its weight may change in both directions.
            cache.insert(0, 3);
            assert_eq!((cache.weighted_size(), cache.peek(&0)), (3, Some(3)));
            cache.insert(0, 0);
            cache.insert(201, 4);
            assert_eq!((cache.weighted_size(), cache.peek(&0)), (4, Some(0)));
            assert_sound(&cache, by_value);
        }
    });
}

#[test]
fn an_explicit_weight_overrides_the_weigher() {
    on_shards(|shards| async move {
        let cache = on(shards, 100)
            .weigher(|key: &u32, _| panic!("{key}"))
            .build();
        cache.insert_weighted(1, 1, 10);
        let heavy = || async { Ok::<_, Infallible>(Loaded::new(1).weight(20)) };
        assert_eq!(cache.load_with(2, heavy).await.expect("a value"), 1);
        let put = |_| async { Op::Put(Loaded::new(1).weight(30)) };
        let computed = cache.entry(3).and_compute_with(put).await;
        assert_eq!(computed, Computed::Put(1));
        assert_eq!(cache.weighted_size(), 60);
    });
}

#[test]
fn maximum_weights_are_counted_exactly() {
    const MAX: u64 = u32::MAX as u64;
    on_shards(|shards| async move {
        let unlimited = Cache::<u32, u64>::builder_on(runtime()).build();
        for cache in [
            unlimited,
            on(shards, u64::MAX).build(),
            on(shards, MAX * 1_000).build(),
        ] {
            for key in 0..1_000 {
                cache.insert_weighted(key, 1, u32::MAX);
            }
            assert_eq!(cache.weighted_size(), MAX * 1_000);
            cache.insert_weighted(0, 2, 0);
            assert_eq!(cache.weighted_size(), MAX * 999);
        }
        let full = on(shards, MAX * 2 - 1).build();
        full.insert_weighted(1, 1, u32::MAX);
        full.insert_weighted(2, 2, u32::MAX - 1);
        assert_eq!(full.entry_count(), 2);
        full.insert_weighted(3, 3, 1);
        assert_eq!((full.entry_count(), full.get(&3)), (2, Some(3)));
        assert!(full.weighted_size() <= MAX + 1);
    });
}

#[test]
fn an_entry_that_fits_the_cache_fits_with_any_number_of_shards() {
    run(|| async {
        let cache = of(1_000).shards(64).hash_seed(1).weigher(by_value).build();
        for round in 0..20 {
            for key in 0..100 {
                cache.insert(key, 10);
            }
            assert_eq!(cache.weighted_size(), 1_000);
            cache.insert(500 + round, 1_000);
            assert_eq!(cache.get(&(500 + round)), Some(1_000));
            assert_eq!((cache.entry_count(), cache.weighted_size()), (1, 1_000));
            assert_eq!(cache.get_with(1_000, || async { 999 }).await, 999);
            assert_eq!(cache.weighted_size(), 999);
            assert_sound(&cache, by_value);
        }
    });
}

#[test]
fn nothing_is_evicted_while_the_cache_is_under_its_bound() {
    run(|| async {
        for shards in [1, 8, 1_024] {
            let cache = of(1_000).shards(shards).build();
            for key in 0..1_000 {
                cache.insert(key, 1);
            }
            assert_eq!((cache.entry_count(), cache.stats().evictions()), (1_000, 0));
            cache.insert(1_000, 1);
            assert_eq!((cache.entry_count(), cache.stats().evictions()), (1_000, 1));
        }
    });
}

/// A hasher that gives every key the same hash.
#[derive(Debug, Clone, Copy)]
struct Same;

impl BuildHasher for Same {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Same {
    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        0
    }
}

#[test]
fn one_shard_may_use_the_whole_capacity_if_it_holds_all_keys() {
    run(|| async {
        let cache = of(200).shards(16).hasher(Same).build();
        for key in 0..300 {
            cache.insert(key, u64::from(key));
        }
        assert_eq!(cache.entry_count(), 200);
        assert_eq!(cache.stats().removals(RemovalCause::Size), 100);
        for (key, value) in cache.iter() {
            assert_eq!(u64::from(key), value);
        }
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_heavier_value_evicts_other_entries_and_not_its_own() {
    run(|| async {
        for policy in POLICIES {
            for grown in 0..10 {
                let cache = of(100).weigher(by_value).eviction_policy(policy).build();
                for key in 0..10 {
                    cache.insert(key, 10);
                }
                cache.insert(grown, 35);
                assert_eq!(cache.peek(&grown), Some(35), "{policy:?}");
                // 25 more than before, so three entries of ten must be evicted.
                assert_eq!((cache.entry_count(), cache.weighted_size()), (7, 95));
                assert_eq!(cache.stats().removals(RemovalCause::Size), 3);
                assert_sound(&cache, by_value);
            }
        }
    });
}

#[test]
fn clearing_a_cache_frees_its_whole_capacity() {
    run(|| async {
        let clears: [fn(&Cache<u32, u64>); 4] = [
            |cache| cache.invalidate_all(),
            |cache| drop(cache.drain()),
            |cache| cache.retain(|_, _| false),
            |cache| (0..50).for_each(|key| cache.invalidate(&key)),
        ];
        for clear in clears {
            for shards in [1, 16] {
                let cache = of(100).shards(shards).weigher(by_value).build();
                for _ in 0..10 {
                    for key in 0..50 {
                        cache.insert(key, 2);
                    }
                    assert_eq!((cache.entry_count(), cache.weighted_size()), (50, 100));
                    assert_sound(&cache, by_value);
                    clear(&cache);
                    assert_eq!((cache.entry_count(), cache.weighted_size()), (0, 0));
                }
                assert_eq!(cache.stats().evictions(), 0);
                cache.insert(1, 100);
                assert_eq!(cache.get(&1), Some(100));
            }
        }
    });
}
