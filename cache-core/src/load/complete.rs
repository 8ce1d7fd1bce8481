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
use crate::panic::{OnDrop, Payload, on_unwind};
use crate::runtime::Runtime;
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
        let complete = |outcome| flight.complete(&self.inner.runtime, outcome, None);
        let notify = |outcome| match outcome {
            // A flight that ended with a value is out of its table, so no caller can join after
            // `has_only_leader` was read.
            Outcome::Value(_) if role == Role::Leader && flight.has_only_leader() => {
                own.set(Some(outcome));
            }
            outcome => complete(outcome),
        };
        on_unwind(
            // A fenced value is dropped here, after the waiters were notified: its drop may panic.
            || drop(self.complete_claimed(|now, fx| self.settle(result, now, fx), notify)),
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
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> Decided<OutcomeOn<R::Flavor, V>, Option<Settled<V>>> {
        let (inner, flight) = (self.inner, self.flight);
        let (end, outcome) = match result {
            LoaderResult::Value(loaded) => {
                let value = loaded.value.clone();
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
        let current = inner.finish(flight.hash, flight.id, end, fx);
        Decided {
            result: match outcome {
                Outcome::Missing => LoadResult::Success,
                _ => LoadResult::Failure,
            },
            outcome,
            fenced: !current,
            answer: None,
        }
    }
}

impl<K, V, R: Runtime, S> LoadCtx<'_, K, V, R, S> {
    /// Completes the flight: `decide` settles it, `notify` passes the outcome to the callers.
    /// Returns the answer, or `None` if another party completes the flight.
    pub(super) fn complete_with<T>(
        self,
        decide: impl FnOnce(Instant, &mut ShardEffects<K, V, R>) -> Decided<OutcomeOn<R::Flavor, V>, T>,
        notify: impl FnOnce(OutcomeOn<R::Flavor, V>),
    ) -> Option<T> {
        let is_claimed = self.flight.begin_completion();
        is_claimed.then(|| self.complete_claimed(decide, notify))
    }

    /// As [`LoadCtx::complete_with`], by the party that has claimed the completion.
    fn complete_claimed<T>(
        self,
        decide: impl FnOnce(Instant, &mut ShardEffects<K, V, R>) -> Decided<OutcomeOn<R::Flavor, V>, T>,
        notify: impl FnOnce(OutcomeOn<R::Flavor, V>),
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
        notify(decided.outcome);
        fx.flush();
        decided.answer
    }

    /// Ends a flight whose loader panicked.
    pub(crate) fn fail_with_panic(self) {
        self.abort(Outcome::Fault(Fault::Panicked), None);
    }

    /// Ends a flight whose loader was dropped with its caller or its batch, or whose leader loses
    /// its lead. Returns `false` if another party has claimed its end.
    pub(crate) fn cancel(self) -> bool {
        self.abort(Outcome::Cancelled, None)
    }

    /// Ends the flight without a result, unless another party has claimed its end.
    #[cold]
    pub(super) fn abort(self, outcome: OutcomeOn<R::Flavor, V>, payload: Option<Payload>) -> bool {
        let is_claimed = self.flight.begin_completion();
        if is_claimed {
            self.finish(outcome, payload);
        }
        is_claimed
    }

    /// Cancels the load if no caller depends on it. Drops the loader before the flight leaves its
    /// table, or a new flight could load the key while the old loader still exists. Has no effect
    /// while a driver polls the loader: a background task calls this after its poll, and any other
    /// driver is a caller, which calls it when it leaves.
    pub(super) fn cancel_if_unused(self) {
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
                let _finish = OnDrop(Some(|| self.finish(Outcome::Cancelled, None)));
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

    /// Ends the flight, which this party has claimed, without a result.
    fn finish(self, outcome: OutcomeOn<R::Flavor, V>, payload: Option<Payload>) {
        let (inner, flight) = (self.inner, self.flight);
        let (end, result) = match outcome {
            Outcome::Cancelled => (LoadEnd::Dropped, LoadResult::Dropped),
            _ => (LoadEnd::Failed, LoadResult::Failure),
        };
        let mut fx = inner.effects();
        let current = inner.finish(flight.hash, flight.id, end, &mut fx);
        self.report_end(result, !current, || inner.now().since(flight.started));
        flight.complete(&inner.runtime, outcome, payload);
        fx.flush();
    }
}
