//! Callers that join a load while its loader is polled for the first time.

use std::future::Future;
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use cache_core::LoadError;

use crate::contract::support::backend::{parked, poll_once};
use crate::contract::support::common::{Gate, boom, caught};
use crate::harness::{Cache, Task, run, runtime, spawn, until};

/// The timeout of a thread that hangs. No test waits for it otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

const KEY: u32 = 1;

type Answer = Result<u64, LoadError<String>>;

/// A cache with an entry, so that a value can be written by eviction alone.
fn cache() -> Cache<u32, u64> {
    let cache = Cache::builder_on(runtime()).max_capacity(3).shards(1);
    let cache = cache.build();
    cache.insert(0, 0);
    cache
}

/// A thread that polls a load of the key once, and stops in that poll.
struct Leader {
    poll: thread::JoinHandle<Result<Poll<Answer>, String>>,
    goes_on: Sender<()>,
}

impl Leader {
    /// The loader stops, and then continues with `rest`.
    async fn new<F>(cache: &Cache<u32, u64>, rest: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<u64, String>> + Send + 'static,
    {
        let (goes_on, stop) = channel();
        let handle = cache.clone();
        let loads = cache.stats().loads;
        let poll = thread::spawn(move || {
            let load = || async move {
                stop.recv_timeout(PATIENCE).expect("the test hangs");
                rest().await
            };
            let mut loading = Box::pin(handle.try_get_with(KEY, load));
            caught(|| poll_once(&mut loading))
        });
        until(|| cache.stats().loads > loads).await;
        Self { poll, goes_on }
    }

    /// Lets the loader continue. Returns the result of the poll; the load has then lost its leader.
    async fn finish(self) -> Result<Poll<Answer>, String> {
        self.goes_on.send(()).expect("the loader waits for it");
        until(|| self.poll.is_finished()).await;
        self.poll.join().expect("the thread catches the panic")
    }
}

/// A task that has joined the load of the key.
async fn waiter(cache: &Cache<u32, u64>) -> Task<Answer> {
    let (joined, handle) = (cache.stats().coalesced, cache.clone());
    let task = spawn(async move { handle.try_get_with(KEY, || async { Ok(99) }).await });
    until(|| cache.stats().coalesced > joined).await;
    task
}

fn is_ready(polled: Result<Poll<Answer>, String>, value: u64) -> bool {
    matches!(polled, Ok(Poll::Ready(Ok(answer))) if answer == value)
}

#[test]
fn callers_that_join_get_the_value() {
    run(|| async {
        let cache = cache();
        let leader = Leader::new(&cache, || async { Ok(10) }).await;
        let waiters = (waiter(&cache).await, waiter(&cache).await);
        assert_eq!(cache.flight_count(), 1);
        assert!(is_ready(leader.finish().await, 10));
        assert_eq!(
            (
                waiters.0.join().await.unwrap(),
                waiters.1.join().await.unwrap()
            ),
            (10, 10)
        );
        assert_eq!(cache.peek(&KEY), Some(10));
        assert_eq!((cache.stats().loads, cache.flight_count()), (1, 0));
    });
}

#[test]
fn callers_that_joined_before_a_write_get_the_value_and_the_write_stays() {
    run(|| async {
        let cache = cache();
        let leader = Leader::new(&cache, || async { Ok(10) }).await;
        let waiter = waiter(&cache).await;
        cache.insert(KEY, 50);
        assert!(is_ready(leader.finish().await, 10));
        assert_eq!(waiter.join().await.unwrap(), 10);
        assert_eq!(cache.peek(&KEY), Some(50));
        assert_eq!(cache.stats().loads_fenced, 1);
    });
}

#[test]
fn a_caller_after_a_removal_starts_a_load_of_its_own() {
    run(|| async {
        let cache = cache();
        let leader = Leader::new(&cache, || async { Ok(10) }).await;
        let early = waiter(&cache).await;
        cache.invalidate_all();
        let late = cache.try_get_with(KEY, || async { Ok::<_, String>(20) });
        assert_eq!(late.await.unwrap(), 20);
        assert!(is_ready(leader.finish().await, 10));
        assert_eq!(early.join().await.unwrap(), 10);
        assert_eq!(cache.peek(&KEY), Some(20));
        assert_eq!((cache.stats().loads, cache.stats().loads_fenced), (2, 1));
    });
}

#[test]
fn callers_that_join_get_the_error_and_the_panic() {
    run(|| async {
        let cache = cache();
        let leader = Leader::new(&cache, || async { Err("no value".to_owned()) }).await;
        let failed = waiter(&cache).await;
        assert!(matches!(leader.finish().await, Ok(Poll::Ready(Err(_)))));
        assert!(matches!(failed.join().await, Err(LoadError::Loader(_))));

        let leader = Leader::new(&cache, || async { boom() }).await;
        let panicked = waiter(&cache).await;
        assert!(leader.finish().await.is_err());
        assert!(matches!(panicked.join().await, Err(LoadError::Panicked)));
        assert_eq!((cache.flight_count(), cache.stats().load_failures), (0, 2));
    });
}

#[test]
fn a_caller_that_joined_continues_the_load_of_a_leader_that_leaves() {
    run(|| async {
        let cache = cache();
        let gate = Gate::new();
        let opens = gate.clone();
        let rest = || async move {
            gate.pass().await;
            Ok(10)
        };
        let leader = Leader::new(&cache, rest).await;
        let waiter = waiter(&cache).await;
        assert!(matches!(leader.finish().await, Ok(Poll::Pending)));
        opens.open();
        assert_eq!(waiter.join().await.unwrap(), 10);
        assert_eq!(cache.peek(&KEY), Some(10));
        assert_eq!(cache.stats().loads, 1);
    });
}

#[test]
fn a_caller_that_joined_may_leave() {
    run(|| async {
        let cache = cache();
        let leader = Leader::new(&cache, || async { Ok(10) }).await;
        let waiter = parked(cache.try_get_with(KEY, || async { Ok::<_, String>(99) }));
        assert_eq!(cache.stats().coalesced, 1);
        drop(waiter);
        assert!(is_ready(leader.finish().await, 10));
        assert_eq!(cache.peek(&KEY), Some(10));
        assert_eq!((cache.stats().loads, cache.flight_count()), (1, 0));
    });
}
