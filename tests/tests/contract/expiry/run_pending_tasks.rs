//! `run_pending_tasks` and `next_deadline`: purging without a janitor. And `memory_used`.

use cache_core::{Instant, RemovalCause};

use crate::contract::support::common::{Notices, SECOND, after, assert_sound, now, seconds};
use crate::harness::{Cache, Rt, advance, run, runtime, runtime_with_clock};

fn builder() -> cache_core::Builder<u32, u64, Rt> {
    Cache::builder_on(runtime()).shards(4)
}

#[test]
fn run_pending_tasks_purges_everything_that_has_expired_by_this_instant() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime)
            .time_to_live(seconds(60))
            .shards(4)
            .build();
        set_clock(Instant::ORIGIN);
        for key in 0..1_000 {
            cache.insert(key, 1);
        }
        cache.insert_with_ttl(1_000, 1, after(61));
        set_clock(Instant::ORIGIN.after(seconds(60)));
        assert_eq!(cache.entry_count(), 1_001);
        cache.run_pending_tasks();
        assert_eq!(cache.entry_count(), 1);
    });
}

#[test]
fn run_pending_tasks_purges_entries_that_just_expired_and_notifies_the_listener() {
    run(|| async {
        let notices = Notices::new();
        let cache = builder().eviction_listener(notices.listener()).build();
        for key in 0..1_000 {
            cache.insert_with_ttl(key, 1, after(60));
        }
        cache.insert(1_000, 1);
        advance(seconds(59)).await;
        cache.run_pending_tasks();
        assert_eq!((cache.entry_count(), notices.len()), (1_001, 0));
        advance(SECOND * 2).await;
        cache.run_pending_tasks();
        assert_eq!((cache.entry_count(), cache.weighted_size()), (1, 1));
        let expired = (0..1_000).map(|key| (key, 1, RemovalCause::Expired));
        assert_eq!(notices.take_sorted(), expired.collect::<Vec<_>>());
        cache.run_pending_tasks();
        assert_eq!(notices.len(), 0);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn next_deadline_is_set_as_long_as_an_entry_can_expire() {
    run(|| async {
        let cache = builder().build();
        assert_eq!(cache.next_deadline(), None);
        cache.insert(1, 1);
        assert_eq!(cache.next_deadline(), None);
        cache.insert_with_ttl(2, 1, after(60));
        let first = cache.next_deadline().expect("2 can expire");
        assert!(first <= now(&cache).after(seconds(61)));
        cache.insert_with_ttl(3, 1, after(5));
        let earlier = cache.next_deadline().expect("3 can expire");
        assert!(earlier <= now(&cache).after(seconds(6)));
        cache.remove(&3);
        cache.remove(&2);
        assert_eq!(cache.next_deadline(), None);
    });
}

#[test]
fn sleeping_until_the_next_deadline_and_purging_then_purges_everything() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache: Cache<u32, u64> = Cache::builder_on(runtime).shards(4).build();
        set_clock(Instant::from_nanos(12_345));
        for key in 0..500 {
            cache.insert_with_ttl(key, 1, after(u64::from(key) % 97 * 1_000 + 1));
        }
        let mut rounds = 0;
        while let Some(deadline) = cache.next_deadline() {
            assert!(deadline > now(&cache), "the deadline is in the future");
            set_clock(deadline);
            cache.run_pending_tasks();
            rounds += 1;
            let late = cache.iter().count() as u64;
            assert_eq!(cache.entry_count(), late, "round {rounds}");
        }
        assert_eq!(cache.entry_count(), 0);
        // A distant deadline needs a few purges on the way.
        assert!(rounds < 97 * 5, "{rounds} rounds");
    });
}

#[test]
fn a_cache_under_writes_does_not_grow_with_expired_entries() {
    run(|| async {
        let cache: Cache<u32, u64> = builder().time_to_live(seconds(10)).build();
        for key in 0..2_000 {
            cache.insert(key, 1);
            advance(SECOND / 10).await;
        }
        // 100 entries are alive, and each shard may hold a few expired ones.
        assert!(cache.entry_count() < 150, "{}", cache.entry_count());
    });
}

#[test]
fn memory_used_counts_the_memory_of_the_cache_but_not_of_the_values() {
    run(|| async {
        let cache: Cache<u32, Vec<u8>> = Cache::builder_on(runtime()).max_capacity(10_000).build();
        let empty = cache.memory_used();
        assert!(empty < 100_000, "{empty}");
        for key in 0..10_000 {
            cache.insert(key, Vec::new());
        }
        let entries = 10_000 * size_of::<(u32, Vec<u8>)>();
        let full = cache.memory_used();
        assert!(full > empty + entries, "{full}");
        assert!(full < empty + 6 * entries, "{full}");
        for key in 0..10_000 {
            cache.insert(key, vec![0; 1_000]);
        }
        assert_eq!(cache.memory_used(), full);
        for key in 10_000..50_000 {
            cache.insert(key, Vec::new());
        }
        let churned = cache.memory_used();
        assert!(churned < full * 2, "{churned} after {full}: bounded");
    });
}
