//! A refresh loses to each write that comes after its start, and is dropped.

use std::sync::Arc;

use cache_core::{Computed, Ttl};

use crate::contract::freshness::support::{DUE, KEY, STALE_UNTIL, TTL, builder, cache};
use crate::contract::support::backend::{Backend, parked};
use crate::contract::support::common::Notices;
use crate::harness::{Cache, advance, run, until};

/// A write of the key.
type Write = fn(&Cache<u32, u64>);

#[test]
fn a_refresh_loses_to_a_write_and_is_dropped() {
    let writes: [(Write, Option<u64>); 5] = [
        (|cache| cache.insert(KEY, 5), Some(5)),
        (|cache| cache.invalidate(&KEY), None),
        (Cache::invalidate_all, None),
        (|cache| _ = cache.mark_stale(&KEY), None),
        (Cache::mark_all_stale, None),
    ];
    for (write, expected) in writes {
        for detach in [false, true] {
            run(|| async move {
                let ends = Notices::new();
                let listener = {
                    let ends = ends.clone();
                    move |key: &u32, end: cache_core::RefreshEnd<'_>| {
                        ends.push((*key, format!("{end:?}")));
                    }
                };
                let cache = builder()
                    .detach_loads(detach)
                    .refresh_listener(listener)
                    .build();
                cache.insert(KEY, 1);
                let (backend, token) = (Backend::new(), Arc::new(()));
                let held = Arc::clone(&token);
                advance(DUE).await;
                let load = || backend.then(move || Arc::strong_count(&held) as u64);
                assert_eq!(cache.get_with(KEY, load).await, 1);
                until(|| backend.calls() == 1).await;
                write(&cache);
                assert_eq!(cache.get(&KEY), expected);
                // The load ends after its loader is dropped.
                until(|| cache.stats().loads_dropped == 1).await;
                assert_eq!(Arc::strong_count(&token), 1);
                assert_eq!(cache.get(&KEY), expected);
                assert_eq!(ends.take(), [(KEY, "Fenced".to_string())]);
                let stats = cache.stats();
                assert_eq!((stats.refreshes, stats.refreshes_fenced), (1, 1));
                assert_eq!(stats.refresh_failures, 0);
            });
        }
    }
}

#[test]
fn a_refresh_loses_to_a_forced_refresh() {
    run(|| async {
        let (cache, old, new) = (cache(), Backend::new(), Backend::new());
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || old.answer(2)).await, 1);
        let forced = parked(cache.refresh(KEY, || new.answer(Ok::<_, ()>(3))));
        old.open();
        new.open();
        assert_eq!(forced.await, Ok(3));
        until(|| cache.stats().loads_dropped + cache.stats().loads_fenced == 1).await;
        assert_eq!(cache.get(&KEY), Some(3));
    });
}

#[test]
fn a_fenced_refresh_continues_for_the_callers_that_joined_it() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(TTL).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        advance(STALE_UNTIL - TTL).await;
        let joined = parked(cache.get_with(KEY, || backend.answer(3)));
        cache.insert(KEY, 5);
        backend.open();
        assert_eq!(joined.await, 2);
        assert_eq!(cache.get(&KEY), Some(5));
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_computation_and_a_refresh_run_one_after_the_other() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        let computed = cache
            .entry(KEY)
            .and_upsert_with(|old| async move { old.unwrap_or(0) + 10 });
        let computed = parked(computed);
        backend.open();
        assert_eq!(computed.await, Computed::Put(12));
        assert_eq!(cache.get(&KEY), Some(12));
    });
}

#[test]
fn a_value_that_is_evicted_during_its_refresh_is_stored_when_the_refresh_ends() {
    run(|| async {
        let cache = builder().max_capacity(1).build();
        let backend = Backend::new();
        cache.insert(KEY, 1);
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        cache.insert(2, 20);
        assert_eq!(cache.get(&KEY), None, "it was evicted");
        let joined = parked(cache.get_with(KEY, || backend.answer(3)));
        backend.open();
        assert_eq!(joined.await, 2);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_refresh_with_a_ttl_of_zero_removes_the_value() {
    run(|| async {
        let cache = cache();
        advance(DUE).await;
        let load = || async { Ok::<_, ()>(cache_core::Loaded::new(2).ttl(Ttl::After(DUE - DUE))) };
        assert_eq!(cache.load_with(KEY, load).await, Ok(1));
        until(|| cache.entry_count() == 0).await;
    });
}
