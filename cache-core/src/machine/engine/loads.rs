//! Loads under way: joining, settling and fencing them.

use super::{Budget, CapacityShortfall, Engine, EntryLimits};
use crate::machine::effects::Effects;
use crate::machine::flight::FlightId;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

/// The answer to a caller who wants a value and can load it.
#[derive(Debug)]
#[must_use]
pub enum Join<'a, K, V, F> {
    /// There is a value.
    Hit {
        /// The value.
        value: &'a V,
        /// The caller's key, not used.
        key: K,
    },
    /// There is none: the caller has a share in its load.
    Load(FlightRole<'a, K, F>),
}

/// A caller's share in the load of a key.
#[derive(Debug)]
#[must_use]
pub enum FlightRole<'a, K, F> {
    /// The caller is to load it, and leads this flight.
    Lead {
        /// The flight to lead.
        flight: &'a F,
    },
    /// Another is loading it.
    Wait {
        /// The flight to wait for.
        flight: &'a F,
        /// The caller's key, not used.
        key: K,
    },
}

/// What became of a loaded value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled<V> {
    /// It was written, as by an insertion.
    Written,
    /// The key was written, invalidated or refreshed while the load was under way: the value is
    /// for those who waited for it, and for nobody else.
    Fenced(V),
}

/// How a load ended without a value to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadEnd {
    /// It found that there is no value.
    Missing,
    /// It found that there is no value, and whoever asks before this time is to get that answer.
    MissingUntil(Instant),
    /// It failed, and is to be tried again by whoever asks next.
    Failed,
    /// It failed, and whoever asks before this time is to get the same answer.
    FailedUntil(Instant),
    /// It was dropped before it ended.
    Dropped,
}

impl<K: Eq, V, F, B: Budget> Engine<K, V, F, B> {
    /// Asks for the value of `key`, to be loaded if it is not there. A hit counts as a use. An entry
    /// of the key that has expired leaves at once: it is told of before its successor is loaded.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn join(
        &mut self,
        hash: u32,
        key: K,
        make: impl FnOnce(FlightId) -> F,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Join<'_, K, V, F> {
        let now = self.advance_clock(now);
        self.purge_on_write(now, fx);
        let found = self.store.find(hash, &key).map(|(token, _)| token);
        let found = found.filter(|&token| !self.expire_at(token, now, fx));
        let Some(token) = found else {
            return Join::Load(self.join_or_start(hash, key, make, now, fx));
        };
        self.deadlines.record_hit(token, now);
        self.record_hit(token);
        let slot = self.store.get(token);
        let value = &slot.expect("a token found is a token stored").value;
        Join::Hit { value, key }
    }

    /// Starts a load of `key` whatever is stored or under way. A load under way is fenced: the
    /// older result will not be stored over the newer. An entry that has expired leaves at once.
    pub fn refresh(
        &mut self,
        hash: u32,
        key: K,
        make: impl FnOnce(FlightId) -> F,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> &F {
        self.expire(hash, &key, now, fx);
        self.fence(hash, &key, fx);
        self.start(hash, key, make)
    }

    /// Joins the flight of `key` or starts one, whatever is stored. An entry that has expired leaves
    /// at once.
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
    fn join_or_start(
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
        if self.flights.find(hash, &key).is_none() {
            let flight = self.start(hash, key, make);
            return FlightRole::Lead { flight };
        }
        let flight = self.flights.find(hash, &key);
        let flight = &flight.expect("a flight found is a flight kept").flight;
        self.counters.loads_joined += 1;
        FlightRole::Wait { flight, key }
    }

    /// The flight that was joined last turned out to be one that ends without an answer: who joined
    /// it comes again, and is counted then.
    pub fn undo_join(&mut self) {
        self.counters.loads_joined -= 1;
    }

    /// Ends flight `id` with a value: it is written like an insertion, its ttl counting from now,
    /// unless the flight was fenced. `limits_of` is called as by [`Engine::insert_with_limits`].
    ///
    /// # Errors
    /// [`CapacityShortfall`] with the value, as for [`Engine::insert`]; the flight is still current then.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn settle(
        &mut self,
        hash: u32,
        id: FlightId,
        value: V,
        limits_of: impl FnOnce(&K, &V, Option<Instant>) -> EntryLimits,
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
        let limits = limits_of(&flight.key, &value, self.live_deadline(old, now));
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

    #[cfg_attr(not(target_os = "none"), inline)]
    fn start(&mut self, hash: u32, key: K, make: impl FnOnce(FlightId) -> F) -> &F {
        let flight = self.flights.start(hash, key, make);
        self.counters.loads_started += 1;
        flight
    }
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Ends flight `id` by removing the entry of its key, unless the flight was fenced; says which.
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
        if let Some(Some(token)) = old {
            let cause = self.removal_cause(token, RemovalCause::Explicit, now);
            self.discard(token, cause, fx);
        }
        old.is_some()
    }

    /// Ends flight `id` without a value. Says whether it was still current. Where as many answers
    /// are remembered as [`Engine::set_max_remembered`] allows, the one whose time would be over first
    /// is forgotten for this one.
    pub fn finish(&mut self, id: FlightId, how: LoadEnd, fx: &mut Effects<K, V, F>) -> bool {
        let (LoadEnd::FailedUntil(until) | LoadEnd::MissingUntil(until)) = how else {
            return self.finish_and_release(id, how, fx);
        };
        self.count(how);
        let Some(evicted) = self.flights.remember(id, until) else {
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

    /// As [`Engine::finish`]; the answer is not remembered.
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

    /// Forgets flight `id`, if it is one that failed and is remembered: whoever asks next loads anew.
    pub fn forget(&mut self, id: FlightId, fx: &mut Effects<K, V, F>) {
        if let Some(flight) = self.flights.forget(id) {
            fx.push_released(flight.key, flight.flight);
        }
    }

    /// Whether the result of flight `id` would be stored.
    #[must_use]
    pub fn is_current(&self, id: FlightId) -> bool {
        self.flights.get(id).is_some()
    }
}
