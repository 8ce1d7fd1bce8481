//! Runtimes that are shut down, or stand still, while a load is under way.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cache_core::LoadError;
use cache_tokio::{BatchWindow, Cache};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::contract::support::backend::{Backend, parked, poll_once, yields};

const LIMIT: Duration = Duration::from_secs(5);

/// A runtime with a thread of its own.
fn busy() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_time().build();
    runtime.expect("a runtime can be made")
}

/// A runtime that runs only while somebody blocks on it.
fn lazy() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime can be made")
}

/// Runs `future`, which is to be ready long before this gives up.
fn within<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let in_time = runtime.block_on(async { tokio::time::timeout(LIMIT * 12, future).await });
    in_time.expect("the test hangs")
}

/// A task that asks for key 1.
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
    // It is spawned where it is joined.
    drop(spawn_load(&second, &cache, &backend));
    wait_until(|| cache.stats().coalesced == 1);
    drop(second);
    backend.open();
    assert_eq!(within(&first, leader).unwrap(), 10);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn a_load_outlives_one_runtime_after_the_other_and_is_driven_without_any_in_the_end() {
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
fn a_load_that_nobody_waits_for_ends_with_its_runtime() {
    for detached in [false, true] {
        let builder = Cache::<u32, u64>::builder().detach_loads(detached);
        let (cache, backend) = (builder.build(), Backend::new());
        let runtime = busy();
        drop(spawn_load(&runtime, &cache, &backend));
        wait_until(|| backend.calls() == 1);
        if detached {
            // Joined and left alone: it is a background task now.
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
fn a_call_made_while_its_runtime_shuts_down_does_no_harm() {
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
    // Dropped with the runtime, and so inside of one on which nothing can be spawned any more.
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
fn a_cancelled_waiter_does_not_leave_the_load_on_a_runtime_that_stands_still() {
    let (cache, backend) = (Cache::new(10), Backend::new());
    let (running, still) = (busy(), lazy());
    let leader = spawn_load(&running, &cache, &backend);
    wait_until(|| backend.calls() == 1);
    // The waiter has the load spawned on its runtime, which then runs no more.
    within(&still, async {
        drop(parked(cache.get_with(1, || backend.answer(11))));
    });
    backend.open();
    assert_eq!(within(&running, leader).unwrap(), 10);
    assert_eq!(backend.calls(), 1);
    drop(still);
}

#[test]
fn a_parked_waiter_does_not_leave_the_load_on_a_runtime_that_stands_still() {
    let (cache, backend) = (Cache::new(10), Backend::new());
    let (running, still) = (busy(), lazy());
    let leader = spawn_load(&running, &cache, &backend);
    wait_until(|| backend.calls() == 1);
    let mut waiter = Box::pin(cache.get_with(1, || backend.answer(11)));
    let left = within(&still, async { poll_once(&mut waiter).is_pending() });
    assert!(left, "it waits for the load");
    backend.open();
    assert_eq!(within(&running, leader).unwrap(), 10);
    assert_eq!(within(&still, waiter), 10);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn a_parked_leader_does_not_leave_the_load_on_a_runtime_that_stands_still() {
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
        "nor on a thread of no runtime"
    );
    drop(leader);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn a_parked_member_does_not_leave_its_batch_on_a_runtime_that_stands_still() {
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
    let mut stays = Box::pin(batches.load(1));
    let left = within(&still, async { poll_once(&mut stays).is_pending() });
    assert!(left, "it waits for its batch");
    let other = batches.clone();
    let member = running.spawn(async move { other.load(2).await });
    wait_until(|| backend.calls() == 1);
    backend.open();
    assert_eq!(within(&running, member).unwrap().unwrap(), Some(10));
    drop(stays);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn a_detached_batch_ends_with_its_runtime_if_nobody_waits_for_it() {
    for at_the_loader in [false, true] {
        let cache: Cache<u32, u64> = Cache::builder().detach_loads(true).build();
        let (backend, runtime) = (Backend::new(), busy());
        let held = std::sync::Arc::new(());
        let (source, holds) = (backend.clone(), held.clone());
        let window = if at_the_loader {
            BatchWindow::Yield(1)
        } else {
            BatchWindow::Fixed(LIMIT * 12)
        };
        let batches = cache
            .batching_builder(move |_: Vec<u32>| {
                let _holds = &holds;
                source.answer(vec![10_u64])
            })
            .batch_window(window)
            .build();
        let caller = batches.clone();
        let call = runtime.spawn(async move { caller.load(1).await });
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
            "nothing holds the view"
        );
        let opened = Backend::opened();
        let load = cache.get_with(1, || opened.answer(12));
        assert_eq!(pollster::block_on(load), 12, "the key is not stuck");
    }
}

/// A load with its timer on `first`: it cannot be spawned, and was polled there last. Returns those
/// who wait for it and are not polled again, and the one on `first` who is about to go.
fn timed_on<'a>(
    first: &Runtime,
    cache: &'a Cache<u32, u64>,
    backend: &'a Backend,
) -> (Vec<Call<'a>>, Call<'a>) {
    // It yields twice, for the two who are on no runtime, and some more once it has its answer.
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
fn a_load_goes_on_though_the_runtime_that_its_timer_was_on_is_gone() {
    let cache = Cache::builder().load_timeout(LIMIT * 12).build();
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
fn a_load_ends_in_time_though_the_runtime_that_its_timer_was_on_stands_still() {
    let cache = Cache::builder().load_timeout(LIMIT).build();
    let (backend, first) = (Backend::new(), lazy());
    let second = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    let (_stay, goes) = timed_on(&first, &cache, &backend);
    // This one has nothing to do as long as the one on the first runtime is there.
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
