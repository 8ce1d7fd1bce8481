//! `load_timeout`: a load that takes too long is dropped, and all its callers get an error.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cache_core::{Instant, LoadError};

use crate::contract::support::backend::{Backend, herd, join_all, parked, poll_once, yields};
use crate::contract::support::common::caught_in;
use crate::harness::{Cache, Rt, advance, run, runtime, runtime_with_clock, spawn, until};

const LIMIT: Duration = Duration::from_secs(5);
const HALF: Duration = Duration::from_millis(2_500);

fn cache_on(runtime: Rt) -> Cache<u32, u64> {
    Cache::builder_on(runtime).load_timeout(LIMIT).build()
}

fn cache() -> Cache<u32, u64> {
    cache_on(runtime())
}

fn timed_out<E>(answer: &Result<u64, LoadError<E>>) -> bool {
    matches!(answer, Err(LoadError::TimedOut(after)) if *after == LIMIT)
}

#[test]
fn a_load_that_takes_too_long_is_dropped_and_all_callers_get_an_error() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let token = Arc::new(());
        let handles = (cache.clone(), backend.clone(), Arc::clone(&token));
        let tasks = herd(20, &handles, |(cache, backend, token)| async move {
            let load = || backend.then(move || Ok::<_, String>(Arc::strong_count(&token) as u64));
            cache.try_get_with(1, load).await
        });
        drop(handles);
        until(|| cache.stats().coalesced == 19 && backend.calls() == 1).await;
        advance(LIMIT).await;
        assert!(join_all(tasks).await.iter().all(timed_out));
        until(|| Arc::strong_count(&token) == 1).await;
        assert_eq!(cache.stats().load_failures, 1);
        assert_eq!(cache.flight_count(), 0);
        // The timeout is not remembered.
        backend.open();
        assert_eq!(cache.get_with(1, || backend.answer(10)).await, 10);
    });
}

#[test]
fn a_load_may_use_all_of_its_time() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let load = parked(cache.get_with(1, || backend.answer(10)));
        advance(LIMIT - Duration::from_nanos(1)).await;
        backend.open();
        assert_eq!(load.await, 10);
        // A value that is ready at the deadline is used.
        let backend = Backend::new();
        let load = parked(cache.get_with(2, || backend.answer(20)));
        backend.open();
        advance(LIMIT).await;
        assert_eq!(load.await, 20);
    });
}

#[test]
fn the_timeout_counts_from_the_start_of_the_load_for_all_callers_and_drivers() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let load = || backend.answer(Ok::<_, ()>(10));
        let leader = parked(cache.try_get_with(1, load));
        advance(HALF).await;
        let waiter = parked(cache.try_get_with(1, load));
        drop(leader);
        yields(5).await;
        advance(HALF).await;
        assert!(timed_out(&waiter.await));
    });
}

#[test]
fn the_time_to_make_the_loaders_future_counts() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let (cache, backend) = (cache_on(runtime), Backend::new());
        let start = crate::contract::support::common::now(&cache);
        let load = || {
            set_clock(start.after(HALF));
            backend.answer(Ok::<_, ()>(10))
        };
        let mut late = parked(cache.try_get_with(1, load));
        set_clock(start.after(LIMIT - Duration::from_nanos(1)));
        assert!(poll_once(&mut late).is_pending());
        set_clock(start.after(LIMIT));
        let polled = poll_once(&mut late);
        assert!(matches!(polled, Poll::Ready(answer) if timed_out(&answer)));
    });
}

#[test]
fn a_load_times_out_though_its_leader_is_never_polled_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let load = || backend.answer(Ok::<_, ()>(10));
        let leader = parked(cache.try_get_with(1, load));
        let waiter = parked(cache.try_get_with(1, load));
        yields(5).await;
        advance(LIMIT).await;
        assert!(timed_out(&waiter.await));
        assert!(timed_out(&leader.await));
    });
}

#[test]
fn a_scoped_load_times_out_like_any_other() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.try_get_with_scoped(1, || backend.answer(Ok::<_, ()>(10))));
        let waiter = parked(cache.try_get_with(1, || backend.answer(Ok::<_, ()>(20))));
        advance(LIMIT).await;
        assert!(timed_out(&leader.await));
        assert!(timed_out(&waiter.await));
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn methods_without_an_error_type_panic_with_the_limit() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let plain = parked(caught_in(cache.get_with(1, || backend.answer(10))));
        let joined = parked(caught_in(cache.get_with(1, || backend.answer(10))));
        let optional = parked(caught_in(
            cache.optionally_get_with(2, || backend.answer(None)),
        ));
        yields(5).await;
        advance(LIMIT).await;
        let optional = optional.await.map(drop);
        for answer in [plain.await.map(drop), joined.await.map(drop), optional] {
            let message = answer.unwrap_err();
            assert!(
                message.contains("longer than the load_timeout of 5s"),
                "{message}"
            );
        }
    });
}

#[test]
fn a_load_that_timed_out_does_not_end_a_newer_one() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let old = parked(cache.try_get_with(1, || backend.answer(Ok::<_, ()>(10))));
        advance(HALF).await;
        cache.invalidate(&1);
        let new = parked(cache.try_get_with(1, || backend.answer(Ok::<_, ()>(20))));
        advance(HALF).await;
        assert!(timed_out(&old.await));
        assert_eq!(cache.flight_count(), 1);
        backend.open();
        assert_eq!(new.await.unwrap(), 20);
        assert_eq!(cache.peek(&1), Some(20));
    });
}

#[test]
fn two_loads_that_wait_for_each_other_time_out() {
    run(|| async {
        let (cache, both) = (cache(), Backend::new());
        let load_from = |from: u32, to: u32| {
            let (handle, cache) = (cache.clone(), cache.clone());
            // Both are in flight before either loads the other's key.
            let start = both.answer(());
            let load = move || async move {
                start.await;
                let other = handle
                    .try_get_with(to, || async { Ok::<u64, String>(0) })
                    .await;
                other.map_err(|error| error.to_string())
            };
            async move { cache.try_get_with(from, load).await }
        };
        let (one, two) = (spawn(load_from(1, 2)), spawn(load_from(2, 1)));
        until(|| both.calls() == 2).await;
        both.open();
        until(|| cache.stats().coalesced == 2).await;
        yields(5).await;
        advance(LIMIT).await;
        assert!(one.join().await.is_err());
        assert!(two.join().await.is_err());
        until(|| cache.flight_count() == 0).await;
    });
}

#[test]
fn a_loader_that_yields_forever_times_out() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache = cache_on(runtime);
        let handles = (cache.clone(), ());
        let tasks = herd(3, &handles, |(cache, ())| async move {
            let load = || async {
                loop {
                    yields(1).await;
                }
            };
            cache.try_get_with::<(), _, _>(1, load).await
        });
        until(|| cache.stats().coalesced == 2).await;
        set_clock(crate::contract::support::common::now(&cache).after(LIMIT));
        assert!(join_all(tasks).await.iter().all(timed_out));
    });
}

#[test]
fn a_clock_jump_ends_a_load_early_or_late_but_ends_it() {
    run(|| async {
        let (runtime, set_clock) = runtime_with_clock();
        let cache = cache_on(runtime);
        let hour = Duration::from_secs(3_600);
        set_clock(Instant::ORIGIN.after(hour));
        let backend = Backend::new();
        let mut load = parked(cache.try_get_with(1, || backend.answer(Ok::<_, ()>(10))));
        set_clock(Instant::ORIGIN);
        assert!(poll_once(&mut load).is_pending());
        set_clock(Instant::ORIGIN.after(hour * 24 * 365 * 500));
        assert!(timed_out(&load.await));
        assert!(cache.stats().load_time > hour);
        // By the clock this load ends before its start, so its time is zero.
        let before = cache.stats().load_time;
        let load = parked(cache.try_get_with(1, || backend.answer(Ok::<_, ()>(10))));
        set_clock(Instant::ORIGIN);
        backend.open();
        assert_eq!(load.await.unwrap(), 10);
        assert_eq!(cache.stats().load_time, before);
    });
}

/// The executor does not poll a task inside the load that spawned it, so the cache cannot detect
/// the cycle. `load_timeout` ends it.
#[test]
fn a_loader_that_waits_for_itself_in_another_task_is_ended_by_load_timeout() {
    run(|| async {
        let cache = cache();
        let handle = cache.clone();
        let load = || async move {
            let part = spawn(async move {
                handle
                    .try_get_with(1, || async { Ok::<_, String>(6) })
                    .await
            });
            part.join().await.map_err(|error| error.to_string())
        };
        let call = parked(cache.try_get_with(1, load));
        until(|| cache.stats().coalesced == 1).await;
        yields(5).await;
        advance(LIMIT).await;
        assert!(timed_out(&call.await));
        assert_eq!(cache.flight_count(), 0);
    });
}
