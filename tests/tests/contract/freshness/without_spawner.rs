//! A runtime that cannot spawn has no refreshes in the background.

use crate::contract::freshness::support::{DUE, KEY, TTL, cache};
use crate::contract::support::backend::{Backend, parked};
use crate::contract::support::batch_backend::{Store, WINDOW, building, tens};
use crate::harness::{advance, run};

#[test]
fn nothing_starts_for_a_value_that_is_due() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        advance(DUE).await;
        for _ in 0..3 {
            assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        }
        let stats = cache.stats();
        assert_eq!((backend.calls(), stats.loads, stats.refreshes), (0, 0, 0));
        assert_eq!((stats.hits, cache.flight_count()), (3, 0));
    });
}

#[test]
fn without_a_spawner_one_pays() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(DUE).await;
        assert_eq!(cache.get_with(KEY, || backend.answer(2)).await, 1);
        advance(TTL - DUE).await;
        let leader = parked(cache.get_with(KEY, || backend.answer(2)));
        for _ in 0..3 {
            assert_eq!(cache.get_with(KEY, || backend.answer(3)).await, 1);
        }
        backend.open();
        assert_eq!(leader.await, 2);
        assert_eq!(cache.get(&KEY), Some(2));
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.refreshes, stats.misses), (1, 0, 1));
        assert_eq!(stats.stale_hits, 3);
    });
}

#[test]
fn the_caller_that_pays_may_be_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        advance(TTL).await;
        drop(parked(cache.get_with(KEY, || backend.answer(2))));
        assert_eq!(cache.flight_count(), 0);
        let leader = parked(cache.get_with(KEY, || backend.answer(3)));
        backend.open();
        assert_eq!(leader.await, 3);
    });
}

#[test]
fn a_batching_view_refreshes_nothing_that_is_due() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        advance(DUE).await;
        for _ in 0..3 {
            assert_eq!(view.get(KEY).await.unwrap(), Some(1));
        }
        view.dispatch();
        let stats = cache.stats();
        assert_eq!((store.batches(), stats.loads, stats.refreshes), (0, 0, 0));
        assert_eq!((stats.hits, cache.flight_count()), (3, 0));
        drop(view);
        assert_eq!(store.holders(), 0);
    });
}

#[test]
fn one_caller_of_a_batching_view_pays_for_a_stale_value() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        advance(TTL).await;
        let leader = parked(view.get(KEY));
        for _ in 0..3 {
            assert_eq!(view.get(KEY).await.unwrap(), Some(1));
        }
        let miss = parked(view.get(9));
        store.open();
        advance(WINDOW).await;
        assert_eq!(leader.await.unwrap(), Some(10));
        assert_eq!(miss.await.unwrap(), Some(90));
        assert_eq!(store.requested(), [[KEY, 9]]);
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.refreshes, stats.misses), (2, 0, 2));
        assert_eq!(stats.stale_hits, 3);
    });
}
