//! Computations: a flight whose loader gets the old value and decides what becomes of the key.

use alloc::vec::Vec;
use core::future::Future;

use super::complete::Decided;
use super::handle::FlightHandle;
use super::join::{JoinResult, make_joined};
use super::scoped::Scoped;
use crate::flight::{Driver, Outcome, OutcomeOn};
use crate::inner::Inner;
use crate::machine::{Instant, Join, LoadEnd, Settled};
use crate::op::{Computed, Op};
use crate::runtime::Runtime;
use crate::shards::ShardEffects;
use crate::stats::LoadResult;
use crate::sync::Arc;

impl<'a, K: Eq, V: Clone, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    /// Joins the flight of `key`, or leads a computation. Also returns the value of the key, read
    /// under the lock that starts the flight: a later write fences the flight, so a computation
    /// never replaces a value that it has not seen.
    pub(crate) fn join_for_compute(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
    ) -> (JoinResult<'a, K, V, R, S>, Option<V>) {
        let mut old = None;
        let joined = Self::join_with(inner, hash, Driver::Caller, |shard, make, now, fx| {
            old = shard.peek(hash, &key, || now).cloned();
            shard.share_solo(hash, &key, make_joined(hash));
            Join::Load(shard.join_flight(hash, key, make, now, fx))
        });
        (joined, old)
    }

    /// Leads a computation: only this future polls `compute`. `op` reads its output.
    ///
    /// # Errors
    /// Those of `op`; then nothing is changed.
    ///
    /// # Panics
    /// If `compute` does; then nothing is changed.
    pub(crate) async fn compute<Fut, E>(
        self,
        old: Option<V>,
        compute: impl FnOnce(Option<V>) -> Fut,
        op: impl FnOnce(Fut::Output) -> Result<Op<V>, E>,
    ) -> Result<Computed<V>, E>
    where
        Fut: Future,
    {
        let ctx = self.ctx();
        let runtime = &ctx.inner.runtime;
        // Values that are not stored are kept here until the flight is complete: their drop may
        // panic.
        let (mut seen, mut unused) = (old.clone(), Vec::new());
        let future = ctx.run_loader(|| compute(old));
        let mut future = core::pin::pin!(Scoped::new(runtime, future));
        let output = core::future::poll_fn(|cx| ctx.poll_scoped(future.as_mut(), cx)).await;
        let (op, failed) = match op(output) {
            Ok(op) => (Some(op), None),
            Err(error) => (None, Some(error)),
        };
        let completed = ctx.complete_with(
            |now, fx| {
                let result = match op {
                    Some(_) => LoadResult::Success,
                    None => LoadResult::Failure,
                };
                let (outcome, computed) = self.apply(op, &mut seen, &mut unused, now, fx);
                Decided {
                    outcome,
                    result,
                    fenced: matches!(computed, Computed::Fenced),
                    answer: computed,
                }
            },
            |outcome, _| ctx.flight.complete(runtime, outcome, None),
        );
        match failed {
            Some(error) => Err(error),
            None => Ok(completed.unwrap_or(Computed::Fenced)),
        }
    }

    /// Applies `op`, unless the flight was fenced; `None` is a computation that failed. Moves
    /// values that no caller gets to `unused`: a panic in their drop must not fail the flight.
    fn apply(
        &self,
        op: Option<Op<V>>,
        old: &mut Option<V>,
        unused: &mut Vec<V>,
        now: Instant,
        fx: &mut ShardEffects<K, V, R>,
    ) -> (OutcomeOn<R::Flavor, V>, Computed<V>) {
        let (inner, hash, id) = (self.inner, self.flight.hash, self.flight.id);
        match op {
            Some(Op::Put(loaded)) => {
                let (value, answer) = (loaded.value.clone(), loaded.value.clone());
                let computed = match inner.settle::<true>(hash, id, loaded, now, fx) {
                    Settled::Written => Computed::Put(answer),
                    Settled::Fenced(value) => {
                        unused.extend([value, answer]);
                        Computed::Fenced
                    }
                };
                (Outcome::Value(value), computed)
            }
            Some(Op::Remove) => {
                let removed = inner
                    .shards()
                    .write(hash, |shard| shard.settle_removal(hash, id, now, fx));
                let computed = if removed {
                    Computed::Removed(old.take())
                } else {
                    Computed::Fenced
                };
                // The waiters retry: the key has no value, but their own loaders may find one.
                (Outcome::Cancelled, computed)
            }
            nothing => {
                let failed = nothing.is_none();
                let end = if failed {
                    LoadEnd::Failed
                } else {
                    LoadEnd::Missing
                };
                let current = inner.finish(hash, id, end, fx);
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
