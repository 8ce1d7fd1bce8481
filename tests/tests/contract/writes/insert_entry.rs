//! `insert_entry`: a write with a ttl and a weight of its own.

use std::time::Duration;

use cache_core::{Loaded, Ttl};

use crate::contract::support::backend::{Backend, parked};
use crate::contract::support::common::{SECOND, after, assert_sound, on_shards, seconds};
use crate::harness::{Cache, advance, run, runtime};

#[test]
fn an_entry_has_the_ttl_and_the_weight_of_its_write() {
    on_shards(|shards| async move {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .shards(shards)
            .max_capacity(100)
            .weigher(|_, _| 7)
            .time_to_live(seconds(10))
            .build();
        cache.insert_entry(1, Loaded::new(10));
        cache.insert_entry(2, Loaded::new(20).ttl(after(2)));
        cache.insert_entry(3, Loaded::new(30).weight(3));
        cache.insert_entry(4, Loaded::new(40).ttl(Ttl::Never).weight(0));
        assert_eq!(cache.weighted_size(), 7 + 7 + 3);
        let left = [1, 2, 3, 4].map(|key| cache.time_to_expiry(&key));
        let expected = [seconds(10), seconds(2), seconds(10), Duration::MAX];
        assert_eq!(left, expected.map(Some));
        advance(seconds(2)).await;
        assert_eq!(cache.get_all([&1, &2, &3]), [Some(10), None, Some(30)]);
        advance(seconds(8)).await;
        assert_eq!(cache.get_all([&1, &3, &4]), [None, None, Some(40)]);
        cache.run_pending_tasks();
        assert_sound(&cache, |_, _| 0);
    });
}

#[test]
fn an_entry_replaces_the_value_the_ttl_and_the_weight_of_an_older_one() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        cache.insert_entry(1, Loaded::new(10).ttl(after(1)).weight(5));
        cache.insert_entry(1, Loaded::new(11).weight(2));
        assert_eq!((cache.entry_count(), cache.weighted_size()), (1, 2));
        advance(SECOND).await;
        assert_eq!(cache.get(&1), Some(11));
    });
}

#[test]
fn the_value_of_a_load_in_flight_does_not_replace_the_entry() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        let backend = Backend::new();
        let load = parked(cache.get_with(1, || backend.answer(10)));
        cache.insert_entry(1, Loaded::new(11).ttl(after(5)));
        backend.open();
        assert_eq!(load.await, 10);
        assert_eq!(cache.get(&1), Some(11));
    });
}
