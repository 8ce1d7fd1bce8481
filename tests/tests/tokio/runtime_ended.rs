//! Loads that fail because a runtime ends are abandoned: their waiters run their own loaders.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::{LoadError, Loaded, Op};
use cache_tokio::{BatchWindow, Cache};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinHandle, spawn};

use super::without_timers::alone;
use crate::contract::support::backend::{Backend, parked, yields};

const HOUR: Duration = Duration::from_secs(3_600);

fn busy() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(1).enable_time();
    builder.build().expect("the runtime is built")
}

fn lazy() -> Runtime {
    let mut builder = Builder::new_current_thread();
    let builder = builder.enable_time();
    builder.build().expect("the runtime is built")
}

fn wait_until(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the test hangs"
        );
        std::thread::yield_now();
    }
}

type Loading = Pin<Box<dyn Future<Output = u64> + Send>>;

/// What a loader waits for on its runtime, and loses when the runtime ends.
fn losses() -> [fn() -> Loading; 4] {
    [
        || {
            Box::pin(async {
                tokio::time::sleep(HOUR).await;
                1
            })
        },
        || {
            Box::pin(async {
                let task = spawn(async {
                    std::future::pending::<()>().await;
                    1
                });
                task.await.expect("the task ends")
            })
        },
        || {
            Box::pin(async {
                let handle = Handle::current();
                loop {
                    let task = handle.spawn_blocking(|| ());
                    task.await.expect("the task ends");
                    yields(1).await;
                }
            })
        },
        || {
            Box::pin(async {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                spawn(async move {
                    std::future::pending::<()>().await;
                    sender.send(1)
                });
                receiver.await.expect("the task sends")
            })
        },
    ]
}

/// Ends a runtime on which a task leads a load, once `waiters` tasks of another runtime wait for
/// it. Returns their results and the number of backend requests.
fn answers_of_waiters<T: Send + 'static>(
    first: Runtime,
    cache: &Cache<u32, u64>,
    lead: impl Future<Output: Send> + Send + 'static,
    waiters: usize,
    wait: impl Fn(Cache<u32, u64>, Backend) -> Pin<Box<dyn Future<Output = T> + Send>>,
) -> (Vec<T>, usize) {
    let (second, backend) = (busy(), Backend::new());
    let has_begun = Arc::new(AtomicBool::new(false));
    let begun = Arc::clone(&has_begun);
    first.spawn(async move {
        let mut lead = Box::pin(lead);
        std::future::poll_fn(|cx| {
            let polled = lead.as_mut().poll(cx);
            begun.store(true, Ordering::SeqCst);
            polled
        })
        .await
    });
    first.block_on(async {
        while !has_begun.load(Ordering::SeqCst) {
            yields(1).await;
        }
    });
    let waiting: Vec<JoinHandle<T>> = (0..waiters)
        .map(|_| second.spawn(wait(cache.clone(), backend.clone())))
        .collect();
    let joined = u64::try_from(waiters).expect("a small number");
    wait_until(|| cache.stats().coalesced == joined);
    drop(first);
    wait_until(|| backend.calls() > 0);
    backend.open();
    let answers = second.block_on(async {
        let mut answers = Vec::new();
        for waiter in waiting {
            let answer = tokio::time::timeout(HOUR, waiter).await;
            answers.push(answer.expect("the test hangs").expect("no waiter panics"));
        }
        answers
    });
    assert_eq!(cache.flight_count(), 0);
    (answers, backend.calls())
}

#[test]
fn waiters_run_their_own_loaders_when_the_runtime_of_a_load_ends() {
    let _alone = alone();
    for loss in losses() {
        for runtime in [busy, lazy] {
            let cache = Cache::new(10);
            let lead = {
                let cache = cache.clone();
                async move { cache.get_with(1, loss).await }
            };
            let wait = |cache: Cache<u32, u64>, backend: Backend| -> Loading {
                Box::pin(async move { cache.get_with(1, || backend.answer(10)).await })
            };
            let (answers, calls) = answers_of_waiters(runtime(), &cache, lead, 3, wait);
            assert_eq!(answers, [10; 3]);
            assert_eq!(calls, 1, "they share one load");
            assert_eq!(cache.stats().loads_dropped, 1);
        }
    }
}

type Tried = Pin<Box<dyn Future<Output = Result<u64, LoadError<String>>> + Send>>;

fn tries(cache: Cache<u32, u64>, backend: Backend) -> Tried {
    Box::pin(async move { cache.try_get_with(1, || backend.answer(Ok(10))).await })
}

#[test]
fn the_end_of_a_runtime_is_no_panic_for_any_method() {
    let _alone = alone();
    type Lead = fn(Cache<u32, u64>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    let leads: [Lead; 6] = [
        |cache| {
            Box::pin(async move {
                let load = || async { Ok::<_, String>(losses()[0]().await) };
                drop(cache.try_get_with(1, load).await);
            })
        },
        |cache| {
            Box::pin(async move {
                let load = || async { Some(losses()[1]().await) };
                let _loaded = cache.optionally_get_with(1, load).await;
            })
        },
        |cache| {
            Box::pin(async move {
                let load = || async { Ok::<_, String>(Loaded::new(losses()[1]().await)) };
                drop(cache.load_with(1, load).await);
            })
        },
        |cache| {
            Box::pin(async move {
                let load = || async { Ok::<_, String>(losses()[0]().await) };
                drop(cache.refresh(1, load).await);
            })
        },
        |cache| {
            Box::pin(async move {
                cache.get_with_scoped(1, losses()[1]).await;
            })
        },
        |cache| {
            Box::pin(async move {
                let compute = |_| async { Op::Put(Loaded::new(losses()[1]().await)) };
                let _computed = cache.entry(1).and_compute_with(compute).await;
            })
        },
    ];
    for (number, lead) in leads.into_iter().enumerate() {
        let cache = Cache::new(10);
        let (answers, calls) = answers_of_waiters(busy(), &cache, lead(cache.clone()), 2, tries);
        for answer in answers {
            assert_eq!(answer.expect("no panic"), 10, "method {number}");
        }
        assert_eq!(calls, 1, "method {number}");
    }
}

#[test]
fn the_keys_of_a_batch_are_loaded_again_when_its_runtime_ends() {
    let _alone = alone();
    for loss in losses() {
        let cache: Cache<u32, u64> = Cache::new(10);
        let (first, second) = (lazy(), busy());
        let backend = Backend::new();
        let source = backend.clone();
        let is_first = Arc::new(AtomicBool::new(true));
        let batches = cache
            .batching_builder(move |keys: Vec<u32>| {
                let (source, is_first) = (source.clone(), Arc::clone(&is_first));
                async move {
                    let answer = if is_first.swap(false, Ordering::SeqCst) {
                        loss().await
                    } else {
                        source.answer(10).await
                    };
                    let answers = keys.into_iter().map(|key| (key, answer));
                    answers.collect::<HashMap<_, _>>()
                }
            })
            .batch_window(BatchWindow::Yield(1))
            .build();
        let leads = batches.clone();
        first.spawn(async move { leads.get(1).await });
        first.block_on(async {
            while cache.stats().batches == 0 {
                yields(1).await;
            }
        });
        let waiting = [1, 1].map(|key| {
            let batches = batches.clone();
            second.spawn(async move { batches.get(key).await })
        });
        wait_until(|| cache.stats().coalesced == 2);
        drop(first);
        wait_until(|| backend.calls() > 0);
        backend.open();
        for waiter in waiting {
            let loaded = second.block_on(waiter).expect("no waiter panics");
            assert_eq!(loaded.expect("no panic"), Some(10));
        }
        assert_eq!(backend.calls(), 1);
    }
}

#[test]
fn a_loader_that_panics_on_a_live_runtime_is_a_panic() {
    let cache = Cache::<u32, u64>::new(10);
    let (first, second) = (busy(), busy());
    let gate = Backend::new();
    let leader = first.spawn({
        let (cache, gate) = (cache.clone(), gate.clone());
        async move {
            let load = || {
                gate.then(|| -> Result<u64, String> { std::panic::resume_unwind(Box::new("boom")) })
            };
            cache.try_get_with(1, load).await
        }
    });
    wait_until(|| gate.calls() == 1);
    let waiter = second.spawn(tries(cache.clone(), Backend::opened()));
    wait_until(|| cache.stats().coalesced == 1);
    gate.open();
    let ends = second.block_on(waiter);
    // The driver panics, and the other caller gets an error.
    let leader = first.block_on(leader);
    let is_error = |ended: &Result<Result<u64, LoadError<String>>, _>| {
        matches!(ended, Err(_) | Ok(Err(LoadError::Panicked)))
    };
    assert!(is_error(&ends) && is_error(&leader), "{ends:?} {leader:?}");
}

#[test]
fn a_leader_whose_runtime_has_ended_panics_and_its_waiters_run_their_own_loaders() {
    let (cache, backend) = (Cache::<u32, u64>::new(10), Backend::new());
    let (first, second) = (lazy(), busy());
    let (leader,) = first.block_on(async { (parked(cache.get_with(1, losses()[1])),) });
    let waiters: Vec<_> = (0..2)
        .map(|_| second.spawn(tries(cache.clone(), backend.clone())))
        .collect();
    wait_until(|| cache.stats().coalesced == 2);
    drop(first);
    wait_until(|| backend.calls() > 0);
    backend.open();
    for waiter in waiters {
        let answer = second.block_on(waiter).expect("no waiter panics");
        assert_eq!(answer.expect("no panic"), 10);
    }
    assert_eq!(backend.calls(), 1);
    let led = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pollster::block_on(leader)));
    assert!(led.is_err(), "it has no other loader");
}
