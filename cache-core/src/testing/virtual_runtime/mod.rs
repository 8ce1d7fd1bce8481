//! A deterministic executor on one thread, with virtual time.

mod tasks;
mod timers;

use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::machine::Instant;
use crate::runtime::{self, CurrentThread, Runtime, Task};
use crate::sync::{Arc, AtomicBool, LocalMutex, LocalRwLock, Ordering, impl_wake};

use tasks::Tasks;
use timers::Timers;

pub use tasks::JoinHandle;
pub use timers::{Sleep, VirtualTimer};

/// A runtime for tests, deterministic and with virtual time.
///
/// All tasks run on one thread, in the order in which they were woken. Time passes only when no
/// task can run: then it jumps to the next timer. Clones are handles of the same runtime.
///
/// ```
/// use cache_core::Cache;
/// use cache_core::testing::VirtualRuntime;
/// use core::time::Duration;
///
/// let runtime = VirtualRuntime::new();
/// let cache: Cache<u32, &str, _> = Cache::builder_on(runtime.clone())
///     .time_to_live(Duration::from_secs(3_600))
///     .build();
///
/// runtime.block_on(async {
///     let timers = runtime.clone();
///     let load = || async move {
///         timers.sleep(Duration::from_secs(5)).await;
///         "loaded"
///     };
///     assert_eq!(cache.get_with(1, load).await, "loaded");
///     runtime.sleep(Duration::from_secs(3_600)).await;
///     assert_eq!(cache.get(&1), None);
/// });
/// assert_eq!(runtime.elapsed(), Duration::from_secs(3_605));
/// ```
#[derive(Clone)]
pub struct VirtualRuntime(Rc<Inner>);

struct Inner {
    tasks: Tasks,
    timers: Timers,
    can_spawn: Cell<bool>,
    context: runtime::Context,
}

impl VirtualRuntime {
    /// Returns a runtime at [`Instant::ORIGIN`], without tasks.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// assert_eq!(VirtualRuntime::new().task_count(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            tasks: Tasks::new(),
            timers: Timers::new(),
            can_spawn: Cell::new(true),
            context: runtime::Context::new(),
        }))
    }

    /// Returns a runtime that picks the next task at random among those that can run. The same seed
    /// results in the same order.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let order = |seed| {
    ///     let runtime = VirtualRuntime::seeded(seed);
    ///     let order = Rc::new(RefCell::new(Vec::new()));
    ///     for task in 0..8 {
    ///         let order = order.clone();
    ///         runtime.spawn(async move { order.borrow_mut().push(task) });
    ///     }
    ///     runtime.run_until_idle();
    ///     order.take()
    /// };
    /// assert_eq!(order(1), order(1));
    /// assert_ne!(order(1), order(2));
    /// ```
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let runtime = Self::new();
        runtime.tasks().seed(seed);
        runtime
    }

    /// Returns a runtime on which a cache cannot spawn: the callers that wait for a load poll its
    /// loader.
    ///
    /// [`VirtualRuntime::spawn`] still works.
    ///
    /// ```
    /// use cache_core::{Cache, testing::VirtualRuntime};
    ///
    /// let runtime = VirtualRuntime::without_spawner();
    /// let cache: Cache<u64, &str, _> = Cache::builder_on(runtime.clone()).build();
    /// assert_eq!(runtime.block_on(cache.get_with(1, || async { "one" })), "one");
    /// ```
    #[must_use]
    pub fn without_spawner() -> Self {
        let runtime = Self::new();
        runtime.0.can_spawn.set(false);
        runtime
    }

    /// Runs `future` and the spawned tasks until `future` is complete. Time jumps to the next timer
    /// whenever no task can run.
    ///
    /// # Panics
    /// If `future` is not complete, no task can run and no timer is set: it would never complete.
    /// If a task panics.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// assert_eq!(VirtualRuntime::new().block_on(async { 7 }), 7);
    /// ```
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = core::pin::pin!(future);
        let main = Arc::new(MainWaker(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&main));
        let mut cx = Context::from_waker(&waker);
        loop {
            if main.0.swap(false, Ordering::SeqCst)
                && let Poll::Ready(output) = future.as_mut().poll(&mut cx)
            {
                return output;
            }
            let ran = self.tasks().run_one();
            let is_idle = !ran && !main.0.load(Ordering::SeqCst);
            assert!(
                !is_idle || self.timers().fire_next(None),
                "the future hangs: no task can run and no timer is set"
            );
        }
    }

    /// Runs every task that can run, and the tasks that those wake. No time passes.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// let runtime = VirtualRuntime::new();
    /// let task = runtime.spawn(async { 7 });
    /// assert!(!task.is_finished());
    /// runtime.run_until_idle();
    /// assert!(task.is_finished());
    /// ```
    pub fn run_until_idle(&self) {
        while self.tasks().run_one() {}
    }

    /// Lets `by` pass: fires the timers that become due, in order, and runs the tasks that they
    /// wake.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    /// use core::time::Duration;
    ///
    /// let runtime = VirtualRuntime::new();
    /// let task = runtime.spawn({
    ///     let runtime = runtime.clone();
    ///     async move { runtime.sleep(Duration::from_secs(2)).await }
    /// });
    /// runtime.advance(Duration::from_secs(1));
    /// assert!(!task.is_finished());
    /// runtime.advance(Duration::from_secs(1));
    /// assert!(task.is_finished());
    /// ```
    pub fn advance(&self, by: Duration) {
        let until = self.now().after(by);
        self.run_until_idle();
        while self.timers().fire_next(Some(until)) {
            self.run_until_idle();
        }
        self.timers().move_to(until);
    }

    /// Sets the clock back or forward without firing a timer, as a defective clock does.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    /// use core::time::Duration;
    ///
    /// let runtime = VirtualRuntime::new();
    /// runtime.advance(Duration::from_secs(5));
    /// runtime.set_now(runtime.now().before(Duration::from_secs(1)));
    /// assert_eq!(runtime.elapsed(), Duration::from_secs(4));
    /// ```
    pub fn set_now(&self, now: Instant) {
        self.timers().set_now(now);
    }

    /// Returns the current time.
    ///
    /// ```
    /// use cache_core::{Instant, testing::VirtualRuntime};
    ///
    /// assert_eq!(VirtualRuntime::new().now(), Instant::ORIGIN);
    /// ```
    #[must_use]
    pub fn now(&self) -> Instant {
        self.timers().now()
    }

    /// Returns the time since the runtime was created.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    /// use core::time::Duration;
    ///
    /// let runtime = VirtualRuntime::new();
    /// runtime.advance(Duration::from_secs(5));
    /// assert_eq!(runtime.elapsed(), Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now().since(Instant::ORIGIN)
    }

    /// Waits until `duration` of virtual time has passed, counted from this call.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    /// use core::time::Duration;
    ///
    /// let runtime = VirtualRuntime::new();
    /// runtime.block_on(runtime.sleep(Duration::from_secs(3_600))); // takes no real time
    /// assert_eq!(runtime.elapsed(), Duration::from_secs(3_600));
    /// ```
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(self, duration)
    }

    /// Lets every other task that can run do so once.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// let runtime = VirtualRuntime::new();
    /// runtime.block_on(async {
    ///     let task = runtime.spawn(async { 7 });
    ///     runtime.yield_now().await;
    ///     assert!(task.is_finished());
    /// });
    /// ```
    pub async fn yield_now(&self) {
        let mut has_yielded = false;
        core::future::poll_fn(|cx| {
            if core::mem::replace(&mut has_yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Runs `future` in the background. It is first polled by a later call that runs tasks.
    /// Dropping the handle does not abort the task.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// let runtime = VirtualRuntime::new();
    /// let task = runtime.spawn(async { 7 });
    /// assert_eq!(runtime.block_on(task), 7);
    /// ```
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        JoinHandle::spawn(self, future)
    }

    /// Returns the number of tasks that are not complete.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// let runtime = VirtualRuntime::new();
    /// runtime.spawn(core::future::pending::<()>());
    /// assert_eq!(runtime.task_count(), 1);
    /// ```
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks().len()
    }

    /// Drops every task, as a runtime does when it shuts down.
    ///
    /// ```
    /// use cache_core::testing::VirtualRuntime;
    ///
    /// let runtime = VirtualRuntime::new();
    /// runtime.spawn(core::future::pending::<()>());
    /// runtime.abort_all();
    /// assert_eq!(runtime.task_count(), 0);
    /// ```
    pub fn abort_all(&self) {
        self.tasks().abort_all();
    }

    fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    fn timers(&self) -> &Timers {
        &self.0.timers
    }
}

impl Default for VirtualRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for VirtualRuntime {
    type Flavor = CurrentThread;
    type Lock<T> = LocalRwLock<T>;
    type Mutex<T> = LocalMutex<T>;
    type Timer = VirtualTimer;

    fn now(&self) -> Instant {
        self.timers().now()
    }

    fn timer(&self) -> Option<VirtualTimer> {
        Some(VirtualTimer::new(self.clone()))
    }

    fn spawn(&self, task: Task<Self>) -> Result<(), Task<Self>> {
        if !self.0.can_spawn.get() {
            return Err(task);
        }
        self.tasks().spawn(task);
        Ok(())
    }

    fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
        f(&self.0.context)
    }
}

impl fmt::Debug for VirtualRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualRuntime")
            .field("now", &self.now())
            .field("tasks", &self.task_count())
            .finish_non_exhaustive()
    }
}

/// The waker of the future that `block_on` runs: whether it was woken.
struct MainWaker(AtomicBool);

impl_wake!(MainWaker, |main| main.0.store(true, Ordering::SeqCst));
