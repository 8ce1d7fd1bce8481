//! Writes: insertions and changes of the ttl.

use equivalent::Equivalent;

use super::{Budget, Engine, Version};
use crate::machine::effects::Effects;
use crate::machine::expiry::Ttl;
use crate::machine::freshness::Times;
use crate::machine::list::Token;
use crate::machine::opt_in::{CustomExpiry, Enabled, Feature, Freshening, Gated};
use crate::machine::time::Instant;

/// A key and a value to write, with the limits of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<K, V> {
    key: K,
    value: V,
    limits: EntryLimits,
}

/// How long an entry lives, and what it weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryLimits {
    /// How long it lives.
    pub ttl: Ttl,
    /// Its share of the capacity. An entry of weight zero is never evicted.
    pub weight: u32,
    pub(super) capped: Gated<(), CustomExpiry>,
    pub(super) times: Gated<Times, Freshening>,
}

impl EntryLimits {
    /// A ttl and a weight.
    #[must_use]
    pub const fn new(ttl: Ttl, weight: u32) -> Self {
        Self {
            ttl,
            weight,
            capped: Gated::UNSET,
            times: Gated::UNSET,
        }
    }

    /// Bounds the ttl by the engine's time to live, and also every ttl that the entry gets later
    /// from [`Engine::set_ttl_if_same`]. The bound counts from this write.
    #[must_use]
    pub fn capped(self) -> Self {
        self.capped_if(CustomExpiry::enable())
    }

    /// As [`EntryLimits::capped`], for code that runs only where the feature is enabled.
    pub(crate) const fn capped_if(mut self, enabled: Enabled<CustomExpiry>) -> Self {
        self.capped = Gated::proven((), enabled);
        self
    }

    /// Sets when the value is due and how long it is kept. Has no effect without
    /// [`Settings::freshness`](super::Settings::freshness).
    #[must_use]
    pub fn times(self, times: Times) -> Self {
        self.times_if(times, Freshening::enable())
    }

    /// As [`EntryLimits::times`], for code that runs only where the feature is enabled.
    pub(crate) const fn times_if(mut self, times: Times, enabled: Enabled<Freshening>) -> Self {
        self.times = Gated::proven(times, enabled);
        self
    }

    /// Whether the engine's time to live bounds the ttl.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        self.capped.is_set()
    }
}

/// The deadlines of a live entry whose value is about to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldDeadlines {
    /// When it expires; [`Instant::FAR`] if it never does.
    pub deadline: Instant,
    /// When it expires by its own ttl, without the idle expiry and a cap.
    pub own: Instant,
}

impl<K, V> Entry<K, V> {
    /// An entry of weight 1 with the engine's default time to live.
    #[must_use]
    pub const fn new(key: K, value: V) -> Self {
        Self {
            key,
            value,
            limits: EntryLimits::new(Ttl::Default, 1),
        }
    }

    /// Sets how long the entry lives.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.limits.ttl = ttl;
        self
    }

    /// Sets the entry's weight. An entry of weight zero is never evicted.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.limits.weight = weight;
        self
    }
}

/// The result of [`Engine::insert_if_absent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum InsertIfAbsent<K, V> {
    /// The value was written, as by [`Engine::insert`].
    Written,
    /// The value was not written: key and value.
    Refused(K, V),
}

/// The shard has evicted all it could and still cannot store the entry, although the whole cache
/// could. The caller reclaims [`CapacityShortfall::missing`] from other shards and retries. Also
/// returned as long as other shards hold expired entries, which must be removed before a live one
/// is evicted: see [`Budget::may_reclaim_expired`].
///
/// An engine with a [`Capacity`](super::Capacity) of its own returns this only if the caller holds
/// weight from [`Engine::evict_for`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityShortfall<T> {
    /// What was to be written, unchanged.
    pub item: T,
    /// The weight that the write needs beyond that of the entry that it replaces. All that the
    /// shard freed for it went back to the budget.
    pub missing: u64,
    /// The engine's time at the attempt.
    pub now: Instant,
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Writes an entry. Fences the load of this key that is in flight: its result is not stored
    /// over this value.
    ///
    /// An entry that is heavier than the whole cache, or whose ttl is zero, is not stored: it is
    /// passed to `fx` as removed, and so is the old value of the key.
    ///
    /// # Errors
    /// [`CapacityShortfall`] with key and value if other shards hold the capacity.
    pub fn insert(
        &mut self,
        hash: u32,
        entry: Entry<K, V>,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), CapacityShortfall<(K, V)>>
    where
        K: Eq,
    {
        let Entry {
            mut key,
            mut value,
            limits,
        } = entry;
        if self.writes_plain(limits) {
            self.advance_clock(now);
            match self.insert_plain(hash, key, value) {
                Ok(removed) => {
                    removed
                        .into_iter()
                        .for_each(|removed| fx.push_removed(removed));
                    return Ok(());
                }
                Err(entry) => (key, value) = entry,
            }
        }
        self.insert_with_limits(hash, (key, value), |_, _, _| limits, now, fx)
    }

    /// As [`Engine::insert`], with `limits_of` to compute the limits. It is called with the key,
    /// the value, and the deadlines of the live entry under this key, if there is one. If it
    /// panics, the load in flight is fenced, and no live entry has changed.
    ///
    /// # Errors
    /// As [`Engine::insert`].
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn insert_with_limits(
        &mut self,
        hash: u32,
        (key, value): (K, V),
        limits_of: impl FnOnce(&K, &V, Option<OldDeadlines>) -> EntryLimits,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), CapacityShortfall<(K, V)>>
    where
        K: Eq,
    {
        let now = self.advance_clock(now);
        self.purge_on_write(now, fx);
        // User code runs before `reserve`: if it panics, no capacity must be taken yet.
        let old = self.store.find(hash, &key).map(|(token, _)| token);
        self.fence(hash, &key, fx);
        let limits = limits_of(&key, &value, self.old_deadlines(old, now));
        match self.reserve(old, limits, now, fx) {
            Ok(reservation) => {
                self.commit(hash, reservation, (key, value), now, fx);
                Ok(())
            }
            Err(missing) => Err(CapacityShortfall {
                item: (key, value),
                missing,
                now,
            }),
        }
    }

    /// Writes a value that no caller has requested: only if the key has no live entry and no load
    /// in flight, and if [`Engine::epoch`] still is `epoch`, when that is given. `limits_of` is
    /// called as by [`Engine::insert_with_limits`].
    ///
    /// # Errors
    /// As [`Engine::insert`].
    pub fn insert_if_absent(
        &mut self,
        hash: u32,
        (key, value): (K, V),
        limits_of: impl FnOnce(&K, &V, Option<OldDeadlines>) -> EntryLimits,
        epoch: Option<u64>,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<InsertIfAbsent<K, V>, CapacityShortfall<(K, V)>>
    where
        K: Eq,
    {
        let now = self.advance_clock(now);
        let old = self.store.find(hash, &key).map(|(token, _)| token);
        let flight = self.flights.find(hash, &key);
        let known = self.live_deadline(old, now).is_some()
            || flight.is_some_and(|flight| !flight.is_remembered())
            || self.solos.has(hash, &key);
        if known || epoch.is_some_and(|epoch| epoch != self.epoch) {
            return Ok(InsertIfAbsent::Refused(key, value));
        }
        let remembered = flight.map(|flight| flight.id);
        let limits = limits_of(&key, &value, None);
        match self.reserve(old, limits, now, fx) {
            Ok(reservation) => {
                // The remembered result says that there is no value, which is no longer true. It
                // is removed by id, as no user code (`K: Eq`) may run after `reserve`.
                let outdated = remembered.and_then(|id| self.flights.remove(id));
                if let Some(flight) = outdated {
                    fx.push_released(flight.key, flight.flight);
                }
                self.commit(hash, reservation, (key, value), now, fx);
                Ok(InsertIfAbsent::Written)
            }
            Err(missing) => Err(CapacityShortfall {
                item: (key, value),
                missing,
                now,
            }),
        }
    }

    /// Gives the entry at `token` a new ttl, counted from `now`, if it is live and still has
    /// `version`. The cap of its last write bounds the ttl.
    pub fn set_ttl_if_same(
        &mut self,
        token: Token,
        version: Version,
        ttl: Ttl,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        let now = self.advance_clock(now);
        let same = self.has_version(token, version);
        if same && self.live_deadline(Some(token), now).is_some() {
            let ttl_deadline = self.deadlines.set_own(token, ttl, now);
            self.set_ttl_deadline(token, ttl_deadline, now, fx);
        }
    }

    /// Gives the live entry of `key` a new ttl, counted from `now` and without a cap; returns
    /// whether there is one. A ttl of zero expires it at once. A load in flight is not fenced, as
    /// no value changes.
    pub fn set_ttl<Q>(
        &mut self,
        hash: u32,
        key: &Q,
        ttl: Ttl,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.advance_clock(now);
        let Some(token) = self.find_live(hash, key, now) else {
            return false;
        };
        let ttl_deadline = self.deadlines.ttl_deadline(ttl, now);
        self.deadlines.prepare_cap(ttl_deadline, Gated::UNSET, now);
        self.deadlines.store_cap(token);
        self.set_ttl_deadline(token, ttl_deadline, now, fx);
        true
    }

    /// Fences the load of `key` that is in flight, so that its result is not stored. Starts a new
    /// epoch.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn fence<Q>(&mut self, hash: u32, key: &Q, fx: &mut Effects<K, V, F>)
    where
        Q: Equivalent<K> + ?Sized,
    {
        if let Some(flight) = self.flights.fence(hash, key) {
            fx.push_released(flight.key, flight.flight);
        }
        if let Some(key) = self.solos.fence(hash, key) {
            fx.push_fenced(key);
        }
        self.epoch += 1;
    }

    /// Fences every load in flight. Starts a new epoch.
    pub(super) fn fence_all(&mut self, fx: &mut Effects<K, V, F>) {
        self.epoch += 1;
        for flight in self.flights.clear() {
            fx.push_released(flight.key, flight.flight);
        }
        self.solos.fence_all(|key| fx.push_fenced(key));
    }
}
