#![doc = include_str!("own.md")]

mod context;
mod flavor;

use core::convert::Infallible;
use core::hash::{Hash, Hasher};
use core::task::{self, Poll};

use crate::machine::Instant;
use crate::sync::{Mutex, RwLock};

pub use context::Context;
pub(crate) use context::ContextGuard;
#[cfg(not(target_os = "none"))]
pub(crate) use context::HookGuard;
#[cfg(feature = "std")]
pub use context::thread_context;
pub use flavor::{CurrentThread, Flavor, Hook, LoadErrorType, LoadFuture, MultiThread};

/// A task for [`Runtime::spawn`]: a boxed future that returns nothing.
pub type Task<R> = <<R as Runtime>::Flavor as Flavor>::Future<()>;

/// What [`Runtime::watch`] returns: a boxed function, `Send` and `Sync` where loaders are `Send`.
pub type Watch<R> = <<R as Runtime>::Flavor as Flavor>::Watch;

/// An async runtime, as the cache sees it.
pub trait Runtime: Sized + 'static {
    /// Whether futures and errors must be `Send`: [`MultiThread`] or [`CurrentThread`].
    type Flavor: Flavor;

    /// The lock around a shard.
    type Lock<T>: RwLock<T>;

    /// The lock around the state of one load.
    type Mutex<T>: Mutex<T>;

    /// The timer; [`NoTimer`] if the runtime has none.
    type Timer: Timer;

    /// Whether a spawned task goes on whatever becomes of the executor of the caller that had it
    /// spawned. Otherwise, when that caller leaves a load, whoever waits for it drives it.
    const TASKS_OUTLIVE_CALLER: bool = false;

    /// The time, from a clock that is the same for the whole life of a cache.
    fn now(&self) -> Instant;

    /// A timer, if one can be had here and now.
    fn timer(&self) -> Option<Self::Timer>;

    /// Runs `task` in the background.
    ///
    /// # Errors
    /// The task, where nothing can be spawned here and now.
    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>>;

    /// The executor that runs the code that calls this, and on which [`Runtime::spawn`] would spawn
    /// here; `None` on a thread of no executor.
    ///
    /// A program may have several, of which one stands still while another runs: a load that is
    /// waited for on more than one of them depends on none of them alone. By default there is one.
    fn executor(&self) -> Option<ExecutorId> {
        Some(ExecutorId::default())
    }

    /// The executor that runs the code that calls this, if it may end before the program does.
    ///
    /// What a loader has started on an executor ends with it, often by a panic in the loader. Such a
    /// load is abandoned: the waiters run their own loaders.
    fn home(&self) -> Option<ExecutorId> {
        None
    }

    /// A question to be asked later: whether the executor of [`Runtime::home`] has ended. It must say
    /// yes as soon as that drops the first of its tasks. Asked only after a panic.
    fn watch(&self) -> Option<Watch<Self>> {
        None
    }

    /// Runs `f`, which is a part of a loader: it makes its future, polls it, or drops it. For runtimes
    /// whose own futures must find the runtime around them.
    fn around<T>(&self, f: impl FnOnce() -> T) -> T {
        f()
    }

    /// Calls `f` with the context of the current thread of control: the same for all code that
    /// runs inside one call of `poll`, and never shared by two that can run at the same time.
    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T;
}

/// What tells an executor from others that run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ExecutorId(u64);

impl ExecutorId {
    /// The executor with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The executor with an id that can only be hashed, as one 64-bit number or less: two such ids
    /// are never taken for one.
    #[must_use]
    pub fn of(id: &impl Hash) -> Self {
        let mut number = Number(0);
        id.hash(&mut number);
        Self(number.0)
    }
}

/// Hashes a number to itself.
struct Number(u64);

impl Hasher for Number {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A timer that can be set again and again.
pub trait Timer: Unpin + 'static {
    /// Is ready once `deadline` has passed; until then, the task is woken at `deadline`. A call
    /// with another deadline than the one before sets the timer anew.
    fn poll_until(&mut self, deadline: Instant, cx: &mut task::Context<'_>) -> Poll<()>;

    /// Whether it can still be polled, here and now. Otherwise the cache asks the runtime for
    /// another: where there is none, it goes on without a timer.
    fn works(&self) -> bool {
        true
    }
}

/// The timer that is there if it works, or else another, if one can be had.
pub(crate) fn working<R: Runtime>(timer: Option<R::Timer>, runtime: &R) -> Option<R::Timer> {
    timer.filter(Timer::works).or_else(|| runtime.timer())
}

/// The timer of a runtime that has none. It cannot be made.
#[derive(Debug, Clone, Copy)]
pub struct NoTimer(Infallible);

impl Timer for NoTimer {
    fn poll_until(&mut self, _: Instant, _: &mut task::Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}
