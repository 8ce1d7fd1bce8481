//! Thousands of concurrent misses of one key cause one load, for every outcome of the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::LoadError;

use crate::contract::support::backend::{Backend, Dice, herd, join_all, parked, poll_once, yields};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Cache, run, run_seeds, runtime, spawn, until};

const HERD: usize = 10_000;
const KEY: u32 = 7;

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

#[test]
fn ten_thousand_misses_of_one_key_cause_one_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(HERD, &handles, |(cache, backend)| async move {
            cache.get_with(KEY, || backend.answer(42)).await
        });
        until(|| cache.stats().coalesced == HERD as u64 - 1).await;
        backend.open();
        assert!(join_all(tasks).await.iter().all(|&answer| answer == 42));
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.stats().loads, 1);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn ten_thousand_misses_of_a_failing_key_cause_one_load_and_share_one_error() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(HERD, &handles, |(cache, backend)| async move {
            let load = || backend.answer(Err::<u64, _>(String::from("down")));
            cache.try_get_with(KEY, load).await
        });
        until(|| cache.stats().coalesced == HERD as u64 - 1).await;
        backend.open();
        let answers = join_all(tasks).await.into_iter();
        let errors: Vec<Arc<String>> = answers
            .map(|answer| {
                answer
                    .unwrap_err()
                    .into_loader()
                    .expect("the loader's error")
            })
            .collect();
        assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])));
        assert_eq!(*errors[0], "down");
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.entry_count(), 0);
    });
}

#[test]
fn ten_thousand_misses_of_a_panicking_loader_cause_one_load_and_one_panic() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(HERD, &handles, |(cache, backend)| async move {
            let load = || backend.then(|| -> Result<u64, String> { boom() });
            caught_in(cache.try_get_with(KEY, load)).await
        });
        until(|| cache.stats().coalesced == HERD as u64 - 1).await;
        backend.open();
        let (panics, errors): (Vec<_>, Vec<_>) =
            join_all(tasks).await.into_iter().partition(Result::is_err);
        assert_eq!(panics.len(), 1, "the panic unwinds in one caller");
        assert_eq!(panics[0].as_ref().unwrap_err(), "boom");
        let is_panicked = |answer| matches!(answer, Ok(Err(LoadError::Panicked)));
        assert!(errors.into_iter().all(is_panicked));
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn ten_thousand_misses_cause_one_load_though_their_leader_is_never_polled_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let mut leader = parked(cache.get_with(KEY, || backend.answer(42)));
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(HERD, &handles, |(cache, backend)| async move {
            cache.get_with(KEY, || backend.answer(43)).await
        });
        until(|| cache.stats().coalesced == HERD as u64).await;
        backend.open();
        assert!(join_all(tasks).await.iter().all(|&answer| answer == 42));
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.flight_count(), 0);
        // The leader is polled late, and gets the value too.
        assert!(poll_once(&mut leader).is_ready());
    });
}

#[test]
fn ten_thousand_misses_cause_one_load_though_their_leader_is_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(KEY, || backend.answer(42)));
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(HERD, &handles, |(cache, backend)| async move {
            cache.get_with(KEY, || backend.answer(43)).await
        });
        until(|| cache.stats().coalesced == HERD as u64).await;
        drop(leader);
        backend.open();
        assert!(join_all(tasks).await.iter().all(|&answer| answer == 42));
        assert_eq!(backend.calls(), 1);
        assert_eq!(cache.stats().loads, 1);
        assert_eq!(cache.flight_count(), 0);
    });
}

/// A load is restarted only if its leader was its only caller.
#[test]
fn aborting_the_leader_at_any_moment_leaves_one_load() {
    const NO_LEADER: usize = usize::MAX;
    run_seeds(|seed| async move {
        let mut dice = Dice::new(seed);
        let (size, length) = (2 + dice.below(99), dice.below(20));
        let (cache, backend) = (cache(), Backend::opened());
        let leader = Arc::new(AtomicUsize::new(NO_LEADER));
        let mut tasks: Vec<_> = (0..size)
            .map(|number| {
                let (cache, backend) = (cache.clone(), backend.clone());
                let leader = Arc::clone(&leader);
                spawn(async move {
                    let load = || {
                        let before = yields(length);
                        let fetched = backend.answer(42);
                        let first = leader.load(Ordering::SeqCst) == NO_LEADER;
                        if first {
                            leader.store(number, Ordering::SeqCst);
                        }
                        async move {
                            before.await;
                            fetched.await
                        }
                    };
                    cache.get_with(KEY, load).await
                })
            })
            .collect();
        until(|| leader.load(Ordering::SeqCst) != NO_LEADER).await;
        yields(dice.below(30)).await;
        let had_company = cache.stats().coalesced > 0;
        let leader = tasks.swap_remove(leader.load(Ordering::SeqCst));
        leader.abort();
        assert!(join_all(tasks).await.iter().all(|&answer| answer == 42));
        until(|| cache.flight_count() == 0).await;
        let stats = cache.stats();
        assert_eq!(backend.calls(), 1, "seed {seed}");
        assert_eq!(stats.loads, 1 + stats.loads_dropped, "seed {seed}");
        assert!(!had_company || stats.loads == 1, "seed {seed}");
    });
}
