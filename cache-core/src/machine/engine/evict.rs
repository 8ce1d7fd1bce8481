//! Capacity: taking the weight of a new entry, and evicting entries until there is enough.

use super::{Budget, Engine, PolicyView};
use crate::machine::effects::Effects;
use crate::machine::list::Token;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Removes entries, expired ones first, until they weigh at least `wanted` together, and
    /// returns their weight: less than `wanted` only if no entry with a weight is left.
    ///
    /// The weight does not go back to the budget. It is the caller's, which stores a heavy entry in
    /// another shard.
    pub fn evict_for(&mut self, wanted: u64, now: Instant, fx: &mut Effects<K, V, F>) -> u64 {
        let now = self.advance_clock(now);
        let mut freed = 0;
        while freed < wanted {
            let weight = self.expire_one(now, fx).or_else(|| self.evict_one(fx));
            let Some(weight) = weight else {
                break;
            };
            freed += weight;
        }
        self.shrink_if_sparse();
        freed
    }

    /// Removes expired entries until they weigh at least `wanted` together, and returns their
    /// weight, which goes back to the budget: less than `wanted` only if no other has expired.
    pub fn expire_for(&mut self, wanted: u64, now: Instant, fx: &mut Effects<K, V, F>) -> u64 {
        let now = self.advance_clock(now);
        let mut freed = 0;
        while freed < wanted {
            let Some(weight) = self.expire_one(now, fx) else {
                break;
            };
            freed += weight;
        }
        self.budget.give_back(freed);
        self.shrink_if_sparse();
        freed
    }

    /// A time no later than the first deadline of an entry.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.deadlines.next_deadline()
    }

    /// Takes the weight of an entry that replaces `old`, or returns how much is missing.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn reserve_weight(
        &mut self,
        old: Option<Token>,
        weight: u32,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), u64> {
        let Some(old) = old else {
            return self.take_weight(u64::from(weight), now, fx);
        };
        let held = self.weights.of(old);
        if weight == held {
            return Ok(());
        }
        // Not in the policy meanwhile: the entry must not be evicted for its own new value.
        self.policy.remove(old, view!(self));
        let taken = self.take_weight(u64::from(weight.saturating_sub(held)), now, fx);
        if taken.is_ok() {
            self.budget
                .give_back(u64::from(held.saturating_sub(weight)));
            self.weights.set(old, weight);
            self.weight = self.weight - u64::from(held) + u64::from(weight);
        }
        self.policy.insert(old, view!(self));
        taken
    }

    /// Takes `wanted` from the budget. If there is not enough, removes expired entries, and then
    /// evicts live ones, but no live one as long as other shards may hold expired ones.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn take_weight(
        &mut self,
        wanted: u64,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), u64> {
        let mut freed = 0_u64;
        while freed < wanted && !self.budget.try_take(wanted - freed) {
            // One at a time, so that no more entries are removed than necessary.
            if !self.deadlines.is_empty() && !self.purge(now, 1, fx) {
                continue;
            }
            let evicted = if self.budget.may_reclaim_expired(now) {
                None
            } else {
                self.evict_one(fx)
            };
            let Some(weight) = evicted else {
                self.budget.give_back(freed);
                return Err(wanted);
            };
            freed += weight;
        }
        self.budget.give_back(freed.saturating_sub(wanted));
        Ok(())
    }

    /// Evicts one entry. Returns its weight, which does not go back to the budget.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn evict_one(&mut self, fx: &mut Effects<K, V, F>) -> Option<u64> {
        let token = self.policy.evict(view!(self))?;
        let weight = self.remove_dequeued(token, RemovalCause::Size, fx)?;
        self.counters.count_evicted(weight);
        Some(weight)
    }

    /// Removes one expired entry. Returns its weight, which does not go back to the budget.
    #[cold]
    fn expire_one(&mut self, now: Instant, fx: &mut Effects<K, V, F>) -> Option<u64> {
        let mut unlimited = usize::MAX;
        let token = self.deadlines.pop_expired(now, &mut unlimited)?;
        self.policy.remove(token, view!(self));
        self.remove_dequeued(token, RemovalCause::Expired, fx)
    }

    /// Moves an entry that the policy no longer knows to the effects. Returns its weight.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn remove_dequeued(
        &mut self,
        token: Token,
        cause: RemovalCause,
        fx: &mut Effects<K, V, F>,
    ) -> Option<u64> {
        let weight = self.weights.of(token);
        let removed = self.take_from_store(token, cause)?;
        fx.push_removed(removed);
        Some(u64::from(weight))
    }
}
