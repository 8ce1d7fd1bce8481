//! Shards that draw on one budget.

use cache_core::RemovalCause;
use shuttle::thread;

use crate::stage::{explore, one_of};

#[test]
fn shards_never_hold_more_than_the_cache_may_and_lose_none_of_it() {
    const CAPACITY: u64 = 6;
    explore(|stage| {
        let cache = stage.builder().shards(4).max_capacity(CAPACITY).build();
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (stage, cache) = (stage.clone(), cache.clone());
                let weights: Vec<_> = (0..3).map(|_| 1 + one_of(4)).collect();
                thread::spawn(move || {
                    for (key, weight) in (10 * writer..).zip(weights) {
                        cache.insert_weighted(key, stage.value(), weight);
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
            cache.insert(100 + key, stage.value());
        }
        assert_eq!(cache.weighted_size(), CAPACITY, "room was lost");
    });
}

#[test]
fn heavy_entries_make_their_room_once_and_no_more_of_it() {
    const CAPACITY: u64 = 12;
    const HEAVY: u32 = 3;
    explore(|stage| {
        let cache = stage.builder().shards(4).max_capacity(CAPACITY).build();
        // Full, and each that leaves makes room of 1.
        for key in 0..CAPACITY {
            cache.insert(100 + key as u32, stage.value());
        }
        assert_eq!(cache.weighted_size(), CAPACITY);
        let writers: Vec<_> = (0..3)
            .map(|key| {
                let (stage, cache) = (stage.clone(), cache.clone());
                thread::spawn(move || {
                    cache.insert_weighted(key, stage.value(), HEAVY);
                    let stats = cache.stats();
                    let evicted = stats.removals(RemovalCause::Size);
                    // What is evicted makes room for the heavy entries, and is needed for them.
                    assert!(evicted <= 3 * u64::from(HEAVY), "{evicted} evicted");
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("no panic");
        }
        let size = cache.weighted_size();
        let evicted = cache.stats().removals(RemovalCause::Size);
        assert!(size <= CAPACITY, "{size} held");
        // An entry that weighs 3 and leaves for one that needs 1 leaves room of 2.
        let heavy = (0..3).filter(|key| !cache.contains_key(key)).count() as u64;
        let slack = heavy * u64::from(HEAVY - 1);
        assert!(size + slack >= CAPACITY, "{size} held after {evicted} left");
        // All room is there: as many as fit do.
        cache.invalidate_all();
        for key in 0..CAPACITY {
            cache.insert(200 + key as u32, stage.value());
        }
        assert_eq!(cache.weighted_size(), CAPACITY, "room was lost");
    });
}
