//! One load under way, shared by everybody who depends on it.
//!
//! The loader's future lives here, not in the caller who started it.

use alloc::boxed::Box;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::errand::Errand;
use super::homes::Homes;
use super::outcome::{OutcomeOn, Verdict};
use super::shared::{Driver, Shared};
use crate::asked::{BATCHES, LOAD_TIMEOUT};
use crate::machine::{FlightId, Instant};
use crate::panic::Payload;
use crate::runtime::{Aside, Flavor, Runtime, Timer, working};
use crate::sync::{Arc, AtomicBool, AtomicU8, AtomicUsize, Once, Ordering};

/// One load under way.
pub(crate) struct Flight<V: 'static, R: Runtime> {
    pub(super) id: FlightId,
    pub(super) hash: u32,
    pub(super) started: Instant,
    /// The loader, and how it ended.
    pub(super) load: Shared<Work<V, R>, Landed<V, R>, R>,
    /// How many callers depend on the outcome. Raised only while the shard is locked, so that
    /// whoever finds it at zero there knows that nobody can join any more.
    interest: AtomicUsize,
    /// Whether anybody but the leader has ever depended on it.
    was_joined: AtomicBool,
    phase: AtomicU8,
    /// The batch that loads it, if one does.
    errand: Once<Arc<Errand<R>>>,
    pub(super) homes: Homes<R>,
}

/// Phases of a flight: it may end because nobody waits for it; a batch has left with its key;
/// somebody is bringing it to its end, and nobody else may.
const OPEN: u8 = 0;
const DEPARTED: u8 = 1;
const CLAIMED: u8 = 2;
/// As claimed, because nobody waited: only its loader is still to be dropped.
const DESERTED: u8 = 3;

/// How a flight ended.
pub(super) struct Landed<V: 'static, R: Runtime> {
    pub(super) outcome: OutcomeOn<R::Flavor, V>,
    /// What the loader's panic carried, if it was caught in the background.
    pub(super) payload: Option<Payload>,
}

impl<V, R: Runtime> Flight<V, R> {
    /// A flight with one caller who depends on it.
    pub(crate) fn new(id: FlightId, hash: u32, driver: Driver, started: Instant) -> Self {
        Self {
            id,
            hash,
            started,
            load: Shared::new(driver, None),
            interest: AtomicUsize::new(1),
            was_joined: AtomicBool::new(false),
            phase: AtomicU8::new(OPEN),
            errand: Once::new(),
            homes: Homes::new(),
        }
    }

    /// One more caller depends on the outcome. Call it with the shard locked.
    pub(crate) fn join(&self) {
        self.was_joined.store(true, Ordering::Relaxed);
        if self.interest.fetch_add(1, Ordering::AcqRel) == 0 {
            if let Some(errand) = self.errand() {
                errand.join();
            }
        }
    }

    /// Whether nobody but the leader has ever depended on the outcome. The last word once the flight
    /// is off its table.
    pub(super) fn is_leaders_alone(&self) -> bool {
        !self.was_joined.load(Ordering::Relaxed)
    }

    /// One caller less. Says whether it was the last.
    pub(super) fn leave(&self) -> bool {
        self.interest.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.interest.load(Ordering::Acquire) == 0
    }

    /// What tells this flight from all others that exist.
    pub(super) fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// The right and the duty to end this flight, given once.
    pub(super) fn claim(&self) -> bool {
        let claimed = |phase| (phase < CLAIMED).then_some(CLAIMED);
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        self.phase.fetch_update(order, unless, claimed).is_ok()
    }

    /// As [`Flight::claim`], because nobody waits, and only as long as no batch has left with the key.
    pub(super) fn claim_deserted(&self) -> bool {
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        let claimed = self.phase.compare_exchange(OPEN, DESERTED, order, unless);
        claimed.is_ok()
    }

    /// Whether it ends because no caller waited for it, or for its batch: a caller who joins it now
    /// joins in vain. The last word for a caller who has joined, while the shard is locked.
    pub(super) fn was_deserted(&self) -> bool {
        // A batch that is carried through ends its flights before itself. The batch comes first: a
        // flight that is over by then has an answer, which is kept for a while.
        let given_up = |errand: &Arc<Errand<R>>| errand.is_over() && !self.load.is_over();
        self.phase.load(Ordering::Acquire) == DESERTED || self.errand().is_some_and(given_up)
    }

    /// A batch leaves with the key, unless the flight has ended: from now on it does not end
    /// because nobody waits for this key, or the key might be asked for twice at the same time.
    pub(crate) fn depart(&self) -> bool {
        let (order, unless) = (Ordering::AcqRel, Ordering::Acquire);
        let departed = self.phase.compare_exchange(OPEN, DEPARTED, order, unless);
        departed.is_ok()
    }

    /// Whether somebody still wants it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.phase.load(Ordering::Acquire) < CLAIMED
    }

    /// Makes the flight part of a batch.
    pub(crate) fn enlist(&self, errand: Arc<Errand<R>>) {
        BATCHES.raise();
        self.errand.call_once(|| errand);
        // Who joined before there was one waits for the flight itself.
        self.load.call();
    }

    /// The batch that the flight is part of.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn errand(&self) -> Option<&Arc<Errand<R>>> {
        self.errand.get().filter(|_| BATCHES.is_up())
    }

    pub(crate) const fn hash(&self) -> u32 {
        self.hash
    }

    /// Ends the flight and wakes everybody. A waker may run its task right here, which has no part in
    /// a load that this one was polled in.
    pub(super) fn complete(
        &self,
        runtime: &R,
        outcome: OutcomeOn<R::Flavor, V>,
        payload: Option<Payload>,
    ) {
        let _aside = Aside::new(runtime);
        let left = self.load.complete(Landed { outcome, payload });
        runtime.around(|| drop(left));
    }
}

impl<V, R: Runtime> fmt::Debug for Flight<V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("id", &self.id)
            .field("interest", &self.interest.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The flavour's boxed future of a loader.
type Loading<V, R> = <<R as Runtime>::Flavor as Flavor>::Future<
    Verdict<V, <<R as Runtime>::Flavor as Flavor>::Error>,
>;

/// A loader's future, and how long it may take.
pub(super) struct Work<V: 'static, R: Runtime> {
    future: Loading<V, R>,
    /// Boxed, since few loads have one, and it is as large as all the rest many times over.
    limit: Option<Box<Limit<R>>>,
    driver: Driver,
}

/// A bound on the time of a load.
pub(crate) struct Limit<R: Runtime> {
    timer: Option<R::Timer>,
    deadline: Instant,
    after: Duration,
}

impl<V, R: Runtime> Work<V, R> {
    pub(super) fn new(future: Loading<V, R>, limit: Option<Limit<R>>) -> Self {
        Self {
            future,
            limit: limit.map(Box::new),
            driver: Driver::Leader,
        }
    }

    pub(super) fn poll(
        &mut self,
        runtime: &R,
        cx: &mut Context<'_>,
    ) -> Poll<Verdict<V, <R::Flavor as Flavor>::Error>> {
        if let Poll::Ready(verdict) = Pin::new(&mut self.future).poll(cx) {
            return Poll::Ready(verdict);
        }
        match &mut self.limit {
            Some(limit) => limit.poll(runtime, cx).map(Verdict::TimedOut),
            None => Poll::Pending,
        }
    }

    /// Somebody else may poll from now on, perhaps on another runtime: a timer of the one before
    /// might never fire.
    pub(super) fn hand_to(&mut self, driver: Driver) {
        if self.driver != driver || driver == Driver::Anyone {
            self.driver = driver;
            if let Some(limit) = &mut self.limit {
                limit.forget_timer();
            }
        }
    }
}

impl<R: Runtime> Limit<R> {
    pub(crate) fn new(after: Duration, started: Instant) -> Self {
        Self {
            timer: None,
            deadline: started.after(after),
            after,
        }
    }

    /// Somebody else may poll from now on, perhaps on another runtime.
    pub(crate) fn forget_timer(&mut self) {
        self.timer = None;
    }

    /// Ready, with its length, once the time is over. Without a timer it notices when it is polled.
    pub(crate) fn poll(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<Duration> {
        if !LOAD_TIMEOUT.is_up() {
            return Poll::Pending;
        }
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
