//! The runner: polls the background tasks of the caches and keeps their timers.
//!
//! Embassy's integrated timer queue takes only wakers of embassy's own tasks, but any waker may
//! poll a cache. So the caches register their timers here, and the runner, which is polled by an
//! embassy task, registers itself with embassy for the earliest of them.
//!
//! | state     | `is_running` | `waker` | `spawn`           | an earlier deadline  |
//! |-----------|--------------|---------|-------------------|----------------------|
//! | stopped   | false        | any     | returns the task  | is stored            |
//! | scheduled | true         | `None`  | queues the task   | is stored            |
//! | pending   | true         | `Some`  | queues and wakes  | is stored, and wakes |
//!
//! [`runner`] leads from stopped to scheduled, a poll to pending, a wake-up to scheduled, and the
//! drop of the [`Runner`] to stopped.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, poll_fn};
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use cache_core::Instant;
use cache_core::runtime::{self, Flavor};
use cache_core::sync::{Arc, RwLock};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;

use crate::lock::{EmbassyLock, Locking};
use crate::{Embassy, time};

/// A background task of a cache.
pub(crate) type Task<M> = <<M as Locking>::Flavor as Flavor>::Future<()>;

/// What the caches know of the runner: it takes their tasks and timers.
pub(crate) struct RunnerHandle<M: Locking>(EmbassyLock<M, RunnerState<M>>);

struct RunnerState<M: Locking> {
    /// Whether a runner was made and not dropped.
    is_running: bool,
    /// The waker of the runner, while it is pending.
    waker: Option<Waker>,
    /// Spawned tasks that the runner has not taken yet.
    spawned: Vec<Task<M>>,
    /// Number of unfinished tasks, taken by the runner or not.
    task_count: usize,
    timers: Vec<TimerEntry>,
    last_id: u64,
}

/// A timer that is set: `waker` is woken once `deadline` has passed.
struct TimerEntry {
    id: u64,
    deadline: Instant,
    waker: Waker,
}

impl<M: Locking> RunnerHandle<M> {
    pub(crate) fn new() -> Self {
        Self(EmbassyLock::new(RunnerState {
            is_running: false,
            waker: None,
            spawned: Vec::new(),
            task_count: 0,
            timers: Vec::new(),
            last_id: 0,
        }))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.0.read(|state| state.is_running)
    }

    pub(crate) fn task_count(&self) -> usize {
        self.0.read(|state| state.task_count)
    }

    /// Spawns a task on the runner. Returns the task if there is no runner.
    pub(crate) fn spawn(&self, task: Task<M>) -> Result<(), Task<M>> {
        let waker = self.0.write(|state| {
            if state.is_running {
                state.spawned.push(task);
                state.task_count += 1;
                Ok(state.waker.take())
            } else {
                Err(task)
            }
        });
        waker.map(wake)
    }

    /// Sets a timer: from `deadline` on, `waker` is woken. Returns the timer's id. `known` is the
    /// id of a timer that is set already, which is replaced.
    fn set_timer(&self, known: Option<u64>, deadline: Instant, waker: &Waker) -> u64 {
        let waker = waker.clone();
        let (id, runner, old) = self.0.write(|state| {
            let is_first = state.timers.iter().all(|timer| deadline < timer.deadline);
            let old = known.and_then(|id| state.take_timer(id));
            let id = known.unwrap_or_else(|| state.new_id());
            state.timers.push(TimerEntry {
                id,
                deadline,
                waker,
            });
            (id, state.waker.take_if(|_| is_first), old)
        });
        drop(old);
        wake(runner);
        id
    }

    fn cancel_timer(&self, id: u64) {
        drop(self.0.write(|state| state.take_timer(id)));
    }

    /// Removes a due timer and returns its waker, or returns the next deadline.
    fn take_due(&self, now: Instant) -> Result<Waker, Option<Instant>> {
        self.0.write(|state| {
            let timers = state.timers.iter().enumerate();
            let Some((index, next)) = timers.min_by_key(|(_, timer)| timer.deadline) else {
                return Err(None);
            };
            if next.deadline.has_passed(now) {
                Ok(state.timers.swap_remove(index).waker)
            } else {
                Err(Some(next.deadline))
            }
        })
    }
}

impl<M: Locking> RunnerState<M> {
    const fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn take_timer(&mut self, id: u64) -> Option<TimerEntry> {
        let index = self.timers.iter().position(|timer| timer.id == id)?;
        Some(self.timers.swap_remove(index))
    }
}

/// Wakes the runner, if it is pending.
fn wake(runner: Option<Waker>) {
    if let Some(runner) = runner {
        runner.wake();
    }
}

/// Makes the runner of all caches on `runtime` and its clones. It runs loads with several waiters,
/// batches and janitors, and it keeps their timers.
///
/// From this call on the caches rely on the runner. Run it in an embassy task of your own, which
/// cannot be generic. Each time that it is woken it polls all of its tasks, as `join` does.
///
/// ```no_run
/// # use embassy_executor::Spawner;
/// use cache_embassy::{Embassy, Runner, runner};
///
/// #[embassy_executor::task]
/// async fn cache_runner(runner: Runner) {
///     runner.run().await;
/// }
///
/// # fn start(spawner: Spawner) {
/// let runtime = Embassy::default();
/// spawner.spawn(cache_runner(runner(&runtime)).unwrap());
/// # }
/// ```
///
/// # Panics
/// Panics if `runtime` has a runner already.
pub fn runner<M: Locking>(runtime: &Embassy<M>) -> Runner<M> {
    let handle = Arc::clone(&runtime.runner);
    let had_one = handle
        .0
        .write(|state| mem::replace(&mut state.is_running, true));
    assert!(!had_one, "the runtime has a runner already");
    let tasks = Vec::new();
    Runner { handle, tasks }
}

/// Runs the background work of caches. Made by [`runner`].
///
/// Dropping the runner is safe: the waiters drive its loads and batches from then on.
#[must_use = "the background work of the caches does not progress until the runner runs"]
pub struct Runner<M: Locking = CriticalSectionRawMutex> {
    handle: Arc<RunnerHandle<M>>,
    tasks: Vec<Task<M>>,
}

impl<M: Locking> Runner<M> {
    /// Runs forever.
    pub async fn run(mut self) -> ! {
        match poll_fn(|cx| self.poll(cx)).await {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        // Must come before the tasks and timers are polled: one that is added meanwhile, perhaps by
        // an interrupt, finds the waker and has the runner polled again.
        let waker = cx.waker().clone();
        let (old, mut spawned) = self.handle.0.write(|state| {
            let old = state.waker.replace(waker);
            (old, mem::take(&mut state.spawned))
        });
        drop(old);
        self.tasks.append(&mut spawned);
        self.tasks.retain_mut(|task| {
            let is_pending = Pin::new(task).poll(cx).is_pending();
            if !is_pending {
                self.handle.0.write(|state| state.task_count -= 1);
            }
            is_pending
        });
        self.poll_timers(cx);
        Poll::Pending
    }

    /// Wakes the due timers, and registers the runner with embassy for the next deadline.
    fn poll_timers(&self, cx: &mut Context<'_>) {
        let now = time::now();
        let next = loop {
            match self.handle.take_due(now) {
                Ok(waker) => waker.wake(),
                Err(next) => break next,
            }
        };
        if let Some(next) = next.filter(|next| *next != Instant::FAR) {
            // The first poll of an embassy timer is never ready. Its only purpose here is that it
            // registers the waker.
            let mut timer = embassy_time::Timer::at(time::tick(next));
            let _ = Pin::new(&mut timer).poll(cx);
        }
    }
}

impl<M: Locking> Drop for Runner<M> {
    /// Wakes the waiters of tasks and timers, which continue without the runner.
    fn drop(&mut self) {
        let (spawned, timers) = self.handle.0.write(|state| {
            state.is_running = false;
            state.task_count = 0;
            let timers = mem::take(&mut state.timers);
            (mem::take(&mut state.spawned), timers)
        });
        drop((spawned, mem::take(&mut self.tasks)));
        timers.into_iter().for_each(|timer| timer.waker.wake());
    }
}

/// A timer that the runner keeps. Any waker may poll it.
pub struct RunnerTimer<M: Locking> {
    runner: Arc<RunnerHandle<M>>,
    /// The id of its entry, once it was set.
    id: Option<u64>,
}

impl<M: Locking> RunnerTimer<M> {
    pub(crate) const fn new(runner: Arc<RunnerHandle<M>>) -> Self {
        Self { runner, id: None }
    }
}

impl<M: Locking> runtime::Timer for RunnerTimer<M> {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if deadline.has_passed(time::now()) {
            return Poll::Ready(());
        }
        self.id = Some(self.runner.set_timer(self.id, deadline, cx.waker()));
        Poll::Pending
    }
}

impl<M: Locking> Drop for RunnerTimer<M> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.runner.cancel_timer(id);
        }
    }
}

impl<M: Locking> fmt::Debug for RunnerTimer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunnerTimer").field("id", &self.id).finish()
    }
}

impl<M: Locking> fmt::Debug for Runner<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.tasks.len();
        f.debug_struct("Runner").field("tasks", &tasks).finish()
    }
}

impl<M: Locking> fmt::Debug for RunnerHandle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_running = self.is_running();
        f.debug_struct("RunnerHandle")
            .field("is_running", &is_running)
            .finish_non_exhaustive()
    }
}
