//! The flights of a shard: at most one current flight for each key.
//!
//! | state | event | next state |
//! |---|---|---|
//! | none | `start` | in flight |
//! | in flight | `remove`: the load has ended | gone |
//! | in flight | `remember`: the load has ended without a value | remembered |
//! | in flight | `fence`, `clear`: the key was written, invalidated or refreshed | gone |
//! | remembered | its deadline, `forget`, `fence`, `clear`, or a newer result takes its place | gone |
//!
//! A fenced flight is one that is no longer in the table: when its load ends, [`FlightTable::get`]
//! does not find its id, and its result is not stored.

use equivalent::Equivalent;

use super::expiry::Timers;
use super::list::Token;
use super::opt_in::{Enabled, Feature, Gated, RememberedResults};
use super::table::{Hashed, Table};
use super::time::Instant;

/// Identifies a flight in its shard. Ids are never reused, so the id of a fenced flight does not
/// match a newer flight of the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlightId {
    serial: u64,
    /// Its slot in the table, as long as it is current.
    token: Token,
}

impl FlightId {
    /// Its number among the loads of its shard.
    pub(crate) const fn serial(self) -> u64 {
        self.serial
    }
}

/// The current flights of a shard. `F` is what the owner needs to find the waiters of a flight.
#[derive(Debug)]
pub(crate) struct FlightTable<K, F> {
    table: Table<FlightEntry<K, F>>,
    /// How many loads were started: the serial of the next one.
    started: u64,
    remembered: Remembered,
}

/// Which flights are remembered: they ended without a value, and later callers get their result.
#[derive(Debug)]
struct Remembered {
    /// When each is forgotten, without those that are remembered forever.
    timers: Timers,
    /// How many results are remembered.
    count: usize,
    /// How many may be.
    max: usize,
    /// Where the next search for a result to forget begins, among those remembered forever.
    hand: usize,
}

/// A flight in the table: in flight or remembered.
#[derive(Debug)]
pub(crate) struct FlightEntry<K, F> {
    pub(crate) key: K,
    pub(crate) flight: F,
    pub(crate) id: FlightId,
    hash: u32,
    /// When its result is forgotten; unset as long as it is in flight.
    until: Gated<Instant, RememberedResults>,
}

impl<K, F> FlightEntry<K, F> {
    fn is_of<Q>(&self, hash: u32, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.hash == hash && key.equivalent(&self.key)
    }

    /// The hash of its key.
    pub(crate) const fn key_hash(&self) -> u32 {
        self.hash
    }

    /// Whether its load has ended and the result is remembered.
    pub(crate) fn is_remembered(&self) -> bool {
        self.until.is_set()
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

    /// Remembers at most `max` results, and at least one.
    pub(crate) fn set_max_remembered(&mut self, max: usize) {
        self.remembered.max = max.max(1);
    }

    /// How many loads are in flight. O(flights).
    pub(crate) fn len(&self) -> usize {
        let flights = self.table.iter_from(0);
        flights
            .filter(|(_, flight)| !flight.is_remembered())
            .count()
    }

    /// The current flight of `key`, in flight or remembered. O(1).
    pub(crate) fn find<Q>(&self, hash: u32, key: &Q) -> Option<&FlightEntry<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.table.get(self.find_token(hash, key)?)
    }

    /// Whether `key` has a current flight. O(1).
    #[inline]
    pub(crate) fn has<Q>(&self, hash: u32, key: &Q) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        !self.table.is_empty() && self.find_token(hash, key).is_some()
    }

    /// The token of the current flight of `key`. O(1).
    pub(crate) fn find_token<Q>(&self, hash: u32, key: &Q) -> Option<Token>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.search(hash, &|flight| flight.is_of(hash, key))
    }

    /// The flight at `token`.
    pub(crate) fn at(&self, token: Token) -> Option<&FlightEntry<K, F>> {
        self.table.get(token)
    }

    /// Starts flight `serial`, for a key that has none. O(1) amortized.
    pub(crate) fn start(
        &mut self,
        serial: u64,
        hash: u32,
        key: K,
        make: impl FnOnce(FlightId) -> F,
    ) -> &F {
        let id = self.id(serial);
        let token = self.table.insert(FlightEntry {
            key,
            flight: make(id),
            id,
            hash,
            until: Gated::UNSET,
        });
        let flight = self.table.get(token);
        &flight.expect("a started flight is kept").flight
    }

    /// The serial of the next load.
    #[inline]
    pub(crate) const fn next_serial(&mut self) -> u64 {
        let serial = self.started;
        self.started += 1;
        serial
    }

    /// The id of flight `serial`. A flight that is not started with it is fenced from the start.
    pub(crate) fn id(&self, serial: u64) -> FlightId {
        FlightId {
            serial,
            token: self.table.next_token(),
        }
    }

    /// Removes the current flight of `key`, so that its result is not stored.
    pub(crate) fn fence<Q>(&mut self, hash: u32, key: &Q) -> Option<FlightEntry<K, F>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let token = self.find_token(hash, key)?;
        self.remove_at(token)
    }

    /// Flight `id`, unless it was fenced.
    pub(crate) fn get(&self, id: FlightId) -> Option<&FlightEntry<K, F>> {
        self.table
            .get(id.token)
            .filter(|flight| flight.id.serial == id.serial)
    }

    /// Removes flight `id`, whose load has ended. `None` if it was fenced.
    pub(crate) fn remove(&mut self, id: FlightId) -> Option<FlightEntry<K, F>> {
        self.get(id)?;
        self.remove_at(id.token)
    }

    /// Remembers the result of flight `id`, which ended without a value, until `until`. If as many
    /// results are remembered as may be, forgets the one with the earliest deadline and returns it
    /// inside `Some`. Returns `None` if the flight was fenced.
    pub(crate) fn remember(
        &mut self,
        id: FlightId,
        until: Instant,
        enabled: Enabled<RememberedResults>,
    ) -> Option<Option<FlightEntry<K, F>>> {
        self.get(id)?;
        enabled.check();
        let is_full = self.remembered.count >= self.remembered.max;
        let evicted = if is_full {
            self.evict_remembered()
        } else {
            None
        };
        if let Some(flight) = self.table.get_mut(id.token) {
            flight.until = Gated::proven(until, enabled);
            self.remembered.count += 1;
            self.remembered.timers.schedule(id.token, until);
        }
        Some(evicted)
    }

    /// Forgets the result with the earliest deadline. If all are remembered forever, forgets one
    /// after another in the order of their slots.
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

    /// Removes the flight at `token`. Every removal but `clear` passes here, so that the timers of
    /// remembered results stay in step with the table.
    fn remove_at(&mut self, token: Token) -> Option<FlightEntry<K, F>> {
        let flight = self.table.remove(token)?;
        if flight.is_remembered() {
            self.remembered.count -= 1;
            self.remembered.timers.cancel(token);
        }
        if cfg!(not(target_os = "none")) && self.table.is_empty() && self.table.is_sparse() {
            self.shrink();
        }
        Some(flight)
    }

    /// Frees memory as far as that does not move any flight: ids hold their slots.
    #[cold]
    pub(crate) fn shrink(&mut self) {
        self.table.shrink_in_place();
        self.remembered.timers.truncate(self.table.slot_count());
    }

    /// Removes flight `id` if its result is remembered.
    pub(crate) fn forget(&mut self, id: FlightId) -> Option<FlightEntry<K, F>> {
        if self.get(id)?.is_remembered() {
            self.remove(id)
        } else {
            None
        }
    }

    /// Removes the flight of `key` if its result was remembered and its deadline has passed.
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
        let token = self.search(hash, &|flight| {
            let due = flight
                .until
                .value()
                .is_some_and(|until| until.has_passed(now));
            due && flight.is_of(hash, key)
        })?;
        self.remove_at(token)
    }

    /// Removes one flight whose deadline has passed. Each step of work takes one from `budget`.
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

    /// Whether a result is remembered that has a deadline.
    #[inline]
    pub(crate) fn any_expires(&self) -> bool {
        RememberedResults::is_enabled() && !self.remembered.timers.is_empty()
    }

    /// A time no later than the earliest deadline of a remembered result.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.any_expires() {
            self.remembered.timers.next_deadline()
        } else {
            None
        }
    }

    /// Removes every flight and fences those in flight. Returns them in slot order.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = FlightEntry<K, F>> + use<K, F> {
        if RememberedResults::is_enabled() {
            self.remembered.timers.clear();
            self.remembered.count = 0;
        }
        self.table.drain().map(|(_, flight)| flight)
    }

    pub(crate) fn memory_used(&self) -> usize {
        self.table.memory_used() + self.remembered.timers.memory_used()
    }

    /// Takes `dyn`, so that the search is compiled once: it is a hundred bytes of code, and a load
    /// can afford the call.
    fn search(&self, hash: u32, matches: &dyn Fn(&FlightEntry<K, F>) -> bool) -> Option<Token> {
        if self.table.is_empty() {
            return None;
        }
        let (token, _) = self.table.find(hash, matches)?;
        Some(token)
    }

    /// Checks the table and the timers of remembered results.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self)
    where
        K: Eq,
    {
        self.table.validate();
        for (token, flight) in self.table.iter_from(0) {
            let found = self.find(flight.hash, &flight.key);
            let found = found.expect("a flight is found under its own key");
            assert!(found.id == flight.id, "a key has one current flight");
            assert!(flight.id.serial < self.started, "serials are not reused");
            assert_eq!(flight.id.token, token, "an id holds the flight's slot");
            let until = flight.until.value().unwrap_or(Instant::FAR);
            let timer = self.remembered.timers.deadline(token);
            assert_eq!(timer, until, "the timer of a remembered result");
        }
        self.remembered.timers.validate();
        let kept = self.table.iter_from(0);
        let kept = kept.filter(|(_, flight)| flight.is_remembered()).count();
        assert_eq!(kept, self.remembered.count, "count of remembered results");
        assert!(kept <= self.remembered.max, "{kept} results are too many");
        let end = self.table.iter_from(0).filter(|(_, flight)| {
            flight
                .until
                .value()
                .is_some_and(|until| until != Instant::FAR)
        });
        assert_eq!(end.count(), self.remembered.timers.len(), "stale timers");
    }
}
