//! A stale value is returned at once, and refreshed once.

use cache_core::RemovalCause;

use crate::contract::freshness::support::{DUE, KEY, MS, STALE_UNTIL, TTL, builder, cache};
use crate::contract::support::backend::{Backend, parked, yields};
use crate::contract::support::common::Notices;
use crate::harness::{advance, run, until};

#[test]
fn a_stale_value_is_returned_at_once_and_refreshed() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(TTL).await;
        for _ in 0..3 {
            assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        }
        until(|| backend.calls() == 1).await;
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
        let stats = cache.stats();
        assert_eq!((stats.stale_hits, stats.refreshes), (3, 1));
        // The read without a loader, before the refresh was complete, is the only miss.
        assert_eq!(stats.hits - stats.stale_hits, 1);
    });
}

#[test]
fn a_stale_value_is_returned_at_once_up_to_the_instant_at_which_its_window_ends() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL - MS).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        backend.open();
        until(|| cache.get(&KEY) == Some(2)).await;
        advance(STALE_UNTIL).await;
        let backend = Backend::new();
        let load = parked(cache.get_with(KEY, || backend.answer(3)));
        backend.open();
        assert_eq!(load.await, 3);
    });
}

#[test]
fn the_listener_gets_a_stale_value_that_is_replaced_as_expired() {
    run(|| async {
        let notices = Notices::new();
        let cache = builder().eviction_listener(notices.listener()).build();
        let backend = Backend::opened();
        cache.insert(KEY, 1);
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        // The listener is called after the value is stored.
        until(|| notices.len() == 1).await;
        assert_eq!(cache.get(&KEY), Some(2));
        assert_eq!(notices.take(), [(KEY, 1, RemovalCause::Replaced)]);
        advance(TTL).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(3)).await, 2);
        until(|| notices.len() == 1).await;
        assert_eq!(cache.get(&KEY), Some(3));
        assert_eq!(notices.take(), [(KEY, 2, RemovalCause::Expired)]);
        assert_eq!(cache.entry_count(), 1);
    });
}

#[test]
fn a_stale_value_is_gone_to_a_caller_that_removes_it() {
    run(|| async {
        let notices = Notices::new();
        let cache = builder().eviction_listener(notices.listener()).build();
        cache.insert(KEY, 1);
        advance(TTL).await;
        assert_eq!(cache.remove(&KEY), None);
        assert_eq!(notices.take(), [(KEY, 1, RemovalCause::Expired)]);
        cache.insert(KEY, 2);
        advance(TTL).await;
        assert_eq!(cache.drain(), []);
        assert_eq!(notices.take(), [(KEY, 2, RemovalCause::Expired)]);
    });
}

#[test]
fn retain_decides_on_stale_values_too() {
    run(|| async {
        let cache = cache();
        cache.insert(2, 20);
        advance(TTL).await;
        cache.retain(|key, _| *key != KEY);
        assert_eq!(
            (cache.get_stale(&KEY), cache.get_stale(&2)),
            (None, Some(20))
        );
    });
}

#[test]
fn a_value_that_is_marked_as_stale_is_refreshed_by_the_next_caller() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        assert!(cache.mark_stale(&KEY));
        assert!(!cache.mark_stale(&KEY), "its ttl has ended");
        assert!(!cache.mark_stale(&2));
        assert_eq!(cache.get(&KEY), None);
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        until(|| cache.get(&KEY) == Some(2)).await;
        cache.mark_all_stale();
        assert_eq!((cache.get(&KEY), cache.get_stale(&KEY)), (None, Some(2)));
        advance(STALE_UNTIL - TTL - MS).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(3)).await, 2);
        until(|| cache.get(&KEY) == Some(3)).await;
    });
}

#[test]
fn without_a_window_a_value_that_is_marked_as_stale_is_invalidated() {
    run(|| async {
        let notices = Notices::new();
        let cache = crate::harness::Cache::builder_on(crate::harness::runtime())
            .eviction_listener(notices.listener())
            .build();
        cache.insert(KEY, 1);
        cache.insert(2, 20);
        assert!(cache.mark_stale(&KEY));
        assert_eq!(notices.take(), [(KEY, 1, RemovalCause::Explicit)]);
        cache.mark_all_stale();
        assert_eq!(notices.take(), [(2, 20, RemovalCause::Explicit)]);
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn a_refresh_of_a_stale_value_joins_no_caller_and_a_later_caller_joins_the_refresh() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL - MS).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        advance(MS).await;
        let late = parked(cache.get_with(KEY, || backend.answer(3)));
        yields(3).await;
        backend.open();
        assert_eq!(late.await, 2);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn the_difference_of_two_counts_has_the_refreshes_and_stale_hits_between_them() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let mut earlier = cache.stats();
        for value in 1..4 {
            advance(TTL).await;
            assert_eq!(
                cache.get_with(KEY, || backend.answer(value + 1)).await,
                value
            );
            until(|| cache.get(&KEY) == Some(value + 1)).await;
            let later = cache.stats();
            let since = later.since(&earlier).expect("later counts are higher");
            assert_eq!((since.refreshes, since.stale_hits, since.loads), (1, 1, 1));
            assert_eq!((since.stale_on_error, since.refresh_failures), (0, 0));
            earlier = later;
        }
    });
}
