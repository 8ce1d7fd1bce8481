//! Panics and reentrance in batch loaders, and keys that panic.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::{BatchLoader, LoadError};

use crate::contract::support::backend::{join_all, parked, yields};
use crate::contract::support::batch_backend::{
    MS, Store, WINDOW, building, cache, spawn_load, ten, tens,
};
use crate::contract::support::common::boom;
use crate::harness::{Boxed, Cache, Rt, advance, run, runtime, spawn, until};

fn is_panicked<T, E>(answer: &Result<T, LoadError<E>>) -> bool {
    matches!(answer, Err(LoadError::Panicked))
}

#[test]
fn a_panicking_batch_loader_is_an_error_for_all_callers_and_the_next_batch_works() {
    run(|| async {
        for in_call in [true, false] {
            let (cache, store) = (cache(), Store::opened());
            let broken = Arc::new(AtomicBool::new(true));
            let (source, breaks) = (store.clone(), broken.clone());
            let view = cache
                .batching_builder(move |keys: Vec<u32>| {
                    let breaks_now = breaks.load(Ordering::SeqCst);
                    if in_call && breaks_now {
                        boom();
                    }
                    let answer = source.fetch(keys, tens);
                    async move {
                        if breaks_now {
                            yields(2).await;
                            boom();
                        }
                        answer.await
                    }
                })
                .max_concurrent_batches(1)
                .build();
            let calls = (1..=3).map(|key| spawn_load!(view, key)).collect();
            advance(WINDOW + MS).await;
            assert!(join_all(calls).await.iter().all(is_panicked));
            assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
            broken.store(false, Ordering::SeqCst);
            let calls = (1..=3).map(|key| spawn_load!(view, key)).collect();
            advance(WINDOW + MS).await;
            assert!(join_all(calls).await.iter().all(Result::is_ok));
            drop(view);
            until(|| store.holders() == 0).await;
        }
    });
}

#[test]
fn a_batch_loader_that_loads_its_own_keys_gets_an_error_and_may_continue() {
    run(|| async {
        let (cache, store) = (cache(), Store::opened());
        let itself = cache.clone();
        let inner = store.clone();
        let view = cache.batching(move |keys: Vec<u32>| {
            let loader = inner.clone();
            let inner = building(&itself, &loader, tens).build();
            let itself = itself.clone();
            async move {
                for key in [1, 2] {
                    let answer = inner.get(key).await;
                    assert!(matches!(answer, Err(LoadError::Reentrant)));
                    let single = itself.try_get_with(key, || async { Ok::<_, String>(0) });
                    assert!(matches!(single.await, Err(LoadError::Reentrant)));
                }
                tens(keys)
            }
        });
        let calls = vec![spawn_load!(view, 1), spawn_load!(view, 2)];
        advance(WINDOW + MS).await;
        let answers = join_all(calls).await.into_iter().map(Result::unwrap);
        assert_eq!(answers.collect::<Vec<_>>(), [Some(10), Some(20)]);
        assert_eq!(store.batches(), 0);
    });
}

/// A view whose loader uses the view itself.
type Nested = BatchLoader<u32, u64, Infallible, Rt>;

#[test]
fn a_batch_loader_may_load_other_keys_through_its_own_view() {
    thread_local! {
        static VIEW: std::cell::RefCell<Option<Nested>> = const { std::cell::RefCell::new(None) };
    }
    fn load(keys: Vec<u32>) -> Boxed<Vec<u64>> {
        let view = VIEW.with_borrow(|view| view.clone());
        Box::pin(async move {
            if let (Some(view), [1]) = (view, &keys[..]) {
                let inner = view.get(2);
                assert_eq!(inner.await.unwrap(), Some(20));
            }
            keys.into_iter().map(ten).collect()
        })
    }
    if !crate::harness::SINGLE_THREADED {
        return; // A thread-local holds the view.
    }
    run(|| async {
        let cache = cache();
        let loader: fn(Vec<u32>) -> Boxed<Vec<u64>> = load;
        let view = cache.batching(loader);
        VIEW.set(Some(view.clone()));
        let call = spawn_load!(view, 1);
        advance(WINDOW + MS).await;
        advance(WINDOW + MS).await;
        assert_eq!(call.join().await.unwrap(), Some(10));
        assert_eq!(cache.get(&2), Some(20));
        VIEW.set(None);
    });
}

/// A key that panics on clone or comparison, if armed.
#[derive(Debug)]
struct Fragile {
    number: u32,
    breaks: Arc<AtomicBool>,
}

impl Fragile {
    fn check(&self) {
        if self.breaks.load(Ordering::SeqCst) {
            boom();
        }
    }
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        self.check();
        let (number, breaks) = (self.number, Arc::clone(&self.breaks));
        Self { number, breaks }
    }
}

impl PartialEq for Fragile {
    fn eq(&self, other: &Self) -> bool {
        self.check();
        self.number == other.number
    }
}

impl Eq for Fragile {}

impl Hash for Fragile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

#[test]
fn keys_that_panic_on_clone_or_comparison_end_their_batch_only() {
    run(|| async {
        for breaks_late in [false, true] {
            let cache: Cache<Fragile, u64> = Cache::builder_on(runtime()).shards(1).build();
            let breaks = Arc::new(AtomicBool::new(false));
            let key = |number| {
                let breaks = Arc::clone(&breaks);
                Fragile { number, breaks }
            };
            let late = breaks_late.then(|| Arc::clone(&breaks));
            let view = cache
                .batching_builder(move |keys: Vec<Fragile>| {
                    let late = late.clone();
                    async move {
                        let answers = keys.into_iter().map(|key| {
                            let value = ten(key.number);
                            (key, Ok::<_, String>(Some(cache_core::Loaded::new(value))))
                        });
                        let answers = cache_core::Answers::ByKey(answers.collect());
                        if let Some(late) = late {
                            late.store(true, Ordering::SeqCst);
                        }
                        ByKey(answers)
                    }
                })
                .max_concurrent_batches(1)
                .build();
            let calls: Vec<_> = (1..=3)
                .map(|number| {
                    let (view, key) = (view.clone(), key(number));
                    spawn(parked(async move { view.get(key).await }))
                })
                .collect();
            breaks.store(!breaks_late, Ordering::SeqCst);
            advance(WINDOW + MS).await;
            let answers = join_all(calls).await;
            assert!(answers.iter().all(is_panicked), "late: {breaks_late}");
            breaks.store(false, Ordering::SeqCst);
            assert_eq!((cache.entry_count(), cache.flight_count()), (0, 0));
            let again = spawn(parked({
                let (view, key) = (view.clone(), key(1));
                async move { view.get(key).await }
            }));
            advance(WINDOW + MS).await;
            let again = again.join().await;
            breaks.store(false, Ordering::SeqCst);
            assert!(breaks_late || again.unwrap() == Some(10));
        }
    });
}

/// A user-defined type of results.
struct ByKey(cache_core::Answers<Fragile, u64, String>);

impl cache_core::BatchOutput<Fragile, u64> for ByKey {
    type Error = String;

    fn into_answers(self) -> Result<cache_core::Answers<Fragile, u64, String>, String> {
        Ok(self.0)
    }
}

#[test]
fn a_batch_whose_future_panics_on_drop_releases_its_permit() {
    struct Bomb(Arc<AtomicBool>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0.load(Ordering::SeqCst) {
                boom();
            }
        }
    }
    run(|| async {
        let (cache, store) = (cache(), Store::new());
        let armed = Arc::new(AtomicBool::new(true));
        let (source, bomb) = (store.clone(), armed.clone());
        let view = cache
            .batching_builder(move |keys: Vec<u32>| {
                let (answer, bomb) = (source.fetch(keys, tens), Bomb(bomb.clone()));
                async move {
                    let _bomb = bomb;
                    answer.await
                }
            })
            .max_concurrent_batches(1)
            .max_batch_size(1)
            .build();
        let gone = parked(view.get(1));
        let next = spawn_load!(view, 2);
        if store.batches() == 0 {
            until(|| store.batches() == 1).await;
        }
        let _reported = crate::contract::support::common::caught(|| drop(gone));
        armed.store(false, Ordering::SeqCst);
        store.open();
        assert_eq!(next.join().await.unwrap(), Some(20));
        assert_eq!(cache.flight_count(), 0);
    });
}
