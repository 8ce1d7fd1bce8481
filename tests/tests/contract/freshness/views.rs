//! Views: which errors a stored value may cover, and loaders that get the stored value.

use cache_core::{Loaded, Reload, Ttl};

use crate::contract::freshness::support::{
    DUE, KEPT_UNTIL, KEY, MS, STALE_UNTIL, TTL, builder, cache,
};
use crate::contract::support::backend::{Backend, parked, yields};
use crate::contract::support::common::{Notices, seconds};
use crate::harness::{advance, run, until};

#[test]
fn an_error_that_stale_if_refuses_reaches_its_callers_and_ends_the_windows() {
    run(|| async {
        let cache = cache();
        let view = cache
            .loading(|_: u32| async { Err::<u64, _>("deleted") })
            .stale_if(|error: &&str| *error != "deleted");
        advance(STALE_UNTIL).await;
        assert_eq!(cache.get_stale(&KEY), Some(1));
        let error = view.get(KEY).await.unwrap_err();
        assert_eq!(error.loader(), Some(&"deleted"));
        assert_eq!(cache.get_stale(&KEY), None);
        assert_eq!(cache.stats().stale_on_error, 0);
    });
}

#[test]
fn an_error_that_stale_if_covers_leaves_the_value_to_its_callers() {
    run(|| async {
        let cache = cache();
        let view = cache
            .loading_optional(|_: u32| async { Err::<Option<u64>, _>("busy") })
            .stale_if(|error: &&str| *error != "deleted")
            .clone();
        advance(KEPT_UNTIL - MS).await;
        assert_eq!(view.get(KEY).await, Ok(Some(1)));
        assert_eq!(cache.stats().stale_on_error, 1);
    });
}

#[test]
fn a_refresh_with_an_error_that_stale_if_refuses_leaves_the_value_until_its_ttl_ends() {
    run(|| async {
        let cache = cache();
        let view = cache
            .loading(|_: u32| async { Err::<u64, _>("deleted") })
            .stale_if(|_: &&str| false);
        advance(DUE).await;
        assert_eq!(view.get(KEY).await, Ok(1));
        until(|| cache.stats().refresh_failures == 1).await;
        advance(TTL - DUE - MS).await;
        assert_eq!(cache.get(&KEY), Some(1));
        advance(MS).await;
        assert_eq!(cache.get_stale(&KEY), None);
    });
}

#[test]
fn a_reloading_loader_gets_the_stored_value_also_after_its_ttl() {
    run(|| async {
        let (cache, seen) = (builder().build(), Notices::new());
        let view = {
            let seen = seen.clone();
            cache.reloading(move |key: u32, old: Option<u64>| {
                seen.push((key, old));
                async move { Ok::<_, ()>(Reload::Value(old.unwrap_or(0) + 1)) }
            })
        };
        assert_eq!(view.get(KEY).await, Ok(1));
        advance(DUE).await;
        assert_eq!(view.get(KEY).await, Ok(1));
        until(|| cache.get(&KEY) == Some(2)).await;
        advance(STALE_UNTIL).await;
        assert_eq!(view.get(KEY).await, Ok(3));
        assert_eq!(view.refresh(KEY).await, Ok(4));
        advance(KEPT_UNTIL).await;
        assert_eq!(view.get(KEY).await, Ok(1));
        let olds = [None, Some(1), Some(2), Some(3), None];
        assert_eq!(seen.take(), olds.map(|old| (KEY, old)));
    });
}

#[test]
fn an_unchanged_value_stays_and_its_times_restart() {
    run(|| async {
        let notices = Notices::new();
        let cache = builder().eviction_listener(notices.listener()).build();
        cache.insert(KEY, 1);
        let view = cache.reloading(|_: u32, old: Option<u64>| async move {
            Ok::<_, ()>(Reload::Unchanged(old.expect("it is stored")))
        });
        for age in [DUE, TTL, STALE_UNTIL] {
            advance(age).await;
            assert_eq!(view.get(KEY).await, Ok(1));
            until(|| cache.time_to_expiry(&KEY) == Some(TTL)).await;
        }
        assert_eq!(notices.take(), []);
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.refreshes), (3, 2));
        until(|| cache.flight_count() == 0).await;
        advance(DUE - MS).await;
        assert_eq!(view.get(KEY).await, Ok(1));
        yields(3).await;
        assert_eq!(cache.stats().loads, 3, "it is not due yet");
    });
}

#[test]
fn a_write_during_a_reload_keeps_its_own_times() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let view = {
            let backend = backend.clone();
            cache.reloading(move |_: u32, old: Option<u64>| {
                backend.answer(Ok::<_, ()>(Reload::Unchanged(old.expect("it is stored"))))
            })
        };
        advance(STALE_UNTIL).await;
        let load = parked(view.get(KEY));
        cache.insert_with_ttl(KEY, 2, Ttl::After(seconds(7)));
        backend.open();
        assert_eq!(load.await, Ok(1));
        assert_eq!(cache.get(&KEY), Some(2));
        assert_eq!(cache.time_to_expiry(&KEY), Some(seconds(7)));
    });
}

#[test]
fn an_unchanged_value_that_has_left_the_cache_is_stored_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let view = {
            let backend = backend.clone();
            cache.reloading(move |_: u32, old: Option<u64>| {
                backend.answer(Ok::<_, ()>(Reload::Unchanged(old.expect("it is stored"))))
            })
        };
        advance(KEPT_UNTIL - MS).await;
        let load = parked(view.get(KEY));
        advance(MS).await;
        assert_eq!(cache.get_stale(&KEY), None);
        backend.open();
        assert_eq!(load.await, Ok(1));
        assert_eq!(cache.time_to_expiry(&KEY), Some(TTL));
    });
}

#[test]
fn a_reloading_loader_sets_the_times_of_a_new_value() {
    run(|| async {
        let cache = builder().build();
        let view = cache.reloading(|_: u32, _: Option<u64>| async {
            let loaded = Loaded::new(5).ttl(Ttl::After(seconds(3)));
            Ok::<_, ()>(Reload::Loaded(loaded))
        });
        assert_eq!(view.get(KEY).await, Ok(5));
        assert_eq!(cache.time_to_expiry(&KEY), Some(seconds(3)));
    });
}
