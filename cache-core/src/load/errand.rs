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
    /// How many callers wait for it.
    interest: AtomicUsize,
}

impl<R: Runtime> Errand<R> {
    pub(crate) fn new(work: Task<R>) -> Self {
        Self {
            work: Shared::new(Driver::Task, Some(work)),
            interest: AtomicUsize::new(0),
        }
    }

    /// What tells this errand from all others that exist.
    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Has the work looked at again.
    pub(crate) fn call(&self) {
        self.work.call();
    }

    pub(super) fn is_over(&self) -> bool {
        self.work.is_over()
    }

    pub(super) fn join(&self) {
        self.interest.fetch_add(1, Ordering::Relaxed);
    }

    /// One caller less. Work that nobody waits for any more is dropped, which ends its flights;
    /// `detach` lets a background task go on with it. `spawned` says that the task is on the runtime
    /// of this caller, which may stand still from now on.
    pub(super) fn leave(&self, detach: bool, spawned: bool) {
        let last = self.interest.fetch_sub(1, Ordering::AcqRel) == 1;
        if last && !(detach && self.work.leave_to_task()) {
            self.work.complete(());
        } else if !last && spawned {
            self.work.hand_to_anyone();
        }
    }

    /// Does a part of the work, if that is this caller's part. Says whether it is over, and
    /// otherwise whether a part was done.
    pub(super) fn take_turn(&self, role: Role, cx: &mut Context<'_>) -> Result<(), bool> {
        let (mut work, relay) = match self.work.turn(role) {
            Turn::Over => return Ok(()),
            Turn::Wait => return Err(false),
            Turn::Drive(work, _, relay) => (work, relay),
        };
        let relay = relay.map(Waker::from);
        let mut cx = Context::from_waker(relay.as_ref().unwrap_or_else(|| cx.waker()));
        if Pin::new(&mut work).poll(&mut cx).is_pending() {
            self.work.put_back(work, role);
            return Err(true);
        }
        drop(work);
        self.work.complete(());
        Ok(())
    }

    pub(super) fn park(&self, seat: &mut Option<Seat>, waker: &Waker, driven: bool) -> bool {
        self.work.park(seat, waker, driven)
    }

    pub(super) fn leave_seat(&self, seat: Seat) {
        self.work.leave_seat(seat);
    }
}

impl<R: Runtime> fmt::Debug for Errand<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errand")
            .field("interest", &self.interest.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The background task of a batch. Dropping it hands the batch to whoever waits for it.
pub struct Run<R: Runtime>(Arc<Errand<R>>);

impl<R: Runtime> Run<R> {
    pub(crate) const fn new(errand: Arc<Errand<R>>) -> Self {
        Self(errand)
    }
}

impl<R: Runtime> Future for Run<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // First, or whoever calls or puts back the work would not find anybody to wake.
        self.0.work.park_task(cx.waker());
        match self.0.take_turn(Role::Task, cx) {
            Ok(()) => Poll::Ready(()),
            Err(_) => Poll::Pending,
        }
    }
}

impl<R: Runtime> Drop for Run<R> {
    fn drop(&mut self) {
        if !self.0.is_over() {
            self.0.work.task_is_gone();
        }
        if self.0.interest.load(Ordering::Acquire) == 0 && !self.0.is_over() {
            self.0.work.complete(());
        }
    }
}

impl<R: Runtime> fmt::Debug for Run<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Run").field(&self.0).finish()
    }
}
