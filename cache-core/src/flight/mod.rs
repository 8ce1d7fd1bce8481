//! One load under way, shared by everybody who depends on it.
//!
//! The loader's future lives here, not in the caller who started it.

mod batch_flight;
mod executors;
mod outcome;
mod shared_work;
mod wait_list;

use alloc::boxed::Box;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::machine::{FlightId, Instant};
use crate::opt_in::{Batches, Gated, LoadTimeout};
use crate::panic::Payload;
use crate::runtime::{ContextGuard, Flavor, Runtime, Timer, working};
use crate::sync::{Arc, AtomicBool, AtomicU8, AtomicUsize, Once, Ordering};

pub(crate) use batch_flight::{BatchFlight, BatchTask, BatchWaiter};
pub(crate) use executors::LoaderExecutors;
pub use outcome::Loaded;
pub(crate) use outcome::{LengthMismatch, LoaderResult, Outcome, OutcomeOn};
pub(crate) use shared_work::{Driver, Role, SharedWork, Step};
pub(crate) use wait_list::WaiterId;

/// One load under way.
pub(crate) struct Flight<V: 'static, R: Runtime> {
    pub(crate) id: FlightId,
    pub(crate) hash: u32,
    pub(crate) started: Instant,
    /// The loader, and how it ended.
    pub(crate) load: SharedWork<Work<V, R>, Completed<V, R>, R>,
    /// How many callers depend on the outcome. Raised only while the shard is locked, so that
    /// whoever finds it at zero there knows that nobody can join any more.
    dependents: AtomicUsize,
    /// Whether anybody but the leader has ever depended on it.
    had_waiters: AtomicBool,
    phase: AtomicU8,
    /// The batch that loads it, if one does.
    batch: Once<Gated<Arc<BatchFlight<R>>, Batches>>,
    pub(crate) executors: LoaderExecutors<R>,
}

/// Phases of a flight: it may end because nobody waits for it; a batch has left with its key;
/// somebody is bringing it to its end, and nobody else may.
const OPEN: u8 = 0;
const DEPARTED: u8 = 1;
const CLAIMED: u8 = 2;
/// As claimed, because nobody waited: only its loader is still to be dropped.
const DESERTED: u8 = 3;

/// How a flight ended.
pub(crate) struct Completed<V: 'static, R: Runtime> {
    pub(crate) outcome: OutcomeOn<R::Flavor, V>,
    /// What the loader's panic carried, if it was caught in the background.
    pub(crate) payload: Option<Payload>,
}

impl<V, R: Runtime> Flight<V, R> {
    /// A flight with one caller who depends on it.
    pub(crate) fn new(id: FlightId, hash: u32, driver: Driver, started: Instant) -> Self {
        Self {
            id,
            hash,
            started,
            load: SharedWork::new(driver, None),
            dependents: AtomicUsize::new(1),
            had_waiters: AtomicBool::new(false),
            phase: AtomicU8::new(OPEN),
            batch: Once::new(),
            executors: LoaderExecutors::new(),
        }
    }

    /// One more caller depends on the outcome. Call it with the shard locked.
    pub(crate) fn join(&self) {
        self.had_waiters.store(true, Ordering::Relaxed);
        if self.dependents.fetch_add(1, Ordering::AcqRel) == 0
            && let Some(batch) = self.batch()
        {
            batch.add_dependent();
        }
    }

    /// Whether nobody but the leader has ever depended on the outcome. The last word once the flight
    /// is off its table.
    pub(crate) fn has_only_leader(&self) -> bool {
        !self.had_waiters.load(Ordering::Relaxed)
    }

    /// One caller less. Says whether it was the last.
    pub(crate) fn remove_dependent(&self) -> bool {
        self.dependents.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(crate) fn is_unused(&self) -> bool {
        self.dependents.load(Ordering::Acquire) == 0
    }

    /// What tells this flight from all others that exist.
    pub(crate) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// The right and the duty to end this flight, given once.
    pub(crate) fn begin_completion(&self) -> bool {
        let claimed = |phase| (phase < CLAIMED).then_some(CLAIMED);
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        self.phase.fetch_update(order, unless, claimed).is_ok()
    }

    /// As [`Flight::begin_completion`], because nobody waits, and only as long as no batch has left with the key.
    pub(crate) fn begin_cancel(&self) -> bool {
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        let claimed = self.phase.compare_exchange(OPEN, DESERTED, order, unless);
        claimed.is_ok()
    }

    /// Whether it ends because no caller waited for it, or for its batch: a caller who joins it now
    /// joins in vain. The last word for a caller who has joined, while the shard is locked.
    pub(crate) fn is_cancelled(&self) -> bool {
        // A batch that is carried through ends its flights before itself. The batch comes first: a
        // flight that is over by then has an answer, which is kept for a while.
        let cancelled =
            |batch: &Arc<BatchFlight<R>>| batch.is_complete() && !self.load.is_complete();
        self.phase.load(Ordering::Acquire) == DESERTED || self.batch().is_some_and(cancelled)
    }

    /// A batch leaves with the key, unless the flight has ended: from now on it does not end
    /// because nobody waits for this key, or the key might be asked for twice at the same time.
    pub(crate) fn mark_dispatched(&self) -> bool {
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        let departed = self.phase.compare_exchange(OPEN, DEPARTED, order, unless);
        departed.is_ok()
    }

    /// Whether somebody still wants it.
    pub(crate) fn is_pending(&self) -> bool {
        self.phase.load(Ordering::Acquire) < CLAIMED
    }

    /// Makes the flight part of a batch.
    pub(crate) fn assign_to_batch(&self, batch: Arc<BatchFlight<R>>) {
        self.batch.call_once(|| Gated::new(batch));
        // Who joined before there was one waits for the flight itself.
        self.load.notify();
    }

    /// The batch that the flight is part of.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn batch(&self) -> Option<&Arc<BatchFlight<R>>> {
        self.batch.get()?.get()
    }

    pub(crate) const fn hash(&self) -> u32 {
        self.hash
    }

    /// Ends the flight and wakes everybody. A waker may run its task right here, which has no part in
    /// a load that this one was polled in.
    pub(crate) fn complete(
        &self,
        runtime: &R,
        outcome: OutcomeOn<R::Flavor, V>,
        payload: Option<Payload>,
    ) {
        let _aside = ContextGuard::new(runtime);
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

/// The flavour's boxed future of a loader.
type LoaderFuture<V, R> = <<R as Runtime>::Flavor as Flavor>::Future<
    LoaderResult<V, <<R as Runtime>::Flavor as Flavor>::Error>,
>;

/// A loader's future, and how long it may take.
pub(crate) struct Work<V: 'static, R: Runtime> {
    future: LoaderFuture<V, R>,
    /// Boxed, since few loads have one, and it is as large as all the rest many times over.
    deadline: Gated<Box<LoadDeadline<R>>, LoadTimeout>,
    driver: Driver,
}

/// A bound on the time of a load.
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
            deadline: deadline.map(Box::new),
            driver: Driver::Leader,
        }
    }

    pub(crate) fn poll(
        &mut self,
        runtime: &R,
        cx: &mut Context<'_>,
    ) -> Poll<LoaderResult<V, <R::Flavor as Flavor>::Error>> {
        if let Poll::Ready(result) = Pin::new(&mut self.future).poll(cx) {
            return Poll::Ready(result);
        }
        match self.deadline.get_mut() {
            Some(deadline) => deadline.poll(runtime, cx).map(LoaderResult::TimedOut),
            None => Poll::Pending,
        }
    }

    /// Somebody else may poll from now on, perhaps on another runtime: a timer of the one before
    /// might never fire.
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

    /// Somebody else may poll from now on, perhaps on another runtime.
    pub(crate) fn reset_timer(&mut self) {
        self.timer = None;
    }

    /// Ready, with its length, once the time is over. Without a timer it notices when it is polled.
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
