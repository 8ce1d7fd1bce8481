//! Views that batch without the cache.

use std::time::Duration;

use cache_core::BatchWindow;

use crate::contract::support::backend::{Backend, parked};
use crate::contract::support::batch_backend::{Store, View, building, cache, even, tens};
use crate::harness::{Cache, run, until};

/// A view whose windows end by themselves, without the cache.
fn view(cache: &Cache<u32, u64>, store: &Store) -> View {
    let builder = building(cache, store, tens).batch_window(BatchWindow::Yield(1));
    builder.disable_cache().build()
}

#[test]
fn values_are_neither_read_nor_stored() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = view(&cache, &store);
        cache.insert(1, 99);
        assert_eq!(view.get(1).await.unwrap(), Some(10));
        assert_eq!(view.get(2).await.unwrap(), Some(20));
        assert_eq!(view.refresh(1).await.unwrap(), Some(10));
        assert!(!view.prime(3, 30));
        assert_eq!((cache.peek(&1), cache.entry_count()), (Some(99), 1));
        assert_eq!(store.requested(), [[1], [2], [1]]);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn requests_of_one_batch_share_a_key_and_later_requests_load_it_again() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let window = BatchWindow::Fixed(Duration::MAX);
        let builder = building(&cache, &store, tens).batch_window(window);
        let view = builder.disable_cache().build();
        let all = parked(view.get_all([1, 2, 1]));
        view.dispatch();
        let all = all.await.into_iter().map(Result::unwrap);
        assert_eq!(all.collect::<Vec<_>>(), [Some(10), Some(20), Some(10)]);
        let again = parked(view.get(1));
        view.dispatch();
        assert_eq!(again.await.unwrap(), Some(10));
        assert_eq!(store.requested(), [vec![1, 2], vec![1]]);
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.batches), (0, 4, 2));
    });
}

#[test]
fn missing_keys_are_not_remembered() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(crate::harness::runtime());
        let cache = builder.negative_ttl(Duration::MAX).build();
        let store = Store::opened();
        let builder = building(&cache, &store, even).batch_window(BatchWindow::Yield(1));
        let view = builder.disable_cache().build();
        assert_eq!(view.get(1).await.unwrap(), None);
        assert_eq!(view.get(1).await.unwrap(), None);
        assert_eq!(store.batches(), 2);
    });
}

#[test]
fn a_load_in_flight_of_the_cache_is_not_disturbed() {
    run(|| async {
        let (cache, store, backend) = (cache(), Store::opened(), Backend::new());
        let view = view(&cache, &store);
        let load = parked(cache.get_with(3, || backend.answer(33)));
        assert_eq!(view.get(3).await.unwrap(), Some(30));
        backend.open();
        assert_eq!(load.await, 33);
        assert_eq!(cache.peek(&3), Some(33));
    });
}

#[test]
fn a_caller_that_leaves_takes_its_key_along() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(2);
        let view = view.disable_cache().build();
        let gone = parked(view.get(1));
        drop(gone);
        until(|| cache.stats().loads_dropped == 1).await;
        let both = view.get_all([2, 3]).await.into_iter().map(Result::unwrap);
        assert_eq!(both.collect::<Vec<_>>(), [Some(20), Some(30)]);
        assert_eq!(store.requested(), [[2, 3]]);
    });
}
