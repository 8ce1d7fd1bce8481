//! Work that several depend on and nobody owns: who may do it, and who waits for it.
//!
//! Whoever does a part of the work takes it out of its place first, so no lock is held meanwhile.

use core::task::Waker;

use super::wait_list::{Notifier, PendingWake, WaitList, WaiterId, wake_all};
use crate::runtime::{ExecutorId, Runtime};
use crate::sync::{Arc, Mutex};

/// Shared work `W` that ends with `O`.
pub(crate) struct SharedWork<W, O, R: Runtime>(R::Mutex<State<W, O>>);

struct State<W, O> {
    driver: Driver,
    /// The work, while nobody does it.
    work: Option<W>,
    outcome: Option<O>,
    /// Whether there is a background task.
    has_task: bool,
    /// The background task, while it waits.
    task: Option<Waker>,
    /// Everybody else who waits.
    waiters: WaitList,
    executors: WaiterExecutors,
}

/// The executors of all who have ever waited for some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaiterExecutors {
    None,
    One(ExecutorId),
    Several,
}

/// Who may do the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// It borrows from its caller and lives there.
    Caller,
    /// The leader, inline: nobody else depends on it.
    Leader,
    /// It is part of a batch, which has a driver of its own.
    Batch,
    /// A background task.
    Task,
    /// Whoever waits: nothing can be spawned.
    Waiters,
}

/// In which part somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Waiter,
    Task,
}

/// What there is to do for somebody who comes.
pub(crate) enum Step<W> {
    /// Nothing: it is over.
    Complete,
    /// Do a part of the work, as this driver, with the relay as the waker if there is one here.
    Poll(W, Driver, Option<Arc<Notifier>>),
    /// Wait.
    Wait,
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

    /// What there is to do.
    pub(crate) fn next_step(&self, role: Role) -> Step<W> {
        self.0.with(|state| state.next_step(role))
    }

    /// From now on a background task does the work, if so far only the leader does. Says whether
    /// the caller must spawn it.
    pub(crate) fn set_driver_task(&self) -> bool {
        self.0.with(|state| {
            let hand_over = state.driver == Driver::Leader && state.outcome.is_none();
            if hand_over {
                state.driver = Driver::Task;
                state.has_task = true;
            }
            hand_over
        })
    }

    /// The background task is gone: whoever waits does the work from now on.
    pub(crate) fn task_dropped(&self) {
        let task = self.0.with(|state| {
            state.has_task = false;
            state.task.take()
        });
        drop(task);
        self.let_waiters_drive();
    }

    /// Whoever waits does the work from now on, and the background task if there still is one.
    pub(crate) fn let_waiters_drive(&self) {
        let (wake, task) = self.0.with(|state| {
            if state.outcome.is_some() {
                return (None, None);
            }
            (Some(state.let_waiters_drive()), state.task.take())
        });
        if let Some(wake) = wake {
            wake.wake();
        }
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Leaves the work to the background task, if there is one. Says whether there is.
    pub(crate) fn leave_to_task(&self) -> bool {
        let (has_task, task) = self.0.with(|state| {
            if state.has_task {
                state.driver = Driver::Task;
            }
            (state.has_task, state.task.take())
        });
        if let Some(task) = task {
            task.wake();
        }
        has_task
    }

    /// Has the work looked at again, whoever does it.
    pub(crate) fn notify(&self) {
        let (task, wake) = self
            .0
            .with(|state| (state.task.take(), state.waiters.pending_wake()));
        if let Some(task) = task {
            task.wake();
        }
        wake.wake();
    }

    /// Puts the work back after `driver` has done a part of it; the first time, it was not here
    /// before. Returns it if it is over.
    #[must_use = "work that is over is dropped by the caller"]
    pub(crate) fn put_back(&self, work: W, driver: Driver) -> Option<W> {
        let (left, handed_over) = self.0.with(|state| {
            if state.outcome.is_some() {
                return (Some(work), false);
            }
            state.work = Some(work);
            (None, state.driver != driver)
        });
        if handed_over {
            // Its own wakes do not reach whoever may drive it now: it is to be polled anew.
            self.notify();
        }
        left
    }

    /// Takes the work away, if it is in its place: nobody can do it from now on.
    pub(crate) fn take_work(&self) -> Option<W> {
        self.0.with(|state| state.work.take())
    }

    /// Puts back work that was withdrawn. Who has come for it meanwhile comes again.
    pub(crate) fn restore_work(&self, work: W) {
        self.0.with(|state| state.work = Some(work));
        self.notify();
    }

    /// Has `waker` woken once there is something to do. Says `false` if there is already: then
    /// the caller is to come again. `driven` says that the caller has just done a part.
    pub(crate) fn park(
        &self,
        runtime: &R,
        waiter_id: &mut Option<WaiterId>,
        waker: &Waker,
        driven: bool,
    ) -> bool {
        let known = waiter_id.is_some_and(|waiter_id| {
            self.0
                .with(|state| state.waiters.is_registered(waiter_id, waker))
        });
        // Cloned and dropped out here: wakers are foreign code.
        let cloned = (!known).then(|| waker.clone());
        let executor = (!known).then(|| runtime.executor());
        let mut task = None;
        let (parked, wake, old) = self.0.with(|state| {
            if state.outcome.is_some() {
                return (false, None, cloned);
            }
            let spans_executors = executor.is_some_and(|executor| state.spans_executors(executor));
            if spans_executors && !R::TASKS_OUTLIVE_CALLER {
                task = state.task.take();
            }
            let old = match cloned {
                Some(cloned) => state.waiters.register(waiter_id, cloned),
                // Emptied since: the next round will find the seat gone.
                None if waiter_id
                    .is_none_or(|waiter_id| !state.waiters.is_registered(waiter_id, waker)) =>
                {
                    return (false, None, None);
                }
                None => None,
            };
            // Only now: a call that came before there was a seat has woken nobody here.
            let needs_poll = state.needs_poll();
            // Work that wakes itself whenever it is done must not keep its driver here for ever: it
            // comes back through the executor.
            let wake = (spans_executors || needs_poll && driven).then(|| state.let_waiters_drive());
            (!spans_executors && (!needs_poll || driven), wake, old)
        });
        drop(old);
        if let Some(wake) = wake {
            wake.wake();
        }
        if let Some(task) = task {
            task.wake();
        }
        parked
    }

    /// Has the background task woken once there is something to do for it.
    pub(crate) fn park_task(&self, waker: &Waker) {
        let cloned = waker.clone();
        let (old, waiters_drive) = self.0.with(|state| {
            let waiters_drive = state.driver == Driver::Waiters;
            (state.task.replace(cloned), waiters_drive)
        });
        drop(old);
        // The wakes of work that is anyone's reach the waiters: the task is one of them, since all
        // callers may be parked for good. A task that was parked before is woken, and comes here.
        if waiters_drive && !R::TASKS_OUTLIVE_CALLER {
            let cloned = waker.clone();
            let old = self.0.with(|state| match state.outcome {
                None => state.waiters.register_once(cloned),
                Some(_) => Some(cloned),
            });
            drop(old);
        }
    }

    /// Rests after the background task has done a part. If the work asks to be done again already,
    /// everybody is called once more: the first call may have come when one of those who wait was
    /// about to sit down, and found the work away.
    pub(crate) fn recheck(&self) {
        if self.0.with(|state| state.needs_poll()) {
            self.notify();
        }
    }

    /// Gives up a place among those who wait.
    pub(crate) fn deregister(&self, waiter_id: WaiterId) {
        let left = self.0.with(|state| {
            // Where it is over, all seats were emptied.
            let waits = state.outcome.is_none();
            waits.then(|| state.waiters.deregister(waiter_id)).flatten()
        });
        drop(left);
    }

    /// Ends the work and wakes everybody. What is left of the work is returned, to be dropped.
    #[must_use = "what is left is dropped by the caller"]
    pub(crate) fn complete(&self, outcome: O) -> Option<(Option<W>, Option<O>)> {
        self.complete_if(outcome, |_| true)
    }

    /// As [`SharedWork::complete`], if nobody does the work just now and it `is_deserted`: whoever raises
    /// the interest in it, and then finds that it is not over, knows that it goes on.
    pub(crate) fn cancel_if(&self, outcome: O, is_deserted: impl FnOnce() -> bool) {
        drop(self.complete_if(outcome, |state| state.work.is_some() && is_deserted()));
    }

    fn complete_if(
        &self,
        outcome: O,
        may: impl FnOnce(&State<W, O>) -> bool,
    ) -> Option<(Option<W>, Option<O>)> {
        let left = self.0.with(|state| {
            let may = may(state);
            may.then(|| {
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

    /// Looks at the outcome, once there is one.
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
    fn next_step(&mut self, role: Role) -> Step<W> {
        if self.outcome.is_some() {
            return Step::Complete;
        }
        let (may_drive, notifier) = match (self.driver, role) {
            (Driver::Leader, Role::Leader) | (Driver::Task, Role::Task) => (true, None),
            (Driver::Waiters, _) if self.needs_poll() => {
                let notifier = self.waiters.notifier();
                notifier.take_notified();
                (true, Some(Arc::clone(notifier)))
            }
            _ => (false, None),
        };
        match self.work.take_if(|_| may_drive) {
            Some(work) => Step::Poll(work, self.driver, notifier),
            None => Step::Wait,
        }
    }

    /// Somebody waits on `executor`. If that is not the only one, the work no longer depends on a
    /// background task, whose executor may stand still. Says whether it did so far.
    fn spans_executors(&mut self, executor: Option<ExecutorId>) -> bool {
        self.executors = self.executors.with(executor);
        let spans_executors =
            self.driver == Driver::Task && self.executors == WaiterExecutors::Several;
        if spans_executors {
            self.driver = Driver::Waiters;
        }
        spans_executors
    }

    /// Whoever waits does the work from now on, and is to be called.
    fn let_waiters_drive(&mut self) -> PendingWake {
        self.driver = Driver::Waiters;
        PendingWake::Many(Arc::clone(self.waiters.notifier()))
    }

    /// Whether the work waits to be done by anyone.
    fn needs_poll(&self) -> bool {
        self.driver == Driver::Waiters && self.work.is_some() && self.waiters.is_notified()
    }
}
