//! A loader that loads its own key gets a `Reentrant` error and does not hang.

use cache_core::LoadError;

use crate::contract::support::backend::{Backend, parked, yields};
use crate::contract::support::common::caught_in;
use crate::harness::{Cache, advance, run, runtime, spawn, until};

type Answer = Result<u64, LoadError<String>>;

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// Loads `key` with a loader that should not run.
async fn load_key(cache: &Cache<u32, u64>, key: u32, backend: &Backend) -> Answer {
    let fetched = backend.answer(Ok(u64::from(key)));
    cache.try_get_with(key, || fetched).await
}

fn is_reentrant(answer: &Answer) -> bool {
    matches!(answer, Err(LoadError::Reentrant))
}

#[test]
fn a_loader_that_loads_its_own_key_gets_an_error_and_may_continue() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let (handle, source) = (cache.clone(), backend.clone());
        let load = || async move {
            assert!(is_reentrant(&load_key(&handle, 1, &source).await));
            yields(1).await;
            assert!(is_reentrant(&load_key(&handle, 1, &source).await));
            Ok::<u64, String>(10)
        };
        assert_eq!(cache.try_get_with(1, load).await.unwrap(), 10);
        assert_eq!(cache.peek(&1), Some(10));
        assert_eq!(backend.calls(), 0, "no second load");
        assert_eq!(cache.stats().loads, 1);
    });
}

#[test]
fn a_loader_that_loads_its_own_key_through_other_keys_gets_an_error() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let (outer, middle, inner) = (cache.clone(), cache.clone(), cache.clone());
        let source = backend.clone();
        let load_3 = move || async move {
            assert!(is_reentrant(&load_key(&inner, 1, &source).await));
            assert!(is_reentrant(&load_key(&inner, 2, &source).await));
            assert!(is_reentrant(&load_key(&inner, 3, &source).await));
            Ok::<u64, String>(30)
        };
        let load_2 = move || async move {
            let three = middle
                .try_get_with(3, load_3)
                .await
                .map_err(|e| e.to_string())?;
            Ok::<u64, String>(three + 20)
        };
        let load_1 = move || async move {
            let two = outer
                .try_get_with(2, load_2)
                .await
                .map_err(|e| e.to_string())?;
            Ok::<u64, String>(two + 10)
        };
        assert_eq!(cache.try_get_with(1, load_1).await.unwrap(), 60);
        assert_eq!(cache.stats().loads, 3);
    });
}

#[test]
fn a_loader_that_loads_its_own_key_through_another_cache_gets_an_error() {
    run(|| async {
        let (first, second) = (cache(), cache());
        let backend = Backend::opened();
        let (to_first, to_second, source) = (first.clone(), second.clone(), backend.clone());
        let load_second = move || async move {
            assert!(is_reentrant(&load_key(&to_first, 1, &source).await));
            Ok::<u64, String>(20)
        };
        let load_first = move || async move {
            let answer = to_second.try_get_with(1, load_second).await;
            answer.map_err(|error| error.to_string())
        };
        assert_eq!(first.try_get_with(1, load_first).await.unwrap(), 20);
    });
}

#[test]
fn reentrance_is_detected_for_every_driver_of_the_load() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let (handle, wait) = (cache.clone(), backend.answer(()));
        let never = Backend::opened();
        let source = never.clone();
        let load = || async move {
            wait.await;
            Ok::<_, String>(u64::from(is_reentrant(
                &load_key(&handle, 1, &source).await,
            )))
        };
        let leader = parked(cache.try_get_with(1, load));
        // From now on a waiter or a task drives the load.
        let waiter = parked(load_key(&cache, 1, &never));
        backend.open();
        assert_eq!(waiter.await.unwrap(), 1);
        assert_eq!(leader.await.unwrap(), 1);
        assert_eq!(never.calls(), 0);
    });
}

#[test]
fn reentrance_is_detected_in_scoped_loads_and_before_the_first_await() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let scoped = cache.try_get_with_scoped(1, || async {
            assert!(is_reentrant(&load_key(&cache, 1, &backend).await));
            Ok::<u64, String>(10)
        });
        assert_eq!(scoped.await.unwrap(), 10);
        let (handle, source) = (cache.clone(), backend.clone());
        let load = || {
            // Polled during the call of the loader.
            let mut inside =
                Box::pin(async move { is_reentrant(&load_key(&handle, 2, &source).await) });
            let polled = crate::contract::support::backend::poll_once(&mut inside);
            std::future::ready(Ok::<u64, String>(u64::from(polled.is_ready())))
        };
        assert_eq!(cache.try_get_with(2, load).await.unwrap(), 1);
    });
}

#[test]
fn methods_without_an_error_type_panic_and_name_the_reentrance() {
    run(|| async {
        let cache = cache();
        for key in [1, 2] {
            let handle = cache.clone();
            let load = || async move {
                let plain = caught_in(handle.get_with(key, || async { 1 })).await;
                let optional = handle.optionally_get_with(key, || async { Some(1) });
                for message in [plain.unwrap_err(), caught_in(optional).await.unwrap_err()] {
                    assert!(
                        message.contains("requested the key that it is loading"),
                        "{message}"
                    );
                }
                10
            };
            assert_eq!(cache.get_with(key, load).await, 10);
        }
    });
}

#[test]
fn a_loader_may_load_other_keys_and_read_stored_values() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        cache.insert(3, 3);
        let (handle, source) = (cache.clone(), backend.clone());
        let load = || async move {
            let (two, three) = (load_key(&handle, 2, &source), load_key(&handle, 3, &source));
            two.await.unwrap() + three.await.unwrap()
        };
        assert_eq!(cache.get_with(1, load).await, 5);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_task_that_runs_beside_a_load_is_not_reentrant() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let (handle, wait) = (cache.clone(), backend.answer(5));
        // The loader spawns a task that loads the key, and does not wait for it.
        let load = || async move {
            let beside = spawn(async move { handle.get_with(1, || async { 6 }).await });
            let answer = wait.await;
            (answer, beside)
        };
        let mut beside = None;
        let load = cache.get_with_scoped(1, || async {
            let (answer, task) = load().await;
            beside = Some(task);
            answer
        });
        let load = parked(load);
        until(|| cache.stats().coalesced == 1).await;
        backend.open();
        assert_eq!(load.await, 5);
        assert_eq!(beside.expect("the task was spawned").join().await, 5);
    });
}
