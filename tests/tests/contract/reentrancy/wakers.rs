//! Wakers that run user code: they may poll their task, drop other callers, or use the cache.

#![allow(
    clippy::arc_with_non_send_sync,
    reason = "on a runtime with one thread, what the wakers share does not travel"
)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::contract::support::backend::{Backend, parked, poll_once};
use crate::contract::support::common::Notices;
use crate::harness::{Boxed, Cache, run, runtime, until, waker};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

fn poll_with<T>(future: &mut Boxed<T>, waker: &Waker) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// A call for key 1 that owns its handles.
fn call(cache: &Cache<u32, u64>, backend: &Backend) -> Boxed<u64> {
    let (cache, backend) = (cache.clone(), backend.clone());
    Box::pin(async move { cache.get_with(1, || backend.answer(10)).await })
}

/// A task that its waker polls immediately.
struct Inline {
    future: Mutex<Option<Boxed<()>>>,
    woken: AtomicBool,
}

impl Inline {
    fn spawn(future: Boxed<()>) {
        let task = Arc::new(Self {
            future: Mutex::new(Some(future)),
            woken: AtomicBool::new(false),
        });
        Self::wake(&task);
    }

    fn wake(task: &Arc<Self>) {
        task.woken.store(true, Ordering::SeqCst);
        while task.woken.load(Ordering::SeqCst) {
            // An absent future is being polled, and that poll repeats.
            let Some(mut future) = task.take() else {
                return;
            };
            task.woken.store(false, Ordering::SeqCst);
            let again = Arc::clone(task);
            let waker = waker(move || Self::wake(&again), || ());
            if poll_with(&mut future, &waker).is_pending() {
                *task.future.lock().expect("no other thread panicked") = Some(future);
            }
        }
    }

    fn take(&self) -> Option<Boxed<()>> {
        self.future.lock().expect("no other thread panicked").take()
    }
}

#[test]
fn wakers_that_poll_their_task_immediately_do_not_deadlock() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let done = Arc::new(AtomicUsize::new(0));
        for number in 0..10 {
            let (call, cache) = (call(&cache, &backend), cache.clone());
            let done = Arc::clone(&done);
            Inline::spawn(Box::pin(async move {
                assert_eq!(call.await, 10);
                // Runs inside the end of the first load: every kind of call.
                cache.insert(100 + number, 1);
                assert_eq!(cache.get(&1), Some(10));
                let other = cache.get_with(200 + number, || async { 7 });
                assert_eq!(other.await, 7);
                cache.run_pending_tasks();
                done.fetch_add(1, Ordering::SeqCst);
            }));
        }
        until(|| cache.stats().coalesced == 9).await;
        backend.open();
        until(|| done.load(Ordering::SeqCst) == 10).await;
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.entry_count(), 21);
    });
}

#[test]
fn wakers_that_poll_their_task_immediately_may_invalidate_and_load_the_key_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let (first, second) = (call(&cache, &backend), call(&cache, &backend));
            let (cache, done) = (cache.clone(), Arc::clone(&done));
            Inline::spawn(Box::pin(async move {
                assert_eq!(first.await, 10);
                cache.invalidate(&1);
                assert_eq!(second.await, 10);
                done.fetch_add(1, Ordering::SeqCst);
            }));
        }
        until(|| cache.stats().coalesced == 9).await;
        backend.open();
        until(|| done.load(Ordering::SeqCst) == 10).await;
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn wakers_may_use_the_cache() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let woken = Arc::new(AtomicUsize::new(0));
        let mut leader = call(&cache, &backend);
        let mut waiter = call(&cache, &backend);
        let busy = || {
            let (cache, backend) = (cache.clone(), backend.clone());
            let woken = Arc::clone(&woken);
            let on_wake = move || {
                let _hit = cache.get(&1);
                cache.insert(2, 20);
                cache.invalidate(&1);
                drop(parked(cache.get_with_scoped(3, std::future::pending)));
                drop(parked(cache.get_with(4, std::future::pending)));
                let _ = cache.stats();
                drop(call(&cache, &backend));
                woken.fetch_add(1, Ordering::SeqCst);
            };
            waker(on_wake, || ())
        };
        let (for_leader, for_waiter) = (busy(), busy());
        assert!(poll_with(&mut leader, &for_leader).is_pending());
        assert!(poll_with(&mut waiter, &for_waiter).is_pending());
        backend.open();
        until(|| woken.load(Ordering::SeqCst) >= 1).await;
        assert_eq!((leader.await, waiter.await), (10, 10));
        until(|| cache.flight_count() == 0).await;
    });
}

#[test]
fn wakers_may_drop_other_callers() {
    for victims in 1..4 {
        run(|| async move {
            let (cache, backend) = (cache(), Backend::new());
            let prey = Arc::new(Mutex::new(Vec::<Boxed<u64>>::new()));
            let hunter = || {
                let prey = Arc::clone(&prey);
                let on_wake = move || {
                    let caught =
                        std::mem::take(&mut *prey.lock().expect("no other thread panicked"));
                    drop(caught);
                };
                waker(on_wake, || ())
            };
            // The leader is among the callers dropped while they are being woken.
            let mut callers: Vec<_> = (0..=victims).map(|_| call(&cache, &backend)).collect();
            for caller in &mut callers {
                assert!(poll_with(caller, &hunter()).is_pending());
            }
            let last = callers.pop().expect("there are more callers than victims");
            prey.lock()
                .expect("no other thread panicked")
                .extend(callers);
            backend.open();
            assert_eq!(last.await, 10);
            until(|| cache.flight_count() == 0).await;
            assert_eq!(backend.calls(), 1);
        });
    }
}

#[test]
fn a_waker_may_use_the_cache_in_its_drop() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let dropped = Arc::new(AtomicUsize::new(0));
        let nosy = || {
            let (handle, backend) = (cache.clone(), backend.clone());
            let dropped = Arc::clone(&dropped);
            let on_drop = move || {
                handle.insert(2, 20);
                handle.invalidate(&2);
                let _ = handle.flight_count();
                // Joins the load whose wait list held the waker, and leaves it. If the waker is
                // dropped during a poll of the load, the result is `Reentrant`.
                let load = || backend.answer(Ok::<_, ()>(10));
                let _ = poll_once(&mut Box::pin(handle.try_get_with(1, load)));
                dropped.fetch_add(1, Ordering::SeqCst);
            };
            waker(|| (), on_drop)
        };
        let mut leader = call(&cache, &backend);
        let mut waiter = call(&cache, &backend);
        let mut gone = call(&cache, &backend);
        for caller in [&mut leader, &mut waiter, &mut gone] {
            assert!(poll_with(caller, &nosy()).is_pending());
        }
        // Each waker is replaced, and then one is dropped with its caller.
        for caller in [&mut leader, &mut waiter] {
            assert!(poll_with(caller, &nosy()).is_pending());
        }
        let before = dropped.load(Ordering::SeqCst);
        drop(gone);
        assert!(dropped.load(Ordering::SeqCst) > before);
        backend.open();
        assert_eq!((waiter.await, leader.await), (10, 10));
        until(|| cache.flight_count() == 0).await;
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_caller_polled_with_a_new_waker_is_woken_through_that_waker() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(call(&cache, &backend));
        let mut waiter = call(&cache, &backend);
        let counting = || {
            let (woken, held) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
            let (count, token) = (Arc::clone(&woken), Arc::clone(&held));
            let on_wake = move || {
                let _held = &token;
                count.fetch_add(1, Ordering::SeqCst);
            };
            (waker(on_wake, || ()), woken, held)
        };
        let (first, first_woken, first_held) = counting();
        let (second, second_woken, _) = counting();
        assert!(poll_with(&mut waiter, &first).is_pending());
        drop(first);
        assert!(poll_with(&mut waiter, &second).is_pending());
        assert_eq!(
            Arc::strong_count(&first_held),
            1,
            "the older waker is not kept"
        );
        // Polled again with the same waker: nothing changes.
        assert!(poll_with(&mut waiter, &second).is_pending());
        backend.open();
        until(|| second_woken.load(Ordering::SeqCst) > 0).await;
        assert_eq!(waiter.await, 10);
        assert_eq!(leader.await, 10);
        assert!(
            first_woken.load(Ordering::SeqCst) <= 1,
            "at most before it was replaced"
        );
    });
}

/// The callers exchange their wakers while the load ends. Each of them is woken.
#[test]
fn callers_that_exchange_their_wakers_are_all_woken() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let mut callers: Vec<_> = (0..20).map(|_| call(&cache, &backend)).collect();
        let woken: Vec<_> = (0..20).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let wakers: Vec<_> = woken
            .iter()
            .map(|woken| {
                let woken = Arc::clone(woken);
                let wake = move || {
                    woken.fetch_add(1, Ordering::SeqCst);
                };
                waker(wake, || ())
            })
            .collect();
        for shift in 0..20 {
            for (number, caller) in callers.iter_mut().enumerate() {
                let waker = &wakers[(number + shift) % 20];
                assert!(poll_with(caller, waker).is_pending());
            }
        }
        backend.open();
        until(|| woken.iter().all(|woken| woken.load(Ordering::SeqCst) > 0)).await;
        for caller in callers {
            assert_eq!(caller.await, 10);
        }
    });
}

#[test]
fn waiters_are_woken_before_the_listener_is_notified() {
    run(|| async {
        let notices = Notices::new();
        let notified = notices.clone();
        // Nothing fits, so the loaded value is evicted and the listener is notified.
        let cache: Cache<u32, u64> = Cache::builder_on(runtime())
            .max_capacity(0)
            .eviction_listener(move |_, _, _| notified.push("notified"))
            .build();
        let backend = Backend::new();
        let leader = parked(call(&cache, &backend));
        let mut waiter = call(&cache, &backend);
        let woken = notices.clone();
        let waker = waker(move || woken.push("woken"), || ());
        assert!(poll_with(&mut waiter, &waker).is_pending());
        backend.open();
        assert_eq!(leader.await, 10);
        assert_eq!(waiter.await, 10);
        until(|| notices.len() >= 2).await;
        let notices = notices.take();
        assert_eq!(notices.last(), Some(&"notified"));
        assert_eq!(
            notices
                .iter()
                .filter(|&&notice| notice == "notified")
                .count(),
            1
        );
    });
}
