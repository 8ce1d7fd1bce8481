//! A batch under way, as those who wait for it see it: work for a background task that, where none
//! can be spawned, any of them does.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::shared_work::{Driver, Progress, Role, SharedWork};
use super::wait_list::WaiterId;
use crate::panic::OnDrop;
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
        let cx = Context::from_waker(Waker::noop());
        if !matches!(self.poll_step(Role::Task, &cx), Progress::Done(_)) {
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

    /// Polls the work once if `role` drives it now.
    fn poll_step(&self, role: Role, cx: &Context<'_>) -> Progress<()> {
        self.work.poll_step(role, cx, |mut work, driver, cx| {
            // If the work or its drop panics, the batch must be complete, or its waiters hang.
            let mut complete = OnDrop(Some(|| drop(self.work.complete(()))));
            if Pin::new(&mut work).poll(cx).is_pending() {
                complete.0 = None;
                drop(self.work.put_back(work, driver));
                return Poll::Pending;
            }
            drop(work);
            Poll::Ready(None)
        })
    }
}

impl<R: Runtime> fmt::Debug for BatchFlight<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchFlight")
            .field("dependents", &self.dependents.load(Ordering::Relaxed))
            .finish_non_exhaustive()
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

    /// Polls the work once if this waiter drives it now. Returns whether it did, and the work is
    /// pending.
    pub(crate) fn poll_step(&mut self, cx: &Context<'_>) -> bool {
        let progress = self.batch.poll_step(Role::Waiter, cx);
        self.is_complete = matches!(progress, Progress::Done(_));
        matches!(progress, Progress::Polled)
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

/// The background task of a batch.
///
/// Dropping it lets the waiters drive the batch; a batch without waiters is dropped.
#[expect(unnameable_types, reason = "a hidden method boxes it")]
pub struct BatchTask<R: Runtime> {
    batch: Arc<BatchFlight<R>>,
    polls: usize,
    /// Whether it goes on with a batch that has no waiters left.
    is_detached: bool,
}

impl<R: Runtime> BatchTask<R> {
    pub(crate) const fn new(batch: Arc<BatchFlight<R>>, is_detached: bool) -> Self {
        Self {
            batch,
            polls: 0,
            is_detached,
        }
    }
}

impl<R: Runtime> Future for BatchTask<R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.batch.record_poll(self.polls);
        self.polls += 1;
        let batch = &self.batch;
        batch.work.poll_task(
            cx,
            |cx| batch.poll_step(Role::Task, cx),
            || {
                if !self.is_detached {
                    batch.drop_if_unused();
                }
            },
        )
    }
}

impl<R: Runtime> Drop for BatchTask<R> {
    fn drop(&mut self) {
        self.batch.work.task_dropped();
        // Must come last: a caller that leaves earlier relies on the task to drop the work.
        self.batch.drop_if_unused();
    }
}

impl<R: Runtime> fmt::Debug for BatchTask<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchTask").field(&self.batch).finish()
    }
}
