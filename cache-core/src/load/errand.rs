//! A batch under way, as those who wait for it see it: work for a background task that, where none
//! can be spawned, any of them does.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::relay::Seat;
use super::shared::{Driver, Role, Shared, Turn};
use crate::runtime::{Runtime, Task};
use crate::sync::{Arc, AtomicUsize, Ordering};

/// Work that several depend on, and that ends each one's flight by itself.
pub(crate) struct Errand<R: Runtime> {
    work: Shared<Task<R>, (), R>,
    /// How many of its flights have callers. Raised with the flight's shard locked, or the desk: no
    /// caller is on the way who is not counted yet.
    interest: AtomicUsize,
    /// How often the executor has come round to those who do the work or wait for it.
    rounds: AtomicUsize,
}

impl<R: Runtime> Errand<R> {
    /// An errand with one flight that has callers.
    pub(crate) fn new(work: Task<R>) -> Self {
        Self {
            work: Shared::new(Driver::Task, Some(work)),
            interest: AtomicUsize::new(1),
            rounds: AtomicUsize::new(0),
        }
    }

    /// What tells this errand from all others that exist.
    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Does a part of the work at once: who waits for its task to come round finds it begun. In
    /// place of the task, so that the task is called if there is more to do.
    pub(crate) fn begin(&self) {
        let mut cx = Context::from_waker(Waker::noop());
        if self.take_turn(Role::Task, &mut cx).is_err() {
            self.call();
        }
    }

    /// Has the work looked at again.
    pub(crate) fn call(&self) {
        self.work.call();
    }

    /// How often the executor has come round since the work was there to be done.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Whether the work is over or was given up.
    pub(super) fn is_over(&self) -> bool {
        self.work.is_over()
    }

    /// Who does the work at the moment.
    pub(crate) fn driver(&self) -> Driver {
        self.work.driver()
    }

    /// Somebody comes who has come `times` before. All who wait are woken together, so whoever has
    /// come most often has seen every round.
    fn come(&self, times: usize) {
        self.rounds.fetch_max(times, Ordering::Relaxed);
    }

    /// One more flight has callers.
    pub(super) fn join(&self) {
        self.interest.fetch_add(1, Ordering::AcqRel);
    }

    /// One more flight is to be a part of the work, unless that is over. Other callers do not mean
    /// that it goes on: they may have joined a flight of it in vain.
    pub(crate) fn admit(&self) -> bool {
        self.join();
        !self.is_over()
    }

    /// One flight less has callers. Says whether it was the last.
    pub(super) fn leave(&self) -> bool {
        self.interest.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The runtime that the background task, or a timer, is on may stand still from now on.
    pub(super) fn hand_to_anyone(&self) {
        self.work.hand_to_anyone();
    }

    /// If nobody waits any more, the work is dropped, or a background task goes on with it.
    pub(super) fn end_if_deserted(&self, detach: bool) {
        if self.is_deserted() && !(detach && self.work.leave_to_task()) {
            self.drop_if_deserted();
        }
    }

    fn is_deserted(&self) -> bool {
        self.interest.load(Ordering::Acquire) == 0
    }

    /// Drops work that nobody waits for, which ends its flights. Work that is being done is left to
    /// whoever does it, who looks again after that.
    fn drop_if_deserted(&self) {
        self.work.give_up((), || self.is_deserted());
    }

    /// Does a part of the work, if that is this caller's part. Says whether it is over, and
    /// otherwise whether a part was done.
    fn take_turn(&self, role: Role, cx: &mut Context<'_>) -> Result<(), bool> {
        let (mut work, driver, relay) = match self.work.turn(role) {
            Turn::Over => return Ok(()),
            Turn::Wait => return Err(false),
            Turn::Drive(work, driver, relay) => (work, driver, relay),
        };
        let relay = relay.map(Waker::from);
        let mut cx = Context::from_waker(relay.as_ref().unwrap_or_else(|| cx.waker()));
        // Should the work, or its drop, unwind: whoever waits for it must not wait for ever.
        let mut ends = Ends(Some(self));
        if Pin::new(&mut work).poll(&mut cx).is_pending() {
            ends.0 = None;
            self.work.put_back(work, driver);
            return Err(true);
        }
        drop(work);
        Ok(())
    }
}

impl<R: Runtime> fmt::Debug for Errand<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errand")
            .field("interest", &self.interest.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// Ends an errand when it is dropped.
struct Ends<'a, R: Runtime>(Option<&'a Errand<R>>);

impl<R: Runtime> Drop for Ends<'_, R> {
    fn drop(&mut self) {
        if let Some(errand) = self.0 {
            errand.work.complete(());
        }
    }
}

/// A caller's place among those who wait for an errand.
pub(super) struct Place<R: Runtime> {
    errand: Arc<Errand<R>>,
    seat: Option<Seat>,
    /// How often the executor has come to this caller.
    polls: usize,
    /// Whether the errand is known to be over.
    is_over: bool,
}

impl<R: Runtime> Place<R> {
    pub(super) const fn new(errand: Arc<Errand<R>>) -> Self {
        Self {
            errand,
            seat: None,
            polls: 0,
            is_over: false,
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// The executor has come to this caller.
    pub(super) fn come(&mut self) {
        self.errand.come(self.polls);
        self.polls += 1;
    }

    /// Does a part of the work, if that is this caller's part. Says whether it did and there is more.
    pub(super) fn take_turn(&mut self, cx: &mut Context<'_>) -> bool {
        let turn = self.errand.take_turn(Role::Waiter, cx);
        self.is_over = turn.is_ok();
        turn == Err(true)
    }

    /// As [`Shared::park`].
    pub(super) fn park(&mut self, runtime: &R, waker: &Waker, driven: bool) -> bool {
        let work = &self.errand.work;
        work.park(runtime, &mut self.seat, waker, driven)
    }

    pub(super) fn leave(self) {
        if let Some(seat) = self.seat {
            self.errand.work.leave_seat(seat);
        }
    }
}

/// The background task of a batch. Dropping it hands the batch to whoever waits for it.
pub struct Run<R: Runtime> {
    errand: Arc<Errand<R>>,
    polls: usize,
    /// Whether it goes on with what nobody waits for.
    detached: bool,
}

impl<R: Runtime> Run<R> {
    pub(crate) const fn new(errand: Arc<Errand<R>>, detached: bool) -> Self {
        Self {
            errand,
            polls: 0,
            detached,
        }
    }
}

impl<R: Runtime> Future for Run<R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.errand.come(self.polls);
        self.polls += 1;
        // First, or whoever calls or puts back the work would not find anybody to wake.
        self.errand.work.park_task(cx.waker());
        let Err(driven) = self.errand.take_turn(Role::Task, cx) else {
            return Poll::Ready(());
        };
        if driven {
            self.errand.work.rest_task();
            // Who left meanwhile could not drop the work.
            if !self.detached {
                self.errand.drop_if_deserted();
            }
        }
        Poll::Pending
    }
}

impl<R: Runtime> Drop for Run<R> {
    fn drop(&mut self) {
        self.errand.work.task_is_gone();
        self.errand.drop_if_deserted();
    }
}

impl<R: Runtime> fmt::Debug for Run<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Run").field(&self.errand).finish()
    }
}
