//! Read, decide and write one key as a load of its own: a flight whose loader sees the old value.

use alloc::vec::Vec;
use core::future::Future;

use super::drive::{complete_with, poll_inline, run_loader};
use super::handle::FlightHandle;
use super::inline::Inline;
use super::join::JoinResult;
use crate::flight::{Driver, Outcome, OutcomeOn};
use crate::inner::Inner;
use crate::machine::{Instant, LoadEnd, Settled};
use crate::op::{Computed, Op};
use crate::runtime::Runtime;
use crate::shards::ShardEffects;
use crate::sync::Arc;

impl<'a, K: Eq, V: Clone, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    /// Asks to be the only one who loads or computes `key`, and for the value that it has.
    pub(crate) fn join_for_compute(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
    ) -> (JoinResult<'a, K, V, R, S>, Option<V>) {
        let mut old = None;
        let joined = Self::join_with(inner, hash, Driver::Caller, |shard, make, now, fx| {
            old = shard.peek(hash, &key, || now).cloned();
            shard.join_flight(hash, key, make, now, fx).into()
        });
        (joined, old)
    }

    /// Leads a computation: `compute` is polled here and nowhere else.
    pub(crate) async fn compute<Fut>(
        self,
        old: Option<V>,
        compute: impl FnOnce(Option<V>) -> Fut,
    ) -> Computed<V>
    where
        Fut: Future<Output = Op<V>>,
    {
        let (inner, flight) = (self.inner(), self.flight());
        let (mut seen, mut unused) = (old.clone(), Vec::new());
        let future = run_loader(inner, flight, || compute(old));
        let mut future = core::pin::pin!(Inline::new(&inner.runtime, future));
        let polled = core::future::poll_fn(|cx| poll_inline(inner, flight, future.as_mut(), cx));
        let op = polled.await;
        let notify = |outcome| flight.complete(&inner.runtime, outcome, None);
        let completed = complete_with(inner, flight, notify, |now, fx| {
            self.apply(op, &mut seen, &mut unused, now, fx)
        });
        completed.unwrap_or(Computed::Fenced)
    }

    /// Does what a computation wants done, unless its flight was fenced. Values that nobody gets are
    /// left to be dropped by the caller: a panic in here ends the flight, if it has not ended.
    fn apply(
        &self,
        op: Op<V>,
        old: &mut Option<V>,
        unused: &mut Vec<V>,
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> (OutcomeOn<R::Flavor, V>, Computed<V>) {
        let (inner, hash, id) = (self.inner(), self.flight().hash, self.flight().id);
        match op {
            Op::Put(loaded) => {
                let (value, answer) = (loaded.value.clone(), loaded.value.clone());
                let computed = match inner.settle(hash, id, loaded, now, fx) {
                    Settled::Written => Computed::Put(answer),
                    Settled::Fenced(value) => {
                        unused.extend([value, answer]);
                        Computed::Fenced
                    }
                };
                (Outcome::Value(value), computed)
            }
            Op::Remove => {
                let removed = inner
                    .shards()
                    .write(hash, |shard| shard.settle_removal(hash, id, now, fx));
                let computed = if removed {
                    Computed::Removed(old.take())
                } else {
                    Computed::Fenced
                };
                // Who waits asks anew: there is no value, and their own loaders may find one.
                (Outcome::Cancelled, computed)
            }
            Op::Nop => {
                let current = inner.finish(hash, id, LoadEnd::Missing, fx);
                let computed = if current {
                    Computed::Unchanged(old.take())
                } else {
                    Computed::Fenced
                };
                (Outcome::Cancelled, computed)
            }
        }
    }
}
