//! Who waits for a batch may leave, or never come again: the others never notice.

use cache_core::LoadError;

use crate::contract::support::backend::{join_all, parked, poll_once, yields};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, spawn_load, tens,
};
use crate::harness::{Cache, Task, advance, run, runtime, spawn, until};

#[test]
fn a_cancelled_members_key_is_dropped_if_the_batch_has_not_left() {
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
fn a_cancelled_members_key_is_asked_for_if_somebody_else_wants_it() {
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
fn a_member_cancelled_after_the_batch_has_left_never_touches_the_others() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let (gone, stays) = (spawn_load!(view, 1), spawn_load!(view, 2));
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        gone.abort();
        yields(5).await;
        // Its key is on its way: who asks for it now waits for that.
        let late = spawn_load!(view, 1);
        store.open();
        assert_eq!(stays.join().await.unwrap(), Some(20));
        assert_eq!(late.join().await.unwrap(), Some(10));
        assert_eq!(store.requested(), [[1, 2]]);
        assert_eq!(cache.stats().loads_dropped, 0);
    });
}

#[test]
fn a_key_whose_callers_left_after_the_batch_has_is_cached() {
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
fn a_batch_goes_on_though_the_member_who_opened_its_window_leaves() {
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

/// Whoever joins a key after the opener of its batch has left depends on the batch as well.
#[test]
fn a_batch_goes_on_for_who_joined_after_its_opener_had_left() {
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
        assert_eq!(store.requested(), [[1]], "it was not restarted");
        assert_eq!(cache.stats().loads, 1);
    });
}

#[test]
fn who_joins_after_the_opener_has_left_is_served_though_the_others_are_never_polled_again() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let opener = parked(view.load(1));
        let _unpolled = parked(view.load(1));
        drop(opener);
        let late = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(late.join().await.unwrap(), Some(10));
        assert_eq!(store.requested(), [[1]]);
    });
}

#[test]
fn a_member_that_is_never_polled_again_holds_up_nobody() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let mut opener = parked(view.load(1));
        let mut member = parked(view.load(2));
        let calls: Vec<_> = (1..=3).map(|key| spawn_load!(view, key)).collect();
        advance(WINDOW + MS).await;
        assert!(join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(store.requested(), [[1, 2, 3]]);
        // They come late, and are served all the same.
        assert!(poll_once(&mut opener).is_ready());
        assert!(poll_once(&mut member).is_ready());
    });
}

#[test]
fn a_driver_that_is_never_polled_again_holds_up_nobody_while_the_batch_is_at_the_loader() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let mut driver = parked(view.load(1));
        let call = spawn_load!(view, 2);
        advance(WINDOW + MS).await;
        // Where nothing is spawned, this one drives it now, and never again.
        let _ = poll_once(&mut driver).is_pending();
        until(|| store.batches() == 1).await;
        let _ = poll_once(&mut driver).is_pending();
        store.open();
        assert_eq!(call.join().await.unwrap(), Some(20));
    });
}

#[test]
fn a_batch_that_nobody_waits_for_any_more_is_dropped() {
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
fn many_that_leave_together_leave_nothing_behind() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let mut many = Box::pin(view.load_many(0..250));
        assert!(poll_once(&mut many).is_pending());
        yields(5).await;
        drop(many);
        until(|| cache.flight_count() == 0).await;
        drop(view);
        until(|| store.holders() == 0).await;
    });
}

#[test]
fn nothing_of_a_batch_is_left_once_it_is_over() {
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
fn nothing_of_a_batch_is_left_once_its_callers_and_handles_are_gone() {
    run(|| async {
        for leaves in [false, true] {
            let (cache, store) = (cache(), Store::new());
            let view = building(&cache, &store, tens).build();
            let opener = {
                let view = view.clone();
                parked(async move { view.load(1).await })
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
fn a_batch_goes_on_though_the_view_and_the_cache_are_gone() {
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
fn a_batch_that_takes_longer_than_the_load_timeout_times_out_for_all() {
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
fn a_refresh_loads_anew_with_the_next_batch_and_replaces_what_is_stored() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        cache.insert(1, 11);
        let refreshes = view.clone();
        let refresh = spawn(parked(async move { refreshes.refresh(1).await }));
        let other = spawn_load!(view, 2);
        assert_eq!(
            view.load(1).await.unwrap(),
            Some(11),
            "until then the old one is a hit"
        );
        advance(WINDOW + MS).await;
        assert_eq!(refresh.join().await.unwrap(), Some(10));
        assert_eq!(other.join().await.unwrap(), Some(20));
        assert_eq!(cache.get(&1), Some(10));
        assert_eq!(store.requested(), [[1, 2]]);
    });
}
