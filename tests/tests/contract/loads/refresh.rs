//! `refresh`: each call starts a newer load, and no older result replaces a newer one.

use std::future::Future;

use crate::contract::support::backend::{Backend, herd, join_all, parked};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Cache, run, runtime, until};

const KEY: u32 = 1;

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// A refresh whose loader returns `answer`.
fn fresh(backend: &Backend, answer: u64) -> impl Future<Output = Result<u64, String>> + use<> {
    backend.answer(Ok(answer))
}

#[test]
fn a_refresh_replaces_the_stored_value_once_its_load_succeeds() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        cache.insert(KEY, 1);
        let refresh = parked(cache.refresh(KEY, || fresh(&backend, 2)));
        assert_eq!(
            cache.get(&KEY),
            Some(1),
            "hits return the old value meanwhile"
        );
        assert_eq!(cache.get_with(KEY, || backend.answer(3)).await, 1);
        backend.open();
        assert_eq!(refresh.await.unwrap(), 2);
        assert_eq!(cache.get(&KEY), Some(2));
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_refresh_starts_a_newer_load_beside_the_one_in_flight() {
    for older_ends_last in [true, false] {
        run(|| async move {
            let (cache, old, new) = (cache(), Backend::new(), Backend::new());
            let load = parked(cache.get_with(KEY, || old.answer(10)));
            let refresh = parked(cache.refresh(KEY, || fresh(&new, 20)));
            if older_ends_last {
                new.open();
                assert_eq!(refresh.await.unwrap(), 20);
                old.open();
                assert_eq!(load.await, 10, "the older load continues for its waiters");
            } else {
                old.open();
                assert_eq!(load.await, 10);
                assert_eq!(cache.peek(&KEY), None, "the older value is not stored");
                new.open();
                assert_eq!(refresh.await.unwrap(), 20);
            }
            assert_eq!(cache.peek(&KEY), Some(20));
            assert_eq!((old.calls(), new.calls()), (1, 1));
        });
    }
}

#[test]
fn a_miss_during_a_refresh_joins_the_refresh() {
    run(|| async {
        let (cache, old, new) = (cache(), Backend::new(), Backend::new());
        let load = parked(cache.get_with(KEY, || old.answer(10)));
        let refresh = parked(cache.refresh(KEY, || fresh(&new, 20)));
        let handles = (cache.clone(), old.clone());
        let tasks = herd(100, &handles, |(cache, backend)| async move {
            cache.get_with(KEY, || backend.answer(30)).await
        });
        until(|| cache.stats().coalesced == 100).await;
        new.open();
        assert_eq!(join_all(tasks).await, [20; 100]);
        assert_eq!(refresh.await.unwrap(), 20);
        old.open();
        assert_eq!(load.await, 10);
        assert_eq!((old.calls(), new.calls()), (1, 1));
    });
}

#[test]
fn the_refresh_that_started_last_is_stored() {
    run(|| async {
        let cache = cache();
        cache.insert(KEY, 1);
        let backends: Vec<_> = (0..10).map(|_| Backend::new()).collect();
        let refreshes: Vec<_> = (100..110)
            .zip(&backends)
            .map(|(answer, backend)| parked(cache.refresh(KEY, move || fresh(backend, answer))))
            .collect();
        // They complete in reverse order.
        for (backend, refresh) in backends.iter().zip(refreshes).rev() {
            backend.open();
            refresh.await.unwrap();
            assert_eq!(cache.peek(&KEY), Some(109));
        }
    });
}

#[test]
fn a_refresh_without_a_value_keeps_the_stored_value() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        cache.insert(KEY, 1);
        let failed = cache.refresh(KEY, || backend.answer(Err::<u64, _>("down")));
        assert_eq!(failed.await.unwrap_err().loader(), Some(&"down"));
        assert_eq!(cache.get(&KEY), Some(1));
        let panicked = cache.refresh(KEY, || backend.then(|| -> Result<u64, ()> { boom() }));
        assert_eq!(caught_in(panicked).await.unwrap_err(), "boom");
        assert_eq!(cache.get(&KEY), Some(1));
        let closed = Backend::new();
        drop(parked(cache.refresh(KEY, || fresh(&closed, 2))));
        assert_eq!(cache.get(&KEY), Some(1));
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn a_cancelled_refresh_leaves_the_key_usable() {
    run(|| async {
        let (cache, closed) = (cache(), Backend::new());
        for round in 0..3 {
            drop(parked(cache.refresh(KEY, || fresh(&closed, 2))));
            assert_eq!(cache.flight_count(), 0);
            let opened = Backend::opened();
            assert_eq!(
                cache.refresh(KEY, || fresh(&opened, round)).await.unwrap(),
                round
            );
            assert_eq!(cache.peek(&KEY), Some(round));
            cache.invalidate(&KEY);
            assert_eq!(cache.get_with(KEY, || opened.answer(7)).await, 7);
        }
    });
}

#[test]
fn a_cancelled_refresh_continues_for_the_callers_that_joined_it() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let refresh = parked(cache.refresh(KEY, || fresh(&backend, 20)));
        let joined = parked(cache.get_with(KEY, || backend.answer(30)));
        drop(refresh);
        backend.open();
        assert_eq!(joined.await, 20);
        assert_eq!(cache.peek(&KEY), Some(20));
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_write_or_an_invalidation_during_a_refresh_wins() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let refresh = parked(cache.refresh(KEY, || fresh(&backend, 20)));
        cache.insert(KEY, 99);
        backend.open();
        assert_eq!(refresh.await.unwrap(), 20);
        assert_eq!(cache.peek(&KEY), Some(99));

        let backend = Backend::new();
        let refresh = parked(cache.refresh(KEY, || fresh(&backend, 20)));
        cache.invalidate(&KEY);
        backend.open();
        assert_eq!(refresh.await.unwrap(), 20);
        assert_eq!(cache.peek(&KEY), None);
    });
}

/// The refresh fenced the older load when it started. Its value may be older than the refresh, so
/// the fence holds even if the refresh fails.
#[test]
fn a_failed_refresh_does_not_let_the_older_load_store_its_value() {
    run(|| async {
        let (cache, old, new) = (cache(), Backend::new(), Backend::opened());
        let load = parked(cache.get_with(KEY, || old.answer(10)));
        assert!(
            cache
                .refresh(KEY, || new.answer(Err::<u64, _>("down")))
                .await
                .is_err()
        );
        old.open();
        assert_eq!(load.await, 10);
        assert_eq!(cache.peek(&KEY), None);
        assert_eq!(cache.flight_count(), 0);
    });
}
