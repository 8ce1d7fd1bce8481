//! The room that entries take: what a shard holds of it, and what it gives up.

use super::{Budget, Engine, PolicyView};
use crate::machine::effects::Effects;
use crate::machine::list::Token;
use crate::machine::stats::RemovalCause;
use crate::machine::time::Instant;

impl<K, V, F, B: Budget> Engine<K, V, F, B> {
    /// Evicts entries until they have weighed at least `wanted` together, and hands that weight to
    /// the caller, which places a heavy entry in another shard. Expired entries leave first.
    /// Returns how much it was: less than `wanted` only if the shard is empty now.
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

    /// Removes expired entries until they have weighed at least `wanted` together. Their room is
    /// free then. Returns how much it was: less than `wanted` only if no other has expired.
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

    /// No later than the time at which the first entry expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.deadlines.next_deadline()
    }

    /// Makes the room that is taken up by an entry of `weight`, which will replace `old`.
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
        // Out of the queues meanwhile, or it might be evicted to make room for itself.
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

    /// Takes `wanted` from the free room. As long as there is not enough, expired entries leave, and
    /// then live ones; but those only once no other shard holds an expired one.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn take_weight(
        &mut self,
        wanted: u64,
        now: Instant,
        fx: &mut Effects<K, V, F>,
    ) -> Result<(), u64> {
        let mut freed = 0_u64;
        while freed < wanted && !self.budget.try_take(wanted - freed) {
            // One at a time: no more leave than the room needs.
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

    /// Evicts one entry. Returns the room that it had, which is the caller's now.
    #[cfg_attr(not(target_os = "none"), inline)]
    fn evict_one(&mut self, fx: &mut Effects<K, V, F>) -> Option<u64> {
        let token = self.policy.evict(view!(self))?;
        self.remove_dequeued(token, RemovalCause::Size, fx)
    }

    /// Removes an entry that has expired. Returns the room that it had, which is the caller's now.
    #[cold]
    fn expire_one(&mut self, now: Instant, fx: &mut Effects<K, V, F>) -> Option<u64> {
        let mut unlimited = usize::MAX;
        let token = self.deadlines.pop_expired(now, &mut unlimited)?;
        self.policy.remove(token, view!(self));
        self.remove_dequeued(token, RemovalCause::Expired, fx)
    }

    /// Removes an entry that is in no queue any more. Returns the room that it had.
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
