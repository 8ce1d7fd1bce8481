//! Reads: through a shared or an exclusive reference, counted as a use or not.

use equivalent::Equivalent;

use super::{Budget, Engine, Meta, Version};
use crate::machine::list::Token;
use crate::machine::store::Slot;
use crate::machine::time::Instant;

/// The result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<T> {
    /// There is a live entry.
    Hit(T),
    /// There is an entry, but it has expired.
    Expired,
    /// There is no entry.
    Absent,
}

impl<T> Lookup<T> {
    /// Converts what was found.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Hit(found) => Lookup::Hit(f(found)),
            Self::Expired => Lookup::Expired,
            Self::Absent => Lookup::Absent,
        }
    }
}

/// A stored entry, borrowed from the engine.
#[derive(Debug, Clone, Copy)]
pub struct EntryRef<'a, K, V> {
    /// The slot of the entry.
    pub token: Token,
    /// The write that stored the value.
    pub version: Version,
    /// The entry's key.
    pub key: &'a K,
    /// The entry's value.
    pub value: &'a V,
    /// When it expires if it is not used before; [`Instant::FAR`] if never.
    pub deadline: Instant,
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Returns the value of `key` and counts a use. `now` is called only if entries can expire.
    ///
    /// If [`Engine::reads_mutate`], neither the policy nor the idle expiry learns of the use.
    pub fn get<Q>(&self, hash: u32, key: &Q, now: impl FnOnce() -> Instant) -> Option<&V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.look_up(hash, key, now) {
            Lookup::Hit(value) => Some(value),
            Lookup::Expired | Lookup::Absent => None,
        }
    }

    /// As [`Engine::get`], and tells an expired entry, which [`Engine::expire`] removes, from none.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub fn look_up<Q>(&self, hash: u32, key: &Q, now: impl FnOnce() -> Instant) -> Lookup<&V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        // A closure instead of `Store::find`: the search must be inlined into a hit, even in a
        // program that is optimized for size.
        let found = self.store.find_by(hash, |known| key.equivalent(known));
        let Some((token, slot)) = found else {
            return Lookup::Absent;
        };
        let deadline = self.deadlines.kept_until(token);
        if deadline != Instant::FAR && deadline.has_passed(now().max(self.now)) {
            return Lookup::Expired;
        }
        slot.meta.hits.record();
        Lookup::Hit(&slot.value)
    }

    /// As [`Engine::look_up`], and exact LRU learns of the use. Only for an engine that
    /// [`Engine::logs_hits`]. `None`, and nothing is counted, if the hit needs
    /// [`Engine::look_up_exclusive`]: about once in a thousand hits without a write.
    #[inline]
    pub fn look_up_logged<Q>(
        &self,
        hash: u32,
        key: &Q,
        now: impl FnOnce() -> Instant,
    ) -> Option<Lookup<&V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let found = self.store.find_by(hash, |known| key.equivalent(known));
        let Some((token, slot)) = found else {
            return Some(Lookup::Absent);
        };
        let deadline = self.deadlines.kept_until(token);
        if deadline != Instant::FAR && deadline.has_passed(now().max(self.now)) {
            return Some(Lookup::Expired);
        }
        let is_logged = self.policy.log_hit(token, self.weights.of(token));
        is_logged.then_some(Lookup::Hit(&slot.value))
    }

    /// As [`Engine::look_up`], and any policy and an idle expiry learn of the use.
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
            if self.deadlines.kept_until(token).has_passed(now) {
                return Lookup::Expired;
            }
            self.deadlines.record_hit(token, now);
        }
        Lookup::Hit(self.record_hit(token))
    }

    /// Returns the value of `key` without counting a use.
    pub fn peek<Q>(&self, hash: u32, key: &Q, now: impl FnOnce() -> Instant) -> Option<&V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.peek_entry(hash, key, now) {
            Lookup::Hit(found) => Some(found.value),
            Lookup::Expired | Lookup::Absent => None,
        }
    }

    /// As [`Engine::look_up`], with the whole entry and without counting a use.
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

    /// Returns the live entry of `key` without counting a use.
    pub fn find<Q>(&self, hash: u32, key: &Q, now: Instant) -> Option<EntryRef<'_, K, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.peek_entry(hash, key, || now) {
            Lookup::Hit(found) => Some(found),
            Lookup::Expired | Lookup::Absent => None,
        }
    }

    /// Iterates over the live entries from slot `start` on, in unspecified order. O(slots).
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

    /// As [`Engine::iter_from`], with the entries that are kept after their time to live.
    pub fn iter_kept_from(
        &self,
        start: usize,
        now: Instant,
    ) -> impl Iterator<Item = EntryRef<'_, K, V>> + '_ {
        let now = now.max(self.now);
        self.store
            .iter_from(start)
            .filter(move |(token, _)| !self.deadlines.kept_until(*token).has_passed(now))
            .map(|(token, slot)| self.entry_ref(token, slot))
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

    /// The token of the live entry of `key`.
    pub(super) fn find_live<Q>(&self, hash: u32, key: &Q, now: Instant) -> Option<Token>
    where
        Q: Equivalent<K> + ?Sized,
    {
        Some(self.find(hash, key, now)?.token)
    }
}
