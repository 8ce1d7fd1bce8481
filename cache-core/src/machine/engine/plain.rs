//! Writes in the common case: every entry weighs 1, none can expire, and at most one entry has to
//! make place.
//!
//! They do what [`Engine::insert_with_limits`] does, in one straight line: the steps that cannot
//! have an effect here are left out, and the removed entry is returned instead of added to a buffer.

use super::any_policy::AnyPolicy;
use super::{Budget, Engine, EntryLimits, Meta, PlainView};
use crate::machine::effects::Removed;
use crate::machine::expiry::Ttl;
use crate::machine::list::Token;
use crate::machine::policy::Policy;
use crate::machine::stats::RemovalCause;

/// Where an entry is stored for which [`Engine::reserve_plain`] has taken the weight.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// In the slot of the entry with the same key.
    Same(Token),
    /// In the slot of this victim, which the policy no longer knows.
    Victim(Token),
    /// In a vacant slot.
    Vacant,
}

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Whether every entry weighs 1 and none can expire, neither here nor in a shard with which
    /// this one shares its capacity.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.weights.all_are_one() && self.has_no_expiry()
    }

    /// Whether an entry with these limits can be written by [`Engine::reserve_plain`] and
    /// [`Engine::commit_plain`]. Not on a microcontroller, where one path for all writes takes less
    /// code.
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
        if !self.is_plain() || self.flights.has(hash, &key) {
            return Err((key, value));
        }
        let old = self.store.find_by(hash, |known| *known == key);
        let old = old.map(|(token, _)| token);
        let Some(place) = self.reserve_plain(old) else {
            return Err((key, value));
        };
        self.epoch += 1;
        Ok(self.commit_plain(hash, place, key, value))
    }

    /// Takes the weight of an entry that replaces `old`: from the budget, or else from a victim.
    /// `None`, and nothing has changed, if the shard has no victim. Must be followed by
    /// [`Engine::commit_plain`], without user code between the two.
    #[inline(always)]
    pub(super) fn reserve_plain(&mut self, old: Option<Token>) -> Option<Place> {
        match old {
            Some(token) => Some(Place::Same(token)),
            None if self.budget.try_take(1) => Some(Place::Vacant),
            None => {
                let view = PlainView(&self.store);
                let victim = each_policy!(&mut self.policy, policy => policy.evict(&view), None);
                victim.map(Place::Victim)
            }
        }
    }

    /// Stores an entry of weight 1 at `place`. Returns the entry that was there.
    #[inline(always)]
    pub(super) fn commit_plain(
        &mut self,
        hash: u32,
        place: Place,
        key: K,
        value: V,
    ) -> Option<Removed<K, V>> {
        self.counters.inserted += 1;
        let version = self.next_version();
        match place {
            Place::Same(token) => {
                self.policy.hit(token, 1);
                let slot = self.store.get_mut(token);
                let slot = slot.expect("a found token is stored");
                slot.meta.set_version(version);
                slot.meta.hits.record();
                let key = core::mem::replace(&mut slot.key, key);
                let value = core::mem::replace(&mut slot.value, value);
                Some(self.removed(key, value, RemovalCause::Replaced))
            }
            Place::Victim(token) => {
                let meta = Meta::new(version);
                let (key, value) = self.store.replace(token, hash, key, value, meta);
                self.enqueue_plain(token);
                Some(self.removed(key, value, RemovalCause::Size))
            }
            Place::Vacant => {
                self.add_plain(hash, key, value, Meta::new(version));
                None
            }
        }
    }

    /// Stores an entry in a vacant slot. Not inlined: a full cache does not take this way.
    #[inline(never)]
    fn add_plain(&mut self, hash: u32, key: K, value: V, meta: Meta) {
        let token = self.store.insert(hash, key, value, meta);
        self.weight += 1;
        self.enqueue_plain(token);
    }

    #[inline]
    fn removed(&mut self, key: K, value: V, cause: RemovalCause) -> Removed<K, V> {
        self.counters.count_removed(cause);
        Removed { key, value, cause }
    }

    #[inline(always)]
    fn enqueue_plain(&mut self, token: Token) {
        let view = PlainView(&self.store);
        each_policy!(&mut self.policy, policy => policy.insert(token, &view), ());
    }
}
