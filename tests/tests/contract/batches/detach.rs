//! With `detach_loads`, a dispatched batch without callers continues in the background.

use crate::contract::support::batch_backend::{MS, Store, WINDOW, building, spawn_load, tens};
use crate::harness::{Cache, Task, advance, run, runtime, until};

#[test]
fn a_dispatched_detached_batch_finishes_without_callers() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).detach_loads(true).build();
        let store = Store::new();
        let view = building(&cache, &store, tens).build();
        let calls = [spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        calls.iter().for_each(Task::abort);
        drop(view);
        crate::contract::support::backend::yields(5).await;
        store.open();
        until(|| cache.entry_count() == 2).await;
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(10), Some(20)));
        assert_eq!(cache.flight_count(), 0);
        until(|| store.holders() == 0).await;
    });
}

#[test]
fn a_detached_batch_without_callers_before_dispatch_ends_without_a_load() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).detach_loads(true).build();
        let store = Store::opened();
        let view = building(&cache, &store, tens).build();
        let calls = [spawn_load!(view, 1), spawn_load!(view, 2)];
        calls.iter().for_each(Task::abort);
        until(|| cache.flight_count() == 0).await;
        drop(view);
        advance(WINDOW + MS).await;
        advance(MS).await;
        until(|| store.holders() == 0).await;
        assert_eq!(store.batches(), 0);
    });
}

#[test]
fn a_window_that_a_detached_batch_left_empty_does_not_shorten_the_next_one() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).detach_loads(true).build();
        let store = Store::opened();
        let view = building(&cache, &store, tens).build();
        let gone = spawn_load!(view, 1);
        advance(3 * MS).await;
        gone.abort();
        until(|| cache.flight_count() == 0).await;
        let next = spawn_load!(view, 2);
        advance(4 * MS).await;
        crate::contract::support::backend::yields(5).await;
        assert_eq!(store.batches(), 0, "one millisecond is left");
        advance(MS).await;
        assert_eq!(next.join().await.unwrap(), Some(20));
    });
}

#[test]
fn a_detached_batch_without_callers_before_dispatch_releases_its_permit() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).detach_loads(true).build();
        let store = Store::opened();
        let view = building(&cache, &store, tens)
            .max_concurrent_batches(1)
            .build();
        for _ in 0..3 {
            let gone = spawn_load!(view, 1);
            gone.abort();
            until(|| cache.flight_count() == 0).await;
            advance(WINDOW + MS).await;
        }
        let next = spawn_load!(view, 2);
        advance(WINDOW + MS).await;
        assert_eq!(next.join().await.unwrap(), Some(20));
        assert_eq!(store.requested(), [[2]]);
    });
}
