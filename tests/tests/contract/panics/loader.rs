//! Loaders that panic: the panic unwinds in one caller, the others get an error, no caller hangs.

#![allow(
    clippy::arc_with_non_send_sync,
    reason = "on a runtime with one thread, the callers do not travel"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cache_core::LoadError;

use crate::contract::support::backend::{
    Backend, herd, is_in_the_background, join_all, parked, poll_once, yields,
};
use crate::contract::support::common::{boom, caught_in};
use crate::harness::{Boxed, Cache, run, runtime, spawn, task_count, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

type Answer = Result<Result<u64, LoadError<()>>, String>;

/// The number of callers that unwound, and of callers that got an error.
fn unwound_and_errors(answers: &[Answer]) -> (usize, usize) {
    let unwound = |answer: &&Answer| matches!(answer, Err(words) if words == "boom");
    let errors = |answer: &&Answer| matches!(answer, Ok(Err(LoadError::Panicked)));
    (
        answers.iter().filter(unwound).count(),
        answers.iter().filter(errors).count(),
    )
}

#[test]
fn a_panic_unwinds_in_the_only_caller_of_the_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let answer = caught_in(cache.get_with(1, || backend.then(|| boom()))).await;
        assert_eq!(answer.unwrap_err(), "boom");
        let load = || backend.then(|| -> Result<u64, ()> { boom() });
        let answer = caught_in(cache.try_get_with(1, load)).await;
        assert_eq!(
            answer.unwrap_err(),
            "boom",
            "the panic is not turned into an error"
        );
        assert_eq!(cache.stats().load_failures, 2);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn a_panic_before_the_loader_returns_its_future_counts_like_any_other() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let load = || -> std::future::Ready<u64> { boom() };
        assert_eq!(
            caught_in(cache.get_with(1, load)).await.unwrap_err(),
            "boom"
        );
        let answer = caught_in(cache.get_with_scoped(1, load)).await;
        assert_eq!(answer.unwrap_err(), "boom");
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.get_with(1, || backend.answer(10)).await, 10);
    });
}

#[test]
fn one_caller_unwinds_and_every_other_gets_an_error() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(20, &handles, |(cache, backend)| async move {
            let load = || backend.then(|| -> Result<u64, ()> { boom() });
            caught_in(cache.try_get_with(1, load)).await
        });
        until(|| cache.stats().coalesced == 19).await;
        backend.open();
        assert_eq!(unwound_and_errors(&join_all(tasks).await), (1, 19));
    });
}

#[test]
fn the_next_call_after_a_panic_loads_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        for _ in 0..3 {
            let answer = caught_in(cache.get_with(1, || backend.then(|| boom()))).await;
            assert!(answer.is_err());
        }
        assert_eq!(cache.get_with(1, || backend.answer(10)).await, 10);
        assert_eq!(backend.calls(), 4);
    });
}

#[test]
fn methods_without_an_error_type_panic_with_a_message_that_names_the_cause() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let load = |backend: Backend| backend.then(|| -> Result<u64, ()> { boom() });
        let leader = herd(1, &handles, move |(cache, backend)| async move {
            let answer = caught_in(cache.try_get_with(1, || load(backend))).await;
            answer.map(drop)
        });
        until(|| backend.calls() == 1).await;
        let plain = herd(1, &handles, |(cache, backend)| async move {
            let answer = caught_in(cache.get_with(1, || backend.answer(10))).await;
            answer.map(drop)
        });
        let optional = herd(1, &handles, |(cache, backend)| async move {
            let answer = caught_in(cache.optionally_get_with(1, || backend.answer(None))).await;
            answer.map(drop)
        });
        until(|| cache.stats().coalesced == 2).await;
        backend.open();
        let mut messages = Vec::new();
        for tasks in [leader, plain, optional] {
            messages.extend(join_all(tasks).await.into_iter().filter_map(Result::err));
        }
        // Without a spawner the panic itself may unwind in any of the three.
        for message in messages.iter().filter(|&message| message != "boom") {
            assert!(message.contains("get_with has no value"), "{message}");
            assert!(message.contains("the loader panicked"), "{message}");
            assert!(message.contains("try_get_with"), "{message}");
        }
        assert!(messages.len() >= 2);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn no_caller_hangs_when_the_leader_of_a_panicking_load_is_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let handles = (cache.clone(), backend.clone());
        let load = || backend.then(|| -> Result<u64, ()> { boom() });
        let leader = parked(cache.try_get_with(1, load));
        let tasks = herd(10, &handles, |(cache, backend)| async move {
            let load = || backend.then(|| -> Result<u64, ()> { Ok(10) });
            caught_in(cache.try_get_with(1, load)).await
        });
        until(|| cache.stats().coalesced == 10).await;
        drop(leader);
        backend.open();
        let (unwound, errors) = unwound_and_errors(&join_all(tasks).await);
        assert_eq!(unwound + errors, 10);
        assert!(unwound <= 1, "one of them, if it drove the load");
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn no_caller_hangs_when_the_leader_of_a_panicking_load_is_never_polled_again() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let load = || backend.then(|| -> Result<u64, ()> { boom() });
        let leader = parked(cache.try_get_with(1, load));
        let handles = (cache.clone(), backend.clone());
        let tasks = herd(10, &handles, |(cache, backend)| async move {
            let load = || backend.then(|| -> Result<u64, ()> { Ok(10) });
            caught_in(cache.try_get_with(1, load)).await
        });
        until(|| cache.stats().coalesced == 10).await;
        backend.open();
        let mut answers = join_all(tasks).await;
        answers.push(caught_in(leader).await);
        // The panic unwinds in the leader, or in the driver.
        assert_eq!(unwound_and_errors(&answers), (1, 10));
    });
}

/// A waiter gets an error, even if it is polled first.
#[test]
fn a_panic_in_the_background_unwinds_in_the_leader_though_a_waiter_is_polled_first() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let tasks = task_count();
        let load = || backend.then(|| -> Result<u64, ()> { boom() });
        let leader = parked(caught_in(cache.try_get_with(1, load)));
        let waiter = parked(caught_in(cache.try_get_with(1, load)));
        let is_spawned = task_count() > tasks;
        backend.open();
        if is_spawned {
            until(|| cache.flight_count() == 0).await;
        }
        let (waiter, leader) = (waiter.await, leader.await);
        if is_spawned {
            assert_eq!(unwound_and_errors(&[waiter]), (0, 1));
            assert_eq!(unwound_and_errors(&[leader]), (1, 0));
        } else {
            // The waiter drove it.
            assert_eq!(unwound_and_errors(&[waiter]), (1, 0));
            assert_eq!(unwound_and_errors(&[leader]), (0, 1));
        }
    });
}

#[test]
fn a_panic_in_the_background_does_not_harm_the_executor() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.then(|| boom())));
        let waiter = spawn({
            let (cache, backend) = (cache.clone(), backend.clone());
            async move { caught_in(cache.try_get_with(1, || backend.answer(Ok::<_, ()>(10)))).await }
        });
        until(|| cache.stats().coalesced == 1).await;
        drop(leader);
        backend.open();
        // Without a spawner this waiter drives the load and unwinds.
        assert!(!matches!(waiter.join().await, Ok(Ok(_))));
        // The executor would not run this if the panic had unwound into it.
        yields(10).await;
        assert_eq!(spawn(async { 1 }).join().await, 1);
    });
}

/// The waiters are cancelled while the loader runs in the background, so it is dropped there.
#[test]
fn a_loader_that_panics_on_drop_in_the_background_does_not_harm_the_executor() {
    struct Bomb(Arc<AtomicBool>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0.swap(false, Ordering::SeqCst) {
                boom();
            }
        }
    }
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let armed = Arc::new(AtomicBool::new(false));
        let callers: Arc<Mutex<Vec<Boxed<u64>>>> = Arc::default();
        let call = |armed: &Arc<AtomicBool>| -> Boxed<u64> {
            let (cache, fetched) = (cache.clone(), backend.answer(()));
            let (leave, bomb) = (Arc::clone(&callers), Bomb(Arc::clone(armed)));
            Box::pin(async move {
                let load = || async move {
                    let _bomb = bomb;
                    fetched.await;
                    let leave =
                        std::mem::take(&mut *leave.lock().expect("no other thread panicked"));
                    drop(leave);
                    std::future::pending().await
                };
                cache.get_with(1, load).await
            })
        };
        let tasks = task_count();
        let mut both = vec![call(&armed), call(&Arc::default())];
        assert!(both.iter_mut().all(|call| poll_once(call).is_pending()));
        if !is_in_the_background(tasks) {
            return; // Nothing runs in the background.
        }
        yields(3).await;
        callers
            .lock()
            .expect("no other thread panicked")
            .extend(both);
        armed.store(true, Ordering::SeqCst);
        backend.open();
        until(|| cache.flight_count() == 0).await;
        yields(10).await;
        assert_eq!(spawn(async { 1 }).join().await, 1);
        assert_eq!(cache.stats().loads_dropped, 1);
        assert_eq!(cache.get_with(1, || async { 10 }).await, 10);
    });
}
