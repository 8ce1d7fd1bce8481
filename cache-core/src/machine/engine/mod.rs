//! One shard of a cache: the only module that combines store, policy, expiry and flights.
//!
//! The life of an entry. An expired entry is invisible to reads, but counts as stored until it is
//! removed. Every removal passes key, value and [`RemovalCause`](super::RemovalCause) to the
//! caller.
//!
//! | state | event | next state |
//! |---|---|---|
//! | absent | a write: `insert`, `insert_if_absent`, `settle`, `settle_write` | live |
//! | live | a write | live, with a new [`Version`]; the old value is removed as `Replaced` |
//! | absent or live | a write with a ttl of zero, or heavier than the cache | absent; the new value is removed as `Expired` or `Oversized`, an old one as `Replaced` |
//! | live | a hit with an idle expiry, `set_ttl` | live, with a new deadline |
//! | live | its deadline passes | expired |
//! | live | `remove`, `remove_if_same`, `settle_removal`, `clear` | absent: `Explicit` |
//! | live | a write or `evict_for` takes its weight | absent: `Size` |
//! | expired | a write, removal or load of its key, or a purge | absent: `Expired` |

mod budget;
#[macro_use]
mod any_policy;
mod aged;
mod evict;
mod loads;
mod plain;
mod read;
mod remove;
mod reserve;
mod solo;
mod write;

use core::fmt;
use core::time::Duration;

use super::expiry::Deadlines;
#[cfg(doc)]
use super::expiry::Ttl;
use super::flight::FlightTable;
use super::freshness::FreshnessSettings;
use super::list::Token;
use super::opt_in::{Enabled, Feature, Freshening, Gated, IdleExpiry, LruPolicy};
use super::policy::HitCounter;
use super::solo::SoloLoads;
use super::stats::Counters;
use super::store::Store;
use super::time::Instant;

pub use aged::Aged;
pub use any_policy::EvictionPolicy;
pub(super) use any_policy::{AnyPolicy, InsertView, PlainView, PolicyView, Weights};
pub use budget::{Budget, Capacity};
pub use loads::{FlightRole, Join, LoadEnd, Settled};
pub use read::{EntryRef, Lookup};
pub(crate) use solo::SoloSettled;
pub use write::{CapacityShortfall, Entry, EntryLimits, InsertIfAbsent, OldDeadlines};

/// One shard of a cache, as a pure state machine.
///
/// **The contract of driving it.** The caller
///
/// - passes the time into every call that may depend on it, from one clock. If that clock steps
///   back, the engine uses the latest time it has seen;
/// - calls [`Engine::purge_expired`] once [`Engine::next_deadline`] has passed. A call that is
///   early, late or unnecessary does no harm: an expired value is never returned, it only takes
///   up capacity until it is purged;
/// - flushes the [`Effects`](super::Effects) of a call after it has released the lock around the
///   engine, if there is one;
/// - ends each flight that it leads with exactly one call of [`Engine::settle`],
///   [`Engine::settle_write`], [`Engine::settle_removal`] or [`Engine::finish`].
///
/// Type parameters: `K` is the key, `V` the value, `F` what the caller needs to find the waiters of
/// a load, and `B` where the capacity comes from. The caller hashes: equal keys must have equal
/// hashes. The engine runs no user code but the equality of keys and the closures that it is given;
/// if one of them panics, no entry has changed, apart from expired ones that were purged.
///
/// Every operation is O(1) amortized unless its documentation says otherwise.
// Fields that nearly every write changes come first, and so do the changing parts of each field:
// together they span a few cache lines, which a core must fetch if another core wrote last.
#[cfg_attr(not(target_os = "none"), repr(C))]
pub struct Engine<K, V, F = (), B = Capacity> {
    now: Instant,
    epoch: u64,
    version: Version,
    /// The entry that `write_plain` wrote last.
    written: Token,
    pub(super) weight: u64,
    pub(super) counters: Counters,
    pub(super) store: Store<K, V, Meta>,
    pub(super) policy: AnyPolicy,
    pub(super) solos: SoloLoads<K, F>,
    pub(super) flights: FlightTable<K, F>,
    pub(super) budget: B,
    pub(super) weights: Weights,
    pub(super) deadlines: Deadlines,
}

/// When the entries of an engine expire, and which entry it evicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settings {
    /// How long an entry lives after its last write, unless it is written with a [`Ttl`] of its
    /// own.
    pub time_to_live: Option<Duration>,
    /// How long an entry lives after its last read or write, within its time to live.
    pub time_to_idle: Option<Duration>,
    /// Which entry is evicted when the cache is full.
    pub eviction_policy: EvictionPolicy,
    /// Whether values are due before their time to live ends, or are kept after it. Reads of such
    /// an engine are [`Engine::look_up_aged`] and [`Engine::join`]; others that count a use return a
    /// value also after its time to live.
    pub freshness: Option<FreshnessSettings>,
}

/// [`Settings`] that own the flags of their features.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GatedSettings {
    pub(crate) time_to_live: Option<Duration>,
    pub(crate) time_to_idle: Gated<Duration, IdleExpiry>,
    pub(crate) lru: Gated<(), LruPolicy>,
}

impl GatedSettings {
    pub(crate) fn set_eviction_policy(&mut self, policy: EvictionPolicy) {
        self.lru = Gated::switch(policy == EvictionPolicy::Lru);
    }
}

impl From<Settings> for GatedSettings {
    fn from(settings: Settings) -> Self {
        let mut gated = Self {
            time_to_live: settings.time_to_live,
            time_to_idle: settings.time_to_idle.map_or(Gated::UNSET, Gated::new),
            lru: Gated::UNSET,
        };
        gated.set_eviction_policy(settings.eviction_policy);
        gated
    }
}

/// Identifies one write to an entry, so that a caller sees whether the entry has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u32);

/// What the engine stores in each slot beside key and value.
#[derive(Debug)]
pub(super) struct Meta {
    /// The hits, with the version in the remaining bits of the word.
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
    /// Creates an empty engine. Allocates nothing until the first write.
    #[must_use]
    pub fn new(settings: Settings, budget: B) -> Self {
        let mut engine = Self::gated(settings.into(), budget);
        if let Some(freshness) = settings.freshness {
            engine.set_freshness(freshness, Freshening::enable());
        }
        engine
    }

    /// Sets the ages of values. Must be called before the first write. Not a part of
    /// [`GatedSettings`], which every engine copies.
    pub(crate) fn set_freshness(
        &mut self,
        settings: FreshnessSettings,
        enabled: Enabled<Freshening>,
    ) {
        self.deadlines.set_freshness(settings, enabled);
    }

    /// As [`Engine::new`], but links only the features that the settings enabled.
    pub(crate) fn gated(settings: GatedSettings, budget: B) -> Self {
        let policy = AnyPolicy::new(settings.lru, budget.max().is_some());
        let deadlines = Deadlines::new(settings.time_to_live, settings.time_to_idle);
        Self {
            store: Store::new(),
            weights: Weights::new(),
            policy,
            deadlines,
            solos: SoloLoads::new(),
            flights: FlightTable::new(),
            budget,
            weight: 0,
            counters: Counters::default(),
            now: Instant::ORIGIN,
            version: Version(0),
            written: Token::from_index(0),
            epoch: 0,
        }
    }

    /// Whether hits change the engine: exact LRU reorders its queue, and an idle expiry moves the
    /// deadline. Reads should then use [`Engine::look_up_exclusive`], or
    /// [`Engine::look_up_logged`] where that may be used.
    #[must_use]
    pub fn reads_mutate(&self) -> bool {
        self.policy.reorders_on_hit() || self.deadlines.hits_move_deadlines()
    }

    /// Whether hits change nothing but the queue of exact LRU: reads may then use
    /// [`Engine::look_up_logged`].
    #[must_use]
    pub fn logs_hits(&self) -> bool {
        self.policy.logs_hits() && !self.deadlines.hits_move_deadlines()
    }

    /// Whether no entry can expire: neither here nor in a shard with which this one shares its
    /// capacity, nor a later one that is written with [`Ttl::Default`]. Such a write may pass
    /// [`Instant::ORIGIN`] instead of the time.
    #[must_use]
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn has_no_expiry(&self) -> bool {
        self.deadlines.has_no_expiry() && !self.flights.any_expires() && self.budget.has_no_expiry()
    }

    /// How many entries are stored. An expired entry counts until it is purged.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.store.len() as u64
    }

    /// The total weight of the stored entries. An expired entry counts until it is purged.
    #[must_use]
    pub const fn weighted_size(&self) -> u64 {
        self.weight
    }

    /// How many loads are in flight whose result would be stored. O(flights).
    #[must_use]
    pub fn flight_count(&self) -> usize {
        self.flights.len() + self.solos.alone().count()
    }

    /// A number that changes with every insertion, removal and refresh by a caller. A value that
    /// was read in an earlier epoch may be outdated.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Limits how many results are remembered: see [`LoadEnd::MissingUntil`]. At least one is;
    /// without this call there is no limit. Must be called before the first load.
    pub fn set_max_remembered(&mut self, most: usize) {
        self.flights.set_max_remembered(most);
    }

    /// What the engine has counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The source of the engine's capacity.
    pub const fn budget_mut(&mut self) -> &mut B {
        &mut self.budget
    }

    /// Bytes allocated on the heap, without those that keys and values own.
    #[must_use]
    pub fn memory_used(&self) -> usize {
        self.store.memory_used()
            + self.weights.memory_used()
            + self.policy.memory_used()
            + self.deadlines.memory_used()
            + self.flights.memory_used()
            + self.solos.memory_used()
    }

    /// Counts a use of the entry at `token`, reports it to the policy and returns the value.
    fn record_hit(&mut self, token: Token) -> &V {
        self.policy.hit(token, self.weights.of(token));
        let slot = self.store.get(token);
        let slot = slot.expect("a found token is stored");
        slot.meta.hits.record();
        &slot.value
    }

    /// Advances the engine's time to `now`, and returns it. It never goes back.
    fn advance_clock(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// Whether the entry at `token` was stored by the write `version`.
    fn has_version(&self, token: Token, version: Version) -> bool {
        let slot = self.store.get(token);
        slot.is_some_and(|slot| slot.meta.version() == version)
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
