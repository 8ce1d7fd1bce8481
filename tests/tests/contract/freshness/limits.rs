//! Bounds of refreshes, idle expiry, changes of the ttl, and invalid settings.

use std::time::Duration;

use cache_core::{EvictionPolicy, RefreshEnd, Ttl};

use crate::contract::freshness::support::{DUE, KEY, MS, STALE_UNTIL, TTL, builder, cache};
use crate::contract::support::backend::{Backend, yields};
use crate::contract::support::common::{Notices, seconds};
use crate::harness::{Cache, advance, run, runtime, until};

#[test]
fn a_refresh_beyond_the_bound_is_skipped_and_the_next_hit_tries_again() {
    run(|| async {
        let ends = Notices::new();
        let listener = {
            let ends = ends.clone();
            move |key: &u32, _: RefreshEnd<'_>| ends.push(*key)
        };
        let cache = builder()
            .max_concurrent_refreshes(1)
            .refresh_listener(listener)
            .build();
        let backend = Backend::new();
        cache.insert(KEY, 1);
        cache.insert(2, 20);
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        assert_eq!(cache.get_with(2, || backend.answer(21)).await, 20);
        let stats = cache.stats();
        assert_eq!((stats.refreshes, stats.refreshes_skipped), (1, 1));
        backend.open();
        // A refresh gives its permit back before the listener is called.
        until(|| ends.len() == 1).await;
        assert_eq!((ends.take(), cache.get(&KEY)), (vec![KEY], Some(2)));
        assert_eq!(cache.get_with(2, || backend.answer(21)).await, 20);
        until(|| cache.get(&2) == Some(21)).await;
    });
}

#[test]
fn a_refresh_is_no_use_for_lru() {
    run(|| async {
        let cache = builder()
            .max_capacity(2)
            .eviction_policy(EvictionPolicy::Lru)
            .build();
        let backend = Backend::new();
        cache.insert(KEY, 1);
        cache.insert(2, 20);
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        assert_eq!(cache.get(&2), Some(20));
        backend.open();
        until(|| cache.peek(&KEY) == Some(2)).await;
        cache.insert(3, 30);
        assert_eq!((cache.peek(&KEY), cache.peek(&2)), (None, Some(20)));
    });
}

#[test]
fn an_idle_expiry_ends_every_window() {
    run(|| async {
        let cache = builder().time_to_idle(seconds(90)).build();
        let backend = Backend::new();
        cache.insert(KEY, 1);
        advance(seconds(90)).await;
        assert_eq!(cache.get_stale(&KEY), None);
        cache.insert(KEY, 1);
        advance(DUE).await;
        assert_eq!(
            cache.get_with(KEY, || backend.answer(2)).await,
            1,
            "a hit moves it"
        );
        advance(STALE_UNTIL - DUE - MS).await;
        assert_eq!(
            cache.get_with(KEY, || backend.answer(2)).await,
            1,
            "a stale hit too"
        );
        advance(seconds(60)).await;
        assert_eq!(cache.get_stale(&KEY), Some(1));
        advance(seconds(30)).await;
        assert_eq!(cache.get_stale(&KEY), None);
    });
}

#[test]
fn set_ttl_moves_all_times() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        cache.set_ttl(&KEY, Ttl::After(10 * TTL));
        advance(10 * DUE - MS).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        yields(3).await;
        assert_eq!(backend.calls(), 0);
        assert!(cache.set_ttl(&KEY, Ttl::After(Duration::ZERO)));
        assert_eq!((cache.get(&KEY), cache.get_stale(&KEY)), (None, Some(1)));
        advance(seconds(100) - MS).await;
        assert_eq!(cache.get_stale(&KEY), Some(1));
        advance(MS).await;
        assert_eq!(cache.get_stale(&KEY), None);
    });
}

#[test]
fn a_cache_of_capacity_zero_refreshes_nothing() {
    run(|| async {
        let cache = builder().max_capacity(0).build();
        assert_eq!(cache.get_with(KEY, || async { 1 }).await, 1);
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || async { 2 }).await, 2);
        assert_eq!(cache.stats().refreshes, 0);
    });
}

#[test]
fn jitter_shortens_a_ttl_by_at_most_its_part() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .time_to_live(seconds(100))
            .ttl_jitter(10)
            .build();
        let mut ends = std::collections::BTreeSet::new();
        for key in 0..100 {
            cache.insert(key, 1);
            let left = cache.time_to_expiry(&key).expect("it is stored");
            assert!(left >= seconds(90) && left <= seconds(100), "{left:?}");
            ends.insert(left);
            cache.insert_with_ttl(key, 1, Ttl::After(seconds(100)));
            assert_eq!(cache.time_to_expiry(&key), Some(seconds(100)));
        }
        assert!(ends.len() > 50, "{}", ends.len());
    });
}

#[test]
fn an_invalid_setting_is_named_with_its_value_and_its_rule() {
    let plain = || Cache::<u32, u64>::builder_on(runtime()).time_to_live(TTL);
    run(|| async {
        let cases = [
            (
                plain().refresh_after(TTL),
                "refresh_after is 100s, but it must be shorter than time_to_live",
            ),
            (
                plain().refresh_after(Duration::ZERO),
                "refresh_after is 0ns, but it must be longer than zero",
            ),
            (
                plain().stale_while_revalidate(Duration::ZERO),
                "stale_while_revalidate is 0ns, but it must be longer than zero",
            ),
            (
                plain().stale_if_error(Duration::ZERO),
                "stale_if_error is 0ns, but it must be longer than zero",
            ),
            (
                builder().refresh_backoff(seconds(2), seconds(1)),
                "refresh_backoff is 2s, but the first pause must be longer than zero and not longer \
                 than the last one",
            ),
            (
                builder().max_concurrent_refreshes(0),
                "max_concurrent_refreshes is 0, but it must be at least 1",
            ),
            (
                plain().max_concurrent_refreshes(8),
                "max_concurrent_refreshes is 8, but it needs refresh_after, \
                 stale_while_revalidate or stale_if_error to be set",
            ),
            (
                plain().ttl_jitter(51),
                "ttl_jitter is 51, but it must be at most 50",
            ),
            (
                Cache::builder_on(runtime()).ttl_jitter(5),
                "ttl_jitter is 5, but it needs a time_to_live",
            ),
        ];
        for (builder, message) in cases {
            let error = builder.try_build().expect_err(message);
            assert_eq!(error.to_string(), message);
        }
    });
}
