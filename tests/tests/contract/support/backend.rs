//! A backend for loaders, and ways to run and poll their callers.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use cache_core::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::contract::support::common::yield_once;
use crate::harness::{Sendable, Task, runtime, spawn, task_count};

/// The source of the loaders' results. It counts requests, and delays each result until it is open.
#[derive(Clone)]
pub struct Backend(Arc<BackendState>);

struct BackendState {
    calls: AtomicUsize,
    gate: Semaphore,
}

impl Backend {
    /// A closed backend.
    pub fn new() -> Self {
        Self(Arc::new(BackendState {
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        }))
    }

    /// A backend that returns results immediately.
    pub fn opened() -> Self {
        let backend = Self::new();
        backend.open();
        backend
    }

    /// Returns the results of all current and future requests.
    pub fn open(&self) {
        self.0.gate.close();
    }

    /// The number of requests.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// A loader's future: returns `answer` once the backend is open. The first poll counts as a
    /// request.
    pub fn answer<T>(&self, answer: T) -> impl Future<Output = T> + use<T> {
        self.then(move || answer)
    }

    /// Like [`Backend::answer`], but computes the result at the end.
    pub fn then<T, A: FnOnce() -> T>(&self, answer: A) -> impl Future<Output = T> + use<T, A> {
        let state = Arc::clone(&self.0);
        async move {
            state.calls.fetch_add(1, Ordering::SeqCst);
            // Closing the semaphore opens the gate.
            let _closed = state.gate.acquire().await;
            answer()
        }
    }
}

/// Spawns `count` tasks of the same kind, each with its own clone of `handles`.
pub fn herd<H, F>(count: usize, handles: &H, call: impl Fn(H) -> F) -> Vec<Task<F::Output>>
where
    H: Clone,
    F: Future<Output: Sendable + 'static> + Sendable + 'static,
{
    (0..count).map(|_| spawn(call(handles.clone()))).collect()
}

/// Whether a background task alone drives a load: the runtime has more than `tasks` tasks, and
/// reports that the waiters are on the executor of that task.
pub fn is_in_the_background(tasks: usize) -> bool {
    task_count() > tasks && Runtime::executor(&runtime()).is_some()
}

/// Joins all tasks and returns their outputs.
pub async fn join_all<T>(tasks: Vec<Task<T>>) -> Vec<T> {
    let mut outputs = Vec::with_capacity(tasks.len());
    for task in tasks {
        outputs.push(task.join().await);
    }
    outputs
}

/// Polls a future once with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `future` once and returns it pending. Only the test polls it again.
pub fn parked<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let pending = poll_once(&mut future).is_pending();
    assert!(pending, "the call must be pending");
    future
}

/// Waits for all calls in one task, and polls each of them on every wake.
pub async fn all<F: Future>(calls: Vec<Pin<Box<F>>>) -> Vec<F::Output> {
    let mut calls: Vec<_> = calls.into_iter().map(|call| (call, None)).collect();
    std::future::poll_fn(|cx| {
        for (call, output) in &mut calls {
            if output.is_none()
                && let Poll::Ready(ready) = call.as_mut().poll(cx)
            {
                *output = Some(ready);
            }
        }
        if calls.iter().any(|(_, output)| output.is_none()) {
            return Poll::Pending;
        }
        Poll::Ready(calls.drain(..).filter_map(|(_, output)| output).collect())
    })
    .await
}

/// Polls `future` at most `polls` times, each time after a wake, and then drops it.
pub async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut left = polls;
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Yields `times` times. A loader that does this wakes itself each time.
pub async fn yields(times: usize) {
    for _ in 0..times {
        yield_once().await;
    }
}

/// A small random number generator (SplitMix64). The same seed gives the same numbers.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    /// Like [`Dice::roll`], for a count or an index.
    pub fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll(sides as u64)).expect("the number fits into usize")
    }
}
