//! Forced refreshes: each starts a newer load, and no older result replaces a newer one.

use std::future::Future;

use crate::contract::support::backend::{Backend, herd, join_all, parked};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Cache, run, runtime, until};

const KEY: u32 = 1;

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// The load of a refresh that brings `answer`.
fn fresh(backend: &Backend, answer: u64) -> impl Future<Output = Result<u64, String>> + use<> {
    backend.answer(Ok(answer))
}

#[test]
fn a_refresh_replaces_what_is_stored_once_its_load_succeeds() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        cache.insert(KEY, 1);
        let refresh = parked(cache.refresh(KEY, || fresh(&backend, 2)));
        assert_eq!(cache.get(&KEY), Some(1), "hits are answered meanwhile");
        assert_eq!(cache.get_with(KEY, || backend.answer(3)).await, 1);
        backend.open();
        assert_eq!(refresh.await.unwrap(), 2);
        assert_eq!(cache.get(&KEY), Some(2));
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_refresh_starts_a_newer_load_beside_the_one_under_way() {
    for older_ends_last in [true, false] {
        run(|| async move {
            let (cache, old, new) = (cache(), Backend::new(), Backend::new());
            let load = parked(cache.get_with(KEY, || old.answer(10)));
            let refresh = parked(cache.refresh(KEY, || fresh(&new, 20)));
            if older_ends_last {
                new.open();
                assert_eq!(refresh.await.unwrap(), 20);
                old.open();
                assert_eq!(load.await, 10, "it goes on for those who wait for it");
            } else {
                old.open();
                assert_eq!(load.await, 10);
                assert_eq!(cache.peek(&KEY), None, "what is out of date is not stored");
                new.open();
                assert_eq!(refresh.await.unwrap(), 20);
            }
            assert_eq!(cache.peek(&KEY), Some(20));
            assert_eq!((old.calls(), new.calls()), (1, 1));
        });
    }
}

#[test]
fn who_misses_a_key_that_is_refreshed_joins_the_refresh() {
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
fn of_many_refreshes_the_one_that_was_started_last_is_stored() {
    run(|| async {
        let cache = cache();
        cache.insert(KEY, 1);
        let backends: Vec<_> = (0..10).map(|_| Backend::new()).collect();
        let refreshes: Vec<_> = (100..110)
            .zip(&backends)
            .map(|(answer, backend)| parked(cache.refresh(KEY, move || fresh(backend, answer))))
            .collect();
        // The last ends first, and the first ends last.
        for (backend, refresh) in backends.iter().zip(refreshes).rev() {
            backend.open();
            refresh.await.unwrap();
            assert_eq!(cache.peek(&KEY), Some(109));
        }
    });
}

#[test]
fn a_refresh_that_ends_without_a_value_leaves_what_is_stored() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        cache.insert(KEY, 1);
        let failed = cache.refresh(KEY, || backend.answer(Err("down")));
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
fn a_cancelled_refresh_keeps_nothing_locked() {
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
fn a_cancelled_refresh_goes_on_for_those_who_joined_it() {
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

/// The older load was fenced when the refresh began, and stays so: what it read may be older than
/// what the refresh was asked for, whether or not the refresh succeeds.
#[test]
fn a_refresh_that_fails_does_not_let_the_older_result_in() {
    run(|| async {
        let (cache, old, new) = (cache(), Backend::new(), Backend::opened());
        let load = parked(cache.get_with(KEY, || old.answer(10)));
        assert!(
            cache
                .refresh(KEY, || new.answer(Err("down")))
                .await
                .is_err()
        );
        old.open();
        assert_eq!(load.await, 10);
        assert_eq!(cache.peek(&KEY), None);
        assert_eq!(cache.flight_count(), 0);
    });
}
