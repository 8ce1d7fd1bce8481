//! A value that is due is returned at once, and refreshed once.

use std::time::Duration;

use crate::contract::freshness::support::{DUE, KEY, MS, TTL, builder, cache};
use crate::contract::support::backend::{Backend, herd, join_all, poll_once, yields};
use crate::harness::{advance, run, until};

#[test]
fn a_hit_past_its_refresh_age_is_answered_before_the_loader_is() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        until(|| backend.calls() == 1).await;
        assert_eq!(cache.get(&KEY), Some(1));
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
        let stats = cache.stats();
        assert_eq!((stats.refreshes, stats.loads, stats.misses), (1, 1, 0));
        assert_eq!(stats.stale_hits, 0);
    });
}

#[test]
fn a_value_is_due_at_its_instant_and_not_before() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        advance(DUE - MS).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        yields(3).await;
        assert_eq!(backend.calls(), 0);
        advance(MS).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        until(|| cache.get(&KEY) == Some(2)).await;
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_thousand_due_hits_are_one_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(DUE).await;
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(1_000, &handles, |(cache, backend)| async move {
            cache.get_with(KEY, || backend.answer(2)).await
        });
        assert!(join_all(tasks).await.into_iter().all(|answer| answer == 1));
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.stats().refreshes, 1);
    });
}

#[test]
fn reads_without_a_loader_start_nothing_and_see_nothing_stale() {
    run(|| async {
        let cache = cache();
        advance(DUE).await;
        let read = || {
            let listed = cache.iter().count();
            let present = cache.contains_key(&KEY);
            (cache.get(&KEY), cache.peek(&KEY), present, listed)
        };
        assert_eq!(read(), (Some(1), Some(1), true, 1));
        advance(TTL - DUE).await;
        assert_eq!(read(), (None, None, false, 0));
        assert_eq!(cache.stats().loads, 0);
        assert_eq!(
            cache.entry_count(),
            1,
            "the entry counts until it is purged"
        );
        assert_eq!(cache.get_stale(&KEY), Some(1));
    });
}

#[test]
fn a_loader_that_borrows_starts_no_refresh() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        advance(DUE).await;
        assert_eq!(cache.get_with_scoped(KEY, || backend.answer(2)).await, 1);
        yields(3).await;
        assert_eq!((backend.calls(), cache.stats().loads), (0, 0));
    });
}

#[test]
fn a_cancelled_request_does_not_cancel_its_refresh() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(DUE).await;
        let mut request = Box::pin(cache.get_with(KEY, || backend.answer(2)));
        assert!(poll_once(&mut request).is_ready());
        drop(request);
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
    });
}

#[test]
fn every_loading_method_and_view_refreshes() {
    run(|| async {
        let backend = Backend::opened();
        let mut expected = 1;
        let cache = cache();
        let view = cache.loading({
            let backend = backend.clone();
            move |_: u32| backend.answer(2)
        });
        for method in 0..7 {
            advance(DUE).await;
            let next = expected + 1;
            match method {
                0 => drop(cache.get_with(KEY, || backend.answer(next)).await),
                1 => drop(cache.get_with_by_ref(&KEY, || backend.answer(next)).await),
                2 => drop(
                    cache
                        .try_get_with(KEY, || backend.answer(Ok::<_, ()>(next)))
                        .await,
                ),
                3 => drop(
                    cache
                        .optionally_get_with(KEY, || backend.answer(Some(next)))
                        .await,
                ),
                4 => {
                    let load = || backend.answer(Ok::<_, ()>(Some(next)));
                    drop(cache.try_optionally_get_with(KEY, load).await);
                }
                5 => {
                    let load = || backend.answer(Ok::<_, ()>(cache_core::Loaded::new(next)));
                    drop(cache.load_with(KEY, load).await);
                }
                _ => drop(view.get(KEY).await),
            }
            expected = if method == 6 { 2 } else { next };
            until(|| cache.get(&KEY) == Some(expected)).await;
        }
        assert_eq!(cache.stats().refreshes, 7);
        assert_eq!(cache.stats().misses, 0);
    });
}

#[test]
fn a_refresh_counts_its_ttl_from_its_completion() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        until(|| backend.calls() == 1).await;
        advance(Duration::from_secs(10)).await;
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
        assert_eq!(cache.time_to_expiry(&KEY), Some(TTL));
    });
}

#[test]
fn a_cache_without_a_ttl_refreshes_too() {
    run(|| async {
        let cache = crate::harness::Cache::builder_on(crate::harness::runtime())
            .refresh_after(DUE)
            .build();
        let backend = Backend::opened();
        cache.insert(KEY, 1);
        advance(10 * DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        until(|| cache.get(&KEY) == Some(2)).await;
        assert_eq!(cache.next_deadline(), None);
    });
}

#[test]
fn an_entry_with_a_ttl_of_its_own_is_due_at_the_same_part_of_it() {
    run(|| async {
        let (cache, backend) = (builder().build(), Backend::opened());
        let ttl = cache_core::Ttl::After(10 * TTL);
        cache.insert_with_ttl(KEY, 1, ttl);
        advance(10 * DUE - MS).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        yields(3).await;
        assert_eq!(backend.calls(), 0);
        advance(MS).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        until(|| cache.get(&KEY) == Some(2)).await;
    });
}

#[test]
fn a_loader_sets_when_its_value_is_due() {
    run(|| async {
        let (cache, backend) = (builder().build(), Backend::opened());
        let soon = cache_core::Loaded::new(1).refresh_after(Duration::from_secs(5));
        cache.insert_entry(KEY, soon);
        advance(Duration::from_secs(5)).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        until(|| cache.get(&KEY) == Some(2)).await;
    });
}
