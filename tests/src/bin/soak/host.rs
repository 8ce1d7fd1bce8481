//! The runtimes of the tasks and the caches.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use cache_async_std::AsyncStd;
use cache_core::Instant;
use cache_core::runtime::{self, ExecutorId, MultiThread, Runtime, Task};
use cache_core::sync::{StdMutex, StdRwLock};
use cache_smol::Smol;
use cache_tokio::Tokio;
use clap::ValueEnum;

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A runtime, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Tokio,
    AsyncStd,
    Smol,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Tokio, Self::AsyncStd, Self::Smol];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokio => "tokio",
            Self::AsyncStd => "async-std",
            Self::Smol => "smol",
        })
    }
}

/// The runtime, or runtimes, that tasks run on.
pub(crate) enum Host {
    /// Two runtimes that are shut down and recreated now and then. Caches outlive them.
    Tokio([Option<tokio::runtime::Runtime>; 2]),
    /// async-std's global executor.
    AsyncStd,
    /// An executor with threads of its own.
    Smol(Arc<smol::Executor<'static>>),
}

impl Host {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Tokio => Self::Tokio([None, None]),
            Kind::AsyncStd => Self::AsyncStd,
            Kind::Smol => {
                let executor = Arc::new(smol::Executor::new());
                for _ in 0..THREADS {
                    let executor = Arc::clone(&executor);
                    // The threads end with the process.
                    thread::spawn(move || {
                        smol::block_on(executor.run(std::future::pending::<()>()));
                    });
                }
                Self::Smol(executor)
            }
        }
    }

    /// The runtime of a cache.
    pub(crate) fn runtime(&self) -> Rt {
        match self {
            Self::Tokio(_) => Rt::Tokio(Tokio::default()),
            Self::AsyncStd => Rt::AsyncStd(AsyncStd::default()),
            Self::Smol(executor) => Rt::Smol(Smol::default().with_executor(executor)),
        }
    }

    /// Runs `task` in the background, at one of [`Host::PLACES`].
    pub(crate) fn spawn(&mut self, place: usize, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Self::Tokio(runtimes) => {
                drop(runtimes[place].get_or_insert_with(tokio).spawn(task));
            }
            Self::AsyncStd => drop(async_std::task::spawn(task)),
            Self::Smol(executor) => executor.spawn(task).detach(),
        }
    }

    /// The number of places for tasks. Each can be shut down separately.
    pub(crate) const PLACES: usize = 2;

    /// Drops all tasks at `place`. Returns whether this runtime can.
    pub(crate) fn shut_down(&mut self, place: usize) -> bool {
        match self {
            Self::Tokio(runtimes) => runtimes[place].take().is_some(),
            Self::AsyncStd | Self::Smol(_) => false,
        }
    }
}

fn tokio() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(THREADS / 2).enable_time().build();
    runtime.expect("a runtime can be created")
}

/// The runtime of any adapter, so that the soak is compiled once.
#[derive(Debug, Clone)]
pub(crate) enum Rt {
    Tokio(Tokio),
    AsyncStd(AsyncStd),
    Smol(Smol),
}

/// A timer of any of the adapters.
#[derive(Debug)]
pub(crate) enum Timer {
    Tokio(<Tokio as Runtime>::Timer),
    AsyncStd(<AsyncStd as Runtime>::Timer),
    Smol(<Smol as Runtime>::Timer),
}

macro_rules! any {
    ($self:expr, $one:ident => $result:expr) => {
        match $self {
            Self::Tokio($one) => $result,
            Self::AsyncStd($one) => $result,
            Self::Smol($one) => $result,
        }
    };
}

impl Runtime for Rt {
    type Flavor = MultiThread;
    type Lock<T> = StdRwLock<T>;
    type Mutex<T> = StdMutex<T>;
    type Timer = Timer;

    fn now(&self) -> Instant {
        any!(self, rt => rt.now())
    }

    fn timer(&self) -> Option<Timer> {
        match self {
            Self::Tokio(rt) => rt.timer().map(Timer::Tokio),
            Self::AsyncStd(rt) => rt.timer().map(Timer::AsyncStd),
            Self::Smol(rt) => rt.timer().map(Timer::Smol),
        }
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        any!(self, rt => rt.spawn(task))
    }

    fn executor(&self) -> Option<ExecutorId> {
        any!(self, rt => rt.executor())
    }

    fn transient_executor(&self) -> Option<ExecutorId> {
        any!(self, rt => rt.transient_executor())
    }

    fn end_check(&self) -> Option<runtime::EndCheck<Self>> {
        any!(self, rt => rt.end_check())
    }

    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        any!(self, rt => rt.enter(f))
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        any!(self, rt => rt.context(f))
    }
}

impl runtime::Timer for Timer {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        any!(self, timer => timer.poll_until(deadline, cx))
    }

    fn is_usable(&self) -> bool {
        any!(self, timer => timer.is_usable())
    }
}

/// More than the cores of a small machine, so that threads are preempted at any point.
const THREADS: usize = 4;
