//! A flight as a refresh: it runs in the background, and no caller needs to wait for it.
//!
//! A refresh counts as a caller of its own flight, so that the flight is not cancelled for want of
//! callers. It gives that up once: when the task of the flight is dropped, or when the flight is
//! fenced. A flight without callers is cancelled then.

use super::Flight;
use crate::opt_in::{Feature, Freshening};
use crate::runtime::Runtime;
use crate::sync::Ordering;

/// The flight is a refresh, or became one.
const REFRESH: u8 = 1;
/// The refresh counts as a caller of the flight.
const DEPENDS: u8 = 2;
/// The end of the refresh was reported.
const REPORTED: u8 = 4;
/// The refresh has one of the permits that bound how many run.
const PERMIT: u8 = 16;
/// A caller requested the load whatever is stored: it gets the error of the load.
const FORCED: u8 = 8;

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
            self.add_dependent();
            self.refresh.fetch_or(DEPENDS, Ordering::AcqRel);
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
        let state = || self.refresh.load(Ordering::Acquire) & (REFRESH | DEPENDS);
        Freshening::is_enabled() && state() == REFRESH
    }

    /// The refresh no longer counts as a caller. Returns whether no caller is left.
    pub(crate) fn abandon_refresh(&self) -> bool {
        let depended = self.refresh.fetch_and(!DEPENDS, Ordering::AcqRel) & DEPENDS != 0;
        depended && self.remove_dependent()
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
        let depends = self.refresh.load(Ordering::Acquire) & DEPENDS != 0;
        self.dependents() - usize::from(depends)
    }

    /// Whether callers wait for the flight that get a stored value if the load fails.
    pub(crate) fn wants_covered(&self) -> bool {
        Freshening::is_enabled() && !self.is_forced() && self.callers() > 0
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
