//! How a refresh ends: none of its failures reaches a caller, and each key lives on.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{RefreshEnd, RemovalCause};

use crate::contract::freshness::support::{DUE, KEPT_UNTIL, KEY, STALE_UNTIL, TTL, builder, cache};
use crate::contract::support::backend::{Backend, parked};
use crate::contract::support::common::{Notices, boom, seconds};
use crate::harness::{Cache, advance, run, until};

/// A cache that records how its refreshes end.
fn listening() -> (Cache<u32, u64>, Notices<String>) {
    let ends = Notices::new();
    let listener = {
        let ends = ends.clone();
        move |_: &u32, end: RefreshEnd<'_>| ends.push(format!("{end:?}"))
    };
    let cache = builder().refresh_listener(listener).build();
    cache.insert(KEY, 1);
    (cache, ends)
}

#[test]
fn a_hung_refresh_is_dropped_and_the_key_lives() {
    run(|| async {
        let (cache, ends) = listening();
        let token = Arc::new(());
        let held = Arc::clone(&token);
        advance(DUE).await;
        let hung = || async move {
            pending::<()>().await;
            Arc::strong_count(&held) as u64
        };
        assert_eq!(cache.get_with(KEY, hung).await, 1);
        until(|| cache.flight_count() == 1).await;
        // The task of the refresh sets its timer when it is polled first.
        advance(seconds(1)).await;
        advance(seconds(60)).await;
        // The listener is called after the loader is dropped.
        until(|| ends.len() == 1).await;
        assert_eq!(Arc::strong_count(&token), 1);
        assert_eq!(ends.take(), ["TimedOut(60s)"]);
        advance(seconds(2)).await;
        assert_eq!(cache.get_with(KEY, || async { 2 }).await, 2);
    });
}

#[test]
fn a_loader_that_panics_before_its_future_costs_nobody_anything() {
    run(|| async {
        let (cache, ends) = listening();
        advance(DUE).await;
        let panics = || -> std::future::Ready<u64> { boom() };
        assert_eq!(cache.get_with(KEY, panics).await, 1);
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(ends.take(), ["Panicked"]);
        assert_eq!(cache.stats().refresh_failures, 1);
        advance(seconds(2)).await;
        assert_eq!(cache.get_with(KEY, || async { 2 }).await, 1);
        until(|| cache.get(&KEY) == Some(2)).await;
    });
}

#[test]
fn a_loader_that_panics_in_its_future_costs_nobody_anything() {
    run(|| async {
        let (cache, ends) = listening();
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || async { boom() }).await, 1);
        until(|| cache.flight_count() == 0).await;
        until(|| ends.len() == 1).await;
        assert_eq!(ends.take(), ["Panicked"]);
        assert_eq!(
            cache.get_with(KEY, || async { 3 }).await,
            1,
            "the key backs off"
        );
    });
}

#[test]
fn none_removes_what_is_due_or_stale() {
    for age in [DUE, TTL] {
        run(|| async move {
            let notices = Notices::new();
            let cache = builder().eviction_listener(notices.listener()).build();
            cache.insert(KEY, 1);
            advance(age).await;
            assert_eq!(
                cache.optionally_get_with(KEY, || async { None }).await,
                Some(1)
            );
            until(|| cache.entry_count() == 0).await;
            until(|| notices.len() == 1).await;
            assert_eq!(notices.take(), [(KEY, 1, RemovalCause::Missing)]);
            assert_eq!(cache.stats().removals(RemovalCause::Missing), 1);
            assert_eq!(cache.stats().refresh_failures, 0);
        });
    }
}

#[test]
fn a_refresh_that_ends_after_its_value_is_gone_is_stored() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL - seconds(1)).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        advance(seconds(50)).await;
        assert_eq!(cache.get_stale(&KEY), Some(1));
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
    });
}

#[test]
fn a_caller_after_all_windows_waits_for_its_own_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(KEPT_UNTIL).await;
        let load = parked(cache.get_with(KEY, || backend.answer(2)));
        backend.open();
        assert_eq!(load.await, 2);
    });
}

#[test]
fn a_loader_that_requests_its_own_key_gets_the_stored_value() {
    run(|| async {
        let cache = cache();
        advance(DUE).await;
        let handle = cache.clone();
        let load = || async move { handle.get_with(KEY, || async { 9 }).await + 1 };
        assert_eq!(cache.get_with(KEY, load).await, 1);
        until(|| cache.get(&KEY) == Some(2)).await;
    });
}
