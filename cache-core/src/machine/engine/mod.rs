//! One shard of a cache: the only room that knows store, policy, expiry and flight together.

mod budget;
#[macro_use]
mod any_policy;
mod evict;
mod loads;
mod remove;
mod write;

use core::fmt;
use core::time::Duration;

use equivalent::Equivalent;

use super::expiry::Deadlines;
#[cfg(doc)]
use super::expiry::Ttl;
use super::flight::FlightTable;
use super::list::Token;
use super::policy::HitCounter;
use super::stats::Counters;
use super::store::{Slot, Store};
use super::time::Instant;

pub use any_policy::EvictionPolicy;
pub(super) use any_policy::{AnyPolicy, PolicyView, Weights};
pub use budget::{Budget, Capacity};
pub use loads::{FlightRole, Join, LoadEnd, Settled};
pub use write::{CapacityShortfall, Entry, EntryLimits, InsertIfAbsent};

/// One shard of a cache, as a pure state machine.
///
/// **The contract of driving it.** The caller
///
/// - passes the time into every call that may depend on it, from one clock. Should that clock
///   step back, the engine goes by the latest time it has seen;
/// - calls [`Engine::purge_expired`] once [`Engine::next_deadline`] has passed. A call that
///   comes early, late or for nothing does no harm: an expired value is never returned, it only
///   takes up room until it is purged;
/// - flushes the [`Effects`](super::Effects) of a call after it has released the lock around the
///   engine, if there is one;
/// - ends each flight it was made to lead by exactly one call of [`Engine::settle`] or
///   [`Engine::finish`].
///
/// Types: keys `K`, values `V`, whatever the owner needs to find the waiters of a load `F`, and
/// where the room comes from `B`. Hashes are the caller's: equal keys must come with equal hashes.
/// The only user code that runs inside is the equality of keys; if it panics, the call has
/// changed nothing.
///
/// Every operation is O(1), amortized, but for those that visit all entries and say so.
// What nearly every write changes comes first, and so do the changing parts of each field: it all lies
// on a few cache lines, which a core has to fetch if another wrote last.
#[cfg_attr(not(target_os = "none"), repr(C))]
pub struct Engine<K, V, F = (), B = Capacity> {
    now: Instant,
    epoch: u64,
    version: Version,
    pub(super) weight: u64,
    pub(super) counters: Counters,
    pub(super) store: Store<K, V, Meta>,
    pub(super) policy: AnyPolicy,
    pub(super) flights: FlightTable<K, F>,
    pub(super) budget: B,
    pub(super) weights: Weights,
    pub(super) deadlines: Deadlines,
}

/// How an engine expires and evicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settings {
    /// How long an entry lives after its last write, unless it is written with a [`Ttl`] of its own.
    pub time_to_live: Option<Duration>,
    /// How long an entry lives after its last read or write, within its time to live.
    pub time_to_idle: Option<Duration>,
    /// Who leaves when there is no room.
    pub eviction_policy: EvictionPolicy,
}

/// Names one write to one entry: it tells whether an entry seen earlier is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u32);

/// The answer to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<T> {
    /// There is a value.
    Hit(T),
    /// There is an entry, but its time is over.
    Expired,
    /// There is none.
    Absent,
}

/// An entry, as it is found.
#[derive(Debug, Clone, Copy)]
pub struct EntryRef<'a, K, V> {
    /// Where it is.
    pub token: Token,
    /// Which write it comes from.
    pub version: Version,
    /// Its key.
    pub key: &'a K,
    /// Its value.
    pub value: &'a V,
    /// When it expires if nobody touches it; [`Instant::FAR`] if never.
    pub deadline: Instant,
}

/// What the engine keeps in each slot beside key and value.
#[derive(Debug)]
pub(super) struct Meta {
    /// With the stamp beside it.
    pub(super) hits: HitCounter,
}

impl Meta {
    pub(super) const fn new(version: Version) -> Self {
        Self {
            hits: HitCounter::with_number(version.0),
        }
    }

    pub(super) fn version(&self) -> Version {
        Version(self.hits.number())
    }

    pub(super) fn set_version(&mut self, version: Version) {
        self.hits.set_number(version.0);
    }
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// An empty engine. Allocates nothing until the first write.
    #[must_use]
    pub fn new(settings: Settings, budget: B) -> Self {
        let policy = AnyPolicy::new(settings.eviction_policy, budget.max().is_some());
        let deadlines = Deadlines::new(settings.time_to_live, settings.time_to_idle);
        Self::from_parts(policy, deadlines, budget)
    }

    /// As [`Engine::new`] with the default policy and no idle expiry. A program whose engines are all
    /// like this links neither of the others.
    pub(crate) fn with_default_policy(time_to_live: Option<Duration>, budget: B) -> Self {
        let policy = AnyPolicy::s3_fifo(budget.max().is_some());
        Self::from_parts(policy, Deadlines::with_ttl(time_to_live), budget)
    }

    fn from_parts(policy: AnyPolicy, deadlines: Deadlines, budget: B) -> Self {
        Self {
            store: Store::new(),
            weights: Weights::new(),
            policy,
            deadlines,
            flights: FlightTable::new(),
            budget,
            weight: 0,
            counters: Counters::default(),
            now: Instant::ORIGIN,
            version: Version(0),
            epoch: 0,
        }
    }

    /// Whether reads must be made with [`Engine::look_up_exclusive`]: exact LRU reorders at every hit, and
    /// an idle expiry moves the deadline.
    #[must_use]
    pub const fn reads_mutate(&self) -> bool {
        self.policy.reorders_on_hit() || self.deadlines.hits_move_deadlines()
    }

    /// Whether nothing can expire, here or in a shard that draws on the same room, and no entry will
    /// that is written without a ttl of its own. Then a write need not know the time:
    /// [`Instant::ORIGIN`] does.
    #[must_use]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn has_no_expiry(&self) -> bool {
        self.deadlines.has_no_expiry() && !self.flights.any_expires() && self.budget.has_no_expiry()
    }

    /// The value of `key`, counted as a use. `now` is called only if entries can expire.
    ///
    /// Where [`Engine::reads_mutate`], this is [`Engine::peek`]: the use is not learned.
    pub fn get<Q>(&self, hash: u32, key: &Q, now: impl FnOnce() -> Instant) -> Option<&V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.look_up(hash, key, now) {
            Lookup::Hit(value) => Some(value),
            Lookup::Expired | Lookup::Absent => None,
        }
    }

    /// As [`Engine::get`], and tells an entry that has expired, which [`Engine::expire`] removes.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn look_up<Q>(&self, hash: u32, key: &Q, now: impl FnOnce() -> Instant) -> Lookup<&V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        // Its own closure: a hit has the search inlined, also in a program that is built for size.
        let found = self.store.find_by(hash, |known| key.equivalent(known));
        let Some((token, slot)) = found else {
            return Lookup::Absent;
        };
        let deadline = self.deadlines.deadline_inline(token);
        if deadline != Instant::FAR && deadline.has_passed(now().max(self.now)) {
            return Lookup::Expired;
        }
        slot.meta.hits.record();
        Lookup::Hit(&slot.value)
    }

    /// As [`Engine::look_up`], counted as a use whatever the policy and expiry.
    pub fn look_up_exclusive<Q>(
        &mut self,
        hash: u32,
        key: &Q,
        now: impl FnOnce() -> Instant,
    ) -> Lookup<&V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let Some((token, _)) = self.store.find(hash, key) else {
            return Lookup::Absent;
        };
        if !self.deadlines.is_empty() {
            let now = self.advance_clock(now());
            if self.deadlines.deadline(token).has_passed(now) {
                return Lookup::Expired;
            }
            self.deadlines.record_hit(token, now);
        }
        self.record_hit(token);
        let slot = self.store.get(token);
        Lookup::Hit(&slot.expect("a token found is a token stored").value)
    }

    /// The value of `key`, without counting as a use.
    pub fn peek<Q>(&self, hash: u32, key: &Q, now: impl FnOnce() -> Instant) -> Option<&V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.peek_entry(hash, key, now) {
            Lookup::Hit(found) => Some(found.value),
            Lookup::Expired | Lookup::Absent => None,
        }
    }

    /// As [`Engine::look_up`], without counting as a use.
    pub fn peek_entry<Q>(
        &self,
        hash: u32,
        key: &Q,
        now: impl FnOnce() -> Instant,
    ) -> Lookup<EntryRef<'_, K, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let Some((token, slot)) = self.store.find(hash, key) else {
            return Lookup::Absent;
        };
        let found = self.entry_ref(token, slot);
        let can_expire = found.deadline != Instant::FAR;
        if can_expire && found.deadline.has_passed(now().max(self.now)) {
            return Lookup::Expired;
        }
        Lookup::Hit(found)
    }

    /// All that is known of the entry of `key`, without counting as a use.
    pub fn find<Q>(&self, hash: u32, key: &Q, now: Instant) -> Option<EntryRef<'_, K, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.peek_entry(hash, key, || now) {
            Lookup::Hit(found) => Some(found),
            Lookup::Expired | Lookup::Absent => None,
        }
    }

    /// The live entries from slot `start` on, in no meaningful order. O(slots).
    pub fn iter_from(
        &self,
        start: usize,
        now: Instant,
    ) -> impl Iterator<Item = EntryRef<'_, K, V>> + '_ {
        let now = now.max(self.now);
        self.store
            .iter_from(start)
            .map(|(token, slot)| self.entry_ref(token, slot))
            .filter(move |found| !found.deadline.has_passed(now))
    }

    /// Entries stored. An expired entry counts until it is purged.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.store.len() as u64
    }

    /// The weight of all entries stored. An expired entry counts until it is purged.
    #[must_use]
    pub const fn weighted_size(&self) -> u64 {
        self.weight
    }

    /// Loads under way whose result would be stored. O(flights).
    #[must_use]
    pub fn flight_count(&self) -> usize {
        self.flights.len()
    }

    /// A number that changes whenever a caller writes, removes or refreshes: what was read before
    /// it changed may be out of date.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Bounds how many answers are remembered, which is unlimited otherwise; at least one is. See
    /// [`LoadEnd::MissingUntil`]. To be called before the first.
    pub fn set_max_remembered(&mut self, most: usize) {
        self.flights.set_max_remembered(most);
    }

    /// What the engine did so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Where the engine's room comes from.
    pub const fn budget_mut(&mut self) -> &mut B {
        &mut self.budget
    }

    /// Bytes held on the heap, without what keys and values own.
    #[must_use]
    pub fn memory_used(&self) -> usize {
        self.store.memory_used()
            + self.weights.memory_used()
            + self.policy.memory_used()
            + self.deadlines.memory_used()
            + self.flights.memory_used()
    }

    fn entry_ref<'a>(&self, token: Token, slot: &'a Slot<K, V, Meta>) -> EntryRef<'a, K, V> {
        EntryRef {
            token,
            version: slot.meta.version(),
            key: &slot.key,
            value: &slot.value,
            deadline: self.deadlines.deadline(token),
        }
    }

    /// Where the entry of `key` is, unless it has expired.
    fn find_live<Q>(&self, hash: u32, key: &Q, now: Instant) -> Option<Token>
    where
        Q: Equivalent<K> + ?Sized,
    {
        Some(self.find(hash, key, now)?.token)
    }

    /// Lets the policy learn of a use.
    fn record_hit(&mut self, token: Token) {
        if let Some(slot) = self.store.get(token) {
            slot.meta.hits.record();
        }
        self.policy.hit(token, self.weights.of(token));
    }

    /// Takes note of the time: it never runs backwards in here.
    fn advance_clock(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    fn next_version(&mut self) -> Version {
        self.version = Version(self.version.0.wrapping_add(1) & HitCounter::MAX_NUMBER);
        self.version
    }
}

impl<K, V, F, B> fmt::Debug for Engine<K, V, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("entries", &self.store.len())
            .field("weight", &self.weight)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
