//! Loads that only their leader knows: started, settled, and turned into flights.
//!
//! The leader calls [`Engine::start_solo`], polls its loader once, and then calls
//! [`Engine::settle_solo`] or [`Engine::claim_solo`]. The first is a write in the common case, as
//! those of `plain`. The second turns the load into a flight, with which the leader does the rest.
//!
//! The key of a load that is alone has no entry: it had none at the start, and each write of the
//! key fences the load.

use equivalent::Equivalent;

use super::{Budget, Engine};
use crate::machine::effects::Removed;
use crate::machine::flight::FlightId;
use crate::machine::solo::SoloState;
use crate::machine::time::Instant;

/// The result of [`Engine::settle_solo`].
#[derive(Debug)]
#[must_use]
pub(crate) enum SoloSettled<K, V> {
    /// The value was written. It evicted this entry.
    Written(Option<Removed<K, V>>),
    /// The key was written, invalidated or refreshed meanwhile: the value is not stored.
    Fenced(V),
    /// Another caller has joined, or the write is not plain. Nothing has changed.
    NeedsFlight(V),
}

impl<K: Eq, V, F: Clone, B: Budget> Engine<K, V, F, B> {
    /// Starts a load of a key that has neither an entry nor a load. Returns its serial, and when it
    /// started. `absent` is the count of insertions at which the key had no entry.
    ///
    /// # Errors
    /// The key, if it needs [`Engine::join`]. Nothing has changed then.
    #[inline]
    pub(crate) fn start_solo(
        &mut self,
        hash: u32,
        key: K,
        absent: Option<u64>,
        now: impl FnOnce() -> Instant,
    ) -> Result<(u64, Instant), K> {
        // A load that would need a flight at its end has one from the start: its value is cloned
        // once.
        if !self.is_plain() || !self.has_place_plain(None) || self.is_loading(hash, &key) {
            return Err(key);
        }
        let is_absent = absent == Some(self.counters.inserted);
        if !is_absent && self.store.find_by(hash, |known| *known == key).is_some() {
            return Err(key);
        }
        let (serial, started) = (self.flights.next_serial(), now());
        self.solos.start(serial, hash, key, started);
        self.counters.loads_started += 1;
        Ok((serial, started))
    }

    /// Ends load `serial`, which has produced `value`. Must be followed by [`Engine::claim_solo`]
    /// if the load needs a flight.
    #[inline]
    pub(crate) fn settle_solo(&mut self, hash: u32, serial: u64, value: V) -> SoloSettled<K, V> {
        let Some(index) = self.solos.index_of(serial) else {
            self.counters.loads_succeeded += 1;
            self.counters.loads_fenced += 1;
            return SoloSettled::Fenced(value);
        };
        if self.is_plain()
            && self.has_place_plain(None)
            && let Some(key) = self.solos.end_alone(index)
        {
            self.counters.loads_succeeded += 1;
            return SoloSettled::Written(self.write_plain(hash, None, key, value));
        }
        SoloSettled::NeedsFlight(value)
    }

    /// Makes the flight of the load of `key`, if that is alone. A caller that is about to join the
    /// key calls this first.
    pub(crate) fn share_solo(
        &mut self,
        hash: u32,
        key: &K,
        make: impl FnOnce(FlightId, Instant) -> F,
    ) {
        let Some((index, serial, started)) = self.solos.find(hash, key) else {
            return;
        };
        let flight = make(self.flights.id(serial), started);
        if let Some(key) = self.solos.set_joined(index, flight.clone()) {
            self.flights.start(serial, hash, key, |_| flight);
        }
    }
}

impl<K, V, F: Clone, B: Budget> Engine<K, V, F, B> {
    /// Turns load `serial` into a flight. Returns the flight that another caller has made, or one
    /// that `make` makes; one that is fenced from the start if the load was fenced.
    #[cold]
    pub(crate) fn claim_solo(
        &mut self,
        hash: u32,
        serial: u64,
        make: impl FnOnce(FlightId) -> F,
    ) -> F {
        match self.solos.end(serial).map(|solo| solo.state) {
            Some(SoloState::Joined(flight)) => flight,
            Some(SoloState::Alone(key)) => self.flights.start(serial, hash, key, make).clone(),
            None => make(self.flights.id(serial)),
        }
    }
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Whether `key` has a load, in its first poll or in flight, or a remembered result.
    #[inline]
    pub(super) fn is_loading<Q>(&self, hash: u32, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.flights.has(hash, key) || self.solos.has(hash, key)
    }
}
