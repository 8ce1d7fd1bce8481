//! Batch windows: which requests are dispatched together, and when.

use std::time::Duration;

use cache_core::BatchWindow;

use crate::contract::support::backend::{join_all, parked, poll_once, yields};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, spawn_load, ten, tens,
};
use crate::contract::support::common::caught;
use crate::harness::{SINGLE_THREADED, advance, run, spawn, until};

const FOR_EVER: BatchWindow = BatchWindow::Fixed(Duration::MAX);

#[test]
fn a_batch_is_dispatched_five_milliseconds_after_its_first_key() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let first = spawn_load!(view, 1);
        advance(3 * MS).await;
        let second = spawn_load!(view, 2);
        advance(MS).await;
        assert_eq!(
            store.batches(),
            0,
            "the window is open for another millisecond"
        );
        advance(MS).await;
        assert_eq!(first.join().await.unwrap(), Some(10));
        assert_eq!(second.join().await.unwrap(), Some(20));
        assert_eq!(store.requested(), [[1, 2]]);
    });
}

#[test]
fn a_batch_is_dispatched_after_the_configured_window() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let window = BatchWindow::Fixed(50 * MS);
        let view = building(&cache, &store, tens).batch_window(window).build();
        let first = spawn_load!(view, 1);
        advance(49 * MS).await;
        assert_eq!(store.batches(), 0);
        let second = spawn_load!(view, 2);
        advance(MS).await;
        join_all(vec![first, second]).await;
        assert_eq!(store.requested(), [[1, 2]]);
    });
}

#[test]
fn a_window_of_zero_length_is_dispatched_without_any_time_passing() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let window = BatchWindow::Fixed(Duration::ZERO);
        let view = building(&cache, &store, tens).batch_window(window).build();
        let call = spawn_load!(view, 1);
        until(|| call.is_finished()).await;
        assert_eq!(call.join().await.unwrap(), Some(10));
    });
}

#[test]
fn a_cache_hit_does_not_wait_for_a_window() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens)
            .batch_window(FOR_EVER)
            .build();
        cache.insert(1, 11);
        let _opens = parked(view.get(2));
        let mut hit = Box::pin(view.get(1));
        assert!(poll_once(&mut hit).is_ready());
        assert_eq!(view.get_all([1, 1]).await.len(), 2);
        assert_eq!(store.batches(), 0);
    });
}

#[test]
fn a_single_caller_in_a_window_is_served() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        for key in 0..20 {
            let call = spawn_load!(view, key);
            advance(WINDOW).await;
            assert_eq!(call.join().await.unwrap(), Some(ten(key)));
        }
        assert_eq!(store.sizes(), [1; 20]);
    });
}

#[test]
fn a_yielding_window_takes_the_requests_of_one_executor_pass_and_no_time() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let window = BatchWindow::Yield(1);
        let view = building(&cache, &store, tens).batch_window(window).build();
        let tasks: Vec<_> = (0..20)
            .map(|key| {
                let view = view.clone();
                spawn(async move { view.get(key).await })
            })
            .collect();
        until(|| tasks.iter().all(crate::harness::Task::is_finished)).await;
        for (key, answer) in (0..20).zip(join_all(tasks).await) {
            assert_eq!(answer.unwrap(), Some(ten(key)));
        }
        if SINGLE_THREADED {
            assert_eq!(store.sizes(), [20]);
        }
    });
}

#[test]
fn a_yielding_window_lasts_for_the_configured_number_of_executor_passes() {
    if !SINGLE_THREADED {
        return; // Several threads have no executor passes in common.
    }
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let window = BatchWindow::Yield(10);
        let view = building(&cache, &store, tens).batch_window(window).build();
        let calls = [0, 2, 4, 8, 30].map(|round| {
            let view = view.clone();
            spawn(async move {
                yields(round).await;
                view.get(u32::try_from(round).unwrap()).await
            })
        });
        join_all(calls.into()).await;
        assert_eq!(store.requested(), [vec![0, 2, 4, 8], vec![30]]);
    });
}

#[test]
fn a_debounced_window_is_dispatched_after_a_gap_without_requests() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let window = BatchWindow::Debounce {
            gap: 4 * MS,
            max: 100 * MS,
        };
        let view = building(&cache, &store, tens).batch_window(window).build();
        let mut calls = Vec::new();
        for key in 0..5 {
            calls.push(spawn_load!(view, key));
            advance(3 * MS).await;
        }
        assert_eq!(store.batches(), 0);
        advance(MS).await;
        join_all(calls).await;
        assert_eq!(store.requested(), [[0, 1, 2, 3, 4]]);
    });
}

#[test]
fn a_debounced_window_is_dispatched_after_its_maximum_despite_further_requests() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let window = BatchWindow::Debounce {
            gap: 4 * MS,
            max: 10 * MS,
        };
        let view = building(&cache, &store, tens).batch_window(window).build();
        let mut calls = Vec::new();
        for key in 0..4 {
            calls.push(spawn_load!(view, key));
            advance(3 * MS).await;
        }
        // This is the twelfth millisecond, and no gap was longer than three.
        join_all(calls).await;
        assert_eq!(store.requested(), [[0, 1, 2, 3]]);
    });
}

#[test]
fn dispatch_ends_the_open_window_immediately() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens)
            .batch_window(FOR_EVER)
            .build();
        let calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        yields(5).await;
        assert_eq!(store.batches(), 0, "only dispatch() ends this window");
        view.dispatch();
        until(|| calls.iter().all(crate::harness::Task::is_finished)).await;
        assert_eq!(store.requested(), [[1, 2]]);
        join_all(calls).await;
    });
}

#[test]
fn dispatch_before_the_first_poll_of_the_window_is_not_lost() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens)
            .batch_window(FOR_EVER)
            .build();
        let call = spawn_load!(view, 1);
        view.dispatch();
        until(|| call.is_finished()).await;
        assert_eq!(store.requested(), [[1]]);
    });
}

#[test]
fn dispatch_without_an_open_window_does_nothing() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens)
            .batch_window(FOR_EVER)
            .build();
        view.dispatch();
        let call = spawn_load!(view, 1);
        yields(5).await;
        assert_eq!(
            store.batches(),
            0,
            "the dispatch does not apply to the next window"
        );
        view.dispatch();
        view.dispatch();
        assert_eq!(call.join().await.unwrap(), Some(10));
        view.dispatch();
        assert_eq!(store.batches(), 1);
    });
}

#[test]
fn a_dispatched_window_does_not_shorten_the_next_one() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let first = spawn_load!(view, 1);
        advance(3 * MS).await;
        view.dispatch();
        first.join().await.unwrap();
        let second = spawn_load!(view, 2);
        // The timer of the first window fires.
        advance(4 * MS).await;
        yields(5).await;
        assert_eq!(store.requested(), [[1]]);
        advance(MS).await;
        second.join().await.unwrap();
        assert_eq!(store.requested(), [[1], [2]]);
    });
}

#[test]
fn a_window_without_callers_does_not_shorten_the_next_one() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let gone = [spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(3 * MS).await;
        gone.iter().for_each(crate::harness::Task::abort);
        until(|| cache.flight_count() == 0).await;
        let next = spawn_load!(view, 3);
        advance(4 * MS).await;
        yields(5).await;
        assert_eq!(store.batches(), 0, "one millisecond is left");
        advance(MS).await;
        assert_eq!(next.join().await.unwrap(), Some(30));
        assert_eq!(store.requested(), [[3]]);
    });
}

#[test]
fn clones_of_a_view_share_its_window_and_other_views_do_not() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let other = building(&cache, &store, tens).build();
        let calls = vec![
            spawn_load!(view, 1),
            spawn_load!(view.clone(), 2),
            spawn_load!(other, 3),
        ];
        advance(WINDOW).await;
        join_all(calls).await;
        let mut requested = store.requested();
        requested.sort();
        assert_eq!(requested, [vec![1, 2], vec![3]]);
    });
}

#[test]
fn an_invalid_batch_setting_is_rejected_with_its_name_its_value_and_the_rule() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let building = || building(&cache, &store, tens);
        let (gap, max) = (2 * MS, MS);
        let window = BatchWindow::Debounce { gap, max };
        let refused = [
            (
                building().max_batch_size(0).try_build().map(drop),
                "max_batch_size",
                "max_batch_size is 0, but it must be at least 1",
            ),
            (
                building().max_concurrent_batches(0).try_build().map(drop),
                "max_concurrent_batches",
                "max_concurrent_batches is 0, but it must be at least 1",
            ),
            (
                building().batch_window(window).try_build().map(drop),
                "batch_window",
                "batch_window is Debounce { gap: 2ms, max: 1ms }, \
                 but the gap must not be longer than the maximum",
            ),
        ];
        for (built, field, words) in refused {
            let error = built.expect_err("a mistake");
            assert_eq!((error.field(), &*error.to_string()), (field, words));
        }
        let panicked = caught(|| building().max_batch_size(0).build()).map(drop);
        assert_eq!(panicked.unwrap_err(), refused_size());
        let equal = BatchWindow::Debounce { gap: MS, max: MS };
        assert!(building().batch_window(equal).try_build().is_ok());
    });
}

fn refused_size() -> String {
    "max_batch_size is 0, but it must be at least 1".into()
}
