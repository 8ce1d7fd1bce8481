//! Cancelled and unpolled callers of a batch do not affect the other callers.

use cache_core::LoadError;

use crate::contract::support::backend::{join_all, parked, poll_once, yields};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, spawn_load, tens,
};
use crate::harness::{Cache, Task, advance, run, runtime, spawn, until};

#[test]
fn the_key_of_a_cancelled_caller_is_dropped_if_the_batch_is_not_dispatched() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let (gone, stays) = (spawn_load!(view, 1), spawn_load!(view, 2));
        yields(3).await;
        gone.abort();
        until(|| cache.flight_count() == 1).await;
        advance(WINDOW + MS).await;
        assert_eq!(stays.join().await.unwrap(), Some(20));
        assert_eq!(store.requested(), [[2]]);
        assert_eq!(cache.stats().loads_dropped, 1);
        assert_eq!(cache.peek(&1), None);
    });
}

#[test]
fn the_key_of_a_cancelled_caller_is_loaded_if_another_caller_wants_it() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let (gone, stays) = (spawn_load!(view, 1), spawn_load!(view, 1));
        yields(3).await;
        gone.abort();
        advance(WINDOW + MS).await;
        assert_eq!(stays.join().await.unwrap(), Some(10));
        assert_eq!(store.requested(), [[1]]);
        assert_eq!(cache.stats().loads, 1);
    });
}

#[test]
fn a_caller_cancelled_after_dispatch_does_not_affect_the_others() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let (gone, stays) = (spawn_load!(view, 1), spawn_load!(view, 2));
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        gone.abort();
        yields(5).await;
        // The key is in flight, so a later caller joins it.
        let late = spawn_load!(view, 1);
        store.open();
        assert_eq!(stays.join().await.unwrap(), Some(20));
        assert_eq!(late.join().await.unwrap(), Some(10));
        assert_eq!(store.requested(), [[1, 2]]);
        assert_eq!(cache.stats().loads_dropped, 0);
    });
}

#[test]
fn a_key_whose_callers_are_cancelled_after_dispatch_is_stored() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let (gone, stays) = (spawn_load!(view, 1), spawn_load!(view, 2));
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        gone.abort();
        store.open();
        stays.join().await.unwrap();
        assert_eq!(cache.get(&1), Some(10));
    });
}

#[test]
fn a_batch_continues_when_the_caller_that_opened_its_window_is_cancelled() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let opener = spawn_load!(view, 1);
        let calls: Vec<_> = (1..=3).map(|key| spawn_load!(view, key)).collect();
        opener.abort();
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        store.open();
        assert!(join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(store.requested(), [[1, 2, 3]]);
    });
}

/// A caller that joins a key after the opener of its batch was cancelled depends on the batch too.
#[test]
fn a_batch_continues_for_a_caller_that_joined_after_its_opener_was_cancelled() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let (opener, second) = (spawn_load!(view, 1), spawn_load!(view, 1));
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        opener.abort();
        yields(3).await;
        let third = spawn_load!(view, 1);
        second.abort();
        yields(3).await;
        store.open();
        assert_eq!(third.join().await.unwrap(), Some(10));
        assert_eq!(store.requested(), [[1]], "the batch was not restarted");
        assert_eq!(cache.stats().loads, 1);
    });
}

#[test]
fn a_late_caller_is_served_though_the_opener_is_gone_and_the_others_are_not_polled() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let opener = parked(view.get(1));
        let _unpolled = parked(view.get(1));
        drop(opener);
        let late = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(late.join().await.unwrap(), Some(10));
        assert_eq!(store.requested(), [[1]]);
    });
}

#[test]
fn an_unpolled_caller_does_not_stall_a_batch() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let mut opener = parked(view.get(1));
        let mut member = parked(view.get(2));
        let calls: Vec<_> = (1..=3).map(|key| spawn_load!(view, key)).collect();
        advance(WINDOW + MS).await;
        assert!(join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(store.requested(), [[1, 2, 3]]);
        // They are polled late, and get their values too.
        assert!(poll_once(&mut opener).is_ready());
        assert!(poll_once(&mut member).is_ready());
    });
}

#[test]
fn an_unpolled_driver_does_not_stall_a_batch_at_its_loader() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let mut driver = parked(view.get(1));
        let call = spawn_load!(view, 2);
        advance(WINDOW + MS).await;
        // Without a spawner this caller drives the batch now, and is not polled again.
        let _ = poll_once(&mut driver).is_pending();
        until(|| store.batches() == 1).await;
        let _ = poll_once(&mut driver).is_pending();
        store.open();
        assert_eq!(call.join().await.unwrap(), Some(20));
    });
}

#[test]
fn a_batch_without_callers_is_dropped() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let mut holders = store.holders();
        for left_early in [true, false] {
            let calls = [spawn_load!(view, 1), spawn_load!(view, 2)];
            if !left_early {
                advance(WINDOW + MS).await;
                until(|| store.batches() == 1).await;
                holders = holders.min(store.holders() - 1);
            }
            calls.iter().for_each(Task::abort);
            until(|| cache.flight_count() == 0).await;
            until(|| store.holders() == holders).await;
        }
        let call = spawn_load!(view, 1);
        store.open();
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), Some(10));
        assert_eq!(store.requested(), [vec![1, 2], vec![1]]);
    });
}

#[test]
fn many_callers_cancelled_together_leave_nothing_behind() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let mut many = Box::pin(view.get_all(0..250));
        assert!(poll_once(&mut many).is_pending());
        yields(5).await;
        drop(many);
        until(|| cache.flight_count() == 0).await;
        drop(view);
        until(|| store.holders() == 0).await;
    });
}

#[test]
fn a_completed_batch_leaves_nothing_behind() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let calls = (0..3).map(|key| spawn_load!(view, key)).collect();
        advance(WINDOW + MS).await;
        join_all(calls).await;
        drop(view);
        until(|| store.holders() == 0).await;
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn a_batch_without_callers_and_handles_leaves_nothing_behind() {
    run(|| async {
        for leaves in [false, true] {
            let (cache, store) = (cache(), Store::new());
            let view = building(&cache, &store, tens).build();
            let opener = {
                let view = view.clone();
                parked(async move { view.get(1).await })
            };
            let call = spawn_load!(view, 2);
            if leaves {
                advance(WINDOW + MS).await;
                until(|| store.batches() == 1).await;
            }
            drop((view, cache));
            call.abort();
            drop(opener);
            until(|| store.holders() == 0).await;
        }
    });
}

#[test]
fn a_batch_continues_after_the_view_and_the_cache_are_dropped() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let call = spawn_load!(view, 1);
        drop((view, cache));
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), Some(10));
        until(|| store.holders() == 0).await;
    });
}

#[test]
fn a_batch_that_exceeds_the_load_timeout_times_out_for_all_callers() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).load_timeout(50 * MS).build();
        let store = Store::new();
        let view = building(&cache, &store, tens).build();
        let calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        advance(50 * MS).await;
        for answer in join_all(calls).await {
            assert!(matches!(answer, Err(LoadError::TimedOut(after)) if after == 50 * MS));
        }
        drop(view);
        until(|| store.holders() == 0).await;
        assert_eq!((cache.flight_count(), cache.entry_count()), (0, 0));
    });
}

#[test]
fn a_refresh_loads_with_the_next_batch_and_replaces_the_stored_value() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        cache.insert(1, 11);
        let refreshes = view.clone();
        let refresh = spawn(parked(async move { refreshes.refresh(1).await }));
        let other = spawn_load!(view, 2);
        assert_eq!(
            view.get(1).await.unwrap(),
            Some(11),
            "until then the old value is a hit"
        );
        advance(WINDOW + MS).await;
        assert_eq!(refresh.join().await.unwrap(), Some(10));
        assert_eq!(other.join().await.unwrap(), Some(20));
        assert_eq!(cache.get(&1), Some(10));
        assert_eq!(store.requested(), [[1, 2]]);
    });
}
