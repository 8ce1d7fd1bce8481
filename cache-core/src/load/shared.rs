//! Work that several depend on and nobody owns: who may do it, and who waits for it.
//!
//! Whoever does a part of the work takes it out of its place first, so no lock is held meanwhile.

use core::task::Waker;

use super::relay::{Call, Relay, Seat, Waiters, wake_all};
use crate::runtime::{ExecutorId, Runtime};
use crate::sync::{Arc, Mutex};

/// Shared work `W` that ends with `O`.
pub(super) struct Shared<W, O, R: Runtime>(R::Mutex<State<W, O>>);

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
    waiters: Waiters,
    homes: Homes,
}

/// The executors of all who have ever waited for some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Homes {
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
    Anyone,
}

/// In which part somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Waiter,
    Task,
}

/// What there is to do for somebody who comes.
pub(super) enum Turn<W> {
    /// Nothing: it is over.
    Over,
    /// Do a part of the work, as this driver, with the relay as the waker if there is one here.
    Drive(W, Driver, Option<Arc<Relay>>),
    /// Wait.
    Wait,
}

impl<W, O, R: Runtime> Shared<W, O, R> {
    pub(super) fn new(driver: Driver, work: Option<W>) -> Self {
        Self(R::Mutex::new(State {
            driver,
            work,
            outcome: None,
            has_task: driver == Driver::Task,
            task: None,
            waiters: Waiters::NONE,
            homes: Homes::None,
        }))
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.with(|state| state.outcome.is_some())
    }

    pub(super) fn driver(&self) -> Driver {
        self.0.with(|state| state.driver)
    }

    /// What there is to do.
    pub(super) fn turn(&self, role: Role) -> Turn<W> {
        self.0.with(|state| state.turn(role))
    }

    /// From now on a background task does the work, if so far only the leader does. Says whether
    /// the caller must spawn it.
    pub(super) fn hand_to_task(&self) -> bool {
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
    pub(super) fn task_is_gone(&self) {
        let task = self.0.with(|state| {
            state.has_task = false;
            state.task.take()
        });
        drop(task);
        self.hand_to_anyone();
    }

    /// Whoever waits does the work from now on, and the background task if there still is one.
    pub(super) fn hand_to_anyone(&self) {
        let (call, task) = self.0.with(|state| {
            if state.outcome.is_some() {
                return (None, None);
            }
            (Some(state.call_anyone()), state.task.take())
        });
        if let Some(call) = call {
            call.make();
        }
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Leaves the work to the background task, if there is one. Says whether there is.
    pub(super) fn leave_to_task(&self) -> bool {
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
    pub(super) fn call(&self) {
        let (task, call) = self
            .0
            .with(|state| (state.task.take(), state.waiters.call()));
        if let Some(task) = task {
            task.wake();
        }
        call.make();
    }

    /// Puts the work back after `driver` has done a part of it; the first time, it was not here
    /// before. Returns it if it is over.
    #[must_use = "work that is over is dropped by the caller"]
    pub(super) fn put_back(&self, work: W, driver: Driver) -> Option<W> {
        let (left, handed_over) = self.0.with(|state| {
            if state.outcome.is_some() {
                return (Some(work), false);
            }
            state.work = Some(work);
            (None, state.driver != driver)
        });
        if handed_over {
            // Its own wakes do not reach whoever may drive it now: it is to be polled anew.
            self.call();
        }
        left
    }

    /// Takes the work away, if it is in its place: nobody can do it from now on.
    pub(super) fn withdraw(&self) -> Option<W> {
        self.0.with(|state| state.work.take())
    }

    /// Puts back work that was withdrawn. Who has come for it meanwhile comes again.
    pub(super) fn restore(&self, work: W) {
        self.0.with(|state| state.work = Some(work));
        self.call();
    }

    /// Has `waker` woken once there is something to do. Says `false` if there is already: then
    /// the caller is to come again. `driven` says that the caller has just done a part.
    pub(super) fn park(
        &self,
        runtime: &R,
        seat: &mut Option<Seat>,
        waker: &Waker,
        driven: bool,
    ) -> bool {
        let known = seat.is_some_and(|seat| self.0.with(|state| state.waiters.sits(seat, waker)));
        // Cloned and dropped out here: wakers are foreign code.
        let cloned = (!known).then(|| waker.clone());
        let home = (!known).then(|| runtime.executor());
        let mut task = None;
        let (parked, call, old) = self.0.with(|state| {
            if state.outcome.is_some() {
                return (false, None, cloned);
            }
            let scattered = home.is_some_and(|home| state.scatters(home));
            if scattered && !R::SPAWNS_APART {
                task = state.task.take();
            }
            let old = match cloned {
                Some(cloned) => state.waiters.sit(seat, cloned),
                // Emptied since: the next round will find the seat gone.
                None if seat.is_none_or(|seat| !state.waiters.sits(seat, waker)) => {
                    return (false, None, None);
                }
                None => None,
            };
            // Only now: a call that came before there was a seat has woken nobody here.
            let calling = state.is_calling();
            // Work that wakes itself whenever it is done must not keep its driver here for ever: it
            // comes back through the executor.
            let call = (scattered || calling && driven).then(|| state.call_anyone());
            (!scattered && (!calling || driven), call, old)
        });
        drop(old);
        if let Some(call) = call {
            call.make();
        }
        if let Some(task) = task {
            task.wake();
        }
        parked
    }

    /// Has the background task woken once there is something to do for it.
    pub(super) fn park_task(&self, waker: &Waker) {
        let cloned = waker.clone();
        let (old, is_anyones) = self.0.with(|state| {
            let is_anyones = state.driver == Driver::Anyone;
            (state.task.replace(cloned), is_anyones)
        });
        drop(old);
        // The wakes of work that is anyone's reach the waiters: the task is one of them, since all
        // callers may be parked for good. A task that was parked before is woken, and comes here.
        if is_anyones && !R::SPAWNS_APART {
            let cloned = waker.clone();
            let old = self.0.with(|state| match state.outcome {
                None => state.waiters.sit_once(cloned),
                Some(_) => Some(cloned),
            });
            drop(old);
        }
    }

    /// Rests after the background task has done a part. If the work asks to be done again already,
    /// everybody is called once more: the first call may have come when one of those who wait was
    /// about to sit down, and found the work away.
    pub(super) fn rest_task(&self) {
        if self.0.with(|state| state.is_calling()) {
            self.call();
        }
    }

    /// Gives up a place among those who wait.
    pub(super) fn leave_seat(&self, seat: Seat) {
        let left = self.0.with(|state| {
            // Where it is over, all seats were emptied.
            let waits = state.outcome.is_none();
            waits.then(|| state.waiters.leave(seat)).flatten()
        });
        drop(left);
    }

    /// Ends the work and wakes everybody. What is left of the work is returned, to be dropped.
    #[must_use = "what is left is dropped by the caller"]
    pub(super) fn complete(&self, outcome: O) -> Option<(Option<W>, Option<O>)> {
        self.complete_if(outcome, |_| true)
    }

    /// As [`Shared::complete`], if nobody does the work just now and it `is_deserted`: whoever raises
    /// the interest in it, and then finds that it is not over, knows that it goes on.
    pub(super) fn give_up(&self, outcome: O, is_deserted: impl FnOnce() -> bool) {
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
    pub(super) fn outcome<T>(&self, f: impl FnOnce(&mut O) -> T) -> Option<T> {
        self.0.with(|state| state.outcome.as_mut().map(f))
    }
}

impl Homes {
    fn with(self, executor: Option<ExecutorId>) -> Self {
        match (self, executor) {
            (Self::None, Some(one)) => Self::One(one),
            (Self::One(known), Some(one)) if known == one => self,
            _ => Self::Several,
        }
    }
}

impl<W, O> State<W, O> {
    fn turn(&mut self, role: Role) -> Turn<W> {
        if self.outcome.is_some() {
            return Turn::Over;
        }
        let (may_drive, relay) = match (self.driver, role) {
            (Driver::Leader, Role::Leader) | (Driver::Task, Role::Task) => (true, None),
            (Driver::Anyone, _) if self.is_calling() => {
                let relay = self.waiters.relay();
                relay.answer();
                (true, Some(Arc::clone(relay)))
            }
            _ => (false, None),
        };
        match self.work.take_if(|_| may_drive) {
            Some(work) => Turn::Drive(work, self.driver, relay),
            None => Turn::Wait,
        }
    }

    /// Somebody waits on `executor`. If that is not the only one, the work no longer depends on a
    /// background task, whose executor may stand still. Says whether it did so far.
    fn scatters(&mut self, executor: Option<ExecutorId>) -> bool {
        self.homes = self.homes.with(executor);
        let scatters = self.driver == Driver::Task && self.homes == Homes::Several;
        if scatters {
            self.driver = Driver::Anyone;
        }
        scatters
    }

    /// Whoever waits does the work from now on, and is to be called.
    fn call_anyone(&mut self) -> Call {
        self.driver = Driver::Anyone;
        Call::Many(Arc::clone(self.waiters.relay()))
    }

    /// Whether the work waits to be done by anyone.
    fn is_calling(&self) -> bool {
        self.driver == Driver::Anyone && self.work.is_some() && self.waiters.is_woken()
    }
}
