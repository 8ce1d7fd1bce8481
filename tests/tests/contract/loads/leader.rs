//! A leader that is cancelled, or that is never polled again, neither stalls nor restarts its load.

use std::pin::pin;

use crate::contract::support::backend::{
    Backend, Dice, all, herd, join_all, parked, poll_once, yields,
};
use crate::harness::{Cache, run, run_seeds, runtime, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn a_load_continues_for_its_waiters_when_its_leader_is_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let mut waiter = parked(cache.get_with(1, || backend.answer(11)));
        drop(leader);
        assert!(poll_once(&mut waiter).is_pending());
        backend.open();
        assert_eq!(waiter.await, 10);
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.get(&1), Some(10));
    });
}

/// The leader is cancelled just before or after a waiter joins, with or without another poll of the
/// loader in between. Only a load without callers is restarted.
#[test]
fn a_load_survives_its_leader_however_late_a_waiter_joins() {
    run_seeds(|seed| async move {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let handles = (cache.clone(), backend.clone());
        let waiter = herd(1, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(10)).await
        });
        yields(Dice::new(seed).below(4)).await;
        drop(leader);
        backend.open();
        assert_eq!(join_all(waiter).await, [10]);
        let stats = cache.stats();
        assert_eq!(stats.loads, 1 + stats.loads_dropped, "seed {seed}");
        assert_eq!(stats.loads + stats.coalesced, 2, "seed {seed}");
    });
}

#[test]
fn no_number_of_cancelled_callers_restarts_a_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let call = || parked(cache.get_with(1, || backend.answer(10)));
        let mut last = call();
        for _ in 0..1_000 {
            // Each caller is cancelled after the next one has joined.
            drop(std::mem::replace(&mut last, call()));
        }
        backend.open();
        assert_eq!(last.await, 10);
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.stats().loads, 1);
    });
}

#[test]
fn waiters_get_the_value_though_the_leader_is_never_polled_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiter = parked(cache.get_with(1, || backend.answer(11)));
        backend.open();
        assert_eq!(waiter.await, 10);
        assert_eq!(
            cache.get(&1),
            Some(10),
            "stored while the leader is not polled"
        );
        assert_eq!(leader.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn waiters_get_the_value_though_leader_and_other_waiters_are_never_polled_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let _leader = parked(cache.get_with(1, || backend.answer(10)));
        let _first = parked(cache.get_with(1, || backend.answer(11)));
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(5, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(12)).await
        });
        let _last = parked(cache.get_with(1, || backend.answer(13)));
        until(|| cache.stats().coalesced == 7).await;
        backend.open();
        assert_eq!(join_all(tasks).await, [10; 5]);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_caller_may_hold_a_load_across_another_await_of_the_same_key() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let load = || {
            let fetched = backend.answer(10);
            async move {
                yields(3).await;
                fetched.await
            }
        };
        let held = parked(cache.get_with(1, load));
        // `held` is not polled during this await.
        assert_eq!(cache.get_with(1, load).await, 10);
        assert_eq!(held.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn one_task_may_join_two_calls_for_one_key() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let load = || {
            let fetched = backend.answer(10);
            async move {
                yields(3).await;
                fetched.await
            }
        };
        let both = tokio::join!(cache.get_with(1, load), cache.get_with(1, load));
        assert_eq!(both, (10, 10));
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_thousand_callers_in_one_task_share_one_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let load = || {
            let fetched = backend.answer(10);
            async move {
                yields(3).await;
                fetched.await
            }
        };
        let calls = (0..1_000).map(|_| Box::pin(cache.get_with(1, load)));
        assert_eq!(all(calls.collect()).await, [10; 1_000]);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_leader_that_lost_a_select_does_not_stall_its_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let mut leader = pin!(cache.get_with(1, || backend.answer(10)));
        tokio::select! {
            biased;
            _ = &mut leader => unreachable!("the backend is closed"),
            () = yields(1) => backend.open(),
        }
        // The winning branch loads the key while the losing future is alive and not polled.
        assert_eq!(cache.get_with(1, || backend.answer(11)).await, 10);
        assert_eq!(leader.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_leader_may_be_polled_after_others_drive_its_load() {
    run_seeds(|seed| async move {
        let mut dice = Dice::new(seed);
        let (cache, backend) = (cache(), Backend::opened());
        let load = || {
            let (fetched, length) = (backend.answer(10), 5);
            async move {
                yields(length).await;
                fetched.await
            }
        };
        let mut leader = parked(cache.get_with(1, load));
        let mut waiter = Box::pin(cache.get_with(1, load));
        let mut done = (false, poll_once(&mut waiter).is_ready());
        while done != (true, true) {
            match dice.roll(3) {
                0 if !done.0 => done.0 = poll_once(&mut leader).is_ready(),
                1 if !done.1 => done.1 = poll_once(&mut waiter).is_ready(),
                _ => yields(1).await,
            }
        }
        assert_eq!(backend.calls(), 1, "seed {seed}");
        assert_eq!(cache.stats().loads, 1, "seed {seed}");
    });
}

#[test]
fn a_loader_that_yields_forever_starves_no_other_task() {
    run(|| async {
        let cache = cache();
        let load = || async {
            loop {
                yields(1).await;
            }
        };
        let handles = (cache.clone(), ());
        let stuck = herd(3, &handles, |(cache, ())| async move {
            cache.get_with(1, load).await
        });
        until(|| cache.stats().coalesced == 2).await;
        // Other tasks run, and other keys are loaded.
        yields(100).await;
        assert_eq!(cache.get_with(2, || async { 20 }).await, 20);
        for task in &stuck {
            task.abort();
        }
        until(|| cache.flight_count() == 0).await;
        assert_eq!(cache.stats().loads_dropped, 1);
        assert_eq!(cache.get_with(1, || async { 10 }).await, 10);
    });
}
