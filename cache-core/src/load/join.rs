//! How a caller joins the flight of a key, or leads a new one.

use super::handle::FlightHandle;
use crate::flight::{Driver, Flight, Role};
use crate::inner::Inner;
use crate::machine::{FlightId, FlightRole, Instant, Join};
use crate::runtime::Runtime;
use crate::shards::{Shard, ShardEffects};
use crate::sync::Arc;

/// What a caller of [`FlightHandle::join_or_lead`] gets.
pub(crate) enum JoinResult<'a, K, V: 'static, R: Runtime, S> {
    /// The key has a value.
    Hit(V),
    /// Another caller leads the load. The caller's key is returned.
    Wait(FlightHandle<'a, K, V, R, S>, K),
    /// The caller leads the load.
    Lead(FlightHandle<'a, K, V, R, S>),
    /// Another caller leads the load, and this caller runs inside of it.
    Reentrant,
}

impl<'a, K: Eq, V: Clone, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    /// Returns the value of `key`, or joins its load. If the caller is to lead, `driver` drives the
    /// load.
    pub(crate) fn join_or_lead(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> JoinResult<'a, K, V, R, S> {
        Self::join_with(inner, hash, driver, |shard, make, now, fx| {
            shard.join(hash, key, make, now, fx)
        })
    }

    /// Locks the shard and calls `join`, which gets a function that makes a new flight.
    pub(super) fn join_with(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        driver: Driver,
        join: impl for<'s> FnOnce(
            &'s mut Shard<K, V, R>,
            &dyn Fn(FlightId) -> Arc<Flight<V, R>>,
            Instant,
            &mut ShardEffects<K, V, R>,
        ) -> Join<'s, K, V, Arc<Flight<V, R>>>,
    ) -> JoinResult<'a, K, V, R, S> {
        let mut fx = inner.effects();
        // Keys are foreign: an unused one is dropped outside of the lock.
        let mut unused_key = None;
        let mut joined = inner.shards().write(hash, |shard| {
            // Read the clock at most once, and not at all for a waiter in a shard without expiry.
            // On bare metal a read is one register load, cheaper than that check.
            let is_timeless = !cfg!(target_os = "none") && shard.has_no_expiry();
            let now = if is_timeless {
                Instant::ORIGIN
            } else {
                inner.now()
            };
            let make = |id| {
                let started = if is_timeless { inner.now() } else { now };
                let watch = inner.lead_watch(driver);
                Arc::new(Flight::new(id, hash, driver, started, watch))
            };
            match join(shard, &make, now, &mut fx) {
                Join::Hit { value, key } => {
                    unused_key = Some(key);
                    JoinResult::Hit(value.clone())
                }
                Join::Load(FlightRole::Lead { flight }) => {
                    JoinResult::Lead(Self::new(inner, Arc::clone(flight), Role::Leader))
                }
                Join::Load(FlightRole::Wait { flight, key }) => {
                    flight.join();
                    let flight = Arc::clone(flight);
                    // Must come after `join`, or the batch of the flight could be cancelled between
                    // the two. The retry of this caller is counted in place of this join.
                    if flight.is_cancelled() {
                        shard.undo_join();
                    }
                    JoinResult::Wait(Self::new(inner, flight, Role::Waiter), key)
                }
            }
        });
        drop(unused_key);
        // Must come after the shard is unlocked: it may spawn a task, which is foreign code.
        if let JoinResult::Wait(handle, _) = &mut joined
            && !handle.start_waiting()
        {
            joined = JoinResult::Reentrant;
        }
        // Must come after the handle exists: if a listener panics in the flush, the drop of the
        // handle gives the caller's reference to the flight back.
        fx.flush();
        joined
    }

    /// Leads a new load of `key`, whether or not a value is stored or a load is in flight.
    pub(crate) fn refresh(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> Self {
        let now = inner.now();
        let make = |id| Arc::new(Flight::new(id, hash, driver, now, inner.lead_watch(driver)));
        let mut fx = inner.effects();
        let flight = inner.shards().write(hash, |shard| {
            Arc::clone(shard.refresh(hash, key, make, now, &mut fx))
        });
        let handle = Self::new(inner, flight, Role::Leader);
        fx.flush();
        handle
    }
}
