//! Callers on plain threads, with and without a runtime in the process.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cache_tokio::{Cache, Tokio};
use tokio::runtime::{Builder, Runtime};

use crate::contract::support::backend::{Backend, parked, yields};

/// The timeout for events that need no waiting.
const PATIENCE: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_time().build();
    runtime.expect("the runtime is built")
}

/// Runs `call` on a new thread, and returns a receiver of its result.
fn on_a_thread<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(call()));
    receiver
}

fn in_time<T>(receiver: &mpsc::Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("the test hangs")
}

fn wait_until(condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "the test hangs");
        thread::yield_now();
    }
}

#[test]
fn a_cache_built_outside_of_any_runtime_works_outside_and_inside_of_one() {
    let cache: Cache<u32, u64> = Cache::new(10);
    let backend = Backend::opened();
    cache.insert(1, 10);
    assert_eq!(cache.get(&1), Some(10));
    assert_eq!(
        pollster::block_on(cache.get_with(2, || backend.answer(20))),
        20
    );
    let inside = runtime().block_on(async {
        let two = cache.get_with(2, || backend.answer(21)).await;
        two + cache.get_with(3, || backend.answer(30)).await
    });
    assert_eq!(inside, 50);
    assert_eq!(cache.get(&3), Some(30));
    assert_eq!(backend.calls(), 2);
}

#[test]
fn plain_threads_share_one_load() {
    let (cache, backend) = (Cache::<u32, u64>::new(10), Backend::new());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (cache, backend) = (cache.clone(), backend.clone());
            on_a_thread(move || pollster::block_on(cache.get_with(1, || backend.answer(10))))
        })
        .collect();
    wait_until(|| cache.stats().coalesced == 7);
    backend.open();
    assert!(threads.iter().all(|thread| in_time(thread) == 10));
    assert_eq!(backend.calls(), 1);
    assert_eq!(cache.flight_count(), 0);
}

#[test]
fn plain_threads_and_tasks_share_one_load() {
    let (cache, backend) = (Cache::<u32, u64>::new(10), Backend::new());
    let runtime = runtime();
    let thread = {
        let (cache, backend) = (cache.clone(), backend.clone());
        on_a_thread(move || pollster::block_on(cache.get_with(1, || backend.answer(10))))
    };
    wait_until(|| backend.calls() == 1);
    let task = {
        let (cache, backend) = (cache.clone(), backend.clone());
        runtime.spawn(async move { cache.get_with(1, || backend.answer(11)).await })
    };
    let (handle, blocking) = (runtime.handle().clone(), (cache.clone(), backend.clone()));
    let blocking = runtime.spawn_blocking(move || {
        let (cache, backend) = blocking;
        handle.block_on(cache.get_with(1, || backend.answer(12)))
    });
    wait_until(|| cache.stats().coalesced == 2);
    backend.open();
    assert_eq!(in_time(&thread), 10);
    assert_eq!(runtime.block_on(task).unwrap(), 10);
    assert_eq!(runtime.block_on(blocking).unwrap(), 10);
    assert_eq!(backend.calls(), 1);
}

#[test]
fn with_a_handle_loads_of_plain_threads_are_spawned_on_its_runtime() {
    let runtime = runtime();
    let builder = Cache::<u32, u64>::builder_on(Tokio::with_handle(runtime.handle().clone()));
    let (cache, backend) = (builder.build(), Backend::new());
    let leader = parked(cache.get_with(1, || backend.answer(10)));
    let waiter = parked(cache.get_with(1, || backend.answer(11)));
    backend.open();
    // Neither caller is polled.
    wait_until(|| cache.get(&1) == Some(10));
    assert_eq!(pollster::block_on(waiter), 10);
    assert_eq!(pollster::block_on(leader), 10);
}

#[test]
fn a_load_of_plain_threads_continues_in_the_background_after_its_task_was_pending() {
    let runtime = runtime();
    let builder = Cache::<u32, u64>::builder_on(Tokio::with_handle(runtime.handle().clone()));
    let (cache, backend) = (builder.build(), Backend::new());
    let leader = parked(cache.get_with(1, || backend.answer(10)));
    let waiter = parked(cache.get_with(1, || backend.answer(11)));
    // The runtime's only thread polls the task of the load before these tasks.
    for _ in 0..10 {
        let task = runtime.spawn(tokio::task::yield_now());
        runtime.block_on(task).expect("no panic");
    }
    backend.open();
    // No caller is polled.
    wait_until(|| cache.get(&1) == Some(10));
    assert_eq!(pollster::block_on(waiter), 10);
    assert_eq!(pollster::block_on(leader), 10);
}

#[test]
fn without_a_handle_loads_of_plain_threads_are_driven_by_their_waiters() {
    let (cache, backend) = (Cache::<u32, u64>::new(10), Backend::new());
    let _leader = parked(cache.get_with(1, || backend.answer(10)));
    let _waiter = parked(cache.get_with(1, || backend.answer(11)));
    let thread = {
        let (cache, backend) = (cache.clone(), backend.clone());
        on_a_thread(move || pollster::block_on(cache.get_with(1, || backend.answer(12))))
    };
    wait_until(|| cache.stats().coalesced == 2);
    backend.open();
    assert_eq!(in_time(&thread), 10);
    assert_eq!(backend.calls(), 1);
}

/// Stops a leader in the middle of its load until another caller has joined.
struct Meeting {
    loading: mpsc::Sender<()>,
    joined: mpsc::Receiver<()>,
}

impl Meeting {
    fn wait(&self) {
        self.loading.send(()).expect("the test waits for it");
        in_time(&self.joined);
    }
}

/// Runs `lead` on one thread, and lets another caller join the load while the leader is stopped.
fn joined_in_the_middle(
    lead: impl FnOnce(Cache<u32, u64>, Meeting) -> u64 + Send + 'static,
) -> (u64, u64) {
    let cache = Cache::new(10);
    let (loading, is_loading) = mpsc::channel();
    let (has_joined, joined) = mpsc::channel();
    let meeting = Meeting { loading, joined };
    let leader = {
        let cache = cache.clone();
        on_a_thread(move || lead(cache, meeting))
    };
    in_time(&is_loading);
    let waiter = on_a_thread(move || {
        let runtime = Builder::new_current_thread().build();
        runtime.expect("the runtime is built").block_on(async {
            let waiter = parked(cache.get_with(1, || async { 11 }));
            // The load's task also runs on this thread, and finds no work yet.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            has_joined.send(()).expect("the leader waits for it");
            waiter.await
        })
    });
    (in_time(&leader), in_time(&waiter))
}

/// Between the start of a flight and the first poll of its loader, the leader runs the loader
/// closure. A caller that joins in that time spawns the load, and the task runs before there is any
/// work.
#[test]
fn a_caller_that_joins_before_the_loader_returns_its_future_loses_no_wake_up() {
    let answers = joined_in_the_middle(|cache, meeting| {
        let load = || {
            meeting.wait();
            async { 10 }
        };
        pollster::block_on(cache.get_with(1, load))
    });
    assert_eq!(answers, (10, 10));
}

/// The same during a poll, which ends with a wake of the leader, which is no longer the driver.
#[test]
fn a_caller_that_joins_while_the_loader_is_polled_loses_no_wake_up() {
    let answers = joined_in_the_middle(|cache, meeting| {
        let load = || async move {
            meeting.wait();
            yields(1).await;
            10
        };
        pollster::block_on(cache.get_with(1, load))
    });
    assert_eq!(answers, (10, 10));
}

#[test]
fn tasks_that_race_for_a_sequence_of_keys_load_each_once() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build();
    let runtime = runtime.expect("the runtime is built");
    let cache: Cache<u64, u64> = Cache::builder().build();
    let racers: Vec<_> = (0..4)
        .map(|racer| {
            let cache = cache.clone();
            runtime.spawn(async move {
                for key in 0..5_000_u64 {
                    // Ready immediately, or after other tasks had a chance to join.
                    let turns = usize::try_from((key + racer) % 3).expect("a small number");
                    let load = || async move {
                        yields(turns).await;
                        key
                    };
                    assert_eq!(cache.get_with(key, load).await, key);
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for racer in racers {
            let raced = tokio::time::timeout(PATIENCE, racer);
            raced.await.expect("the test hangs").expect("no panic");
        }
    });
    assert_eq!(cache.stats().loads, 5_000);
    assert_eq!(cache.flight_count(), 0);
}
