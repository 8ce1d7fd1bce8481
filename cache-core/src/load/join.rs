//! How a caller comes to a flight: it joins the one that there is, or leads a new one.

use super::handle::FlightHandle;
use crate::flight::{Driver, Flight, Role};
use crate::inner::Inner;
use crate::machine::{FlightId, FlightRole, Instant, Join};
use crate::runtime::Runtime;
use crate::shards::{Shard, ShardEffects};
use crate::sync::Arc;

/// The answer to a caller who asks for a key to be loaded.
pub(crate) enum JoinResult<'a, K, V: 'static, R: Runtime, S> {
    /// There is a value.
    Hit(V),
    /// Another loads it.
    Wait(FlightHandle<'a, K, V, R, S>, K),
    /// The caller is to load it.
    Lead(FlightHandle<'a, K, V, R, S>),
    /// Another loads it, and the caller is a part of that load.
    Reentrant,
}

impl<'a, K: Eq, V: Clone, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    /// Asks for the value of `key`. If the caller is to lead, `driver` will drive the load.
    pub(crate) fn join_or_lead(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> JoinResult<'a, K, V, R, S> {
        Self::join_with(inner, hash, driver, |shard, wake, now, fx| {
            match shard.join(hash, key, wake, now, fx) {
                Join::Hit { value, key } => Joined::Hit(value.clone(), key),
                Join::Load(share) => share.into(),
            }
        })
    }

    /// Comes to the shard with `join`, and leaves it with a share in a flight, or a hit.
    pub(super) fn join_with(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        driver: Driver,
        join: impl FnOnce(
            &mut Shard<K, V, R>,
            &dyn Fn(FlightId) -> Arc<Flight<V, R>>,
            Instant,
            &mut ShardEffects<K, V, R>,
        ) -> Joined<K, V, R>,
    ) -> JoinResult<'a, K, V, R, S> {
        let mut fx = inner.effects();
        let joined = inner.shards().write(hash, |shard| {
            // The clock is read at most once, and not for whoever waits where nothing can expire. A
            // device's is a register: there the question costs more than the answer.
            let is_timeless = !cfg!(target_os = "none") && shard.has_no_expiry();
            let now = if is_timeless {
                Instant::ORIGIN
            } else {
                inner.now()
            };
            let wake = |id| {
                let started = if is_timeless { inner.now() } else { now };
                Arc::new(Flight::new(id, hash, driver, started))
            };
            let joined = join(shard, &wake, now, &mut fx);
            if matches!(&joined, Joined::Wait(flight, _) if flight.is_cancelled()) {
                shard.undo_join();
            }
            joined
        });
        // The ticket first: if a listener panics in the flush, its `Drop` gives the share back.
        let joined = match joined {
            Joined::Hit(value, _) => JoinResult::Hit(value),
            Joined::Lead(flight) => JoinResult::Lead(Self::new(inner, flight, Role::Leader)),
            Joined::Wait(flight, key) => {
                let mut handle = Self::new(inner, flight, Role::Waiter);
                if handle.start_waiting() {
                    JoinResult::Wait(handle, key)
                } else {
                    JoinResult::Reentrant
                }
            }
        };
        fx.flush();
        joined
    }

    /// Starts a newer load of `key`, whatever is stored or under way.
    pub(crate) fn refresh(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> Self {
        let now = inner.now();
        let wake = |id| Arc::new(Flight::new(id, hash, driver, now));
        let mut fx = inner.effects();
        let flight = inner.shards().write(hash, |engine| {
            Arc::clone(engine.refresh(hash, key, wake, now, &mut fx))
        });
        let handle = Self::new(inner, flight, Role::Leader);
        fx.flush();
        handle
    }
}

/// As [`JoinResult`], straight from the shard. What is not needed is dropped outside of it.
pub(super) enum Joined<K, V: 'static, R: Runtime> {
    Hit(V, K),
    Wait(Arc<Flight<V, R>>, K),
    Lead(Arc<Flight<V, R>>),
}

impl<K, V, R: Runtime> From<FlightRole<'_, K, Arc<Flight<V, R>>>> for Joined<K, V, R> {
    /// Takes the share, so it must be called with the shard locked.
    fn from(share: FlightRole<'_, K, Arc<Flight<V, R>>>) -> Self {
        match share {
            FlightRole::Lead { flight } => Self::Lead(Arc::clone(flight)),
            FlightRole::Wait { flight, key } => {
                flight.join();
                Self::Wait(Arc::clone(flight), key)
            }
        }
    }
}
