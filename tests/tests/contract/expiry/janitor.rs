//! The janitor: a background task that purges expired entries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Expiry, RemovalCause, Ttl};

use crate::contract::support::common::{
    Notices, SECOND, after, assert_books_balance, boom, seconds, yield_once,
};
use crate::harness::{Cache, Rt, advance, run, runtime, task_count, until};

type Notified = Notices<(u32, u64, RemovalCause)>;

/// The maximum delay of the janitor.
const MOMENT: Duration = Duration::from_millis(3);

fn kept() -> (Cache<u32, u64>, Notified) {
    let notices = Notices::new();
    let cache = builder().eviction_listener(notices.listener()).build();
    (cache, notices)
}

fn builder() -> cache_core::Builder<u32, u64, Rt> {
    Cache::builder_on(runtime()).janitor(true).shards(4)
}

/// Lets the janitor compute its next deadline.
async fn settle() {
    for _ in 0..100 {
        yield_once().await;
    }
}

#[test]
fn the_janitor_purges_at_the_deadline_without_any_call() {
    run(|| async {
        let (cache, notices) = kept();
        for key in 0..5 {
            cache.insert_with_ttl(key, 1, after(10 * u64::from(key) + 10));
        }
        advance(MOMENT).await;
        for key in 0..5 {
            settle().await;
            advance(seconds(10) - MOMENT * 2).await;
            settle().await;
            assert_eq!(notices.len(), 0, "too early for {key}");
            advance(MOMENT * 2).await;
            until(|| notices.len() == 1).await;
            assert_eq!(notices.take(), [(key, 1, RemovalCause::Expired)]);
            assert_eq!(cache.entry_count(), 4 - u64::from(key));
        }
    });
}

#[test]
fn the_janitor_purges_all_entries_that_expire_together() {
    run(|| async {
        let (cache, notices) = kept();
        for key in 0..10_000 {
            cache.insert_with_ttl(key, 1, after(10));
        }
        settle().await;
        advance(seconds(10) + MOMENT).await;
        until(|| notices.len() == 10_000).await;
        assert_eq!((cache.entry_count(), cache.next_deadline()), (0, None));
        assert_books_balance(&cache);
    });
}

#[test]
fn an_earlier_deadline_that_is_set_later_wakes_the_janitor() {
    struct OneSecondFromARead;
    impl Expiry<u32, u64> for OneSecondFromARead {
        fn expire_after_create(&self, _: &u32, _: &u64) -> Ttl {
            Ttl::Default
        }
        fn expire_after_read(&self, _: &u32, _: &u64, _: Option<Duration>) -> Option<Ttl> {
            Some(after(1))
        }
    }
    run(|| async {
        let notices: Notified = Notices::new();
        let cache = builder()
            .expire_after(OneSecondFromARead)
            .time_to_live(seconds(1_000_000))
            .eviction_listener(notices.listener())
            .build();
        cache.insert(0, 1);
        for key in 1..=4 {
            settle().await;
            match key {
                1 => cache.insert_with_ttl(1, 1, after(1)),
                2 => {
                    cache.insert(2, 1);
                    assert!(cache.set_ttl(&2, after(1)));
                }
                3 => {
                    cache.insert(3, 1);
                    assert_eq!(cache.get(&3), Some(1));
                }
                _ => {
                    let loader = || async {
                        Ok::<_, std::convert::Infallible>(cache_core::Loaded::new(1).ttl(after(1)))
                    };
                    cache.load_with(4, loader).await.expect("a value");
                }
            }
            settle().await;
            advance(SECOND + MOMENT).await;
            until(|| notices.len() == 1).await;
            assert_eq!(notices.take(), [(key, 1, RemovalCause::Expired)]);
        }
        assert_eq!(cache.entry_count(), 1);
    });
}

#[test]
fn the_janitor_ends_with_the_cache_and_keeps_nothing_of_it_alive() {
    run(|| async {
        let (before, token) = (task_count(), Arc::new(()));
        let cache: Cache<u32, Arc<()>> = Cache::builder_on(runtime()).janitor(true).build();
        cache.insert_with_ttl(1, Arc::clone(&token), after(1_000_000));
        cache.insert(2, Arc::clone(&token));
        assert_eq!(task_count(), before + 1);
        settle().await;
        let other_handle = cache.clone();
        drop(cache);
        settle().await;
        assert_eq!(task_count(), before + 1);
        drop(other_handle);
        until(|| task_count() == before).await;
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

#[test]
fn a_janitor_that_has_never_run_ends_with_the_cache_too() {
    run(|| async {
        let (before, token) = (task_count(), Arc::new(()));
        let cache: Cache<u32, Arc<()>> = Cache::builder_on(runtime()).janitor(true).build();
        cache.insert_with_ttl(1, Arc::clone(&token), after(1));
        drop(cache);
        until(|| task_count() == before && Arc::strong_count(&token) == 1).await;
    });
}

#[test]
fn the_janitor_runs_only_if_an_entry_can_expire() {
    run(|| async {
        let before = task_count();
        let cache = builder().build();
        for key in 0..100 {
            cache.insert(key, 1);
            cache.get_with(key + 100, || async { 1 }).await;
        }
        assert_eq!(task_count(), before);
        for key in 0..100 {
            cache.insert_with_ttl(key, 1, after(1_000 - u64::from(key)));
        }
        assert_eq!(task_count(), before + 1);
        settle().await;
        assert_eq!(task_count(), before + 1);
        let without: Cache<u32, u64> = Cache::builder_on(runtime()).build();
        without.insert_with_ttl(1, 1, after(1));
        assert_eq!(task_count(), before + 1);
    });
}

#[test]
fn a_panic_in_the_listener_does_not_end_the_janitor() {
    run(|| async {
        let (before, notified) = (task_count(), Arc::new(AtomicU64::new(0)));
        let listener = {
            let notified = Arc::clone(&notified);
            move |_: &u32, _: &u64, _| {
                notified.fetch_add(1, Ordering::SeqCst);
                boom()
            }
        };
        let cache = builder().eviction_listener(listener).build();
        for round in 1..=3 {
            for key in 0..500 {
                cache.insert_with_ttl(key, 1, after(5));
            }
            settle().await;
            advance(seconds(5) + MOMENT).await;
            until(|| notified.load(Ordering::SeqCst) == round * 500).await;
            until(|| cache.next_deadline().is_none()).await;
            assert_eq!((cache.entry_count(), task_count()), (0, before + 1));
        }
        assert_books_balance(&cache);
        drop(cache);
        until(|| task_count() == before).await;
    });
}

#[test]
fn the_janitor_does_not_purge_an_idle_entry_that_is_used() {
    run(|| async {
        let notices = Notices::new();
        let cache = builder()
            .time_to_idle(seconds(10))
            .eviction_listener(notices.listener())
            .build();
        cache.insert(1, 1);
        cache.insert(2, 2);
        for _ in 0..5 {
            settle().await;
            advance(seconds(6)).await;
            assert_eq!(cache.get(&1), Some(1));
        }
        until(|| notices.len() == 1).await;
        assert_eq!(notices.take(), [(2, 2, RemovalCause::Expired)]);
        settle().await;
        advance(seconds(10) + MOMENT).await;
        until(|| notices.len() == 1).await;
        assert_eq!(notices.take(), [(1, 1, RemovalCause::Expired)]);
    });
}

#[test]
fn the_janitor_purges_again_after_the_cache_was_empty() {
    run(|| async {
        let (cache, notices) = kept();
        for round in 0..3 {
            cache.insert_with_ttl(round, 1, after(10));
            settle().await;
            cache.invalidate_all();
            assert_eq!(notices.take(), [(round, 1, RemovalCause::Explicit)]);
            settle().await;
            advance(seconds(3)).await;
            cache.insert_with_ttl(round, 2, after(5));
            settle().await;
            advance(seconds(5) + MOMENT).await;
            until(|| notices.len() == 1).await;
            assert_eq!(notices.take(), [(round, 2, RemovalCause::Expired)]);
        }
    });
}
