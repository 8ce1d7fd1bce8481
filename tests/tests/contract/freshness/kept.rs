//! A kept value is returned if the load that replaces it fails.

use cache_core::{LoadError, Loaded, RemovalCause};

use crate::contract::freshness::support::{KEPT_UNTIL, KEY, MS, STALE_UNTIL, TTL, builder, cache};
use crate::contract::support::backend::{Backend, herd, join_all, parked};
use crate::contract::support::common::{Notices, boom, caught_in, seconds};
use crate::harness::{advance, run, until};

#[test]
fn all_callers_get_the_new_value_if_the_load_succeeds() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(5, &handles, |(cache, backend)| async move {
            cache.get_with(KEY, || backend.answer(2)).await
        });
        until(|| cache.stats().coalesced == 4).await;
        backend.open();
        assert_eq!(join_all(tasks).await, [2; 5]);
        assert_eq!(cache.stats().stale_on_error, 0);
    });
}

#[test]
fn all_callers_get_the_kept_value_if_the_load_fails() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(5, &handles, |(cache, backend)| async move {
            let load = || backend.answer(Err::<u64, _>("down"));
            cache.try_get_with(KEY, load).await
        });
        until(|| cache.stats().coalesced == 4 && backend.calls() == 1).await;
        backend.open();
        assert_eq!(join_all(tasks).await, [(); 5].map(|()| Ok(1)));
        let stats = cache.stats();
        assert_eq!((stats.stale_on_error, stats.misses), (5, 5));
        assert_eq!(stats.load_failures, 1);
        // The key backs off: the value is returned at once.
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        assert_eq!((backend.calls(), cache.stats().stale_hits), (1, 1));
        advance(seconds(2)).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 2);
    });
}

#[test]
fn a_method_that_cannot_return_the_error_does_not_load_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let leader = parked(cache.try_get_with(KEY, || backend.answer(Err::<u64, _>("down"))));
        let joined = parked(cache.get_with(KEY, || backend.answer(2)));
        backend.open();
        assert_eq!(leader.await, Ok(1));
        assert_eq!(joined.await, 1);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn the_window_for_errors_ends_at_its_instant() {
    run(|| async {
        let down = || async { Err::<u64, _>("down") };
        let cache = cache();
        advance(KEPT_UNTIL - MS).await;
        assert_eq!(cache.try_get_with(KEY, down).await, Ok(1));
        advance(MS).await;
        let error = cache.try_get_with(KEY, down).await.unwrap_err();
        assert_eq!(error.loader(), Some(&"down"));
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn a_value_whose_window_ends_during_the_load_is_not_returned() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(KEPT_UNTIL - MS).await;
        let load = parked(cache.try_get_with(KEY, || backend.answer(Err::<u64, _>("down"))));
        advance(MS).await;
        backend.open();
        assert!(load.await.is_err());
    });
}

#[test]
fn an_invalidated_value_does_not_come_back_when_the_load_fails() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let load = parked(cache.try_get_with(KEY, || backend.answer(Err::<u64, _>("down"))));
        cache.invalidate(&KEY);
        backend.open();
        assert_eq!(load.await.unwrap_err().loader(), Some(&"down"));
        assert_eq!(cache.get_stale(&KEY), None);
    });
}

#[test]
fn a_load_that_times_out_leaves_the_kept_value_to_its_callers() {
    run(|| async {
        let cache = builder().load_timeout(seconds(5)).build();
        let backend = Backend::new();
        cache.insert(KEY, 1);
        advance(STALE_UNTIL).await;
        let load = parked(cache.get_with(KEY, || backend.answer(2)));
        advance(seconds(5)).await;
        assert_eq!(load.await, 1);
    });
}

#[test]
fn the_panic_of_a_loader_unwinds_in_one_caller_and_the_others_get_the_value() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(STALE_UNTIL).await;
        let leader = parked(cache.get_with(KEY, || backend.then(|| boom())));
        let joined = parked(cache.get_with(KEY, || backend.answer(2)));
        backend.open();
        // The leader gets the panic from a background task; without one, the caller that drives does.
        let mut answers = [caught_in(joined).await, caught_in(leader).await];
        answers.sort_unstable();
        assert_eq!(answers, [Ok(1), Err("boom".to_string())]);
    });
}

#[test]
fn a_forced_refresh_returns_its_error() {
    run(|| async {
        let cache = cache();
        advance(STALE_UNTIL).await;
        let error = cache.refresh(KEY, || async { Err::<u64, _>("down") }).await;
        assert!(matches!(error, Err(LoadError::Loader(_))));
        assert_eq!(cache.get_stale(&KEY), Some(1));
    });
}

#[test]
fn a_token_with_stale_for_zero_is_never_stale() {
    run(|| async {
        let cache = builder().build();
        cache.insert_entry(KEY, Loaded::new(1).stale_for(seconds(0)));
        advance(TTL).await;
        assert_eq!(cache.get_stale(&KEY), None);
        let answer = cache
            .try_get_with(KEY, || async { Err::<u64, _>("down") })
            .await;
        assert!(answer.is_err());
        cache.insert_entry(KEY, Loaded::new(2).stale_for(seconds(7)));
        advance(TTL + seconds(7) - MS).await;
        assert_eq!(cache.get_stale(&KEY), Some(2));
        advance(MS).await;
        assert_eq!(cache.get_stale(&KEY), None);
    });
}

#[test]
fn a_load_that_finds_no_value_removes_a_kept_one() {
    run(|| async {
        let notices = Notices::new();
        let cache = builder().eviction_listener(notices.listener()).build();
        cache.insert(KEY, 1);
        advance(STALE_UNTIL).await;
        assert_eq!(
            cache.optionally_get_with(KEY, || async { None }).await,
            None
        );
        assert_eq!(notices.take(), [(KEY, 1, RemovalCause::Missing)]);
        assert_eq!(cache.entry_count(), 0);
    });
}
