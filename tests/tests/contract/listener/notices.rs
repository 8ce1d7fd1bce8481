//! The eviction listener: one notice for each removed entry, with its cause.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};

use cache_core::{Computed, EvictionPolicy, Op, RemovalCause};

use crate::contract::support::common::{
    Gate, Later, Notices, SECOND, after, assert_books_balance, assert_sound, on_shards,
};
use crate::harness::{Cache, Rt, advance, run, runtime, until};

type Notified = Notices<(u32, u64, RemovalCause)>;

fn with_listener(builder: cache_core::Builder<u32, u64, Rt>) -> (Cache<u32, u64>, Notified) {
    let notices = Notices::new();
    let cache = builder.eviction_listener(notices.listener()).build();
    (cache, notices)
}

#[test]
fn the_listener_is_notified_of_each_removal_with_its_cause() {
    on_shards(|shards| async move {
        let (cache, notices) =
            with_listener(Cache::builder_on(runtime()).max_capacity(3).shards(shards));
        cache.insert(1, 10);
        cache.insert(1, 11);
        assert_eq!(notices.take(), [(1, 10, RemovalCause::Replaced)]);
        assert_eq!(cache.remove(&1), Some(11));
        assert_eq!(notices.take(), [(1, 11, RemovalCause::Explicit)]);
        cache.insert(1, 12);
        cache.invalidate(&1);
        assert_eq!(notices.take(), [(1, 12, RemovalCause::Explicit)]);
        cache.insert_weighted(1, 13, 3);
        cache.insert(2, 20);
        assert_eq!(notices.take(), [(1, 13, RemovalCause::Size)]);
        cache.insert_weighted(2, 21, 4);
        let refused = [
            (2, 20, RemovalCause::Replaced),
            (2, 21, RemovalCause::Oversized),
        ];
        assert_eq!(notices.take(), refused);
        cache.insert_with_ttl(1, 14, after(1));
        advance(SECOND * 2).await;
        cache.run_pending_tasks();
        assert_eq!(notices.take(), [(1, 14, RemovalCause::Expired)]);
        assert_eq!(notices.take(), []);
    });
}

#[test]
fn an_expired_entry_is_reported_as_expired_for_every_kind_of_removal() {
    on_shards(|shards| async move {
        let leave: [fn(&Cache<u32, u64>); 6] = [
            |cache| cache.run_pending_tasks(),
            |cache| cache.insert(1, 2),
            |cache| assert_eq!(cache.remove(&1), None),
            |cache| cache.invalidate_all(),
            |cache| assert_eq!(cache.drain(), []),
            |cache| cache.insert_weighted(2, 2, 10),
        ];
        for (number, leave) in leave.into_iter().enumerate() {
            let (cache, notices) =
                with_listener(Cache::builder_on(runtime()).max_capacity(10).shards(shards));
            cache.insert_with_ttl(1, 1, after(1));
            advance(SECOND * 2).await;
            leave(&cache);
            let expired = [(1, 1, RemovalCause::Expired)];
            assert_eq!(notices.take(), expired, "way {number}");
            assert_books_balance(&cache);
        }
    });
}

#[test]
fn the_listener_is_notified_once_per_entry_when_many_are_removed_together() {
    on_shards(|shards| async move {
        type Leave = fn(&Cache<u32, u64>);
        let leave: [(Leave, RemovalCause); 4] = [
            (|cache| cache.invalidate_all(), RemovalCause::Explicit),
            (|cache| drop(cache.drain()), RemovalCause::Explicit),
            (|cache| cache.retain(|_, _| false), RemovalCause::Explicit),
            (
                |cache| cache.insert_weighted(0, 0, 1_000),
                RemovalCause::Size,
            ),
        ];
        for (leave, cause) in leave {
            let (cache, notices) = with_listener(
                Cache::builder_on(runtime())
                    .max_capacity(1_000)
                    .shards(shards),
            );
            for key in 1..=1_000 {
                cache.insert(key, u64::from(key));
            }
            leave(&cache);
            let all = (1..=1_000).map(|key| (key, u64::from(key), cause));
            assert_eq!(notices.take_sorted(), all.collect::<Vec<_>>());
        }
    });
}

#[test]
fn the_listener_is_notified_of_entries_that_loads_and_computations_remove() {
    on_shards(|shards| async move {
        let (cache, notices) = with_listener(Cache::builder_on(runtime()).shards(shards));
        cache.insert(1, 1);
        let refreshed = cache.refresh(1, || async { Ok::<_, Infallible>(2) });
        refreshed.await.expect("a value");
        assert_eq!(notices.take(), [(1, 1, RemovalCause::Replaced)]);
        let computed = cache.entry(1).and_compute_with(|_| async { Op::put(3) });
        assert_eq!(computed.await, Computed::Put(3));
        assert_eq!(notices.take(), [(1, 2, RemovalCause::Replaced)]);
        let computed = cache.entry(1).and_compute_with(|_| async { Op::Remove });
        assert_eq!(computed.await, Computed::Removed(Some(3)));
        assert_eq!(notices.take(), [(1, 3, RemovalCause::Explicit)]);
    });
}

#[test]
fn the_removed_entry_is_gone_and_the_new_one_stored_when_the_listener_runs() {
    on_shards(|shards| async move {
        let (later, seen) = (Later::new(), Notices::new());
        let listener = {
            let (hook, seen) = (later.hook(), seen.clone());
            move |key: &u32, _: &u64, _| seen.push(hook.cache().peek(key))
        };
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .eviction_listener(listener)
            .max_capacity(1)
            .shards(shards)
            .build();
        later.set(&cache);
        cache.insert(1, 1);
        cache.insert(1, 2);
        cache.insert_weighted(1, 3, 2);
        cache.insert(1, 4);
        cache.insert(2, 5);
        assert_eq!(cache.remove(&2), Some(5));
        assert_eq!(seen.take(), [Some(2), None, None, None, None]);
    });
}

#[test]
fn waiters_are_woken_before_the_listener_runs() {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    on_shards(|shards| async move {
        let (woken, order) = (Arc::new(Flag(AtomicBool::new(false))), Notices::new());
        let listener = {
            let (woken, order) = (Arc::clone(&woken), order.clone());
            move |_: &u32, _: &u64, _| order.push(woken.0.load(Ordering::SeqCst))
        };
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .eviction_listener(listener)
            .max_capacity(1)
            .shards(shards)
            .build();
        cache.insert(1, 1);
        let gate = Gate::new();
        let loader = || {
            let gate = gate.clone();
            || async move {
                gate.pass().await;
                2
            }
        };
        let mut leader = Box::pin(cache.get_with(2, loader()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(leader.as_mut().poll(&mut cx).is_pending());
        let mut waiter = Box::pin(cache.get_with(2, loader()));
        let waker = Waker::from(Arc::clone(&woken));
        assert!(
            waiter
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        gate.open();
        // The background load's value replaces the other one.
        until(|| order.len() == 1).await;
        assert_eq!(order.take(), [true]);
        assert_eq!((waiter.await, leader.await), (2, 2));
    });
}

#[test]
fn a_listener_may_use_the_cache() {
    run(|| async {
        let later = Later::new();
        let evictions = Arc::new(AtomicU64::new(0));
        let listener = {
            let (hook, evictions) = (later.hook(), Arc::clone(&evictions));
            move |key: &u32, value: &u64, cause| {
                let cache = hook.cache();
                // Everything that locks a shard, or all shards.
                assert_ne!(cache.get(key), Some(*value));
                let _ = (cache.stats(), cache.entry_count(), cache.iter().count());
                cache.run_pending_tasks();
                cache.retain(|key, _| *key != 1_000);
                cache.insert_with_ttl(1_000, 1, after(1));
                cache.set_ttl(&1_000, after(2));
                if cause == RemovalCause::Size {
                    // The listener writes to a second tier.
                    evictions.fetch_add(1, Ordering::SeqCst);
                    cache.remove(&(*key + 1));
                }
                cache.invalidate(&1_000);
            }
        };
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .eviction_listener(move |key: &u32, value: &u64, cause| {
                // The listener's own calls remove entries too.
                if *key < 1_000 {
                    listener(key, value, cause);
                }
            })
            .eviction_policy(EvictionPolicy::Lru)
            .max_capacity(10)
            .build();
        later.set(&cache);
        for key in 0..100 {
            cache.insert(key, u64::from(key));
            cache.get_with(key, || async { 1 }).await;
        }
        cache.invalidate_all();
        assert!(evictions.load(Ordering::SeqCst) > 0);
        assert_eq!(cache.entry_count(), 0);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn dropping_the_cache_drops_its_entries_without_notices() {
    run(|| async {
        let (notices, token) = (Notices::new(), Arc::new(()));
        let cache: Cache<u32, Arc<()>> = Cache::builder_on(runtime())
            .eviction_listener(notices.listener())
            .build();
        for key in 0..100 {
            cache.insert(key, Arc::clone(&token));
        }
        let other_handle = cache.clone();
        drop(cache);
        assert_eq!(other_handle.entry_count(), 100);
        drop(other_handle);
        assert_eq!(Arc::strong_count(&token), 1);
        assert_eq!(notices.len(), 0);
    });
}
