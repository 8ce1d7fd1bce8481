//! The memory of removed entries is released.

use std::collections::BTreeMap;

use cache_core::{EvictionPolicy, Ttl};

use crate::contract::support::common::{after, assert_sound, on_shards, seconds};
use crate::harness::{Cache, Rt, advance, run, runtime};

type Builder = cache_core::Builder<u32, u64, Rt>;

const MANY: u32 = 10_000;

/// The bytes that an empty shard may hold.
const LITTLE: usize = 512;

/// Every setting for which the cache keeps an array beside its entries.
fn builders(shards: usize) -> Vec<Builder> {
    let plain = || Cache::builder_on(runtime()).shards(shards);
    let bounded = || plain().max_capacity(u64::from(MANY) * 4);
    let mut builders = vec![
        plain(),
        bounded(),
        bounded().time_to_live(seconds(60)),
        bounded().time_to_idle(seconds(60)),
        bounded().weigher(|_, value| u32::from(value % 3 != 0)),
    ];
    if shards == 1 {
        builders.push(bounded().eviction_policy(EvictionPolicy::Lru));
    }
    builders
}

fn fill(cache: &Cache<u32, u64>) {
    for key in 0..MANY {
        let ttl = if key % 7 == 0 {
            after(1_000)
        } else {
            Ttl::After(seconds(30))
        };
        cache.insert_with_ttl(key, u64::from(key), ttl);
    }
}

#[test]
fn an_emptied_cache_releases_all_memory() {
    type Empty = fn(&Cache<u32, u64>);
    on_shards(|shards| async move {
        let ways: [Empty; 5] = [
            |cache| cache.invalidate_all(),
            |cache| drop(cache.drain()),
            |cache| cache.retain(|_, _| false),
            |cache| (0..MANY).for_each(|key| cache.invalidate(&key)),
            |cache| {
                (0..MANY)
                    .rev()
                    .for_each(|key| assert!(cache.remove(&key).is_some()))
            },
        ];
        for (way, empty) in ways.into_iter().enumerate() {
            for (which, builder) in builders(shards).into_iter().enumerate() {
                let cache = builder.build();
                let before = cache.memory_used();
                for _ in 0..2 {
                    fill(&cache);
                    assert!(cache.memory_used() > before + 8 * MANY as usize);
                    empty(&cache);
                    let left = cache.memory_used();
                    let most = before + shards * 16 * LITTLE;
                    assert!(left <= most, "{left} by way {way} of builder {which}");
                    cache.shrink_to_fit();
                    let left = cache.memory_used();
                    let most = before + shards * LITTLE;
                    assert!(left <= most, "{left} by way {way} of builder {which}");
                }
            }
        }
    });
}

#[test]
fn a_purge_releases_memory() {
    on_shards(|shards| async move {
        for builder in builders(shards) {
            let cache = builder.negative_ttl(seconds(30)).build();
            let before = cache.memory_used();
            fill(&cache);
            for key in 0..5_000 {
                let key = MANY + key;
                let missing = cache.optionally_get_with(key, || async { None });
                assert_eq!(missing.await, None);
            }
            advance(seconds(2_000)).await;
            cache.run_pending_tasks();
            assert_eq!(cache.entry_count(), 0);
            let left = cache.memory_used();
            assert!(left <= before + shards * 16 * LITTLE, "{left}");
        }
    });
}

#[test]
fn entries_that_stay_when_most_are_removed_are_unchanged() {
    on_shards(|shards| async move {
        for shrink in [false, true] {
            for builder in builders(shards) {
                let cache = builder.build();
                fill(&cache);
                let full = cache.memory_used();
                let stays = |key: u32| key % 50 == 7 || key > MANY - 20;
                let all = 0..MANY;
                let deadlines: BTreeMap<_, _> = (all.clone().filter(|&key| stays(key)))
                    .map(|key| (key, cache.expires_at(&key)))
                    .collect();
                let weight = cache.weighted_size();
                if shrink {
                    cache.retain(|key, _| stays(*key));
                    cache.shrink_to_fit();
                } else {
                    let leave = all.clone().filter(|&key| !stays(key));
                    leave.for_each(|key| cache.invalidate(&key));
                }
                let left = cache.memory_used();
                assert!(left < full / 4 + shards * 16 * LITTLE, "{left} of {full}");
                for key in all {
                    let value = stays(key).then_some(u64::from(key));
                    assert_eq!(cache.peek(&key), value);
                    if stays(key) {
                        assert_eq!(cache.expires_at(&key), deadlines[&key], "{key}");
                    }
                }
                assert!(cache.weighted_size() < weight / 10);
                assert_eq!(cache.entry_count(), deadlines.len() as u64);
                advance(seconds(31)).await;
                for key in deadlines.keys() {
                    assert_eq!(cache.get(key).is_some(), key % 7 == 0, "{key}");
                }
                cache.run_pending_tasks();
                assert_eq!(cache.entry_count(), cache.iter().count() as u64);
                // As many entries as before fit in.
                fill(&cache);
                assert_eq!(cache.entry_count(), u64::from(MANY));
            }
        }
    });
}

#[test]
fn the_eviction_order_is_unchanged_after_memory_was_released() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(runtime()).max_capacity(1_000);
        let cache = builder.eviction_policy(EvictionPolicy::Lru).build();
        for key in 0..1_000 {
            cache.insert(key, 1);
        }
        for key in (990..1_000).rev() {
            assert_eq!(cache.get(&key), Some(1));
        }
        cache.retain(|key, _| *key >= 980);
        cache.shrink_to_fit();
        cache.insert_weighted(5_000, 1, 980);
        let order = (980..990).chain((990..1_000).rev());
        for (newcomer, leaves) in order.enumerate() {
            assert!(cache.contains_key(&leaves), "{leaves}");
            cache.insert(6_000 + u32::try_from(newcomer).unwrap(), 1);
            assert!(!cache.contains_key(&leaves), "{leaves}");
        }
        assert_eq!(cache.weighted_size(), 1_000);
    });
}

#[test]
fn an_iterator_returns_every_staying_entry_once_although_most_are_removed_meanwhile() {
    on_shards(|shards| async move {
        let cache = Cache::<u32, u64>::builder_on(runtime())
            .shards(shards)
            .build();
        for key in 0..MANY {
            cache.insert(key, 1);
        }
        let full = cache.memory_used();
        let mut iter = cache.iter();
        let mut seen: Vec<_> = iter.by_ref().take(300).map(|(key, _)| key).collect();
        let early = seen.clone();
        for key in (0..MANY).filter(|key| key % 20 != 0 && !early.contains(key)) {
            cache.invalidate(&key);
        }
        cache.shrink_to_fit();
        assert!(cache.memory_used() >= full, "nothing has moved");
        seen.extend(iter.by_ref().map(|(key, _)| key));
        seen.sort_unstable();
        let count = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), count, "once");
        assert!(
            (0..MANY)
                .step_by(20)
                .all(|key| seen.binary_search(&key).is_ok())
        );
        drop(iter);
        cache.shrink_to_fit();
        assert!(cache.memory_used() < full / 2);
        cache.retain(|key, _| key % 20 == 0);
        assert_eq!(cache.iter().count(), MANY as usize / 20);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn memory_is_stable_while_the_number_of_entries_fluctuates() {
    run(|| async {
        let cache = Cache::<u32, u64>::builder_on(runtime()).shards(1).build();
        let cycle = || {
            (0..MANY).for_each(|key| cache.insert(key, 1));
            (0..MANY / 2).for_each(|key| cache.invalidate(&key));
        };
        cycle();
        cycle();
        let memory = cache.memory_used();
        for _ in 0..5 {
            cycle();
            assert_eq!(cache.memory_used(), memory);
        }
    });
}
