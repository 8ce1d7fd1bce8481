//! Work that several callers depend on and none of them owns.
//!
//! The model is `Shared` of futures-util: the work lives beside the wakers of its waiters, and one
//! of them polls it. Here that party, the [`Driver`], can change while the work is in flight:
//!
//! | driver | polled by | next | when |
//! |---|---|---|---|
//! | `Leader` | the leader, which is the only caller | `Task` | another caller joins, or a detached load loses its last caller |
//! | `Task` | a background task | `Waiters` | the task is dropped or not spawned, the caller that spawned it leaves, or waiters are on several executors |
//! | `Waiters` | every waiter, and the task if one exists | `Task` | detached work with a task loses its last caller |
//! | `Scoped` | the leader, from which the loader borrows; a waiter may take its lead | | |
//! | `Caller` | the leader, which keeps its lead: a computation, or a loader that does not wait | | |
//! | `Batch` | the driver of the batch | | |
//!
//! A driver takes the work out of the state before it polls, so it holds no lock while it runs
//! foreign code. Until the driver puts the work back, the other parties find none, and wait.

use core::task::{Context, Poll, Waker};

use super::wait_list::{Notifier, PendingWake, WaitList, WaiterId, wake_all};
use crate::panic;
use crate::runtime::{ExecutorId, Runtime};
use crate::sync::{Arc, Mutex};

/// Shared work `W` that ends with an outcome `O`.
pub(crate) struct SharedWork<W, O, R: Runtime>(R::Mutex<State<W, O>>);

struct State<W, O> {
    driver: Driver,
    /// The work, unless a driver polls it or it is complete.
    work: Option<W>,
    outcome: Option<O>,
    /// Whether a background task exists.
    has_task: bool,
    /// The waker of the background task while the task waits.
    task: Option<Waker>,
    /// The wakers of all other waiters.
    waiters: WaitList,
    executors: WaiterExecutors,
}

/// The executors on which waiters have parked, those that have left included. A waiter on an
/// executor that the runtime cannot identify counts as `Several`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaiterExecutors {
    None,
    One(ExecutorId),
    Several,
}

/// The party that polls the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// The leader: the loader borrows from it and lives in it. A waiter may take its lead.
    Scoped,
    /// As `Scoped`, but the leader keeps its lead.
    Caller,
    /// The leader, inline, as long as no other caller depends on the load.
    Leader,
    /// The driver of the batch that the load is part of.
    Batch,
    /// A background task.
    Task,
    /// All waiters: the work must not depend on one task or one executor.
    Waiters,
}

/// What a party is to the work. With the [`Driver`], it decides whether the party may poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Waiter,
    Task,
}

/// The result of [`SharedWork::poll_step`].
pub(crate) enum Progress<T> {
    /// The work is complete. The outcome is here if it is for this party alone, else in the state.
    Done(Option<T>),
    /// The party polled the work, which is pending.
    Polled,
    /// The party has nothing to poll: another party drives the work or has taken it, or the work
    /// was not woken since its last poll.
    NotMine,
}

impl<W, O, R: Runtime> SharedWork<W, O, R> {
    pub(crate) fn new(driver: Driver, work: Option<W>) -> Self {
        Self(R::Mutex::new(State {
            driver,
            work,
            outcome: None,
            has_task: driver == Driver::Task,
            task: None,
            waiters: WaitList::NONE,
            executors: WaiterExecutors::None,
        }))
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.0.with(|state| state.outcome.is_some())
    }

    pub(crate) fn driver(&self) -> Driver {
        self.0.with(|state| state.driver)
    }

    /// Takes the work if `role` drives it now, and calls `poll` with it. `poll` puts pending work
    /// back. If the waiters drive the work, the context of `poll` has the notifier as its waker.
    pub(crate) fn poll_step<T>(
        &self,
        role: Role,
        cx: &Context<'_>,
        poll: impl FnOnce(W, Driver, &mut Context<'_>) -> Poll<Option<T>>,
    ) -> Progress<T> {
        let (is_complete, taken) = self
            .0
            .with(|state| (state.outcome.is_some(), state.take_for(role)));
        let Some((work, driver, notifier)) = taken else {
            return if is_complete {
                Progress::Done(None)
            } else {
                Progress::NotMine
            };
        };
        let notifier = notifier.map(Waker::from);
        let mut cx = Context::from_waker(notifier.as_ref().unwrap_or_else(|| cx.waker()));
        match poll(work, driver, &mut cx) {
            Poll::Ready(outcome) => Progress::Done(outcome),
            Poll::Pending => Progress::Polled,
        }
    }

    /// Polls the background task. `poll_step` is the step of [`Role::Task`]; `cancel_if_unused` is
    /// called after a step that left the work pending.
    pub(crate) fn poll_task<T>(
        &self,
        cx: &mut Context<'_>,
        poll_step: impl FnOnce(&mut Context<'_>) -> Progress<T>,
        cancel_if_unused: impl FnOnce(),
    ) -> Poll<()> {
        let poll = || {
            // Must come before the step, or a party that completes the work or puts it back between
            // the two finds no task to wake.
            self.park_task(cx.waker());
            match poll_step(cx) {
                Progress::Done(_) => return Poll::Ready(()),
                Progress::Polled => {
                    self.recheck();
                    // The last caller, if it left during the poll, found the work taken and could
                    // not drop it.
                    cancel_if_unused();
                }
                Progress::NotMine => {}
            }
            Poll::Pending
        };
        // The waker of a waiter may panic, and so may the drop of a loader. The panic must not
        // unwind into the executor: the task ends, and its drop lets the waiters drive. The panic
        // hook has reported the panic.
        panic::catch(poll).unwrap_or(Poll::Ready(()))
    }

    /// Makes a background task the driver, if the driver is still the leader. Returns whether it
    /// did; the caller then spawns the task.
    pub(crate) fn set_driver_task(&self) -> bool {
        self.0.with(|state| {
            let spawns = state.driver == Driver::Leader && state.outcome.is_none();
            if spawns {
                state.driver = Driver::Task;
                state.has_task = true;
            }
            spawns
        })
    }

    /// Whether a background task exists.
    pub(crate) fn has_task(&self) -> bool {
        self.0.with(|state| state.has_task)
    }

    /// Calls `f` if a background task exists, before the drop of that task can be noticed.
    pub(crate) fn with_task(&self, f: impl FnOnce()) {
        self.0.with(|state| {
            if state.has_task {
                f();
            }
        });
    }

    /// Makes the waiters the driver, because the background task was dropped.
    pub(crate) fn task_dropped(&self) {
        drop(self.0.with(|state| {
            state.has_task = false;
            state.task.take()
        }));
        self.let_waiters_drive();
    }

    /// Makes the waiters the driver, with the background task if one exists. Wakes all of them: the
    /// wakers that the work holds may be those of the old driver.
    pub(crate) fn let_waiters_drive(&self) {
        let (waiters, task) = self.0.with(|state| match state.outcome {
            None => (state.let_waiters_drive(), state.pending_task_wake()),
            Some(_) => (PendingWake::NONE, PendingWake::NONE),
        });
        waiters.wake();
        task.wake();
    }

    /// Makes the background task the driver, if one exists. Returns whether one exists.
    pub(crate) fn leave_to_task(&self) -> bool {
        let (has_task, task) = self.0.with(|state| {
            if state.has_task {
                state.driver = Driver::Task;
            }
            (state.has_task, state.pending_task_wake())
        });
        task.wake();
        has_task
    }

    /// Wakes the background task and all waiters: each checks again whether it has to poll the
    /// work.
    pub(crate) fn notify(&self) {
        let (task, waiters) = self
            .0
            .with(|state| (state.pending_task_wake(), state.waiters.pending_wake()));
        task.wake();
        waiters.wake();
    }

    /// Puts pending work into the state after `driver` polled it, for a leader's work for the first
    /// time. Returns the work if another party has completed it during the poll.
    #[must_use = "the caller drops complete work outside of the lock"]
    pub(crate) fn put_back(&self, work: W, driver: Driver) -> Option<W> {
        let (complete, is_handed_over) = self.0.with(|state| {
            if state.outcome.is_some() {
                return (Some(work), false);
            }
            state.work = Some(work);
            (None, state.driver != driver)
        });
        if is_handed_over {
            // The driver changed during the poll. The work holds the waker of the old driver, so a
            // wake does not reach the new one: the new driver must poll the work once.
            self.notify();
        }
        complete
    }

    /// Takes the work, unless a driver has taken it. No party can poll the work until
    /// `restore_work`.
    pub(crate) fn take_work(&self) -> Option<W> {
        self.0.with(|state| state.work.take())
    }

    /// Puts back the work of `take_work`. Must wake all parties: a driver that was polled between
    /// the two calls found no work and parked.
    pub(crate) fn restore_work(&self, work: W) {
        self.0.with(|state| state.work = Some(work));
        self.notify();
    }

    /// Registers `waker` as that of waiter `waiter_id`. Returns `false` if the waiter must not
    /// wait, but call `poll_step` again. `polled` says that the waiter has just polled the work.
    pub(crate) fn park(
        &self,
        runtime: &R,
        waiter_id: &mut Option<WaiterId>,
        waker: &Waker,
        polled: bool,
    ) -> bool {
        let known = waiter_id.is_some_and(|waiter_id| {
            self.0
                .with(|state| state.waiters.is_registered(waiter_id, waker))
        });
        // Cloned here, and dropped below, outside of the lock: wakers are foreign code.
        let cloned = (!known).then(|| waker.clone());
        let executor = (!known).then(|| runtime.executor());
        let mut task = PendingWake::NONE;
        let (parked, wake, old) = self.0.with(|state| {
            if state.outcome.is_some() {
                return (false, None, cloned);
            }
            let spans_executors = executor.is_some_and(|executor| state.record_executor(executor));
            if spans_executors && !R::TASKS_OUTLIVE_CALLER {
                task = state.pending_task_wake();
            }
            let old = match cloned {
                Some(cloned) => state.waiters.register(waiter_id, cloned),
                // A wake took the waker of this waiter after `known` was read: the waiter must
                // check the work again.
                None if waiter_id
                    .is_none_or(|waiter_id| !state.waiters.is_registered(waiter_id, waker)) =>
                {
                    return (false, None, None);
                }
                None => None,
            };
            // Must come after `register`, or a wake between the two is lost: it finds no waker of
            // this waiter, and this waiter does not see that the work was woken.
            let needs_poll = state.needs_poll();
            // Work that wakes itself in each poll must not keep its driver in a loop: the driver
            // parks and wakes itself, so that its executor polls other tasks in between.
            let wake = (spans_executors || needs_poll && polled).then(|| state.let_waiters_drive());
            (!spans_executors && (!needs_poll || polled), wake, old)
        });
        drop(old);
        if let Some(wake) = wake {
            wake.wake();
        }
        task.wake();
        parked
    }

    /// Registers `waker` as that of the background task.
    fn park_task(&self, waker: &Waker) {
        let cloned = waker.clone();
        let (old, waiters_drive) = self.0.with(|state| {
            let waiters_drive = state.driver == Driver::Waiters;
            (state.task.replace(cloned), waiters_drive)
        });
        drop(old);
        // A wake of work that the waiters drive reaches the wait list only. The task must be in the
        // list too: all callers may be on executors that no longer run. If the waiters become the
        // driver after the check above, that wakes the task, which parks again and enters the list.
        if waiters_drive && !R::TASKS_OUTLIVE_CALLER {
            let cloned = waker.clone();
            let old = self.0.with(|state| match state.outcome {
                None => state.waiters.register_once(cloned),
                Some(_) => Some(cloned),
            });
            drop(old);
        }
    }

    /// Notifies all parties if the work was woken while the background task polled it: the waiters
    /// that this wake reached found the work taken, and parked.
    fn recheck(&self) {
        if self.0.with(|state| state.needs_poll()) {
            self.notify();
        }
    }

    /// Removes a waiter.
    pub(crate) fn deregister(&self, waiter_id: WaiterId) {
        let old = self.0.with(|state| {
            // `complete` has emptied the wait list.
            let waits = state.outcome.is_none();
            waits.then(|| state.waiters.deregister(waiter_id)).flatten()
        });
        drop(old);
    }

    /// Completes the work and wakes all parties. Returns the work, unless a driver has taken it,
    /// and the outcome that it replaces.
    #[must_use = "the caller drops what is left outside of the lock"]
    pub(crate) fn complete(&self, outcome: O) -> Option<(Option<W>, Option<O>)> {
        self.complete_if(outcome, |_| true)
    }

    /// Completes the work if no party polls it and it `is_unused`. Must call `is_unused` with the
    /// state locked: a caller that adds a dependent, and then finds the work incomplete, relies on
    /// the work not being cancelled.
    pub(crate) fn cancel_if(&self, outcome: O, is_unused: impl FnOnce() -> bool) {
        drop(self.complete_if(outcome, |state| state.work.is_some() && is_unused()));
    }

    fn complete_if(
        &self,
        outcome: O,
        is_allowed: impl FnOnce(&State<W, O>) -> bool,
    ) -> Option<(Option<W>, Option<O>)> {
        let left = self.0.with(|state| {
            let is_allowed = is_allowed(state);
            is_allowed.then(|| {
                let old = state.outcome.replace(outcome);
                let wakers = state.waiters.take();
                (wakers, state.task.take(), state.work.take(), old)
            })
        });
        left.map(|(wakers, task, work, old)| {
            wake_all(wakers.chain(task));
            (work, old)
        })
    }

    /// Calls `f` with the outcome, if the work is complete.
    pub(crate) fn outcome<T>(&self, f: impl FnOnce(&mut O) -> T) -> Option<T> {
        self.0.with(|state| state.outcome.as_mut().map(f))
    }
}

impl WaiterExecutors {
    fn with(self, executor: Option<ExecutorId>) -> Self {
        match (self, executor) {
            (Self::None, Some(one)) => Self::One(one),
            (Self::One(known), Some(one)) if known == one => self,
            _ => Self::Several,
        }
    }
}

impl<W, O> State<W, O> {
    /// Takes the work if `role` drives it now and no driver has taken it. Returns the work, its
    /// driver and, if the waiters drive it, the notifier as the waker for the poll.
    fn take_for(&mut self, role: Role) -> Option<(W, Driver, Option<Arc<Notifier>>)> {
        if self.outcome.is_some() {
            return None;
        }
        let notifier = match (self.driver, role) {
            (Driver::Leader, Role::Leader) | (Driver::Task, Role::Task) => None,
            (Driver::Waiters, _) if self.needs_poll() => {
                let notifier = self.waiters.notifier();
                // Must come before the poll, or a wake during the poll is lost: it requests another
                // poll.
                notifier.take_notified();
                Some(Arc::clone(notifier))
            }
            _ => return None,
        };
        self.work.take().map(|work| (work, self.driver, notifier))
    }

    /// Records a waiter on `executor`. Makes the waiters the driver if they are on several
    /// executors, since the executor of the background task may be blocked. Returns whether this
    /// call did.
    fn record_executor(&mut self, executor: Option<ExecutorId>) -> bool {
        self.executors = self.executors.with(executor);
        let spans_executors =
            self.driver == Driver::Task && self.executors == WaiterExecutors::Several;
        if spans_executors {
            self.driver = Driver::Waiters;
        }
        spans_executors
    }

    /// Makes the waiters the driver. Returns the wake that notifies them.
    fn let_waiters_drive(&mut self) -> PendingWake {
        self.driver = Driver::Waiters;
        PendingWake::Many(Arc::clone(self.waiters.notifier()))
    }

    /// A wake of the background task, if it waits.
    fn pending_task_wake(&mut self) -> PendingWake {
        PendingWake::One(self.task.take())
    }

    /// Whether the waiters drive the work, no driver has taken it, and it was woken since its last
    /// poll.
    fn needs_poll(&self) -> bool {
        self.driver == Driver::Waiters && self.work.is_some() && self.waiters.is_notified()
    }
}
