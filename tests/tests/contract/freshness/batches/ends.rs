//! How refreshes of a batching view end, and what ends them.

use std::collections::HashMap;

use cache_core::RemovalCause;

use super::{REFRESH_WINDOW, due_cache, end_window, hit, make_due, view};
use crate::contract::freshness::support::builder;
use crate::contract::support::backend::{parked, yields};
use crate::contract::support::batch_backend::{Store, WINDOW, building, even, spawn_load, tens};
use crate::contract::support::common::{Notices, assert_books_balance, seconds};
use crate::harness::{advance, run, until};

#[test]
fn a_key_missing_from_the_answer_removes_its_entry() {
    run(|| async {
        let (notices, store) = (Notices::new(), Store::opened());
        let cache = builder().eviction_listener(notices.listener()).build();
        make_due(&cache).await;
        let view = building(&cache, &store, even).build();
        hit(&view, [1, 2]).await;
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&2) == Some(20) && !cache.contains_key(&1)).await;
        until(|| notices.len() == 2).await;
        let expected = [
            (1, 1, RemovalCause::Missing),
            (2, 2, RemovalCause::Replaced),
        ];
        let mut removed = notices.take();
        removed.sort_unstable_by_key(|(key, ..)| *key);
        assert_eq!(removed, expected);
        assert_eq!(cache.stats().refresh_failures, 0);
    });
}

#[test]
fn a_batch_that_fails_backs_each_refreshed_key_off() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let fails = |_: Vec<u32>| Err::<HashMap<u32, u64>, _>("down");
        let view = building(&cache, &store, fails).build();
        let hits = || async {
            for key in [1, 2] {
                assert_eq!(view.get(key).await.unwrap(), Some(key.into()));
            }
        };
        hits().await;
        end_window(REFRESH_WINDOW).await;
        until(|| cache.stats().refresh_failures == 2).await;
        advance(seconds(1) - REFRESH_WINDOW).await;
        hits().await;
        end_window(REFRESH_WINDOW).await;
        yields(3).await;
        assert_eq!(store.sizes(), [2], "both keys back off for a second");
        advance(seconds(1)).await;
        hits().await;
        end_window(REFRESH_WINDOW).await;
        until(|| cache.stats().refresh_failures == 4).await;
        assert_eq!(store.sizes(), [2, 2]);
        assert_eq!(cache.stats().misses, 0);
    });
}

#[test]
fn the_error_of_one_key_backs_that_key_off() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let odd_fail = |keys: Vec<u32>| -> Vec<Result<u64, &str>> {
            let answer = |key: u32| {
                key.is_multiple_of(2)
                    .then(|| u64::from(key) * 10)
                    .ok_or("odd")
            };
            keys.into_iter().map(answer).collect()
        };
        let view = building(&cache, &store, odd_fail).build();
        for key in [1, 2] {
            assert_eq!(view.get(key).await.unwrap(), Some(key.into()));
        }
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&2) == Some(20) && cache.flight_count() == 0).await;
        assert_eq!(cache.peek(&1), Some(1));
        until(|| cache.stats().refresh_failures == 1).await;
    });
}

#[test]
fn a_loader_that_panics_harms_no_caller_and_backs_the_keys_off() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let panics = |_: Vec<u32>| -> HashMap<u32, u64> {
            crate::contract::support::common::boom();
        };
        let view = building(&cache, &store, panics).build();
        hit(&view, [1]).await;
        end_window(REFRESH_WINDOW).await;
        until(|| cache.stats().refresh_failures == 1).await;
        until(|| cache.flight_count() == 0).await;
        hit(&view, [1]).await;
        assert_eq!(cache.flight_count(), 0);
        assert_books_balance(&cache);
    });
}

#[test]
fn a_write_fences_a_refresh_that_waits_for_its_batch() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        hit(&view, [1, 2, 3]).await;
        cache.insert(1, 11);
        cache.invalidate(&2);
        assert_eq!(cache.flight_count(), 1);
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&3) == Some(30)).await;
        assert_eq!(store.requested(), [[3]]);
        assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(11), None));
        assert_eq!(cache.stats().refreshes_fenced, 2);
        assert_books_balance(&cache);
    });
}

#[test]
fn a_write_wins_over_a_refresh_that_its_batch_loads() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::new());
        let view = view(&cache, &store);
        hit(&view, [1, 2, 3]).await;
        end_window(REFRESH_WINDOW).await;
        until(|| store.batches() == 1).await;
        cache.insert(1, 11);
        cache.invalidate(&2);
        store.open();
        until(|| cache.peek(&3) == Some(30)).await;
        // A fenced load is in no table; its end is counted last.
        until(|| cache.stats().load_successes == 3).await;
        assert_eq!((cache.peek(&1), cache.peek(&2)), (Some(11), None));
        assert_eq!(cache.stats().refreshes_fenced, 2);
        assert_books_balance(&cache);
    });
}

#[test]
fn a_key_that_was_fenced_and_is_due_again_is_requested_once() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens)
            .refresh_window(seconds(1_000))
            .build();
        hit(&view, [1]).await;
        make_due(&cache).await;
        hit(&view, [1]).await;
        view.dispatch();
        until(|| cache.peek(&1) == Some(10)).await;
        assert_eq!(store.requested(), [[1]]);
        assert_books_balance(&cache);
    });
}

#[test]
fn cancelled_misses_do_not_cancel_the_refreshes_of_their_batch() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::new());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        // Its window is never polled by it, so a background task drives the batch.
        let miss = parked(view.get(9));
        end_window(WINDOW).await;
        until(|| store.batches() == 1).await;
        drop(miss);
        yields(3).await;
        store.open();
        until(|| cache.peek(&1) == Some(10)).await;
        assert_eq!(store.requested(), [[1, 9]]);
    });
}

#[test]
fn refreshes_do_not_leave_with_a_batch_that_is_cancelled_in_its_window() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        drop(parked(view.get(9)));
        advance(WINDOW).await;
        yields(3).await;
        assert_eq!((store.batches(), cache.flight_count()), (0, 1));
        advance(REFRESH_WINDOW - WINDOW).await;
        until(|| cache.peek(&1) == Some(10)).await;
        assert_eq!(store.requested(), [[1]]);
    });
}

#[test]
fn the_refreshes_of_a_dropped_view_are_loaded_and_then_nothing_is_left_of_it() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        drop(view);
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&1) == Some(10)).await;
        until(|| store.holders() == 0).await;
    });
}

#[test]
fn a_dropped_cache_is_freed_after_its_last_refresh() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = view(&cache, &store);
        let weak = cache.downgrade();
        hit(&view, [1]).await;
        drop((view, cache));
        end_window(REFRESH_WINDOW).await;
        until(|| store.batches() == 1 && store.holders() == 0).await;
        until(|| weak.upgrade().is_none()).await;
    });
}

#[test]
fn a_hung_batch_of_refreshes_is_dropped_and_its_keys_live() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::new());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        end_window(REFRESH_WINDOW).await;
        until(|| store.batches() == 1).await;
        // The task of the batch sets its timer when it is polled after the call.
        advance(seconds(1)).await;
        advance(seconds(60)).await;
        // A failure is counted after its flight has ended.
        until(|| cache.stats().refresh_failures == 1).await;
        assert_eq!((cache.flight_count(), store.holders()), (0, 1));
        store.open();
        advance(seconds(2)).await;
        let load = spawn_load!(view, 1);
        advance(WINDOW).await;
        assert_eq!(load.join().await.unwrap(), Some(10));
    });
}

#[test]
fn the_time_limit_of_refreshes_does_not_bound_the_misses_of_their_batch() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::new());
        let view = view(&cache, &store);
        hit(&view, [1]).await;
        let miss = parked(view.get(9));
        end_window(WINDOW).await;
        until(|| store.batches() == 1).await;
        advance(seconds(1)).await;
        advance(seconds(60)).await;
        yields(3).await;
        assert_eq!(cache.stats().load_failures, 0);
        store.open();
        assert_eq!(miss.await.unwrap(), Some(90));
        assert_eq!(store.batches(), 1);
    });
}

#[test]
fn each_key_counts_for_the_bound_of_refreshes() {
    run(|| async {
        let cache = builder().max_concurrent_refreshes(2).build();
        let store = Store::opened();
        make_due(&cache).await;
        let view = view(&cache, &store);
        hit(&view, [1, 2, 3]).await;
        let stats = cache.stats();
        assert_eq!((stats.refreshes, stats.refreshes_skipped), (2, 1));
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&2) == Some(20) && cache.flight_count() == 0).await;
        hit(&view, [3]).await;
        end_window(REFRESH_WINDOW).await;
        until(|| cache.peek(&3) == Some(30)).await;
        assert_eq!(store.requested(), [vec![1, 2], vec![3]]);
    });
}

#[test]
fn a_view_without_the_cache_refreshes_nothing() {
    run(|| async {
        let (cache, store) = (due_cache().await, Store::opened());
        let view = building(&cache, &store, tens).disable_cache().build();
        let load = parked(view.get(1));
        advance(WINDOW).await;
        assert_eq!(load.await.unwrap(), Some(10));
        assert_eq!((cache.peek(&1), cache.stats().refreshes), (Some(1), 0));
    });
}

#[test]
fn a_window_of_refreshes_needs_a_cache_that_refreshes() {
    run(|| async {
        let (cache, store) = (
            crate::contract::support::batch_backend::cache(),
            Store::opened(),
        );
        let built = building(&cache, &store, tens)
            .refresh_window(seconds(1))
            .try_build();
        assert_eq!(
            built.expect_err("it is refused").to_string(),
            "refresh_window is 1s, but it needs a cache with refresh_after, \
             stale_while_revalidate or stale_if_error"
        );
    });
}
