//! What the scenarios share: virtual time, a backend that counts, and answers that may never come.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Outcome, Verdict};
use crate::contenders::{Contender, Key, Value};

/// The key that most scenarios fight over.
pub(super) const KEY: Key = 1;

/// How long a backend takes.
pub(super) const LOAD: Duration = Duration::from_millis(100);

/// Some time in the middle of a load.
pub(super) const MIDWAY: Duration = Duration::from_millis(50);

/// Whoever has no answer by then gets none.
const FOREVER: Duration = Duration::from_secs(3600);

/// The scenario did not get where it wanted to, for the reason given.
#[derive(Debug)]
pub(super) struct Void(&'static str);

/// What a scenario comes to.
pub(super) type Told = Result<Outcome, Void>;

/// Goes no further unless `holds`.
pub(super) fn premise(holds: bool, what: &'static str) -> Result<(), Void> {
    if holds { Ok(()) } else { Err(Void(what)) }
}

/// Runs a scenario on one thread and virtual time.
pub(super) fn perform(scenario: impl Future<Output = Told>) -> Outcome {
    conclude(virtual_time().block_on(scenario))
}

pub(super) fn conclude(told: Told) -> Outcome {
    told.unwrap_or_else(|Void(what)| Outcome::new(Verdict::Void, format!("void: {what}")))
}

pub(super) fn virtual_time() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system")
}

/// Something slow that counts how often it is asked.
#[derive(Clone, Default)]
pub(super) struct Backend {
    calls: Arc<AtomicUsize>,
}

impl Backend {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Counts a call that a loader of its own kind makes.
    pub(super) fn note(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    /// Gives `value` after [`LOAD`]. Counts when it is first polled: some caches build the loader even on a hit.
    pub(super) fn gives<T: Send + 'static>(
        &self,
        value: T,
    ) -> impl Future<Output = T> + Send + use<T> {
        let backend = self.clone();
        async move {
            backend.note();
            sleep(LOAD).await;
            value
        }
    }

    /// The loads so far, in words.
    pub(super) fn loads(&self) -> String {
        match self.calls() {
            1 => "1 load".to_owned(),
            calls => format!("{calls} loads"),
        }
    }
}

/// An error type, and with another number another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<const N: u8>;

impl<const N: u8> fmt::Display for Failure<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failure {N}")
    }
}

impl<const N: u8> std::error::Error for Failure<N> {}

/// The one that is used where the type does not matter.
pub(super) type Down = Failure<0>;

/// What became of a task that asked the cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer<T> {
    Got(T),
    Panicked,
    Hangs,
}

impl<T> Answer<T> {
    pub(super) fn got(self) -> Option<T> {
        match self {
            Self::Got(value) => Some(value),
            Self::Panicked | Self::Hangs => None,
        }
    }
}

/// Waits for a task until it is clear that it will not end.
pub(super) async fn answer<T>(task: JoinHandle<T>) -> Answer<T> {
    match timeout(FOREVER, task).await {
        Ok(Ok(value)) => Answer::Got(value),
        Ok(Err(_)) => Answer::Panicked,
        Err(_) => Answer::Hangs,
    }
}

/// Waits for all of them.
pub(super) async fn answers<T>(tasks: Vec<JoinHandle<T>>) -> Vec<Answer<T>> {
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        answers.push(answer(task).await);
    }
    answers
}

/// What became of those who got no answer; `None` when everybody got one.
pub(super) fn misfortunes<T>(answers: &[Answer<T>]) -> Option<String> {
    let hang = answers
        .iter()
        .filter(|answer| matches!(answer, Answer::Hangs))
        .count();
    let panicked = answers
        .iter()
        .filter(|answer| matches!(answer, Answer::Panicked))
        .count();
    let all = answers.len();
    match (hang, panicked) {
        (0, 0) => None,
        (hang, 0) => Some(format!("{hang} of {all} hang")),
        (0, panicked) => Some(format!("{panicked} of {all} panic")),
        (hang, panicked) => Some(format!("{hang} of {all} hang, {panicked} panic")),
    }
}

/// A task that loads [`KEY`] from `backend`.
pub(super) fn spawn_load<C: Contender>(
    cache: &C,
    backend: &Backend,
    value: Value,
) -> JoinHandle<Value> {
    let (cache, loader) = (cache.clone(), backend.gives(value));
    tokio::spawn(async move { cache.load(KEY, loader).await })
}

/// Lets every task run until it waits for something.
pub(super) async fn everybody_runs() {
    sleep(Duration::from_millis(1)).await;
}

/// Polls once, as somebody who will not come back.
pub(super) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
