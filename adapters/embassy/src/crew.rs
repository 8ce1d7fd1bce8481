//! The runner, and what it does for the caches: their background tasks and their timers.
//!
//! All of embassy's timers are polled in here, by the one task that the user has started: with
//! embassy's integrated timer queue they are for wakers of its own tasks only, and a cache is awaited
//! with wakers of any kind.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, poll_fn};
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use cache_core::Instant;
use cache_core::runtime::{self, Flavor};
use cache_core::sync::{Arc, Lock};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;

use crate::lock::{Guarded, Locking};
use crate::{Embassy, time};

/// A background task of a cache.
pub(crate) type Task<M> = <<M as Locking>::Flavor as Flavor>::Future<()>;

/// What the runner and the caches share.
pub(crate) struct Crew<M: Locking>(Guarded<M, Board<M>>);

struct Board<M: Locking> {
    /// Whether there is a runner, or will be.
    is_running: bool,
    /// The runner, while it waits.
    runner: Option<Waker>,
    /// Tasks that the runner has not seen yet.
    arrived: Vec<Task<M>>,
    /// Tasks that are not done, arrived or not.
    task_count: usize,
    alarms: Vec<Alarm>,
    last_alarm: u64,
}

/// A task to be woken at some time.
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

    /// Hands a task to the runner, if there is one.
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

    /// Has `waker` woken at `at`. Returns the alarm's number; `known` is the one it had before.
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

    /// Takes an alarm out that is due; or says when the next one will be.
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

/// Wakes the runner, if it waits.
fn wake(runner: Option<Waker>) {
    if let Some(runner) = runner {
        runner.wake();
    }
}

/// Makes the runner of all caches on `runtime` and its clones: loads that several tasks wait for, batches
/// and janitors run in it, and it is their timer.
///
/// From here on they rely on it, so have it run: in an embassy task of yours, which cannot be generic.
/// Each time that it is woken it polls everything that it runs, as `join` does.
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
/// If `runtime` has a runner already.
pub fn runner<M: Locking>(runtime: &Embassy<M>) -> Runner<M> {
    let crew = Arc::clone(&runtime.crew);
    let had_one = crew
        .0
        .write(|board| mem::replace(&mut board.is_running, true));
    assert!(!had_one, "the runtime has a runner already");
    let tasks = Vec::new();
    Runner { crew, tasks }
}

/// What runs caches in the background: made by [`runner`].
///
/// Dropping it is safe: what it has run is from then on driven by those who wait for it.
#[must_use = "caches wait for what it does not run"]
pub struct Runner<M: Locking = CriticalSectionRawMutex> {
    crew: Arc<Crew<M>>,
    tasks: Vec<Task<M>>,
}

impl<M: Locking> Runner<M> {
    /// Runs for ever.
    pub async fn run(mut self) -> ! {
        match poll_fn(|cx| self.poll(cx)).await {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        // First: whatever comes while it looks around wakes it again.
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

    /// Wakes who is due, and has itself woken for the next one.
    fn poll_alarms(&self, cx: &mut Context<'_>) {
        let now = time::now();
        let next = loop {
            match self.crew.due_alarm(now) {
                Ok(waker) => waker.wake(),
                Err(next) => break next,
            }
        };
        if let Some(next) = next.filter(|next| *next != Instant::FAR) {
            // Never ready when it is polled for the first time; it is registered, which is all.
            let mut timer = embassy_time::Timer::at(time::tick(next));
            let _ = Pin::new(&mut timer).poll(cx);
        }
    }
}

impl<M: Locking> Drop for Runner<M> {
    /// What waits for a task or a timer is woken, and goes on without.
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
