//! Expired entries of any shard are removed before a live entry is evicted.

use std::convert::Infallible;

use cache_core::{BatchWindow, EvictionPolicy, RemovalCause, Ttl};

use crate::contract::support::common::{Notices, SECOND, after, assert_sound, on_shards, seconds};
use crate::harness::{Cache, Rt, advance, run, runtime};

type Builder = cache_core::Builder<u32, u64, Rt>;
type Notified = Notices<(u32, u64, RemovalCause)>;

/// The weight of a value is the value.
fn by_value(_: &u32, value: &u64) -> u32 {
    u32::try_from(*value).expect("a small value")
}

fn of(capacity: u64, shards: usize) -> Builder {
    let builder = Cache::builder_on(runtime()).max_capacity(capacity);
    builder.shards(shards).weigher(by_value).hash_seed(1)
}

fn with_listener(builder: Builder) -> (Cache<u32, u64>, Notified) {
    let notices = Notices::new();
    let cache = builder.eviction_listener(notices.listener()).build();
    (cache, notices)
}

fn count(notices: &Notified, cause: RemovalCause) -> usize {
    notices.count(|(_, _, notified)| *notified == cause)
}

/// A cache with one live entry of weight 10 at position `place` among ninety expired ones of weight
/// 1.
async fn nearly_expired(builder: Builder, place: u32) -> (Cache<u32, u64>, Notified) {
    let (cache, notices) = with_listener(builder);
    for key in 0..90 {
        if key == place {
            cache.insert(1_000, 10);
        }
        cache.insert_with_ttl(key, 1, after(1));
    }
    advance(SECOND * 2).await;
    assert_eq!(cache.weighted_size(), 100);
    (cache, notices)
}

#[test]
fn expired_entries_are_removed_before_a_live_one_is_evicted() {
    on_shards(|shards| async move {
        for place in [0, 1, 45, 88, 89] {
            let (cache, notices) = nearly_expired(of(100, shards), place).await;
            cache.insert_with_ttl(2_000, 50, Ttl::Never);
            assert_eq!(cache.peek(&1_000), Some(10), "at {place}");
            assert_eq!(cache.peek(&2_000), Some(50), "at {place}");
            assert!(count(&notices, RemovalCause::Expired) >= 50);
            assert_eq!(notices.len(), count(&notices, RemovalCause::Expired));
            cache.run_pending_tasks();
            assert_sound(&cache, by_value);
        }
    });
}

#[test]
fn expired_entries_are_removed_before_a_live_one_under_every_policy_and_expiry() {
    run(|| async {
        let lru = || of(100, 1).eviction_policy(EvictionPolicy::Lru);
        let builders = [lru(), lru().time_to_live(seconds(1_000)), of(100, 4)];
        for builder in builders {
            let idle = builder.time_to_idle(seconds(1_000));
            let (cache, notices) = nearly_expired(idle, 7).await;
            cache.insert(2_000, 50);
            assert_eq!(cache.peek(&1_000), Some(10));
            assert_eq!(count(&notices, RemovalCause::Size), 0);
        }
    });
}

#[test]
fn expired_entries_are_removed_before_a_live_one_for_loaded_values_too() {
    on_shards(|shards| async move {
        for way in 0..4 {
            let (cache, notices) = nearly_expired(of(100, shards), 30).await;
            match way {
                0 => drop(cache.get_with(2_000, || async { 50 }).await),
                1 => drop(cache.get_with_scoped(2_000, || async { 50 }).await),
                2 => {
                    let refreshed = cache.refresh(2_000, || async { Ok::<_, Infallible>(50) });
                    refreshed.await.expect("a value");
                }
                _ => drop(cache.entry(2_000).or_insert(50).await),
            }
            assert_eq!(cache.peek(&1_000), Some(10));
            assert_eq!(cache.peek(&2_000), Some(50));
            assert_eq!(count(&notices, RemovalCause::Size), 0);
        }
    });
}

#[test]
fn expired_entries_are_removed_before_a_live_one_for_a_value_that_grows() {
    on_shards(|shards| async move {
        let (cache, notices) = nearly_expired(of(100, shards), 30).await;
        cache.insert(1_000, 60);
        assert_eq!(cache.peek(&1_000), Some(60));
        assert_eq!(count(&notices, RemovalCause::Size), 0);
        // The key's own expired entry frees its capacity too.
        let (cache, notices) = with_listener(of(100, shards));
        cache.insert_with_ttl(1, 60, after(1));
        cache.insert(2, 40);
        advance(SECOND).await;
        cache.insert(1, 60);
        assert_eq!(notices.take(), [(1, 60, RemovalCause::Expired)]);
        assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(60), Some(40)));
    });
}

#[test]
fn no_live_entry_is_evicted_while_an_expired_one_exists() {
    on_shards(|shards| async move {
        let (cache, notices) = with_listener(of(1_000, shards));
        for key in 0..1_000 {
            let ttl = if key % 2 == 0 { after(1) } else { Ttl::Never };
            cache.insert_with_ttl(key, 1, ttl);
        }
        advance(SECOND).await;
        for key in 1_000..1_500 {
            cache.insert(key, 1);
            assert_eq!(count(&notices, RemovalCause::Size), 0, "{key}");
        }
        assert_eq!(count(&notices, RemovalCause::Expired), 500);
        assert_eq!(cache.entry_count(), 1_000);
        cache.insert(1_500, 1);
        assert_eq!(count(&notices, RemovalCause::Size), 1);
        assert_sound(&cache, by_value);
    });
}

#[test]
fn entries_that_expire_one_after_the_other_are_removed_before_live_ones() {
    on_shards(|shards| async move {
        let (cache, notices) = with_listener(of(200, shards));
        for key in 0..200 {
            let ttl = after(1 + u64::from(key % 20));
            cache.insert_with_ttl(key, 1, if key < 100 { ttl } else { Ttl::Never });
        }
        for round in 0..20 {
            advance(SECOND).await;
            // As many as have expired meanwhile.
            for key in 0..5 {
                cache.insert(1_000 + round * 10 + key, 1);
            }
            assert_eq!(count(&notices, RemovalCause::Size), 0, "{round}");
        }
        assert_eq!(count(&notices, RemovalCause::Expired), 100);
    });
}

#[test]
fn an_expired_entry_removed_for_another_shard_is_reported_as_expired() {
    on_shards(|shards| async move {
        let (cache, notices) = with_listener(of(64, shards));
        for key in 0..64 {
            let ttl = if key % 2 == 0 { after(1) } else { Ttl::Never };
            cache.insert_with_ttl(key, 1, ttl);
        }
        advance(SECOND * 2).await;
        // The whole capacity, reclaimed from all shards.
        cache.insert(1_000, 64);
        assert_eq!(cache.peek(&1_000), Some(64));
        let mut left = notices.take();
        left.sort_unstable();
        let expected = (0..64).map(|key| match key % 2 {
            0 => (key, 1, RemovalCause::Expired),
            _ => (key, 1, RemovalCause::Size),
        });
        assert_eq!(left, expected.collect::<Vec<_>>());
        assert_sound(&cache, by_value);
    });
}

#[test]
fn an_idle_entry_removed_for_another_shard_is_reported_as_expired() {
    on_shards(|shards| async move {
        let (cache, notices) = with_listener(of(64, shards).time_to_idle(seconds(10)));
        for key in 0..64 {
            cache.insert(key, 1);
        }
        advance(seconds(6)).await;
        for key in (0..64).filter(|key| key % 2 == 1) {
            assert_eq!(cache.get(&key), Some(1));
        }
        advance(seconds(6)).await;
        cache.insert(1_000, 30);
        assert_eq!(count(&notices, RemovalCause::Size), 0);
        assert!((0..64).all(|key| cache.contains_key(&key) == (key % 2 == 1)));
        cache.insert(1_001, 64);
        assert_eq!(count(&notices, RemovalCause::Expired), 32);
        assert_eq!(count(&notices, RemovalCause::Size), 33);
    });
}

#[test]
fn an_unrequested_batch_value_evicts_no_live_entry_while_an_expired_one_exists() {
    on_shards(|shards| async move {
        let (cache, notices) = nearly_expired(of(100, shards), 30).await;
        let loader = |keys: Vec<u32>| async move {
            Ok::<_, Infallible>(keys.into_iter().map(|_| Some(40)).collect::<Vec<_>>())
        };
        let view = cache.batching_builder(loader);
        let view = view.batch_window(BatchWindow::Yield(1)).build();
        assert!(view.prime(2_000, 50));
        assert_eq!(cache.peek(&1_000), Some(10));
        assert_eq!(view.get(2_001).await.expect("a value"), Some(40));
        assert_eq!(cache.peek(&1_000), Some(10));
        assert_eq!(count(&notices, RemovalCause::Size), 0);
    });
}
