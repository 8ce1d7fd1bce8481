//! The harness of the scenarios: virtual time, a backend that counts its calls, and answers that
//! may never arrive.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Outcome, Status};
use crate::contenders::{Contender, Key, Value};

/// The key of most scenarios.
pub(super) const KEY: Key = 1;

/// The duration of a load.
pub(super) const LOAD: Duration = Duration::from_millis(100);

/// An instant in the middle of a load.
pub(super) const MIDWAY: Duration = Duration::from_millis(50);

/// A caller without an answer after this time hangs.
const FOREVER: Duration = Duration::from_secs(3600);

/// A premise failed, for the reason given.
#[derive(Debug)]
pub(super) struct Void(&'static str);

/// The result of a scenario.
pub(super) type ScenarioResult = Result<Outcome, Void>;

/// Returns an error unless `holds`.
pub(super) fn premise(holds: bool, what: &'static str) -> Result<(), Void> {
    if holds { Ok(()) } else { Err(Void(what)) }
}

/// Runs a scenario on one thread, on virtual time.
pub(super) fn perform(scenario: impl Future<Output = ScenarioResult>) -> Outcome {
    conclude(virtual_time().block_on(scenario))
}

pub(super) fn conclude(result: ScenarioResult) -> Outcome {
    result.unwrap_or_else(|Void(what)| Outcome::new(Status::Void, format!("void: {what}")))
}

pub(super) fn virtual_time() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing from the system")
}

/// A slow backend that counts its calls.
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

    /// Counts a call by a loader that does not use [`Backend::gives`].
    pub(super) fn note(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    /// A loader that returns `value` after [`LOAD`]. It counts the call when it is first polled,
    /// since some caches build the loader even on a hit.
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

/// An error type. Each `N` is a distinct type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<const N: u8>;

impl<const N: u8> fmt::Display for Failure<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failure {N}")
    }
}

impl<const N: u8> std::error::Error for Failure<N> {}

/// The error type of scenarios in which the type does not matter.
pub(super) type Down = Failure<0>;

/// The end of a task that called the cache.
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

/// Waits until the task ends, or for [`FOREVER`].
pub(super) async fn answer<T>(task: JoinHandle<T>) -> Answer<T> {
    match timeout(FOREVER, task).await {
        Ok(Ok(value)) => Answer::Got(value),
        Ok(Err(_)) => Answer::Panicked,
        Err(_) => Answer::Hangs,
    }
}

/// Waits for all tasks.
pub(super) async fn answers<T>(tasks: Vec<JoinHandle<T>>) -> Vec<Answer<T>> {
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        answers.push(answer(task).await);
    }
    answers
}

/// Describes the callers that hang or panicked; `None` if every caller got one.
pub(super) fn unanswered<T>(answers: &[Answer<T>]) -> Option<String> {
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

/// Lets every task run until it is pending.
pub(super) async fn run_all_tasks() {
    sleep(Duration::from_millis(1)).await;
}

/// Polls once, with a waker that does nothing.
pub(super) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
