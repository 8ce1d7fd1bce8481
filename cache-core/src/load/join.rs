//! How a caller joins the flight of a key, or leads a new one.

use super::handle::FlightHandle;
use super::refresh::RefreshHandle;
use super::solo::SoloLead;
use crate::flight::{Driver, Flight, Role};
use crate::inner::Inner;
use crate::machine::{FlightId, FlightRole, Instant, Join};
use crate::opt_in::{Feature, Freshening, GatedState};
use crate::runtime::Runtime;
use crate::shards::{Shard, ShardEffects};
use crate::sync::{Arc, RwLock};

/// What a caller of [`FlightHandle::join_or_lead`] gets.
pub(crate) enum JoinResult<'a, K, V, R: Runtime, S> {
    /// The key has a value. The caller refreshes it, if it has the handle of a refresh: the task of
    /// the refresh waits for the loader.
    Hit(V, RefreshHandle<'a, K, V, R, S>),
    /// Another caller leads the load. The caller's key is returned.
    Wait(FlightHandle<'a, K, V, R, S>, K),
    /// The caller leads the load.
    Lead(FlightHandle<'a, K, V, R, S>),
    /// Another caller leads the load, and this caller runs inside of it.
    Reentrant,
}

/// What a caller of [`FlightHandle::join_or_lead_solo`] gets.
pub(super) enum SoloJoin<'a, K: Eq, V: Clone, R: Runtime, S> {
    /// The caller leads the load, which has no flight yet.
    Lead(SoloLead<'a, K, V, R, S>),
    /// What [`FlightHandle::join_or_lead`] returns.
    Other(JoinResult<'a, K, V, R, S>),
}

/// Makes a new flight.
type MakeFlight<'f, V, R> = &'f dyn Fn(FlightId) -> Arc<Flight<V, R>>;

/// How a caller joins a load in a locked shard.
type ShardJoin<'s, K, V, R> = Join<'s, K, V, Arc<Flight<V, R>>>;

impl<'a, K: Eq, V: Clone, R: Runtime, S> FlightHandle<'a, K, V, R, S> {
    /// Returns the value of `key`, or joins its load. If the caller is to lead, `driver` drives the
    /// load. Spawns the task of a refresh.
    pub(crate) fn join_or_lead(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> JoinResult<'a, K, V, R, S> {
        // A loader that borrows cannot live in the task of a refresh.
        let may_refresh = driver == Driver::Leader;
        let mut joined = Self::join_or_refresh(inner, hash, key, driver, may_refresh);
        joined.spawn_refresh();
        joined
    }

    /// As [`FlightHandle::join_or_lead`], but leaves it to the caller to run a refresh.
    pub(crate) fn join_or_refresh(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
        may_refresh: bool,
    ) -> JoinResult<'a, K, V, R, S> {
        Self::join_with(inner, hash, driver, |shard, make, now, fx| {
            shard.share_solo(hash, &key, make_joined(hash));
            shard.join(hash, key, may_refresh, make, now, fx)
        })
    }

    /// As [`FlightHandle::join_or_lead`], for a leader that may begin without a flight. `absent` is
    /// as in [`Inner::look_up_or_absent`].
    #[inline]
    pub(super) fn join_or_lead_solo(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        absent: Option<u64>,
    ) -> SoloJoin<'a, K, V, R, S> {
        // Outside of the lock, also if a panic unwinds.
        let mut left = None;
        let lock = inner.shards().shard(hash);
        let started = lock.write(|shard| {
            let started = shard.start_solo(hash, key, absent, || inner.now());
            started.map_err(|key| {
                let (fx, unused_key) = left.insert((inner.effects(), None));
                let left = (&mut **fx, unused_key);
                Self::join_locked(
                    inner,
                    hash,
                    Driver::Leader,
                    shard,
                    left,
                    |shard, make, now, fx| {
                        shard.share_solo(hash, &key, make_joined(hash));
                        shard.join(hash, key, false, make, now, fx)
                    },
                )
            })
        });
        let joined = match started {
            Ok(started) => return SoloJoin::Lead(SoloLead::new(inner, lock, hash, started)),
            Err(joined) => joined,
        };
        let (fx, unused_key) = left.unzip();
        drop(unused_key);
        let joined = joined.start_waiting();
        if let Some(fx) = fx {
            fx.flush();
        }
        SoloJoin::Other(joined)
    }

    /// Locks the shard and calls `join`, which gets a function that makes a new flight.
    pub(super) fn join_with(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        driver: Driver,
        join: impl for<'s> FnOnce(
            &'s mut Shard<K, V, R>,
            MakeFlight<'_, V, R>,
            Instant,
            &mut ShardEffects<K, V, R>,
        ) -> ShardJoin<'s, K, V, R>,
    ) -> JoinResult<'a, K, V, R, S> {
        // Outside of the lock, also if a panic unwinds.
        let (mut fx, mut unused_key) = (inner.effects(), None);
        let joined = inner.shards().write(hash, |shard| {
            let left = (&mut *fx, &mut unused_key);
            Self::join_locked(inner, hash, driver, shard, left, join)
        });
        drop(unused_key);
        let joined = joined.start_waiting();
        // Must come after the handle exists: if a listener panics in the flush, the drop of the
        // handle gives the caller's reference to the flight back.
        fx.flush();
        joined
    }

    /// As [`FlightHandle::join_with`], in a locked shard. Once the shard is unlocked, the caller
    /// drops its unused key, calls [`JoinResult::start_waiting`], and flushes the effects.
    #[cfg_attr(not(target_os = "none"), inline(never))]
    fn join_locked(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        driver: Driver,
        shard: &mut Shard<K, V, R>,
        (fx, unused_key): (&mut ShardEffects<K, V, R>, &mut Option<K>),
        join: impl for<'s> FnOnce(
            &'s mut Shard<K, V, R>,
            MakeFlight<'_, V, R>,
            Instant,
            &mut ShardEffects<K, V, R>,
        ) -> ShardJoin<'s, K, V, R>,
    ) -> JoinResult<'a, K, V, R, S> {
        // Read the clock at most once, and not at all for a waiter in a shard without expiry. On
        // bare metal a read is one register load, cheaper than that check.
        let is_timeless = !cfg!(target_os = "none") && shard.has_no_expiry();
        let now = if is_timeless {
            Instant::ORIGIN
        } else {
            inner.now()
        };
        let make = |id| {
            let started = if is_timeless { inner.now() } else { now };
            Arc::new(Flight::new(id, hash, driver, started))
        };
        match join(shard, &make, now, fx) {
            Join::Hit { value, key, age } => {
                // Keys are foreign: an unused one is dropped outside of the lock.
                *unused_key = Some(key);
                inner.count_age(age);
                JoinResult::Hit(value.clone(), GatedState::UNSET)
            }
            Join::Due { value, key, age } => {
                *unused_key = Some(key);
                // Must come before the refresh starts: a clone that panics leaves nothing to undo.
                let value = value.clone();
                let shard = (shard, hash);
                let refresh = Self::start_refresh(inner, shard, unused_key, age, make);
                JoinResult::Hit(value, refresh)
            }
            Join::Load(FlightRole::Lead { flight }) => {
                JoinResult::Lead(Self::new(inner, Arc::clone(flight), Role::Leader))
            }
            Join::Load(FlightRole::Wait { flight, key }) => {
                flight.join();
                let flight = Arc::clone(flight);
                if Freshening::is_enabled() && flight.withdraw() {
                    inner.forget_refresh(&flight);
                    shard.undo_start(flight.id, fx);
                }
                // Must come after `join`, or the batch of the flight could be cancelled between the
                // two. The retry of this caller is counted in place of this join.
                if flight.is_cancelled() {
                    shard.undo_join();
                }
                JoinResult::Wait(Self::new(inner, flight, Role::Waiter), key)
            }
        }
    }

    /// Leads a load that no other caller joins, and whose value is not stored.
    pub(crate) fn lead_fenced(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        driver: Driver,
    ) -> Self {
        let now = inner.now();
        let make = |id| Arc::new(Flight::new(id, hash, driver, now));
        let flight = inner.shards().write(hash, |shard| shard.start_fenced(make));
        Self::new(inner, flight, Role::Leader)
    }

    /// Leads a new load of `key`, whether or not a value is stored or a load is in flight.
    pub(crate) fn refresh(
        inner: &'a Arc<Inner<K, V, R, S>>,
        hash: u32,
        key: K,
        driver: Driver,
    ) -> Self {
        let now = inner.now();
        let make = |id| Arc::new(Flight::new(id, hash, driver, now));
        let mut fx = inner.effects();
        let flight = inner.shards().write(hash, |shard| {
            Arc::clone(shard.refresh(hash, key, make, now, &mut fx))
        });
        if Freshening::is_enabled() {
            flight.mark_forced();
        }
        let handle = Self::new(inner, flight, Role::Leader);
        fx.flush();
        handle
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> JoinResult<'_, K, V, R, S> {
    /// Begins to wait, if the caller has joined a flight. Called after the shard is unlocked: it
    /// may spawn a task, which is foreign code.
    #[inline(always)]
    fn start_waiting(mut self) -> Self {
        if let Self::Wait(handle, _) = &mut self
            && !handle.start_waiting()
        {
            return Self::Reentrant;
        }
        self
    }
}

/// Makes the flight of a load that its leader began without one.
pub(super) fn make_joined<V, R: Runtime>(
    hash: u32,
) -> impl FnOnce(FlightId, Instant) -> Arc<Flight<V, R>> {
    move |id, started| Arc::new(Flight::new(id, hash, Driver::Leader, started))
}
