//! Scoped loaders may borrow: they run in their caller and end with it.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use cache_core::{LoadError, Loaded};

use crate::contract::support::backend::{Backend, herd, join_all, parked, poll_once, yields};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Cache, run, runtime, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn a_scoped_loader_may_borrow_and_need_not_be_send() {
    run(|| async {
        let cache = cache();
        let (calls, rate) = (Cell::new(0), Rc::new(10));
        let load = || async {
            yields(2).await;
            calls.set(calls.get() + 1);
            *rate
        };
        assert_eq!(cache.get_with_scoped(1, load).await, 10);
        assert_eq!(cache.get_with_scoped(1, load).await, 10);
        assert_eq!(
            cache
                .optionally_get_with_scoped(2, || async { Some(load().await) })
                .await,
            Some(10)
        );
        let fallible = || async { Ok::<_, String>(load().await) };
        assert_eq!(cache.try_get_with_scoped(3, fallible).await.unwrap(), 10);
        assert_eq!(calls.get(), 3);
    });
}

#[test]
fn a_scoped_loader_and_its_key_may_borrow_from_the_same_string() {
    run(|| async {
        let cache: Cache<String, usize> = Cache::builder_on(runtime()).build();
        let (name, backend) = (String::from("seven"), Backend::opened());
        let length = || backend.answer(name.len());
        assert_eq!(cache.get_with_by_ref_scoped(&name, length).await, 5);
        let found = || async { Some(length().await) };
        let optional = cache.optionally_get_with_by_ref_scoped("one", found);
        assert_eq!(optional.await, Some(5));
        let parsed = || async { name.parse::<usize>() };
        let failed = cache.try_get_with_by_ref_scoped("two", parsed).await;
        assert!(failed.unwrap_err().loader().is_some());
        let missing = || async { name.parse::<usize>().map(|_| None).or(Ok::<_, ()>(None)) };
        let missing = cache.try_optionally_get_with_by_ref_scoped("two", missing);
        assert_eq!(missing.await.unwrap(), None);
        let loaded = || async { Ok::<_, ()>(Loaded::new(length().await).weight(2)) };
        let loaded = cache.load_with_by_ref_scoped("two", loaded).await;
        assert_eq!(loaded.unwrap(), 5);
        assert_eq!(cache.get_with_by_ref_scoped("two", pending).await, 5);
        assert_eq!((backend.calls(), cache.weighted_size()), (3, 4));
    });
}

#[test]
fn callers_of_scoped_loads_share_one_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(1_000, &handles, |(cache, backend)| async move {
            cache.get_with_scoped(1, || backend.answer(10)).await
        });
        until(|| cache.stats().coalesced == 999).await;
        backend.open();
        assert_eq!(join_all(tasks).await, [10; 1_000]);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn when_a_scoped_leader_is_cancelled_one_waiter_runs_its_own_loader() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::new());
        let leader = parked(cache.get_with_scoped(1, || closed.answer(10)));
        let handles = (cache.clone(), backend.clone());
        let mut tasks = herd(50, &handles, |(cache, backend)| async move {
            cache.get_with_scoped(1, || backend.answer(20)).await
        });
        tasks.extend(herd(50, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(20)).await
        }));
        until(|| cache.stats().coalesced == 100).await;
        drop(leader);
        // One of them leads, and the others wait for it.
        until(|| cache.stats().coalesced == 199).await;
        backend.open();
        assert_eq!(join_all(tasks).await, [20; 100]);
        assert_eq!((closed.calls(), backend.calls()), (1, 1));
        assert_eq!(cache.stats().loads_dropped, 1);
    });
}

#[test]
fn a_waiter_outlasts_any_number_of_cancelled_scoped_leaders() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let call = || parked(cache.get_with_scoped(1, || backend.answer(10)));
        let mut leader = call();
        let mut patient = call();
        for _ in 0..1_000 {
            let mut next = call();
            drop(leader);
            // Another caller always leads first, and this waiter waits again.
            assert!(poll_once(&mut next).is_pending());
            assert!(poll_once(&mut patient).is_pending());
            leader = next;
        }
        backend.open();
        assert_eq!(leader.await, 10);
        assert_eq!(patient.await, 10);
        assert_eq!(backend.calls(), 1_001);
    });
}

/// The loader lives in the leader, so a waiter makes no progress before `takeover_after`.
#[test]
fn a_waiter_of_an_unpolled_scoped_leader_is_served_once_the_leader_is_dropped() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let closed = Backend::new();
        let leader = parked(cache.get_with_scoped(1, || closed.answer(10)));
        let mut waiter = parked(cache.get_with(1, || backend.answer(20)));
        closed.open();
        yields(10).await;
        assert!(
            poll_once(&mut waiter).is_pending(),
            "only the leader can produce the value"
        );
        drop(leader);
        assert_eq!(waiter.await, 20);
    });
}

#[test]
fn a_waiter_of_a_scoped_leader_is_served_when_the_leader_is_polled_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with_scoped(1, || backend.answer(10)));
        let waiter = parked(cache.get_with(1, || backend.answer(20)));
        backend.open();
        assert_eq!(leader.await, 10);
        assert_eq!(waiter.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_scoped_caller_that_joins_a_load_does_not_run_its_own_loader() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiter = parked(cache.get_with_scoped(1, || backend.answer(20)));
        backend.open();
        assert_eq!(waiter.await, 10, "though the leader is not polled");
        assert_eq!(leader.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_cancelled_scoped_waiter_does_not_affect_the_others() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with_scoped(1, || backend.answer(10)));
        let gone = parked(cache.get_with_scoped(1, || backend.answer(20)));
        let stays = parked(cache.get_with_scoped(1, || backend.answer(30)));
        drop(gone);
        assert_eq!(cache.flight_count(), 1);
        backend.open();
        assert_eq!((leader.await, stays.await), (10, 10));
    });
}

#[test]
fn all_waiters_get_the_outcome_of_a_scoped_loader() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let fails = || backend.answer(Err::<u64, _>("down"));
        let failed = parked(cache.try_get_with_scoped(1, fails));
        let waiter_error = parked(cache.try_get_with(1, fails));
        let panics = || backend.then(|| -> Result<u64, ()> { boom() });
        let panicked = parked(caught_in(cache.try_get_with_scoped(2, panics)));
        let warned = parked(cache.try_get_with(2, || backend.answer(Ok::<u64, ()>(1))));
        let missing = parked(cache.optionally_get_with_scoped(3, || backend.answer(None)));
        let none = parked(cache.optionally_get_with(3, || backend.answer(Some(1))));
        backend.open();
        assert_eq!(failed.await.unwrap_err().loader(), Some(&"down"));
        assert_eq!(waiter_error.await.unwrap_err().loader(), Some(&"down"));
        assert_eq!(panicked.await.unwrap_err(), "boom");
        assert!(matches!(warned.await, Err(LoadError::Panicked)));
        assert_eq!((missing.await, none.await), (None, None));
        assert_eq!(backend.calls(), 3);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn a_scoped_load_that_was_fenced_is_not_stored() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let invalidated = parked(cache.get_with_scoped(1, || backend.answer(10)));
        let overwritten = parked(cache.get_with_scoped(2, || backend.answer(20)));
        cache.invalidate(&1);
        cache.insert(2, 99);
        backend.open();
        assert_eq!((invalidated.await, overwritten.await), (10, 20));
        assert_eq!((cache.peek(&1), cache.peek(&2)), (None, Some(99)));
    });
}
