//! Eviction policies: which entry is evicted when the cache is full.

use std::collections::VecDeque;

use cache_core::{Computed, EvictionPolicy, Op, RemovalCause};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::contract::support::common::{Notices, assert_sound};
use crate::harness::{Cache, run, runtime};

type Notified = Notices<(u32, u64, RemovalCause)>;

fn lru(capacity: u64) -> (Cache<u32, u64>, Notified) {
    let notices = Notices::new();
    let cache = Cache::builder_on(runtime())
        .max_capacity(capacity)
        .eviction_policy(EvictionPolicy::Lru)
        .eviction_listener(notices.listener())
        .build();
    (cache, notices)
}

/// The evicted keys, in order.
fn evicted(notices: &Notified) -> Vec<u32> {
    let evicted = notices.take().into_iter();
    let evicted = evicted.filter(|(.., cause)| *cause == RemovalCause::Size);
    evicted.map(|(key, ..)| key).collect()
}

#[test]
fn lru_evicts_the_least_recently_used_entry() {
    run(|| async {
        let (cache, notices) = lru(4);
        for key in 1..=4 {
            cache.insert(key, 1);
        }
        assert_eq!(cache.get(&1), Some(1));
        cache.insert(2, 2);
        assert_eq!(cache.get_with(3, || async { 9 }).await, 1);
        for key in 5..=8 {
            cache.insert(key, 1);
        }
        assert_eq!(evicted(&notices), [4, 1, 2, 3]);
    });
}

#[test]
fn the_order_of_lru_is_exact_for_every_operation() {
    run(|| async {
        for seed in 0..20 {
            let mut random = SmallRng::seed_from_u64(seed);
            let (cache, notices) = lru(32);
            // From the least to the most recently used.
            let mut order = VecDeque::new();
            for _ in 0..2_000 {
                let key: u32 = random.random_range(0..64);
                let known = order.iter().position(|&other| other == key);
                match random.random_range(0..6) {
                    0 => assert_eq!(cache.peek(&key).is_some(), known.is_some()),
                    1 => assert_eq!(cache.contains_key(&key), known.is_some()),
                    2 => {
                        assert_eq!(cache.remove(&key).is_some(), known.is_some());
                        known.map(|at| order.remove(at));
                    }
                    3 => {
                        assert_eq!(cache.get(&key).is_some(), known.is_some());
                        if let Some(at) = known {
                            order.remove(at);
                            order.push_back(key);
                        }
                    }
                    write => {
                        if write == 4 {
                            cache.insert(key, 1);
                        } else {
                            cache.get_with(key, || async { 1 }).await;
                        }
                        known.map(|at| order.remove(at));
                        order.push_back(key);
                        let gone = (order.len() > 32).then(|| order.pop_front()).flatten();
                        assert_eq!(evicted(&notices), Vec::from_iter(gone));
                    }
                }
            }
            assert_sound(&cache, |_, _| 1);
        }
    });
}

#[test]
fn peeking_at_an_entry_does_not_promote_it() {
    run(|| async {
        let (cache, notices) = lru(3);
        for key in 1..=3 {
            cache.insert(key, 1);
        }
        assert_eq!(cache.peek(&1), Some(1));
        assert!(cache.contains_key(&1));
        assert!(cache.expires_at(&1).is_some());
        assert_eq!(cache.iter().count(), 3);
        cache.retain(|_, _| true);
        let unchanged = cache.entry(1).and_compute_with(|_| async { Op::Nop });
        assert_eq!(unchanged.await, Computed::Unchanged(Some(1)));
        for key in 4..=6 {
            cache.insert(key, 1);
        }
        assert_eq!(evicted(&notices), [1, 2, 3]);
    });
}

#[test]
fn lru_evicts_no_more_entries_than_necessary() {
    run(|| async {
        let (cache, notices) = lru(10);
        for key in 1..=5 {
            cache.insert_weighted(key, 1, 2);
        }
        cache.insert_weighted(6, 1, 1);
        assert_eq!(evicted(&notices), [1]);
        cache.insert_weighted(7, 1, 1);
        assert_eq!(evicted(&notices), []);
        cache.insert_weighted(8, 1, 5);
        assert_eq!(evicted(&notices), [2, 3, 4]);
        // A heavier value makes its entry the most recent one, so the other entries are evicted.
        cache.insert_weighted(5, 1, 10);
        assert_eq!(evicted(&notices), [6, 7, 8]);
        assert_eq!((cache.entry_count(), cache.weighted_size()), (1, 10));
    });
}

#[test]
fn frequently_used_entries_survive_a_scan_under_the_default_policy() {
    run(|| async {
        for shards in [1, 4] {
            let cache: Cache<u32, u64> = Cache::builder_on(runtime())
                .max_capacity(1_000)
                .shards(shards)
                .hash_seed(5)
                .build();
            let popular = 0..500;
            for _ in 0..4 {
                for key in popular.clone() {
                    cache.get_with(key, || async { 1 }).await;
                }
            }
            for scanned in 10_000..30_000 {
                cache.insert(scanned, 1);
            }
            let left = popular.filter(|key| cache.contains_key(key)).count();
            assert!(left >= 450, "{left} of 500 survive with {shards} shards");
        }
    });
}

#[test]
fn the_default_policy_admits_new_entries() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).max_capacity(100).build();
        for _ in 0..4 {
            for key in 0..100 {
                cache.get_with(key, || async { 1 }).await;
            }
        }
        // Formerly popular entries are evicted in favor of those that are popular now.
        for round in 0..50 {
            for key in 1_000..1_050 {
                cache.get_with(key, || async move { round }).await;
            }
        }
        let now_popular = (1_000..1_050).filter(|key| cache.contains_key(key));
        assert!(now_popular.count() >= 45);
    });
}

#[test]
fn an_entry_is_present_right_after_its_write() {
    run(|| async {
        for capacity in [1, 2, 3, 10, 100] {
            let cache: Cache<u32, u64> =
                Cache::builder_on(runtime()).max_capacity(capacity).build();
            for key in 0..1_000 {
                cache.insert(key, 1);
                assert_eq!(cache.peek(&key), Some(1), "capacity {capacity}");
                for popular in 0..10 {
                    let _used = cache.get(&popular);
                }
            }
        }
    });
}
