//! A batch in flight, independent of the cache: work that a background task polls, or the waiters
//! where no task can be spawned.
//!
//! | driver | polls the work | next driver |
//! |---|---|---|
//! | `Task` | the background task | `Waiters`, when the task is dropped or may stop being polled |
//! | `Waiters` | any waiter, or the task if it still exists | `Task`, when the last caller leaves a detached batch |

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::shared_work::{Driver, Progress, Role, SharedWork};
use super::wait_list::WaiterId;
use crate::panic::OnDrop;
use crate::runtime::{Runtime, Task};
use crate::sync::{Arc, AtomicUsize, Ordering};

/// A batch in flight: the work, and the callers that depend on it. The work itself completes the
/// flights of the batch.
pub(crate) struct BatchFlight<R: Runtime> {
    work: SharedWork<Task<R>, (), R>,
    /// How many flights of the batch have callers. Incremented only while the flight's shard or the
    /// batch queue is locked: no caller joins a flight without being counted.
    dependents: AtomicUsize,
    /// How many passes the executor has made over the tasks that poll the work or wait for it.
    executor_passes: AtomicUsize,
}

impl<R: Runtime> BatchFlight<R> {
    /// A batch with one flight that has a caller.
    pub(crate) fn new(work: Task<R>) -> Self {
        Self {
            work: SharedWork::new(Driver::Task, Some(work)),
            dependents: AtomicUsize::new(1),
            executor_passes: AtomicUsize::new(0),
        }
    }

    /// A number that no other live batch or flight has.
    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Polls the work in place of the background task, so that a full batch starts before the task
    /// is first polled. Notifies the driver if the work is not complete: this poll left no waker.
    pub(crate) fn poll_once(&self) {
        let cx = Context::from_waker(Waker::noop());
        if !matches!(self.poll_step(Role::Task, &cx), Progress::Done(_)) {
            self.notify();
        }
    }

    /// Wakes the driver to poll the work again.
    pub(crate) fn notify(&self) {
        self.work.notify();
    }

    /// How many passes the executor has made since the batch was created.
    pub(crate) fn executor_passes(&self) -> usize {
        self.executor_passes.load(Ordering::Relaxed)
    }

    /// Whether the work has completed or was cancelled.
    pub(crate) fn is_complete(&self) -> bool {
        self.work.is_complete()
    }

    /// The code that polls the work now.
    pub(crate) fn driver(&self) -> Driver {
        self.work.driver()
    }

    /// Records that a task polls after `polls` earlier polls. All waiters are woken together, so
    /// the maximum is the number of executor passes.
    fn record_poll(&self, polls: usize) {
        self.executor_passes.fetch_max(polls, Ordering::Relaxed);
    }

    /// Counts a flight that has callers.
    pub(crate) fn add_dependent(&self) {
        self.dependents.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a new flight of the batch. `false` if the batch has ended: the flight needs another
    /// one.
    ///
    /// A count above zero does not prove that the batch goes on, since a caller may have joined one
    /// of its flights just after the batch was cancelled.
    pub(crate) fn add_flight(&self) -> bool {
        self.add_dependent();
        !self.is_complete()
    }

    /// Uncounts a flight whose last caller leaves. Returns whether it was the last flight with
    /// callers.
    pub(crate) fn remove_dependent(&self) -> bool {
        self.dependents.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Lets the waiters poll the work: the executor of the background task or of its timer may not
    /// run any more.
    pub(crate) fn let_waiters_drive(&self) {
        self.work.let_waiters_drive();
    }

    /// Without callers: drops the work, or leaves it to the background task if `detach`.
    pub(crate) fn cancel_if_unused(&self, detach: bool) {
        if self.is_unused() && !(detach && self.work.leave_to_task()) {
            self.drop_if_unused();
        }
    }

    fn is_unused(&self) -> bool {
        self.dependents.load(Ordering::Acquire) == 0
    }

    /// Drops the work if it has no callers, which cancels its flights. If a driver is polling the
    /// work right now, that driver calls this again after its poll.
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

/// A caller that waits for a batch: its registration in the batch's wait list.
pub(crate) struct BatchWaiter<R: Runtime> {
    batch: Arc<BatchFlight<R>>,
    waiter_id: Option<WaiterId>,
    /// How often this caller was polled.
    polls: usize,
    /// Whether this caller has seen the batch complete.
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

    /// Records that the executor polls this caller.
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
