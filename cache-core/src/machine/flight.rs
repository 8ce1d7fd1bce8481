//! Loads under way, at most one current flight a key.
//!
//! A flight is fenced by taking it out of the table: whoever settles it later finds no flight of
//! that id, and so knows that the key was written, invalidated or refreshed since the load began.

use alloc::collections::BTreeSet;

use equivalent::Equivalent;
use hashbrown::HashTable;

use super::hash::spread;
use super::time::Instant;

/// The name of one flight in its shard. Never used twice: it is the generation that fences an
/// old flight off from a newer one of the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlightId(u64);

/// The current flights of a shard; `F` is whatever the owner needs to find its waiters.
#[derive(Debug)]
pub(crate) struct Flights<K, F> {
    table: HashTable<Flight<K, F>>,
    next: u64,
    /// Flights that ended without a value and are remembered, by when they are to be forgotten.
    remembered: BTreeSet<(Instant, FlightId, u32)>,
}

/// One current flight.
#[derive(Debug)]
pub(crate) struct Flight<K, F> {
    pub(crate) key: K,
    pub(crate) flight: F,
    pub(crate) id: FlightId,
    hash: u32,
    /// Set once the flight has failed and its answer is kept for a while.
    until: Option<Instant>,
}

impl<K, F> Flight<K, F> {
    /// Whether it is over, and its answer kept for a while.
    pub(crate) const fn is_remembered(&self) -> bool {
        self.until.is_some()
    }
}

impl<K, F> Flights<K, F> {
    pub(crate) const fn new() -> Self {
        Self {
            table: HashTable::new(),
            next: 0,
            remembered: BTreeSet::new(),
        }
    }

    /// Flights under way, without those that are only remembered.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
            - self
                .table
                .iter()
                .filter(|flight| flight.until.is_some())
                .count()
    }

    /// The current flight of `key`: the one to wait for.
    pub(crate) fn find<Q>(&self, hash: u32, key: &Q) -> Option<&Flight<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.table.find(spread(hash), |flight| {
            flight.hash == hash && key.equivalent(&flight.key)
        })
    }

    /// Starts a flight for a key that has none.
    pub(crate) fn start(&mut self, hash: u32, key: K, make: impl FnOnce(FlightId) -> F) -> &F {
        let id = FlightId(self.next);
        self.next += 1;
        let flight = Flight {
            key,
            flight: make(id),
            id,
            hash,
            until: None,
        };
        let entry = self
            .table
            .insert_unique(spread(hash), flight, |flight| spread(flight.hash));
        &entry.into_mut().flight
    }

    /// Fences the current flight of `key`, if there is one: its result will not be stored.
    pub(crate) fn fence<Q>(&mut self, hash: u32, key: &Q) -> Option<Flight<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if self.table.is_empty() {
            return None;
        }
        let found = self.table.find_entry(spread(hash), |flight| {
            flight.hash == hash && key.equivalent(&flight.key)
        });
        found.ok().map(|entry| entry.remove().0)
    }

    /// Flight `id`, unless it was fenced.
    pub(crate) fn get(&self, hash: u32, id: FlightId) -> Option<&Flight<K, F>> {
        self.table.find(spread(hash), |flight| flight.id == id)
    }

    /// Ends flight `id`. `None` if it was fenced.
    pub(crate) fn finish(&mut self, hash: u32, id: FlightId) -> Option<Flight<K, F>> {
        let found = self
            .table
            .find_entry(spread(hash), |flight| flight.id == id);
        found.ok().map(|entry| entry.remove().0)
    }

    /// Keeps the answer of flight `id`, which brought no value, for whoever asks before `until`. Says
    /// whether the flight was still current.
    pub(crate) fn remember(&mut self, hash: u32, id: FlightId, until: Instant) -> bool {
        let Some(flight) = self.table.find_mut(spread(hash), |flight| flight.id == id) else {
            return false;
        };
        flight.until = Some(until);
        self.remembered.insert((until, id, hash));
        true
    }

    /// Forgets flight `id` before its time, if it is remembered.
    pub(crate) fn forget(&mut self, hash: u32, id: FlightId) -> Option<Flight<K, F>> {
        let remembered = self.get(hash, id)?.until.is_some();
        if remembered {
            self.finish(hash, id)
        } else {
            None
        }
    }

    /// Forgets what is remembered for `key`, if that is due.
    pub(crate) fn forget_due<Q>(&mut self, hash: u32, key: &Q, now: Instant) -> Option<Flight<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if !self.next_deadline()?.has_passed(now) {
            return None;
        }
        let found = self.table.find_entry(spread(hash), |flight| {
            let due = flight.until.is_some_and(|until| until.has_passed(now));
            due && flight.hash == hash && key.equivalent(&flight.key)
        });
        found.ok().map(|entry| entry.remove().0)
    }

    /// Forgets one remembered failure that is due.
    pub(crate) fn forget_next(&mut self, now: Instant) -> Option<Forgotten<K, F>> {
        let &(until, id, hash) = self.remembered.first()?;
        if !until.has_passed(now) {
            return None;
        }
        self.remembered.pop_first();
        Some(Forgotten(self.finish(hash, id)))
    }

    #[inline]
    pub(crate) fn remember_any(&self) -> bool {
        !self.remembered.is_empty()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let first = self.remembered.first().map(|&(until, ..)| until);
        first.filter(|until| *until != Instant::FAR)
    }

    /// Fences every flight.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Flight<K, F>> + '_ {
        self.remembered.clear();
        self.table.drain()
    }

    pub(crate) fn memory_used(&self) -> usize {
        self.table.allocation_size() + self.remembered.len() * size_of::<(Instant, FlightId, u32)>()
    }

    /// Checks that the table is sound and that what is remembered is in order.
    ///
    /// # Panics
    /// When it is not.
    pub(crate) fn validate(&self)
    where
        K: Eq,
    {
        for flight in &self.table {
            let found = self.find(flight.hash, &flight.key);
            let found = found.expect("a flight is found under its own key");
            assert!(found.id == flight.id, "a key has one current flight");
            assert!(flight.id.0 < self.next, "flight ids are given out once");
            if let Some(until) = flight.until {
                let queued = self.remembered.contains(&(until, flight.id, flight.hash));
                assert!(queued, "a remembered failure is forgotten in time");
            }
        }
    }
}

/// A remembered failure whose time was over: `None` inside if a write had fenced it before.
#[derive(Debug)]
pub(crate) struct Forgotten<K, F>(pub(crate) Option<Flight<K, F>>);
