//! Loads under way, at max one current flight a key.
//!
//! A flight is fenced by taking it out of the table: whoever settles it later finds no flight of
//! that id, and so knows that the key was written, invalidated or refreshed since the load began.

use equivalent::Equivalent;

use super::expiry::Timers;
use super::list::Token;
use super::opt_in::REMEMBERED;
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
pub(crate) struct FlightTable<K, F> {
    table: Table<FlightEntry<K, F>>,
    /// How many there have been.
    started: u64,
    remembered: Remembered,
}

/// The flights that ended without a value and whose answer is kept.
#[derive(Debug)]
struct Remembered {
    /// When each is to be forgotten; those that are kept for ever are not in it.
    timers: Timers,
    /// How many there are.
    count: usize,
    /// How many there may be.
    max: usize,
    /// The slot after the last answer that was forgotten to make a place, among those kept for ever.
    hand: usize,
}

/// One current flight.
#[derive(Debug)]
pub(crate) struct FlightEntry<K, F> {
    pub(crate) key: K,
    pub(crate) flight: F,
    pub(crate) id: FlightId,
    hash: u32,
    /// Set once the flight has failed and its answer is kept for a while.
    until: Option<Instant>,
}

impl<K, F> FlightEntry<K, F> {
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

impl<K, F> Hashed for FlightEntry<K, F> {
    fn hash(&self) -> u32 {
        self.hash
    }
}

impl<K, F> FlightTable<K, F> {
    pub(crate) const fn new() -> Self {
        Self {
            table: Table::new(),
            started: 0,
            remembered: Remembered {
                timers: Timers::new(),
                count: 0,
                max: usize::MAX,
                hand: 0,
            },
        }
    }

    /// Keeps at max `max` answers, and at least one.
    pub(crate) fn set_max_remembered(&mut self, max: usize) {
        self.remembered.max = max.max(1);
    }

    /// Flights under way, without those that are only remembered.
    pub(crate) fn len(&self) -> usize {
        let flights = self.table.iter_from(0);
        flights
            .filter(|(_, flight)| !flight.is_remembered())
            .count()
    }

    /// The current flight of `key`: the one to wait for.
    pub(crate) fn find<Q>(&self, hash: u32, key: &Q) -> Option<&FlightEntry<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let token = self.find_token(hash, &|flight| flight.is_of(hash, key))?;
        self.table.get(token)
    }

    /// Starts a flight for a key that has none.
    pub(crate) fn start(&mut self, hash: u32, key: K, make: impl FnOnce(FlightId) -> F) -> &F {
        let id = FlightId {
            serial: self.started,
            token: self.table.next_token(),
        };
        self.started += 1;
        let token = self.table.insert(FlightEntry {
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
    pub(crate) fn fence<Q>(&mut self, hash: u32, key: &Q) -> Option<FlightEntry<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let token = self.find_token(hash, &|flight| flight.is_of(hash, key))?;
        self.remove_at(token)
    }

    /// Flight `id`, unless it was fenced.
    pub(crate) fn get(&self, id: FlightId) -> Option<&FlightEntry<K, F>> {
        self.table
            .get(id.token)
            .filter(|flight| flight.id.serial == id.serial)
    }

    /// Ends flight `id`. `None` if it was fenced.
    pub(crate) fn remove(&mut self, id: FlightId) -> Option<FlightEntry<K, F>> {
        self.get(id)?;
        self.remove_at(id.token)
    }

    /// Keeps the answer of flight `id`, which brought no value, for callers that ask before `until`.
    /// `None` if the flight was fenced. Where there are as many answers as there may be, the one
    /// that is the next to be forgotten gives way and is returned.
    pub(crate) fn remember(
        &mut self,
        id: FlightId,
        until: Instant,
    ) -> Option<Option<FlightEntry<K, F>>> {
        self.get(id)?;
        REMEMBERED.enable();
        let full = self.remembered.count >= self.remembered.max;
        let evicted = if full { self.evict_remembered() } else { None };
        if let Some(flight) = self.table.get_mut(id.token) {
            flight.until = Some(until);
            self.remembered.count += 1;
            self.remembered.timers.schedule(id.token, until);
        }
        Some(evicted)
    }

    /// Forgets the answer whose time is over first. Of those that are kept for ever, each has its
    /// turn.
    fn evict_remembered(&mut self) -> Option<FlightEntry<K, F>> {
        let (last, mut unlimited) = (Instant::from_nanos(u64::MAX - 1), usize::MAX);
        let first = self.remembered.timers.pop(last, &mut unlimited);
        let token = first.or_else(|| {
            let next = |start| {
                let mut flights = self.table.iter_from(start);
                flights.find(|(_, flight)| flight.is_remembered())
            };
            let (token, _) = next(self.remembered.hand).or_else(|| next(0))?;
            self.remembered.hand = token.index() + 1;
            Some(token)
        })?;
        self.remove_at(token)
    }

    /// The one way out of the table: what is remembered of a flight leaves with it.
    fn remove_at(&mut self, token: Token) -> Option<FlightEntry<K, F>> {
        let flight = self.table.remove(token)?;
        if flight.is_remembered() && REMEMBERED.is_enabled() {
            self.remembered.count -= 1;
            self.remembered.timers.cancel(token);
        }
        if cfg!(not(target_os = "none")) && self.table.is_empty() && self.table.is_sparse() {
            self.shrink();
        }
        Some(flight)
    }

    /// Gives memory back, as far as no flight has to move for it.
    #[cold]
    pub(crate) fn shrink(&mut self) {
        self.table.shrink_in_place();
        self.remembered.timers.truncate(self.table.slot_count());
    }

    /// Forgets flight `id` before its time, if it is remembered.
    pub(crate) fn forget(&mut self, id: FlightId) -> Option<FlightEntry<K, F>> {
        if self.get(id)?.is_remembered() {
            self.remove(id)
        } else {
            None
        }
    }

    /// Forgets what is remembered for `key`, if that is due.
    pub(crate) fn forget_expired<Q>(
        &mut self,
        hash: u32,
        key: &Q,
        now: Instant,
    ) -> Option<FlightEntry<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if !self.next_deadline()?.has_passed(now) {
            return None;
        }
        let token = self.find_token(hash, &|flight| {
            let due = flight.until.is_some_and(|until| until.has_passed(now));
            due && flight.is_of(hash, key)
        })?;
        self.remove_at(token)
    }

    /// Forgets one remembered answer that is due. Each step of work takes one from `budget`.
    pub(crate) fn forget_next_expired(
        &mut self,
        now: Instant,
        budget: &mut usize,
    ) -> Option<FlightEntry<K, F>> {
        if !self.any_expires() {
            return None;
        }
        let token = self.remembered.timers.pop(now, budget)?;
        self.remove_at(token)
    }

    /// Whether an answer is kept whose time will be over.
    #[inline]
    pub(crate) fn any_expires(&self) -> bool {
        !self.remembered.timers.is_empty() && REMEMBERED.is_enabled()
    }

    /// No later than the earliest time at which an answer is to be forgotten.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.any_expires() {
            self.remembered.timers.next_deadline()
        } else {
            None
        }
    }

    /// Fences every flight.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = FlightEntry<K, F>> + use<K, F> {
        if REMEMBERED.is_enabled() {
            self.remembered.timers.clear();
            self.remembered.count = 0;
        }
        self.table.drain().map(|(_, flight)| flight)
    }

    pub(crate) fn memory_used(&self) -> usize {
        self.table.memory_used() + self.remembered.timers.memory_used()
    }

    /// Not generic over what it looks for: a search is a hundred bytes of code, and a load can
    /// afford a call.
    fn find_token(&self, hash: u32, is_it: &dyn Fn(&FlightEntry<K, F>) -> bool) -> Option<Token> {
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
            let until = flight.until.unwrap_or(Instant::FAR);
            let timer = self.remembered.timers.deadline(token);
            assert_eq!(timer, until, "an answer is forgotten in time");
        }
        self.remembered.timers.validate();
        let kept = self.table.iter_from(0);
        let kept = kept.filter(|(_, flight)| flight.is_remembered()).count();
        assert_eq!(kept, self.remembered.count, "answers that are kept");
        assert!(kept <= self.remembered.max, "{kept} answers are too many");
        let end = self
            .table
            .iter_from(0)
            .filter(|(_, flight)| flight.until.is_some_and(|until| until != Instant::FAR));
        assert_eq!(end.count(), self.remembered.timers.len(), "stale timers");
    }
}
