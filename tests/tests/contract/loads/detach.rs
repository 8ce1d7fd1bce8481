//! With `detach_loads`, a load without callers continues in the background.

use std::sync::Arc;
use std::time::Duration;

use crate::contract::support::backend::{Backend, parked, yields};
use crate::contract::support::common::boom;
use crate::harness::{Cache, advance, run, runtime, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).detach_loads(true).build()
}

#[test]
fn a_detached_load_finishes_without_callers() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiter = parked(cache.get_with(1, || backend.answer(11)));
        let alone = parked(cache.get_with(2, || backend.answer(20)));
        drop((leader, waiter, alone));
        assert_eq!(cache.flight_count(), 2);
        backend.open();
        until(|| cache.entry_count() == 2).await;
        assert_eq!((cache.get(&1), cache.get(&2)), (Some(10), Some(20)));
        assert_eq!(cache.stats().loads_dropped, 0);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn a_detached_load_can_be_joined_later() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        drop(parked(cache.get_with(1, || backend.answer(10))));
        yields(3).await;
        let late = parked(cache.get_with(1, || backend.answer(11)));
        backend.open();
        assert_eq!(late.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_detached_load_outlives_the_caches_handles() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let token = Arc::new(());
        let held = Arc::clone(&token);
        drop(parked(cache.get_with(1, || {
            backend.then(move || Arc::strong_count(&held) as u64)
        })));
        drop(cache);
        yields(3).await;
        assert_eq!(Arc::strong_count(&token), 2, "the load is in flight");
        backend.open();
        until(|| Arc::strong_count(&token) == 1).await;
    });
}

#[test]
fn a_panic_of_a_detached_load_does_not_reach_the_executor() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        drop(parked(cache.get_with(1, || backend.then(|| boom()))));
        backend.open();
        until(|| cache.stats().load_failures == 1).await;
        yields(3).await;
        assert_eq!(cache.get_with(1, || backend.answer(10)).await, 10);
    });
}

#[test]
fn a_detached_load_is_bounded_by_load_timeout() {
    run(|| async {
        let limit = Duration::from_secs(5);
        let builder = Cache::<u32, u64>::builder_on(runtime()).detach_loads(true);
        let (cache, backend) = (builder.load_timeout(limit).build(), Backend::new());
        drop(parked(cache.get_with(1, || backend.answer(10))));
        // The background task sets its timer at its first poll.
        yields(3).await;
        advance(limit).await;
        until(|| cache.stats().load_failures == 1).await;
        assert_eq!(cache.flight_count(), 0);
    });
}
