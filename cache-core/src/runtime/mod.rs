#![doc = include_str!("own.md")]

mod context;
mod flavor;
mod loader;

use core::convert::Infallible;
use core::hash::{Hash, Hasher};
use core::task::{self, Poll};

use crate::machine::Instant;
use crate::sync::{Mutex, RwLock};

pub use context::Context;
#[cfg(not(target_os = "none"))]
pub(crate) use context::HookGuard;
#[cfg(feature = "std")]
pub use context::thread_context;
pub(crate) use context::{ContextGuard, LoadId};
#[cfg(feature = "tier")]
pub use flavor::DeferredLoader;
pub use flavor::{CurrentThread, Flavor, Hook, LoadErrorType, LoadFuture, MultiThread};
pub use loader::{Loader, SharedLoader};

/// A task for [`Runtime::spawn`]: a boxed future that returns nothing.
pub type Task<R> = <<R as Runtime>::Flavor as Flavor>::Future<()>;

/// What [`Runtime::end_check`] returns: a boxed function that returns whether an executor has
/// ended. It is `Send + Sync` if the runtime's flavor is [`MultiThread`].
pub type EndCheck<R> = <<R as Runtime>::Flavor as Flavor>::EndCheck;

/// An async runtime, as the cache uses it. An adapter implements this trait.
///
/// None of these methods may call a cache: the cache calls some of them, such as [`Runtime::now`],
/// while a shard is locked.
pub trait Runtime: Sized + 'static {
    /// Whether futures, errors and hooks must be `Send`: [`MultiThread`] or [`CurrentThread`].
    type Flavor: Flavor;

    /// The lock around each shard of a cache.
    type Lock<T>: RwLock<T>;

    /// The lock around the state of each load and of each batching view.
    type Mutex<T>: Mutex<T>;

    /// The timer; [`NoTimer`] if the runtime has none.
    type Timer: Timer;

    /// Whether a spawned task runs on even if the executor of the caller that spawned it is blocked
    /// or dropped.
    ///
    /// A load whose leader is dropped must not depend on an executor that may stop. If this is
    /// `false`, the waiters of such a load poll the loader themselves; if it is `true`, a
    /// background task polls it.
    const TASKS_OUTLIVE_CALLER: bool = false;

    /// Returns the current time.
    ///
    /// It must come from one clock for the whole life of a cache. The clock should not step back;
    /// if it does, the cache continues with the latest time that it has seen. Every call of the
    /// cache on an entry that can expire reads it, so it should be cheap.
    ///
    /// ```
    /// # use cache_core::Instant;
    /// # struct Adapter { start: std::time::Instant }
    /// # impl Adapter {
    /// fn now(&self) -> Instant {
    ///     Instant::ORIGIN.after(self.start.elapsed())
    /// }
    /// # }
    /// ```
    fn now(&self) -> Instant;

    /// Returns a new timer, or `None` if the runtime cannot provide one in this context.
    ///
    /// The cache calls it for a batch window, for a load with a `load_timeout` and for the purge
    /// task, and again when another task polls the batch or the load from then on. If it returns
    /// `None`, a batch window lasts for one pass of the executor, and a timeout takes effect at the
    /// next poll of the load.
    fn timer(&self) -> Option<Self::Timer>;

    /// Runs `task` in the background until it completes.
    ///
    /// The cache calls it for loads that several tasks wait for, for loads that continue without a
    /// caller, for batches and for the purge task.
    ///
    /// # Errors
    /// Returns the task if nothing can be spawned in this context. The waiters then poll the loader
    /// themselves.
    ///
    /// ```
    /// # use cache_core::runtime::{Runtime, Task};
    /// # use std::sync::mpsc::Sender;
    /// # struct Adapter<R: Runtime> { executor: Sender<Task<R>> }
    /// # impl<R: Runtime> Adapter<R> {
    /// // The executor receives its tasks from a channel, and may be gone.
    /// fn spawn(&self, task: Task<R>) -> Result<(), Task<R>> {
    ///     self.executor.send(task).map_err(|unsent| unsent.0)
    /// }
    /// # }
    /// ```
    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>>;

    /// Returns the executor that runs the calling code and that [`Runtime::spawn`] would spawn on;
    /// `None` if the calling code runs on no executor, or on one that the adapter cannot identify.
    ///
    /// A process may run several executors, and one of them may be blocked. If a load has waiters
    /// on more than one, its waiters poll it instead of a task on one of them. The cache calls this
    /// method when a waiter is polled. By default there is one executor.
    fn executor(&self) -> Option<ExecutorId> {
        Some(ExecutorId::default())
    }

    /// Returns the executor that runs the calling code, if it may end before the program does.
    ///
    /// What a loader has started on an executor, such as a connection or a spawned task, ends with
    /// that executor, and most loaders then panic. The cache does not report such a panic to the
    /// waiters: it cancels the load, and the waiters run their own loaders. The cache calls this
    /// method when a loader returns `Pending`. By default no executor ends.
    fn transient_executor(&self) -> Option<ExecutorId> {
        None
    }

    /// Returns a check whether the executor of [`Runtime::transient_executor`] has ended.
    ///
    /// The cache calls this method when a loader returns `Pending` and keeps the check with the
    /// load; it also calls it after a loader panicked. It calls the check itself only after a
    /// loader panicked, perhaps on another thread. The check must return `true` as soon as the
    /// executor drops the first of its tasks, and it should not keep the executor alive.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # struct Adapter { executor: Arc<()> }
    /// # impl Adapter {
    /// fn end_check(&self) -> Option<Box<dyn Fn() -> bool + Send + Sync>> {
    ///     let executor = Arc::downgrade(&self.executor);
    ///     Some(Box::new(move || executor.strong_count() == 0))
    /// }
    /// # }
    /// ```
    fn end_check(&self) -> Option<EndCheck<Self>> {
        None
    }

    /// Calls `f` inside the runtime's context. `f` creates the future of a loader, polls it or
    /// drops it.
    ///
    /// Implement it if the runtime's own futures panic outside of that context, as Tokio's timers
    /// and sockets do: a waiter that polls the loader may run on a thread that has none. If the
    /// thread already is inside such a context, call `f` in that one.
    fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
        f()
    }

    /// Calls `f` with the [`Context`] of the current thread of control.
    ///
    /// All code that runs inside one call of `poll` must get the same context, and code that can
    /// run at the same time must not share one. On threads use `thread_context`; a runtime with one
    /// thread of control keeps a context in a field.
    fn context<T>(&self, f: impl FnOnce(&Context) -> T) -> T;
}

/// Distinguishes an executor from the others that run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ExecutorId(u64);

impl ExecutorId {
    /// Returns the executor with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the executor with a runtime's own id, which hashes as one integer of at most 64
    /// bits.
    ///
    /// The result is unique only for such ids: the integer becomes the number of the executor.
    ///
    /// ```
    /// use cache_core::runtime::ExecutorId;
    ///
    /// let executor = std::sync::Arc::new("an executor");
    /// let id = ExecutorId::from_id(&std::sync::Arc::as_ptr(&executor));
    /// assert_eq!(id, ExecutorId::from_id(&std::sync::Arc::as_ptr(&executor)));
    /// assert_ne!(id, ExecutorId::default());
    /// ```
    #[must_use]
    pub fn from_id(id: &impl Hash) -> Self {
        let mut number = IntegerHasher(0);
        id.hash(&mut number);
        Self(number.0)
    }
}

/// Hashes an integer to itself.
struct IntegerHasher(u64);

impl Hasher for IntegerHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A timer that can be set repeatedly. The cache drops it to cancel it.
pub trait Timer: Unpin + 'static {
    /// Returns `Ready` if `deadline` has passed. Otherwise it returns `Pending`, and wakes the task
    /// at `deadline`.
    ///
    /// A call with another deadline resets the timer to that deadline, and only the waker of the
    /// last call needs to be woken.
    fn poll_until(&mut self, deadline: Instant, cx: &mut task::Context<'_>) -> Poll<()>;

    /// Whether the timer can still be polled. The cache calls it before it polls the timer.
    ///
    /// Return `false` if the executor that drives the timer has ended. The cache then requests
    /// another timer by [`Runtime::timer`], and continues without one if it gets none.
    fn is_usable(&self) -> bool {
        true
    }
}

/// Returns `timer` if it is usable, or else a new one, if the runtime provides one.
pub(crate) fn working<R: Runtime>(timer: Option<R::Timer>, runtime: &R) -> Option<R::Timer> {
    timer.filter(Timer::is_usable).or_else(|| runtime.timer())
}

/// The timer of a runtime that has no timers. It cannot be constructed.
#[derive(Debug, Clone, Copy)]
pub struct NoTimer(Infallible);

impl Timer for NoTimer {
    fn poll_until(&mut self, _: Instant, _: &mut task::Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}
