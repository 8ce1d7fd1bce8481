//! Many keys in one call: their loads run concurrently in one task, each polled only when woken.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use crate::contract::support::backend::{Backend, parked, poll_once};
use crate::contract::support::common::{Gate, assert_sound};
use crate::harness::{Cache, run, runtime, spawn, until};

fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

fn ten(key: u32) -> u64 {
    u64::from(key) * 10
}

/// Loads that end one by one. Counts their polls.
#[derive(Clone)]
struct OneByOne {
    gates: Arc<Vec<Semaphore>>,
    polls: Arc<AtomicUsize>,
}

impl OneByOne {
    fn new(keys: u32) -> Self {
        Self {
            gates: Arc::new((0..keys).map(|_| Semaphore::new(0)).collect()),
            polls: Arc::default(),
        }
    }

    fn load(&self, key: u32) -> impl Future<Output = Result<u64, String>> + use<> {
        let Self { gates, polls } = self.clone();
        async move {
            let mut waits = Box::pin(gates[key as usize].acquire());
            let opened = std::future::poll_fn(|cx| {
                polls.fetch_add(1, Ordering::SeqCst);
                waits.as_mut().poll(cx)
            });
            drop(opened.await);
            Ok(ten(key))
        }
    }

    /// Ends the loads one after the other.
    async fn end(&self, cache: &Cache<u32, u64>) {
        until(|| self.polls() == self.gates.len()).await;
        for (gate, ended) in self.gates.iter().zip(1..) {
            gate.close();
            until(|| cache.entry_count() == ended).await;
        }
    }

    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }
}

#[test]
fn get_all_polls_a_load_only_when_that_load_is_woken() {
    const KEYS: u32 = 300;
    run(|| async {
        let (cache, loads) = (cache(), OneByOne::new(KEYS));
        let source = loads.clone();
        let view = cache.loading(move |key: u32| source.load(key));
        let all = spawn(async move {
            let keys: Vec<u32> = (0..KEYS).collect();
            view.get_all(&keys).await
        });
        loads.end(&cache).await;
        let answers = all.join().await.into_iter().map(Result::unwrap);
        assert!(answers.eq((0..KEYS).map(ten)));
        assert!(loads.polls() <= 2 * KEYS as usize, "{}", loads.polls());
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_warm_up_polls_a_load_only_when_that_load_is_woken() {
    const KEYS: u32 = 300;
    run(|| async {
        let (cache, loads) = (cache(), OneByOne::new(KEYS));
        let (warms, source) = (cache.clone(), loads.clone());
        let warm = spawn(async move {
            let loaders = (0..KEYS).map(|key| {
                let source = source.clone();
                (key, move || source.load(key))
            });
            warms.warm(usize::MAX, loaders).await
        });
        loads.end(&cache).await;
        assert_eq!(warm.join().await.loaded, KEYS as usize);
        assert!(loads.polls() <= 2 * KEYS as usize, "{}", loads.polls());
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn a_duplicate_key_in_get_all_is_loaded_once_and_counts_as_two_requests() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::new());
        let source = backend.clone();
        let view = cache.loading(move |key: u32| source.answer(Ok::<_, String>(ten(key))));
        let all = spawn(async move { view.get_all([&1, &2, &1]).await });
        until(|| backend.calls() == 2).await;
        backend.open();
        let answers = all.join().await.into_iter().map(Result::unwrap);
        assert_eq!(answers.collect::<Vec<_>>(), [10, 20, 10]);
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.loads, stats.coalesced), (3, 2, 1));
    });
}

#[test]
fn a_duplicate_key_in_load_many_is_loaded_once_and_counts_as_two_requests() {
    run(|| async {
        let cache = cache();
        let view = cache.batching(|keys: Vec<u32>| async move {
            keys.into_iter().map(ten).collect::<Vec<_>>()
        });
        let many = view.clone();
        let many = spawn(async move { many.get_all([1, 2, 1]).await });
        until(|| cache.stats().misses == 3).await;
        view.dispatch();
        let answers = many.join().await.into_iter().map(Result::unwrap);
        let expected = [Some(10), Some(20), Some(10)];
        assert_eq!(answers.collect::<Vec<_>>(), expected);
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.loads, stats.coalesced), (3, 2, 1));
        assert_eq!((stats.batches, stats.batched_keys), (1, 2));
    });
}

#[test]
fn dropping_get_all_drops_the_loads_without_other_callers() {
    run(|| async {
        let (cache, gate) = (cache(), Gate::new());
        let passes = gate.clone();
        let view = cache.loading(move |key: u32| {
            let passes = passes.clone();
            async move {
                passes.pass().await;
                Ok::<_, String>(ten(key))
            }
        });
        let mut all = Box::pin(view.get_all([&1, &2, &3, &2]));
        assert!(poll_once(&mut all).is_pending());
        let joins = parked(view.get(&2));
        assert_eq!(cache.flight_count(), 3);
        drop(all);
        assert_eq!((cache.flight_count(), cache.stats().loads_dropped), (1, 2));
        gate.open();
        assert_eq!(joins.await.unwrap(), 20);
        assert_sound(&cache, |_, _| 1);
    });
}

#[test]
fn nothing_is_loaded_before_the_future_is_polled() {
    run(|| async {
        let (cache, backend) = (cache(), Backend::opened());
        let source = backend.clone();
        let view = cache.loading(move |key: u32| source.answer(Ok::<_, String>(ten(key))));
        drop(view.get_all([&1, &2]));
        let batches = cache.batching(|keys: Vec<u32>| async move {
            keys.into_iter().map(ten).collect::<Vec<_>>()
        });
        drop(batches.get_all([1, 2]));
        let source = backend.clone();
        let load = move || source.answer(Ok::<_, String>(0));
        drop(cache.warm(1, [(1, load)]));
        assert_eq!((backend.calls(), cache.stats().requests()), (0, 0));
    });
}
