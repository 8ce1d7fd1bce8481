//! Wakers that panic: every other waiter is woken all the same.

#![allow(
    clippy::arc_with_non_send_sync,
    reason = "on a runtime with one thread, what the wakers share does not travel"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use crate::contract::support::backend::{Backend, is_in_the_background, parked, yields};
use crate::contract::support::batch_backend::{MS, Store, WINDOW, building, cache, tens};
use crate::contract::support::common::{boom, caught, caught_in};
use crate::harness::{Boxed, Cache, advance, run, runtime, spawn, task_count, until, waker};

/// Parked callers. Every second one has a waker that panics once armed.
struct Callers<T> {
    calls: Vec<Boxed<T>>,
    armed: Arc<AtomicBool>,
    /// The number of wakes of the other callers.
    woken: Vec<Arc<AtomicUsize>>,
}

impl<T> Callers<T> {
    fn park(calls: impl Iterator<Item = Boxed<T>>) -> Self {
        let (mut calls, mut woken): (Vec<_>, _) = (calls.collect(), Vec::new());
        let armed = Arc::new(AtomicBool::new(false));
        for (number, call) in calls.iter_mut().enumerate() {
            let waker = if number % 2 == 0 {
                let armed = Arc::clone(&armed);
                let wake = move || {
                    if armed.load(Ordering::SeqCst) {
                        boom();
                    }
                };
                waker(wake, || ())
            } else {
                let count = Arc::new(AtomicUsize::new(0));
                woken.push(Arc::clone(&count));
                let wake = move || {
                    count.fetch_add(1, Ordering::SeqCst);
                };
                waker(wake, || ())
            };
            let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending(), "the call must be pending");
        }
        Self {
            calls,
            armed,
            woken,
        }
    }

    fn arm(&self) {
        let woken = self.woken.iter();
        woken.for_each(|woken| woken.store(0, Ordering::SeqCst));
        self.armed.store(true, Ordering::SeqCst);
    }

    fn all_woken(&self) -> bool {
        let mut woken = self.woken.iter();
        woken.all(|woken| woken.load(Ordering::SeqCst) > 0)
    }
}

fn waiter(cache: &Cache<u32, u64>) -> Boxed<u64> {
    let cache = cache.clone();
    Box::pin(async move { cache.get_with(1, || async { 11 }).await })
}

#[test]
fn a_panicking_waker_does_not_prevent_the_wakes_of_other_inline_waiters() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with_scoped(1, || backend.answer(10)));
        let waiters = Callers::park((0..6).map(|_| waiter(&cache)));
        // Also wakes the waiters, which begin to observe the leader.
        backend.open();
        waiters.arm();
        // The panic unwinds in the leader, which called the wakers.
        assert_eq!(caught_in(leader).await, Err("boom".to_owned()));
        assert!(waiters.all_woken());
        for call in waiters.calls {
            assert_eq!(call.await, 10);
        }
        assert_eq!((cache.get(&1), cache.flight_count()), (Some(10), 0));
    });
}

#[test]
fn a_panicking_waker_does_not_prevent_the_wakes_of_others_when_a_scoped_loader_is_woken() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let load = |cache: Cache<u32, u64>, backend: Backend| -> Boxed<u64> {
            Box::pin(async move { cache.get_with_scoped(1, || backend.answer(10)).await })
        };
        let leader = [load(cache.clone(), backend.clone())];
        let waiters = (0..5).map(|_| waiter(&cache));
        let callers = Callers::park(leader.into_iter().chain(waiters));
        callers.arm();
        // The panic unwinds in the backend, which called the wakers.
        assert_eq!(caught(|| backend.open()), Err("boom".to_owned()));
        assert!(callers.all_woken());
        callers.armed.store(false, Ordering::SeqCst);
        for call in callers.calls {
            assert_eq!(call.await, 10);
        }
    });
}

#[test]
fn a_panicking_waker_does_not_prevent_the_wakes_of_other_waiters_of_a_spawned_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let tasks = task_count();
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiters = Callers::park((0..6).map(|_| waiter(&cache)));
        if !is_in_the_background(tasks) {
            return; // Here the loader wakes the waiters, and not the end of the load.
        }
        yields(3).await;
        waiters.arm();
        backend.open();
        until(|| waiters.all_woken()).await;
        for call in waiters.calls {
            assert_eq!(call.await, 10);
        }
        assert_eq!(leader.await, 10);
        assert_eq!((cache.get(&1), cache.flight_count()), (Some(10), 0));
        // The executor still runs.
        assert_eq!(spawn(async { 1 }).join().await, 1);
    });
}

#[test]
fn a_panicking_waker_does_not_prevent_the_wakes_of_other_callers_of_a_batch() {
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let view = building(&cache, &store, tens).build();
        let tasks = task_count();
        let members = Callers::park((0..6).map(|key| -> Boxed<_> {
            let view = view.clone();
            Box::pin(async move { view.get(key).await.unwrap() })
        }));
        if !is_in_the_background(tasks) {
            return; // As above.
        }
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        members.arm();
        store.open();
        until(|| members.all_woken()).await;
        for (key, call) in (0..).zip(members.calls) {
            assert_eq!(call.await, Some(key * 10));
        }
        assert_eq!((cache.entry_count(), cache.flight_count()), (6, 0));
        assert_eq!(spawn(async { 1 }).join().await, 1);
    });
}
