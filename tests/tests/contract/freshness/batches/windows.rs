//! When refreshes are loaded: with the next misses, or by themselves.

use std::time::Duration;

use cache_core::BatchWindow;

use super::{REFRESH_WINDOW, due_cache, end_window, hit, view};
use crate::contract::freshness::support::{DUE, STALE_UNTIL};
use crate::contract::support::backend::{join_all, parked, poll_once, yields};
use crate::contract::support::batch_backend::{MS, Store, WINDOW, building, spawn_load, tens};
use crate::contract::support::common::{assert_books_balance, seconds};
use crate::harness::{advance, run, until};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn refreshes_ride_in_the_next_batch_of_misses_in_one_query() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        let miss = spawn_load!(view, 9);
        hit(&view, [2]).await;
        advance(WINDOW).await;
        assert_eq!(miss.join().await.unwrap(), Some(90));
        until(|| cache.flight_count() == 0).await;
        assert_eq!(store.requested(), [[1, 2, 9]]);
        assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(10), Some(20)));
        advance(2 * REFRESH_WINDOW).await;
        yields(3).await;
        let stats = cache.stats();
        assert_eq!((stats.batches, stats.loads, stats.refreshes), (1, 3, 2));
        assert_eq!((stats.hits, stats.misses), (2, 1));
        assert_books_balance(&cache);
    });
}

#[test]
fn refreshes_leave_alone_after_their_window() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        advance(REFRESH_WINDOW - 2 * MS).await;
        hit(&view, [2]).await;
        advance(MS).await;
        yields(3).await;
        assert_eq!(store.batches(), 0);
        advance(MS).await;
        until(|| cache.peek(&1) == Some(10) && cache.peek(&2) == Some(20)).await;
        assert_eq!(store.requested(), [[1, 2]]);
        assert_eq!(cache.stats().batches, 1);
    });
}

#[test]
fn the_window_of_refreshes_is_a_setting() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens)
            .refresh_window(seconds(1))
            .build();
        hit(&view, [1]).await;
        advance(seconds(1) - MS).await;
        yields(3).await;
        assert_eq!(store.batches(), 0);
        advance(MS).await;
        until(|| cache.peek(&1) == Some(10)).await;
    });
}

#[test]
fn a_miss_never_waits_for_a_refresh() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).refresh_window(HOUR).build();
        hit(&view, [1]).await;
        advance(MS).await;
        let miss = spawn_load!(view, 9);
        advance(WINDOW - MS).await;
        yields(3).await;
        assert_eq!(store.batches(), 0, "its window has its usual length");
        advance(MS).await;
        assert_eq!(miss.join().await.unwrap(), Some(90));
        assert_eq!(store.requested(), [[1, 9]]);
    });
}

#[test]
fn a_refresh_does_not_cut_the_window_of_a_miss_short() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens)
            .batch_window(BatchWindow::Fixed(HOUR))
            .build();
        let miss = spawn_load!(view, 9);
        hit(&view, [1]).await;
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&1) == Some(10)).await;
        assert_eq!(store.requested(), [[1]]);
        assert!(!miss.is_finished());
        view.dispatch();
        assert_eq!(miss.join().await.unwrap(), Some(90));
    });
}

#[test]
fn a_yielding_window_takes_refreshes_along_without_any_time_passing() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens)
            .batch_window(BatchWindow::Yield(1))
            .build();
        hit(&view, [1]).await;
        yields(5).await;
        assert_eq!(store.batches(), 0);
        assert_eq!(view.get(9).await.unwrap(), Some(90));
        until(|| cache.peek(&1) == Some(10)).await;
        assert_eq!(store.requested(), [[1, 9]]);
    });
}

#[test]
fn a_full_batch_prefers_misses() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(3).build();
        hit(&view, [1, 2]).await;
        let answers = view.get_all([7, 8, 9]).await;
        assert_eq!(answers[2].as_ref().unwrap(), &Some(90));
        assert_eq!(store.requested(), [[7, 8, 9]]);
        assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(1), Some(2)));
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&1) == Some(10) && cache.peek(&2) == Some(20)).await;
        assert_eq!(store.requested()[1..], [[1, 2]]);
    });
}

#[test]
fn the_oldest_refreshes_fill_a_batch_up_and_the_others_wait_no_longer() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(4).build();
        hit(&view, [3, 1, 2]).await;
        let misses = vec![spawn_load!(view, 8), spawn_load!(view, 9)];
        advance(WINDOW).await;
        join_all(misses).await;
        until(|| cache.flight_count() == 1).await;
        assert_eq!(store.requested(), [[1, 3, 8, 9]]);
        advance(REFRESH_WINDOW - WINDOW).await;
        until(|| cache.peek(&2) == Some(20)).await;
        assert_eq!(store.requested()[1..], [[2]]);
    });
}

#[test]
fn refreshes_that_fill_a_batch_leave_at_once() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(2).build();
        hit(&view, [1, 2, 3]).await;
        until(|| cache.peek(&1) == Some(10) && cache.peek(&2) == Some(20)).await;
        assert_eq!(store.requested(), [[1, 2]]);
        assert_eq!(cache.flight_count(), 1);
    });
}

#[test]
fn with_batches_of_one_key_each_refresh_leaves_at_once() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).max_batch_size(1).build();
        hit(&view, [1]).await;
        assert_eq!(view.get(9).await.unwrap(), Some(90));
        until(|| cache.peek(&1) == Some(10)).await;
        assert_eq!(store.sizes(), [1, 1]);
    });
}

#[test]
fn dispatch_takes_misses_and_refreshes() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        view.dispatch();
        until(|| cache.peek(&1) == Some(10)).await;
        hit(&view, [2]).await;
        let miss = spawn_load!(view, 9);
        view.dispatch();
        assert_eq!(miss.join().await.unwrap(), Some(90));
        until(|| cache.peek(&2) == Some(20)).await;
        assert_eq!(store.requested(), [vec![1], vec![2, 9]]);
    });
}

#[test]
fn every_method_of_a_view_returns_a_due_value_at_once_and_refreshes_it() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        let mut all = Box::pin(view.get_all([1, 2, 2]));
        assert!(poll_once(&mut all).is_ready());
        let mut each = Box::pin(view.get_each([3]));
        let next = std::future::poll_fn(|cx| futures_util::Stream::poll_next(each.as_mut(), cx));
        assert!(poll_once(&mut Box::pin(next)).is_ready());
        end_window(REFRESH_WINDOW).await;
        until(|| (1..=3).all(|key| cache.peek(&key) == Some(u64::from(key) * 10))).await;
        assert_eq!(store.requested(), [[1, 2, 3]]);
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.refreshes), (5, 0, 3));
    });
}

#[test]
fn a_stale_value_is_returned_at_once_and_refreshed_in_a_batch() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        advance(STALE_UNTIL - DUE - seconds(1)).await;
        hit(&view, [1, 1, 2]).await;
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&1) == Some(10) && cache.peek(&2) == Some(20)).await;
        assert_eq!(store.requested(), [[1, 2]]);
        assert_eq!(cache.stats().stale_hits, 3);
    });
}

#[test]
fn a_key_that_a_caller_needs_becomes_a_miss() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).refresh_window(HOUR).build();
        hit(&view, [1, 2, 3]).await;
        // From here on a caller waits for its load.
        advance(STALE_UNTIL - DUE).await;
        let miss = spawn_load!(view, 1);
        advance(WINDOW).await;
        assert_eq!(miss.join().await.unwrap(), Some(10));
        until(|| cache.flight_count() == 0).await;
        assert_eq!(store.requested(), [[1, 2, 3]]);
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.refreshes, stats.misses), (3, 2, 1));
        assert_books_balance(&cache);
    });
}

#[test]
fn a_caller_of_another_method_does_not_wait_for_a_batch_either() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).refresh_window(HOUR).build();
        hit(&view, [1]).await;
        advance(STALE_UNTIL - DUE).await;
        assert_eq!(cache.get_with(1, || async { 11 }).await, 11);
        view.dispatch();
        yields(3).await;
        assert_eq!((store.batches(), cache.flight_count()), (0, 0));
        assert_eq!(cache.stats().loads, 1);
        assert_books_balance(&cache);
    });
}

#[test]
fn a_forced_refresh_loads_with_the_misses() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).refresh_window(HOUR).build();
        hit(&view, [1]).await;
        let forced = {
            let view = view.clone();
            let forced = async move { view.refresh(1).await };
            crate::harness::spawn(crate::contract::support::batch_backend::begun(forced))
        };
        advance(WINDOW).await;
        assert_eq!(forced.join().await.unwrap(), Some(10));
        assert_eq!(store.requested(), [[1]]);
    });
}

#[test]
fn a_caller_joins_the_refresh_that_a_batch_has() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::new());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        end_window(REFRESH_WINDOW).await;
        until(|| store.batches() == 1).await;
        advance(STALE_UNTIL - DUE).await;
        let joined = parked(view.get(1));
        drop(parked(view.get(1)));
        store.open();
        assert_eq!(joined.await.unwrap(), Some(10));
        assert_eq!((store.requested(), cache.stats().loads), (vec![vec![1]], 1));
    });
}
