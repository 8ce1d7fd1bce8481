//! Cancelled callers: the last caller of a load cancels it, and no other caller does.

#![allow(
    clippy::arc_with_non_send_sync,
    reason = "on a runtime with one thread, callers do not travel"
)]

use std::sync::{Arc, Mutex};

use crate::contract::support::backend::{
    Backend, Dice, cancelled_after, herd, join_all, parked, yields,
};
use crate::harness::{Boxed, Cache, run, run_seeds, runtime, spawn, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn a_load_is_dropped_when_its_only_caller_is_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let token = Arc::new(());
        let held = Arc::clone(&token);
        let only =
            parked(cache.get_with(1, || backend.then(move || Arc::strong_count(&held) as u64)));
        assert_eq!(Arc::strong_count(&token), 2);
        drop(only);
        assert_eq!(
            Arc::strong_count(&token),
            1,
            "the loader is dropped immediately"
        );
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.stats().loads_dropped, 1);
        backend.open();
        assert_eq!(cache.get_with(1, || backend.answer(11)).await, 11);
        assert_eq!(backend.calls(), 2);
    });
}

#[test]
fn a_load_is_dropped_when_the_last_of_many_callers_is_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let token = Arc::new(());
        let held = Arc::clone(&token);
        let leader =
            parked(cache.get_with(1, || backend.then(move || Arc::strong_count(&held) as u64)));
        let waiters: Vec<_> = (0..10)
            .map(|_| parked(cache.get_with(1, || backend.answer(11))))
            .collect();
        drop(leader);
        // If there is a background task, it has polled the loader by now.
        yields(10).await;
        assert_eq!(Arc::strong_count(&token), 2, "the waiters keep the loader");
        drop(waiters);
        until(|| cache.flight_count() == 0).await;
        assert_eq!(
            Arc::strong_count(&token),
            1,
            "the loader is dropped before its flight ends"
        );
        assert_eq!(cache.stats().loads_dropped, 1);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_cancelled_waiter_does_not_affect_the_others() {
    run_seeds(|seed| async move {
        let mut dice = Dice::new(seed);
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        // Counted by handles, because an abort may take effect later.
        let patient = herd(10, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(10)).await
        });
        let impatient: Vec<_> = (0..50)
            .map(|_| {
                let (cache, backend) = handles.clone();
                let polls = 1 + dice.below(2);
                spawn(async move {
                    let call = cache.get_with(1, || backend.answer(10));
                    cancelled_after(polls, call).await
                })
            })
            .collect();
        yields(dice.below(5)).await;
        for _ in 0..10 {
            impatient[dice.below(50)].abort();
        }
        until(|| cache.stats().coalesced >= 9).await;
        backend.open();
        assert_eq!(join_all(patient).await, [10; 10], "seed {seed}");
    });
}

#[test]
fn a_waiter_cancelled_as_it_is_woken_does_not_lose_the_wakes_of_others() {
    run_seeds(|seed| async move {
        let mut dice = Dice::new(seed);
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let mut tasks = herd(20, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(10)).await
        });
        until(|| cache.stats().coalesced == 19).await;
        backend.open();
        yields(dice.below(4)).await;
        for _ in 0..10 {
            tasks.swap_remove(dice.below(tasks.len())).abort();
        }
        assert_eq!(join_all(tasks).await, [10; 10], "seed {seed}");
    });
}

/// The callers are dropped during a poll of the load that they wait for.
#[test]
fn a_loader_may_drop_its_waiters() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let doomed = Arc::new(Mutex::new(Vec::<Boxed<u64>>::new()));
        let call = || {
            let (cache, backend) = (cache.clone(), backend.clone());
            let doomed = Arc::downgrade(&doomed);
            let drop_them = move || {
                let doomed = doomed.upgrade().expect("the test holds it");
                let callers =
                    std::mem::take(&mut *doomed.lock().expect("no other thread panicked"));
                assert_eq!(callers.len(), 3);
                10
            };
            Box::pin(async move { cache.get_with(1, || backend.then(drop_them)).await })
        };
        for _ in 0..3 {
            let caller = parked(call());
            doomed
                .lock()
                .expect("no other thread panicked")
                .push(caller);
        }
        let last = parked(call());
        backend.open();
        assert_eq!(last.await, 10);
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.peek(&1), Some(10));
    });
}

#[test]
fn a_cancelled_caller_leaves_no_flight_and_no_task() {
    run_seeds(|seed| async move {
        let mut dice = Dice::new(seed);
        let (key, value, loader) = (Arc::new(()), Arc::new(()), Arc::new(()));
        let cache: Cache<(u32, Arc<()>), Arc<()>> = Cache::builder_on(runtime()).build();
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let cache = cache.clone();
                let key = (u32::try_from(dice.roll(5)).unwrap(), Arc::clone(&key));
                let (value, loader) = (Arc::clone(&value), Arc::clone(&loader));
                let (length, polls) = (dice.below(6), dice.below(6));
                spawn(async move {
                    let load = || async move {
                        yields(length).await;
                        drop(loader);
                        value
                    };
                    cancelled_after(polls, cache.get_with(key, load))
                        .await
                        .is_some()
                })
            })
            .collect();
        join_all(calls).await;
        // Background tasks may still have to notice that they are unused.
        until(|| cache.flight_count() == 0).await;
        until(|| Arc::strong_count(&loader) == 1).await;
        cache.invalidate_all();
        until(|| Arc::strong_count(&value) == 1).await;
        until(|| Arc::strong_count(&key) == 1).await;
        let stats = cache.stats();
        let ended = stats.load_successes + stats.load_failures + stats.loads_dropped;
        assert_eq!(stats.loads, ended, "seed {seed}");
    });
}
