//! A cancelled caller drops its waker, so wakers do not accumulate during a long load.

#![allow(
    clippy::arc_with_non_send_sync,
    reason = "on a runtime with one thread, what the wakers share does not travel"
)]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use crate::contract::support::backend::{Backend, parked, yields};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, spawn_load, tens,
};
use crate::harness::{Boxed, Cache, advance, run, runtime, spawn, task_count, until, waker};

/// Makes wakers and counts those that are alive.
#[derive(Clone)]
struct Wakers(Arc<AtomicUsize>);

impl Wakers {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn make(&self) -> Waker {
        self.0.fetch_add(1, Ordering::SeqCst);
        let alive = Arc::clone(&self.0);
        let gone = move || {
            alive.fetch_sub(1, Ordering::SeqCst);
        };
        waker(|| (), gone)
    }

    /// Polls `call` with a new waker. The call stays pending.
    fn park<T>(&self, mut call: Boxed<T>) -> Boxed<T> {
        self.poll(&mut call);
        call
    }

    fn poll<T>(&self, call: &mut Boxed<T>) {
        let waker = self.make();
        let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "the call must be pending");
    }
}

fn call(cache: &Cache<u32, u64>, backend: &Backend) -> Boxed<u64> {
    let (cache, backend) = (cache.clone(), backend.clone());
    Box::pin(async move { cache.get_with(1, || backend.answer(10)).await })
}

#[test]
fn a_cancelled_waiter_drops_its_waker() {
    run(|| async {
        let (cache, backend, wakers) = (cache(), Backend::new(), Wakers::new());
        let stays = spawn(call(&cache, &backend));
        until(|| backend.calls() == 1).await;
        for _ in 0..100 {
            drop(wakers.park(call(&cache, &backend)));
        }
        // Many at a time, cancelled in another order than they joined.
        let mut many: Vec<_> = (0..100)
            .map(|_| wakers.park(call(&cache, &backend)))
            .collect();
        while !many.is_empty() {
            drop(many.swap_remove(many.len() / 2));
        }
        until(|| wakers.alive() == 0).await;
        assert_eq!(cache.flight_count(), 1);
        backend.open();
        assert_eq!(stays.join().await, 10);
    });
}

#[test]
fn a_cancelled_leader_drops_its_waker() {
    run(|| async {
        let (cache, backend, wakers) = (cache(), Backend::new(), Wakers::new());
        let leader = wakers.park(call(&cache, &backend));
        let stays = spawn(call(&cache, &backend));
        until(|| cache.stats().coalesced == 1).await;
        drop(leader);
        until(|| wakers.alive() == 0).await;
        assert_eq!(cache.flight_count(), 1);
        backend.open();
        assert_eq!(stays.join().await, 10);
    });
}

#[test]
fn the_only_caller_of_a_detached_load_drops_its_waker() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(runtime()).detach_loads(true);
        let (cache, backend, wakers) = (builder.build(), Backend::new(), Wakers::new());
        drop(wakers.park(call(&cache, &backend)));
        // The loader keeps the waker until the background polls or drops it.
        until(|| wakers.alive() == 0).await;
        let goes_on = cache.flight_count() == 1;
        backend.open();
        until(|| cache.flight_count() == 0).await;
        assert_eq!(cache.peek(&1), goes_on.then_some(10));
    });
}

#[test]
fn a_cancelled_caller_of_a_batch_drops_its_waker() {
    run(|| async {
        let (cache, store, wakers) = (cache(), Store::new(), Wakers::new());
        let view = building(&cache, &store, tens).build();
        let member = |key| -> Boxed<_> {
            let view = view.clone();
            Box::pin(async move { view.get(key).await })
        };
        let many = || -> Boxed<_> {
            let view = view.clone();
            Box::pin(async move { view.get_all([1, 2, 3]).await })
        };
        let stays = spawn_load!(view, 1);
        for has_left in [false, true] {
            if has_left {
                advance(WINDOW + MS).await;
                until(|| store.batches() == 1).await;
            }
            // Callers of the same key, and of other keys, which are in the window or in another
            // batch.
            for key in (0..100).map(|number| 1 + number % 3) {
                drop(wakers.park(member(key)));
            }
            drop(wakers.park(many()));
            let opener = wakers.park(member(4));
            drop(opener);
            until(|| wakers.alive() == 0).await;
            until(|| cache.flight_count() == 1).await;
        }
        store.open();
        assert_eq!(stays.join().await.unwrap(), Some(10));
    });
}

#[test]
fn the_only_caller_of_a_detached_batch_drops_its_waker() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).detach_loads(true).build();
        let (store, wakers) = (Store::new(), Wakers::new());
        let view = building(&cache, &store, tens).max_batch_size(1).build();
        let tasks = task_count();
        let only: Boxed<_> = Box::pin(async move { view.get(1).await });
        let only = wakers.park(only);
        if task_count() == tasks {
            return; // Without a spawner the batch ends with its caller.
        }
        until(|| store.batches() == 1).await;
        drop(only);
        until(|| wakers.alive() == 0).await;
        assert_eq!(cache.flight_count(), 1);
        store.open();
        until(|| cache.peek(&1) == Some(10)).await;
    });
}

#[test]
fn a_caller_that_changes_its_waker_keeps_at_most_one_old_waker_alive() {
    run(|| async {
        let (cache, backend, store) = (cache(), Backend::new(), Store::new());
        let view = building(&cache, &store, tens).max_batch_size(1).build();
        let (leader, opener) = (parked(call(&cache, &backend)), spawn_load!(view, 2));
        let (for_load, for_batch) = (Wakers::new(), Wakers::new());
        let mut waiter = call(&cache, &backend);
        let member = view.clone();
        let mut member: Boxed<_> = Box::pin(async move { member.get(2).await });
        for _ in 0..100 {
            for_load.poll(&mut waiter);
            for_batch.poll(&mut member);
        }
        yields(5).await;
        until(|| for_load.alive() <= 1 && for_batch.alive() <= 1).await;
        backend.open();
        store.open();
        assert_eq!((waiter.await, leader.await), (10, 10));
        assert_eq!(member.await.unwrap(), Some(20));
        assert_eq!(opener.join().await.unwrap(), Some(20));
    });
}
