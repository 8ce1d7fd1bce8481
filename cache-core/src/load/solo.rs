//! The first poll of a load that no other caller has joined: the load has no flight yet.
//!
//! A leader whose loader is ready at once, and that nothing has disturbed, stores the value and is
//! done: no flight, no wait list, no buffer of effects. In every other case the load becomes a
//! flight, and the leader continues as the leader of that flight does: see `handle`.

use core::mem;
use core::pin::Pin;
use core::ptr;
use core::task::{Context, Poll};

use super::drive::LoadCtx;
use super::get::LoadingOn;
use super::handle::FlightHandle;
use super::methods::LoadMethod;
use crate::flight::{Driver, Flight, Loaded, LoaderResult, LoaderResultOn, Outcome, Role};
use crate::inner::Inner;
use crate::machine::{Instant, SoloSettled, Ttl};
use crate::panic::OnDrop;
use crate::runtime::{Context as Entered, LoadId, Runtime};
use crate::shards::ShardLock;
use crate::stats::LoadResult;
use crate::sync::{Arc, RwLock};

/// A load that this caller leads, before and during its first poll.
///
/// Its drop fails the load: only a panic unwinds out of [`SoloLead::lead`].
pub(super) struct SoloLead<'a, K: Eq, V: Clone, R: Runtime, S> {
    inner: &'a Arc<Inner<K, V, R, S>>,
    /// The shard of the key. No hook runs while it is locked: see [`Inner::may_lead_solo`].
    shard: &'a ShardLock<K, V, R>,
    hash: u32,
    serial: u64,
    started: Instant,
    /// Whether the load has ended, or has a flight that this caller leads.
    is_over: bool,
}

/// What becomes of a load in its first poll. `A` is the answer of its leader.
pub(super) enum Led<'a, K, V, R: Runtime, S, A> {
    Ended(A),
    /// The leader continues with this flight.
    Flight(FlightHandle<'a, K, V, R, S>, FirstPoll<V, R>),
}

/// What the first poll of a load has left to its flight: the result of the loader, or its future.
pub(super) type FirstPoll<V, R> =
    Result<LoaderResultOn<<R as Runtime>::Flavor, V>, LoadingOn<<R as Runtime>::Flavor, V>>;

impl<'a, K: Eq, V: Clone, R: Runtime, S> SoloLead<'a, K, V, R, S> {
    pub(super) const fn new(
        inner: &'a Arc<Inner<K, V, R, S>>,
        shard: &'a ShardLock<K, V, R>,
        hash: u32,
        (serial, started): (u64, Instant),
    ) -> Self {
        Self {
            inner,
            shard,
            hash,
            serial,
            started,
            is_over: false,
        }
    }

    /// The flight of this load: that of a second caller, or a new one.
    #[cold]
    fn claim(&mut self) -> Arc<Flight<V, R>> {
        let Self {
            shard,
            hash,
            serial,
            started,
            ..
        } = *self;
        let make = |id| Arc::new(Flight::new(id, hash, Driver::Leader, started));
        let flight = shard.write(|shard| shard.claim_solo(hash, serial, make));
        self.is_over = true;
        flight
    }

    /// Calls `f`, which calls the loader and polls it, as a part of the load.
    #[inline]
    fn in_context<T>(&self, f: impl FnOnce() -> T) -> T {
        let runtime = &self.inner.runtime;
        let id = LoadId::of_shard(ptr::from_ref(self.shard).addr(), self.serial);
        runtime.context(|context| context.enter(id));
        let _leave = OnDrop(Some(|| runtime.context(Entered::leave)));
        f()
    }
}

impl<'a, K: Eq, V: Clone, R: Runtime, S> SoloLead<'a, K, V, R, S> {
    /// Calls the loader and polls its future once. Returns the answer of a load that has ended. If
    /// the load needs a flight, returns the handle of that flight, and what is left to it.
    ///
    /// # Panics
    /// If the loader does.
    #[inline]
    pub(super) fn lead<M: LoadMethod<V, R::Flavor>>(
        mut self,
        loader: impl FnOnce() -> LoadingOn<R::Flavor, V>,
        cx: &mut Context<'_>,
    ) -> Led<'a, K, V, R, S, M::Answer> {
        // The loader is dropped inside `enter`, but not as a part of the load: see `poll_loader`.
        let polled = self.inner.runtime.enter(|| {
            let mut future = None;
            let polled = self.in_context(|| {
                let future = future.insert(loader());
                Pin::new(future).poll(cx)
            });
            match (polled, future) {
                (Poll::Ready(result), _) => Ok(result),
                (Poll::Pending, Some(future)) => Err(future),
                (Poll::Pending, None) => unreachable!("a future was polled"),
            }
        });
        let first = match polled {
            Ok(LoaderResult::Value(loaded)) if loaded.has_defaults() => {
                match self.settle(loaded.value) {
                    Ok(value) => {
                        // The load has ended: there is nothing left to drop.
                        mem::forget(self);
                        let answer = M::answer(Outcome::Value(value));
                        return Led::Ended(answer.expect("every method can return a value"));
                    }
                    Err(value) => Ok(LoaderResult::Value(Loaded::new(value))),
                }
            }
            first => first,
        };
        let flight = self.claim();
        Led::Flight(FlightHandle::new(self.inner, flight, Role::Leader), first)
    }

    /// Ends the load with `value`, which is stored unless the load was fenced. Returns the value
    /// for this caller.
    ///
    /// # Errors
    /// The value, if the load needs a flight.
    #[inline]
    fn settle(&mut self, value: V) -> Result<V, V> {
        let Self {
            inner,
            shard,
            hash,
            serial,
            ..
        } = *self;
        let answer = value.clone();
        let now = inner.now();
        let settled = shard.write(|shard| shard.settle_solo(hash, serial, value));
        let removed = match settled {
            SoloSettled::Written(removed) => Ok(removed),
            SoloSettled::Fenced(value) => Err(value),
            SoloSettled::NeedsFlight(value) => return Err(value),
        };
        self.is_over = true;
        let took = now.since(self.started);
        inner.requests.record_load(took);
        if let Some(histograms) = inner.histograms() {
            histograms.record_load(LoadResult::Success, took);
        }
        // A fenced value is dropped here, outside of the lock.
        if let Ok(removed) = removed {
            inner.discard(removed);
        }
        Ok(answer)
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> Drop for SoloLead<'_, K, V, R, S> {
    fn drop(&mut self) {
        if !self.is_over {
            let flight = self.claim();
            let ctx = LoadCtx::new(self.inner, &flight);
            ctx.abort(ctx.outcome_of_panic(), None);
        }
    }
}

impl<V> Loaded<V> {
    /// Whether the settings of the cache decide the limits of the entry.
    #[inline]
    fn has_defaults(&self) -> bool {
        self.ttl == Ttl::Default && self.weight.is_none()
    }
}
