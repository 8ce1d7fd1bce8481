//! One load in flight, shared by all callers that depend on it.
//!
//! The loader's future lives in the flight, not in the caller that started it. A flight goes
//! through these phases, and each of these calls succeeds at most once:
//!
//! | phase | meaning | `mark_dispatched` | `begin_completion` | `begin_cancel` |
//! |---|---|---|---|---|
//! | `Loading` | the load can be cancelled | `Dispatched` | `Completing` | `Cancelled` |
//! | `Dispatched` | a batch loader has the key | | `Completing` | |
//! | `Completing` | one party stores the result and notifies | | | |
//! | `Cancelled` | no callers; one party drops the loader | | | |
//!
//! The table of drivers is in `shared_work`, that of the wait list in `wait_list`, that of a scoped
//! leader in `lead_watch`.

mod batch_flight;
mod executors;
mod lead_watch;
mod outcome;
mod refresh;
mod shared_work;
mod wait_list;

use alloc::boxed::Box;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::machine::{FlightId, Instant};
use crate::observe::Observed;
use crate::opt_in::{Batches, Feature, Gated, GatedState, LoadTimeout, Observers, Takeover};
use crate::panic::Payload;
use crate::runtime::{ContextGuard, Flavor, Runtime, Timer, working};
use crate::sync::{Arc, AtomicU8, AtomicUsize, Once, Ordering};

pub(crate) use batch_flight::{BatchFlight, BatchTask, BatchWaiter};
pub(crate) use executors::LoaderExecutors;
pub(crate) use lead_watch::LeadWatch;
pub use outcome::Loaded;
#[cfg_attr(
    not(feature = "tier"),
    expect(unreachable_pub, reason = "part of what a tiered cache boxes")
)]
pub use outcome::{Fault, LoaderResult};
pub(crate) use outcome::{LoaderResultOn, Outcome, OutcomeOn};
pub(crate) use shared_work::{Driver, Progress, Role, SharedWork};
pub(crate) use wait_list::{WaiterId, wake_all};

/// One load in flight.
pub(crate) struct Flight<V, R: Runtime> {
    pub(crate) id: FlightId,
    pub(crate) hash: u32,
    pub(crate) started: Instant,
    /// The loader and its outcome.
    pub(crate) load: SharedWork<Work<V, R>, Completed<V, R>, R>,
    /// How many callers depend on the outcome, times [`CALLER`], and [`REFRESH_DEPENDS`]. Rises only
    /// while the shard is locked: a thread that has locked the shard and reads zero can cancel the
    /// flight before another caller joins it.
    dependents: AtomicUsize,
    /// How many callers other than the leader have depended on the outcome, those that have left
    /// included.
    waiters: AtomicUsize,
    /// The bits of a refresh: `REFRESH` and the others.
    refresh: AtomicU8,
    /// A [`Phase`].
    phase: AtomicU8,
    /// Set once the load has begun.
    begun: Once<Begun<R>>,
    pub(crate) executors: LoaderExecutors<R>,
    /// The waker of the loader, if waiters may take the lead.
    pub(crate) watch: GatedState<Arc<LeadWatch>, Takeover>,
}

/// What a load has from its begin on.
struct Begun<R: Runtime> {
    /// The batch that loads the key, if the flight is part of one.
    batch: GatedState<Arc<BatchFlight<R>>, Batches>,
    /// What observes the load, unless it is part of a batch.
    observed: Observed,
}

/// A caller in the count of dependents. The bit below is [`REFRESH_DEPENDS`].
const CALLER: usize = 2;

/// The refresh depends on the flight, which has no callers or more.
const REFRESH_DEPENDS: usize = 1;

/// Whether a flight can still be ended, and by which call. From `Completing` on, one party ends it.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Phase {
    /// The load is cancelled if its last caller leaves.
    Loading,
    /// A batch loader has the key: the load is not cancelled, or the key could be loaded twice at
    /// the same time.
    Dispatched,
    /// One party completes the flight.
    Completing,
    /// One party drops the loader and completes the flight, which has no callers.
    Cancelled,
}

/// How a flight ended.
pub(crate) struct Completed<V, R: Runtime> {
    pub(crate) outcome: OutcomeOn<R::Flavor, V>,
    /// The payload of the loader's panic, if the leader is to resume it.
    pub(crate) payload: Option<Payload>,
}

impl<V, R: Runtime> Flight<V, R> {
    /// A flight with one caller that depends on it.
    pub(crate) fn new(id: FlightId, hash: u32, driver: Driver, started: Instant) -> Self {
        Self {
            id,
            hash,
            started,
            load: SharedWork::new(driver, None),
            dependents: AtomicUsize::new(CALLER),
            waiters: AtomicUsize::new(0),
            refresh: AtomicU8::new(0),
            phase: AtomicU8::new(Phase::Loading as u8),
            begun: Once::new(),
            executors: LoaderExecutors::new(),
            watch: match Takeover::enabled() {
                Some(enabled) if driver == Driver::Scoped => {
                    let watch = Arc::new(LeadWatch::new());
                    GatedState::new(Gated::proven(watch, enabled))
                }
                _ => GatedState::UNSET,
            },
        }
    }

    /// Adds a caller that depends on the outcome. Called with the shard locked.
    pub(crate) fn join(&self) {
        // Not one step, since the lock of the shard keeps other callers from joining.
        let waiters = self.waiters.load(Ordering::Relaxed);
        self.waiters.store(waiters + 1, Ordering::Relaxed);
        if self.dependents.fetch_add(CALLER, Ordering::AcqRel) < CALLER
            && let Some(batch) = self.batch()
        {
            batch.add_dependent();
        }
    }

    /// Whether no caller but the leader has ever depended on the outcome. The answer is final once
    /// the flight is out of its table, since then no caller can join.
    pub(crate) fn has_only_leader(&self) -> bool {
        self.waiters.load(Ordering::Relaxed) == 0
    }

    /// How many callers have joined the leader, those that have left included.
    pub(crate) fn waiter_count(&self) -> u64 {
        self.waiters.load(Ordering::Relaxed) as u64
    }

    /// Removes a caller that depends on the outcome. Returns whether it was the last.
    pub(crate) fn remove_dependent(&self) -> bool {
        self.dependents.fetch_sub(CALLER, Ordering::AcqRel) < 2 * CALLER
    }

    /// Whether neither a caller nor a refresh depends on the outcome.
    pub(crate) fn is_unused(&self) -> bool {
        self.dependents.load(Ordering::Acquire) == 0
    }

    /// Claims the completion of this flight. The party that gets `true` must complete it.
    pub(crate) fn begin_completion(&self) -> bool {
        const COMPLETING: u8 = Phase::Completing as u8;
        let claimed = |phase| (phase < COMPLETING).then_some(COMPLETING);
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        self.phase.fetch_update(order, unless, claimed).is_ok()
    }

    /// Claims the end of this flight for want of callers, unless a batch loader has its key. The
    /// party that gets `true` must drop the loader and complete the flight.
    pub(crate) fn begin_cancel(&self) -> bool {
        self.leave_loading(Phase::Cancelled)
    }

    /// Keeps the flight from being cancelled, since a batch loader gets its key. Returns `false` if
    /// the flight was completed or cancelled before.
    pub(crate) fn mark_dispatched(&self) -> bool {
        self.leave_loading(Phase::Dispatched)
    }

    fn leave_loading(&self, next: Phase) -> bool {
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        let (loading, next) = (Phase::Loading as u8, next as u8);
        let left = self.phase.compare_exchange(loading, next, order, unless);
        left.is_ok()
    }

    /// Whether the load ends without an answer, because it or its batch had no callers: a caller
    /// that joins it retries. For a caller that has joined, the answer is final while the shard is
    /// locked.
    pub(crate) fn is_cancelled(&self) -> bool {
        // The batch must be read before the flight. A batch that ends with results completes its
        // flights before itself: in the other order, such a batch could complete both between the
        // two reads, and a flight with an answer would seem cancelled.
        let cancelled =
            |batch: &Arc<BatchFlight<R>>| batch.is_complete() && !self.load.is_complete();
        self.phase.load(Ordering::Acquire) == Phase::Cancelled as u8
            || self.batch().is_some_and(cancelled)
    }

    /// Whether the flight is neither completed nor cancelled.
    pub(crate) fn is_pending(&self) -> bool {
        self.phase.load(Ordering::Acquire) < Phase::Completing as u8
    }

    /// Makes the flight part of a batch.
    pub(crate) fn assign_to_batch(&self, batch: Arc<BatchFlight<R>>) {
        self.set_batch(batch);
        // Must come after the batch is set, or a waiter that this wakes finds no batch and stays in
        // the wait list of the flight, which the driver of the batch does not wake.
        self.load.notify();
    }

    /// As [`Flight::assign_to_batch`], for a flight that no caller waits for.
    fn set_batch(&self, batch: Arc<BatchFlight<R>>) {
        self.begun.call_once(|| Begun {
            batch: GatedState::new(Gated::new(batch)),
            observed: Observed::NONE,
        });
    }

    /// Sets what observes the load, which is not part of a batch.
    pub(crate) fn observe(&self, observed: Observed) {
        self.begun.call_once(|| Begun {
            batch: GatedState::UNSET,
            observed,
        });
    }

    /// What observes the load, once it has begun, unless it is part of a batch. Returns nothing if
    /// no observer is linked.
    #[inline(always)]
    pub(crate) fn observed(&self) -> Option<&Observed> {
        // The flag is tested first: no compiler removes the acquiring load behind `Once::get`.
        Observers::enabled()?;
        Some(&self.begun.get()?.observed)
    }

    /// The batch that the flight is part of.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn batch(&self) -> Option<&Arc<BatchFlight<R>>> {
        self.begun.get()?.batch.get()
    }

    pub(crate) const fn hash(&self) -> u32 {
        self.hash
    }

    /// Completes the flight and wakes its waiters. Hides the loads that this thread polls: a waker
    /// may poll its task in place, and that task is not part of these loads.
    pub(crate) fn complete(
        &self,
        runtime: &R,
        outcome: OutcomeOn<R::Flavor, V>,
        payload: Option<Payload>,
    ) {
        let _outside = ContextGuard::new(runtime);
        let left = self.load.complete(Completed { outcome, payload });
        runtime.enter(|| drop(left));
    }
}

impl<V, R: Runtime> fmt::Debug for Flight<V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("id", &self.id)
            .field("dependents", &self.dependents.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The boxed future of a loader.
type LoaderFuture<V, R> =
    <<R as Runtime>::Flavor as Flavor>::Future<LoaderResultOn<<R as Runtime>::Flavor, V>>;

/// A loader's future and its deadline.
pub(crate) struct Work<V, R: Runtime> {
    future: LoaderFuture<V, R>,
    /// Boxed: few loads have a deadline, and it is many times as large as the rest.
    deadline: GatedState<Box<LoadDeadline<R>>, LoadTimeout>,
    /// The driver of the latest poll.
    driver: Driver,
}

/// The time by which a load must be complete.
pub(crate) struct LoadDeadline<R: Runtime> {
    timer: Option<R::Timer>,
    deadline: Instant,
    after: Duration,
}

impl<V, R: Runtime> Work<V, R> {
    pub(crate) fn new(
        future: LoaderFuture<V, R>,
        deadline: Gated<LoadDeadline<R>, LoadTimeout>,
    ) -> Self {
        Self {
            future,
            deadline: GatedState::new(deadline.map(Box::new)),
            driver: Driver::Leader,
        }
    }

    pub(crate) fn poll(
        &mut self,
        runtime: &R,
        cx: &mut Context<'_>,
    ) -> Poll<LoaderResultOn<R::Flavor, V>> {
        if let Poll::Ready(result) = Pin::new(&mut self.future).poll(cx) {
            return Poll::Ready(result);
        }
        match self.deadline.get_mut() {
            Some(deadline) => deadline
                .poll(runtime, cx)
                .map(|after| LoaderResult::Fault(Fault::TimedOut(after))),
            None => Poll::Pending,
        }
    }

    /// Sets the driver that polls next. Drops the timer if the next poll may be on another executor
    /// than the last one: the executor of the old timer may never fire it.
    pub(crate) fn set_driver(&mut self, driver: Driver) {
        if self.driver != driver || driver == Driver::Waiters {
            self.driver = driver;
            if let Some(deadline) = self.deadline.get_mut() {
                deadline.reset_timer();
            }
        }
    }
}

impl<R: Runtime> LoadDeadline<R> {
    pub(crate) fn new(after: Duration, started: Instant) -> Self {
        Self {
            timer: None,
            deadline: started.after(after),
            after,
        }
    }

    /// Drops the timer: the next poll makes one on its own executor.
    pub(crate) fn reset_timer(&mut self) {
        self.timer = None;
    }

    /// Ready with the load's timeout, once the deadline has passed. Without a timer nothing wakes
    /// the task at the deadline: the timeout takes effect at the next poll.
    pub(crate) fn poll(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<Duration> {
        if self.deadline.has_passed(runtime.now()) {
            return Poll::Ready(self.after);
        }
        self.timer = working(self.timer.take(), runtime);
        match &mut self.timer {
            Some(timer) => timer.poll_until(self.deadline, cx).map(|()| self.after),
            None => Poll::Pending,
        }
    }
}
