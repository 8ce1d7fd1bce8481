//! Adversarial use: the cache stays correct and within its bounds.
//!
//! `CACHE_KEYS=10000000` sets the number of keys that pass through a cache of capacity 1.

#![allow(missing_docs)]

use std::collections::HashSet;
use std::env;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::testing::VirtualRuntime;
use cache_core::{Cache, DefaultHasher, EvictionPolicy, RemovalCause};

type Virtual<S = DefaultHasher> = Cache<u64, u64, VirtualRuntime, S>;

/// A hasher that returns the same hash for all keys.
#[derive(Clone, Copy)]
struct Blind;

impl BuildHasher for Blind {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Blind {
    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        0x5EED
    }
}

/// The worst case for a known hasher: one shard, one bucket, one probe sequence.
#[test]
fn colliding_keys_are_distinct_and_stay_within_the_bound() {
    const KEYS: u64 = 2_000;
    const CAPACITY: u64 = 300;
    for policy in [EvictionPolicy::default(), EvictionPolicy::Lru] {
        let runtime = VirtualRuntime::new();
        let cache: Virtual<Blind> = Cache::builder_on(runtime.clone())
            .max_capacity(CAPACITY)
            .eviction_policy(policy)
            .hasher(Blind)
            .build();
        runtime.block_on(async {
            for key in 0..KEYS {
                let value = cache.get_with(key, || async move { key + 1 }).await;
                assert_eq!(value, key + 1);
                assert!(cache.entry_count() <= CAPACITY);
            }
        });
        let stored: Vec<_> = (0..KEYS).filter(|key| cache.contains_key(key)).collect();
        assert_eq!(stored.len() as u64, CAPACITY);
        for key in &stored {
            assert_eq!(cache.get(key), Some(key + 1));
        }
        for key in stored.iter().step_by(2) {
            assert_eq!(cache.remove(key), Some(key + 1));
        }
        for (place, key) in stored.iter().enumerate() {
            assert_eq!(cache.contains_key(key), place % 2 == 1);
        }
        assert_eq!(cache.entry_count(), CAPACITY / 2);
    }
}

/// Loads of colliding keys are separate loads.
#[test]
fn loads_of_colliding_keys_are_separate() {
    let runtime = VirtualRuntime::new();
    let cache: Virtual<Blind> = Cache::builder_on(runtime.clone()).hasher(Blind).build();
    let loads: Vec<_> = (0..100)
        .map(|key| {
            let (cache, sleepy) = (cache.clone(), runtime.clone());
            runtime.spawn(async move {
                let load = || async move {
                    sleepy.yield_now().await;
                    key
                };
                cache.get_with(key / 2, load).await / 2
            })
        })
        .collect();
    runtime.block_on(async {
        for (key, load) in (0..100).zip(loads) {
            assert_eq!(load.await, key / 2);
        }
    });
    assert_eq!(cache.stats().loads, 50);
    assert_eq!(cache.flight_count(), 0);
}

#[test]
fn the_default_hasher_has_a_new_seed_in_each_cache() {
    let hashes = |hasher: &DefaultHasher| (0..100_u64).map(|key| hasher.hash_one(key)).collect();
    let all: HashSet<Vec<u64>> = (0..50).map(|_| hashes(&DefaultHasher::default())).collect();
    assert_eq!(all.len(), 50);
    let order = |cache: &Virtual| {
        (0..1_000).for_each(|key| cache.insert(key, key));
        (0..1_000).filter(|key| cache.contains_key(key)).collect()
    };
    // The keys that a full cache keeps do not reveal the keys that another cache keeps.
    let kept: HashSet<Vec<u64>> = (0..5)
        .map(|_| {
            let cache: Virtual = Cache::builder_on(VirtualRuntime::new())
                .max_capacity(100)
                .shards(16)
                .build();
            order(&cache)
        })
        .collect();
    assert!(kept.len() > 1);
}

#[test]
fn any_number_of_keys_passes_through_a_cache_of_capacity_one() {
    let usual = if cfg!(debug_assertions) {
        30_000
    } else {
        10_000_000
    };
    let keys: u64 = env::var("CACHE_KEYS").map_or(usual, |keys| {
        keys.parse().expect("CACHE_KEYS is a number of keys")
    });
    for (policy, shards) in [
        (EvictionPolicy::default(), 1),
        (EvictionPolicy::default(), 16),
        (EvictionPolicy::Lru, 1),
    ] {
        let removed = Arc::new(AtomicU64::new(0));
        let notified = Arc::clone(&removed);
        let runtime = VirtualRuntime::new();
        let cache: Virtual = Cache::builder_on(runtime.clone())
            .max_capacity(1)
            .eviction_policy(policy)
            .shards(shards)
            .eviction_listener(move |_, _, _| {
                notified.fetch_add(1, Ordering::Relaxed);
            })
            .build();
        let mut memory = 0;
        runtime.block_on(async {
            for key in 0..keys {
                if key % 2 == 0 {
                    cache.insert(key, key);
                } else {
                    cache.get_with(key, || async move { key }).await;
                }
                if key == keys / 10 {
                    memory = cache.memory_used();
                }
            }
        });
        assert_eq!(
            cache.get(&(keys - 1)),
            Some(keys - 1),
            "the latest key is stored"
        );
        assert_eq!(cache.entry_count(), 1);
        assert_eq!(cache.weighted_size(), 1);
        assert_eq!(removed.load(Ordering::Relaxed), keys - 1);
        assert_eq!(cache.stats().insertions, keys);
        assert_eq!(cache.stats().removals(RemovalCause::Size), keys - 1);
        assert!(
            cache.memory_used() <= memory,
            "{} bytes, after a tenth of the keys {memory}",
            cache.memory_used()
        );
    }
}

/// A listener that inserts each removed entry under another key of the same cache.
#[test]
fn a_listener_that_moves_removed_entries_to_other_keys_ends_if_the_capacity_allows() {
    let handle: Arc<std::sync::OnceLock<Virtual>> = Arc::default();
    let known = Arc::clone(&handle);
    let moves = |key: u64| key + 1_000;
    let runtime = VirtualRuntime::new();
    let cache: Cache<u64, u64, _> = Cache::builder_on(runtime)
        .max_capacity(10)
        .eviction_listener(move |key: &u64, value: &u64, cause| {
            let moved = moves(*key);
            if let (RemovalCause::Explicit, Some(cache)) = (cause, known.get()) {
                cache.insert(moved, *value);
                assert_eq!(cache.get(&moved), Some(*value));
            }
        })
        .build();
    (0..10).for_each(|key| cache.insert(key, key));
    assert!(handle.set(cache.clone()).is_ok());
    cache.invalidate_all();
    for key in 0..10 {
        assert_eq!(cache.remove(&key), None);
        assert_eq!(cache.get(&moves(key)), Some(key));
    }
    assert_eq!(cache.entry_count(), 10);
}
