//! Failing batches: which errors are stored, and how long a batch may take.

use std::time::Duration;

use cache_core::{BatchWindow, LoadError};

use crate::contract::support::batch_backend::{MS, Store, begun, building, spawn_load, tens};
use crate::contract::support::common::{boom, seconds};
use crate::harness::{Cache, advance, run, runtime, spawn, until};

const LIMIT: Duration = Duration::from_millis(50);

/// Only errors that the loader returned are remembered.
#[test]
fn only_errors_of_the_loader_are_remembered_after_a_failed_batch() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(runtime()).error_ttl(seconds(10));
        let (cache, store) = (builder.load_timeout(LIMIT).build(), Store::opened());
        let again = |key| {
            let view = building(&cache, &store, tens).max_batch_size(1).build();
            async move { view.get(key).await.unwrap() }
        };
        let short = building(&cache, &store, |_| Vec::<u64>::new());
        let short = short.max_batch_size(1).build();
        let answer = short.get(1).await;
        assert!(matches!(answer, Err(LoadError::WrongLength { .. })));
        assert_eq!(again(1).await, Some(10));
        let panics = building(&cache, &store, |_| -> Vec<u64> { boom() });
        let panics = panics.max_batch_size(1).build();
        assert!(matches!(panics.get(2).await, Err(LoadError::Panicked)));
        assert_eq!(again(2).await, Some(20));
        let closed = Store::new();
        let slow = building(&cache, &closed, tens).max_batch_size(1).build();
        let late = spawn(begun(async move { slow.get(3).await }));
        until(|| closed.batches() == 1).await;
        advance(LIMIT).await;
        assert!(matches!(late.join().await, Err(LoadError::TimedOut(_))));
        assert_eq!(again(3).await, Some(30));
        let failing = building(&cache, &store, |_| Err::<Vec<u64>, _>("down"));
        let failing = failing.max_batch_size(1).build();
        assert!(failing.get(4).await.is_err());
        let batches_before = store.batches();
        assert_eq!(
            *failing.get(4).await.unwrap_err().into_loader().unwrap(),
            "down"
        );
        assert_eq!(store.batches(), batches_before, "no new batch");
    });
}

#[test]
fn the_timeout_of_a_batch_starts_when_its_loader_is_called() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).load_timeout(LIMIT).build();
        let store = Store::new();
        let window = BatchWindow::Fixed(LIMIT - 10 * MS);
        let view = building(&cache, &store, tens).batch_window(window).build();
        let call = spawn_load!(view, 1);
        // Most of the limit passes in the window.
        advance(LIMIT - 9 * MS).await;
        until(|| store.batches() == 1).await;
        advance(LIMIT - 2 * MS).await;
        store.open();
        assert_eq!(call.join().await.unwrap(), Some(10));
    });
}

#[test]
fn the_time_that_a_batch_waits_for_a_permit_does_not_count_as_loader_time() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).load_timeout(LIMIT).build();
        let store = Store::new();
        let view = building(&cache, &store, tens)
            .max_batch_size(1)
            .max_concurrent_batches(1)
            .build();
        let first = spawn_load!(view, 1);
        until(|| store.batches() == 1).await;
        let second = spawn_load!(view, 2);
        advance(LIMIT - MS).await;
        store.answer_one();
        assert_eq!(first.join().await.unwrap(), Some(10));
        until(|| store.batches() == 2).await;
        advance(LIMIT - MS).await;
        store.answer_one();
        assert_eq!(second.join().await.unwrap(), Some(20));
    });
}
