//! What happens during the first poll of a loader, when no other caller has joined its load.

use std::time::Duration;

use cache_core::{Loaded, RemovalCause, Ttl};

use crate::contract::support::backend::poll_once;
use crate::contract::support::common::{Notices, boom, caught_in};
use crate::harness::{Cache, run, runtime};

const KEY: u32 = 1;

/// A cache with an entry, so that a value can be written by eviction alone.
fn cache() -> Cache<u32, u64> {
    let cache = Cache::builder_on(runtime()).max_capacity(3).shards(1);
    let cache = cache.build();
    cache.insert(0, 0);
    cache
}

/// Loads the key with a loader that is ready at once, and calls `meanwhile` in its first poll.
async fn load(
    cache: &Cache<u32, u64>,
    meanwhile: impl Fn(&Cache<u32, u64>) + Send + 'static,
) -> u64 {
    let handle = cache.clone();
    let load = || async move {
        meanwhile(&handle);
        10
    };
    cache.get_with(KEY, load).await
}

#[test]
fn a_load_is_in_flight_during_its_first_poll() {
    run(|| async {
        let cache = cache();
        let loaded = load(&cache, |cache| {
            assert_eq!(cache.flight_count(), 1);
            assert_eq!((cache.get(&KEY), cache.entry_count()), (None, 1));
        });
        assert_eq!(loaded.await, 10);
        assert_eq!((cache.get(&KEY), cache.flight_count()), (Some(10), 0));
        let stats = cache.stats();
        assert_eq!(
            (stats.loads, stats.load_successes, stats.insertions),
            (1, 1, 2)
        );
        assert_eq!((stats.hits, stats.misses), (1, 2));
    });
}

#[test]
fn a_write_or_removal_of_the_key_fences_the_load() {
    type Step = (&'static str, fn(&Cache<u32, u64>), Option<u64>);
    let steps: [Step; 7] = [
        ("insert", |cache| cache.insert(KEY, 99), Some(99)),
        (
            "insert_with_ttl",
            |cache| {
                cache.insert_with_ttl(KEY, 99, Ttl::After(Duration::from_secs(60)));
            },
            Some(99),
        ),
        ("invalidate", |cache| cache.invalidate(&KEY), None),
        ("remove", |cache| _ = cache.remove(&KEY), None),
        ("invalidate_all", |cache| cache.invalidate_all(), None),
        ("mark_stale", |cache| _ = cache.mark_stale(&KEY), None),
        ("mark_all_stale", |cache| cache.mark_all_stale(), None),
    ];
    for (name, step, left) in steps {
        run(move || async move {
            let cache = cache();
            assert_eq!(load(&cache, step).await, 10, "{name}");
            assert_eq!(cache.peek(&KEY), left, "{name}");
            assert_eq!(cache.stats().loads_fenced, 1, "{name}");
            assert_eq!(cache.flight_count(), 0, "{name}");
        });
    }
}

#[test]
fn a_write_of_another_key_does_not_fence_the_load() {
    run(|| async {
        let cache = cache();
        let loaded = load(&cache, |cache| {
            cache.insert(2, 2);
            cache.invalidate(&3);
            cache.insert_with_ttl(4, 4, Ttl::After(Duration::from_secs(60)));
        });
        assert_eq!(loaded.await, 10);
        assert_eq!(cache.peek(&KEY), Some(10));
        assert_eq!(cache.stats().loads_fenced, 0);
    });
}

#[test]
fn a_refresh_of_the_key_fences_the_load() {
    run(|| async {
        let cache = cache();
        let handle = cache.clone();
        let load = || async move {
            let refreshed = handle.refresh(KEY, || async { Ok::<u64, ()>(99) });
            assert_eq!(refreshed.await, Ok(99));
            10
        };
        assert_eq!(cache.get_with(KEY, load).await, 10);
        assert_eq!(cache.peek(&KEY), Some(99));
        assert_eq!(cache.stats().loads_fenced, 1);
    });
}

#[test]
fn loads_within_loads_are_all_stored() {
    run(|| async {
        let cache = cache();
        let (outer, middle) = (cache.clone(), cache.clone());
        let load_2 = || async move { middle.get_with(3, || async { 30 }).await + 20 };
        let load_1 = || async move { outer.get_with(2, load_2).await + 10 };
        assert_eq!(cache.get_with(KEY, load_1).await, 60);
        assert_eq!(cache.stats().loads, 3);
        assert_eq!(cache.stats().insertions, 4);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn a_loader_that_panics_leaves_the_key_to_the_next_caller() {
    run(|| async {
        let cache = cache();
        assert!(
            caught_in(cache.get_with(KEY, || async { boom() }))
                .await
                .is_err()
        );
        let from_call = || -> std::future::Ready<u64> { boom() };
        assert!(caught_in(cache.get_with(KEY, from_call)).await.is_err());
        assert_eq!((cache.flight_count(), cache.stats().load_failures), (0, 2));
        assert_eq!(load(&cache, |_| ()).await, 10);
    });
}

#[test]
fn a_loader_without_a_value_leaves_the_key_to_the_next_caller() {
    run(|| async {
        let cache = cache();
        assert_eq!(
            cache.optionally_get_with(KEY, || async { None }).await,
            None
        );
        let failed = cache.try_get_with(KEY, || async { Err::<u64, _>("no value") });
        assert!(failed.await.is_err());
        let stats = cache.stats();
        assert_eq!((stats.load_successes, stats.load_failures), (1, 1));
        assert_eq!(load(&cache, |_| ()).await, 10);
    });
}

#[test]
fn a_loaded_value_may_have_a_ttl_and_a_weight() {
    run(|| async {
        let cache = cache();
        let loaded = Loaded::new(10)
            .ttl(Ttl::After(Duration::from_secs(60)))
            .weight(2);
        let loaded = cache.load_with(KEY, || async move { Ok::<_, ()>(loaded) });
        assert_eq!(loaded.await, Ok(10));
        assert_eq!(cache.weighted_size(), 3);
        assert!(cache.time_to_expiry(&KEY).is_some());
    });
}

#[test]
fn a_loaded_value_that_evicts_another_is_reported_after_it_is_stored() {
    run(|| async {
        let notices = Notices::new();
        let cache = Cache::builder_on(runtime()).max_capacity(1).shards(1);
        let cache = cache.eviction_listener(notices.listener()).build();
        cache.insert(0, 0);
        assert_eq!(load(&cache, |_| ()).await, 10);
        assert_eq!(notices.take(), [(0, 0, RemovalCause::Size)]);
        assert_eq!(cache.peek(&KEY), Some(10));
    });
}

#[test]
fn a_loader_that_is_pending_after_a_write_keeps_its_fence() {
    run(|| async {
        let cache = cache();
        let handle = cache.clone();
        let load = || async move {
            handle.insert(KEY, 99);
            crate::contract::support::common::yield_once().await;
            10
        };
        let mut loading = Box::pin(cache.get_with(KEY, load));
        assert!(poll_once(&mut loading).is_pending());
        assert_eq!(cache.peek(&KEY), Some(99));
        assert_eq!(loading.await, 10);
        assert_eq!(cache.peek(&KEY), Some(99));
        assert_eq!(cache.stats().loads_fenced, 1);
    });
}
