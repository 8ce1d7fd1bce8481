//! A flight as a refresh: it runs in the background, and no caller needs to wait for it.
//!
//! A refresh counts as a caller of its own flight, so that the flight is not cancelled for want of
//! callers. It gives that up once: when the task of the flight is dropped, or when the flight is
//! fenced. A flight without callers is cancelled then.
//!
//! A refresh of a batching view lingers in the queue of the view until a batch takes it. No caller
//! waits for a refresh that lingers: a caller that needs its key withdraws it, and leads a load of
//! its own, which does not linger.

use super::{BatchFlight, CALLER, Completed, Flight, Outcome, REFRESH_DEPENDS};
use crate::opt_in::{Feature, Freshening};
use crate::runtime::Runtime;
use crate::sync::{Arc, Ordering};

/// The flight is a refresh, or became one.
const REFRESH: u8 = 1;
/// The refresh waits in the queue of a view.
const LINGERS: u8 = 2;
/// The end of the refresh was reported.
const REPORTED: u8 = 4;
/// A caller requested the load whatever is stored: it gets the error of the load.
const FORCED: u8 = 8;
/// The refresh has one of the permits that bound how many run.
const PERMIT: u8 = 16;

impl<V, R: Runtime> Flight<V, R> {
    /// Makes the flight a refresh, which a background task drives. Called with the shard locked, or
    /// by a caller that depends on the flight. Returns `false` if it is a refresh already.
    pub(crate) fn begin_refresh(&self, has_permit: bool) -> bool {
        let bits = if has_permit {
            REFRESH | PERMIT
        } else {
            REFRESH
        };
        let begins = self.refresh.fetch_or(bits, Ordering::AcqRel) & REFRESH == 0;
        if begins {
            self.dependents.fetch_or(REFRESH_DEPENDS, Ordering::AcqRel);
        }
        begins
    }

    /// Whether the flight is a refresh.
    #[inline(always)]
    pub(crate) fn is_refresh(&self) -> bool {
        Freshening::is_enabled() && self.refresh.load(Ordering::Acquire) & REFRESH != 0
    }

    /// Whether the flight is a refresh that no longer counts as a caller.
    pub(crate) fn is_abandoned_refresh(&self) -> bool {
        let depends = || self.dependents.load(Ordering::Acquire) & REFRESH_DEPENDS != 0;
        self.is_refresh() && !depends()
    }

    /// The refresh no longer counts as a caller. Returns whether no caller is left.
    pub(crate) fn abandon_refresh(&self) -> bool {
        let depended = self
            .dependents
            .fetch_and(!REFRESH_DEPENDS, Ordering::AcqRel);
        depended == REFRESH_DEPENDS
    }

    /// Claims the report of the end of the refresh. The party that gets `true` reports it.
    pub(crate) fn begin_report(&self) -> bool {
        if !self.is_refresh() {
            return false;
        }
        // The flight may have been forgotten since the check above.
        let bits = self.refresh.fetch_or(REPORTED, Ordering::AcqRel);
        bits & (REFRESH | REPORTED) == REFRESH
    }

    /// The flight is no refresh any more.
    pub(crate) fn forget_refresh(&self) {
        self.abandon_refresh();
        self.refresh.store(0, Ordering::Release);
    }

    /// How many callers wait for the flight.
    pub(crate) fn callers(&self) -> usize {
        self.dependents.load(Ordering::Acquire) / CALLER
    }

    /// Whether callers wait for the flight that get a stored value if the load fails.
    pub(crate) fn wants_covered(&self) -> bool {
        Freshening::is_enabled() && !self.is_forced() && self.callers() > 0
    }

    /// Makes a refresh linger until a batch takes it. Called with the shard locked.
    pub(crate) fn linger(&self) {
        self.refresh.fetch_or(LINGERS, Ordering::AcqRel);
    }

    fn lingers(&self) -> bool {
        Freshening::is_enabled() && self.refresh.load(Ordering::Acquire) & LINGERS != 0
    }

    /// Makes a refresh that lingers part of a batch. Called with the shard locked: a caller that
    /// joins before does not count as one of the batch, and a caller that joins after does.
    pub(crate) fn board(&self, batch: &Arc<BatchFlight<R>>) {
        if self.lingers() && self.is_pending() {
            self.set_batch(Arc::clone(batch));
            self.refresh.fetch_and(!LINGERS, Ordering::AcqRel);
        }
    }

    /// Ends a refresh that lingers, for a caller that has joined it, and that retries. Called with
    /// the shard locked. No other caller waits for it, so this wakes no task and drops no loader.
    pub(crate) fn withdraw(&self) -> bool {
        let withdraws = self.lingers() && self.begin_cancel();
        if withdraws {
            let (outcome, payload) = (Outcome::Cancelled, None);
            drop(self.load.complete(Completed { outcome, payload }));
        }
        withdraws
    }

    /// Takes the permit of the refresh. Returns whether it had one.
    pub(crate) fn take_permit(&self) -> bool {
        self.refresh.fetch_and(!PERMIT, Ordering::AcqRel) & PERMIT != 0
    }

    /// Marks the flight as requested whatever is stored.
    pub(crate) fn mark_forced(&self) {
        self.refresh.fetch_or(FORCED, Ordering::Relaxed);
    }

    /// Whether a caller requested the load whatever is stored.
    pub(crate) fn is_forced(&self) -> bool {
        self.refresh.load(Ordering::Relaxed) & FORCED != 0
    }
}
