//! `set_max_capacity`: the bound changes while the cache is in use, and holds on return.

use cache_core::{EvictionPolicy, RemovalCause};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::contract::support::common::{Gate, Notices, after, assert_sound, on_shards, seconds};
use crate::harness::{Cache, advance, run, run_seeds, runtime, spawn, until};

#[test]
fn a_lower_bound_evicts_before_the_call_returns_and_notifies_the_listener() {
    on_shards(|shards| async move {
        let notices = Notices::new();
        let builder = Cache::builder_on(runtime()).max_capacity(64).shards(shards);
        let cache: Cache<u32, u64> = builder.eviction_listener(notices.listener()).build();
        for key in 0..64 {
            cache.insert(key, 1);
        }
        cache.set_max_capacity(20);
        assert_eq!(
            (cache.max_capacity(), cache.weighted_size()),
            (Some(20), 20)
        );
        assert_eq!(cache.stats().removals(RemovalCause::Size), 44);
        let left = notices.take();
        assert_eq!(left.len(), 44);
        for (key, _, cause) in left {
            assert!(!cache.contains_key(&key));
            assert_eq!(cause, RemovalCause::Size);
        }
        for key in 100..200 {
            cache.insert(key, 1);
            assert_eq!(cache.weighted_size(), 20);
        }
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_higher_bound_makes_room_and_evicts_nothing() {
    on_shards(|shards| async move {
        let builder = Cache::builder_on(runtime()).max_capacity(4).shards(shards);
        let cache: Cache<u32, u64> = builder.build();
        for key in 0..4 {
            cache.insert(key, 1);
        }
        cache.set_max_capacity(32);
        for key in 4..32 {
            cache.insert(key, 1);
        }
        assert_eq!(cache.weighted_size(), 32);
        assert_eq!(cache.stats().removals(RemovalCause::Size), 0);
        cache.insert(32, 1);
        assert_eq!(cache.weighted_size(), 32);
    });
}

#[test]
fn an_expired_entry_is_removed_before_a_live_one_is_evicted() {
    on_shards(|shards| async move {
        let builder = Cache::builder_on(runtime()).max_capacity(64).shards(shards);
        let cache: Cache<u32, u64> = builder.build();
        for key in 0..64 {
            let ttl = if key < 32 { after(1) } else { after(100) };
            cache.insert_with_ttl(key, 1, ttl);
        }
        advance(seconds(1)).await;
        cache.set_max_capacity(32);
        assert_eq!(cache.entry_count(), 32);
        assert_eq!(cache.stats().removals(RemovalCause::Expired), 32);
        assert_eq!(cache.stats().removals(RemovalCause::Size), 0);
    });
}

#[test]
fn a_bound_of_zero_empties_the_cache_but_for_entries_without_weight() {
    on_shards(|shards| async move {
        let builder = Cache::builder_on(runtime()).max_capacity(64).shards(shards);
        let cache: Cache<u32, u64> = builder.build();
        for key in 0..64 {
            cache.insert_weighted(key, 1, key % 2);
        }
        cache.set_max_capacity(0);
        assert_eq!((cache.weighted_size(), cache.entry_count()), (0, 32));
        cache.insert(100, 1);
        assert_eq!(cache.get(&100), None);
        assert_eq!(cache.stats().removals(RemovalCause::Oversized), 1);
        cache.set_max_capacity(1);
        cache.insert(100, 1);
        assert_eq!(cache.get(&100), Some(1));
    });
}

#[test]
fn a_load_in_flight_stores_its_value_under_the_new_bound() {
    on_shards(|shards| async move {
        let builder = Cache::builder_on(runtime()).max_capacity(8).shards(shards);
        let cache: Cache<u32, u64> = builder.weigher(|_, value| *value as u32).build();
        let gate = Gate::new();
        let load = spawn({
            let (cache, gate) = (cache.clone(), gate.clone());
            async move {
                let loader = || async move {
                    gate.pass().await;
                    5
                };
                cache.get_with(1, loader).await
            }
        });
        until(|| cache.flight_count() == 1).await;
        cache.set_max_capacity(4);
        gate.open();
        assert_eq!(load.join().await, 5);
        assert_eq!((cache.get(&1), cache.weighted_size()), (None, 0));
    });
}

#[test]
fn the_bound_of_a_cache_without_one_cannot_change() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        let error = cache.try_set_max_capacity(10).expect_err("it has no bound");
        assert_eq!(
            error.to_string(),
            "max_capacity is not set, but the builder must set it if it is to change later"
        );
        assert_eq!(cache.max_capacity(), None);
    });
}

/// Random writes, reads and bounds, beside a list of keys from the least to the most recently used.
#[test]
fn a_lower_bound_keeps_the_most_recently_used_entries() {
    run_seeds(|seed| async move {
        let mut random = SmallRng::seed_from_u64(seed);
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .max_capacity(16)
            .eviction_policy(EvictionPolicy::Lru)
            .build();
        let (mut max, mut order) = (16, Vec::new());
        for _ in 0..200 {
            let key = random.random_range(0..24);
            match random.random_range(0..8) {
                0 => {
                    max = random.random_range(0..24);
                    cache.set_max_capacity(max as u64);
                }
                1..=4 => {
                    cache.insert(key, 0);
                    order.retain(|other| *other != key);
                    order.push(key);
                }
                _ => {
                    let found = cache.get(&key).is_some();
                    assert_eq!(found, order.contains(&key), "{key} of {order:?}");
                    if found {
                        order.retain(|other| *other != key);
                        order.push(key);
                    }
                }
            }
            order.drain(..order.len().saturating_sub(max));
            assert_eq!(cache.entry_count(), order.len() as u64);
        }
        for key in 0..24 {
            assert_eq!(cache.contains_key(&key), order.contains(&key), "{key}");
        }
        assert_sound(&cache, |_, _| 1);
    });
}
