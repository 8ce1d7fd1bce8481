//! What the cache promises on embassy only. The timer queue is the integrated one, so an embassy
//! timer panics if a waker that is not embassy's polls it.

#![allow(
    dead_code,
    unused_imports,
    reason = "a runtime may have no use for a part of the harness"
)]

#[path = "harness/mock_driver.rs"]
mod harness;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cache_core::runtime::Runtime;
use cache_embassy::{BatchWindow, Embassy, LoadError, local};
use cache_embassy_tests::{Task, block_on, spawn, start_runner};
use embassy_time::Timer;
use harness::{Cache, advance, run, runtime, until};

const SECOND: Duration = Duration::from_secs(1);

/// Spawns a task that loads key 1 with a loader that uses one of embassy's timers.
fn load(cache: &Cache<u32, u32>, calls: &Arc<AtomicUsize>) -> Task<u32> {
    let (cache, calls) = (cache.clone(), Arc::clone(calls));
    spawn(async move {
        let loader = || async move {
            calls.fetch_add(1, Ordering::SeqCst);
            Timer::after_secs(2).await;
            7
        };
        cache.get_with(1, loader).await
    })
}

/// Lets every task run.
async fn settle() {
    for _ in 0..10 {
        advance(Duration::ZERO).await;
    }
}

#[test]
fn a_loader_with_embassy_timers_survives_all_callers_but_one() {
    for survivor in 0..3 {
        run(|| async move {
            let calls = Arc::default();
            let cache: Cache<u32, u32> = Cache::builder_on(runtime()).build();
            let mut callers = vec![];
            for _ in 0..3 {
                callers.push(load(&cache, &calls));
                settle().await;
            }
            assert_eq!(
                cache.runtime().task_count(),
                1,
                "the runner drives the load"
            );
            advance(SECOND).await;
            let survivor = callers.swap_remove(survivor);
            callers.iter().for_each(Task::abort);
            settle().await;
            advance(SECOND).await;
            assert_eq!(survivor.join().await, 7);
            assert_eq!(calls.load(Ordering::SeqCst), 1);
            until(|| cache.runtime().task_count() == 0).await;
        });
    }
}

#[test]
fn a_batch_loader_with_embassy_timers_survives_the_caller_that_opened_the_window() {
    run(|| async {
        let cache: Cache<u32, u32> = Cache::builder_on(runtime()).build();
        let view = cache.batching(|keys: Vec<u32>| async move {
            Timer::after_secs(1).await;
            keys.into_iter().map(|key| key * 10).collect::<Vec<_>>()
        });
        let calls = [1, 2].map(|key| {
            let view = view.clone();
            spawn(async move { view.get(key).await })
        });
        settle().await;
        let [opener, other] = calls;
        opener.abort();
        advance(Duration::from_millis(5)).await;
        settle().await;
        advance(SECOND).await;
        assert_eq!(other.join().await.expect("a value"), Some(20));
    });
}

#[test]
fn the_runners_timer_ends_a_load_at_its_timeout_whichever_waker_polls_it() {
    run(|| async {
        let cache: Cache<u32, u32> = Cache::builder_on(runtime()).load_timeout(SECOND).build();
        // Polled with the waker of the test, which is not embassy's.
        let mut call = pin!(cache.try_get_with(1, std::future::pending::<Result<u32, ()>>));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
        settle().await;
        advance(SECOND).await;
        let ended = call.await.expect_err("the load times out");
        assert!(matches!(ended, LoadError::TimedOut(_)), "{ended:?}");
    });
}

#[test]
fn waiters_drive_a_load_after_the_runner_is_dropped() {
    run(|| async {
        let runtime = Embassy::default();
        let cache: Cache<u32, u32> = Cache::builder_on(runtime.clone()).build();
        let (open, gate) = tokio::sync::oneshot::channel();
        let mut leader = pin!(cache.get_with(1, || async { gate.await.expect("the gate opens") }));
        let mut waiter = pin!(cache.get_with(1, || async { 8 }));
        {
            let mut runner = pin!(cache_embassy::runner(&runtime).run());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(runner.as_mut().poll(&mut cx).is_pending());
            assert!(leader.as_mut().poll(&mut cx).is_pending());
            assert!(waiter.as_mut().poll(&mut cx).is_pending());
            assert!(runner.as_mut().poll(&mut cx).is_pending());
            assert_eq!((runtime.has_runner(), runtime.task_count()), (true, 1));
        }
        assert_eq!((runtime.has_runner(), runtime.task_count()), (false, 0));
        open.send(7).expect("the load is in flight");
        assert_eq!(waiter.await, 7);
        assert_eq!(leader.await, 7);
    });
}

#[test]
fn a_window_ends_after_the_runner_is_dropped() {
    run(|| async {
        let runtime = Embassy::default();
        let cache: Cache<u32, u32> = Cache::builder_on(runtime.clone()).build();
        let view = cache
            .batching_builder(|keys: Vec<u32>| async move { keys })
            .batch_window(BatchWindow::Fixed(SECOND))
            .build();
        let call = spawn(async move {
            let mut call = pin!(view.get(1));
            {
                let mut runner = pin!(cache_embassy::runner(&runtime).run());
                for _ in 0..3 {
                    poll_fn(|cx| {
                        assert!(call.as_mut().poll(cx).is_pending());
                        assert!(runner.as_mut().poll(cx).is_pending());
                        Poll::Ready(())
                    })
                    .await;
                }
                assert_eq!((runtime.has_runner(), runtime.task_count()), (true, 1));
            }
            call.await
        });
        settle().await;
        advance(SECOND * 2).await;
        settle().await;
        assert!(call.is_finished(), "the window ends without the runner");
        assert_eq!(call.join().await.unwrap(), Some(1));
    });
}

#[test]
fn without_a_runner_a_window_ends_after_one_pass_of_the_executor() {
    run(|| async {
        let runtime = Embassy::default();
        assert!(runtime.timer().is_none());
        let cache: Cache<u32, u32> = Cache::builder_on(runtime).build();
        let view = cache
            .batching_builder(|keys: Vec<u32>| async move { keys })
            .batch_window(BatchWindow::Fixed(SECOND))
            .build();
        let found = tokio::join!(view.get(1), view.get(2));
        assert_eq!((found.0.unwrap(), found.1.unwrap()), (Some(1), Some(2)));
        assert_eq!(cache.stats().batches, 1);
    });
}

#[test]
#[should_panic(expected = "the runtime has a runner already")]
fn a_runtime_has_one_runner() {
    run(|| async {
        start_runner(&runtime());
    });
}

#[test]
fn in_thread_mode_values_errors_and_loaders_need_not_be_send() {
    run(|| async {
        let runtime = local::Embassy::default();
        start_runner(&runtime);
        let cache: local::Cache<Rc<str>, Rc<Cell<u32>>> =
            local::Cache::builder_on(runtime.clone()).build();
        let shared = Rc::new(Cell::new(1));
        let load = || {
            let shared = Rc::clone(&shared);
            async move {
                settle().await;
                shared
            }
        };
        let one: Rc<str> = "one".into();
        let (a, b) = tokio::join!(
            cache.get_with(Rc::clone(&one), load),
            cache.get_with(one, load)
        );
        a.set(2);
        assert_eq!((b.get(), cache.stats().loads), (2, 1));
        let failed =
            cache.try_get_with("two".into(), || async { Err::<_, Rc<str>>("down".into()) });
        assert_eq!(**failed.await.unwrap_err().loader().unwrap(), *"down");
    });
}
