//! `time_to_idle`: entries expire when they are not used.

use std::time::Duration;

use cache_core::{Computed, Instant, Op, Ttl};

use crate::contract::support::common::{SECOND, after, now, on_shards, seconds};
use crate::harness::{Cache, Rt, advance, runtime, runtime_with_clock};

const IDLE: Duration = Duration::from_secs(10);

fn cache(shards: usize) -> Cache<u32, u64> {
    on(runtime(), shards)
}

fn on(runtime: Rt, shards: usize) -> Cache<u32, u64> {
    let builder = Cache::builder_on(runtime).shards(shards);
    builder.time_to_idle(IDLE).build()
}

#[test]
fn a_used_entry_stays_and_an_idle_one_expires() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        cache.insert(1, 1);
        cache.insert(2, 2);
        for _ in 0..20 {
            advance(IDLE - SECOND).await;
            assert_eq!(cache.get(&1), Some(1));
        }
        assert_eq!(cache.get(&2), None);
        advance(IDLE).await;
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn an_idle_entry_expires_exactly_at_its_deadline() {
    on_shards(|shards| async move {
        let (runtime, set_clock) = runtime_with_clock();
        let cache = on(runtime, shards);
        set_clock(Instant::from_nanos(77));
        cache.insert(1, 1);
        set_clock(Instant::from_nanos(10_000_000_076));
        assert_eq!(cache.get(&1), Some(1));
        let deadline = Instant::from_nanos(20_000_000_076);
        assert_eq!(cache.expires_at(&1), Some(deadline));
        set_clock(Instant::from_nanos(20_000_000_075));
        assert_eq!(cache.peek(&1), Some(1));
        set_clock(deadline);
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn every_use_of_an_entry_restarts_its_idle_time() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        let uses: [fn(&Cache<u32, u64>); 5] = [
            |cache| assert_eq!(cache.get(&1), Some(1)),
            |cache| assert_eq!(cache.get_all([&1]), [Some(1)]),
            |cache| cache.insert(1, 1),
            |cache| cache.insert_with_ttl(1, 1, Ttl::Never),
            |cache| assert!(cache.set_ttl(&1, Ttl::Never)),
        ];
        cache.insert(1, 1);
        for use_it in uses {
            advance(IDLE - SECOND).await;
            use_it(&cache);
            assert_eq!(cache.expires_at(&1), Some(now(&cache).after(IDLE)));
        }
        advance(IDLE - SECOND).await;
        assert_eq!(cache.get_with(1, || async { 2 }).await, 1);
        advance(IDLE - SECOND).await;
        let put = cache.entry(1).and_compute_with(|_| async { Op::put(1) });
        assert_eq!(put.await, Computed::Put(1));
        advance(IDLE - SECOND).await;
        assert_eq!(cache.peek(&1), Some(1));
    });
}

#[test]
fn peeking_at_an_entry_does_not_restart_its_idle_time() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        cache.insert(1, 1);
        let deadline = cache.expires_at(&1);
        advance(IDLE - SECOND).await;
        assert_eq!(cache.peek(&1), Some(1));
        assert!(cache.contains_key(&1));
        assert_eq!(cache.iter().count(), 1);
        cache.retain(|_, _| true);
        assert_eq!(cache.expires_at(&1), deadline);
        let unchanged = cache.entry(1).and_compute_with(|_| async { Op::Nop });
        assert_eq!(unchanged.await, Computed::Unchanged(Some(1)));
        advance(SECOND).await;
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn the_time_to_live_ends_an_entry_however_often_it_is_used() {
    on_shards(|shards| async move {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .shards(shards)
            .time_to_live(seconds(25))
            .time_to_idle(IDLE)
            .build();
        cache.insert(1, 1);
        for _ in 0..4 {
            advance(seconds(6)).await;
            assert_eq!(cache.get(&1), Some(1));
        }
        assert_eq!(cache.expires_at(&1), Some(now(&cache).after(SECOND)));
        advance(SECOND).await;
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn an_entry_without_a_time_to_live_may_still_be_idle() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        cache.insert_with_ttl(1, 1, Ttl::Never);
        cache.insert_with_ttl(2, 2, after(5));
        assert_eq!(cache.expires_at(&1), Some(now(&cache).after(IDLE)));
        assert_eq!(cache.expires_at(&2), Some(now(&cache).after(seconds(5))));
        advance(IDLE).await;
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn the_idle_time_of_a_loaded_value_starts_when_its_load_completes() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        let loader = || async {
            crate::harness::sleep(IDLE * 3).await;
            1
        };
        let load = async { cache.get_with(1, loader).await };
        let time = async {
            crate::contract::support::common::yield_once().await;
            advance(IDLE * 3).await;
        };
        let (value, ()) = tokio::join!(load, time);
        assert_eq!(value, 1);
        assert_eq!(cache.expires_at(&1), Some(now(&cache).after(IDLE)));
    });
}

#[test]
fn idle_entries_are_purged_however_often_their_deadline_moved() {
    on_shards(|shards| async move {
        let cache = cache(shards);
        for key in 0..100 {
            cache.insert(key, 1);
        }
        for round in 0..50 {
            advance(seconds(3)).await;
            for key in (0..100).filter(|key| key % 10 <= round / 10) {
                assert_eq!(cache.get(&key).is_some(), key % 10 == 0 || round < 3);
            }
            cache.run_pending_tasks();
        }
        assert_eq!(cache.entry_count(), 10);
        advance(IDLE + SECOND).await;
        cache.run_pending_tasks();
        assert_eq!(cache.entry_count(), 0);
        assert_eq!(cache.next_deadline(), None);
    });
}
