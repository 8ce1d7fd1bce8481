//! Shards that share one capacity.

use cache_core::RemovalCause;
use shuttle::thread;

use crate::shuttle_runtime::{explore, one_of};

#[test]
fn shards_never_exceed_the_capacity_and_lose_none_of_it() {
    const CAPACITY: u64 = 6;
    explore(|runtime| {
        let cache = runtime.builder().shards(4).max_capacity(CAPACITY).build();
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (runtime, cache) = (runtime.clone(), cache.clone());
                let weights: Vec<_> = (0..3).map(|_| 1 + one_of(4)).collect();
                thread::spawn(move || {
                    for (key, weight) in (10 * writer..).zip(weights) {
                        cache.insert_weighted(key, runtime.value(), weight);
                    }
                    if writer == 0 {
                        cache.invalidate_all();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("no panic");
        }
        let stats = cache.stats();
        let removed: u64 = RemovalCause::ALL
            .into_iter()
            .map(|cause| stats.removals(cause))
            .sum();
        assert_eq!(stats.insertions, cache.entry_count() + removed);
        cache.invalidate_all();
        for key in 0..6 {
            cache.insert(100 + key, runtime.value());
        }
        assert_eq!(cache.weighted_size(), CAPACITY, "capacity was lost");
    });
}

#[test]
fn a_heavy_entry_reclaims_its_capacity_once() {
    const CAPACITY: u64 = 8;
    const HEAVY: u32 = 5;
    explore(|runtime| {
        let cache = runtime.builder().shards(4).max_capacity(CAPACITY).build();
        // Full of entries of weight 1.
        for key in 100..116 {
            cache.insert(key, runtime.value());
        }
        assert_eq!(cache.weighted_size(), CAPACITY);
        let writers: Vec<_> = (0..3)
            .map(|key| {
                let (runtime, cache) = (runtime.clone(), cache.clone());
                let weight = if key == 0 { HEAVY } else { 1 };
                thread::spawn(move || cache.insert_weighted(key, runtime.value(), weight))
            })
            .collect();
        for writer in writers {
            writer.join().expect("no panic");
        }
        let size = cache.weighted_size();
        assert!(size <= CAPACITY, "{size} held");
        if cache.contains_key(&0) {
            let evicted = cache.stats().removals(RemovalCause::Size);
            assert_eq!(size, CAPACITY, "{evicted} left");
        }
        // The whole capacity is usable: as many entries are stored as fit.
        cache.invalidate_all();
        for key in 200..208 {
            cache.insert(key, runtime.value());
        }
        assert_eq!(cache.weighted_size(), CAPACITY, "capacity was lost");
    });
}

#[test]
fn the_bound_that_was_set_last_holds_and_no_capacity_is_lost() {
    const LAST: u64 = 3;
    explore(|runtime| {
        let cache = runtime.builder().shards(4).max_capacity(8).build();
        for key in 100..108 {
            cache.insert(key, runtime.value());
        }
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (runtime, cache) = (runtime.clone(), cache.clone());
                let weights: Vec<_> = (0..3).map(|_| 1 + one_of(4)).collect();
                thread::spawn(move || {
                    for (key, weight) in (10 * writer..).zip(weights) {
                        cache.insert_weighted(key, runtime.value(), weight);
                    }
                })
            })
            .collect();
        let bounds = [1 + u64::from(one_of(12)), LAST];
        let resized = cache.clone();
        let resizer = thread::spawn(move || {
            for bound in bounds {
                resized.set_max_capacity(bound);
            }
        });
        for thread in writers.into_iter().chain([resizer]) {
            thread.join().expect("no panic");
        }
        assert!(cache.weighted_size() <= LAST);
        cache.invalidate_all();
        for key in 200..208 {
            cache.insert(key, runtime.value());
        }
        assert_eq!(cache.weighted_size(), LAST, "capacity was lost");
    });
}
