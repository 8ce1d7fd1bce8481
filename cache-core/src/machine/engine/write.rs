//! How entries come and go: writes, removals, eviction and expiry.

use equivalent::Equivalent;

use super::{Budget, Engine, Meta, Slab, Stamp};
use crate::machine::effects::{Effects, Removed};
use crate::machine::expiry::Ttl;
use crate::machine::list::Token;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

/// The engine's entries as its policy sees them, borrowed beside the policy itself.
macro_rules! slab {
    ($engine:expr) => {
        Slab {
            store: &$engine.store,
            weights: &$engine.weights,
        }
    };
}

/// What is written: a key, a value, and what the engine is to know of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<K, V> {
    key: K,
    value: V,
    rating: Rating,
}

/// How long an entry lives, and how much of the bound it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rating {
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
            rating: Rating {
                ttl: Ttl::Default,
                weight: 1,
            },
        }
    }

    /// Sets how long it lives.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.rating.ttl = ttl;
        self
    }

    /// Sets how much of the bound it takes. An entry that weighs nothing is never evicted.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.rating.weight = weight;
        self
    }
}

/// What became of a value that no caller has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Offered<K, V> {
    /// It was written, as by an insertion.
    Written,
    /// There was no place for it.
    Refused(K, V),
}

/// The shard has given up all it could and still cannot store the entry, although the whole cache
/// could: the caller is to bring [`NoRoom::short`] from other shards and to try again. Never
/// returned by an engine that stands alone, unless [`Engine::evict_for`] has taken its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom<T> {
    /// What was to be written, untouched.
    pub item: T,
    /// How much room it takes in all: what the shard has given up is free for anyone to take.
    pub short: u64,
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Writes an entry. A load of this key that is under way is fenced: its value will not be
    /// stored over this one.
    ///
    /// An entry that is heavier than the whole cache, or whose ttl is zero, is not stored; it
    /// comes out in `fx` like any entry that leaves, and the old value of the key leaves too.
    ///
    /// # Errors
    /// [`NoRoom`] with key and value, where the room is shared and other shards hold it.
    pub fn insert(
        &mut self,
        hash: u32,
        entry: Entry<K, V>,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), NoRoom<(K, V)>>
    where
        K: Eq,
    {
        let Entry { key, value, rating } = entry;
        self.insert_rated(hash, (key, value), |_, _, _| rating, now, fx)
    }

    /// As [`Engine::insert`], with `rate` to decide how long the entry lives and what it weighs. It
    /// is told the key, the value, and when the entry that is there expires: `None` if there is
    /// none, [`Instant::FAR`] if never. If it panics, nothing has changed but that a load under
    /// way is fenced.
    ///
    /// # Errors
    /// As [`Engine::insert`].
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn insert_rated(
        &mut self,
        hash: u32,
        (key, value): (K, V),
        rate: impl FnOnce(&K, &V, Option<Instant>) -> Rating,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), NoRoom<(K, V)>>
    where
        K: Eq,
    {
        let now = self.tick(now);
        self.purge_some(now, fx);
        // Users' code before anything else: should it panic, no room is taken yet.
        let old = self.store.find(hash, &key).map(|(token, _)| token);
        self.fence(hash, &key, fx);
        let rating = rate(&key, &value, self.live_deadline(old, now));
        match self.make_place(old, rating, now, fx) {
            Ok(place) => {
                self.put(hash, place, (key, value), now, fx);
                Ok(())
            }
            Err(short) => Err(NoRoom {
                item: (key, value),
                short,
            }),
        }
    }

    /// Writes a value that no caller has asked for: only if there is none, none is being loaded, and
    /// [`Engine::epoch`] is still `epoch`, if that is given. `rate` is called
    /// as by [`Engine::insert_rated`].
    ///
    /// # Errors
    /// As [`Engine::insert`].
    pub fn offer(
        &mut self,
        hash: u32,
        (key, value): (K, V),
        rate: impl FnOnce(&K, &V, Option<Instant>) -> Rating,
        epoch: Option<u64>,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<Offered<K, V>, NoRoom<(K, V)>>
    where
        K: Eq,
    {
        let now = self.tick(now);
        let old = self.store.find(hash, &key).map(|(token, _)| token);
        let flight = self.flights.find(hash, &key);
        let known = self.live_deadline(old, now).is_some()
            || flight.is_some_and(|flight| !flight.is_remembered());
        if known || epoch.is_some_and(|epoch| epoch != self.epoch) {
            return Ok(Offered::Refused(key, value));
        }
        let remembered = flight.map(|flight| flight.id);
        let rating = rate(&key, &value, None);
        match self.make_place(old, rating, now, fx) {
            Ok(place) => {
                // What is remembered of the key is that there was no value. Found by its id: no
                // user code may run any more.
                let outdated = remembered.and_then(|id| self.flights.finish(id));
                if let Some(flight) = outdated {
                    fx.released(flight.key, flight.flight);
                }
                self.put(hash, place, (key, value), now, fx);
                Ok(Offered::Written)
            }
            Err(short) => Err(NoRoom {
                item: (key, value),
                short,
            }),
        }
    }

    /// Takes the entry of `key` out and returns it, unless it has expired: then it leaves as such.
    /// A load of this key that is under way is fenced.
    pub fn remove<Q>(
        &mut self,
        hash: u32,
        key: &Q,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Option<Removed<K, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.tick(now);
        let found = self.store.find(hash, key).map(|(token, _)| token);
        self.fence(hash, key, fx);
        let token = found?;
        let cause = self.cause_of_leaving(token, RemovalCause::Explicit, now);
        let removed = self.take_out(token, cause)?;
        if cause == RemovalCause::Expired {
            fx.removed(removed);
            return None;
        }
        Some(removed)
    }

    /// Removes the entry of `key` if it has expired.
    pub fn expire<Q>(&mut self, hash: u32, key: &Q, now: Instant, fx: &mut Effects<K, V, F>)
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.tick(now);
        let found = self.store.find(hash, key).map(|(token, _)| token);
        if let Some(token) = found {
            if self.deadlines.deadline(token).has_passed(now) {
                self.discard(token, RemovalCause::Expired, fx);
            }
        }
    }

    /// Removes the entry at `token` if it is still the one that was seen with `stamp`, and says
    /// whether it was.
    pub fn remove_if_same(
        &mut self,
        token: Token,
        stamp: Stamp,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let now = self.tick(now);
        let same = self
            .store
            .get(token)
            .is_some_and(|slot| slot.meta.stamp() == stamp);
        if same {
            let cause = self.cause_of_leaving(token, RemovalCause::Explicit, now);
            self.discard(token, cause, fx);
        }
        same
    }

    /// Gives the entry at `token` a new ttl, counted from now, if it is still the one that was seen
    /// with `stamp` and has not expired since.
    pub fn set_ttl_if_same(
        &mut self,
        token: Token,
        stamp: Stamp,
        ttl: Ttl,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        let now = self.tick(now);
        let same = self
            .store
            .get(token)
            .is_some_and(|slot| slot.meta.stamp() == stamp);
        if same && self.live_deadline(Some(token), now).is_some() {
            self.set_limit(token, self.deadlines.limit(ttl, now), now, fx);
        }
    }

    /// Removes every entry and fences every load. O(entries).
    pub fn clear(&mut self, now: Instant, fx: &mut Effects<K, V, F>) {
        let now = self.tick(now);
        self.epoch += 1;
        for flight in self.flights.clear() {
            fx.released(flight.key, flight.flight);
        }
        for (token, slot) in self.store.drain() {
            let expired = self.deadlines.deadline(token).has_passed(now);
            let cause = if expired {
                RemovalCause::Expired
            } else {
                RemovalCause::Explicit
            };
            self.counters.count_removed(cause);
            fx.removed(Removed {
                key: slot.key,
                value: slot.value,
                cause,
            });
        }
        self.queues.clear();
        self.deadlines.clear();
        self.weights.clear();
        self.budget.give_back(self.weight);
        self.weight = 0;
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
        let now = self.tick(now);
        let Some((token, _)) = self.find_live(hash, key, || now) else {
            return false;
        };
        let limit = self.deadlines.limit(ttl, now);
        self.set_limit(token, limit, now, fx);
        true
    }

    /// The earliest time at which [`Engine::handle_timeout`] may have something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let entries = self.deadlines.next_deadline();
        let failures = self.flights.next_deadline();
        entries.into_iter().chain(failures).min()
    }

    /// Purges what has expired, at most about `budget` entries of it, and says whether it is done.
    /// A call for nothing is a no-op.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        mut budget: usize,
        fx: &mut Effects<K, V, F>,
    ) -> bool {
        let now = self.tick(now);
        while budget > 0 {
            let Some(token) = self.deadlines.expire_next(now, &mut budget) else {
                break;
            };
            self.discard(token, RemovalCause::Expired, fx);
        }
        while budget > 0 {
            let Some(forgotten) = self.flights.forget_next(now) else {
                break;
            };
            budget -= 1;
            if let Some(flight) = forgotten.0 {
                fx.released(flight.key, flight.flight);
            }
        }
        budget > 0
    }

    /// Purges what has expired within the timer's tick in progress, which [`Engine::handle_timeout`]
    /// leaves until the tick is over, about a millisecond later. To be called once that is done.
    /// O(entries that expire next): for who asks for it, not for every write.
    pub fn expire_early(&mut self, now: Instant, fx: &mut Effects<K, V, F>) {
        let now = self.tick(now);
        for token in self.deadlines.expire_early(now) {
            self.discard(token, RemovalCause::Expired, fx);
        }
    }

    /// Evicts entries until they have weighed at least `wanted` together, and hands that weight to
    /// the caller, who has a heavy entry to place in another shard. Returns how much it was: less
    /// than `wanted` only if the shard is empty now.
    pub fn evict_for(&mut self, wanted: u64, fx: &mut Effects<K, V, F>) -> u64 {
        let mut freed = 0;
        while freed < wanted {
            let Some(weight) = self.evict_one(fx) else {
                break;
            };
            freed += weight;
        }
        freed
    }

    /// Finds out whether an entry can be stored, and takes the room for it, evicting others. No
    /// user code runs between this and [`Engine::put`], to which the place must go on.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn make_place(
        &mut self,
        old: Option<Token>,
        Rating { ttl, weight }: Rating,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<Place, u64> {
        let limit = self.deadlines.limit(ttl, now);
        let too_heavy = self.budget.max().is_some_and(|max| u64::from(weight) > max);
        let refused = if too_heavy {
            Some(RemovalCause::Oversized)
        } else if self.deadlines.first_deadline(limit, now).has_passed(now) {
            Some(RemovalCause::Expired)
        } else {
            self.make_room(old, weight, fx)?;
            None
        };
        Ok(Place {
            old,
            weight,
            limit,
            refused,
        })
    }

    /// Stores what [`Engine::make_place`] has found a place for.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn put(
        &mut self,
        hash: u32,
        place: Place,
        entry: (K, V),
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        self.counters.inserted += 1;
        if let Some(cause) = place.refused {
            return self.refuse(place.old, entry, cause, now, fx);
        }
        let token = match place.old {
            Some(token) => self.replace(token, entry, now, fx),
            None => self.add(hash, entry, place.weight),
        };
        self.set_limit(token, place.limit, now, fx);
    }

    /// Purges a little at every write, so that a cache that nobody maintains does not grow.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn purge_some(&mut self, now: Instant, fx: &mut Effects<K, V, F>) {
        const AT_A_WRITE: usize = 4;
        if !self.is_timeless() && self.poll_timeout().is_some_and(|due| due.has_passed(now)) {
            self.handle_timeout(now, AT_A_WRITE, fx);
        }
    }

    /// Takes the current flight of `key` off the table, so that its result is not stored.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn fence<Q>(&mut self, hash: u32, key: &Q, fx: &mut Effects<K, V, F>)
    where
        Q: Equivalent<K> + ?Sized,
    {
        if let Some(flight) = self.flights.fence(hash, key) {
            fx.released(flight.key, flight.flight);
        }
        self.epoch += 1;
    }

    /// Removes the entry at `token` and puts it into the effects.
    pub(super) fn discard(&mut self, token: Token, cause: RemovalCause, fx: &mut Effects<K, V, F>) {
        if let Some(removed) = self.take_out(token, cause) {
            fx.removed(removed);
        }
    }

    /// When the entry at `token` expires, if it is there and has not expired yet.
    pub(super) fn live_deadline(&self, token: Option<Token>, now: Instant) -> Option<Instant> {
        let deadline = self.deadlines.deadline(token?);
        (!deadline.has_passed(now)).then_some(deadline)
    }

    /// An entry whose time is over has expired, whatever else makes it leave.
    pub(super) fn cause_of_leaving(
        &self,
        token: Token,
        cause: RemovalCause,
        now: Instant,
    ) -> RemovalCause {
        if self.deadlines.deadline(token).has_passed(now) {
            RemovalCause::Expired
        } else {
            cause
        }
    }

    /// Makes the room that is taken up by an entry of `weight`, which will replace `old`.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn make_room(
        &mut self,
        old: Option<Token>,
        weight: u32,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), u64> {
        let Some(old) = old else {
            return self.take_room(u64::from(weight), fx);
        };
        let held = self.weights.of(old);
        if weight == held {
            return Ok(());
        }
        // Out of the queues meanwhile, or it might be evicted to make room for itself.
        self.queues.remove(old, slab!(self));
        let taken = self.take_room(u64::from(weight.saturating_sub(held)), fx);
        if taken.is_ok() {
            self.budget
                .give_back(u64::from(held.saturating_sub(weight)));
            self.weights.set(old, weight);
            self.weight = self.weight - u64::from(held) + u64::from(weight);
        }
        self.queues.insert(old, slab!(self));
        taken
    }

    /// Takes `wanted` from the free room, evicting as long as there is not enough.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn take_room(&mut self, wanted: u64, fx: &mut Effects<K, V, F>) -> Result<(), u64> {
        let mut freed = 0_u64;
        while freed < wanted && !self.budget.try_take(wanted - freed) {
            let Some(weight) = self.evict_one(fx) else {
                self.budget.give_back(freed);
                return Err(wanted);
            };
            freed += weight;
        }
        self.budget.give_back(freed.saturating_sub(wanted));
        Ok(())
    }

    /// Evicts one entry and returns the room that it had, which is the caller's now.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn evict_one(&mut self, fx: &mut Effects<K, V, F>) -> Option<u64> {
        let token = self.queues.evict(slab!(self))?;
        let weight = self.weights.of(token);
        let cause = self.cause_of_leaving(token, RemovalCause::Size, self.now);
        let removed = self.take_from_store(token, cause)?;
        fx.removed(removed);
        Some(u64::from(weight))
    }

    fn take_out(&mut self, token: Token, cause: RemovalCause) -> Option<Removed<K, V>> {
        self.queues.remove(token, slab!(self));
        self.budget.give_back(u64::from(self.weights.of(token)));
        self.take_from_store(token, cause)
    }

    /// Takes an entry out of every room but the queues and the budget.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn take_from_store(&mut self, token: Token, cause: RemovalCause) -> Option<Removed<K, V>> {
        let slot = self.store.remove(token)?;
        self.deadlines.forget(token);
        self.weight -= u64::from(self.weights.of(token));
        self.counters.count_removed(cause);
        Some(Removed {
            key: slot.key,
            value: slot.value,
            cause,
        })
    }

    /// An entry that cannot be stored leaves at once, and with it the value that it was to replace.
    fn refuse(
        &mut self,
        old: Option<Token>,
        (key, value): (K, V),
        cause: RemovalCause,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) {
        if let Some(old) = old {
            let cause = self.cause_of_leaving(old, RemovalCause::Replaced, now);
            self.discard(old, cause, fx);
        }
        self.counters.count_removed(cause);
        fx.removed(Removed { key, value, cause });
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn add(&mut self, hash: u32, (key, value): (K, V), weight: u32) -> Token {
        let meta = Meta::new(self.next_stamp());
        let token = self.store.insert(hash, key, value, meta);
        self.weights.set(token, weight);
        self.weight += u64::from(weight);
        self.queues.insert(token, slab!(self));
        token
    }

    /// Puts a new key and value into the slot at `token`: the old ones leave together.
    fn replace(
        &mut self,
        token: Token,
        (key, value): (K, V),
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Token {
        let cause = self.cause_of_leaving(token, RemovalCause::Replaced, now);
        let stamp = self.next_stamp();
        if let Some(slot) = self.store.get_mut(token) {
            slot.meta.set_stamp(stamp);
            slot.meta.touch.record();
            self.counters.count_removed(cause);
            fx.removed(Removed {
                key: core::mem::replace(&mut slot.key, key),
                value: core::mem::replace(&mut slot.value, value),
                cause,
            });
        }
        self.queues.hit(token, self.weights.of(token));
        token
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    fn set_limit(&mut self, token: Token, limit: Instant, now: Instant, fx: &mut Effects<K, V, F>) {
        let deadline = self.deadlines.set(token, limit, now);
        if deadline != Instant::FAR {
            fx.scheduled(deadline);
        }
    }
}

/// A place found for an entry: its room is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    old: Option<Token>,
    weight: u32,
    limit: Instant,
    /// Why the entry will not be stored, if it will not.
    refused: Option<RemovalCause>,
}
