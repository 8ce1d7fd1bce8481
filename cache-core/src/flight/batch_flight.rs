//! A batch in flight, independent of the cache: work that a background task polls, or the waiters
//! where no task can be spawned.
//!
//! | driver | polls the work | next driver |
//! |---|---|---|
//! | `Task` | the background task | `Waiters`, when the task is dropped or may stop being polled |
//! | `Waiters` | any waiter, or the task if it still exists | `Task`, when the last caller leaves a detached batch |

use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::shared_work::{Driver, Progress, Role, SharedWork};
use super::wait_list::WaiterId;
use crate::machine::Instant;
use crate::observe::Observed;
use crate::opt_in::{Feature, Freshening, Observers};
use crate::panic::OnDrop;
use crate::runtime::{LoadId, Runtime, Task};
use crate::sync::{Arc, AtomicUsize, Once, Ordering};

/// A batch in flight: the work, and the callers that depend on it. The work itself completes the
/// flights of the batch.
pub(crate) struct BatchFlight<R: Runtime> {
    work: SharedWork<Task<R>, (), R>,
    /// How many flights of the batch have callers, times [`FLIGHT`], and [`REFRESHES_DEPEND`]. A
    /// caller that raises it checks `is_complete` afterwards, and a cancellation reads it with the
    /// work locked: so either the cancellation sees the caller, or the caller sees that the batch is
    /// complete.
    dependents: AtomicUsize,
    /// How many passes the executor has made over the tasks that poll the work or wait for it.
    executor_passes: AtomicUsize,
    /// What observes the batch, once the caller that opened its window has begun it.
    observed: Once<ObservedBatch>,
}

/// A flight with callers in the count of dependents. The bit below is [`REFRESHES_DEPEND`].
const FLIGHT: usize = 2;

/// The batch has refreshes, which need no callers: the background task continues it.
const REFRESHES_DEPEND: usize = 1;

/// What observes a batch.
pub(crate) struct ObservedBatch {
    observed: Observed,
    /// How many keys the loader got, and when.
    pub(crate) call: Once<(u64, Instant)>,
}

impl Deref for ObservedBatch {
    type Target = Observed;

    fn deref(&self) -> &Observed {
        &self.observed
    }
}

impl<R: Runtime> BatchFlight<R> {
    /// A batch with one flight that has a caller, or with a refresh.
    pub(crate) fn new(work: Task<R>, is_of_refreshes: bool) -> Self {
        Self {
            work: SharedWork::new(Driver::Task, Some(work)),
            dependents: AtomicUsize::new(match is_of_refreshes {
                true => REFRESHES_DEPEND,
                false => FLIGHT,
            }),
            executor_passes: AtomicUsize::new(0),
            observed: Once::new(),
        }
    }

    /// Identifies this batch among all live batches and flights, to detect reentrant loads.
    pub(crate) fn load_id(&self) -> LoadId {
        Self::load_id_at(core::ptr::from_ref(self))
    }

    /// As [`BatchFlight::load_id`], of the batch at an address.
    pub(crate) fn load_id_at(batch: *const Self) -> LoadId {
        LoadId::at(batch.addr())
    }

    /// Polls the work in place of the background task, so that a full batch starts before the task
    /// is first polled. Notifies the driver if the work is not complete: this poll registered no
    /// waker, and the driver may have found the work taken.
    pub(crate) fn poll_once(&self) {
        let cx = Context::from_waker(Waker::noop());
        if !matches!(self.poll_step(Role::Task, &cx), Progress::Done(_)) {
            self.notify();
        }
    }

    /// Sets what observes the batch.
    pub(crate) fn observe(&self, observed: Observed) {
        self.observed.call_once(|| ObservedBatch {
            observed,
            call: Once::new(),
        });
    }

    /// What observes the batch, once it has begun. Returns nothing if no observer is linked.
    #[inline(always)]
    pub(crate) fn observed(&self) -> Option<&ObservedBatch> {
        Observers::enabled()?;
        self.observed.get()
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

    /// Records the poll of a task that has been polled `polls` times before. A wake reaches all
    /// waiters, so each pass of the executor polls each of them once: the largest number of polls
    /// is the number of passes.
    fn record_poll(&self, polls: usize) {
        self.executor_passes.fetch_max(polls, Ordering::Relaxed);
    }

    /// Counts a flight that has callers.
    pub(crate) fn add_dependent(&self) {
        self.dependents.fetch_add(FLIGHT, Ordering::AcqRel);
    }

    /// Counts a new flight of the batch. Returns `false` if the batch has ended: the flight needs
    /// another batch.
    ///
    /// Must count before it checks `is_complete`, or a cancellation between the two drops a batch
    /// that the flight relies on. The count alone proves nothing: a caller that joins a flight of
    /// a cancelled batch raises it too.
    pub(crate) fn add_flight(&self) -> bool {
        self.add_dependent();
        !self.is_complete()
    }

    /// Uncounts a flight whose last caller has left.
    pub(crate) fn remove_dependent(&self) {
        self.dependents.fetch_sub(FLIGHT, Ordering::AcqRel);
    }

    /// Keeps the batch for its refreshes, as long as its background task exists.
    pub(crate) fn keep_for_refreshes(&self) {
        self.work.with_task(|| {
            self.dependents.fetch_or(REFRESHES_DEPEND, Ordering::AcqRel);
        });
    }

    /// Whether the batch is kept for its refreshes.
    pub(crate) fn is_kept_for_refreshes(&self) -> bool {
        self.dependents.load(Ordering::Acquire) & REFRESHES_DEPEND != 0
    }

    /// The batch is not kept for its refreshes any more. Returns whether flights have callers.
    pub(crate) fn abandon_refreshes(&self) -> bool {
        let before = self
            .dependents
            .fetch_and(!REFRESHES_DEPEND, Ordering::AcqRel);
        before >= FLIGHT
    }

    /// Makes the waiters the driver: the executor of the background task, or that of the timer, may
    /// no longer run.
    pub(crate) fn let_waiters_drive(&self) {
        self.work.let_waiters_drive();
    }

    /// If no caller needs the batch, drops the work, or leaves it to the background task if
    /// `detach`, or if refreshes need it.
    pub(crate) fn cancel_if_unused(&self, detach: bool) {
        let dependents = self.dependents.load(Ordering::Acquire);
        let continues = detach || Freshening::is_enabled() && dependents == REFRESHES_DEPEND;
        if dependents < FLIGHT && !(continues && self.work.leave_to_task()) {
            self.drop_if_unused();
        }
    }

    fn is_unused(&self) -> bool {
        self.dependents.load(Ordering::Acquire) == 0
    }

    /// Drops the work if no caller needs it, which cancels its flights. Has no effect while a
    /// driver polls the work: a background task calls this again after its poll, and any other
    /// driver is a caller, which calls it when it leaves.
    fn drop_if_unused(&self) {
        self.work.cancel_if((), || self.is_unused());
    }

    /// Polls the work once if `role` drives it now.
    fn poll_step(&self, role: Role, cx: &Context<'_>) -> Progress<()> {
        self.work.poll_step(role, cx, |mut work, driver, cx| {
            // If the poll or the drop of the work panics, this completes the batch: otherwise its
            // waiters would hang.
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
    /// Whether this caller has seen that the batch is complete.
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

    /// Polls the work once if this waiter drives it now. Returns `true` if it polled the work, and
    /// the work is pending.
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
/// Its drop lets the waiters drive the batch, or drops a batch without callers.
#[expect(unnameable_types, reason = "a hidden method boxes it")]
pub struct BatchTask<R: Runtime> {
    batch: Arc<BatchFlight<R>>,
    polls: usize,
    /// Whether the task continues a batch without callers.
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
        if Freshening::is_enabled() {
            self.batch.abandon_refreshes();
        }
        // Must come after `task_dropped`: the last caller of a detached batch, if it left before,
        // left the work to this task; if it leaves later, it finds no task and drops the work.
        self.batch.drop_if_unused();
    }
}

impl<R: Runtime> fmt::Debug for BatchTask<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchTask").field(&self.batch).finish()
    }
}
