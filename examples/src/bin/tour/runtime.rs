//! The runtime that the tour runs on, chosen by a flag. A program with one runtime needs none of
//! this: it has `use cache_tokio::Cache`, or the same for another adapter.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use cache_async_std::AsyncStd;
use cache_core::Instant;
use cache_core::runtime::{self, ExecutorId, MultiThread, Runtime, Timer};
use cache_core::sync::{StdMutex, StdRwLock};
use cache_smol::Smol;
use cache_tokio::Tokio;
use clap::ValueEnum;
use smol::Executor;
use tokio::sync::oneshot;

use crate::BoxError;

/// A cache on the runtime of the tour.
pub(crate) type Cache<K, V> = cache_core::Cache<K, V, Chosen>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    Tokio,
    AsyncStd,
    Smol,
}

impl Choice {
    /// Runs `future`, and every task that it spawns, on this runtime, on as many threads as there
    /// are cores.
    ///
    /// # Panics
    /// Panics if it is called twice, or if no thread can be started.
    pub(crate) fn block_on<T>(self, future: impl Future<Output = T>) -> T {
        match self {
            Self::Tokio => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                let runtime = builder.enable_time().build();
                let runtime = runtime.expect("threads can be started");
                runtime.block_on(on(|| Chosen::Tokio(Tokio::default()), future))
            }
            Self::AsyncStd => {
                async_std::task::block_on(on(|| Chosen::AsyncStd(AsyncStd::default()), future))
            }
            Self::Smol => {
                let executor = executor_of_smol();
                let smol = || Chosen::Smol(Smol::default().with_executor(executor));
                smol::block_on(executor.run(on(smol, future)))
            }
        }
    }
}

/// Starts an executor on a thread for each core. It runs until the program ends.
fn executor_of_smol() -> &'static Arc<Executor<'static>> {
    static EXECUTOR: OnceLock<Arc<Executor<'static>>> = OnceLock::new();
    let executor = EXECUTOR.get_or_init(Arc::default);
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        thread::spawn(|| smol::block_on(executor.run(std::future::pending::<()>())));
    }
    executor
}

static CHOSEN: OnceLock<Chosen> = OnceLock::new();

async fn on<T>(chosen: impl FnOnce() -> Chosen, future: impl Future<Output = T>) -> T {
    assert!(CHOSEN.set(chosen()).is_ok(), "the tour runs once");
    future.await
}

/// The runtime of one of the adapters. The default is the runtime of the tour.
#[derive(Debug, Clone)]
pub(crate) enum Chosen {
    Tokio(Tokio),
    AsyncStd(AsyncStd),
    Smol(Smol),
}

pub(crate) enum ChosenTimer {
    Tokio(cache_tokio::Timer),
    AsyncStd(cache_async_std::Timer),
    Smol(cache_smol::Timer),
}

impl Default for Chosen {
    fn default() -> Self {
        CHOSEN.get().expect("the tour runs").clone()
    }
}

impl Runtime for Chosen {
    type Flavor = MultiThread;
    type Lock<T> = StdRwLock<T>;
    type Mutex<T> = StdMutex<T>;
    type Timer = ChosenTimer;

    fn now(&self) -> Instant {
        match self {
            Self::Tokio(runtime) => runtime.now(),
            Self::AsyncStd(runtime) => runtime.now(),
            Self::Smol(runtime) => runtime.now(),
        }
    }

    fn timer(&self) -> Option<ChosenTimer> {
        match self {
            Self::Tokio(runtime) => runtime.timer().map(ChosenTimer::Tokio),
            Self::AsyncStd(runtime) => runtime.timer().map(ChosenTimer::AsyncStd),
            Self::Smol(runtime) => runtime.timer().map(ChosenTimer::Smol),
        }
    }

    fn spawn(&self, task: runtime::Task<Self>) -> Result<(), runtime::Task<Self>> {
        match self {
            Self::Tokio(runtime) => runtime.spawn(task),
            Self::AsyncStd(runtime) => runtime.spawn(task),
            Self::Smol(runtime) => runtime.spawn(task),
        }
    }

    fn executor(&self) -> Option<ExecutorId> {
        match self {
            Self::Tokio(runtime) => runtime.executor(),
            Self::AsyncStd(runtime) => runtime.executor(),
            Self::Smol(runtime) => runtime.executor(),
        }
    }

    fn transient_executor(&self) -> Option<ExecutorId> {
        match self {
            Self::Tokio(runtime) => runtime.transient_executor(),
            Self::AsyncStd(runtime) => runtime.transient_executor(),
            Self::Smol(runtime) => runtime.transient_executor(),
        }
    }

    fn end_check(&self) -> Option<runtime::EndCheck<Self>> {
        match self {
            Self::Tokio(runtime) => runtime.end_check(),
            Self::AsyncStd(runtime) => runtime.end_check(),
            Self::Smol(runtime) => runtime.end_check(),
        }
    }

    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        match self {
            Self::Tokio(runtime) => runtime.enter(f),
            Self::AsyncStd(runtime) => runtime.enter(f),
            Self::Smol(runtime) => runtime.enter(f),
        }
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        match self {
            Self::Tokio(runtime) => runtime.context(f),
            Self::AsyncStd(runtime) => runtime.context(f),
            Self::Smol(runtime) => runtime.context(f),
        }
    }
}

impl Timer for ChosenTimer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tokio(timer) => timer.poll_until(deadline, cx),
            Self::AsyncStd(timer) => timer.poll_until(deadline, cx),
            Self::Smol(timer) => timer.poll_until(deadline, cx),
        }
    }
}

/// Waits for `duration`.
pub(crate) async fn sleep(duration: Duration) {
    let runtime = Chosen::default();
    let deadline = runtime.now().after(duration);
    let mut timer = runtime.timer().expect("every adapter's runtime has timers");
    poll_fn(|cx| timer.poll_until(deadline, cx)).await;
}

/// A background task. As a future it returns the task's output.
pub(crate) struct Task<T>(oneshot::Receiver<T>);

/// Runs `future` in the background, even after the returned task is dropped.
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    let (sender, output) = oneshot::channel();
    let spawned = Chosen::default().spawn(Box::pin(async move {
        // The send fails if the task handle was dropped.
        let _ = sender.send(future.await);
    }));
    assert!(spawned.is_ok(), "every adapter's runtime can spawn");
    Task(output)
}

impl<T> Future for Task<T> {
    type Output = Result<T, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = Pin::new(&mut self.0).poll(cx);
        output.map_err(|_| "a task has panicked".into())
    }
}
