//! Executors with spurious polls, and executors that stop polling. An executor guarantees only one
//! poll after the latest waker was woken.

use std::future::{Future, poll_fn};
use std::mem;
use std::task::Context;

use crate::contract::support::backend::{Backend, all, parked, yields};
use crate::harness::{Cache, run, runtime, until, waker};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// Polls `future` repeatedly with new wakers, and then with the waker of the task.
fn restless<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let mut future = Box::pin(future);
    poll_fn(move |cx| {
        for _ in 0..3 {
            let other = waker(|| (), || ());
            let polled = future.as_mut().poll(&mut Context::from_waker(&other));
            if polled.is_ready() {
                return polled;
            }
        }
        future.as_mut().poll(cx)
    })
}

#[test]
fn spurious_polls_of_a_load_change_nothing() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let callers: Vec<_> = (0..8)
            .map(|_| restless(cache.get_with(1, || backend.answer(10))))
            .map(parked)
            .collect();
        for _ in 0..5 {
            yields(3).await;
            assert_eq!(backend.calls(), 1);
        }
        backend.open();
        assert_eq!(all(callers).await, vec![10; 8]);
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.stats().loads, 1);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn spurious_polls_of_a_batch_change_nothing() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let source = backend.clone();
        let batches = cache.batching(move |keys: Vec<u32>| {
            let found: Vec<_> = keys.into_iter().map(u64::from).collect();
            source.answer(found)
        });
        let callers: Vec<_> = (0..8)
            .map(|key| restless(batches.get(key / 2)))
            .map(parked)
            .collect();
        batches.dispatch();
        backend.open();
        let answers = all(callers).await;
        for (place, answer) in (0_u64..).zip(answers) {
            assert_eq!(answer.expect("no error"), Some(place / 2));
        }
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.flight_count(), 0);
    });
}

/// A leaked future is neither polled nor dropped, so it counts as a caller forever.
#[test]
fn leaked_callers_do_not_stall_a_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        for _ in 0..3 {
            let (cache, backend) = (cache.clone(), backend.clone());
            let call = async move { cache.get_with(1, || backend.answer(10)).await };
            mem::forget(parked(call));
        }
        let waiter = parked(cache.get_with(1, || backend.answer(11)));
        until(|| cache.stats().coalesced == 3).await;
        backend.open();
        assert_eq!(waiter.await, 10);
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.get_with(1, || backend.answer(12)).await, 10);
    });
}
