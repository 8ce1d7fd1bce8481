//! Batches with several flights of one key, because the key was written or refreshed during the
//! window. Each flight ends, for every kind of failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cache_core::LoadError;

use crate::contract::support::backend::{join_all, parked, yields};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, begun, building, cache, even, spawn_load, ten, tens,
};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Cache, Task, advance, run, runtime, spawn, until};

const LIMIT: Duration = Duration::from_millis(50);

/// Four calls in one window: three for key 1, and one for key 2.
macro_rules! load_twice {
    ($cache:expr, $view:expr) => {{
        let mut calls = vec![spawn_load!($view, 1), spawn_load!($view, 2)];
        $cache.invalidate(&1);
        calls.push(spawn_load!($view, 1));
        let view = $view.clone();
        calls.push(spawn(begun(async move { view.refresh(1).await })));
        calls
    }};
}

#[test]
fn a_panicking_batch_loader_is_an_error_for_every_load_of_a_key() {
    run(|| async {
        for in_call in [true, false] {
            let (cache, store) = (cache(), Store::opened());
            let broken = Arc::new(AtomicBool::new(true));
            let (source, breaks) = (store.clone(), broken.clone());
            let view = cache.batching(move |keys: Vec<u32>| {
                let breaks = breaks.load(Ordering::SeqCst);
                if in_call && breaks {
                    boom();
                }
                let answer = source.fetch(keys, tens);
                async move {
                    if breaks {
                        yields(2).await;
                        boom();
                    }
                    answer.await
                }
            });
            let calls = load_twice!(cache, view);
            advance(WINDOW + MS).await;
            for answer in join_all(calls).await {
                assert!(matches!(answer, Err(LoadError::Panicked)), "{answer:?}");
            }
            assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
            broken.store(false, Ordering::SeqCst);
            let again = spawn_load!(view, 1);
            advance(WINDOW + MS).await;
            assert_eq!(again.join().await.unwrap(), Some(10));
        }
    });
}

#[test]
fn every_load_of_a_key_gets_the_same_error() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let of_key = building(&cache, &store, |keys| {
            let answer = |key| if key == 1 { Err("odd") } else { Ok(ten(key)) };
            keys.into_iter().map(answer).collect::<Vec<_>>()
        });
        let of_key = of_key.build();
        let calls = load_twice!(cache, of_key);
        advance(WINDOW + MS).await;
        let mut answers = join_all(calls).await;
        assert_eq!(answers.remove(1).unwrap(), Some(20));
        assert_same_error(answers, "odd");
        let of_all = building(&cache, &store, |_| Err::<Vec<u64>, _>("down")).build();
        cache.invalidate(&2);
        let calls = load_twice!(cache, of_all);
        advance(WINDOW + MS).await;
        assert_same_error(join_all(calls).await, "down");
        assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
        assert_eq!(store.requested(), [[1, 2], [1, 2]]);
    });
}

fn assert_same_error(
    answers: Vec<Result<Option<u64>, LoadError<&'static str>>>,
    expected: &'static str,
) {
    let errors = answers.into_iter().map(Result::unwrap_err);
    let errors: Vec<_> = errors
        .map(|error| error.into_loader().expect("the loader's error"))
        .collect();
    assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])));
    assert_eq!(*errors[0], expected);
}

#[test]
fn a_wrong_number_of_results_is_an_error_for_every_load_and_counts_the_key_once() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        // As many results as flights, but more than distinct keys.
        let view = building(&cache, &store, |_| vec![1_u64, 2, 3, 4]).build();
        let calls = load_twice!(cache, view);
        advance(WINDOW + MS).await;
        for answer in join_all(calls).await {
            let error = answer.unwrap_err();
            assert!(
                matches!(
                    error,
                    LoadError::WrongLength {
                        keys: 2,
                        results: 4
                    }
                ),
                "{error}"
            );
        }
        assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
    });
}

#[test]
fn a_batch_timeout_is_an_error_for_every_load_of_a_key() {
    run(|| async {
        let cache: Cache<u32, u64> = Cache::builder_on(runtime()).load_timeout(LIMIT).build();
        let store = Store::new();
        let view = building(&cache, &store, tens).build();
        let calls = load_twice!(cache, view);
        advance(WINDOW + MS).await;
        until(|| store.batches() == 1).await;
        advance(LIMIT).await;
        for answer in join_all(calls).await {
            assert!(
                matches!(answer, Err(LoadError::TimedOut(LIMIT))),
                "{answer:?}"
            );
        }
        assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
        store.open();
        let again = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(again.join().await.unwrap(), Some(10));
    });
}

#[test]
fn a_key_missing_from_the_results_is_missing_for_every_load_of_it() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, even).build();
        let calls = load_twice!(cache, view);
        advance(WINDOW + MS).await;
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        assert_eq!(answers.collect::<Vec<_>>(), [None, Some(20), None, None]);
        assert_eq!((cache.entry_count(), cache.flight_count()), (1, 0));
    });
}

#[test]
fn an_unpolled_load_of_a_key_stalls_no_other_load_of_it() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let view = building(&cache, &store, tens).build();
        let older = parked(view.get(1));
        cache.invalidate(&1);
        let newer = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        assert_eq!(newer.join().await.unwrap(), Some(10));
        assert_eq!(older.await.unwrap(), Some(10));
        assert_eq!(store.requested(), [[1]]);
    });
}

#[test]
fn a_batch_without_callers_ends_every_load_of_a_key() {
    run(|| async {
        for has_left in [false, true] {
            let (cache, store) = (cache(), Store::new());
            let view = building(&cache, &store, tens).build();
            let calls = load_twice!(cache, view);
            if has_left {
                advance(WINDOW + MS).await;
                until(|| store.batches() == 1).await;
            }
            calls.iter().for_each(Task::abort);
            until(|| cache.flight_count() == 0).await;
            store.open();
            let again = spawn_load!(view, 1);
            advance(WINDOW + MS).await;
            assert_eq!(
                again.join().await.unwrap(),
                Some(10),
                "dispatched: {has_left}"
            );
            drop(view);
            until(|| store.holders() == 0).await;
        }
    });
}

#[test]
fn any_single_load_of_a_key_keeps_its_batch_alive() {
    run(|| async {
        for stays in 0..4 {
            for has_left in [false, true] {
                let (cache, store) = (cache(), Store::new());
                let view = building(&cache, &store, tens).build();
                let mut calls = load_twice!(cache, view);
                if has_left {
                    advance(WINDOW + MS).await;
                    until(|| store.batches() == 1).await;
                }
                let stays = calls.remove(stays);
                calls.iter().for_each(Task::abort);
                yields(5).await;
                store.open();
                advance(WINDOW + MS).await;
                assert!(stays.join().await.unwrap().is_some());
                assert_eq!(store.batches(), 1, "the key was not loaded again");
                until(|| cache.flight_count() == 0).await;
            }
        }
    });
}

/// A value that panics once when it is cloned, if armed.
#[derive(Debug)]
struct Brittle {
    number: u64,
    /// The number of clones until the panic.
    fuse: Arc<AtomicUsize>,
}

impl Clone for Brittle {
    fn clone(&self) -> Self {
        let left = self.fuse.load(Ordering::SeqCst);
        self.fuse.store(left.saturating_sub(1), Ordering::SeqCst);
        if left == 1 {
            boom();
        }
        let (number, fuse) = (self.number, Arc::clone(&self.fuse));
        Self { number, fuse }
    }
}

#[test]
fn a_panicking_clone_is_an_error_for_one_load_and_every_other_load_succeeds() {
    run(|| async {
        for panics_at in 0..16 {
            let cache: Cache<u32, Brittle> = Cache::builder_on(runtime()).build();
            let (store, fuse) = (Store::opened(), Arc::new(AtomicUsize::new(0)));
            let (source, lit) = (store.clone(), Arc::clone(&fuse));
            let view = cache.batching(move |keys: Vec<u32>| {
                lit.store(panics_at, Ordering::SeqCst);
                let fuse = Arc::clone(&lit);
                source.fetch(keys, move |keys| {
                    let value = |key| Brittle {
                        number: ten(key),
                        fuse: Arc::clone(&fuse),
                    };
                    keys.into_iter().map(value).collect::<Vec<_>>()
                })
            });
            let call = |key| {
                let view = view.clone();
                spawn(begun(caught_in(async move { view.get(key).await })))
            };
            let mut calls = vec![call(1), call(2)];
            for _ in 0..2 {
                cache.invalidate(&1);
                calls.push(call(1));
            }
            advance(WINDOW + MS).await;
            let answers = join_all(calls).await;
            let served = |answer: &&Result<Result<_, _>, String>| matches!(answer, Ok(Ok(Some(_))));
            let count = answers.iter().filter(served).count();
            assert!(count >= answers.len() - 1, "{panics_at}: {answers:?}");
            // The others got the error, or it was their own clone.
            let ended = |answer: &Result<_, String>| match answer {
                Ok(Ok(found)) => Option::is_some(found),
                Ok(Err(error)) => matches!(error, LoadError::Panicked),
                Err(words) => words == "boom",
            };
            assert!(answers.iter().all(ended), "{panics_at}: {answers:?}");
            assert_eq!(store.requested(), [[1, 2]]);
            assert_eq!(cache.flight_count(), 0);
            fuse.store(0, Ordering::SeqCst);
            cache.invalidate_all();
            let again = call(1);
            advance(WINDOW + MS).await;
            fuse.store(0, Ordering::SeqCst);
            let again = again.join().await;
            assert!(panics_at > 0 || matches!(again, Ok(Ok(Some(found))) if found.number == 10));
            assert_eq!(cache.flight_count(), 0);
        }
    });
}
