//! Runtimes that shut down or stall while a load is in flight.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cache_core::LoadError;
use cache_tokio::{BatchWindow, Cache};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::contract::support::backend::{Backend, parked, poll_once, yields};

/// Longer than any machine delays a test.
const LIMIT: Duration = Duration::from_secs(300);

/// A runtime with one worker thread.
fn busy() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_time().build();
    runtime.expect("the runtime is built")
}

/// A runtime that runs only inside `block_on`.
fn lazy() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("the runtime is built")
}

/// Runs `future` with a timeout that is reached only if it hangs.
fn within<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let in_time = runtime.block_on(async { tokio::time::timeout(LIMIT * 2, future).await });
    in_time.expect("the test hangs")
}

/// Spawns a load of key 1 on `on`.
fn spawn_load(on: &Runtime, cache: &Cache<u32, u64>, backend: &Backend) -> JoinHandle<u64> {
    let (cache, backend) = (cache.clone(), backend.clone());
    on.spawn(async move { cache.get_with(1, || backend.answer(10)).await })
}

fn wait_until(condition: impl Fn() -> bool) {
    let runtime = lazy();
    within(&runtime, async {
        while !condition() {
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_load_outlives_the_runtime_that_started_it() {
    let (cache, backend) = (Cache::new(10), Backend::new());
    let (first, second) = (busy(), busy());
    drop(spawn_load(&first, &cache, &backend));
    wait_until(|| backend.calls() == 1);
    let waiter = spawn_load(&second, &cache, &backend);
    wait_until(|| cache.stats().coalesced == 1);
    drop(first);
    backend.open();
    assert_eq!(within(&second, waiter).unwrap(), 10);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn a_load_outlives_the_runtime_that_it_was_spawned_on() {
    let (cache, backend) = (Cache::new(10), Backend::new());
    let (first, second) = (busy(), busy());
    let leader = spawn_load(&first, &cache, &backend);
    wait_until(|| backend.calls() == 1);
    // The load is spawned where it is joined.
    drop(spawn_load(&second, &cache, &backend));
    wait_until(|| cache.stats().coalesced == 1);
    drop(second);
    backend.open();
    assert_eq!(within(&first, leader).unwrap(), 10);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn a_load_survives_several_runtimes_and_finishes_without_any() {
    let (cache, backend) = (Cache::new(10), Backend::new());
    let runtimes: Vec<_> = (0..4).map(|_| busy()).collect();
    for (number, runtime) in (0..).zip(&runtimes) {
        drop(spawn_load(runtime, &cache, &backend));
        wait_until(|| backend.calls() == 1 && cache.stats().coalesced == number);
    }
    let last = parked(cache.get_with(1, || backend.answer(11)));
    drop(runtimes);
    backend.open();
    assert_eq!(pollster::block_on(last), 10);
    assert_eq!(backend.calls(), 1);
    assert_eq!(cache.stats().loads, 1);
    assert_eq!(cache.flight_count(), 0);
}

#[test]
fn a_load_without_callers_ends_with_its_runtime() {
    for detached in [false, true] {
        let builder = Cache::<u32, u64>::builder().detach_loads(detached);
        let (cache, backend) = (builder.build(), Backend::new());
        let runtime = busy();
        drop(spawn_load(&runtime, &cache, &backend));
        wait_until(|| backend.calls() == 1);
        if detached {
            // Joined and then left by all callers, the load is a background task now.
            within(&runtime, async {
                drop(parked(cache.get_with(1, || backend.answer(11))));
            });
        }
        drop(runtime);
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.stats().loads_dropped, 1);
        let opened = Backend::opened();
        let load = cache.get_with(1, || opened.answer(12));
        assert_eq!(pollster::block_on(load), 12, "the key is not stuck");
    }
}

#[test]
fn a_call_during_the_shutdown_of_its_runtime_does_no_harm() {
    struct LoadsOnDrop(Cache<u32, u64>, Backend);
    impl Drop for LoadsOnDrop {
        fn drop(&mut self) {
            let call = self.0.get_with(1, || self.1.answer(11));
            assert!(poll_once(&mut Box::pin(call)).is_pending());
        }
    }
    let (cache, backend) = (Cache::new(10), Backend::new());
    let (first, second) = (busy(), busy());
    let leader = spawn_load(&first, &cache, &backend);
    wait_until(|| backend.calls() == 1);
    let guard = LoadsOnDrop(cache.clone(), backend.clone());
    // The guard is dropped with the runtime, so nothing can be spawned any more.
    second.spawn(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    drop(second);
    wait_until(|| cache.stats().coalesced == 1);
    backend.open();
    assert_eq!(within(&first, leader).unwrap(), 10);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn a_cancelled_waiter_does_not_leave_the_load_on_a_stalled_runtime() {
    let (cache, backend) = (Cache::new(10), Backend::new());
    let (running, still) = (busy(), lazy());
    let leader = spawn_load(&running, &cache, &backend);
    wait_until(|| backend.calls() == 1);
    // The waiter's join spawns the load on its runtime, which then stalls.
    within(&still, async {
        drop(parked(cache.get_with(1, || backend.answer(11))));
    });
    backend.open();
    assert_eq!(within(&running, leader).unwrap(), 10);
    assert_eq!(backend.calls(), 1);
    drop(still);
}

#[test]
fn an_unpolled_waiter_does_not_leave_the_load_on_a_stalled_runtime() {
    let (cache, backend) = (Cache::new(10), Backend::new());
    let (running, still) = (busy(), lazy());
    let leader = spawn_load(&running, &cache, &backend);
    wait_until(|| backend.calls() == 1);
    let mut waiter = Box::pin(cache.get_with(1, || backend.answer(11)));
    let left = within(&still, async { poll_once(&mut waiter).is_pending() });
    assert!(left, "the call waits for the load");
    backend.open();
    assert_eq!(within(&running, leader).unwrap(), 10);
    assert_eq!(within(&still, waiter), 10);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn an_unpolled_leader_does_not_leave_the_load_on_a_stalled_runtime() {
    let (cache, backend) = (Cache::new(10), Backend::new());
    let (running, still) = (busy(), lazy());
    let (leader, second) = within(&still, async {
        let call = || parked(cache.get_with(1, || backend.answer(10)));
        (call(), call())
    });
    let third = spawn_load(&running, &cache, &backend);
    wait_until(|| cache.stats().coalesced == 2);
    backend.open();
    assert_eq!(within(&running, third).unwrap(), 10);
    assert_eq!(
        pollster::block_on(second),
        10,
        "and not on a thread without a runtime"
    );
    drop(leader);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn an_unpolled_caller_does_not_leave_its_batch_on_a_stalled_runtime() {
    let (cache, backend): (Cache<u32, u64>, _) = (Cache::new(10), Backend::new());
    let (running, still) = (busy(), lazy());
    let source = backend.clone();
    let batches = cache
        .batching_builder(move |keys: Vec<u32>| {
            let answer = source.answer(10);
            async move {
                let answer = answer.await;
                let answers = keys.into_iter().map(|key| (key, answer));
                answers.collect::<HashMap<_, _>>()
            }
        })
        .batch_window(BatchWindow::Yield(1))
        .build();
    // The batch is spawned where its window is opened.
    let mut stays = Box::pin(batches.get(1));
    let left = within(&still, async { poll_once(&mut stays).is_pending() });
    assert!(left, "the call waits for its batch");
    let other = batches.clone();
    let member = running.spawn(async move { other.get(2).await });
    wait_until(|| backend.calls() == 1);
    backend.open();
    assert_eq!(within(&running, member).unwrap().unwrap(), Some(10));
    drop(stays);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn a_detached_batch_without_callers_ends_with_its_runtime() {
    for at_the_loader in [false, true] {
        let cache: Cache<u32, u64> = Cache::builder().detach_loads(true).build();
        let (backend, runtime) = (Backend::new(), busy());
        let held = std::sync::Arc::new(());
        let (source, holds) = (backend.clone(), held.clone());
        let window = if at_the_loader {
            BatchWindow::Yield(1)
        } else {
            BatchWindow::Fixed(LIMIT)
        };
        let batches = cache
            .batching_builder(move |_: Vec<u32>| {
                let _holds = &holds;
                source.answer(vec![10_u64])
            })
            .batch_window(window)
            .build();
        let caller = batches.clone();
        let call = runtime.spawn(async move { caller.get(1).await });
        wait_until(|| cache.flight_count() == 1);
        wait_until(|| !at_the_loader || backend.calls() == 1);
        drop(batches);
        call.abort();
        wait_until(|| call.is_finished());
        drop(runtime);
        assert_eq!(cache.flight_count(), 0);
        assert_eq!(cache.stats().loads_dropped, 1);
        assert_eq!(
            std::sync::Arc::strong_count(&held),
            1,
            "the view has no other handles"
        );
        let opened = Backend::opened();
        let load = cache.get_with(1, || opened.answer(12));
        assert_eq!(pollster::block_on(load), 12, "the key is not stuck");
    }
}

/// A load with its timer on `first`. It cannot be spawned, and was last polled there. Returns the
/// waiters that are not polled again, and the one on `first` that is about to be cancelled.
fn timed_on<'a>(
    first: &Runtime,
    cache: &'a Cache<u32, u64>,
    backend: &'a Backend,
) -> (Vec<Call<'a>>, Call<'a>) {
    // Yields twice for the two callers outside of any runtime, and again once it has its result.
    let call = || -> Call<'a> {
        Box::pin(cache.try_get_with(1, || {
            let fetched = backend.answer(10);
            async move {
                yields(2).await;
                let answer = fetched.await;
                yields(3).await;
                Ok(answer)
            }
        }))
    };
    let mut stay = vec![call(), call()];
    let mut goes = call();
    assert!(stay.iter_mut().all(|call| poll_once(call).is_pending()));
    assert_eq!(backend.calls(), 0);
    first.block_on(async {
        assert!(poll_once(&mut goes).is_pending());
    });
    assert_eq!(backend.calls(), 1, "it was polled on the first runtime");
    (stay, goes)
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<u64, LoadError<String>>> + Send + 'a>>;

#[test]
fn a_load_continues_after_the_runtime_of_its_timer_is_dropped() {
    let cache = Cache::builder().load_timeout(LIMIT * 2).build();
    let (backend, first, second) = (Backend::new(), busy(), busy());
    let (stay, goes) = timed_on(&first, &cache, &backend);
    drop(goes);
    drop(first);
    backend.open();
    let late = cache.try_get_with(1, || backend.answer(Ok::<_, String>(11)));
    assert_eq!(within(&second, late).unwrap(), 10);
    for call in stay {
        assert_eq!(pollster::block_on(call).unwrap(), 10);
    }
}

#[test]
fn a_load_times_out_though_the_runtime_of_its_timer_stalls() {
    let cache = Cache::builder().load_timeout(LIMIT).build();
    let (backend, first) = (Backend::new(), lazy());
    let second = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("the runtime is built");
    let (_stay, goes) = timed_on(&first, &cache, &backend);
    // This waiter has no work as long as the one on the first runtime exists.
    let waits = second.spawn({
        let (cache, backend) = (cache.clone(), backend.clone());
        async move {
            let load = || backend.answer(Ok::<_, String>(11));
            cache.try_get_with(1, load).await
        }
    });
    second.block_on(yields(1));
    assert_eq!(cache.stats().coalesced, 3);
    drop(goes);
    let answer = within(&second, waits).unwrap();
    drop(first);
    assert!(matches!(answer, Err(LoadError::TimedOut(LIMIT))));
}
