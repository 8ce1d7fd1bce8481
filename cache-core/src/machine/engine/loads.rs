//! Loads: joining, starting, settling and fencing the flights of keys.

use super::aged::Use;
use super::{Budget, CapacityShortfall, Engine, EntryLimits, OldDeadlines};
use crate::machine::effects::Effects;
use crate::machine::flight::FlightId;
use crate::machine::freshness::Age;
use crate::machine::list::Token;
use crate::machine::opt_in::{Enabled, Feature, RememberedResults};
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

/// The result of [`Engine::join`].
#[derive(Debug)]
#[must_use]
pub enum Join<'a, K, V, F> {
    /// There is a live entry.
    Hit {
        /// The entry's value.
        value: &'a V,
        /// The caller's key, unused.
        key: K,
        /// Its age; [`Age::Fresh`] without freshness.
        age: Age,
    },
    /// There is an entry that is due or stale. The caller may refresh it in the background:
    /// [`Engine::start_refresh`].
    Due {
        /// The entry's value.
        value: &'a V,
        /// The caller's key, unused.
        key: K,
        /// Its age.
        age: Age,
    },
    /// There is none: the caller takes part in the flight of the key.
    Load(FlightRole<'a, K, F>),
}

/// The part of a caller in the flight of a key.
#[derive(Debug)]
#[must_use]
pub enum FlightRole<'a, K, F> {
    /// The caller leads a new flight, and must load the value.
    Lead {
        /// The new flight.
        flight: &'a F,
    },
    /// Another caller leads the flight, or its result is remembered.
    Wait {
        /// The flight to wait for.
        flight: &'a F,
        /// The caller's key, unused.
        key: K,
    },
}

/// The result of [`Engine::settle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled<V> {
    /// The value was written, as by [`Engine::insert`].
    Written,
    /// The key was written, invalidated or refreshed while the load was in flight. The value is
    /// for the callers that waited for it, and is not stored.
    Fenced(V),
}

/// How a load ended that has no value to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadEnd {
    /// It found that there is no value.
    Missing,
    /// It found that there is no value, which is remembered until this time.
    MissingUntil(Instant),
    /// It failed. The next caller loads again.
    Failed,
    /// It failed, and the error is remembered until this time.
    FailedUntil(Instant),
    /// It was dropped before it ended.
    Dropped,
}

impl<K: Eq, V, F, B: Budget> Engine<K, V, F, B> {
    /// Starts a load that is fenced from the start: no other caller joins it, and its result is not
    /// stored.
    pub fn start_fenced(&mut self, make: impl FnOnce(FlightId) -> F) -> F {
        self.counters.loads_started += 1;
        let serial = self.flights.next_serial();
        make(self.flights.id(serial))
    }

    /// Returns the value of `key` and counts a use, or joins the flight of `key`, or starts one
    /// with `make`. An expired entry is removed first, so that a listener learns of it before the
    /// new value is loaded. `may_refresh`: the caller can refresh a value in the background.
    /// Otherwise a `Due` value is returned, and a `Stale` one loaded.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn join(
        &mut self,
        hash: u32,
        key: K,
        may_refresh: bool,
        make: impl FnOnce(FlightId) -> F,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Join<'_, K, V, F> {
        let now = self.advance_clock(now);
        self.purge_on_write(now, fx);
        let found = self.store.find(hash, &key).map(|(token, _)| token);
        let found = found.filter(|&token| !self.expire_at(token, now, fx));
        let use_of = |token| self.use_of(hash, &key, token, may_refresh, now);
        let Some((token, found)) = found.and_then(use_of) else {
            return Join::Load(self.join_or_start(hash, key, make, now, fx));
        };
        self.deadlines.record_hit(token, now);
        let value = self.record_hit(token);
        match found {
            Use::Return(age) => Join::Hit { value, key, age },
            Use::Refresh(age) => Join::Due { value, key, age },
        }
    }

    /// What a caller that joins does with the value at `token`. `None`: it loads another.
    #[inline(always)]
    fn use_of(
        &self,
        hash: u32,
        key: &K,
        token: Token,
        may_refresh: bool,
        now: Instant,
    ) -> Option<(Token, Use)> {
        let found = match self.deadlines.freshness() {
            Some(_) => self.use_of_aged(hash, key, token, may_refresh, now)?,
            None => Use::Return(Age::Fresh),
        };
        Some((token, found))
    }

    /// Starts a load of `key`, even if there is a value or a load in flight. Fences the load in
    /// flight, so that its older result is not stored over the newer one. Removes an expired entry.
    pub fn refresh(
        &mut self,
        hash: u32,
        key: K,
        make: impl FnOnce(FlightId) -> F,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> &F {
        self.expire(hash, &key, now, fx);
        // Must come before the fence: if the equality of the keys panics, the flight is still there.
        let backed_off = self.find_with_backoff(hash, &key);
        self.fence(hash, &key, fx);
        self.end_backoff(backed_off);
        self.start(hash, key, make)
    }

    /// Joins the flight of `key` or starts one, even if there is a value. Removes an expired entry.
    pub fn join_flight(
        &mut self,
        hash: u32,
        key: K,
        make: impl FnOnce(FlightId) -> F,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> FlightRole<'_, K, F> {
        self.expire(hash, &key, now, fx);
        self.join_or_start(hash, key, make, now, fx)
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn join_or_start(
        &mut self,
        hash: u32,
        key: K,
        make: impl FnOnce(FlightId) -> F,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> FlightRole<'_, K, F> {
        let now = self.advance_clock(now);
        if let Some(failure) = self.flights.forget_expired(hash, &key, now) {
            fx.push_released(failure.key, failure.flight);
        }
        let Some(token) = self.flights.find_token(hash, &key) else {
            let flight = self.start(hash, key, make);
            return FlightRole::Lead { flight };
        };
        let flight = self.flights.at(token);
        let flight = &flight.expect("a found flight is in the table").flight;
        self.counters.loads_joined += 1;
        FlightRole::Wait { flight, key }
    }

    /// Takes back the count of the last join: its flight was cancelled, so the caller retries, and
    /// that join is counted.
    pub fn undo_join(&mut self) {
        self.counters.loads_joined -= 1;
    }

    /// Ends flight `id` with a value, and writes it as [`Engine::insert_with_limits`] does, unless
    /// the flight was fenced. The ttl counts from `now`.
    ///
    /// # Errors
    /// [`CapacityShortfall`] with the value, as for [`Engine::insert`]. The flight is still current
    /// then, and must be settled again.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn settle(
        &mut self,
        hash: u32,
        id: FlightId,
        value: V,
        limits_of: impl FnOnce(&K, &V, Option<OldDeadlines>) -> EntryLimits,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<Settled<V>, CapacityShortfall<V>> {
        let now = self.advance_clock(now);
        self.purge_on_write(now, fx);
        let Some(flight) = self.flights.get(id) else {
            self.counters.loads_succeeded += 1;
            self.counters.loads_fenced += 1;
            return Ok(Settled::Fenced(value));
        };
        let old = self.store.find(hash, &flight.key).map(|(token, _)| token);
        let limits = limits_of(&flight.key, &value, self.old_deadlines(old, now));
        if self.writes_plain(limits) && self.has_place_plain(old) {
            self.counters.loads_succeeded += 1;
            if let Some(flight) = self.flights.remove(id) {
                fx.push_completed(flight.flight);
                if let Some(removed) = self.write_plain(hash, old, flight.key, value) {
                    fx.push_removed(removed);
                }
            }
            return Ok(Settled::Written);
        }
        let reservation = match self.reserve(old, limits, now, fx) {
            Ok(reservation) => reservation,
            Err(missing) => {
                let item = value;
                return Err(CapacityShortfall { item, missing, now });
            }
        };
        self.counters.loads_succeeded += 1;
        if let Some(flight) = self.flights.remove(id) {
            fx.push_completed(flight.flight);
            self.commit(hash, reservation, (flight.key, value), now, fx);
        }
        Ok(Settled::Written)
    }

    /// As [`Engine::settle`], for the value of a computation, which is a write by a caller: starts
    /// a new epoch, unless the flight was fenced.
    ///
    /// # Errors
    /// As [`Engine::settle`].
    pub fn settle_write(
        &mut self,
        hash: u32,
        id: FlightId,
        value: V,
        limits_of: impl FnOnce(&K, &V, Option<OldDeadlines>) -> EntryLimits,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<Settled<V>, CapacityShortfall<V>> {
        if self.is_current(id) {
            // A value that a batch read before this write must not be stored once the entry has
            // left.
            self.epoch += 1;
        }
        self.settle(hash, id, value, limits_of, now, fx)
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn start(&mut self, hash: u32, key: K, make: impl FnOnce(FlightId) -> F) -> &F {
        let serial = self.flights.next_serial();
        let flight = self.flights.start(serial, hash, key, make);
        self.counters.loads_started += 1;
        flight
    }
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Ends flight `id` and removes the entry of its key, unless the flight was fenced. Returns
    /// whether it was still current.
    pub fn settle_removal(
        &mut self,
        hash: u32,
        id: FlightId,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool
    where
        K: Eq,
    {
        let now = self.advance_clock(now);
        let flight = self.flights.get(id);
        let old = flight.map(|flight| self.store.find(hash, &flight.key));
        let old = old.map(|found| found.map(|(token, _)| token));
        self.finish_and_release(id, LoadEnd::Missing, fx);
        if old.is_some() {
            // A removal by a caller: a value that a batch read before it must not be stored.
            self.epoch += 1;
        }
        if let Some(Some(token)) = old {
            let cause = self.removal_cause(token, RemovalCause::Explicit, now);
            self.discard(token, cause, fx);
        }
        old.is_some()
    }

    /// Ends flight `id` without a value. Returns whether it was still current. If as many results
    /// are remembered as [`Engine::set_max_remembered`] allows, the one with the earliest deadline
    /// is forgotten for the new one.
    pub fn finish(&mut self, id: FlightId, how: LoadEnd, fx: &mut Effects<K, V, F>) -> bool {
        let enabled = RememberedResults::enable();
        self.finish_remembering(id, how, enabled, fx)
    }

    /// As [`Engine::finish`], for a caller that has the proof that it may remember.
    pub(crate) fn finish_remembering(
        &mut self,
        id: FlightId,
        how: LoadEnd,
        enabled: Enabled<RememberedResults>,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let (LoadEnd::FailedUntil(until) | LoadEnd::MissingUntil(until)) = how else {
            return self.finish_and_release(id, how, fx);
        };
        self.count(how);
        let Some(evicted) = self.flights.remember(id, until, enabled) else {
            return false;
        };
        if let Some(flight) = evicted {
            fx.push_released(flight.key, flight.flight);
        }
        if until != Instant::FAR {
            fx.push_deadline(until);
        }
        true
    }

    /// As [`Engine::finish`], without remembering the result.
    #[cfg_attr(target_os = "none", inline(always))]
    pub(crate) fn finish_and_release(
        &mut self,
        id: FlightId,
        how: LoadEnd,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        self.count(how);
        let current = self.flights.remove(id);
        let was_current = current.is_some();
        if let Some(flight) = current {
            fx.push_released(flight.key, flight.flight);
        }
        was_current
    }

    fn count(&mut self, how: LoadEnd) {
        match how {
            LoadEnd::Missing | LoadEnd::MissingUntil(_) => self.counters.loads_succeeded += 1,
            LoadEnd::Failed | LoadEnd::FailedUntil(_) => self.counters.loads_failed += 1,
            LoadEnd::Dropped => self.counters.loads_dropped += 1,
        }
    }

    /// Forgets the remembered result of flight `id`, so that the next caller loads again. Has no
    /// effect on a flight whose result is not remembered.
    pub fn forget(&mut self, id: FlightId, fx: &mut Effects<K, V, F>) {
        if let Some(flight) = self.flights.forget(id) {
            fx.push_released(flight.key, flight.flight);
        }
    }

    /// Whether flight `id` has not been fenced: its result would be stored.
    #[must_use]
    pub fn is_current(&self, id: FlightId) -> bool {
        self.flights.get(id).is_some()
    }
}
