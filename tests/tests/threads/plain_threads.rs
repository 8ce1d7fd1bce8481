//! Blocking loads on plain threads, beside the tasks of each multi-threaded runtime.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cache_core::LoadError;

use crate::contract::support::backend::{Backend, herd, join_all, parked};
use crate::contract::support::common::{SECOND, boom, caught};
use crate::harness::{Cache, advance, run, runtime, until};

/// The timeout of a thread that hangs. No test waits for it otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

type Words = Result<u64, String>;

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// A sync loader that stops until the test opens its door.
struct Door {
    opened: Sender<()>,
    waits: Arc<Mutex<Receiver<()>>>,
}

impl Door {
    fn new() -> Self {
        let (opened, waits) = channel();
        Self {
            opened,
            waits: Arc::new(Mutex::new(waits)),
        }
    }

    /// A loader of `value` that waits for [`Door::open`].
    fn loader<T: Send + 'static>(&self, value: T) -> impl FnOnce() -> T + Send + use<T> {
        let waits = Arc::clone(&self.waits);
        move || {
            let waits = waits.lock().expect("one loader waits");
            waits.recv_timeout(PATIENCE).expect("the test hangs");
            value
        }
    }

    fn open(&self) {
        self.opened.send(()).expect("the loader waits for it");
    }
}

/// Starts a thread that uses `cache`.
fn on_a_thread<T: Send + 'static>(
    cache: &Cache<u32, u64>,
    call: impl FnOnce(&Cache<u32, u64>) -> T + Send + 'static,
) -> JoinHandle<T> {
    let cache = cache.clone();
    thread::spawn(move || call(&cache))
}

async fn joined<T>(thread: JoinHandle<T>) -> T {
    until(|| thread.is_finished()).await;
    thread.join().expect("the thread does not panic")
}

async fn all_joined<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut outputs = Vec::new();
    for thread in threads {
        outputs.push(joined(thread).await);
    }
    outputs
}

/// A thread that leads the load of key 1 and waits in its loader.
async fn leader<T: Send + 'static>(
    cache: &Cache<u32, u64>,
    call: impl FnOnce(&Cache<u32, u64>) -> T + Send + 'static,
) -> JoinHandle<T> {
    let loads = cache.stats().loads;
    let thread = on_a_thread(cache, call);
    until(|| cache.stats().loads > loads).await;
    thread
}

#[test]
fn threads_that_miss_a_key_share_one_loader() {
    run(|| async {
        let (cache, door) = (cache(), Door::new());
        let load = door.loader(10);
        let leader = leader(&cache, |cache| cache.blocking().get_with(1, load)).await;
        let waiter = |_| on_a_thread(&cache, |cache| cache.blocking().get_with(1, || 99));
        let waiters: Vec<_> = (0..8).map(waiter).collect();
        until(|| cache.stats().coalesced == 8).await;
        door.open();
        assert_eq!(joined(leader).await, 10);
        assert_eq!(all_joined(waiters).await, [10; 8]);
        assert_eq!(cache.stats().loads, 1);
        assert_eq!(cache.flight_count(), 0);
    });
}

#[test]
fn tasks_wait_for_the_loader_of_a_thread() {
    run(|| async {
        let (cache, door, backend) = (cache(), Door::new(), Backend::opened());
        let load = door.loader(10);
        let leader = leader(&cache, |cache| cache.blocking().get_with(1, load)).await;
        let handles = (cache.clone(), backend.clone());
        let mut tasks = herd(20, &handles, |(cache, backend)| async move {
            cache.get_with(1, || backend.answer(20)).await
        });
        tasks.extend(herd(20, &handles, |(cache, backend)| async move {
            cache.get_with_scoped(1, || backend.answer(20)).await
        }));
        until(|| cache.stats().coalesced == 40).await;
        door.open();
        assert_eq!(join_all(tasks).await, [10; 40]);
        assert_eq!(joined(leader).await, 10);
        assert_eq!(backend.calls(), 0);
    });
}

#[test]
fn threads_wait_for_the_load_of_a_task_that_is_not_polled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiter = |_| on_a_thread(&cache, |cache| cache.blocking().get_with(1, || 99));
        let waiters: Vec<_> = (0..4).map(waiter).collect();
        until(|| cache.stats().coalesced == 4).await;
        backend.open();
        assert_eq!(all_joined(waiters).await, [10; 4]);
        assert_eq!(leader.await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_thread_continues_the_load_of_a_task_that_is_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with(1, || backend.answer(10)));
        let waiter = on_a_thread(&cache, |cache| cache.blocking().get_with(1, || 99));
        until(|| cache.stats().coalesced == 1).await;
        drop(leader);
        backend.open();
        assert_eq!(joined(waiter).await, 10);
        assert_eq!(backend.calls(), 1);
    });
}

#[test]
fn a_thread_runs_its_own_loader_when_the_scoped_load_of_a_task_is_cancelled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let leader = parked(cache.get_with_scoped(1, || backend.answer(10)));
        let waiter = on_a_thread(&cache, |cache| cache.blocking().get_with(1, || 20));
        until(|| cache.stats().coalesced == 1).await;
        drop(leader);
        assert_eq!(joined(waiter).await, 20);
        assert_eq!(cache.stats().loads_dropped, 1);
    });
}

#[test]
fn threads_and_tasks_get_the_error_of_a_loader() {
    run(|| async {
        let (cache, door) = (cache(), Door::new());
        let load = door.loader(Err::<u64, _>("down"));
        let leader = leader(&cache, |cache| cache.blocking().try_get_with(1, load)).await;
        let on_thread = on_a_thread(&cache, |cache| {
            cache.blocking().try_get_with(1, || Ok::<_, &str>(99))
        });
        let on_task = herd(1, &cache, |cache| async move {
            cache.try_get_with(1, || async { Ok::<_, &str>(99) }).await
        });
        until(|| cache.stats().coalesced == 2).await;
        door.open();
        for answer in [joined(leader).await, joined(on_thread).await] {
            assert_eq!(answer.unwrap_err().loader(), Some(&"down"));
        }
        for answer in join_all(on_task).await {
            assert_eq!(answer.unwrap_err().loader(), Some(&"down"));
        }
    });
}

#[test]
fn waiters_get_an_error_when_the_loader_of_a_thread_panics() {
    run(|| async {
        let (cache, door) = (cache(), Door::new());
        let load = door.loader(());
        let leader = leader(&cache, |cache| {
            caught(|| {
                cache.blocking().get_with(1, || {
                    load();
                    boom()
                })
            })
        })
        .await;
        let fallible = on_a_thread(&cache, |cache| {
            cache.blocking().try_get_with(1, || Ok::<_, String>(99))
        });
        let plain = on_a_thread(&cache, |cache| -> Words {
            caught(|| cache.blocking().get_with(1, || 99))
        });
        let on_task = herd(1, &cache, |cache| async move {
            cache
                .try_get_with(1, || async { Ok::<_, String>(99) })
                .await
        });
        until(|| cache.stats().coalesced == 3).await;
        door.open();
        assert_eq!(joined(leader).await.unwrap_err(), "boom");
        assert!(matches!(joined(fallible).await, Err(LoadError::Panicked)));
        let panicked = joined(plain).await.unwrap_err();
        let expected = LoadError::<String>::Panicked.to_string();
        assert!(panicked.contains(&expected), "{panicked}");
        for answer in join_all(on_task).await {
            assert!(matches!(answer, Err(LoadError::Panicked)));
        }
        assert_eq!(cache.blocking().get_with(1, || 20), 20);
    });
}

#[test]
fn waiters_that_cannot_return_none_run_one_loader_of_their_own() {
    run(|| async {
        let (cache, door, own) = (cache(), Door::new(), Door::new());
        let load = door.loader(None);
        let leader = leader(&cache, |cache| {
            cache.blocking().optionally_get_with(1, load)
        })
        .await;
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let load = own.loader(20);
                on_a_thread(&cache, |cache| cache.blocking().get_with(1, load))
            })
            .collect();
        until(|| cache.stats().coalesced == 4).await;
        door.open();
        assert_eq!(joined(leader).await, None);
        // One of them leads, and the others wait for it.
        until(|| cache.stats().coalesced == 7).await;
        own.open();
        assert_eq!(all_joined(waiters).await, [20; 4]);
        assert_eq!(cache.stats().loads, 2);
    });
}

#[test]
fn a_loader_waits_for_the_loader_of_another_thread() {
    run(|| async {
        let (cache, door) = (cache(), Door::new());
        let load = door.loader(10);
        let inner = leader(&cache, |cache| cache.blocking().get_with(1, load)).await;
        let outer = on_a_thread(&cache, |cache| {
            let blocking = cache.blocking();
            blocking.get_with(2, || blocking.get_with(1, || 99) + 1)
        });
        until(|| cache.stats().coalesced == 1).await;
        door.open();
        assert_eq!((joined(inner).await, joined(outer).await), (10, 11));
        assert_eq!(cache.get(&2), Some(11));
    });
}

#[test]
fn a_thread_gets_the_timeout_of_the_load_that_it_joined() {
    run(|| async {
        let builder = Cache::<u32, u64>::builder_on(runtime());
        let (cache, backend) = (builder.load_timeout(SECOND).build(), Backend::new());
        let load = || backend.answer(Ok::<_, String>(10));
        let leader = parked(cache.try_get_with(1, load));
        let waiter = on_a_thread(&cache, |cache| {
            cache.blocking().try_get_with(1, || Ok::<_, String>(99))
        });
        until(|| cache.stats().coalesced == 1).await;
        advance(SECOND).await;
        assert!(matches!(joined(waiter).await, Err(LoadError::TimedOut(_))));
        assert!(matches!(leader.await, Err(LoadError::TimedOut(_))));
    });
}
