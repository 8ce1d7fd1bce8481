//! What the contracts about batches need: a store that is asked in batches.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use cache_core::{BatchOutput, Batching, BatchingBuilder};
use tokio::sync::Semaphore;

use crate::contract::support::backend::poll_once;
use crate::harness::{Boxed, Cache, Rt, Sendable, runtime};

pub const MS: Duration = Duration::from_millis(1);

/// The window of a view that was not told otherwise.
pub const WINDOW: Duration = Duration::from_millis(5);

/// A batching view, as most tests use it.
pub type View<L> = Batching<u32, u64, Rt, L>;

/// The settings of such a view.
pub type Building<L> = BatchingBuilder<u32, u64, Rt, L>;

/// Where batch loaders get their answers: it knows what it was asked for, and makes them wait until
/// it is open. Whoever holds it, a batch under way above all, can be counted.
#[derive(Clone)]
pub struct Store(Arc<StoreState>);

struct StoreState {
    batches: Mutex<Vec<Vec<u32>>>,
    gate: Semaphore,
}

impl Store {
    /// A store that answers nobody yet.
    pub fn new() -> Self {
        Self(Arc::new(StoreState {
            batches: Mutex::default(),
            gate: Semaphore::new(0),
        }))
    }

    /// A store that answers at once.
    pub fn opened() -> Self {
        let store = Self::new();
        store.open();
        store
    }

    /// Answers everybody who waits, and from now on whoever asks.
    pub fn open(&self) {
        self.0.gate.close();
    }

    /// Answers the batch that has waited longest.
    pub fn answer_one(&self) {
        self.0.gate.add_permits(1);
    }

    /// What it was asked for, batch by batch; the keys of each in order.
    pub fn requested(&self) -> Vec<Vec<u32>> {
        let mut batches = self.0.batches.lock().expect("no panic meanwhile").clone();
        batches.iter_mut().for_each(|keys| keys.sort_unstable());
        batches
    }

    /// How many keys each batch had.
    pub fn sizes(&self) -> Vec<usize> {
        self.requested().iter().map(Vec::len).collect()
    }

    /// How many batches it was asked.
    pub fn batches(&self) -> usize {
        self.0.batches.lock().expect("no panic meanwhile").len()
    }

    /// Who holds it, without the caller.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Asks for `keys`; `answer` is called once the store is open.
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
            .expect("no panic meanwhile")
            .push(known);
        async move {
            if let Ok(permit) = store.0.gate.acquire().await {
                permit.forget();
            }
            answer(keys)
        }
    }
}

/// A cache without limits.
pub fn cache() -> Cache<u32, u64> {
    Cache::builder_on(runtime()).build()
}

/// A view whose batches ask `store`.
pub fn building<O>(
    cache: &Cache<u32, u64>,
    store: &Store,
    answer: fn(Vec<u32>) -> O,
) -> Building<impl FnOnce(Vec<u32>) -> Boxed<O> + Clone + use<O>>
where
    O: BatchOutput<u32, u64, Error: Sendable + Sync + 'static> + Sendable + 'static,
{
    let store = store.clone();
    cache.batching_builder(move |keys| -> Boxed<O> { Box::pin(store.fetch(keys, answer)) })
}

/// For each key ten times the key.
pub fn tens(keys: Vec<u32>) -> HashMap<u32, u64> {
    keys.into_iter().map(|key| (key, ten(key))).collect()
}

/// Answers for even keys only.
pub fn even(keys: Vec<u32>) -> HashMap<u32, u64> {
    let even = keys.into_iter().filter(|key| key % 2 == 0).collect();
    tens(even)
}

pub fn ten(key: u32) -> u64 {
    u64::from(key) * 10
}

/// A call that was polled once, by hand.
pub fn begun<F: Future>(future: F) -> Begun<F> {
    let mut future = Box::pin(future);
    match poll_once(&mut future) {
        Poll::Pending => Begun::Waits(future),
        Poll::Ready(output) => Begun::Done(Some(output)),
    }
}

/// What [`begun`] returns.
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

/// Asks a view for a key: the call is in its window when this returns, and goes on in a task.
#[allow(unused_macros, reason = "a program may include no tests of batches")]
macro_rules! spawn_load {
    ($view:expr, $key:expr) => {{
        let (view, key) = ($view.clone(), $key);
        crate::harness::spawn($crate::contract::support::batch_backend::begun(
            async move { view.load(key).await },
        ))
    }};
}

pub(crate) use spawn_load;
