//! How entries come: writes.

use equivalent::Equivalent;

use super::{Budget, Engine, Meta, PolicyView, Version};
use crate::machine::effects::{Effects, Removed};
use crate::machine::expiry::Ttl;
use crate::machine::list::Token;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

/// What is written: a key, a value, and what the engine is to know of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<K, V> {
    key: K,
    value: V,
    limits: EntryLimits,
}

/// How long an entry lives, and how much of the bound it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryLimits {
    /// How long it lives.
    pub ttl: Ttl,
    /// How much of the bound it takes. An entry that weighs nothing is never evicted.
    pub weight: u32,
}

impl<K, V> Entry<K, V> {
    /// An entry of weight 1 that lives as long as the engine's settings say.
    #[must_use]
    pub const fn new(key: K, value: V) -> Self {
        Self {
            key,
            value,
            limits: EntryLimits {
                ttl: Ttl::Default,
                weight: 1,
            },
        }
    }

    /// Sets how long it lives.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.limits.ttl = ttl;
        self
    }

    /// Sets how much of the bound it takes. An entry that weighs nothing is never evicted.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.limits.weight = weight;
        self
    }
}

/// What became of a value that no caller has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum InsertIfAbsent<K, V> {
    /// It was written, as by an insertion.
    Written,
    /// There was no place for it.
    Refused(K, V),
}

/// The shard has given up all it could and still cannot store the entry, although the whole cache
/// could: the caller is to bring [`CapacityShortfall::missing`] from other shards and to try again. Or others hold
/// expired entries, which are to leave before a live one does: see [`Budget::may_reclaim_expired`].
/// Never returned by an engine that stands alone, unless [`Engine::evict_for`] has taken its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapacityShortfall<T> {
    /// What was to be written, untouched.
    pub item: T,
    /// How much room it takes in all: what the shard has given up is free for anyone to take.
    pub missing: u64,
    /// The time at which the shard tried.
    pub now: Instant,
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Writes an entry. A load of this key that is under way is fenced: its value will not be
    /// stored over this one.
    ///
    /// An entry that is heavier than the whole cache, or whose ttl is zero, is not stored; it
    /// comes out in `fx` like any entry that leaves, and the old value of the key leaves too.
    ///
    /// # Errors
    /// [`CapacityShortfall`] with key and value, where the room is shared and other shards hold it.
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
        let Entry { key, value, limits } = entry;
        self.insert_with_limits(hash, (key, value), |_, _, _| limits, now, fx)
    }

    /// As [`Engine::insert`], with `limits_of` to decide how long the entry lives and what it weighs. It
    /// is told the key, the value, and when the entry that is there expires: `None` if there is
    /// none, [`Instant::FAR`] if never. If it panics, nothing has changed but that a load under
    /// way is fenced.
    ///
    /// # Errors
    /// As [`Engine::insert`].
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn insert_with_limits(
        &mut self,
        hash: u32,
        (key, value): (K, V),
        limits_of: impl FnOnce(&K, &V, Option<Instant>) -> EntryLimits,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), CapacityShortfall<(K, V)>>
    where
        K: Eq,
    {
        let now = self.advance_clock(now);
        self.purge_on_write(now, fx);
        // Users' code before anything else: should it panic, no room is taken yet.
        let old = self.store.find(hash, &key).map(|(token, _)| token);
        self.fence(hash, &key, fx);
        let limits = limits_of(&key, &value, self.live_deadline(old, now));
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

    /// Writes a value that no caller has asked for: only if there is none, none is being loaded, and
    /// [`Engine::epoch`] is still `epoch`, if that is given. `limits_of` is called
    /// as by [`Engine::insert_with_limits`].
    ///
    /// # Errors
    /// As [`Engine::insert`].
    pub fn insert_if_absent(
        &mut self,
        hash: u32,
        (key, value): (K, V),
        limits_of: impl FnOnce(&K, &V, Option<Instant>) -> EntryLimits,
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
            || flight.is_some_and(|flight| !flight.is_remembered());
        if known || epoch.is_some_and(|epoch| epoch != self.epoch) {
            return Ok(InsertIfAbsent::Refused(key, value));
        }
        let remembered = flight.map(|flight| flight.id);
        let limits = limits_of(&key, &value, None);
        match self.reserve(old, limits, now, fx) {
            Ok(reservation) => {
                // What is remembered of the key is that there was no value. Found by its id: no
                // user code may run any more.
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

    /// Gives the entry at `token` a new ttl, counted from now, if it is still the one that was seen
    /// with `version` and has not expired since.
    pub fn set_ttl_if_same(
        &mut self,
        token: Token,
        version: Version,
        ttl: Ttl,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        let now = self.advance_clock(now);
        let same = self
            .store
            .get(token)
            .is_some_and(|slot| slot.meta.version() == version);
        if same && self.live_deadline(Some(token), now).is_some() {
            self.set_ttl_deadline(token, self.deadlines.ttl_deadline(ttl, now), now, fx);
        }
    }

    /// Gives the entry of `key` a new ttl, counted from now, and says whether there was one. A ttl
    /// of zero makes it expire at once. A load under way is not fenced: no value changes.
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
        self.set_ttl_deadline(token, ttl_deadline, now, fx);
        true
    }

    /// Finds out whether an entry can be stored, and takes the room for it, evicting others. No
    /// user code runs between this and [`Engine::commit`], to which the place must go on.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn reserve(
        &mut self,
        old: Option<Token>,
        EntryLimits { ttl, weight }: EntryLimits,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<Reservation, u64> {
        // An expired entry is not replaced: it leaves, and so does its part in the eviction policy.
        let old = old.filter(|&old| !self.expire_at(old, now, fx));
        let ttl_deadline = self.deadlines.ttl_deadline(ttl, now);
        let too_heavy = self.budget.max().is_some_and(|max| u64::from(weight) > max);
        let refused = if too_heavy {
            Some(RemovalCause::Oversized)
        } else if self
            .deadlines
            .first_deadline(ttl_deadline, now)
            .has_passed(now)
        {
            Some(RemovalCause::Expired)
        } else {
            self.reserve_weight(old, weight, now, fx)?;
            None
        };
        Ok(Reservation {
            old,
            weight,
            ttl_deadline,
            refused,
        })
    }

    /// Stores what [`Engine::reserve`] has found a place for.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn commit(
        &mut self,
        hash: u32,
        reservation: Reservation,
        entry: (K, V),
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        self.counters.inserted += 1;
        if let Some(cause) = reservation.refused {
            return self.refuse(reservation.old, entry, cause, fx);
        }
        let token = match reservation.old {
            Some(token) => self.replace(token, entry, fx),
            None => self.add(hash, entry, reservation.weight),
        };
        self.set_ttl_deadline(token, reservation.ttl_deadline, now, fx);
    }

    /// Takes the current flight of `key` off the table, so that its result is not stored.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn fence<Q>(&mut self, hash: u32, key: &Q, fx: &mut Effects<K, V, F>)
    where
        Q: Equivalent<K> + ?Sized,
    {
        if let Some(flight) = self.flights.fence(hash, key) {
            fx.push_released(flight.key, flight.flight);
        }
        self.epoch += 1;
    }

    /// When the entry at `token` expires, if it is there and has not expired yet.
    pub(super) fn live_deadline(&self, token: Option<Token>, now: Instant) -> Option<Instant> {
        let deadline = self.deadlines.deadline(token?);
        (!deadline.has_passed(now)).then_some(deadline)
    }

    /// An entry that cannot be stored leaves at once, and with it the value that it was to replace.
    fn refuse(
        &mut self,
        old: Option<Token>,
        (key, value): (K, V),
        cause: RemovalCause,
        fx: &mut Effects<K, V, F>,
    ) {
        if let Some(old) = old {
            self.discard(old, RemovalCause::Replaced, fx);
        }
        self.counters.count_removed(cause);
        fx.push_removed(Removed { key, value, cause });
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn add(&mut self, hash: u32, (key, value): (K, V), weight: u32) -> Token {
        let meta = Meta::new(self.next_version());
        let token = self.store.insert(hash, key, value, meta);
        self.weights.set(token, weight);
        self.weight += u64::from(weight);
        self.policy.insert(token, view!(self));
        token
    }

    /// Puts a new key and value into the slot at `token`: the old ones leave together.
    fn replace(&mut self, token: Token, (key, value): (K, V), fx: &mut Effects<K, V, F>) -> Token {
        let cause = RemovalCause::Replaced;
        let version = self.next_version();
        if let Some(slot) = self.store.get_mut(token) {
            slot.meta.set_version(version);
            slot.meta.hits.record();
            self.counters.count_removed(cause);
            fx.push_removed(Removed {
                key: core::mem::replace(&mut slot.key, key),
                value: core::mem::replace(&mut slot.value, value),
                cause,
            });
        }
        self.policy.hit(token, self.weights.of(token));
        token
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn set_ttl_deadline(
        &mut self,
        token: Token,
        ttl_deadline: Instant,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        let deadline = self.deadlines.set(token, ttl_deadline, now);
        if deadline != Instant::FAR {
            self.budget.record_deadline(deadline);
            fx.push_deadline(deadline);
        }
    }
}

/// A place found for an entry: its room is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reservation {
    old: Option<Token>,
    weight: u32,
    ttl_deadline: Instant,
    /// Why the entry will not be stored, if it will not.
    refused: Option<RemovalCause>,
}
