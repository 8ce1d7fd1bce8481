//! Writes in the common case: every entry weighs 1, nothing is due, and at most one entry has to
//! make place.
//!
//! They do what [`Engine::insert_with_limits`] does, in one straight line: the steps that cannot
//! have an effect here are left out, and the removed entry is returned instead of added to a
//! buffer.

use super::any_policy::AnyPolicy;
use super::{Budget, Engine, EntryLimits, InsertView, Meta, PlainView, Version};
use crate::machine::effects::Removed;
use crate::machine::expiry::Ttl;
use crate::machine::list::Token;
use crate::machine::policy::Policy;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Whether every entry weighs 1 and none can expire, neither here nor in a shard with which
    /// this one shares its capacity.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.weights.all_are_one() && self.has_no_expiry()
    }

    /// Whether an entry with these limits can be written by [`Engine::write_plain`]. Not on a
    /// microcontroller, where one path for all writes takes less code.
    #[inline]
    pub(super) fn writes_plain(&self, limits: EntryLimits) -> bool {
        let is_plain = limits.weight == 1 && !matches!(limits.ttl, Ttl::After(_));
        cfg!(not(target_os = "none")) && is_plain && self.is_plain()
    }

    /// Writes an entry of weight 1 with the default ttl, as [`Engine::insert`] does, if this is the
    /// common case. Returns the entry that it replaces or evicts.
    ///
    /// # Errors
    /// Key and value if the write needs [`Engine::insert`]. Nothing has changed then.
    #[inline]
    pub(crate) fn insert_plain(
        &mut self,
        hash: u32,
        key: K,
        value: V,
    ) -> Result<Option<Removed<K, V>>, (K, V)>
    where
        K: Eq,
    {
        if !self.is_plain() || self.is_loading(hash, &key) {
            return Err((key, value));
        }
        let old = self.store.find_by(hash, |known| *known == key);
        let old = old.map(|(token, _)| token);
        if !self.has_place_plain(old) {
            return Err((key, value));
        }
        self.epoch += 1;
        Ok(self.write_plain(hash, old, key, value))
    }

    /// As [`Engine::insert_plain`], for an entry that may expire, in a shard where nothing is due:
    /// neither here nor in a shard with which this one shares its capacity. The caller has no timer
    /// to set for the deadline, and the engine no freshness. Returns the entry that the new one
    /// replaces or evicts.
    ///
    /// # Errors
    /// Key and value if the write needs [`Engine::insert`]. No entry has changed then.
    #[inline]
    pub(crate) fn insert_timed(
        &mut self,
        hash: u32,
        (key, value): (K, V),
        ttl: Ttl,
        now: Instant,
    ) -> Result<Option<Removed<K, V>>, (K, V)>
    where
        K: Eq,
    {
        let now = self.advance_clock(now);
        let ttl_deadline = self.deadlines.ttl_deadline(ttl, now);
        if !self.is_timed_plain(ttl_deadline, now) || self.is_loading(hash, &key) {
            return Err((key, value));
        }
        let old = self.store.find_by(hash, |known| *known == key);
        let old = old.map(|(token, _)| token);
        if !self.has_place_plain(old) {
            return Err((key, value));
        }
        self.epoch += 1;
        let removed = self.write_plain(hash, old, key, value);
        let deadline = self.deadlines.set_kept(self.written, ttl_deadline, now);
        if deadline != Instant::FAR {
            self.budget.record_deadline(deadline);
        }
        Ok(removed)
    }

    /// Whether every entry weighs 1 and has no cap, nothing is due at `now`, and an entry whose ttl
    /// ends at `ttl_deadline` can be stored.
    #[inline]
    fn is_timed_plain(&self, ttl_deadline: Instant, now: Instant) -> bool {
        self.weights.all_are_one()
            && !self.deadlines.has_caps()
            && !self.budget.may_reclaim_expired(now)
            && self.next_deadline().is_none_or(|due| !due.has_passed(now))
            && !self
                .deadlines
                .first_deadline(ttl_deadline, now)
                .has_passed(now)
    }

    /// Whether [`Engine::write_plain`] finds a place: every entry has a weight, so each is a
    /// possible victim.
    #[inline]
    pub(super) fn has_place_plain(&self, old: Option<Token>) -> bool {
        old.is_some() || self.store.len() > 0
    }

    /// Writes an entry of weight 1 that replaces `old`, or else a victim if there is no capacity
    /// left. Returns the entry that was there, and sets `written` to the token of the new one. Runs
    /// no user code.
    // Inlined with all its parts: neither the entry nor the victim goes through memory for a call.
    #[inline(always)]
    pub(super) fn write_plain(
        &mut self,
        hash: u32,
        old: Option<Token>,
        key: K,
        value: V,
    ) -> Option<Removed<K, V>> {
        self.counters.inserted += 1;
        let meta = Meta::new(self.next_version());
        if let Some(token) = old {
            self.written = token;
            return Some(self.replace_plain(token, meta.version(), key, value));
        }
        if self.budget.try_take(1) {
            self.add_plain(hash, key, value, meta);
            return None;
        }
        let view = PlainView(&self.store);
        let victim = each_policy!(&mut self.policy, policy => policy.evict(&view), None);
        let token = victim.expect("a shard without capacity has an entry to evict");
        self.written = token;
        let (key, value) = self.store.replace(token, hash, key, value, meta);
        self.enqueue_plain(token, hash);
        Some(self.removed(key, value, RemovalCause::Size))
    }

    fn replace_plain(&mut self, token: Token, version: Version, key: K, value: V) -> Removed<K, V> {
        self.policy.hit(token, 1);
        let slot = self.store.get_mut(token);
        let slot = slot.expect("a found token is stored");
        slot.meta.set_version(version);
        slot.meta.hits.record();
        let key = core::mem::replace(&mut slot.key, key);
        let value = core::mem::replace(&mut slot.value, value);
        self.removed(key, value, RemovalCause::Replaced)
    }

    /// Stores an entry in a vacant slot. Not inlined: a full cache does not take this way.
    #[inline(never)]
    fn add_plain(&mut self, hash: u32, key: K, value: V, meta: Meta) {
        let token = self.store.insert(hash, key, value, meta);
        self.written = token;
        self.weight += 1;
        self.enqueue_plain(token, hash);
    }

    #[inline]
    fn removed(&mut self, key: K, value: V, cause: RemovalCause) -> Removed<K, V> {
        self.counters.count_removed(cause);
        Removed {
            key,
            value,
            cause,
            number: self.budget.number_removal(),
        }
    }

    #[inline(always)]
    fn enqueue_plain(&mut self, token: Token, hash: u32) {
        let entries = PlainView(&self.store);
        let view = InsertView { entries, hash };
        each_policy!(&mut self.policy, policy => policy.insert(token, &view), ());
    }
}
