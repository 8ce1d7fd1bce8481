//! `max_batch_size` is a hard cap.

use std::time::Duration;

use cache_core::BatchWindow;

use crate::contract::support::backend::{join_all, yields};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, begun, building, cache, spawn_load, ten, tens,
};
use crate::harness::{Task, advance, run, spawn, until};

#[test]
fn a_batch_has_at_most_a_hundred_keys_by_default() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        // All keys are in their windows after the first poll.
        let all = spawn(begun(async move { view.get_all(0..250).await }));
        advance(WINDOW).await;
        for (key, answer) in (0..250).zip(all.join().await) {
            assert_eq!(answer.unwrap(), Some(ten(key)));
        }
        let mut sizes = store.sizes();
        sizes.sort_unstable();
        assert_eq!(sizes, [50, 100, 100]);
        assert_eq!(cache.stats().largest_batch, 100);
    });
}

#[test]
fn a_full_batch_is_dispatched_immediately() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let window = BatchWindow::Fixed(Duration::MAX);
        let view = building(&cache, &store, tens)
            .batch_window(window)
            .max_batch_size(3)
            .build();
        let calls = [
            spawn_load!(view, 1),
            spawn_load!(view, 2),
            spawn_load!(view, 3),
        ];
        until(|| calls.iter().all(Task::is_finished)).await;
        assert_eq!(store.requested(), [[1, 2, 3]]);
    });
}

#[test]
fn ten_keys_with_a_maximum_of_three_make_four_batches() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        let calls: Vec<_> = (0..10).map(|key| spawn_load!(view, key)).collect();
        advance(WINDOW).await;
        join_all(calls).await;
        let mut requested = store.requested();
        requested.sort();
        assert_eq!(
            requested,
            [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8], vec![9]]
        );
    });
}

#[test]
fn the_rest_of_a_full_batch_opens_a_window_with_its_own_timer() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(2).build();
        let mut calls = vec![spawn_load!(view, 1)];
        advance(3 * MS).await;
        calls.extend([spawn_load!(view, 2), spawn_load!(view, 3)]);
        until(|| store.batches() == 1).await;
        // The timer of the first window fires.
        advance(4 * MS).await;
        yields(5).await;
        assert_eq!(
            store.requested(),
            [[1, 2]],
            "the second window has two milliseconds left"
        );
        advance(MS).await;
        join_all(calls).await;
        assert_eq!(store.requested(), [vec![1, 2], vec![3]]);
    });
}

#[test]
fn a_batch_of_one_key_never_waits() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(1).build();
        let calls = [spawn_load!(view, 1), spawn_load!(view, 2)];
        until(|| calls.iter().all(Task::is_finished)).await;
        let mut requested = store.requested();
        requested.sort();
        assert_eq!(requested, [[1], [2]]);
    });
}

#[test]
fn a_duplicate_key_does_not_count_towards_the_batch_size() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        let mut calls: Vec<_> = (0..9).map(|_| spawn_load!(view, 1)).collect();
        calls.extend([spawn_load!(view, 2), spawn_load!(view, 3)]);
        until(|| calls.iter().all(Task::is_finished)).await;
        assert_eq!(store.requested(), [[1, 2, 3]]);
    });
}

#[test]
fn a_cancelled_caller_does_not_count_towards_the_batch_size() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        let mut calls = vec![spawn_load!(view, 1)];
        for key in 10..20 {
            let gone = spawn_load!(view, key);
            gone.abort();
            until(|| cache.flight_count() == 1).await;
        }
        calls.push(spawn_load!(view, 2));
        yields(5).await;
        assert_eq!(store.batches(), 0, "one more key fits");
        calls.push(spawn_load!(view, 3));
        until(|| calls.iter().all(Task::is_finished)).await;
        assert_eq!(store.requested(), [[1, 2, 3]]);
    });
}
