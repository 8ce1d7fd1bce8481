//! Ending a flight: with a result, with a panic, or for want of callers.
//!
//! A flight is completed once. [`Flight::begin_completion`] and [`Flight::begin_cancel`] choose the
//! party that completes it. That party first settles the result, which takes the flight out of its
//! table unless the result is remembered, then wakes the waiters, and then calls the listener.
//!
//! [`Flight::begin_completion`]: crate::flight::Flight::begin_completion
//! [`Flight::begin_cancel`]: crate::flight::Flight::begin_cancel

use core::cell::Cell;

use super::drive::LoadCtx;
use crate::flight::{Driver, Fault, LoaderResult, LoaderResultOn, Outcome, OutcomeOn, Role};
use crate::machine::{Instant, LoadEnd, Settled};
use crate::opt_in::{Feature, Freshening};
use crate::panic::{OnDrop, Payload, on_unwind};
use crate::runtime::{Flavor, Runtime};
use crate::shards::ShardEffects;
use crate::stats::LoadResult;

/// What became of a load that has ended.
pub(super) struct Decided<O, T> {
    /// For all callers.
    pub(super) outcome: O,
    pub(super) result: LoadResult,
    /// Whether the flight was fenced, so that nothing is stored.
    pub(super) fenced: bool,
    /// For the caller that completes the flight.
    pub(super) answer: T,
}

impl<K: Eq, V: Clone, R: Runtime, S> LoadCtx<'_, K, V, R, S> {
    /// Completes the flight with what the loader of a batch returned for its key.
    pub(crate) fn complete(self, result: LoaderResultOn<R::Flavor, V>) {
        self.complete_as(Role::Task, result);
    }

    /// Completes the flight with what the loader returned. Returns a value to the leader if no
    /// other caller waits for it, and leaves every other outcome in the flight.
    pub(super) fn complete_as(
        self,
        role: Role,
        result: LoaderResultOn<R::Flavor, V>,
    ) -> Option<OutcomeOn<R::Flavor, V>> {
        let (flight, own) = (self.flight, Cell::new(None));
        if !flight.begin_completion() {
            // A scoped leader that has lost its lead. What it loaded is older than what its former
            // waiters load, and goes to its own caller only.
            let has_lost_lead = role == Role::Leader && flight.watch.is_set();
            return has_lost_lead.then(|| result.into_outcome());
        }
        let (result, covers) = split_refused::<V, R>(result);
        let ending = self.inner.ending(flight, &result);
        let complete = |outcome| flight.complete(&self.inner.runtime, outcome, None);
        let notify = |outcome, fenced: bool| {
            match outcome {
                // A flight that ended with a value is out of its table, so no caller can join after
                // `has_only_leader` was read.
                Outcome::Value(_) if role == Role::Leader && flight.has_only_leader() => {
                    own.set(Some(outcome));
                }
                outcome => complete(outcome),
            }
            if !fenced {
                self.inner.report(flight, ending);
            }
        };
        on_unwind(
            // A fenced value is dropped here, after the waiters were notified: its drop may panic.
            || drop(self.complete_claimed(|now, fx| self.settle(result, covers, now, fx), notify)),
            // A listener or that drop panicked, and the leader does not get its value. Without an
            // outcome the flight would never end for the drop of the leader's handle.
            || own.take().into_iter().for_each(complete),
        );
        own.into_inner()
    }

    /// Stores what the loader returned, unless the flight was fenced.
    fn settle(
        self,
        result: LoaderResultOn<R::Flavor, V>,
        covers: bool,
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> Decided<OutcomeOn<R::Flavor, V>, Option<Settled<V>>> {
        let (inner, flight) = (self.inner, self.flight);
        let (end, outcome) = match result {
            LoaderResult::Value(loaded) => {
                let value = loaded.value.clone();
                let loaded = self.mark_unrequested(loaded);
                let settled = inner.settle::<false>(flight.hash, flight.id, loaded, now, fx);
                return Decided {
                    outcome: Outcome::Value(value),
                    result: LoadResult::Success,
                    fenced: matches!(settled, Settled::Fenced(_)),
                    answer: Some(settled),
                };
            }
            LoaderResult::Missing => (inner.missing(now), Outcome::Missing),
            LoaderResult::Failed(error) => (inner.failed(now), Outcome::Failed(error)),
            LoaderResult::Fault(fault) => (LoadEnd::Failed, Outcome::Fault(fault)),
        };
        self.end_without_value((end, covers), outcome, now, fx)
    }

    /// Ends the flight without a value. If `covers`, and if callers get a stored value in place of
    /// a failure, that is the outcome.
    fn end_without_value<T>(
        self,
        (end, covers): (LoadEnd, bool),
        outcome: OutcomeOn<R::Flavor, V>,
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> Decided<OutcomeOn<R::Flavor, V>, Option<T>> {
        let (inner, flight) = (self.inner, self.flight);
        let result = match outcome {
            Outcome::Missing => LoadResult::Success,
            _ => LoadResult::Failure,
        };
        let is_failure = !matches!(outcome, Outcome::Missing);
        let wants_value = is_failure && covers && flight.wants_covered();
        let (is_current, usable) = inner.finish_load(
            (flight.hash, flight.id),
            end,
            (covers, wants_value),
            now,
            fx,
        );
        let outcome = match usable {
            Some(value) => {
                inner.count_on_error(flight.callers());
                Outcome::Value(value)
            }
            None => outcome,
        };
        Decided {
            outcome,
            result,
            fenced: !is_current,
            answer: None,
        }
    }

    /// Completes the flight: `decide` settles it, `notify` passes the outcome to the callers, and
    /// gets whether the flight was fenced. Returns the answer, or `None` if another party completes
    /// the flight.
    pub(super) fn complete_with<T>(
        self,
        decide: impl FnOnce(Instant, &mut ShardEffects<K, V, R>) -> Decided<OutcomeOn<R::Flavor, V>, T>,
        notify: impl FnOnce(OutcomeOn<R::Flavor, V>, bool),
    ) -> Option<T> {
        let is_claimed = self.flight.begin_completion();
        is_claimed.then(|| self.complete_claimed(decide, notify))
    }

    /// As [`LoadCtx::complete_with`], by the party that has claimed the completion.
    fn complete_claimed<T>(
        self,
        decide: impl FnOnce(Instant, &mut ShardEffects<K, V, R>) -> Decided<OutcomeOn<R::Flavor, V>, T>,
        notify: impl FnOnce(OutcomeOn<R::Flavor, V>, bool),
    ) -> T {
        let now = self.inner.now();
        let took = now.since(self.flight.started);
        self.inner.requests.record_load(took);
        let mut fx = self.inner.effects();
        // Only this party can complete the flight now. If a weigher or a clone panics in `decide`,
        // it must still complete it, or the waiters hang.
        let decided = on_unwind(
            || decide(now, &mut fx),
            || self.finish(Outcome::Fault(Fault::Panicked), None),
        );
        self.report_end(decided.result, decided.fenced, || took);
        notify(decided.outcome, decided.fenced);
        fx.flush();
        decided.answer
    }

    /// Ends a flight whose loader panicked.
    pub(crate) fn fail_with_panic(self) {
        self.abort(Outcome::Fault(Fault::Panicked), None);
    }

    /// Ends the flight without a result, unless another party has claimed its end.
    #[cold]
    pub(super) fn abort(self, outcome: OutcomeOn<R::Flavor, V>, payload: Option<Payload>) -> bool {
        if self.may_cover(&outcome) {
            let is_claimed = self.flight.begin_completion();
            if is_claimed {
                self.fail_aged(outcome, payload);
            }
            return is_claimed;
        }
        self.abort_plain(outcome, payload)
    }

    /// Ends the flight, which this party has claimed, without a result.
    fn finish(self, outcome: OutcomeOn<R::Flavor, V>, payload: Option<Payload>) {
        if self.may_cover(&outcome) {
            self.fail_aged(outcome, payload);
        } else {
            self.finish_plain(outcome, payload);
        }
    }

    /// Whether callers may get a stored value in place of this outcome.
    fn may_cover(self, outcome: &OutcomeOn<R::Flavor, V>) -> bool {
        self.inner.refreshing.is_set() && !matches!(outcome, Outcome::Cancelled)
    }

    /// As [`LoadCtx::finish`], for a load that has failed in a cache with freshness: its callers may
    /// get a stored value.
    #[inline(never)]
    fn fail_aged(self, outcome: OutcomeOn<R::Flavor, V>, payload: Option<Payload>) {
        let (inner, flight) = (self.inner, self.flight);
        let ending = inner.ending_of_panic(flight);
        let (now, mut fx) = (inner.now(), inner.effects());
        let decided = self.end_without_value::<()>((LoadEnd::Failed, true), outcome, now, &mut fx);
        let took = || now.since(flight.started);
        self.report_end(decided.result, decided.fenced, took);
        flight.complete(&inner.runtime, decided.outcome, payload);
        if !decided.fenced {
            inner.report(flight, ending);
        }
        fx.flush();
    }
}

impl<K, V, R: Runtime, S> LoadCtx<'_, K, V, R, S> {
    /// Ends a flight whose loader was dropped with its caller or its batch, or whose leader loses its
    /// lead. Returns `false` if another party has claimed its end.
    pub(crate) fn cancel(self) -> bool {
        self.abort_plain(Outcome::Cancelled, None)
    }

    /// As [`LoadCtx::abort`], for a load that was dropped, or in a cache without freshness.
    #[cold]
    fn abort_plain(self, outcome: OutcomeOn<R::Flavor, V>, payload: Option<Payload>) -> bool {
        let is_claimed = self.flight.begin_completion();
        if is_claimed {
            self.finish_plain(outcome, payload);
        }
        is_claimed
    }

    /// Cancels the load if no caller depends on it. Drops the loader before the flight leaves its
    /// table, or a new flight could load the key while the old loader still exists. Has no effect
    /// while a driver polls the loader: a background task calls this after its poll, and any other
    /// driver is a caller, which calls it when it leaves.
    pub(crate) fn cancel_if_unused(self) {
        let flight = self.flight;
        while flight.is_unused() {
            let work = flight.load.take_work();
            if work.is_none() && flight.load.driver() != Driver::Batch {
                return;
            }
            // Must check and claim with the shard locked, or a caller could join between the two. A
            // caller that joins after the claim gets no answer, and retries.
            let cancels = |_: &mut _| flight.is_unused() && flight.begin_cancel();
            if self.inner.shards().write(flight.hash, cancels) {
                // In a guard, which runs after the loader is dropped, even if that drop panics.
                let _finish = OnDrop(Some(|| self.finish_plain(Outcome::Cancelled, None)));
                return self.inner.runtime.enter(|| drop(work));
            }
            match work {
                // A caller joined after `take_work`. If it left before `restore_work`, it found no
                // work to drop, so the loop checks again.
                Some(work) => flight.load.restore_work(work),
                None => return,
            }
        }
    }

    /// As [`LoadCtx::finish`], for a load that was dropped, or in a cache without freshness.
    fn finish_plain(self, outcome: OutcomeOn<R::Flavor, V>, payload: Option<Payload>) {
        let (inner, flight) = (self.inner, self.flight);
        let (end, result) = match outcome {
            Outcome::Cancelled => (LoadEnd::Dropped, LoadResult::Dropped),
            _ => (LoadEnd::Failed, LoadResult::Failure),
        };
        let ending = inner.ending_of_drop(flight);
        let mut fx = inner.effects();
        let fenced = !inner.finish(flight.hash, flight.id, end, &mut fx);
        self.report_end(result, fenced, || inner.now().since(flight.started));
        flight.complete(&inner.runtime, outcome, payload);
        if !fenced {
            inner.report(flight, ending);
        }
        fx.flush();
    }
}

/// The result without the mark of an error that no stored value may cover, and whether one may.
#[inline(always)]
fn split_refused<V, R: Runtime>(
    result: LoaderResultOn<R::Flavor, V>,
) -> (LoaderResultOn<R::Flavor, V>, bool) {
    if Freshening::is_enabled()
        && let LoaderResult::Failed(error) = &result
        && let Some(error) = R::Flavor::refused(error)
    {
        return (LoaderResult::Failed(error), false);
    }
    (result, true)
}
