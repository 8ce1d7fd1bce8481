//! `takeover_after`: a scoped leader that does not poll its woken loader loses its lead to a waiter.
//!
//! The tests poll the callers by hand: a poll after the wake starts the time, and the first poll
//! after that time takes the lead. Only the first two tests need the wakes of the cache.

use std::task::Poll;
use std::time::Duration;

use cache_core::{Computed, LoadError, Op};

use crate::contract::support::backend::{Backend, herd, join_all, parked, poll_once};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Cache, advance, run, runtime, until};

/// The default.
const AFTER: Duration = Duration::from_millis(100);
/// The finest step of time that every runtime makes.
const INSTANT: Duration = Duration::from_millis(1);

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn waiters_that_are_woken_by_their_timers_only_are_served_by_one_of_their_loaders() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
        let leader = parked(cache.get_with_scoped(1, || closed.answer(10)));
        let handles = (cache.clone(), backend.clone());
        let mut tasks = herd(20, &handles, |(cache, backend)| async move {
            cache.get_with_scoped(1, || backend.answer(20)).await
        });
        tasks.extend(herd(20, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(20)).await
        }));
        until(|| cache.stats().coalesced == 40).await;
        closed.open();
        while backend.calls() == 0 {
            advance(AFTER).await;
        }
        assert_eq!(join_all(tasks).await, [20; 40]);
        assert_eq!((closed.calls(), backend.calls()), (1, 1));
        assert_eq!(leader.await, 10);
        assert_eq!(cache.get(&1), Some(20));
    });
}

#[test]
fn a_leader_and_its_waiter_in_one_task_do_not_wait_for_each_other_forever() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
        let handles = (cache.clone(), closed.clone(), backend.clone());
        let tasks = herd(1, &handles, |(cache, closed, backend)| async move {
            let leader = parked(cache.get_with_scoped(1, || closed.answer(10)));
            let waiter = cache.get_with_scoped(1, || backend.answer(20)).await;
            (waiter, leader.await)
        });
        until(|| cache.stats().coalesced == 1).await;
        closed.open();
        while backend.calls() == 0 {
            advance(AFTER).await;
        }
        assert_eq!(join_all(tasks).await, [(20, 10)]);
    });
}

#[test]
fn a_stalled_leader_has_exactly_its_time() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::opened());
        let leader = parked(cache.get_with_scoped(1, || closed.answer(10)));
        let mut waiter = parked(cache.get_with(1, || backend.answer(20)));
        closed.open();
        assert!(poll_once(&mut waiter).is_pending());
        advance(AFTER - INSTANT).await;
        assert!(poll_once(&mut waiter).is_pending());
        advance(INSTANT).await;
        assert_eq!(waiter.await, 20);
        assert_eq!(leader.await, 10, "its own value");
        assert_eq!(cache.get(&1), Some(20), "the late value is not stored");
        assert_eq!((closed.calls(), backend.calls()), (1, 1));
    });
}

#[test]
fn a_loader_that_waits_for_its_backend_keeps_the_lead() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with_scoped(1, || backend.answer(10)));
        let mut waiter = parked(cache.get_with_scoped(1, || backend.answer(20)));
        for _ in 0..5 {
            advance(AFTER * 10).await;
            assert!(poll_once(&mut waiter).is_pending());
        }
        backend.open();
        assert_eq!((leader.await, waiter.await), (10, 10));
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_leader_that_polls_its_loader_in_time_keeps_the_lead() {
    run(|| async {
        let (cache, first, second) = (cache(), Backend::new(), Backend::new());
        let load = || async {
            first.answer(()).await;
            second.answer(10).await
        };
        let mut leader = parked(cache.get_with_scoped(1, load));
        let mut waiter = parked(cache.get_with_scoped(1, || second.answer(20)));
        first.open();
        assert!(poll_once(&mut waiter).is_pending());
        advance(AFTER - INSTANT).await;
        assert!(poll_once(&mut leader).is_pending());
        advance(AFTER).await;
        assert!(
            poll_once(&mut waiter).is_pending(),
            "the loader waits again"
        );
        second.open();
        assert!(
            poll_once(&mut waiter).is_pending(),
            "a new wake, a new time"
        );
        advance(AFTER - INSTANT).await;
        assert!(poll_once(&mut waiter).is_pending());
        assert_eq!((leader.await, waiter.await), (10, 10));
    });
}

#[test]
fn the_other_waiters_wait_for_the_loader_of_the_first() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::new());
        let leader = parked(cache.get_with_scoped(1, || closed.answer(10)));
        let by = &backend;
        let call = |value| parked(cache.get_with_scoped(1, move || by.answer(value)));
        let mut waiters = [20, 30, 40].map(call);
        closed.open();
        for _ in 0..2 {
            for waiter in &mut waiters {
                assert!(poll_once(waiter).is_pending());
            }
            advance(AFTER).await;
        }
        assert_eq!((backend.calls(), cache.flight_count()), (1, 1));
        // The value that arrives meanwhile is for the old leader only.
        assert_eq!(leader.await, 10);
        assert_eq!((cache.peek(&1), cache.flight_count()), (None, 1));
        backend.open();
        for waiter in waiters {
            assert_eq!(waiter.await, 20);
        }
        assert_eq!((cache.get(&1), backend.calls()), (Some(20), 1));
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.loads_dropped), (2, 1));
    });
}

/// Stalls a scoped leader of key 1 with `load`, and lets a waiter with `retry` take its lead.
macro_rules! taken_over {
    ($cache:ident, $closed:ident, $load:expr, $retry:expr) => {{
        let leader = parked($load);
        let mut waiter = parked($retry);
        $closed.open();
        assert!(poll_once(&mut waiter).is_pending());
        advance(AFTER).await;
        let polled = poll_once(&mut waiter);
        (leader, waiter, polled)
    }};
}

#[test]
fn the_late_value_replaces_nothing_and_is_not_stored_after_the_new_load_failed() {
    run(|| async {
        let (cache, closed) = (cache(), Backend::new());
        let load = || closed.answer(Ok::<_, &str>(10));
        let fails = || async { Err::<u64, _>("down") };
        let (leader, _, failed) = taken_over!(
            cache,
            closed,
            cache.try_get_with_scoped(1, load),
            cache.try_get_with(1, fails)
        );
        assert!(matches!(failed, Poll::Ready(Err(LoadError::Loader(_)))));
        // A write, or its removal, after the lead was lost: the late value is older.
        cache.insert(1, 30);
        cache.invalidate(&1);
        assert_eq!(leader.await.unwrap(), 10);
        assert_eq!(cache.get(&1), None);
    });
}

#[test]
fn a_leader_without_its_lead_may_be_dropped_or_panic_without_an_effect() {
    run(|| async {
        for panics in [false, true] {
            let (cache, closed, backend) = (cache(), Backend::new(), Backend::new());
            let load = || closed.then(|| -> u64 { boom() });
            let (leader, waiter, polled) = taken_over!(
                cache,
                closed,
                caught_in(cache.get_with_scoped(1, load)),
                cache.get_with_scoped(1, || backend.answer(20))
            );
            assert!(polled.is_pending());
            if panics {
                assert_eq!(leader.await.unwrap_err(), "boom");
            } else {
                drop(leader);
            }
            assert_eq!(cache.flight_count(), 1);
            backend.open();
            assert_eq!(waiter.await, 20);
            assert_eq!(cache.get(&1), Some(20));
        }
    });
}

#[test]
fn a_leader_without_its_lead_may_time_out() {
    run(|| async {
        let limit = AFTER * 2;
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).load_timeout(limit).build();
        let (closed, never, backend) = (Backend::new(), Backend::new(), Backend::new());
        let load = || async {
            closed.answer(()).await;
            never.answer(Ok::<u64, ()>(10)).await
        };
        let (leader, waiter, polled) = taken_over!(
            cache,
            closed,
            cache.try_get_with_scoped(1, load),
            cache.get_with(1, || backend.answer(20))
        );
        assert!(polled.is_pending());
        advance(limit - INSTANT).await;
        assert!(matches!(leader.await, Err(LoadError::TimedOut(_))));
        backend.open();
        assert_eq!(waiter.await, 20);
    });
}

#[test]
fn a_leader_that_took_the_lead_may_lose_it_too() {
    run(|| async {
        let (cache, backend, last) = (cache(), Backend::new(), Backend::opened());
        let by = &backend;
        let call = |value| parked(cache.get_with_scoped(1, move || by.answer(value)));
        let (first, mut second) = (call(10), call(20));
        backend.open();
        assert!(poll_once(&mut second).is_pending());
        let mut third = parked(cache.get_with(1, || last.answer(30)));
        advance(AFTER).await;
        assert_eq!(poll_once(&mut third), Poll::Ready(30));
        assert_eq!((first.await, second.await), (10, 30));
        assert_eq!(cache.get(&1), Some(30));
    });
}

#[test]
fn a_request_of_a_batching_view_takes_the_lead_with_its_batch() {
    run(|| async {
        let (cache, closed) = (cache(), Backend::new());
        let load = |keys: Vec<u32>| async move {
            let twice = |key| u64::from(key) * 20;
            keys.into_iter().map(twice).collect::<Vec<_>>()
        };
        let view = cache.batching(load);
        let (leader, waiter, polled) = taken_over!(
            cache,
            closed,
            cache.get_with_scoped(1, || closed.answer(10)),
            view.get(1)
        );
        assert!(polled.is_pending(), "the window of the batch is open");
        view.dispatch();
        assert_eq!(waiter.await.unwrap(), Some(20));
        assert_eq!((leader.await, cache.get(&1)), (10, Some(20)));
    });
}

#[test]
fn a_computation_takes_the_lead_from_a_load_but_does_not_lose_its_own() {
    run(|| async {
        let (cache, closed, backend) = (cache(), Backend::new(), Backend::new());
        let compute = |old: Option<u64>| {
            let answer = backend.answer(());
            async move {
                answer.await;
                Op::put(old.unwrap_or(0) + 1)
            }
        };
        let (leader, computation, polled) = taken_over!(
            cache,
            closed,
            cache.get_with_scoped(1, || closed.answer(10)),
            cache.entry(1).and_compute_with(compute)
        );
        assert!(polled.is_pending());
        let mut waiter = parked(cache.get_with(1, || async { 30 }));
        backend.open();
        assert!(poll_once(&mut waiter).is_pending());
        advance(AFTER * 10).await;
        assert!(poll_once(&mut waiter).is_pending());
        assert_eq!(computation.await, Computed::Put(1));
        assert_eq!((waiter.await, leader.await), (1, 10));
        assert_eq!(cache.get(&1), Some(1));
    });
}

#[test]
fn the_time_is_a_setting_and_may_be_off() {
    run(|| async {
        let build = |after: Option<Duration>| -> Cache<u32, u64> {
            Cache::builder_on(runtime()).takeover_after(after).build()
        };
        for (after, is_pending) in [(Some(AFTER * 3), false), (None, true)] {
            let (cache, closed) = (build(after), Backend::new());
            let leader = parked(cache.get_with_scoped(1, || closed.answer(10)));
            let mut waiter = parked(cache.get_with_scoped(1, || async { 20 }));
            closed.open();
            assert!(poll_once(&mut waiter).is_pending());
            advance(AFTER * 2).await;
            assert!(poll_once(&mut waiter).is_pending());
            advance(AFTER * 100).await;
            assert_eq!(poll_once(&mut waiter).is_pending(), is_pending);
            assert_eq!(leader.await, 10);
        }
        let zero = Cache::<u32, u64>::builder_on(runtime()).takeover_after(Duration::ZERO);
        assert_eq!(
            zero.try_build().unwrap_err().to_string(),
            "takeover_after is 0ns, but it must be longer than zero"
        );
    });
}
