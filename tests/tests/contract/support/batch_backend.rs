//! A backend for batch loaders, and views that use it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use cache_core::{BatchLoader, BatchLoaderBuilder, BatchOutput};
use tokio::sync::Semaphore;

use crate::contract::support::backend::poll_once;
use crate::harness::{Boxed, Cache, Rt, Sendable, runtime};

pub const MS: Duration = Duration::from_millis(1);

/// The default window of a view.
pub const WINDOW: Duration = Duration::from_millis(5);

/// The batching view that most tests use.
pub type View<E = Infallible> = BatchLoader<u32, u64, E, Rt>;

/// The builder of a [`View`].
pub type Building<E = Infallible> = BatchLoaderBuilder<u32, u64, E, Rt>;

/// The source of the batch loaders' results. It records the requested keys, and delays each result
/// until it is open. Its handles can be counted; a batch in flight holds one.
#[derive(Clone)]
pub struct Store(Arc<StoreState>);

struct StoreState {
    batches: Mutex<Vec<Vec<u32>>>,
    gate: Semaphore,
}

impl Store {
    /// A closed store.
    pub fn new() -> Self {
        Self(Arc::new(StoreState {
            batches: Mutex::default(),
            gate: Semaphore::new(0),
        }))
    }

    /// A store that returns results immediately.
    pub fn opened() -> Self {
        let store = Self::new();
        store.open();
        store
    }

    /// Returns the results of all current and future requests.
    pub fn open(&self) {
        self.0.gate.close();
    }

    /// Returns the result of the oldest waiting batch.
    pub fn answer_one(&self) {
        self.0.gate.add_permits(1);
    }

    /// The requested keys of each batch, in order.
    pub fn requested(&self) -> Vec<Vec<u32>> {
        let mut batches = self
            .0
            .batches
            .lock()
            .expect("no other thread panicked")
            .clone();
        batches.iter_mut().for_each(|keys| keys.sort_unstable());
        batches
    }

    /// The number of keys of each batch.
    pub fn sizes(&self) -> Vec<usize> {
        self.requested().iter().map(Vec::len).collect()
    }

    /// The number of batches.
    pub fn batches(&self) -> usize {
        self.0
            .batches
            .lock()
            .expect("no other thread panicked")
            .len()
    }

    /// The number of other handles of this store.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Requests `keys`. Calls `answer` once the store is open.
    pub fn fetch<T, A>(&self, keys: Vec<u32>, answer: A) -> impl Future<Output = T> + use<T, A>
    where
        A: FnOnce(Vec<u32>) -> T,
    {
        let store = self.clone();
        let known = keys.clone();
        store
            .0
            .batches
            .lock()
            .expect("no other thread panicked")
            .push(known);
        async move {
            if let Ok(permit) = store.0.gate.acquire().await {
                permit.forget();
            }
            answer(keys)
        }
    }
}

/// A cache without bounds or deadlines.
pub fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// A view whose batches fetch from `store`.
pub fn building<O>(
    cache: &Cache<u32, u64>,
    store: &Store,
    answer: fn(Vec<u32>) -> O,
) -> Building<O::Error>
where
    O: BatchOutput<u32, u64, Error: Sendable + Sync + 'static> + Sendable + 'static,
{
    let store = store.clone();
    cache
        .batching_builder(move |keys: Vec<u32>| -> Boxed<O> { Box::pin(store.fetch(keys, answer)) })
}

/// Ten times each key.
pub fn tens(keys: Vec<u32>) -> HashMap<u32, u64> {
    keys.into_iter().map(|key| (key, ten(key))).collect()
}

/// Ten times each even key. Odd keys are missing.
pub fn even(keys: Vec<u32>) -> HashMap<u32, u64> {
    let even = keys.into_iter().filter(|key| key % 2 == 0).collect();
    tens(even)
}

pub fn ten(key: u32) -> u64 {
    u64::from(key) * 10
}

/// Polls `future` once and returns the rest of it.
pub fn begun<F: Future>(future: F) -> Begun<F> {
    let mut future = Box::pin(future);
    match poll_once(&mut future) {
        Poll::Pending => Begun::Waits(future),
        Poll::Ready(output) => Begun::Done(Some(output)),
    }
}

/// The result of [`begun`].
pub enum Begun<F: Future> {
    Waits(Pin<Box<F>>),
    Done(Option<F::Output>),
}

impl<F: Future> Unpin for Begun<F> {}

impl<F: Future> Future for Begun<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match &mut *self {
            Self::Waits(future) => future.as_mut().poll(cx),
            Self::Done(output) => Poll::Ready(output.take().expect("polled once")),
        }
    }
}

/// Loads a key through a view. The request is in its window when this returns, and a task awaits
/// it.
#[allow(unused_macros, reason = "a program may include no tests of batches")]
macro_rules! spawn_load {
    ($view:expr, $key:expr) => {{
        let (view, key) = ($view.clone(), $key);
        crate::harness::spawn($crate::contract::support::batch_backend::begun(
            async move { view.get(key).await },
        ))
    }};
}

pub(crate) use spawn_load;
