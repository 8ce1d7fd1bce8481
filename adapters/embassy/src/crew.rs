//! The runner: it polls the background tasks of the caches and keeps their timers.
//!
//! The runner's task, which the user starts, polls all of embassy's timers. Embassy's integrated
//! timer queue takes only wakers of embassy's own tasks, but a cache may be awaited with any waker.

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

use crate::lock::{Guarded, Locking};
use crate::{Embassy, time};

/// A background task of a cache.
pub(crate) type Task<M> = <<M as Locking>::Flavor as Flavor>::Future<()>;

/// The state that the runner and the caches share.
pub(crate) struct Crew<M: Locking>(Guarded<M, Board<M>>);

struct Board<M: Locking> {
    /// Whether a runner was made and not dropped.
    is_running: bool,
    /// The waker of the runner, while it is pending.
    runner: Option<Waker>,
    /// Spawned tasks that the runner has not taken yet.
    arrived: Vec<Task<M>>,
    /// Number of unfinished tasks, taken by the runner or not.
    task_count: usize,
    alarms: Vec<Alarm>,
    last_alarm: u64,
}

/// A waker to be woken at an instant.
struct Alarm {
    number: u64,
    at: Instant,
    waker: Waker,
}

impl<M: Locking> Crew<M> {
    pub(crate) fn new() -> Self {
        Self(Guarded::new(Board {
            is_running: false,
            runner: None,
            arrived: Vec::new(),
            task_count: 0,
            alarms: Vec::new(),
            last_alarm: 0,
        }))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.0.read(|board| board.is_running)
    }

    pub(crate) fn task_count(&self) -> usize {
        self.0.read(|board| board.task_count)
    }

    /// Spawns a task on the runner. Returns the task if there is no runner.
    pub(crate) fn spawn(&self, task: Task<M>) -> Result<(), Task<M>> {
        let runner = self.0.write(|board| {
            if board.is_running {
                board.arrived.push(task);
                board.task_count += 1;
                Ok(board.runner.take())
            } else {
                Err(task)
            }
        });
        runner.map(wake)
    }

    /// Registers `waker` to be woken at `at`. Returns the alarm's number. `known` is the number of
    /// the timer's previous alarm, which is replaced.
    fn set_alarm(&self, known: Option<u64>, at: Instant, waker: &Waker) -> u64 {
        let waker = waker.clone();
        let (number, runner, old) = self.0.write(|board| {
            let is_first = board.alarms.iter().all(|alarm| at < alarm.at);
            let old = known.and_then(|number| board.take_alarm(number));
            let number = known.unwrap_or_else(|| board.new_number());
            board.alarms.push(Alarm { number, at, waker });
            (number, board.runner.take_if(|_| is_first), old)
        });
        drop(old);
        wake(runner);
        number
    }

    fn cancel_alarm(&self, number: u64) {
        drop(self.0.write(|board| board.take_alarm(number)));
    }

    /// Removes a due alarm and returns its waker, or returns the instant of the next alarm.
    fn due_alarm(&self, now: Instant) -> Result<Waker, Option<Instant>> {
        self.0.write(|board| {
            let alarms = board.alarms.iter().enumerate();
            let Some((index, next)) = alarms.min_by_key(|(_, alarm)| alarm.at) else {
                return Err(None);
            };
            if next.at.has_passed(now) {
                Ok(board.alarms.swap_remove(index).waker)
            } else {
                Err(Some(next.at))
            }
        })
    }
}

impl<M: Locking> Board<M> {
    const fn new_number(&mut self) -> u64 {
        self.last_alarm += 1;
        self.last_alarm
    }

    fn take_alarm(&mut self, number: u64) -> Option<Alarm> {
        let mut alarms = self.alarms.iter();
        let index = alarms.position(|alarm| alarm.number == number)?;
        Some(self.alarms.swap_remove(index))
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
    let crew = Arc::clone(&runtime.crew);
    let had_one = crew
        .0
        .write(|board| mem::replace(&mut board.is_running, true));
    assert!(!had_one, "the runtime has a runner already");
    let tasks = Vec::new();
    Runner { crew, tasks }
}

/// Runs the background work of caches. Made by [`runner`].
///
/// Dropping the runner is safe: the waiters drive its loads and batches from then on.
#[must_use = "the background work of the caches does not progress until the runner runs"]
pub struct Runner<M: Locking = CriticalSectionRawMutex> {
    crew: Arc<Crew<M>>,
    tasks: Vec<Task<M>>,
}

impl<M: Locking> Runner<M> {
    /// Runs forever.
    pub async fn run(mut self) -> ! {
        match poll_fn(|cx| self.poll(cx)).await {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        // Must come first, so that a task or an alarm that arrives from now on wakes the runner
        // again.
        let waker = cx.waker().clone();
        let board = &self.crew.0;
        let (old, mut arrived) = board.write(|board| {
            let old = board.runner.replace(waker);
            (old, mem::take(&mut board.arrived))
        });
        drop(old);
        self.tasks.append(&mut arrived);
        self.tasks.retain_mut(|task| {
            let goes_on = Pin::new(task).poll(cx).is_pending();
            if !goes_on {
                self.crew.0.write(|board| board.task_count -= 1);
            }
            goes_on
        });
        self.poll_alarms(cx);
        Poll::Pending
    }

    /// Wakes the due alarms, and registers the runner to be woken for the next one.
    fn poll_alarms(&self, cx: &mut Context<'_>) {
        let now = time::now();
        let next = loop {
            match self.crew.due_alarm(now) {
                Ok(waker) => waker.wake(),
                Err(next) => break next,
            }
        };
        if let Some(next) = next.filter(|next| *next != Instant::FAR) {
            // The first poll of a timer is never ready. It registers the waker, which is its only
            // purpose.
            let mut timer = embassy_time::Timer::at(time::tick(next));
            let _ = Pin::new(&mut timer).poll(cx);
        }
    }
}

impl<M: Locking> Drop for Runner<M> {
    /// Wakes the waiters of tasks and timers, which continue without the runner.
    fn drop(&mut self) {
        let (arrived, alarms) = self.crew.0.write(|board| {
            board.is_running = false;
            board.task_count = 0;
            let alarms = mem::take(&mut board.alarms);
            (mem::take(&mut board.arrived), alarms)
        });
        drop((arrived, mem::take(&mut self.tasks)));
        alarms.into_iter().for_each(|alarm| alarm.waker.wake());
    }
}

/// A timer that the runner keeps. It may be polled with any waker.
pub struct RunnerTimer<M: Locking> {
    crew: Arc<Crew<M>>,
    set: Option<u64>,
}

impl<M: Locking> RunnerTimer<M> {
    pub(crate) const fn new(crew: Arc<Crew<M>>) -> Self {
        Self { crew, set: None }
    }
}

impl<M: Locking> runtime::Timer for RunnerTimer<M> {
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if deadline.has_passed(time::now()) {
            return Poll::Ready(());
        }
        self.set = Some(self.crew.set_alarm(self.set, deadline, cx.waker()));
        Poll::Pending
    }
}

impl<M: Locking> Drop for RunnerTimer<M> {
    fn drop(&mut self) {
        if let Some(number) = self.set {
            self.crew.cancel_alarm(number);
        }
    }
}

impl<M: Locking> fmt::Debug for RunnerTimer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunnerTimer")
            .field("set", &self.set)
            .finish()
    }
}

impl<M: Locking> fmt::Debug for Runner<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.tasks.len();
        f.debug_struct("Runner").field("tasks", &tasks).finish()
    }
}

impl<M: Locking> fmt::Debug for Crew<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_running = self.is_running();
        let mut crew = f.debug_struct("Crew");
        crew.field("is_running", &is_running)
            .finish_non_exhaustive()
    }
}
