//! Shards that draw on one budget.

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
        let removed: u64 = cache_core::RemovalCause::ALL
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
