//! Loaders polled on plain threads, in a cache with the handle of a runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cache_core::{Loaded, Op};
use cache_tokio::{Cache, Tokio, local};
use pollster::block_on;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::sleep;

use super::without_timers::alone;
use crate::contract::support::backend::{parked, poll_once};

const MOMENT: Duration = Duration::from_millis(1);

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_time().build();
    runtime.expect("the runtime is built")
}

fn cache_on(runtime: &Runtime) -> Cache<u32, u64> {
    Cache::builder_on(Tokio::with_handle(runtime.handle().clone())).build()
}

/// A loader's future that makes a timer when polled, and looks for its runtime when dropped.
struct FindsRuntime {
    found: Found,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// The number of times a runtime was found, and not found.
#[derive(Clone, Default)]
struct Found(Arc<(AtomicUsize, AtomicUsize)>);

impl Found {
    fn look(&self) {
        let (found, missed) = &*self.0;
        let count = if Handle::try_current().is_ok() {
            found
        } else {
            missed
        };
        count.fetch_add(1, Ordering::SeqCst);
    }

    /// A loader that looks for its runtime when it is called, polled and dropped.
    fn loader(&self) -> impl FnOnce() -> FindsRuntime + use<> {
        let found = self.clone();
        move || {
            found.look();
            FindsRuntime { found, sleep: None }
        }
    }

    #[track_caller]
    fn check(&self, at_least: usize) {
        let (found, missed) = &*self.0;
        assert_eq!(missed.load(Ordering::SeqCst), 0, "there was no runtime");
        assert!(found.load(Ordering::SeqCst) >= at_least);
    }
}

impl Future for FindsRuntime {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<u64> {
        self.found.look();
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(MOMENT)));
        sleep.as_mut().poll(cx).map(|()| 10)
    }
}

impl Drop for FindsRuntime {
    fn drop(&mut self) {
        self.found.look();
    }
}

#[test]
fn every_loader_on_a_plain_thread_finds_the_runtime_of_the_handle() {
    let runtime = runtime();
    let found = Found::default();
    let wrapped = || {
        let load = found.loader();
        || async { Ok::<_, String>(load().await) }
    };
    for key in 0..3 {
        let cache = cache_on(&runtime);
        assert_eq!(block_on(cache.get_with(key, found.loader())), 10);
        let cache = cache_on(&runtime);
        assert_eq!(block_on(cache.get_with_scoped(key, found.loader())), 10);
        let cache = cache_on(&runtime);
        assert_eq!(block_on(cache.try_get_with(key, wrapped())).unwrap(), 10);
        assert_eq!(block_on(cache.refresh(key, wrapped())).unwrap(), 10);
        let cache = cache_on(&runtime);
        let load = found.loader();
        let computed = cache
            .entry(key)
            .and_compute_with(|_| async { Op::Put(Loaded::new(load().await)) });
        assert!(matches!(block_on(computed), cache_core::Computed::Put(10)));
        assert_eq!(cache.get(&key), Some(10));
    }
    found.check(5 * 3 * 3);
}

#[test]
fn a_batch_loader_on_a_plain_thread_finds_the_runtime_of_the_handle() {
    // Tokio panics where the runtime has ended.
    let _alone = alone();
    let (runtime, found) = (runtime(), Found::default());
    let has_ended = runtime.handle().clone();
    let looks = found.clone();
    let batches = |tokio| {
        let cache: Cache<u32, u64> = Cache::builder_on(tokio).build();
        let looks = looks.clone();
        cache.batching(move |keys: Vec<u32>| {
            let load = looks.loader()();
            async move {
                let answer = load.await;
                keys.iter().map(|_| answer).collect::<Vec<_>>()
            }
        })
    };
    let tokio = Tokio::with_handle(runtime.handle().clone());
    assert_eq!(block_on(batches(tokio).get(1)).unwrap(), Some(10));
    drop(runtime);
    // Nothing can be spawned there, so this thread polls and drops the batch.
    let batches = batches(Tokio::with_handle(has_ended));
    let mut call = Box::pin(batches.get(1));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _waits = (poll_once(&mut call), poll_once(&mut call));
    }));
    drop((polled, call));
    found.check(6);
}

#[test]
fn a_loader_that_is_dropped_on_a_plain_thread_finds_the_runtime_of_the_handle() {
    let (runtime, found) = (runtime(), Found::default());
    let cache = cache_on(&runtime);
    drop(parked(cache.get_with(1, found.loader())));
    drop(parked(cache.get_with_scoped(1, found.loader())));
    let load = found.loader();
    let compute = |_| async { Op::Put(Loaded::new(load().await)) };
    drop(parked(cache.entry(1).and_compute_with(compute)));
    found.check(3 * 3);
    let load = found.loader();
    let panics = || async {
        let _load = load();
        std::panic::resume_unwind(Box::new("boom"))
    };
    let call = std::panic::AssertUnwindSafe(|| block_on(cache.get_with(1, panics)));
    assert!(std::panic::catch_unwind(call).is_err());
    found.check(3 * 3 + 2);
}

#[test]
fn a_loader_of_a_local_cache_finds_the_runtime_of_the_handle() {
    let (runtime, found) = (runtime(), Found::default());
    let tokio = local::Tokio::with_handle(runtime.handle().clone());
    let cache: local::Cache<u32, u64> = local::Cache::builder_on(tokio).build();
    assert_eq!(block_on(cache.get_with(1, found.loader())), 10);
    found.check(3);
}

#[test]
fn a_loader_inside_of_a_runtime_finds_that_runtime() {
    let (runtime, other) = (runtime(), runtime());
    let cache = cache_on(&other);
    let load = || async { Handle::current().id() == runtime.handle().id() };
    let found = runtime.block_on(cache.get_with_scoped(1, || async { u64::from(load().await) }));
    assert_eq!(found, 1);
}

#[test]
fn a_load_times_out_on_a_plain_thread_through_the_timer_of_the_handle() {
    let runtime = runtime();
    let tokio = Tokio::with_handle(runtime.handle().clone());
    let cache: Cache<u32, u64> = Cache::builder_on(tokio).load_timeout(MOMENT).build();
    let stuck = cache.try_get_with(1, std::future::pending::<Result<u64, ()>>);
    let answer = block_on(stuck);
    assert!(matches!(
        answer,
        Err(cache_core::LoadError::TimedOut(MOMENT))
    ));
}
