//! Loads under way, at most one current flight a key.
//!
//! A flight is fenced by taking it out of the table: whoever settles it later finds no flight of
//! that id, and so knows that the key was written, invalidated or refreshed since the load began.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use equivalent::Equivalent;

use super::asked::REMEMBERED;
use super::list::Token;
use super::table::{Hashed, Table};
use super::time::Instant;

/// The name of one flight in its shard. Never used twice: it is the generation that fences an
/// old flight off from a newer one of the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlightId {
    serial: u64,
    /// Where it is, as long as it is current.
    token: Token,
}

/// The current flights of a shard; `F` is whatever the owner needs to find its waiters.
#[derive(Debug)]
pub(crate) struct Flights<K, F> {
    table: Table<Flight<K, F>>,
    /// How many there have been.
    started: u64,
    /// Flights that ended without a value, and when each is to be forgotten. Those that a write has
    /// fenced since are still in it.
    remembered: Remembered,
}

/// What is remembered, the next to be forgotten first.
type Remembered = BinaryHeap<Reverse<(Instant, FlightId)>>;

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
    fn is_of<Q>(&self, hash: u32, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.hash == hash && key.equivalent(&self.key)
    }

    /// Whether it is over, and its answer kept for a while.
    pub(crate) const fn is_remembered(&self) -> bool {
        self.until.is_some()
    }
}

impl<K, F> Hashed for Flight<K, F> {
    fn hash(&self) -> u32 {
        self.hash
    }
}

impl<K, F> Flights<K, F> {
    pub(crate) const fn new() -> Self {
        Self {
            table: Table::new(),
            started: 0,
            remembered: BinaryHeap::new(),
        }
    }

    /// Flights under way, without those that are only remembered.
    pub(crate) fn len(&self) -> usize {
        let flights = self.table.iter_from(0);
        flights
            .filter(|(_, flight)| !flight.is_remembered())
            .count()
    }

    /// The current flight of `key`: the one to wait for.
    pub(crate) fn find<Q>(&self, hash: u32, key: &Q) -> Option<&Flight<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let token = self.place(hash, &|flight| flight.is_of(hash, key))?;
        self.table.get(token)
    }

    /// Starts a flight for a key that has none.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn start(&mut self, hash: u32, key: K, make: impl FnOnce(FlightId) -> F) -> &F {
        let id = FlightId {
            serial: self.started,
            token: self.table.next_token(),
        };
        self.started += 1;
        let token = self.table.insert(Flight {
            key,
            flight: make(id),
            id,
            hash,
            until: None,
        });
        let flight = self.table.get(token);
        &flight.expect("a flight started is a flight kept").flight
    }

    /// Fences the current flight of `key`, if there is one: its result will not be stored.
    pub(crate) fn fence<Q>(&mut self, hash: u32, key: &Q) -> Option<Flight<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let token = self.place(hash, &|flight| flight.is_of(hash, key))?;
        self.table.remove(token)
    }

    /// Flight `id`, unless it was fenced.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn get(&self, id: FlightId) -> Option<&Flight<K, F>> {
        self.table
            .get(id.token)
            .filter(|flight| flight.id.serial == id.serial)
    }

    /// Ends flight `id`. `None` if it was fenced.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn finish(&mut self, id: FlightId) -> Option<Flight<K, F>> {
        self.get(id)?;
        self.table.remove(id.token)
    }

    /// Keeps the answer of flight `id`, which brought no value, for whoever asks before `until`. Says
    /// whether the flight was still current.
    pub(crate) fn remember(&mut self, id: FlightId, until: Instant) -> bool {
        let flight = self.table.get_mut(id.token);
        let Some(flight) = flight.filter(|flight| flight.id.serial == id.serial) else {
            return false;
        };
        REMEMBERED.raise();
        flight.until = Some(until);
        self.remembered.push(Reverse((until, id)));
        true
    }

    /// Forgets flight `id` before its time, if it is remembered.
    pub(crate) fn forget(&mut self, id: FlightId) -> Option<Flight<K, F>> {
        if self.get(id)?.is_remembered() {
            self.finish(id)
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
        let token = self.place(hash, &|flight| {
            let due = flight.until.is_some_and(|until| until.has_passed(now));
            due && flight.is_of(hash, key)
        })?;
        self.table.remove(token)
    }

    /// Forgets one remembered failure that is due.
    pub(crate) fn forget_next(&mut self, now: Instant) -> Option<Forgotten<K, F>> {
        let &Reverse((until, id)) = self.remembered()?.peek()?;
        if !until.has_passed(now) {
            return None;
        }
        self.remembered.pop();
        Some(Forgotten(self.finish(id)))
    }

    #[inline]
    pub(crate) fn remember_any(&self) -> bool {
        self.remembered().is_some()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let first = self.remembered()?.peek().map(|Reverse((until, ..))| *until);
        first.filter(|until| *until != Instant::FAR)
    }

    /// Fences every flight.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Flight<K, F>> + '_ {
        self.remembered.clear();
        self.table.drain().map(|(_, flight)| flight)
    }

    pub(crate) fn memory_used(&self) -> usize {
        let remembered = self.remembered.capacity() * size_of::<(Instant, FlightId)>();
        self.table.memory_used() + remembered
    }

    fn remembered(&self) -> Option<&Remembered> {
        let any = !self.remembered.is_empty() && REMEMBERED.is_up();
        any.then_some(&self.remembered)
    }

    /// Not generic over what it looks for: a search is a hundred bytes of code, and a load can
    /// afford a call.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn place(&self, hash: u32, is_it: &dyn Fn(&Flight<K, F>) -> bool) -> Option<Token> {
        if self.table.is_empty() {
            return None;
        }
        let (token, _) = self.table.find(hash, is_it)?;
        Some(token)
    }

    /// Checks that the table is sound and that what is remembered is in order.
    ///
    /// # Panics
    /// When it is not.
    pub(crate) fn validate(&self)
    where
        K: Eq,
    {
        self.table.validate();
        for (token, flight) in self.table.iter_from(0) {
            let found = self.find(flight.hash, &flight.key);
            let found = found.expect("a flight is found under its own key");
            assert!(found.id == flight.id, "a key has one current flight");
            assert!(flight.id.serial < self.started, "serials are given once");
            assert_eq!(flight.id.token, token, "a flight is where its id says");
            if let Some(until) = flight.until {
                let entry = Reverse((until, flight.id));
                let queued = self.remembered.iter().any(|queued| *queued == entry);
                assert!(queued, "a remembered failure is forgotten in time");
            }
        }
    }
}

/// A remembered failure whose time was over: `None` inside if a write had fenced it before.
#[derive(Debug)]
pub(crate) struct Forgotten<K, F>(pub(crate) Option<Flight<K, F>>);
