//! A batch under way, as those who wait for it see it: work for a background task that, where none
//! can be spawned, any of them does.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::shared_work::{Driver, Role, SharedWork, Step};
use super::wait_list::WaiterId;
use crate::panic;
use crate::runtime::{Runtime, Task};
use crate::sync::{Arc, AtomicUsize, Ordering};

/// Work that several depend on, and that ends each one's flight by itself.
pub(crate) struct BatchFlight<R: Runtime> {
    work: SharedWork<Task<R>, (), R>,
    /// How many of its flights have callers. Raised with the flight's shard locked, or the desk: no
    /// caller is on the way who is not counted yet.
    dependents: AtomicUsize,
    /// How often the executor has come round to those who do the work or wait for it.
    executor_passes: AtomicUsize,
}

impl<R: Runtime> BatchFlight<R> {
    /// An errand with one flight that has callers.
    pub(crate) fn new(work: Task<R>) -> Self {
        Self {
            work: SharedWork::new(Driver::Task, Some(work)),
            dependents: AtomicUsize::new(1),
            executor_passes: AtomicUsize::new(0),
        }
    }

    /// What tells this errand from all others that exist.
    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Does a part of the work at once: who waits for its task to come round finds it begun. In
    /// place of the task, so that the task is called if there is more to do.
    pub(crate) fn poll_once(&self) {
        let mut cx = Context::from_waker(Waker::noop());
        if self.poll_step(Role::Task, &mut cx).is_err() {
            self.notify();
        }
    }

    /// Has the work looked at again.
    pub(crate) fn notify(&self) {
        self.work.notify();
    }

    /// How often the executor has come round since the work was there to be done.
    pub(crate) fn executor_passes(&self) -> usize {
        self.executor_passes.load(Ordering::Relaxed)
    }

    /// Whether the work is over or was given up.
    pub(crate) fn is_complete(&self) -> bool {
        self.work.is_complete()
    }

    /// Who does the work at the moment.
    pub(crate) fn driver(&self) -> Driver {
        self.work.driver()
    }

    /// Somebody comes who has come `times` before. All who wait are woken together, so whoever has
    /// come most often has seen every round.
    fn record_poll(&self, times: usize) {
        self.executor_passes.fetch_max(times, Ordering::Relaxed);
    }

    /// One more flight has callers.
    pub(crate) fn add_dependent(&self) {
        self.dependents.fetch_add(1, Ordering::AcqRel);
    }

    /// One more flight is to be a part of the work, unless that is over. Other callers do not mean
    /// that it goes on: they may have joined a flight of it in vain.
    pub(crate) fn add_flight(&self) -> bool {
        self.add_dependent();
        !self.is_complete()
    }

    /// One flight less has callers. Says whether it was the last.
    pub(crate) fn remove_dependent(&self) -> bool {
        self.dependents.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The runtime that the background task, or a timer, is on may stand still from now on.
    pub(crate) fn let_waiters_drive(&self) {
        self.work.let_waiters_drive();
    }

    /// If nobody waits any more, the work is dropped, or a background task goes on with it.
    pub(crate) fn cancel_if_unused(&self, detach: bool) {
        if self.is_unused() && !(detach && self.work.leave_to_task()) {
            self.drop_if_unused();
        }
    }

    fn is_unused(&self) -> bool {
        self.dependents.load(Ordering::Acquire) == 0
    }

    /// Drops work that nobody waits for, which ends its flights. Work that is being done is left to
    /// whoever does it, who looks again after that.
    fn drop_if_unused(&self) {
        self.work.cancel_if((), || self.is_unused());
    }

    /// Does a part of the work, if that is this caller's part. Says whether it is over, and
    /// otherwise whether a part was done.
    fn poll_step(&self, role: Role, cx: &mut Context<'_>) -> Result<(), bool> {
        let (mut work, driver, notifier) = match self.work.next_step(role) {
            Step::Complete => return Ok(()),
            Step::Wait => return Err(false),
            Step::Poll(work, driver, notifier) => (work, driver, notifier),
        };
        let notifier = notifier.map(Waker::from);
        let mut cx = Context::from_waker(notifier.as_ref().unwrap_or_else(|| cx.waker()));
        // Should the work, or its drop, unwind: whoever waits for it must not wait for ever.
        let mut complete = CompleteOnDrop(Some(self));
        if Pin::new(&mut work).poll(&mut cx).is_pending() {
            complete.0 = None;
            drop(self.work.put_back(work, driver));
            return Err(true);
        }
        drop(work);
        Ok(())
    }
}

impl<R: Runtime> fmt::Debug for BatchFlight<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchFlight")
            .field("dependents", &self.dependents.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// Ends an errand when it is dropped.
struct CompleteOnDrop<'a, R: Runtime>(Option<&'a BatchFlight<R>>);

impl<R: Runtime> Drop for CompleteOnDrop<'_, R> {
    fn drop(&mut self) {
        if let Some(batch) = self.0 {
            drop(batch.work.complete(()));
        }
    }
}

/// A caller's place among those who wait for an errand.
pub(crate) struct BatchWaiter<R: Runtime> {
    batch: Arc<BatchFlight<R>>,
    waiter_id: Option<WaiterId>,
    /// How often the executor has come to this caller.
    polls: usize,
    /// Whether the errand is known to be over.
    is_complete: bool,
}

impl<R: Runtime> BatchWaiter<R> {
    pub(crate) const fn new(batch: Arc<BatchFlight<R>>) -> Self {
        Self {
            batch,
            waiter_id: None,
            polls: 0,
            is_complete: false,
        }
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The executor has come to this caller.
    pub(crate) fn record_poll(&mut self) {
        self.batch.record_poll(self.polls);
        self.polls += 1;
    }

    /// Does a part of the work, if that is this caller's part. Says whether it did and there is more.
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> bool {
        let next_step = self.batch.poll_step(Role::Waiter, cx);
        self.is_complete = next_step.is_ok();
        next_step == Err(true)
    }

    /// As [`SharedWork::park`].
    pub(crate) fn park(&mut self, runtime: &R, waker: &Waker, polled: bool) -> bool {
        let work = &self.batch.work;
        work.park(runtime, &mut self.waiter_id, waker, polled)
    }

    pub(crate) fn deregister(self) {
        if let Some(waiter_id) = self.waiter_id {
            self.batch.work.deregister(waiter_id);
        }
    }
}

/// The background task of a batch. Dropping it hands the batch to whoever waits for it.
#[expect(unnameable_types, reason = "a hidden method boxes it")]
pub struct BatchTask<R: Runtime> {
    batch: Arc<BatchFlight<R>>,
    polls: usize,
    /// Whether it goes on with what nobody waits for.
    detached: bool,
}

impl<R: Runtime> BatchTask<R> {
    pub(crate) const fn new(batch: Arc<BatchFlight<R>>, detached: bool) -> Self {
        Self {
            batch,
            polls: 0,
            detached,
        }
    }
}

impl<R: Runtime> BatchTask<R> {
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.batch.record_poll(self.polls);
        self.polls += 1;
        // First, or whoever calls or puts back the work would not find anybody to wake.
        self.batch.work.park_task(cx.waker());
        let Err(polled) = self.batch.poll_step(Role::Task, cx) else {
            return Poll::Ready(());
        };
        if polled {
            self.batch.work.recheck();
            // Who left meanwhile could not drop the work.
            if !self.detached {
                self.batch.drop_if_unused();
            }
        }
        Poll::Pending
    }
}

impl<R: Runtime> Future for BatchTask<R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A waker of a caller may panic, which must not unwind into the executor. The panic hook has
        // reported it; what is left of the batch is handed on as the task ends.
        panic::catch(|| self.drive(cx)).unwrap_or(Poll::Ready(()))
    }
}

impl<R: Runtime> Drop for BatchTask<R> {
    fn drop(&mut self) {
        self.batch.work.task_dropped();
        self.batch.drop_if_unused();
    }
}

impl<R: Runtime> fmt::Debug for BatchTask<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchTask").field(&self.batch).finish()
    }
}
