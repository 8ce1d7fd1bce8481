//! Entries with freshness: reads that tell the age of a value, refreshes, and values that are kept
//! after their ttl.
//!
//! | age | a caller without a loader | a caller with a loader |
//! |---|---|---|
//! | `Fresh` | the value | the value |
//! | `Due` | the value | the value, and starts a refresh |
//! | `Stale` | none | the value, and starts a refresh |
//! | `Kept` | none | loads; the value if the load fails |
//!
//! No refresh starts as long as the key has a flight, or backs off after a failed refresh. A key
//! that backs off has no load at all: its value is returned at once, also a `Kept` one.

use equivalent::Equivalent;

#[cfg(doc)]
use super::Join;
use super::{Budget, Engine, EntryLimits, LoadEnd, Lookup, OldDeadlines};
use crate::machine::effects::Effects;
use crate::machine::flight::FlightId;
use crate::machine::freshness::{Age, Freshness};
use crate::machine::list::Token;
use crate::machine::opt_in::{Enabled, Feature, RememberedResults};
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

/// A value that may be returned at once, and its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aged<T> {
    /// The value.
    pub value: T,
    /// Its age.
    pub age: Age,
}

impl<T> Aged<T> {
    /// A value whose age has no effect.
    pub(crate) const fn fresh(value: T) -> Self {
        let age = Age::Fresh;
        Self { value, age }
    }
}

/// What a caller with a loader does with a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    /// It returns the value, and starts nothing.
    Return(Age),
    /// It returns the value, and may refresh it in the background.
    Refresh(Age),
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// As [`Engine::look_up`], for an engine with freshness and without an idle expiry: a hit is a
    /// fresh value. `Expired` is every other one: [`Engine::look_up_aged`] decides on it.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn look_up_fresh<Q>(&self, hash: u32, key: &Q, now: impl FnOnce() -> Instant) -> Lookup<&V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let found = self.store.find_by(hash, |known| key.equivalent(known));
        let Some((token, slot)) = found else {
            return Lookup::Absent;
        };
        let due = self.deadlines.due(token);
        if due != Instant::FAR && due.has_passed(now().max(self.now)) {
            return Lookup::Expired;
        }
        slot.meta.hits.record();
        Lookup::Hit(&slot.value)
    }

    /// As [`Engine::look_up`], for an engine with freshness: a hit is a value that the caller
    /// returns at once, and starts nothing. `has_loader`: an absent key may have a value that the
    /// caller returns, but [`Engine::join`] has to decide. `now` is called only if the value
    /// can be due.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn look_up_aged<Q>(
        &self,
        hash: u32,
        key: &Q,
        has_loader: bool,
        now: impl FnOnce() -> Instant,
    ) -> Lookup<Aged<&V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let found = self.store.find_by(hash, |known| key.equivalent(known));
        let Some((token, slot)) = found else {
            return Lookup::Absent;
        };
        let mut age = Age::Fresh;
        let (due, is_idle) = (
            self.deadlines.due(token),
            self.deadlines.hits_move_deadlines(),
        );
        if due != Instant::FAR || is_idle {
            let now = now().max(self.now);
            if due.has_passed(now) {
                match self.age_of_due(hash, key, token, has_loader, now) {
                    Lookup::Hit(found) => age = found,
                    Lookup::Expired => return Lookup::Expired,
                    Lookup::Absent => return Lookup::Absent,
                }
            } else if is_idle && self.deadlines.kept_until(token).has_passed(now) {
                return Lookup::Expired;
            }
        }
        slot.meta.hits.record();
        let value = &slot.value;
        Lookup::Hit(Aged { value, age })
    }

    /// As [`Engine::look_up_aged`], and any policy and an idle expiry learn of the use.
    pub fn look_up_aged_exclusive<Q>(
        &mut self,
        hash: u32,
        key: &Q,
        has_loader: bool,
        now: impl FnOnce() -> Instant,
    ) -> Lookup<Aged<&V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let Some((token, _)) = self.store.find(hash, key) else {
            return Lookup::Absent;
        };
        let now = self.advance_clock(now());
        if self.deadlines.kept_until(token).has_passed(now) {
            return Lookup::Expired;
        }
        let age = if self.deadlines.due(token).has_passed(now) {
            match self.age_of_due(hash, key, token, has_loader, now) {
                Lookup::Hit(age) => age,
                Lookup::Expired => return Lookup::Expired,
                Lookup::Absent => return Lookup::Absent,
            }
        } else {
            Age::Fresh
        };
        self.deadlines.record_hit(token, now);
        let value = self.record_hit(token);
        Lookup::Hit(Aged { value, age })
    }

    /// The age of a value that is due at `now`, if the caller returns the value and starts nothing.
    #[inline(never)]
    fn age_of_due<Q>(
        &self,
        hash: u32,
        key: &Q,
        token: Token,
        has_loader: bool,
        now: Instant,
    ) -> Lookup<Age>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if self.deadlines.kept_until(token).has_passed(now) {
            return Lookup::Expired;
        }
        let age = self.deadlines.age(token, now);
        let returns = if has_loader {
            self.starts_nothing(token, age, now, || self.flights.has(hash, key))
        } else {
            !age.is_past_ttl()
        };
        if returns {
            Lookup::Hit(age)
        } else {
            Lookup::Absent
        }
    }

    /// Whether a caller with a loader returns a value of this age, and starts nothing.
    fn starts_nothing(
        &self,
        token: Token,
        age: Age,
        now: Instant,
        has_flight: impl FnOnce() -> bool,
    ) -> bool {
        let freshness = self.deadlines.freshness();
        age == Age::Fresh
            || freshness.is_some_and(|freshness| freshness.backs_off(token, now))
            || age != Age::Kept && has_flight()
    }

    /// As [`Engine::use_of`], for an engine with freshness.
    #[inline(never)]
    pub(super) fn use_of_aged<Q>(
        &self,
        hash: u32,
        key: &Q,
        token: Token,
        may_refresh: bool,
        now: Instant,
    ) -> Option<Use>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let age = self.deadlines.age(token, now);
        if self.starts_nothing(token, age, now, || self.flights.has(hash, key)) {
            return Some(Use::Return(age));
        }
        match age {
            Age::Due | Age::Stale if may_refresh => Some(Use::Refresh(age)),
            Age::Fresh | Age::Due => Some(Use::Return(age)),
            Age::Stale | Age::Kept => None,
        }
    }

    /// Starts a load of `key`, which has a value and no flight: the refresh after a
    /// [`Join::Due`].
    pub fn start_refresh(&mut self, hash: u32, key: K, make: impl FnOnce(FlightId) -> F) -> &F
    where
        K: Eq,
    {
        self.start(hash, key, make)
    }

    /// Takes back the start of flight `id`, which nothing can run.
    pub fn undo_start(&mut self, id: FlightId, fx: &mut Effects<K, V, F>) -> bool {
        let flight = self.flights.remove(id);
        let is_current = flight.is_some();
        if let Some(flight) = flight {
            self.counters.loads_started -= 1;
            fx.push_released(flight.key, flight.flight);
        }
        is_current
    }

    /// Counts a load that was dropped, and whose flight was fenced.
    pub fn count_dropped(&mut self) {
        self.counters.loads_dropped += 1;
    }

    /// As [`Engine::finish`], for a load in an engine with freshness. A load that finds no value
    /// removes the entry. After a load that fails, a value that is still usable is kept, and its
    /// key backs off. `covers` says whether the value may be kept after its ttl.
    pub fn finish_aged(
        &mut self,
        id: FlightId,
        how: LoadEnd,
        covers: bool,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool
    where
        K: Eq,
    {
        let enabled = RememberedResults::enable();
        self.finish_aged_remembering(id, how, covers, now, enabled, fx)
    }

    /// As [`Engine::finish_aged`], for a caller that has the proof that it may remember.
    pub(crate) fn finish_aged_remembering(
        &mut self,
        id: FlightId,
        how: LoadEnd,
        covers: bool,
        now: Instant,
        enabled: Enabled<RememberedResults>,
        fx: &mut Effects<K, V, F>,
    ) -> bool
    where
        K: Eq,
    {
        let now = self.advance_clock(now);
        let Some((token, hash)) = self.usable_token(id, now) else {
            return self.finish_remembering(id, how, enabled, fx);
        };
        match how {
            LoadEnd::Missing | LoadEnd::MissingUntil(_) => {
                let is_current = self.finish_remembering(id, how, enabled, fx);
                self.discard(token, RemovalCause::Missing, fx);
                is_current
            }
            LoadEnd::Failed | LoadEnd::FailedUntil(_) => {
                if !covers {
                    self.deadlines.end_windows(token, now);
                    if self.expire_at(token, now, fx) {
                        return self.finish_remembering(id, how, enabled, fx);
                    }
                }
                if let Some(freshness) = self.deadlines.freshness_mut() {
                    freshness.record_failure(token, hash, now);
                }
                self.finish_and_release(id, LoadEnd::Failed, fx)
            }
            LoadEnd::Dropped => self.finish_and_release(id, how, fx),
        }
    }

    /// Ends flight `id`, whose loader found the stored value unchanged: the value stays, and its
    /// times restart at `now`. Not a use of the entry. Returns `false` and changes nothing if the
    /// flight was fenced, if the value is gone, or if its new ttl is zero: the flight has to be
    /// settled with a value then.
    pub fn settle_unchanged(
        &mut self,
        id: FlightId,
        limits_of: impl FnOnce(&K, &V, Option<OldDeadlines>) -> EntryLimits,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool
    where
        K: Eq,
    {
        let now = self.advance_clock(now);
        self.purge_on_write(now, fx);
        let Some((token, _)) = self.usable_token(id, now) else {
            return false;
        };
        let Some(slot) = self.store.get(token) else {
            return false;
        };
        // Not `old_deadlines`, which is inlined into its only caller.
        let deadline = self.deadlines.deadline(token);
        let own = self.deadlines.own_deadline(token, deadline);
        let old = (!deadline.has_passed(now)).then_some(OldDeadlines { deadline, own });
        let limits = limits_of(&slot.key, &slot.value, old);
        let own_deadline = self.deadlines.ttl_deadline(limits.ttl, now);
        let ttl_deadline = self.deadlines.prepare_cap(own_deadline, limits.capped, now);
        let first = self.deadlines.first_deadline(ttl_deadline, now);
        if first.has_passed(now) {
            return false;
        }
        self.counters.loads_succeeded += 1;
        if let Some(flight) = self.flights.remove(id) {
            fx.push_released(flight.key, flight.flight);
        }
        self.deadlines.prepare_times(limits.times);
        self.deadlines.store_cap(token);
        self.set_ttl_deadline(token, ttl_deadline, now, fx);
        true
    }

    /// The value of the key of flight `id`, if the flight is current and the value is not gone at
    /// `now`.
    pub fn usable(&self, id: FlightId, now: Instant) -> Option<Aged<&V>>
    where
        K: Eq,
    {
        let (token, _) = self.usable_token(id, now.max(self.now))?;
        let age = self.deadlines.age(token, now.max(self.now));
        let value = &self.store.get(token)?.value;
        Some(Aged { value, age })
    }

    fn usable_token(&self, id: FlightId, now: Instant) -> Option<(Token, u32)>
    where
        K: Eq,
    {
        let flight = self.flights.get(id)?;
        let (token, _) = self.store.find(flight.key_hash(), &flight.key)?;
        let is_kept = !self.deadlines.kept_until(token).has_passed(now);
        is_kept.then_some((token, flight.key_hash()))
    }

    /// Whether values are kept after their ttl.
    #[must_use]
    pub fn keeps_values(&self) -> bool {
        let freshness = self.deadlines.freshness();
        freshness.is_some_and(Freshness::keeps_values)
    }

    /// The key of flight `id`, if the flight is current.
    pub fn key_of(&self, id: FlightId) -> Option<&K> {
        self.flights.get(id).map(|flight| &flight.key)
    }

    /// Returns the value of `key`, also after its ttl, as long as it is kept. Does not count a use.
    pub fn peek_aged<Q>(&self, hash: u32, key: &Q, now: Instant) -> Option<Aged<&V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let (token, slot) = self.store.find(hash, key)?;
        let now = now.max(self.now);
        if self.deadlines.kept_until(token).has_passed(now) {
            return None;
        }
        Some(Aged {
            value: &slot.value,
            age: self.deadlines.age(token, now),
        })
    }

    /// Ends the time to live of the entry of `key` at `now`, and fences the load of this key that
    /// is in flight. Without freshness, removes the entry. Returns whether the entry was live.
    pub fn mark_stale<Q>(
        &mut self,
        hash: u32,
        key: &Q,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        let now = self.advance_clock(now);
        let found = self.find_live(hash, key, now);
        self.fence(hash, key, fx);
        if let Some(token) = found {
            self.mark_stale_at(token, now, fx);
        }
        found.is_some()
    }

    /// Ends the time to live of every entry at `now`, and fences every load in flight. O(entries).
    pub fn mark_all_stale(&mut self, now: Instant, fx: &mut Effects<K, V, F>) {
        let now = self.advance_clock(now);
        self.fence_all(fx);
        for index in 0..self.store.slot_count() {
            let token = Token::from_index(index);
            let is_stored = self.store.get(token).is_some();
            if is_stored && self.live_deadline(Some(token), now).is_some() {
                self.mark_stale_at(token, now, fx);
            }
        }
        self.shrink_if_sparse();
    }

    /// Ends the time to live of the live entry at `token`. Without a window it is removed.
    fn mark_stale_at(&mut self, token: Token, now: Instant, fx: &mut Effects<K, V, F>) {
        self.set_ttl_deadline(token, now, now, fx);
        if let Some(freshness) = self.deadlines.freshness_mut() {
            freshness.forget_failures(token);
        }
        if self.deadlines.kept_until(token).has_passed(now) {
            self.discard_in_place(token, RemovalCause::Explicit, fx);
        }
    }

    /// The entry of `key`, if it may have a back-off.
    pub(super) fn find_with_backoff<Q>(&self, hash: u32, key: &Q) -> Option<Token>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.deadlines.freshness()?;
        self.store.find(hash, key).map(|(token, _)| token)
    }

    /// Ends the back-off of an entry: a caller loads its key whatever has failed before.
    pub(super) fn end_backoff(&mut self, entry: Option<Token>) {
        if let (Some(token), Some(freshness)) = (entry, self.deadlines.freshness_mut()) {
            freshness.forget_failures(token);
        }
    }
}
