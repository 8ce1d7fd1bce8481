//! How a caller comes to a flight: it joins the one that there is, or leads a new one.

use super::flight::Flight;
use super::shared::{Driver, Role};
use super::ticket::Ticket;
use crate::cache::Inner;
use crate::machine::{FlightId, Instant, Join, Share};
use crate::runtime::Runtime;
use crate::shards::{Shard, ShardEffects};
use crate::sync::Arc;

/// The answer to a caller who asks for a key to be loaded.
pub(crate) enum Boarding<'a, K, V: 'static, R: Runtime, S> {
    /// There is a value.
    Hit(V),
    /// Another loads it.
    Wait(Ticket<'a, K, V, R, S>, K),
    /// The caller is to load it.
    Lead(Ticket<'a, K, V, R, S>),
    /// Another loads it, and the caller is a part of that load.
    Reentrant,
}

impl<'a, K: Eq, V: Clone, R: Runtime, S> Ticket<'a, K, V, R, S> {
    /// Asks for the value of `key`. If the caller is to lead, `driver` will drive the load.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn board(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> Boarding<'a, K, V, R, S> {
        Self::enter(inner, hash, driver, |shard, make, now, fx| {
            match shard.join(hash, key, make, now, fx) {
                Join::Hit { value, key } => Joined::Hit(value.clone(), key),
                Join::Load(share) => share.into(),
            }
        })
    }

    /// Comes to the shard with `join`, and leaves it with a share in a flight, or a hit.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn enter(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        driver: Driver,
        join: impl FnOnce(
            &mut Shard<K, V, R>,
            &dyn Fn(FlightId) -> Arc<Flight<V, R>>,
            Instant,
            &mut ShardEffects<K, V, R>,
        ) -> Joined<K, V, R>,
    ) -> Boarding<'a, K, V, R, S> {
        let mut fx = inner.effects();
        let joined = inner.shards().write(hash, |shard| {
            // The clock is read at most once, and not for whoever waits where nothing can expire. A
            // device's is a register: there the question costs more than the answer.
            let is_timeless = !cfg!(target_os = "none") && shard.is_timeless();
            let now = if is_timeless {
                Instant::ORIGIN
            } else {
                inner.now()
            };
            let make = |id| {
                let started = if is_timeless { inner.now() } else { now };
                Arc::new(Flight::new(id, hash, driver, started))
            };
            let joined = join(shard, &make, now, &mut fx);
            if matches!(&joined, Joined::Wait(flight, _) if flight.was_deserted()) {
                shard.joined_in_vain();
            }
            joined
        });
        // The ticket first: if a listener panics in the flush, its `Drop` gives the share back.
        let boarding = match joined {
            Joined::Hit(value, _) => Boarding::Hit(value),
            Joined::Lead(flight) => Boarding::Lead(Self::new(inner, flight, Role::Leader)),
            Joined::Wait(flight, key) => {
                let mut ticket = Self::new(inner, flight, Role::Waiter);
                if ticket.depend() {
                    Boarding::Wait(ticket, key)
                } else {
                    Boarding::Reentrant
                }
            }
        };
        fx.flush();
        boarding
    }

    /// Starts a newer load of `key`, whatever is stored or under way.
    pub(crate) fn refresh(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> Self {
        let now = inner.now();
        let make = |id| Arc::new(Flight::new(id, hash, driver, now));
        let mut fx = inner.effects();
        let flight = inner.shards().write(hash, |engine| {
            Arc::clone(engine.refresh(hash, key, make, now, &mut fx))
        });
        let ticket = Self::new(inner, flight, Role::Leader);
        fx.flush();
        ticket
    }
}

/// As [`Boarding`], straight from the shard. What is not needed is dropped outside of it.
pub(super) enum Joined<K, V: 'static, R: Runtime> {
    Hit(V, K),
    Wait(Arc<Flight<V, R>>, K),
    Lead(Arc<Flight<V, R>>),
}

impl<K, V, R: Runtime> From<Share<'_, K, Arc<Flight<V, R>>>> for Joined<K, V, R> {
    /// Takes the share, so it must be called with the shard locked.
    fn from(share: Share<'_, K, Arc<Flight<V, R>>>) -> Self {
        match share {
            Share::Lead { flight } => Self::Lead(Arc::clone(flight)),
            Share::Wait { flight, key } => {
                flight.join();
                Self::Wait(Arc::clone(flight), key)
            }
        }
    }
}
