//! `max_concurrent_batches`: permits, and the queue of batches that wait for one.

use std::time::Duration;

use cache_core::BatchWindow;

use crate::contract::support::backend::{join_all, parked, yields};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, spawn_load, tens,
};
use crate::harness::{Task, advance, run, until};

#[test]
fn a_slow_batch_does_not_delay_the_next_window() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let mut calls = Vec::new();
        for key in 0..10 {
            calls.push(spawn_load!(view, key));
            advance(WINDOW + MS).await;
            until(|| store.batches() == calls.len()).await;
        }
        assert_eq!(cache.flight_count(), 10, "the store is closed");
        store.open();
        join_all(calls).await;
        assert_eq!(store.sizes(), [1; 10]);
    });
}

#[test]
fn no_more_batches_run_concurrently_than_the_limit() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens)
            .max_batch_size(1)
            .max_concurrent_batches(3)
            .build();
        let calls: Vec<_> = (0..10).map(|key| spawn_load!(view, key)).collect();
        for done in 0..=7 {
            until(|| store.batches() == 3 + done).await;
            yields(10).await;
            assert_eq!(store.batches(), 3 + done);
            store.answer_one();
        }
        store.open();
        until(|| calls.iter().all(Task::is_finished)).await;
        assert_eq!(store.batches(), 10);
    });
}

#[test]
fn queued_batches_get_permits_in_the_order_of_their_dispatch() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens)
            .max_batch_size(1)
            .max_concurrent_batches(1)
            .build();
        let mut calls = Vec::new();
        for key in 0..5 {
            calls.push(spawn_load!(view, key));
            yields(10).await;
        }
        until(|| store.batches() == 1).await;
        for done in 1..=20 {
            // A batch dispatched just as a permit is free still queues behind the others.
            store.answer_one();
            calls.push(spawn_load!(view, 4 + done));
            until(|| store.batches() > done as usize).await;
            yields(10).await;
        }
        store.open();
        join_all(calls).await;
        let expected: Vec<_> = (0..25).map(|key| vec![key]).collect();
        if crate::harness::SINGLE_THREADED {
            assert_eq!(store.requested(), expected);
        }
    });
}

/// The first batches of the queue were notified of a permit but have not been polled since.
#[test]
fn all_free_permits_are_used_when_several_are_free_at_the_same_time() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens)
            .max_batch_size(1)
            .max_concurrent_batches(3)
            .build();
        let mut calls = Vec::new();
        for key in 0..9 {
            calls.push(spawn_load!(view, key));
            yields(10).await;
        }
        for done in [0, 3, 6] {
            until(|| store.batches() == 3 + done).await;
            yields(10).await;
            assert_eq!(store.batches(), 3 + done);
            (0..3).for_each(|_| store.answer_one());
        }
        for (key, answer) in (0..).zip(join_all(calls).await) {
            assert_eq!(answer.unwrap(), Some(key * 10));
        }
    });
}

/// The permits of two batches that end together go to two queued batches.
#[test]
fn permits_released_together_are_used_by_as_many_batches() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens)
            .max_batch_size(1)
            .max_concurrent_batches(2)
            .build();
        let mut calls = Vec::new();
        for key in 0..5 {
            calls.push(spawn_load!(view, key));
            yields(10).await;
        }
        until(|| store.batches() == 2).await;
        // On several threads any two may be the first.
        let is_running = |(key, _): &(u32, Task<_>)| store.requested().concat().contains(key);
        let (running, waiting): (Vec<_>, Vec<_>) = (0..).zip(calls).partition(is_running);
        running.iter().for_each(|(_, call)| call.abort());
        until(|| store.batches() == 4).await;
        // A batch that has no permit yet leaves the queue.
        let (running, queued): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_running);
        assert_eq!((running.len(), queued.len()), (2, 1));
        queued.iter().for_each(|(_, call)| call.abort());
        until(|| cache.flight_count() == 2).await;
        store.open();
        join_all(running.into_iter().map(|(_, call)| call).collect()).await;
        assert_eq!(store.batches(), 4);
    });
}

#[test]
fn callers_cancelled_while_a_batch_waits_for_its_permit_are_not_loaded() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens)
            .max_concurrent_batches(1)
            .build();
        let first = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        let (gone, stays) = (spawn_load!(view, 2), spawn_load!(view, 3));
        advance(WINDOW + MS).await;
        yields(10).await;
        gone.abort();
        until(|| cache.flight_count() == 2).await;
        store.open();
        assert_eq!(first.join().await.unwrap(), Some(10));
        assert_eq!(stays.join().await.unwrap(), Some(30));
        assert_eq!(store.requested(), [[1], [3]]);
    });
}

#[test]
fn a_batch_without_callers_releases_its_permit() {
    run(|| async {
        for while_it_runs in [false, true] {
            let (cache, store) = (cache(), Store::new());
            let view = building(&cache, &store, tens)
                .max_batch_size(1)
                .max_concurrent_batches(1)
                .build();
            let calls: Vec<_> = (1..=4)
                .map(|key| {
                    let view = view.clone();
                    Box::pin(async move { view.get(key).await })
                })
                .map(|call| crate::harness::spawn(parked(call)))
                .collect();
            until(|| store.batches() == 1).await;
            yields(20).await;
            let running = store.requested()[0][0] as usize - 1;
            for (number, call) in calls.iter().enumerate() {
                // All but the last queued batch, and perhaps the running one.
                let leaves = if number == running {
                    while_it_runs
                } else {
                    number < 2
                };
                if leaves {
                    call.abort();
                }
            }
            if !while_it_runs {
                store.answer_one();
            }
            until(|| store.batches() >= 2).await;
            store.open();
            until(|| cache.flight_count() == 0).await;
            drop(view);
            drop(calls);
            until(|| store.holders() == 0).await;
        }
    });
}

#[test]
fn windows_open_and_fill_while_no_permit_is_free() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let window = BatchWindow::Fixed(Duration::MAX);
        let view = building(&cache, &store, tens)
            .batch_window(window)
            .max_concurrent_batches(1)
            .build();
        let mut calls = vec![spawn_load!(view, 0)];
        until(|| {
            view.dispatch();
            store.batches() == 1
        })
        .await;
        for (keys, flights) in [(1..5, 5), (5..9, 9)] {
            calls.extend(keys.map(|key| spawn_load!(view, key)));
            assert_eq!(cache.flight_count(), flights);
            view.dispatch();
            yields(1_000).await;
        }
        assert_eq!(store.batches(), 1);
        store.open();
        join_all(calls).await;
        // On several threads the tasks of the batches queue for the permit in any order.
        let mut requested = store.requested();
        requested.sort_unstable();
        assert_eq!(requested, [vec![0], vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
    });
}
